"""`chatcli train`'s steps from the command line: what goes in, what comes out, what is refused."""

from __future__ import annotations

import gzip
import json
import lzma
import os
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from chatcli.cli import main
from chatcli.model.resolve import holds_model
from chatcli.train import loop
from chatcli.train.metrics import read_metrics
from chatcli.ui.interrupt import Interrupt
from tests.cli.world import Outcome, run
from tests.fakes import tiny_checkpoint

TEXT = "\n\n".join(f"第{n}座山很高，河也很长。\nThe hill number {n} is high." for n in range(60))
TALK = [
    {"role": "user", "content": "hello"},
    {"role": "assistant", "content": "the north wind"},
]
TINY = ("--layers", "1", "--width", "32", "--context", "32", "--batch-rows", "4", "--device", "cpu")


def jsonl(*records: Any) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


CHATS = jsonl(*[{"messages": TALK}] * 40)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text, conversations, and a tokenizer of them; tests only read it."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "chats.jsonl").write_text(CHATS, encoding="utf-8")
    arguments = ["train", "tokenizer", str(folder), "--out", str(folder / "词表")]
    assert main([*arguments, "--vocab-size", "300"]) == 0
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pretrain(made: Path, *arguments: str | Path, stdin: str | bytes = "") -> Outcome:
    given = ("--tokenizer", made / "词表", "--passes", "1", *TINY, *arguments)
    return run("train", "pretrain", *given, stdin=stdin)


def sft(model: Path, *arguments: str | Path, stdin: str = "") -> Outcome:
    return run("train", "sft", "--model", model, "--device", "cpu", *arguments, stdin=stdin)


def replies(folder: Path) -> str:
    return run("complete", "hello", "--chat", "-m", folder, "--greedy", "-n", "12").out


@pytest.mark.slow
def test_three_steps_make_a_checkpoint_that_answers(made: Path, here: Path) -> None:
    base = pretrain(made, made / "text.txt", "--out", "模型")
    assert base.status == 0
    assert "parameters" in base.err and "tokens to learn in" in base.err and "steps of" in base.err
    tuned = sft(
        here / "模型", made / "chats.jsonl", "--out", "聊天", "--passes", "40", "--row-length", "20"
    )
    assert tuned.status == 0
    assert replies(here / "聊天").strip() == "the north wind"
    assert {path.name for path in (here / "聊天").iterdir()} >= {"MODEL_CARD.md", "metrics.jsonl"}
    assert "wrote 聊天; talk to it: chatcli chat -m 聊天" in tuned.err


@pytest.mark.slow
def test_text_comes_plain_compressed_in_folders_and_from_stdin(made: Path, here: Path) -> None:
    """The same text gives the same losses whatever it is wrapped in."""
    (here / "文件夹").mkdir()
    (here / "文件夹" / "文.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    (here / "文.txt.xz").write_bytes(lzma.compress(TEXT.encode()))
    lines = jsonl(*({"text": text} for text in TEXT.split("\n\n")))
    losses = [
        metrics(pretrain(made, made / "text.txt", "--out", "a"), here / "a"),
        metrics(pretrain(made, "文件夹", "--out", "b"), here / "b"),
        metrics(pretrain(made, "文.txt.xz", "--out", "c"), here / "c"),
        metrics(pretrain(made, "-", "--out", "d", stdin=TEXT), here / "d"),
        metrics(pretrain(made, "-", "--out", "e", stdin=lines), here / "e"),
    ]
    assert (here / "d.run" / "stdin.txt").read_text(encoding="utf-8") == TEXT
    assert (here / "e.run" / "stdin.jsonl").exists()
    shortest = min(map(len, losses))
    assert shortest > 3
    assert all(len(row) == shortest for row in losses)


def metrics(outcome: Outcome, folder: Path) -> list[float]:
    assert outcome.status == 0, outcome.err
    return [row["loss"] for row in read_metrics(folder / "metrics.jsonl")]


def test_a_model_is_pretrained_on(made: Path, here: Path) -> None:
    first = metrics(pretrain(made, made / "text.txt", "--out", "first"), here / "first")
    more = run(
        *("train", "pretrain", made / "text.txt", "--model", "first", "--out", "more"),
        *("--passes", "1", "--device", "cpu"),
    )
    assert metrics(more, here / "more")[0] < first[0] - 0.3


@pytest.mark.parametrize("name", ["text", "chats"])
def test_bad_lines_are_named_and_the_others_trained_on(made: Path, here: Path, name: str) -> None:
    good = CHATS if name == "chats" else jsonl(*({"text": t} for t in TEXT.split("\n\n")))
    (here / "坏.jsonl").write_text("{oops\n" + good + '{"no": 1}\n', encoding="utf-8")
    command = pretrain(made, "坏.jsonl", "--out", "out")
    if name == "chats":
        command = sft(tiny_checkpoint(here / "tiny"), "坏.jsonl", "--out", "tuned")
    assert command.status == 0
    assert "2 bad lines left out" in command.err
    assert "坏.jsonl, line 1: not JSON" in command.err


def test_a_conversation_that_the_template_refuses_is_a_bad_line(here: Path) -> None:
    model = tiny_checkpoint(here / "tiny")
    path = model / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('none') }}{% endif %}"
    settings["chat_template"] = refusing + settings["chat_template"]
    path.write_text(json.dumps(settings))
    system = {"messages": [{"role": "system", "content": "be kind"}, *TALK]}
    (here / "a.jsonl").write_text(CHATS + jsonl(system))
    outcome = sft(model, "a.jsonl", "--out", "out")
    assert outcome.status == 0
    assert "a.jsonl, line 41: message 1 is a system message" in outcome.err
    (here / "b.jsonl").write_text(jsonl(system))
    outcome = sft(model, "b.jsonl", "--out", "other")
    assert outcome.status == 1
    assert "b.jsonl, line 1: message 1" in outcome.err
    assert "chatcli: the inputs hold no usable conversation" in outcome.err


@pytest.mark.slow
def test_lora_writes_an_adapter_that_chats(here: Path) -> None:
    model = tiny_checkpoint(here / "tiny")
    outcome = sft(
        model,
        "-",
        *("--out", "适配", "--lora", "--rank", "4", "--alpha", "8", "--lr", "0.03"),
        *("--passes", "6", "--row-length", "32", "--batch-rows", "1"),
        stdin=CHATS,
    )
    assert outcome.status == 0, outcome.err
    assert (here / "适配" / "adapter_model.safetensors").exists()
    assert "of them LoRA's" in outcome.err
    card, run = here / "适配" / "MODEL_CARD.md", here / "适配.run"
    assert (run / "MODEL_CARD.md").read_text() == card.read_text()
    assert not holds_model(run), "what a run keeps isn't taken for a model"
    assert replies(here / "适配").strip() == "the north wind"


def test_what_is_stopped_goes_on_with_resume(
    made: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """stdin is read once: the resumed command gets none, and ends with the same losses."""
    whole = metrics(pretrain(made, "-", "--out", "whole", stdin=TEXT), here / "whole")
    asked = count()
    with monkeypatch.context() as patch:
        patch.setattr(Interrupt, "cancelled", lambda self: next(asked) > 4)
        stopped = pretrain(made, "-", "--out", "out", stdin=TEXT)
    assert stopped.status == 130
    assert "--resume goes on from out.run" in stopped.err
    again = pretrain(made, "-", "--out", "out")
    assert again.status == 1 and "add --resume" in again.only_error
    other = pretrain(made, "-", "--out", "out", "--resume", "--seed", "5")
    assert other.status == 1 and "other settings" in other.only_error
    resumed = pretrain(made, "-", "--out", "out", "--resume")
    assert metrics(resumed, here / "out") == pytest.approx(whole, rel=1e-4)


@pytest.mark.slow
def test_fine_tuning_goes_on_with_resume(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_checkpoint(here / "tiny")
    command = ("-", "--lora", "--dropout", "0.1", "--row-length", "32", "--batch-rows", "4")
    began = sft(model, *command, "--out", "whole", "--resume", stdin=CHATS)
    assert "nothing to resume in whole.run" in began.err
    whole = metrics(began, here / "whole")
    asked = count()
    with monkeypatch.context() as patch:
        patch.setattr(Interrupt, "cancelled", lambda self: next(asked) > 4)
        assert sft(model, *command, "--out", "out", stdin=CHATS).status == 130
    resumed = sft(model, *command, "--out", "out", "--resume")
    assert "nothing to resume" not in resumed.err
    assert metrics(resumed, here / "out") == pytest.approx(whole, rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (("missing.txt", "--out", "o"), 1, "no file or folder missing.txt"),
        (("empty", "--out", "o"), 1, "holds no .txt, .md, .jsonl"),
        (("-", "-", "--out", "o"), 1, "single time"),
        (("-", "--out", "full"), 1, "full exists and isn't empty"),
        (("-", "--out", "o", "--run", "full/file.txt"), 1, "is a file"),
        (("full", "--out", "full/o"), 1, "lies in the input folder full"),
        (("-", "--out", "o", "--minutes", "nan"), 2, "both say how long"),
        (("-", "--out", "o", "--lr", "inf"), 1, "other_lr is inf"),
        (("-", "--out", "o", "--matrix-lr", "-1"), 1, "matrix_lr is -1.0"),
        (("-", "--out", "o", "--batch-rows", "0"), 2, "--batch-rows"),
        (("-", "--out", "o", "--batch-rows", "8", "--accumulate", "3"), 1, "divisor of 8"),
        (("-", "--out", "o", "--row-length", "64"), 1, "at most max_position_embeddings = 32"),
        (("-", "--out", "o", "--width", "40"), 1, "multiple of 32"),
        (("-", "--out", "o", "--model", "builtin"), 2, "give --tokenizer"),
        (("-", "--out", "o"), 1, "hold no usable text"),
    ],
)
def test_what_pretraining_cannot_use_is_one_line(
    made: Path, here: Path, arguments: tuple[str, ...], status: int, line: str
) -> None:
    (here / "empty").mkdir()
    (here / "full").mkdir()
    (here / "full" / "file.txt").write_text("text")
    outcome = pretrain(made, *arguments)
    assert outcome.status == status
    assert line in outcome.only_error
    assert not (here / "o").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (("--row-length", "65"), 1, "has a context of"),
        (("--rank", "4"), 2, "add --lora"),
        (("--model", "nowhere"), 1, "no model 'nowhere'"),
        (("--passes", "0"), 1, "passes is 0.0"),
    ],
)
def test_what_fine_tuning_cannot_use_is_one_line(
    here: Path, arguments: tuple[str, ...], status: int, line: str
) -> None:
    model = tiny_checkpoint(here / "tiny", max_position_embeddings=64)
    outcome = sft(model, "-", "--out", "out", *arguments, stdin=CHATS)
    assert outcome.status == status
    assert line in outcome.err.splitlines()[-1]


def test_a_tokenizer_that_the_text_cannot_give_leaves_nothing(here: Path) -> None:
    outcome = run("train", "tokenizer", "-", "--out", "out", stdin="short")
    assert outcome.status == 1
    assert "vocab_size 4096 is more than the text can give" in outcome.err.splitlines()[-1]
    assert list(here.iterdir()) == []


def test_a_loss_that_is_no_number_is_one_line(made: Path, here: Path) -> None:
    outcome = pretrain(made, made / "text.txt", "--out", "out", "--lr", "1e30", "--passes", "3")
    assert outcome.status == 1
    assert "lower the learning rate" in outcome.err.splitlines()[-1]
    assert not (here / "out").exists()


def test_a_full_disk_is_one_line_and_the_checkpoint_stays(
    made: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    synced, sync = [0], os.fsync

    def fill(descriptor: int) -> None:
        synced[0] += 1
        if synced[0] > 8:
            raise OSError(28, "No space left on device")
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fill)
        outcome = pretrain(made, made / "text.txt", "--out", "out")
    assert outcome.status == 1
    assert "No space left on device; free some space and resume" in outcome.err.splitlines()[-1]
    resumed = pretrain(made, made / "text.txt", "--out", "out", "--resume")
    assert "going on from its last checkpoint" in resumed.err
    assert resumed.status == 0
