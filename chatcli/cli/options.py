"""The options that commands share, each written once, and what they mean together.

A group of options is a frozen dataclass (see `groups`). The functions turn a group into
what the layers below take: a loaded model, how it is shown; those of sampling, which are
many, are in `sampling_flags` and `sampling_settings`. Heavy layers are imported inside them,
for the help and shell completion read this module too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from typer import Option

from chatcli.cli.sampling_flags import SamplingFlags, complete_words
from chatcli.cli.sampling_settings import sampling_config, sampling_given
from chatcli.errors import UsageError

if TYPE_CHECKING:
    from chatcli.model.types import LanguageModel
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
_DISPLAY = "Display"


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


def display_options(flags: DisplayFlags) -> DisplayOptions:
    """Raises UsageError on a pace that is no pace."""
    from chatcli.ui.frames import DisplayOptions

    if flags.pace is not None and not 0 < flags.pace < math.inf:
        raise UsageError(f"--pace is {flags.pace} tokens a second, but must be above 0")
    live = True if flags.live is None else flags.live
    return DisplayOptions(live=live, top=flags.top, pace=flags.pace, table=flags.table)
