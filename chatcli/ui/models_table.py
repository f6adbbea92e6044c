"""The list of `chatcli models`, and the page of `chatcli models show`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from chatcli.model.catalog import ModelDetails, ModelEntry
from chatcli.text.visible import visible
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.environment import Environment
from chatcli.ui.theme import Paint

__all__ = ["byte_size", "show_details", "show_models"]

_NARROW = 40  # columns below which a fact stands under its title
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def show_models(env: Environment, entries: Sequence[ModelEntry]) -> None:
    """A row for each model, and below the table why one can't be loaded."""
    if not entries:
        env.say("no model is here; --model takes a folder or a file from anywhere")
        return
    width = env.columns() if env.stdout_is_terminal else None
    names = [_inert(entry.name) for entry in entries]
    table = [
        Column("model", names, gives=True),
        Column("architecture", [_inert(_kind(entry)) for entry in entries], rank=2),
        Column("parameters", [_count(entry.parameters) for entry in entries], rank=1, right=True),
        Column("on disk", [byte_size(entry.size) for entry in entries], rank=3, right=True),
        Column("engine", [entry.engine or "none" for entry in entries], rank=4),
    ]
    titles, *rows = table_lines(table, width)
    lines = [Paint(env)("heading", titles), *rows]
    problems = [entry.problem for entry in entries if entry.problem is not None]
    env.write("\n".join(lines) + "\n")
    for problem in problems:
        env.say(_inert(problem))


def show_details(env: Environment, details: ModelDetails) -> None:
    """Everything about one checkpoint, a line each; two where the screen is narrow.

    Below the page, what is wrong with its chat template.
    """
    paint = Paint(env)
    facts = list(_facts(details))
    width = max(len(title) for title, _ in facts)
    narrow = env.stdout_is_terminal and env.columns() < _NARROW
    titles = [f"{title}\n" if narrow else f"{title:<{width}}" for title, _ in facts]
    lines = [f"{title}  {_inert(text)}" for title, (_, text) in zip(titles, facts, strict=True)]
    env.write("\n".join([paint("heading", _inert(details.entry.name)), *lines]) + "\n")
    for warning in details.warnings:
        env.say(_inert(warning))


def _facts(details: ModelDetails) -> Iterator[tuple[str, str]]:
    entry, sizes = details.entry, details.sizes
    yield "path", str(entry.path)
    yield "architecture", entry.architecture or "unknown"
    if entry.base is not None:
        yield "adapter", f"{entry.method}, merged into its base {entry.base}"
    yield "engine", entry.engine or f"none: {entry.problem}"
    yield "layers", _count(sizes.n_layer)
    yield "heads", _count(sizes.n_head)
    yield "width", _count(sizes.d_model)
    yield "vocabulary", _count(sizes.vocab_size)
    yield "context", f"{_count(sizes.context_length)} tokens"
    yield "parameters", _count(entry.parameters)
    yield "on disk", f"{byte_size(entry.size)} as {details.stored}"
    yield "memory", _by_dtype(details.memory)
    yield "KV cache", f"{_by_dtype(details.kv_per_token)}, for each token"
    yield "tokenizer", _tokenizer(details)
    yield "chat template", "its own" if details.chat_template else "none; chatcli's plain one"
    yield "sampling", _settings(details.sampling)
    yield "digest", details.digest


def _kind(entry: ModelEntry) -> str:
    """The architecture, and of an adapter what it is and onto what: "llama, LORA on tiny"."""
    if entry.base is None:
        return entry.architecture
    return f"{entry.architecture}, {entry.method} on {entry.base.name}"


def _tokenizer(details: ModelDetails) -> str:
    if details.tokenizer_problem is not None:
        return f"none: {details.tokenizer_problem}"
    return f"{details.tokenizer}, {_count(details.tokenizer_size)} tokens"


def _settings(sampling: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sampling.items()) or "chatcli's own"


def _by_dtype(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{byte_size(size)} in {dtype}" for dtype, size in sizes.items())


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"


def byte_size(size: int | None) -> str:
    """Bytes in the unit that leaves one to four digits: "15.8 MiB"."""
    if size is None:
        return "unknown"
    amount, unit = float(size), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{size:,} B" if unit == 0 else f"{amount:.1f} {_UNITS[unit]}"


def _inert(text: str) -> str:
    return visible(text, keep_newlines=False)
