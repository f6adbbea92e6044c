"""The loss plot: what each mark means, at any width, with and without colour."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len

from chatcli.train.curves import Curve, Point
from chatcli.ui.environment import Environment
from chatcli.ui.loss_plot import loss_plot, show_loss
from chatcli.ui.theme import Paint
from tests.ui.screen import Screen, screen_environment

PLAIN = Paint(Environment(io.StringIO(), io.StringIO(), io.StringIO()))


def straight(start: float, end: float, first: float, last: float) -> tuple[Point, ...]:
    """A line of 41 points."""
    return tuple(
        (start + (end - start) * part / 40, first + (last - first) * part / 40)
        for part in range(41)
    )


PRE = Curve("pre", 0, 1000, straight(0, 1000, 8, 4), ((500, 6.5), (1000, 4.5)))
SFT = Curve("微调", 1000, 1500, straight(1000, 1500, 3, 1), ())


def test_the_whole_plot_of_two_phases() -> None:
    assert loss_plot([PRE, SFT], PLAIN, 44, 22) == [
        "loss, nats a token",
        " 8.00 ┤⠉⠑⠒⠤⢄⣀",
        "      │      ⠉⠑⠒⠤⢤o⡀",
        "      │            ⠉⠙⠒⠦⢤⣀⡀",
        " 4.51 ┤                  ⠉⠉⠒⠢⠤o",
        "      │                       ⢀⡀",
        "      │                        ⠈⠉⠒⠲⠤⣄⣀",
        " 1.03 ┤                              ⠈⠉⠓⠲⠤⡄",
        "      └────────────────────────┬───────────",
        "       0                        1.5k tokens",
        "       pre                     微调",
        "⠤⠤ training  o validation",
    ]


@pytest.mark.parametrize("rows", [1, 12, 24, 80])
@pytest.mark.parametrize("columns", [20, 21, 40, 80, 300])
def test_no_line_is_wider_than_the_window(columns: int, rows: int) -> None:
    lines = loss_plot(
        [PRE, SFT, Curve("长" * 40, 1500, 1600, SFT.training, ())], PLAIN, columns, rows
    )
    assert max(map(cell_len, lines)) < min(columns, 101)
    assert len(lines) <= max(12, rows // 2 + 3)


def test_a_falling_loss_falls_from_the_top_left_to_the_bottom_right() -> None:
    _, *lines = loss_plot([Curve("pre", 0, 1000, straight(0, 1000, 8, 4), ())], PLAIN, 60, 24)
    drawn = [line for line in lines if line[6] in "┤│"]
    places = [min(i for i, c in enumerate(line) if "⠀" < c <= "⣿") for line in drawn]
    assert places == sorted(places) and places[0] == 7 and places[-1] > 50
    assert drawn[0].startswith(" 8.00 ┤") and drawn[-1].startswith(" 4.00 ┤")


def test_curves_are_told_apart_by_their_marks_and_named() -> None:
    lines = loss_plot([PRE, SFT], PLAIN, 60, 24)
    assert sum(line.count("o") for line in lines[1:-4]) == 2, "a ring for each validation"
    assert lines[-1] == "⠤⠤ training  o validation"
    assert loss_plot([SFT], PLAIN, 60, 24)[-1] == "⠤⠤ training", "nothing is named that isn't there"
    assert loss_plot([PRE], PLAIN, 20, 24)[-2:] == ["⠤⠤ training", "o validation"]


def test_the_axis_says_where_phases_begin_and_how_far_they_go() -> None:
    axis, counts, names = loss_plot([PRE, SFT], PLAIN, 60, 24)[-4:-1]
    at = axis.index("┬")
    assert axis.count("┬") == 1
    assert counts[at:].startswith("1k") and counts.endswith("1.5k tokens")
    assert names[7:10] == "pre" and names[at:] == "微调"


def test_a_name_that_acts_on_a_terminal_is_inert() -> None:
    hostile = Curve("\x1b[2J\n", 0, 10, ((10, 1.0),), ())
    assert not any("\x1b" in line or "\n" in line for line in loss_plot([hostile], PLAIN, 60, 24))


@pytest.mark.parametrize(
    "curve",
    [
        Curve("one point", 0, 10, ((10, 2.0),), ()),
        Curve("only validation", 0, 10, (), ((10, 2.0),)),
        Curve("flat", 0, 10, ((1, 2.0), (10, 2.0)), ()),
        Curve("no tokens", 0, 0, ((0, 2.0), (0, 1.0)), ()),
        Curve("huge", 0, 1e18, ((1, 1e30), (1e18, 2.0)), ()),
    ],
    ids=lambda curve: curve.phase,
)
def test_odd_curves_are_drawn(curve: Curve) -> None:
    lines = loss_plot([curve], PLAIN, 60, 24)
    assert any("⠀" < character <= "⣿" or character == "o" for character in "".join(lines[1:-4]))
    assert max(map(cell_len, lines)) < 60


def test_without_a_finite_loss_it_says_so() -> None:
    assert loss_plot([Curve("pre", 0, 10, (), ())], PLAIN, 60, 24) == ["no finite loss to draw"]


def test_colour_adds_nothing_but_colour() -> None:
    coloured, plain = Screen(60, 24), Screen(60, 24)
    show_loss(screen_environment(coloured), [PRE, SFT])
    show_loss(screen_environment(plain, color_system=None), [PRE, SFT])
    assert coloured.lines() == plain.lines() == loss_plot([PRE, SFT], PLAIN, 60, 24)
    assert plain.styles <= {"0", "2"} and len(coloured.styles) > 3


def test_an_output_without_such_characters_gets_a_remark() -> None:
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="ascii"), io.StringIO()
    show_loss(Environment(io.StringIO(), out, err), [PRE])
    assert "needs UTF-8" in err.getvalue()
    assert out.tell() == 0
