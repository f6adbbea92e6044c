"""Expanding a bank of facts, so that a fact is learned and not a sentence.

A fact has wordings of its question, wordings of its answer and unfinished statements.
Every question goes with every answer over the epochs, and an unfinished statement is
completed by what it lacks, where an answer begins with one of them and so shows it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chatcli.text.types import Message

__all__ = ["Fact", "fact_conversations", "fact_documents", "parse_fact"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact in several wordings; `statements` are whole sentences."""

    questions: tuple[str, ...]
    answers: tuple[str, ...]
    statements: tuple[str, ...]


def parse_fact(record: dict[str, Any]) -> Fact | None:
    """A Fact from a bank's line, or from an evaluation line; None if it is neither."""
    try:
        if "statements" in record:
            answers = tuple(record["answers"])
            return Fact(tuple(record["questions"]), answers, (*record["statements"], *answers))
        if "questions" in record:
            answers = (record["answer"], *record["answers"])
            prompts = tuple(record["completions"])
            return Fact(tuple(record["questions"]), answers, _statements(prompts, answers, None))
        answers = (record["answer"],)
        prompts = (record["completion_prompt"],)
        statements = _statements(prompts, answers, record["accept"][0])
        return Fact((record["question"],), answers, statements)
    except (KeyError, TypeError, IndexError):
        return None


def _statements(
    prompts: tuple[str, ...], answers: tuple[str, ...], short_answer: str | None
) -> tuple[str, ...]:
    """Prompts made whole, then the answers, which stand by themselves."""
    tails = [
        answer[len(prompt) :]
        for answer in answers
        for prompt in prompts
        if answer.startswith(prompt) and len(answer) > len(prompt)
    ]
    if tails:
        tail = min(tails, key=len)
    elif short_answer is not None:
        # A Chinese prompt ends without a space, an English one needs it.
        tail = f" {short_answer}." if prompts[0][-1].isascii() else f"{short_answer}。"
    else:
        return answers
    return tuple(prompt + tail for prompt in prompts) + answers


def fact_documents(fact: Fact, rng: random.Random) -> Iterator[str]:
    """Plain text: each statement as a document of its own, in a drawn order."""
    statements = list(fact.statements)
    rng.shuffle(statements)
    yield from statements


def fact_conversations(fact: Fact, rng: random.Random) -> Iterator[tuple[Message, ...]]:
    """Each question once, with an answer drawn for it."""
    for question in fact.questions:
        answer = rng.choice(fact.answers)
        yield Message("user", question), Message("assistant", answer)
