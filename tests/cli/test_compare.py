"""`chatcli compare` through the entry point, on a random two-layer checkpoint."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from rich.cells import cell_len

from chatcli.cli import main
from tests.cli.world import Outcome, run
from tests.fakes import tiny_checkpoint
from tests.ui.screen import Screen, screen_environment

PROMPT = "世界上最高的山"


def compare(model: Path, a: str, b: str, *arguments: str) -> Outcome:
    return run("compare", PROMPT, "-m", model, "--a", a, "--b", b, "-n", "8", *arguments)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another random checkpoint with the same tokenizer."""
    return tiny_checkpoint(tmp_path_factory.mktemp("other") / "other", seed=5)


def test_each_side_writes_what_complete_writes(tiny: Path) -> None:
    end = compare(tiny, "-t 0.5 -k 40", "temperature=1.5 top_k=0", "--seed", "5", "--json").objects[
        -1
    ]
    for side, flags in (("a", ["-t", "0.5", "-k", "40"]), ("b", ["-t", "1.5", "-k", "0"])):
        alone = run("complete", PROMPT, "-m", tiny, "-n", "8", "--seed", "5", *flags, "--json")
        assert end[side]["tokens"] == [line["token"] for line in alone.objects[:-1]]
        assert end[side]["text"] == alone.objects[-1]["text"]
        assert end[side]["seed"] == 5
    assert end["after_chain"] is True and end["by_text"] is False


def test_there_is_an_object_for_each_token_of_a(tiny: Path) -> None:
    *rows, end = compare(tiny, "-t 0.5", "-k 2", "--seed", "5", "--json").objects
    assert [row["token"] for row in rows] == end["a"]["tokens"]
    names = {"index", "position", "token", "kl_ab", "kl_ba", "js", "text", "bytes"}
    assert set(rows[0]) == names
    assert rows[0]["kl_ab"] is None  # infinite: -k 2 leaves less
    assert all(0 <= row["js"] <= 1 for row in rows)


def test_a_seed_that_is_drawn_is_the_same_for_both(tiny: Path) -> None:
    end = compare(tiny, "-t 0.5", "-t 0.5", "--json").objects[-1]
    assert end["a"]["seed"] == end["b"]["seed"]
    assert end["divergence"] is None and end["a"]["tokens"] == end["b"]["tokens"]


def test_two_checkpoints_are_compared_before_the_chain(tiny: Path, other: Path) -> None:
    *rows, end = compare(tiny, "", f"-m '{other}'", "--seed", "5", "--json").objects
    assert end["after_chain"] is False and end["by_text"] is False
    assert end["a"]["digest"] != end["b"]["digest"]
    assert all(math.isfinite(row["kl_ab"]) for row in rows)


def test_flags_outside_hold_for_both(tiny: Path) -> None:
    end = compare(tiny, "", "-k 3", "-t", "0.25", "--json").objects[-1]
    assert [end[side]["sampling"]["temperature"] for side in "ab"] == [0.25, 0.25]
    assert [end[side]["sampling"]["top_k"] for side in "ab"] == [40, 3]


@pytest.mark.parametrize(
    ("a", "b", "temperatures"),
    [
        ("--greedy", "greedy=false", [0.0, 0.7]),
        ("-t 0.5", "--greedy", [0.5, 0.0]),
        ("", "logit_bias=5=-3 -t 1", [0.7, 1.0]),
    ],
)
def test_a_side_is_written_either_way(
    a: str, b: str, temperatures: list[float], tiny: Path
) -> None:
    end = compare(tiny, a, b, "--json").objects[-1]
    assert [end[side]["sampling"]["temperature"] for side in "ab"] == temperatures


@pytest.mark.parametrize(
    ("a", "said"),
    [
        ("-q 3", "--a '-q 3': No such option: -q"),
        ("top_kk=3", "top-kk"),
        ("-t x", "not a valid float"),
        ("-t -1", "--a: temperature is -1.0"),
        ("40", "--a '40'"),
        ("-t 'x", "No closing quotation"),
        ("-n 3", "No such option: -n"),
    ],
)
def test_a_side_that_can_not_be_read_is_one_line(a: str, said: str, tiny: Path) -> None:
    outcome = compare(tiny, a, "")
    assert outcome.status == 2 and said in outcome.only_error


@pytest.mark.parametrize("columns", [60, 120])
@pytest.mark.parametrize("colored", [False, True])
def test_texts_stand_side_by_side_where_there_is_room(
    columns: int, colored: bool, tiny: Path
) -> None:
    screen = Screen(columns, 60)
    env = screen_environment(screen, color_system="256" if colored else None)
    arguments = ["compare", PROMPT, "-m", str(tiny), "--a", "-t 0.5", "--b", "-t 2 -k 0"]
    assert main([*arguments, "-n", "8", "--seed", "5"], env) == 0
    lines = screen.text().splitlines()
    assert max(map(cell_len, lines)) <= columns
    beside = [line for line in lines if "A · cut at 8 tokens" in line and "B · " in line]
    assert bool(beside) == (columns == 120)
    assert "⟦" in screen.text() and "they part at token" in screen.text()
    assert "∞" in screen.text()


def test_a_chat_is_compared_through_the_template(tiny: Path) -> None:
    end = compare(tiny, "-t 0.5", "-t 0.9", "--chat", "--json").objects[-1]
    assert len(end["a"]["prompt_ids"]) > len(
        compare(tiny, "", "", "--json").objects[-1]["a"]["prompt_ids"]
    )


def test_a_remark_on_both_sides_is_made_once() -> None:
    outcome = run("compare", "", "--a", "", "--b", "-t 0.5", "-n", "1", "--json")
    assert outcome.status == 0
    assert outcome.err.count("the prompt is empty; starting from") == 1


def test_another_vocabulary_is_compared_by_text_and_said_so(tiny: Path, tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "wide", vocab_size=320)
    outcome = compare(tiny, "", f"-m {folder}", "--seed", "5")
    assert "the vocabularies differ: compared by what tokens spell" in outcome.out
    assert compare(tiny, "", f"-m {folder}", "--json").objects[-1]["by_text"] is True
