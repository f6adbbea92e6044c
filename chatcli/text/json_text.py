"""JSON as inert text: UTF-8 as it is, and escaped only what a terminal or a reader may act on.

JSON itself escapes C0 controls. Here DEL, C1, bidi controls, line separators and lone
surrogates are escaped too, so that a line stays one line and can be shown anywhere; read
again, it is equal.
"""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["json_text"]

_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def json_text(value: Any, *, compact: bool = False) -> str:
    """`value` as one line, without its end; `compact` leaves out spaces that nothing needs.

    Raises ValueError on a number that isn't finite.
    """
    gaps = (",", ":") if compact else None
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=gaps)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
