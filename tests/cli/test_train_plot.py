"""`chatcli train plot`, in a world without a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatcli.train.metrics import Log, Metric
from tests.cli.world import run, spawn


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, phase in enumerate(("pretrain", "sft"), 1):
        (tmp_path / f"{number}-{phase}").mkdir()
        log = Log(tmp_path / f"{number}-{phase}" / "metrics.jsonl", 0)
        for step in range(1, 20):
            loss = 4 / number - step / 20
            log.write(Metric(phase, step, 20, step * 50, loss, loss + 0.1, 0.01, 1.0, 50.0))
    return tmp_path


def test_it_draws_without_control_codes(folder: Path) -> None:
    done = run("train", "plot", folder)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("loss, nats a token\n")
    assert "1.9k tokens" in done.out and "pretrain" in done.out and "sft" in done.out
    assert done.out.endswith("training  o validation\n")
    assert "\x1b" not in done.out


@pytest.mark.parametrize(("name", "start"), [("loss.svg", b"<?xml"), ("loss.png", b"\x89PNG")])
def test_it_draws_into_a_file_too_and_over_it_only_by_force(
    folder: Path, name: str, start: bytes
) -> None:
    pytest.importorskip("matplotlib")
    out = folder / name
    done = run("train", "plot", folder, "--out", out)
    assert (done.status, done.err) == (0, f"wrote {out}\n")
    assert out.read_bytes().startswith(start)
    out.write_text("mine")
    refused = run("train", "plot", folder, "--out", out)
    assert refused.status == 2 and "--force" in refused.only_error
    assert (refused.out, out.read_text()) == ("", "mine")
    assert run("train", "plot", folder, "--out", out, "--force").status == 0
    assert out.read_bytes().startswith(start)


def test_errors_name_the_folder_and_what_is_looked_for(folder: Path) -> None:
    missing = run("train", "plot", folder / "none")
    assert missing.status == 1 and f"no folder {folder / 'none'}" in missing.only_error
    (folder / "empty").mkdir()
    empty = run("train", "plot", folder / "empty")
    assert empty.status == 1 and "has no point in any metrics.jsonl" in empty.only_error
    odd = run("train", "plot", folder, "--out", folder / "loss.txt")
    assert odd.status == 2 and "must end in .svg or .png" in odd.only_error


def test_an_output_that_cannot_show_a_plot_leaves_the_picture(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    out = folder / "loss.svg"
    done = spawn(["train", "plot", folder, "--out", out], PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and done.stdout == b""
    assert b"needs UTF-8" in done.stderr
    assert out.exists()
