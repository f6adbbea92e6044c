"""What `chatcli probs` is asked about the place behind a prompt, and how it is answered.

The prompt is read once, whatever is asked: by the next token, the next character or the token
that a seed draws, and by strings that are watched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typer import Context

from chatcli.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from chatcli.model.types import KVCache, LanguageModel
    from chatcli.sampling.types import SamplingConfig
    from chatcli.ui.environment import Environment

__all__ = ["Question", "answer", "refuse_questions"]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: of characters or of tokens, for what a seed draws, after which strings."""

    characters: bool
    after_chain: bool
    explain: bool
    watch: tuple[str, ...]
    top: int

    def check(self) -> None:
        """Raises UsageError on questions that can't be asked, or not together."""
        if self.characters and self.explain:
            raise UsageError("--characters and --explain are two questions; drop one")
        if self.after_chain and not self.characters:
            raise UsageError("--after-chain needs --characters: the table of tokens shows both")
        for text in self.watch:
            try:
                text.encode("utf-8")
            except UnicodeEncodeError as error:
                raise UsageError(
                    f"--watch isn't UTF-8: undecodable byte at character {error.start:,}; "
                    "convert it first (iconv -t utf-8)"
                ) from error


def refuse_questions(ctx: Context) -> None:
    """What is asked about one place needs a PROMPT that leads there; raises UsageError."""
    for name in ("characters", "after_chain", "explain", "watch"):
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} needs a PROMPT; give a text, or - to read it from stdin")


@dataclass(frozen=True, slots=True)
class _Place:
    """A prompt that was read, and what is needed to answer for what follows it."""

    model: LanguageModel
    text: str
    ids: Sequence[int]
    config: SamplingConfig
    cache: KVCache
    logits: Tensor


def answer(
    env: Environment,
    model: LanguageModel,
    text: str,
    ids: Sequence[int],
    config: SamplingConfig,
    question: Question,
    *,
    json: bool,
) -> None:
    """Write the answer. Raises UsageError on a watched string that the tokenizer can't spell."""
    from chatcli.probe.next_token import next_logits
    from chatcli.probe.watch import watched, watched_probs
    from chatcli.ui.jsonl import json_line
    from chatcli.ui.probs_json import sighting_object
    from chatcli.ui.watch_table import show_watched

    strings = [watched(model.tokenizer, one) for one in question.watch]
    cache = model.new_cache()
    place = _Place(model, text, ids, config, cache, next_logits(model, ids, cache))
    seen = watched_probs(model, ids, place.logits, strings, cache) or ()
    ask = _characters if question.characters else _explanation if question.explain else _tokens
    found = ask(env, place, question, json)
    if found is not None:
        watch = {"watch": [sighting_object(one) for one in seen]} if seen else {}
        env.write(json_line({**found, **watch}))
    elif seen:
        show_watched(env, seen, model.tokenizer)


def _tokens(
    env: Environment, place: _Place, question: Question, json: bool
) -> dict[str, Any] | None:
    from chatcli.probe.next_token import next_token
    from chatcli.ui.jsonl import next_token_object
    from chatcli.ui.probs_table import show_probs

    model = place.model
    found = next_token(model, place.ids, place.config, logits=place.logits, top=question.top)
    if json:
        return next_token_object(model.checkpoint.name, place.text, found, model.tokenizer)
    show_probs(env, place.text, found, model.tokenizer)
    return None


def _characters(
    env: Environment, place: _Place, question: Question, json: bool
) -> dict[str, Any] | None:
    from chatcli.probe.next_character import next_character
    from chatcli.sampling.chain import SamplerChain
    from chatcli.ui.characters_table import show_characters
    from chatcli.ui.probs_json import next_character_object

    model = place.model
    found = next_character(
        model,
        place.ids,
        cache=place.cache,
        logits=place.logits,
        chain=SamplerChain(place.config) if question.after_chain else None,
        top=question.top,
    )
    if json:
        return next_character_object(model.checkpoint.name, place.text, found, model.tokenizer)
    show_characters(env, place.text, found, model.tokenizer)
    return None


def _explanation(
    env: Environment, place: _Place, question: Question, json: bool
) -> dict[str, Any] | None:
    from chatcli.probe.explain import explain
    from chatcli.sampling.chain import SamplerChain
    from chatcli.ui.explanation import show_explanation
    from chatcli.ui.probs_json import explanation_object

    model, ids = place.model, place.ids
    found = explain(SamplerChain(place.config), model.tokenizer, place.logits, ids)
    if json:
        name = model.checkpoint.name
        return explanation_object(name, place.text, ids, found, model.tokenizer)
    show_explanation(env, place.text, len(ids), found, model.tokenizer)
    return None
