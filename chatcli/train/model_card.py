"""The model card of a run: what the model is, how it was made, of what, and what it is for.

Only what the run itself knows is said. What it scores is measured later, into a part of its
own (see `evaluation.card`), and what only a person can judge is added by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from chatcli.train.evaluation.card import UNMEASURED
from chatcli.train.provenance import Counts, Licence, used
from chatcli.train.recipe import Phase, Recipe

__all__ = ["card"]

USE = """\
To be looked into and talked with: to see how a model of this size goes on with a text, how
it answers, and where it fails. It says what is likely after the texts it was trained on, not
what is true: outside of what they repeat it makes things up, fluently and without a sign of
doubt. It should not be relied on for facts or advice, nor decide anything about people.
Nothing was done to make it safe beyond the choice of its texts, and old texts bring the views
of their time. It knows no more than {context:,} tokens of a conversation at once."""

COURSE = """\
Losses are nats a token. Validation rows are cut from the same mixture and not trained on, but
other texts of the mixture may say the same: they show the course of training, not how it
generalises."""


def card(
    recipe: Recipe,
    metrics: Sequence[dict[str, Any]],
    counts: Sequence[Counts | None],
    parameters: int,
    licences: Sequence[Licence],
) -> str:
    """The whole card as Markdown; `counts` has one entry a phase."""
    context = recipe.shape.max_position_embeddings
    sections = [
        f"# {recipe.name}",
        _shape(recipe, parameters),
        "## What it is for, and its limits",
        USE.format(context=context),
        UNMEASURED.rstrip("\n"),
        "## How it was made",
        "\n".join(_phases(recipe.phases, metrics)),
        COURSE,
        "## Sources",
        "\n".join(_sources(recipe, licences)),
        *_credits(recipe, licences),
        *_kept_out(recipe, counts),
    ]
    return "\n\n".join(sections) + "\n"


def _shape(recipe: Recipe, parameters: int) -> str:
    shape = recipe.shape
    return (
        f"{parameters:,} parameters: Qwen3 architecture, {shape.num_hidden_layers} layers, "
        f"{shape.hidden_size} wide, {shape.num_attention_heads} heads over "
        f"{shape.num_key_value_heads} key-value heads, tied head, byte-level BPE of "
        f"{shape.vocab_size:,} tokens, context {shape.max_position_embeddings:,}, bfloat16."
    )


def _phases(phases: Sequence[Phase], metrics: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield "| phase | tokens learned | last loss | last validation loss | seconds |"
    yield "|---|---|---|---|---|"
    for phase in phases:
        last = [row for row in metrics if row["phase"] == phase.name][-1]
        validation = last["validation_loss"]
        shown = "not measured" if validation is None else f"{validation:.3f}"
        yield (
            f"| {phase.name} | {last['tokens']:,} | {last['loss']:.3f} | {shown} | "
            f"{last['seconds']:,.0f} |"
        )


def _sources(recipe: Recipe, licences: Sequence[Licence]) -> Iterator[str]:
    yield "| source | what | licence |"
    yield "|---|---|---|"
    for licence, names in used(recipe, licences):
        listed = ", ".join(f"`{name}`" for name in names)
        yield f"| {listed} | {licence.what} | {licence.licence} |"


def _credits(recipe: Recipe, licences: Sequence[Licence]) -> Iterator[str]:
    said = [f"- {licence.credit}" for licence, _ in used(recipe, licences) if licence.credit]
    if said:
        yield "## Credits"
        yield "\n".join(said)


def _kept_out(recipe: Recipe, counts: Sequence[Counts | None]) -> Iterator[str]:
    """What was never trained on, and how many documents that and bad lines cost."""
    yield "## Never trained on"
    if not recipe.never_train_on:
        yield "Nothing was kept out."
        return
    files = ", ".join(f"`{name}`" for name in recipe.never_train_on)
    yield f"{files}: a document that holds a sentence of these is dropped."
    lines = [
        f"- {phase.name}: {known.dropped:,} of {known.documents + known.dropped:,} documents "
        f"dropped, {known.bad_lines:,} lines unreadable, {known.tokens:,} tokens a pass"
        for phase, known in zip(recipe.phases, counts, strict=True)
        if known is not None
    ]
    if lines:
        yield "\n".join(lines)
