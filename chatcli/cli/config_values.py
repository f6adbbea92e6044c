"""Whether a value of the config file can be that of an option, said in half a line.

TOML's types are held to strictly, ranges to what the option itself takes. What a sampling
setting may be is `sampling.settings`' to say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

import typer

from chatcli.cli.options import SamplingFlags, sampling_given
from chatcli.errors import UsageError
from chatcli.sampling.types import SamplingConfig

__all__ = ["as_option", "preset_problem", "value_problem", "written_as"]

_WORDS: Mapping[str, tuple[str, ...]] = {
    "engine": ("auto", "native", "transformers"),
    "dtype": ("auto", "float32", "bfloat16", "float16"),
    "overflow": ("error", "drop-oldest", "slide"),
    "thinking": ("show", "fold"),
    "editing": ("emacs", "vi"),
}
_SETTINGS = frozenset(SamplingFlags.__dataclass_fields__)


def value_problem(parameter: Any, key: str, value: Any) -> str | None:
    """ "top_k is "many", but must be a whole number"; None where all is well.

    `parameter` is the option as typer holds it.
    """
    value = as_option(parameter, value)
    allowed, fits = _type_of(parameter)
    if not fits(value):
        return f"{key} is {written_as(value)}, but must be {allowed}"
    for each in value if parameter.multiple else [value]:
        try:
            parameter.type.convert(each, parameter, None)
        except typer.BadParameter as error:
            return f"{key}: {error.message.rstrip('.')}"
    return _meaning_problem(key, value)


def as_option(parameter: Any, value: Any) -> Any:
    """One text as a list, for an option that the environment names one of, too: a model where
    several may stand."""
    several = parameter.multiple and parameter.envvar is not None
    return [value] if several and isinstance(value, str) else value


def preset_problem(settings: Mapping[str, Any]) -> tuple[str, str] | None:
    """Which setting of a preset is wrong ("": several together), and what is wrong with it."""
    known = [each.name for each in fields(SamplingConfig)]
    for key in settings:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            return key, f"unknown sampling setting {key!r}; {hint}"
    if (problem := _sampling_problem(settings)) is None:
        return None
    alone = ((key, _sampling_problem({key: value})) for key, value in settings.items())
    return next(((key, each) for key, each in alone if each), ("", problem))


def _sampling_problem(settings: Mapping[str, Any]) -> str | None:
    try:
        SamplingConfig.from_dict(settings)
    except UsageError as error:
        return str(error)
    return None


def written_as(value: Any) -> str:
    """A value as TOML would write it, near enough to be recognised; not inert."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return f"[{', '.join(map(written_as, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {written_as(each)}" for key, each in value.items()) + "}"
    return str(value)


def _type_of(parameter: Any) -> tuple[str, Callable[[Any], bool]]:
    if parameter.multiple:
        return 'a list of texts, as in ["one", "two"]', _is_texts
    kind = parameter.type.name
    if kind.startswith("bool"):
        return "true or false", lambda value: isinstance(value, bool)
    if kind.startswith("int"):
        return "a whole number", lambda value: _is_number(value) and not isinstance(value, float)
    if kind.startswith("float"):
        return "a number", _is_number
    return 'a text in quotes, as in "this"', lambda value: isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _meaning_problem(key: str, value: Any) -> str | None:
    """What the option's type allows, and the command would refuse once it runs."""
    if key in _WORDS and value not in _WORDS[key]:
        return f"{key} is {written_as(value)}, but must be one of {', '.join(_WORDS[key])}"
    if key == "pace" and not 0 < value < math.inf:
        return f"pace is {value:g} tokens a second, but must be above 0"
    if key in _SETTINGS:
        try:
            sampling_given(SamplingFlags(**{key: value}))
        except UsageError as error:
            return str(error)
    return None
