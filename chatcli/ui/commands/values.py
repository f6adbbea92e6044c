"""Settings by name: what /set, /get, /retry and Tab know of each, and how a value is written.

The settings are the fields of SamplingConfig, whatever those are, and those of `Settings`
that hold one value. How a value is typed follows from the type of its field; what it may be
is checked where it is used, by SamplingConfig first of all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from functools import partial
from typing import Any, get_args, get_type_hints

from chatcli.chat.types import Overflow, Settings
from chatcli.errors import UsageError
from chatcli.sampling.orders import PRESETS
from chatcli.sampling.types import SamplingConfig
from chatcli.ui.commands.words import escaped, split_words, unescaped

__all__ = ["KEYS", "changed", "choices", "spell", "value_of"]

_SAMPLING = tuple(part.name for part in fields(SamplingConfig))
KEYS = (*_SAMPLING, "max_tokens", "stop", "overflow")
_HINTS = get_type_hints(Settings) | get_type_hints(SamplingConfig)

# What other programs call them; who types such a name is told ours.
_ELSEWHERE = {
    "temp": "temperature",
    "num_predict": "max_tokens",
    "n_predict": "max_tokens",
    "max_new_tokens": "max_tokens",
    "repeat_penalty": "repetition_penalty",
    "repeat_last_n": "penalty_window",
    "samplers": "order",
}
_SWITCH = {"on": True, "off": False, "true": True, "false": False, "yes": True, "no": False}


def value_of(settings: Settings, key: str) -> Any:
    """The value of one of KEYS."""
    return getattr(settings.sampling if key in _SAMPLING else settings, key)


def changed(settings: Settings, given: Mapping[str, str], defaults: Settings) -> Settings:
    """`settings` with the values that `given` spells; "default" stands for that of `defaults`.

    Raises UsageError on a key that doesn't exist and on a value that isn't one, or out of range.
    """
    values = {known(key): text for key, text in given.items()}
    read = {
        key: value_of(defaults, key) if text == "default" else _kind(key).read(key, text)
        for key, text in values.items()
    }
    if read.get("max_tokens", 1) < 1:
        raise UsageError(f"max_tokens is {read['max_tokens']}, but must be 1 or more")
    if not all(read.get("stop", ())):
        raise UsageError("a stop text is empty, which would end every reply; give it some text")
    sampling = {key: read.pop(key) for key in _SAMPLING if key in read}
    return replace(settings, sampling=replace(settings.sampling, **sampling), **read)


def known(key: str) -> str:
    """`key`, where it is one of KEYS. Raises UsageError, with the nearest, where it isn't."""
    if key in KEYS:
        return key
    near = [_ELSEWHERE[key]] if key in _ELSEWHERE else get_close_matches(key.lower(), KEYS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(KEYS)}"
    raise UsageError(f"no setting {key!r}; {hint}")


def choices(key: str) -> tuple[str, ...]:
    """The words that may be typed as the value of `key`; numbers and texts are left out."""
    return (*_kind(key).words, "default")


def spell(key: str, value: object) -> str:
    """The value of `key` as it is typed: "0.7", "none", "42=-5,43=-inf"."""
    return _kind(key).spell(value)


@dataclass(frozen=True, slots=True)
class _Kind:
    """How values of one type are typed: `read` gets key and text, and raises UsageError."""

    read: Callable[[str, str], Any]
    spell: Callable[[Any], str] = str
    words: tuple[str, ...] = ()

    def or_none(self) -> _Kind:
        """The same, where "none" is a value too."""
        return _Kind(
            lambda key, text: None if text == "none" else self.read(key, text),
            lambda value: "none" if value is None else self.spell(value),
            (*self.words, "none"),
        )


def _kind(key: str) -> _Kind:
    return _KINDS[_HINTS[key]]


def _number(kind: type[int] | type[float], key: str, text: str) -> float:
    try:
        return kind(text)
    except ValueError:
        noun = "a whole number" if kind is int else "a number"
        raise UsageError(f"{key} wants {noun}, but got {text!r}") from None


def _spell_number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _switch(key: str, text: str) -> bool:
    return _SWITCH[_one_of(("on", "off"), key, text) if text not in _SWITCH else text]


def _one_of(words: tuple[str, ...], key: str, text: str) -> str:
    if text not in words:
        raise UsageError(f"{key} is {', '.join(words[:-1])} or {words[-1]}, but got {text!r}")
    return text


def _biases(key: str, text: str) -> dict[int, float]:
    """ "42=-5,43=-inf"; a later pair for the same token counts."""
    pairs = [] if text == "none" else text.replace(",", " ").split()
    biases = {}
    for pair in pairs:
        token, _, bias = pair.partition("=")
        try:
            biases[int(token)] = float(bias)
        except ValueError:
            raise UsageError(
                f"{key} wants ID=X, a token id and a number, such as 42=-5,43=-inf; got {pair!r}"
            ) from None
    return biases


def _spell_biases(value: Mapping[int, float]) -> str:
    return ",".join(f"{token}={_spell_number(bias)}" for token, bias in value.items()) or "none"


def _order(key: str, text: str) -> str | tuple[str, ...]:
    """A preset's name, or stage names separated by commas or spaces; "none" has no stage run."""
    return text if text in PRESETS else _stages(text)


def _stages(text: str) -> tuple[str, ...]:
    return () if text == "none" else tuple(text.replace(",", " ").split())


def _spell_order(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else ",".join(value) or "none"


def _texts(key: str, text: str) -> tuple[str, ...]:
    return () if text == "none" else tuple(map(unescaped, split_words(text)))


def _spell_texts(value: tuple[str, ...]) -> str:
    spelt = " ".join(map(escaped, value))
    return f'"{spelt}"' if spelt in ("none", "default") else spelt or "none"


_INT = _Kind(partial(_number, int))
_FLOAT = _Kind(partial(_number, float), _spell_number)

# By the type of the field, as its annotation says it.
_KINDS: Mapping[Any, _Kind] = {
    int: _INT,
    float: _FLOAT,
    int | None: _INT.or_none(),
    float | None: _FLOAT.or_none(),
    bool: _Kind(_switch, lambda value: "on" if value else "off", ("on", "off")),
    Mapping[int, float]: _Kind(_biases, _spell_biases, ("none",)),
    str | tuple[str, ...]: _Kind(_order, _spell_order, (*PRESETS, "none")),
    tuple[str, ...]: _Kind(_texts, _spell_texts, ("none",)),
    Overflow: _Kind(partial(_one_of, get_args(Overflow)), str, get_args(Overflow)),
}
