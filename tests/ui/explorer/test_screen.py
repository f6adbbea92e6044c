"""The screen as a function of a State: what stands where, at any size, with any text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from chatcli.probe.next_character import next_character
from chatcli.probe.walk import Walk
from chatcli.probe.watch import watched, watched_probs
from chatcli.probe.waterfall import Place
from chatcli.sampling.types import SamplingConfig
from chatcli.ui.explorer import moves
from chatcli.ui.explorer.cells import row_width
from chatcli.ui.explorer.line import Line
from chatcli.ui.explorer.reader import Reading
from chatcli.ui.explorer.screen import screen
from chatcli.ui.explorer.state import VIEWS, Ask, State, View
from chatcli.ui.explorer.style import screen_style
from tests.fakes import BOS, USER, ScriptedModel
from tests.ui.explorer.person import CONFIG, shown, state_of

# A character cut in two, an escape, a mark that combines, a wide one, a newline.
HARD = (BOS, USER, *"世界\x1b[31m\u0301😀\n最"[:-1].encode(), *"高".encode()[:2])


def reading(state: State, model: ScriptedModel) -> State:
    """As if all that is wanted had been read."""
    request = state.request
    ids = request.ids + tuple(request.text.encode())
    place = Place.of(ids, model.forward(ids, model.new_cache(), last=True)[-1])
    assert state.receive(Reading(request, place))
    return state


def explored(
    config: SamplingConfig = CONFIG, ids: Sequence[int] = (BOS, *"世界".encode())
) -> tuple[State, ScriptedModel]:
    model = ScriptedModel("世界上最高的山", peak=6.0, noise=1.0)
    return reading(state_of(model, config, Walk(ids)), model), model


def full(view: View) -> State:
    """Something of everything."""
    state, model = explored(ids=HARD)
    for _ in range(3):
        moves.take(state)
        reading(state, model)
    moves.back(state)
    reading(state, model)
    state.select(1)
    moves.take(state)
    reading(state, model)
    state.walk.name(1, "一 \x1b")
    state.tree_mark = 3
    state.watching = (watched(state.tokenizer, "山峰"), watched(state.tokenizer, "z"))
    state.show(view)
    place = state.place
    assert place is not None
    cache = model.new_cache()
    seen = watched_probs(model, place.ids, place.logits, state.watching, cache) or ()
    characters = next_character(model, place.ids)
    state.receive(
        Reading(state.request, sightings=((len(place.ids), seen),), characters=characters)
    )
    return state


@pytest.mark.parametrize("view", [*VIEWS, "help"])
@pytest.mark.parametrize("size", [(120, 40), (60, 15), (37, 9), (12, 4), (5, 2)])
def test_every_view_fits_every_screen(view: View, size: tuple[int, int]) -> None:
    state = full(view)
    for ask in (None, Ask("watch", Line.of("很长的一段文字" * 9))):
        state.ask = ask
        rows = screen(state, *size)
        assert len(rows) == size[1]
        assert all(row_width(row) <= size[0] for row in rows)
        assert not any("\x1b" in text or "\n" in text for row in rows for _, text in row)


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_full_at_sixty_by_fifteen(view: View) -> None:
    lines = shown(full(view), 60, 15).splitlines()
    body = [line for line in lines[5:-2] if line.strip()]
    assert len(body) >= (6 if view in ("table", "waterfall") else 2)


def test_a_character_that_is_still_open_is_its_bytes() -> None:
    state, _ = explored(ids=(BOS, *"世".encode(), 0xE7, 0x95))
    assert "世⟨E7⟩⟨95⟩" in shown(state)
    state.walk.give((0x8C,), "taken")
    assert shown(state).startswith("<bos>世界")


def test_what_was_taken_is_tinted_by_how_probable_it_was() -> None:
    state, _ = explored(ids=(BOS, 97))
    moves.take(state)
    taken = state.walk.at.chosen
    assert taken is not None
    styles = [style for style, text in screen(state, 80, 24)[0] if text.strip()]
    assert any(style.startswith("class:prob.") for style in styles)


def test_the_waterfall_says_which_stage_took_a_candidate() -> None:
    state, _ = explored(SamplingConfig(temperature=1.5, top_k=3, top_p=0.999, seed=1))
    state.show("waterfall")
    lines = shown(state).splitlines()
    heading = next(line for line in lines if "top_k" in line)
    assert heading.split() == ["rank", "token", "model", "temperature", "top_k", "top_p"]
    survive = next(line for line in lines if line.startswith("   ") and "survive" in line)
    assert survive.split()[1:4] == ["262", "262", "3"]
    fourth = next(line for line in lines if line.split()[:1] == ["4"])
    third = next(line for line in lines if line.split()[:1] == ["3"])
    assert fourth.endswith("✕") and len(fourth.rstrip()) == heading.index("top_k") + 5
    assert "✕" not in third[: heading.index("top_k") + 5]


def test_greedy_has_a_column_of_its_own() -> None:
    state, _ = explored(SamplingConfig(temperature=0.0, seed=1))
    state.show("waterfall")
    text = shown(state)
    assert "greedy" in text and "100.0 %" in text and "✕" in text


def test_stages_that_dont_fit_are_reached_by_moving_on() -> None:
    config = replace(CONFIG, min_p=0.001, typical_p=0.99, top_h=0.9, repetition_penalty=1.1)
    state, _ = explored(config)
    state.show("waterfall")
    heading = shown(state, 60, 20).splitlines()[2]
    assert heading.split()[:5] == ["rank", "token", "[", "]", "model"]
    assert "typical" not in heading and "repeat" in heading
    state.first_stage = 99
    assert "typical" in shown(state, 60, 20).splitlines()[2]


@pytest.mark.parametrize("view", ["table", "waterfall"])
def test_every_rank_of_the_vocabulary_can_be_reached(view: View) -> None:
    state, _ = explored()
    state.show(view)
    for index in (0, 100, 261):
        state.select(index)
        assert f"▶{'●' if index == 0 else ' '} {index + 1:>5}" in shown(state)
    state.select(10**6)
    assert state.selected == 261


def test_the_drawn_token_has_a_mark_and_the_draw_its_number() -> None:
    state, _ = explored()
    assert state.waterfall is not None
    u = state.waterfall.draw.u
    assert f"seed 7, u {u:.4f}" in shown(state)
    (line,) = [line for line in shown(state).splitlines() if "●" in line]
    assert line.startswith("▶●")


def test_an_old_table_is_marked_while_the_model_is_behind() -> None:
    state, _ = explored()
    assert "…" not in shown(state)
    moves.type_text(state, "上")
    assert "── …" in shown(state)
    styles = {style for row in screen(state, 80, 24)[3:9] for style, text in row if text.strip()}
    assert styles == {"class:behind", "class:removed"} or styles == {"class:behind"}


def test_a_stale_reading_is_dropped() -> None:
    state, model = explored()
    old = Reading(state.request, Place.of((1,), model.forward([1], model.new_cache())[-1]))
    moves.type_text(state, "上")
    assert state.receive(old) is False and state.behind


def test_a_chain_that_leaves_nothing_says_so() -> None:
    state, _ = explored()
    state.configure(replace(CONFIG, allowed_ids=(300,)))
    assert "allowed" in shown(state) and state.waterfall is None
    state.configure(CONFIG)
    assert state.fault == "" and state.waterfall is not None


def test_an_empty_text_asks_for_one() -> None:
    state = state_of(ScriptedModel(""), CONFIG, Walk())
    assert "Type or paste a text" in shown(state) and "…" not in shown(state)


@pytest.mark.parametrize("columns", [30, 60])
def test_hints_are_whole_on_a_narrow_screen(columns: int) -> None:
    state = state_of(ScriptedModel(""), CONFIG, Walk())
    state.say("Type 世界: what may come next follows. Esc, then ? shows the keys.")
    text = " ".join(shown(state, columns).split())
    assert state.note in text and "Esc and ? show what the keys do." in text


def test_without_colour_weight_and_underline_remain() -> None:
    rules = dict(screen_style(color=False).style_rules)
    assert not any("#" in rule for rule in rules.values())
    assert "underline" in rules["prob.surprise"] and "reverse" in rules["selected"]
    assert "#d75f5f" in dict(screen_style(color=True).style_rules)["prob.surprise"]


def test_a_long_text_shows_its_end() -> None:
    state, _ = explored(ids=(BOS, *b"x" * 1500, *"末尾".encode()))
    lines = shown(state, 60, 20).splitlines()
    assert lines[4].endswith("末尾") and lines[0].startswith("xxx")
    assert sum("x" in line for line in lines[:6]) == 5
