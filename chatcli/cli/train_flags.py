"""The options that the steps of `chatcli train` share, each written once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from chatcli.cli.options import complete_words
from chatcli.errors import UsageError

__all__ = ["Inputs", "Out", "RunFlags", "TrainFlags", "run_folder", "training_given"]

_TRAINING = "Training"
_RUN = "Run"

Inputs = Annotated[
    list[str],
    Argument(
        metavar="INPUT",
        help="Files or folders of text (.txt, .md, a blank line between documents) or of JSON "
        'Lines (.jsonl, with "text" or "messages"), plain, .gz or .xz; - is stdin.',
        show_default=False,
    ),
]
Out = Annotated[Path, Option(metavar="FOLDER", help="Write the result here.", show_default=False)]


@dataclass(frozen=True, slots=True)
class TrainFlags:
    """How long, in which steps and how fast a model learns. None: what the step starts from."""

    minutes: Annotated[
        float | None,
        Option(metavar="M", help="Train for about M minutes.", rich_help_panel=_TRAINING),
    ] = None
    passes: Annotated[
        float | None,
        Option(
            metavar="N",
            help="Go through the text N times.",
            show_default="pretrain 4, sft 2",
            rich_help_panel=_TRAINING,
        ),
    ] = None
    batch_rows: Annotated[
        int | None,
        Option(
            min=1,
            metavar="N",
            help="Rows of a step, over all processes.",
            show_default="pretrain 16, sft 8",
            rich_help_panel=_TRAINING,
        ),
    ] = None
    row_length: Annotated[
        int | None,
        Option(
            min=1,
            metavar="N",
            help="Tokens of a row.",
            show_default="the context, at most 512 for sft",
            rich_help_panel=_TRAINING,
        ),
    ] = None
    accumulate: Annotated[
        int,
        Option(
            min=1,
            metavar="N",
            help="Compute a step in N portions, where memory is short.",
            rich_help_panel=_TRAINING,
        ),
    ] = 1
    lr: Annotated[
        float | None,
        Option(
            metavar="X",
            help="AdamW's learning rate.",
            show_default="pretrain 0.005; sft 5e-5, LoRA 2e-4, of chatcli's own models 0.002",
            rich_help_panel=_TRAINING,
        ),
    ] = None
    matrix_lr: Annotated[
        float | None,
        Option(
            metavar="X",
            help="Muon's, for the weight matrices; 0 leaves them to AdamW.",
            show_default="pretrain 0.02; sft 0, of chatcli's own models 0.005",
            rich_help_panel=_TRAINING,
        ),
    ] = None
    seed: Annotated[
        int,
        Option(
            min=0,
            metavar="N",
            help="Of the weights and of the order of the rows.",
            rich_help_panel=_TRAINING,
        ),
    ] = 0


@dataclass(frozen=True, slots=True)
class RunFlags:
    """Where a run works, and how it goes on."""

    run: Annotated[
        Path | None,
        Option(
            metavar="FOLDER",
            help="Keep rows, checkpoints and metrics here.",
            show_default="OUT.run",
            rich_help_panel=_RUN,
        ),
    ] = None
    resume: Annotated[
        bool,
        Option("--resume", help="Go on with the run that the folder holds.", rich_help_panel=_RUN),
    ] = False
    device: Annotated[
        str,
        Option(
            metavar="NAME",
            help="auto, cpu, cuda, cuda:N or mps.",
            autocompletion=complete_words("auto", "cpu", "cuda", "mps"),
            rich_help_panel=_RUN,
        ),
    ] = "auto"


def training_given(flags: TrainFlags) -> dict[str, Any]:
    """The settings that flags set. Raises UsageError on flags that contradict."""
    if flags.minutes is not None and flags.passes is not None:
        raise UsageError(
            f"--minutes {flags.minutes:g} and --passes {flags.passes:g} both say how long; drop one"
        )
    return {name: value for name, value in asdict(flags).items() if value is not None}


def run_folder(flags: RunFlags, out: Path) -> Path:
    """Where the run works: by default beside what it writes."""
    return flags.run or out.with_name(out.name + ".run")
