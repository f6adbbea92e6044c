"""A recipe from corpus to checkpoint, step by step in one run folder.

    RUN/config.json  tokenizer/  <phase>/{rows.npz, checkpoint.pt, metrics.jsonl, samples.jsonl}

Each step is skipped when its result is there, so a run that ended at any moment goes on
where it was by being started again. Once its rows are made, it needs the corpus no more.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer
from torch import nn

from chatcli.errors import TrainingError
from chatcli.text.tokenizer import load_tokenizer
from chatcli.train.checkpoints import write_whole
from chatcli.train.fresh import new_model, read_model
from chatcli.train.heldout import HeldOut
from chatcli.train.loop import Training
from chatcli.train.metrics import Hooks, Metric, Sample
from chatcli.train.recipe import Phase, Recipe
from chatcli.train.rows import Data, load_data, make_data, save_data
from chatcli.train.sources import Corpus
from chatcli.train.vocabulary import END_OF_TEXT, END_OF_TURN, control_id, train_vocabulary
from chatcli.train.writer import PROMPTS, Writer

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["TOKENIZER_FILES", "Run", "Watcher", "begin", "open_run"]

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
TOKENIZER_CHARACTERS = 12_000_000  # BPE counts settle well before this


@dataclass(frozen=True, slots=True)
class Watcher:
    """What a run tells the person who watches it, and how it asks whether to stop."""

    say: Callable[[str], None]
    report: Callable[[Metric], None]
    show: Callable[[Sample], None]
    cancelled: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Run:
    """One training run: its recipe, where its text is and where its results go."""

    recipe: Recipe
    corpus: Path
    folder: Path
    watcher: Watcher

    def prepare(self) -> None:
        """Make the tokenizer and the rows of every phase; nothing after needs the corpus."""
        tokenizer = self.tokenizer()
        for index in range(len(self.recipe.phases)):
            if not self._finished(index).exists():
                self._data(index, tokenizer)

    def train(self, accelerator: Accelerator) -> nn.Module:
        """All phases in order; returns the trained model. Raises loop.Stopped on request."""
        if accelerator.is_main_process:
            self.prepare()
        accelerator.wait_for_everyone()
        tokenizer = self.tokenizer()
        model = self._new_model(tokenizer)
        self.watcher.say(f"model: {sum(p.numel() for p in model.parameters()):,} parameters")
        done = self._newest_finished(model)
        for index in range(done + 1, len(self.recipe.phases)):
            self._train(model, index, tokenizer, accelerator)
        return model

    def tokenizer(self) -> Tokenizer:
        """The run's tokenizer, trained first if it isn't there yet."""
        folder = self.folder / "tokenizer"
        if (folder / "tokenizer_config.json").exists():
            return Tokenizer.from_file(str(folder / "tokenizer.json"))
        if self.recipe.tokenizer:
            return self._copied(Path(self.recipe.tokenizer), folder)
        self.watcher.say(f"tokenizer: {self.recipe.shape.vocab_size} tokens")
        return train_vocabulary(self._sample(), self.recipe.shape.vocab_size, folder)

    def _copied(self, source: Path, folder: Path) -> Tokenizer:
        folder.mkdir(parents=True, exist_ok=True)
        for name in TOKENIZER_FILES:
            if not (source / name).is_file():
                raise TrainingError(
                    f"{source} has no {name}; make a tokenizer with `chatcli train tokenizer`"
                )
            shutil.copy(source / name, folder / name)
        return Tokenizer.from_file(str(folder / "tokenizer.json"))

    def _new_model(self, tokenizer: Tokenizer) -> nn.Module:
        if self.recipe.start:
            return read_model(Path(self.recipe.start))
        bos, eos = control_id(tokenizer, END_OF_TEXT), control_id(tokenizer, END_OF_TURN)
        return new_model(self.recipe.shape, bos, eos, self.recipe.seed)

    def phase_folder(self, index: int) -> Path:
        """Where the phase keeps its rows, checkpoint and metrics."""
        return self.folder / f"{index + 1}-{self.recipe.phases[index].name}"

    def _sample(self) -> Iterator[str]:
        """A drawn share of the tokenizer's sources, bounded."""
        corpus = self._corpus()
        train, _ = corpus.divided(self.recipe.tokenizer_sources, "tokenizer")
        random.Random(self.recipe.seed).shuffle(train)
        characters = 0
        for document in train:
            characters += len(document.text)
            if characters > TOKENIZER_CHARACTERS:
                return
            yield document.text

    def _corpus(self) -> Corpus:
        if not self.corpus.is_dir():
            raise TrainingError(f"no corpus folder at {self.corpus}; name one with --corpus")
        corpus = Corpus(self.corpus, HeldOut([]), self.recipe.seed)
        held_out = HeldOut.from_files(corpus.path(name) for name in self.recipe.never_train_on)
        return Corpus(self.corpus, held_out, self.recipe.seed)

    def _data(self, index: int, tokenizer: Tokenizer) -> Data:
        """The rows of a phase, made first if they aren't there yet."""
        kept, phase = self.phase_folder(index) / "rows.npz", self.recipe.phases[index]
        if kept.exists():
            return load_data(kept)
        corpus = self._corpus()
        train, validation = corpus.divided(phase.sources, phase.name)
        data = make_data(phase, tokenizer, train, validation, self.recipe.seed + index)
        kept.parent.mkdir(parents=True, exist_ok=True)
        save_data(kept, data)
        self._tell(phase, corpus, data)
        return data

    def _tell(self, phase: Phase, corpus: Corpus, data: Data) -> None:
        self.watcher.say(
            f"{phase.name}: {data.train.tokens:,} tokens in {len(data.train.ids):,} rows of "
            f"{phase.row_length}; {corpus.dropped:,} documents with held-out text dropped"
        )
        for line in corpus.reading.summary():
            self.watcher.say(line)

    def _newest_finished(self, model: nn.Module) -> int:
        """Index of the last finished phase, its weights loaded; -1 where there is none."""
        for index in reversed(range(len(self.recipe.phases))):
            if self._finished(index).exists():
                saved = torch.load(self._finished(index), map_location="cpu", weights_only=True)
                model.load_state_dict(saved)
                return index
        return -1

    def _finished(self, index: int) -> Path:
        return self.phase_folder(index) / "finished.pt"

    def _train(
        self, model: nn.Module, index: int, tokenizer: Tokenizer, accelerator: Accelerator
    ) -> None:
        folder, phase = self.phase_folder(index), self.recipe.phases[index]
        if (folder / "checkpoint.pt").exists():
            self.watcher.say(f"{phase.name}: going on from its last checkpoint")
        model.to(accelerator.device)
        readable = load_tokenizer(self.folder / "tokenizer")
        hooks = Hooks(
            report=self.watcher.report,
            show=self.watcher.show,
            write=Writer(model, readable, folder, PROMPTS),
            cancelled=self.watcher.cancelled,
        )
        data = self._data(index, tokenizer)
        seed = self.recipe.seed + index
        Training(model, phase, data, folder, seed=seed, accelerator=accelerator, hooks=hooks).run()
        if accelerator.is_main_process:
            write_whole(self._finished(index), model.state_dict())
            (folder / "checkpoint.pt").unlink()
        accelerator.wait_for_everyone()


def open_run(
    recipe: Recipe, corpus: Path, folder: Path, watcher: Watcher, *, resume: bool = False
) -> Run:
    """A new run, or with `resume` the one that `folder` holds, if it does.

    Raises TrainingError where `folder` holds a run that isn't to be resumed, or another one.
    """
    begin(folder, {"recipe": asdict(recipe), "corpus": str(corpus)}, resume=resume)
    return Run(recipe, corpus, folder, watcher)


def begin(folder: Path, config: dict[str, Any], *, resume: bool) -> None:
    """Make a run folder with its config.json, or check that it is of this run."""
    path = folder / "config.json"
    config = json.loads(json.dumps(config))
    if path.exists():
        if not resume:
            raise TrainingError(
                f"{folder} holds a run: add --resume to go on with it, or name another folder"
            )
        if _changed(json.loads(path.read_text(encoding="utf-8")), config, folder):
            raise TrainingError(
                f"{folder} holds a run with other settings; name another folder with --run"
            )
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(config, ensure_ascii=False, indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def _changed(kept: dict[str, Any], config: dict[str, Any], folder: Path) -> bool:
    """Whether something was made with other settings; before that they may be mended."""
    made = any(folder.glob("tokenizer/tokenizer_config.json")) or any(folder.glob("*/rows.npz"))
    return made and {**kept, "corpus": ""} != {**config, "corpus": ""}
