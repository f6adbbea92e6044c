"""What is done to a tokenizer of the `tokenizers` package before texts are fed to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tokenizers import AddedToken, Tokenizer

from chatcli.text.tokenizer_files import TokenizerSettings

__all__ = ["declare_tokens", "inner_backend"]


def declare_tokens(backend: Tokenizer, settings: TokenizerSettings) -> None:
    """Add the tokens that the settings declare, under their own ids only, never new ones."""
    for number, token in settings.added:
        known = backend.token_to_id(token.content)
        if known == number or (known is None and number == backend.get_vocab_size()):
            backend.add_special_tokens([token]) if token.special else backend.add_tokens([token])
    named = dict.fromkeys((*settings.named.values(), *settings.additional))
    known_names = [text for text in named if backend.token_to_id(text) is not None]
    backend.add_special_tokens([AddedToken(text, normalized=False) for text in known_names])


def inner_backend(backend: Tokenizer, control: Sequence[AddedToken]) -> Tokenizer:
    """The backend for text that doesn't start the whole: no leading space is put there."""
    words = backend.pre_tokenizer
    if words is None or b'"first"' not in words.__getstate__():
        return backend
    settings = json.loads(backend.to_str())
    settings["pre_tokenizer"] = _never_first(settings["pre_tokenizer"])
    inner = Tokenizer.from_str(json.dumps(settings))
    inner.add_special_tokens(list(control))
    return inner


def _never_first(settings: Any) -> Any:
    """Pre-tokenizer settings with no leading space put anywhere."""
    if isinstance(settings, dict):
        return {
            key: "never" if (key, value) == ("prepend_scheme", "first") else _never_first(value)
            for key, value in settings.items()
        }
    return [_never_first(item) for item in settings] if isinstance(settings, list) else settings
