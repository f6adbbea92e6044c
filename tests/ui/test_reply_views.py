"""Calm chats, thinking, replies that go on, are cut, or fail: whole screens, and pipes."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from chatcli.engine.types import Chunk, Finish
from chatcli.errors import OutputError
from chatcli.ui.display import DisplayOptions, Frames, Reply, show_reply
from chatcli.ui.environment import Environment
from chatcli.ui.interrupt import Interrupt
from tests.ui.replies import chain, chunks, model
from tests.ui.screen import Screen, screen_environment

PIECES = ["是", "珠穆", "朗", "玛", "峰", "。"]
THOUGHT = ["<think>", "\n山？", "山。", "\n</think>", "\n\n", "珠穆", "朗玛峰。"]
CALM = DisplayOptions(probs=False, pace=1e6)
FOLDED = DisplayOptions(probs=False, pace=1e6, thinking="fold")


def show(
    env: Environment,
    pieces: Sequence[str] = PIECES,
    options: DisplayOptions = CALM,
    *,
    finish: Finish = "eos",
    watch: Callable[[Iterator[Chunk]], Iterator[Chunk]] = iter,
    **words: Any,
) -> Reply:
    """Show a reply of `pieces`; `watch` is what goes between who makes it and who shows it."""
    frames = Frames(env, options)
    return show_reply(
        env,
        watch(chunks(pieces, frames, finish=finish)),
        model=model(pieces),
        chain=chain(),
        frames=frames,
        interrupt=Interrupt(),
        **words,
    )


def screens(screen: Screen, pieces: Sequence[str], options: DisplayOptions) -> list[list[str]]:
    """The screen before the first token, after each, and at the end."""
    seen: list[list[str]] = []

    def watched(reply: Iterator[Chunk]) -> Iterator[Chunk]:
        for chunk in reply:
            seen.append(screen.lines())
            yield chunk

    show(screen_environment(screen, color_system=None), pieces, options, watch=watched)
    return [*seen, screen.lines()]


def after(pieces: Sequence[str] = PIECES, options: DisplayOptions = CALM, **words: Any) -> Screen:
    """The screen when the reply is over."""
    screen = Screen(words.pop("columns", 60), 24)
    show(screen_environment(screen, color_system=None), pieces, options, **words)
    assert screen.cursor()[1] == 0
    return screen


def piped(pieces: Sequence[str] = PIECES, options: DisplayOptions = CALM, **words: Any) -> str:
    out = io.StringIO()
    show(Environment(io.StringIO(), out, io.StringIO()), pieces, options, **words)
    return out.getvalue()


# Calm


@pytest.mark.parametrize("columns", [9, 10, 40, 60, 120])
def test_a_calm_chat_is_the_text_alone(columns: int) -> None:
    seen = screens(Screen(columns, 24), PIECES * 3, CALM)
    assert seen[0] == ["", "reading the prompt …" if columns > 20 else "reading…"]
    texts = ["".join(rows) for rows in seen[1:]]
    whole = "".join(PIECES * 3)
    assert texts[:3] == ["是", "是珠穆", "是珠穆朗"] and texts[-2:] == [whole] * 2


def test_a_character_that_fills_the_row_is_seen_without_a_panel() -> None:
    assert screens(Screen(4, 24), ["世", "界", "上"], CALM)[2] == ["世界"]


def test_a_calm_chat_asks_for_no_candidates_and_has_no_tint() -> None:
    screen = Screen()
    env = screen_environment(screen)
    frames = Frames(env, CALM)
    assert [frames() for _ in range(3)] == [0, 0, 0] and frames.due
    show(env)
    assert not {style for style in screen.styles if "38;5" in style or style == "4"}


def test_a_calm_chat_says_nothing_on_stderr() -> None:
    err = io.StringIO()
    show(Environment(io.StringIO(), io.StringIO(), err))
    assert err.getvalue() == ""


def test_the_table_comes_where_it_is_asked_for() -> None:
    rows = after(options=DisplayOptions(probs=False, table=True)).lines()
    assert len(rows) == 1 + 1 + len(PIECES) and rows[1].startswith("#  token")


# Thinking


def test_thinking_is_dimmed_and_the_rest_is_tinted() -> None:
    screen = Screen()
    show(screen_environment(screen), THOUGHT, DisplayOptions(pace=1e6))
    rows = screen.styled()
    assert [{pen for _, _, pen in row} for row in rows[:6]] == [
        *[{";2"}] * 3,
        set(),
        {";38;5;107"},
        {";2"},
    ]


@pytest.mark.parametrize("options", [CALM, DisplayOptions(live=False, probs=False)])
def test_shown_thinking_is_exact(options: DisplayOptions) -> None:
    assert after(THOUGHT, options).text() == "".join(THOUGHT) + "\n"


def test_folded_thinking_is_one_line_that_grows_and_stays() -> None:
    seen = screens(Screen(60, 24), THOUGHT, FOLDED)
    assert seen[0] == ["", "reading the prompt …"]
    assert [rows[-1:] for rows in seen[1:6]] == [
        [],
        ["thinking… 2 tokens, 0.0 s"],
        ["thinking… 3 tokens, 0.0 s"],
        ["thinking… 4 tokens, 0.0 s"],
        ["thinking… 4 tokens, 0.0 s"],
    ]
    assert seen[6:] == [
        ["thinking… 4 tokens, 0.0 s", "珠穆"],
        *[["thinking… 4 tokens, 0.0 s", "珠穆朗玛峰。"]] * 2,
    ]


def test_folded_thinking_has_the_panel_below_it() -> None:
    options = DisplayOptions(pace=1e6, top=2, thinking="fold")
    rows = screens(Screen(80, 24), THOUGHT, options)[3]
    assert rows[0] == "thinking… 3 tokens, 0.0 s"
    assert rows[1].startswith("╭ token 3 ·") and len(rows) == 5


def test_a_plain_terminal_folds_without_moving_the_cursor() -> None:
    screen = after(THOUGHT, DisplayOptions(live=False, probs=False, thinking="fold"))
    assert screen.lines() == ["thinking… 4 tokens, 0.0 s", "珠穆朗玛峰。"]
    assert not any("\x1b[?" in sent or "\x1b[J" in sent for sent in screen.sent)


def test_an_unclosed_part_stays_folded() -> None:
    screen = after(THOUGHT[:3], FOLDED, finish="length", hint="/continue goes on")
    assert screen.lines() == [
        "thinking… 3 tokens, 0.0 s",
        "— cut at 3 tokens; /continue goes on —",
    ]


def test_thinking_that_holds_nothing_is_no_line() -> None:
    assert after(["<think>", "\n\n", "</think>", "\n\n", "峰"], FOLDED).lines() == ["峰"]


def test_a_reply_without_thinking_is_not_changed_by_folding() -> None:
    assert after(["\n", " 峰", "<think>"], FOLDED).lines() == ["", " 峰<think>"]


@pytest.mark.parametrize("how", [{"prefix": "<think>"}, {"opened": "<think>"}])
def test_a_part_that_others_opened_is_folded(how: dict[str, str]) -> None:
    shown = after(["\n山", "</think>", "峰"], FOLDED, **how).lines()
    assert shown == ["thinking… 2 tokens, 0.0 s", "峰"]


def test_a_pipe_gets_the_thinking_as_it_is() -> None:
    assert piped(THOUGHT, FOLDED) == "".join(THOUGHT)


# Replies that go on, and replies that were cut


def test_a_reply_that_goes_on_has_a_lead_on_a_terminal_only() -> None:
    assert after(["玛", "峰"], said="珠穆朗").lines() == ["…玛峰"]
    assert after(["玛"], DisplayOptions(live=False, probs=False), said="珠").lines() == ["…玛"]
    assert piped(["玛", "峰"], said="珠穆朗") == "玛峰"


def test_thinking_that_goes_on_is_still_thinking() -> None:
    shown = after(["山", "</think>", "峰"], FOLDED, said="<think>\n山").lines()
    assert shown == ["…thinking… 2 tokens, 0.0 s", "峰"]


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize(
    ("finish", "hint", "line"),
    [
        ("interrupted", "/continue goes on", ["— interrupted; /continue goes on —"]),
        ("interrupted", "", ["— interrupted —"]),
        ("length", "/continue goes on", ["— cut at 6 tokens; /continue goes on —"]),
        ("length", "", []),
        ("context", "/continue goes on", ["— cut where the context is full —"]),
        ("eos", "/continue goes on", []),
        ("stop", "", []),
    ],
)
def test_a_cut_reply_is_marked(finish: Finish, hint: str, line: list[str], live: bool) -> None:
    options = DisplayOptions(live=live, probs=False)
    assert after(options=options, finish=finish, hint=hint).lines()[1:] == line
    assert piped(options=options, finish=finish, hint=hint) == "".join(PIECES)


def test_a_reply_stopped_before_its_first_token_has_nothing_to_go_on_from() -> None:
    assert after([], finish="interrupted", hint="/continue goes on").lines() == ["— interrupted —"]


def test_a_mark_is_no_wider_than_the_screen() -> None:
    shown = after(columns=20, finish="interrupted", hint="/continue goes on").lines()
    assert shown[1] == "— interrupted; /co…"


@pytest.mark.parametrize("live", [True, False])
def test_a_second_ctrl_c_leaves_the_text_marked_and_the_chunks_closed(live: bool) -> None:
    screen, closed = Screen(60, 24), []

    def interrupted(reply: Iterator[Chunk]) -> Iterator[Chunk]:
        try:
            yield from list(reply)[:3]
            raise KeyboardInterrupt
        finally:
            closed.append(True)

    options = DisplayOptions(live=live, pace=1e6)
    with pytest.raises(KeyboardInterrupt):
        show(
            screen_environment(screen),
            options=options,
            watch=interrupted,
            hint="/continue goes on",
        )
    assert screen.lines() == ["是珠穆朗", "— interrupted; /continue goes on —"]
    assert closed and screen.cursor_visible and screen.autowrap


def test_a_second_ctrl_c_within_a_redraw_leaves_the_terminal_in_order() -> None:
    class Torn(Screen):
        def write(self, text: str) -> int:
            if "╭" in text:
                super().write(text[: text.index("╭")])
                raise KeyboardInterrupt
            return super().write(text)

    screen = Torn(80, 24)
    with pytest.raises(KeyboardInterrupt):
        show(screen_environment(screen), options=DisplayOptions(pace=1e6))
    assert screen.cursor_visible and screen.autowrap
    assert screen.lines()[-1] == "— interrupted —"


@pytest.mark.parametrize(
    ("live", "error", "raised"),
    [
        (True, OSError(errno.EIO, "gone"), OutputError),
        (False, OSError(errno.EIO, "gone"), OutputError),
        (True, BrokenPipeError(), BrokenPipeError),
        (False, BrokenPipeError(), BrokenPipeError),
    ],
)
def test_a_terminal_that_vanishes_closes_the_chunks_first(
    live: bool, error: OSError, raised: type[Exception]
) -> None:
    happened: list[str] = []

    class Vanishing(Screen):
        def write(self, text: str) -> int:
            if "珠穆" in text or happened:
                happened.append("write")
                raise error
            return super().write(text)

    def watched(reply: Iterator[Chunk]) -> Iterator[Chunk]:
        try:
            yield from reply
        finally:
            happened.append("kept")

    options = DisplayOptions(live=live, pace=1e6)
    with pytest.raises(raised):
        show(screen_environment(Vanishing()), options=options, watch=watched)
    assert happened[:2] == ["write", "kept"]


@pytest.mark.parametrize("live", [True, False])
def test_a_real_terminal_that_hangs_up_ends_the_reply_once_it_is_kept(live: bool) -> None:
    pty = pytest.importorskip("pty", reason="pseudo-terminals are a Unix thing")
    person, program = pty.openpty()
    happened: list[str] = []

    def watched(reply: Iterator[Chunk]) -> Iterator[Chunk]:
        try:
            for index, chunk in enumerate(reply):
                if index == 2:
                    os.close(person)
                yield chunk
                happened.append(chunk.text)
        finally:
            happened.append("kept")

    with os.fdopen(program, "w", encoding="utf-8") as stream:
        env = Environment(
            io.StringIO(), stream, stream, stdout_is_terminal=True, cursor=True, keyboard=program
        )
        with pytest.raises(OutputError, match="can't write the output"):
            show(env, options=DisplayOptions(live=live, pace=1e6), watch=watched)
    assert happened == ["是", "珠穆", "kept"]
