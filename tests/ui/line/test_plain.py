"""Lines from a dumb terminal, as a stream has them; `test_terminal` has the real one."""

from __future__ import annotations

import io

import pytest

from chatcli.ui.environment import Environment
from chatcli.ui.line.plain import Plain
from chatcli.ui.line.session import Leave


def plain(typed: str) -> tuple[Plain, io.StringIO, list[str]]:
    out, notes = io.StringIO(), list[str]()
    return Plain(Environment(io.StringIO(typed), out, io.StringIO()), notes.append), out, notes


def test_blocks_go_on_under_their_own_prompt_until_the_end_leaves() -> None:
    reader, out, _ = plain('你好\r\n"""a\nb"""\n')
    assert [reader.read(), reader.read()] == ["你好", '"""a\nb"""']
    with pytest.raises(Leave):
        reader.read()
    assert out.getvalue() == "> > … > \n"


def test_what_the_line_would_begin_with_is_sent_by_enter_alone() -> None:
    reader, _, notes = plain("\nother\n\n")
    assert reader.read("refused 消息") == "refused 消息"
    assert reader.read("refused") == "other"
    assert reader.read() == ""
    assert notes == ["Enter alone sends: refused 消息", "Enter alone sends: refused"]
