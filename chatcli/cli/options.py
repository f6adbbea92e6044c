"""The options that commands share, each written once, and what they mean together.

A group of options is a frozen dataclass (see `groups`). The functions turn a group into
what the layers below take: a loaded model, a SamplingConfig, the ids of a prompt. Heavy
layers are imported inside them, for the help and shell completion read this module too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from chatcli.errors import UsageError

if TYPE_CHECKING:
    from chatcli.model.types import LanguageModel
    from chatcli.sampling.types import SamplingConfig
    from chatcli.ui.frames import DisplayOptions

__all__ = [
    "DisplayFlags",
    "ModelFlags",
    "SamplingFlags",
    "complete_words",
    "display_options",
    "load_model",
    "sampling_config",
    "sampling_given",
]

_MODEL = "Model"
_SAMPLING = "Sampling"
_DISPLAY = "Display"

# What generation_config.json leaves open.
_DEFAULTS: Mapping[str, Any] = {"temperature": 0.8, "top_k": 40, "top_p": 0.95}
# The flags that ask for luck, and so overrule a checkpoint's `do_sample: false`.
_LUCKY = ("top_k", "top_p", "min_p", "typical_p")


def complete_words(*words: str) -> Callable[[str], list[str]]:
    """What the shell completes an option's value with."""
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


@dataclass(frozen=True, slots=True)
class ModelFlags:
    """Which checkpoint, and how it is run."""

    model: Annotated[
        str,
        Option(
            "-m",
            "--model",
            envvar="CHATCLI_MODEL",
            metavar="NAME",
            help="A folder, a file, a name in the hub cache, or the built-in checkpoint.",
            rich_help_panel=_MODEL,
        ),
    ] = "builtin"
    engine: Annotated[
        str,
        Option(
            metavar="NAME",
            help="auto, native or transformers.",
            autocompletion=complete_words("auto", "native", "transformers"),
            rich_help_panel=_MODEL,
        ),
    ] = "auto"
    device: Annotated[
        str,
        Option(
            metavar="NAME",
            help="auto, cpu, cuda, cuda:N or mps.",
            autocompletion=complete_words("auto", "cpu", "cuda", "mps"),
            rich_help_panel=_MODEL,
        ),
    ] = "auto"
    dtype: Annotated[
        str,
        Option(
            metavar="NAME",
            help="auto, float32, bfloat16 or float16.",
            autocompletion=complete_words("auto", "float32", "bfloat16", "float16"),
            rich_help_panel=_MODEL,
        ),
    ] = "auto"
    context: Annotated[
        int | None,
        Option(
            min=1,
            metavar="N",
            help="Tokens of context in force; the checkpoint's own by default.",
            rich_help_panel=_MODEL,
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class SamplingFlags:
    """How a token is drawn. None: what the checkpoint, or else chatcli, starts from."""

    temperature: Annotated[
        float | None,
        Option(
            "-t",
            "--temperature",
            metavar="X",
            help="Divides the logits; 0 is greedy.",
            show_default="the model's own, else 0.8",
            rich_help_panel=_SAMPLING,
        ),
    ] = None
    top_k: Annotated[
        int | None,
        Option(
            "-k",
            "--top-k",
            metavar="N",
            help="Keep the N likeliest tokens; 0 is off.",
            show_default="the model's own, else 40",
            rich_help_panel=_SAMPLING,
        ),
    ] = None
    top_p: Annotated[
        float | None,
        Option(
            "-p",
            "--top-p",
            metavar="X",
            help="Keep the likeliest tokens that together reach X; 1 is off.",
            show_default="the model's own, else 0.95",
            rich_help_panel=_SAMPLING,
        ),
    ] = None
    min_p: Annotated[
        float | None,
        Option(
            metavar="X",
            help="Keep tokens at least X times as likely as the likeliest; 0 is off.",
            rich_help_panel=_SAMPLING,
        ),
    ] = None
    typical_p: Annotated[
        float | None,
        Option(
            metavar="X",
            help="Keep the most typical tokens that together reach X; 1 is off.",
            rich_help_panel=_SAMPLING,
        ),
    ] = None
    repetition_penalty: Annotated[
        float | None,
        Option(
            metavar="X",
            help="Divide (or, below 0, multiply) the logits of tokens seen; 1 is off.",
            rich_help_panel=_SAMPLING,
        ),
    ] = None
    frequency_penalty: Annotated[
        float | None,
        Option(
            metavar="X",
            help="Take X off a logit for each time the token was seen; 0 is off.",
            rich_help_panel=_SAMPLING,
        ),
    ] = None
    presence_penalty: Annotated[
        float | None,
        Option(
            metavar="X",
            help="Take X off the logit of every token seen; 0 is off.",
            rich_help_panel=_SAMPLING,
        ),
    ] = None
    penalty_window: Annotated[
        int | None,
        Option(
            metavar="N",
            help="How many of the last tokens the penalties look at.",
            rich_help_panel=_SAMPLING,
        ),
    ] = None
    logit_bias: Annotated[
        list[str] | None,
        Option(
            metavar="ID=X",
            help="Add X to the logit of token ID; may be given again.",
            rich_help_panel=_SAMPLING,
        ),
    ] = None
    order: Annotated[
        str | None,
        Option(
            metavar="NAME",
            help="hf, llamacpp, vllm, mlx, or stages separated by commas; no others run.",
            autocompletion=complete_words("hf", "llamacpp", "vllm", "mlx"),
            rich_help_panel=_SAMPLING,
        ),
    ] = None
    greedy: Annotated[
        bool,
        Option(
            "--greedy",
            help="Always the likeliest token: temperature 0.",
            rich_help_panel=_SAMPLING,
        ),
    ] = False
    seed: Annotated[
        int | None,
        Option(
            metavar="N",
            help="The same seed gives the same text; drawn and shown by default.",
            rich_help_panel=_SAMPLING,
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class DisplayFlags:
    """What is shown of a reply while it streams, and after."""

    top: Annotated[
        int,
        Option(
            min=0,
            metavar="N",
            help="How many alternatives are shown for a token.",
            rich_help_panel=_DISPLAY,
        ),
    ] = 10
    live: Annotated[
        bool | None,
        Option(
            "--live/--no-live",
            help="The panel of probabilities; by default where there is a terminal.",
            rich_help_panel=_DISPLAY,
        ),
    ] = None
    pace: Annotated[
        float | None,
        Option(
            metavar="N",
            help="Tokens a second, to watch closely; Space pauses and steps.",
            rich_help_panel=_DISPLAY,
        ),
    ] = None
    table: Annotated[
        bool,
        Option("--table", help="After the reply, a row for every token.", rich_help_panel=_DISPLAY),
    ] = False


def load_model(flags: ModelFlags, notice: Callable[[str], None]) -> LanguageModel:
    """The checkpoint that the flags name. Raises the errors of `chatcli.model.load`."""
    from chatcli.model.load import load

    return load(
        flags.model,
        engine=flags.engine,
        device=flags.device,
        dtype=flags.dtype,
        context=flags.context,
        notice=notice,
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
        part.name: value
        for part in fields(flags)
        if part.name != "greedy" and (value := getattr(flags, part.name)) is not None
    }
    if flags.greedy and given.setdefault("temperature", 0.0) != 0:
        raise UsageError(
            f"--greedy is temperature 0, but --temperature is {flags.temperature}; drop one"
        )
    if flags.logit_bias is not None:
        given["logit_bias"] = dict(_bias(text) for text in flags.logit_bias)
    if flags.order is not None:
        given["order"] = _order(flags.order)
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


def display_options(flags: DisplayFlags) -> DisplayOptions:
    """Raises UsageError on a pace that is no pace."""
    from chatcli.ui.frames import DisplayOptions

    if flags.pace is not None and not 0 < flags.pace < math.inf:
        raise UsageError(f"--pace is {flags.pace} tokens a second, but must be above 0")
    live = True if flags.live is None else flags.live
    return DisplayOptions(live=live, top=flags.top, pace=flags.pace, table=flags.table)


def _bias(text: str) -> tuple[int, float]:
    token, _, value = text.partition("=")
    try:
        return int(token), float(value)
    except ValueError:
        raise UsageError(
            f"--logit-bias wants ID=X, a token id and a number, such as 42=-5; got {text!r}"
        ) from None


def _refuse_unplaced(flags: SamplingFlags, given: SamplingConfig) -> None:
    """Refuse a flag that would do nothing, for a list of stages leaves its stage out."""
    from chatcli.sampling.orders import STAGE_NAMES

    if isinstance(given.order, str):
        return
    off = type(given)(temperature=0.0 if given.greedy else 1.0)  # greedy needs no place
    for name in STAGE_NAMES:
        value: Any = getattr(flags, name, None)  # not every stage has a flag
        unplaced = value is not None and name not in given.order
        if unplaced and getattr(given, name) != getattr(off, name):
            order = ",".join(given.order)
            flag = f"--{name.replace('_', '-')} {value if name != 'logit_bias' else value[0]}"
            raise UsageError(f"{flag} has no place in --order {order}: add {name} to it")


def _order(text: str) -> str | tuple[str, ...]:
    """A preset's name as it is; anything else is a list of stages."""
    from chatcli.sampling.orders import PRESETS

    return text if text in PRESETS else tuple(part.strip() for part in text.split(","))
