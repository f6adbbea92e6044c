"""Conversations as Markdown, JSON Lines and HTML, whatever their texts hold."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from chatcli.chat.export import (
    FORMATS,
    format_of,
    html,
    left_out,
    markdown,
    messages,
    write_export,
)
from chatcli.chat.importing import read_import
from chatcli.chat.types import Session, Settings, Turn
from chatcli.engine.types import Finish
from chatcli.errors import OutputError, UsageError
from chatcli.text.types import Message
from chatcli.train.corpus import Reading, read_conversations
from tests.chat.kept import kept_session, kept_turns

HOSTILE = (
    "</div></body><script>alert(1)</script><!-- & \"'\n"
    "]]> \u2028 \u2029 \u202etxt.exe\u202c \u2066 \x1b[31m \x00 \x9b2J javascript:alert(1)"
)
TURNS = kept_turns(
    ("世界上最高的山？", "珠穆朗玛峰。"), ("Why?", "Plates\n\ncollide."), system="简短"
)


class Page(HTMLParser):
    """Every tag with its attributes, and the text of each element with class `text`."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self._inside = False
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = "text" in (dict(attrs).get("class") or "").split()
        if self._inside:
            self.said.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.said[-1] += data


def test_messages_are_one_line_that_training_reads(tmp_path: Path) -> None:
    text = messages(kept_session(TURNS), TURNS)
    assert "珠穆朗玛峰" in text and text.count("\n") == 1
    (tmp_path / "talk.jsonl").write_text(text, encoding="utf-8")
    reading = Reading()
    (conversation,) = read_conversations(tmp_path / "talk.jsonl", reading)
    assert not reading.bad
    assert [(one.role, one.content) for one in conversation] == [
        ("system", "简短"),
        ("user", "世界上最高的山？"),
        ("assistant", "珠穆朗玛峰。"),
        ("user", "Why?"),
        ("assistant", "Plates\n\ncollide."),
    ]


def test_messages_come_back_as_they_were(tmp_path: Path) -> None:
    turns = kept_turns((HOSTILE, HOSTILE[::-1]), ("  spaces \n", "\n<|im_end|>"), system=HOSTILE)
    path = tmp_path / "talk.jsonl"
    write_export(path, messages(kept_session(turns), turns))
    (found,) = read_import(path, model="builtin", settings=Settings(), now=1.0)
    assert [(turn.user, turn.reply, turn.preamble) for turn in found.turns] == [
        (turn.user, turn.reply, turn.preamble) for turn in turns
    ]
    assert messages(found.session, found.turns) == path.read_text(encoding="utf-8")


def test_a_turn_without_a_reply_teaches_nothing() -> None:
    turns = kept_turns(("a", "b"), ("c", ""))
    (record,) = map(json.loads, messages(kept_session(turns), turns).splitlines())
    assert [row["content"] for row in record["messages"]] == ["a", "b"]
    with pytest.raises(UsageError, match="no turn has a reply"):
        messages(kept_session(turns), turns[1:])


def ended(turn: Turn, finish: Finish | None) -> Turn:
    return replace(turn, runs=(replace(turn.runs[-1], finish=finish),))


def said_in(text: str) -> list[list[str]]:
    """The contents of each line."""
    return [[row["content"] for row in json.loads(line)["messages"]] for line in text.splitlines()]


def test_each_system_prompt_begins_a_conversation_of_its_own() -> None:
    one, two, three, four = kept_turns(("a", "b"), ("c", "d"), ("e", "f"), ("g", "h"))
    new = (Message("system", "S"),)
    turns = [one, two, replace(three, preamble=new), replace(four, preamble=new)]
    text = messages(kept_session(turns), turns)
    assert said_in(text) == [["a", "b", "c", "d"], ["S", "e", "f", "g", "h"]]
    assert left_out(turns) == [
        "2 conversations: one ends where the system prompt changes, or a turn is left out"
    ]


@pytest.mark.parametrize(
    ("finish", "why"),
    [
        ("length", "cut at its limit"),
        ("context", "cut at the end of the context"),
        ("interrupted", "interrupted"),
        (None, "cut off"),
    ],
)
def test_a_reply_that_was_cut_is_no_example_unless_asked_for(
    finish: Finish | None, why: str
) -> None:
    turns = kept_turns(("a", "b"), ("c", "d"), ("e", "f"))
    turns[1] = ended(turns[1], finish)
    session = kept_session(turns)
    assert said_in(messages(session, turns)) == [["a", "b"], ["e", "f"]]
    assert left_out(turns)[0] == (
        f"left out 1 turn whose reply isn't whole (1 {why}); --cut takes them too"
    )
    assert said_in(messages(session, turns, cut=True)) == [["a", "b", "c", "d", "e", "f"]]
    assert left_out(turns, cut=True) == []
    assert why in markdown(session, turns) and why in html(session, turns)
    with pytest.raises(UsageError, match=r"every reply was cut .*--cut"):
        messages(session, turns[1:2])


def test_a_reply_that_stopped_by_itself_is_whole() -> None:
    turns = [ended(turn, "stop") for turn in kept_turns(("a", "b"))]
    assert said_in(messages(kept_session(turns), turns)) == [["a", "b"]] and left_out(turns) == []


@pytest.mark.parametrize("make", [markdown, html])
def test_a_page_says_from_where_on_another_system_prompt_holds(
    make: Callable[[Session, Sequence[Turn]], str],
) -> None:
    one, two, three = kept_turns(("a", "b"), ("c", "d"), ("e", "f"), system="S")
    turns = [one, replace(two, preamble=(Message("system", "T"),)), replace(three, preamble=())]
    before, changed, ended = re.split(
        "(?:another|no) system prompt from here on", make(kept_session(turns), turns)
    )
    assert "S" in before and "T" in changed and "system" not in ended


def test_markdown_numbers_turns_and_says_how_each_reply_was_made() -> None:
    text = markdown(kept_session(TURNS, name="高山"), TURNS)
    assert text.startswith("# 高山\n\nsession 5e55104f00d1cafe · ")
    parts = text.split("\n\n")
    assert parts[2:7] == ["## 1", "**system**", "> 简短", "**user**", "> 世界上最高的山？"]
    assert parts[7:9] == ["**chatcli-16m**", "珠穆朗玛峰。"]
    assert "temperature 0.8, top\\_k 40, seed 2 · 3 tokens · eos*" in parts[-1]
    assert text.count("**system**") == 1 and "\n\nPlates\n\ncollide.\n\n" in text


@pytest.mark.parametrize(
    "reply",
    [
        "code:\n```python\nx = 1",
        "# 9\n\nfake",
        "<!-- gone",
        "<script>\nx",
        "~~~\n```\n",
        "```\n~~~",
    ],
)
def test_a_reply_that_would_run_on_is_quoted(reply: str) -> None:
    text = markdown(kept_session(TURNS), kept_turns(("a", reply)))
    for line in filter(None, reply.split("\n")):
        assert f"\n> {line}\n" in text


def test_a_reply_with_whole_code_blocks_stays_as_it_is() -> None:
    reply = "see:\n\n```python\n# a comment\nx = '~~~'\n```\n\ndone"
    text = markdown(kept_session(TURNS), kept_turns(("a", reply)))
    assert "```python\n# a comment\nx = '~~~'\n```" in text and "> ```" not in text


def test_markdown_and_html_are_inert() -> None:
    turns = kept_turns((HOSTILE, HOSTILE))
    for make in (markdown, html):
        text = make(kept_session(turns, name=HOSTILE), turns)
        assert not set("\x1b\x00\x9b\u2028\u2029\u202e\u202c\u2066") & set(text)
        assert "⟨U+202E⟩txt.exe" in text.replace("\\", "")


def test_hostile_text_stays_text_in_html() -> None:
    turns = kept_turns((HOSTILE, HOSTILE), system=HOSTILE)
    page = Page(html(kept_session(turns, name=HOSTILE), turns))
    assert {tag for tag, _ in page.tags} <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "section"),
        "div",
    }
    assert len(page.said) == 3
    for said in page.said:
        assert said.startswith("</div></body><script>alert(1)</script><!-- & \"'\n]]> ⟨U+2028⟩")


def test_html_allows_nothing_but_its_own_style() -> None:
    source = html(kept_session(TURNS), TURNS)
    page = Page(source)
    (policy,) = [
        attributes["content"]
        for tag, attributes in page.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    style = re.search("<style>(.*?)</style>", source, re.DOTALL)
    assert policy and style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; ") and f"style-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    refers = re.sub("'sha256-[^']*'", "", source)
    assert not re.search(r"(?:https?:)?//|url\(|@import|\bon\w+=|\bstyle=", refers)
    assert "color-scheme: light dark" in source


def test_html_says_the_language_of_each_text() -> None:
    turns = kept_turns(("山", "やま"), ("mountain", "산"))
    page = Page(html(kept_session(turns), turns))
    texts = [attributes for tag, attributes in page.tags if tag == "div"]
    assert [attributes.get("lang") for attributes in texts] == ["zh", "ja", None, "ko"]


def test_an_empty_conversation_is_exported_too() -> None:
    session = kept_session()
    assert "5e55104f00d1cafe" in markdown(session, ()) and "5e55104f00d1cafe" in html(session, ())


def test_what_cannot_be_said_of_a_reply_is_left_out() -> None:
    plain = [Turn(1, None, "a", 0.0, reply="b")]
    text = markdown(kept_session(plain), plain)
    assert text.endswith("**assistant**\n\nb\n")


@pytest.mark.parametrize("name", ["a.md", "a.HTML", "a.jsonl"])
def test_the_ending_tells_the_format(name: str) -> None:
    assert format_of(Path(name)) == name.lower().partition(".")[2]
    assert format_of(Path("anything"), "md") == "md"
    assert set(FORMATS) == {"md", "jsonl", "html"}


def test_a_format_that_is_unknown_is_named() -> None:
    with pytest.raises(UsageError, match=r"talk\.txt.*\.md, \.jsonl or \.html"):
        format_of(Path("talk.txt"))
    with pytest.raises(UsageError, match="'pdf' doesn't exist; there are md, jsonl, html"):
        format_of(Path("a.md"), "pdf")


def test_an_export_is_the_users_alone_and_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "对话.md"
    write_export(path, "一")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(UsageError, match="exists"):
        write_export(path, "二")
    assert path.read_text(encoding="utf-8") == "一"
    write_export(path, "二", force=True)
    assert path.read_text(encoding="utf-8") == "二"
    assert [each.name for each in tmp_path.iterdir()] == ["对话.md"]


def test_an_export_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match=r"a\.md: No space left"):
        write_export(tmp_path / "a.md", "text")
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError, match="No such file"):
        write_export(tmp_path / "nowhere" / "a.md", "text")
    with pytest.raises(UsageError, match="name a file"):
        write_export(tmp_path, "text", force=True)
