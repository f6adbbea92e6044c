"""What every engine checks of its callers' input, in one wording."""

from __future__ import annotations

from collections.abc import Sequence

from chatcli.errors import CheckpointError, UsageError

__all__ = ["check_ids", "context_in_force"]

CONTEXT_UNNAMED = 2048  # for a model without a limit of its own, such as a recurrent one


def check_ids(ids: Sequence[int], vocab_size: int) -> None:
    """Raises ValueError on no ids, CheckpointError on one outside the vocabulary."""
    if not ids:
        raise ValueError("forward needs at least one id")
    for token in (min(ids), max(ids)):
        if not 0 <= token < vocab_size:
            raise CheckpointError(
                f"token id {token} is outside the model's vocabulary of {vocab_size:,}: "
                "the tokenizer and the weights don't belong together"
            )


def context_in_force(own: int | None, wanted: int | None) -> int:
    """The `wanted` tokens of context, or the checkpoint's `own`; UsageError if out of range."""
    if wanted is None:
        return own or CONTEXT_UNNAMED
    if wanted < 1 or (own and wanted > own):
        raise UsageError(f"context {wanted}: the checkpoint's own is {own}; ask for 1 to {own}")
    return wanted
