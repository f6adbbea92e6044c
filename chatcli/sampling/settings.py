"""What makes a sampling setting legal: one table of ranges, and one message for all.

`SamplingConfig` calls `checked` for each of its fields. Magnitudes are held to what
float32 logits can hold, so that no stage can overflow in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from typing import Any, NoReturn

from chatcli.errors import SamplingError
from chatcli.sampling.orders import PRESETS, STAGE_NAMES

__all__ = ["FrozenBias", "checked"]

_LARGE, _SMALL = 3.4e38, 1e-38


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


def _refuse_value(name: str, value: object, allowed: str) -> NoReturn:
    raise SamplingError(f"{name} is {value!r}, but must be {allowed}")


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


def _optional(check: Callable[[str, Any], int]) -> Callable[[str, Any], int | None]:
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


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "temperature": _number("0 (greedy), or from 1e-38 to 3.4e38", lambda t: t == 0 or t >= _SMALL),
    "top_k": _whole("a whole number, 0 (off) or more"),
    "top_p": _number("above 0 and at most 1 (off)", lambda p: 0 < p <= 1),
    "min_p": _number("from 0 (off) to 1", lambda p: 0 <= p <= 1),
    "typical_p": _number("above 0 and at most 1 (off)", lambda p: 0 < p <= 1),
    "repetition_penalty": _number("from 1e-38 to 3.4e38 (1 = off)", lambda r: r >= _SMALL),
    "frequency_penalty": _number("a finite number (0 = off)", lambda _: True),
    "presence_penalty": _number("a finite number (0 = off)", lambda _: True),
    "penalty_window": _optional(
        _whole("a whole number, 0 (no penalties) or more, or left to the order")
    ),
    "logit_bias": _bias,
    "order": _order,
    "seed": _optional(_whole("a whole number from 0 to 2**64 - 1, or left to be drawn", 2**64)),
}
