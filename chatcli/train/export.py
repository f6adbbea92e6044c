"""Writing a trained model as a folder that any engine loads: the checkpoint's own files.

config.json, model.safetensors (bfloat16), generation_config.json, the tokenizer's two files
with the chat template, metrics.jsonl, and MODEL_CARD.md.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from chatcli.errors import TrainingError
from chatcli.train.recipe import Phase, Recipe
from chatcli.train.vocabulary import END_OF_TEXT, END_OF_TURN

__all__ = ["check_out", "export"]

# Calm enough for a small model, found by reading its replies.
GENERATION = {"do_sample": True, "temperature": 0.4, "top_k": 40, "top_p": 0.9}


def check_out(out: Path) -> None:
    """Raises TrainingError where a checkpoint can't be written to `out` without loss."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError(f"{out} exists and isn't empty; name another folder with --out")


def export(model: nn.Module, recipe: Recipe, run: Path, out: Path) -> None:
    """Write the checkpoint of a finished run into `out`. Raises TrainingError if it exists."""
    check_out(out)
    aside = out.with_name(out.name + ".tmp")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    _save_weights(model, aside)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(run / "tokenizer" / name, aside / name)
    _write_generation_config(aside)
    metrics = _metrics(recipe, run)
    lines = [json.dumps(row, ensure_ascii=False) for row in metrics]
    (aside / "metrics.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    card = _card(recipe, metrics, sum(p.numel() for p in model.parameters()))
    (aside / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    if out.exists():
        out.rmdir()
    aside.replace(out)


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
    for index, phase in enumerate(recipe.phases):
        path = run / f"{index + 1}-{phase.name}" / "metrics.jsonl"
        rows += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return rows


def _card(recipe: Recipe, metrics: Sequence[dict[str, Any]], parameters: int) -> str:
    """The part of the card that the run itself knows; judgement is added by hand."""
    shape = recipe.shape
    lines = [
        f"# {recipe.name}",
        "",
        f"{parameters:,} parameters: Qwen3 architecture, {shape.num_hidden_layers} layers, "
        f"{shape.hidden_size} wide, {shape.num_attention_heads} heads over "
        f"{shape.num_key_value_heads} key-value heads, tied head, byte-level BPE of "
        f"{shape.vocab_size:,} tokens, context {shape.max_position_embeddings:,}, bfloat16.",
        "",
        "## Phases",
        "",
        "| phase | tokens learned | last loss | last validation loss | seconds |",
        "|---|---|---|---|---|",
        *(_phase_line(phase, metrics) for phase in recipe.phases),
        "",
        "Losses are nats a token. Validation rows are cut from the same mixture and not trained",
        "on, but a text that the mixture repeats may stand in other rows: they show the course of",
        "training, not how it generalises.",
        "",
        "## Sources",
        "",
        *(f"- {path}" for path in sorted({s.path for p in recipe.phases for s in p.sources})),
        "",
        f"Kept out of training: {', '.join(recipe.never_train_on) or 'nothing'}.",
    ]
    return "\n".join(lines) + "\n"


def _phase_line(phase: Phase, metrics: Sequence[dict[str, Any]]) -> str:
    last = [row for row in metrics if row["phase"] == phase.name][-1]
    validation = last["validation_loss"]
    shown = "not measured" if validation is None else f"{validation:.3f}"
    return (
        f"| {phase.name} | {last['tokens']:,} | {last['loss']:.3f} | {shown} | "
        f"{last['seconds']:,.0f} |"
    )
