"""Streaming: token ids in, whole characters out.

A fragment of a character is held back while it can still complete. U+FFFD stands only for
bytes that no longer can (one for each maximal subpart, the Unicode practice), or that are
left at the end; a U+FFFD that the model wrote is an ordinary character.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable

__all__ = ["StreamDetokenizer"]

_Utf8Decoder = codecs.getincrementaldecoder("utf-8")


class StreamDetokenizer:
    """One stream of text; `token_bytes` gives b"" for tokens that the text leaves out.

    `before` is what the text before the stream ends with: the stream may complete a character
    that is open there. `strip_leading` is how many spaces to drop where the text starts:
    SentencePiece puts one in front of a text, and takes it back when it decodes.
    """

    def __init__(
        self,
        token_bytes: Callable[[int], bytes],
        *,
        before: bytes = b"",
        strip_leading: int = 0,
    ) -> None:
        self._token_bytes = token_bytes
        self._strip_leading = strip_leading
        self._decoder = _Utf8Decoder("replace")
        self._decoder.decode(before)

    def add(self, token: int) -> str:
        """The characters that `token` completes; "" while one is still open."""
        return self._stripped(self._decoder.decode(self._token_bytes(token)))

    def finish(self) -> str:
        """What is still held back, with U+FFFD for bytes that never became a character."""
        return self._stripped(self._decoder.decode(b"", final=True))

    def _stripped(self, text: str) -> str:
        if not self._strip_leading or not text:
            return text
        spaces = min(len(text) - len(text.lstrip(" ")), self._strip_leading)
        # Once anything but a space has come, the text has started.
        self._strip_leading = self._strip_leading - spaces if spaces == len(text) else 0
        return text[spaces:]
