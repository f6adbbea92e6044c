"""`chatcli report`: a conversation or a trace as one page of HTML, told token by token."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context, Option

from chatcli.cli import Status
from chatcli.cli.chat_flags import complete_sessions, typed_options
from chatcli.cli.groups import SectionedCommand, command_app, grouped
from chatcli.cli.options import ModelFlags, load_model
from chatcli.errors import CheckpointError, StoreError, UsageError

if TYPE_CHECKING:
    from chatcli.chat.types import Session, Turn
    from chatcli.probe.report import Report
    from chatcli.ui.environment import Environment

__all__ = ["app"]

app = command_app()


@app.command(cls=SectionedCommand)
@grouped
def report(
    ctx: Context,
    which: ModelFlags,
    source: Annotated[
        str,
        Argument(
            metavar="SESSION|TRACE",
            help="A conversation's id or name, or the file that --trace wrote.",
            autocompletion=complete_sessions,
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        Option(
            *("-o", "--output"),
            metavar="FILE",
            help="Where the page is written; - is stdout.",
            show_default=False,
        ),
    ],
    branch: Annotated[
        str | None, Option(metavar="NAME", help="This branch.", show_default="the one in hand")
    ] = None,
    top: Annotated[
        int, Option(min=1, metavar="N", help="How many candidates are told of for a token.")
    ] = 10,
    force: Annotated[bool, Option("--force", help="Write over a file that exists.")] = False,
) -> int:
    """Write one page on which every token can be asked what it was chosen from.

    It needs no network, and runs nothing but itself. A conversation is read once more by the
    checkpoint that wrote it, or by the one that -m names; a trace needs no model.
    """
    from chatcli.chat.export import check_export, write_export

    env: Environment = ctx.obj
    to_stdout = str(output) == "-"
    if not to_stdout:
        check_export(output, force)
    cut = None
    if Path(source).is_file():
        made, cut = _of_trace(Path(source), branch, typed_options(ctx), top)
    else:
        own = "model" in typed_options(ctx)
        made = _of_session(source, branch, which, env, top, own=own)

    from chatcli.ui.page.report import report_page

    text = report_page(made, top=top)
    if to_stdout:
        env.write(text)
    else:
        write_export(output, text, force)
        env.say(f"wrote {output}, {len(text.encode()):,} bytes")
    if cut is not None:
        env.error(
            f"{source} breaks off at {cut}; what was recorded before it is in the report, and the "
            "rest is lost"
        )
        return Status.ERROR
    return Status.DONE


def _of_session(
    reference: str,
    branch: str | None,
    which: ModelFlags,
    env: Environment,
    top: int,
    *,
    own: bool,
) -> Report:
    """A kept conversation, read by what its session names, or by what -m does (`own`)."""
    from chatcli.chat.records import branch_path
    from chatcli.ui.page.sources import session_report

    session, turns = _kept(reference)
    path = branch_path(turns, session, branch)
    try:
        model = load_model(which if own else replace(which, model=session.model), env.say)
    except CheckpointError as error:
        raise CheckpointError(f"{error}; -m NAME says where the checkpoint is now") from error
    return session_report(model, session, turns, path, top=top, notice=env.say)


def _kept(reference: str) -> tuple[Session, tuple[Turn, ...]]:
    """A session and its turns. Raises StoreError, which tells of files, too."""
    from chatcli.chat.store import Store

    try:
        with Store.open(create=False) as store:
            session = store.session(reference)
            return session, store.turns(session.id)
    except StoreError as error:
        hint = f"; and there is no file {reference}" if "/" in reference else ""
        raise StoreError(f"{error}{hint}") from error


def _of_trace(
    path: Path, branch: str | None, typed: frozenset[str], top: int
) -> tuple[Report, str | None]:
    """Its report, and where the file breaks off."""
    from chatcli.probe.trace_reading import read_trace
    from chatcli.ui.page.sources import trace_report

    if branch is not None:
        raise UsageError(f"--branch {branch} is of a conversation, and {path} is a file; drop one")
    if given := typed & {part.name for part in fields(ModelFlags)}:
        raise UsageError(f"{path} is a trace, which needs no model; drop --{min(given)}")
    trace = read_trace(path)
    return trace_report(trace, path.name, top=top), trace.cut
