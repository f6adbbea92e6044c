"""What keys do to an exploration: typing, taking and giving back, and letting the model run.

None of these waits for the model. What needs a table that isn't there yet says so, or, where
the model is to choose, happens once it is there (`advance`).
"""

from __future__ import annotations

from chatcli.engine.types import Step
from chatcli.probe.walk import By
from chatcli.sampling.types import Candidate
from chatcli.text.visible import token_label
from chatcli.ui.explorer.line import Line
from chatcli.ui.explorer.state import State

__all__ = [
    "advance",
    "back",
    "draw",
    "erase",
    "jump",
    "onward",
    "settle",
    "step_back",
    "stop",
    "take",
    "take_character",
    "type_text",
]

_BEHIND = "still reading …"
_UNREAD = "this text can't be read"


def type_text(state: State, text: str) -> None:
    """What was typed or pasted; bytes that aren't UTF-8 are left out."""
    clean = text.encode("utf-8", "ignore").decode().replace("\r\n", "\n").replace("\r", "\n")
    state.line = state.line.inserted(clean)


def erase(state: State) -> None:
    """The character before the cursor; where nothing is being typed, the last move."""
    if state.line.text:
        state.line = state.line.erased()
    else:
        back(state)


def settle(state: State) -> bool:
    """Make what was typed a move of the walk; False where its ids aren't known yet."""
    if not state.line.text:
        return True
    if state.behind or state.place is None:
        state.say(_waiting(state))
        return False
    ids = state.place.ids[len(state.walk.ids) :]
    if ids:
        state.walk.type(state.line.text, ids)
    state.line = Line()
    state.read_for = state.walk.ids, ""
    return True


def take(state: State) -> None:
    """The candidate in hand."""
    fall = state.fall
    if state.behind or fall is None:
        state.say(_waiting(state) if state.place is None or state.behind else "nothing to take")
    elif settle(state):
        _go(state, fall.candidate, "taken")


def take_character(state: State) -> None:
    """The likeliest tokens that lead to the character in hand."""
    found, waterfall = state.characters, state.waterfall
    if state.behind or found is None or waterfall is None or state.place is None:
        state.say(_waiting(state))
        return
    share = found.shares[state.character_at] if state.character_at < len(found.shares) else None
    if found.prompt_ids != state.place.ids or share is None or not share.paths:
        state.say("nothing to take")
    elif settle(state):
        first, *others = share.paths[0].tokens
        _go(state, waterfall.falls([first])[0].candidate, "taken")
        for token in others:
            state.walk.give((token,), "taken")


def back(state: State) -> None:
    """Give the last move back. Typed text can be typed on, less its last character."""
    left = state.walk.back()
    if left is None:
        state.say("this is where the walk begins")
    elif left.by == "typed":
        state.line = Line.of(left.text).erased()
    else:
        state.aim = left.ids[-1]


def step_back(state: State) -> None:
    """Give the last token back; what was typed stays as it is."""
    if state.line.text or state.walk.at.by == "typed":
        state.say("this was typed: Backspace erases it, i types on")
    else:
        back(state)


def onward(state: State) -> None:
    """Go again where the last step back came from."""
    if settle(state) and not state.walk.onward():
        state.say("nothing was taken from here yet")


def jump(state: State, number: int) -> None:
    """Go to a node of the tree."""
    if settle(state):
        state.walk.jump(number)


def draw(state: State, count: int) -> None:
    """Let the model take `count` tokens by the chain, -1: until a breakpoint."""
    if state.refusal:
        state.say(_UNREAD)
    elif count > 0 and state.run > 0:
        state.run += count
    else:
        state.run, state.starting = count, True
    advance(state)


def stop(state: State) -> None:
    """Take the run back, if there is one."""
    if state.run:
        state.run = 0
        state.say("stopped")


def advance(state: State) -> None:
    """The next token of a run, if there is one and its place has been read."""
    waterfall = state.waterfall
    if not state.run or state.behind or waterfall is None or not settle(state):
        return
    step = waterfall.step
    if state.run < 0 and not state.starting and (why := _reason(state, step, before=True)):
        _halt(state, why, step)
        return
    state.run -= state.run > 0
    state.starting = False
    _go(state, next(one for one in step.draw.candidates if one.token == step.token), "drawn")
    if step.token in state.tokenizer.eos_ids:
        state.run = 0
        state.say(f"{token_label(state.tokenizer, step.token)} ends the text")
    elif state.run < 0 and (why := _reason(state, step, before=False)):
        state.run = 0
        state.say(f"stopped: {why}")


def _waiting(state: State) -> str:
    return _UNREAD if state.refusal else _BEHIND


def _go(state: State, candidate: Candidate, by: By) -> None:
    waterfall = state.waterfall
    memory = waterfall.memory_after(candidate.token) if waterfall is not None else None
    state.walk.take(candidate, by)
    if memory is not None:
        state.memories[state.walk.at.number] = memory


def _halt(state: State, why: str, step: Step) -> None:
    """Stop before a token, with it in hand."""
    state.run = 0
    state.select(step.rank - 1)
    state.say(f"stopped before {token_label(state.tokenizer, step.token)}: {why}")


def _reason(state: State, step: Step, *, before: bool) -> str | None:
    text = state.tokenizer.token_bytes(step.token).decode("utf-8", "ignore")
    watched = {one.ids[0] for one in state.watching}
    reasons = (one.reason(step, text, watched) for one in state.breakpoints if one.before is before)
    return next(filter(None, reasons), None)
