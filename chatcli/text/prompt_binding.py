"""What a prompt says once its variables have values.

Values, and what the user types, are put into a prompt's texts; they are never read as
template source. Rendering is left to `template`, which holds it to a time and a size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from chatcli.errors import PromptFileError, TemplateError
from chatcli.text.types import Message

if TYPE_CHECKING:
    from chatcli.text.prompt_files import PromptFile, Variable
    from chatcli.text.template import TextTemplate

__all__ = ["EXAMPLES", "INPUT", "BoundPrompt", "bind", "line_input", "line_template", "nearest"]

# Names that a text has besides its variables.
INPUT = "input"
EXAMPLES = "examples"


@dataclass(frozen=True, slots=True)
class BoundPrompt:
    """A prompt whose variables have their values.

    preamble        the messages before the first one: the system prompt and the examples
    before, after   what stands around each of the user's messages
    prefill         how each reply starts
    sampling        settings by name; stop, max_tokens: what ends a reply (None: not said)
    choices         the replies that are weighed against each other
    between         what stands in raw text before one of them
    shots           how many examples there are
    """

    name: str
    preamble: tuple[Message, ...] = ()
    before: str = ""
    after: str = ""
    prefill: str = ""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    raw: tuple[str, str] | None = None
    choices: tuple[str, ...] = ()
    between: str = ""
    shots: int = 0

    def message(self, typed: str) -> Message:
        """What the user typed, as the message that the model gets."""
        return Message("user", self.before + typed + self.after)

    def text(self, typed: str) -> str:
        """What the user typed, in the prompt's raw text, for a model to continue.

        Raises PromptFileError where the prompt is for chats alone.
        """
        if self.raw is None:
            raise PromptFileError(
                f"the prompt {self.name} has no raw text for a model to continue; add --chat"
            )
        before, after = self.raw
        return before + typed + after


def bind(prompt: PromptFile, given: Mapping[str, str], shots: int | None = None) -> BoundPrompt:
    """The prompt with the values `given`, the defaults of the others, and `shots` examples.

    Raises PromptFileError on a variable that it doesn't have, one without a value, a value
    that isn't among the choices, and a text that fails.
    """
    return _Binding(prompt, _values(prompt, given)).bound(shots)


def line_input(prompt: PromptFile, fields: Mapping[str, Any], given: Mapping[str, str]) -> str:
    """The input that the `fields` of a JSON line make, by the prompt's `line`.

    Variables can be named there too, and go before fields. Raises PromptFileError where the
    prompt has no `line`, and on a field that isn't there.
    """
    template = line_template(prompt)
    if template is None:
        raise PromptFileError(
            f"the prompt {prompt.name} has no key line that makes an input of fields; "
            "give the line an input, or the prompt that key"
        )
    values = {**fields, **_values(prompt, given)}
    for name in sorted(template.names - set(values)):
        raise PromptFileError(
            f"the prompt {prompt.name} needs the field {name!r}; {nearest(name, fields)}"
        )
    try:
        return template.render(values).strip("\n")
    except TemplateError as error:
        raise PromptFileError(f"{prompt.path}: {error}") from error


def line_template(prompt: PromptFile) -> TextTemplate | None:
    """The prompt's `line`, None without. Raises PromptFileError where it has an error."""
    from chatcli.text.template import TextTemplate  # jinja2 costs start-up time

    try:
        return None if prompt.line is None else TextTemplate(prompt.line, "line")
    except TemplateError as error:
        raise PromptFileError(f"{prompt.path}: {error}") from error


def nearest(name: str, names: Iterable[str]) -> str:
    """A remedy for a name that isn't among `names`."""
    known = list(names)
    if near := get_close_matches(name, known, n=1):
        return f"did you mean {near[0]!r}?"
    return f"there are: {', '.join(known)}" if known else "there are none"


def _values(prompt: PromptFile, given: Mapping[str, str]) -> dict[str, str]:
    """A value for each variable."""
    known = {variable.name: variable for variable in prompt.variables}
    for name in given:
        if name not in known:
            raise PromptFileError(
                f"the prompt {prompt.name} has no variable {name!r}; {nearest(name, known)}"
            )
    return {name: _value(prompt, variable, given) for name, variable in known.items()}


def _value(prompt: PromptFile, variable: Variable, given: Mapping[str, str]) -> str:
    value = given.get(variable.name, variable.default)
    if value is None:
        about = f" ({variable.help})" if variable.help else ""
        raise PromptFileError(
            f"the prompt {prompt.name} needs a value for {variable.name}{about}: "
            f"--var {variable.name}={variable.choices[0] if variable.choices else '…'}"
        )
    if variable.choices and value not in variable.choices:
        raise PromptFileError(
            f"{variable.name} of the prompt {prompt.name} is {value!r}, "
            f"but must be one of {', '.join(variable.choices)}"
        )
    return value


class _Binding:
    """Renders the texts of one prompt with one set of values."""

    def __init__(self, prompt: PromptFile, values: Mapping[str, str]) -> None:
        self.prompt = prompt
        self.values = dict(values)

    def bound(self, shots: int | None) -> BoundPrompt:
        prompt = self.prompt
        before, after = self._around("message", prompt.message) or ("", "")
        examples = [
            {
                "user": self._block(f"examples[{number}].user", example.user),
                "assistant": self._block(f"examples[{number}].assistant", example.assistant),
            }
            for number, example in enumerate(prompt.examples, 1)
            if example.when.items() <= self.values.items()
        ][:shots]
        return BoundPrompt(
            name=prompt.name,
            preamble=tuple(self._preamble(examples, before, after)),
            before=before,
            after=after,
            prefill=self._text("prefill", prompt.prefill),
            sampling=prompt.sampling,
            stop=tuple(filter(None, (self._text("stop", text) for text in prompt.stop))),
            max_tokens=prompt.max_tokens,
            raw=self._around("text", prompt.text, **{EXAMPLES: examples}),
            choices=tuple(self._text("choices", text) for text in prompt.choices),
            between=self._text("between", prompt.between),
            shots=len(examples),
        )

    def _preamble(
        self, examples: list[dict[str, str]], before: str, after: str
    ) -> Iterator[Message]:
        if system := self._block("system", self.prompt.system):
            yield Message("system", system)
        for example in examples:
            yield Message("user", before + example["user"] + after)
            yield Message("assistant", example["assistant"])

    def _block(self, key: str, source: str | None) -> str:
        """Without the line breaks around it, which are there for whoever edits the file."""
        return self._text(key, source).strip("\n")

    def _text(self, key: str, source: str | None) -> str:
        return self._rendered(key, source, self.values) if source else ""

    def _around(self, key: str, source: str | None, **more: object) -> tuple[str, str] | None:
        """What `source` has before and after the input, which stands in it once."""
        if source is None:
            return None
        from chatcli.text.control import unused_character  # tokenizers costs start-up time

        mark = unused_character([source, str(more), *self.values.values()])
        text = self._rendered(key, source, {**self.values, **more, INPUT: mark})
        if text.count(mark) != 1:
            raise PromptFileError(
                f"{self.prompt.path}: {key} must have {{{{ input }}}} exactly once, "
                f"got it {text.count(mark)} times"
            )
        before, _, after = text.strip("\n").partition(mark)
        return before, after

    def _rendered(self, key: str, source: str, values: Mapping[str, object]) -> str:
        if "{" not in source:
            return source
        try:
            return self._template(key, source, values).render(values)
        except TemplateError as error:
            raise PromptFileError(f"{self.prompt.path}: {error}") from error

    def _template(self, key: str, source: str, values: Mapping[str, object]) -> TextTemplate:
        from chatcli.text.template import TextTemplate  # jinja2 costs start-up time

        template = TextTemplate(source, key)
        for name in sorted(template.names - set(values)):
            raise PromptFileError(
                f"{self.prompt.path}: {key} uses {name!r}, which is no variable of it; "
                f"{nearest(name, values)}"
            )
        if template.treats(INPUT):
            raise PromptFileError(
                f"{self.prompt.path}: {key} must write {{{{ input }}}} as it is, "
                "without filters or conditions"
            )
        return template
