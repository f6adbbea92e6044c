"""Generation over the scripted model: what is fed, what is said, and how it ends."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from chatcli.engine.generate import generate
from chatcli.engine.stream import complete, spoken, stream
from chatcli.engine.types import Chunk
from chatcli.errors import ContextError, LogitsError, UsageError
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig
from tests.fakes import BOS, EOS, ScriptedModel

GREEDY = SamplingConfig(temperature=0)
REPLY = "珠穆朗玛峰。🏔️"


def text_of(chunks: Sequence[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def test_the_text_streams_in_whole_characters() -> None:
    chunks = list(complete(ScriptedModel(REPLY), "最高的山是", GREEDY))
    assert text_of(chunks) == REPLY
    assert all("\ufffd" not in chunk.text for chunk in chunks)
    assert chunks[-1].finish == "eos"
    assert all(chunk.finish is None for chunk in chunks[:-1])


def test_every_step_comes_in_one_chunk_and_the_ending_token_has_one() -> None:
    steps = [s for chunk in complete(ScriptedModel("ab"), "x", GREEDY) for s in chunk.steps]
    assert [step.token for step in steps] == [*b"ab", EOS]
    assert [step.index for step in steps] == [0, 1, 2]
    assert [step.position for step in steps] == [2, 3, 4]  # after BOS and x


def test_each_token_is_fed_once() -> None:
    model = ScriptedModel("abc")
    chunks = list(complete(model, "xy", GREEDY))
    assert model.fed == [[256, *b"xy"], [ord("a")], [ord("b")], [ord("c")]]
    assert chunks[-1].usage.prompt_tokens == 3
    assert chunks[-1].usage.new_tokens == 4


def test_a_shared_cache_is_reused_up_to_the_first_difference() -> None:
    model = ScriptedModel("abc")
    cache = model.new_cache()
    list(complete(model, "hello", GREEDY, cache=cache))
    model.fed.clear()
    chunks = list(complete(model, "help", GREEDY, cache=cache))
    assert model.fed[0] == list(b"p")
    assert chunks[-1].usage.reused_tokens == 4


def test_a_long_prompt_is_fed_in_blocks() -> None:
    model = ScriptedModel("a")
    list(complete(model, "x" * 1200, GREEDY))
    assert [len(ids) for ids in model.fed] == [512, 512, 177, 1]


def test_length_ends_after_exactly_that_many_tokens_without_a_last_forward() -> None:
    model = ScriptedModel("abcdef")
    chunks = list(complete(model, "x", GREEDY, max_tokens=3))
    assert text_of(chunks) == "abc"
    assert chunks[-1].finish == "length"
    assert len(model.fed) == 3


def test_a_stop_string_ends_and_is_not_said() -> None:
    chunks = list(complete(ScriptedModel("你好。再见"), "x", GREEDY, stop=["。"]))
    assert text_of(chunks) == "你好"
    assert chunks[-1].finish == "stop"


def test_generate_ends_at_the_token_that_completes_a_stop() -> None:
    model = ScriptedModel("abcd")
    steps = list(generate(model, [1, 2], GREEDY, stop=["bc"]))
    assert bytes(step.token for step in steps) == b"abc"


def test_the_context_ends_a_reply_when_it_is_full() -> None:
    model = ScriptedModel("abcdefgh", context_length=6)
    chunks = list(complete(model, "xyz", GREEDY))
    # Four of the prompt and two more are fed; the third new token needs no room.
    assert text_of(chunks) == "abc"
    assert chunks[-1].finish == "context"


def test_a_prompt_longer_than_the_context_names_both_numbers() -> None:
    with pytest.raises(ContextError, match=r"11 tokens.*8; shorten it by 3 tokens$"):
        complete(ScriptedModel("a", context_length=8), "x" * 10, GREEDY)
    with pytest.raises(ContextError, match=r"shorten it by 1 token$"):
        complete(ScriptedModel("a", context_length=8), "x" * 8, GREEDY)


def test_bytes_left_open_at_the_end_become_one_replacement_character() -> None:
    model = ScriptedModel(lambda tokens: [0.0] * 0xE5 + [9.0])
    chunks = list(complete(model, "x", GREEDY, max_tokens=1))
    assert text_of(chunks) == "\ufffd"


def test_a_prompt_that_ends_inside_a_character_is_completed() -> None:
    first, *rest = "山".encode()
    model = ScriptedModel(lambda tokens: [float(i == rest[len(tokens) - 1]) for i in range(256)])
    chunks = list(stream(model, [first], SamplerChain(GREEDY), max_tokens=2))
    assert text_of(chunks) == "山"


def test_cancelling_keeps_what_came_and_says_so() -> None:
    asked = iter([False] * 3 + [True] * 9)
    chunks = list(complete(ScriptedModel("abcdef"), "x", GREEDY, cancelled=lambda: next(asked)))
    assert text_of(chunks) == "ab"
    assert chunks[-1].finish == "interrupted"


def test_an_error_comes_after_a_chunk_that_says_so() -> None:
    model = ScriptedModel(lambda tokens: [float("nan") if len(tokens) > 3 else 1.0])
    got: list[Chunk] = []
    with pytest.raises(LogitsError):
        for chunk in complete(model, "x", GREEDY):
            got.append(chunk)
    assert got[-1].finish == "error"
    assert got[-1].usage.new_tokens == 2


def test_a_seed_gives_the_same_ids_whatever_is_looked_at() -> None:
    config = SamplingConfig(seed=7)
    model = ScriptedModel("你好", peak=2.0, noise=1.5)
    runs = [
        [step.token for step in generate(model, [256, 65], config, max_tokens=40, top=top)]
        for top in (0, 5, 262)
    ]
    assert runs[0] == runs[1] == runs[2]
    assert len(set(runs[0])) > 5


def test_candidates_are_computed_only_when_they_are_asked_for() -> None:
    wanted = iter([0, 5, 0])
    steps = list(
        generate(ScriptedModel("abc"), [65], GREEDY, max_tokens=3, top=lambda: next(wanted))
    )
    assert [len(step.draw.candidates) for step in steps] == [1, 5, 1]


@pytest.mark.parametrize("max_tokens", [0, -1])
def test_no_tokens_at_all_is_refused(max_tokens: int) -> None:
    with pytest.raises(UsageError, match="max_tokens"):
        list(generate(ScriptedModel("a"), [65], GREEDY, max_tokens=max_tokens))


def test_no_ids_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match="no tokens"):
        list(generate(ScriptedModel("a"), [], GREEDY))


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_reply_goes_on_as_if_it_had_not_ended(cut: int) -> None:
    """Cut anywhere, inside a character and inside a stop string too."""
    model, chain = ScriptedModel("山高STOP水"), SamplerChain(GREEDY)
    whole = text_of(list(stream(model, [BOS], chain, stop=["STOP"])))
    first = list(stream(model, [BOS], chain, stop=["STOP"], max_tokens=cut))
    reply = [step.token for chunk in first for step in chunk.steps]
    if first[-1].finish == "stop":
        assert text_of(first) == whole
        return
    rest = list(stream(model, [BOS, *reply], chain, stop=["STOP"], prompt_length=1))
    before = spoken(model.tokenizer, [BOS], reply)
    assert before + text_of(rest) == whole + before[len(whole) :]
    assert rest[-1].finish == "stop"
    indices = [step.index for chunk in (*first, *rest) for step in chunk.steps]
    assert indices == list(range(len(indices)))
    assert rest[-1].usage.new_tokens == len(indices) - cut


def test_a_stop_string_that_was_none_before_does_not_end_what_goes_on() -> None:
    model, chain = ScriptedModel("abcdef"), SamplerChain(GREEDY)
    chunks = stream(model, [BOS, *b"abc"], chain, stop=["b"], prompt_length=1)
    assert text_of(list(chunks)) == "def"


def test_a_full_context_goes_on_with_what_refit_gives() -> None:
    model = ScriptedModel("abcdefghij", context_length=8)
    asked: list[list[int]] = []

    def refit(full: Sequence[int]) -> tuple[list[int], int] | None:
        asked.append(list(full))
        return ([BOS, *full[4:]], 1) if len(asked) == 1 else None

    chain = SamplerChain(GREEDY)
    chunks = list(stream(model, [BOS, 1, 2, 3], chain, max_tokens=9, refit=refit))
    assert asked[0] == [BOS, 1, 2, 3, *b"abcde"]
    assert text_of(chunks) == "abcdefgh" and chunks[-1].finish == "context"
    assert chunks[-1].usage.new_tokens == 8
    assert len(asked) == 2
