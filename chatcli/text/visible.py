"""Text that a terminal can only show: nothing in it moves the cursor, hides or reorders.

`visible` maps character by character, so a stream may be fed to it chunk by chunk; only two
things look at their neighbours within a chunk, flags written with tag characters and runs of
variation selectors. Colours, widths and layout are left to `ui`.
"""

from __future__ import annotations

import re
import unicodedata

from chatcli.text.types import TokenBytes

__all__ = ["one_line", "text_label", "token_label", "visible"]

LINE_MARKS = {"\n": "↵", "\t": "⇥", " ": "␣"}
# A subdivision flag (England, Scotland, Wales …): the one honest use of tag characters.
FLAG = "\U0001f3f4[\U000e0020-\U000e007e]{1,16}\U000e007f"
INERT = re.compile(
    rf"(?P<keep>{FLAG})"
    r"|(?P<control>[\x00-\x08\x0b-\x1f\x7f])"
    r"|(?P<surrogate>[\ud800-\udfff])"
    r"|(?<=[\ufe00-\ufe0f\U000e0100-\U000e01ef])[\ufe00-\ufe0f\U000e0100-\U000e01ef]"
    r"|[\x80-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    r"\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    r"\ufdd0-\ufdef\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff"
    r"\U000e01f0-\U000e0fff]"
)
BROKEN_BYTES = re.compile("[\udc80-\udcff]+")


def visible(text: str, *, keep_newlines: bool = True) -> str:
    """`text` with every character that acts on a terminal shown instead of sent.

    Controls become their pictures (␛), other characters without a face ⟨U+202E⟩, lone
    surrogates U+FFFD. Tabs stay, and newlines unless `keep_newlines` is False.
    """
    shown = INERT.sub(_shown, text)
    return shown if keep_newlines else shown.replace("\n", LINE_MARKS["\n"])


def one_line(text: str) -> str:
    """`text` in one line, with spaces (␣), tabs (⇥) and newlines (↵) made visible."""
    shown = visible(text)
    for char, mark in LINE_MARKS.items():
        shown = shown.replace(char, mark)
    return shown


def token_label(tokenizer: TokenBytes, token: int, completes: str = "") -> str:
    """A token as a table shows it, in one line.

    Whole characters are themselves, with spaces (␣), tabs (⇥) and newlines (↵) made visible;
    bytes that are only part of a character are spelt, ⟨E4 B8⟩; a control token is its name.
    One that begins inside of a character shows what it `completes`, too: ⟨AD⟩ → 中.
    """
    data = tokenizer.token_bytes(token)
    if not data:
        return f"⟨{token}⟩"
    text = data.decode("utf-8", "surrogateescape")
    parts = re.split(f"({BROKEN_BYTES.pattern})", text)
    label = "".join(_bytes_label(p) if BROKEN_BYTES.match(p) else text_label(p) for p in parts)
    inside = 0x80 <= data[0] < 0xC0
    return f"{label} → {one_line(completes)}" if inside and completes else label


def _shown(match: re.Match[str]) -> str:
    kind, found = match.lastgroup, match[0]
    if kind == "keep":
        return found
    if kind == "control":
        return "␡" if found == "\x7f" else chr(0x2400 + ord(found))
    return "\ufffd" if kind == "surrogate" else _code_point(found)


def _code_point(char: str) -> str:
    return f"⟨U+{ord(char):04X}⟩"


def _bytes_label(broken: str) -> str:
    return f"⟨{broken.encode('utf-8', 'surrogateescape').hex(' ').upper()}⟩"


def text_label(text: str) -> str:
    """A text as a table shows it, in one line, as `token_label` does a token's.

    A leading mark that would sit on the character before it gets a place of its own.
    """
    label = one_line(text)
    if not label or not _joins(label[0]):
        return label
    combining = unicodedata.combining(label[0]) != 0
    return f"◌{label}" if combining else _code_point(label[0]) + label[1:]


def _joins(char: str) -> bool:
    return char in "\u200c\u200d" or unicodedata.category(char) in ("Mn", "Me")
