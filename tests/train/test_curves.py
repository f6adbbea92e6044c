"""Loss curves: what is read from folders, what averaging keeps, and the picture in a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from chatcli.errors import TrainingError, UsageError
from chatcli.train.curves import Curve, Point, in_short, read_curves, smooth, thin
from chatcli.train.metrics import Log, Metric
from chatcli.train.plotting import check_picture, draw_picture


def metric(phase: str, step: int, loss: float, validation: float | None = None) -> Metric:
    return Metric(phase, step, 100, step * 10, loss, validation, 0.01, step / 2, 20.0)


def write_phase(folder: Path, *points: Metric) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    log = Log(folder / "metrics.jsonl", 0)
    for point in points:
        log.write(point)
    return folder / "metrics.jsonl"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two phases, the second in a folder that sorts before the first by name."""
    write_phase(tmp_path / "2-pre", metric("pre", 5, 4.0), metric("pre", 10, 3.0, 3.2))
    write_phase(tmp_path / "10-微调", metric("微调", 5, 2.0, 2.5))
    return tmp_path


def test_phases_follow_each_other_on_one_axis_in_the_order_of_their_numbers(run: Path) -> None:
    assert read_curves(run) == (
        Curve("pre", 0, 100, ((50, 4.0), (100, 3.0)), ((100, 3.2),)),
        Curve("微调", 100, 150, ((150, 2.0),), ((150, 2.5),)),
    )


def test_a_checkpoint_holds_all_phases_in_one_file(run: Path, tmp_path: Path) -> None:
    parts = [run / "2-pre", run / "10-微调"]
    text = "".join((part / "metrics.jsonl").read_text("utf-8") for part in parts)
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "metrics.jsonl").write_text(text, "utf-8")
    assert read_curves(checkpoint) == read_curves(run)


def test_a_phase_of_the_same_name_begins_where_the_steps_do(tmp_path: Path) -> None:
    write_phase(tmp_path, metric("sft", 1, 3.0), metric("sft", 2, 2.0), metric("sft", 1, 1.0))
    assert [curve.end for curve in read_curves(tmp_path)] == [20, 30]


def test_one_phase_can_be_read_alone(run: Path) -> None:
    (curve,) = read_curves(run / "10-微调")
    assert (curve.phase, curve.start) == ("微调", 0)


def test_a_line_that_is_being_written_is_left_out(run: Path) -> None:
    before = read_curves(run)
    with (run / "10-微调" / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"phase": "微调", "st')
    assert read_curves(run) == before


def test_losses_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    write_phase(tmp_path, metric("pre", 1, float("nan")), metric("pre", 2, 2.0, float("inf")))
    (curve,) = read_curves(tmp_path)
    assert (curve.training, curve.validation) == (((20, 2.0),), ())


@pytest.mark.parametrize(
    "line",
    [
        *("[]", "3", "{", "[" * 5000, '{"phase": "pre"}'),
        '{"phase": "pre", "step": 1, "tokens": 1e999, "loss": 1}',
        '{"phase": "pre", "step": 1, "tokens": 10, "loss": null}',
    ],
)
def test_a_file_of_something_else_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    path = write_phase(tmp_path, metric("pre", 1, 2.0))
    path.write_text(path.read_text("utf-8") + f"{line}\n{line}\n", "utf-8")
    with pytest.raises(TrainingError, match=r"metrics\.jsonl, line 2: not a point"):
        read_curves(tmp_path)


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(TrainingError, match=r"metrics\.jsonl can't be read"):
        read_curves(tmp_path)


def test_folders_without_points_are_refused_with_what_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no folder"):
        read_curves(tmp_path / "nowhere")
    write_phase(tmp_path / "notes", metric("pre", 1, 2.0))  # no phase: it has no number
    with pytest.raises(TrainingError, match="has no point in any"):
        read_curves(tmp_path)


def test_thinning_averages_equal_stretches() -> None:
    points: list[Point] = [(float(x), float(x)) for x in range(100)]
    assert thin(points, 4) == [(12, 12), (37, 37), (62, 62), (87, 87)]
    assert thin(points, 100) == points
    assert thin([(3.0, 1.0)] * 9, 2) == [(3.0, 1.0)]
    assert thin([], 2) == []


@pytest.mark.parametrize("count", [1, 2, 7, 50])
def test_thinning_never_gives_more_than_was_asked_for(count: int) -> None:
    points = [(x**1.7, 1.0) for x in range(173)]
    assert 1 <= len(thin(points, count)) <= count


def test_smoothing_keeps_both_ends_and_any_straight_line() -> None:
    straight: list[Point] = [(float(x), 2.0 * x) for x in range(80)]
    assert [y for _, y in smooth(straight)] == pytest.approx([y for _, y in straight])
    zigzag: list[Point] = [(float(x), float(x % 2)) for x in range(81)]
    smoothed = smooth(zigzag)
    assert (smoothed[0], smoothed[-1]) == (zigzag[0], zigzag[-1])
    assert max(abs(y - 0.5) for _, y in smoothed[5:-5]) < 0.2


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0"), (999, "999"), (999.6, "1k"), (1250, "1.25k"), (31_000_000, "31M"), (2e15, "2e+03T")],
)
def test_counts_are_short(count: float, shown: str) -> None:
    assert in_short(count) == shown


def test_the_picture_shows_every_phase_with_both_curves_named(run: Path) -> None:
    pytest.importorskip("matplotlib")
    path = run / "loss.svg"
    draw_picture(read_curves(run), path)
    root = ElementTree.parse(path).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    text = path.read_text("utf-8")
    for words in ("pre", "phase 2", "training", "validation", "tokens learned", "nats a token"):
        assert words in text, words
    assert "微调" not in text, "matplotlib's own font has no Chinese"
    assert [entry.name for entry in run.iterdir() if "tmp" in entry.name] == []


def test_the_same_curves_give_the_same_picture(run: Path) -> None:
    pytest.importorskip("matplotlib")
    for name in ("a.svg", "b.svg"):
        draw_picture(read_curves(run), run / name)
    assert (run / "a.svg").read_bytes() == (run / "b.svg").read_bytes()


def test_a_png_is_a_png_and_odd_names_are_no_formulas(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_phase(tmp_path, metric("$\\frac{$" * 30, 1, 2.0))
    draw_picture(read_curves(tmp_path), tmp_path / "loss.PNG")
    assert (tmp_path / "loss.PNG").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_picture_says_what_to_install(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing: Any = None
    monkeypatch.setitem(sys.modules, "matplotlib", missing)
    with pytest.raises(TrainingError, match=r"pip install 'chatcli\[train\]'"):
        draw_picture(read_curves(run), run / "loss.svg")
    assert not (run / "loss.svg").exists()


def test_what_cannot_be_a_picture_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "there.png").write_text(json.dumps("mine"))
    for path, why in (
        (tmp_path / "loss.jpg", r"end in \.svg or \.png"),
        (tmp_path / "there.png", "--force"),
        (tmp_path / "no" / "loss.png", "no folder"),
    ):
        with pytest.raises(UsageError, match=why):
            check_picture(path)
    check_picture(tmp_path / "there.png", force=True)
