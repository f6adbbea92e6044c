"""A checkpoint is opened, changed and written out, and what was written chats at once."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from chatcli.chat.conversation import Conversation
from chatcli.errors import CheckpointError, TrainingError, UnsupportedError
from chatcli.model.files import tensor_headers
from chatcli.model.load import load
from chatcli.model.types import LanguageModel
from chatcli.sampling.types import SamplingConfig
from chatcli.text.tokenizer import load_tokenizer
from chatcli.text.types import Message
from chatcli.train.tuning import Base, LoraSettings, export_tuned, open_base
from chatcli.train.turns import encode_conversation
from tests.fakes import tiny_checkpoint, tiny_tokenizer

TALK = (
    Message("user", "hello"),
    Message("assistant", "the north"),
    Message("user", "and?"),
    Message("assistant", "the mountain"),
)
CPU = torch.device("cpu")
LORA = LoraSettings(rank=4, alpha=8)


def teach(base: Base, steps: int = 60) -> None:
    """Train on one conversation until it is known by heart."""
    ids, learn = encode_conversation(base.tokenizer, TALK)
    row = torch.from_numpy(ids).long()[None]
    targets = row.masked_fill(~torch.from_numpy(learn)[None], -100)
    trained = [p for p in base.model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.02)
    for _ in range(steps):
        base.model(input_ids=row, labels=targets).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def logits(model: LanguageModel) -> torch.Tensor:
    ids = encode_conversation(load_tokenizer(model.checkpoint.path or Path()), TALK)[0]
    return model.forward(ids.tolist(), model.new_cache())


def says_what_it_was_taught(folder: Path) -> bool:
    talk = Conversation(load(folder, device="cpu"), SamplingConfig(temperature=0))
    for message in TALK:
        if message.role == "user":
            assert list(talk.ask(message.content, max_tokens=20))[-1].finish == "eos"
    # A plain dialogue has a space after "Assistant:", which is the model's to write.
    return tuple(Message(m.role, m.content.lstrip()) for m in talk.messages) == TALK


def save_gpt2(folder: Path) -> Path:
    """A tiny GPT-2 that has never heard of chats."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 300, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
    config = transformers.GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    tokens = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "add_bos_token": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokens))
    return folder


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


MODELS: dict[str, Callable[[Path], Path]] = {
    "llama": tiny_checkpoint,
    "llama tied": lambda folder: tiny_checkpoint(folder, tie_word_embeddings=True),
    "gpt2 without template": save_gpt2,
}


@pytest.mark.parametrize("lora", [None, LORA], ids=["full", "lora"])
@pytest.mark.parametrize(
    "name",
    ["llama", *(pytest.param(name, marks=pytest.mark.slow) for name in MODELS if name != "llama")],
)
def test_what_was_taught_is_said_after_export(
    name: str, lora: LoraSettings | None, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    base = open_base(MODELS[name](tmp_path / "base"), lora=lora, device=CPU)
    teach(base, 60 if lora is None else 150)
    export_tuned(base, tmp_path / "out", ["# tuned", "", "a card"])
    assert says_what_it_was_taught(tmp_path / "out")
    assert load(tmp_path / "out").checkpoint.engine == "native"
    assert (tmp_path / "out" / "MODEL_CARD.md").read_text() == "# tuned\n\na card\n"
    assert sorted(tmp_path.iterdir()) == [tmp_path / "base", tmp_path / "out"]
    assert len({path.stat().st_mode for path in (tmp_path / "out").iterdir()}) == 1


def test_a_base_that_was_not_trained_is_exported_as_it_was(tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "base", dtype="bfloat16", tie_word_embeddings=True)
    base = open_base(folder, lora=None, device=CPU)
    assert {p.dtype for p in base.model.parameters()} == {torch.float32}
    export_tuned(base, tmp_path / "out", [])
    headers = tensor_headers(tmp_path / "out" / "model.safetensors")
    assert headers == tensor_headers(folder / "model.safetensors")
    assert torch.equal(logits(load(tmp_path / "out")), logits(load(folder)))
    assert {p.dtype for p in base.model.parameters()} == {torch.float32}
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (folder / name).read_bytes()


def test_an_adapter_is_small_and_names_its_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_checkpoint(tmp_path / "base")
    monkeypatch.chdir(tmp_path)
    base = open_base(Path("base"), lora=LoraSettings(4, 8, 0.1, ("q_proj",)), device=CPU)
    export_tuned(base, tmp_path / "out", [])
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(tmp_path / "base")
    assert (config["r"], config["lora_alpha"], config["lora_dropout"]) == (4, 8, 0.1)
    assert len(tensor_headers(tmp_path / "out" / "adapter_model.safetensors")) == 4
    assert not (tmp_path / "out" / "README.md").exists()
    # Nothing was learned, so the adapter changes nothing.
    monkeypatch.chdir("/")
    assert torch.allclose(logits(load(tmp_path / "out")), logits(load(tmp_path / "base")))


def test_only_the_adapter_learns(tmp_path: Path) -> None:
    base = open_base(tiny_checkpoint(tmp_path / "base"), lora=LORA, device=CPU)
    learned = {name for name, p in base.model.named_parameters() if p.requires_grad}
    assert learned and all("lora_" in name for name in learned)
    assert len(learned) == 2 * 7 * 2  # A and B of seven matrices in two layers; not the head


def test_every_token_that_ends_a_reply_is_exported(tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "base")
    edit(folder / "generation_config.json", eos_token_id=0, do_sample=False, temperature=0.7)
    export_tuned(open_base(folder, lora=None, device=CPU), tmp_path / "out", [])
    settings = json.loads((tmp_path / "out" / "generation_config.json").read_text())
    assert settings["eos_token_id"] == [0, 2]
    assert (settings["temperature"], settings["top_p"]) == (0.7, 0.9)


def test_the_template_lent_writes_chatclis_plain_dialogue_and_an_end(tmp_path: Path) -> None:
    folder = save_gpt2(tmp_path / "base")
    base = open_base(folder, lora=None, device=CPU)
    plain = load_tokenizer(folder)
    assert (base.template, plain.chat_template) == (base.tokenizer.chat_template, None)
    talk = [Message("system", " calm "), *TALK]
    for prompted in (True, False):
        lent = base.tokenizer.render_chat(talk, add_generation_prompt=prompted)
        own = plain.render_chat(talk, add_generation_prompt=prompted)
        assert lent.replace("<|endoftext|>", "") == own
        assert lent.count("<|endoftext|>") == 3  # the start of the text and two replies
    ids = base.tokenizer.encode_chat(talk)
    assert ids[: len(plain.encode_chat(talk[:2]))] == plain.encode_chat(talk[:2])
    export_tuned(base, tmp_path / "out", [])
    assert load_tokenizer(tmp_path / "out").chat_template == base.template


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    base = open_base(tiny_checkpoint(tmp_path / "base"), lora=None, device=CPU)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept")
    with pytest.raises(TrainingError, match="isn't empty"):
        export_tuned(base, tmp_path / "out", [])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_a_disk_that_fills_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = open_base(tiny_checkpoint(tmp_path / "base"), lora=None, device=CPU)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(TrainingError, match=r"can't write .*out: No space left on device"):
        export_tuned(base, tmp_path / "out", [])
    assert sorted(tmp_path.iterdir()) == [tmp_path / "base"]


def test_an_adapter_is_no_base(tmp_path: Path) -> None:
    base = open_base(tiny_checkpoint(tmp_path / "base"), lora=LORA, device=CPU)
    export_tuned(base, tmp_path / "out", [])
    with pytest.raises(TrainingError, match=f"is an adapter; tune its base, {tmp_path / 'base'}"):
        open_base(tmp_path / "out", lora=None, device=CPU)


def test_targets_that_match_nothing_are_told_what_there_is(tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "base")
    with pytest.raises(TrainingError, match=r"laid on c_attn: .* down_proj, .*, q_proj, "):
        open_base(folder, lora=LoraSettings(targets=("c_attn",)), device=CPU)


def test_without_peft_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(TrainingError, match=r"pip install 'chatcli\[train\]'"):
        open_base(tiny_checkpoint(tmp_path / "base"), lora=LORA, device=CPU)


def test_neither_template_nor_end_token_is_told(tmp_path: Path) -> None:
    folder = save_gpt2(tmp_path / "base")
    (folder / "tokenizer_config.json").unlink()
    edit(folder / "config.json", eos_token_id=None)
    edit(folder / "generation_config.json", eos_token_id=None)
    with pytest.raises(TrainingError, match=r"no special end token.*set eos_token"):
        open_base(folder, lora=None, device=CPU)


def test_what_chatcli_cannot_run_it_does_not_tune(tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "base", quantization_config={"quant_method": "gptq"})
    with pytest.raises(UnsupportedError, match="gptq"):
        open_base(folder, lora=None, device=CPU)
    with pytest.raises(CheckpointError, match="there is no model"):
        open_base(tmp_path / "nothing", lora=None, device=CPU)
