"""Getting a model's words: greedy answers no longer than is looked at, and sampled replies.

A question that doesn't fit in the model's context is answered with nothing, which counts as
a miss. Judging what was said is left to `matching`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from chatcli.chat.conversation import Conversation
from chatcli.engine.stream import complete
from chatcli.engine.types import Chunk, Finish
from chatcli.errors import ContextError
from chatcli.model.types import LanguageModel
from chatcli.probe.perplexity import whole_perplexity
from chatcli.probe.score import score
from chatcli.sampling.types import SamplingConfig
from chatcli.train.evaluation.matching import LOOKAHEAD
from chatcli.train.evaluation.scores import Passage

__all__ = ["Talk", "Turn", "answer", "continuation", "passage", "seeded", "talk"]

GREEDY = SamplingConfig(temperature=0)


@dataclass(frozen=True, slots=True)
class Turn:
    """What the user said, what the model replied, and how that ended."""

    said: str
    reply: str
    finish: Finish | None


@dataclass(frozen=True, slots=True)
class Talk:
    """One sampled conversation; `id` and `language` are those of its question."""

    id: str
    language: str
    turns: tuple[Turn, ...]


def continuation(model: LanguageModel, text: str, *, tokens: int, window: int) -> str:
    """How `text` goes on, greedily: at most `tokens`, and no more than a `window` needs."""
    try:
        return _opening(complete(model, text, GREEDY, max_tokens=tokens, top=0), window)
    except ContextError:
        return ""


def answer(model: LanguageModel, turns: Sequence[str], *, tokens: int, window: int) -> str:
    """The greedy reply to the last of `turns`, all of which are answered."""
    conversation = Conversation(model, GREEDY)
    try:
        for turn in turns[:-1]:
            _whole(conversation.ask(turn, max_tokens=tokens, top=0))
        return _opening(conversation.ask(turns[-1], max_tokens=tokens, top=0), window)
    except ContextError:
        return ""


def talk(
    model: LanguageModel, turns: Sequence[str], config: SamplingConfig, *, tokens: int
) -> tuple[Turn, ...]:
    """Every turn answered under `config`; it ends early where the context is full."""
    conversation = Conversation(model, config)
    said: list[Turn] = []
    for turn in turns:
        try:
            reply, finish = _whole(conversation.ask(turn, max_tokens=tokens, top=0))
        except ContextError:
            reply, finish = "", "context"
        said.append(Turn(turn, reply, finish))
        if finish == "context":
            break
    return tuple(said)


def seeded(config: SamplingConfig, seed: int, index: int) -> SamplingConfig:
    """`config` with a seed of its own for each conversation, so that their luck differs."""
    return replace(config, seed=(seed + index) % 2**64)


def passage(model: LanguageModel, text: str) -> Passage:
    """The bits of all tokens of `text` after the document start.

    A text longer than the context is read in pieces that begin with the last token before.
    """
    ids, context = model.tokenizer.encode(text, bos=True), model.checkpoint.context_length
    found = score(model, ids, stride=context)
    return Passage(whole_perplexity(found).bits, len(text))


def _opening(chunks: Iterable[Chunk], window: int) -> str:
    """The text of a stream, left as soon as it is long enough to be judged."""
    text = ""
    for chunk in chunks:
        text += chunk.text
        if len(text.lstrip()) >= window + LOOKAHEAD:
            break
    return text


def _whole(chunks: Iterable[Chunk]) -> tuple[str, Finish | None]:
    text, finish = "", None
    for chunk in chunks:
        text, finish = text + chunk.text, chunk.finish
    return text, finish
