"""A walk: a tree of ids in which going back loses nothing."""

from __future__ import annotations

import json

import pytest

from chatcli.errors import StoreError, UsageError
from chatcli.probe.walk import Walk, fork, surprisal_bits
from chatcli.sampling.types import Candidate


def candidate(token: int, raw_prob: float = 0.5) -> Candidate:
    return Candidate(token, 1, 0.0, raw_prob, raw_prob)


def walked() -> Walk:
    """Typed "ab", then c; and from "ab" also d, e."""
    walk = Walk((9,))
    walk.type("ab", (97, 98))
    walk.take(candidate(99))
    walk.back()
    walk.take(candidate(100, 0.25), "drawn")
    walk.take(candidate(101))
    return walk


def test_ids_are_those_of_the_path() -> None:
    walk = walked()
    assert walk.ids == (9, 97, 98, 100, 101)
    assert [node.by for node in walk.path()] == ["given", "typed", "drawn", "taken"]


def test_the_prompt_ends_where_the_first_token_was_chosen() -> None:
    walk = walked()
    walk.type("f", (102,))
    assert (walk.prompt_length, len(walk.ids)) == (3, 6)


def test_going_back_keeps_what_was_chosen() -> None:
    walk = walked()
    left = walk.back()
    assert left is not None and left.ids == (101,) and walk.ids == (9, 97, 98, 100)
    assert walk.onward() and walk.at == left
    assert not walk.onward()


def test_typed_text_that_nothing_follows_is_gone_once_it_is_opened_again() -> None:
    walk = Walk()
    walk.type("ab", (97, 98))
    left = walk.back()
    assert left is not None and left.text == "ab"
    assert len(walk) == 1 and walk.children(0) == () and not walk.onward()


def test_typed_text_that_something_follows_stays() -> None:
    walk = walked()
    walk.back(), walk.back(), walk.back()
    assert [node.text for node in walk.children(0)] == ["ab"]
    assert walk.back() is None


def test_the_same_token_again_is_the_same_node() -> None:
    walk = walked()
    count = len(walk)
    walk.back(), walk.back()
    walk.take(candidate(99))
    assert len(walk) == count


def test_a_jump_is_what_going_on_follows() -> None:
    walk = walked()
    walk.jump(2)
    assert walk.ids == (9, 97, 98, 99)
    walk.back()
    assert walk.onward() and walk.ids[-1] == 99


def test_a_name_is_of_one_node() -> None:
    walk = walked()
    walk.name(2, "short")
    assert walk[2].name == "short"
    with pytest.raises(UsageError, match="another place is named 'short'"):
        walk.name(3, "short")
    walk.name(2, "")
    walk.name(3, "short")


def test_two_paths_part_where_their_nodes_do() -> None:
    parted = fork(walked(), 2, 4)
    assert [node.number for node in parted.shared] == [0, 1]
    assert [node.ids for node in parted.left] == [(99,)]
    assert [node.ids for node in parted.right] == [(100,), (101,)]
    assert surprisal_bits(parted.right) == 3.0  # 1/4 and 1/2


def test_a_saved_walk_is_the_same_walk() -> None:
    walk = walked()
    walk.name(2, "short")
    walk.fold(1)
    again = Walk.from_plain(json.loads(json.dumps(walk.to_plain())))
    assert again.to_plain() == walk.to_plain() and again.ids == walk.ids
    again.take(candidate(102))
    assert again.at.number == len(walk)


@pytest.mark.parametrize(
    "change",
    [
        {"nodes": []},
        {"at": 17},
        {"nodes": [{"number": 1}]},
        {"nodes": None},
    ],
)
def test_a_damaged_walk_says_so(change: dict[str, object]) -> None:
    plain = walked().to_plain() | change
    with pytest.raises(StoreError, match="damaged"):
        Walk.from_plain(plain)


def test_a_loop_in_a_saved_walk_is_damage() -> None:
    plain = walked().to_plain()
    plain["nodes"][1]["parent"] = 4
    with pytest.raises(StoreError, match="damaged"):
        Walk.from_plain(plain)
