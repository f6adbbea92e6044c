"""The entry point: `main` runs one command and turns whatever happens into an exit status.

    0    done, also when the reader of the output went away
    1    an error, named in one line on stderr
    2    wrong usage, or a value out of range
    130  interrupted

Which commands there are is in `app`. Nothing heavy is imported here: `--version` answers
before typer is there, the help and shell completion before torch is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

from chatcli import __version__
from chatcli.errors import ChatcliError

if TYPE_CHECKING:
    from chatcli.ui.environment import Environment

__all__ = ["Status", "main"]


class Status(IntEnum):
    """What the process answers to the shell."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    INTERRUPTED = 130


def main(argv: Sequence[str] | None = None, env: Environment | None = None) -> int:
    """Run a command line in `env` (by default the process's own world); return its status.

    With CHATCLI_DEBUG set, an unforeseen exception is raised instead of summed up.
    """
    from chatcli.ui.environment import Environment

    env = Environment.from_process() if env is None else env
    try:
        status = _run(sys.argv[1:] if argv is None else list(argv), env)
        env.stdout.flush()
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
    except Exception as error:
        status = _report(error, env)
    env.abandon()
    return status


def _run(args: list[str], env: Environment) -> int:
    if args == ["--version"]:
        env.write(f"chatcli {__version__}\n")
        return Status.DONE
    from chatcli.cli.app import run

    return run(args or ["--help"], env)


def _report(error: Exception, env: Environment) -> int:
    """Name the error on stderr, and choose the exit status."""
    if isinstance(error, BrokenPipeError):
        return Status.DONE
    if isinstance(error, ChatcliError):
        status, message = error.exit_status, str(error)
    elif isinstance(error, OSError | MemoryError):
        status, message = Status.ERROR, _machine_message(error)
    elif os.environ.get("CHATCLI_DEBUG"):
        raise error
    else:
        status, message = Status.ERROR, _bug_message(error)
    return _say(message, status, env)


def _say(message: str, status: int, env: Environment) -> int:
    try:
        env.error(message)
    except (OSError, ChatcliError):
        pass  # stderr is gone too: the status is all that is left to tell
    return status


def _machine_message(error: OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return "out of memory; a smaller model, or a smaller --context, would need less"
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def _bug_message(error: Exception) -> str:
    return (
        f"a bug in chatcli: {type(error).__name__}: {error}; please report it with what "
        "CHATCLI_DEBUG=1 prints for the same command"
    )
