"""`chatcli sessions export` and `import`: kept conversations as files, and files as kept ones."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context, Option

from chatcli.cli import Status
from chatcli.cli.kept import Branch, Reference, open_store
from chatcli.cli.options import complete_words, sampling_config
from chatcli.errors import StoreError, UsageError

if TYPE_CHECKING:
    from chatcli.chat.importing import Imported
    from chatcli.chat.store import Store
    from chatcli.chat.types import Settings
    from chatcli.ui.environment import Environment

__all__ = ["export", "import_"]

_FORMATS = ("md", "jsonl", "html")


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
    with open_store() as store:
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


def import_(
    ctx: Context,
    files: Annotated[
        list[Path],
        Argument(metavar="FILE...", help='JSON Lines, or one object, with "messages"; - is stdin.'),
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
    again: Annotated[bool, Option("--again", help="Also what is kept already.")] = False,
) -> int:
    """Keep the conversations of FILEs, all or, where one can't be kept, none.

    One that is kept already is passed over. The new ids are written to stdout; `chatcli chat
    --session ID` goes on with one.
    """
    from chatcli.chat.types import Settings
    from chatcli.model.resolve import lasting, resolve

    env: Environment = ctx.obj
    settings = Settings(sampling=sampling_config({}, resolve(model).folder))
    found = _read_all(env, files, lasting(model), settings)
    if name is not None and len(found) > 1:
        raise UsageError(f"--name {name} is for one conversation, but there are {len(found):,}")
    with open_store(create=True) as store:
        new = found if again else _not_held(env, store, found)
        _keep_all(store, new, name)
    for each in new:
        for remark in each.remarks:
            env.say(f"{each.session.id}: {remark}")
        env.write(f"{each.session.id}\n")
    return Status.DONE


def _read_all(
    env: Environment, files: list[Path], model: str, settings: Settings
) -> list[Imported]:
    from chatcli.chat.importing import read_import

    if [str(file) for file in files].count("-") > 1:
        raise UsageError("- stands for standard input, which can be read only once")
    now = time.time()
    return [
        each
        for file in files
        for each in read_import(
            Path("standard input") if str(file) == "-" else file,
            model=model,
            settings=settings,
            now=now,
            text=env.read() if str(file) == "-" else None,
        )
    ]


def _not_held(env: Environment, store: Store, found: list[Imported]) -> list[Imported]:
    """Those that aren't kept yet. Raises StoreError where there is none."""
    held = store.holding(each.turns for each in found)
    old = [session for session in held if session is not None]
    if not old:
        return found
    ids = ", ".join(old[:3]) + (", …" if old[3:] else "")
    several = f"{len(old):,} conversations are" if len(old) > 1 else "the conversation is"
    said = f"{several} kept already, as {ids}"
    if len(old) == len(found):
        raise StoreError(f"{said}; --again keeps what is there once more")
    env.say(f"{said.replace('the conv', '1 conv')}, and passed over; --again keeps all")
    return [each for each, session in zip(found, held, strict=True) if session is None]


def _keep_all(store: Store, found: list[Imported], name: str | None) -> None:
    """Keep every one, or, where one can't be kept, none."""
    with ExitStack() as undo:
        for each in found:
            store.put(each.session, each.turns)
            undo.callback(store.delete, each.session.id)
            if name is not None:
                store.rename(each.session.id, name)
        undo.pop_all()
