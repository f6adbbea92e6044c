"""Text out: Steps become Chunks of whole characters, cut at the first stop string."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chatcli.engine.decode import Cancelled, Decoding, Top
from chatcli.engine.stop import StopMatcher
from chatcli.engine.types import Chunk
from chatcli.errors import UsageError
from chatcli.model.types import KVCache, LanguageModel
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig

__all__ = ["complete", "stream"]


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
    stop: Sequence[str] = (),
    top: Top = 10,
    cache: KVCache | None = None,
    cancelled: Cancelled | None = None,
) -> Iterator[Chunk]:
    """Generate after `ids`: a Chunk for each token as it is drawn, then one with `finish`.

    A Chunk's text may be empty while a character or a possible stop string is still open.
    Raises ContextError and UsageError before anything is fed; an error later comes after a
    Chunk with finish "error", which releases what was held back.
    """
    decoding = Decoding(
        model, ids, chain, max_tokens=max_tokens, top=top, cache=cache, cancelled=cancelled
    )
    return _chunks(model, decoding, StopMatcher(stop))


def _chunks(model: LanguageModel, decoding: Decoding, matcher: StopMatcher) -> Iterator[Chunk]:
    detokenizer = model.tokenizer.detokenizer(tuple(decoding.ids))
    try:
        for step in decoding:
            text = matcher.feed(detokenizer.add(step.token))
            yield Chunk(text, (step,), usage=decoding.usage)
            if matcher.matched is not None:
                yield Chunk("", finish="stop", usage=decoding.usage)
                return
    except Exception:
        rest = matcher.feed(detokenizer.finish()) + matcher.finish()
        yield Chunk(rest, finish="error", usage=decoding.usage)
        raise
    rest = matcher.feed(detokenizer.finish()) + matcher.finish()
    yield Chunk(rest, finish=decoding.finish, usage=decoding.usage)
