"""The documents of a phase: its sources read, repeated, expanded, cleaned and divided.

What is held out for evaluation is dropped here and nowhere else. A share of the documents,
chosen by their own content, is kept for validation, so that no repetition of them is trained.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar

from chatcli.text.types import Message
from chatcli.train.corpus import (
    Conversation,
    Reading,
    read_any,
    read_conversations,
    read_documents,
    read_json,
)
from chatcli.train.facts import Fact, fact_conversations, fact_documents, parse_fact
from chatcli.train.generate import generate
from chatcli.train.heldout import HeldOut
from chatcli.train.recipe import Source

__all__ = ["BANKS", "Corpus", "Document"]

HERE = Path(__file__).parent
BANKS = HERE / "banks"
NOBODY = ""  # the role of a text
VALIDATED = 200  # one document in so many is for validation

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Document:
    """One text, or the turns of one conversation; no part of either is a control token."""

    turns: Conversation

    @classmethod
    def of(cls, text: str) -> Self:
        """A text that nobody says."""
        return cls((Message(NOBODY, text),))

    @property
    def chat(self) -> bool:
        """Whether it is a conversation."""
        return self.turns[0].role != NOBODY

    @property
    def text(self) -> str:
        """All that is written in it."""
        return "\n".join(turn.content for turn in self.turns)


@dataclass(slots=True)
class Corpus:
    """Where sources are, what may not come out of them, and what was left out so far."""

    folder: Path
    held_out: HeldOut
    seed: int
    reading: Reading = field(default_factory=Reading)
    dropped: int = 0

    def path(self, name: str) -> Path:
        """Where a source or an evaluation file is."""
        ours = name.partition("/")[0] in ("banks", "questions")
        return (HERE if ours else self.folder) / name

    def divided(
        self, sources: Sequence[Source], where: str
    ) -> tuple[list[Document], list[Document]]:
        """The documents to train on, shuffled, and those to validate on, each once."""
        train: list[Document] = []
        validation: set[Document] = set()
        for source in sources:
            kept = source.kind in ("text", "chat", "any")
            for document in self._clean(source, where):
                if kept and _for_validation(document):
                    validation.add(document)
                else:
                    train.append(document)
        random.Random(f"{self.seed} {where}").shuffle(train)
        return train, sorted(validation, key=lambda document: document.text)

    def _clean(self, source: Source, where: str) -> Iterator[Document]:
        known: dict[Document, bool] = {}
        for document in self._documents(source, where):
            touched = known.get(document)
            if touched is None:
                touched = known[document] = self.held_out.touches(document.text)
            if touched:
                self.dropped += 1
            else:
                yield document

    def _documents(self, source: Source, where: str) -> Iterator[Document]:
        # Seeded by name, so that adding a source leaves the others as they were.
        rng = random.Random(f"{self.seed} {where} {source.path}")
        if source.kind == "generated":
            chats = generate(source.path, source.count, rng, BANKS)
            yield from map(Document, chats)
        elif source.kind == "text":
            texts = list(read_documents(self.path(source.path), self.reading))
            yield from map(Document.of, _repeat(texts, source.epochs, rng))
        elif source.kind == "any":
            mixed = list(read_any(self.path(source.path), self.reading))
            for each in _repeat(mixed, source.epochs, rng):
                yield Document.of(each) if isinstance(each, str) else Document(each)
        elif source.kind == "chat":
            read = list(read_conversations(self.path(source.path), self.reading))
            yield from map(Document, _repeat(read, source.epochs, rng))
        else:
            for fact in _repeat(self._facts(source), source.epochs, rng):
                yield from map(Document.of, fact_documents(fact, rng))
                yield from map(Document, fact_conversations(fact, rng))

    def _facts(self, source: Source) -> list[Fact]:
        records = read_json(self.path(source.path), self.reading)
        return [fact for _, record in records if (fact := parse_fact(record))]


def _for_validation(document: Document) -> bool:
    digest = hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:4]) % VALIDATED == 0


def _repeat(items: Sequence[T], epochs: float, rng: random.Random) -> Iterator[T]:
    """Every item floor(epochs) times, and a drawn share of them once more."""
    for _ in range(math.floor(epochs)):
        yield from items
    extra = round(len(items) * (epochs - math.floor(epochs)))
    yield from rng.sample(items, extra)
