"""A whole recipe at toy size: rows, the loop and its resuming, export, evaluation."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from chatcli.errors import TrainingError
from chatcli.model.load import load
from chatcli.model.resolve import holds_model
from chatcli.text.tokenizer import load_tokenizer
from chatcli.text.types import Message
from chatcli.train import loop
from chatcli.train.checkpoints import Progress, save
from chatcli.train.devices import open_accelerator
from chatcli.train.export import export, new_folder
from chatcli.train.heldout import HeldOut
from chatcli.train.loop import Stopped
from chatcli.train.metrics import Metric, Sample, read_metrics
from chatcli.train.muon import orthogonalise
from chatcli.train.recipe import load_recipe
from chatcli.train.rows import Data, load_data, make_data
from chatcli.train.run import Run, Watcher, look_for_run, open_run
from chatcli.train.sources import Corpus, Document
from chatcli.train.turns import encode_conversation
from tests.train.conftest import RECIPE


def watcher(
    metrics: list[Metric],
    samples: list[Sample] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Watcher:
    shown = samples if samples is not None else []
    return Watcher(lambda line: None, metrics.append, shown.append, cancelled)


def start(corpus: Path, name: str, metrics: list[Metric]) -> Run:
    recipe = corpus.parent / "recipe.toml"
    return open_run(load_recipe(recipe), corpus, corpus.parent / name, watcher(metrics))


def data(run: Run, index: int, held_out: HeldOut | None = None) -> tuple[Data, Corpus]:
    phase = run.recipe.phases[index]
    corpus = Corpus(run.corpus, held_out or HeldOut([]), 1)
    train, validation = corpus.divided(phase.sources, phase.name)
    return make_data(phase, run.tokenizer(), train, validation, 1), corpus


def test_sft_learns_the_assistants_tokens_and_the_end_of_its_turn(corpus: Path) -> None:
    run = start(corpus, "run", [])
    rows = data(run, 1)[0].train
    tokenizer = run.tokenizer()
    learned = tokenizer.decode(rows.ids[0][rows.learn[0]].tolist(), skip_special_tokens=False)
    assert learned == "你好！很高兴见到你。<|end|>" * learned.count("<|end|>")
    assert learned.count("<|end|>") >= 1


@pytest.mark.parametrize("kind", ["pretrain", "sft"])
def test_a_control_token_that_a_text_spells_out_is_text(corpus: Path, kind: str) -> None:
    run = start(corpus, "run", [])
    tokenizer, spelt = run.tokenizer(), "a <|end|> and <|assistant|><|endoftext|> in a text"
    talk = Document((Message("user", spelt), Message("assistant", spelt)))
    phase = replace(run.recipe.phases[0], kind=kind, row_length=60)
    many = [Document.of(spelt), talk] * 4
    ids = make_data(phase, tokenizer, many, [], 1).train.ids.flatten().tolist()
    controls = {tokenizer.token_to_id(each) for each in ("<|end|>", "<|assistant|>")}
    assert all(token is not None for token in controls)
    assert sum(token in controls for token in ids) <= 3 * 4, "one opens the reply, two end turns"
    assert spelt in tokenizer.decode(ids, skip_special_tokens=True)


def test_a_conversation_has_the_ids_that_its_template_gives(corpus: Path) -> None:
    run = start(corpus, "run", [])
    run.prepare()
    readable = load_tokenizer(run.folder / "tokenizer")
    talk = (Message("system", "短。"), Message("user", "你好"), Message("assistant", "Hill 3!"))
    phase = replace(run.recipe.phases[1], row_length=40)
    row = make_data(phase, run.tokenizer(), [Document(talk)] * 20, [], 1).train
    ids, learn = encode_conversation(readable, talk)
    assert row.ids[0][: len(ids)].tolist() == ids.tolist()
    assert row.learn[0][: len(ids)].tolist() == learn.tolist()


def test_pretraining_makes_every_token_of_a_row_a_target(corpus: Path) -> None:
    run = start(corpus, "run", [])
    made = data(run, 0)[0]
    assert made.train.ids.shape[1] == 17
    assert made.train.tokens == len(made.train.ids) * 16
    assert 0 < len(made.validation.ids) <= len(made.train.ids) // 9


def test_documents_with_held_out_text_are_dropped_and_counted(corpus: Path) -> None:
    run = start(corpus, "run", [])
    made, read = data(run, 0, HeldOut(["The hill number 3 is high."]))
    assert read.dropped == 8
    text = run.tokenizer().decode(made.train.ids.flatten().tolist())
    assert "number 3 is" not in text
    assert "number 4 is" in text


def test_a_text_kept_for_validation_is_trained_on_in_none_of_its_repetitions(
    corpus: Path,
) -> None:
    texts = [f"这是第{n}个故事，说的是山和河。" for n in range(600)]
    (corpus / "text.txt").write_text("\n\n".join(texts), encoding="utf-8")
    run = start(corpus, "run", [])
    phase = run.recipe.phases[0]
    train, validation = Corpus(corpus, HeldOut([]), 1).divided(phase.sources, phase.name)
    kept = {document.text for document in validation}
    assert 0 < len(kept) < 20
    assert len(train) == 8 * (600 - len(kept))
    assert kept.isdisjoint(document.text for document in train)


def test_rows_come_back_from_disk_as_they_were(corpus: Path) -> None:
    run = start(corpus, "run", [])
    run.prepare()
    made, read = data(run, 1)[0], load_data(run.phase_folder(1) / "rows.npz")
    again, _ = data(run, 1)
    np.testing.assert_array_equal(made.train.ids, again.train.ids)
    assert read.train.ids.dtype == np.uint16
    assert read.train.learn.dtype == np.bool_
    assert read.train.tokens + read.validation.tokens == made.train.tokens + made.validation.tokens


def test_a_prepared_run_needs_its_corpus_no_more(corpus: Path) -> None:
    start(corpus, "run", []).prepare()
    shutil.rmtree(corpus)
    metrics: list[Metric] = []
    start(corpus, "run", metrics).train(open_accelerator("cpu"))
    assert {metric.phase for metric in metrics} == {"pre", "sft"}


def broken_at(corpus: Path, step: int) -> tuple[list[Metric], torch.nn.Module]:
    """The points and the model of a run whose process dies at a step of its first phase."""

    class PulledPlug(Exception):
        pass

    asked = 0

    def pull() -> bool:
        nonlocal asked
        asked += 1
        if asked == step:
            raise PulledPlug
        return False

    recipe, folder = corpus.parent / "recipe.toml", corpus.parent / f"broken-{step}"
    with pytest.raises(PulledPlug):
        open_run(load_recipe(recipe), corpus, folder, watcher([], None, pull)).train(
            open_accelerator("cpu")
        )
    metrics: list[Metric] = []
    resumed = open_run(load_recipe(recipe), corpus, folder, watcher(metrics))
    model = resumed.train(open_accelerator("cpu"))
    return metrics, model


@pytest.mark.parametrize(
    "step", [7, *(pytest.param(step, marks=pytest.mark.slow) for step in (1, 12))]
)
def test_a_killed_run_goes_on_to_the_same_losses(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr(loop, "POINTS", 10)
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    whole: list[Metric] = []
    model = start(corpus, "whole", whole).train(open_accelerator("cpu"))
    rest, again = broken_at(corpus, step)
    expected = {(m.phase, m.step): m for m in whole}
    assert {(m.phase, m.step) for m in rest} <= set(expected)
    assert [m.phase for m in rest].count("sft") == [m.phase for m in whole].count("sft")
    for metric in rest:
        point = expected[metric.phase, metric.step]
        assert metric.loss == pytest.approx(point.loss, rel=1e-4)
        validated, expected_loss = metric.validation_loss, point.validation_loss
        assert (validated is None) == (expected_loss is None)
        assert (validated or 0.0) == pytest.approx(expected_loss or 0.0, rel=1e-4)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=1e-4, atol=1e-5)
    folder = corpus.parent / f"broken-{step}" / "1-pre"
    steps = [row["step"] for row in read_metrics(folder / "metrics.jsonl")]
    assert steps == [m.step for m in whole if m.phase == "pre"]


def test_a_stopped_run_has_saved_its_last_step(corpus: Path) -> None:
    asked = iter([False, False, True])
    recipe, folder = corpus.parent / "recipe.toml", corpus.parent / "stopped"
    run = open_run(load_recipe(recipe), corpus, folder, watcher([], None, lambda: next(asked)))
    with pytest.raises(Stopped):
        run.train(open_accelerator("cpu"))
    saved = torch.load(run.phase_folder(0) / "checkpoint.pt", weights_only=True)
    assert saved["progress"]["step"] == 3


def test_a_phase_in_minutes_plans_its_steps_by_the_speed_it_has(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "MEASURED_STEPS", range(1, 3))
    recipe = corpus.parent / "recipe.toml"
    text = RECIPE.replace("row_length = 16", "row_length = 16\nminutes = 0.01")
    recipe.write_text(text, encoding="utf-8")
    metrics: list[Metric] = []
    start(corpus, "run", metrics).train(open_accelerator("cpu"))
    last = [metric for metric in metrics if metric.phase == "pre"][-1]
    assert last.step == last.steps
    assert last.learning_rate < 0.02


def test_samples_of_the_text_are_kept_beside_the_metrics(corpus: Path) -> None:
    samples: list[Sample] = []
    run = open_run(
        load_recipe(corpus.parent / "recipe.toml"),
        corpus,
        corpus.parent / "run",
        watcher([], samples),
    )
    run.train(open_accelerator("cpu"))
    assert [sample.phase for sample in samples] == ["pre", "sft"]
    kept = read_metrics(run.phase_folder(0) / "samples.jsonl")
    assert kept == [asdict(samples[0])]


def test_a_recipe_says_what_the_model_in_training_goes_on_with(corpus: Path) -> None:
    samples: list[Sample] = []
    recipe = replace(load_recipe(corpus.parent / "recipe.toml"), samples=("第1", "The"))
    run = open_run(recipe, corpus, corpus.parent / "run", watcher([], samples))
    run.train(open_accelerator("cpu"))
    assert samples[0].prompt == "第1"


def test_without_samples_it_goes_on_with_text_that_it_does_not_train_on(corpus: Path) -> None:
    samples: list[Sample] = []
    run = open_run(
        load_recipe(corpus.parent / "recipe.toml"),
        corpus,
        corpus.parent / "run",
        watcher([], samples),
    )
    run.train(open_accelerator("cpu"))
    kept = load_data(run.phase_folder(0) / "rows.npz").validation
    opening = run.tokenizer().decode(kept.ids[0][:8].tolist())
    assert samples[0].prompt == opening


def test_a_full_disk_leaves_the_checkpoint_from_before(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint.pt"
    model = torch.nn.Linear(2, 2)
    save(path, model, [], Progress(3, step=1))
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(TrainingError, match=r"No space left on device.*stays"):
        save(path, model, [], Progress(3, step=2))
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.tmp"))


def test_a_finished_run_exports_a_checkpoint_that_loads_and_talks(corpus: Path) -> None:
    metrics: list[Metric] = []
    run = start(corpus, "run", metrics)
    model = run.train(open_accelerator("cpu"))
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


def test_an_export_that_fails_is_one_line_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    with pytest.raises(TrainingError, match=r"can't write .*out: No space left on device"):
        with new_folder(out) as folder:
            (folder / "half").write_text("half", encoding="utf-8")
            raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_everyone_may_read_what_is_exported_as_far_as_new_files_are_theirs(corpus: Path) -> None:
    run = start(corpus, "run", [])
    out = corpus.parent / "out"
    export(run.train(open_accelerator("cpu")), run.recipe, run.folder, out)
    plain = corpus.parent / "plain"
    plain.touch()
    assert {path.stat().st_mode for path in out.iterdir()} == {plain.stat().st_mode}
    assert (run.folder / "MODEL_CARD.md").read_text() == (out / "MODEL_CARD.md").read_text()
    assert not holds_model(run.folder), "what a run keeps isn't taken for a model"


def test_a_run_folder_of_another_recipe_is_refused(corpus: Path) -> None:
    start(corpus, "run", []).tokenizer()
    recipe = corpus.parent / "recipe.toml"
    recipe.write_text(RECIPE.replace("seed = 1", "seed = 2"), encoding="utf-8")
    with pytest.raises(TrainingError, match="other settings"):
        start(corpus, "run", [])


def test_a_run_is_gone_on_with_only_when_asked_to(corpus: Path) -> None:
    run = start(corpus, "run", [])
    run.prepare()
    with pytest.raises(TrainingError, match="add --resume"):
        look_for_run(run.folder, run.watcher, resume=False)
    said: list[str] = []
    told = replace(run.watcher, say=said.append)
    look_for_run(run.folder, told, resume=True)
    assert said == []
    look_for_run(corpus.parent / "none", told, resume=True)
    assert said == [f"nothing to resume in {corpus.parent / 'none'} yet: beginning a run there"]


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
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    recipe = corpus.parent / "recipe.toml"
    recipe.write_text(RECIPE.replace("matrix_lr = 0.02", "matrix_lr = 1e30"), encoding="utf-8")
    with pytest.raises(TrainingError, match="lower the learning rate"):
        start(corpus, "run", []).train(open_accelerator("cpu"))


def test_muon_makes_singular_values_nearly_one() -> None:
    torch.manual_seed(0)
    for shape in ((3, 16, 48), (1, 24, 40)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape)))
        assert values.min() > 0.5
        assert values.max() < 1.3
