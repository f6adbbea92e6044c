"""One reply, whole: on terminals of several sizes, into a pipe, with a table."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from chatcli.engine.types import Chunk
from chatcli.ui.display import DisplayOptions, Frames, Reply, show_reply
from chatcli.ui.environment import Environment
from chatcli.ui.interrupt import Interrupt
from tests.ui.replies import chain, chunks, model, payloads
from tests.ui.screen import Screen, screen_environment

PIECES = ["是", "珠穆", "朗", "玛", "峰", "，", "海拔", " 8848", "米", "。"]
TEXT = "".join(PIECES)
PROMPT = "世界上最高的山"
FIGURES = (
    "10 tokens, length · 143 tok/s · prompt 12 (5 reused) · entropy 1.63 bits\n"
    "context 22/2,048 · seed 7 · temperature 0.8 → top_k 40 → top_p 0.95\n"
)


def pipe(**changes: Any) -> Environment:
    return Environment(io.StringIO(), io.StringIO(), io.StringIO(), **changes)


def written(env: Environment) -> tuple[str, str]:
    assert isinstance(env.stdout, io.StringIO) and isinstance(env.stderr, io.StringIO)
    return env.stdout.getvalue(), env.stderr.getvalue()


def show(
    env: Environment,
    pieces: Sequence[str] = PIECES,
    options: DisplayOptions | None = None,
    *,
    reply: Iterable[Chunk] | None = None,
    prefix: str = "",
) -> Reply:
    frames = Frames(env, options or DisplayOptions(pace=1e6))
    return show_reply(
        env,
        chunks(pieces, frames) if reply is None else reply,
        model=model(pieces),
        chain=chain(),
        frames=frames,
        interrupt=Interrupt(),
        prefix=prefix,
    )


def screens(
    screen: Screen, pieces: Sequence[str] = PIECES, *, top: int = 10, prefix: str = ""
) -> list[list[str]]:
    """The screen after each token."""
    env = screen_environment(screen, color_system=None)
    seen: list[list[str]] = []
    frames = Frames(env, DisplayOptions(top=top, pace=1e6))

    def watched() -> Iterator[Chunk]:
        for chunk in chunks(pieces, frames):
            yield chunk
            seen.append(screen.lines())

    show_reply(
        env,
        watched(),
        model=model(pieces),
        chain=chain(),
        frames=frames,
        interrupt=Interrupt(),
        prefix=prefix,
    )
    return seen[: len(pieces)]


def test_the_whole_screen_at_80_columns_while_a_reply_streams() -> None:
    assert screens(Screen(80, 16), top=3, prefix=PROMPT)[6] == [
        "世界上最高的山是珠穆朗玛峰，海拔",
        "╭ token 7 · entropy 1.63 → 0.63 bits · 3 of 262 survive ───────────────────────╮",
        "│ ▶ 海拔       ██████████████████████      88.1 %   model  74.1 %    0.43 bits │",
        "│   是         ██▏                          8.3 %   model  11.2 %    3.16 bits │",
        "│   珠穆       ▉                            3.6 %   model   5.8 %    4.11 bits │",
        "╰ temperature 0.8 → top_k 40 → top_p 0.95 · seed 7 · 143 tok/s · 19/2,048 ─────╯",
    ]


@pytest.mark.parametrize("columns", [20, 59, 60, 80, 120])
def test_text_and_figures_stay_and_the_panel_goes(columns: int) -> None:
    screen = Screen(columns, 16)
    reply = show(screen_environment(screen), prefix=PROMPT)
    first, *rest = screen.text().split("\n")
    assert first == PROMPT + TEXT
    assert all(len(row) <= columns for row in rest)
    assert " · ".join(rest[:-1]).replace("→ · ", "→ ") == FIGURES[:-1].replace("\n", " · ")
    assert (reply.text, reply.finish, len(reply.steps)) == (TEXT, "length", 10)
    assert screen.cursor()[1] == 0


@pytest.mark.parametrize("columns", [20, 59, 60, 80, 120])
def test_a_reply_longer_than_the_screen_is_exact_in_the_scrollback(columns: int) -> None:
    screen = Screen(columns, 8)
    pieces = [*PIECES, "\n", "e\u0301", "👍", "x" * 37] * 5
    show(screen_environment(screen), pieces)
    assert screen.text().startswith("".join(pieces) + "\n70 tokens")


def test_the_panel_follows_every_token_at_every_width() -> None:
    for columns in (20, 59):
        panels = [lines[-1] for lines in screens(Screen(columns, 9))]
        marks = [panel.split()[1] for panel in panels]
        assert marks == [piece.replace(" ", "␣") for piece in PIECES]


@pytest.mark.parametrize(("columns", "sign"), [(80, "reading the prompt …"), (12, "reading th…")])
def test_there_is_a_sign_of_life_until_the_first_token(columns: int, sign: str) -> None:
    screen = Screen(columns, 16)
    seen: list[list[str]] = []

    def slow() -> Iterator[Chunk]:
        seen.append(screen.lines())
        yield from chunks(PIECES)

    show(screen_environment(screen), reply=slow(), prefix="世")
    assert seen == [["世", sign]]
    assert "reading" not in screen.text()


def test_into_a_pipe_goes_the_text_and_nothing_else() -> None:
    env = pipe()
    reply = show(env, ["a\x1b[31m", "世\r\n", "\u202e"])
    out, err = written(env)
    assert out == reply.text == "a\x1b[31m世\r\n\u202e"
    assert err.startswith("\n3 tokens, length · ")
    assert "seed 7" in err


def test_a_pipe_gets_each_piece_at_once() -> None:
    env = pipe()
    seen: list[str] = []

    def watched() -> Iterator[Chunk]:
        for chunk in chunks(PIECES):
            yield chunk
            seen.append(written(env)[0])

    show(env, reply=watched())
    assert seen[:3] == ["是", "是珠穆", "是珠穆朗"]


def test_figures_do_not_stick_to_text_that_went_through_a_pipe() -> None:
    both = io.StringIO()
    show(Environment(io.StringIO(), both, both))
    assert both.getvalue().startswith(f"{TEXT}\n10 tokens")
    lines = pipe()
    show(lines, [*PIECES, "\n"])
    assert written(lines)[1].startswith("11 tokens")


def test_without_live_a_terminal_gets_plain_inert_text() -> None:
    screen = Screen()
    show(screen_environment(screen, color_system=None), ["a\x1bb", "c"], DisplayOptions(live=False))
    assert screen.lines()[0].startswith("a") and screen.lines()[0].endswith("bc")
    assert not any("\x1b[?" in sent for sent in screen.sent)


def test_a_dumb_terminal_gets_no_escape_sequence() -> None:
    env = pipe(stdout_is_terminal=True)
    show(env)
    out, err = written(env)
    assert "\x1b" not in out and err == ""
    assert out == TEXT + "\n" + FIGURES


def test_no_candidates_are_asked_for_where_nobody_looks() -> None:
    assert Frames(pipe(), DisplayOptions())() == 0
    assert Frames(pipe(), DisplayOptions(table=True, top=4))() == 4
    screen = screen_environment(Screen())
    assert Frames(screen, DisplayOptions(live=False))() == 0
    frames = Frames(screen, DisplayOptions(top=4), clock=iter([1.0, 1.001]).__next__)
    assert [frames(), frames()] == [4, 0]


@pytest.mark.parametrize("seconds", [0.002, 0.005, 0.015, 0.02, 0.03, 0.05, 0.07, 0.12])
def test_the_panel_is_redrawn_8_to_15_times_a_second(seconds: float) -> None:
    now = [0.0]
    frames = Frames(screen_environment(Screen()), DisplayOptions(), clock=lambda: now[0])
    drawn = 0
    while now[0] < 20:
        drawn += frames() > 0
        now[0] += seconds
    assert 8 <= drawn / 20 <= 15.1


def test_the_improbable_is_tinted_and_underlined_without_colour() -> None:
    for color_system, low, high in ((None, "\x1b[4m低", "高"), ("256", "167m低", "72m高")):
        screen = Screen()
        sure, surprise = [
            replace(chunk, steps=(replace(chunk.steps[0], raw_prob=prob),))
            for chunk, prob in zip(chunks(["高", "低"]), (0.9, 0.01), strict=False)
        ]
        env = screen_environment(screen, color_system=color_system)  # type: ignore[arg-type]
        show(env, ["高", "低"], reply=[sure, surprise])
        sent = "".join(screen.sent)
        assert low in sent and high in sent
        assert "\x1b[4m高" not in sent


def test_a_character_of_several_tokens_has_the_tint_of_the_least_probable() -> None:
    screen = Screen()
    parts = [
        replace(chunk, text=text, steps=(replace(chunk.steps[0], raw_prob=prob),))
        for chunk, text, prob in zip(chunks(["a", "b"]), ("", "峰"), (0.01, 0.99), strict=False)
    ]
    show(screen_environment(screen), ["a", "b"], reply=parts)
    assert "167m峰" in "".join(screen.sent)


def test_the_table_has_a_row_for_every_token_and_lines_up() -> None:
    screen = Screen(110, 30)
    show(screen_environment(screen, color_system=None), options=DisplayOptions(table=True))
    rows = screen.lines()[1:12]
    assert [rows[index] for index in (0, 1, 8)] == [
        " #  token   model  drawn from  rank  surprisal    entropy       u  rival (model)",
        " 1  是     74.1 %      88.1 %     1  0.43 bits  1.63 bits  0.5000  珠穆 11.2 %",
        " 8  ␣8848  74.1 %      88.1 %     1  0.43 bits  1.63 bits  0.5000  是 11.2 %",
    ]


def test_the_table_leaves_out_columns_that_do_not_fit() -> None:
    screen = Screen(30, 30)
    show(screen_environment(screen, color_system=None), options=DisplayOptions(table=True))
    assert screen.lines()[1:3] == [
        " #  token   model  drawn from",
        " 1  是     74.1 %      88.1 %",
    ]


def test_the_table_goes_to_stderr_where_stdout_is_a_pipe() -> None:
    env = pipe(size=lambda: (30, 24))
    show(env, options=DisplayOptions(table=True))
    out, err = written(env)
    assert out == TEXT
    assert err.splitlines()[2].endswith("0.5000  珠穆 11.2 %")


def test_a_failure_in_mid_reply_leaves_its_text_and_takes_the_panel_away() -> None:
    screen = Screen(80, 12)
    env = screen_environment(screen)
    frames = Frames(env, DisplayOptions(pace=1e6))

    def failing() -> Iterator[Chunk]:
        yield from list(chunks(PIECES, frames))[:3]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        show(env, reply=failing())
    assert screen.lines() == ["是珠穆朗"]
    assert screen.cursor() == (1, 0) and screen.cursor_visible and screen.autowrap


def test_steps_are_kept_without_the_distribution() -> None:
    reply = show(pipe())
    assert [step.draw.probs.numel() for step in reply.steps] == [0] * 10
    assert list(reply.steps) == [step for chunk in chunks(PIECES) for step in chunk.steps]


def test_payloads_that_terminals_obey_never_reach_one() -> None:
    for case, payload, forbidden in payloads():
        screen = Screen(80, 24)  # it refuses what the display itself has no use for
        options = DisplayOptions(top=2, pace=1e6, table=True)
        show(screen_environment(screen), [payload, "x"], options, prefix=payload)
        assert not [raw for raw in forbidden if raw in screen.text()], case


def test_the_display_imports_neither_prompt_toolkit_nor_a_console() -> None:
    code = (
        "import sys, chatcli.ui.display; "
        "print(sys.modules.keys() & {'prompt_toolkit', 'rich.console', 'torch'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_space_and_ctrl_c_through_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    pty = pytest.importorskip("pty", reason="pseudo-terminals are a Unix thing")
    monkeypatch.setattr(os, "tcgetpgrp", lambda descriptor: os.getpgrp())
    person, program = pty.openpty()
    screen = Screen()
    env = screen_environment(screen, keyboard=program)
    frames = Frames(env, DisplayOptions())
    os.write(person, b" ")

    def stop_once_paused() -> None:
        while not any("paused" in sent for sent in screen.sent):
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    with Interrupt() as interrupt:

        def reply() -> Iterator[Chunk]:
            for chunk in chunks(PIECES * 100, frames):
                yield chunk
                if interrupt.cancelled():
                    yield Chunk("", (), "interrupted")
                    return

        watcher = threading.Thread(target=stop_once_paused)
        watcher.start()
        shown = show_reply(
            env,
            reply(),
            model=model(PIECES * 100),
            chain=chain(),
            frames=frames,
            interrupt=interrupt,
        )
        watcher.join()
    os.close(person)
    os.close(program)
    assert (shown.text, shown.finish) == ("是", "interrupted")
    assert screen.lines()[0] == "是"
