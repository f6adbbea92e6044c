"""The options that record a trace, and the recorder that they ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from chatcli.errors import UsageError

if TYPE_CHECKING:
    from chatcli.model.types import LanguageModel
    from chatcli.sampling.chain import SamplerChain
    from chatcli.sampling.types import SamplingConfig

    Sampler = Callable[[SamplingConfig, LanguageModel], SamplerChain]

__all__ = ["TraceFlags", "check_trace_flags", "recording"]

_PANEL = "Trace"


@dataclass(frozen=True, slots=True)
class TraceFlags:
    """Whether what decides each token is recorded, for `chatcli replay`."""

    trace: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help="Record what decides each token; .gz and .xz compress.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    trace_top: Annotated[
        int,
        Option(
            min=1,
            metavar="N",
            help="How many logits are recorded for a token; of the rest, sums.",
            rich_help_panel=_PANEL,
        ),
    ] = 50
    force: Annotated[
        bool,
        Option("--force", help="Record over a file that exists.", rich_help_panel=_PANEL),
    ] = False


def check_trace_flags(flags: TraceFlags) -> None:
    """Refuse a file that can't be recorded to before a model is loaded. Raises UsageError."""
    from chatcli.probe.trace_file import check_trace_path

    if flags.trace is not None:
        check_trace_path(flags.trace, flags.force)
    elif flags.force:
        raise UsageError("--force writes over a trace that exists: add --trace FILE")


@contextmanager
def recording(flags: TraceFlags) -> Iterator[Sampler]:
    """What makes the chains of replies: recorded ones, where a trace is asked for."""
    from chatcli.sampling.chain import SamplerChain

    if flags.trace is None:
        yield lambda config, model: SamplerChain(config)
        return
    from chatcli.probe.tracing import Recorder

    recorder = Recorder(flags.trace, top=flags.trace_top, force=flags.force)
    try:
        yield recorder.chain
    finally:
        recorder.close()
