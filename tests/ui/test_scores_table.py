"""The table of scores, on a wide screen, a narrow one and a pipe; its JSON; its progress."""

from __future__ import annotations

import io
import json

from rich.cells import cell_len

from chatcli.train.evaluation import Evaluation
from chatcli.train.evaluation.asking import Talk, Turn
from chatcli.train.evaluation.scores import Passage, Result, bits, share
from chatcli.ui.environment import Environment
from chatcli.ui.jsonl import json_line
from chatcli.ui.scores_table import Asking, scores_object, show_scores

EVALUATION = Evaluation(
    model="toy\x1b[2J",
    parameters=12345,
    digest="ab" * 32,
    seed=7,
    scores=(
        share("multi-turn recall", [Result("zh", True), Result("en", False)]),
        bits("bits per character, lm_zh", [Passage(30.0, 10)]),
    ),
    replies=(Talk("e", "en", (Turn("Hi", "Hi\ufffd", "length"),)),),
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(columns: int | None = None) -> tuple[list[str], str]:
    out, err = io.StringIO(), io.StringIO()
    terminal = columns is not None
    size = (columns or 80, 24)
    env = Environment(io.StringIO(), out, err, stdout_is_terminal=terminal, size=lambda: size)
    show_scores(env, EVALUATION)
    return out.getvalue().splitlines(), err.getvalue()


def test_a_pipe_gets_every_column() -> None:
    lines, remark = shown()
    assert lines == [
        "measure                      all  95 % interval      zh    en  items",
        "multi-turn recall          50.0%  9.5% to 90.5%  100.0%  0.0%      2",
        "bits per character, lm_zh  3.000                                   1",
        "",
        "toy␛[2J: 12,345 parameters, digest abababababab, seed 7",
    ]
    assert remark.startswith("sampled replies, mechanical: ")
    assert "for a person to read" in remark


def test_a_narrow_screen_keeps_the_measure_and_its_value() -> None:
    for columns in (72, 60, 44, 32, 24):
        table = shown(columns)[0][:3]
        assert max(map(cell_len, table)) <= columns
        assert "50.0%" in table[1] and "3.000" in table[2]
    assert shown(48)[0][0].split() == ["measure", "all", "zh", "en"]
    assert shown(24)[0][1:3] == ["multi-turn recall  50.0%", "bits per charact…  3.000"]


def test_json_holds_every_estimate_and_reply() -> None:
    read = json.loads(json_line(scores_object(EVALUATION)))
    first, second = read["scores"]
    assert first["overall"]["value"] == 0.5
    assert first["by_language"]["zh"]["count"] == 1
    assert second["overall"]["low"] is None
    assert read["replies"] == [
        {
            "id": "e",
            "language": "en",
            "said": "Hi",
            "reply": "Hi\ufffd",
            "finish": "length",
            "flaws": ["unfinished", "broken"],
        }
    ]
    assert (read["model"], read["digest"], read["seed"]) == ("toy\x1b[2J", "ab" * 32, 7)


def test_progress_is_one_line_that_is_gone_in_the_end() -> None:
    err = Terminal()
    with Asking(Environment(io.StringIO(), io.StringIO(), err)) as asking:
        asking.watch("small talk", 3, 80)
    assert err.getvalue() == "\r\x1b[Ksmall talk: 3 of 80\r\x1b[K"


def test_progress_is_silent_where_there_is_no_terminal() -> None:
    err = io.StringIO()
    with Asking(Environment(io.StringIO(), io.StringIO(), err)) as asking:
        asking.watch("small talk", 3, 80)
    assert err.getvalue() == ""
