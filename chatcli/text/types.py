"""The records of the text layer: a message, and what the layers above ask of a tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

__all__ = ["Detokenizer", "Message", "TokenBytes", "Tokenizer"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation; `role` is "system", "user" or "assistant"."""

    role: str
    content: str


class Detokenizer(Protocol):
    """Ids in, whole characters out; a fragment of a character is held back."""

    def add(self, token: int) -> str:
        """The characters that `token` completes; "" while one is still open."""
        ...

    def finish(self) -> str:
        """What is still held back, with U+FFFD for bytes that never became a character."""
        ...


class TokenBytes(Protocol):
    """What can spell tokens: a tokenizer, or a record of some."""

    def token_bytes(self, token: int) -> bytes:
        """The exact bytes that `token` adds to a text; for a control token, its spelling."""
        ...


class Tokenizer(TokenBytes, Protocol):
    """What the layers above need of a tokenizer; `chatcli.text.tokenizer` has the real one."""

    @property
    def vocab_size(self) -> int:
        """Ids are in [0, vocab_size); a model's head may be wider (padding)."""
        ...

    @property
    def eos_ids(self) -> frozenset[int]:
        """Every id that ends a text or a turn (tokenizer, config and generation_config)."""
        ...

    @property
    def chat_template(self) -> str | None:
        """The checkpoint's own Jinja source, None where it has none."""
        ...

    @property
    def fallback_stop(self) -> tuple[str, ...]:
        """Strings that end a reply where the checkpoint has no chat template of its own."""
        ...

    def encode(self, text: str, *, bos: bool = False, special: bool = False) -> list[int]:
        """Ids of `text`.

        `bos` puts in front what the checkpoint's own tokenizer puts there, if anything;
        `special` reads control tokens in the text as such; otherwise they are plain text.
        """
        ...

    def decode(self, ids: Sequence[int], *, special: bool = True) -> str:
        """Text of `ids`; control tokens are spelt out unless `special` is False."""
        ...

    def unreadable(self, text: str, *, special: bool = False) -> str:
        """The characters of `text`, each once, that its ids don't carry; usually none."""
        ...

    def is_special(self, token: int) -> bool:
        """Whether `token` is a control token, which streaming text leaves out."""
        ...

    def detokenizer(self, context: Sequence[int] = ()) -> Detokenizer:
        """A fresh streaming detokenizer; `context` is what stands before the first token."""
        ...

    def encode_chat(
        self,
        messages: Sequence[Message],
        *,
        add_generation_prompt: bool = True,
        prefill: str = "",
        date: datetime | None = None,
    ) -> list[int]:
        """Ids of a conversation through the chat template; contents stay plain text.

        `date` is the now of templates that write a date; None: the clock's.
        """
        ...
