"""A vocabulary that can be searched: by what tokens spell, by bytes, and by id."""

from __future__ import annotations

import re
from collections.abc import Callable

from chatcli.text.types import Tokenizer
from chatcli.text.visible import token_label

__all__ = ["Vocabulary"]

_BETWEEN_LOOKS = 4096  # tokens
_BYTES, _BYTE_LABEL = "⟨", re.compile("⟨[0-9a-f ]*⟩")


class Vocabulary:
    """The tokens of a model's head; spelling them all takes a while, and happens once."""

    def __init__(self, tokenizer: Tokenizer, size: int) -> None:
        self._tokenizer, self._size = tokenizer, size
        self._spelt: list[str] = []

    def find(
        self, query: str, cancelled: Callable[[], bool] = lambda: False
    ) -> frozenset[int] | None:
        """The ids of all tokens whose text has `query` in it, case aside.

        Also the one whose id it is, and those in whose label it is ("␣the"; "⟨E4" for bytes).
        None where it was cancelled.
        """
        while len(self._spelt) < self._size:
            if cancelled():
                return None
            start = len(self._spelt)
            end = min(self._size, start + _BETWEEN_LOOKS)
            self._spelt += [self._spell(token) for token in range(start, end)]
        wanted = query.casefold()
        found = {token for token, spelt in enumerate(self._spelt) if wanted in spelt}
        if _BYTES not in wanted:  # bytes are no numbers
            found = {token for token in found if wanted in _BYTE_LABEL.sub("", self._spelt[token])}
        if query.isascii() and query.isdigit() and int(query) < self._size:
            found.add(int(query))
        return frozenset(found)

    def _spell(self, token: int) -> str:
        """Its text and its label, which differ where something in it can't be seen."""
        label = token_label(self._tokenizer, token)
        text = self._tokenizer.token_bytes(token).decode("utf-8", "ignore")
        return (label if text in label else f"{label}\0{text}").casefold()
