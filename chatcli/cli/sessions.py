"""`chatcli sessions`: the conversations that are kept; to list, read, search, move and remove."""

from __future__ import annotations

import time
from contextlib import ExitStack, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context, Option

from chatcli.cli import Status
from chatcli.cli.chat_flags import complete_sessions
from chatcli.cli.groups import SectionedCommand, command_app
from chatcli.cli.options import complete_words, sampling_config
from chatcli.errors import UsageError

if TYPE_CHECKING:
    from chatcli.chat.importing import Imported
    from chatcli.chat.listing import Hit, Summary
    from chatcli.chat.store import Store
    from chatcli.ui.environment import Environment

__all__ = ["app"]

_FORMATS = ("md", "jsonl", "html")
_NOTHING = "no conversations are kept yet; `chatcli chat` begins one"

Reference = Annotated[
    str,
    Argument(
        metavar="ID",
        help="Its id, the beginning of it, or its name.",
        autocompletion=complete_sessions,
        show_default=False,
    ),
]
Branch = Annotated[
    str | None, Option(metavar="NAME", help="This branch.", show_default="the one in hand")
]
Json = Annotated[bool, Option("--json", help="One JSON object a line.")]

app = command_app()


@app.callback(invoke_without_command=True)
def sessions(
    ctx: Context,
    number: Annotated[
        int | None,
        Option("-n", "--number", min=1, metavar="N", help="The newest N.", show_default="all"),
    ] = None,
    json: Json = False,
) -> int:
    """List the conversations that are kept, the one used last first."""
    if ctx.invoked_subcommand is not None:
        return Status.DONE
    from chatcli.ui.sessions_table import show_sessions

    env: Environment = ctx.obj
    with _kept() as store:
        found = store.sessions()[:number] if store is not None else ()
    if json:
        env.write("".join(_json_line(each) for each in found))
    elif found:
        show_sessions(env, found)
    else:
        env.say(_NOTHING)
    return Status.DONE


@app.command(cls=SectionedCommand)
def show(ctx: Context, id: Reference, branch: Branch = None) -> int:
    """Print what was said, and mark what the model no longer sees."""
    from chatcli.chat.records import branch_path, facts_of, title_of
    from chatcli.ui.transcript import show_transcript

    env: Environment = ctx.obj
    with _store() as store:
        session = store.session(id)
        path = branch_path(store.turns(session.id), session, branch)
    env.say(" · ".join([title_of(session, path), *facts_of(session)]))
    show_transcript(env, path, max((turn.forgotten for turn in path), default=0))
    return Status.DONE


@app.command(cls=SectionedCommand)
def search(
    ctx: Context,
    words: Annotated[list[str], Argument(metavar="WORDS...", help="All of them in one turn.")],
    json: Json = False,
) -> int:
    """Find the turns in which all WORDS occur.

    A word counts as a part of another one too, so a single Chinese character is enough.
    """
    from chatcli.ui.sessions_table import show_hits

    env: Environment = ctx.obj
    with _kept() as store:
        if store is None:
            env.say(_NOTHING)
            return Status.DONE
        found = store.search(" ".join(words))
    if json:
        env.write("".join(_json_line(each) for each in found))
    elif found:
        show_hits(env, found)
    else:
        env.say(f"no turn has all of: {' '.join(words)}")
    return Status.DONE


@app.command(cls=SectionedCommand)
def rename(
    ctx: Context,
    id: Reference,
    name: Annotated[str, Argument(metavar="NAME", help='Its new name; "" takes it away.')],
) -> int:
    """Give a conversation a name."""
    env: Environment = ctx.obj
    with _store() as store:
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
    with _store() as store:
        wanted = dict.fromkeys(store.session(each).id for each in ids)
        chosen = [each for each in store.sessions() if each.id in wanted]
        if not yes and not _agreed(env, [described(each) for each in chosen]):
            env.say("nothing was deleted")
            return Status.DONE
        for each in chosen:
            store.delete(each.id)
            env.say(f"deleted {described(each)}")
    return Status.DONE


@app.command(cls=SectionedCommand)
def export(
    ctx: Context,
    id: Reference,
    file: Annotated[
        Path, Argument(metavar="FILE", help="Ends in .md, .jsonl or .html; - is stdout.")
    ],
    format: Annotated[
        str | None,
        Option(
            metavar="NAME",
            help="md, jsonl (what `chatcli train sft` reads) or html.",
            show_default="what FILE ends in",
            autocompletion=complete_words(*_FORMATS),
        ),
    ] = None,
    branch: Branch = None,
    cut: Annotated[
        bool, Option("--cut", help="With jsonl: also replies that were cut before their end.")
    ] = False,
    force: Annotated[bool, Option("--force", help="Write over a file that exists.")] = False,
) -> int:
    """Write a conversation to a file.

    Markdown and HTML are to be read, JSON Lines to be trained on or imported again: there a line
    ends where the system prompt changes or a turn without a whole reply is left out. A page
    with the probability of every token is what `chatcli report` writes.
    """
    from chatcli.chat.export import FORMATS, format_of, left_out, messages, write_export
    from chatcli.chat.records import branch_path

    env: Environment = ctx.obj
    to_stdout = str(file) == "-"
    if to_stdout and format is None:
        raise UsageError(f"- doesn't tell the format; add --format {', '.join(_FORMATS)}")
    kind = format_of(file, format)
    with _store() as store:
        session = store.session(id)
        path = branch_path(store.turns(session.id), session, branch)
    training = kind == "jsonl"
    if cut and not training:
        raise UsageError(f"--cut is for jsonl; {kind} has every reply, and says how it ended")
    text = messages(session, path, cut=cut) if training else FORMATS[kind](session, path)
    if to_stdout:
        env.write(text)
    else:
        write_export(file, text, force)
        env.say(f"wrote {file}")
    for remark in left_out(path, cut=cut) if training else ():
        env.say(remark)
    return Status.DONE


@app.command("import", cls=SectionedCommand)
def import_(
    ctx: Context,
    files: Annotated[
        list[Path],
        Argument(metavar="FILE...", help='JSON Lines, or one object, with "messages".'),
    ],
    name: Annotated[
        str | None, Option("--name", metavar="NAME", help="Name the one conversation.")
    ] = None,
    model: Annotated[
        str,
        Option(
            *("-m", "--model"),
            envvar="CHATCLI_MODEL",
            metavar="NAME",
            help="What the next replies are made with.",
        ),
    ] = "builtin",
) -> int:
    """Keep the conversations of FILEs, all or none.

    The new ids are written to stdout; `chatcli chat --session ID` goes on with one.
    """
    from chatcli.chat.importing import read_import
    from chatcli.chat.types import Settings
    from chatcli.model.resolve import lasting, resolve

    env: Environment = ctx.obj
    settings = Settings(sampling=sampling_config({}, resolve(model).folder))
    reference, now = lasting(model), time.time()
    found = [
        each
        for file in files
        for each in read_import(file, model=reference, settings=settings, now=now)
    ]
    if name is not None and len(found) > 1:
        raise UsageError(f"--name {name} is for one conversation, but there are {len(found):,}")
    with _store(create=True) as store:
        _keep_all(store, found, name)
    for each in found:
        for remark in each.remarks:
            env.say(f"{each.session.id}: {remark}")
        env.write(f"{each.session.id}\n")
    return Status.DONE


def _keep_all(store: Store, found: list[Imported], name: str | None) -> None:
    """Keep every one, or, where one can't be kept, none."""
    with ExitStack() as undo:
        for each in found:
            store.put(each.session, each.turns)
            undo.callback(store.delete, each.session.id)
            if name is not None:
                store.rename(each.session.id, name)
        undo.pop_all()


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


def _store(*, create: bool = False) -> Store:
    from chatcli.chat.store import Store

    return Store.open(create=create)


def _kept() -> Store | nullcontext[None]:
    """The store; nothing where none was made yet."""
    from chatcli.chat.store import store_path

    return _store() if store_path().exists() else nullcontext()


def _json_line(record: Summary | Hit) -> str:
    from chatcli.text.json_text import json_text

    return json_text(asdict(record)) + "\n"
