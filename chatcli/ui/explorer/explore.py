"""What a command calls to have somebody explore: from a text on, or from a conversation."""

from __future__ import annotations

from dataclasses import replace

from chatcli.errors import UsageError
from chatcli.model.types import LanguageModel
from chatcli.probe.walk import Walk
from chatcli.sampling.random import draw_seed
from chatcli.sampling.types import SamplingConfig
from chatcli.text.visible import visible
from chatcli.ui.environment import Environment
from chatcli.ui.jsonl import json_line
from chatcli.ui.line.departure import tells_of_the_end

__all__ = ["explore"]

_TEXT = "Type or paste a text: what may come next follows. Esc, then ? shows the keys."
_CHAT = "Backspace gives tokens back, Enter takes another. Esc, then ? shows the keys."


def explore(
    env: Environment,
    model: LanguageModel,
    config: SamplingConfig,
    walk: Walk,
    *,
    special: bool = False,
) -> None:
    """Walk from where `walk` stands until the person leaves; then the text is written.

    A seed that `config` leaves open is drawn. Raises UsageError on a terminal that can't show
    a full screen. Where the terminal goes away, that is the end of it.
    """
    from chatcli.ui.explorer.app import Explorer, Left
    from chatcli.ui.explorer.shelf import StoreShelf
    from chatcli.ui.explorer.state import State

    if not env.cursor:
        raise UsageError(
            "the explorer needs a terminal that moves its cursor and shows UTF-8; "
            "give a PROMPT to see a table"
        )
    config = replace(config, seed=draw_seed() if config.seed is None else config.seed)
    checkpoint = model.checkpoint
    state = State(
        model.tokenizer, checkpoint.name, checkpoint.context_length, config, walk, special
    )
    state.say(_CHAT if walk.at.number else _TEXT)
    try:
        left: Left = Explorer(env, model, state, StoreShelf(checkpoint)).run()
    except Exception as error:
        if not tells_of_the_end(error):
            raise
        env.abandon()  # what is still buffered can go nowhere
        return
    if text := state.text:
        env.write(visible(text) + "\n")
    if left.ids:
        env.write(json_line({"ids": list(state.ids)}))
