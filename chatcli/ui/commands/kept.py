"""Whole conversations, and the model they are with: /new, /open, /rename, /export, /model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from chatcli.chat.conversation import Conversation
from chatcli.chat.export import FORMATS, format_of, write_export
from chatcli.chat.session import check_name
from chatcli.chat.types import Session
from chatcli.errors import ChatcliError, StoreError, UsageError
from chatcli.model.hub import hub_models
from chatcli.model.resolve import BUILTIN, lasting
from chatcli.text.visible import visible
from chatcli.ui.commands.completion import path_words
from chatcli.ui.commands.registry import Command, Word, no_argument
from chatcli.ui.commands.words import plain_text
from chatcli.ui.figures import count

if TYPE_CHECKING:
    from chatcli.chat.store import Store
    from chatcli.model.types import LanguageModel
    from chatcli.ui.repl import Repl

__all__ = ["COMMANDS"]

_FORCE = "--force"
_MODEL_ENDINGS = ("/", ".safetensors")  # a folder may be, or hold, a checkpoint


def _new(repl: Repl, argument: str) -> bool:
    no_argument("new", argument)
    talk = repl.talk
    old = talk.session.id if repl.keeper is not None and len(talk.tree) else None
    talk.reset()
    repl.reply = None
    stays = f"; the old one stays: /open {old}" if old else ""
    repl.say(f"a fresh conversation with the same settings{stays}")
    return True


def _open(repl: Repl, argument: str) -> bool:
    if not argument:
        raise UsageError("/open needs a conversation: its id, the beginning of it, or its name")
    store = _store(repl)
    session = store.session(argument)
    turns = store.turns(session.id)
    model, reference = _model_of(repl, session)
    repl.talk = Conversation(
        model,
        settings=session.settings,
        session=session,
        turns=turns,
        keeper=repl.keeper,
        reference=reference,
        notice=repl.say,
    )
    repl.reply = None
    repl.say(f"{session.name or session.id}, {count(len(repl.talk.path), 'turn')}")
    repl.show_past()
    return True


def _store(repl: Repl) -> Store:
    if repl.store is None:
        raise StoreError("no conversations are kept in this chat, so there are none to open")
    return repl.store


def _model_of(repl: Repl, session: Session) -> tuple[LanguageModel, str]:
    """The checkpoint of a session; the one in hand, said aloud, where it can't be loaded."""
    now = repl.talk.session.model
    if session.model == now:
        return repl.talk.model, now
    try:
        return repl.load(session.model), session.model
    except ChatcliError as error:
        repl.say(f"{error}; going on with {repl.talk.model.checkpoint.name}, from the text")
        return repl.talk.model, now


def _sessions(repl: Repl, typed: str) -> Iterator[str]:
    """Names and ids of what is kept, the newest first."""
    for each in repl.store.sessions() if repl.store is not None else ():
        title = visible(each.title, keep_newlines=False)
        if each.name:
            yield Word(each.name, title)
        yield Word(each.id, title)


def _rename(repl: Repl, argument: str) -> bool:
    if not argument:
        raise UsageError("/rename needs a name for this conversation; /rename none takes it away")
    name = None if argument == "none" else plain_text(argument)
    if name is not None:
        kept = repl.store.sessions() if repl.store is not None else ()
        check_name(name, kept, repl.talk.session.id)
    repl.talk.rename(name)
    repl.say("no name" if name is None else f"this conversation is {name}")
    return True


def _export(repl: Repl, argument: str) -> bool:
    name = argument.removeprefix(_FORCE).removesuffix(_FORCE).strip()
    if not name:
        raise UsageError("/export needs a file, ending in .md, .jsonl or .html")
    path, turns = Path(plain_text(name)).expanduser(), repl.talk.path
    if not turns:
        raise UsageError("there is no turn to export yet; write a message first")
    text = FORMATS[format_of(path)](repl.talk.session, turns)
    write_export(path, text, force=name != argument)
    repl.say(f"{count(len(turns), 'turn')} written to {path}")
    return True


def _files(repl: Repl, typed: str) -> Iterator[str]:
    return path_words(typed)


def _model(repl: Repl, argument: str) -> bool:
    if argument:
        reference = lasting(argument)
        model = repl.load(reference)
        repl.talk.use(model, reference)
        repl.reply = None
    checkpoint = repl.talk.model.checkpoint
    repl.say_facts(
        checkpoint.name,
        f"{checkpoint.parameters:,} parameters",
        f"{checkpoint.dtype} on {checkpoint.device}",
        f"context {checkpoint.context_length:,}",
    )
    return True


def _models(repl: Repl, typed: str) -> Iterator[str]:
    yield Word(BUILTIN, "the checkpoint that chatcli brings")
    yield from (name for name, _ in hub_models())
    yield from (path for path in path_words(typed) if path.endswith(_MODEL_ENDINGS))


COMMANDS = (
    Command(
        "new",
        "",
        "a fresh conversation; the old one stays",
        "Conversations",
        _new,
        aliases=("reset",),
    ),
    Command(
        "open",
        "SESSION",
        "go on with another conversation",
        "Conversations",
        _open,
        _sessions,
        "SESSION is its id, the beginning of it, or its name. Its checkpoint is loaded if it is\n"
        "another one. `chatcli sessions` lists and searches what is kept.",
    ),
    Command("rename", "NAME", "give this conversation a name", "Conversations", _rename),
    Command(
        "export",
        "FILE [--force]",
        "write this branch to a .md, .jsonl or .html file",
        "Conversations",
        _export,
        _files,
        ".jsonl is what `chatcli train sft` reads; a file that exists needs --force",
    ),
    Command(
        "model",
        "[NAME]",
        "show the checkpoint, or go on with another",
        "Conversations",
        _model,
        _models,
        "what --model takes: builtin, a folder, a file, a name in the hub cache. The other one\n"
        "reads what was said so far as text. If it can't be loaded, the old one stays.",
    ),
)
