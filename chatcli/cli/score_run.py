"""Runs `chatcli score` on a loaded model: texts one by one, or questions with their choices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chatcli.cli import Status
from chatcli.cli.json_lines import Line
from chatcli.cli.prompting import PromptFlags, chat_messages, raw_text, reply_prefill
from chatcli.cli.score_choices import Asker, LineQuestion, Question
from chatcli.cli.score_texts import conversation, raw_reading

if TYPE_CHECKING:
    from chatcli.model.types import LanguageModel
    from chatcli.probe.choices import Norm
    from chatcli.probe.perplexity import Perplexity, Reading
    from chatcli.ui.environment import Environment

__all__ = ["Scoring", "choose", "classify"]


@dataclass(frozen=True, slots=True)
class Scoring:
    """Scores texts; `asker` has the prompt file that is put around them, if one is."""

    env: Environment
    model: LanguageModel
    how: PromptFlags
    asker: Asker
    stride: int | None
    table: bool
    json: bool

    def text(self, text: str) -> int:
        """One text, shown."""
        self._shown(self._reading(text, self.env.say), {})
        return Status.DONE

    def lines(self, lines: Iterator[Line]) -> int:
        """Each line's text or messages, shown as they come, and what all of them come to."""
        from chatcli.probe.perplexity import Perplexity
        from chatcli.ui.heat_map import perplexity_facts
        from chatcli.ui.jsonl import json_line
        from chatcli.ui.score_json import perplexity_object

        total, count = Perplexity(), 0
        for count, line in enumerate(lines, 1):
            if count > 1 and not self.json:
                self.env.write("\n")
            with line.named():
                reading = self._line_reading(line)
                total += self._shown(reading, {"line": line.number}, line.where)
        if self.json:
            self.env.write(json_line({"lines": count, **perplexity_object(total)}))
        else:
            facts = [f"all {count:,} lines", f"{total.counted:,} tokens", *perplexity_facts(total)]
            self.env.write("\n" + " · ".join(facts) + "\n")
        return Status.DONE

    def _line_reading(self, line: Line) -> Reading:
        def notice(remark: str) -> None:
            self.env.say(f"{line.where}: {remark}")

        if messages := self.asker.line_messages(line):
            prefill = self.how.prefill or ""
            return conversation(self.model.tokenizer, messages, notice, prefill=prefill)
        return self._reading(self.asker.line_text(line), notice, line)

    def _reading(
        self, text: str, notice: Callable[[str], None], line: Line | None = None
    ) -> Reading:
        how, prompt = self.how, self.asker.prompt(None if line is None else line.fields)
        tokenizer = self.model.tokenizer
        if not how.chat:
            return raw_reading(tokenizer, raw_text(text, how, prompt), how.special, notice)
        messages = chat_messages(text, how, prompt)
        return conversation(tokenizer, messages, notice, prefill=reply_prefill(how, prompt))

    def _shown(self, reading: Reading, place: Mapping[str, Any], title: str = "") -> Perplexity:
        from chatcli.probe.perplexity import perplexity, whole_perplexity
        from chatcli.probe.score import score
        from chatcli.ui.heat_map import ScoreView, show_score
        from chatcli.ui.jsonl import json_line
        from chatcli.ui.score_json import score_objects

        found = score(self.model, reading.ids, stride=self.stride)
        own = perplexity(reading, found, self.model.tokenizer)
        whole = whole_perplexity(found) if reading.templated else None
        view = ScoreView(reading, found, own, whole, self.model.tokenizer)
        if self.json:
            for each in score_objects(view, self.model.checkpoint.name, place):
                self.env.write(json_line(each))
        else:
            show_score(self.env, view, table=self.table, title=title)
        return own


def choose(
    env: Environment,
    model: LanguageModel,
    asker: Asker,
    question: Question,
    norm: Norm,
    *,
    json: bool,
) -> int:
    """Weigh the choices of one text, and show all of them."""
    from chatcli.probe.choices import Judge
    from chatcli.ui.choices_table import choice_remarks, show_verdict, verdict_object
    from chatcli.ui.jsonl import json_line

    asked = asker.asked(model, question, prior=norm == "prior")
    verdict = Judge(model, norm).weigh(asked.prompt, asked.endings, asked.neutral)
    for remark in choice_remarks([asked.endings]):
        env.say(remark)
    if json:
        env.write(json_line(verdict_object(verdict, model.checkpoint.name)))
    else:
        show_verdict(env, verdict, model.tokenizer, asker.neutral)
    return Status.DONE


def classify(
    env: Environment,
    model: LanguageModel,
    asker: Asker,
    questions: Sequence[LineQuestion],
    norm: Norm,
    *,
    json: bool,
) -> int:
    """Weigh the choices of each question, and tell how often the likeliest was the right one."""
    from chatcli.probe.choices import Judge
    from chatcli.ui.choices_table import (
        Result,
        choice_remarks,
        result_object,
        show_results,
        summary_object,
    )
    from chatcli.ui.jsonl import json_line
    from chatcli.ui.scores_table import Asking

    judge, endings, results = Judge(model, norm), [], []
    with Asking(env) as asking:
        for done, each in enumerate(questions):
            asking.watch("lines", done, len(questions))
            with each.line.named():
                asked = asker.asked(model, each.question, prior=norm == "prior")
                verdict = judge.weigh(asked.prompt, asked.endings, asked.neutral)
            results.append(Result(each.line.number, verdict, each.label, each.language))
            endings.append(asked.endings)
            if json:
                env.write(json_line(result_object(results[-1], _place(each.line))))
    for remark in choice_remarks(endings):
        env.say(remark)
    if json:
        env.write(json_line(summary_object(results, model.checkpoint.name, norm)))
    else:
        show_results(env, results, asker.neutral)
    return Status.DONE


def _place(line: Line) -> dict[str, Any]:
    """Which line it was: its number, and its own id where it has one."""
    return {"line": line.number, **({"id": line.fields["id"]} if "id" in line.fields else {})}
