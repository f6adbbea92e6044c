"""Watching a model train: the block, what stays above it, logs, Ctrl-C, Ctrl-Z, plots."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from chatcli.train.metrics import Log, Metric, Sample
from chatcli.ui.environment import ColorSystem, Environment
from chatcli.ui.training import TrainingView
from tests.ui.screen import Screen, screen_environment

STOPPING = "stopping at the end of this step, then saving; Ctrl-C again leaves at once"


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def point(step: int, steps: int | None = 1000, loss: float = 3.0, **changes: Any) -> Metric:
    """Ten steps of a hundred tokens a second."""
    metric = Metric("pre", step, steps, step * 100, loss, None, 0.0123, step / 10, 1000.0)
    return replace(metric, **changes)


def log_environment(stderr: io.StringIO) -> Environment:
    return Environment(stdin=io.StringIO(), stdout=io.StringIO(), stderr=stderr)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with the points of one phase."""
    folder = tmp_path / "run" / "1-pre"
    folder.mkdir(parents=True)
    log = Log(folder / "metrics.jsonl", 0)
    for step in range(10, 110, 10):
        log.write(point(step, 100, loss=4 - step / 50, validation_loss=4.1 - step / 50))
    return tmp_path / "run"


def rows_below(screen: Screen) -> list[str]:
    """The block: what stands below the row of the cursor."""
    return screen.lines()[screen.cursor()[0] + 1 :]


def test_the_whole_screen_in_mid_phase(clock: Clock) -> None:
    screen = Screen(90, 24)
    with TrainingView(screen_environment(screen), clock=clock) as view:
        view.watcher.say("model: 12,345,678 parameters")
        for step in range(50, 450, 50):
            view.watcher.report(point(step, loss=4 - step / 200, validation_loss=3.5))
        view.watcher.show(Sample("pre", 400, "世界上", "最高的山\n是珠穆朗玛峰。 "))
        assert screen.lines() == [
            "model: 12,345,678 parameters",
            "pre 10 % · step 100 · loss 3.500 · validation 3.500 · 1,000 tok/s · 90 s left",
            "pre 20 % · step 200 · loss 3.000 · validation 3.500 · 1,000 tok/s · 80 s left",
            "pre 30 % · step 300 · loss 2.500 · validation 3.500 · 1,000 tok/s · 70 s left",
            "pre 40 % · step 400 · loss 2.000 · validation 3.500 · 1,000 tok/s · 60 s left",
            "世界上│最高的山↵是珠穆朗玛峰。",
            "pre ━━━━━━━━━━━━━━━━━━━━━━──────────────────────────────────"
            " 40 % · 400/1,000 · 60 s left",
            "loss 2.000 ↓ 1.000 · validation 3.500 · 1,000 tok/s · rate 0.0123",
            "█▇▆▅▄▃▂▁",
        ]
    assert screen.lines()[-1] == "世界上│最高的山↵是珠穆朗玛峰。", "the block is gone"
    assert screen.cursor() == (6, 0)
    assert screen.cursor_visible and screen.autowrap


def test_the_whole_screen_of_20_columns(clock: Clock) -> None:
    screen = Screen(20, 24)
    with TrainingView(screen_environment(screen), clock=clock) as view:
        for step in range(20, 120, 20):
            view.watcher.report(point(step, loss=4 - step / 200, validation_loss=3.5))
        view.watcher.show(Sample("pre", 100, "世界上", "最高的山是珠穆朗玛峰。"))
        assert screen.lines() == [
            "pre 10 %",
            "  step 100",
            "  loss 3.500",
            "  validation 3.500",
            "  1,000 tok/s",
            "  90 s left",
            "世界上│最高的山是珠",
            "穆朗玛峰。",
            "pre ━───────── 10 %",
            "loss 3.500 ↓ 0.200",
            "validation 3.500",
            "90 s left",
            "100/1,000",
            "█▆▅▃▁",
        ]


@pytest.mark.parametrize("rows", [1, 2, 3, 6, 24])
@pytest.mark.parametrize("columns", [8, 20, 40, 80, 200])
@pytest.mark.parametrize("phase", ["pre", "微调对话" * 9, "\x1b[2J\n"])
def test_the_block_fits_any_window_and_leaves_room(
    clock: Clock, columns: int, rows: int, phase: str
) -> None:
    screen = Screen(columns, rows)
    with TrainingView(screen_environment(screen), clock=clock) as view:
        for step in range(1, 21):
            clock.now += 1
            view.watcher.cancelled()
            steps = None if step < 5 else 123_456
            view.watcher.report(point(step, steps, phase=phase, validation_loss=12.345))
            block = rows_below(screen)
            assert len(block) <= rows // 2
            assert all(cell_len(row) < columns for row in block)


@pytest.mark.parametrize("columns", [20, 40, 100])
def test_what_was_told_stays_whole_whatever_is_drawn_below(clock: Clock, columns: int) -> None:
    screen = Screen(columns, 12)
    samples = [f"第{number}座山很高。" * (number % 5 + 1) for number in range(30)]
    with TrainingView(screen_environment(screen), clock=clock) as view:
        view.watcher.report(point(1))
        for number, sample in enumerate(samples):
            clock.now += 1
            view.watcher.show(Sample("pre", number, "", sample))
            view.watcher.cancelled()
    assert screen.text() == "".join(f"│{sample}\n" for sample in samples)


def test_a_resize_in_mid_phase_leaves_the_text_whole(clock: Clock) -> None:
    screen = Screen(60, 24)
    line = "世界上最高的山是珠穆朗玛峰，它的高度是8848米。"
    with TrainingView(screen_environment(screen), clock=clock) as view:
        for step, columns in enumerate((20, 80, 33, 60), 1):
            view.watcher.report(point(step))
            view.watcher.say(line)
            screen.resize(columns, 24)
    assert screen.text() == f"{line}\n" * 4


def test_each_tenth_is_told_once_by_the_first_point_in_it(clock: Clock) -> None:
    screen = Screen(100, 40)
    with TrainingView(screen_environment(screen), clock=clock) as view:
        for step in range(7, 994, 7):
            view.watcher.report(point(step, 993))
        view.watcher.report(point(993, 993))
    told = [line.split(" · ")[0] for line in screen.lines()]
    assert told == [f"pre {percent} %" for percent in range(10, 110, 10)]
    assert screen.lines()[-1].endswith("in 99 s")


def test_a_resumed_phase_tells_where_it_goes_on(clock: Clock) -> None:
    screen = Screen(100, 40)
    with TrainingView(screen_environment(screen), clock=clock) as view:
        view.watcher.report(point(375))
        view.watcher.report(point(380))
    assert [line[:8] for line in screen.lines()] == ["pre 37 %"]


def test_steps_between_two_points_move_the_bar_and_the_time(clock: Clock) -> None:
    screen = Screen(80, 24)
    with TrainingView(screen_environment(screen), clock=clock) as view:
        view.watcher.report(point(50))
        assert rows_below(screen)[0].endswith("5 % · 50/1,000 · 95 s left")
        for _ in range(199):
            clock.now += 0.1
            view.watcher.cancelled()
        clock.now += 0.3
        view.watcher.cancelled()
        assert rows_below(screen)[0].endswith("25 % · 250/1,000 · 75 s left")
        for _ in range(2000):
            clock.now += 0.1
            view.watcher.cancelled()
        assert rows_below(screen)[0].endswith(" 100 % · 1,000/1,000 · 0 s left")


def test_redraws_are_few_however_fast_the_steps_are(clock: Clock) -> None:
    screen = Screen()
    with TrainingView(screen_environment(screen), clock=clock) as view:
        for _ in range(1000):
            clock.now += 0.001
            view.watcher.cancelled()
    assert len(screen.sent) < 10


def test_a_phase_that_does_not_know_its_length_says_so(clock: Clock) -> None:
    screen = Screen(80, 24)
    with TrainingView(screen_environment(screen), clock=clock) as view:
        for _ in range(7):
            clock.now += 1
            view.watcher.cancelled()
        assert screen.lines()[-1] == "7 steps · figures follow"
        view.watcher.report(point(10, None))
        view.watcher.report(point(20, None))
        assert rows_below(screen)[:2] == [
            "pre step 20",
            "loss 3.000 → 0.000 · measuring the speed · 1,000 tok/s · rate 0.0123",
        ]


def test_the_next_phase_begins_anew(clock: Clock) -> None:
    screen = Screen(80, 24)
    with TrainingView(screen_environment(screen), clock=clock) as view:
        view.watcher.report(point(990, 1000, validation_loss=2.5))
        view.watcher.report(point(1000, 1000))
        assert rows_below(screen) == []
        view.watcher.report(point(1, 10, phase="sft", loss=9.0))
        assert rows_below(screen)[0].startswith("sft ━")
        assert rows_below(screen)[1].startswith("loss 9.000 · 1,000 tok/s"), "no old validation"


def test_a_hostile_sample_is_inert_and_its_prompt_is_dimmed(clock: Clock) -> None:
    screen = Screen(80, 24)
    with TrainingView(screen_environment(screen), clock=clock) as view:
        view.watcher.show(Sample("pre", 1, "a\x1b[2J", "b\x1b]0;\x07\r\nc\u202e"))
        view.watcher.say("\x1b[31mred")
    assert screen.lines() == ["a␛[2J│b␛]0;␇␍↵c⟨U+202E⟩", "␛[31mred"]
    pens = {character: pen for _, character, pen in screen.styled()[0]}
    assert "2" in pens["a"] and not pens["b"]


@pytest.mark.parametrize(("color_system", "colours"), [(None, False), ("256", True)])
def test_colour_is_a_matter_of_the_environment(
    clock: Clock, color_system: ColorSystem | None, colours: bool
) -> None:
    screen = Screen(80, 24)
    env = screen_environment(screen, color_system=color_system)
    with TrainingView(env, clock=clock) as view:
        for step in (10, 500):
            view.watcher.report(point(step, loss=1000 / step))
    assert any("38;5" in style for style in screen.styles) is colours
    assert screen.styles <= {"0", "1", "2"} or colours


def test_ctrl_c_is_answered_at_once_and_the_second_one_obeyed(clock: Clock) -> None:
    screen = Screen(100, 24)
    before = signal.getsignal(signal.SIGINT)
    with (
        pytest.raises(KeyboardInterrupt),
        TrainingView(screen_environment(screen), clock=clock) as view,
    ):
        view.watcher.report(point(10))
        assert not view.watcher.cancelled()
        signal.raise_signal(signal.SIGINT)
        assert screen.lines()[0] == STOPPING
        assert view.watcher.cancelled()
        signal.raise_signal(signal.SIGINT)
    assert screen.lines() == [STOPPING], "said once, and the block is gone"
    assert signal.getsignal(signal.SIGINT) is before


def test_a_scheduler_that_ends_the_job_is_obeyed_like_ctrl_c(clock: Clock) -> None:
    stderr, before = io.StringIO(), signal.getsignal(signal.SIGTERM)
    with TrainingView(log_environment(stderr), clock=clock) as view:
        signal.raise_signal(signal.SIGTERM)
        assert view.watcher.cancelled()
    assert signal.getsignal(signal.SIGTERM) is before


class Interrupting(Screen):
    """A terminal that is written to when a signal comes; nothing may come in between."""

    signal: int | None = None

    def write(self, text: str) -> int:
        length = super().write(text)
        number, self.signal = self.signal, None
        if number is not None:
            signal.raise_signal(number)
            assert self.sent[-1] == text
        return length


def test_ctrl_c_waits_until_a_redraw_is_whole(clock: Clock) -> None:
    screen = Interrupting(100, 24)
    with TrainingView(screen_environment(screen), clock=clock) as view:
        screen.signal = signal.SIGINT
        view.watcher.say("a remark")
        assert screen.lines() == ["a remark", STOPPING]
        assert view.watcher.cancelled()


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What happened at Ctrl-Z; the process isn't really stopped, and has job control."""
    if sys.platform == "win32":
        pytest.skip("job control is a Unix thing")
    stops: list[str] = []
    monkeypatch.setattr("chatcli.ui.suspension._stop", lambda: stops.append("stop"))
    before = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    yield stops
    assert signal.signal(signal.SIGTSTP, before) is signal.SIG_DFL, "the handler was left behind"


def test_ctrl_z_takes_the_block_away_and_the_next_step_brings_it_back(
    clock: Clock, stops: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen(80, 24)
    monkeypatch.setattr("chatcli.ui.suspension._stop", lambda: stops.extend(screen.lines()))
    with TrainingView(screen_environment(screen), clock=clock) as view:
        view.watcher.say("a remark")
        view.watcher.report(point(10))
        assert len(rows_below(screen)) == 2
        signal.raise_signal(signal.SIGTSTP)
        assert stops == ["a remark"]
        assert screen.cursor() == (1, 0)
        clock.now += 1
        view.watcher.cancelled()
        assert len(rows_below(screen)) == 2
        view.watcher.say("another")
    assert screen.lines() == ["a remark", "another"]


def test_ctrl_z_waits_until_a_redraw_is_whole(clock: Clock, stops: list[str]) -> None:
    screen = Interrupting(80, 24)
    with TrainingView(screen_environment(screen), clock=clock) as view:
        screen.signal = signal.SIGTSTP
        view.watcher.say("a remark")
        assert stops == ["stop"]


def test_a_log_has_a_line_at_validations_every_few_seconds_and_at_the_end(clock: Clock) -> None:
    stderr = io.StringIO()
    with TrainingView(log_environment(stderr), clock=clock) as view:
        view.watcher.say("model: 7 parameters")
        for step in range(1, 21):
            clock.now += 1
            view.watcher.cancelled()
            view.watcher.report(point(step, 20, validation_loss=2.0 if step == 8 else None))
        view.watcher.show(Sample("pre", 20, "世界上", "最高的\x1b[31m山\n峰"))
    assert stderr.getvalue().splitlines() == [
        "model: 7 parameters",
        "pre 5 % · step 1 · loss 3.000 · 1,000 tok/s · 2 s left",
        "pre 30 % · step 6 · loss 3.000 · 1,000 tok/s · 1 s left",
        "pre 40 % · step 8 · loss 3.000 · validation 2.000 · 1,000 tok/s · 1 s left",
        "pre 65 % · step 13 · loss 3.000 · 1,000 tok/s · 1 s left",
        "pre 90 % · step 18 · loss 3.000 · 1,000 tok/s · 0 s left",
        "pre 100 % · step 20 · loss 3.000 · 1,000 tok/s · in 2 s",
        "世界上│最高的␛[31m山↵峰",
    ]


def test_ctrl_c_is_answered_in_a_log_too(clock: Clock) -> None:
    stderr = io.StringIO()
    with TrainingView(log_environment(stderr), clock=clock) as view:
        signal.raise_signal(signal.SIGINT)
        assert view.watcher.cancelled()
    assert stderr.getvalue() == f"{STOPPING}\n"


def test_processes_that_do_not_lead_are_silent_but_can_be_stopped(clock: Clock, run: Path) -> None:
    screen = Screen()
    env = screen_environment(screen)
    with TrainingView(env, leads=False, run=run, clock=clock) as view:
        view.watcher.say("a remark")
        view.watcher.report(point(100, 100))
        view.watcher.show(Sample("pre", 100, "a", "b"))
        signal.raise_signal(signal.SIGINT)
        assert view.watcher.cancelled()
    assert screen.lines() == []
    assert not (run / "loss.svg").exists()


@pytest.mark.parametrize("columns", [20, 40, 100])
def test_a_phase_ends_with_its_plot_once_its_checkpoint_is_written(
    clock: Clock, run: Path, columns: int
) -> None:
    screen = Screen(columns, 24)
    stderr = io.StringIO()
    with TrainingView(screen_environment(screen, stderr=stderr), run=run, clock=clock) as view:
        view.watcher.report(point(100, 100))
        assert "loss, nats a token" not in screen.lines(), "saving comes first"
        view.watcher.show(Sample("pre", 100, "a", "b"))
        assert "loss, nats a token" in screen.lines()
    text = screen.text()
    assert text.count("loss, nats a token") == 1, "one phase, one plot"
    assert "training" in text and "o validation" in text
    assert " ".join(stderr.getvalue().split()) == f"drew the loss: {run / 'loss.svg'}"
    assert (run / "loss.svg").read_text("utf-8").startswith("<?xml")


def test_a_phase_that_was_stopped_is_plotted_at_the_end(clock: Clock, run: Path) -> None:
    screen = Screen(60, 24)
    with TrainingView(screen_environment(screen), run=run, clock=clock) as view:
        view.watcher.report(point(50, 100))
        view.watcher.say("stopped and saved")
    lines = screen.lines()
    assert lines[1:4] == ["stopped and saved", "", "loss, nats a token"]


def test_nothing_is_plotted_after_an_error_or_where_nothing_was_trained(
    clock: Clock, run: Path
) -> None:
    screen = Screen(60, 24)
    with TrainingView(screen_environment(screen), run=run, clock=clock) as view:
        view.watcher.say("rows made")
    with (
        pytest.raises(ZeroDivisionError),
        TrainingView(screen_environment(screen), run=run, clock=clock) as view,
    ):
        view.watcher.report(point(50, 1000))
        raise ZeroDivisionError
    assert screen.lines() == ["rows made"]
    assert not (run / "loss.svg").exists()


def test_a_plot_that_fails_is_a_remark(
    clock: Clock, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing: Any = None
    monkeypatch.setitem(sys.modules, "matplotlib", missing)
    stderr = io.StringIO()
    with TrainingView(log_environment(stderr), run=run, clock=clock) as view:
        view.watcher.report(point(100, 100))
    assert stderr.getvalue().splitlines()[1] == (
        f"no loss plot: {run / 'loss.svg'} can't be drawn without matplotlib: "
        "pip install 'chatcli[train]'"
    )
