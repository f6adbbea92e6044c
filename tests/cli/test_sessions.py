"""`chatcli sessions` through the real command, on conversations written down."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from chatcli.chat.store import Store, store_path
from chatcli.chat.types import Session, Turn
from chatcli.cli import main
from chatcli.cli.chat_flags import complete_sessions
from tests.chat.kept import BEGUN, kept_session, kept_turns
from tests.cli.world import Outcome, run
from tests.ui.screen import Screen, screen_environment

HIGH, CODE = "aaaa1111", "aabb2222"
CONTROLS = "\x1b]0;title\x07\x1b[2J\u202eevil\x9b31m"


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open() as opened:
        yield opened


@pytest.fixture
def kept(store: Store) -> Store:
    """Two conversations, the Chinese one used last."""
    code = kept_turns(("How do I sort?", "Use sorted(list)."), ("Thanks", ""))
    high = kept_turns(
        ("世界上最高的山是什么？", "珠穆朗玛峰，高8848米。"), ("谢谢", "不客气！"), system="简短"
    )
    keep(store, replace(kept_session(code, id=CODE), branches={"main": 1}), code)
    keep(store, replace(kept_session(high, "登山", id=HIGH), updated=BEGUN + 60), high)
    return store


def keep(store: Store, session: Session, turns: list[Turn]) -> None:
    store.put(session, turns)


def on_a_terminal(*arguments: str, columns: int = 80, answer: str = "") -> tuple[Screen, str, int]:
    """The screen, what went to stderr, and the exit status."""
    screen, err = Screen(columns), io.StringIO()
    env = replace(
        screen_environment(screen, stderr=err), stdin=io.StringIO(answer), stdin_is_terminal=True
    )
    status = main(["sessions", *arguments], env)
    return screen, err.getvalue(), status


def messages(*texts: str) -> str:
    rows = [
        {"role": ("user", "assistant")[index % 2], "content": text}
        for index, text in enumerate(texts)
    ]
    return json.dumps({"messages": rows}, ensure_ascii=False) + "\n"


def ids(outcome: Outcome) -> list[str]:
    assert outcome.status == 0, outcome.err
    return outcome.out.split()


def test_the_list_has_the_one_used_last_first(kept: Store) -> None:
    outcome = run("sessions")
    titles, first, second = outcome.out.splitlines()
    assert titles.split() == ["id", "conversation", "turns", "last", "used", "model"]
    assert first.split()[:3] == [HIGH, "登山", "2"]
    assert second.startswith(f"{CODE}  How do I sort?")
    assert [row.split()[0] for row in run("sessions", "-n", "1").out.splitlines()] == ["id", HIGH]
    assert [each["id"] for each in run("sessions", "--json").objects] == [HIGH, CODE]


def test_nothing_kept_is_no_error_and_makes_no_file() -> None:
    for arguments, status in (([], 0), (["search", "山"], 1), (["--json"], 0)):
        outcome = run("sessions", *arguments)
        assert (outcome.status, outcome.out) == (status, "")
    assert "no conversations are kept yet; `chatcli chat` begins one" in run("sessions").err
    for arguments in (["show", "x"], ["rename", "x", "y"], ["delete", "x", "--yes"]):
        outcome = run("sessions", *arguments)
        assert outcome.status == 1 and "nothing is kept yet" in outcome.only_error
    assert not store_path().exists()


@pytest.mark.parametrize("columns", [40, 60, 120])
def test_the_list_fits_the_screen_with_chinese_titles(store: Store, columns: int) -> None:
    turns = kept_turns(
        ("请你详细地告诉我世界上最高的山到底有多高，它在哪里，又是怎样形成的？", "好")
    )
    keep(store, replace(kept_session(turns), model="/models/有一个长名字的模型"), turns)
    screen, _, _ = on_a_terminal(columns=columns)
    titles, row = screen.lines()
    assert cell_len(row) <= columns and row.startswith(kept_session().id)
    assert row.count("请你详细地") == 1
    assert ("model" in titles, "last used" in titles) == (columns == 120, columns == 120)


def test_the_list_counts_turns_as_the_chat_does_and_says_the_others_apart(kept: Store) -> None:
    _, high, code = run("sessions").out.splitlines()
    assert " 2  " in high and "in all" not in high and " 1 (2 in all)  " in code
    _, code_json = run("sessions", "--json").objects
    assert (code_json["turns"], code_json["all_turns"]) == (1, 2)
    assert code_json["created"] == "2026-02-25T06:13:20.000Z"
    (hit,) = run("sessions", "search", "Thanks", "--json").objects
    assert hit["summary"]["updated"] == "2026-02-25T06:13:22.000Z"


def test_a_terminal_gets_a_screenful_and_a_pipe_all(store: Store) -> None:
    for n in range(33):
        keep(store, kept_session(id=f"{n:08x}"), [])
    assert len(run("sessions").out.splitlines()) == 34
    screen, err, _ = on_a_terminal()
    assert len(screen.lines()) == 31 and err == "… 3 more; -n 33 shows them\n"
    screen, err, _ = on_a_terminal("-n", "33")
    assert len(screen.lines()) == 34 and err == ""


@pytest.mark.parametrize("place", ["file", "below"])
def test_a_data_folder_that_cannot_be_is_no_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    folder = tmp_path / "file" / ("" if place == "file" else "below")
    monkeypatch.setenv("CHATCLI_DATA", str(folder))
    for arguments in ([], ["search", "x"], ["--json"]):
        outcome = run("sessions", *arguments)
        assert outcome.status == 1 and "can't keep conversations in" in outcome.only_error


def test_show_lists_the_branches_and_takes_an_end_without_a_name(store: Store) -> None:
    turns = kept_turns(("a", "one"), ("b", "two"))
    other = replace(turns[1], id=0x1D6F7 << 36, user="c", reply="three")
    keep(store, kept_session(turns[:1], id=CODE), turns[:1])
    session = replace(kept_session(turns, id=HIGH), updated=BEGUN + 60)
    session = replace(session, branches={"main": 2, "支线": 1})
    keep(store, session, [*turns, other])
    outcome = run("sessions", "show", "--branch", "@1d")
    assert outcome.out == "1 > a\none\n\n2 > c\nthree\n"
    assert outcome.err.splitlines()[1] == "branches, with their turns: main 2 · 支线 1 · @1d6f7 2"
    assert "branches" not in run("sessions", "show", CODE).err
    exported = run("sessions", "export", HIGH, "-", "--format", "md", "--branch", "@1d6f7").out
    assert "three" in exported and "two" not in exported


def test_show_prints_the_branch_in_hand_and_others_by_name(store: Store) -> None:
    turns = kept_turns(("a", "one"), ("b", "two"))
    other = replace(turns[1], id=9, user="c", reply="three")
    session = replace(kept_session(turns, id=HIGH), branches={"main": 2, "支线": 9})
    keep(store, session, [*turns, other])
    assert run("sessions", "show", HIGH).out == "1 > a\none\n\n2 > b\ntwo\n"
    assert run("sessions", "show", HIGH, "--branch", "支线").out == "1 > a\none\n\n2 > c\nthree\n"
    wrong = run("sessions", "show", HIGH, "--branch", "x")
    assert "there is no branch 'x'; there are main, 支线" in wrong.only_error


def test_show_marks_what_the_model_no_longer_sees_and_what_waits(store: Store) -> None:
    turns = kept_turns(("a", "one"), ("b", "two"), ("c", ""))
    turns[1] = replace(turns[1], forgotten=1)
    keep(store, replace(kept_session(turns, id=HIGH), branches={"main": 2}), turns)
    lines = run("sessions", "show", HIGH).out.splitlines()
    assert "— the model no longer sees turn 1 —" in lines
    assert lines[-2:] == ["3 > c", "— no reply —"]


def test_a_conversation_is_found_by_id_by_its_beginning_and_by_name(kept: Store) -> None:
    shown = run("sessions", "show", HIGH).out
    assert run("sessions", "show", "aaaa").out == run("sessions", "show", "登山").out == shown
    assert "any of 2 conversations" in run("sessions", "show", "aa").only_error
    outcome = run("sessions", "show", "登上")
    assert outcome.status == 1 and "登上" in outcome.only_error


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("山",), ["1 user  世界上最高的«山»是什么？"]),
        (("最高", "朗玛"), ["1 user  世界上«最高»的山是什么？"]),
        (("ｓｏｒｔ",), ["1 user  How do I «sort»?"]),
        (("8848",), ["1 reply  珠穆朗玛峰，高«8848»米。"]),
    ],
)
def test_search_finds_one_chinese_character_and_marks_it(
    kept: Store, words: tuple[str, ...], found: list[str]
) -> None:
    heading, *rows = run("sessions", "search", *words).out.splitlines()
    assert heading.split(" · ")[0] in (HIGH, CODE)
    assert [row.strip() for row in rows] == found


def test_search_says_when_it_finds_nothing_and_gives_json(kept: Store) -> None:
    outcome = run("sessions", "search", "海", "山")
    assert (outcome.status, outcome.out) == (1, "") and "no turn has all of: 海 山" in outcome.err
    outcome = run("sessions", "search", "海", "--json")
    assert (outcome.status, outcome.out) == (1, "") and "no turn has all of: 海" in outcome.err
    (hit,) = run("sessions", "search", "谢谢", "--json").objects
    assert (hit["summary"]["id"], hit["number"], hit["where"]) == (HIGH, 2, "user")


def test_search_keeps_the_match_on_a_narrow_screen(store: Store) -> None:
    turns = kept_turns(("很长的话" * 20 + "中心" + "还有很多" * 20, "好"))
    keep(store, kept_session(turns, "题" * 60), turns)
    screen, _, _ = on_a_terminal("search", "中心", columns=40)
    assert all(cell_len(row) < 40 for row in screen.lines())
    assert any("中心" in row for row in screen.lines()) and "1" in screen.styles
    assert "«" not in screen.text()


def test_rename_gives_a_name_and_takes_it_away(kept: Store) -> None:
    assert "aabb2222 is now named 排序" in run("sessions", "rename", "aabb", "排序").err
    assert kept.session("排序").id == CODE
    assert "is named '登山' already" in run("sessions", "rename", CODE, "登山").only_error
    assert "'a\\nb' has several" in run("sessions", "rename", CODE, "a\nb").only_error
    assert run("sessions", "rename", "排序", "").status == 0
    assert kept.session(CODE).name is None


def test_delete_asks_on_a_terminal(kept: Store) -> None:
    _, err, status = on_a_terminal("delete", HIGH, answer="n\n")
    assert status == 0 and f"{HIGH} · 登山 · 2 turns" in err and "nothing was deleted" in err
    _, err, _ = on_a_terminal("delete", HIGH)
    assert "nothing was deleted" in err and len(kept.sessions()) == 2
    _, err, status = on_a_terminal("delete", HIGH, "aabb", "登山", answer="y\n")
    assert status == 0 and "delete all 2? [y/N]" in err and kept.sessions() == ()


def test_delete_without_anyone_to_ask_needs_yes(kept: Store) -> None:
    outcome = run("sessions", "delete", HIGH)
    assert outcome.status == 2 and "--yes" in outcome.only_error
    assert run("sessions", "delete", HIGH, "nowhere", "--yes").status == 1
    assert len(kept.sessions()) == 2
    assert run("sessions", "delete", HIGH, "--yes").status == 0
    assert [each.id for each in kept.sessions()] == [CODE]


def test_an_export_comes_back_by_import(kept: Store, tmp_path: Path) -> None:
    file, again = tmp_path / "对话.jsonl", tmp_path / "again.jsonl"
    outcome = run("sessions", "export", "登山", file)
    assert outcome.status == 0 and f"wrote {file}" in outcome.err
    (new,) = ids(run("sessions", "import", file, "--again", "--name", "回来"))
    assert kept.session("回来").id == new
    assert run("sessions", "export", new, again).status == 0
    assert again.read_bytes() == file.read_bytes()
    shown = run("sessions", "show", HIGH).out
    assert run("sessions", "show", new).out == shown


def test_an_export_overwrites_nothing_unless_told(kept: Store, tmp_path: Path) -> None:
    file = tmp_path / "talk.md"
    assert run("sessions", "export", HIGH, file).status == 0
    before = file.read_bytes()
    outcome = run("sessions", "export", CODE, file)
    assert outcome.status == 2 and "exists; choose another name, or --force" in outcome.only_error
    assert file.read_bytes() == before
    assert run("sessions", "export", CODE, file, "--force").status == 0
    assert "How do I sort?" in file.read_text(encoding="utf-8")


def test_an_export_to_stdout_is_the_text_alone(kept: Store) -> None:
    outcome = run("sessions", "export", CODE, "-", "--format", "jsonl")
    assert outcome.objects[0]["messages"][1] == {
        "role": "assistant",
        "content": "Use sorted(list).",
    }
    assert outcome.err == "left out 1 turn without a reply\n"
    assert run("sessions", "export", CODE, "-", "--format", "html").out.startswith("<!doctype")
    assert "add --format" in run("sessions", "export", CODE, "-").only_error
    assert (
        "'pdf' doesn't exist" in run("sessions", "export", CODE, "a", "--format", "pdf").only_error
    )
    assert "end it in .md" in run("sessions", "export", CODE, "a.txt").only_error


def test_an_import_keeps_every_conversation_or_none(store: Store, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_text(messages("你好", "好") + messages("a", "b", "c"), encoding="utf-8")
    bad.write_text(messages("x", "y") + messages("x").replace("user", "bot"), encoding="utf-8")
    outcome = run("sessions", "import", good, bad)
    assert outcome.status == 1 and store.sessions() == ()
    assert f'{bad}, line 2: message 1 has the role "bot"; use' in outcome.only_error
    outcome = run("sessions", "import", good, "--name", "x")
    assert outcome.status == 2 and "there are 2" in outcome.only_error and store.sessions() == ()
    first, second = ids(run("sessions", "import", good))
    assert {each.id for each in store.sessions()} == {first, second}
    assert [turn.reply for turn in store.turns(second)] == ["b", ""]


def test_what_is_kept_already_is_imported_once(store: Store, tmp_path: Path) -> None:
    file, grown = tmp_path / "a.jsonl", messages("你好", "好", "a", "b") + messages("x", "y", "z")
    file.write_text(messages("你好", "好") + messages("你好", "不好"), encoding="utf-8")
    first, second = ids(run("sessions", "import", file))
    outcome = run("sessions", "import", file)
    assert outcome.status == 1 and outcome.out == "" and len(store.sessions()) == 2
    assert outcome.only_error == (
        f"2 conversations are kept already, as {first}, {second}; "
        "--again keeps what is there once more"
    )
    ids(run("sessions", "import", file, "--again"))
    assert len(store.sessions()) == 4
    outcome = run("sessions", "import", file, "-", stdin=grown)
    new = ids(outcome)
    assert len(new) == 2 and "2 conversations are kept already, as" in outcome.err
    assert [turn.reply for turn in store.turns(new[1])] == ["y", ""]
    wrong = run("sessions", "import", "-", stdin="{oops")
    assert "standard input, line 1: not JSON" in wrong.only_error
    assert run("sessions", "import", "-", "-", stdin=grown).status == 2


def test_an_import_whose_name_is_taken_keeps_nothing(kept: Store, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(messages("x", "y"), encoding="utf-8")
    assert "already" in run("sessions", "import", file, "--name", "登山").only_error
    assert len(kept.sessions()) == 2


def test_an_import_starts_from_the_settings_of_its_model(
    store: Store, tmp_path: Path, tiny: Path
) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(messages("x", "<|im_end|>\x07"), encoding="utf-8")
    outcome = run("sessions", "import", file, "-m", tiny)
    session = store.session(outcome.out.strip())
    assert session.model == str(tiny) and session.settings.sampling.temperature == 0.7
    assert "kept as text, not as control tokens: <|im_end|>" in outcome.err
    assert "kept as text: 1 control character" in outcome.err
    assert "tinny" in run("sessions", "import", file, "-m", "tinny").only_error


def test_control_characters_in_old_conversations_are_inert(store: Store, tmp_path: Path) -> None:
    turns = kept_turns((f"山{CONTROLS}", CONTROLS), system=CONTROLS)
    keep(
        store, replace(kept_session(turns, f"n{CONTROLS}", id=HIGH), model=f"/x/{CONTROLS}"), turns
    )
    for arguments in (
        [],
        ["--json"],
        ["show", HIGH],
        ["search", "山"],
        ["search", "evil", "--json"],
        *(["export", HIGH, "-", "--format", kind] for kind in ("md", "html", "jsonl")),
        ["rename", HIGH, CONTROLS],
        ["delete", HIGH, "--yes"],
    ):
        outcome = run("sessions", *arguments)
        assert outcome.status == 0, arguments
        assert not set("\x1b\x07\u202e\x9b") & set(outcome.out + outcome.err), arguments


def test_a_damaged_store_is_one_line() -> None:
    store_path().parent.mkdir(parents=True)
    store_path().write_bytes(b"nothing of the kind" * 100)
    for arguments in ([], ["search", "x"], ["show", "x"]):
        outcome = run("sessions", *arguments)
        assert outcome.status == 1 and str(store_path()) in outcome.only_error


def test_ids_and_names_are_completed(kept: Store) -> None:
    assert complete_sessions("aa") == [HIGH, CODE] and complete_sessions("登") == ["登山"]


def test_torch_is_not_imported_for_any_of_it(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(messages("山", "y"), encoding="utf-8")
    code = """if True:
        import sys
        from chatcli.cli import main
        for line in ("import a.jsonl --name 山", "", "show 山", "search 山", "rename 山 水",
                     "export 水 a.md", "export 水 a.html", "export 水 b.jsonl", "delete 水 --yes"):
            assert main(["sessions", *line.split()]) == 0, line
        assert "torch" not in sys.modules and "transformers" not in sys.modules
    """
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=tmp_path, env=os.environ, timeout=60
    )
