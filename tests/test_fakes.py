"""The fixtures keep the protocols that everything is tested against."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from chatcli.errors import ContextError
from chatcli.model.types import LanguageModel
from chatcli.text.types import Message
from tests.fakes import ASSISTANT, BOS, END, EOS, USER, ByteTokenizer, ScriptedModel


def say(model: ScriptedModel, ids: list[int], most: int = 40) -> list[int]:
    """Greedy ids after `ids`, up to and with EOS."""
    cache, out = model.new_cache(), list(ids)
    while len(out) < len(ids) + most and (len(out) == len(ids) or out[-1] != EOS):
        logits = model.forward(cache.reuse(out), cache, last=True)
        out.append(int(logits[0].argmax()))
    return out[len(ids) :]


def test_scripted_model_says_its_text_then_eos() -> None:
    model: LanguageModel = ScriptedModel("山 hi")
    assert isinstance(model, ScriptedModel)
    assert say(model, [72, 105]) == [*"山 hi".encode(), EOS]
    assert model.fed == [[72, 105], *[[byte] for byte in "山 hi".encode()]]


def test_scripted_model_continues_a_prefill_and_takes_turns() -> None:
    model = ScriptedModel(["first", "second"])
    chat = ByteTokenizer().encode_chat([Message("user", "a")], prefill="fi")
    assert chat == [BOS, USER, 97, END, ASSISTANT, *b"fi"]
    assert say(model, chat) == [*b"rst", EOS]
    assert say(model, [*chat, *b"rst", END, USER, 98, END, ASSISTANT]) == [*b"second", EOS]


def test_all_rows_agree_with_last_rows_under_noise() -> None:
    model = ScriptedModel("abc", noise=2.0)
    rows = model.forward([5, 6, 97], model.new_cache())
    assert rows.shape == (3, model.checkpoint.vocab_size)
    assert torch.equal(model.forward([5, 6, 97], model.new_cache(), last=True), rows[-1:])
    assert rows[0].std() > 1


def test_a_function_gives_logits_and_a_short_row_is_padded() -> None:
    model = ScriptedModel(lambda tokens: [float(len(tokens)), 1.0])
    rows = model.forward([1, 2], model.new_cache())
    assert rows[:, :3].tolist() == [[1.0, 1.0, -torch.inf], [2.0, 1.0, -torch.inf]]


def test_cache_reuses_a_prefix_but_feeds_the_last_id_again() -> None:
    model = ScriptedModel("x", context_length=4)
    cache = model.new_cache()
    model.forward([1, 2, 3], cache)
    assert cache.reuse([1, 2, 3]) == [3] and cache.tokens == [1, 2]
    assert cache.reuse([1, 9]) == [9] and cache.tokens == [1]
    with pytest.raises(ContextError, match=r"1 \+ 4 .* 4"):
        model.forward([1, 2, 3, 4], cache)
    assert cache.tokens == [1]


def test_byte_tokenizer_keeps_typed_control_tokens_as_text() -> None:
    tokenizer = ByteTokenizer()
    assert tokenizer.encode("<user>a") == list(b"<user>a")
    assert tokenizer.encode("<user>a", bos=True, special=True) == [BOS, USER, 97]
    assert tokenizer.decode([USER, 97], special=False) == "a"
    text = "🏔a"
    detokenizer = tokenizer.detokenizer(tokenizer.encode(text)[:2])
    pieces = [detokenizer.add(token) for token in tokenizer.encode(text)[2:]]
    assert pieces == ["", "🏔", "a"]


def test_tiny_checkpoint_is_whole(tiny: Path) -> None:
    config = json.loads((tiny / "config.json").read_text())
    with safe_open(tiny / "model.safetensors", framework="pt") as weights:
        assert weights.get_slice("lm_head.weight").get_shape() == [config["vocab_size"], 32]
        assert len(weights.keys()) == 2 * 9 + 3


def test_the_network_is_blocked(no_network: list[str]) -> None:
    with socket.socket() as client, pytest.raises(OSError, match="blocked"):
        client.connect(("127.0.0.1", 9))
    with pytest.raises(OSError, match="blocked"):
        socket.getaddrinfo("localhost", 80)
    assert len(no_network) == 2
    no_network.clear()
