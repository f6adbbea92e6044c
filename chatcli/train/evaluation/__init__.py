"""Asking a model what the built-in one is asked: facts, small talk, recall, bits a character.

Questions lie in a folder of the caller's (facts.jsonl, smalltalk.jsonl, multiturn.jsonl,
lm_zh.txt, lm_en.txt) and in chatcli's own, which are never trained on. What the folder lacks
is left out and named. Showing the scores is left to `ui`, keeping them to `card`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from chatcli.errors import TrainingError
from chatcli.model.types import LanguageModel
from chatcli.train.evaluation.asking import Talk
from chatcli.train.evaluation.measures import (
    Watch,
    everyday,
    other_wordings,
    passages,
    recall,
    small_talk,
    sound,
    visible_facts,
)
from chatcli.train.evaluation.questions import OURS
from chatcli.train.evaluation.scores import Score

__all__ = ["Evaluation", "evaluate"]

Measure = Callable[[LanguageModel, Path, Watch], Iterator[Score]]

# In the order of the table; whether a file is the folder's or comes with chatcli.
MEASURES: tuple[tuple[str, bool, Measure], ...] = (
    ("facts.jsonl", False, visible_facts),
    ("wordings.jsonl", True, other_wordings),
    ("smalltalk.jsonl", False, small_talk),
    ("multiturn.jsonl", False, recall),
    ("lm_zh.txt", False, passages),
    ("lm_en.txt", False, passages),
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a model scored, and its sampled replies, drawn with `seed`.

    `left_out` names the files of the folder that weren't there.
    """

    model: str
    parameters: int
    digest: str
    seed: int
    scores: tuple[Score, ...]
    replies: tuple[Talk, ...]
    left_out: tuple[str, ...] = ()


def evaluate(
    model: LanguageModel, folder: Path | None = None, *, seed: int = 0, watch: Watch
) -> Evaluation:
    """Everything that `folder` and chatcli's own files ask; `watch` is told of each question.

    Raises TrainingError for a file that isn't what is asked for, and for a folder that is
    there but holds none of the files.
    """
    _check_folder(folder)
    scores: list[Score] = []
    left_out: list[str] = []
    for name, ours, measure in MEASURES:
        path = OURS / name if ours else (folder or Path()) / name
        if ours or (folder is not None and path.exists()):
            scores += measure(model, path, watch)
        else:
            left_out.append(name)
    replies = everyday(model, OURS / "everyday.jsonl", seed, watch)
    known = model.checkpoint
    return Evaluation(
        known.name,
        known.parameters,
        known.digest,
        seed,
        (*scores, sound(replies)),
        replies,
        tuple(left_out),
    )


def _check_folder(folder: Path | None) -> None:
    names = [name for name, ours, _ in MEASURES if not ours]
    if folder is None or not folder.exists():
        return
    if not any((folder / name).is_file() for name in names):
        raise TrainingError(f"{folder} has none of {', '.join(names)}; name a folder of questions")
