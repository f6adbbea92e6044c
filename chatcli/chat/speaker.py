"""The model's side of a conversation: one checkpoint, its cache, and what it is fed.

It plans what the model reads, fills the cache of a conversation that is taken up again, and
streams replies into drafts. Turns and branches are the business of `conversation`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from chatcli.chat.context import Renderer
from chatcli.chat.feeds import RecordingModel, refill
from chatcli.chat.origin import origin_of
from chatcli.chat.past import Past
from chatcli.chat.remarks import fallen, little_room
from chatcli.chat.reply import Draft
from chatcli.chat.tree import Tree
from chatcli.chat.types import Settings, Turn
from chatcli.chat.window import Plan, Planner, room_for_reply
from chatcli.engine.decode import Cancelled, Top
from chatcli.engine.stream import stream
from chatcli.engine.types import Chunk
from chatcli.model.types import KVCache, LanguageModel
from chatcli.sampling.chain import SamplerChain

__all__ = ["Speaker"]


class Speaker:
    """One model in one conversation; `notice` is told what a person should know."""

    def __init__(
        self,
        model: LanguageModel,
        reference: str,
        tree: Tree,
        *,
        date: datetime,
        notice: Callable[[str], None],
    ) -> None:
        self._recording = RecordingModel(model)
        self._cache = model.new_cache()
        self._filled = False
        self._tree = tree
        self._notice = notice
        self.model = model
        self.origin = origin_of(model, reference)
        self.renderer = Renderer(model.tokenizer, date)
        self.planner = Planner(self.renderer, model.checkpoint.context_length)

    @property
    def cache(self) -> KVCache:
        """What the model holds of what it was fed; to be looked at only."""
        return self._cache

    def wrote(self, turn: Turn) -> bool:
        """Whether this checkpoint wrote the turn's reply, so that its ids count."""
        return bool(turn.runs) and turn.runs[-1].origin.digest == self.origin.digest

    def past(self, head: Turn | None) -> Past:
        """What lies before the message that follows `head`, as this model knows it."""
        if head is None:
            return Past((), (), 0, (), self.renderer, self._tree)
        turns = self._tree.path(head.id)
        ids = self._tree.ids(head.id) if self.wrote(head) else ()
        return Past(turns, ids, head.forgotten, head.preamble, self.renderer, self._tree)

    def plan(self, past: Past, message: str, settings: Settings) -> Plan:
        """What is read to answer `message`; what that costs is noticed. Raises ContextError."""
        plan = self.planner.plan(past, message, settings)
        if plan.forgotten > past.forgotten:
            self._notice(fallen(past.forgotten, plan.forgotten, len(plan.ids)))
        elif past.ids and plan.ids[: len(past.ids)] != list(past.ids):
            why = (
                "the template rewrites earlier turns"
                if settings.preamble == past.preamble
                else "the system prompt changed"
            )
            self._notice(f"{why}: the conversation is read again")
        room = self.planner.context - len(plan.ids)
        if room < room_for_reply(settings, self.planner.context):
            self._notice(little_room(room))
        return plan

    def fill(self, cached: Turn | None, cancelled: Cancelled | None) -> None:
        """Fill the empty cache of a conversation that is taken up as it was after `cached`.

        Only once: where that is cut short, what is needed is read at once the next time.
        """
        filled, self._filled = self._filled, True
        if filled or cached is None or not self.wrote(cached):
            return
        ids, feeds = self._tree.ids(cached.id), self._tree.feeds(cached.id)
        if len(ids) > self.model.checkpoint.context_length:
            return  # the context is shorter than it was: nothing will be as it was
        refill(
            self._recording,
            self._cache,
            ids,
            feeds,
            cancelled=cancelled or (lambda: False),
            slow=lambda: self._notice("reading the conversation again as it was made"),
        )

    def speak(
        self,
        draft: Draft,
        past: Past,
        plan: Plan,
        chain: SamplerChain,
        settings: Settings,
        *,
        reply: Sequence[int] = (),
        top: Top,
        cancelled: Cancelled | None,
    ) -> Iterator[Chunk]:
        """Stream `draft`, of which `reply` is written, into it and to the caller."""
        slide = _Slide(self, draft, past, plan, settings)
        chunks = stream(
            self._recording,
            [*plan.ids, *reply],
            chain,
            max_tokens=settings.max_tokens,
            prompt_length=len(plan.ids) if reply else None,
            stop=(*settings.stop, *self.model.tokenizer.fallback_stop),
            top=top,
            cache=self._cache,
            cancelled=cancelled,
            refit=slide if settings.overflow == "slide" else None,
        )
        return draft.follow(chunks)

    def shorter(
        self, past: Past, plan: Plan, message: str, settings: Settings, reply: Sequence[int]
    ) -> Plan | None:
        """A shorter prompt for a reply that filled the context; None where nothing can go."""
        shorter = self.planner.refit(past, plan.forgotten, message, settings, reply)
        if shorter is not None:
            read = len(shorter.ids) + len(reply)
            self._notice(fallen(plan.forgotten, shorter.forgotten, read))
        return shorter

    def draft(
        self, turn: Turn, plan: Plan, chain: SamplerChain, *, said: str, reply: Sequence[int] = ()
    ) -> Draft:
        """The reply of `turn`, to be written; `said` and its ids `reply` are there already."""
        return Draft(
            dataclasses.replace(turn, prompt_length=len(plan.ids), forgotten=plan.forgotten),
            self._tree,
            self._recording.log,
            ids=[*plan.ids, *reply],
            said=said,
            chain=chain,
            origin=self.origin,
        )


class _Slide:
    """A `Refit` for the engine: what goes on when a reply fills the context."""

    def __init__(
        self, speaker: Speaker, draft: Draft, past: Past, plan: Plan, settings: Settings
    ) -> None:
        self._speaker, self._draft = speaker, draft
        self._past, self._plan, self._settings = past, plan, settings

    def __call__(self, full: Sequence[int]) -> tuple[Sequence[int], int] | None:
        reply = full[len(self._plan.ids) :]
        shorter = self._speaker.shorter(
            self._past, self._plan, self._draft.message, self._settings, reply
        )
        if shorter is None:
            return None
        self._plan = shorter
        ids = [*shorter.ids, *reply]
        self._draft.rebase(ids, len(shorter.ids), shorter.forgotten)
        return ids, len(shorter.ids)
