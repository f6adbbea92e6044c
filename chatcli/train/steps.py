"""The first two steps of a checkpoint on their own: a tokenizer, and pretraining.

Each takes what a person names on the command line and leaves a folder. A pretraining is a
recipe of one phase, so `run` and `loop` do its work; the third step is in `finetune`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from chatcli.errors import TrainingError
from chatcli.model.files import read_config
from chatcli.model.resolve import resolve
from chatcli.train.devices import first_alone, open_accelerator
from chatcli.train.export import check_out, export, new_folder
from chatcli.train.heldout import HeldOut
from chatcli.train.inputs import check_inputs, keep_stdin, sources
from chatcli.train.recipe import Phase, Recipe, Shape, check_recipe
from chatcli.train.run import Watcher, look_for_run, open_run, tokenizer_texts
from chatcli.train.sources import Corpus
from chatcli.train.vocabulary import read_vocabulary, train_vocabulary

__all__ = ["NewModel", "Pretraining", "make_tokenizer", "pretrain"]

HEAD_DIMS = (64, 32)  # the first that divides the width into at least four heads


def make_tokenizer(
    inputs: tuple[str, ...], out: Path, vocab_size: int, watcher: Watcher, *, stdin: IO[bytes]
) -> None:
    """Train a tokenizer of `vocab_size` tokens on `inputs` and write it into the folder `out`.

    Raises TrainingError where `out` holds something, for inputs that can't be read, and
    where they can't give that many tokens.
    """
    check_out(out)
    check_inputs(inputs)
    with TemporaryDirectory() as spool, new_folder(out) as folder:
        keep_stdin(inputs, Path(spool), stdin, resume=False)
        corpus = Corpus(Path(), HeldOut([]), seed=0)
        texts = list(tokenizer_texts(corpus, sources(inputs, Path(spool))))
        for line in corpus.reading.summary():
            watcher.say(line)
        if not texts:
            raise TrainingError("the inputs hold no usable text; add some")
        characters = sum(map(len, texts))
        watcher.say(f"tokenizer: {vocab_size:,} tokens from {characters:,} characters")
        train_vocabulary(texts, vocab_size, folder)


@dataclass(frozen=True, slots=True)
class NewModel:
    """The size of a model to make: its layers, its width, and its context in tokens."""

    layers: int = 4
    width: int = 128
    context: int = 512

    def shape(self, vocab_size: int) -> Shape:
        """In full, as the built-in model has it. Raises TrainingError for an odd width."""
        if self.width % HEAD_DIMS[-1]:
            raise TrainingError(f"--width is {self.width}, but must be a multiple of 32")
        fits = (size for size in HEAD_DIMS if not self.width % size and self.width >= 4 * size)
        head_dim = next(fits, HEAD_DIMS[-1])
        heads = self.width // head_dim
        return Shape(
            vocab_size=vocab_size,
            hidden_size=self.width,
            intermediate_size=(self.width * 8 // 3 + 31) // 32 * 32,
            num_hidden_layers=self.layers,
            num_attention_heads=heads,
            num_key_value_heads=heads if heads % 2 else heads // 2,
            head_dim=head_dim,
            max_position_embeddings=self.context,
        )


@dataclass(frozen=True, slots=True)
class Pretraining:
    """What `chatcli train pretrain` was asked for.

    `start` is a folder with a tokenizer and `size` that of the model to make; or, with `size`
    None, `start` is a model to go on with. Rows are as long as its context where
    `row_length` is None. The rest is as in `Phase`.
    """

    inputs: tuple[str, ...]
    start: str
    size: NewModel | None
    out: Path
    run: Path
    minutes: float | None = None
    passes: float = 4.0
    batch_rows: int = 16
    accumulate: int = 1
    row_length: int | None = None
    matrix_lr: float = 0.02
    lr: float = 0.005
    seed: int = 0

    def recipe(self) -> Recipe:
        """The same as a recipe. Raises TrainingError for what can't be."""
        folder = (Path(self.start) if self.size else _whole_model(self.start)).resolve()
        vocab_size = read_vocabulary(folder).get_vocab_size()
        shape = self.size.shape(vocab_size) if self.size else _shape_of(folder)
        phase = Phase(
            name="pretrain",
            kind="pretrain",
            sources=sources(self.inputs, self.run),
            row_length=self.row_length or shape.max_position_embeddings,
            batch_rows=self.batch_rows,
            matrix_lr=self.matrix_lr,
            other_lr=self.lr,
            weight_decay=0.1,
            passes=self.passes,
            minutes=self.minutes,
            accumulate=self.accumulate,
        )
        recipe = Recipe(
            name=self.out.name,
            seed=self.seed,
            shape=shape,
            phases=(phase,),
            tokenizer=str(folder),
            start="" if self.size else str(folder),
        )
        check_recipe(recipe)
        return recipe


def pretrain(
    asked: Pretraining, watcher: Watcher, *, device: str, stdin: IO[bytes], resume: bool
) -> None:
    """Train a model on text and write it into a folder; of several processes, each calls this.

    Raises loop.Stopped on request, and TrainingError for what can't be used or written.
    """
    check_out(asked.out)
    check_inputs(asked.inputs, asked.out, asked.run)
    look_for_run(asked.run, watcher, resume=resume)
    asked.recipe()
    accelerator = open_accelerator(device)
    first_alone(accelerator, lambda: keep_stdin(asked.inputs, asked.run, stdin, resume=resume))
    recipe = asked.recipe()  # now with stdin as a file
    run = open_run(recipe, Path(), asked.run, watcher, accelerator=accelerator)
    model = run.train(accelerator)
    first_alone(accelerator, lambda: export(model, recipe, asked.run, asked.out))


def _whole_model(name: str) -> Path:
    location = resolve(name)
    if location.adapter is not None:
        raise TrainingError(f"{name} is an adapter; go on with its base, {location.folder}")
    return location.folder


def _shape_of(folder: Path) -> Shape:
    """The shape of a model, for the recipe of a run that begins with its weights."""
    config = read_config(folder)
    names = [name for name in Shape.__slots__ if name != "rope_theta"]
    if missing := [name for name in names if not isinstance(config.get(name), int)]:
        raise TrainingError(
            f"{folder} isn't a model that `chatcli train` made (no {missing[0]} in its "
            "config.json); `chatcli train sft` tunes any"
        )
    return Shape(**{name: config[name] for name in names})
