"""The user's editor: started without a shell, on a private file, failing in one line."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from chatcli.errors import UsageError
from chatcli.ui.line.editor import edit_text


class Editor:
    """An editor made of Python: `p` is the file, `report(x)` tells the test."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._script, self._told = folder / "my editor.py", folder / "told"
        self._monkeypatch = monkeypatch

    def does(self, code: str, variable: str = "EDITOR", arguments: str = "") -> None:
        head = (
            "import json, os, pathlib, signal, sys\np = pathlib.Path(sys.argv[-1])\n"
            f"report = lambda x: pathlib.Path({str(self._told)!r}).write_text(json.dumps(x))\n"
        )
        self._script.write_text(head + code, encoding="utf-8")
        line = f"'{sys.executable}' '{self._script}' {arguments}"
        self._monkeypatch.setenv(variable, line)

    @property
    def told(self) -> Any:
        return json.loads(self._told.read_text())


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Editor:
    for variable in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(variable, raising=False)
    return Editor(tmp_path, monkeypatch)


def test_the_text_goes_out_and_comes_back_in_utf_8(editor: Editor) -> None:
    editor.does(
        "t = p.read_bytes().decode('utf-8'); p.write_bytes((t + '，再见\\r\\n\\n').encode())"
    )
    assert edit_text("你好\n🙂") == "你好\n🙂，再见"


def test_the_file_is_private_has_its_suffix_and_is_removed(editor: Editor) -> None:
    editor.does("report([p.stat().st_mode & 0o777, p.suffix, str(p)])")
    assert edit_text("a") == "a"
    mode, suffix, path = editor.told
    assert (mode, suffix) == (0o600, ".md")
    assert not os.path.exists(path)


def test_no_shell_reads_the_command(editor: Editor) -> None:
    editor.does("report(sys.argv[1:-1])", arguments="-w '$HOME; x' >y")
    edit_text("a")
    assert editor.told == ["-w", "$HOME; x", ">y"]


def test_visual_comes_before_editor(editor: Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "/nonesuch")
    editor.does("p.write_text('visual')", "VISUAL")
    assert edit_text("a") == "visual"


@pytest.mark.parametrize("left", ["", " \\n\\n"])
def test_nothing_left_means_given_up(editor: Editor, left: str) -> None:
    editor.does(f"p.write_text('{left}')")
    assert edit_text("a") is None


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("p.write_text('x'); sys.exit(2)", "failed with status 2; nothing is changed"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "failed with status -9; nothing is changed"),
        ("p.write_bytes(b'\\xff')", "isn't UTF-8; save it as UTF-8"),
        ("p.unlink()", "No such file or directory"),
    ],
)
def test_an_editor_that_fails_is_one_line(editor: Editor, code: str, message: str) -> None:
    editor.does(code)
    with pytest.raises(UsageError) as caught:
        edit_text("a")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            "/nonesuch -w",
            "can't run the editor /nonesuch: No such file or directory; set VISUAL or",
        ),
        ("'open", 'EDITOR is "\'open": No closing quotation'),
    ],
)
def test_an_editor_that_is_not_there_is_one_line(
    editor: Editor, monkeypatch: pytest.MonkeyPatch, command: str, message: str
) -> None:
    monkeypatch.setenv("EDITOR", command)
    with pytest.raises(UsageError) as caught:
        edit_text("a")
    assert str(caught.value).startswith(message)


def test_without_any_editor_it_says_what_to_set(
    editor: Editor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="there is no editor; set VISUAL or EDITOR to one"):
        edit_text("a")
    (tmp_path / "nano").write_text(
        f"#!{sys.executable}\nopen(__import__('sys').argv[1], 'w').write('n')"
    )
    (tmp_path / "nano").chmod(0o700)
    assert edit_text("a") == "n"


def test_ctrl_c_belongs_to_the_editor(editor: Editor) -> None:
    editor.does(
        "report(signal.getsignal(signal.SIGINT) is signal.default_int_handler)\n"
        "os.kill(os.getppid(), signal.SIGINT)"
    )
    before = signal.getsignal(signal.SIGINT)
    assert edit_text("a") == "a"
    assert editor.told is True
    assert signal.getsignal(signal.SIGINT) is before
