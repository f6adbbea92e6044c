"""Text out: Steps become Chunks of whole characters, cut at the first stop string.

A reply may go on from where it ended, and may outlive its context: then the caller says with
what shorter past it goes on, and text, stop strings and luck run through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from chatcli.engine.decode import Cancelled, Decoding, Top
from chatcli.engine.stop import StopMatcher
from chatcli.engine.types import Chunk, Usage
from chatcli.errors import UsageError
from chatcli.model.types import KVCache, LanguageModel
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig
from chatcli.text.types import Tokenizer

__all__ = ["Refit", "complete", "spoken", "stream"]

# All ids when the context is full → (fewer ids, how many of them are the prompt), or None.
Refit = Callable[[Sequence[int]], tuple[Sequence[int], int] | None]


def complete(
    model: LanguageModel,
    text: str,
    config: SamplingConfig,
    *,
    max_tokens: int = 128,
    stop: Sequence[str] = (),
    top: Top = 10,
    cache: KVCache | None = None,
    cancelled: Cancelled | None = None,
) -> Iterator[Chunk]:
    """Continue `text`. Raises as `stream` does, and UsageError where `text` has no tokens."""
    ids = model.tokenizer.encode(text, bos=True)
    if not ids:
        raise UsageError("the prompt is empty and this model has no start token; give some text")
    return stream(
        model,
        ids,
        SamplerChain(config),
        max_tokens=max_tokens,
        stop=stop,
        top=top,
        cache=cache,
        cancelled=cancelled,
    )


def stream(
    model: LanguageModel,
    ids: Sequence[int],
    chain: SamplerChain,
    *,
    max_tokens: int = 128,
    prompt_length: int | None = None,
    stop: Sequence[str] = (),
    top: Top = 10,
    cache: KVCache | None = None,
    cancelled: Cancelled | None = None,
    refit: Refit | None = None,
) -> Iterator[Chunk]:
    """Generate after `ids`: a Chunk for each token as it is drawn, then one with `finish`.

    A Chunk's text may be empty while a character or a possible stop string is still open.
    With `prompt_length`, `ids` from there on are a reply that goes on; what they spell was
    said before and doesn't come again (see `spoken`). Where the context ends, `refit` may give
    ids to go on with. Raises ContextError and UsageError before anything is fed; an error
    later comes after a Chunk with finish "error", which releases what was held back.
    """
    cache = model.new_cache() if cache is None else cache

    def decoding(ids: Sequence[int], prompt_length: int | None, limit: int) -> Decoding:
        return Decoding(
            model,
            ids,
            chain,
            max_tokens=limit,
            prompt_length=prompt_length,
            top=top,
            cache=cache,
            cancelled=cancelled,
        )

    speech = _Speech(model.tokenizer, ids[:prompt_length], stop)
    if prompt_length is not None:
        speech.repeat(ids[prompt_length:])
    return _chunks(decoding(ids, prompt_length, max_tokens), speech, refit, max_tokens, decoding)


def spoken(tokenizer: Tokenizer, prompt: Sequence[int], reply: Sequence[int]) -> str:
    """The text of a reply's ids, as far as its characters are whole."""
    detokenizer = tokenizer.detokenizer(tuple(prompt))
    return "".join(map(detokenizer.add, reply))


class _Speech:
    """Tokens in, text out that is sure to be said: whole characters, outside any stop string."""

    def __init__(self, tokenizer: Tokenizer, prompt: Sequence[int], stop: Sequence[str]) -> None:
        self._detokenizer = tokenizer.detokenizer(tuple(prompt))
        self._matcher = StopMatcher(stop)
        self._stop = stop
        self._said = 0  # characters to come that were said before

    @property
    def stopped(self) -> bool:
        return self._matcher.matched is not None

    def repeat(self, reply: Sequence[int]) -> None:
        """Take in what was said before, so that a character or a stop string can go on."""
        texts = list(map(self._detokenizer.add, reply))
        released = sum(len(self._matcher.feed(text)) for text in texts)
        if self.stopped:  # by a string that was no stop string then
            self._matcher = StopMatcher(self._stop)
        else:
            self._said = sum(map(len, texts)) - released

    def add(self, token: int) -> str:
        return self._unsaid(self._matcher.feed(self._detokenizer.add(token)))

    def finish(self) -> str:
        rest = self._matcher.feed(self._detokenizer.finish())
        return self._unsaid(rest + self._matcher.finish())

    def _unsaid(self, text: str) -> str:
        said = min(self._said, len(text))
        self._said -= said
        return text[said:]


def _chunks(
    decoding: Decoding,
    speech: _Speech,
    refit: Refit | None,
    max_tokens: int,
    again: Callable[[Sequence[int], int, int], Decoding],
) -> Iterator[Chunk]:
    before = Usage()  # of the stretches that ended with the context
    try:
        while True:
            for step in decoding:
                yield Chunk(speech.add(step.token), (step,), usage=before + decoding.usage)
                if speech.stopped:
                    yield Chunk("", finish="stop", usage=before + decoding.usage)
                    return
            fewer = refit(decoding.ids) if refit and decoding.finish == "context" else None
            if fewer is None:
                break
            before += decoding.usage
            decoding = again(*fewer, max_tokens - before.new_tokens)
    except Exception:
        yield Chunk(speech.finish(), finish="error", usage=before + decoding.usage)
        raise
    yield Chunk(speech.finish(), finish=decoding.finish, usage=before + decoding.usage)
