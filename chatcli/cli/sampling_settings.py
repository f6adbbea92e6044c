"""The SamplingConfig that the options of sampling make with what a checkpoint says.

Nothing is loaded for it: a word given as text becomes ids where the tokenizer is at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from chatcli.cli.sampling_flags import SamplingFlags
from chatcli.errors import UsageError
from chatcli.sampling.orders import PRESETS

if TYPE_CHECKING:
    from chatcli.sampling.types import SamplingConfig

__all__ = ["sampling_config", "sampling_given"]

# What generation_config.json leaves open.
_DEFAULTS: Mapping[str, Any] = {"temperature": 0.8, "top_k": 40, "top_p": 0.95}
# The flags that ask for luck, and so overrule a checkpoint's `do_sample: false`.
_LUCKY = (
    *("top_k", "top_p", "min_p", "typical_p", "top_n_sigma", "top_h", "epsilon_cutoff"),
    *("eta_cutoff", "p_less", "xtc_probability", "dynatemp_range", "adaptive_target", "mirostat"),
)


def sampling_given(
    flags: SamplingFlags, prompt: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """The settings that flags set, and those of a prompt file that no flag sets.

    Checked before anything is loaded. Raises SamplingError on a value out of range,
    UsageError on flags that contradict.
    """
    from chatcli.sampling.types import SamplingConfig

    given = {
        part.name: _READ[part.name](value) if part.name in _READ else value
        for part in fields(flags)
        if part.name != "greedy" and (value := getattr(flags, part.name)) is not None
    }
    if flags.greedy and given.setdefault("temperature", 0.0) != 0:
        raise UsageError(
            f"--greedy is temperature 0, but --temperature is {flags.temperature}; drop one"
        )
    given = {**prompt, **given}
    _refuse_unplaced(flags, SamplingConfig(**given))
    return given


def sampling_config(given: Mapping[str, Any], folder: Path | None) -> SamplingConfig:
    """chatcli's defaults ← the generation_config.json in `folder` ← what flags set.

    Greedy decoding that the checkpoint asks for gives way to a flag that asks for luck.
    """
    from chatcli.model.generation import sampling_defaults
    from chatcli.sampling.types import SamplingConfig

    base = {**_DEFAULTS, **sampling_defaults(folder)}
    if base["temperature"] == 0 and any(name in given for name in _LUCKY):
        base["temperature"] = _DEFAULTS["temperature"]
    return SamplingConfig(**{**base, **given})


def _biases(texts: list[str]) -> dict[int, float]:
    return dict(map(_bias, texts))


def _bias(text: str) -> tuple[int, float]:
    token, _, value = text.partition("=")
    try:
        return int(token), float(value)
    except ValueError:
        raise UsageError(
            f"--logit-bias wants ID=X, a token id and a number, such as 42=-5; got {text!r}"
        ) from None


def _words(texts: list[str]) -> tuple[str | tuple[int, ...], ...]:
    from chatcli.sampling.words import read_word
    from chatcli.ui.commands.words import unescaped

    return tuple(read_word(unescaped(text)) for text in texts)


def _word_biases(texts: list[str]) -> tuple[tuple[str | tuple[int, ...], float], ...]:
    from chatcli.sampling.words import read_word_bias
    from chatcli.ui.commands.words import unescaped

    return tuple(read_word_bias(unescaped(text)) for text in texts)


def _ids(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--allowed-ids wants token ids, such as 12,13; got {text!r}") from None


def _order(text: str) -> str | tuple[str, ...]:
    """A preset's name as it is; anything else is a list of stages."""
    return text if text in PRESETS else tuple(part.strip() for part in text.split(","))


# How the flags that aren't a number become a setting.
_READ: Mapping[str, Callable[[Any], Any]] = {
    "logit_bias": _biases,
    "sequence_bias": _word_biases,
    "bad_words": _words,
    "dry_breakers": _words,
    "xtc_spared": _words,
    "allowed_ids": _ids,
    "order": _order,
}


def _refuse_unplaced(flags: SamplingFlags, given: SamplingConfig) -> None:
    """Refuse a flag that would do nothing, for a list of stages leaves its stage out."""
    from chatcli.sampling.catalog import CATALOG

    if isinstance(given.order, str):
        return
    for stage in CATALOG.values():
        value = getattr(flags, stage.settings[0])
        greedy = given.greedy and stage.name == "temperature"  # which needs no place
        off = greedy or not stage.active(given)
        if value is None or off or stage.name in given.order:
            continue
        order = ",".join(given.order)
        flag = f"--{stage.settings[0].replace('_', '-')}"
        shown = value[0] if isinstance(value, list) else value
        flag += "" if value is True else f" {shown}"
        raise UsageError(f"{flag} has no place in --order {order}: add {stage.name} to it")
