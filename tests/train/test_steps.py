"""Pretraining as real processes: killed at any moment, and started as two by torchrun."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chatcli.cli import main
from chatcli.train.metrics import read_metrics

ROOT = Path(__file__).parents[2]
TEXT = "\n\n".join(f"第{n}座山很高，河也很长。\nThe hill number {n} is high." for n in range(60))
SHAPE = ("--layers", "1", "--width", "32", "--context", "32", "--device", "cpu")

# Imports everything once; each child is then a process of its own that is killed for real.
KILLED = """
import os, random, signal, sys, time
from pathlib import Path
import accelerate, torch._dynamo
from transformers import Qwen3ForCausalLM
from chatcli.cli import main
from chatcli.train import loop, steps
from chatcli.ui import training

loop.SAVE_EVERY = 0.1
step = loop.Training._step

def slowly(self):
    time.sleep(0.03)
    step(self)

loop.Training._step = slowly
saved, arguments = Path(sys.argv[1]), sys.argv[2:]
for attempt in range(3):
    before = saved.stat().st_mtime_ns if saved.exists() else 0
    child = os.fork()
    if not child:
        os._exit(main(arguments if not attempt else [*arguments, "--resume"]))
    while not saved.exists() or saved.stat().st_mtime_ns == before:
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "it ended before it could be killed"
        time.sleep(0.01)
    time.sleep(random.Random(attempt).uniform(0, 0.2))
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text and a tokenizer of it."""
    folder = tmp_path_factory.mktemp("文")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    arguments = ["train", "tokenizer", str(folder / "text.txt"), "--out", str(folder / "词表")]
    assert main([*arguments, "--vocab-size", "300"]) == 0
    return folder


def command(made: Path, out: Path, *arguments: str) -> list[str]:
    start = ["train", "pretrain", str(made / "text.txt"), "--tokenizer", str(made / "词表")]
    return [*start, "--out", str(out), *SHAPE, *arguments]


def launch(*arguments: str | Path) -> None:
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environ,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr


def metrics(folder: Path) -> list[dict[str, Any]]:
    return read_metrics(folder / "metrics.jsonl")


def losses(rows: list[dict[str, Any]]) -> list[float]:
    """Every training loss, then every validation loss."""
    validated = [row["validation_loss"] for row in rows]
    return [row["loss"] for row in rows] + [loss for loss in validated if loss is not None]


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_with_the_same_losses(made: Path, tmp_path: Path) -> None:
    settings = ("--batch-rows", "4", "--passes", "10")
    assert main(command(made, tmp_path / "whole", *settings)) == 0
    arguments = command(made, tmp_path / "out", *settings)
    checkpoint = tmp_path / "out.run" / "1-pretrain" / "checkpoint.pt"
    launch("-c", KILLED, checkpoint, *arguments)
    assert main([*arguments, "--resume"]) == 0
    whole, rest = metrics(tmp_path / "whole"), metrics(tmp_path / "out")
    assert [row["step"] for row in rest] == [row["step"] for row in whole]
    assert losses(rest) == pytest.approx(losses(whole), rel=1e-4)


@pytest.mark.slow
def test_two_processes_lose_what_one_does(made: Path, tmp_path: Path) -> None:
    """torchrun, gloo, the same batch in all: every logged loss within 1 %."""
    settings = ("--batch-rows", "8", "--passes", "4", "--accumulate", "2")
    assert main(command(made, tmp_path / "one", *settings)) == 0
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    launch(*torchrun, "-m", "chatcli", *command(made, tmp_path / "two", *settings))
    one, two = metrics(tmp_path / "one"), metrics(tmp_path / "two")
    assert len(one) > 10
    assert [(row["step"], row["tokens"]) for row in two] == [
        (row["step"], row["tokens"]) for row in one
    ]
    assert losses(two) == pytest.approx(losses(one), rel=0.01)
