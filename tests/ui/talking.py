"""A chat to test commands in: a scripted or tiny model, a store on disk, strings for a world.

What commands did is read from the model's cache, from what it was fed, and from the rows of
the store as another process would find them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from chatcli.chat.conversation import Conversation
from chatcli.chat.keeper import Keeper
from chatcli.chat.store import Store
from chatcli.chat.tree import Tree
from chatcli.chat.types import Session, Settings, Turn
from chatcli.errors import CheckpointError
from chatcli.model.load import load
from chatcli.model.types import LanguageModel
from chatcli.sampling.types import SamplingConfig
from chatcli.ui.environment import Environment
from chatcli.ui.frames import DisplayOptions
from chatcli.ui.repl import Repl, run_repl
from tests.fakes import ScriptedModel

__all__ = ["GREEDY", "Talk", "contents", "no_model", "prompt", "tiny_talk"]

GREEDY = Settings(SamplingConfig(temperature=0), max_tokens=40)
PLAIN = DisplayOptions(live=False)


def no_model(reference: str) -> LanguageModel:
    """A loader that finds nothing."""
    raise CheckpointError(f"there is no model {reference!r}: nothing is here")


class Talk:
    """A chat with one model, kept in the store of this test's home; `err` are the remarks."""

    def __init__(
        self,
        *replies: str,
        model: LanguageModel | None = None,
        settings: Settings = GREEDY,
        terminal: bool = False,
        context_length: int = 2048,
        load: Callable[[str], LanguageModel] = no_model,
        presets: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.scripted = ScriptedModel(list(replies or ("ok",)), context_length=context_length)
        self.store = Store.open()
        self._out, self._err = io.StringIO(), io.StringIO()
        self.terminal = terminal
        keeper = Keeper(self.store, self._remark)
        self.repl = Repl(
            self.env(),
            Conversation(model or self.scripted, settings=settings, keeper=keeper),
            PLAIN,
            load=load,
            defaults=lambda model: GREEDY,
            store=self.store,
            keeper=keeper,
            presets=presets,
        )
        self.repl.talk.notice = self._remark

    def env(self, stdin: bytes = b"") -> Environment:
        return Environment(
            stdin=io.TextIOWrapper(io.BytesIO(stdin), "utf-8"),
            stdout=self._out,
            stderr=self._err,
            stdin_is_terminal=self.terminal,
            stdout_is_terminal=self.terminal,
        )

    def _remark(self, text: str) -> None:
        self.repl.say(text)

    def play(self, script: str | bytes) -> bool:
        """Feed a script to stdin."""
        data = script.encode() if isinstance(script, str) else script
        self.repl.env = self.env(data)
        return run_repl(self.repl)

    def say(self, *lines: str) -> bool:
        """Hand over lines one by one."""
        return run_repl(self.repl, lines)

    @property
    def conversation(self) -> Conversation:
        return self.repl.talk

    @property
    def cache(self) -> list[int]:
        """The ids that the model holds now."""
        return list(self.conversation.cache.tokens)

    @property
    def fed(self) -> int:
        """How many ids the scripted model was fed so far."""
        return sum(map(len, self.scripted.fed))

    @property
    def kept(self) -> Session:
        """The session as it stands in the store."""
        return self.store.session(self.conversation.session.id)

    @property
    def rows(self) -> tuple[Turn, ...]:
        """The session's turns in the store, in the order they were begun."""
        return self.store.turns(self.conversation.session.id)

    @property
    def ids(self) -> list[int]:
        """All ids of the branch in hand, put together from the rows of the store."""
        head = self.kept.head
        return [] if head is None else Tree(self.rows).ids(head)

    def is_whole(self) -> bool:
        """Whether cache, conversation and store agree; a last token need not have been fed."""
        ids = self.ids
        return ids == list(self.conversation.ids) and self.cache in (ids, ids[:-1])

    @property
    def said(self) -> list[tuple[str, str]]:
        """Messages and replies in the store."""
        return [(turn.user, turn.reply) for turn in self.rows]

    @property
    def out(self) -> str:
        return self._out.getvalue()

    @property
    def err(self) -> str:
        return self._err.getvalue()


def tiny_talk(folder: Path, *, seed: int | None = 3, **overrides: Any) -> Talk:
    """A chat with the random two-layer checkpoint, by luck."""
    settings = Settings(SamplingConfig(temperature=1.5, seed=seed), max_tokens=6)
    return Talk(model=load(folder, device="cpu"), settings=settings, **overrides)


def contents(talk: Talk) -> list[tuple[str, str]]:
    """Roles and texts of the branch in hand."""
    return [(message.role, message.content) for message in talk.conversation.messages]


def prompt(talk: Talk, *said: str) -> list[int]:
    """The ids of a prompt in which messages and replies take turns, the last one a message."""
    from chatcli.text.types import Message

    roles = ("user", "assistant")
    messages = [Message(roles[index % 2], text) for index, text in enumerate(said)]
    preamble: Iterable[Message] = talk.conversation.settings.preamble
    return talk.conversation.model.tokenizer.encode_chat([*preamble, *messages])
