"""Scores of texts, held against a slow reading token by token, and transformers' own loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

import chatcli
from chatcli.errors import LogitsError, UsageError
from chatcli.model.types import LanguageModel
from chatcli.probe import score as module
from chatcli.probe.perplexity import Perplexity, Reading, perplexity, whole_perplexity
from chatcli.probe.score import TextScore, TokenScore, Window, foretold, score, windows
from tests.fakes import BOS, ByteTokenizer, ScriptedModel
from tests.shared import shared_path

TEXT = "世界上最高的山 is the highest mountain in the world, 珠穆朗玛峰."


@pytest.fixture(scope="module")
def real(tiny: Path) -> LanguageModel:
    return chatcli.load(str(tiny), device="cpu")


def slowly(model: LanguageModel, ids: Sequence[int], start: int, at: int) -> TokenScore:
    """ids[at] after ids[start:at], fed one by one; all arithmetic on plain Python numbers."""
    cache = model.new_cache()
    for token in ids[start:at]:
        row = model.forward([token], cache, last=True)[-1].tolist()
    peak = max(row)
    weights = [math.exp(logit - peak) for logit in row]
    total = math.fsum(weights)
    shares = [weight / total for weight in weights]
    better = sum(
        logit > row[ids[at]] or (logit == row[ids[at]] and token < ids[at])
        for token, logit in enumerate(row)
    )
    entropy = -math.fsum(share * math.log2(share) for share in shares if share > 0)
    logprob = row[ids[at]] - peak - math.log(total)
    return TokenScore(at, ids[at], at - start, logprob, better + 1, entropy)


def assert_alike(found: TokenScore, expected: TokenScore) -> None:
    assert (found.position, found.token, found.seen) == (
        expected.position,
        expected.token,
        expected.seen,
    )
    assert found.rank == expected.rank
    assert found.logprob == pytest.approx(expected.logprob, abs=2e-5)
    assert found.entropy_bits == pytest.approx(expected.entropy_bits, abs=2e-5)


def test_every_token_is_scored_as_the_slow_oracle_scores_it(real: LanguageModel) -> None:
    ids = real.tokenizer.encode(TEXT)
    found = score(real, ids)
    assert found.tokens[0] == TokenScore(0, ids[0], 0)
    assert found.tokens[0].prob is None and found.tokens[0].surprisal_bits is None
    for at, token in enumerate(found.tokens[1:], 1):
        assert_alike(token, slowly(real, ids, 0, at))


@pytest.mark.parametrize(("block", "group"), [(1, 1), (3, 600), (7, 1 << 18)])
def test_the_size_of_blocks_changes_nothing(
    real: LanguageModel, monkeypatch: pytest.MonkeyPatch, block: int, group: int
) -> None:
    ids = real.tokenizer.encode(TEXT)
    whole = score(real, ids)
    monkeypatch.setattr(module, "_BLOCK", block)
    monkeypatch.setattr(module, "_GROUP", group)
    for one, other in zip(score(real, ids).tokens[1:], whole.tokens[1:], strict=True):
        assert_alike(one, other)


def test_rows_held_at_once_are_few_where_the_vocabulary_is_large() -> None:
    model = ScriptedModel("abc", noise=1.0)
    held = module._LOGITS // model.checkpoint.vocab_size
    assert held > module._BLOCK  # so here the block is the bound, and below the logits are
    assert module._LOGITS // 151_936 < 256
    score(model, list(range(200)))
    assert max(map(len, model.fed)) <= module._BLOCK


def transformers_loss(folder: Path, ids: list[int]) -> float:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    row = torch.tensor([ids])
    with torch.inference_mode():
        return float(theirs(input_ids=row, labels=row).loss)


def mean_nats(found: TextScore) -> float:
    known = [token.logprob for token in found.tokens if token.logprob is not None]
    return -math.fsum(known) / len(known)


def test_the_mean_is_transformers_loss(real: LanguageModel, tiny: Path) -> None:
    ids = real.tokenizer.encode(TEXT)
    assert mean_nats(score(real, ids)) == pytest.approx(transformers_loss(tiny, ids), rel=1e-5)


def test_the_mean_is_transformers_loss_on_a_trained_model() -> None:
    folder = shared_path("checkpoints", "stories260k")
    model = chatcli.load(str(folder), device="cpu")
    ids = model.tokenizer.encode("Once upon a time, there was a big dog.", bos=True)
    found = score(model, ids)
    assert mean_nats(found) == pytest.approx(transformers_loss(folder, ids), rel=1e-4)
    assert whole_perplexity(found).perplexity == pytest.approx(math.exp(mean_nats(found)))


@pytest.mark.parametrize("stride", [1, 3, 8, 15, 16])
@pytest.mark.parametrize("count", [1, 2, 16, 17, 18, 40, 65])
def test_windows_score_each_token_once_with_as_much_context_as_they_say(
    count: int, stride: int
) -> None:
    scored: list[int] = []
    for window in windows(count, 16, stride):
        assert window.stop - window.start <= 16
        scored += range(window.first, window.stop + 1)
        least = window.first - window.start
        assert least == 1 if window.start == 0 else least >= 16 - stride + 1
    assert scored == list(range(1, count))


def test_a_text_that_fits_is_read_at_once() -> None:
    assert list(windows(17, 16, 8)) == [Window(0, 16, 1)]


@pytest.mark.parametrize("stride", [None, 5, 16])
def test_a_long_text_is_scored_window_by_window(tiny: Path, stride: int | None) -> None:
    model = chatcli.load(str(tiny), device="cpu", context=16)
    ids = model.tokenizer.encode(TEXT * 2)
    found = score(model, ids, stride=stride)
    assert len(ids) > 40 and len(found.windows) > 2 and found.stride == (stride or 8)
    for window in found.windows:
        for at in range(window.first, window.stop + 1):
            assert_alike(found.tokens[at], slowly(model, ids, window.start, at))


@pytest.mark.parametrize("stride", [0, -1, 17])
def test_an_impossible_stride_is_refused(stride: int) -> None:
    model = ScriptedModel("abc", context_length=16)
    with pytest.raises(UsageError, match=f"stride is {stride} .* from 1 to the context, 16"):
        score(model, [1, 2], stride=stride)


def test_a_cancelled_score_ends_early() -> None:
    model = ScriptedModel("abc", context_length=4)
    found = score(model, list(range(20)), cancelled=lambda: len(model.fed) > 1)
    assert 1 < len(found.tokens) < 20


def test_ties_rank_by_id_and_what_is_ruled_out_is_last() -> None:
    logits = [0.0, 2.0, 2.0, -math.inf]
    model = ScriptedModel(lambda tokens: logits)
    ranks = [one.rank for one in score(model, [9, 0, 1, 2, 3, 4]).tokens]
    assert ranks == [None, 3, 1, 2, 4, 5]
    ruled_out = score(model, [9, 3]).tokens[1]
    assert ruled_out.prob == 0 and ruled_out.surprisal_bits == math.inf
    assert math.isfinite(ruled_out.entropy_bits or 0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_logits_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(LogitsError, match="NaN or infinite"):
        score(ScriptedModel(lambda tokens: [bad, 0.0]), [1, 2])


def test_what_the_cache_shares_is_not_read_again() -> None:
    model = ScriptedModel("abc", noise=1.0)
    cache = model.new_cache()
    one = list(foretold(model, [1, 2, 3, 4, 5], 3, cache))
    model.fed.clear()
    again = list(foretold(model, [1, 2, 3, 6], 3, cache))
    assert model.fed == [[3]]  # the last of the prefix, for its logits
    assert [token.position for token in one] == [3, 4]
    assert again == list(foretold(model, [1, 2, 3, 6], 3, model.new_cache()))
    assert list(cache.tokens) == [1, 2, 3]


def reading(text: str, *, bos: bool) -> Reading:
    ids = tuple(ByteTokenizer().encode(text, bos=bos))
    parts = ("start",) * bos + ("text",) * (len(ids) - bos)
    return Reading(ids, parts, (text,))


@pytest.mark.parametrize(
    ("text", "bos", "counted", "characters", "size"),
    [
        ("山 b", True, 5, 3, 5),
        ("山 b", False, 4, 2, 4),
        ("ab", False, 1, 1, 1),
        ("a", False, 0, 0, 0),
    ],
)
def test_the_first_token_counts_only_after_a_start(
    text: str, bos: bool, counted: int, characters: int, size: int
) -> None:
    model = ScriptedModel(lambda tokens: [0.0] * 256)
    given = reading(text, bos=bos)
    found = perplexity(given, score(model, given.ids), model.tokenizer)
    assert (found.counted, found.characters, found.bytes) == (counted, characters, size)
    assert found.bits == pytest.approx(8 * counted)
    if counted:
        assert found.perplexity == pytest.approx(256)
        assert found.bits_per_character == pytest.approx(8 * counted / characters)
        assert found.bits_per_byte == pytest.approx(8)
    else:
        assert found.perplexity is found.bits_per_byte is None


def test_the_templates_tokens_count_apart() -> None:
    model = ScriptedModel(lambda tokens: [0.0] * 256)
    given = Reading((BOS, 65, 66, 67), ("template", "template", "message", "template"), ("B",))
    found = score(model, given.ids)
    assert given.templated
    own = perplexity(given, found, model.tokenizer)
    assert (own.counted, own.characters, own.bytes) == (1, 1, 1)
    assert own.bits == pytest.approx(8)
    assert whole_perplexity(found).counted == 3


def test_perplexities_add_up_and_may_be_infinite() -> None:
    both = Perplexity(2, 4.0, 3, 5) + Perplexity(1, math.inf, 1, 1)
    assert both == Perplexity(3, math.inf, 4, 6)
    assert both.perplexity == math.inf
