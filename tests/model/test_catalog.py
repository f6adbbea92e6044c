"""The list names what can be loaded and why the rest can't; details come from headers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from chatcli.errors import CheckpointError
from chatcli.model.catalog import describe, list_models
from chatcli.model.digest import digest, digest_whole
from chatcli.model.load import load
from tests.fakes import tiny_checkpoint


@pytest.fixture
def shelf(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of three models, of which one can't run, and a hub cache with one more."""
    shelf = tmp_path / "shelf"
    shutil.copytree(tiny, shelf / "good")
    tiny_checkpoint(shelf / "pruned", quantization_config={"quant_method": "gptq"})
    (shelf / "broken").mkdir()
    (shelf / "broken" / "config.json").write_text("{")
    (shelf / "notes").mkdir()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    shutil.copytree(tiny, tmp_path / "hub" / "models--org--model" / "snapshots" / "abc")
    return shelf


def test_each_model_is_listed_with_its_engine_or_its_problem(shelf: Path) -> None:
    entries = {entry.name: entry for entry in list_models(shelf) if entry.name != "builtin"}
    good, hub = entries[str(shelf / "good")], entries["org/model"]
    assert set(entries) == {*(str(shelf / n) for n in ("broken", "good", "pruned")), "org/model"}
    assert (good.architecture, good.engine, good.problem) == ("llama", "native", None)
    assert (good.parameters, good.size) == (hub.parameters, hub.size)
    for name, problem in [("broken", "not valid JSON"), ("pruned", "gptq")]:
        entry = entries[str(shelf / name)]
        assert entry.engine is None and problem in (entry.problem or "")


def test_a_name_in_the_list_is_one_that_loads(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shelf)
    names = [entry.name for entry in list_models() if entry.engine]
    assert {"good", "org/model"} <= set(names)
    for name in names:
        assert load(name).checkpoint.name == name


def test_details_agree_with_the_loaded_model(tiny: Path) -> None:
    details, checkpoint = describe(tiny), load(tiny).checkpoint
    assert details.entry.parameters == checkpoint.parameters
    assert details.sizes.context_length == checkpoint.context_length
    assert details.digest == checkpoint.digest == digest(tiny)
    assert describe(tiny, verify=True).digest == digest_whole(tiny)


def test_details_give_memory_tokenizer_and_settings(tiny: Path) -> None:
    details = describe(tiny)
    assert details.stored == "float32"
    assert details.memory == {"float32": 4 * (details.entry.parameters or 0)}
    assert details.kv_per_token == {"float32": 2 * 2 * 2 * 8 * 4}
    assert (details.tokenizer, details.chat_template) == ("byte-level BPE", True)
    assert details.tokenizer_size == details.sizes.vocab_size
    assert details.sampling == {"temperature": 0.7, "top_p": 0.9}


def test_half_precision_files_show_both_memories(tmp_path: Path) -> None:
    details = describe(tiny_checkpoint(tmp_path / "half", dtype="bfloat16"))
    assert details.stored == "bfloat16"
    assert details.memory["float32"] == 2 * details.memory["bfloat16"]


def test_a_model_without_tokenizer_is_described_with_the_problem(
    tiny: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny, tmp_path / "mine"))
    (folder / "tokenizer.json").unlink()
    details = describe(folder)
    assert details.tokenizer is None and details.tokenizer_problem


def test_describing_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps([]))
    with pytest.raises(CheckpointError, match="JSON list"):
        describe(tmp_path)


def test_details_warn_of_a_chat_template_and_of_ends_that_no_file_names(
    tiny: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny, tmp_path / "mine"))
    (folder / "generation_config.json").unlink()  # config.json names <|endoftext|> alone
    (warning,) = describe(folder).warnings
    assert "<|im_end|>, which eos_token_id doesn't name (it has <|endoftext|>)" in warning
    assert describe(tiny).warnings == ()
