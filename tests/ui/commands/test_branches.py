"""/branch, /branches and /switch."""

from __future__ import annotations

import pytest

from tests.ui.talking import Talk, contents


def test_a_branch_goes_on_from_here_and_the_old_one_stays() -> None:
    talk = Talk("one", "two", "three")
    talk.say("first", "/branch 另一条", "second", "/switch main")
    assert talk.kept.branch == "main"
    assert dict(talk.kept.branches) == {"main": talk.rows[0].id, "另一条": talk.rows[1].id}
    assert contents(talk) == [("user", "first"), ("assistant", "one")]
    fed = talk.fed
    talk.say("third", "/switch 另一条")
    assert talk.rows[2].parent == talk.rows[0].id
    assert talk.fed - fed < len(talk.rows[2].tail) + 3  # the shared beginning is not read again
    assert contents(talk)[-2] == ("user", "second")


def test_going_back_and_forth_reads_only_the_difference() -> None:
    talk = Talk("one", "two", "three", "four")
    talk.say("first", "/branch b", "second", "/switch main", "third", "/switch b", "fourth")
    last = talk.rows[-1]
    assert last.parent == talk.rows[1].id
    reused = last.runs[-1].usage.reused_tokens
    assert reused >= len(talk.rows[0].tail) and talk.is_whole()


def test_an_earlier_reply_is_an_end_that_can_be_taken_up() -> None:
    talk = Talk("one")
    talk.say("first", "/retry seed=5")
    (end,) = [view for view in talk.conversation.branches() if view.name.startswith("@")]
    talk.say(f"/switch {end.name}")
    assert talk.kept.head == talk.rows[0].id


def test_branches_are_listed_with_their_last_message() -> None:
    talk = Talk("one", "two")
    talk.say("first", "/branch b", "第二", "/branches")
    rows = talk.err.splitlines()[-2:]
    assert rows[0].split()[:2] == ["main", "1"] and "first → one" in rows[0]
    assert rows[1].split()[:3] == ["•", "b", "2"] and "第二 → two" in rows[1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/branch", "/branch needs a name"),
        ("/branch main", "there is a branch 'main' already"),
        ("/branch @x", "without a leading @"),
        ("/switch", "/switch needs the name"),
        ("/switch mian", "did you mean main?"),
        ("/branches all", "/branches takes no argument"),
    ],
)
def test_what_cannot_be_is_an_error_and_changes_nothing(line: str, message: str) -> None:
    talk = Talk("one")
    talk.say("first")
    before = talk.kept
    assert not talk.say(line)
    assert message in talk.err and talk.kept == before
