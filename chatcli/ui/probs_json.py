"""What `chatcli probs` answers with --characters, --explain and --watch, as JSON.

Names are as in the records; the next token's own object is in `jsonl`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chatcli.probe.explain import Explanation, Slice
from chatcli.probe.next_character import NextCharacter, Path
from chatcli.probe.watch import Sighting
from chatcli.text.types import Tokenizer
from chatcli.ui.jsonl import record_object

__all__ = ["explanation_object", "next_character_object", "sighting_object"]


def next_character_object(
    model: str, prompt: str, found: NextCharacter, tokenizer: Tokenizer
) -> dict[str, Any]:
    """The one object of `chatcli probs --characters --json`; `pending` in hex."""
    return {
        "model": model,
        "prompt": prompt,
        "prompt_ids": list(found.prompt_ids),
        "pending": found.pending.hex(),
        "chain": found.chain,
        "passes": found.passes,
        "others": found.others,
        "shares": [
            {
                **record_object(share),
                "paths": [_path_object(path, tokenizer) for path in share.paths],
            }
            for share in found.shares
        ],
    }


def explanation_object(
    model: str, prompt: str, ids: Sequence[int], found: Explanation, tokenizer: Tokenizer
) -> dict[str, Any]:
    """The one object of `chatcli probs --explain --json`."""
    slices = (found.drawn, found.runner_up)
    drawn, runner_up = (one and _slice_object(one, tokenizer) for one in slices)
    return {
        "model": model,
        "prompt": prompt,
        "prompt_ids": list(ids),
        "chain": found.chain,
        "seed": found.seed,
        "sampling": {**found.config.to_dict(), "seed": found.seed},
        "u": found.u,
        "drawn": drawn,
        "runner_up": runner_up,
        "changes": [
            {
                **record_object(one),
                "text": None if one.token is None else _text(one.token, tokenizer),
            }
            for one in found.changes
        ],
    }


def sighting_object(seen: Sighting) -> dict[str, Any]:
    """A watched string: its ids, their probabilities one after the other, and its own."""
    return {
        "text": seen.watched.text,
        "ids": list(seen.watched.ids),
        "probs": list(seen.probs),
        "prob": seen.prob,
        "bits": seen.bits,
        "rank": seen.rank,
    }


def _path_object(path: Path, tokenizer: Tokenizer) -> dict[str, Any]:
    raw = b"".join(map(tokenizer.token_bytes, path.tokens))
    return {"tokens": list(path.tokens), "bytes": raw.hex(), "prob": path.prob}


def _slice_object(one: Slice, tokenizer: Tokenizer) -> dict[str, Any]:
    return {**record_object(one), "prob": one.prob, "text": _text(one.token, tokenizer)}


def _text(token: int, tokenizer: Tokenizer) -> str:
    return tokenizer.token_bytes(token).decode("utf-8", "replace")
