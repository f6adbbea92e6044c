"""Reading a trace: its lines as records, refused where they can't be what was recorded."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chatcli.errors import SamplingError, TraceError
from chatcli.probe.trace import VERSION, Position, Rest, Sample, Trace
from chatcli.probe.trace_file import trace_lines
from chatcli.sampling.random import uniform
from chatcli.sampling.types import SamplingConfig

__all__ = ["read_trace"]

_LARGEST = 1 << 24  # ids of a vocabulary; the largest known has 2**18


def read_trace(path: Path) -> Trace:
    """The trace in a file; one that breaks off has what is whole of it, and says where.

    Raises TraceError on a file that is no trace, is one of another version, or was changed.
    """
    reading = _Reading(path)
    try:
        for line in trace_lines(path):
            reading.take(line)
    except EOFError:
        return reading.trace(whole=False)
    return reading.trace(whole=reading.ended)


class _Reading:
    """The records of the lines so far."""

    def __init__(self, path: Path) -> None:
        self._path, self._line = path, 0
        self._header: Mapping[str, Any] = {}
        self._samples: list[dict[str, Any]] = []
        self._pieces: dict[int, bytes] = {}
        self._count = 0
        self.ended = False

    def take(self, line: str) -> None:
        self._line += 1
        try:
            plain = json.loads(line)
            if self._line == 1:
                self._begin(plain)
            elif "end" in plain:
                self.ended = plain["samples"] == len(self._samples)
                self.ended &= plain["positions"] == self._count
            else:
                self._add(plain)
        except (KeyError, TypeError, ValueError, OverflowError, SamplingError) as error:
            raise TraceError(
                f"{self._path}: line {self._line} isn't what a trace holds ({error!r:.60}); "
                "record it again with --trace"
            ) from error

    def trace(self, *, whole: bool) -> Trace:
        if not self._header or (not whole and not self._count):
            raise TraceError(
                f"{self._path} breaks off before its first token, so there is nothing to replay; "
                "record it again with --trace"
            )
        samples = tuple(
            Sample(**{**sample, "positions": tuple(sample["positions"])})
            for sample in self._samples
        )
        cut = None if whole else f"line {self._line + 1}"
        header = self._header
        return Trace(header["chatcli"], header["top"], samples, self._pieces, cut)

    def _begin(self, plain: Any) -> None:
        if not isinstance(plain, dict) or "trace" not in plain:
            raise TraceError(f"{self._path} is no trace; chatcli complete --trace FILE writes one")
        if plain["trace"] != VERSION:
            raise TraceError(
                f"{self._path} is a trace of version {plain['trace']!r:.20}, and this chatcli "
                f"reads version {VERSION}; replay it with chatcli {plain.get('chatcli')!s:.20}"
            )
        self._header = {"chatcli": str(plain["chatcli"]), "top": int(plain["top"])}

    def _add(self, plain: Mapping[str, Any]) -> None:
        self._pieces |= {int(token): bytes.fromhex(raw) for token, raw in plain["bytes"].items()}
        if "sample" in plain:
            self._samples.append(_sample(plain) | {"top": self._header["top"]})
            return
        sample = self._samples[-1] if self._samples else None
        if sample is None:
            raise ValueError("a position before its sample")
        position = _position(plain)
        _check_place(sample, position)
        sample["positions"].append(position)
        self._count += 1


def _sample(plain: Mapping[str, Any]) -> dict[str, Any]:
    sampling = SamplingConfig.from_dict(plain["sampling"])
    _check_prompt(plain)
    return {
        "sample": int(plain["sample"]),
        "seed": int(plain["seed"]),
        "sampling": sampling,
        "bound": SamplingConfig.from_dict({**plain["sampling"], **plain["bound"]}),
        "checkpoint": dict(plain["checkpoint"]),
        "eos_ids": tuple(map(int, plain["eos_ids"])),
        "xtc_spared": tuple(tuple(map(int, ids)) for ids in plain["xtc_spared"]),
        "prompt_ids": tuple(map(int, plain["prompt_ids"])),
        "prompt_length": int(plain["prompt_length"]),
        "positions": [],
    }


def _check_prompt(plain: Mapping[str, Any]) -> None:
    """Raise ValueError where ids or their number can't be."""
    ids, size = plain["prompt_ids"], int(plain["checkpoint"]["vocab_size"])
    if not 0 < size <= _LARGEST or not all(0 <= int(id_) < size for id_ in ids):
        raise ValueError("ids beyond the vocabulary")
    if not 0 <= int(plain["prompt_length"]) <= len(ids) or not ids:
        raise ValueError("a prompt of another length")
    for name in ("name", "dtype", "digest"):
        str(plain["checkpoint"][name])


def _position(plain: Mapping[str, Any]) -> Position:
    best, rest, interval = plain["candidates"], plain["rest"], plain["interval"]
    tokens = np.array(best["token"], dtype=np.int64)
    logits = np.array(best["logit"], dtype=np.float32).astype(np.float64)
    position = Position(
        index=int(plain["index"]),
        position=int(plain["position"]),
        token=int(plain["token"]),
        logit=float(np.float32(plain["logit"])),
        u=None if plain["u"] is None else float(plain["u"]),
        interval=None if interval is None else (float(interval[0]), float(interval[1])),
        streams={int(stream): float(u) for stream, u in plain["streams"].items()},
        logsumexp=float(plain["logsumexp"]),
        entropy_bits=float(plain["entropy_bits"]),
        tokens=tokens,
        logits=logits,
        rest=None if rest is None else _rest(rest),
        memory=plain["memory"],
    )
    if tokens.shape != logits.shape or not np.isfinite(logits).all():
        raise ValueError("candidates without logits")
    if np.unique(tokens).size != tokens.size or tokens.min(initial=1 << 62) < 0:
        raise ValueError("candidates that aren't ids")
    if position.token not in tokens or logits[tokens == position.token] != position.logit:
        raise ValueError("the token isn't among its candidates")
    return position


def _rest(plain: Mapping[str, Any]) -> Rest:
    rest = Rest(**plain)
    if not all(map(math.isfinite, dataclasses.astuple(rest))):
        raise ValueError("sums that aren't finite")
    return dataclasses.replace(rest, max=float(np.float32(rest.max)))


def _check_place(sample: Mapping[str, Any], found: Position) -> None:
    """Raise ValueError where the position doesn't follow, or its numbers contradict each other."""
    if found.tokens.max() >= sample["checkpoint"]["vocab_size"]:
        raise ValueError("candidates beyond the vocabulary")
    place = len(sample["prompt_ids"]) + len(sample["positions"])
    if found.position != place or found.index != place - sample["prompt_length"]:
        raise ValueError(f"position {found.position} where {place} follows")
    if (found.u is None) != sample["sampling"].greedy:
        raise ValueError("luck that isn't the settings'")
    if found.u is not None and found.u != uniform(sample["seed"], place):
        raise ValueError(f"u {found.u} isn't the seed's")
    if found.u is not None and found.interval is not None:
        low, high = found.interval
        if not low <= found.u < high:
            raise ValueError(f"u {found.u} is outside of the token's interval")
    total = np.logaddexp.reduce(found.logits)
    if found.rest is not None:
        total = np.logaddexp(total, found.rest.logsumexp)
    if not math.isclose(total, found.logsumexp, rel_tol=1e-9, abs_tol=1e-9):
        raise ValueError("a logsumexp that isn't the logits'")
