"""The explanation of a draw as it stands on screens of several widths."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from chatcli.probe.explain import Change, Explanation, Slice
from chatcli.sampling.types import SamplingConfig
from chatcli.ui.environment import ColorSystem
from chatcli.ui.explanation import show_explanation
from tests.ui.replies import PieceTokenizer
from tests.ui.screen import Screen, screen_environment
from tests.ui.written import written

PIECES: list[str | bytes] = ["山", "小", b"\xe5\x8e", "\x1b[2J"]
FOUND = Explanation(
    config=SamplingConfig(temperature=0.8, top_k=40, seed=4),
    seed=4,
    chain="temperature 0.8 → top_k 40",
    u=0.25,
    drawn=Slice(0, (0.2, 0.3), 0.044, 2),
    runner_up=Slice(1, (0.0, 0.2), 0.08, 1),
    changes=(
        Change("u", False, 0.25, 0, 0, 0.19999999999999998, 1),
        Change("u", True, 0.25, 1, 0, 0.3, 2),
        Change("temperature", False, 0.8, 0, 0.0001, 0.7541, 1),
        Change("temperature", True, 0.8, 2, 0.0001, None, None),
        Change("top_p", False, 1, 0.0001, 0.01, 0.25, 1),
        Change("top_k", False, 40, 1, 1, 12, 1),
        Change("top_k", True, 40, 151936, 1, None, None),
        Change("min_p", True, 0, 1, 0.01, 0.0888, 3),
    ),
    luck=0.25,
)


def shown(columns: int | None = None, found: Explanation = FOUND) -> list[str]:
    return written(
        lambda env: show_explanation(env, "从前有一个", 3, found, PieceTokenizer(PIECES)), columns
    )


def test_a_pipe_gets_every_column() -> None:
    assert shown() == [
        "从前有一个",
        "3 tokens · temperature 0.8 → top_k 40 · seed 4",
        "",
        "山 is drawn · u = 0.250000 lies in its slice, from 0.200000 to 0.300000",
        f"0 {'▒' * 15}{'█' * 8}{'─' * 53} 1",
        f"{' ' * 21}▲ u",
        "",
        "                   token  slice                after the chain  model  rank",
        "█ drawn            山     0.200000 – 0.300000           10.0 %  4.4 %     2",
        "▒ likeliest other  小     0.000000 – 0.200000           20.0 %  8.0 %     1",
        "",
        "the nearest change that draws another:",
        "setting           now          nearest  draws    searched",
        "u            0.250000  down  <0.200000  小       to 0",
        "u            0.250000  up     0.300000  ⟨E5 8E⟩  to 1",
        "temperature       0.8  down     0.7541  小       to 0",
        "temperature       0.8  up         none           to 2",
        "top-p               1  down       0.25  小       to 0.0001",
        "top-k              40  down         12  小       to 1",
        "top-k              40  up         none           to 151,936",
        "min-p               0  up       0.0888  ␛[2J     to 1",
        "searched u exactly · temperature by 0.0001 · "
        "top-p, min-p by 0.01, then 0.0001 · top-k by 1",
    ]


@pytest.mark.parametrize("columns", [40, 45, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    lines = shown(columns)
    assert max(map(cell_len, lines)) <= columns
    assert any("temperature" in line and "0.7541" in line for line in lines)


def test_sixty_columns_have_every_fact_of_a_change() -> None:
    assert "temperature       0.8  down     0.7541  小       to 0" in shown(60)


def test_a_thin_slice_is_still_marked() -> None:
    thin = Explanation(
        FOUND.config,
        4,
        "top_k 3",
        0.5,
        Slice(0, (0.4999, 0.5001), 0.1, 3),
        None,
        FOUND.changes,
        0.5,
    )
    ruler, mark = shown(None, thin)[4:6]
    assert ruler.count("█") == 1 and ruler.index("█") == mark.index("▲")


def test_greedy_has_no_number_to_show() -> None:
    greedy = Explanation(
        SamplingConfig(temperature=0),
        4,
        "greedy",
        None,
        Slice(0, (0.0, 1.0), 0.1, 1),
        None,
        FOUND.changes[3:],
        0.25,
    )
    lines = shown(None, greedy)
    assert lines[1] == "3 tokens · greedy · seed 4 gives u = 0.250000 at a temperature above 0"
    assert lines[3] == "山 is drawn · greedy takes the likeliest, no number decides"
    assert not any("▲" in line or "likeliest other" in line for line in lines)


def test_a_setting_that_is_off_says_so() -> None:
    off = Explanation(
        FOUND.config, 4, "x", 0.5, FOUND.drawn, None, (Change("top_k", False, 0, 1, 1, 9, 1),), 0.5
    )
    assert "top-k    off  down        9  小     to 1" in shown(None, off)


def test_colour_adds_nothing_to_the_words() -> None:
    systems: list[ColorSystem | None] = [None, "truecolor"]
    plain, coloured = Screen(100, 40), Screen(100, 40)
    for screen, system in zip((plain, coloured), systems, strict=True):
        env = screen_environment(screen, color_system=system)
        show_explanation(env, "山", 3, FOUND, PieceTokenizer(PIECES))
    assert plain.lines() == coloured.lines()
    assert not any("38;" in style for style in plain.styles)
