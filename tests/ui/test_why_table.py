"""Why each token came, on hand-made distributions and screens of several widths."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import pytest
from rich.cells import cell_len

from chatcli.probe.retrace import retrace
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig
from chatcli.ui.theme import Paint
from chatcli.ui.why_table import Why, why, why_figures, why_table
from tests.fakes import ScriptedModel
from tests.ui.replies import PieceTokenizer
from tests.ui.screen import Screen, screen_environment

# The fifth token is the prompt.
PIECES: list[str | bytes] = ["峰", b"\xe5\xb3", b"\xb0", "\x1b[2J", "山"]
LOGITS = [math.log(weight) for weight in (0.5, 0.25, 0.15, 0.1)]


class Pieces(PieceTokenizer):
    vocab_size = 5

    def detokenizer(self, context: Sequence[int] = ()) -> Any:
        return PieceStream(self)


class PieceStream:
    """UTF-8 as it completes."""

    def __init__(self, tokenizer: Pieces) -> None:
        self._tokenizer, self._held = tokenizer, b""

    def add(self, token: int) -> str:
        self._held += self._tokenizer.token_bytes(token)
        try:
            text = self._held.decode()
        except UnicodeDecodeError:
            return ""
        self._held = b""
        return text

    def finish(self) -> str:
        return self._held.decode(errors="replace")


def told(tokens: Sequence[int], **settings: Any) -> list[Why]:
    model = ScriptedModel(lambda ids: LOGITS)
    chain = SamplerChain(SamplingConfig(**{"seed": 7, "top_k": 3} | settings))
    return why(retrace(model, [4, *tokens], 1, chain), Pieces(PIECES), [4])


def shown(reasons: Sequence[Why], columns: int | None, colours: Any = None) -> list[str]:
    screen = Screen(200, 40)
    paint = Paint(screen_environment(screen, color_system=colours))
    screen.write("\n".join(why_table(reasons, Pieces(PIECES), paint, columns)))
    return screen.lines()


def test_narrow_screens_have_all_but_luck() -> None:
    assert shown(told([0, 1, 2]), 60) == [
        "#  token      drawn%  model%  rank  bits  instead%",
        "1  峰           55.6    50.0     1  1.74  ⟨E5 B3⟩ 27.8",
        "2  ⟨E5 B3⟩      27.8    25.0     2  1.74  峰 55.6",
        "3  ⟨B0⟩ → 峰    16.7    15.0     3  1.74  峰 55.6",
    ]


def test_wide_screens_have_what_was_removed_and_the_luck() -> None:
    reasons = told([0])
    u = reasons[0].step.draw.u
    assert shown(reasons, 120) == [
        "#  token   drawn   model  rank  entropy  instead         removed                 u",
        f"1  峰     55.6 %  50.0 %     1     1.74  ⟨E5 B3⟩ 27.8 %  ␛[2J 10.0 % top_k  {u:.4f}",
    ]


def test_a_token_without_rivals_says_what_the_chain_removed() -> None:
    assert shown(told([0], top_k=1), 60)[1].endswith("(⟨E5 B3⟩ 25.0)")
    assert "–" in shown(told([0], top_k=1), 120)[1]


def test_greedy_names_the_models_next_best() -> None:
    row = shown(told([0], temperature=0, top_k=0), 120)[1]
    assert "100.0 %" in row and row.endswith("⟨E5 B3⟩ 25.0 %")


def test_a_token_the_chain_would_not_have_drawn_has_no_chance() -> None:
    (reason,) = told([3])
    assert reason.step.prob == 0 and reason.rival is not None
    assert reason.rival[0] == 0 and reason.rival[1] == pytest.approx(5 / 9)
    assert "␛[2J      0.0    10.0" in shown([reason], 60)[1]


def test_a_rival_may_rank_below_what_the_model_has_on_top() -> None:
    (reason,) = told([2], top_k=0, logit_bias={0: -math.inf, 3: 3.0})
    assert reason.rival is not None and reason.rival[0] == 3
    assert reason.removed is not None
    assert (reason.removed.token, reason.removed.removed_by) == (0, "logit_bias")


def test_sixty_columns_hold_a_long_reply_with_all_that_was_asked_for() -> None:
    titles = shown(told([0, 1, 2, 3] * 250, top_k=1), 60)[0]
    assert titles.split() == ["#", "token", "drawn%", "model%", "rank", "bits", "instead%"]


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 120, None])
def test_no_row_is_wider_than_the_screen(columns: int | None) -> None:
    reasons = told([0, 1, 2, 3] * 40)
    assert max(map(cell_len, shown(reasons, columns))) <= (columns or 200)


def test_the_token_is_tinted_and_nothing_else() -> None:
    screen = Screen(60)
    paint = Paint(screen_environment(screen))
    screen.write("\n".join(why_table(told([0]), Pieces(PIECES), paint, 60)))
    assert [cell for _, cell, pen in screen.styled()[1] if pen] == ["峰"]


def test_distributions_are_not_held() -> None:
    assert all(len(reason.step.draw.probs) == 0 for reason in told([0, 1]))


def test_the_figures_are_of_the_models_own_probabilities() -> None:
    steps = [reason.step for reason in told([0, 1])]
    assert why_figures(steps) == [
        "2 tokens",
        "surprisal 1.50 bits/token",
        "perplexity 2.83",
        "entropy 1.74 bits/token",
    ]
    ruled_out = dataclasses.replace(steps[0], raw_prob=0.0)
    assert why_figures([ruled_out]) == ["1 token", "entropy 1.74 bits/token"]
