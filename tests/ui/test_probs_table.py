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

PIECES: list[str | bytes] = ["峰", b"\xe5\xb3", "山", " a\n", "\x1b[2J"]
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
    assert shown() == [
        "世界上最高的山",
        "1 token · entropy 1.83 → 1.33 bits",
        "temperature 0.8 → top_k 4 → top_p 0.9",
        "",
        "rank  token    id  logit   model  temperature   top_k   top_p  removed by",
        "   1  峰        0  -0.69  50.0 %       56.9 %  57.9 %  60.9 %",
        "   2  ⟨E5 B3⟩   1  -1.39  25.0 %       23.9 %  24.3 %  25.6 %",
        "   3  山        2  -1.90  15.0 %       12.6 %  12.8 %  13.5 %",
        "   4  ␣a↵       3  -2.66   7.0 %        4.9 %   5.0 %       –  top_p",
        "   5  ␛[2J      4  -3.51   3.0 %        1.7 %       –       –  top_k",
        "      survive                262            5       4       3",
        "      bits                  1.83         1.65    1.55    1.33",
    ]


@pytest.mark.parametrize("columns", [20, 30, 59, 80, 120])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    lines = shown(columns)
    assert max(map(cell_len, lines)) <= columns
    assert any("峰" in line and "%" in line for line in lines)


def test_twenty_columns_keep_the_token_and_its_last_probability() -> None:
    assert shown(20) == [
        "世界上最高的山",
        "1 token",
        "entropy 1.83 →",
        "1.33 bits",
        "temperature 0.8 →",
        "top_k 4 → top_p 0.9",
        "",
        "token     top_p",
        "峰       60.9 %",
        "⟨E5 B3⟩  25.6 %",
        "山       13.5 %",
        "␣a↵           –",
        "␛[2J          –",
        "survive       3",
        "bits       1.33",
    ]


def test_a_long_prompt_shows_its_end() -> None:
    assert shown(12)[0] == "…上最高的山"


def test_control_characters_are_shown_not_sent() -> None:
    assert "\x1b" not in "".join(shown())


def test_greedy_leaves_one_token_and_no_entropy() -> None:
    assert shown(config=SamplingConfig(temperature=0, logit_bias={4: -math.inf})) == [
        "世界上最高的山",
        "1 token · entropy 1.83 → 0.00 bits",
        "logit_bias on 1 token → greedy",
        "",
        "rank  token    id  logit   model  logit_bias   greedy  removed by",
        "   1  峰        0  -0.69  50.0 %      51.5 %  100.0 %",
        "   2  ⟨E5 B3⟩   1  -1.39  25.0 %      25.8 %        –  greedy",
        "   3  山        2  -1.90  15.0 %      15.5 %        –  greedy",
        "   4  ␣a↵       3  -2.66   7.0 %       7.2 %        –  greedy",
        "   5  ␛[2J      4  -3.51   3.0 %           –        –  logit_bias",
        "      survive                262           4        1",
        "      bits                  1.83        1.69     0.00",
    ]
