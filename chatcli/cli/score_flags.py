"""The options of `chatcli score`, in groups, and which of them contradict each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

from typer import Option

from chatcli.cli.options import complete_words
from chatcli.errors import UsageError

if TYPE_CHECKING:
    from chatcli.probe.choices import Norm

__all__ = ["ChoiceFlags", "SourceFlags", "check_sources", "norm_of"]

_NORMS = ("sum", "token", "byte", "prior")
_CHOICES = "Choices"


@dataclass(frozen=True, slots=True)
class SourceFlags:
    """Where the texts come from."""

    file: Annotated[
        Path | None,
        Option(metavar="FILE", help="Read TEXT from here; JSON Lines where it ends in .jsonl."),
    ] = None
    jsonl: Annotated[
        bool,
        Option(
            "--jsonl",
            help='JSON Lines: "text" or "messages"; "choices" and "label" to classify.',
        ),
    ] = False
    where: Annotated[
        list[str] | None,
        Option(metavar="FIELD=TEXT", help="Of JSON Lines, these alone; may be given again."),
    ] = None

    @property
    def lines(self) -> bool:
        """Whether what is read is JSON Lines."""
        return self.jsonl or (self.file is not None and self.file.suffix == ".jsonl")


@dataclass(frozen=True, slots=True)
class ChoiceFlags:
    """Which endings are weighed against each other, and how."""

    choices: Annotated[
        list[str] | None,
        Option(
            metavar="TEXT",
            help="An ending of TEXT, as it is, spaces too; again for each other one.",
            rich_help_panel=_CHOICES,
        ),
    ] = None
    norm: Annotated[
        str,
        Option(
            metavar="NAME",
            help="sum, token, byte: log-likelihood, or that a token or byte; prior: less that "
            "after a neutral prompt.",
            autocompletion=complete_words(*_NORMS),
            rich_help_panel=_CHOICES,
        ),
    ] = "sum"
    neutral: Annotated[
        str,
        Option(
            metavar="TEXT",
            help="With --norm prior, what stands in TEXT's place.",
            rich_help_panel=_CHOICES,
        ),
    ] = "N/A"
    between: Annotated[
        str | None,
        Option(
            metavar="TEXT",
            help="What stands before each choice.",
            show_default="the prompt file's, else nothing",
            rich_help_panel=_CHOICES,
        ),
    ] = None
    shots: Annotated[
        int | None,
        Option(
            min=0,
            metavar="N",
            help="How many of the prompt file's examples are shown; 0: none.",
            show_default="all",
            rich_help_panel=_CHOICES,
        ),
    ] = None


def check_sources(text: str | None, source: SourceFlags) -> None:
    """Raises UsageError where TEXT is nowhere, or in two places."""
    if text is None and source.file is None:
        raise UsageError("no TEXT to score; give one, - to read it from stdin, or --file FILE")
    if text is not None and source.file is not None:
        raise UsageError(f"TEXT and --file {source.file} are both given; drop one")
    if source.jsonl and text not in (None, "-"):
        raise UsageError("--jsonl reads a file or stdin; give --file FILE, or - for TEXT")
    if source.where and not source.lines:
        raise UsageError(f"--where {source.where[0]} picks JSON Lines; add --jsonl")


def norm_of(name: str) -> Norm:
    """The norm of that name. Raises UsageError where there is none."""
    if name not in _NORMS:
        raise UsageError(f"--norm is {name!r}, but must be one of {', '.join(_NORMS)}")
    return cast("Norm", name)
