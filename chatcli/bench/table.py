"""Speeds and figures as tables for people, and as one JSON document for programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from chatcli.bench.types import Figure, Machine, Speed, Spread
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.environment import Environment
from chatcli.ui.jsonl import record_object
from chatcli.ui.theme import Paint

__all__ = ["figure_line", "show_figures", "show_speed", "speed_object", "suite_object"]

_VERDICT = {True: "met", False: "MISSED", None: ""}


def show_speed(env: Environment, speed: Speed, machine: Machine) -> None:
    """Prefill and decode, a row each, and a line that says which is which."""
    rows = (
        ("prefill", f"{speed.prompt_tokens:,}", speed.prefill),
        ("decode", f"{speed.new_tokens:,}", speed.decode),
    )
    table = [
        Column("phase", [name for name, _, _ in rows]),
        Column("tokens", [tokens for _, tokens, _ in rows], right=True, rank=1),
        Column("tok/s", [f"{spread.median:,.1f}" for _, _, spread in rows], right=True),
        Column("quartiles", [_quartiles(spread) for _, _, spread in rows], rank=2),
    ]
    _write_table(env, table)
    env.write(
        f"first token after {speed.first_token_seconds.median * 1e3:,.0f} ms\n\n"
        "Prefill reads the prompt, all its tokens at once; decode writes new tokens one by\n"
        "one, and each of them reads every weight of the model.\n\n"
        f"{speed.model}: {speed.parameters:,} parameters, {speed.engine} engine, {speed.dtype} "
        f"on {speed.device}; median of {speed.decode.count} runs\n{_machine_line(machine)}\n"
    )


def show_figures(env: Environment, figures: Sequence[Figure], machine: Machine) -> None:
    """All figures of a suite, each with its bar and whether the bar is met."""
    table = [
        Column("part", [figure.part for figure in figures]),
        Column("what", [figure.what for figure in figures], gives=True),
        Column("median", [_amount(figure) for figure in figures], right=True),
        Column("bar", [_bar(figure) for figure in figures]),
        Column("", [_VERDICT[figure.met] for figure in figures]),
        Column("quartiles", [_quartiles(figure.value) for figure in figures], rank=2),
        Column("made of", [figure.detail for figure in figures], rank=1),
    ]
    _write_table(env, table)
    env.write(f"\n{_now():%Y-%m-%d} · {_machine_line(machine)}\n")


def figure_line(figure: Figure) -> str:
    """One figure as a line, for those who wait."""
    bar = f" ({_bar(figure)}: {_VERDICT[figure.met]})" if figure.bar else ""
    return f"{figure.part}: {figure.what} {_amount(figure)}{bar}; {figure.detail}"


def speed_object(speed: Speed, machine: Machine) -> dict[str, Any]:
    """The document of `chatcli bench --json`; speeds are in tokens a second."""
    return {**record_object(speed), **_origin(machine)}


def suite_object(figures: Sequence[Figure], machine: Machine) -> dict[str, Any]:
    """The document of `chatcli bench suite --json`."""
    rows = [{**record_object(figure), "met": figure.met} for figure in figures]
    return {"figures": rows, **_origin(machine)}


def _origin(machine: Machine) -> dict[str, Any]:
    return {"machine": record_object(machine), "date": _now().isoformat(timespec="seconds")}


def _write_table(env: Environment, table: Sequence[Column]) -> None:
    width = env.columns() if env.stdout_is_terminal else None
    titles, *lines = table_lines(table, width)
    env.write("\n".join([Paint(env)("heading", titles), *lines]) + "\n")


def _machine_line(machine: Machine) -> str:
    memory = f", {machine.memory / 2**30:.0f} GiB" if machine.memory else ""
    return (
        f"{machine.system}, {machine.processor}, {machine.cores} cores, {machine.vector}{memory}; "
        f"Python {machine.python}, torch {machine.torch}, {machine.threads} threads"
    )


def _amount(figure: Figure) -> str:
    return f"{figure.value.median:,.2f} {figure.unit}"


def _bar(figure: Figure) -> str:
    return f"{figure.bar} {figure.unit}" if figure.bar else ""


def _quartiles(spread: Spread) -> str:
    return f"{spread.low:,.2f} to {spread.high:,.2f}" if spread.count > 1 else ""


def _now() -> datetime:
    return datetime.now(UTC)
