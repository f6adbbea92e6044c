"""Chat templates: a checkpoint's Jinja source, rendered as transformers renders it.

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
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from chatcli.errors import TemplateError
from chatcli.text.bounds import BoundedEnvironment, LimitError, limits

__all__ = ["ChatTemplate"]


class ChatTemplate:
    """One chat template, compiled once. Raises TemplateError where the source has an error."""

    def __init__(self, source: str) -> None:
        self._source = source
        with limits(source), _errors_named():
            self._template = _environment().from_string(source)

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool = False,
        **variables: object,
    ) -> str:
        """The text of a conversation; `variables` are names that the template may use.

        Raises TemplateError where the template refuses the conversation, fails, or takes
        more time or memory than a conversation of this size can need.
        """
        names = {"tools": None, "documents": None, **variables}
        with limits(self._source, messages, names), _errors_named():
            return self._template.render(
                messages=messages, add_generation_prompt=add_generation_prompt, **names
            )


class _Generation(Extension):
    """`{% generation %}` marks what a model is trained on; for rendering it is its body."""

    tags = {"generation"}  # noqa: RUF012  (typed so by the base class)

    def parse(self, parser: Parser) -> nodes.Node:
        lineno = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(lineno)


def _environment() -> BoundedEnvironment:
    environment = BoundedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[_Generation, "jinja2.ext.loopcontrols"],
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
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


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)


@contextmanager
def _errors_named() -> Iterator[None]:
    """Whatever a template raises, as one line."""
    try:
        yield
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(
            f"the chat template has an error in line {error.lineno}: {_one_line(error)}"
        ) from error
    except LimitError as error:
        raise TemplateError(f"the chat template was stopped: {_one_line(error)}") from error
    except Exception as error:  # templates can make any builtin raise
        raise TemplateError(f"the chat template failed: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    text = " ".join(str(getattr(error, "message", None) or error).split())
    return text[:300] or type(error).__name__
