"""Replies made by hand: pieces of text with the steps that would have drawn them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from chatcli.engine.types import Chunk, Finish, Step, Usage
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import Candidate, Draw, SamplingConfig, StageTrace
from chatcli.ui.frames import Frames
from tests.fakes import ByteTokenizer, ScriptedModel
from tests.shared import shared_json

__all__ = ["PieceTokenizer", "chain", "chunks", "model", "payloads", "rivals", "step"]

SURE = 0.741


class PieceTokenizer(ByteTokenizer):
    """Token i is piece i; for what labels need of a tokenizer."""

    def __init__(self, pieces: Sequence[str | bytes]) -> None:
        self._pieces = [
            one.encode(errors="surrogatepass") if isinstance(one, str) else one for one in pieces
        ]

    def token_bytes(self, token: int) -> bytes:
        return self._pieces[token]

    def is_special(self, token: int) -> bool:
        return False


def model(pieces: Sequence[str | bytes]) -> ScriptedModel:
    scripted = ScriptedModel("")
    scripted.tokenizer = PieceTokenizer(pieces)
    return scripted


def chain() -> SamplerChain:
    return SamplerChain(SamplingConfig(temperature=0.8, top_k=40, top_p=0.95, seed=7))


def step(index: int, candidates: Sequence[Candidate], *, token: int = 0) -> Step:
    """The step that drew `token`; it need not be among `candidates`."""
    chosen = next((one for one in candidates if one.token == token), None)
    chosen = chosen or Candidate(token, 1, 5.0, SURE, 0.881)
    stages = (StageTrace("top_k", 40, 0.99, 1.2), StageTrace("top_p", 3, 0.95, 0.63))
    draw = Draw(token, torch.ones(4), stages, 0.5, (0.0, 0.9), tuple(candidates))
    return Step(
        index, index + 12, token, chosen.raw_prob, chosen.prob, chosen.rank, 1.63, draw, 0.01
    )


def rivals(pieces: int, token: int) -> tuple[Candidate, ...]:
    """The token, then others in turn, the last two removed."""
    order = [token, *(other for other in range(min(pieces, 6)) if other != token)][:5]
    probs = [(SURE, 0.881), (0.112, 0.083), (0.058, 0.036), (0.024, 0.0), (0.009, 0.0)]
    return tuple(
        Candidate(one, place + 1, 5.0 - place, raw, prob, None if prob else "top_p")
        for place, (one, (raw, prob)) in enumerate(zip(order, probs, strict=False))
    )


def chunks(
    pieces: Sequence[str], frames: Frames | None = None, *, finish: Finish = "length"
) -> Iterator[Chunk]:
    """One chunk for each piece, and one that ends the reply; `frames` is asked as by an engine."""
    usage = Usage()
    for index, piece in enumerate(pieces):
        if frames is not None:
            frames()
        usage = Usage(12, 5, index + 1, 0.1, index / 143)
        yield Chunk(piece, (step(index, rivals(len(pieces), index), token=index),), usage=usage)
    yield Chunk("", (), finish, usage)


def payloads() -> Iterator[tuple[str, str, list[str]]]:
    """Of each shared terminal case: its id, the text, and what must not be sent raw."""
    for case in shared_json("conformance", "terminal_safety.json"):
        data = bytes.fromhex(case.get("payload_bytes_hex", ""))
        text = case.get("payload", data.decode("utf-8", "surrogatepass"))
        must = case["tier"] == "must"
        yield case["id"], text, case["expected"]["must_not_reach_terminal_raw"] if must else []
