"""The line as it is drawn: nothing in it acts on the terminal, and tabs take up room.

prompt-toolkit shows control characters itself, but not what reorders or hides text.
"""

from __future__ import annotations

from functools import cache

from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.utils import explode_text_fragments
from prompt_toolkit.utils import get_cwidth

from chatcli.text.visible import visible

__all__ = ["Inert"]

_TAB_STOP = 4


class Inert(Processor):
    """Draws each character of a line as `visible` has it, and knows which cell is whose."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        drawn: StyleAndTextTuples = []
        places: list[int] = []  # of each character in what is drawn
        place = cells = 0
        for style, char, *_ in explode_text_fragments(transformation_input.fragments):
            face = char if " " <= char <= "~" else _face(char)
            if face == "\t":
                face = " " * (_TAB_STOP - cells % _TAB_STOP)
            drawn.append((style, face))
            places.append(place)
            place, cells = place + len(face), cells + get_cwidth(face)
        places += [place, place + 1]  # the cursor may stand behind the line

        def to_source(display: int) -> int:
            return max(i for i, place in enumerate(places) if place <= max(0, display))

        return Transformation(drawn, lambda source: places[min(source, len(places) - 1)], to_source)


@cache
def _face(char: str) -> str:
    return char if char == "\n" else visible(char)
