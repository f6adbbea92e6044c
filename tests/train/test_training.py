"""A whole recipe at toy size: rows, the loop and its resuming, export, evaluation."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from chatcli.errors import TrainingError
from chatcli.model.load import load
from chatcli.train import loop
from chatcli.train.corpus import Reading
from chatcli.train.evaluate import Score, bits_per_character, evaluate, stands_alone
from chatcli.train.export import export
from chatcli.train.heldout import HeldOut
from chatcli.train.loop import Metric
from chatcli.train.muon import orthogonalise
from chatcli.train.rows import make_rows
from chatcli.train.run import Run, open_run
from tests.fakes import ScriptedModel

RECIPE = """
name = "toy"
seed = 1
tokenizer_sources = [{ path = "text.txt", kind = "text" }, { path = "chat.jsonl", kind = "chat" }]

[shape]
vocab_size = 290
hidden_size = 32
intermediate_size = 64
num_hidden_layers = 1
num_attention_heads = 2
num_key_value_heads = 1
head_dim = 16
max_position_embeddings = 64

[[phases]]
name = "pre"
kind = "pretrain"
row_length = 16
batch_rows = 4
matrix_lr = 0.02
other_lr = 0.01
sources = [{ path = "text.txt", kind = "text", epochs = 8 }]

[[phases]]
name = "sft"
kind = "sft"
row_length = 64
batch_rows = 2
matrix_lr = 0.02
other_lr = 0.01
sources = [{ path = "chat.jsonl", kind = "chat", epochs = 10 }]
"""
DOCUMENTS = [f"第{n}座山很高，河也很长。The hill number {n} is high." for n in range(12)]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "text.txt").write_text("\n\n".join(DOCUMENTS), encoding="utf-8")
    talk = {
        "messages": [
            {"role": "user", "content": "你好"},
            {"role": "assistant", "content": "你好！很高兴见到你。"},
        ]
    }
    lines = [json.dumps(talk, ensure_ascii=False)] * 4
    (folder / "chat.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    return folder


def start(corpus: Path, name: str, metrics: list[Metric]) -> Run:
    recipe = corpus.parent / "recipe.toml"
    folder = corpus.parent / name
    return open_run(recipe, corpus, folder, say=lambda line: None, report=metrics.append)


def test_sft_learns_the_assistants_tokens_and_the_end_of_its_turn(corpus: Path) -> None:
    run = start(corpus, "run", [])
    tokenizer = run.tokenizer()
    phase = run.recipe.phases[1]
    rows = make_rows(phase, corpus, tokenizer, HeldOut([]), 1, Reading())
    learned = tokenizer.decode(rows.ids[0][rows.learn[0]].tolist(), skip_special_tokens=False)
    assert learned == "你好！很高兴见到你。<|end|>" * learned.count("<|end|>")
    assert learned.count("<|end|>") >= 1


def test_pretraining_rows_make_every_token_but_the_first_a_target_once(corpus: Path) -> None:
    run = start(corpus, "run", [])
    rows = make_rows(run.recipe.phases[0], corpus, run.tokenizer(), HeldOut([]), 1, Reading())
    assert rows.ids.shape[1] == 17
    assert all((a[-1] == b[0]) for a, b in zip(rows.ids, rows.ids[1:], strict=False))
    assert rows.tokens == len(rows.ids) * 16


def test_documents_with_held_out_text_are_dropped_and_counted(corpus: Path) -> None:
    run = start(corpus, "run", [])
    held = HeldOut(["The hill number 3 is high."])
    rows = make_rows(run.recipe.phases[0], corpus, run.tokenizer(), held, 1, Reading())
    assert rows.dropped == 8


def test_an_interrupted_run_goes_on_to_the_same_losses(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "LOG_EVERY", 2)
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    whole: list[Metric] = []
    model = start(corpus, "whole", whole).train(torch.device("cpu"))

    class PulledPlug(Exception):
        pass

    def pull(metric: Metric) -> None:
        if metric.phase == "pre" and metric.step == 4:
            raise PulledPlug

    broken = start(corpus, "broken", [])
    shutil.copytree(corpus.parent / "whole" / "tokenizer", corpus.parent / "broken" / "tokenizer")
    cut = Run(broken.recipe, corpus, broken.folder, broken.say, pull)
    with pytest.raises(PulledPlug):
        cut.train(torch.device("cpu"))
    rest: list[Metric] = []
    resumed = Run(broken.recipe, corpus, broken.folder, broken.say, rest.append)
    again = resumed.train(torch.device("cpu"))
    after = [m for m in whole if m.phase == "sft" or m.step > 3]
    assert [(m.phase, m.step) for m in rest] == [(m.phase, m.step) for m in after]
    np.testing.assert_allclose([m.loss for m in rest[1:]], [m.loss for m in after[1:]], rtol=1e-4)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=1e-4, atol=1e-5)
    lines = (broken.folder / "1-pre" / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == sorted(set(steps))


def test_a_finished_run_exports_a_checkpoint_that_loads_and_talks(corpus: Path) -> None:
    metrics: list[Metric] = []
    run = start(corpus, "run", metrics)
    model = run.train(torch.device("cpu"))
    first, *_, last = [metric for metric in metrics if metric.phase == "pre"]
    assert last.loss < first.loss
    out = corpus.parent / "out"
    export(model, run.recipe, run.folder, out)
    loaded = load(out, engine="native")
    assert loaded.checkpoint.context_length == 64
    ids = loaded.tokenizer.encode("第1座山", bos=True)
    logits = loaded.forward(ids, loaded.new_cache())
    with torch.no_grad():
        expected = model(torch.tensor([ids])).logits[0]
    torch.testing.assert_close(logits.float(), expected.float(), rtol=0.05, atol=0.1)
    assert {loaded.tokenizer.decode([each]) for each in loaded.tokenizer.eos_ids} == {
        "<|end|>",
        "<|endoftext|>",
    }
    with pytest.raises(TrainingError, match="isn't empty"):
        export(model, run.recipe, run.folder, out)


def test_a_run_folder_of_another_recipe_is_refused(corpus: Path) -> None:
    start(corpus, "run", []).tokenizer()
    recipe = corpus.parent / "recipe.toml"
    recipe.write_text(RECIPE.replace("seed = 1", "seed = 2"), encoding="utf-8")
    with pytest.raises(TrainingError, match="another recipe"):
        start(corpus, "run", [])


def test_a_run_that_has_not_begun_takes_a_mended_recipe(corpus: Path) -> None:
    recipe = corpus.parent / "recipe.toml"
    recipe.write_text(RECIPE.replace("vocab_size = 290", "vocab_size = 9000"), encoding="utf-8")
    with pytest.raises(TrainingError, match="lower it"):
        start(corpus, "run", []).tokenizer()
    recipe.write_text(RECIPE, encoding="utf-8")
    assert start(corpus, "run", []).tokenizer().get_vocab_size() == 290


def test_a_vocabulary_larger_than_the_text_gives_is_refused(corpus: Path) -> None:
    recipe = corpus.parent / "recipe.toml"
    recipe.write_text(RECIPE.replace("vocab_size = 290", "vocab_size = 9000"), encoding="utf-8")
    with pytest.raises(TrainingError, match="vocab_size 9000"):
        start(corpus, "run", []).tokenizer()


def test_a_loss_that_is_no_number_ends_the_run(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    recipe = corpus.parent / "recipe.toml"
    recipe.write_text(RECIPE.replace("matrix_lr = 0.02", "matrix_lr = 1e30"), encoding="utf-8")
    with pytest.raises(TrainingError, match="lower the learning rate"):
        start(corpus, "run", []).train(torch.device("cpu"))


def test_muon_makes_singular_values_nearly_one() -> None:
    torch.manual_seed(0)
    for shape in ((48, 16), (16, 48)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape)))
        assert values.min() > 0.5
        assert values.max() < 1.3


@pytest.mark.parametrize(
    ("text", "accept", "hit"),
    [
        ("是珠穆朗玛峰。", ["珠穆朗玛"], True),
        (" It is Seven days", ["seven"], True),
        ("17 days", ["7"], False),
        ("a hundred", ["red"], False),
        ("二十四小时", ["四"], False),
        ("3.5 metres", ["5"], False),
        ("x" * 40 + "Asia", ["Asia"], False),
    ],
)
def test_an_answer_must_stand_alone_near_the_start(text: str, accept: list[str], hit: bool) -> None:
    assert stands_alone(text, accept, 40) is hit


def test_evaluation_scores_what_the_model_says(tmp_path: Path) -> None:
    fact = {
        "completion_prompt": "The capital of Japan is ",
        "question": "Capital of Japan?",
        "accept": ["Tokyo"],
    }
    (tmp_path / "facts.jsonl").write_text(json.dumps(fact) + "\n", encoding="utf-8")
    scores = list(evaluate(ScriptedModel("Tokyo."), tmp_path))
    assert scores == [Score("facts, completed", 1.0, 1), Score("facts, asked", 1.0, 1)]


def test_bits_per_character_of_uniform_bytes_is_their_entropy() -> None:
    model = ScriptedModel(lambda tokens: [0.0] * 256)
    assert bits_per_character(model, "山") == pytest.approx(24.0)
    assert bits_per_character(model, "ab") == pytest.approx(8.0)


def test_a_question_without_its_fields_is_named(tmp_path: Path) -> None:
    (tmp_path / "facts.jsonl").write_text('{"question": "a"}\n', encoding="utf-8")
    with pytest.raises(TrainingError, match=r"facts\.jsonl.*completion_prompt"):
        list(evaluate(ScriptedModel("a"), tmp_path))


def test_an_evaluation_folder_without_questions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"facts\.jsonl"):
        list(evaluate(ScriptedModel("a"), tmp_path))
