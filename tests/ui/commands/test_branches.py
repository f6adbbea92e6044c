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
    assert f"branch main moved to {end.name} · 1 turn · it was on first → " in talk.err
    (other,) = [view for view in talk.conversation.branches() if view.name.startswith("@")]
    assert f"/switch {other.name} leads there again" in " ".join(talk.err.split())
    talk.say("/switch main")
    assert "on branch main, 1 turn" in talk.err


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
        ("/switch no one", 'may stand in "quotes"'),
        ("/branch a\nb", "one line"),
        ("/diff a b c", 'stands in "quotes"'),
        ("/branches all", "/branches takes no argument"),
    ],
)
def test_what_cannot_be_is_an_error_and_changes_nothing(line: str, message: str) -> None:
    talk = Talk("one")
    talk.say("first")
    before = talk.kept
    assert not talk.say(line)
    assert message in talk.err and talk.kept == before


def test_undo_says_what_leads_back_and_branches_marks_it() -> None:
    talk = Talk("one", "two", "three")
    talk.say("first", "second", "/undo", "/undo")
    (end,) = [view.name for view in talk.conversation.branches() if view.name.startswith("@")]
    assert talk.err.count(f"/switch {end} leads there again") == 2
    talk.say(f"/switch {end[:2]}", "/undo", "/branches")
    assert talk.err.splitlines()[-1].split()[:3] == ["↳", end, "2"]


def test_a_unique_beginning_of_an_end_will_do_and_others_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = iter(range(0x1E0000_0000_0000, 0x1FFFFF_0000_0000, 0x000F00_0000_0000))
    monkeypatch.setattr("chatcli.chat.conversation.new_turn_id", lambda: next(ids))
    talk = Talk("one")
    talk.say("first", "/retry", "/retry")
    assert not talk.say("/switch @1")
    assert "'@1' may be any of @1e000, @1e0f0; give more of it" in talk.err
    talk.say("/switch @1e00")
    assert talk.kept.head == talk.rows[0].id


def test_names_with_spaces_may_stand_in_quotes() -> None:
    talk = Talk("one")
    talk.say("first", '/branch "my way"', "/switch main", "/switch 'my way'", "/switch my way")
    assert talk.kept.branch == "my way" and talk.conversation.branches()[1].name == "my way"
