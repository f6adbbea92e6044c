"""A phase that begins with a mean of two phases' weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from chatcli.errors import TrainingError
from chatcli.train.devices import open_accelerator
from chatcli.train.recipe import Recipe, check_recipe, load_recipe
from chatcli.train.run import Run, Watcher, open_run


def blended(folder: Path, share: float) -> Run:
    recipe = load_recipe(folder.parent / "recipe.toml")
    first, second = recipe.phases
    still = replace(second, name="last", matrix_lr=0.0, other_lr=1e-30, passes=0.1)
    third = replace(still, blend_with=first.name, blend=share)
    whole = replace(recipe, phases=(first, second, third))
    watcher = Watcher(lambda line: None, lambda point: None, lambda sample: None, lambda: False)
    return open_run(whole, folder, folder.parent / "run", watcher)


def weights(run: Run, index: int) -> dict[str, torch.Tensor]:
    path = run.phase_folder(index) / "finished.pt"
    found: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
    return found


def test_a_phase_begins_with_the_mean_of_weights_it_asks_for(corpus: Path) -> None:
    run = blended(corpus, 0.25)
    run.train(open_accelerator("cpu"))
    first, second, last = (weights(run, index) for index in range(3))
    assert any(not torch.equal(first[name], second[name]) for name in first)
    for name in last:
        expected = 0.75 * first[name] + 0.25 * second[name]
        torch.testing.assert_close(last[name], expected, rtol=1e-5, atol=1e-6)


def test_a_blend_with_a_later_phase_is_refused(corpus: Path) -> None:
    recipe: Recipe = load_recipe(corpus.parent / "recipe.toml")
    first, second = recipe.phases
    wrong = replace(recipe, phases=(replace(first, blend_with="sft"), second))
    with pytest.raises(TrainingError, match="blend_with names 'sft', but must name an earlier"):
        check_recipe(wrong)
