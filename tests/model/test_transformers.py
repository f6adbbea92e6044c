"""The adapter says exactly what transformers says, whatever is cached, cropped or dropped."""

from __future__ import annotations

import io
import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from chatcli.errors import (
    ChatcliError,
    CheckpointError,
    ContextError,
    UnsupportedError,
    UsageError,
    WeightsError,
)
from chatcli.model.load import load
from chatcli.model.transformers import AdapterModel
from tests.fakes import tiny_tokenizer

SIZES = {
    "vocab_size": 300,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 96,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
GEMMA = SIZES | {"num_key_value_heads": 1, "head_dim": 8}
LAYERS = ["sliding_attention", "full_attention"]
GPT2 = {"vocab_size": 300, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
CONFIGS: dict[str, Callable[[], Any]] = {
    "gpt_neox": lambda: transformers.GPTNeoXConfig(**SIZES),
    "gemma": lambda: transformers.GemmaConfig(**GEMMA),
    "gemma3": lambda: transformers.Gemma3TextConfig(**GEMMA, sliding_window=8, layer_types=LAYERS),
    "mamba": lambda: transformers.MambaConfig(
        vocab_size=300, hidden_size=32, num_hidden_layers=2, state_size=8
    ),
    "gpt2": lambda: transformers.GPT2Config(**GPT2, bos_token_id=0, eos_token_id=0),
}
NAMES = ("gpt_neox", "gemma", "gemma3", "mamba")
IDS = torch.randint(0, 300, (30,), generator=torch.Generator().manual_seed(1)).tolist()


def random_model(name: str) -> Any:
    """A model of transformers in which every parameter is redrawn."""
    module = transformers.AutoModelForCausalLM.from_config(CONFIGS[name]()).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.25)
    return module


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Any, Path]]:
    """A random model and its folder, by name; made once."""
    made: dict[str, tuple[Any, Path]] = {}

    def make(name: str) -> tuple[Any, Path]:
        if name not in made:
            folder, module = tmp_path_factory.mktemp(name), random_model(name)
            module.save_pretrained(folder)
            tiny_tokenizer().save(str(folder / "tokenizer.json"))
            made[name] = module, folder
        return made[name]

    return make


@pytest.fixture(params=NAMES)
def pair(request: pytest.FixtureRequest, saved: Any) -> tuple[Any, AdapterModel]:
    """A model of transformers and the adapter over its folder."""
    module, folder = saved(request.param)
    model = load(folder, device="cpu")
    assert isinstance(model, AdapterModel)
    return module, model


def reference(module: Any) -> Tensor:
    with torch.no_grad():
        logits: Tensor = module(torch.tensor([IDS])).logits[0]
    assert logits.std() > 0.3
    return logits


def close(found: Tensor, expected: Tensor) -> bool:
    return torch.allclose(found, expected, atol=1e-4)


def test_greedy_ids_equal_those_of_generate(pair: tuple[Any, AdapterModel]) -> None:
    module, model = pair
    options = {"max_new_tokens": 24, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    expected = module.generate(torch.tensor([IDS[:6]]), **options)[0].tolist()
    ids, cache = IDS[:6], model.new_cache()
    while len(ids) < len(expected):
        ids = [*ids, int(model.forward(cache.reuse(ids), cache, last=True).argmax())]
    assert ids == expected


def test_cached_equals_uncached_in_any_portions(pair: tuple[Any, AdapterModel]) -> None:
    module, model = pair
    expected = reference(module)
    for cuts in ([0, 30], [0, 11, 13, 30], [0, 5, *range(6, 31)]):
        cache = model.new_cache()
        spans = itertools.pairwise(cuts)
        rows = [model.forward(IDS[begin:end], cache) for begin, end in spans]
        assert close(torch.cat(rows), expected)
    assert close(model.forward(IDS, model.new_cache(), last=True), expected[-1:])


@pytest.mark.parametrize(("fed", "keep"), [(6, 4), (30, 20), (30, 29), (30, 0)])
def test_cropped_and_continued_equals_fresh(
    pair: tuple[Any, AdapterModel], fed: int, keep: int
) -> None:
    module, model = pair
    cache = model.new_cache()
    model.forward(IDS[:fed], cache)
    cache.crop(keep)
    assert cache.tokens == IDS[:keep]
    assert close(model.forward(IDS[keep:], cache), reference(module)[keep:])


def test_reuse_feeds_what_is_not_held_and_never_nothing(pair: tuple[Any, AdapterModel]) -> None:
    module, model = pair
    cache = model.new_cache()
    model.forward([*IDS[:20], 7, 7], cache)
    suffix = cache.reuse(IDS)
    assert [*cache.tokens, *suffix] == IDS
    assert close(model.forward(suffix, cache, last=True), reference(module)[-1:])
    assert cache.reuse(IDS)[-1] == IDS[-1]
    with pytest.raises(ValueError, match="at least one id"):
        cache.reuse([])


def test_a_plain_cache_keeps_the_common_prefix(saved: Any) -> None:
    model = load(saved("gpt_neox")[1], device="cpu")
    cache = model.new_cache()
    model.forward(IDS[:20], cache)
    assert cache.reuse([*IDS[:12], 1, 2]) == [1, 2]
    assert len(cache.reuse(IDS[:12])) == 1


def test_a_forward_that_fails_leaves_the_cache_usable(
    saved: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, folder = saved("gpt_neox")
    model = load(folder, device="cpu")
    assert isinstance(model, AdapterModel)
    cache = model.new_cache()
    model.forward(IDS[:10], cache)
    with monkeypatch.context() as patch:
        patch.setattr(model.module.get_output_embeddings(), "forward", lambda hidden: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            model.forward(IDS[10:], cache)
    assert cache.tokens == IDS[:10]
    assert close(model.forward(IDS[10:], cache), reference(module)[10:])


def test_context_and_vocabulary_are_bounds(saved: Any) -> None:
    model = load(saved("gpt_neox")[1], device="cpu", context=16)
    cache = model.new_cache()
    with pytest.raises(ContextError, match=r"30 tokens .* context of 16"):
        model.forward(IDS, cache)
    with pytest.raises(CheckpointError, match="token id 300 is outside"):
        model.forward([300], cache)
    with pytest.raises(ValueError, match="at least one id"):
        model.forward([], cache)
    assert cache.tokens == []
    with pytest.raises(UsageError, match="context 97"):
        load(saved("gpt_neox")[1], context=97)


def test_native_and_adapter_agree_on_the_same_folder(tiny: Path) -> None:
    adapter, native = (load(tiny, device="cpu", engine=name) for name in ("transformers", "native"))
    assert adapter.checkpoint.engine == "transformers"
    theirs = adapter.forward(IDS, adapter.new_cache())
    assert close(native.forward(IDS, native.new_cache()), theirs) and theirs.std() > 0.3
    assert adapter.checkpoint.parameters == native.checkpoint.parameters
    assert adapter.checkpoint.digest == native.checkpoint.digest


def test_loading_writes_nothing(saved: Any, capfd: pytest.CaptureFixture[str]) -> None:
    model = load(saved("gemma3")[1])
    model.forward(IDS, model.new_cache())
    assert capfd.readouterr() == ("", "")


# Pickles, and folders that are not what they say.


def pickled(folder: Path, state: object, *, zipped: bool = True, **changes: Any) -> Path:
    """A GPT-2 folder with `state` in pytorch_model.bin, as torch writes it now or did once."""
    config = json.loads(CONFIGS["gpt2"]().to_json_string()) | changes
    (folder / "config.json").write_text(json.dumps(config))
    weights = folder / "pytorch_model.bin"
    torch.save(state, weights, _use_new_zipfile_serialization=zipped)
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def gpt2() -> Any:
    return random_model("gpt2")


@pytest.fixture
def state(gpt2: Any) -> dict[str, Tensor]:
    """Weights as old files have them, with masks beside them."""
    mask = torch.ones(64, 64, dtype=torch.uint8).tril()[None, None]
    strays = {f"transformer.h.{n}.attn.bias": mask for n in range(2)}
    strays |= {f"transformer.h.{n}.attn.masked_bias": torch.tensor(-1e4) for n in range(2)}
    return {**gpt2.state_dict(), **strays}


def complaint(kind: type[ChatcliError], folder: Path) -> str:
    with pytest.raises(kind) as caught:
        load(folder)
    assert type(caught.value) is kind and "\n" not in str(caught.value)
    return str(caught.value)


def test_a_pickle_with_stray_buffers_loads_with_one_notice(
    tmp_path: Path, gpt2: Any, state: dict[str, Tensor]
) -> None:
    notices: list[str] = []
    model = load(pickled(tmp_path, state), device="cpu", notice=notices.append)
    assert close(model.forward(IDS, model.new_cache()), reference(gpt2))
    assert len(notices) == 1 and "a pickle, read as tensors only" in notices[0]


def test_a_tensor_without_a_place_is_told(tmp_path: Path, state: dict[str, Tensor]) -> None:
    notices: list[str] = []
    load(pickled(tmp_path, {**state, "mtp.weight": torch.ones(2)}), notice=notices.append)
    assert "mtp.weight is without a place in the model" in notices[-1]


class Call:
    """A pickle of this makes a folder when it is loaded by Python's own loader."""

    def __init__(self, target: str) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.target,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_with_code_is_refused_and_not_run(
    tmp_path: Path, state: dict[str, Tensor], zipped: bool
) -> None:
    target = tmp_path / "owned"
    folder = pickled(tmp_path, {**state, "x": Call(str(target))}, zipped=zipped)
    assert "posix.mkdir" in complaint(WeightsError, folder)
    assert not target.exists()
    torch.load(io.BytesIO((folder / "pytorch_model.bin").read_bytes()), weights_only=False)
    assert target.exists()


@pytest.mark.parametrize("length", [0, 5000, 50_000])
def test_a_truncated_pickle_is_damaged(
    tmp_path: Path, state: dict[str, Tensor], length: int
) -> None:
    path = pickled(tmp_path, state) / "pytorch_model.bin"
    path.write_bytes(path.read_bytes()[:length])
    assert "damaged" in complaint(WeightsError, tmp_path)


def test_missing_weights_are_an_error_not_random_numbers(
    tmp_path: Path, state: dict[str, Tensor]
) -> None:
    del state["transformer.h.1.mlp.c_fc.weight"], state["transformer.h.1.mlp.c_fc.bias"]
    message = complaint(WeightsError, pickled(tmp_path, state))
    assert "transformer.h.1.mlp.c_fc.bias and 1 more are missing" in message


def test_weights_of_another_shape_are_refused(tmp_path: Path, state: dict[str, Tensor]) -> None:
    message = complaint(WeightsError, pickled(tmp_path, state, n_inner=100))
    assert "other shapes than config.json says" in message


def test_an_architecture_that_nobody_knows(tmp_path: Path, state: dict[str, Tensor]) -> None:
    folder = pickled(tmp_path, state, model_type="zorglub")
    assert "'zorglub' is none of the native engine's" in complaint(UnsupportedError, folder)
    folder = pickled(tmp_path, state, model_type="zorglub", auto_map={"AutoConfig": "c.C"})
    assert "which chatcli never runs" in complaint(UnsupportedError, folder)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"n_head": 5}, "divisible"),
        ({"activation_function": "zzz"}, "zzz"),
        ({"n_positions": "many"}, "n_positions"),
    ],
)
def test_a_config_that_transformers_refuses_is_one_line(
    tmp_path: Path, state: dict[str, Tensor], change: dict[str, Any], named: str
) -> None:
    assert named in complaint(CheckpointError, pickled(tmp_path, state, **change))
