"""Conversations become the ids that chat would feed, and only the replies are learned."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import transformers

from chatcli.chat.conversation import Conversation
from chatcli.errors import TrainingError
from chatcli.sampling.types import SamplingConfig
from chatcli.text.tokenizer import CheckpointTokenizer, load_tokenizer
from chatcli.text.types import Message
from chatcli.train.turns import encode_conversation
from tests.fakes import CHATML, ScriptedModel, tiny_tokenizer
from tests.shared import shared_path

TALK = (
    Message("system", "You are calm.\n"),
    Message("user", "世界上最高的山？ <|im_end|>"),
    Message("assistant", "珠穆朗玛峰。\n\n it is high "),
    Message("user", "and the next?"),
    Message("assistant", ""),
    Message("user", "say it"),
    Message("assistant", "\n\nK2 🏔"),
)
LLAMA2 = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% elif m.role == 'assistant' %} {{ m.content | trim }} {{ eos_token }}"
    "{% else %}{{ raise_exception('no system role') }}{% endif %}{% endfor %}"
)
R1 = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' %}{{ m.content.split('</think>')[-1] }}{% else %}"
    "{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)
MUTE = (
    "{% for m in messages if m.role != 'system' %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"
)
ENDLESS = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: "


def toy(folder: Path, template: str = CHATML, **settings: str) -> CheckpointTokenizer:
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    tokens = {"bos_token": "<|endoftext|>", "eos_token": "<|im_end|>"}
    config = {**tokens, "chat_template": template, **settings}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return load_tokenizer(folder)


def qwen(folder: Path, settings: str) -> CheckpointTokenizer:
    source = shared_path("checkpoints", "tok-qwen2")
    shutil.copy(source / "tokenizer.json", folder)
    shutil.copy(source / settings, folder / "tokenizer_config.json")
    return load_tokenizer(folder)


def learned(tokenizer: CheckpointTokenizer, messages: Sequence[Message]) -> list[str]:
    """The texts to be learned, one for each unbroken run."""
    ids, learn = encode_conversation(tokenizer, messages)
    assert ids.dtype == np.int32 and learn.dtype == np.bool_ and ids.shape == learn.shape
    runs: list[list[int]] = [[]]
    for token, mark in zip(ids.tolist(), learn, strict=True):
        if mark:
            runs[-1].append(token)
        elif runs[-1]:
            runs.append([])
    return [tokenizer.decode(run) for run in runs if run]


def replies(messages: Sequence[Message], end: str = "<|im_end|>") -> list[str]:
    return [m.content + end for m in messages if m.role == "assistant"]


@pytest.fixture(params=["toy", "tokenizer_config.json", "tokenizer_config.qwen3.json"])
def tokenizer(request: pytest.FixtureRequest, tmp_path: Path) -> CheckpointTokenizer:
    return toy(tmp_path) if request.param == "toy" else qwen(tmp_path, request.param)


def test_the_replies_and_their_ends_are_learned(tokenizer: CheckpointTokenizer) -> None:
    assert learned(tokenizer, TALK) == replies(TALK)


@pytest.mark.parametrize("settings", ["toy", "tokenizer_config.json"])
def test_ids_equal_those_of_apply_chat_template(settings: str, tmp_path: Path) -> None:
    tokenizer = toy(tmp_path) if settings == "toy" else qwen(tmp_path, settings)
    theirs = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(tmp_path / "tokenizer.json"), chat_template=tokenizer.chat_template
    )
    # Without a quoted control token, which transformers would take for a real one, and with
    # contents that don't run into the template's own line ends.
    talk = [Message(m.role, m.content.replace("<|im_end|>", "").strip()) for m in TALK]
    rows = [{"role": m.role, "content": m.content} for m in talk]
    expected = theirs.apply_chat_template(rows, return_dict=False)
    ids, _ = encode_conversation(tokenizer, talk)
    assert ids.tolist() == expected[: len(ids)]
    assert tokenizer.decode(expected[len(ids) :]) == "\n"


def test_chat_feeds_the_same_ids_and_stops_after_each_reply(
    tokenizer: CheckpointTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = encode_conversation(tokenizer, TALK)[0].tolist()

    def next_of(tokens: Sequence[int]) -> list[float]:
        """Logits of the id that follows, as long as `tokens` are how `ids` begin."""
        assert list(tokens) == ids[: len(tokens)]
        return [0.0] * ids[len(tokens)] + [9.0]

    model = ScriptedModel(next_of)
    monkeypatch.setattr(model, "tokenizer", tokenizer)
    model.checkpoint = replace(model.checkpoint, vocab_size=tokenizer.vocab_size)
    talk = Conversation(model, SamplingConfig(temperature=0), system=TALK[0].content)
    finishes = [list(talk.ask(m.content))[-1].finish for m in TALK if m.role == "user"]
    assert finishes == ["eos"] * 3
    assert (tuple(talk.messages), list(talk.ids)) == (TALK, ids)


def test_what_the_user_quotes_stays_text(tmp_path: Path) -> None:
    tokenizer = toy(tmp_path)
    ids, learn = encode_conversation(tokenizer, TALK[1:3])
    end = tokenizer.backend.token_to_id("<|im_end|>")
    assert ids.tolist().count(end) == 2
    assert ids[learn].tolist().count(end) == 1 and learn[-1] and not learn[0]


def test_what_follows_the_last_reply_is_left_out(tmp_path: Path) -> None:
    tokenizer = toy(tmp_path)
    whole, shorter = (encode_conversation(tokenizer, TALK[:n])[0] for n in (4, 3))
    assert whole.tolist() == shorter.tolist()


def test_a_template_that_trims_and_pads_teaches_what_it_writes(tmp_path: Path) -> None:
    tokenizer = toy(tmp_path, LLAMA2)
    talk = [
        Message("user", "a"),
        Message("assistant", "\nb\n"),
        *TALK[3:4],
        Message("assistant", "c"),
    ]
    assert learned(tokenizer, talk) == [" b<|im_end|>", " c<|im_end|>"]


def test_thinking_is_learned_where_it_was_thought(tmp_path: Path) -> None:
    tokenizer = qwen(tmp_path, "tokenizer_config.qwen3.json")
    first, second = "<think>\nhm\n</think>\n\nyes", "<think>\nnow\n</think>\n\nno"
    talk = [
        Message("user", "a"),
        Message("assistant", first),
        Message("user", "b"),
        Message("assistant", second),
    ]
    assert learned(tokenizer, talk) == [f"{first}<|im_end|>", f"{second}<|im_end|>"]
    ids, learn = encode_conversation(tokenizer, talk)
    # The second turn stands on its own, with the history as chat feeds it.
    prompt = tokenizer.encode_chat(talk[:3])
    start = len(ids) - len(tokenizer.encode(second)) - 1 - len(prompt)
    assert ids[start : start + len(prompt)].tolist() == prompt
    assert "hm" not in tokenizer.decode(prompt) and not learn[start : start + len(prompt)].any()


def test_a_prompt_that_opens_the_thinking_is_not_learned(tmp_path: Path) -> None:
    tokenizer = toy(tmp_path, R1)
    talk = [Message("user", "a"), Message("assistant", "<think>\nhm\n</think>\nyes")]
    assert learned(tokenizer, talk) == ["hm\n</think>\nyes<|im_end|>"]
    ids, learn = encode_conversation(tokenizer, talk)
    assert tokenizer.decode(ids[~learn].tolist()).endswith("assistant\n<think>\n")


def test_a_template_without_an_end_still_teaches_one(tmp_path: Path) -> None:
    tokenizer = toy(tmp_path, ENDLESS)
    assert learned(tokenizer, TALK[3:]) == replies(TALK[3:])


def test_two_messages_of_one_speaker_are_all_fed(tmp_path: Path) -> None:
    tokenizer = toy(tmp_path)
    talk = [*TALK[:3], Message("user", "one"), Message("user", "two"), Message("assistant", "x")]
    ids, _ = encode_conversation(tokenizer, talk)
    text = tokenizer.decode(ids.tolist())
    assert text == tokenizer.render_chat(talk, add_generation_prompt=False).removesuffix("\n")


@pytest.mark.parametrize("template", [LLAMA2, MUTE])
def test_a_template_without_a_system_role_is_told(template: str, tmp_path: Path) -> None:
    tokenizer = toy(tmp_path, template)
    with pytest.raises(TrainingError, match=r"message 1 is a system message.*first user message"):
        encode_conversation(tokenizer, TALK)


def test_a_template_that_refuses_names_where(tmp_path: Path) -> None:
    tokenizer = toy(tmp_path, "{{ raise_exception('never') }}")
    with pytest.raises(TrainingError, match=r"messages 1 to 2 don't go.*never"):
        encode_conversation(tokenizer, TALK[1:])


def test_without_an_end_token_nothing_can_be_learned(tmp_path: Path) -> None:
    tokenizer = toy(tmp_path, ENDLESS, eos_token="")
    with pytest.raises(TrainingError, match="set eos_token"):
        encode_conversation(tokenizer, TALK[1:])
