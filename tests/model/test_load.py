"""load() on the native path: choices, remarks, and each kind of bad folder in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from chatcli.errors import (
    ChatcliError,
    CheckpointError,
    DeviceError,
    TokenizerError,
    UnsupportedError,
    UsageError,
    WeightsError,
)
from chatcli.model import device
from chatcli.model.load import load
from tests.fakes import tiny_checkpoint


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint, to be spoilt."""
    return Path(shutil.copytree(tiny, tmp_path / "mine"))


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def complaint(kind: type[ChatcliError], folder: Path, **options: Any) -> str:
    """The message of a load that fails with exactly `kind`, in one line."""
    with pytest.raises(kind) as caught:
        load(folder, **options)
    assert type(caught.value) is kind and "\n" not in str(caught.value)
    return str(caught.value)


def test_the_checkpoint_says_what_was_loaded(tiny: Path) -> None:
    model = load(tiny)
    checkpoint = model.checkpoint
    assert (checkpoint.name, checkpoint.path, checkpoint.engine) == ("tiny", tiny, "native")
    assert (checkpoint.n_layer, checkpoint.n_head, checkpoint.d_model) == (2, 4, 32)
    assert (checkpoint.dtype, checkpoint.device) == ("float32", str(device.pick_device()))
    assert checkpoint.context_length == 128
    assert model.tokenizer.eos_ids == {0, 2}
    assert model.tokenizer.chat_template is not None


def test_a_path_as_text_as_object_or_as_a_file_is_the_same(tiny: Path) -> None:
    assert load(str(tiny)).checkpoint == load(tiny / "model.safetensors").checkpoint


def test_a_shorter_context_is_obeyed_and_a_longer_one_refused(tiny: Path) -> None:
    assert load(tiny, context=16).checkpoint.context_length == 16
    assert "128" in complaint(UsageError, tiny, context=129)
    complaint(UsageError, tiny, context=0)


def test_half_precision_files_run_in_float32_where_small_and_as_told(tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "half", dtype="bfloat16")
    assert load(folder, device="cpu").checkpoint.dtype == "float32"
    assert load(folder, device="cpu", dtype="bfloat16").checkpoint.dtype == "bfloat16"


def test_a_tokenizer_larger_than_the_model_is_remarked(tmp_path: Path) -> None:
    remarks: list[str] = []
    load(tiny_checkpoint(tmp_path / "mine", vocab_size=290), notice=remarks.append)
    assert len(remarks) == 1 and "the model only 290" in remarks[0]


def test_wrong_options_are_wrong_usage(tiny: Path) -> None:
    complaint(UsageError, tiny, device="gpu")
    complaint(UsageError, tiny, dtype="int4")
    complaint(UsageError, tiny, engine="vllm")


def test_too_little_memory_is_told_before_loading(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "free_memory", lambda _: 150_000)
    message = complaint(DeviceError, tiny, device="cpu")
    assert message.startswith("tiny takes 0.2 MB of weights in float32")
    assert message.endswith("--dtype bfloat16 takes 0.1 MB")


def test_a_path_that_does_not_exist(tmp_path: Path) -> None:
    assert "there is no model" in complaint(CheckpointError, tmp_path / "nothing")


def test_a_config_that_is_no_json(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "llama",')
    assert "config.json is not valid JSON" in complaint(CheckpointError, folder)


@pytest.mark.parametrize("field", ["vocab_size", "num_hidden_layers", "hidden_size"])
def test_a_config_that_claims_more_than_the_files_hold(folder: Path, field: str) -> None:
    edit(folder / "config.json", **{field: 10**6})
    assert "config.json claims" in complaint(WeightsError, folder)


@pytest.mark.parametrize("value", [-1, "two", None, 2.5])
def test_a_config_with_a_size_that_is_none(folder: Path, value: object) -> None:
    edit(folder / "config.json", num_hidden_layers=value)
    assert "num_hidden_layers" in complaint(CheckpointError, folder)


def test_no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    complaint(TokenizerError, folder)


def test_no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert "has a config.json but no weights" in complaint(WeightsError, folder)


def test_truncated_weights(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    for length in (4, 100, len(content) // 2, len(content) - 1):
        (folder / "model.safetensors").write_bytes(content[:length])
        complaint(WeightsError, folder)


def test_a_wrong_setting_in_generation_config(folder: Path) -> None:
    edit(folder / "generation_config.json", eos_token_id="</s>")
    assert "eos_token_id to '</s>'" in complaint(CheckpointError, folder)


def test_an_encoder_and_a_quantised_model_name_what_loads_them(folder: Path) -> None:
    edit(folder / "config.json", quantization_config={"quant_method": "gptq"})
    assert "gptqmodel" in complaint(UnsupportedError, folder)
    edit(folder / "config.json", model_type="bert", quantization_config=None)
    assert "AutoModel loads it" in complaint(UnsupportedError, folder)


def test_the_engine_told_to_run_what_it_cannot_says_which_can(folder: Path) -> None:
    edit(folder / "config.json", model_type="gpt_neox")
    assert "--engine transformers" in complaint(UnsupportedError, folder, engine="native")


def test_auto_device_is_the_one_that_torch_would_use(tiny: Path) -> None:
    model = load(tiny)
    logits = model.forward([5, 6], model.new_cache(), last=True)
    assert logits.dtype is torch.float32 and logits.shape == (1, model.checkpoint.vocab_size)
