"""The scores of `chatcli train eval`: a table for people, one object for programs, and the
line that shows how far the asking has come.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from chatcli.text.visible import visible
from chatcli.train.evaluation import Evaluation
from chatcli.train.evaluation.card import languages
from chatcli.train.evaluation.matching import flaws
from chatcli.train.evaluation.measures import SAMPLED
from chatcli.train.evaluation.scores import Estimate, Score
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.environment import Environment
from chatcli.ui.jsonl import record_object
from chatcli.ui.theme import Paint

__all__ = ["Asking", "scores_object", "show_scores"]

_ERASE = "\r\x1b[K"


class Asking:
    """A context with one line on stderr, rewritten in place; silent where that is no terminal."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._shows = env.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._write(_ERASE)

    def watch(self, name: str, done: int, total: int) -> None:
        """Show that `done` of the `total` questions of a measure are answered."""
        self._write(f"{_ERASE}{name}: {done:,} of {total:,}")

    def _write(self, text: str) -> None:
        if self._shows:
            self._env.stderr.write(text)
            self._env.stderr.flush()


def show_scores(env: Environment, evaluation: Evaluation) -> None:
    """A row for each score, what was measured below, and what only a person can judge."""
    width = env.columns() if env.stdout_is_terminal else None
    titles, *rows = table_lines(_columns(evaluation), width)
    env.write("\n".join([Paint(env)("heading", titles), *rows]) + "\n")
    name = visible(evaluation.model, keep_newlines=False)
    env.write(
        f"\n{name}: {evaluation.parameters:,} parameters, digest {evaluation.digest[:12]}, "
        f"seed {evaluation.seed}\n"
    )
    env.say(
        f"{SAMPLED}: they end by themselves, aren't empty, don't loop and hold no broken "
        "character; whether they are on the subject is for a person to read (--samples FILE)"
    )


def _columns(evaluation: Evaluation) -> list[Column]:
    scores = evaluation.scores
    by_language = [
        Column(
            visible(language, keep_newlines=False),
            [_cell(score.by_language.get(language), score) for score in scores],
            right=True,
            rank=1,
        )
        for language in languages(scores)
    ]
    return [
        Column("measure", [score.name for score in scores], gives=True),
        Column("all", [_cell(score.overall, score) for score in scores], right=True),
        Column(
            "95 % interval",
            [score.overall.shown_interval(score.unit) for score in scores],
            rank=2,
        ),
        *by_language,
        Column("items", [f"{score.overall.count:,}" for score in scores], right=True, rank=3),
    ]


def _cell(estimate: Estimate | None, score: Score) -> str:
    return "" if estimate is None else estimate.shown(score.unit)


def scores_object(evaluation: Evaluation) -> dict[str, Any]:
    """The document of `chatcli train eval --json`; shares are fractions of 1."""
    replies = [
        {
            "id": talk.id,
            "language": talk.language,
            **record_object(talk.turns[0]),
            "flaws": list(flaws(talk.turns[0].reply, talk.turns[0].finish)),
        }
        for talk in evaluation.replies
    ]
    return {**record_object(evaluation), "replies": replies}
