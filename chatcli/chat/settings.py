"""How settings change as a whole: a system prompt comes or goes, a prompt file is applied.

What single settings may be is checked by SamplingConfig; how they are typed is left to `ui`
and `cli`.
"""

from __future__ import annotations

from dataclasses import replace

from chatcli.chat.types import Settings
from chatcli.errors import PromptFileError, SamplingError
from chatcli.sampling.types import SamplingConfig
from chatcli.text.prompts import BoundPrompt, PromptFile
from chatcli.text.types import Message

__all__ = ["apply_prompt", "around", "drop_prompt", "inside", "with_system"]


def with_system(settings: Settings, text: str) -> Settings:
    """Another system prompt, "" for none; the examples of a prompt file stay."""
    others = tuple(one for one in settings.preamble if one.role != "system")
    system = (Message("system", text),) if text else ()
    return replace(settings, preamble=system + others)


def apply_prompt(settings: Settings, prompt: BoundPrompt) -> Settings:
    """The settings under a prompt file: all that it says holds, what it doesn't say stays.

    What an earlier prompt file said to the model goes. Raises PromptFileError where its
    sampling settings are no settings, or out of range.
    """
    try:
        plain = {**settings.sampling.to_dict(), **prompt.sampling}
        sampling = SamplingConfig.from_dict(plain)
    except SamplingError as error:
        raise PromptFileError(f"the prompt {prompt.name}: {error}") from error
    return replace(
        settings,
        sampling=sampling,
        max_tokens=prompt.max_tokens or settings.max_tokens,
        stop=prompt.stop,
        prefill=prompt.prefill,
        preamble=prompt.preamble,
        before=prompt.before,
        after=prompt.after,
        prompt=prompt.name,
    )


def drop_prompt(settings: Settings, prompt: PromptFile | None, before: Settings) -> Settings:
    """Nothing said before or around the messages.

    What `prompt` brought besides is as in `before` again, where it wasn't changed since; all
    of that stays where the file is None: not known any more.
    """
    plain = replace(settings, prefill="", preamble=(), before="", after="", prompt=None)
    if prompt is None:
        return plain
    brought = SamplingConfig.from_dict({**settings.sampling.to_dict(), **prompt.sampling})
    back = {
        key: getattr(before.sampling, key)
        for key in prompt.sampling
        if getattr(settings.sampling, key) == getattr(brought, key)
    }
    return replace(
        plain,
        sampling=replace(settings.sampling, **back),
        stop=before.stop if settings.stop == prompt.stop else settings.stop,
        max_tokens=before.max_tokens
        if settings.max_tokens == prompt.max_tokens
        else settings.max_tokens,
    )


def around(settings: Settings, typed: str) -> str:
    """The message that the model gets for what was typed."""
    return settings.before + typed + settings.after


def inside(settings: Settings, message: str) -> str:
    """What was typed for a message; all of it where it was sent without a prompt file."""
    before, after = settings.before, settings.after
    wrapped = message.startswith(before) and message.endswith(after)
    return message[len(before) : len(message) - len(after)] if wrapped else message
