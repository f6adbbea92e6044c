"""Sums over turns, and the table that shows them."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from chatcli.chat.types import Origin, Run, Turn
from chatcli.engine.types import Usage
from chatcli.sampling.types import SamplingConfig
from chatcli.ui.stats_view import made_by, stats_lines, tally

ORIGIN = Origin("模型", "builtin", "0123456789abcdef", "native", "cpu", "float32", 2, "1.0")


def run(read: int, reused: int, new: int, first: float, seconds: float) -> Run:
    usage = Usage(read + reused, reused, new, first, seconds)
    return Run(new, SamplingConfig(seed=1), ORIGIN, "eos", usage)


def turn(id: int, *runs: Run) -> Turn:
    return Turn(id, None, "?", 0.0, "!", runs=runs)


ONE = turn(1, run(10, 0, 5, 0.2, 0.5))
TWO = turn(2, run(4, 15, 11, 0.1, 1.0), run(1, 29, 3, 0.3, 0.25))


def test_sums_are_over_every_stretch_of_every_reply() -> None:
    both = tally([ONE, TWO])
    assert (both.turns, both.replies, both.runs) == (2, 2, 3)
    assert (both.read, both.usage.reused_tokens, both.usage.new_tokens) == (15, 44, 19)
    assert both.rate == pytest.approx((4 + 10 + 2) / 1.75)
    assert both.first == pytest.approx(0.15)  # what goes on waits for no message


def test_a_turn_without_a_reply_counts_as_a_turn() -> None:
    alone = tally([turn(3)])
    assert (alone.turns, alone.replies, alone.rate, alone.first) == (1, 0, 0.0, 0.0)


@pytest.mark.parametrize("columns", [60, 120])
def test_the_table_fits(columns: int) -> None:
    facts = [["builtin", "digest 0123"], ["temperature 0.8 → top_k 40 → top_p 0.95", "seed 7"]]
    lines = stats_lines(tally([TWO]), tally([ONE, TWO]), tally([ONE, TWO, ONE]), facts, columns)
    assert max(map(cell_len, lines)) < columns
    assert lines[0].split() == ["last", "reply", "this", "branch", "all", "branches"]
    assert lines[5] == "speed             10 tok/s      9 tok/s       9 tok/s"
    assert lines[6] == "first token         100 ms       150 ms        167 ms"


def test_one_branch_has_no_column_for_all() -> None:
    lines = stats_lines(tally([TWO]), tally([ONE, TWO]), tally([ONE, TWO]), [], 60)
    assert "all branches" not in lines[0]


def test_what_made_a_reply_is_inert() -> None:
    hostile = Origin("\x1b[2J", "m", "\x1b" * 12, "e\x07", "d\x1b", "t", 1, "v")
    named = made_by(Run(1, SamplingConfig(), hostile))
    assert "\x1b" not in "".join(named) and "\x07" not in "".join(named)
    assert made_by(ONE.runs[0]) == ["模型", "native on cpu, float32", "digest 0123456789ab"]
