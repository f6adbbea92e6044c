"""A recipe from corpus to checkpoint, step by step in one run folder.

    RUN/recipe.toml  tokenizer/  <phase>/{checkpoint.pt, metrics.jsonl}  export/

Each step is skipped when its result is there, so a run that ended at any moment goes on
where it was by being started again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn

from chatcli.errors import TrainingError
from chatcli.train.corpus import Reading
from chatcli.train.heldout import HeldOut
from chatcli.train.loop import Metric, new_model, train_phase
from chatcli.train.recipe import Phase, Recipe, load_recipe
from chatcli.train.rows import make_rows, phase_texts
from chatcli.train.vocabulary import END_OF_TEXT, END_OF_TURN, control_id, train_vocabulary

__all__ = ["Run", "open_run"]

TOKENIZER_CHARACTERS = 12_000_000  # BPE counts settle well before this


@dataclass(frozen=True, slots=True)
class Run:
    """One training run: its recipe, where its text is and where its results go."""

    recipe: Recipe
    corpus: Path
    folder: Path
    say: Callable[[str], None]
    report: Callable[[Metric], None]

    def train(self, device: torch.device) -> nn.Module:
        """All phases in order; returns the trained model."""
        tokenizer = self.tokenizer()
        model = self._model(tokenizer)
        held_out = HeldOut.from_files(self.corpus / path for path in self.recipe.never_train_on)
        done = self._newest_finished(model)
        for index, phase in enumerate(self.recipe.phases):
            if index > done:
                self._train(model, phase, index, tokenizer, held_out, device)
        return model

    def tokenizer(self) -> Tokenizer:
        """The run's tokenizer, trained first if it isn't there yet."""
        folder = self.folder / "tokenizer"
        if (folder / "tokenizer_config.json").exists():
            return Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.say(f"tokenizer: {self.recipe.shape.vocab_size} tokens")
        return train_vocabulary(self._sample(), self.recipe.shape.vocab_size, folder)

    def _sample(self) -> Iterator[str]:
        """A drawn share of the tokenizer's sources, bounded."""
        sources = Phase("tokenizer", "pretrain", self.recipe.tokenizer_sources, 1, 1, 0.0, 0.0)
        texts = list(phase_texts(sources, self.corpus, self.recipe.seed, Reading()))
        random.Random(self.recipe.seed).shuffle(texts)
        characters = 0
        for text in texts:
            characters += len(text)
            if characters > TOKENIZER_CHARACTERS:
                return
            yield text

    def _model(self, tokenizer: Tokenizer) -> nn.Module:
        bos, eos = control_id(tokenizer, END_OF_TEXT), control_id(tokenizer, END_OF_TURN)
        model = new_model(self.recipe.shape, bos, eos, self.recipe.seed)
        self.say(f"model: {sum(p.numel() for p in model.parameters()):,} parameters")
        return model

    def _newest_finished(self, model: nn.Module) -> int:
        """Index of the last finished phase, its weights loaded; -1 where there is none."""
        for index in reversed(range(len(self.recipe.phases))):
            path = self._phase_folder(index) / "finished.pt"
            if path.exists():
                model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
                return index
        return -1

    def _train(
        self,
        model: nn.Module,
        phase: Phase,
        index: int,
        tokenizer: Tokenizer,
        held_out: HeldOut,
        device: torch.device,
    ) -> None:
        folder = self._phase_folder(index)
        reading = Reading()
        rows = make_rows(phase, self.corpus, tokenizer, held_out, self.recipe.seed + index, reading)
        self.say(
            f"{phase.name}: {rows.tokens:,} tokens in {len(rows.ids):,} rows of "
            f"{phase.row_length}; {rows.dropped} documents held out, {len(reading.bad)} bad lines"
        )
        for bad in reading.bad[:5]:
            self.say(f"  left out: {bad.path.name} line {bad.line}: {bad.why}")
        if (folder / "checkpoint.pt").exists():
            self.say(f"{phase.name}: going on from its last checkpoint")
        seed = self.recipe.seed + index
        train_phase(model, phase, rows, folder, seed=seed, device=device, report=self.report)
        aside = folder / "finished.tmp"
        torch.save(model.state_dict(), aside)
        aside.replace(folder / "finished.pt")
        (folder / "checkpoint.pt").unlink()

    def _phase_folder(self, index: int) -> Path:
        return self.folder / f"{index + 1}-{self.recipe.phases[index].name}"


def open_run(
    recipe: Path,
    corpus: Path,
    folder: Path,
    *,
    say: Callable[[str], None],
    report: Callable[[Metric], None],
) -> Run:
    """A new run, or the one that `folder` holds. Raises TrainingError if they disagree."""
    parsed = load_recipe(recipe)
    if not corpus.is_dir():
        raise TrainingError(f"no corpus folder at {corpus}; name one with --corpus")
    kept, begun = folder / "recipe.toml", folder / "tokenizer" / "tokenizer_config.json"
    text = recipe.read_text(encoding="utf-8")
    if begun.exists() and kept.read_text(encoding="utf-8") != text:
        raise TrainingError(
            f"{folder} holds a run of another recipe; name another folder with --run"
        )
    folder.mkdir(parents=True, exist_ok=True)
    kept.write_text(text, encoding="utf-8")
    return Run(parsed, corpus, folder, say, report)
