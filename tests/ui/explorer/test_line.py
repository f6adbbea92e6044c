"""The text that is being typed, and the settings that keys turn."""

from __future__ import annotations

import pytest

from chatcli.sampling.types import SamplingConfig
from chatcli.ui.explorer.knobs import turned
from chatcli.ui.explorer.line import Line


def test_text_goes_in_and_out_at_the_cursor() -> None:
    line = Line.of("世上").left().inserted("界")
    assert (line.before, line.after) == ("世界", "上")
    assert line.erased().text == "世上" and line.deleted().text == "世界"
    assert line.home().left() == line.home() and line.end().right() == line.end()
    assert Line().erased() == Line() == Line().deleted()


def test_what_combines_goes_with_its_character() -> None:
    line = Line.of("ae\u0301")
    assert line.erased().text == "a"
    assert line.left().before == "a" and line.home().right().right() == line


@pytest.mark.parametrize(
    ("text", "left"), [("one two", "one "), ("one two  ", "one "), ("one", ""), ("  ", "")]
)
def test_a_word_is_erased_with_the_spaces_behind_it(text: str, left: str) -> None:
    assert Line.of(text).word_erased().text == left
    assert Line.of(text).start_erased().text == ""


@pytest.mark.parametrize(
    ("name", "start", "up"),
    [
        ("temperature", 0.8, [0.9, 1.0, 1.1]),
        ("top_k", 9, [10, 20, 30]),
        ("top_k", 90, [100, 200, 300]),
        ("top_p", 0.85, [0.9, 0.95, 0.96]),
        ("min_p", 0.08, [0.09, 0.1, 0.15]),
    ],
)
def test_a_press_goes_a_step_and_the_other_way_goes_back(
    name: str, start: float, up: list[float]
) -> None:
    config, seen = SamplingConfig(**{name: start}), []  # type: ignore[arg-type]
    for _ in up:
        config = turned(config, name, up=True)
        seen.append(getattr(config, name))
    assert seen == up
    for wanted in [*reversed(up[:-1]), start]:
        config = turned(config, name, up=False)
        assert getattr(config, name) == wanted


def test_an_end_is_an_end() -> None:
    config = SamplingConfig(temperature=0.05, top_k=0, top_p=1.0, min_p=0.0, seed=2**64 - 1)
    assert turned(config, "temperature", up=False).temperature == 0
    assert turned(config, "top_k", up=False).top_k == 0
    assert turned(config, "top_p", up=True).top_p == 1
    assert turned(config, "min_p", up=False).min_p == 0
    assert turned(config, "seed", up=False).seed == 0
    assert turned(config, "seed", up=True).seed != config.seed


def test_orders_go_round() -> None:
    config, seen = SamplingConfig(), []
    for _ in range(5):
        config = turned(config, "order", up=True)
        seen.append(config.order)
    assert seen[-1] == "hf" and len(set(seen)) == 5
    assert turned(SamplingConfig(order=("top_k",)), "order", up=True).order == "hf"
