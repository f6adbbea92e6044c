"""A conversation: a tree of turns, the branch in hand, and what holds for the next reply.

What was typed is kept before the first token of its reply, and a reply that is stopped or
fails stays as far as it came. What the model reads and how its cache is filled is the
business of `speaker`; a reply while it grows, of `reply`; names for ends, of `branches`.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chatcli.chat.remarks import nearly_full, not_promised
from chatcli.chat.reply import Draft
from chatcli.chat.session import new_session
from chatcli.chat.settings import around
from chatcli.chat.speaker import Speaker
from chatcli.chat.standing import Standing
from chatcli.chat.tree import Tree, new_turn_id
from chatcli.chat.types import Session, Settings, Turn
from chatcli.chat.window import Plan
from chatcli.engine.decode import Cancelled, Top
from chatcli.engine.stream import spoken
from chatcli.engine.types import Chunk
from chatcli.errors import UsageError
from chatcli.model.types import LanguageModel
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig
from chatcli.text.types import Message

if TYPE_CHECKING:
    from chatcli.chat.keeper import Keeper

__all__ = ["Conversation"]

# A reply that ended so has more to say; None: the process ended before it.
_OPEN = ("interrupted", "length", "context", "error", None)


class Conversation(Standing):
    """One dialogue; `settings` (or `config`, their sampling part) may change between turns.

    A `session` and its `turns` take up a conversation that was kept; `keeper` keeps what
    comes. `reference` is what the model is loaded by; `notice` is told what a person should
    know: what falls out of the context, what is read again, what can't be promised. `sampler`
    makes the chain of a reply, where it is more than a chain.
    """

    def __init__(
        self,
        model: LanguageModel,
        config: SamplingConfig | None = None,
        system: str | None = None,
        *,
        settings: Settings | None = None,
        session: Session | None = None,
        turns: Iterable[Turn] = (),
        keeper: Keeper | None = None,
        reference: str = "builtin",
        notice: Callable[[str], None] = lambda text: None,
        sampler: Callable[[SamplingConfig, LanguageModel], SamplerChain] = (
            lambda config, model: SamplerChain(config)
        ),
    ) -> None:
        if settings is None:
            preamble = () if system is None else (Message("system", system),)
            settings = Settings(config or SamplingConfig(), preamble=preamble)
        self.keeper, self.notice, self._sampler = keeper, notice, sampler
        self._take_up(session or new_session(reference, settings), Tree(turns), model, reference)
        self._change(settings=settings, model=reference)
        self._notice_differences()

    @property
    def settings(self) -> Settings:
        """What holds for the next reply."""
        return self._session.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._change(settings=settings)

    @property
    def config(self) -> SamplingConfig:
        """The sampling settings of the next reply."""
        return self.settings.sampling

    @config.setter
    def config(self, config: SamplingConfig) -> None:
        self.settings = dataclasses.replace(self.settings, sampling=config)

    @property
    def chain(self) -> SamplerChain:
        """The sampler chain of the next reply, with the seed in force."""
        return self._chain(self.settings)

    def ask(
        self,
        text: str,
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] | None = None,
        prefill: str | None = None,
        top: Top = 10,
        cancelled: Cancelled | None = None,
    ) -> Iterator[Chunk]:
        """One turn: the reply to `text`, streamed. What isn't given is as in `settings`, which
        may also put something around the message.

        Raises ContextError where the message can't fit, before anything changes.
        """
        given: dict[str, Any] = {"max_tokens": max_tokens, "stop": stop, "prefill": prefill}
        given = {name: value for name, value in given.items() if value is not None}
        settings = dataclasses.replace(self.settings, **given)
        return self._reply(self.head, around(settings, text), settings, top, cancelled)

    def retry(
        self,
        *,
        settings: Settings | None = None,
        top: Top = 10,
        cancelled: Cancelled | None = None,
    ) -> Iterator[Chunk]:
        """Another reply to the last message, beside what it has; `settings` are for it alone.

        Without a seed in them it has luck of its own. Raises UsageError where nothing was
        asked yet.
        """
        turn = self.unanswered or self.head
        if turn is None:
            raise UsageError("there is no message to retry; write one first")
        settings = settings or self.settings
        if turn.answered and settings.sampling.seed is None:
            self._change(seed=secrets.randbits(64))
        return self._reply(self._before(turn), turn.user, settings, top, cancelled)

    def edit(
        self, number: int, text: str, *, top: Top = 10, cancelled: Cancelled | None = None
    ) -> Iterator[Chunk]:
        """Ask turn `number` in other words; it and what followed stay in the tree.

        Raises UsageError where there is no such turn.
        """
        parent, message = self._before(self.turn(number)), around(self.settings, text)
        return self._reply(parent, message, self.settings, top, cancelled)

    def resume(self, *, top: Top = 10, cancelled: Cancelled | None = None) -> Iterator[Chunk]:
        """The last reply goes on, token for token as if it had not ended.

        Raises UsageError where it came to its own end, or can't go on.
        """
        turn = self._open_turn()
        settings = dataclasses.replace(self.settings, preamble=turn.preamble, prefill=turn.prefill)
        ids, past = self.tree.ids(turn.id), self._speaker.past(self._before(turn))
        prompt, reply = ids[: turn.prompt_length], ids[turn.prompt_length :]
        plan: Plan | None = Plan(prompt, turn.forgotten)
        if len(ids) > self.model.checkpoint.context_length:
            plan = self._speaker.shorter(
                past, Plan(prompt, turn.forgotten), turn.user, settings, reply
            )
        if plan is None:
            raise UsageError(
                "the context is full and nothing can fall out of it; /new starts afresh"
            )
        chain = self._chain(settings)
        chain.recall(turn.runs[-1].memory)
        said = turn.prefill + spoken(self.model.tokenizer, prompt, reply)
        draft = self._speaker.draft(turn, plan, chain, said=said, reply=reply)
        self._speaker.fill(self._cached(), cancelled)
        return self._follow(
            draft,
            self._speaker.speak(
                draft, past, plan, chain, settings, reply=reply, top=top, cancelled=cancelled
            ),
        )

    def undo(self) -> Turn:
        """Go back to before the last turn, which stays in the tree, and return it.

        Raises UsageError where there is none.
        """
        turn = self.turn(len(self.path))
        self._change(branches={**self._session.branches, self._session.branch: turn.parent})
        return turn

    def branch(self, name: str) -> None:
        """Make a branch from here and take it in hand. Raises UsageError on a bad name."""
        self._change(**self._branches.added(name))

    def switch(self, name: str) -> None:
        """Take another branch in hand, or go to an unnamed end "@…". Raises UsageError."""
        self._change(**self._branches.switched(name))

    def rename(self, name: str | None) -> None:
        """Give the conversation a name, or take it back."""
        self._change(name=name)

    def reset(self) -> None:
        """A fresh conversation with the same settings; the old one stays where it is kept."""
        session = new_session(self.origin.model, self.settings)
        self._take_up(session, Tree(), self.model, self.origin.model)

    def use(self, model: LanguageModel, reference: str) -> None:
        """Go on with another checkpoint, from the text of what was said."""
        self._take_up(self._session, self.tree, model, reference)
        self._change(model=reference)
        self._notice_differences()

    def _take_up(self, session: Session, tree: Tree, model: LanguageModel, reference: str) -> None:
        self._session, self.tree = session, tree
        self._warned: int | None = None
        self._speaker = Speaker(
            model,
            reference,
            tree,
            date=datetime.fromtimestamp(session.created),
            notice=lambda text: self.notice(text),
        )

    def _chain(self, settings: Settings) -> SamplerChain:
        sampling = settings.sampling
        if sampling.seed is None:  # drawn once: luck depends on it and the position alone
            sampling = dataclasses.replace(sampling, seed=self._session.seed)
        return self._sampler(sampling, self.model)

    def _before(self, turn: Turn) -> Turn | None:
        return None if turn.parent is None else self.tree[turn.parent]

    def _cached(self) -> Turn | None:
        return None if self._session.cached is None else self.tree[self._session.cached]

    def _reply(
        self,
        parent: Turn | None,
        text: str,
        settings: Settings,
        top: Top,
        cancelled: Cancelled | None,
    ) -> Iterator[Chunk]:
        past, chain = self._speaker.past(parent), self._chain(settings)
        plan = self._speaker.plan(past, text, settings)
        turn = Turn(
            id=new_turn_id(),
            parent=None if parent is None else parent.id,
            user=text,
            created=time.time(),
            prefill=settings.prefill,
            preamble=settings.preamble,
        )
        draft = self._speaker.draft(turn, plan, chain, said=settings.prefill)
        chunks = self._speaker.speak(
            draft, past, plan, chain, settings, top=top, cancelled=cancelled
        )
        self._store(turn)
        self._speaker.fill(self._cached(), cancelled)
        return self._follow(draft, chunks)

    def _open_turn(self) -> Turn:
        """The last turn, if its reply can go on."""
        turn = self.turn(len(self.path))
        if not self._speaker.wrote(turn):
            by = f"by {turn.runs[-1].origin.name}" if turn.runs else "elsewhere"
            raise UsageError(f"the last reply was written {by}; /retry writes another here")
        if turn.finish not in _OPEN:
            raise UsageError(
                f"the last reply came to its end ({turn.finish}); /retry writes another"
            )
        return turn

    def _follow(self, draft: Draft, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """Pass the chunks on, and keep what was said, however it ends."""
        growing: Session | None = None
        try:
            for chunk in chunks:
                if self.keeper is not None and draft.started:
                    growing = growing or self._moved(draft.turn())
                    self.keeper.grow(growing, draft.turn)
                yield chunk
        finally:
            draft.leave()
            turn = draft.turn()
            self._session = self._moved(turn)
            self._store(turn)
            self._warn()

    def _moved(self, turn: Turn) -> Session:
        """The session with the cache at `turn`, and the branch there if it is answered."""
        branches = dict(self._session.branches)
        if turn.answered:
            branches[self._session.branch] = turn.id
        return dataclasses.replace(
            self._session, branches=branches, cached=turn.id, updated=time.time()
        )

    def _store(self, turn: Turn) -> None:
        self.tree.put(turn)
        if self.keeper is not None:
            self.keeper.keep(self._session, turn)

    def _change(self, **fields: Any) -> None:
        """Change the session; one that has no turn yet isn't kept."""
        self._session = dataclasses.replace(self._session, **fields)
        if self.keeper is not None and len(self.tree):
            self.keeper.keep(self._session)

    def _warn(self) -> None:
        """Say what the next message may cost, once before it does."""
        seen = self.window()
        if seen.near and self._warned != seen.forgotten:
            self._warned = seen.forgotten
            self.notice(nearly_full(seen))

    def _notice_differences(self) -> None:
        remark = self.head and not_promised(self.head, self.origin)
        if remark:
            self.notice(remark)
