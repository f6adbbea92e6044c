"""What `chatcli score --choices` is asked: prompts and endings, of a text or of JSON Lines.

A line's fields are the variables of the prompt file, and what its key `line` makes an input
of. Weighing the endings is left to `probe.choices`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chatcli.cli.json_lines import Line, shortly
from chatcli.cli.prompting import (
    PLAIN,
    PromptFileFlags,
    PromptFlags,
    prompt_ids,
    reply_prefill,
    variable_values,
)
from chatcli.cli.score_flags import ChoiceFlags
from chatcli.cli.score_texts import line_messages, with_system
from chatcli.errors import UsageError
from chatcli.text.prompt_binding import BoundPrompt, line_input
from chatcli.text.types import Message

if TYPE_CHECKING:
    from chatcli.model.types import LanguageModel
    from chatcli.probe.choices import Ending
    from chatcli.text.prompts import PromptFile

__all__ = ["CHOICES", "Asked", "Asker", "LineQuestion", "Question"]

CHOICES = ("choices", "labels")
_LABEL = ("label", "gold")
_LANGUAGE = "language"
_ALIASES = {_LANGUAGE: "lang"}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, before a model is there: a text in a prompt, or messages, and choices."""

    text: str
    messages: tuple[Message, ...]
    prompt: BoundPrompt
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LineQuestion:
    """A line's question, and the right choice where the line names it."""

    line: Line
    question: Question
    label: str | None
    language: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as ids: the prompt, its endings, and the neutral prompt where one is needed."""

    prompt: Sequence[int]
    endings: Sequence[Ending]
    neutral: Sequence[int]


class Asker:
    """Turns texts and lines into questions, and questions into ids."""

    def __init__(
        self,
        file: PromptFileFlags,
        how: PromptFlags,
        flags: ChoiceFlags,
        notice: Callable[[str], None],
    ) -> None:
        from chatcli.text.prompts import find_prompt

        self._how, self._flags, self._notice = how, flags, notice
        self._prompt: PromptFile | None = None
        if file.prompt_file is not None:
            self._prompt = find_prompt(file.prompt_file)
        elif flags.shots is not None:
            raise UsageError(f"--shots {flags.shots} picks examples of a prompt: add --prompt NAME")
        self._variables = variable_values(file.var or ())
        if self._prompt is None and self._variables:
            raise UsageError(
                f"--var {next(iter(self._variables))} sets a variable of a prompt: "
                "add --prompt NAME"
            )
        self._few = False  # that there are fewer examples was said
        self._bound: dict[tuple[tuple[str, str], ...], BoundPrompt] = {}

    @property
    def chooses(self) -> bool:
        """Whether flags or prompt file name choices, whatever the lines do."""
        return bool(self._flags.choices or (self._prompt is not None and self._prompt.choices))

    @property
    def neutral(self) -> str:
        """What stands in the text's place in the neutral prompt."""
        return self._flags.neutral

    def prompt(self, fields: Mapping[str, Any] | None = None) -> BoundPrompt:
        """The prompt file with its variables set, from --var before the `fields` of a line."""
        if self._prompt is None:
            return PLAIN
        values = self._values(_spread(fields or {}))
        key = tuple(sorted(values.items()))
        if key not in self._bound:
            self._bound[key] = self._prompt.bind(values, self._flags.shots)
            self._mention_shots(self._bound[key])
        return self._bound[key]

    def _mention_shots(self, bound: BoundPrompt) -> None:
        """Tell once where the prompt has fewer examples than were asked for."""
        asked = self._flags.shots or 0
        if bound.shots < asked and not self._few:
            self._few = True
            number = "1 example" if bound.shots == 1 else f"{bound.shots:,} examples"
            self._notice(f"the prompt {bound.name} has {number}, so --shots {asked} shows no more")

    def question(self, text: str) -> Question:
        """TEXT and the choices that flags or prompt file name."""
        prompt = self.prompt()
        return Question(text, (), prompt, tuple(self._flags.choices or prompt.choices))

    def line_question(self, line: Line) -> LineQuestion:
        """A line's. Raises UsageError where it lacks something, under the line's name."""
        with line.named():
            fields = _spread(line.fields)
            prompt, messages = self.prompt(line.fields), self.line_messages(line)
            text = "" if messages else self.line_text(line)
            if not (messages or text):
                raise UsageError("its text is empty; give it something to classify")
            choices = tuple(self._flags.choices or _choices(fields) or prompt.choices)
            if not choices:
                raise UsageError('it has no "choices"; add them, or --choices for all lines')
            label = _label(fields, choices)
            language = fields.get(_LANGUAGE, fields.get(_ALIASES[_LANGUAGE], ""))
            question = Question(text, messages, prompt, choices)
            return LineQuestion(line, question, label, str(language))

    def line_messages(self, line: Line) -> tuple[Message, ...]:
        """A line's messages, none where it has a text instead. Raises UsageError."""
        if "messages" not in line.fields:
            return ()
        if self._prompt is not None:
            raise UsageError("it has messages, which --prompt can't be put around; drop one")
        return with_system(line_messages(line), self._how.system)

    def line_text(self, line: Line) -> str:
        """A line's text: its own input, or what the prompt file makes of its fields."""
        fields = _spread(line.fields)
        if isinstance(fields.get("input"), str):
            return str(fields["input"])
        if self._prompt is not None and self._prompt.line is not None:
            return line_input(self._prompt, fields, self._values(fields))
        text = fields.get("text")
        if text is None:
            raise UsageError(
                'it has no "text"; add one, or name a prompt that makes it of the fields '
                f"{', '.join(fields)}"
            )
        if not isinstance(text, str):
            raise UsageError(f"text must be a string, got {shortly(text)}")
        return text

    def asked(self, model: LanguageModel, question: Question, *, prior: bool) -> Asked:
        """The ids of a question. Raises UsageError on choices that can't be told apart."""
        from chatcli.probe.choices import endings

        ids = self._ids(model, question, "", self._notice)
        found = endings(
            model.tokenizer,
            ids,
            lambda text: self._ids(model, question, text, _silent),
            question.choices,
            self._between(question),
        )
        neutral = self._ids(model, self._neutral(question), "", _silent) if prior else ()
        return Asked(ids, found, neutral)

    def _between(self, question: Question) -> str:
        if self._flags.between is not None:
            return self._flags.between
        return "" if self._how.chat else question.prompt.between

    def _neutral(self, question: Question) -> Question:
        text = self._flags.neutral
        if not question.messages:
            return replace(question, text=text)
        *before, _ = question.messages
        system = [message for message in before if message.role == "system"]
        return replace(question, messages=(*system, Message("user", text)))

    def _ids(
        self, model: LanguageModel, question: Question, ending: str, notice: Callable[[str], None]
    ) -> Sequence[int]:
        how, prompt = self._how, question.prompt
        prefill = reply_prefill(how, prompt) + ending
        if question.messages:
            return model.tokenizer.encode_chat(question.messages, prefill=prefill)
        return prompt_ids(model, question.text, replace(how, prefill=prefill), notice, prompt)

    def _values(self, fields: Mapping[str, Any]) -> dict[str, str]:
        """Of each variable that --var or a field sets, its value."""
        variables = () if self._prompt is None else self._prompt.variables
        named = {one.name: _ALIASES.get(one.name, one.name) for one in variables}
        found = {name: fields.get(name, fields.get(alias)) for name, alias in named.items()}
        known = {name: str(value) for name, value in found.items() if value is not None}
        return {**known, **self._variables}


def _spread(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields, and those of an `input` that is an object beside them."""
    inner = fields.get("input")
    return {**fields, **(inner if isinstance(inner, dict) else {})}


def _choices(fields: Mapping[str, Any]) -> list[str]:
    name = next((name for name in CHOICES if name in fields), None)
    if name is None:
        return []
    value = fields[name]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise UsageError(f"{name} must be a list of strings, got {shortly(value)}")
    return value


def _label(fields: Mapping[str, Any], choices: Sequence[str]) -> str | None:
    """The right choice, which a line may name by its text or, from 0 on, by its number."""
    name = next((name for name in _LABEL if name in fields), None)
    if name is None:
        return None
    value = fields[name]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(choices):
        return choices[value]
    if value not in choices:
        raise UsageError(
            f"{name} is {shortly(value)}, which is none of the choices {', '.join(choices)}"
        )
    return str(value)


def _silent(remark: str) -> None:
    """The remarks on a prompt are made once, when it is read by itself."""
