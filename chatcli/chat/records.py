"""What is worth saying of a kept conversation, in words: its title, its facts, each reply's.

Plain strings for exports and transcripts; nothing here is made inert or laid out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime

from chatcli.chat.types import Session, Turn
from chatcli.errors import StoreError
from chatcli.sampling.types import SamplingConfig

__all__ = [
    "CHANGED",
    "ENDED",
    "branch_path",
    "end_of",
    "facts_of",
    "model_of",
    "moment",
    "said",
    "sampling_words",
    "title_of",
    "was_cut",
]

_OFF = SamplingConfig()
_ENDS = {"length": "cut at its limit", "context": "cut at the end of the context"}
# What stands in an export before the turn from which on another system prompt holds, or none.
CHANGED = "another system prompt from here on"
ENDED = "no system prompt from here on"
_TITLE = 60  # characters of the first message


def branch_path(turns: Iterable[Turn], session: Session, branch: str | None = None) -> list[Turn]:
    """The turns of a branch (None: the one in hand), oldest first.

    An end that no branch leads to is "@" and the first digits of its turn's id, as many as tell
    it from others. A message that still waits for its reply comes last. Raises StoreError on a
    branch that doesn't exist, or that doesn't lead to a first turn.
    """
    name = session.branch if branch is None else branch
    by_id = {turn.id: turn for turn in turns}
    head = _end(by_id, session, name)
    later = [turn for turn in by_id.values() if turn.parent == head]
    path: dict[int, Turn] = {}
    at = head
    while at is not None:
        if at in path or at not in by_id:
            raise StoreError(f"branch {name!r} is damaged: turn {at} is not where it should be")
        path[at] = by_id[at]
        at = by_id[at].parent
    waiting = later[-1:] if later and not later[-1].answered else []
    return [*reversed(path.values()), *waiting]


def _end(turns: Mapping[int, Turn], session: Session, name: str) -> int | None:
    """The newest turn of a branch, or of the unnamed end that is meant."""
    if name in session.branches:
        return session.branches[name]
    held = {turn.parent for turn in turns.values() if turn.answered}
    held |= set(session.branches.values())
    ends = {
        f"@{turn.id:014x}": turn.id
        for turn in turns.values()
        if turn.answered and turn.id not in held
    }
    meant = [end for end in ends if len(name) > 1 and end.startswith(name)]
    if len(meant) == 1:
        return ends[meant[0]]
    if meant:
        raise StoreError(f"{name!r} may be any of {', '.join(meant)}; give more of it")
    shown = ", ".join([*sorted(session.branches), *(end[:6] for end in ends)])
    raise StoreError(f"there is no branch {name!r}; there are {shown}")


def title_of(session: Session, turns: Sequence[Turn]) -> str:
    """The session's name, else the beginning of its first message, else its id."""
    begun = " ".join(turns[0].user.split()) if turns else ""
    clipped = begun if len(begun) <= _TITLE else begun[: _TITLE - 1] + "…"
    return session.name or clipped or session.id


def facts_of(session: Session) -> list[str]:
    """When it began, on which branch it is, and what loads its model."""
    branch = [] if session.branch == "main" else [f"branch {session.branch}"]
    return [f"session {session.id}", moment(session.created), *branch, f"model {session.model}"]


def moment(seconds: float) -> str:
    """A time as the user's clock shows it: "2026-03-01 09:30"."""
    try:
        return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):  # damaged: a time that no calendar has
        return "at an unknown time"


def model_of(turn: Turn) -> str:
    """Who replied: the checkpoint of the newest run."""
    return turn.runs[-1].origin.name if turn.runs else "assistant"


def said(turn: Turn) -> list[str]:
    """What a reply was made with, and how it ended; nothing where that isn't known."""
    if not turn.runs:
        return []
    last = turn.runs[-1]
    count = turn.new_tokens
    tokens = f"{count:,} token" + ("" if count == 1 else "s")
    again = [f"in {len(turn.runs)} stretches"] if len(turn.runs) > 1 else []
    digest = f"{last.origin.name} {last.origin.digest[:12]}".strip()
    return [digest, sampling_words(last.sampling), tokens, *again, end_of(turn)]


def end_of(turn: Turn) -> str:
    """How a reply ended, in words; a cut that isn't recorded is a process that was killed."""
    return _ENDS.get(turn.finish or "", turn.finish or "cut off")


def was_cut(turn: Turn) -> bool:
    """Whether the model would have said more; never of a text that was read from elsewhere."""
    return bool(turn.runs) and turn.finish not in ("eos", "stop")


def sampling_words(config: SamplingConfig) -> str:
    """The settings that do something: "temperature 0.8, top_k 40, seed 7"."""
    if config.greedy:
        return "greedy"
    given = (field.name for field in fields(config))
    changed = [name for name in given if getattr(config, name) != getattr(_OFF, name)]
    names = changed if "temperature" in changed else ["temperature", *changed]
    return ", ".join(f"{name} {_word(getattr(config, name))}" for name in names)


def _word(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{_word(key)}={_word(each)}" for key, each in value.items())
    if isinstance(value, tuple | frozenset):
        return ",".join(map(_word, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
