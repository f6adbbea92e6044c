"""The table of next characters as it stands on screens of several widths."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from chatcli.probe.next_character import CharacterShare, NextCharacter, Path
from chatcli.ui.characters_table import show_characters
from chatcli.ui.environment import ColorSystem
from tests.ui.replies import PieceTokenizer
from tests.ui.screen import Screen, screen_environment
from tests.ui.written import written

PIECES: list[str | bytes] = [
    "是",
    "是一",
    b"\xe5\xb3",
    b"\xb0",
    " a",
    "\u0301",
    "\x1b[2J",
    "<|end|>",
]
FOUND = NextCharacter(
    prompt_ids=(5, 6, 7),
    pending=b"",
    chain=None,
    passes=2,
    others=2311,
    shares=(
        CharacterShare("character", "是", 0.884, (Path((0,), 0.88), Path((1,), 0.004))),
        CharacterShare("character", "峰", 0.05, (Path((2, 3), 0.05),)),
        CharacterShare("character", " ", 0.02, (Path((4,), 0.02),)),
        CharacterShare("character", "\u0301", 0.01, (Path((5,), 0.01),)),
        CharacterShare("character", "\x1b", 0.01, (Path((6,), 0.01),)),
        CharacterShare("other", "", 0.0199),
        CharacterShare("end", "", 0.0051, (Path((7,), 0.0051),)),
        CharacterShare("special", "", 0.0),
        CharacterShare("invalid", "", 0.0003, (Path((3,), 0.0003),)),
        CharacterShare("unresolved", "", 0.0007, (Path((2,), 0.0007),)),
    ),
)


def shown(columns: int | None = None, found: NextCharacter = FOUND) -> list[str]:
    return written(
        lambda env: show_characters(env, "世界上最高的山", found, PieceTokenizer(PIECES)), columns
    )


def test_a_pipe_gets_every_column() -> None:
    assert shown() == [
        "世界上最高的山",
        "3 tokens · the next character, by the model's own distribution",
        "2 further forward passes · 99.9 % resolved",
        "",
        "rank  character      code    probability                   by way of",
        "   1  是             U+662F       88.4 %  ██████████████▏  是 88.0 % · 是一 0.4 %",
        "   2  峰             U+5CF0        5.0 %  ▊                ⟨E5 B3⟩⟨B0⟩ 5.0 %",
        "   3  ␣              U+0020        2.0 %  ▍                ␣a 2.0 %",
        "   4  ◌\u0301              U+0301        1.0 %  ▏                ◌\u0301 1.0 %",
        "   5  ␛              U+001B        1.0 %  ▏                ␛[2J 1.0 %",
        "      2,311 others                 2.0 %  ▍",
        "      end of text                  0.5 %  ▏                <|end|> 0.5 %",
        "      invalid bytes               <0.1 %                   ⟨B0⟩ <0.1 %",
        "      unresolved                   0.1 %  ▏                ⟨E5 B3⟩ 0.1 %",
    ]


@pytest.mark.parametrize("columns", [40, 45, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    lines = shown(columns)
    assert max(map(cell_len, lines)) <= columns
    assert any("是" in line and "88.4 %" in line for line in lines)


@pytest.mark.parametrize(("columns", "titles"), [(60, "rank code way"), (45, "way")])
def test_the_bar_gives_way_first_then_rank_and_code(columns: int, titles: str) -> None:
    (heading,) = (line for line in shown(columns) if "probability" in line)
    assert all(title in heading for title in titles.split())
    assert not any("█" in line for line in shown(columns))


def test_the_chain_and_what_the_prompt_leaves_open_are_named() -> None:
    found = NextCharacter((5,), b"\xe4\xb8", "top_k 3", 0, 0, FOUND.shares[:1])
    head = shown(None, found)[1:4]
    assert head == [
        "1 token · the next character, after the chain",
        "no further forward pass · 100.0 % resolved · the prompt leaves ⟨E4 B8⟩ open",
        "top_k 3",
    ]


def test_colour_adds_nothing_to_the_words() -> None:
    systems: list[ColorSystem | None] = [None, "truecolor"]
    plain, coloured = Screen(120, 30), Screen(120, 30)
    for screen, system in zip((plain, coloured), systems, strict=True):
        env = screen_environment(screen, color_system=system)
        show_characters(env, "山", FOUND, PieceTokenizer(PIECES))
    assert plain.lines() == coloured.lines()
    assert not any("38;" in style for style in plain.styles)
