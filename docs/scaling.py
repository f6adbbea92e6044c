"""The scaling study of the built-in checkpoint: loss at equal time, by shape and by mixture.

    python docs/scaling.py RUN OUT.json --minutes 0.3

RUN is a prepared run of the built-in recipe (`chatcli train run --prepare`). Every entry of
STUDY trains a new model for the same time on the same device, then is validated on the same
rows: texts of the wide phase and of the plain phase that no phase trains on.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from chatcli.train.devices import open_accelerator
from chatcli.train.fresh import new_model
from chatcli.train.loop import Training
from chatcli.train.metrics import Hooks, Metric
from chatcli.train.recipe import BUILTIN_RECIPE, Phase, Recipe, Shape, load_recipe
from chatcli.train.rows import Data, Rows, load_data


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of the study; `plain` is the share of its rows in the plain style."""

    name: str
    hidden_size: int
    num_hidden_layers: int
    plain: float = 0.5
    matrix_lr: float = 0.01


STUDY = (
    Entry("small", 192, 5),
    Entry("medium", 256, 6),
    Entry("large", 384, 8),
    Entry("small, less plain text", 192, 5, plain=0.15),
    Entry("small, AdamW for all", 192, 5, matrix_lr=0.0),
)


def shape_of(entry: Entry, base: Shape) -> Shape:
    """The recipe's shape at another width and depth, heads of 64 throughout."""
    heads = entry.hidden_size // base.head_dim
    return replace(
        base,
        hidden_size=entry.hidden_size,
        intermediate_size=round(entry.hidden_size * 8 / 3 / 64) * 64,
        num_hidden_layers=entry.num_hidden_layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 2 if heads % 2 == 0 else 1,
    )


def mixed(wide: Rows, plain: Rows, share: float, seed: int) -> Rows:
    """As many rows as `wide` has, `share` of them drawn from `plain`."""
    rng = np.random.default_rng(seed)
    count = round(len(wide.ids) * share)
    few, rest = rng.choice(len(plain.ids), count), rng.permutation(len(wide.ids))[count:]
    ids = np.concatenate([plain.ids[few], wide.ids[rest]])
    return Rows(ids, np.ones(ids.shape, dtype=np.bool_))


def shortened(data: Data, count: int) -> Data:
    """The data with `count` rows of validation at most."""
    kept = data.validation
    return Data(data.train, Rows(kept.ids[:count], kept.learn[:count]))


def train(
    entry: Entry, recipe: Recipe, wide: Data, plain: Data, args: argparse.Namespace
) -> dict[str, object]:
    """Train one entry and validate it on both kinds of text."""
    phase: Phase = replace(
        recipe.phases[0],
        name=entry.name,
        minutes=args.minutes,
        matrix_lr=entry.matrix_lr,
        warmup=0.05,
        decay=0.5,
        batch_rows=args.rows,
    )
    model = new_model(shape_of(entry, recipe.shape), 0, 1, recipe.seed)
    rows = mixed(wide.train, plain.train, entry.plain, recipe.seed)
    points: list[Metric] = []
    hooks = Hooks(points.append, lambda sample: None, None, lambda: False)
    accelerator = open_accelerator(args.device)
    found: dict[str, object] = {}
    folder = args.run / "study" / entry.name
    data = Data(rows, plain.validation)
    training = Training(model, phase, data, folder, seed=1, accelerator=accelerator, hooks=hooks)
    training.run()
    losses = {"plain": points[-1].validation_loss, "wide": training.validate(wide.validation)}
    found |= asdict(entry) | {
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "tokens": points[-1].tokens,
        "seconds": points[-1].seconds,
        "losses": losses,
        "device": str(accelerator.device),
    }
    return found


def main() -> None:
    """Run the study and write its figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=0.3)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--validation", type=int, default=8, help="rows of each kind")
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    recipe = load_recipe(BUILTIN_RECIPE)
    wide, plain = (
        shortened(load_data(path / "rows.npz"), args.validation)
        for path in sorted(args.run.glob("[12]-*"))
    )
    results = []
    for entry in STUDY:
        results.append(train(entry, recipe, wide, plain, args))
        sys.stdout.write(json.dumps(results[-1]) + "\n")
        sys.stdout.flush()
        args.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
