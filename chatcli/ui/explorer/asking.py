"""The small line: what it asks for, and what an answer does. An error leaves it open."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from chatcli.chat.types import Settings
from chatcli.errors import ChatcliError, UsageError
from chatcli.probe.breakpoints import parse_breakpoints, spell_breakpoints
from chatcli.probe.walk import Walk
from chatcli.probe.watch import watched
from chatcli.ui.commands.values import changed
from chatcli.ui.explorer.line import Line
from chatcli.ui.explorer.moves import settle
from chatcli.ui.explorer.state import Ask, AskKind, State

__all__ = ["PROMPTS", "Shelf", "answer", "ask", "seek"]


class Shelf(Protocol):
    """Where explorations are kept, by name. Raises StoreError."""

    def names(self) -> tuple[str, ...]:
        """Those that can be opened here, the newest first."""
        ...

    def holds(self, name: str) -> bool:
        """Whether anything has that name, also what can't be opened here."""
        ...

    def save(self, name: str, walk: Mapping[str, Any]) -> None:
        """Keep it, in place of what had that name."""
        ...

    def load(self, name: str) -> Mapping[str, Any]: ...

    def delete(self, name: str) -> None: ...


PROMPTS: Mapping[AskKind, str] = {
    "search": "find a text or an id",
    "watch": "watch a text",
    "break": "stop where",
    "set": "set",
    "name": "name this place",
    "save": "save as",
    "open": "open",
    "delete": "delete from the store",
}


def ask(state: State, kind: AskKind, shelf: Shelf) -> None:
    """Open the small line, with what there is to change already in it."""
    state.ask = Ask(kind, Line.of(_first(state, kind)))
    if kind in ("open", "delete"):
        state.say(f"saved: {', '.join(shelf.names()) or 'nothing yet'}")


def answer(state: State, shelf: Shelf) -> None:
    """Do what the small line says."""
    asked = state.ask
    if asked is None:
        return
    try:
        _ANSWERS[asked.kind](_Answer(state, shelf, asked.line.text, asked.replacing))
    except ChatcliError as error:
        state.say(str(error))
    else:
        state.ask = None


def seek(state: State, forward: bool) -> None:
    """The next token, by rank, of those that were searched for."""
    if state.found is None or state.place is None:
        return
    if not state.found:
        state.say(f"no token has {state.query!r} in it" if state.query else "/ finds a token")
        return
    ranks = sorted(state.place.ranks[list(state.found)].tolist())  # 1-based
    now = state.selected + 1
    index = bisect_right(ranks, now) if forward else bisect_left(ranks, now) - 1
    state.select(ranks[index % len(ranks)] - 1)
    state.say(f"{index % len(ranks) + 1:,} of {len(ranks):,} tokens with {state.query!r}")


@dataclass(frozen=True, slots=True)
class _Answer:
    state: State
    shelf: Shelf
    text: str
    replacing: str


def _first(state: State, kind: AskKind) -> str:
    if kind == "break":
        return spell_breakpoints(state.breakpoints)
    if kind == "name":
        return state.walk[state.tree_at if state.view == "tree" else state.walk.at.number].name
    return ""


def _search(given: _Answer) -> None:
    """Looking for it takes a while, and is the app's business."""
    given.state.query, given.state.found = given.text, None if given.text else frozenset()


def _watch(given: _Answer) -> None:
    """A text that is watched already isn't any more."""
    state, text = given.state, given.text
    kept = tuple(one for one in state.watching if one.text != text)
    if len(kept) == len(state.watching):
        kept = (*kept, watched(state.tokenizer, text))
    state.watching = kept


def _break(given: _Answer) -> None:
    given.state.breakpoints = parse_breakpoints(given.text)


def _set(given: _Answer) -> None:
    """ "temperature 0.7", or several with commas between them."""
    state = given.state
    words = given.text.replace("=", " ").split(maxsplit=1)
    if len(words) != 2:
        raise UsageError(f"a setting and its value, such as temperature 0.7; got {given.text!r}")
    key, value = words
    if key in ("max_tokens", "stop", "overflow"):
        raise UsageError(f"{key} is for replies; here keys and breakpoints say where it ends")
    settings = changed(Settings(sampling=state.config), {key: value}, Settings())
    if settings.sampling.seed is None:
        raise UsageError("seed is a number here; S draws another one")
    state.configure(settings.sampling)


def _name(given: _Answer) -> None:
    state = given.state
    if state.view == "tree":
        state.walk.name(state.tree_at, given.text.strip())
    elif settle(state):
        state.walk.name(state.walk.at.number, given.text.strip())


def _save(given: _Answer) -> None:
    """What belongs to another walk is replaced only when Enter is pressed again."""
    name, state = _named(given), given.state
    known = given.shelf.holds(name)
    if known and name not in (state.saved_as, given.replacing):
        state.ask = Ask("save", Line.of(given.text), replacing=name)
        raise UsageError(f"{name!r} is another walk; Enter again replaces it, Esc keeps it")
    given.shelf.save(name, state.walk.to_plain())
    state.say(f"saved as {name}, in place of what it was" if known else f"saved as {name}")
    state.saved_as = name


def _open(given: _Answer) -> None:
    state = given.state
    name = _named(given)
    state.walk, state.saved_as = Walk.from_plain(given.shelf.load(name)), name
    state.line = Line()
    state.memories.clear()
    state.tree_at, state.tree_mark = state.walk.at.number, None


def _delete(given: _Answer) -> None:
    name = _named(given)
    if name not in given.shelf.names():
        raise UsageError(f"no exploration {name!r} is kept")
    given.shelf.delete(name)
    if name == given.state.saved_as:
        given.state.saved_as = ""
    given.state.say(f"{name} is deleted")


def _named(given: _Answer) -> str:
    if name := given.text.strip():
        return name
    raise UsageError("a name is needed")


_ANSWERS: Mapping[AskKind, Callable[[_Answer], None]] = {
    "search": _search,
    "watch": _watch,
    "break": _break,
    "set": _set,
    "name": _name,
    "save": _save,
    "open": _open,
    "delete": _delete,
}
