"""Rows of logits, recorded as a model's would be, and the rows that a record leaves possible."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from chatcli.errors import LogitsError
from chatcli.probe.trace import Sample
from chatcli.probe.trace_reading import read_trace
from chatcli.probe.tracing import Recorder
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig
from tests.fakes import ScriptedModel

__all__ = ["PROMPT", "other_rows", "random_rows", "recorded"]

PROMPT = [1, 2, 3]
VOCABULARY = ScriptedModel("").checkpoint.vocab_size


def random_rows(seed: int, count: int, spread: float, *, ties: bool = True) -> list[Tensor]:
    """Rows [V], some half of -inf, some with many ties if there may be `ties`."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for number in range(count):
        row = torch.randn(VOCABULARY, generator=generator) * spread
        if ties and number % 5 == 0:
            row = row.round()
        if number % 7 == 0:
            row[torch.randperm(VOCABULARY, generator=generator)[: VOCABULARY // 2]] = -torch.inf
        rows.append(row)
    return rows


def recorded(path: Path, rows: Sequence[Tensor], config: SamplingConfig, top: int) -> Sample:
    """What a trace holds of a reply drawn from these rows, as far as one can be drawn."""
    model, history = ScriptedModel(""), list(PROMPT)
    recorder = Recorder(path, top=top, force=True)
    chain = recorder.chain(config, model)
    chain.bind(model.tokenizer)
    try:
        for row in rows:
            history.append(chain.sample(row, history, prompt_length=len(PROMPT)).token)
    except LogitsError:
        pass
    recorder.close()
    (sample,) = read_trace(path).samples
    return sample


def drawn(row: Tensor, history: Sequence[int], config: SamplingConfig) -> int | None:
    """What a chain draws that remembers nothing; None where it leaves no token."""
    chain = SamplerChain(config)
    chain.bind(ScriptedModel("").tokenizer)
    try:
        return chain.sample(row, history, prompt_length=len(PROMPT)).token
    except LogitsError:
        return None


def other_rows(row: Tensor, known: Sequence[int]) -> Iterator[Tensor]:
    """Rows [V] that agree with `row` in the known tokens, and for the others in their number,
    their largest logit and Σ e^logit: their order reversed, and the evenest and the most uneven.
    """
    row = row.double()
    others = row > -torch.inf
    others[list(known)] = False
    places = others.nonzero().flatten()
    tail = row[places].sort(descending=True).values
    if len(tail) < 2:
        return
    for values in (row[places], row[places].flip(0), tail, *_levels(tail)):
        for shift in (0, len(tail) // 2):
            changed = row.clone()
            changed[places] = values.roll(shift)
            yield changed


def _levels(tail: Tensor) -> Iterator[Tensor]:
    """The same number, largest and Σ e^logit: one at the cap, a few of a level, and next to
    nothing; from the most uneven to the evenest, with ties and without."""
    cap = float(tail[0])
    weight = math.expm1(float(tail.logsumexp(0)) - cap)  # of the others, in units of the largest
    fewest, most = math.ceil(weight), len(tail) - 1
    for count in sorted(
        {round(fewest + (most - fewest) * step / 40) for step in (0, 1, 2, 5, 10, 40)}
    ):
        if not fewest <= count <= most or not count:
            continue
        for slope in (0.0, 1e-9):
            values = torch.full_like(tail, cap - 300)
            values[0] = cap
            values[1 : count + 1] = cap + math.log(weight / count) if weight > 0 else cap - 300
            values[1 : count + 1] -= slope * torch.arange(count)
            yield values
