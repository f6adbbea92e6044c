"""What makes a sampling setting legal: one table of ranges, and one message for all.

`SamplingConfig` calls `checked` for each of its fields. Magnitudes are held to what
float32 logits can hold, so that no stage can overflow in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from typing import Any, NoReturn, TypeVar

from chatcli.errors import SamplingError
from chatcli.sampling.orders import PRESETS, STAGE_NAMES
from chatcli.sampling.words import WordBiases, Words

__all__ = ["FrozenBias", "allowed", "checked"]

_T = TypeVar("_T")

_LARGE, _SMALL = 3.4e38, 1e-38
_MUST = ", but must be "


class FrozenBias(dict[int, float]):
    """Token id → what is added to its logit; hashable, and closed to change."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type[FrozenBias], tuple[dict[int, float]]]:
        return FrozenBias, (dict(self),)

    def _refuse(self, *_args: object, **_kwargs: object) -> NoReturn:
        raise TypeError("a logit_bias can't be changed; make a new SamplingConfig with another")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    @classmethod
    def from_plain(cls, plain: Mapping[str, float | None]) -> FrozenBias:
        """From JSON: ids are strings there, and null is a ban (-inf)."""
        try:
            return cls((int(k), float("-inf") if v is None else v) for k, v in plain.items())
        except ValueError:
            _refuse_value("logit_bias", dict(plain), "token ids as keys")


def checked(name: str, value: Any) -> Any:
    """`value` in its canonical type; raises SamplingError naming field, value and range."""
    return _CHECKS[name](name, value)


def allowed(name: str) -> str:
    """What a setting must be, in the words of its refusal: "from 0 (off) to 1"."""
    try:
        checked(name, math.nan)
    except SamplingError as error:
        return str(error).partition(_MUST)[2].removeprefix("a number, ")
    return ""


def _refuse_value(name: str, value: object, allowed: str) -> NoReturn:
    raise SamplingError(f"{name} is {value!r}{_MUST}{allowed}")


def _number(allowed: str, legal: Callable[[float], bool]) -> Callable[[str, Any], float]:
    def check(name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, Real):
            _refuse_value(name, value, f"a number, {allowed}")
        number = float(value)
        if not (math.isfinite(number) and abs(number) <= _LARGE and legal(number)):
            _refuse_value(name, value, allowed)
        return number

    return check


def _whole(allowed: str, end: float = math.inf) -> Callable[[str, Any], int]:
    def check(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, Integral):
            _refuse_value(name, value, allowed)
        number = int(value)
        if not 0 <= number < end:
            _refuse_value(name, value, allowed)
        return number

    return check


def _optional(check: Callable[[str, Any], _T]) -> Callable[[str, Any], _T | None]:
    return lambda name, value: None if value is None else check(name, value)


def _bias(name: str, value: Any) -> FrozenBias:
    if not isinstance(value, Mapping):
        _refuse_value(name, value, "a mapping from token ids to numbers")
    token = _whole("token ids, whole numbers of 0 or more")
    number = _number("a finite number, or -inf to ban the token", lambda _: True)
    return FrozenBias(
        (token(name, key), bias if bias == -math.inf else number(f"{name}[{key}]", bias))
        for key, bias in value.items()
    )


def _switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        _refuse_value(name, value, "true or false")
    return value


def _ids(name: str, value: Any) -> tuple[int, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        _refuse_value(name, value, "a list of token ids")
    token = _whole("token ids, whole numbers of 0 or more")
    return tuple(dict.fromkeys(token(name, each) for each in value))


def _some_ids(name: str, value: Any) -> tuple[int, ...]:
    return _ids(name, value) or _refuse_value(name, value, "at least one token id, or left out")


def _word(name: str, value: Any) -> str | tuple[int, ...]:
    """A text, an id, or a sequence of ids; none of them empty."""
    allowed = "texts and lists of token ids, none of them empty"
    if isinstance(value, str) and value:
        return value
    ids = value if isinstance(value, Iterable) else (value,)
    token = _whole(allowed)
    return tuple(token(name, each) for each in ids) or _refuse_value(name, value, allowed)


def _words(name: str, value: Any) -> Words:
    if isinstance(value, str) or not isinstance(value, Iterable):
        _refuse_value(name, value, "a list of texts and of lists of token ids")
    return tuple(dict.fromkeys(_word(name, each) for each in value))


def _sequence_bias(name: str, value: Any) -> WordBiases:
    """From a mapping or from pairs, as JSON has them (null: a ban); the later of two counts."""
    number = _number("a finite number, or -inf to ban the sequence", lambda _: True)
    pairs = value.items() if isinstance(value, Mapping) else value
    try:
        made = [(_word(name, word), -math.inf if bias is None else bias) for word, bias in pairs]
    except (TypeError, ValueError):
        _refuse_value(name, value, "pairs of a text or a list of token ids and a number")
    return tuple(
        (word, bias if bias == -math.inf else number(f"{name}[{word!r}]", bias))
        for word, bias in dict(made).items()
    )


def _order(name: str, value: Any) -> str | tuple[str, ...]:
    presets, stages = ", ".join(PRESETS), ", ".join(STAGE_NAMES)
    if isinstance(value, str):
        if value not in PRESETS:
            _refuse_value(name, value, f"one of {presets}, or a list of stage names")
        return value
    if not isinstance(value, Iterable):
        _refuse_value(name, value, f"one of {presets}, or a list of stage names")
    names = tuple(value)
    for stage in names:
        if stage not in STAGE_NAMES:
            _refuse_value(name, stage, f"one of {presets}, or made of the stages {stages}")
    if len(set(names)) < len(names):
        _refuse_value(name, ",".join(names), "a list that names each stage once")
    return names


_ANY = _number("a finite number (0 = off)", lambda _: True)
_SHARE = _number("from 0 (off) to 1", lambda p: 0 <= p <= 1)
_MASS = _number("above 0 and at most 1 (off)", lambda p: 0 < p <= 1)
_FLOOR = _number("from 0 (off) to below 1", lambda p: 0 <= p < 1)
_POSITIVE = _number("0 (off) or more", lambda x: x >= 0)
_COUNT = _whole("a whole number, 0 (off) or more")
_WINDOW = _optional(_whole("a whole number, 0 (off) or more, or left to the order"))

_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "temperature": _number("0 (greedy), or from 1e-38 to 3.4e38", lambda t: t == 0 or t >= _SMALL),
    "top_k": _COUNT,
    "top_p": _MASS,
    "min_p": _SHARE,
    "typical_p": _MASS,
    "repetition_penalty": _number("from 1e-38 to 3.4e38 (1 = off)", lambda r: r >= _SMALL),
    "frequency_penalty": _ANY,
    "presence_penalty": _ANY,
    "penalty_window": _WINDOW,
    "logit_bias": _bias,
    "sequence_bias": _sequence_bias,
    "bad_words": _words,
    "allowed_ids": _optional(_some_ids),
    "min_length": _COUNT,
    "min_new_tokens": _COUNT,
    "eos_ids": _optional(_ids),
    "dry_multiplier": _POSITIVE,
    "dry_base": _number("1 or more", lambda base: base >= 1),
    "dry_allowed_length": _whole("a whole number of 0 or more"),
    "dry_window": _WINDOW,
    "dry_breakers": _optional(_words),
    "no_repeat_ngram_size": _COUNT,
    "dynatemp_range": _POSITIVE,
    "dynatemp_exponent": _number("0 or more", lambda x: x >= 0),
    "top_n_sigma": _POSITIVE,
    "top_h": _SHARE,
    "epsilon_cutoff": _FLOOR,
    "eta_cutoff": _FLOOR,
    "p_less": _switch,
    "xtc_probability": _SHARE,
    "xtc_threshold": _number("from 0 to 1 (above 0.5 = off)", lambda p: 0 <= p <= 1),
    "xtc_spared": _optional(_words),
    "adaptive_target": _number("from 0 to 1, or -1 (off)", lambda p: p == -1 or 0 <= p <= 1),
    "adaptive_decay": _number("from 0 to 0.99", lambda p: 0 <= p <= 0.99),
    "mirostat": _whole("0 (off), 1 or 2", 3),
    "mirostat_tau": _number("0 or more bits", lambda x: x >= 0),
    "mirostat_eta": _number("0 or more", lambda x: x >= 0),
    "order": _order,
    "seed": _optional(_whole("a whole number from 0 to 2**64 - 1, or left to be drawn", 2**64)),
}
