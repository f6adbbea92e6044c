"""Recording a trace: a sampler chain that also writes down what it drew, and from what.

To the engine it is a chain like any other, so a run without a trace pays nothing.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from chatcli import __version__
from chatcli.model.types import LanguageModel
from chatcli.probe.trace import VERSION, Rest
from chatcli.probe.trace_file import TraceFile
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.pool import Ids, Pool, ranked
from chatcli.sampling.random import uniform
from chatcli.sampling.report import Run
from chatcli.sampling.types import Draw, SamplingConfig, View
from chatcli.sampling.words import bound as bound_to
from chatcli.text.json_text import json_text
from chatcli.text.types import Tokenizer

__all__ = ["Recorder", "TracedChain"]

_XTC_STREAM = 1
_CHECKPOINT = ("name", "architecture", "engine", "dtype", "device", "vocab_size", "digest")


class Recorder:
    """One trace, being written: of every draw the `top` best logits, and sums over the rest.

    The file is made at the first draw.
    """

    def __init__(self, path: Path, *, top: int = 50, force: bool = False) -> None:
        self._path, self._force, self._top = path, force, top
        self._opened: TraceFile | None = None
        self._told: set[int] = set()  # the ids whose bytes are in the file
        self._samples = self._positions = 0

    def chain(self, config: SamplingConfig, model: LanguageModel) -> SamplerChain:
        """A chain for one reply of `model`, recorded from its first draw on."""
        return TracedChain(config, model, self)

    def close(self) -> None:
        """Write that the trace is whole, and close the file."""
        if self._opened is None:
            return
        end = {"end": True, "samples": self._samples, "positions": self._positions}
        self._file.write(json_text(end))
        self._file.close()

    def begin(
        self,
        model: LanguageModel,
        chain: SamplerChain,
        bound: SamplingConfig,
        history: Sequence[int],
        prompt_length: int,
    ) -> None:
        """A sample starts after `history`."""
        sampling = {**chain.config.to_dict(), "seed": chain.seed}
        in_ids = bound.to_dict()
        whole = dataclasses.asdict(model.checkpoint)
        xtc = bound_to(dataclasses.replace(chain.config, xtc_probability=1.0), model.tokenizer)
        self._file.write(
            json_text(
                {
                    "sample": self._samples,
                    "seed": chain.seed,
                    "sampling": sampling,
                    "bound": {k: v for k, v in in_ids.items() if v != chain.config.to_dict()[k]},
                    "checkpoint": {name: whole[name] for name in _CHECKPOINT},
                    "eos_ids": sorted(model.tokenizer.eos_ids),
                    "xtc_spared": xtc.to_dict()["xtc_spared"],
                    "prompt_length": prompt_length,
                    "prompt_ids": list(history),
                }
            )[:-1]
            + f', "bytes": {{{self._bytes(history, model.tokenizer)}}}}}'
        )
        self._samples += 1

    def draw(
        self,
        first: Pool,
        position: tuple[int, int],
        draw: Draw,
        view: View,
        streams: Mapping[int, float],
        memory: Mapping[str, Any] | None,
        tokenizer: Tokenizer,
    ) -> None:
        """A token was drawn; `first` is all that the model had, before any stage, and `position`
        its index in the reply, and in all."""
        places = ranked(first.logits, self._top)
        (drawn,), _ = first.places(np.array([draw.token]))
        if drawn not in places:
            places = np.append(places, drawn)
        tokens, best = first.ids[places].tolist(), first.logits[places].tolist()
        total = best[0] - math.log(first.probs[places[0]])
        rest = _rest(first, places, total)
        # Nine digits are a float32 to the last bit.
        self._file.write(
            f'{{"index":{position[0]},"position":{position[1]},"token":{draw.token},'
            f'"logit":{first.logits[drawn]:.9g},"u":{_plain(draw.u)},'
            f'"interval":{_plain(draw.interval)},"streams":{json.dumps(streams)},'
            f'"logsumexp":{total!r},"entropy_bits":{view.entropy_bits!r},'
            f'"candidates":{{"token":[{_joined(tokens)}],"logit":[{_digits(best)}]}},'
            f'"rest":{_rest_text(rest)},"memory":{json.dumps(memory)},'
            f'"bytes":{{{self._bytes(tokens, tokenizer)}}}}}'
        )
        self._positions += 1

    @property
    def _file(self) -> TraceFile:
        if self._opened is None:
            self._opened = TraceFile(self._path, force=self._force)
            head = {"trace": VERSION, "chatcli": __version__, "top": self._top}
            self._opened.write(json_text(head))
        return self._opened

    def _bytes(self, tokens: Sequence[int], tokenizer: Tokenizer) -> str:
        """The bytes, in hex, of the tokens that are named for the first time."""
        new = [token for token in dict.fromkeys(tokens) if token not in self._told]
        self._told.update(new)
        known = tokenizer.vocab_size  # a model's head may be wider
        return ",".join(
            f'"{token}":"{tokenizer.token_bytes(token).hex()}"' for token in new if token < known
        )


class TracedChain(SamplerChain):
    """A chain whose draws are recorded; what it draws is what it would draw anyway."""

    def __init__(self, config: SamplingConfig, model: LanguageModel, recorder: Recorder) -> None:
        super().__init__(config)
        self._model, self._recorder = model, recorder
        self._next: tuple[int, int, int] | None = None  # position, prompt, last token
        self._first: Pool  # what the newest draw had before any stage

    def observe(
        self, logits: Tensor, history: Sequence[int], *, prompt_length: int = 0, top: int = 10
    ) -> tuple[Draw, View]:
        """As any chain's, written down."""
        index = len(history) - prompt_length
        memory = self.memory(index)
        draw, view = super().observe(logits, history, prompt_length=prompt_length, top=top)
        if self._next != (len(history), prompt_length, history[-1]):
            self._recorder.begin(self._model, self, self._bound, history, prompt_length)
        self._next = (len(history) + 1, prompt_length, draw.token)
        streams = {}
        if any(stage.name == "xtc" for stage in draw.stages):
            streams[_XTC_STREAM] = uniform(self.seed, len(history), _XTC_STREAM)
        place = (index, len(history))
        self._recorder.draw(self._first, place, draw, view, streams, memory, self._model.tokenizer)
        return draw, view

    def _run(self, logits: Tensor, history: Sequence[int], prompt_length: int) -> Run:
        run = super()._run(logits, history, prompt_length)
        self._first = run.first
        return run


def _rest(first: Pool, places: Ids, total: float) -> Rest | None:
    """Sums over all but `places`, in few passes: it is for each token. `total` is ln Σ e^logit."""
    count = first.ids.size - places.size
    if not count:
        return None
    masked = first.logits.copy()
    masked[places] = -np.inf
    best = float(masked.max())
    shifted = first.logits - best
    weights = first.probs.copy()
    weights[places] = 0.0
    mass = float(weights.sum())
    if not mass:  # next to the best they are too small for a probability
        total, weights = best, np.exp(masked - best)
        mass = float(weights.sum())
    shifted[places] = 0.0
    mean = float(shifted.sum()) / count
    variance = float(np.einsum("i,i", shifted, shifted)) / count - mean**2
    logsumexp = total + math.log(mass)
    entropy = logsumexp - best - float(np.einsum("i,i", weights, shifted)) / mass
    return Rest(
        count=count,
        max=best,
        logsumexp=logsumexp,
        mean=best + mean,
        spread=math.sqrt(max(0.0, variance)),
        entropy_bits=max(0.0, entropy) / math.log(2),
        agreement=float(np.einsum("i,i", weights, weights)) / mass**2,
    )


def _rest_text(rest: Rest | None) -> str:
    if rest is None:
        return "null"
    return (
        f'{{"count":{rest.count},"max":{rest.max:.9g},"logsumexp":{rest.logsumexp!r},'
        f'"mean":{rest.mean!r},"spread":{rest.spread!r},"entropy_bits":{rest.entropy_bits!r},'
        f'"agreement":{rest.agreement!r}}}'
    )


def _plain(value: float | tuple[float, float] | None) -> str:
    if isinstance(value, tuple):
        return f"[{value[0]!r},{value[1]!r}]"
    return "null" if value is None else repr(value)


def _joined(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


def _digits(numbers: Sequence[float]) -> str:
    return ("%.9g," * len(numbers))[:-1] % tuple(numbers)
