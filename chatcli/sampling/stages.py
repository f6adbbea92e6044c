"""The table of what stages compute: pure functions from a pool's logits to new logits.

A stage gets the tokens still in play, returns a row of the same length with -inf where it
removes one, and leaves its input untouched; the order, the draw and the traces are the
chain's. Every formula is the one of transformers' logits processors or of llama.cpp's
samplers. When a stage runs, and what it is for, is in `catalog`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chatcli.sampling import bans, ends, filters, penalties
from chatcli.sampling.context import Context
from chatcli.sampling.pool import Pool, Row

__all__ = ["LESSONS", "STAGES", "Apply", "Learn"]

Apply = Callable[[Pool, Context], Row]
Learn = Callable[[Pool, Pool, int, Context], tuple[float, ...]]

STAGES: Mapping[str, Apply] = {
    "logit_bias": bans.logit_bias,
    "sequence_bias": bans.sequence_bias,
    "bad_words": bans.bad_words,
    "min_length": bans.min_length,
    "min_new_tokens": bans.min_new_tokens,
    "allowed": bans.allowed,
    "repetition_penalty": penalties.repetition_penalty,
    "frequency_penalty": penalties.frequency_penalty,
    "presence_penalty": penalties.presence_penalty,
    "dry": penalties.dry,
    "no_repeat_ngram": penalties.no_repeat_ngram,
    "top_n_sigma": filters.top_n_sigma,
    "temperature": filters.temperature,
    "top_h": filters.top_h,
    "top_k": filters.top_k,
    "top_p": filters.top_p,
    "min_p": filters.min_p,
    "typical_p": filters.typical_p,
    "epsilon": filters.epsilon,
    "eta": filters.eta,
    "p_less": filters.p_less,
    "xtc": filters.xtc,
    "adaptive_p": ends.adaptive_p,
    "mirostat": ends.mirostat,
}

# What a stage remembers for the next position, from the pools before and after it and a token.
LESSONS: Mapping[str, Learn] = {
    "adaptive_p": ends.learn_adaptive_p,
    "mirostat": ends.learn_mirostat,
}
