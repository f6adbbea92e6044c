"""`chatcli chat --continue` and `--session`: a conversation that goes on where it was left."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from chatcli.chat.store import Store
from chatcli.chat.tree import Tree
from chatcli.chat.types import Session, Turn
from chatcli.folders import data_folder
from tests.cli.world import Outcome, run
from tests.fakes import ScriptedModel, tiny_checkpoint


def chat(model: Path, script: str, *arguments: str) -> Outcome:
    return run("chat", "-m", model, "-n", "5", *arguments, stdin=script)


def go_on(script: str, *arguments: str) -> Outcome:
    return run("chat", *(arguments or ("-c",)), stdin=script)


def kept(reference: str | None = None) -> tuple[Session, tuple[Turn, ...]]:
    """A session and its turns as they lie in the store: the newest one's by default."""
    with Store.open(create=False) as store:
        session = store.latest() if reference is None else store.session(reference)
        assert session is not None
        return session, store.turns(session.id)


def ids() -> list[int]:
    session, turns = kept()
    assert session.head is not None
    return Tree(turns).ids(session.head)


@pytest.mark.parametrize("seed", range(3))
def test_a_conversation_goes_on_with_the_same_ids_as_if_it_had_never_stopped(
    tiny: Path, seed: int
) -> None:
    arguments = ("--seed", str(seed), "-t", "1.3")
    assert chat(tiny, "你好\nagain\n/retry\nmore\n", *arguments).status == 0
    unbroken, outcome = ids(), chat(tiny, "你好\n", *arguments)
    for line in ("again", "/retry", "more"):
        outcome = go_on(f"{line}\n")
        assert outcome.status == 0 and "promised" not in outcome.err
    assert ids() == unbroken


def test_its_own_settings_and_checkpoint_hold_and_what_is_typed_beats_them(tiny: Path) -> None:
    chat(tiny, "/set top_k 9\nHi\n", "--system", "kind", "--seed", "4")
    go_on("again\n", "-c", "--seed", "5", "-n", "2")
    session, turns = kept()
    assert session.model == str(tiny)
    sampling = [turn.runs[-1].sampling for turn in turns]
    assert [each.seed for each in sampling] == [4, 5]
    assert {each.top_k for each in sampling} == {9}
    assert session.settings.max_tokens == 2
    assert turns[0].preamble == turns[1].preamble


def test_a_session_is_called_by_id_beginning_or_name(tiny: Path) -> None:
    chat(tiny, "first\n", "--name", "我的")
    id = kept()[0].id
    chat(tiny, "other\n")
    for reference in (id, id[:5], "我的"):
        assert go_on("more\n", "--session", reference).status == 0
    assert len(kept(id)[1]) == 4


def test_the_last_one_is_the_one_talked_in_last(tiny: Path) -> None:
    chat(tiny, "first\n", "--name", "a")
    chat(tiny, "second\n", "--name", "b")
    go_on("third\n", "--session", "a")
    go_on("fourth\n")
    assert [turn.user for turn in kept("a")[1]] == ["first", "third", "fourth"]


def test_a_checkpoint_that_is_gone_is_named_with_the_remedy(tmp_path: Path, tiny: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "gone", seed=1)
    chat(folder, "你好\n")
    shutil.rmtree(folder)
    outcome = go_on("again\n")
    assert outcome.status == 1
    assert "gone" in outcome.only_error and "-m NAME goes on" in outcome.only_error
    outcome = go_on("again\n", "-c", "-m", str(tiny))
    assert outcome.status == 0 and "going on from their text" in outcome.err
    assert len(kept()[1]) == 2 and kept()[0].model == str(tiny)


def test_a_relative_folder_is_found_again_from_elsewhere(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny.parent)
    chat(Path(tiny.name), "Hi\n")
    monkeypatch.chdir(tmp_path)
    assert go_on("again\n").status == 0


def test_a_message_that_got_no_reply_is_asked_again(tiny: Path) -> None:
    chat(tiny, "first\n", "--seed", "1")
    session, turns = kept()
    waiting = Turn(id=99, parent=turns[-1].id, user="second", created=turns[-1].created + 1)
    with Store.open() as store:
        store.put(session, [waiting])
    assert go_on("/retry\n").status == 0
    assert [(turn.user, turn.answered) for turn in kept()[1]][-1] == ("second", True)


@pytest.mark.parametrize("arguments", [("--no-keep",), ("--no-keep", "-c")])
def test_nothing_is_written_where_that_was_asked_for(
    tiny: Path, arguments: tuple[str, ...]
) -> None:
    chat(tiny, "first\n")
    before = kept()
    assert run("chat", "-m", tiny, "-n", "3", *arguments, stdin="second\n").status == 0
    assert kept() == before


def test_a_chat_without_a_store_makes_none(tiny: Path) -> None:
    chat(tiny, "first\n", "--no-keep")
    assert not (data_folder() / "conversations.db").exists()


def test_a_store_that_cannot_be_opened_is_said_once_and_the_chat_goes_on(tiny: Path) -> None:
    data_folder().mkdir(parents=True)
    (data_folder() / "conversations.db").write_bytes(b"no database at all, " * 200)
    outcome = chat(tiny, "first\nsecond\n")
    assert outcome.status == 0 and len(outcome.out.splitlines()) >= 2
    assert outcome.err.count("isn't kept") == 1
    assert go_on("more\n").status == 1


def test_another_precision_is_said_not_to_promise_the_same(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat(tiny, "first\n")
    assert "aren't promised" in go_on("again\n", "-c", "--dtype", "bfloat16").err


def test_an_empty_chat_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatcli.model.load.load", lambda *_, **__: ScriptedModel("fine"))
    assert run("chat", "--name", "x", stdin="/set top_k 3\n").status == 0
    with Store.open() as store:
        assert store.sessions() == ()


@pytest.mark.parametrize("name", ["mine", " ", "a\nb"])
def test_a_name_that_is_taken_or_none_is_refused_before_anything_is_loaded(
    tiny: Path, name: str
) -> None:
    assert chat(tiny, "Hi\n", "--name", "Mine").status == 0
    outcome = run("chat", "-m", "/no/such/model", "--name", name, stdin="Hi\n")
    assert outcome.status == 2 and repr(name if name != "mine" else "Mine") in outcome.only_error
    assert chat(tiny, "again\n", "-c", "--name", "MINE").status == 0, "its own name is free"
    assert kept()[0].name == "MINE" and len(kept()[1]) == 2


def test_a_name_for_what_is_not_kept_is_refused(tiny: Path) -> None:
    outcome = chat(tiny, "Hi\n", "--no-keep", "--name", "x")
    assert outcome.status == 2 and "--no-keep" in outcome.only_error
