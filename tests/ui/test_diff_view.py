"""Two branches on screens of several widths."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from chatcli.chat.types import Turn
from chatcli.ui.diff_view import Branch, diff_lines
from chatcli.ui.theme import Paint
from tests.ui.screen import Screen, screen_environment

FIRST = Turn(1, None, "你好", 0.0, "你好！")
LEFT = Turn(2, 1, "最高的山？", 0.0, "最高的山是珠穆朗玛峰。\nIt is the highest mountain.")
RIGHT = Turn(3, 1, "最高的山？", 0.0, "最高的山峰是珠峰。\nIt is the tallest mountain.")
LATER = Turn(4, 3, "谢谢", 0.0, "不客气！")
PLAIN = Paint(screen_environment(Screen(), color_system=None))


def bare(lines: list[str]) -> list[str]:
    """What the lines say, without the styles that even NO_COLOR leaves."""
    screen = Screen(200, 200)
    screen.write("".join(f"{line}\n" for line in lines))
    return screen.lines()


def shown(left: list[Turn], right: list[Turn], columns: int | None = 60) -> list[str]:
    return bare(diff_lines(Branch("main", left), Branch("other", right), PLAIN, columns))


def test_narrow_screens_have_one_below_the_other() -> None:
    assert shown([FIRST, LEFT], [FIRST, RIGHT, LATER]) == [
        "main and other share 1 turn · they part at turn 2",
        "",
        "message 2, the same in both",
        "最高的山？",
        "",
        "main · reply 2",
        "最高的山⟦⟧是珠⟦穆朗玛⟧峰。",
        "It is the ⟦highest⟧ mountain.",
        "other · reply 2",
        "最高的山⟦峰⟧是珠⟦⟧峰。",
        "It is the ⟦tallest⟧ mountain.",
        "",
        "other · message 3",
        "谢谢",
        "",
        "other · reply 3",
        "不客气！",
    ]


def test_wide_screens_have_both_side_by_side() -> None:
    lines = shown([FIRST, LEFT], [FIRST, RIGHT, LATER], 80)
    left, right = "最高的山⟦⟧是珠⟦穆朗玛⟧峰。", "最高的山⟦峰⟧是珠⟦⟧峰。"
    assert f"{left}{' ' * (38 - cell_len(left))} │ {right}" in lines
    bars = {cell_len(line[: line.index("│")]) for line in lines if "│" in line}
    assert bars == {39}


@pytest.mark.parametrize("columns", [20, 60, 79, 80, 120])
def test_no_line_is_wider_than_the_screen(columns: int) -> None:
    long = Turn(5, 1, "x" * 300, 0.0, "山峰 and words\t" * 40)
    for right in (RIGHT, long):
        lines = shown([FIRST, LEFT], [FIRST, right, LATER], columns)
        assert max(map(cell_len, lines)) < max(columns, 51)  # of the summary at the top
        assert max(map(cell_len, lines[3:])) < columns


def test_equal_branches_have_no_difference() -> None:
    assert shown([FIRST], [FIRST]) == ["main and other share 1 turn · there is no difference"]


def test_a_branch_that_goes_on_is_said_to() -> None:
    assert shown([FIRST], [FIRST, LEFT])[0] == "main and other share 1 turn · main ends there"
    assert shown([FIRST, LEFT], [])[0] == "main and other share 0 turns · other ends there"


def test_texts_that_have_little_in_common_differ_as_a_whole() -> None:
    one, other = (Turn(id, None, "?", 0.0, text) for id, text in ((1, "甲乙丙丁"), (2, "子丑丁卯")))
    assert "⟦甲乙丙丁⟧" in shown([one], [other])


def test_words_with_only_a_space_between_them_are_one_difference() -> None:
    one, other = (
        Turn(id, None, "?", 0.0, f"the whole of it is {text} here, as was said before")
        for id, text in ((1, "red wine"), (2, "white milk"))
    )
    assert "the whole of it is ⟦red wine⟧ here, as was said before" in shown([one], [other])


def test_line_ends_that_differ_are_shown() -> None:
    one, other = (
        Turn(id, None, "?", 0.0, f"one two{end}three") for id, end in ((1, "\n\n"), (2, "\n"))
    )
    lines = shown([one], [other])
    assert lines[lines.index("main · reply 1") + 1 :] == [
        "one two",
        "⟦↵⟧",
        "three",
        "other · reply 1",
        "one two",
        "⟦⟧three",
    ]


def test_control_characters_are_shown_not_sent() -> None:
    hostile = Turn(5, 1, "a\x1b[2Jb", 0.0, "\x1b]0;t\x07 \u202e")
    lines = diff_lines(Branch("main", [FIRST, LEFT]), Branch("x", [FIRST, hostile]), PLAIN, 60)
    assert "a␛[2Jb" in "\n".join(bare(lines))
    assert "\x1b]" not in "".join(lines) and "\u202e" not in "".join(lines)


def test_what_differs_is_in_colour_and_underlined_without() -> None:
    for colours, style in (("256", "38;5"), (None, "4")):
        screen = Screen(60)
        paint = Paint(screen_environment(screen, color_system=colours))  # type: ignore[arg-type]
        lines = diff_lines(Branch("main", [LEFT]), Branch("other", [RIGHT]), paint, 60)
        screen.write("\n".join(lines))
        marked = [cell for row in screen.styled() for _, cell, pen in row if style in pen]
        assert "峰" in marked and "。" not in marked
