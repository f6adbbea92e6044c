"""Text to the clipboard of the terminal, wherever that runs: the OSC 52 sequence.

    ESC ] 52 ; c ; base64 BEL

The text travels as base64, so nothing in it can act on the terminal. Inside tmux and screen
the sequence must be wrapped to get through. See "Operating System Commands" in xterm's
ctlseqs, and allow-passthrough and set-clipboard in tmux(1).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Literal

from chatcli.errors import UsageError

__all__ = ["LONGEST", "Multiplexer", "clipboard_sequence", "multiplexer"]

Multiplexer = Literal["tmux", "screen"]

# Bytes of text: terminals commonly take sequences up to 100,000 bytes, a third of it base64's.
LONGEST = 74_994
_SCREEN_CHUNK = 252  # screen takes strings of up to 256 bytes


def multiplexer(environ: Mapping[str, str]) -> Multiplexer | None:
    """What stands between us and the terminal, if anything."""
    term = environ.get("TERM", "")
    if environ.get("TMUX") or term.startswith("tmux"):
        return "tmux"
    return "screen" if environ.get("STY") or term.startswith("screen") else None


def clipboard_sequence(text: str, through: Multiplexer | None = None) -> str:
    """What to send to the terminal so that its clipboard holds `text`.

    Raises UsageError on a text without characters or longer than terminals take.
    """
    data = text.encode("utf-8", "replace")
    if not data:
        raise UsageError("there is nothing to copy: the text is empty")
    if len(data) > LONGEST:
        raise UsageError(
            f"{len(data):,} bytes are more than the {LONGEST:,} that a terminal's clipboard takes; "
            "/export FILE writes the conversation instead"
        )
    sequence = f"\x1b]52;c;{b64encode(data).decode()}\x07"
    if through == "tmux":
        # The bare one serves a tmux with set-clipboard on, the wrapped one allow-passthrough.
        wrapped = sequence.replace("\x1b", "\x1b\x1b")
        return f"{sequence}\x1bPtmux;{wrapped}\x1b\\"
    if through == "screen":
        starts = range(0, len(sequence), _SCREEN_CHUNK)
        return "".join(f"\x1bP{sequence[at : at + _SCREEN_CHUNK]}\x1b\\" for at in starts)
    return sequence
