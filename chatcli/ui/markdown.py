"""A finished reply rendered as Markdown, by rich; imported only where that is asked for.

What the model wrote stays data: characters that a terminal would obey are made visible after
parsing, so that no entity smuggles one in; a link shows its address and is none of the
terminal's; HTML, images and rich's own markup are text. A newline stays one, for verses and
Chinese suffer when lines are joined. Code has the terminal's own colours, on its own ground.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import ClassVar

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown, MarkdownElement
from rich.segment import Segment, Segments
from rich.syntax import Syntax
from rich.theme import Theme

from chatcli.text.visible import visible
from chatcli.ui.environment import Environment

__all__ = ["markdown_lines"]

_CODE_THEME = "ansi_dark"
_THEME = Theme(
    {
        "markdown.h1": "bold underline",
        "markdown.h2": "bold",
        "markdown.h3": "bold",
        "markdown.code": "bold cyan",
        "markdown.block_quote": "dim",
        "markdown.item.number": "bold",
        "markdown.table.header": "bold",
        "markdown.table.border": "dim",
        "markdown.link": "underline",
        "markdown.link_url": "dim",
    }
)


def markdown_lines(text: str, env: Environment) -> list[str]:
    """`text` as rows of fewer cells than the terminal has; styled, so it must have a cursor."""
    file = io.StringIO()
    console = Console(
        file=file,
        width=max(2, env.columns() - 1),
        force_terminal=True,
        color_system=env.color_system or "standard",
        no_color=env.no_color,
        theme=_THEME,
        legacy_windows=False,
        highlight=False,
    )
    for row in console.render_lines(_Reply(text), pad=False):
        console.print(Segments([*_stripped(row), Segment.line()]), end="")
    return file.getvalue().strip("\n").split("\n")


class _Heading(Heading):
    """At the left, where text is read, whatever its level."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.text.justify = "left"
        yield self.text


class _CodeBlock(CodeBlock):
    """Set off by its indentation alone."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = str(self.text).rstrip()
        yield Syntax(code, self.lexer_name, theme=self.theme, word_wrap=True, padding=(0, 2))


class _Reply(Markdown):
    """Markdown of a model's making."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _Heading,
        "fence": _CodeBlock,
        "code_block": _CodeBlock,
    }

    def __init__(self, text: str) -> None:
        super().__init__("", code_theme=_CODE_THEME, hyperlinks=False)
        parser = MarkdownIt().enable(["strikethrough", "table"])
        parser.disable(["html_block", "html_inline"])
        self.parsed = [*_inert(parser.parse(text))]


def _inert(tokens: Iterable[Token]) -> Iterator[Token]:
    """The tokens with nothing in them that a terminal or rich would take for its own."""
    for token in tokens:
        token.content = visible(token.content)
        token.attrs = {
            name: visible(value, keep_newlines=False) if isinstance(value, str) else value
            for name, value in token.attrs.items()
        }
        if token.children is not None:
            token.children = [*_inert(token.children)]
        if token.type == "image":
            address = token.attrs.get("src", "")
            token = Token("text", "", 0, content=f"![{token.content}]({address})")
        elif token.type == "softbreak":
            token.type = "hardbreak"
        if token.info != "auto":  # a bare address is both a link and its text
            yield token


def _stripped(row: list[Segment]) -> list[Segment]:
    """The row without the spaces at its end that fill nothing."""
    while row and not row[-1].text.strip():
        row.pop()
    if row:
        text, style, control = row[-1]
        row[-1] = Segment(text.rstrip(), style, control)
    return row
