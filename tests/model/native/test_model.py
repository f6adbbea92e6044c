"""What the native model promises around its arithmetic: bounds, chunks, cache, no baggage."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from chatcli.errors import CheckpointError, ContextError, UsageError
from chatcli.model.native.model import NativeModel
from tests.fakes import ScriptedModel, tiny_checkpoint
from tests.model.native.loading import greedy, load
from tests.shared import shared_json, shared_path


@pytest.fixture(scope="module")
def model(tiny: Path) -> NativeModel:
    return load(tiny)


@pytest.mark.parametrize("name", ["stories260k", "nano-sort-gpt"])
def test_real_checkpoints_give_their_reference_outputs(name: str) -> None:
    loaded = load(shared_path("checkpoints", name))
    reference = shared_json("checkpoints", name, "reference.json")
    assert loaded.checkpoint.parameters == reference["parameters"]
    for case in reference["cases"]:
        assert greedy(loaded, case["prompt_ids"], len(case["new_ids"])) == case["new_ids"]
        first = loaded.forward(case["prompt_ids"], loaded.new_cache(), last=True)[0]
        for token, log_probability in case["first_top5"]:
            assert abs(first.log_softmax(-1)[token].item() - log_probability) < 1e-4


def test_nano_sort_gpt_gives_its_authors_own_logits() -> None:
    loaded = load(shared_path("checkpoints", "nano-sort-gpt"))
    own = shared_json("checkpoints", "nano-sort-gpt", "reference_logits.json")
    for ids, logits in zip(own["input_ids"], own["logits"], strict=True):
        computed = loaded.forward(ids, loaded.new_cache())
        torch.testing.assert_close(computed, torch.tensor(logits), atol=1e-4, rtol=0)


def test_the_native_path_never_imports_transformers(tiny: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.model.native.loading import greedy, load;"
        f"model = load(Path({str(tiny)!r})); assert len(greedy(model, [1, 2, 3], 4)) == 4;"
        "print([name for name in sys.modules if name.split('.')[0] == 'transformers'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_last_gives_the_last_row_alone(model: NativeModel) -> None:
    ids = [3, 1, 4, 1, 5, 9, 2, 6]
    every = model.forward(ids, model.new_cache())
    last = model.forward(ids, model.new_cache(), last=True)
    assert every.shape == (8, 300)
    assert last.shape == (1, 300)
    torch.testing.assert_close(last[0], every[-1])


def test_logits_belong_to_the_caller(model: NativeModel) -> None:
    logits = model.forward([1, 2], model.new_cache())
    logits[0, 0] = 0.0
    assert not logits.is_inference()


def test_the_same_ids_give_the_same_bits(model: NativeModel) -> None:
    runs = [model.forward([7, 8, 9], model.new_cache()) for _ in range(2)]
    assert torch.equal(*runs)


def test_a_prompt_longer_than_the_context_says_both_numbers(model: NativeModel) -> None:
    cache = model.new_cache()
    model.forward([1, 2, 3], cache)
    with pytest.raises(ContextError, match=r"130.*128"):
        model.forward([5] * 127, cache)
    assert list(cache.tokens) == [1, 2, 3]


@pytest.mark.parametrize("bad", [300, -1])
def test_an_id_outside_the_vocabulary_is_named(model: NativeModel, bad: int) -> None:
    cache = model.new_cache()
    with pytest.raises(CheckpointError, match=rf"{bad}.*300"):
        model.forward([1, bad], cache)
    assert not cache.tokens


def test_no_ids_and_strange_caches_are_programming_errors(model: NativeModel) -> None:
    with pytest.raises(ValueError, match="at least one id"):
        model.forward([], model.new_cache())
    with pytest.raises(TypeError, match="new_cache"):
        model.forward([1], ScriptedModel("x").new_cache())


def test_the_context_may_be_cut_but_not_stretched(tiny: Path) -> None:
    assert load(tiny, context=16).checkpoint.context_length == 16
    for wanted in (0, -1, 129):
        with pytest.raises(UsageError, match=rf"{wanted}.*128"):
            load(tiny, context=wanted)


def test_an_interrupted_pass_leaves_the_cache_as_it_was(
    model: NativeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = model.new_cache()
    model.forward([1, 2, 3], cache)
    expected = model.forward([4], cache)
    cache.crop(3)

    def interrupted(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(model.decoder), "logits", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.forward([9, 9, 9], cache)
    assert list(cache.tokens) == [1, 2, 3]
    torch.testing.assert_close(model.forward([4], cache), expected)


def test_a_prompt_of_many_chunks_equals_its_tokens_one_by_one(tmp_path: Path) -> None:
    folder = tiny_checkpoint(
        tmp_path / "long", model_type="mistral", sliding_window=50, max_position_embeddings=1200
    )
    model = load(folder)
    ids = [(7 * place * place) % 300 for place in range(1100)]
    chunked = model.forward(ids, model.new_cache())
    cache = model.new_cache()
    model.forward(ids[:1090], cache)
    single = torch.cat([model.forward([token], cache) for token in ids[1090:]])
    torch.testing.assert_close(single, chunked[1090:], atol=1e-4, rtol=1e-4)


def test_the_checkpoint_tells_what_was_loaded(tiny: Path, model: NativeModel) -> None:
    checkpoint = model.checkpoint
    assert (checkpoint.engine, checkpoint.architecture) == ("native", "llama")
    assert (checkpoint.n_layer, checkpoint.n_head, checkpoint.d_model) == (2, 4, 32)
    assert (checkpoint.dtype, checkpoint.device, checkpoint.path) == ("float32", "cpu", tiny)
    assert len(checkpoint.digest) == 64
