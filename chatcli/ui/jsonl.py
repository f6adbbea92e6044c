"""Records as JSON: one object a line, names as in the records, for other programs to read.

Numbers that are not finite are null; `text.json_text` makes the rest inert.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chatcli.engine.types import Chunk, Finish, Step, Usage
from chatcli.probe.next_token import NextToken
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import Candidate
from chatcli.text.json_text import json_text
from chatcli.text.types import Tokenizer

__all__ = [
    "candidate_object",
    "end_object",
    "json_line",
    "next_token_object",
    "record_object",
    "step_objects",
]


def json_line(value: Mapping[str, Any]) -> str:
    """`value` as one line of JSON, its newline included."""
    return json_text(_plain(value)) + "\n"


def step_objects(sample: int, chunk: Chunk, tokenizer: Tokenizer) -> Iterator[dict[str, Any]]:
    """One object for each token of a chunk.

    `text` is what became readable with the token: "" while a character or a stop string is
    still open, so that the texts of a sample joined are its text.
    """
    for step in chunk.steps:
        text = chunk.text if step is chunk.steps[-1] else ""
        yield {"sample": sample, **_step_object(step, text, tokenizer)}


def end_object(
    sample: int, text: str, finish: Finish | None, usage: Usage, chain: SamplerChain
) -> dict[str, Any]:
    """The object that ends a sample. `seed` and `sampling` are what repeats it."""
    return {
        "sample": sample,
        "finish": finish,
        "text": text,
        "usage": record_object(usage),
        "seed": chain.seed,
        "sampling": {**chain.config.to_dict(), "seed": chain.seed},
    }


def next_token_object(
    model: str, prompt: str, found: NextToken, tokenizer: Tokenizer
) -> dict[str, Any]:
    """The one object of `chatcli probs --json`."""
    return {
        "model": model,
        "prompt": prompt,
        "prompt_ids": list(found.prompt_ids),
        "order": found.config.to_dict()["order"],
        "entropy_bits": found.entropy_bits,
        "stages": [record_object(stage) for stage in found.stages],
        "candidates": [candidate_object(each, tokenizer) for each in found.candidates],
    }


def candidate_object(candidate: Candidate, tokenizer: Tokenizer) -> dict[str, Any]:
    """A candidate with its text (U+FFFD for parts of characters) and its exact bytes, in hex."""
    raw = tokenizer.token_bytes(candidate.token)
    return {**record_object(candidate), "text": raw.decode("utf-8", "replace"), "bytes": raw.hex()}


def _step_object(step: Step, text: str, tokenizer: Tokenizer) -> dict[str, Any]:
    return {
        "index": step.index,
        "token": step.token,
        "text": text,
        "raw_prob": step.raw_prob,
        "prob": step.prob,
        "rank": step.rank,
        "entropy_bits": step.entropy_bits,
        "u": step.draw.u,
        "candidates": [candidate_object(each, tokenizer) for each in step.draw.candidates],
    }


def record_object(record: Any) -> dict[str, Any]:
    """A record (a dataclass) by its fields, records in it included."""
    return dataclasses.asdict(record)


def _plain(value: Any) -> Any:
    """`value` with every number that JSON has no word for replaced by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value
