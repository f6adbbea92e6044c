"""The heat map and its table, on screens of several widths, with and without colour."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence

import pytest
from rich.cells import cell_len

from chatcli.probe.perplexity import Reading, perplexity, whole_perplexity
from chatcli.probe.score import TextScore, TokenScore, Window
from chatcli.ui.environment import ColorSystem, Environment
from chatcli.ui.heat_map import ScoreView, show_score
from chatcli.ui.score_json import score_objects
from chatcli.ui.theme import LEVELS, prob_style, underlined_below
from tests.fakes import BOS, ByteTokenizer
from tests.ui.replies import PieceTokenizer

UNDERLINE = re.compile(r"\x1b\[4m(.*?)\x1b\[0m")


def view(
    pieces: Sequence[str | bytes], probs: Sequence[float | None], parts: Sequence[str] = ()
) -> ScoreView:
    """A text of such tokens, each as probable as it says."""
    tokenizer = PieceTokenizer(pieces)
    tokens = tuple(
        TokenScore(at, at, at, None if p is None else math.log(p) if p else -math.inf, at + 1, 1.5)
        if p is not None
        else TokenScore(at, at, 0)
        for at, p in enumerate(probs)
    )
    given = Reading(tuple(range(len(pieces))), tuple(parts or ["text"] * len(pieces)), ("x",))
    found = TextScore(tokens, (Window(0, len(pieces), 1),), 2048, 1024)
    whole = whole_perplexity(found) if given.templated else None
    return ScoreView(given, found, perplexity(given, found, tokenizer), whole, tokenizer)


def shown(
    given: ScoreView,
    columns: int | None = 80,
    *,
    color_system: ColorSystem | None = None,
    table: bool = False,
) -> list[str]:
    out = io.StringIO()
    env = Environment(
        io.StringIO(),
        out,
        io.StringIO(),
        stdout_is_terminal=columns is not None,
        size=lambda: (columns or 80, 24),
        color_system=color_system,
        cursor=columns is not None,
    )
    show_score(env, given, table=table)
    return out.getvalue().splitlines()


def test_without_colour_the_improbable_is_underlined() -> None:
    lines = shown(view(["世界", "上", "最高", " of"], [0.9, 0.14, 0.5, 0.01]))
    assert UNDERLINE.findall(lines[0]) == ["上", " of"]
    assert UNDERLINE.sub(r"\1", lines[0]) == "世界上最高 of"
    assert "underlined: less than 15 % probable" in lines
    assert prob_style(underlined_below()) not in ("prob.unlikely", "prob.surprise")


def test_with_colour_each_level_has_its_own_and_the_legend_shows_them() -> None:
    probs = [0.9, 0.5, 0.2, 0.07, 0.01]
    lines = shown(view(list("abcde"), probs), color_system="256")
    colours = re.findall(r"\x1b\[(38;5;\d+)m(.)\x1b\[0m", lines[0])
    assert [text for _, text in colours] == list("abcde")
    assert len({colour for colour, _ in colours}) == len(LEVELS)
    assert [colour for colour, _ in colours] == re.findall(r"\x1b\[(38;5;\d+)m■", lines[2])


def test_fragments_stand_as_their_character_by_the_product() -> None:
    raw = "峰".encode()
    lines = shown(view(["a", raw[:1], raw[1:2], raw[2:] + b"b", "c"], [0.9, 0.5, 0.5, 0.5, 0.9]))
    assert UNDERLINE.findall(lines[0]) == ["峰b"]  # 0.125, though each token has 0.5
    assert UNDERLINE.sub(r"\1", lines[0]) == "a峰bc"


def test_bytes_that_never_become_a_character_are_spelt() -> None:
    lines = shown(view([b"\xe5\xb3", "x", b"\xff", b"\xe5"], [0.9] * 4))
    assert lines[0] == "⟨E5 B3⟩x⟨FF⟩⟨E5⟩"


def test_newlines_stay_and_lone_white_space_is_seen() -> None:
    lines = shown(view(["a", "\n", "  ", "b\n"], [0.9] * 4))
    assert lines[:2] == ["a↵", "␣␣b↵"]


def test_nothing_in_a_text_acts_on_the_terminal() -> None:
    for lines in (
        shown(view(["\x1b[2J\u202e"], [0.9])),
        shown(view(["\x1b[2J\u202e"], [0.9]), None),
    ):
        text = "".join(lines)
        assert "\x1b" not in text and "\u202e" not in text and "␛[2J⟨U+202E⟩" in text


def test_what_the_template_wrote_is_marked_without_colour() -> None:
    parts = ["template", "template", "message", "template"]
    lines = shown(view(["<s>", "user\n", "Hi", "<e>"], [None, 0.9, 0.9, 0.9], parts))
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert plain[:2] == ["«<s>user↵", "»Hi«<e>»"]
    assert "« » the template's" in plain
    assert "dim: nothing before it, so no probability" in plain
    assert any(line.startswith("with the template 3 counted") for line in plain)


def test_a_pipe_and_the_flag_get_a_row_a_token() -> None:
    given = view(["山", b"\xe5\xb3", "x"], [None, 0.25, 0.0])
    rows = [
        "#  token    id  probability  rank  surprisal    entropy",
        "1  山        0            –     –          –          –",
        "2  ⟨E5 B3⟩   1       25.0 %     2  2.00 bits  1.50 bits",
        "3  x         2        0.0 %     3     ∞ bits  1.50 bits",
    ]
    assert shown(given, None)[:4] == rows
    flagged = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in shown(given, table=True)]
    assert flagged[:4] == rows
    assert shown(given, None)[5].startswith("2 of 3 tokens counted · perplexity ∞")


@pytest.mark.parametrize("columns", [60, 120])
@pytest.mark.parametrize("table", [False, True])
def test_no_line_but_the_text_is_wider_than_the_terminal(columns: int, table: bool) -> None:
    given = view(["世界上最高的山是哪一座呢"] * 30, [0.01] * 30, ["text"] * 29 + ["template"])
    lines = shown(given, columns, table=table)
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert max(map(cell_len, plain[0 if table else 1 :])) <= columns
    assert any("most surprising" in line for line in plain)


def test_json_has_null_for_what_is_not_finite_and_the_exact_bytes() -> None:
    given = view([b"\xe5", "x"], [None, 0.0])
    first, second, summary = score_objects(given, "m", {"line": 3})
    assert (first["text"], first["bytes"], first["prob"]) == ("\ufffd", "e5", None)
    assert second["prob"] == 0.0 and second["surprisal_bits"] == math.inf
    assert summary["line"] == 3 and summary["model"] == "m"


def test_a_control_token_ends_a_character_that_is_open() -> None:
    ids = (0xE5, BOS, 65)
    tokens = tuple(TokenScore(at, token, at, -0.1, 1, 0.0) for at, token in enumerate(ids))
    given = Reading(ids, ("text", "template", "text"), ("x",))
    found = TextScore(tokens, (), 2048, 1024)
    own = perplexity(given, found, ByteTokenizer())
    lines = shown(ScoreView(given, found, own, None, ByteTokenizer()))
    assert re.sub(r"\x1b\[[0-9;]*m", "", lines[0]) == "⟨E5⟩«<bos>»A"
