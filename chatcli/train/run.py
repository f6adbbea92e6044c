"""A recipe from corpus to checkpoint, step by step in one run folder.

    RUN/run.json  tokenizer/  <phase>/{sources.json, rows.npz, checkpoint.pt, metrics.jsonl, …}

Each step is skipped when its result is there, so a run that ended at any moment goes on
where it was by being started again. Once its rows are made, it needs the corpus no more.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer
from torch import nn

from chatcli.errors import TrainingError
from chatcli.model.device import memory_errors
from chatcli.text.tokenizer import load_tokenizer
from chatcli.train.checkpoints import replace_text, write_whole
from chatcli.train.devices import first_alone
from chatcli.train.fresh import new_model, read_model
from chatcli.train.heldout import HeldOut
from chatcli.train.loop import Training
from chatcli.train.metrics import Hooks, Metric, Sample
from chatcli.train.provenance import Counts, keep_counts
from chatcli.train.recipe import Phase, Recipe, Source
from chatcli.train.rows import Data, load_data, make_data, save_data
from chatcli.train.sources import Corpus
from chatcli.train.vocabulary import (
    END_OF_TEXT,
    END_OF_TURN,
    TOKENIZER_FILES,
    control_id,
    read_vocabulary,
    train_vocabulary,
)
from chatcli.train.writer import Writer

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = [
    "Run",
    "Watcher",
    "begin",
    "look_for_run",
    "open_run",
    "tokenizer_texts",
]

SETTINGS = "run.json"  # not config.json, which would make the folder look like a model
OPENING = 8  # tokens of a text that the model in training goes on with
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
        if self.recipe.tokenizer:
            self._keep_tokenizer(Path(self.recipe.tokenizer))

    def train(self, accelerator: Accelerator) -> nn.Module:
        """All phases in order; returns the trained model. Raises loop.Stopped on request."""
        first_alone(accelerator, self.prepare)
        tokenizer = self.tokenizer()
        with memory_errors("for the model", torch.device("cpu")):
            model = self._new_model(tokenizer)
        self.watcher.say(f"model: {sum(p.numel() for p in model.parameters()):,} parameters")
        done = self._newest_finished(model)
        for index in range(done + 1, len(self.recipe.phases)):
            self._train(model, index, tokenizer, accelerator)
        return model

    def tokenizer(self) -> Tokenizer:
        """The run's tokenizer; one of its own is trained first if it isn't there yet."""
        folder = self.folder / "tokenizer"
        if folder.exists():
            return read_vocabulary(folder)
        if self.recipe.tokenizer:
            return read_vocabulary(Path(self.recipe.tokenizer))
        size = self.recipe.shape.vocab_size
        self.watcher.say(f"tokenizer: {size:,} tokens")
        texts = tokenizer_texts(self._corpus(), self.recipe.tokenizer_sources)
        aside = self._aside()
        tokenizer = train_vocabulary(texts, size, aside)
        aside.replace(folder)
        return tokenizer

    def _keep_tokenizer(self, source: Path) -> None:
        """Copy the tokenizer that the rows were made with, so that the run stands alone."""
        folder = self.folder / "tokenizer"
        if not folder.exists():
            aside = self._aside()
            for name in TOKENIZER_FILES:
                shutil.copy(source / name, aside / name)
            aside.replace(folder)

    def _aside(self) -> Path:
        """An empty folder to make the tokenizer in: under its name it is always whole."""
        aside = self.folder / "tokenizer.tmp"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        return aside

    def _new_model(self, tokenizer: Tokenizer) -> nn.Module:
        if self.recipe.start:
            return read_model(Path(self.recipe.start))
        bos, eos = control_id(tokenizer, END_OF_TEXT), control_id(tokenizer, END_OF_TURN)
        return new_model(self.recipe.shape, bos, eos, self.recipe.seed)

    def phase_folder(self, index: int) -> Path:
        """Where the phase keeps its rows, checkpoint and metrics."""
        return self.folder / f"{index + 1}-{self.recipe.phases[index].name}"

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
        for line in corpus.reading.summary():
            self.watcher.say(line)
        if self.recipe.never_train_on:
            dropped = f"{corpus.dropped:,} documents with held-out text dropped"
            self.watcher.say(f"{phase.name}: {dropped}")
        data = make_data(phase, tokenizer, train, validation, self.recipe.seed + index)
        kept.parent.mkdir(parents=True, exist_ok=True)
        documents = len(train) + len(validation)
        bad_lines = len(corpus.reading.bad)
        counts = Counts(documents, corpus.dropped, bad_lines, data.train.tokens)
        keep_counts(kept.parent, counts)
        save_data(kept, data)
        return data

    def _newest_finished(self, model: nn.Module) -> int:
        """Index of the last finished phase, its weights loaded; -1 where there is none."""
        for index in reversed(range(len(self.recipe.phases))):
            if self._finished(index).exists():
                model.load_state_dict(self._weights_after(index))
                return index
        return -1

    def _weights_after(self, index: int) -> dict[str, torch.Tensor]:
        weights: dict[str, torch.Tensor] = torch.load(
            self._finished(index), map_location="cpu", weights_only=True
        )
        return weights

    def _blend(self, model: nn.Module, phase: Phase) -> None:
        """Give `model` the mean of its weights and an earlier phase's that `phase` asks for."""
        if phase.blend_with:
            names = [each.name for each in self.recipe.phases]
            other = self._weights_after(names.index(phase.blend_with))
            newest = model.state_dict()
            mean = {name: other[name].lerp(newest[name].cpu(), phase.blend) for name in other}
            model.load_state_dict(mean)

    def _finished(self, index: int) -> Path:
        return self.phase_folder(index) / "finished.pt"

    def _train(
        self, model: nn.Module, index: int, tokenizer: Tokenizer, accelerator: Accelerator
    ) -> None:
        folder, phase = self.phase_folder(index), self.recipe.phases[index]
        if (folder / "checkpoint.pt").exists():
            self.watcher.say(f"{phase.name}: going on from its last checkpoint")
        self._blend(model, phase)
        model.to(accelerator.device)
        readable = load_tokenizer(self.folder / "tokenizer")
        data = self._data(index, tokenizer)
        prompts = self.recipe.samples or _openings(data)
        hooks = Hooks(
            report=self.watcher.report,
            show=self.watcher.show,
            write=Writer(model, readable, folder, prompts),
            cancelled=self.watcher.cancelled,
        )
        seed = self.recipe.seed + index
        training = Training(
            model, phase, data, folder, seed=seed, accelerator=accelerator, hooks=hooks
        )
        self.watcher.say(training.summary())
        training.run()
        first_alone(accelerator, lambda: self._finish(model, index))

    def _finish(self, model: nn.Module, index: int) -> None:
        write_whole(self._finished(index), model.state_dict())
        (self.phase_folder(index) / "checkpoint.pt").unlink()


def _openings(data: Data) -> list[list[int]]:
    """How some rows begin that aren't trained on, where there are any."""
    rows = data.validation if len(data.validation.ids) else data.train
    return [ids[:OPENING].tolist() for ids in rows.ids[:4]]


def tokenizer_texts(corpus: Corpus, sources: Sequence[Source]) -> Iterator[str]:
    """A drawn share of `sources`, bounded, to train a tokenizer on."""
    train, _ = corpus.divided(sources, "tokenizer")
    random.Random(corpus.seed).shuffle(train)
    characters = 0
    for document in train:
        characters += len(document.text)
        if characters > TOKENIZER_CHARACTERS:
            return
        yield document.text


def open_run(
    recipe: Recipe,
    corpus: Path,
    folder: Path,
    watcher: Watcher,
    *,
    accelerator: Accelerator | None = None,
) -> Run:
    """A new run, or the one that `folder` holds, if it does; `look_for_run` asks whether it may.

    Where there are several processes, all call this, with their `accelerator`. Raises
    TrainingError where `folder` holds a run with other settings.
    """
    config = {"recipe": asdict(recipe), "corpus": str(corpus)}
    if accelerator is None:
        begin(folder, config)
    else:
        first_alone(accelerator, lambda: begin(folder, config))
    return Run(recipe, corpus, folder, watcher)


def begin(folder: Path, config: dict[str, Any]) -> None:
    """Make a run folder with its run.json, or check that it is of this run.

    A run that ended before it made anything holds nothing: what stopped it may be mended.
    """
    path = folder / SETTINGS
    if _holds_run(folder) and _differ(json.loads(path.read_bytes()), config):
        raise TrainingError(
            f"{folder} holds a run with other settings; name another folder with --run"
        )
    folder.mkdir(parents=True, exist_ok=True)
    replace_text(path, json.dumps(config, ensure_ascii=False, indent=1) + "\n")


def look_for_run(folder: Path, watcher: Watcher, *, resume: bool) -> None:
    """TrainingError where `folder` holds a run that isn't to be resumed; a word where none is."""
    if folder.exists() and not folder.is_dir():
        raise TrainingError(f"{folder} is a file; name a folder to work in with --run")
    if _holds_run(folder) and not resume:
        raise TrainingError(
            f"{folder} holds a run: add --resume to go on with it, or name another folder"
        )
    if resume and not _holds_run(folder):
        watcher.say(f"nothing to resume in {folder} yet: beginning a run there")


def _holds_run(folder: Path) -> bool:
    made = any(folder.glob("tokenizer")) or any(folder.glob("*/rows.npz"))
    return made and (folder / SETTINGS).exists()


def _differ(kept: dict[str, Any], config: dict[str, Any]) -> bool:
    """Whether two settings differ in more than where the corpus lies."""
    plain = json.loads(json.dumps(config))
    return {**kept, "corpus": ""} != {**plain, "corpus": ""}
