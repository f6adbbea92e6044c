"""Random checkpoints: their sizes, and that both engines would take them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from chatcli.bench.shapes import SHAPES, write_random_checkpoint
from chatcli.bench.workshop import DEFAULT, without_end
from chatcli.engine.generate import generate
from chatcli.model.load import load
from chatcli.model.native.config import NativeConfig
from chatcli.model.native.layout import layout_of


@pytest.mark.parametrize(("name", "millions"), [("110M", 110), ("600M", 596)])
def test_a_shape_has_the_parameters_it_is_named_after(name: str, millions: int) -> None:
    config = NativeConfig.from_json(SHAPES[name])
    expected = layout_of(config, frozenset()).expected(config)
    assert sum(math.prod(size) for _, size in expected) / 1e6 == pytest.approx(millions, abs=0.5)


def test_a_random_checkpoint_loads_and_writes_to_the_last_token(tmp_path: Path) -> None:
    small = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "vocab_size": 500}
    model = load(write_random_checkpoint(tmp_path / "small", {**SHAPES["600M"], **small}))
    assert model.checkpoint.engine == "native"
    assert model.tokenizer.vocab_size == 256
    logits = model.forward([1, 2, 3], model.new_cache(), last=True)
    assert torch.isfinite(logits).all() and logits.std() > 0.1
    steps = list(generate(model, [1, 2, 3], DEFAULT, max_tokens=20))
    assert len(steps) == 20


def test_a_banned_end_is_never_drawn(tiny: Path) -> None:
    model = load(tiny)
    assert model.tokenizer.eos_ids
    config = without_end(DEFAULT, model)
    assert set(config.logit_bias) == model.tokenizer.eos_ids
    steps = list(generate(model, [1], config, max_tokens=100))
    assert len(steps) == 100
