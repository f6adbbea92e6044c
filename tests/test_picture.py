"""The script that draws the READMEs' pictures puts every cell where a terminal does."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.ui.screen import Screen

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are a Unix thing", allow_module_level=True)

DOCS = Path(__file__).parents[1] / "docs"
SCRIPT = runpy.run_path(str(DOCS / "picture.py"))
DRAWING = runpy.run_path(str(DOCS / "drawing.py"))
CELL, LEFT = DRAWING["CELL"], DRAWING["LEFT"]
SPACE = "{http://www.w3.org/2000/svg}"


def drawn(written: str, command: str = "", columns: int = 40) -> ElementTree.Element:
    """The picture of a screen."""
    screen = Screen(columns, 10)
    screen.write(written)
    return ElementTree.fromstring(DRAWING["svg"]("a title", command, screen))


def texts(written: str) -> dict[str, ElementTree.Element]:
    """The <text> elements, by what they hold; the prompt left out."""
    return {one.text or "": one for one in drawn(written).iter(f"{SPACE}text")}


def test_a_wide_character_moves_what_follows_by_two_cells() -> None:
    found = texts("山峰ab <&>")
    mountain, peak = (float(found[one].attrib["x"]) for one in "山峰")
    assert peak - mountain == pytest.approx(2 * CELL)
    places = [float(x) for x in found["ab"].attrib["x"].split()]
    assert places == pytest.approx([LEFT + 4 * CELL, LEFT + 5 * CELL])
    assert float(found["<&>"].attrib["x"].split()[0]) == pytest.approx(LEFT + 7 * CELL)


def test_a_style_holds_until_it_is_reset() -> None:
    found = texts("\x1b[1;38;2;255;0;16mred\x1b[0;3m slanted\x1b[0m plain")
    assert found["red"].attrib["fill"] == "#ff0010"
    assert found["red"].attrib["font-weight"] == "bold"
    assert found["slanted"].attrib["font-style"] == "italic"
    assert "font-weight" not in found["slanted"].attrib
    assert not {"font-weight", "font-style"} & set(found["plain"].attrib)


def test_what_is_reversed_stands_in_the_colour_of_the_paper_on_that_of_the_ink() -> None:
    picture = drawn("ab\x1b[7m 山 \x1b[0mc")
    paper, ground = picture.findall(f"{SPACE}rect")
    mountain = next(one for one in picture.iter(f"{SPACE}text") if one.text == "山")
    assert mountain.attrib["fill"] == paper.attrib["fill"] != ground.attrib["fill"]
    assert float(ground.attrib["x"]) == pytest.approx(LEFT + 2 * CELL)
    assert float(ground.attrib["width"]) == pytest.approx(4 * CELL)


def test_a_command_that_is_too_long_is_wrapped_above_the_screen() -> None:
    picture = drawn("below", "chatcli score " + "山" * 20)
    lines = sorted({float(one.attrib["y"]) for one in picture.iter(f"{SPACE}text")})
    assert len(lines) == 3
    assert [one.text for one in picture.iter(f"{SPACE}text")][-1] == "below"


def test_a_command_reads_as_it_is_typed_in_a_shell() -> None:
    picture = SCRIPT["Picture"]("", "", ("compare", "山", "--a", "-t 0.7", "--seed", "3"))
    assert picture.command == 'chatcli compare "山" --a "-t 0.7" --seed 3'


def test_the_last_frame_with_the_mark_is_taken() -> None:
    frames = SCRIPT["FRAME_END"].join(["one mark", "\r\x1b[Jtwo mark", "\r\x1b[Jover", ""])
    assert SCRIPT["frame"](frames, "m.rk", (20, 5)).lines() == ["two mark"]


@pytest.mark.slow
def test_keys_are_typed_once_the_screen_shows_their_mark(tiny: Path) -> None:
    keys = (("Type or paste", "世界"), ("survive", "\x1b2"))
    picture = SCRIPT["Picture"]("", "", ("probs",), "mass gone", keys=keys)
    lines = SCRIPT["frame"](SCRIPT["record"](picture, str(tiny)), "mass gone", picture.size).lines()
    assert "世界" in lines[0] and len(lines) == picture.size[1]


@pytest.mark.parametrize("picture", SCRIPT["PICTURES"], ids=lambda picture: picture.name)
def test_every_picture_is_drawn_of_its_command_and_small(picture: Any) -> None:
    path = DOCS / f"{picture.name}.svg"
    root = ElementTree.parse(path).getroot()
    typed = "".join(one.text or "" for one in root.iter(f"{SPACE}text")).replace(" ", "")
    assert root.findtext(f"{SPACE}title") == picture.title
    assert typed.startswith("$" + picture.command.replace(" ", ""))
    assert path.stat().st_size < 120_000
