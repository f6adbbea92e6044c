"""Lines from a dumb terminal, as a stream has them; `test_terminal` has the real one."""

from __future__ import annotations

import io

import pytest

from chatcli.ui.environment import Environment
from chatcli.ui.line.plain import Plain
from chatcli.ui.line.session import Leave
from tests.ui.line.keyboard import Help


def plain(typed: str, help: Help | None = None) -> tuple[Plain, io.StringIO, list[str]]:
    out, notes = io.StringIO(), list[str]()
    return (
        Plain(help or Help(), Environment(io.StringIO(typed), out, io.StringIO()), notes.append),
        out,
        notes,
    )


def test_blocks_go_on_under_their_own_prompt_until_the_end_leaves() -> None:
    reader, out, _ = plain('你好\r\n"""a\nb"""\n')
    assert [reader.read(), reader.read()] == ["你好", '"""a\nb"""']
    with pytest.raises(Leave):
        reader.read()
    assert out.getvalue() == "> > … > \n"


def test_what_the_line_would_begin_with_is_sent_by_enter_alone() -> None:
    help = Help(first="refused 消息")
    reader, _, notes = plain("\nother\n\n", help)
    assert reader.read() == "refused 消息"
    help.first = "refused"
    assert reader.read() == "other"
    assert reader.read() == ""
    assert notes == ["Enter alone sends: refused 消息", "Enter alone sends: refused"]
