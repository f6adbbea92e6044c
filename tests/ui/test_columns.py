"""Tables: alignment in cells, and which columns give way."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from chatcli.ui.columns import Column, table_lines

COLUMNS = (
    Column("token", ["峰", "peak", "🙂"], gives=True),
    Column("share", ["88.1 %", "8 %", "3 %"], right=True),
    Column("id", ["7", "12", "345"], rank=2, right=True),
    Column("why", ["", "top_p", ""], rank=1),
)


def test_columns_line_up_whatever_the_width_of_a_character() -> None:
    assert table_lines(COLUMNS, None) == [
        "token   share   id  why",
        "峰     88.1 %    7",
        "peak      8 %   12  top_p",
        "🙂        3 %  345",
    ]


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (25, ["token", "share", "id", "why"]),
        (24, ["token", "share", "why"]),
        (19, ["token", "share"]),
        (12, ["tok…", "share"]),
    ],
)
def test_columns_of_the_highest_rank_give_way_first(width: int, titles: list[str]) -> None:
    lines = table_lines(COLUMNS, width)
    assert lines[0].split() == titles
    assert max(map(cell_len, lines)) <= width


def test_a_wide_character_is_never_cut_in_half() -> None:
    lines = table_lines([Column("token", ["珠穆朗玛峰"], gives=True)], 6)
    assert lines[1] == "珠穆…"


def test_a_table_without_rows_is_its_titles() -> None:
    assert table_lines([Column("a", []), Column("b", [])], 80) == ["a  b"]
