"""Replies rendered as Markdown: what they become, where they go, and what never gets out."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from rich.cells import cell_len

from chatcli.ui.display import DisplayOptions, Frames, show_reply
from chatcli.ui.environment import ColorSystem, Environment
from chatcli.ui.interrupt import Interrupt
from chatcli.ui.markdown import markdown_lines
from tests.ui.replies import chain, chunks, model, payloads
from tests.ui.screen import Screen, screen_environment

REPLY = ["# 山\n\n", "最**高**的山：\n", "- 珠穆朗玛峰\n", "- `K2`\n"]
RENDERED = ["山", "", "最高的山：", "", " • 珠穆朗玛峰", " • K2"]
CALM = DisplayOptions(probs=False, pace=1e6, markdown=True)


def rendered(text: str, columns: int = 60, color_system: ColorSystem | None = None) -> list[str]:
    """The rows as a terminal shows them."""
    screen = Screen(columns, 60)
    lines = markdown_lines(text, screen_environment(screen, color_system=color_system))
    screen.write("\n".join(lines))
    return screen.lines()


def after(
    pieces: Sequence[str],
    options: DisplayOptions = CALM,
    *,
    screen: Screen | None = None,
    before: str = "",
    halfway: Callable[[Screen], Any] = lambda screen: None,
    **words: Any,
) -> list[str]:
    """What a terminal with `before` on it holds when the reply is over."""
    screen = screen or Screen(60, 24)
    screen.write(before)
    env = screen_environment(screen, color_system=None)
    frames = Frames(env, options)

    def watched() -> Any:
        for index, chunk in enumerate(chunks(pieces, frames, finish="eos")):
            if index == 2:
                halfway(screen)
            yield chunk

    show_reply(
        env,
        watched(),
        model=model(pieces),
        chain=chain(),
        frames=frames,
        interrupt=Interrupt(),
        **words,
    )
    assert screen.cursor()[1] == 0
    return screen.lines()


# What it becomes


def test_the_forms_of_markdown() -> None:
    text = (
        "## 二\n*a* **b** `c` ~~d~~\n\n1. 一\n2. 二\n   - x\n\n> 引\n\n"
        "| a | 中文 |\n|---|---|\n| 1 | 二 |\n\n```python\nif x:\n    y\n```\n\n---\nend"
    )
    assert rendered(text, 20) == [
        *("二", "", "a b c d", "", " 1 一", " 2 二", "    • x", "", "▌ 引", "", ""),
        *(" a  中文", " ───────", " 1  二", "", "", "  if x:", "      y", ""),
        *("-" * 19, "", "end"),
    ]


def test_lines_stay_lines() -> None:
    assert rendered("床前明月光，\n疑是地上霜。") == ["床前明月光，", "疑是地上霜。"]


@pytest.mark.parametrize("columns", [10, 40, 60, 120])
def test_no_row_is_wider_than_the_screen(columns: int) -> None:
    text = (
        f"{'山' * 70}\n\n- {'word ' * 40}\n\n```\n{'x' * 200}\n```\n\n| {'峰' * 50} | b |\n|-|-|\n"
    )
    lines = markdown_lines(text, screen_environment(Screen(columns, 60), color_system=None))
    assert max(cell_len(re.sub("\x1b.*?m", "", line)) for line in lines) < columns


def test_a_link_shows_its_address_and_is_none_of_the_terminals() -> None:
    lines = rendered("[bank](https://evil.example/a) <https://x.example> ![pic](http://y/z.png)")
    assert lines == ["bank (https://evil.example/a) https://x.example", "![pic](http://y/z.png)"]


def test_html_and_rich_markup_are_text() -> None:
    text = "List<String> a<br>b [red]x[/red] [link=file:///etc]y[/link]\n\n<div>z</div>"
    assert rendered(text, 100) == [*text.split("\n")]


@pytest.mark.parametrize(
    "text", ["&#27;[31mx", "&#x202e;x", "`\x1b[2J`", "```\n\x9b31m\n```", "\x00"]
)
def test_no_entity_and_no_code_smuggles_a_control_in(text: str) -> None:
    out = "".join(markdown_lines(text, screen_environment(Screen(), color_system=None)))
    assert "\x1b[31m" not in out
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202e]", re.sub(r"\x1b\[[0-9;]*m", "", out))


def test_payloads_that_terminals_obey_never_reach_one() -> None:
    for case, payload, forbidden in payloads():
        for text in (payload, f"`{payload}`", f"[a]({payload})", f"```{payload}\n{payload}\n```"):
            out = "\n".join(rendered(text))  # the screen refuses what it doesn't know
            assert not [raw for raw in forbidden if raw in out], case


def test_weight_remains_without_colour() -> None:
    out = "".join(markdown_lines("**a** `b`", screen_environment(Screen(), color_system=None)))
    assert "\x1b[1ma" in out and "36" not in out
    assert "36" in "".join(markdown_lines("`b`", screen_environment(Screen())))


# Where it goes


@pytest.mark.parametrize("columns", [40, 60, 120])
def test_it_takes_the_place_of_what_streamed(columns: int) -> None:
    screen = Screen(columns, 24)
    assert after(REPLY, screen=screen, before="> 山？\n") == ["> 山？", *RENDERED]


def test_the_figures_and_the_mark_follow_it() -> None:
    options = DisplayOptions(pace=1e6, markdown=True)
    rows = after(REPLY, options, screen=Screen(100, 24))
    assert rows[: len(RENDERED)] == RENDERED and rows[len(RENDERED)].startswith("4 tokens, eos")


@pytest.mark.parametrize("rows", [5, 6])
def test_it_does_so_only_where_all_of_the_text_is_still_on_the_screen(rows: int) -> None:
    streamed = "".join(REPLY).rstrip("\n").split("\n")
    shown = after(REPLY, screen=Screen(60, rows), before="old\n" * 9)
    kept = ["old"] * 9 + ([] if rows == 6 else [*streamed, "─" * 59])
    assert shown == [*kept, *RENDERED]


def test_it_follows_below_a_rule_where_rows_are_not_sure() -> None:
    doubtful = "“" + "x" * 58 + "”"
    assert after([doubtful]) == [doubtful, "─" * 59, doubtful[:59], "”"]


@pytest.mark.parametrize("size", [(60, 30), (50, 24)])
def test_it_follows_below_a_rule_after_a_resize(size: tuple[int, int]) -> None:
    shown = after(["a", "b", "c"], halfway=lambda screen: screen.resize(*size))
    assert shown == ["abc", "─" * (size[0] - 1), "abc"]


def test_without_live_it_follows_below_a_rule() -> None:
    options = DisplayOptions(live=False, probs=False, markdown=True)
    assert after(["**a**"], options) == ["**a**", "─" * 59, "a"]


@pytest.mark.parametrize(
    ("thinking", "line"),
    [("show", ["<think>a", "*b*</think>"]), ("fold", ["thinking… 1 token, 0.0 s"])],
)
def test_thinking_is_left_as_it_was(thinking: Any, line: list[str]) -> None:
    options = DisplayOptions(probs=False, pace=1e6, markdown=True, thinking=thinking)
    assert after(["<think>a\n*b*</think>", "\n\n*c*"], options) == [*line, "c"]


def test_a_reply_that_goes_on_is_not_rendered_for_it_is_no_whole_text() -> None:
    assert after(["*b*"], said="*a ") == ["…*b*"]


def test_nothing_is_rendered_of_nothing() -> None:
    assert after(["\n"], before="old\n") == ["old"]


def test_a_pipe_gets_the_text_itself() -> None:
    out = io.StringIO()
    env = Environment(io.StringIO(), out, io.StringIO())
    frames = Frames(env, CALM)
    show_reply(
        env,
        chunks(REPLY, frames),
        model=model(REPLY),
        chain=chain(),
        frames=frames,
        interrupt=Interrupt(),
    )
    assert out.getvalue() == "".join(REPLY)


def test_markdown_is_imported_only_where_it_is_asked_for() -> None:
    code = "import sys, chatcli.ui.display; print(sys.modules.keys() & {'markdown_it', 'pygments'})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
