"""Tokens found by text, by bytes and by id."""

from __future__ import annotations

from chatcli.probe.vocabulary import Vocabulary
from tests.fakes import EOS, ByteTokenizer

VOCABULARY = Vocabulary(ByteTokenizer(), ByteTokenizer.vocab_size)


def found(query: str) -> set[int]:
    return set(VOCABULARY.find(query) or ())


def test_a_token_is_found_by_what_it_spells() -> None:
    assert found("eos") == {EOS}
    assert found("A") == found("a") >= {ord("a"), ord("A")}
    assert EOS not in found("a")


def test_what_cant_be_seen_is_found_by_its_label_and_by_itself() -> None:
    assert found("␣") == found(" ") == {32}
    assert found("⟨e4") == {0xE4}


def test_a_number_is_an_id_and_a_text() -> None:
    assert found("120") == {120}
    assert found("7") == {7, ord("7")}
    assert found("9999") == set()


def test_a_search_can_be_given_up() -> None:
    assert Vocabulary(ByteTokenizer(), 262).find("a", lambda: True) is None
