"""Choices weighed against each other: a row a choice, or a row a line and how many were right."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chatcli.probe.accuracy import Answer, Tally, tally
from chatcli.probe.choices import Choice, Ending, Norm, Verdict, beginnings
from chatcli.text.types import Tokenizer
from chatcli.text.visible import token_label, visible
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.environment import Environment
from chatcli.ui.figures import count
from chatcli.ui.folding import fold
from chatcli.ui.jsonl import record_object
from chatcli.ui.panel import clip, percent
from chatcli.ui.theme import Paint

__all__ = [
    "Result",
    "choice_remarks",
    "result_object",
    "show_results",
    "show_verdict",
    "summary_object",
    "verdict_object",
]

_MOST_LABELS = 8  # in a confusion table
_CELLS = 24  # of a choice in a table
_NORMS: Mapping[Norm, str] = {
    "sum": "their log-likelihood",
    "token": "their log-likelihood a token",
    "byte": "their log-likelihood a byte",
    "prior": "their log-likelihood, less that after {neutral} in the text's place",
}


@dataclass(frozen=True, slots=True)
class Result:
    """The verdict on one line; `label` is the right choice, None where the line names none."""

    line: int
    verdict: Verdict
    label: str | None
    language: str = ""

    @property
    def answer(self) -> Answer | None:
        """For the tally."""
        if self.label is None:
            return None
        return Answer(self.verdict.chosen, self.label, len(self.verdict.choices))


def show_verdict(env: Environment, verdict: Verdict, tokenizer: Tokenizer, neutral: str) -> None:
    """Each choice with its figures, the likeliest one marked."""
    columns = env.columns() if env.stdout_is_terminal else None
    paint = Paint(env)
    heading, *rows = table_lines(_choice_columns(verdict, tokenizer), columns)
    styles = ["chosen" if at == verdict.best else "" for at in range(len(rows))]
    facts = fold(
        [count(len(verdict.prompt_ids), "token") + " of prompt", _by(verdict.norm, neutral)],
        columns,
    )
    env.write("\n".join([paint("heading", heading), *map(paint, styles, rows), "", *facts]) + "\n")


def show_results(env: Environment, results: Sequence[Result], neutral: str) -> None:
    """A row a line, then accuracy and confusion, where lines name what is right."""
    columns = env.columns() if env.stdout_is_terminal else None
    paint = Paint(env)
    heading, *rows = table_lines(list(_result_columns(results)), columns)
    wrong = [result.answer is not None and not result.answer.right for result in results]
    shown = [paint("difference" if bad else "", row) for bad, row in zip(wrong, rows, strict=True)]
    lines = [paint("heading", heading), *shown, ""]
    known = tally(_answers(results))
    if known is not None:
        lines += [*fold(_accuracy(known), columns), *_by_language(results, columns)]
        lines += _confusion(known, _all_choices(results), paint, columns)
    lines += fold([count(len(results), "line"), _by(results[0].verdict.norm, neutral)], columns)
    env.write("\n".join(lines) + "\n")


def choice_remarks(asked: Sequence[Sequence[Ending]]) -> Iterator[str]:
    """What should be known of the endings of one prompt or many, a line each."""
    merged = [ending for endings in asked for ending in endings if ending.merged]
    if merged:
        yield (
            f"{merged[0].text!r} merges with the end of the prompt when both are read in one"
            f"{_often(len(merged))}; it was scored by tokens of its own, after the prompt's. "
            "End the prompt where a token ends: a space belongs to the choice"
        )
    pairs = [pair for endings in asked for pair in beginnings(endings)]
    if pairs:
        short, long = pairs[0]
        yield (
            f"the tokens of {short.text!r} begin those of {long.text!r}{_often(len(pairs))}: its "
            "likelihood is that of all that goes on from it, so it can't be the less likely one. "
            "Both were scored as they are; end both alike, with a full stop, to part them"
        )


def verdict_object(verdict: Verdict, model: str) -> dict[str, Any]:
    """The one object of a text with choices."""
    return {
        "model": model,
        "prompt_ids": list(verdict.prompt_ids),
        "norm": verdict.norm,
        "chosen": verdict.chosen,
        "choices": [_choice_object(choice) for choice in verdict.choices],
    }


def result_object(result: Result, place: Mapping[str, Any]) -> dict[str, Any]:
    """The object of a line; `place` says which line it was."""
    answer = result.answer
    return {
        **place,
        "prompt_tokens": len(result.verdict.prompt_ids),
        "chosen": result.verdict.chosen,
        "label": result.label,
        "right": None if answer is None else answer.right,
        "choices": [_choice_object(choice) for choice in result.verdict.choices],
    }


def summary_object(results: Sequence[Result], model: str, norm: Norm) -> dict[str, Any]:
    """The object after the lines."""
    return {
        "model": model,
        "norm": norm,
        "lines": len(results),
        **_tally_object(tally(_answers(results))),
        "by_language": {
            language: _tally_object(known) for language, known in _languages(results).items()
        },
    }


def _answers(results: Sequence[Result]) -> list[Answer]:
    return [answer for result in results if (answer := result.answer) is not None]


def _languages(results: Sequence[Result]) -> dict[str, Tally]:
    """A tally for each language that lines name."""
    found = {}
    for language in dict.fromkeys(result.language for result in results if result.language):
        known = tally(_answers([one for one in results if one.language == language]))
        if known is not None:
            found[language] = known
    return found


def _choice_object(choice: Choice) -> dict[str, Any]:
    shown = record_object(choice)
    return {**shown.pop("ending"), **shown}


def _tally_object(known: Tally | None) -> dict[str, Any]:
    if known is None:
        return {"labelled": 0, "accuracy": None}
    pairs = [
        {"label": label, "chosen": chosen, "count": number}
        for (label, chosen), number in known.confusion.items()
    ]
    return {
        "labelled": known.count,
        "right": known.right,
        "accuracy": known.accuracy,
        "low": known.low,
        "high": known.high,
        "chance": known.chance,
        "confusion": pairs,
    }


def _choice_columns(verdict: Verdict, tokenizer: Tokenizer) -> list[Column]:
    choices = verdict.choices
    marks = ["▶" if at == verdict.best else "" for at in range(len(choices))]
    pieces = [" ".join(token_label(tokenizer, one) for one in each.ending.ids) for each in choices]
    columns = [
        Column("", marks),
        Column("choice", [_name(each.ending.choice) for each in choices], gives=True),
        Column("share", [_share(each) for each in choices], right=True),
        Column(
            "log-likelihood, bits", [_bits(each.logprob) for each in choices], rank=1, right=True
        ),
    ]
    if verdict.norm == "prior":
        priors = ["" if each.prior is None else _bits(each.prior) for each in choices]
        columns.append(Column("prior", priors, rank=2, right=True))
    if verdict.norm != "sum":
        scores = [_bits(each.score) for each in choices]
        columns.append(Column(f"by {verdict.norm}", scores, rank=1, right=True))
    return [*columns, Column("tokens", [clip(each, _CELLS) for each in pieces], rank=3)]


def _result_columns(results: Sequence[Result]) -> Iterator[Column]:
    answers = [result.answer for result in results]
    yield Column("line", [f"{result.line:,}" for result in results], right=True)
    yield Column("chosen", [_name(result.verdict.chosen) for result in results], gives=True)
    best = [result.verdict.choices[result.verdict.best] for result in results]
    yield Column("share", [_share(each) for each in best], rank=1, right=True)
    if any(answers):
        yield Column("label", [_name(result.label or "") for result in results])
        yield Column("", ["" if one is None else "✓" if one.right else "✗" for one in answers])


def _accuracy(known: Tally) -> list[str]:
    return [
        f"accuracy {percent(known.accuracy)}",
        f"{known.right:,} of {known.count:,}",
        f"95 % interval {percent(known.low)} to {percent(known.high)}",
        f"chance {percent(known.chance)}",
    ]


def _by_language(results: Sequence[Result], columns: int | None) -> list[str]:
    found = _languages(results)
    if len(found) < 2:
        return []
    shares = [
        f"{visible(language, keep_newlines=False)} {percent(known.accuracy)} of {known.count:,}"
        for language, known in found.items()
    ]
    return fold(shares, columns)


def _all_choices(results: Sequence[Result]) -> list[str]:
    """Every choice, in the order in which they come."""
    given = (choice for result in results for choice in result.verdict.choices)
    return list(dict.fromkeys(choice.ending.choice for choice in given))


def _confusion(
    known: Tally, choices: Sequence[str], paint: Paint, columns: int | None
) -> list[str]:
    """How often each label was taken for which choice; nothing where there are many."""
    chosen = [one for one in choices if any(one in pair for pair in known.confusion)]
    labels = [one for one in chosen if any(label == one for label, _ in known.confusion)]
    if len(chosen) > _MOST_LABELS:
        return []
    table = [Column("label", [_name(label) for label in labels], gives=True)] + [
        Column(
            f"→ {_name(one)}",
            [f"{known.confusion.get((label, one), 0):,}" for label in labels],
            right=True,
        )
        for one in chosen
    ]
    heading, *rows = table_lines(table, columns)
    return ["", paint("heading", heading), *rows, ""]


def _by(norm: Norm, neutral: str) -> str:
    return "by " + _NORMS[norm].format(neutral=repr(visible(neutral, keep_newlines=False)))


def _often(times: int) -> str:
    return f" (and {times - 1:,} more like it)" if times > 1 else ""


def _name(choice: str) -> str:
    """A choice in a table; a space before or after it is made visible."""
    shown = visible(choice, keep_newlines=False)
    inner = shown.strip(" ")
    before = len(shown) - len(shown.lstrip(" ")) if inner else len(shown)
    after = len(shown) - before - len(inner)
    return clip("␣" * before + inner + "␣" * after, _CELLS)


def _share(choice: Choice) -> str:
    return "–" if math.isnan(choice.share) else percent(choice.share)


def _bits(logprob: float) -> str:
    """Of nats."""
    if math.isinf(logprob):
        return "∞" if logprob > 0 else "-∞"
    return f"{logprob / math.log(2):.3f}".replace("-0.000", "0.000")
