"""The panel: whole, at fixed widths."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len

from chatcli.engine.types import Usage
from chatcli.sampling.stages import STAGES
from chatcli.sampling.types import Candidate
from chatcli.ui.environment import ColorSystem
from chatcli.ui.panel import CalmView, PanelView, bits, clip, percent
from chatcli.ui.theme import Paint, prob_style
from tests.ui.replies import rivals, step
from tests.ui.screen import Screen, screen_environment

LABELS = ["峰", "山", "。", "，", "⟨E5 B3⟩", "👩‍👩‍👧", "e\u0301", "a␣rather␣long␣token"]
USAGE = Usage(12, 5, 7, 0.1, 6 / 143)


def view(color_system: ColorSystem | None = None, **changes: Any) -> PanelView:
    settings: dict[str, Any] = {
        "chain": "temperature 0.8 → top_k 40 → top_p 0.95",
        "seed": 7,
        "vocab_size": 8192,
        "context": 2048,
        "top": 5,
        "label": LABELS.__getitem__,
        "paint": Paint(screen_environment(Screen(), color_system=color_system)),
    }
    return PanelView(**settings | changes)


def drawn(rows: list[str], columns: int) -> Screen:
    """A terminal that shows `rows`."""
    screen = Screen(columns, len(rows) + 1)
    screen.write("\x1b[?7l" + "\r\n".join(rows))
    return screen


def on_screen(rows: list[str], columns: int) -> list[str]:
    return drawn(rows, columns).lines()


def test_the_panel_at_80_columns() -> None:
    rows = view().render(step(6, rivals(6, 0)), USAGE, 80, 24)
    assert on_screen(rows, 80) == [
        "╭ token 7 · entropy 1.63 → 0.63 bits · 3 of 8,192 survive ─────────────────────╮",
        "│ ▶ 峰         ██████████████████████      88.1 %   model  74.1 %    0.43 bits │",
        "│   山         ██▏                          8.3 %   model  11.2 %    3.16 bits │",
        "│   。         ▉                            3.6 %   model   5.8 %    4.11 bits │",
        "│   ，         · removed by top_p                   model   2.4 %    5.38 bits │",
        "│   ⟨E5 B3⟩    · removed by top_p                   model   0.9 %    6.80 bits │",
        "╰ temperature 0.8 → top_k 40 → top_p 0.95 · seed 7 · 143 tok/s · 19/2,048 ─────╯",
    ]


def test_no_more_tokens_are_counted_than_the_context_holds() -> None:
    for position, used in (
        (16, "17/18, nearly full"),
        (17, "18/18, full"),
        (18, "18/18, full"),
    ):
        last = replace(step(6, rivals(6, 0)), position=position)
        rows = view(context=18).render(last, USAGE, 80, 24)
        assert f" {used} ─" in on_screen(rows, 80)[-1]


def test_a_long_chain_has_a_row_of_its_own() -> None:
    rows = view(chain="repetition_penalty 1.1 → temperature 0.8 → top_k 40 → top_p 0.95").render(
        step(6, rivals(6, 0)), USAGE, 80, 24
    )
    assert on_screen(rows, 80)[-2:] == [
        "│ repetition_penalty 1.1 → temperature 0.8 → top_k 40 → top_p 0.95 · seed 7    │",
        "╰ 143 tok/s · context 19/2,048 ────────────────────────────────────────────────╯",
    ]


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (120, "a␣rather␣long␣token ███"),
        (80, "a␣rather␣long␣token ███"),
        (78, "a␣rather␣long␣tok… ███"),
        (60, "a␣rathe… ███"),
    ],
)
def test_a_long_label_is_whole_where_the_panel_has_room(columns: int, shown: str) -> None:
    rows = view().render(step(6, rivals(6, 7), token=7), USAGE, columns, 24)
    assert shown in on_screen(rows, columns)[1]


@pytest.mark.parametrize(("columns", "label"), [(60, 8), (61, 8), (79, 19), (80, 19), (84, 19)])
def test_every_row_is_as_wide_as_the_terminal_whatever_the_characters(
    columns: int, label: int
) -> None:
    candidates = [
        Candidate(token, token + 1, 1.0, 0.1, 0.5 if token % 2 else 0.0, "top_p")
        for token in range(len(LABELS))
    ]
    screen = drawn(
        view(top=8, chain="top_k 40").render(step(6, candidates), USAGE, columns, 40), columns
    )
    assert screen.column(0) == ["╭", *"│" * 8, "╰"]
    assert screen.column(columns - 1) == ["╮", *"│" * 8, "╯"]
    bars = screen.column(4 + label + 1)[1:-1]
    assert bars == ["·", "█", "·", "█", "·", "█", "·", "█"]


@pytest.mark.parametrize("columns", [60, 61, 68, 80, 120])
@pytest.mark.parametrize("stage", STAGES)
def test_the_stage_that_removed_a_token_is_named_whole(columns: int, stage: str) -> None:
    candidates = [Candidate(0, 1, 1.0, 0.9, 1.0), Candidate(7, 2, 0.0, 0.1, 0.0, stage)]
    _, _, row, *_ = on_screen(view().render(step(6, candidates), USAGE, columns, 24), columns)
    assert f" {stage} " in row and "model  10.0 %" in row


def test_what_removed_a_token_gives_up_words_before_its_name() -> None:
    rows = on_screen(view().render(step(6, rivals(6, 0)), USAGE, 60, 24), 60)
    assert rows[4] == "│   ，       · removed by top_p model   2.4 %    5.38 bits │"


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (59, "▶ 峰 88.1 % · 山 8.3 % · 。 3.6 % · 1.63 → 0.63 bits · #7"),
        (40, "▶ 峰 88.1 % · 山 8.3 % · 。 3.6 % · #7"),
        (20, "▶ 峰 88.1 % · #7"),
        (8, "▶ 峰 8…"),
        (2, "…"),
    ],
)
def test_it_folds_to_one_line_under_60_columns(columns: int, line: str) -> None:
    assert view().render(step(6, rivals(6, 0)), USAGE, columns, 24) == [line]


@pytest.mark.parametrize(
    ("rows", "height"), [(1, 0), (2, 1), (7, 1), (8, 4), (10, 5), (14, 7), (50, 7)]
)
def test_a_low_terminal_gets_a_lower_panel(rows: int, height: int) -> None:
    assert len(view().render(step(6, rivals(6, 0)), USAGE, 80, rows)) == height


def test_the_chosen_token_is_shown_though_it_is_none_of_the_first() -> None:
    candidates = [*rivals(6, 0), Candidate(5, 42, 0.1, 0.001, 0.002)]
    rows = on_screen(view(top=3).render(step(6, candidates, token=5), USAGE, 80, 24), 80)
    assert [row[2:6].strip() for row in rows[1:-1]] == ["峰", "山", "▶ 👩‍👩‍👧"[:4].strip()]


@pytest.mark.parametrize("color_system", [None, "256"])
def test_a_nearly_full_context_is_said_in_words_and_in_bold(
    color_system: ColorSystem | None,
) -> None:
    late = replace(step(6, rivals(6, 0)), position=1791)
    early = replace(late, position=1790)
    framed = view(color_system).render(late, USAGE, 80, 24)
    assert on_screen(framed, 80)[-1].startswith("╰ 143 tok/s · context 1,792/2,048, nearly full ─")
    assert "\x1b[1" in framed[-1].partition("1,792/2,048, nearly full")[0]
    assert "nearly" not in "".join(view().render(early, USAGE, 80, 24))
    folded = view().render(late, USAGE, 59, 24)
    assert folded == ["▶ 峰 88.1 % · context 1,792/2,048, nearly full · 山 8.3 %"]


def test_a_calm_reply_has_nothing_below_it_but_the_keys_of_a_pause() -> None:
    calm = CalmView(Paint(screen_environment(Screen())))
    one = step(6, rivals(6, 0))
    assert calm.render(one, USAGE, 80, 24) == []
    (row,) = on_screen(calm.render(one, USAGE, 80, 24, paused=True), 80)
    assert row == "paused · Space: next token · Enter: go on · q: stop"
    assert calm.render(one, USAGE, 80, 1, paused=True) == []


def test_a_greedy_step_says_so_and_has_no_seed() -> None:
    one = step(6, rivals(6, 0))
    greedy = replace(one, draw=replace(one.draw, u=None, interval=None, stages=()))
    rows = on_screen(view(chain="greedy", seed=None).render(greedy, USAGE, 80, 24), 80)
    assert rows[0].startswith("╭ token 7 · entropy 1.63 → 0.00 bits · greedy ─")
    assert rows[-1].startswith("╰ greedy · 143 tok/s · context 19/2,048 ─")


def test_a_pause_says_what_the_keys_do() -> None:
    framed = view().render(step(6, rivals(6, 0)), USAGE, 80, 24, paused=True)
    assert "paused · Space: next token · Enter: go on · q: stop" in framed[-1]
    folded = view().render(step(6, rivals(6, 0)), USAGE, 40, 24, paused=True)
    assert folded == ["▶ 峰 88.1 % · paused · 山 8.3 % · #7"]


@pytest.mark.parametrize(("token", "line"), [(0, "▶ 峰 · paused · #7"), (7, "▶ a␣rathe… · paused")])
def test_a_pause_is_said_on_the_narrowest_screen(token: int, line: str) -> None:
    one = step(6, rivals(6, token), token=token)
    assert view().render(one, USAGE, 20, 24, paused=True) == [line]


def test_colour_follows_probability_and_weight_alone_remains_without() -> None:
    one = step(6, rivals(6, 0))
    assert "\x1b[38;5;107m" in "".join(view("256").render(one, USAGE, 80, 24))
    assert "38;2;" in "".join(view("truecolor").render(one, USAGE, 80, 24))
    assert "38;" not in "".join(view("standard").render(one, USAGE, 80, 24))
    plain = "".join(view(None).render(one, USAGE, 80, 24))
    assert "\x1b[3" not in plain
    assert "\x1b[4m，" in plain, "the improbable is underlined where colour is off"
    assert "\x1b[4m山" in plain
    assert "\x1b[1m峰" in plain


def test_probabilities_have_five_styles() -> None:
    found = [prob_style(prob) for prob in (1.0, 0.8, 0.5, 0.2, 0.1, 0.01, 0.0)]
    assert len(set(found)) == 5
    assert prob_style(float("nan")) == "prob.surprise"


def test_percentages_never_round_to_certainty_or_to_nothing() -> None:
    probs = (1.0, 0.99999, 0.881, 0.0005, 0.0001, 0.0)
    assert [percent(prob) for prob in probs] == [
        "100.0 %", ">99.9 %", "88.1 %", "0.1 %", "<0.1 %", "0.0 %",
    ]  # fmt: skip
    assert [bits(prob) for prob in (1.0, 0.5, 0.0)] == ["0.00 bits", "1.00 bits", "∞ bits"]


@pytest.mark.parametrize(
    ("width", "text"), [(6, "世界上"), (5, "世界…"), (4, "世…"), (1, "…"), (0, "")]
)
def test_clip_counts_cells(width: int, text: str) -> None:
    assert clip("世界上", width) == text
    assert cell_len(text) <= width
