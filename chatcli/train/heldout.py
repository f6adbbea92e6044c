"""Keeping evaluation text out of training, mechanically.

A document is dropped when, after NFKC, case-folding and dropping punctuation and spaces,
it holds a whole sentence of the language-model passages or a long enough task input.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chatcli.errors import TrainingError

__all__ = ["HeldOut", "normalise"]

MIN_CHARACTERS = 8
NEITHER = re.compile(r"[\W_]+")
SENTENCE_END = re.compile(r"(?<=[。！？.!?])[”’\"']?\s*")


def normalise(text: str) -> str:
    """NFKC, case-folded, without anything but letters and digits."""
    return NEITHER.sub("", unicodedata.normalize("NFKC", text).casefold())


class HeldOut:
    """Passages that no training document may hold."""

    def __init__(self, passages: Iterable[str]) -> None:
        normal = {normalise(passage) for passage in passages}
        self.passages = sorted(text for text in normal if len(text) >= MIN_CHARACTERS)

    @classmethod
    def from_files(cls, paths: Iterable[Path]) -> HeldOut:
        """Sentences of .txt files and inputs of .jsonl files."""
        passages: list[str] = []
        for path in paths:
            try:
                lines = path.read_text(encoding="utf-8").splitlines()
            except OSError as error:
                raise TrainingError(
                    f"{path}: {error.strerror}; it is needed to keep its text out of training"
                ) from error
            if path.suffix == ".txt":
                passages += [text for line in lines for text in SENTENCE_END.split(line)]
            else:
                passages += [text for line in lines for text in _strings(json.loads(line)["input"])]
        return cls(passages)

    def touches(self, document: str) -> bool:
        """Whether `document` holds one of the passages."""
        text = normalise(document)
        return any(passage in text for passage in self.passages)


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [text for item in value for text in _strings(item)] if isinstance(value, list) else []
