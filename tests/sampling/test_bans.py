"""Biases and bans of sequences, allowed ids, lengths: against transformers, and as text."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from transformers.generation import logits_process as hf

from chatcli.errors import LogitsError, SamplingError
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig
from chatcli.sampling.words import bound
from tests.fakes import END, EOS, ByteTokenizer
from tests.sampling.test_stages import VOCAB, kept, oracle, probs, rows

HISTORY = [3, 7, 7, 999, 3, 3, 500]
SEQUENCES: dict[tuple[int, ...], float] = {
    (5,): 2.0,
    (500, 6): -3.0,
    (3, 500, 6): 1.5,
    (9, 500, 8): 4.0,
    (500, 8): -math.inf,
    (*range(20), 4): 9.0,
}


def test_a_sequence_bias_equals_transformers_and_adds_up() -> None:
    for logits in rows(6):
        scores = oracle([hf.SequenceBiasLogitsProcessor(dict(SEQUENCES))], logits)
        ours = probs(logits, sequence_bias=SEQUENCES)
        torch.testing.assert_close(ours, scores.softmax(-1).float(), atol=1e-6, rtol=1e-5)


def test_bad_words_equal_transformers_and_spare_the_ends() -> None:
    words = [[4], [999], [500, 6], [3, 500, 7], [7, 500, 8]]
    for logits in rows(6):
        scores = oracle([hf.NoBadWordsLogitsProcessor(words, eos_token_id=[999])], logits)
        ours = kept(logits, bad_words=words, eos_ids=[999])
        assert ours == torch.isfinite(scores).nonzero().flatten().tolist()


@pytest.mark.parametrize("length", [0, 6, 7, 8, 100])
def test_lengths_equal_transformers(length: int) -> None:
    logits, ends = rows(1)[0], [2, 999]
    for ours, theirs in (
        ({"min_length": length}, hf.MinLengthLogitsProcessor(length, ends)),
        (
            {"min_new_tokens": length, "prompt_length": 2},
            hf.MinNewTokensLengthLogitsProcessor(2, length, ends),
        ),
    ):
        expected = torch.isfinite(oracle([theirs], logits)).nonzero().flatten().tolist()
        assert kept(logits, **ours, eos_ids=ends) == expected


def test_allowed_ids_equal_transformers() -> None:
    logits, ids = rows(1)[0], [1, 5, 999]
    processor = hf.PrefixConstrainedLogitsProcessor(lambda _batch, _ids: ids, num_beams=1)
    expected = torch.isfinite(oracle([processor], logits)).nonzero().flatten().tolist()
    assert kept(logits, allowed_ids=ids) == expected == ids


def test_what_bans_everything_names_the_stage() -> None:
    with pytest.raises(LogitsError, match="allowed left no token"):
        kept(torch.tensor([0.0, -math.inf]), allowed_ids=[1])
    with pytest.raises(LogitsError, match="no_repeat_ngram left no token"):
        kept(torch.zeros(2), [0, 1], no_repeat_ngram_size=1)


@pytest.mark.parametrize(
    "setting",
    [{"allowed_ids": [3]}, {"bad_words": [[0, 3]]}, {"sequence_bias": {(3, 0): 1.0}}],
)
def test_an_id_that_does_not_exist_is_refused(setting: Any) -> None:
    with pytest.raises(SamplingError, match="names token 3, but ids go from 0 to 2"):
        kept(torch.zeros(3), [], **setting)


def test_bans_hold_when_greedy() -> None:
    best = torch.arange(5.0)
    assert probs(best, [1], temperature=0, bad_words=[[1, 4]]).argmax() == 3
    assert probs(best, [1], temperature=0, allowed_ids=[0, 2]).argmax() == 2
    assert probs(best, [4, 1, 4], temperature=0, no_repeat_ngram_size=1).argmax() == 3
    assert probs(best, [], temperature=0, min_new_tokens=1, eos_ids=[4]).argmax() == 3
    assert probs(best, [4, 4, 4], temperature=0, dry_multiplier=9.0).argmax() == 3


def test_text_needs_a_tokenizer_and_says_so() -> None:
    settings: list[Any] = [{"bad_words": ["x"]}, {"sequence_bias": {"x": 1.0}}, {"min_length": 9}]
    for setting in settings:
        chain = SamplerChain(SamplingConfig(**setting))
        with pytest.raises(SamplingError, match=f"{next(iter(setting))} needs a tokenizer"):
            chain.sample(torch.zeros(VOCAB), [])


def test_a_chain_that_is_bound_bans_words_and_ends_by_their_ids() -> None:
    config = SamplingConfig(bad_words=("ab",), min_new_tokens=2, allowed_ids=(97, 98, EOS, END))
    chain = SamplerChain(config)
    chain.bind(ByteTokenizer())
    draw = chain.sample(torch.zeros(262), list(b"xa"), prompt_length=1)
    assert draw.probs.nonzero().flatten().tolist() == [97]
    assert chain.config is config and chain.describe().startswith("bad_words on 1 word → ")


def test_words_are_bound_in_their_usual_spellings() -> None:
    made = bound(
        SamplingConfig(bad_words=("ab", (7,)), sequence_bias=(("c", 2.0),)), ByteTokenizer()
    )
    assert made.bad_words == ((97, 98), (7,))  # a space before it ends with the same bytes
    assert made.sequence_bias == (((99,), 2.0),)
    assert made.eos_ids == (EOS, END)
    plain = SamplingConfig(top_k=3)
    assert bound(plain, ByteTokenizer()) is plain


def test_a_bad_word_bans_every_token_that_holds_it() -> None:
    class Syllables(ByteTokenizer):
        """Three tokens more: two that hold "山", one that doesn't."""

        vocab_size = 265

        def token_bytes(self, token: int) -> bytes:
            held = {262: "高山", 263: " 山上", 264: "水"}.get(token)
            return super().token_bytes(token) if held is None else held.encode()

    made = bound(SamplingConfig(bad_words=("山",)), Syllables())
    assert made.bad_words == (tuple("山".encode()), (262,), (263,))


def test_breakers_are_the_tokens_that_hold_them() -> None:
    made = bound(SamplingConfig(dry_multiplier=1.0), ByteTokenizer())
    assert set(made.dry_breakers or ()) == {(10,), (58,), (34,), (42,)}
    longer = SamplingConfig(dry_multiplier=1.0, dry_breakers=("abc", (5, 6)))
    assert bound(longer, ByteTokenizer()).dry_breakers == ((5, 6), (97, 98, 99))
