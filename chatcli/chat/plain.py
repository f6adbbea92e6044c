"""The records of a conversation as plain values, and back, exactly.

Texts are UTF-8 whatever they hold (a half of a surrogate pair too), ids are 32 bits each, the
rest is compact JSON. Which column holds what is up to `rows`. Values that can't be read raise
ValueError, TypeError or SamplingError; `rows` says where they stood.
"""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from chatcli.chat.types import Feed, Settings
from chatcli.errors import SamplingError
from chatcli.sampling.types import SamplingConfig
from chatcli.text.types import Message

__all__ = [
    "decoded",
    "encoded",
    "feeds_from",
    "from_json",
    "ids_from",
    "plain_feeds",
    "plain_ids",
    "plain_preamble",
    "plain_settings",
    "preamble_from",
    "real",
    "settings_from",
    "textual",
    "to_json",
    "whole",
]


def encoded(text: str) -> bytes:
    """What `CAST(? AS TEXT)` makes a text of, the same for every str."""
    return text.encode("utf-8", "surrogatepass")


def decoded(data: bytes) -> str:
    """The inverse of `encoded`; what a damaged file made of a character is U+FFFD."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")


def to_json(plain: object) -> bytes:
    return encoded(json.dumps(plain, ensure_ascii=False, separators=(",", ":")))


def from_json(text: str, kind: type[Any]) -> Any:
    """The value of a JSON text that must be a `kind`; ValueError where it isn't."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, kind):
        raise ValueError(f"expected a {kind.__name__}, found {value!r:.40}")
    return value


def whole(value: object) -> int:
    """`value`, if it is a whole number; ValueError otherwise."""
    if type(value) is not int:
        raise ValueError(f"expected a whole number, found {value!r:.40}")
    return value


def real(value: object) -> float:
    """`value`, if it is a number; ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise ValueError(f"expected a number, found {value!r:.40}")
    return value


def textual(value: object) -> str:
    """`value`, if it is a text; ValueError otherwise."""
    if not isinstance(value, str):
        raise ValueError(f"expected a text, found {value!r:.40}")
    return value


def plain_ids(ids: Iterable[int]) -> bytes:
    """Four bytes an id, little-endian."""
    packed = array("I", ids)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def ids_from(data: bytes) -> tuple[int, ...]:
    packed = array("I")
    packed.frombytes(data)
    if sys.byteorder == "big":
        packed.byteswap()
    return tuple(packed)


def plain_preamble(preamble: Iterable[Message]) -> list[list[str]]:
    return [[message.role, message.content] for message in preamble]


def preamble_from(plain: Iterable[Any]) -> tuple[Message, ...]:
    return tuple(Message(textual(role), textual(content)) for role, content in plain)


def plain_feeds(feeds: Iterable[Feed]) -> list[list[int]]:
    """Each as [size, repeat, *lost]."""
    return [[feed.size, feed.repeat, *feed.lost] for feed in feeds]


def feeds_from(plain: Iterable[Any]) -> tuple[Feed, ...]:
    return tuple(Feed(size, repeat, tuple(lost)) for size, repeat, *lost in map(_wholes, plain))


def plain_settings(settings: Settings) -> dict[str, Any]:
    plain = {each.name: getattr(settings, each.name) for each in fields(settings)}
    plain["sampling"] = settings.sampling.to_dict()
    plain["preamble"] = plain_preamble(settings.preamble)
    return plain


def settings_from(plain: Mapping[str, Any]) -> Settings:
    """Settings that are missing take their defaults; one that is unknown raises SamplingError."""
    unknown = sorted(set(plain) - {each.name for each in fields(Settings)})
    if unknown:
        raise SamplingError(f"unknown setting {unknown[0]!r}")
    known = dict(plain)
    known["sampling"] = SamplingConfig.from_dict(known.get("sampling", {}))
    known["preamble"] = preamble_from(known.get("preamble", ()))
    known["stop"] = tuple(map(textual, known.get("stop", ())))
    return Settings(**known)


def _wholes(values: Iterable[object]) -> list[int]:
    return [whole(value) for value in values]
