"""Settings by name: what /set, /get, /retry and Tab know of each.

The settings are the fields of SamplingConfig, whatever those are, and those of `Settings`
that hold one value. How a value is typed follows from the type of its field (`kinds`); what
it may be is checked where it is used, by SamplingConfig first of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from typing import Any, get_type_hints

from chatcli.chat.types import Settings
from chatcli.errors import UsageError
from chatcli.sampling.hints import HINTS
from chatcli.sampling.settings import allowed
from chatcli.sampling.types import SamplingConfig
from chatcli.ui.commands.kinds import KINDS, Kind

__all__ = ["ABOUT", "EXAMPLES", "KEYS", "bounds", "changed", "choices", "spell", "value_of"]

_SAMPLING = tuple(part.name for part in fields(SamplingConfig))
KEYS = (*_SAMPLING, "max_tokens", "stop", "overflow")
_HINTS = get_type_hints(Settings) | get_type_hints(SamplingConfig)

# What each of KEYS does, in a line.
ABOUT: Mapping[str, str] = {
    **HINTS,
    "max_tokens": "End a reply after N tokens",
    "stop": "End a reply before this text, or before one of several",
    "overflow": "When the context is full: error, drop-oldest (turns), or slide (inside a reply)",
}

# A value of each of KEYS, as it is typed.
EXAMPLES: Mapping[str, str] = {
    "temperature": "0.7",
    "top_k": "40",
    "top_p": "0.9",
    "min_p": "0.05",
    "typical_p": "0.95",
    "repetition_penalty": "1.1",
    "frequency_penalty": "0.5",
    "presence_penalty": "0.5",
    "penalty_window": "64",
    "logit_bias": "42=-5,43=-inf",
    "sequence_bias": "山=2",
    "bad_words": "山 [5,6]",
    "allowed_ids": "5,6",
    "min_length": "32",
    "min_new_tokens": "8",
    "eos_ids": "5,6",
    "dry_multiplier": "0.8",
    "dry_base": "1.75",
    "dry_allowed_length": "2",
    "dry_window": "512",
    "dry_breakers": "\\n :",
    "no_repeat_ngram_size": "4",
    "dynatemp_range": "0.3",
    "dynatemp_exponent": "1.5",
    "top_n_sigma": "1",
    "top_h": "0.4",
    "epsilon_cutoff": "0.001",
    "eta_cutoff": "0.001",
    "p_less": "on",
    "xtc_probability": "0.5",
    "xtc_threshold": "0.1",
    "xtc_spared": "\\n",
    "adaptive_target": "0.5",
    "adaptive_decay": "0.9",
    "mirostat": "2",
    "mirostat_tau": "5",
    "mirostat_eta": "0.1",
    "order": "llamacpp",
    "seed": "7",
    "max_tokens": "200",
    "stop": '"\\n\\n"',
    "overflow": "slide",
}

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
    """The one of KEYS that `key` is, or is but for its dashes, as an option has them.

    Raises UsageError, with the nearest, where it is none.
    """
    if (spelt := key.replace("-", "_")) in KEYS:
        return spelt
    near = [_ELSEWHERE[key]] if key in _ELSEWHERE else get_close_matches(key.lower(), KEYS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(KEYS)}"
    raise UsageError(f"no setting {key!r}; {hint}")


def choices(key: str) -> tuple[str, ...]:
    """The words that may be typed as the value of `key`; numbers and texts are left out."""
    return (*_kind(key).words, "default")


def bounds(key: str) -> str:
    """The range of the value of `key` where it is a number, or else its words; "" without."""
    if key == "max_tokens":
        return "a whole number, 1 or more"
    if _HINTS[key] in (int, float, int | None, float | None):
        return allowed(key)
    words = [word for word in _kind(key).words if word not in ("none", "default")]
    return ", ".join(words)


def spell(key: str, value: object) -> str:
    """The value of `key` as it is typed: "0.7", "none", "42=-5,43=-inf"."""
    return _kind(key).spell(value)


def _kind(key: str) -> Kind:
    return KINDS[_HINTS[key]]
