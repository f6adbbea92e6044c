"""The part of the suite that measures scoring, on the tiny checkpoint; no speed is judged."""

from __future__ import annotations

from pathlib import Path

from chatcli.bench import scoring as module
from chatcli.bench.scoring import scoring
from chatcli.bench.workshop import Workshop
from chatcli.model.load import load
from chatcli.model.types import LanguageModel


def test_both_sizes_are_held_to_the_bar(tiny: Path, tmp_path: Path) -> None:
    asked: list[str | None] = []

    class Small(Workshop):
        def load(self, shape: str | None = None, dtype: str = "auto") -> LanguageModel:
            asked.append(shape)
            return load(tiny, device="cpu")

    figures = list(scoring(Small(str(tiny), tmp_path, 2, print)))
    assert asked == [None, "600M"]
    for figure in figures:
        assert (figure.part, figure.unit) == ("scoring", "×")
        assert figure.bar is not None and figure.bar.limit == 1.2 and not figure.bar.at_least
        assert figure.value.count == 2 and figure.value.low > 0
    assert "128 tokens" in figures[0].what  # as many as the context holds
    assert module._WIDE > 128
