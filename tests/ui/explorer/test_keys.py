"""Keys through the real bindings: what is taken and given back, and what the model is fed."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from torch import Tensor

from chatcli.engine.stream import complete
from chatcli.model.load import load
from chatcli.model.types import KVCache
from chatcli.sampling.types import SamplingConfig
from chatcli.ui.explorer.state import State
from tests.fakes import BOS, EOS, ScriptedModel
from tests.ui.explorer.person import (
    BACKSPACE,
    CONFIG,
    CTRL_C,
    DOWN,
    ENTER,
    ESC,
    F2,
    F3,
    F4,
    F5,
    LEFT,
    RIGHT,
    TAB,
    UP,
    Person,
    Shelf,
    shown,
    shows,
)


def scripted(text: str = "abcdef") -> ScriptedModel:
    """Says `text`, and nothing else is quite impossible."""
    return ScriptedModel(text, peak=6.0, noise=1.0)


def fed(model: ScriptedModel) -> list[int]:
    """All ids that were fed; in how many calls depends on how quickly keys follow each other."""
    return [token for ids in model.fed for token in ids]


def test_the_table_follows_what_is_typed() -> None:
    person = Person(scripted())
    person.keys("ab")
    assert person.state.place is not None
    assert person.state.place.ids == (BOS, 97, 98) and person.state.text == "ab"
    assert "▶●     1  c" in shown(person.state)


def test_what_texts_share_is_fed_once() -> None:
    person = Person(model := scripted())
    person.keys("ab", "c")
    assert fed(model) == [BOS, 97, 98, 99]


def test_what_is_taken_is_fed_and_what_is_given_back_is_not() -> None:
    person = Person(model := scripted())
    person.keys("ab", DOWN, ENTER, BACKSPACE, UP, ENTER, BACKSPACE)
    second = person.state.place
    assert second is not None and second.ids == (BOS, 97, 98)
    taken = int(second.order[1])
    assert fed(model) == [BOS, 97, 98, taken, 99]
    assert len(person.state.walk) == 4  # the start, what was typed, and both that were taken


def test_a_token_that_is_given_back_is_in_hand_again() -> None:
    person = Person(scripted())
    person.keys("ab", DOWN, DOWN, ENTER, BACKSPACE)
    assert person.state.selected == 2


def test_typed_text_becomes_ids_once_and_can_be_typed_on(tiny: Path) -> None:
    model = load(str(tiny))
    person = Person(model)
    person.keys("the high", ENTER)
    typed, taken = person.state.walk.path()[1:]
    assert typed.ids == tuple(model.tokenizer.encode("the high"))
    assert person.state.walk.ids == (*typed.ids, *taken.ids)
    again = Person(model)
    again.keys("the high", ENTER, BACKSPACE, BACKSPACE)
    assert again.state.line.text == "the hig" and again.state.typing
    assert len(again.state.walk) == 3  # the path that was taken stays


def test_an_empty_walk_has_nothing_to_give_back() -> None:
    person = Person(scripted())
    person.keys(BACKSPACE, shows("where the walk begins"))


@pytest.mark.parametrize("seed", [1, 7])
def test_the_model_takes_what_complete_would_draw(tiny: Path, seed: int) -> None:
    model = load(str(tiny))
    config = SamplingConfig(temperature=1.2, top_k=50, seed=seed)
    chunks = list(complete(model, "世界上", config, max_tokens=6))
    expected = [step.token for chunk in chunks for step in chunk.steps]
    person = Person(model, config=config)
    person.keys("世界上", *[TAB] * len(expected))
    assert [node.ids for node in person.state.walk.path()[2:]] == [(one,) for one in expected]


def test_settings_turn_without_a_forward_pass() -> None:
    person = Person(model := scripted())
    person.keys("ab", ESC, "tttKKppmo")
    config = person.state.config
    assert (config.temperature, config.top_k, config.top_p) == (0.5, 60, 0.85)
    assert (config.min_p, config.order) == (0.0, "textgen")
    assert "temperature 0.5" in shown(person.state)
    assert fed(model) == [BOS, 97, 98]


def test_any_setting_can_be_typed_and_a_wrong_one_is_named() -> None:
    person = Person(scripted())
    person.keys(
        *("ab", ESC, ":", "repetition_penalty 1.3", ENTER, ":", "top_p 7", ENTER),
        shows("top_p is 7"),
        ESC,
    )
    assert person.state.config.repetition_penalty == 1.3
    assert person.state.config.top_p == CONFIG.top_p


def test_a_run_stops_where_a_sentence_ends() -> None:
    person = Person(ScriptedModel("ab. cd.", peak=30.0))
    person.keys("a", ESC, "b", "sentence", ENTER, "g", shows("a sentence has ended"))
    assert person.state.text == "ab." and person.state.run == 0
    person = Person(ScriptedModel("ab. cd.", peak=30.0), walk=person.state.walk)
    person.state.breakpoints = ()
    person.keys(ESC, "g", shows("ends the text"))
    assert person.state.walk.ids[-1] == EOS and person.state.text == "ab. cd."


def test_a_run_stops_before_what_its_breakpoint_is_about() -> None:
    def rows(ids: Sequence[int]) -> list[float]:
        return (
            [0.0] * 256 if ids[-1] == ord("d") else [30.0 * (n == ids[-1] + 1) for n in range(256)]
        )

    person = Person(ScriptedModel(rows))
    person.keys("a", ESC, "b", "entropy>3 rank>50", ENTER, "g", shows("stopped before"))
    assert person.state.text == "abcd"
    place = person.state.place
    assert place is not None and person.state.waterfall is not None
    # The token that would have come is in hand, and one more key takes it.
    assert place.order[person.state.selected] == person.state.waterfall.draw.token


def test_a_watched_token_among_the_best_stops_a_run() -> None:
    person = Person(ScriptedModel("abcdef", peak=30.0))
    person.keys("a", ESC, "w", "e", ENTER, "b", "watch<=1", ENTER, "g", shows("watched token"))
    assert person.state.text == "abcd"


def test_any_key_stops_a_run_and_does_nothing_else() -> None:
    person = Person(ScriptedModel(lambda ids: [30.0 * (n == 97) for n in range(256)]))
    person.keys("a", ESC, "g", lambda state: len(state.walk) > 20, "t", shows("stopped"))
    assert person.state.config.temperature == CONFIG.temperature
    assert person.state.run == 0


def test_watched_strings_have_their_probability_at_each_place() -> None:
    person = Person(scripted())
    person.keys("ab", ESC, "w", "cd", ENTER, F4, lambda state: "cd" in state.sightings)
    sighting = person.state.sightings["cd"]
    assert sighting.watched.ids == (99, 100) and 0.1 < sighting.prob < 0.5
    places = [(BOS,), (BOS, 97)]
    assert all("cd" in person.state.seen[place] for place in places)
    assert "c" in shown(person.state) and " × " in shown(person.state)


def test_a_watched_string_goes_when_it_is_watched_again() -> None:
    person = Person(scripted())
    person.keys("ab", ESC, "w", "cd", ENTER, "w", "cd", ENTER)
    assert person.state.watching == ()


def test_a_string_that_cant_be_watched_is_named() -> None:
    person = Person(scripted())
    person.keys(ESC, "w", ENTER, shows("the watched text is empty"), ESC)


def test_a_token_is_found_by_text_and_by_id() -> None:
    person = Person(scripted())
    person.keys("ab", ESC, "/", "<EOS>", ENTER, shows("1 of 1 tokens"))
    assert person.state.place is not None
    assert person.state.place.order[person.state.selected] == EOS
    person = Person(scripted())
    person.keys("ab", ESC, "/", "120", ENTER, shows("1 of 1 tokens"))
    assert person.state.place is not None
    assert person.state.place.order[person.state.selected] == 120
    person = Person(scripted())
    person.keys("ab", ESC, "/", "no such", ENTER, shows("no token has"))


def test_n_goes_on_to_the_next_that_was_found() -> None:
    person = Person(scripted())
    person.keys("ab", ESC, "/", "⟨e", ENTER, shows("1 of 16"), "n", "n", shows("3 of 16"), "N")
    assert "2 of 16" in shown(person.state)


def test_paths_make_a_tree_to_jump_in() -> None:
    person = Person(scripted())
    person.keys("ab", ENTER, ENTER, BACKSPACE, DOWN, ENTER, ESC, F3)
    assert len(person.state.walk.children(2)) == 2
    here = person.state.walk.ids
    person.state.note = ""
    again = Person(scripted(), walk=person.state.walk)
    again.keys(ESC, F3, UP, ENTER)
    assert again.state.walk.ids != here and again.state.walk.ids[:4] == here[:4]


def test_paths_are_compared_named_and_folded() -> None:
    person = Person(scripted())
    person.keys("ab", ENTER, ENTER, BACKSPACE, DOWN, ENTER, ESC, F3, "x", UP, "a", "first", ENTER)
    screen = shown(person.state)
    assert "[first]" in screen and "both" in screen and "◆" in screen
    again = Person(scripted(), walk=person.state.walk)
    again.keys(ESC, F3, UP, UP, "f")
    assert "+2 folded" in shown(again.state) and "[first]" not in shown(again.state)


def test_a_walk_is_saved_and_opened_again() -> None:
    shelf = Shelf()
    person = Person(scripted(), shelf=shelf)
    person.keys("ab", ENTER, ESC, "W", "山", ENTER)
    assert json.loads(json.dumps(shelf.kept["山"])) == json.loads(
        json.dumps(person.state.walk.to_plain())
    )
    other = Person(scripted(), shelf=shelf)
    other.keys(ESC, "R", shows("saved: 山"), "山", ENTER)
    assert other.state.walk.ids == person.state.walk.ids
    other.keys("R", "河", ENTER, shows("no exploration '河'"), ESC)
    other.keys("D", "河", ENTER, shows("no exploration '河'"), ESC, "D", "山", ENTER)
    assert not shelf.kept


def test_the_name_of_another_walk_is_replaced_only_at_a_second_enter() -> None:
    shelf = Shelf()
    Person(scripted(), shelf=shelf).keys("a", ENTER, ESC, "W", "山", ENTER, shows("saved as 山"))
    first = shelf.kept["山"]
    other = Person(scripted(), shelf=shelf)
    other.keys("xy", ENTER, ESC, "W", "山", ENTER, shows("'山' is another walk"), ESC)
    assert shelf.kept["山"] is first
    other.keys("W", "山", ENTER, ENTER, shows("saved as 山, in place of what it was"))
    assert shelf.kept["山"] == other.state.walk.to_plain()
    other.keys(TAB, "W", "山", ENTER, shows("saved as 山"))
    assert shelf.kept["山"] == other.state.walk.to_plain()


@pytest.mark.parametrize("key", ["W", "R", "D"])
def test_a_walk_without_a_name_is_asked_for_one(key: str) -> None:
    person = Person(scripted())
    person.keys(ESC, key, ENTER, shows("a name is needed"), ESC)


def test_a_tree_without_a_path_says_why_and_counts_what_is_typed() -> None:
    person = Person(scripted(), columns=60)
    person.keys("你好", ESC, "3")
    screen = shown(person.state, 60)
    assert "Nothing has been taken yet" in screen and "the paths part here." in screen
    assert "being typed  6 tokens" in screen and "  1 token\n" in screen
    assert "context 7" in screen
    person.keys("1", ENTER, "3")
    assert "Nothing has been taken" not in shown(person.state)


def test_arrows_give_back_and_go_on() -> None:
    person = Person(scripted())
    person.keys("ab", ENTER, ENTER, ESC, LEFT, LEFT, RIGHT)
    assert person.state.walk.ids == (BOS, 97, 98, 99)


def test_arrows_leave_typed_text_as_it_is() -> None:
    person = Person(scripted())
    person.keys("你好ab", ESC, LEFT, shows("this was typed"), RIGHT, LEFT, LEFT, "t")
    assert person.state.text == "你好ab" and not person.state.typing
    assert person.state.config.temperature == 0.7
    person.keys(ENTER, LEFT, LEFT, shows("this was typed"))
    assert person.state.text == "你好ab"


def test_a_command_stays_one_after_typed_text_is_opened_again() -> None:
    person = Person(scripted())
    person.keys("你好ab", ESC, RIGHT, BACKSPACE, "t")
    assert person.state.line.text == "你好a" and not person.state.typing
    assert person.state.config.temperature == 0.7


def test_the_next_character_is_taken_by_its_likeliest_tokens() -> None:
    def resolved(state: State) -> bool:
        return state.characters is not None and state.characters.prob("unresolved") < 0.01

    person = Person(ScriptedModel("世界", peak=30.0))
    person.keys("世", F5, resolved, ENTER)
    assert person.state.text == "世界"
    assert [node.ids for node in person.state.walk.path()[2:]] == [(one,) for one in "界".encode()]


def test_characters_are_the_models_own_or_the_chains() -> None:
    def by_chain(state: State) -> bool:
        return state.characters is not None and state.characters.chain is not None

    person = Person(scripted())
    person.keys("ab", ESC, "5", lambda state: state.characters is not None, "c", by_chain)
    assert person.state.characters is not None
    assert person.state.characters.chain == "temperature 0.8 → top_k 40 → top_p 0.95"


def test_the_help_scrolls_to_its_end() -> None:
    person = Person(scripted(), rows=15)
    person.keys(ESC, "?", *[DOWN] * 40)
    assert "leave and print the text; the ids too" in shown(person.state, 80, 15)
    assert person.state.selected == 0


def test_chinese_and_pastes_come_as_text() -> None:
    person = Person(scripted())
    person.keys("世界", "\x1b[200~上\r\n最\x1b[201~", F2)
    assert person.state.text == "世界上\n最"
    assert person.state.ids == (BOS, *"世界上\n最".encode())


def test_wide_signs_are_commands_too() -> None:
    person = Person(scripted())
    person.keys(ESC, "？")
    assert person.state.view == "help" and "commands" in shown(person.state)


def test_an_unknown_command_is_named() -> None:
    person = Person(scripted())
    person.keys(ESC, "z", shows("'z' is no command"))


@pytest.mark.parametrize(("key", "ids"), [("q", False), ("Q", True)])
def test_leaving_says_whether_ids_are_asked_for(key: str, ids: bool) -> None:
    assert Person(scripted()).keys("ab", ESC, key).ids is ids


class Slow(ScriptedModel):
    """Reads nothing until it is let."""

    def __init__(self) -> None:
        super().__init__("abc", peak=6.0, noise=1.0)
        self.let = threading.Event()

    def forward(self, ids: Sequence[int], cache: KVCache, *, last: bool = False) -> Tensor:
        self.let.wait()
        return super().forward(ids, cache, last=last)


def test_no_key_waits_for_the_model() -> None:
    person = Person(model := Slow())
    busy = shows("…")

    def typed(state: State) -> bool:
        return state.line.text == "ab"

    def turned(state: State) -> bool:
        if state.config.temperature != 0.9:
            return False
        assert state.behind and "…" in shown(state)
        model.let.set()
        return True

    class Patient(Person):
        def _play(self, steps, keys):  # type: ignore[no-untyped-def]
            for text, check in (("a", busy), ("b", typed), (ESC, busy), ("T", turned)):
                keys.send_text(text)
                self._failed = self._failed or ("" if self._wait(check) else f"{text!r}")
            self._failed = self._failed or ("" if self._wait(lambda s: not s.behind) else "late")
            keys.send_text(CTRL_C)

    person = Patient(model)
    person.keys()
    assert person.state.ids == (BOS, 97, 98)
    assert fed(model) == [BOS, 97, 98]


def test_a_text_longer_than_the_context_is_an_error_that_going_back_mends() -> None:
    person = Person(ScriptedModel("abc", peak=6.0, noise=1.0, context_length=4))
    person.keys("abc", "d", shows("the context 4"), BACKSPACE)
    assert person.state.fault == "" and person.state.text == "abc"


def test_a_text_that_cant_be_read_has_no_table_and_its_whole_error() -> None:
    person = Person(ScriptedModel("abc", peak=6.0, noise=1.0, context_length=4), columns=60)
    person.keys("abcd", lambda state: bool(state.refusal), ENTER, TAB, ESC, "g")
    screen = shown(person.state, 60)
    assert " ".join(person.state.refusal.split()) in " ".join(screen.split())
    assert not any(sign in screen for sign in ("rank", "survive", ", u 0.", "▶"))
    assert "this text can't be read" in screen
    assert person.state.text == "abcd" and not person.state.run


@pytest.mark.parametrize("close", ["?", ESC])
def test_the_help_is_whole_at_sixty_columns_and_closes(close: str) -> None:
    person = Person(scripted(), columns=60)
    person.keys(ESC, "2", "?")
    screen = shown(person.state, 60, 60)
    assert "…" not in screen
    assert "breakpoints: entropy>3 rank>20 p<5% watch<=10 sentence" in " ".join(screen.split())
    person.keys(close)
    assert person.state.view == "waterfall" and not person.state.typing


def test_the_empty_watch_page_is_whole_at_sixty_columns() -> None:
    person = Person(scripted(), columns=60)
    person.keys(ESC, "4")
    assert "also outside the top" in " ".join(shown(person.state, 60).split())
