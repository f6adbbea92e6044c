"""/explore: a walk through what a reply is, and what it might have been."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chatcli.chat.types import Turn
from chatcli.errors import UsageError
from chatcli.probe.walk import Walk
from chatcli.ui.commands.registry import Command
from chatcli.ui.commands.views import numbered_turn, turn_numbers
from chatcli.ui.explorer.explore import explore

if TYPE_CHECKING:
    from chatcli.ui.repl import Repl

__all__ = ["COMMANDS"]


def _explore(repl: Repl, argument: str) -> bool:
    if not repl.env.interactive:
        raise UsageError("/explore needs a terminal")
    talk = repl.talk
    if argument or talk.path:
        walk = _reply_walk(repl, *numbered_turn(repl, argument, "explore"))
    else:
        walk = Walk(talk.prompt_ids())
    config = talk.config
    seed = talk.session.seed if config.seed is None else config.seed
    explore(repl.env, talk.model, replace(config, seed=seed), walk)
    return True


def _reply_walk(repl: Repl, number: int, turn: Turn) -> Walk:
    """At the end of a turn's reply; each of its tokens is a move that can be given back."""
    if not turn.answered:
        raise UsageError(f"turn {number} has no reply")
    talk = repl.talk
    if not turn.runs or any(run.origin.digest != talk.origin.digest for run in turn.runs):
        raise UsageError(
            f"turn {number} was written by another checkpoint than {talk.origin.name}, whose ids "
            "mean something else; /retry writes another reply"
        )
    ids = talk.tree.ids(turn.id)
    reply = list(ids[turn.prompt_length :])
    while reply and reply[-1] in talk.model.tokenizer.eos_ids:
        reply.pop()
    walk = Walk(ids[: turn.prompt_length])
    for token in reply:
        walk.give((token,), "drawn")
    return walk


COMMANDS = (
    Command(
        "explore",
        "[N]",
        "walk through the last reply, or turn N's, and what it might have been",
        "Looking",
        _explore,
        turn_numbers,
        "a full screen: Backspace gives tokens back, Enter takes another, ? shows the keys; the\n"
        "conversation stays as it is",
    ),
)
