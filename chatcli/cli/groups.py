"""How commands are declared: groups of options as dataclasses, help in sections.

`grouped` lets a command take a whole dataclass of options as one parameter, so that an
option shared by several commands is written once. What the options are is in `options`; what
they are by default, the config file may say (`configuration`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

__all__ = ["SectionedCommand", "command_app", "grouped"]


class _Configured:
    """A command whose options' defaults come from the config file, where it has them.

    Its help shows chatcli's own, and so works whatever the file holds.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        parse: Callable[..., list[str]] = super().parse_args  # type: ignore[misc]
        if ctx.resilient_parsing:
            return parse(ctx, args)
        from chatcli.cli.configuration import Defaults, settle

        defaults = ctx.default_map = Defaults(ctx)
        left = parse(ctx, args)
        settle(ctx, defaults)
        return left

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What is required stands bare; typer has it in braces, which look like a choice."""
        pieces: list[str] = super().collect_usage_pieces(ctx)  # type: ignore[misc]
        return [piece.removeprefix("{").removesuffix("}") for piece in pieces]

    def get_help(self, ctx: Any) -> str:
        ctx.default_map = None
        text: str = super().get_help(ctx)  # type: ignore[misc]
        return text


class _Group(_Configured, TyperGroup):
    """A command with commands of its own."""


class SectionedCommand(_Configured, TyperCommand):
    """A command whose help lists its options under the names of their panels."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                title = getattr(parameter, "rich_help_panel", None) or "Arguments and options"
                sections.setdefault(title, []).append(record)
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)


def command_app() -> typer.Typer:
    """An empty app for one command module; plain help, so that rich is not imported."""
    return typer.Typer(
        cls=_Group, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
    )


def grouped(command: Callable[..., int]) -> Callable[..., int]:
    """A command for typer in which each dataclass parameter is spread into its fields.

    typer sees one keyword parameter for every field; `command` gets the instances.
    """
    parameters = _parameters(command)
    groups: dict[str, Any] = {
        name: hint for name, hint in _hints(command).items() if is_dataclass(hint)
    }

    def call(**values: Any) -> int:
        for name, group in groups.items():
            values[name] = group(**{part.name: values.pop(part.name) for part in fields(group)})
        return command(**values)

    call.__doc__ = command.__doc__
    call.__name__ = command.__name__
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return call


def _parameters(command: Callable[..., int]) -> list[inspect.Parameter]:
    """The keyword parameters typer is to see: those of `command`, dataclasses spread out."""
    spread: list[inspect.Parameter] = []
    hints = _hints(command)
    for name, parameter in inspect.signature(command).parameters.items():
        hint = hints[name]
        if is_dataclass(hint):
            inner = _hints(hint)
            spread += [_keyword(part.name, inner[part.name], part.default) for part in fields(hint)]
        else:
            spread.append(_keyword(name, hint, parameter.default))
    return spread


def _hints(annotated: Any) -> dict[str, Any]:
    hints = get_type_hints(annotated, include_extras=True)
    hints.pop("return", None)
    return hints


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )
