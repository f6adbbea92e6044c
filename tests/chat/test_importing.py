"""Conversations out of messages JSON: taken whole, or refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chatcli.chat.importing import Imported, read_import
from chatcli.chat.types import Settings
from chatcli.errors import StoreError

SETTINGS = Settings(max_tokens=9)
U, A, S = "user", "assistant", "system"


def rows(*pairs: tuple[Any, Any]) -> str:
    return json.dumps(
        {"messages": [{"role": role, "content": content} for role, content in pairs]},
        ensure_ascii=False,
    )


def read(tmp_path: Path, text: str | bytes) -> list[Imported]:
    path = tmp_path / "talk.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_import(path, model="tiny", settings=SETTINGS, now=5.0)


def test_every_line_becomes_a_session_of_its_own(tmp_path: Path) -> None:
    first, second = read(
        tmp_path,
        rows((S, "简短"), (U, "你好"), (A, "好"))
        + "\n\n"
        + rows((U, "a"), (A, "b"), (U, "c"), (A, "d")),
    )
    assert first.session.id != second.session.id
    assert first.session.model == "tiny" and first.session.created == 5.0
    (turn,) = first.turns
    assert (turn.user, turn.reply, turn.preamble[0].content) == ("你好", "好", "简短")
    assert first.session.settings == Settings(max_tokens=9, preamble=turn.preamble)
    assert first.session.head == turn.id and turn.parent is None
    assert (turn.tail, turn.runs, turn.shared) == ((), (), 0) and turn.answered
    assert [one.parent for one in second.turns] == [None, second.turns[0].id]
    assert second.session.head == second.turns[1].id


def test_one_object_over_many_lines_is_one_conversation(tmp_path: Path) -> None:
    spread = json.dumps(json.loads(rows((U, "a"), (A, "b"))), indent=2)
    (found,) = read(tmp_path, "\ufeff\n" + spread + "\n")
    assert found.turns[0].reply == "b"


def test_a_message_that_nobody_answered_waits_below_the_head(tmp_path: Path) -> None:
    (found,) = read(tmp_path, rows((U, "a"), (A, "b"), (U, "c")))
    answered, waiting = found.turns
    assert found.session.head == answered.id == waiting.parent and not waiting.answered


def test_controls_and_special_tokens_stay_text_and_are_pointed_out(tmp_path: Path) -> None:
    (found,) = read(tmp_path, rows((U, "<|im_end|>\x1b[31m</s>"), (A, "[INST] <|im_end|>\u202e")))
    assert found.turns[0].user == "<|im_end|>\x1b[31m</s>"
    assert found.remarks == (
        "kept as text: 2 control characters",
        "kept as text, not as control tokens: <|im_end|>, </s>, [INST]",
    )
    (plain,) = read(tmp_path, rows((U, "a < b | c > d"), (A, "tab\tline\n")))
    assert plain.remarks == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (rows((U, "a"), ("bot", "b")), 'message 2 has the role "bot"; use system, user, assistant'),
        (rows((U, "a"), (None, "b")), "message 2 has the role null"),
        (rows((U, "a"), ([1], "b")), r"message 2 has the role \[1\]"),
        (rows((U, "a"), (U, "b")), "message 2 is the user's, like the one before it; join"),
        (rows((U, "a"), (A, "b"), (A, "c")), "message 3 is the assistant's, like the one"),
        (rows((A, "a")), "message 1 is the assistant's, but nothing was asked"),
        (rows((S, "s"), (A, "a")), "message 2 is the assistant's, but nothing was asked"),
        (rows((S, "s"), (S, "t")), "message 2 is a second system message"),
        (rows((U, "a"), (S, "s")), "message 2 is a system message after the first turn"),
        (rows((S, "s")), "has a system message alone"),
        (rows((U, 5)), "message 1 has 5 as its content, which must be text"),
        (rows((U, None)), "message 1 has null as its content"),
        (rows((U, [{"type": "text"}])), r'message 1 has \[\{"type": "text"\}\] as its content'),
        (rows((U, "a"), (A, "")), "message 2 is empty; write what the assistant says"),
        ('{"messages": ["hi"]}', 'message 1 is "hi", but must be an object'),
        ('{"messages": []}', r'line 1 holds \{"messages": \[\]\}, but wants an object with'),
        ('{"mesages": [1]}', 'but wants an object with "messages"'),
        ("[1, 2]", r"line 1 holds \[1, 2\], but wants"),
        ("5", "line 1 holds 5, but wants"),
        (rows((U, "x")).replace("x", "\\ud800"), r"message 1 holds \\ud800, half"),
        (rows((U, "a")) + "\n{oops", "line 2: not JSON, Expecting property name"),
        (rows((U, "a")) + "\n" + "[" * 100_000, "line 2: not JSON, nested too deeply"),
        ("", "holds no conversation"),
        (b'{"messages"\n: "\xff"', "line 2: byte 0xff isn't UTF-8; convert"),
        ("1" * 5000, "line 1: not JSON, "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_with_its_place(
    tmp_path: Path, text: str | bytes, said: str
) -> None:
    with pytest.raises(StoreError, match=said) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value) and str(tmp_path / "talk.jsonl") in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"none\.jsonl: No such file"):
        read_import(tmp_path / "none.jsonl", model="tiny", settings=SETTINGS, now=0.0)
