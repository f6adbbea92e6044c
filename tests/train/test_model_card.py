"""What a card says of a run: its course, its sources' licences, and what was kept out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chatcli.errors import TrainingError
from chatcli.train.evaluation.card import CARD, UNMEASURED, check_card, rewrite_card
from chatcli.train.model_card import card
from chatcli.train.provenance import (
    Counts,
    Licence,
    keep_counts,
    read_counts,
    read_licences,
    used,
)
from chatcli.train.recipe import BUILTIN_RECIPE, Phase, Recipe, Shape, Source, load_recipe
from chatcli.train.run import Watcher, open_run

SHAPE = Shape(300, 32, 64, 1, 2, 1, 16, 128)
SOURCES = (
    Source("talks.jsonl", "chat"),
    Source("sums_zh", "generated", count=3),
    Source("mine.txt", "text"),
)
PHASE = Phase("only", "pretrain", SOURCES, 16, 2, 0.02, 0.01)
RECIPE = Recipe("toy", 1, SHAPE, (PHASE,), tokenizer="t", never_train_on=("../eval/lm.txt",))
METRICS = [
    {"phase": "only", "tokens": 12000, "loss": 2.5, "validation_loss": 2.25, "seconds": 61.2}
]
LICENCES = (
    Licence(("talks.*",), "talks", "CC BY 4.0", "Talks by Ann, CC BY 4.0."),
    Licence(("generated/*",), "our own", "Apache-2.0"),
    Licence(("other.*",), "unused", "MIT", "Nobody."),
)
COUNTS = Counts(documents=90, dropped=10, bad_lines=1, tokens=4000)


def test_every_source_has_its_licence_and_its_credit() -> None:
    text = card(RECIPE, METRICS, [COUNTS], 1234, LICENCES)
    assert "| `talks.jsonl` | talks | CC BY 4.0 |\n" in text
    assert "| `generated/sums_zh` | our own | Apache-2.0 |\n" in text
    assert "| `mine.txt` |  | not stated |\n" in text
    assert "## Credits\n\n- Talks by Ann, CC BY 4.0.\n" in text
    assert "MIT" not in text


def test_the_course_and_what_was_kept_out_are_told() -> None:
    text = card(RECIPE, METRICS, [COUNTS], 1234, LICENCES)
    assert "1,234 parameters" in text
    assert "| only | 12,000 | 2.500 | 2.250 | 61 |" in text
    assert "`../eval/lm.txt`: a document that holds a sentence of these is dropped." in text
    assert "- only: 10 of 100 documents dropped, 1 lines unreadable, 4,000 tokens a pass" in text
    assert "128 tokens of a conversation" in text


def test_a_card_without_counts_or_licences_says_so_and_no_more() -> None:
    bare = Recipe("toy", 1, SHAPE, (PHASE,), tokenizer="t")
    text = card(bare, METRICS, [None], 1234, ())
    assert "| `generated/sums_zh`, `mine.txt`, `talks.jsonl` |  | not stated |" in text
    assert text.endswith("## Never trained on\n\nNothing was kept out.\n")
    assert "Credits" not in text


def test_a_new_card_has_a_part_to_be_measured(tmp_path: Path) -> None:
    (tmp_path / CARD).write_text(card(RECIPE, METRICS, [None], 1234, ()), encoding="utf-8")
    assert UNMEASURED.rstrip() in (tmp_path / CARD).read_text(encoding="utf-8")
    rewrite_card(check_card(tmp_path), "Figures.")
    text = (tmp_path / CARD).read_text(encoding="utf-8")
    assert "Figures." in text and "Not measured" not in text
    assert "## How it was made" in text


def test_the_first_pattern_that_fits_gives_the_licence() -> None:
    both = (Licence(("talks.*",), "a", "A"), Licence(("*",), "b", "B"))
    found = {name: each.licence for each, names in used(RECIPE, both) for name in names}
    assert found == {"talks.jsonl": "A", "generated/sums_zh": "B", "mine.txt": "B"}


def test_counts_come_back_and_old_runs_have_none(tmp_path: Path) -> None:
    assert read_counts(tmp_path) is None
    keep_counts(tmp_path, COUNTS)
    assert read_counts(tmp_path) == COUNTS


def test_a_run_counts_what_its_sources_gave(tmp_path: Path) -> None:
    texts = [f"Hill number {n} is high." for n in range(40)]
    (tmp_path / "mine.txt").write_text("\n\n".join(texts), encoding="utf-8")
    (tmp_path / "lm.txt").write_text(texts[3] + "\n", encoding="utf-8")
    mine = (Source("mine.txt", "text"), Source("bad.jsonl", "chat"))
    (tmp_path / "bad.jsonl").write_text("{oops\n", encoding="utf-8")
    recipe = replace(
        RECIPE,
        phases=(replace(PHASE, sources=mine),),
        tokenizer="",
        tokenizer_sources=mine[:1],
        never_train_on=("lm.txt",),
        shape=replace(SHAPE, vocab_size=270),
    )
    nothing = Watcher(lambda _: None, lambda _: None, lambda _: None, lambda: False)
    run = open_run(recipe, tmp_path, tmp_path / "run", nothing)
    run.prepare()
    counts = read_counts(run.phase_folder(0))
    assert counts is not None
    assert (counts.documents, counts.dropped, counts.bad_lines) == (39, 1, 1)
    assert counts.tokens > 39


def test_every_source_of_the_built_in_recipe_has_a_licence() -> None:
    licences = read_licences(BUILTIN_RECIPE.parent)
    recipe = load_recipe(BUILTIN_RECIPE)
    unknown = [name for each, names in used(recipe, licences) if not each.files for name in names]
    assert unknown == []
    for each in licences:
        assert each.credit or "CC BY" not in each.licence, each.what


def test_a_folder_without_licences_has_none(tmp_path: Path) -> None:
    assert read_licences(tmp_path) == ()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[[sources]]\nfiles = [", "mend it"),
        ("[[source]]\nfiles = []", "'sources'.*needs files, what and licence"),
        ('[[sources]]\nfiles = ["a"]\nwhat = "b"', "'licence'"),
        ('[[sources]]\nfiles = ["a"]\nwhat = "b"\nlicence = "c"\nby = "d"', "'by'"),
        ("sources = [1]", "needs files"),
    ],
)
def test_a_mistake_in_licences_is_named(tmp_path: Path, text: str, names: str) -> None:
    (tmp_path / "LICENCES.toml").write_text(text, encoding="utf-8")
    with pytest.raises(TrainingError, match=rf"LICENCES\.toml: .*{names}"):
        read_licences(tmp_path)
