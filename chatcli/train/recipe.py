"""A training recipe: tokenizer, model shape, and the phases that a checkpoint goes through.

Recipes are TOML files. What a recipe means (reading sources, packing, the loop) is in the
modules beside this one; here a file becomes values, and a mistake in it one clear line.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from chatcli.errors import TrainingError

__all__ = [
    "BUILTIN_RECIPE",
    "Phase",
    "Recipe",
    "Shape",
    "Source",
    "check_phase",
    "check_recipe",
    "load_recipe",
]

BUILTIN_RECIPE = Path(__file__).with_name("builtin.toml")
SMALLEST_VOCABULARY = 261
LARGEST_VOCABULARY = 65_536  # ids are kept as 16-bit numbers
KINDS = ("text", "chat", "any", "facts", "generated")


@dataclass(frozen=True, slots=True)
class Source:
    """One file of the corpus, and how often it is seen.

    `kind` is "text" (documents), "chat" (conversations), "any" (a file or a folder of either,
    told apart line by line), "facts" (banks to expand) or "generated" (`count` conversations
    by the generator that `path` names). `epochs` may be a fraction, then that share of the
    documents is taken, once. A path is relative to the corpus folder; `banks/…` and
    `questions/…` name files that come with chatcli.
    """

    path: str
    kind: str
    epochs: float = 1.0
    count: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of the model, in the words of transformers' configs."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int = 2048
    rope_theta: float = 10000.0


@dataclass(frozen=True, slots=True)
class Phase:
    """One run of the loop over some sources.

    `kind` "pretrain" learns every token, "sft" of conversations only the assistant's. Rows
    are `row_length` tokens long and `batch_rows` of them make a step, in `accumulate`
    portions where memory is short. The rows are gone through `passes` times, in a new order
    each time; or, with `minutes`, as often as that time allows at the speed of the first
    steps. The learning rate rises over `warmup` (a share of the steps), stays, and falls to
    zero over the last `decay`. `matrix_lr` is Muon's, for the weight matrices (0: AdamW
    trains them too); `other_lr` is AdamW's. With `blend_with`, the phase begins with a mean
    of weights: `blend` parts of the newest, the rest of those after the phase it names
    (Wortsman et al., arXiv:2109.01903): what a long phase on little text overdid is undone.
    """

    name: str
    kind: str
    sources: tuple[Source, ...]
    row_length: int
    batch_rows: int
    matrix_lr: float
    other_lr: float
    warmup: float = 0.02
    decay: float = 0.3
    weight_decay: float = 0.0
    passes: float = 1.0
    minutes: float | None = None
    accumulate: int = 1
    blend_with: str = ""
    blend: float = 0.5


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole recipe; `never_train_on` lists evaluation files whose text is kept out.

    The tokenizer is trained on `tokenizer_sources`, or is the folder `tokenizer`'s. Weights
    begin at random, or with those of the checkpoint folder `start`, whose shape they then have.
    `samples` are texts that the model in training goes on with from time to time, by default
    the beginnings of some rows.
    """

    name: str
    seed: int
    shape: Shape
    phases: tuple[Phase, ...]
    tokenizer_sources: tuple[Source, ...] = ()
    tokenizer: str = ""
    start: str = ""
    never_train_on: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()


def load_recipe(path: Path) -> Recipe:
    """Read a recipe file. Raises TrainingError naming the file and the key."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"recipe {path}: {error.strerror}; name a TOML file") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TrainingError(f"recipe {path}: {error}") from error
    try:
        return _recipe(table)
    except TrainingError as error:
        raise TrainingError(f"recipe {path}: {error}") from None


def _recipe(table: dict[str, Any]) -> Recipe:
    parts = dict(table)
    parts["shape"] = _record(Shape, parts.pop("shape", {}), "shape")
    parts["tokenizer_sources"] = _sources(parts.pop("tokenizer_sources", []), "tokenizer_sources")
    parts["phases"] = tuple(_phase(phase) for phase in parts.pop("phases", []))
    for name in ("never_train_on", "samples"):
        parts[name] = tuple(parts.pop(name, []))
    recipe = _record(Recipe, parts, "the top level")
    check_recipe(recipe)
    return recipe


def check_recipe(recipe: Recipe) -> None:
    """Raises TrainingError for what no recipe can have."""
    if not recipe.phases:
        raise TrainingError("it has no [[phases]]; add at least one of kind pretrain")
    if bool(recipe.tokenizer_sources) == bool(recipe.tokenizer):
        raise TrainingError("it needs tokenizer_sources, or a tokenizer's folder, and not both")
    _check_shape(recipe.shape)
    earlier: list[str] = []
    for phase in recipe.phases:
        _check_phase(phase, recipe.shape)
        if phase.blend_with and phase.blend_with not in earlier:
            raise TrainingError(
                f"phase {phase.name}: blend_with names {phase.blend_with!r}, "
                f"but must name an earlier phase ({', '.join(earlier) or 'there is none'})"
            )
        earlier.append(phase.name)


def _check_shape(shape: Shape) -> None:
    for field in fields(Shape):
        value = getattr(shape, field.name)
        _require(_positive(value), "shape", field.name, value, "a number above 0")
    size = shape.vocab_size
    in_range = SMALLEST_VOCABULARY <= size <= LARGEST_VOCABULARY
    wanted = f"from {SMALLEST_VOCABULARY} (256 bytes and 5 control tokens) to {LARGEST_VOCABULARY}"
    _require(in_range, "shape", "vocab_size", size, wanted)
    groups, heads = shape.num_key_value_heads, shape.num_attention_heads
    _require(
        heads % groups == 0, "shape", "num_key_value_heads", groups, f"a divisor of {heads} heads"
    )
    even = shape.head_dim % 2 == 0
    _require(even, "shape", "head_dim", shape.head_dim, "even, for rotary positions")


def _check_phase(phase: Phase, shape: Shape) -> None:
    where, longest = f"phase {phase.name}", shape.max_position_embeddings
    check_phase(phase)
    fits = phase.row_length <= longest
    _require(
        fits, where, "row_length", phase.row_length, f"at most max_position_embeddings = {longest}"
    )


def check_phase(phase: Phase) -> None:
    """Raises TrainingError for a number that no phase can have."""
    where, rate = f"phase {phase.name}", phase.matrix_lr
    _require(rate == 0 or _positive(rate), where, "matrix_lr", rate, "a number from 0 up")
    for name in ("row_length", "batch_rows", "accumulate", "other_lr", "passes"):
        value = getattr(phase, name)
        _require(_positive(value), where, name, value, "a number above 0")
    if phase.minutes is not None:
        _require(_positive(phase.minutes), where, "minutes", phase.minutes, "a number above 0")
    inside = 0 <= phase.blend <= 1
    _require(inside, where, "blend", phase.blend, "a share from 0 to 1")
    rows, parts = phase.batch_rows, phase.accumulate
    _require(rows % parts == 0, where, "accumulate", parts, f"a divisor of {rows} batch_rows")


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _require(right: bool, where: str, name: str, value: Any, wanted: str) -> None:
    if not right:
        raise TrainingError(f"{where}: {name} is {value!r}, but must be {wanted}")


def _phase(table: dict[str, Any]) -> Phase:
    name = table.get("name", "?")
    sources = _sources(table.get("sources", []), f"phase {name}")
    phase = _record(Phase, {**table, "sources": sources}, f"phase {name}")
    if phase.kind not in ("pretrain", "sft"):
        raise TrainingError(f"phase {name} has kind {phase.kind!r}; use pretrain or sft")
    return phase


def _sources(rows: list[dict[str, Any]], where: str) -> tuple[Source, ...]:
    sources = tuple(_record(Source, row, f"a source of {where}") for row in rows)
    for source in sources:
        if source.kind not in KINDS:
            raise TrainingError(f"{source.path} has kind {source.kind!r}; use {', '.join(KINDS)}")
        if (source.kind == "generated") != (source.count > 0):
            raise TrainingError(f"{source.path}: count is for generated text, and needed there")
        if not source.epochs > 0:
            raise TrainingError(f"{source.path} has epochs {source.epochs}; use a number above 0")
    return sources


T = TypeVar("T", Source, Shape, Phase, Recipe)


def _record(cls: type[T], table: dict[str, Any], where: str) -> T:
    """A dataclass from a table, with unknown and missing keys named."""
    known = {field.name for field in fields(cls)}
    if unknown := sorted(set(table) - known):
        raise TrainingError(
            f"{where} has the unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}"
        )
    try:
        return cls(**table)
    except TypeError as error:
        raise TrainingError(f"{where}: {error}") from error
