"""Watched strings: the chain rule against brute force, and strings that can't be spelt."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from chatcli.errors import UsageError
from chatcli.model.load import load
from chatcli.probe.spelling import continuing
from chatcli.probe.watch import watched, watched_probs
from tests.fakes import ByteTokenizer, ScriptedModel


def test_a_string_has_the_product_of_its_tokens(tiny: Path) -> None:
    model = load(str(tiny))
    ids = model.tokenizer.encode("the highest")
    cache = model.new_cache()
    logits = model.forward(ids, cache, last=True)[-1]
    string = watched(model.tokenizer, "山峰!")
    sightings = watched_probs(model, ids, logits, [string], cache)
    assert sightings is not None and len(string.ids) > 2
    rows = model.forward([*ids, *string.ids], model.new_cache()).double()
    expected = [
        torch.softmax(rows[len(ids) - 1 + place], 0)[token].item()
        for place, token in enumerate(string.ids)
    ]
    assert sightings[0].probs == pytest.approx(expected, rel=1e-4)
    assert list(cache.tokens) == ids


def test_a_single_token_needs_no_forward_pass() -> None:
    model = ScriptedModel("ab", peak=3.0, noise=1.0)
    cache = model.new_cache()
    logits = model.forward([97], cache, last=True)[-1]
    (sighting,) = watched_probs(model, [97], logits, [watched(model.tokenizer, "b")], cache) or ()
    assert sighting.rank == 1
    assert sighting.prob == pytest.approx(torch.softmax(logits.double(), 0)[98].item())
    assert model.fed == [[97]]


def test_several_tokens_feed_all_but_the_last_and_are_taken_back() -> None:
    model = ScriptedModel("ab", noise=1.0)
    cache = model.new_cache()
    logits = model.forward([97], cache, last=True)[-1]
    watched_probs(model, [97], logits, [watched(model.tokenizer, "山")], cache)
    assert model.fed == [[97], [0xE5, 0xB1]] and cache.tokens == [97]


def test_a_cancelled_watch_says_nothing() -> None:
    model = ScriptedModel("ab")
    string = [watched(model.tokenizer, "山")]
    assert (
        watched_probs(model, [97], torch.zeros(262), string, model.new_cache(), lambda: True)
        is None
    )


class NoMountains(ByteTokenizer):
    def unreadable(self, text: str, *, special: bool = False) -> str:
        return "".join(char for char in text if char == "山")


@pytest.mark.parametrize(("text", "named"), [("高山", "no '山'"), ("", "is empty")])
def test_a_string_that_cant_be_spelt_is_named(text: str, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        watched(NoMountains(), text)


class Spaced(ByteTokenizer):
    """Puts a space before every text, as SentencePiece does."""

    def encode(self, text: str, *, bos: bool = False, special: bool = False) -> list[int]:
        return super().encode(f" {text}" if text else "", bos=bos, special=special)


def test_only_the_start_of_a_text_gets_the_space_of_a_tokenizer() -> None:
    assert continuing(Spaced(), (256,), "ab") == (32, 97, 98)
    assert continuing(Spaced(), (256, 97), "ab") == (97, 98)
    assert watched(Spaced(), "ab").ids == (97, 98)
