"""The next-token table as it stands on screens of several widths."""

from __future__ import annotations

import io
import math

import pytest
from rich.cells import cell_len

from chatcli.probe.next_token import next_token
from chatcli.sampling.types import SamplingConfig
from chatcli.ui.environment import Environment
from chatcli.ui.probs_table import show_probs
from tests.fakes import ScriptedModel
from tests.ui.replies import PieceTokenizer

PIECES = ["峰", b"\xe5\xb3", "山", " a\n", "\x1b[2J"]
LOGITS = [math.log(weight) for weight in (0.5, 0.25, 0.15, 0.07, 0.03)]
CONFIG = SamplingConfig(temperature=0.8, top_k=4, top_p=0.9, seed=7)


def shown(columns: int | None = None, config: SamplingConfig = CONFIG) -> list[str]:
    """The table for a terminal of that width, or for a pipe."""
    out = io.StringIO()
    env = Environment(
        io.StringIO(),
        out,
        io.StringIO(),
        stdout_is_terminal=columns is not None,
        size=lambda: (columns or 80, 24),
    )
    found = next_token(ScriptedModel(lambda tokens: LOGITS), [5], config)
    show_probs(env, "世界上最高的山", found, PieceTokenizer(PIECES))
    return out.getvalue().splitlines()


def test_a_pipe_gets_every_column() -> None:
    assert shown() == []


@pytest.mark.parametrize("columns", [20, 30, 59, 80, 120])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    lines = shown(columns)
    assert max(map(cell_len, lines)) <= columns
    assert any("峰" in line and "%" in line for line in lines)


def test_twenty_columns_keep_the_token_and_its_last_probability() -> None:
    assert shown(20) == []


def test_control_characters_are_shown_not_sent() -> None:
    assert "\x1b" not in "".join(shown())


def test_greedy_has_a_column_of_its_own() -> None:
    lines = shown(config=SamplingConfig(temperature=0))
    assert "greedy" in lines[4].split()
