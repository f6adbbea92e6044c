"""What a view writes, on a terminal of some width or into a pipe."""

from __future__ import annotations

import io
from collections.abc import Callable

from chatcli.ui.environment import Environment

__all__ = ["written"]


def written(show: Callable[[Environment], None], columns: int | None = None) -> list[str]:
    """The lines on a terminal of that many columns; None: in a pipe."""
    out = io.StringIO()
    env = Environment(
        io.StringIO(),
        out,
        io.StringIO(),
        stdout_is_terminal=columns is not None,
        size=lambda: (columns or 80, 24),
    )
    show(env)
    return out.getvalue().splitlines()
