"""Reading single fields of a config.json that may be hostile: type, range, and one clear line.

What the fields mean is in `config`. Bounds are far above any real model; they keep a config
that lies from costing memory before the weights' own headers are compared with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from chatcli.errors import CheckpointError

__all__ = ["MAX_CONTEXT", "Fields"]

MAX_CONTEXT = 1 << 31


class Fields:
    """A mapping read with checks; every error is a CheckpointError that names the field."""

    def __init__(self, values: Mapping[str, Any], where: str = "config.json") -> None:
        self.values = values
        self.where = where

    def integer(self, name: str, default: int | None = None, *, most: int, least: int = 1) -> int:
        """An integer in [least, most]; null counts as absent."""
        value = self._present(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.error(name, value, f"an integer from {least} to {most:,}")
        return value

    def number(self, name: str, default: float | None = None, *, least: float = 0.0) -> float:
        """A finite number above `least`; null counts as absent."""
        value = self._present(name, default)
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        if not plain or not math.isfinite(value) or value <= least:
            raise self.error(name, value, f"a finite number above {least:g}")
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        """True or false; null counts as absent."""
        value = self._present(name, default)
        if not isinstance(value, bool):
            raise self.error(name, value, "true or false")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """A string; null counts as absent."""
        value = self._present(name, default)
        if not isinstance(value, str):
            raise self.error(name, value, "a string")
        return value

    def mapping(self, name: str) -> Mapping[str, Any]:
        """A JSON object; empty where the field is absent or null."""
        value = self._present(name, {})
        if not isinstance(value, Mapping):
            raise self.error(name, value, "an object")
        return value

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.values.get(name) is not None

    def error(self, name: str, value: object, wanted: str) -> CheckpointError:
        """The error for a field that isn't what it must be."""
        shown = "missing" if value is None else f"{value!r:.60}"
        return CheckpointError(f"{self.where}: {name} is {shown}; it must be {wanted}")

    def _present(self, name: str, default: Any) -> Any:
        value = self.values.get(name)
        return default if value is None else value
