"""Writing a trained model as a folder that any engine loads: the checkpoint's own files.

config.json, model.safetensors (bfloat16), generation_config.json, the tokenizer's two files
with the chat template, metrics.jsonl, and MODEL_CARD.md.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from chatcli.errors import TrainingError
from chatcli.train.checkpoints import replace_text
from chatcli.train.model_card import card
from chatcli.train.provenance import Licence, read_counts
from chatcli.train.recipe import Recipe
from chatcli.train.vocabulary import END_OF_TEXT, END_OF_TURN, TOKENIZER_FILES

__all__ = ["check_out", "export", "new_folder"]

# Calm enough for a small model, found by reading its replies.
GENERATION = {"do_sample": True, "temperature": 0.4, "top_k": 40, "top_p": 0.9}


def check_out(out: Path) -> None:
    """Raises TrainingError where a checkpoint can't be written to `out` without loss."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError(f"{out} exists and isn't empty; name another folder with --out")


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to fill, which takes the name `out` once it is whole, or leaves nothing.

    Raises TrainingError where `out` holds something, and where writing fails.
    """
    check_out(out)
    aside = out.with_name(out.name + ".tmp")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        yield aside
        for path in aside.iterdir():  # safetensors writes for its owner's eyes only
            path.chmod(aside.stat().st_mode & 0o666)
        if out.exists():
            out.rmdir()
        aside.replace(out)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TrainingError(
            f"can't write {out}: {reason}; name another folder with --out"
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def export(
    model: nn.Module, recipe: Recipe, run: Path, out: Path, licences: Sequence[Licence] = ()
) -> None:
    """Write the checkpoint of a finished run into `out`, its card into `run` too.

    `licences` are what its card says of the recipe's sources (see `provenance`). Raises
    TrainingError as `new_folder`.
    """
    metrics = _metrics(recipe, run)
    lines = [json.dumps(row, ensure_ascii=False) for row in metrics]
    counts = [read_counts(folder) for folder in _phase_folders(recipe, run)]
    parameters = sum(p.numel() for p in model.parameters())
    text = card(recipe, metrics, counts, parameters, licences)
    replace_text(run / "MODEL_CARD.md", text)
    with new_folder(out) as folder:
        _save_weights(model, folder)
        for name in TOKENIZER_FILES:
            shutil.copyfile(run / "tokenizer" / name, folder / name)
        _write_generation_config(folder)
        (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / "MODEL_CARD.md").write_text(text, encoding="utf-8")


def _save_weights(model: nn.Module, folder: Path) -> None:
    """config.json and model.safetensors in bfloat16, as transformers writes them."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    model.to(torch.bfloat16).save_pretrained(folder)  # type: ignore[operator]


def _write_generation_config(folder: Path) -> None:
    vocab = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
    ids = {token["content"]: token["id"] for token in vocab}
    values = {
        "bos_token_id": ids[END_OF_TEXT],
        "eos_token_id": [ids[END_OF_TURN], ids[END_OF_TEXT]],
        **GENERATION,
    }
    text = json.dumps(values, indent=2)
    (folder / "generation_config.json").write_text(text + "\n", encoding="utf-8")


def _metrics(recipe: Recipe, run: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for folder in _phase_folders(recipe, run):
        text = (folder / "metrics.jsonl").read_text(encoding="utf-8")
        rows += [json.loads(line) for line in text.splitlines()]
    return rows


def _phase_folders(recipe: Recipe, run: Path) -> list[Path]:
    return [run / f"{index + 1}-{phase.name}" for index, phase in enumerate(recipe.phases)]
