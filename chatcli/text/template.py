"""Jinja: a checkpoint's chat template as transformers renders it, and a prompt file's texts.

Templates come with checkpoints and may be hostile. They run sandboxed, and `bounds` holds
them to a time and a size; whatever goes wrong is one TemplateError.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NoReturn

import jinja2
from jinja2 import meta, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from chatcli.errors import TemplateError
from chatcli.text.bounds import BoundedEnvironment, LimitError, limits

__all__ = ["ChatTemplate", "TextTemplate"]

CHAT = "the chat template"


class ChatTemplate:
    """One chat template, compiled once. Raises TemplateError where the source has an error."""

    def __init__(self, source: str) -> None:
        self._source = source
        with limits(source), _errors_named(CHAT):
            self._template = _chat_environment().from_string(source)

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool = False,
        date: datetime | None = None,
        **variables: object,
    ) -> str:
        """The text of a conversation; `variables` are names that the template may use.

        `date` is what a template that writes the date takes for now; None: the clock's.
        Raises TemplateError where the template refuses the conversation, fails, or takes
        more time or memory than a conversation of this size can need.
        """
        now = date or datetime.now()
        names = {"tools": None, "documents": None, "strftime_now": now.strftime, **variables}
        with limits(self._source, messages, names), _errors_named(CHAT):
            return self._template.render(
                messages=messages, add_generation_prompt=add_generation_prompt, **names
            )


class TextTemplate:
    """One text of a prompt file; `title` is what errors call it.

    `names` are those that the source uses and doesn't give a value itself. Raises
    TemplateError where the source has an error. A name without a value is one too, when it is
    rendered.
    """

    def __init__(self, source: str, title: str) -> None:
        self._source = source
        self._title = title
        environment = _text_environment()
        with limits(source), _errors_named(title):
            self._tree = environment.parse(source)
            used = meta.find_undeclared_variables(self._tree)
            self._template = environment.from_string(self._tree)
        self.names = frozenset(used - environment.globals.keys())

    def treats(self, name: str) -> bool:
        """Whether the source does anything with `name` but write it as it is: `{{ name }}`."""
        written = [part for output in self._tree.find_all(nodes.Output) for part in output.nodes]
        used = [node for node in self._tree.find_all(nodes.Name) if node.name == name]
        return any(all(node is not part for part in written) for node in used)

    def render(self, values: Mapping[str, object]) -> str:
        """Raises TemplateError where it fails, or takes more than texts of this size need."""
        with limits(self._source, values), _errors_named(self._title):
            return self._template.render(values)


class _Generation(Extension):
    """`{% generation %}` marks what a model is trained on; for rendering it is its body."""

    tags = {"generation"}  # noqa: RUF012  (typed so by the base class)

    def parse(self, parser: Parser) -> nodes.Node:
        lineno = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(lineno)


def _text_environment() -> BoundedEnvironment:
    return BoundedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.loopcontrols"],
    )


def _chat_environment() -> BoundedEnvironment:
    environment = BoundedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[_Generation, "jinja2.ext.loopcontrols"],
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    return environment


def _tojson(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Plain JSON: Jinja's own filter would escape HTML, and Chinese."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _raise_exception(message: object) -> NoReturn:
    raise jinja2.TemplateError(str(message))


@contextmanager
def _errors_named(title: str) -> Iterator[None]:
    """Whatever a template raises, as one line about `title`."""
    try:
        yield
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(
            f"{title} has an error in line {error.lineno}: {_one_line(error)}"
        ) from error
    except LimitError as error:
        raise TemplateError(f"{title} was stopped: {_one_line(error)}") from error
    except Exception as error:  # templates can make any builtin raise
        raise TemplateError(f"{title} failed: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    text = " ".join(str(getattr(error, "message", None) or error).split())
    return text[:300] or type(error).__name__
