"""The watched strings as a table."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from chatcli.probe.watch import Sighting, Watched
from chatcli.ui.watch_table import show_watched
from tests.ui.replies import PieceTokenizer
from tests.ui.written import written

PIECES: list[str | bytes] = ["是", "珠穆", b"\xe5\xb3", b"\xb0", "\x1b[2J"]
SEEN = (
    Sighting(Watched("是珠穆峰", (0, 1, 2, 3)), (0.5, 0.5, 0.5, 1.0), 1),
    Sighting(Watched("\x1b[2J", (4,)), (0.0000012,), 6100),
    Sighting(Watched("珠穆", (1,)), (0.0,), 8193),
)


def shown(columns: int | None = None) -> list[str]:
    return written(lambda env: show_watched(env, SEEN, PieceTokenizer(PIECES)), columns)


def test_a_row_tells_how_a_string_comes_to_its_probability() -> None:
    assert shown() == [
        "",
        "watched   probability   surprisal   rank  by the model's own",
        "是珠穆峰       12.5 %   3.00 bits      1  "
        "是 50.0 % × 珠穆 50.0 % × ⟨E5 B3⟩ 50.0 % × ⟨B0⟩ 100.0 %",
        "␛[2J          1.2e-06  19.67 bits  6,100  ␛[2J 1.2e-06",
        "珠穆            0.0 %      ∞ bits  8,193  珠穆 0.0 %",
    ]


@pytest.mark.parametrize("columns", [30, 60, 120])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    assert max(map(cell_len, shown(columns))) <= columns
    assert any("是珠穆峰" in line and "12.5 %" in line for line in shown(columns))
