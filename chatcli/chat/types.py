"""The records of a conversation: a session, its turns, and what each reply was made with.

A turn is one message and the reply to it. Turns make a tree: another reply to a message is
another turn with the same parent. Ids are the truth and text is a view of them; a turn keeps
only the ids that its parent doesn't have, so ten thousand turns stay small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from chatcli.engine.types import Finish, Usage
from chatcli.sampling.types import SamplingConfig
from chatcli.text.types import Message

__all__ = ["Feed", "Origin", "Overflow", "Run", "Session", "Settings", "Turn", "system_prompt"]

# What happens when a conversation outgrows the context; `window` has the rules.
Overflow = Literal["error", "drop-oldest", "slide"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for the next reply.

    `preamble` stands before the first turn: the system prompt, and the examples of a prompt
    file. `before` and `after` are what such a file puts around each message. `prompt` is the
    file's name, for display.
    """

    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    max_tokens: int = 512
    stop: tuple[str, ...] = ()
    prefill: str = ""
    preamble: tuple[Message, ...] = ()
    before: str = ""
    after: str = ""
    prompt: str | None = None
    overflow: Overflow = "drop-oldest"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where tokens were made: the same ids again are promised only where all of it is equal.

    `model` is what `--model` loads it by.
    """

    name: str
    model: str
    digest: str
    engine: str
    device: str
    dtype: str
    threads: int
    version: str


@dataclass(frozen=True, slots=True)
class Run:
    """One stretch of generation within a reply; `/continue` adds another.

    `sampling` holds the seed that was in force, given or drawn. `finish` is None where the
    process ended before the reply did. `memory` is what a sampler that steers by what was
    drawn before goes on from after it, see `SamplerChain.memory`.
    """

    tokens: int
    sampling: SamplingConfig
    origin: Origin
    finish: Finish | None = None
    usage: Usage = field(default_factory=Usage)
    memory: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Feed:
    """Forward calls of `size` ids each, `repeat` times, that filled the cache.

    `lost` are ids that the last call had besides, and that were cropped from the cache since:
    a row of a product rounds with the shape of the whole, so they matter to be exact.
    """

    size: int
    repeat: int = 1
    lost: tuple[int, ...] = ()

    @property
    def kept(self) -> int:
        """How many ids of these calls the cache holds."""
        return self.size * self.repeat - len(self.lost)


@dataclass(frozen=True, slots=True)
class Turn:
    """One message and its reply, with all that is needed to go on as if nothing happened.

    id, parent       the tree; `parent` is None for a first turn
    user             the message, as the template got it
    reply            its text, `prefill` included; "" while there is none
    preamble         the messages before the first turn
    shared, tail     the ids of prompt and reply: the parent's first `shared`, then `tail`
    prompt_length    how many of these ids were read before the first one was drawn
    forgotten        how many of the oldest turns on its path the model no longer saw
    shared_feeds, feeds   how the cache was filled: the parent's first feeds, then these
    runs             what the reply was made with, oldest first; none where it has no token
    created          seconds since 1970
    """

    id: int
    parent: int | None
    user: str
    created: float
    reply: str = ""
    prefill: str = ""
    preamble: tuple[Message, ...] = ()
    shared: int = 0
    tail: tuple[int, ...] = ()
    prompt_length: int = 0
    forgotten: int = 0
    shared_feeds: int = 0
    feeds: tuple[Feed, ...] = ()
    runs: tuple[Run, ...] = ()

    @property
    def answered(self) -> bool:
        """Whether there is a reply: one token at least, or a text that was read from elsewhere."""
        return bool(self.new_tokens or self.reply)

    @property
    def new_tokens(self) -> int:
        """How many tokens the reply has."""
        return self.shared + len(self.tail) - self.prompt_length

    @property
    def finish(self) -> Finish | None:
        """How the reply ended; None where nothing says so, as after a power cut."""
        return self.runs[-1].finish if self.runs else None


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation as it is kept: where it stands, and what holds for its next reply.

    id, name         `name` is the user's own, None where there is none
    created, updated seconds since 1970; templates that write a date write that of `created`
    model            what `--model` loads the checkpoint by
    branch, branches the name of the branch in hand; of each, its newest turn (None: none yet)
    settings         of the next reply
    cached           the turn at whose end the cache stood, which after an undo or a switch isn't
                     the head: with it, resuming reuses what going on would have
    seed             the one that was drawn, for settings that leave it open
    """

    id: str
    created: float
    updated: float
    model: str
    name: str | None = None
    branch: str = "main"
    branches: Mapping[str, int | None] = field(default_factory=lambda: {"main": None})
    settings: Settings = field(default_factory=Settings)
    cached: int | None = None
    seed: int = 0

    @property
    def head(self) -> int | None:
        """The turn that the next message follows."""
        return self.branches[self.branch]


def system_prompt(preamble: tuple[Message, ...]) -> str | None:
    """The system prompt of a preamble, None where it has none."""
    return next((one.content for one in preamble if one.role == "system"), None)
