"""Turning a phase's sources into rows of ids of equal length, ready for the loop.

Documents are joined end to end and cut; conversations stay whole and are packed. Both
give the same record, so one loop trains on either.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from chatcli.errors import TrainingError
from chatcli.text.types import Message
from chatcli.train.corpus import Reading, read_conversations, read_documents, read_json
from chatcli.train.facts import Fact, fact_conversations, fact_documents, parse_fact
from chatcli.train.heldout import HeldOut
from chatcli.train.recipe import Phase, Source
from chatcli.train.vocabulary import END_OF_TURN, control_id

__all__ = ["Rows", "conversation_text", "make_rows", "phase_texts"]

Ids = NDArray[np.uint16]
Mask = NDArray[np.bool_]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rows:
    """`ids` [N, T + 1] and `learn` [N, T + 1]: whether a token is a target."""

    ids: Ids
    learn: Mask
    dropped: int

    @property
    def tokens(self) -> int:
        """How many targets one pass over the rows holds."""
        return int(self.learn[:, 1:].sum())


def make_rows(
    phase: Phase, corpus: Path, tokenizer: Tokenizer, held_out: HeldOut, seed: int, reading: Reading
) -> Rows:
    """Read, filter, shuffle, encode and pack the sources of a phase.

    Raises TrainingError where nothing is left of them.
    """
    texts = list(phase_texts(phase, corpus, seed, reading))
    clean = [text for text in texts if not held_out.touches(text)]
    if not clean:
        raise TrainingError(f"phase {phase.name}: no usable text under {corpus}")
    random.Random(seed).shuffle(clean)
    encoded = _encode(tokenizer, clean, phase.kind == "sft")
    pack = _pack_whole if phase.kind == "sft" else _join_and_cut
    ids, learn = pack(encoded, phase.row_length + 1)
    if not len(ids):
        raise TrainingError(
            f"phase {phase.name}: the text is shorter than one row of {phase.row_length} tokens; "
            "lower row_length or add text"
        )
    return Rows(ids, learn, len(texts) - len(clean))


def phase_texts(phase: Phase, corpus: Path, seed: int, reading: Reading) -> Iterator[str]:
    """Every document of a phase as text, conversations with their control tokens spelt."""
    for source in phase.sources:
        # Seeded by name, so that adding a source leaves the others as they were.
        digest = hashlib.sha256(f"{seed} {phase.name} {source.path}".encode()).digest()
        rng = random.Random(int.from_bytes(digest[:8]))
        yield from _source_texts(source, phase.kind, corpus, rng, reading)


def _source_texts(
    source: Source, kind: str, corpus: Path, rng: random.Random, reading: Reading
) -> Iterator[str]:
    path = corpus / source.path
    if source.kind == "text":
        yield from _repeat(list(read_documents(path, reading)), source.epochs, rng)
    elif source.kind == "chat":
        chats = list(read_conversations(path, reading))
        yield from (conversation_text(c) for c in _repeat(chats, source.epochs, rng))
    else:
        facts = [fact for _, record in read_json(path, reading) if (fact := parse_fact(record))]
        for fact in _repeat(facts, source.epochs, rng):
            yield from _fact_texts(fact, kind, rng)


def _fact_texts(fact: Fact, kind: str, rng: random.Random) -> Iterator[str]:
    if kind == "pretrain":
        yield from fact_documents(fact, rng)
    yield from (conversation_text(c) for c in fact_conversations(fact, rng))


def conversation_text(messages: Sequence[Message]) -> str:
    """A conversation as its template renders it, without the document start."""
    return "".join(f"<|{m.role}|>{m.content}{END_OF_TURN}" for m in messages)


def _repeat(items: Sequence[T], epochs: float, rng: random.Random) -> Iterator[T]:
    """Every item floor(epochs) times, and a drawn share of them once more."""
    for _ in range(math.floor(epochs)):
        yield from items
    extra = round(len(items) * (epochs - math.floor(epochs)))
    yield from rng.sample(items, extra)


def _encode(
    tokenizer: Tokenizer, texts: Iterable[str], assistant_only: bool
) -> Iterator[tuple[Ids, Mask]]:
    """Ids of each text after the document start, and which of them are targets."""
    assistant = control_id(tokenizer, "<|assistant|>")
    end = control_id(tokenizer, END_OF_TURN)
    for encoding in tokenizer.encode_batch_fast(list(texts), add_special_tokens=True):
        ids = np.array(encoding.ids, dtype=np.uint16)
        yield (
            ids,
            _assistant_mask(ids, assistant, end)
            if assistant_only
            else np.ones(len(ids), dtype=np.bool_),
        )


def _assistant_mask(ids: Ids, assistant: int, end: int) -> Mask:
    """True for the tokens between <|assistant|> and its end of turn, the end included."""
    learn = np.zeros(len(ids), dtype=np.bool_)
    inside = False
    for index, token in enumerate(ids):
        learn[index] = inside
        if token == assistant:
            inside = True
        elif token == end:
            inside = False
    return learn


def _join_and_cut(encoded: Iterable[tuple[Ids, Mask]], width: int) -> tuple[Ids, Mask]:
    stream = np.concatenate([ids for ids, _ in encoded])
    # Rows overlap by one token, so that every token but the first is a target once.
    count = max(0, (len(stream) - 1) // (width - 1))
    rows = (
        np.stack([stream[i * (width - 1) :][:width] for i in range(count)])
        if count
        else (np.empty((0, width), dtype=np.uint16))
    )
    return rows, np.ones(rows.shape, dtype=np.bool_)


def _pack_whole(encoded: Iterable[tuple[Ids, Mask]], width: int) -> tuple[Ids, Mask]:
    """First fit into rows, padded with the document start; longer ones are cut."""
    rows: list[list[tuple[Ids, Mask]]] = []
    room: list[int] = []
    for ids, learn in encoded:
        piece = (ids[:width], learn[:width])
        # Only the newest rows are tried: older ones are nearly full, and the scan stays short.
        start = max(0, len(rows) - 64)
        fit = next((i for i in range(start, len(rows)) if room[i] >= len(piece[0])), None)
        if fit is None:
            rows.append([])
            room.append(width)
            fit = len(rows) - 1
        rows[fit].append(piece)
        room[fit] -= len(piece[0])
    all_ids = np.zeros((len(rows), width), dtype=np.uint16)  # id 0 is the document start
    all_learn = np.zeros((len(rows), width), dtype=np.bool_)
    for index, row in enumerate(rows):
        length = width - room[index]
        all_ids[index, :length] = np.concatenate([ids for ids, _ in row])
        all_learn[index, :length] = np.concatenate([learn for _, learn in row])
    return all_ids, all_learn
