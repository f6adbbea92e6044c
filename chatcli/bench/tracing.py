"""What recording a trace costs: tokens a second with it and without, and bytes on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from chatcli.bench.timing import paired
from chatcli.bench.types import Bar, Figure, Spread
from chatcli.bench.workshop import DEFAULT, Workshop, without_end
from chatcli.engine.decode import Decoding
from chatcli.model.types import LanguageModel
from chatcli.probe.tracing import Recorder
from chatcli.sampling.chain import SamplerChain

__all__ = ["tracing"]

_TOKENS, _TOP = 256, 50
_PROMPT = "世界上最高的山"


def tracing(shop: Workshop) -> Iterator[Figure]:
    """The share of tokens a second that a trace takes, and how large it is."""
    model = shop.load()
    path = shop.scratch / "trace.jsonl.gz"
    sizes: list[float] = []

    def recorded() -> float:
        seconds = _seconds_a_token(model, path)
        sizes.append(os.path.getsize(path) / _TOKENS)
        return seconds

    pairs = paired(recorded, lambda: _seconds_a_token(model, None), rounds=2 * shop.rounds)
    traced, plain = (
        Spread.of(1 / seconds for seconds in side) for side in zip(*pairs, strict=True)
    )
    yield Figure(
        part="trace",
        what=f"--trace with N = {_TOP}, of tokens/s without",
        value=Spread.of(100 * (1 - plain / traced) for traced, plain in pairs),
        unit="%",
        bar=Bar(5),
        detail=f"with {traced.median:.0f} tok/s, without {plain.median:.0f} tok/s",
    )
    yield Figure(
        part="trace",
        what=f"a token with N = {_TOP}, gzip",
        value=Spread.of(sizes),
        unit="bytes",
        bar=Bar(1500),
        detail=f"{_TOKENS} tokens, all of the file",
    )


def _seconds_a_token(model: LanguageModel, path: Path | None) -> float:
    """Of one reply, recorded to `path`, or not."""
    config = without_end(DEFAULT, model)
    recorder = None if path is None else Recorder(path, top=_TOP, force=True)
    chain = SamplerChain(config) if recorder is None else recorder.chain(config, model)
    ids = model.tokenizer.encode(_PROMPT, bos=True)
    decoding = Decoding(model, ids, chain, max_tokens=_TOKENS)
    for _ in decoding:
        pass
    if recorder is not None:
        recorder.close()
    return 1 / decoding.usage.tokens_per_second
