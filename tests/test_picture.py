"""The script that draws the READMEs' pictures puts every cell where a terminal does."""

from __future__ import annotations

import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.ui.screen import Screen

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "picture.py"))
CELL, LEFT = SCRIPT["CELL"], SCRIPT["LEFT"]


def texts(written: str) -> dict[str, ElementTree.Element]:
    """The <text> elements of the picture of a screen, by what they hold; the prompt left out."""
    screen = Screen(SCRIPT["COLUMNS"], SCRIPT["ROWS"])
    screen.write(written)
    root = ElementTree.fromstring(SCRIPT["svg"]("", screen))
    return {one.text or "": one for one in root.iter("{http://www.w3.org/2000/svg}text")}


def test_a_wide_character_moves_what_follows_by_two_cells() -> None:
    found = texts("山峰ab <&>")
    mountain, peak = (float(found[one].attrib["x"]) for one in "山峰")
    assert peak - mountain == pytest.approx(2 * CELL)
    places = [float(x) for x in found["ab"].attrib["x"].split()]
    assert places == pytest.approx([LEFT + 4 * CELL, LEFT + 5 * CELL])
    assert float(found["<&>"].attrib["x"].split()[0]) == pytest.approx(LEFT + 7 * CELL)


def test_a_style_holds_until_it_is_reset() -> None:
    found = texts("\x1b[1;38;2;255;0;16mred\x1b[0m plain")
    assert found["red"].attrib["fill"] == "#ff0010"
    assert found["red"].attrib["font-weight"] == "bold"
    assert "font-weight" not in found["plain"].attrib


def test_the_last_frame_with_the_mark_is_taken() -> None:
    frames = SCRIPT["FRAME_END"].join(["one mark", "\r\x1b[Jtwo mark", "\r\x1b[Jover", ""])
    assert SCRIPT["frame"](frames, "mark").lines() == ["two mark"]
