"""`chatcli sessions`: the conversations that are kept; to list, read, search, move and remove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Context, Option

from chatcli.cli import Status
from chatcli.cli.chat_flags import complete_sessions
from chatcli.cli.groups import SectionedCommand, command_app
from chatcli.cli.kept import NOTHING, Branch, Json, Reference, kept, open_store
from chatcli.cli.session_files import export, import_
from chatcli.errors import StoreError, UsageError

if TYPE_CHECKING:
    from chatcli.chat.listing import Hit, Summary
    from chatcli.chat.types import Session, Turn
    from chatcli.ui.environment import Environment

__all__ = ["app"]

_SCREENFUL = 30  # conversations that a terminal gets unasked

app = command_app()


@app.callback(invoke_without_command=True)
def sessions(
    ctx: Context,
    number: Annotated[
        int | None,
        Option(
            "-n",
            "--number",
            min=1,
            metavar="N",
            help="The newest N.",
            show_default="30; in a pipe, all",
        ),
    ] = None,
    json: Json = False,
) -> int:
    """List the conversations that are kept, the one used last first."""
    if ctx.invoked_subcommand is not None:
        return Status.DONE
    from chatcli.ui.sessions_table import show_sessions

    env: Environment = ctx.obj
    with kept() as store:
        every = store.sessions() if store is not None else ()
    most = number or (_SCREENFUL if env.stdout_is_terminal and not json else None)
    if json:
        _write_json(env, [_plain(each) for each in every[:most]])
    elif every:
        show_sessions(env, every[:most])
    else:
        env.say(NOTHING)
    if number is None and most is not None and len(every) > most:
        env.say(f"… {len(every) - most:,} more; -n {len(every)} shows them")
    return Status.DONE


@app.command(cls=SectionedCommand)
def show(
    ctx: Context,
    id: Annotated[
        str | None,
        Argument(
            metavar="ID",
            help="Its id, the beginning of it, or its name.",
            autocompletion=complete_sessions,
            show_default="the one used last",
        ),
    ] = None,
    branch: Branch = None,
) -> int:
    """Print what was said, and mark what the model no longer sees.

    Where a conversation has several branches, they are listed first.
    """
    from chatcli.chat.records import branch_path, facts_of, title_of
    from chatcli.ui.transcript import show_transcript

    env: Environment = ctx.obj
    with open_store() as store:
        session = store.latest() if id is None else store.session(id)
        if session is None:
            raise StoreError(NOTHING)
        turns = store.turns(session.id)
    path = branch_path(turns, session, branch)
    env.say(" · ".join([title_of(session, path), *facts_of(session)]))
    _say_branches(env, session, turns)
    show_transcript(env, path, max((turn.forgotten for turn in path), default=0))
    return Status.DONE


def _say_branches(env: Environment, session: Session, turns: Sequence[Turn]) -> None:
    """The branches and unnamed ends with their numbers of turns, where there are several."""
    from chatcli.chat.branches import Branches
    from chatcli.chat.tree import Tree
    from chatcli.ui.folding import fold

    try:
        views = Branches(session, Tree(turns)).views()
    except (StoreError, KeyError):  # damaged elsewhere; the branch that is shown is sound
        return
    if len(views) > 1:
        first, *others = [f"{view.name} {view.turns:,}" for view in views]
        facts = [f"branches, with their turns: {first}", *others]
        env.say("\n".join(fold(facts, env.columns() if env.stdout_is_terminal else None)))


@app.command(cls=SectionedCommand)
def search(
    ctx: Context,
    words: Annotated[list[str], Argument(metavar="WORDS...", help="All of them in one turn.")],
    json: Json = False,
) -> int:
    """Find the turns in which all WORDS occur.

    A word counts as a part of another one too, so a single Chinese character is enough. The
    exit status is 1 where nothing was found.
    """
    from chatcli.ui.sessions_table import show_hits

    env: Environment = ctx.obj
    with kept() as store:
        found = store.search(" ".join(words)) if store is not None else ()
    if json:
        _write_json(env, [_plain_hit(each) for each in found])
    elif found:
        show_hits(env, found)
    if not found:
        env.say(NOTHING if store is None else f"no turn has all of: {' '.join(words)}")
    return Status.DONE if found else Status.ERROR


@app.command(cls=SectionedCommand)
def rename(
    ctx: Context,
    id: Reference,
    name: Annotated[str, Argument(metavar="NAME", help='Its new name; "" takes it away.')],
) -> int:
    """Give a conversation a name."""
    env: Environment = ctx.obj
    with open_store() as store:
        session = store.session(id)
        store.rename(session.id, name or None)
    env.say(f"{session.id} is now named {name}" if name else f"{session.id} has no name now")
    return Status.DONE


@app.command(cls=SectionedCommand)
def delete(
    ctx: Context,
    ids: Annotated[
        list[str],
        Argument(
            metavar="ID...",
            help="Ids, beginnings of them, or names.",
            autocompletion=complete_sessions,
        ),
    ],
    yes: Annotated[bool, Option("--yes", "-y", help="Don't ask.")] = False,
) -> int:
    """Delete conversations with all that was said in them."""
    from chatcli.ui.sessions_table import described

    env: Environment = ctx.obj
    with open_store() as store:
        wanted = dict.fromkeys(store.session(each).id for each in ids)
        chosen = [each for each in store.sessions() if each.id in wanted]
        if not yes and not _agreed(env, [described(each) for each in chosen]):
            env.say("nothing was deleted")
            return Status.DONE
        for each in chosen:
            store.delete(each.id)
            env.say(f"deleted {described(each)}")
    return Status.DONE


app.command(cls=SectionedCommand)(export)
app.command("import", cls=SectionedCommand)(import_)


def _agreed(env: Environment, lines: list[str]) -> bool:
    """Whether a person says yes. Raises UsageError where there is nobody to ask."""
    if not env.interactive:
        raise UsageError("deleting asks first, and nobody is there to answer; add --yes")
    for line in lines:
        env.say(line)
    env.stderr.write(f"delete {'it' if len(lines) == 1 else f'all {len(lines):,}'}? [y/N] ")
    env.stderr.flush()
    answer = env.stdin.readline()
    if not answer:  # Ctrl-D leaves the cursor where it was
        env.say("")
    return answer.strip().lower() in ("y", "yes", "是")


def _plain(summary: Summary) -> dict[str, Any]:
    """A conversation for JSON; its times as ISO 8601 in UTC, null where no calendar has them."""
    return {
        **asdict(summary),
        "created": _iso(summary.created),
        "updated": _iso(summary.updated),
    }


def _plain_hit(hit: Hit) -> dict[str, Any]:
    return {**asdict(hit), "summary": _plain(hit.summary)}


def _iso(seconds: float) -> str | None:
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _write_json(env: Environment, records: Sequence[dict[str, Any]]) -> None:
    from chatcli.text.json_text import json_text

    env.write("".join(json_text(each) + "\n" for each in records))
