"""The line, key by key: each through the pipe of a real prompt-toolkit session."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from chatcli.errors import StoreError
from chatcli.folders import data_folder
from chatcli.ui.line.blocks import Quoted
from chatcli.ui.line.session import Completion
from tests.ui.line.keyboard import Help, Keyboard, ready, shows

ALT_ENTER = "\x1b\r"
UP, RIGHT, LEFT, HOME = "\x1b[A", "\x1b[C", "\x1b[D", "\x1b[H"
CTRL_A, CTRL_C, CTRL_D, CTRL_G, CTRL_J = "\x01", "\x03", "\x04", "\x07", "\n"
CTRL_L, CTRL_R, CTRL_UNDERSCORE = "\x0c", "\x12", "\x1f"
FAMILY = "👨\u200d👩\u200d👧"
COMMANDS = Help(
    words={
        "/undo": "take the last turn back",
        "/set": "change a setting",
        "/sets": "another",
        "temperature": "how bold",
    }
)


def typed(*steps: str) -> list[str]:
    return Keyboard().type(*steps)


def pasted(text: str) -> str:
    return f"\x1b[200~{text}\x1b[201~"


def test_enter_sends_and_blank_lines_come_too() -> None:
    assert typed("Hello 你好\r", "\r", "  x \r") == ["Hello 你好", "", "  x "]


@pytest.mark.parametrize("key", [ALT_ENTER, CTRL_J])
def test_a_key_for_a_newline_goes_on_in_the_same_message(key: str) -> None:
    keyboard = Keyboard()
    assert keyboard.type(f"一{key}two", shows("> 一\n… two"), "\r") == ["一\ntwo"]


def test_a_paste_keeps_its_lines_and_is_not_sent() -> None:
    lines = Keyboard().type(pasted("a\r\nb\rc\n"), shows("> a\n… b\n… c"), "d\r")
    assert lines == ["a\nb\nc\nd"]


def test_what_is_pasted_is_text_not_keys() -> None:
    assert typed(pasted("a\x03\x04\tb\x1b[A"), "\r") == ["a\x03\x04\tb\x1b[A"]


def test_triple_quotes_hold_lines_until_they_are_closed() -> None:
    keyboard = Keyboard()
    lines = keyboard.type('"""\r', shows("\n…"), '/exit\r诗"""\r', '"""one"""\r', '""""""\r')
    assert lines == ["/exit\n诗", "one", ""]
    assert all(type(line) is Quoted for line in lines)


def test_a_slash_without_quotes_is_no_quoted_message() -> None:
    (line,) = typed("/exit\r")
    assert type(line) is str


def test_emacs_keys_edit() -> None:
    assert typed("bc\x01a\x05d\r", "one two\x17x\r") == ["abcd", "one x"]


def test_vi_keys_edit() -> None:
    keyboard = Keyboard(editing_mode="vi")
    assert keyboard.type("bc", "\x1b0", "ia\r", f"x{ALT_ENTER}y\r") == ["abc", "x\ny"]


def test_in_vi_enter_sends_from_either_mode_and_ctrl_d_leaves_from_either() -> None:
    keyboard = Keyboard(editing_mode="vi")
    assert keyboard.type("abc\x1bx", shows("ab"), "\r", "\x1b", CTRL_D) == ["ab"]
    assert keyboard.notes == ["resume with --continue"]


def test_the_first_words_are_put_into_the_line_once() -> None:
    help = Help(first="a refused 消息")
    assert Keyboard(help).type("!\r", "x\r") == ["a refused 消息!", "x"]
    assert help.first == ""


def test_ctrl_c_clears_the_line_and_undo_brings_it_back() -> None:
    assert typed(f"lost{CTRL_C}kept\r", f"back{CTRL_C}{CTRL_UNDERSCORE}\r") == ["kept", "back"]


def test_ctrl_c_on_an_empty_line_warns_and_the_second_in_a_row_leaves() -> None:
    keyboard = Keyboard()
    lines = keyboard.type(
        *(CTRL_C, shows("Ctrl-C once more leaves"), "x"),
        *(lambda shown: "once more" not in shown.text, f"{CTRL_C}{CTRL_C}"),
        *(shows("once more"), "y\r", CTRL_C, shows("once more"), CTRL_C),
    )
    assert lines == ["y"]
    assert keyboard.notes == ["resume with --continue"]


def test_the_warning_does_not_outlive_its_line() -> None:
    assert typed(CTRL_C + "\r", CTRL_C + "\r", "x\r") == ["", "", "x"]


def test_ctrl_d_deletes_forward_in_a_line_and_leaves_on_an_empty_one() -> None:
    keyboard = Keyboard()
    assert keyboard.type(f"你好{CTRL_A}{CTRL_D}\r", CTRL_D) == ["好"]
    assert keyboard.notes == ["resume with --continue"]


def test_leaving_says_nothing_where_there_is_nothing_to_resume() -> None:
    keyboard = Keyboard(Help(word=""))
    assert keyboard.type(CTRL_D) == [] == keyboard.notes


def test_ctrl_l_clears_the_screen_and_keeps_the_line() -> None:
    assert typed(f"ab{CTRL_L}c\r") == ["abc"]


def test_tab_takes_a_single_completion_at_once() -> None:
    lines = Keyboard(COMMANDS).type("/u", shows("take the last"), "\t", shows("> /undo"), "\r")
    assert lines == ["/undo"]


def test_tab_goes_through_several_and_each_is_described() -> None:
    keyboard = Keyboard(COMMANDS)
    lines = keyboard.type("/", shows("change a setting"), "\t\t", shows("> /set"), "\r")
    assert lines == ["/set"]


def test_keys_and_values_are_completed_where_they_start() -> None:
    keyboard = Keyboard(COMMANDS)
    assert keyboard.type("/set te", shows("how bold"), "\t", shows("/set temperature"), "\r") == [
        "/set temperature"
    ]


def test_completions_are_asked_only_for_a_slash() -> None:
    asked: list[str] = []

    class Listening(Help):
        def complete(self, line: str) -> Iterable[Completion]:
            asked.append(line)
            raise StoreError("locked")

    keyboard = Keyboard(Listening())
    assert keyboard.type("no /slash\t\r", pasted("/a\n/b") + "\t\r") == ["no /slash", "/a\n/b"]
    assert asked == []
    assert keyboard.type("/s", lambda shown: bool(asked), "\r") == ["/s"]


def test_what_breaks_in_the_chat_s_own_answers_is_raised() -> None:
    class Broken(Help):
        def complete(self, line: str) -> Iterable[Completion]:
            raise ZeroDivisionError

    keyboard = Keyboard(Broken())

    with pytest.raises(ZeroDivisionError):
        keyboard.type("/s", lambda shown: keyboard.ended)


def test_completions_and_descriptions_are_inert() -> None:
    keyboard = Keyboard(Help(words={"/a\x1b[2J": "b\u202ec"}, bar="m\u202em"))
    keyboard.type("/", shows("b⟨U+202E⟩c"), shows("/a␛[2J"), shows("m⟨U+202E⟩m"))


def test_the_toolbar_stands_right_below_the_line_at_both_widths() -> None:
    for columns in (60, 120):
        keyboard = Keyboard(Help(bar=[("bold", "模型"), ("", " · 12/4,096")]), columns=columns)
        keyboard.type("hi", shows("> hi\n模型 · 12/4,096"))


def test_lines_of_former_chats_come_back_newest_first() -> None:
    typed("first\r", f"second{CTRL_J}行\r", "/set x 1\r")
    keyboard = Keyboard()
    lines = keyboard.type(
        *(ready, UP, shows("> /set x 1"), "\r", ready, UP * 2, shows("> second\n… 行"), "\r"),
        *(ready, UP * 8, shows("> first"), "\r"),
    )
    assert lines == ["/set x 1", "second\n行", "first"]


def test_ctrl_r_searches_backwards_whatever_the_case() -> None:
    typed("Tell 我 a joke\r", "another\r")
    keyboard = Keyboard()
    lines = keyboard.type(f"{CTRL_R}我", shows("Tell 我"), "\r\r", ready, f"{CTRL_R}tell", "\r\r")
    assert lines == ["Tell 我 a joke", "Tell 我 a joke"]


def test_the_right_arrow_takes_what_the_history_suggests() -> None:
    typed("what is 水?\r", f"what{CTRL_J}else\r", "other\r")
    keyboard = Keyboard()
    assert keyboard.type(
        "wha", shows("> what"), f"{RIGHT}\r", "what ", shows("水"), f"{RIGHT}\r"
    ) == [
        "what",
        "what is 水?",
    ]


def test_what_the_history_shows_is_inert() -> None:
    path = data_folder() / "history"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps("evil\x1b]0;t\x07\u202e\x9b2J") + "\n")
    keyboard = Keyboard(columns=120)
    keyboard.type("ev", shows("> evil␛]0;t␇⟨U+202E⟩⟨U+009B⟩2J"), f"\x03{UP}", shows("> evil␛]0"))
    assert not any(set("\x1b\x07\u202e\x9b") & set(shown.text) for shown in keyboard.seen)


def test_bytes_that_are_not_utf_8_become_replacement_characters() -> None:
    (line,) = Keyboard().type(b"a\xffb\r")
    assert line == "a\ufffdb"


@pytest.mark.parametrize(
    ("text", "cells"),
    [("你好", 4), ("a你", 3), ("e\u0301x", 2), ("🙂", 2), (FAMILY, 6), ("한글", 4)],
)
def test_the_cursor_stands_behind_what_is_typed(text: str, cells: int) -> None:
    keyboard = Keyboard()
    keyboard.type(text, lambda shown: shown.cursor == (0, 2 + cells))


def test_wide_characters_wrap_whole_and_rows_line_up_at_20_columns() -> None:
    keyboard = Keyboard(Help(bar="短"), columns=20)
    keyboard.type("字" * 12, shows("> " + "字" * 9 + "\n  字字字\n短"), "\x01", shows("字"))
    odd = Keyboard(columns=20)
    odd.type("a" + "字" * 9, lambda shown: shown.cursor == (1, 4), shows("\n  字"))


def test_tabs_take_room_and_the_cursor_knows_it() -> None:
    keyboard = Keyboard()
    keyboard.type(
        pasted("a\tb\t字"), lambda shown: shown.cursor == (0, 2 + 10), shows("a   b   字")
    )
    keyboard.type(pasted("a\tb") + LEFT, lambda shown: shown.cursor == (0, 2 + 4))


def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    script = tmp_path / "an editor.py"
    script.write_text(f"import pathlib, sys\np = pathlib.Path(sys.argv[-1])\n{code}\n", "utf-8")
    monkeypatch.setenv("EDITOR", f"'{sys.executable}' '{script}'")


def test_ctrl_g_edits_the_line_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editor(tmp_path, monkeypatch, "p.write_text(p.read_text('utf-8') + '，世界\\nb\\n', 'utf-8')")
    keyboard = Keyboard()
    lines = keyboard.type(f"你好{CTRL_G}", shows("> 你好，世界\n… b"), "!\r")
    assert lines == ["你好，世界\nb!"]
    assert keyboard.notes == ["resume with --continue"]


def test_an_editor_that_fails_leaves_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor(tmp_path, monkeypatch, "p.write_text('half'); sys.exit(3)")
    keyboard = Keyboard()
    lines = keyboard.type(f"你好{CTRL_G}", lambda shown: bool(keyboard.notes), "\r")
    assert lines == ["你好"]
    assert "failed with status 3" in keyboard.notes[0]


def test_the_end_of_the_keys_ends_the_lines_without_a_word() -> None:
    code = (
        "import io\nfrom chatcli.ui.environment import Environment\n"
        "from prompt_toolkit.application import create_app_session\n"
        "from prompt_toolkit.input import create_pipe_input\n"
        "from prompt_toolkit.output import DummyOutput\n"
        "from chatcli.ui.line.session import LineOptions, typed_lines\n"
        "from tests.ui.line.keyboard import Help\n"
        "env = Environment(io.StringIO(), io.StringIO(), io.StringIO())\n"
        "with create_pipe_input() as keys, create_app_session(keys, DummyOutput()):\n"
        "    keys.send_text('a\\rb')\n    keys.close()\n"
        "    print(list(typed_lines(Help(), LineOptions(), env, print)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("['a']\n", "")


def test_the_module_is_imported_without_prompt_toolkit() -> None:
    code = "import sys, chatcli.ui.line.session\nprint('prompt_toolkit' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_what_was_typed_in_a_reply_comes_before_what_was_refused() -> None:
    keyboard = Keyboard(Help(first="refused", ahead="one\n二\nhal"))
    assert keyboard.type(shows("hal"), "f\r", shows("refused"), "\r") == [
        "one",
        "二",
        "half",
        "refused",
    ]
    assert keyboard.help.ahead == keyboard.help.first == ""


def test_a_line_is_begun_where_keys_were_typed_ahead_without_their_enter() -> None:
    seen: list[bool] = []

    class Noting(Help):
        def toolbar(self, columns: int) -> str:
            seen.append(self.begun)
            return "builtin"

    keyboard = Keyboard(Noting(ahead="one\ntwo\nhal"))
    assert keyboard.type(shows("hal"), "\x15three\r", ready) == ["one", "two", "three"]
    assert True in seen and not keyboard.help.begun


def test_a_lone_escape_that_was_typed_ahead_means_nothing() -> None:
    assert Keyboard(Help(ahead="ab\x1b")).type(shows("ab"), "c\r") == ["abc"]


def test_the_toolbar_shows_the_mode_of_vi_s_keys() -> None:
    keyboard = Keyboard(editing_mode="vi")
    keys = ("\x1b", shows("navigation builtin"), "ihi\r")
    assert keyboard.type(shows("insert builtin"), *keys) == ["hi"]
    emacs = Keyboard()
    emacs.type(shows("builtin"))
    assert "insert" not in emacs.seen[-1].text


def test_a_search_that_finds_nothing_says_so() -> None:
    keyboard = Keyboard()
    keys = ("one\r", ready, "\x12oN", shows("one"), "x", shows("no line typed before has that"))
    assert keyboard.type(*keys, "\x07") == ["one"]
