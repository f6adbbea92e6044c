"""Reads a prompt file: TOML in, a checked record out.

There are two kinds. One with the key `template` is the chat format of models that bring none
of their own; every other file is a prompt, which `--prompt` takes. Where files lie and what
becomes of a prompt is left to `prompts`. Each error names the file, the key and a remedy.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import Any, NoReturn

from chatcli.errors import PromptFileError
from chatcli.text.prompt_binding import EXAMPLES, INPUT, BoundPrompt, bind, nearest

__all__ = ["ChatFormat", "Example", "PromptFile", "Variable", "read_file"]

LARGEST = 1_000_000  # bytes; a prompt is a page or two
TAKEN = frozenset(  # by every text, or by Jinja itself
    f"{INPUT} {EXAMPLES} and or not in is if else elif for set true false none True False None "
    "loop self range dict cycler joiner namespace".split()
)

FORMAT_KEYS = ("description", "description_zh", "template", "stop")
PROMPT_KEYS = (
    "description",
    "description_zh",
    "system",
    "message",
    "text",
    "prefill",
    "variables",
    "examples",
    "sampling",
    "stop",
    "max_tokens",
    "choices",
    "between",
    "line",
)
TEXTS = ("system", "message", "text", "prefill", "between", "line")
SAYING = ("system", "message", "text", "examples")  # a prompt has at least one of them
VARIABLE_KEYS = ("default", "required", "choices", "help")
EXAMPLE_KEYS = ("user", "assistant", "when")


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a prompt; without a `default` it must be given."""

    name: str
    default: str | None = None
    choices: tuple[str, ...] = ()
    help: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """One exchange that shows the model what is wanted; `when`: with these values alone."""

    user: str
    assistant: str
    when: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """A chat template for checkpoints without one, and the strings that end a reply in it."""

    name: str
    path: Path
    description: str
    template: str
    description_zh: str = ""
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A prompt as it stands in its file; its texts are Jinja sources, None where not given.

    `sampling` holds settings by name, as TOML has them; the layer that samples checks them.
    `choices` are the replies that are weighed against each other, `between` what raw text has
    before one, `line` how the fields of a JSON line become the input.
    """

    name: str
    path: Path
    description: str
    description_zh: str = ""
    system: str | None = None
    message: str | None = None
    text: str | None = None
    prefill: str | None = None
    variables: tuple[Variable, ...] = ()
    examples: tuple[Example, ...] = ()
    sampling: Mapping[str, Any] = field(default_factory=dict)
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    choices: tuple[str, ...] = ()
    between: str | None = None
    line: str | None = None

    def bind(self, given: Mapping[str, str], shots: int | None = None) -> BoundPrompt:
        """The prompt with the values `given`, and the defaults of its other variables.

        Of its examples, the first `shots` (None: all). Raises PromptFileError on a variable that
        it doesn't have, one without a value, a value that isn't among the choices, and a text
        that fails.
        """
        return bind(self, given, shots)


def read_file(path: Path) -> PromptFile | ChatFormat:
    """Raises PromptFileError where `path` can't be read or isn't what a prompt file should be."""
    values = _toml(path)
    reader = _Reader(path)
    if "template" in values:
        return _chat_format(reader, values)
    return _prompt(reader, values)


def _toml(path: Path) -> dict[str, Any]:
    try:
        found = path.stat()
        if not S_ISREG(found.st_mode):  # reading a pipe could take for ever
            raise ValueError("it is no file")
        if found.st_size > LARGEST:
            raise ValueError(f"it is longer than {LARGEST:,} bytes")
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        cause = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise PromptFileError(f"{path} can't be read as a prompt file: {cause}") from error


def _chat_format(reader: _Reader, values: Mapping[str, Any]) -> ChatFormat:
    reader.only("", values, FORMAT_KEYS)
    return ChatFormat(
        name=reader.path.stem,
        path=reader.path,
        description=reader.needed("", values, "description"),
        description_zh=reader.text("", values, "description_zh") or "",
        template=reader.needed("", values, "template"),
        stop=reader.texts("", values, "stop"),
    )


def _prompt(reader: _Reader, values: Mapping[str, Any]) -> PromptFile:
    reader.only("", values, (*PROMPT_KEYS, "template"))
    if not any(key in values for key in SAYING):
        reader.refuse(
            f"it has none of {', '.join(SAYING)}, so it says nothing; "
            "(a chat format for models without one has the key template)"
        )
    texts = {key: reader.text("", values, key) for key in TEXTS}
    variables = _variables(reader, reader.table("", values, "variables"))
    return PromptFile(
        name=reader.path.stem,
        path=reader.path,
        description=reader.needed("", values, "description"),
        description_zh=reader.text("", values, "description_zh") or "",
        **texts,
        variables=variables,
        examples=_examples(reader, values, variables),
        sampling=reader.table("", values, "sampling"),
        stop=reader.texts("", values, "stop"),
        max_tokens=_max_tokens(reader, values),
        choices=reader.texts("", values, "choices"),
    )


def _variables(reader: _Reader, table: Mapping[str, Any]) -> tuple[Variable, ...]:
    return tuple(_variable(reader, name, value) for name, value in table.items())


def _variable(reader: _Reader, name: str, value: Any) -> Variable:
    where = f"variables.{name}."
    if name in TAKEN:
        reader.refuse(f"variables.{name}: the name is taken; call it something else")
    if not name.isidentifier():
        reader.refuse(f"variables.{name}: a name is made of letters, digits and _")
    if not isinstance(value, dict):
        reader.wrong(f"variables.{name}", 'a table, such as { default = "…", help = "…" }', value)
    reader.only(where, value, VARIABLE_KEYS)
    default, choices = reader.text(where, value, "default"), reader.texts(where, value, "choices")
    required = value.get("required", default is None)
    if not isinstance(required, bool):
        reader.wrong(f"{where}required", "true or false", required)
    if required is (default is not None):
        reader.refuse(f"variables.{name} must have either a default or required = true")
    if default is not None and choices and default not in choices:
        reader.wrong(f"{where}default", f"one of the choices {', '.join(choices)}", default)
    return Variable(name, default, choices, reader.text(where, value, "help") or "")


def _examples(
    reader: _Reader, values: Mapping[str, Any], variables: Sequence[Variable]
) -> tuple[Example, ...]:
    rows = values.get("examples", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        reader.wrong("examples", "tables, each under [[examples]]", rows)
    known = {variable.name: variable for variable in variables}
    return tuple(_example(reader, f"examples[{i}].", row, known) for i, row in enumerate(rows, 1))


def _example(
    reader: _Reader, where: str, row: Mapping[str, Any], known: Mapping[str, Variable]
) -> Example:
    reader.only(where, row, EXAMPLE_KEYS)
    when = reader.table(where, row, "when")
    for name, value in when.items():
        if name not in known:
            hint = nearest(name, known)
            reader.refuse(f"{where}when names {name!r}, which is no variable of it; {hint}")
        choices = known[name].choices
        if not isinstance(value, str) or (choices and value not in choices):
            allowed = f"one of {', '.join(choices)}" if choices else "a string"
            reader.wrong(f"{where}when.{name}", allowed, value)
    return Example(reader.needed(where, row, "user"), reader.needed(where, row, "assistant"), when)


def _max_tokens(reader: _Reader, values: Mapping[str, Any]) -> int | None:
    value = values.get("max_tokens")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        reader.wrong("max_tokens", "a whole number, 1 or more", value)
    return value


@dataclass(frozen=True, slots=True)
class _Reader:
    """Takes values out of tables, each of the type it must have; `where` leads to a table."""

    path: Path

    def refuse(self, message: str) -> NoReturn:
        raise PromptFileError(f"{self.path}: {message}")

    def wrong(self, key: str, allowed: str, value: object) -> NoReturn:
        shown = repr(value)
        shown = shown if len(shown) <= 60 else shown[:59] + "…"
        self.refuse(f"{key} must be {allowed}, got {shown}")

    def only(self, where: str, table: Mapping[str, Any], known: Sequence[str]) -> None:
        for key in table:
            if key not in known:
                hint = nearest(key, known).replace("there are:", "keys are")
                self.refuse(f"unknown key {where + key!r}; {hint}")

    def text(self, where: str, table: Mapping[str, Any], key: str) -> str | None:
        value = table.get(key)
        if value is not None and not isinstance(value, str):
            self.wrong(where + key, "a string", value)
        return value

    def needed(self, where: str, table: Mapping[str, Any], key: str) -> str:
        value = self.text(where, table, key)
        if value is None:
            self.refuse(f"{where}{key} is missing; it must be a string")
        return value

    def texts(self, where: str, table: Mapping[str, Any], key: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            self.wrong(where + key, "a list of strings, none empty", value)
        return tuple(value)

    def table(self, where: str, table: Mapping[str, Any], key: str) -> dict[str, Any]:
        value = table.get(key, {})
        if not isinstance(value, dict):
            self.wrong(where + key, "a table of keys and values", value)
        return value
