"""The page as text: its policy, its parts, its figures, whatever the texts hold."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from chatcli.probe.report import Passage, Report
from chatcli.text.visible import one_line
from chatcli.ui.page.report import report_page
from tests.ui.page.telling import HOSTILE, report_of, told


class Page(HTMLParser):
    """Every tag with its attributes; the texts of scripts and of tokens."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[str] = []
        self.scripts: list[str] = []
        self.tokens: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside.append(tag)
        kind = dict(attrs).get("class") or ""
        if tag == "script":
            self.scripts.append("")
        if tag == "span" and kind[:1] in tuple("abcde") and "legend" not in kind:
            self.tokens.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.inside:
            del self.inside[len(self.inside) - 1 - self.inside[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        if self.inside[-1:] == ["script"]:
            self.scripts[-1] += data
        elif self.inside[-1:] == ["span"] and self.tokens:
            self.tokens[-1] += data

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.scripts[0])
        return found


def source(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_the_policy_allows_the_pages_own_parts_alone() -> None:
    text = report_page(report_of([told("a")]), top=1)
    page = Page(text)
    (policy,) = [
        attributes["content"] or ""
        for tag, attributes in page.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    style = re.search("<style>(.*?)</style>", text, re.DOTALL)
    data, script = page.scripts
    assert style and json.loads(data) and script
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{source(style[1])}'; "
        f"script-src 'sha256-{source(script)}'; base-uri 'none'; form-action 'none'"
    )


def test_the_page_refers_to_nothing_outside_of_it() -> None:
    text = re.sub("'sha256-[^']*'", "", report_page(report_of([told("a")]), top=1))
    assert not re.search(r"https?:|//\w|url\(|@import|\bon\w+=|\bstyle=|\bsrc=|\bhref=", text)
    assert "innerHTML" not in text and "eval(" not in text


def test_each_token_is_tinted_by_the_models_probability() -> None:
    probs = (0.9, 0.5, 0.2, 0.06, 0.001)
    text = report_page(report_of([told("x", prob) for prob in probs]), top=1)
    assert re.findall(r'<span class="(\w)">x</span>', text) == list("abcde")


def test_what_is_no_text_is_shown_and_not_copied() -> None:
    fragment = replace(told("x"), text="", label="⟨E4 B8⟩")
    control = replace(told("x"), text="", label="<|end|>", control=True)
    text = report_page(report_of([fragment, told("中"), told("\n\n"), control]), top=1)
    assert '<span class="b f" data-is="⟨E4 B8⟩"></span><span class="b">中</span>' in text
    assert '<span class="b f" data-is="↵↵">\n\n</span>' in text
    assert '<span class="b x" data-is="&lt;|end|&gt;"></span>' in text


def test_hostile_texts_stay_texts_wherever_they_stand() -> None:
    tokens = [told(text, rivals=HOSTILE) for text in HOSTILE]
    made = report_of(tokens, title="".join(HOSTILE), user="".join(HOSTILE))
    (user, reply) = made.turns[0]
    reply = replace(reply, name="".join(HOSTILE), about=HOSTILE, made=(("".join(HOSTILE),) * 2,))
    turns = ((user, reply), (Passage("assistant", "x", "y", note="".join(HOSTILE)),))
    text = report_page(replace(made, facts=HOSTILE, turns=turns), top=20)
    page = Page(text)
    assert {tag for tag, _ in page.tags} == {
        *("html", "head", "meta", "title", "style", "body", "div", "main", "aside", "section"),
        *("h1", "h2", "h3", "p", "span", "figure", "svg", "path", "figcaption", "details"),
        *("summary", "dl", "dt", "dd", "script"),
    }
    assert len(page.scripts) == 2 and text.count("<script") == 2 and text.count("<!--") == 0
    assert not set("\u2028\u2029\u202e\u202c\u2066\x00\x1b\x9b\ud800") & set(text)
    shown = page.tokens[-len(HOSTILE) :]
    assert shown[0] == HOSTILE[0] and shown[6] == "⟨U+202E⟩txt.exe⟨U+202C⟩⟨U+2066⟩"
    assert page.data["labels"][:2] == [one_line(HOSTILE[0]), one_line(HOSTILE[0])]


def test_the_figures_are_those_of_the_tokens() -> None:
    one = told("a", 0.123456, rivals=["b"])
    unknown = replace(told("a"), prob=None, rank=None, interval=None, u=None, stages=())
    data = Page(report_page(report_of([one, unknown]), top=2)).data
    assert data["labels"] == ["a", "b"] and data["ids"] == [7, 100] and data["stages"] == ["top_k"]
    first, second = data["replies"][0]
    assert first == [
        *(0, 0.1235, 0.75, 1, 1.5, 0.25, 0, 0.75),
        [0, 0.1235, 0.75, -1, 1, 0.01, 0, 0],
        [0, 40, 1.25],
    ]
    assert second[:8] == [0, 0.5, None, None, 1.5, None, None, None] and second[9] == []


@pytest.mark.parametrize(("prob", "told_as"), [(1.0, 1), (0.99999, 0.9999), (1e-9, 1e-09)])
def test_only_certainty_is_told_as_one(prob: float, told_as: float) -> None:
    data = Page(report_page(report_of([told("a", prob)]), top=1)).data
    assert data["replies"][0][0][1] == pytest.approx(told_as, abs=1e-12)


def test_a_report_without_tokens_runs_nothing() -> None:
    plain = Report("t", (), ((Passage("assistant", "m", "text", note="no tokens"),),))
    text = report_page(plain, top=1)
    assert "<script" not in text and "script-src" not in text and "<aside" not in text
    assert '<p class="note">no tokens</p>' in text


def test_a_plot_is_no_longer_than_it_must_be() -> None:
    text = report_page(report_of([told("a") for _ in range(5000)]), top=1)
    plot = re.search(r'<figure class="plot">.*?</figure>', text, re.DOTALL)
    assert plot and len(plot[0]) < 20_000
    assert "9 tokens a step: mean and highest" in plot[0] and 'viewBox="0 0 556 60"' in plot[0]


def test_a_token_the_model_rules_out_has_a_place_in_the_plot() -> None:
    assert "0 to 64 bits" in report_page(report_of([told("a", 0.0)]), top=1)


def test_a_token_with_ten_candidates_costs_less_than_600_bytes() -> None:
    luck = random.Random(1)
    words = [f"word{luck.randrange(20_000)}" for _ in range(10)]
    tokens = [
        told(f"t{at}", luck.random(), rivals=words[1:], token=1000 + at) for at in range(2000)
    ]
    one, all_ = (
        len(report_page(report_of(each), top=10).encode()) for each in (tokens[:1], tokens)
    )
    assert (all_ - one) / 1999 < 600
