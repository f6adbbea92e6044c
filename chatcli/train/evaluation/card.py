"""Scores and conversations as Markdown: the measured part of a model card, and a page to read.

The measured part stands between two marker comments, and only it is rewritten; what a model
said is escaped, so that it can neither end the part nor look like the card's own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from chatcli.errors import TrainingError
from chatcli.text.visible import visible
from chatcli.train.evaluation import Evaluation
from chatcli.train.evaluation.asking import Talk
from chatcli.train.evaluation.matching import flaws
from chatcli.train.evaluation.measures import SAMPLED, TALK_TOKENS
from chatcli.train.evaluation.scores import Score

__all__ = [
    "CARD",
    "UNMEASURED",
    "check_card",
    "languages",
    "measured_part",
    "rewrite_card",
    "samples_page",
]

CARD = "MODEL_CARD.md"
BEGIN = "<!-- measured: `chatcli train eval --card` rewrites all from here -->"
END = "<!-- measured: to here -->"
UNMEASURED = f"{BEGIN}\n\nNot measured yet: `chatcli train eval -m FOLDER --card`.\n\n{END}\n"

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&$])")


def check_card(folder: Path | None) -> Path:
    """The card of a checkpoint's folder. Raises TrainingError where none can be kept there."""
    if folder is None or not folder.is_dir():
        raise TrainingError(f"{folder or 'this model'} is no folder; --card needs a checkpoint's")
    _parts(folder / CARD)
    return folder / CARD


def rewrite_card(path: Path, part: str) -> None:
    """Replace the measured part of a card; where there is none yet, it is added at the end."""
    before, after = _parts(path)
    aside = path.with_name(path.name + ".tmp")
    try:
        aside.write_text(f"{before}{BEGIN}\n\n{part}\n{END}{after}", encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        raise TrainingError(f"{path}: {error.strerror}; the card is as it was") from error


def _parts(path: Path) -> tuple[str, str]:
    """What stands before and after the measured part."""
    try:
        card = path.read_text(encoding="utf-8") if path.exists() else f"# {path.parent.name}\n"
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path} can't be read ({error}); mend it") from error
    if (card.count(BEGIN), card.count(END)) == (0, 0):
        return card.rstrip("\n") + "\n\n", "\n"
    before, begin, rest = card.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or card.count(BEGIN) + card.count(END) != 2:
        raise TrainingError(f"{path}: its measured part needs one line {BEGIN} and one {END}")
    return before, after


def measured_part(evaluation: Evaluation, talks: Sequence[Talk], settings: str) -> str:
    """The table with intervals and the conversations, which `settings` were drawn with."""
    lines = [
        "## Figures",
        "",
        f"{_escaped(evaluation.model)}, {evaluation.parameters:,} parameters, digest "
        f"`{evaluation.digest[:12]}`; greedy but for the sampled replies (temperature 0.8, top-p "
        f"0.95, seed {evaluation.seed}).",
        "",
        *_table(evaluation.scores),
        "",
        "Intervals are Wilson's for shares and bootstrapped over passages for bits. A sampled",
        "reply is mechanically right if it ends by itself within 128 tokens, isn't empty, doesn't",
        "loop and holds no broken character; whether it is on the subject is not judged here.",
        "Visible wordings and small talk may stand in the training text; the recipe that comes",
        "with chatcli keeps the other wordings, dialogues, passages and prompts out of it.",
        "",
        "## Conversations",
        "",
        f"Unpicked and unedited, good and bad: {settings}, seed {evaluation.seed}, at most "
        f"{TALK_TOKENS} tokens a reply.",
        "",
    ]
    return "\n".join([*lines, *_transcripts(talks)])


def languages(scores: Sequence[Score]) -> list[str]:
    """The languages that scores know, in the order in which they come."""
    return list(dict.fromkeys(language for score in scores for language in score.by_language))


def _table(scores: Sequence[Score]) -> Iterator[str]:
    known = languages(scores)
    yield "| " + " | ".join(["measure", "all", "95 % interval", *known, "items"]) + " |"
    yield "|---|" + "--:|" * (3 + len(known))
    for score in scores:
        overall, unit = score.overall, score.unit
        parts = [score.by_language.get(language) for language in known]
        by_language = [part.shown(unit) if part else "" for part in parts]
        cells = [overall.shown(unit), overall.shown_interval(unit), *by_language]
        yield "| " + " | ".join([score.name, *cells, f"{overall.count}"]) + " |"


def _transcripts(talks: Sequence[Talk]) -> Iterator[str]:
    for talk in talks:
        yield f"**{_escaped(talk.id)}**"
        yield ""
        for turn in talk.turns:
            cut = " *(cut)*" if turn.finish in ("length", "context") else ""
            yield f"> user: {_quoted(turn.said)}  "
            yield f"> model: {_quoted(turn.reply)}{cut}  "
        yield ""


def samples_page(evaluation: Evaluation) -> str:
    """All sampled replies as a table, with a box for the person who reads them."""
    lines = [
        f"# Sampled replies of {_escaped(evaluation.model)}",
        "",
        f"Digest `{evaluation.digest[:12]}`; temperature 0.8, top-p 0.95, seed {evaluation.seed}; "
        "at most 128 tokens.",
        "Tick [x] a reply that stays on the subject and has nothing against it under",
        f'"{SAMPLED}" (empty: ends by itself, no broken character, not empty, no loop).',
        "",
        f"| on the subject | id | prompt | reply | {SAMPLED} |",
        "|---|---|---|---|---|",
    ]
    for talk in evaluation.replies:
        turn = talk.turns[0]
        said, reply = (_escaped(part).replace("\n", "<br>") for part in (turn.said, turn.reply))
        wrong = ", ".join(flaws(turn.reply, turn.finish))
        lines.append(f"| [ ] | {_escaped(talk.id)} | {said} | {reply} | {wrong} |")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Text that stays within its block quote, line by line."""
    return _escaped(text).replace("\n", "  \n> ")


def _escaped(text: str) -> str:
    return SPECIAL.sub(r"\\\1", visible(text.strip()))
