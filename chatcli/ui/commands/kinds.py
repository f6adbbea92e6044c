"""How values are typed and written back, by the type of the field that holds them.

What is read here has the right type; whether it is in range is checked where it is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

from chatcli.chat.types import Overflow
from chatcli.errors import UsageError
from chatcli.sampling.orders import PRESETS
from chatcli.ui.commands.words import escaped, split_words, unescaped

__all__ = ["KINDS", "Kind"]

# What is completed by a token: a text, or ids.
_Sequence = str | tuple[int, ...]

_NONE, _EMPTY = "none", "[]"
_BRACKETED = re.compile(r"\[\d+(?:,\d+)*\]")
_SWITCH = {"on": True, "off": False, "true": True, "false": False, "yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class Kind:
    """How values of one type are typed: `read` gets key and text, and raises UsageError.

    `words` are values that Tab offers.
    """

    read: Callable[[str, str], Any]
    spell: Callable[[Any], str] = str
    words: tuple[str, ...] = ()

    def or_none(self, nothing: object = None) -> Kind:
        """The same, with "none" for the value `nothing`."""
        return Kind(
            lambda key, text: nothing if text == _NONE else self.read(key, text),
            lambda value: _NONE if value == nothing else self.spell(value),
            (*self.words, _NONE),
        )


def _number(kind: type[int] | type[float], key: str, text: str) -> float:
    try:
        return kind(text)
    except ValueError:
        noun = "a whole number" if kind is int else "a number"
        raise UsageError(f"{key} wants {noun}, but got {text!r}") from None


def _spell_number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _switch(key: str, text: str) -> bool:
    return _SWITCH[text] if text in _SWITCH else _SWITCH[_one_of(("on", "off"), key, text)]


def _spell_switch(value: bool) -> str:
    return "on" if value else "off"


def _one_of(words: tuple[str, ...], key: str, text: str) -> str:
    if text not in words:
        raise UsageError(f"{key} is {', '.join(words[:-1])} or {words[-1]}, but got {text!r}")
    return text


def _biases(key: str, text: str) -> dict[int, float]:
    """ "42=-5,43=-inf"; a later pair for the same token counts."""
    biases = {}
    for pair in text.replace(",", " ").split():
        token, _, bias = pair.partition("=")
        try:
            biases[int(token)] = float(bias)
        except ValueError:
            raise UsageError(
                f"{key} wants ID=X, a token id and a number, such as 42=-5,43=-inf; got {pair!r}"
            ) from None
    return biases


def _spell_biases(value: Mapping[int, float]) -> str:
    return ",".join(f"{token}={_spell_number(bias)}" for token, bias in value.items())


def _order(key: str, text: str) -> str | tuple[str, ...]:
    """A preset's name, or stage names separated by commas or spaces."""
    return text if text in PRESETS else tuple(text.replace(",", " ").split())


def _spell_order(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else ",".join(value)


def _ids(key: str, text: str) -> tuple[int, ...]:
    """ "5,6"."""
    words = [] if text == _EMPTY else text.replace(",", " ").split()
    if not all(word.isascii() and word.isdigit() for word in words):
        raise UsageError(f"{key} wants token ids, such as 5,6; got {text!r}")
    return tuple(map(int, words))


def _spell_ids(value: tuple[int, ...]) -> str:
    return ",".join(map(str, value)) or _EMPTY


def _sequence(word: str) -> _Sequence:
    """A text, or the ids of "[5,6]"; a text that looks like them has a backslash before it."""
    if _BRACKETED.fullmatch(word):
        return tuple(map(int, word[1:-1].split(",")))
    return unescaped(word[1:] if word.startswith("\\[") else word)


def _spell_sequence(value: _Sequence) -> str:
    if isinstance(value, tuple):
        return f"[{','.join(map(str, value))}]"
    return f"'\\{value}'" if value.startswith("[") and "'" not in value else escaped(value)


def _sequences(key: str, text: str) -> tuple[_Sequence, ...]:
    return () if text == _EMPTY else tuple(map(_sequence, split_words(text)))


def _spell_sequences(value: tuple[_Sequence, ...]) -> str:
    return _not_a_keyword(" ".join(map(_spell_sequence, value)) or _EMPTY)


def _weights(key: str, text: str) -> tuple[tuple[_Sequence, float], ...]:
    """ "TEXT=X [5,6]=X"."""
    pairs = []
    for word in split_words(text):
        sequence, sign, weight = word.rpartition("=")
        if not sign:
            raise UsageError(f"{key} wants TEXT=X, such as 山=2 or [5,6]=-1; got {word!r}")
        pairs.append((_sequence(sequence), _number(float, key, weight)))
    return tuple(pairs)


def _spell_weights(value: tuple[tuple[_Sequence, float], ...]) -> str:
    return " ".join(f"{_spell_sequence(one)}={_spell_number(weight)}" for one, weight in value)


def _texts(key: str, text: str) -> tuple[str, ...]:
    return tuple(map(unescaped, split_words(text)))


def _spell_texts(value: tuple[str, ...]) -> str:
    return _not_a_keyword(" ".join(map(escaped, value)))


def _not_a_keyword(spelt: str) -> str:
    """In quotes where it would be read as a word of ours."""
    return f'"{spelt}"' if spelt in (_NONE, "default") else spelt


_INT = Kind(partial(_number, int))
_FLOAT = Kind(partial(_number, float), _spell_number)
_SEQUENCES = Kind(_sequences, _spell_sequences)
_OVERFLOWS = get_args(Overflow)

# By the type of the field, as its annotation says it.
KINDS: Mapping[Any, Kind] = {
    int: _INT,
    float: _FLOAT,
    bool: Kind(_switch, _spell_switch, ("on", "off")),
    int | None: _INT.or_none(),
    float | None: _FLOAT.or_none(),
    Mapping[int, float]: Kind(_biases, _spell_biases).or_none({}),
    str | tuple[str, ...]: Kind(_order, _spell_order, tuple(PRESETS)).or_none(()),
    tuple[str, ...]: Kind(_texts, _spell_texts).or_none(()),
    tuple[int, ...] | None: Kind(_ids, _spell_ids).or_none(),
    tuple[_Sequence, ...]: _SEQUENCES.or_none(()),
    tuple[_Sequence, ...] | None: _SEQUENCES.or_none(),
    tuple[tuple[_Sequence, float], ...]: Kind(_weights, _spell_weights).or_none(()),
    Overflow: Kind(partial(_one_of, _OVERFLOWS), str, _OVERFLOWS),
}
