"""A PEFT adapter folder loads onto its base and says exactly what peft says."""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers
from torch import Tensor

from chatcli.errors import ChatcliError, CheckpointError, UnsupportedError, WeightsError
from chatcli.model.catalog import describe, list_models
from chatcli.model.generation import sampling_defaults
from chatcli.model.load import load
from chatcli.model.resolve import Location, resolve
from tests.fakes import tiny_checkpoint, tiny_tokenizer

IDS = torch.randint(0, 290, (1, 20), generator=torch.Generator().manual_seed(1))
GPT2 = {"vocab_size": 300, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}


def save_adapter(base: Path, folder: Path, config: Any, *, grow: int = 0) -> Tensor:
    """Write a random adapter of `base` into `folder`; peft's own logits with it, [T, V]."""
    module = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if grow:
        module.resize_token_embeddings(module.config.vocab_size + grow, mean_resizing=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = peft.get_peft_model(module, config)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.2)
        logits: Tensor = model.eval()(IDS).logits[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(folder, save_embedding_layers=bool(grow))
    return logits


def lora(*targets: str, **options: Any) -> Any:
    chosen = list(targets) if targets else "all-linear"
    return peft.LoraConfig(target_modules=chosen, r=4, task_type="CAUSAL_LM", **options)


def save_gpt2(folder: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.GPT2Config(**GPT2, bos_token_id=0, eos_token_id=0)
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def logits_of(name: str | Path, **options: Any) -> Tensor:
    model = load(name, device="cpu", **options)
    return model.forward(IDS[0].tolist(), model.new_cache())


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def complaint(kind: type[ChatcliError], folder: Path) -> str:
    with pytest.raises(kind) as caught:
        load(folder)
    assert type(caught.value) is kind and "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Tensor]:
    """A base, an adapter of it, and peft's logits; tests only read them."""
    shelf = tmp_path_factory.mktemp("adapters")
    base = tiny_checkpoint(shelf / "base")
    return base, shelf / "tuned", save_adapter(base, shelf / "tuned", lora())


@pytest.fixture
def copy(pair: tuple[Path, Path, Tensor], tmp_path: Path) -> Path:
    """A copy of the adapter, to be spoilt."""
    return Path(shutil.copytree(pair[1], tmp_path / "mine"))


CASES: dict[str, tuple[Callable[[Path], Path], Any]] = {
    "llama": (tiny_checkpoint, lambda: lora()),
    "llama tied": (lambda f: tiny_checkpoint(f, tie_word_embeddings=True), lambda: lora()),
    "llama dora": (tiny_checkpoint, lambda: lora("q_proj", "down_proj", use_dora=True)),
    "llama ia3": (tiny_checkpoint, lambda: peft.IA3Config(task_type="CAUSAL_LM")),
    "llama loha": (
        tiny_checkpoint,
        lambda: peft.LoHaConfig(target_modules=["q_proj"], r=4, task_type="CAUSAL_LM"),
    ),
    "whole head beside": (tiny_checkpoint, lambda: lora("v_proj", modules_to_save=["lm_head"])),
    "head of a tied model": (
        lambda f: tiny_checkpoint(f, tie_word_embeddings=True),
        lambda: lora("lm_head", "q_proj"),
    ),
    "embedding of a tied model": (
        lambda f: tiny_checkpoint(f, tie_word_embeddings=True),
        lambda: lora("embed_tokens", "q_proj"),
    ),
    "gpt2": (save_gpt2, lambda: lora(fan_in_fan_out=True)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("engine", ["native", "transformers"])
def test_logits_equal_those_of_peft(case: str, engine: str, tmp_path: Path) -> None:
    make, config = CASES[case]
    base = make(tmp_path / "base")
    expected = save_adapter(base, tmp_path / "tuned", config())
    found = logits_of(tmp_path / "tuned", engine=engine)
    assert torch.allclose(found, expected, atol=1e-5 * float(expected.abs().max()))
    assert not torch.allclose(found, logits_of(base, engine=engine), atol=1e-2)


def test_tokens_added_before_training_are_there(tmp_path: Path) -> None:
    base = tiny_checkpoint(tmp_path / "base")
    rows = load(base).checkpoint.vocab_size
    expected = save_adapter(base, tmp_path / "tuned", lora(), grow=5)
    model = load(tmp_path / "tuned", device="cpu")
    assert model.checkpoint.vocab_size == rows + 5 == expected.shape[1]
    assert torch.allclose(model.forward(IDS[0].tolist(), model.new_cache()), expected, atol=1e-4)


def test_a_native_architecture_runs_natively(pair: tuple[Path, Path, Tensor]) -> None:
    base, tuned, _ = pair
    merged, alone = load(tuned).checkpoint, load(base).checkpoint
    assert (merged.engine, merged.name, merged.path) == ("native", "tuned", tuned)
    assert merged.parameters == alone.parameters
    assert merged.architecture == alone.architecture


@pytest.mark.parametrize("spelt", ["../base", "beside/base", "org/base", "builtin"])
def test_the_base_is_found_by_path_or_name(
    spelt: str, pair: tuple[Path, Path, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, tuned, expected = pair
    (tmp_path / "beside").mkdir()
    for folder in (tmp_path / "base", tmp_path / "beside" / "base"):
        shutil.copytree(base, folder)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    shutil.copytree(base, tmp_path / "hub" / "models--org--base" / "snapshots" / "abc")
    monkeypatch.setattr("chatcli.model.resolve.BUILTIN_FOLDER", base)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tuned, tmp_path / "mine")
    edit(tmp_path / "mine", base_model_name_or_path=spelt)
    assert torch.allclose(logits_of("mine"), expected, atol=1e-4)


def test_each_file_of_an_adapter_stands_for_it(pair: tuple[Path, Path, Tensor]) -> None:
    base, tuned, _ = pair
    expected = Location("tuned", base, adapter=tuned)
    for name in (".", "adapter_config.json", "adapter_model.safetensors"):
        assert resolve(tuned / name) == expected


def test_a_config_beside_makes_no_model_of_it_but_whole_weights_do(
    pair: tuple[Path, Path, Tensor], copy: Path
) -> None:
    base = pair[0]
    shutil.copy(base / "config.json", copy)
    assert resolve(copy) == Location("mine", base, adapter=copy)
    shutil.copy(base / "model.safetensors", copy)
    assert resolve(copy) == Location("mine", copy)


def test_files_of_the_adapter_come_before_those_of_the_base(
    pair: tuple[Path, Path, Tensor], copy: Path
) -> None:
    base = pair[0]
    assert load(copy).tokenizer.chat_template == load(base).tokenizer.chat_template
    assert sampling_defaults(copy) == sampling_defaults(base) != {}
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(base / name, copy)
    (copy / "chat_template.jinja").write_text("{{ messages[0].content }}")
    settings = {"temperature": 0.1, "eos_token_id": 1}
    (copy / "generation_config.json").write_text(json.dumps(settings))
    model = load(copy)
    assert model.tokenizer.chat_template == "{{ messages[0].content }}"
    assert 1 in model.tokenizer.eos_ids
    assert sampling_defaults(copy) == {"temperature": 0.1}


def test_the_digest_covers_adapter_and_base(pair: tuple[Path, Path, Tensor], copy: Path) -> None:
    base, tuned, _ = pair
    other = tiny_checkpoint(copy.parent / "other", seed=1)
    same, mine = load(tuned).checkpoint.digest, load(copy).checkpoint.digest
    assert same == mine != load(base).checkpoint.digest
    weights = copy / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    spoilt = load(copy).checkpoint.digest
    edit(copy, base_model_name_or_path=str(other))
    assert len({same, spoilt, load(copy).checkpoint.digest}) == 3
    assert describe(tuned).digest == same


def test_the_list_and_the_page_name_the_base(pair: tuple[Path, Path, Tensor]) -> None:
    base, tuned, _ = pair
    entries = {entry.path: entry for entry in list_models(tuned.parent)}
    found = entries[tuned]
    assert (found.engine, found.architecture, found.problem) == ("native", "llama", None)
    assert (found.method, found.base, entries[base].base) == ("LORA", base, None)
    assert (found.size or 0) > (entries[base].size or 0)
    details = describe(tuned)
    assert details.entry.base == base and details.sizes == describe(base).sizes


def test_a_base_that_is_not_here_is_named_with_the_remedy(copy: Path) -> None:
    edit(copy, base_model_name_or_path="org/nowhere")
    message = complaint(CheckpointError, copy)
    assert "PEFT adapter of org/nowhere" in message and "base_model_name_or_path" in message
    entry = next(entry for entry in list_models(copy.parent) if entry.path == copy)
    assert entry.engine is None and entry.problem == message


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        (
            {"base_model_name_or_path": None},
            CheckpointError,
            "sets base_model_name_or_path to None",
        ),
        ({"base_model_name_or_path": "."}, UnsupportedError, "itself an adapter"),
        ({"peft_type": "PROMPT_TUNING"}, UnsupportedError, "can't be merged"),
        ({"task_type": "SEQ_CLS"}, UnsupportedError, "'SEQ_CLS'"),
        ({"megatron_config": {"a": 1}, "megatron_core": "os"}, UnsupportedError, "Megatron"),
        ({"layer_replication": [[0, 2], [1, 2]]}, UnsupportedError, "repeats layers"),
        ({"alora_invocation_tokens": [1]}, UnsupportedError, "peft can't merge this adapter"),
        ({"peft_type": "NONESUCH"}, CheckpointError, "peft can't load the adapter"),
        ({"target_modules": ["nonesuch"]}, WeightsError, "doesn't fit its base: Target modules"),
        ({"r": 8}, WeightsError, "doesn't fit its base"),
        ({"target_modules": ["q_proj"]}, WeightsError, "has no counterpart"),
    ],
)
def test_settings_that_cannot_be_obeyed_are_one_line(
    changes: dict[str, Any], kind: type[ChatcliError], words: str, copy: Path
) -> None:
    edit(copy, **changes)
    assert words in complaint(kind, copy)


def test_an_adapter_of_another_model_does_not_fit(tmp_path: Path) -> None:
    bases: Sequence[tuple[str, dict[str, Any]]] = [
        ("deep", {"num_hidden_layers": 3}),
        ("shallow", {"num_hidden_layers": 1}),
        ("wide", {"hidden_size": 64, "head_dim": 16}),
    ]
    save_adapter(tiny_checkpoint(tmp_path / "base"), tmp_path / "tuned", lora("q_proj", "up_proj"))
    for name, config in bases:
        edit(
            tmp_path / "tuned",
            base_model_name_or_path=str(tiny_checkpoint(tmp_path / name, **config)),
        )
        assert "doesn't fit its base" in complaint(WeightsError, tmp_path / "tuned")


def test_missing_and_damaged_weights_are_named(copy: Path) -> None:
    (copy / "adapter_model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ..")
    complaint(WeightsError, copy)
    (copy / "adapter_model.safetensors").unlink()
    assert "no adapter_model.safetensors" in complaint(WeightsError, copy)


def test_pickled_weights_load_and_code_in_them_never_runs(
    pair: tuple[Path, Path, Tensor], copy: Path
) -> None:
    from safetensors.torch import load_file

    weights = load_file(copy / "adapter_model.safetensors")
    (copy / "adapter_model.safetensors").unlink()
    torch.save(weights, copy / "adapter_model.bin")
    assert torch.allclose(logits_of(copy), pair[2], atol=1e-4)

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (copy / "sprung",))

    torch.save({"a": Trap()}, copy / "adapter_model.bin")
    complaint(WeightsError, copy)
    assert not (copy / "sprung").exists()


def test_without_peft_the_remedy_is_named(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    assert "pip install 'chatcli[train]'" in complaint(UnsupportedError, copy)
