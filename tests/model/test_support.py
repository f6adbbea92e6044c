"""Who runs a checkpoint: native, transformers, or something else that is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chatcli.errors import CheckpointError, UnsupportedError, UsageError, WeightsError
from chatcli.model.resolve import Location
from chatcli.model.sizes import ModelSizes, WeightSizes, read_weight_sizes
from chatcli.model.support import choose_engine
from tests.fakes import tiny_config


@pytest.fixture
def location(tmp_path: Path) -> Location:
    (tmp_path / "model.safetensors").write_bytes(b"")
    return Location("mine", tmp_path)


@pytest.fixture
def pickled(tmp_path: Path) -> Location:
    (tmp_path / "pytorch_model.bin").write_bytes(bytes(400))
    return Location("mine", tmp_path)


def test_a_native_family_runs_natively_unless_told_otherwise(location: Location) -> None:
    assert choose_engine(location, tiny_config()) == "native"
    assert choose_engine(location, tiny_config(), "native") == "native"
    assert choose_engine(location, tiny_config(), "transformers") == "transformers"


def test_another_architecture_goes_to_transformers(location: Location) -> None:
    assert choose_engine(location, {"model_type": "gpt_neox"}) == "transformers"
    with pytest.raises(UnsupportedError, match="--engine transformers"):
        choose_engine(location, {"model_type": "gpt_neox"}, "native")


def test_a_pickle_goes_to_transformers_whatever_the_family(pickled: Location) -> None:
    assert choose_engine(pickled, tiny_config()) == "transformers"
    with pytest.raises(UnsupportedError, match=r"pytorch_model\.bin.*--engine transformers"):
        choose_engine(pickled, tiny_config(), "native")


def test_an_engine_of_no_such_name_is_wrong_usage(location: Location) -> None:
    with pytest.raises(UsageError, match="'vllm' is none of auto, native, transformers"):
        choose_engine(location, tiny_config(), "vllm")


@pytest.mark.parametrize(
    ("config", "remedy"),
    [
        ({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, "AutoModelForMaskedLM"),
        ({"model_type": "roberta"}, "AutoModel loads"),
        (
            {"model_type": "llama", "architectures": ["LlamaForSequenceClassification"]},
            "AutoModelForSequenceClassification",
        ),
        ({"model_type": "t5"}, "AutoModelForSeq2SeqLM"),
        ({"model_type": "whisper", "is_encoder_decoder": True}, "AutoModelForSeq2SeqLM"),
        ({"quantization_config": {"quant_method": "gptq"}}, "gptqmodel"),
        ({"quantization_config": {"quant_method": "awq"}}, "vLLM"),
        ({"quantization_config": {"quant_method": "fp8"}}, "vLLM"),
        ({"quantization_config": {"quant_method": "new"}}, "that method's package"),
        ({"compression_config": {"format": "x"}}, "method unnamed"),
    ],
)
@pytest.mark.parametrize("engine", ["auto", "transformers"])
def test_what_cannot_run_names_what_would_load_it(
    location: Location, config: dict[str, Any], remedy: str, engine: str
) -> None:
    with pytest.raises(UnsupportedError, match=remedy) as caught:
        choose_engine(location, tiny_config() | config, engine)
    assert str(caught.value).startswith("mine ") and "\n" not in str(caught.value)


def test_a_bert_that_was_trained_as_a_decoder_is_let_through(location: Location) -> None:
    config = {"model_type": "bert", "is_decoder": True, "architectures": ["BertLMHeadModel"]}
    assert choose_engine(location, config) == "transformers"


@pytest.mark.parametrize("kind", [None, 7, ["llama"]])
def test_a_config_without_model_type_says_so(location: Location, kind: object) -> None:
    with pytest.raises(CheckpointError, match="has no model_type"):
        choose_engine(location, {"model_type": kind})


def test_sizes_are_read_in_every_spelling() -> None:
    gpt2 = {"n_layer": 2, "n_head": 4, "n_embd": 32, "n_positions": 64, "vocab_size": 300}
    assert ModelSizes.from_json(gpt2) == ModelSizes(2, 4, 4, 8, 32, 300, 64)
    llama = ModelSizes.from_json(tiny_config())
    assert llama == ModelSizes(2, 4, 2, 8, 32, 300, 128)
    assert llama.kv_per_token == 2 * 2 * 2 * 8
    assert ModelSizes.from_json({"text_config": tiny_config()}) == llama
    assert ModelSizes.from_json({"multi_query": True, **gpt2}).n_kv_head == 1
    assert ModelSizes.from_json({}).kv_per_token is None


@pytest.mark.parametrize("value", [0, -2, "two", 1.5, True])
def test_sizes_that_are_no_counts_are_named(value: object) -> None:
    with pytest.raises(CheckpointError, match=r"num_hidden_layers to .*no positive integer"):
        ModelSizes.from_json(tiny_config(num_hidden_layers=value))


@pytest.mark.parametrize("claim", [{"vocab_size": 10**9}, {"num_hidden_layers": 10**6}])
def test_a_config_that_claims_more_than_the_files_hold_is_refused(claim: dict[str, int]) -> None:
    sizes, weights = ModelSizes.from_json(tiny_config(**claim)), WeightSizes(36_000, "F32", 144_000)
    with pytest.raises(WeightsError, match=r"config\.json claims .* only 144,000 bytes"):
        sizes.check("mine", weights)
    ModelSizes.from_json(tiny_config()).check("mine", weights)


def test_weight_sizes_come_from_headers_or_from_a_pickles_length(
    tiny: Path, pickled: Location
) -> None:
    whole = read_weight_sizes(tiny, {})
    assert whole.stored == "F32" and 0 < whole.size - 4 * whole.parameters < 4000
    assert read_weight_sizes(pickled.folder, {}) == WeightSizes(100, "F32", 400)
    half = {"torch_dtype": "torch.bfloat16"}
    assert read_weight_sizes(pickled.folder, half) == WeightSizes(200, "BF16", 400)
