"""The list of `chatcli prompts`, and a prompt as a model will get it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chatcli.text.prompts import BoundPrompt, ChatFormat, PromptFile, is_shipped
from chatcli.text.visible import visible
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.environment import Environment
from chatcli.ui.theme import Paint

__all__ = ["prompt_object", "rendered_object", "show_prompts", "show_rendered", "uses"]

INPUT = "{{ input }}"


def show_prompts(
    env: Environment, found: Sequence[PromptFile | ChatFormat], *, chinese: bool
) -> None:
    """A row for each prompt; descriptions in Chinese where asked for and there."""
    width = env.columns() if env.stdout_is_terminal else None
    table = [
        Column("prompt", [_inert(one.name) for one in found]),
        Column("description", [_inert(_about(one, chinese)) for one in found], gives=True),
        Column("variables", [_inert(_variables(one)) for one in found], rank=1),
        Column("for", [", ".join(uses(one)) for one in found], rank=2),
        Column("from", [_inert(_source(one.path)) for one in found], rank=3),
    ]
    titles, *rows = table_lines(table, width)
    env.write("\n".join([Paint(env)("heading", titles), *rows]) + "\n")


def uses(one: PromptFile | ChatFormat) -> tuple[str, ...]:
    """What it can be used for: "chat", with a chat template; "text", raw; or "format"."""
    if isinstance(one, ChatFormat):
        return ("format",)
    chat = one.system or one.message or one.prefill or one.examples
    return (*(("chat",) if chat else ()), *(("text",) if one.text else ()))


def prompt_object(one: PromptFile | ChatFormat) -> dict[str, Any]:
    """What the list says of a prompt, for JSON."""
    variables = one.variables if isinstance(one, PromptFile) else ()
    return {
        "name": one.name,
        "description": one.description,
        "description_zh": one.description_zh,
        "variables": [
            {"name": v.name, "default": v.default, "choices": v.choices, "help": v.help}
            for v in variables
        ],
        "for": uses(one),
        "path": str(one.path),
        "shipped": is_shipped(one.path),
    }


def rendered_object(bound: BoundPrompt) -> dict[str, Any]:
    """What a prompt says with its variables set, for JSON; the input is left open."""
    return {
        "messages": [{"role": m.role, "content": m.content} for m in bound.preamble],
        "before": bound.before,
        "after": bound.after,
        "prefill": bound.prefill,
        "text": "".join((bound.raw[0], INPUT, bound.raw[1])) if bound.raw else None,
        "sampling": dict(bound.sampling),
        "stop": list(bound.stop),
        "max_tokens": bound.max_tokens,
        "choices": list(bound.choices),
        "between": bound.between,
    }


def show_rendered(env: Environment, bound: BoundPrompt) -> None:
    """The messages, one under the other, then the raw text and the settings."""
    paint = Paint(env)
    lines: list[str] = []
    for title, body in _parts(bound):
        lines += [paint("heading", title), *(f"  {line}".rstrip() for line in _lines(body))]
    env.write("\n".join(lines) + "\n")


def _parts(bound: BoundPrompt) -> Iterator[tuple[str, str]]:
    for message in (*bound.preamble, bound.message(INPUT)):
        yield message.role, message.content
    if bound.prefill:
        yield "assistant, which starts with", bound.prefill
    if bound.raw:
        yield "as raw text", bound.text(INPUT)
    if bound.sampling:
        yield "sampling", _settings(bound.sampling)
    if bound.stop:
        yield "stop", "  ".join(map(repr, bound.stop))
    if bound.max_tokens:
        yield "max_tokens", str(bound.max_tokens)
    if bound.choices:
        yield "choices", "  ".join(map(repr, bound.choices))
    if bound.between:
        yield "between raw text and a choice", repr(bound.between)


def _lines(body: str) -> Iterable[str]:
    return visible(body).split("\n")


def _about(one: PromptFile | ChatFormat, chinese: bool) -> str:
    return (one.description_zh if chinese else "") or one.description


def _variables(one: PromptFile | ChatFormat) -> str:
    """ "language=en" for a default, "topic" for one that must be given."""
    if isinstance(one, ChatFormat):
        return ""
    return ", ".join(
        v.name if v.default is None else f"{v.name}={v.default}" for v in one.variables
    )


def _source(path: Path) -> str:
    return "chatcli" if is_shipped(path) else str(path)


def _settings(sampling: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sampling.items())


def _inert(text: str) -> str:
    return visible(text, keep_newlines=False)
