"""`chatcli probs` without a PROMPT: the explorer, on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chatcli.cli import Status
from chatcli.cli.options import ModelFlags, load_model, sampling_config
from chatcli.cli.prompting import PromptFileFlags, PromptFlags
from chatcli.errors import UsageError

if TYPE_CHECKING:
    from chatcli.ui.environment import Environment

__all__ = ["explore_text"]


def explore_text(
    env: Environment,
    how: PromptFlags,
    file: PromptFileFlags,
    which: ModelFlags,
    given: Mapping[str, Any],
    *,
    json: bool,
) -> int:
    """Have a person explore from an empty text. Raises UsageError where nobody can."""
    if json or not env.interactive:
        raise UsageError("no PROMPT to look behind; give a text, or - to read it from stdin")
    if how.chat or how.prefill is not None or file.prompt_file is not None:
        flag = "--chat" if how.chat else "--prefill" if how.prefill is not None else "--prompt"
        raise UsageError(f"{flag} needs a PROMPT; in a chat, /explore walks through a reply")
    model = load_model(which, env.say)

    from chatcli.probe.spelling import starting_ids
    from chatcli.probe.walk import Walk
    from chatcli.ui.explorer.explore import explore

    config = sampling_config(given, model.checkpoint.path)
    explore(env, model, config, Walk(starting_ids(model.tokenizer)), special=how.special)
    return Status.DONE
