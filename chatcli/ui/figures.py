"""The figures that stay when a reply is over: its cost, its surprise, and how to repeat it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chatcli.ui.folding import fold

if TYPE_CHECKING:
    from chatcli.engine.types import Finish, Step, Usage
    from chatcli.model.types import LanguageModel
    from chatcli.sampling.chain import SamplerChain

__all__ = ["context_use", "count", "figures", "mark", "nearly_full"]


def figures(
    steps: Sequence[Step],
    finish: Finish | None,
    usage: Usage,
    model: LanguageModel,
    chain: SamplerChain,
    columns: int,
) -> str:
    """One line, folded where it is longer than `columns` cells."""
    return "\n".join(fold(_items(steps, finish, usage, model, chain), columns))


def _items(
    steps: Sequence[Step],
    finish: Finish | None,
    usage: Usage,
    model: LanguageModel,
    chain: SamplerChain,
) -> list[str]:
    items = [count(usage.new_tokens, "token") + (f", {finish}" if finish else "")]
    if usage.tokens_per_second:
        items.append(f"{usage.tokens_per_second:,.0f} tok/s")
    reused = f" ({usage.reused_tokens:,} reused)" if usage.reused_tokens else ""
    items.append(f"prompt {usage.prompt_tokens:,}{reused}")
    if steps:
        entropy = sum(step.entropy_bits for step in steps) / len(steps)
        items.append(f"entropy {entropy:.2f} bits")
    used = usage.prompt_tokens + usage.new_tokens
    items.append(f"context {context_use(used, model.checkpoint.context_length)}")
    if not chain.config.greedy:
        items.append(f"seed {chain.seed}")
    return [*items, chain.describe()]


def context_use(tokens: int, context: int) -> str:
    """ "19/2,048". A token drawn when the context is full ends the text and is never held."""
    use = f"{min(tokens, context):,}/{context:,}"
    if not nearly_full(tokens, context):
        return use
    return f"{use}, nearly full" if tokens < context else f"{use}, full"


def nearly_full(tokens: int, context: int) -> bool:
    """Whether the last eighth of the context is in use."""
    return tokens * 8 >= context * 7


def mark(finish: Finish | None, tokens: int) -> str | None:
    """What is said of a reply of `tokens` that didn't come to its own end; None if it did."""
    return {
        None: "broken off",
        "error": "broken off by an error",
        "interrupted": "interrupted",
        "length": f"cut at {count(tokens, 'token')}",
        "context": "cut where the context is full",
    }.get(finish)


def count(number: int, noun: str) -> str:
    """ "1 token", "2,048 tokens"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
