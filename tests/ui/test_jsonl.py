"""JSON lines: the fields of the contract, and numbers and text that JSON can't hold."""

from __future__ import annotations

import dataclasses
import json
import math

import torch

from chatcli.engine.types import Chunk, Step, Usage
from chatcli.probe.next_token import next_token
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import Candidate, Draw, SamplingConfig
from chatcli.ui.jsonl import (
    candidate_object,
    end_object,
    json_line,
    next_token_object,
    step_objects,
)
from tests.fakes import ByteTokenizer, ScriptedModel

TOKENIZER = ByteTokenizer()


def step(index: int, token: int) -> Step:
    candidate = Candidate(token, 1, 3.0, 0.75, 1.0)
    draw = Draw(token, torch.ones(1), (), 0.25, (0.0, 1.0), (candidate,))
    return Step(index, index + 4, token, 0.75, 1.0, 1, 0.5, draw, 0.01)


def test_numbers_that_are_not_finite_are_null() -> None:
    line = json_line({"a": math.nan, "b": [math.inf, {"c": -math.inf}], "d": (1.5, 2)})
    assert json.loads(line) == {"a": None, "b": [None, {"c": None}], "d": [1.5, 2]}


def test_text_is_written_as_it_is() -> None:
    assert json_line({"text": "世界 🏔"}) == '{"text": "世界 🏔"}\n'


def test_what_a_terminal_would_act_on_is_escaped_and_survives() -> None:
    text = "\x1b]0;x\x07 \x7f\x9b31m \u202e\u2066 \u200f \ud800 \n"
    line = json_line({"text": text})
    assert json.loads(line) == {"text": text}
    assert line.isascii() and line.count("\n") == 1
    assert not any(ord(character) < 32 or ord(character) == 127 for character in line[:-1])


def test_each_token_has_the_fields_of_the_contract() -> None:
    (line,) = step_objects(2, Chunk("h", (step(0, 104),)), TOKENIZER)
    assert line == {
        "sample": 2,
        "index": 0,
        "token": 104,
        "text": "h",
        "raw_prob": 0.75,
        "prob": 1.0,
        "rank": 1,
        "entropy_bits": 0.5,
        "u": 0.25,
        "candidates": [
            {
                "token": 104,
                "rank": 1,
                "logit": 3.0,
                "raw_prob": 0.75,
                "prob": 1.0,
                "removed_by": None,
                "text": "h",
                "bytes": "68",
            }
        ],
    }


def test_text_that_several_tokens_made_is_counted_once() -> None:
    chunk = Chunk("峰", tuple(step(index, token) for index, token in enumerate("峰".encode())))
    assert [line["text"] for line in step_objects(0, chunk, TOKENIZER)] == ["", "", "峰"]


def test_a_part_of_a_character_keeps_its_bytes() -> None:
    line = candidate_object(Candidate(0xE5, 1, 0.0, 0.5, 0.5), TOKENIZER)
    assert (line["text"], line["bytes"]) == ("\ufffd", "e5")


def test_a_sample_ends_with_all_that_repeats_it() -> None:
    chain = SamplerChain(SamplingConfig(top_k=3, logit_bias={5: -math.inf}))
    line = end_object(1, "text", "length", Usage(4, 3, 2, 0.5, 0.25), chain)
    assert line["usage"] == dataclasses.asdict(Usage(4, 3, 2, 0.5, 0.25))
    assert {key: line[key] for key in ("sample", "finish", "text", "seed")} == {
        "sample": 1,
        "finish": "length",
        "text": "text",
        "seed": chain.seed,
    }
    again = SamplingConfig.from_dict(json.loads(json_line(line))["sampling"])
    assert again == dataclasses.replace(chain.config, seed=chain.seed)


def test_the_next_token_has_the_fields_of_the_contract() -> None:
    model = ScriptedModel("hi", noise=1.0)
    found = next_token(model, [1, 2], SamplingConfig(top_k=2, seed=1), top=3)
    line = json.loads(json_line(next_token_object("scripted", "ab", found, TOKENIZER)))
    assert list(line) == [
        "model",
        "prompt",
        "prompt_ids",
        "order",
        "entropy_bits",
        "stages",
        "candidates",
    ]
    assert (line["model"], line["prompt"], line["prompt_ids"]) == ("scripted", "ab", [1, 2])
    assert line["order"] == "hf"
    assert list(line["stages"][0]) == ["name", "kept", "mass", "entropy_bits"]
    assert [one["rank"] for one in line["candidates"]] == [1, 2, 3]
    assert line["candidates"][0]["text"] == "h"


def test_an_order_of_stages_is_a_list() -> None:
    config = SamplingConfig(order=("top_p", "temperature"))
    found = next_token(ScriptedModel("hi"), [1], config)
    assert next_token_object("m", "p", found, TOKENIZER)["order"] == ["top_p", "temperature"]
