"""Searching what was said: which turns are found, where, and what is shown of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chatcli.chat.search import excerpt, folded
from chatcli.chat.store import Store
from chatcli.errors import UsageError
from tests.chat.stored import session_of, turn_of


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open() as opened:
        opened.put(
            session_of("hills", head=3, updated=1.0, name="山"),
            (
                turn_of(1, user="世界上最高的山是哪座？", reply="珠穆朗玛峰，高 8,848 米。"),
                turn_of(2, 1, user="And in Europe?", reply="Mont Blanc, 4,808 M. 100% sure_"),
                turn_of(3, 2, user="Straße", reply="Ａｂｃ １２３"),
                turn_of(4, 1, user="an aside about Europe"),
            ),
        )
        opened.put(session_of("empty", updated=3.0))
        opened.put(session_of("new", head=1, updated=2.0), (turn_of(1, user="山", reply="山"),))
        yield opened


def found(store: Store, query: str) -> list[tuple[str, int, int, str]]:
    return [(hit.summary.id, hit.turn, hit.number, hit.where) for hit in store.search(query)]


@pytest.mark.parametrize(
    ("query", "hits"),
    [
        ("山", [("new", 1, 1, "user"), ("hills", 1, 1, "user")]),
        ("最高", [("hills", 1, 1, "user")]),
        ("EUROPE", [("hills", 2, 2, "user"), ("hills", 4, 2, "user")]),
        ("blanc europe", [("hills", 2, 2, "reply")]),
        ("europe blanc", [("hills", 2, 2, "user")]),
        ("山　峰", [("hills", 1, 1, "user")]),
        ("8,848 玛", [("hills", 1, 1, "reply")]),
        ("STRASSE", [("hills", 3, 3, "user")]),
        ("abc 123", [("hills", 3, 3, "reply")]),
        ("ＡＢＣ", [("hills", 3, 3, "reply")]),
        ("100%", [("hills", 2, 2, "reply")]),
        ("0%s", []),
        ("%", [("hills", 2, 2, "reply")]),
        ("sure_", [("hills", 2, 2, "reply")]),
        ("s_re", []),
        ("*", []),
        ("' OR 1=1 --", []),
        ("aside blanc", []),
    ],
)
def test_every_word_must_occur_and_is_plain_text(
    store: Store, query: str, hits: list[tuple[str, int, int, str]]
) -> None:
    assert found(store, query) == hits


@pytest.mark.parametrize("query", ["", "  ", "\u3000\n"])
def test_a_query_without_a_word_is_refused(store: Store, query: str) -> None:
    with pytest.raises(UsageError, match="has no word in it"):
        store.search(query)


def test_a_hit_carries_the_summary_and_the_match(store: Store) -> None:
    (hit,) = store.search("玛峰")
    assert (hit.summary.name, hit.summary.title) == ("山", "世界上最高的山是哪座？")
    shown = hit.excerpt
    assert shown.text == "珠穆朗玛峰，高 8,848 米。"
    assert shown.text[shown.begin : shown.end] == "玛峰"


def test_an_excerpt_is_one_line_cut_around_the_match() -> None:
    shown = excerpt("前" * 100 + "\n峰\r\n" + "后" * 200, "峰")
    assert shown.text == "…" + "前" * 23 + " 峰  " + "后" * 70 + "…"
    assert shown.text[shown.begin : shown.end] == "峰"
    whole = excerpt("a peak", "peak")
    assert (whole.text, whole.begin, whole.end) == ("a peak", 2, 6)


@pytest.mark.parametrize(
    ("text", "query", "match"),
    [
        ("……wait… PEAK", "peak", "PEAK"),
        ("ﬁrst ﬁre", "fire", "ﬁre"),
        ("Straße nach", "nach", "nach"),
        ("İstanbul, İzmir", "izmir", "İzmir"),
        ("cafe\u0301 au lait", "CAFÉ", "cafe\u0301"),
        ("①② peaks", "2 p", "② p"),
        ("㍿山", "会社", "㍿"),
        ("각각 산", "산", "산"),
        ("ｶﾞｷﾞ", "ギ", "ｷﾞ"),
    ],
)
def test_the_match_is_marked_in_the_text_as_it_was_written(
    text: str, query: str, match: str
) -> None:
    word = folded(query) if query != "izmir" else folded("İzmir")
    shown = excerpt(text, word)
    assert shown.text[shown.begin : shown.end] == match


def test_control_characters_stay_what_they_are(store: Store) -> None:
    store.put(session_of("odd", head=1, updated=9.0), (turn_of(1, user="\x1b]0;x\x07高峰\ud800"),))
    hit = store.search("高峰")[0]
    assert hit.excerpt.text == "\x1b]0;x\x07高峰\ud800"
