"""The next character against brute force over a vocabulary of 300 tokens, and on real models."""

from __future__ import annotations

import codecs
import dataclasses
import math
import random
from collections import defaultdict
from collections.abc import Sequence

import pytest
import torch

from chatcli.errors import ContextError, LogitsError, UsageError
from chatcli.probe.next_character import NextCharacter, next_character, next_characters
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig
from tests.fakes import ByteTokenizer, ScriptedModel

END, CONTROL, NOTHING = 297, 298, 299
WORDS = ["是", "是一", "的", "山。", " a", "the", "é", "e\u0301", "\u0301", "😀", "\ufffd", "世界"]
PARTS = ["世".encode()[:2], "世".encode()[2:], "界".encode()[1:], b"\x96\xe7", b"a\xe4", b"\x80"]
PARTS += [
    "是".encode() + b"\xe4",
    "😀".encode()[:3],
    "😀".encode()[1:],
    b"\xb8\x96!",
    b"\xe4\xb8\x80",
]
# Bytes that may come at all; the others are ruled out, so that brute force gets through.
LIKELY = b"ab \n\xc3\xe4\xe7\xf0\xed\x80\x96\x98\x9f\xa9\xb8\xff"


class Bytes300(ByteTokenizer):
    """256 bytes, 41 longer pieces, an end, a control token, and one that spells nothing."""

    vocab_size = 300
    eos_ids = frozenset({END})

    def __init__(self) -> None:
        filler = [f"w{number}".encode() for number in range(41 - len(WORDS) - len(PARTS))]
        longer = [*(word.encode() for word in WORDS), *PARTS, *filler]
        self._pieces = [*(bytes([one]) for one in range(256)), *longer, b"<end>", b"<user>", b""]
        assert len(self._pieces) == self.vocab_size

    def token_bytes(self, token: int) -> bytes:
        return self._pieces[token]

    def is_special(self, token: int) -> bool:
        return token in (END, CONTROL)


def logits(tokens: Sequence[int]) -> torch.Tensor:
    """Different after each history; a third of the longer pieces is ruled out each time."""
    luck = random.Random(repr(list(tokens)))
    row = [luck.gauss(0, 2) for _ in range(300)]
    for token in range(256):
        if token not in LIKELY:
            row[token] = -math.inf
    for token in luck.sample(range(256, 300), 14):
        row[token] = -math.inf
    return torch.tensor(row)


def model(context: int = 64) -> ScriptedModel:
    scripted = ScriptedModel(logits)
    scripted.tokenizer = Bytes300()
    scripted.checkpoint = dataclasses.replace(
        scripted.checkpoint, vocab_size=300, context_length=context
    )
    return scripted


def brute_force(ids: Sequence[int], chain: SamplerChain | None = None) -> dict[str, float]:
    """The probability of each first character, over every path there is."""
    tokenizer, found = Bytes300(), defaultdict[str, float](float)

    def visit(path: tuple[int, ...], mass: float, data: bytes) -> None:
        history = [*ids, *path]
        row = logits(history)
        probs = torch.softmax(row.double(), 0)
        if chain is not None:
            probs = chain.sample(row, history, prompt_length=len(ids)).probs.double()
        for token in probs.nonzero().flatten().tolist():
            spelt = data + tokenizer.token_bytes(token)
            share = mass * float(probs[token])
            if token in (END, CONTROL, NOTHING):
                silent = "end" if token == END else "special"
                found["invalid" if data else silent] += share
            elif (text := decoded(spelt)) is None:
                visit((*path, token), share, spelt)
            else:
                found[text] += share

    visit((), 1.0, pending(ids))
    return found


def decoded(data: bytes) -> str | None:
    """The first character, "invalid", or None where it is open; by Python's own decoder."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    text = decoder.decode(data)
    if not text:
        return None
    return "invalid" if "\udc80" <= text[0] <= "\udcff" else text[0]


def pending(ids: Sequence[int]) -> bytes:
    data = b"".join(map(Bytes300().token_bytes, ids))
    return data[len(data.decode(errors="ignore").encode()) :] if ids else b""


def by_name(found: NextCharacter) -> dict[str, float]:
    return {share.text or share.kind: share.prob for share in found.shares}


PROMPTS = {
    "nothing open": [97],
    "one byte open": [97, 0xE4],
    "two bytes open": [256, 0xE4, 0xB8],
    "three bytes open": [0xF0, 0x9F, 0x98],
}


@pytest.mark.parametrize("ids", PROMPTS.values(), ids=PROMPTS)
def test_all_of_it_is_what_brute_force_finds(ids: list[int]) -> None:
    found = next_character(model(), ids, top=10**6, enough=1.0, passes=10**6)
    expected = brute_force(ids)
    assert found.prob("unresolved") == 0 and found.prob("other") == 0
    shares = {name: prob for name, prob in by_name(found).items() if prob}
    assert set(shares) == set(expected)
    assert shares == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("passes", [0, 1, 5, 20])
def test_whatever_is_known_so_far_is_1_and_never_too_much(passes: int) -> None:
    found = next_character(model(), [97], enough=1.0, passes=passes)
    expected = brute_force([97])
    assert found.passes == passes
    assert sum(share.prob for share in found.shares) == pytest.approx(1, abs=1e-6)
    unresolved = found.prob("unresolved")
    for share in found.shares:
        if share.kind == "character":
            assert share.prob <= expected[share.text] + 1e-6 <= share.prob + unresolved + 2e-6


def test_each_pass_leaves_less_unresolved_and_the_likeliest_goes_first() -> None:
    left = [
        found.prob("unresolved") for found in next_characters(model(), [97], enough=1.0, passes=9)
    ]
    assert left == sorted(left, reverse=True) and left[0] > left[-1] > 0


def test_it_ends_when_enough_has_its_place() -> None:
    found = next_character(model(), [97], enough=0.95)
    assert 1 - found.prob("unresolved") >= 0.95
    assert found.passes < next_character(model(), [97], enough=0.99).passes


CHAINS = {
    "plain": SamplingConfig(temperature=0.7, top_k=30, top_p=0.97, seed=5),
    "penalties": SamplingConfig(repetition_penalty=1.5, frequency_penalty=0.5, top_k=40, seed=5),
    "luck of its own": SamplingConfig(xtc_probability=0.5, xtc_threshold=0.05, seed=5),
    "greedy": SamplingConfig(temperature=0),
}


@pytest.mark.parametrize("config", CHAINS.values(), ids=CHAINS)
def test_after_the_chain_it_is_what_brute_force_finds(config: SamplingConfig) -> None:
    chain = SamplerChain(config)
    found = next_character(model(), [97, 0xE4], chain=chain, top=10**6, enough=1.0, passes=10**6)
    assert found.chain == chain.describe()
    shares = {name: prob for name, prob in by_name(found).items() if prob}
    assert shares == pytest.approx(brute_force([97, 0xE4], chain), abs=1e-6)


def test_a_chain_that_learns_goes_on_from_the_tokens_of_the_path() -> None:
    config = SamplingConfig(mirostat=2, mirostat_tau=2.5, mirostat_eta=0.9, seed=5)
    found = next_character(model(), [120], chain=SamplerChain(config), enough=1.0, top=10**6)
    ways = {
        path.tokens: path.prob
        for share in found.shares
        for path in share.paths
        if share.kind == "character" and len(path.tokens) == 2
    }
    assert len(ways) == 4
    chain, row = SamplerChain(config), logits([120])
    for (lead, last), prob in ways.items():
        first = chain.sample(row, [120], prompt_length=1).probs[lead]
        chain.witness(row, [120], lead, prompt_length=1)
        then = chain.sample(logits([120, lead]), [120, lead], prompt_length=1).probs[last]
        assert prob == pytest.approx(float(first * then), abs=1e-6)


def test_the_callers_chain_and_cache_stay_as_they_are() -> None:
    chain = SamplerChain(SamplingConfig(mirostat=2, seed=5))
    scripted = model()
    cache = scripted.new_cache()
    state = chain.state()
    logits_after = scripted.forward([97], cache, last=True)[-1]
    scripted.fed.clear()
    for _ in next_characters(
        scripted, [97], cache=cache, logits=logits_after, chain=chain, enough=1.0, passes=3
    ):
        pass
    assert chain.state() == state
    assert cache.tokens == [97]
    assert len(scripted.fed) == 3


def test_leaving_early_leaves_the_cache_with_the_ids() -> None:
    scripted = model()
    cache = scripted.new_cache()
    search = next_characters(scripted, [97], cache=cache, enough=1.0)
    for found in search:
        if found.passes == 3:
            break
    search.close()  # type: ignore[attr-defined]
    assert cache.tokens == [97]


def test_once_cancelled_no_more_is_fed() -> None:
    scripted = model()
    found = list(
        next_characters(scripted, [97], enough=1.0, cancelled=lambda: len(scripted.fed) >= 3)
    )
    assert len(found) == len(scripted.fed) == 3
    assert list(next_characters(scripted, [97], cancelled=lambda: True)) == []


def test_what_does_not_fit_the_context_stays_unresolved() -> None:
    scripted = model(context=3)
    found = next_character(scripted, [97, 97, 97], enough=1.0)
    assert found.passes == 0 and found.prob("unresolved") > 0
    assert sum(share.prob for share in found.shares) == pytest.approx(1, abs=1e-6)


def test_the_likeliest_paths_come_with_a_share() -> None:
    found = next_character(model(), [97], top=10**6, enough=1.0, passes=10**6)
    for share in found.shares:
        probs = [path.prob for path in share.paths]
        assert probs == sorted(probs, reverse=True) and sum(probs) <= share.prob + 1e-6
    (yi,) = (share for share in found.shares if share.text == "一")
    spelt = {b"".join(map(Bytes300().token_bytes, path.tokens)) for path in yi.paths}
    assert len(yi.paths) > 1 and spelt == {"一".encode()}


def test_characters_are_ranked_and_the_rest_is_counted() -> None:
    everything = next_character(model(), [97], top=10**6)
    some = next_character(model(), [97], top=3)
    probs = [share.prob for share in everything.shares if share.kind == "character"]
    assert probs == sorted(probs, reverse=True)
    assert some.others == len(probs) - 3
    assert some.prob("other") == pytest.approx(sum(probs[3:]), abs=1e-9)


def test_bad_prompts_are_refused() -> None:
    with pytest.raises(UsageError, match="no tokens"):
        next_character(model(), [])
    with pytest.raises(ContextError, match="65 tokens"):
        next_character(model(), [97] * 65)
    with pytest.raises(LogitsError, match="NaN"):
        next_character(ScriptedModel(lambda tokens: [math.nan] * 262), [97])
