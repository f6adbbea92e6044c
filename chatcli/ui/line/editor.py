"""Text in the user's own editor: $VISUAL, $EDITOR, or one that is there. No shell is started.

The text travels in a file that only the user can read. Who has the terminal meanwhile is the
business of the caller.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from chatcli.errors import UsageError

__all__ = ["edit_text"]

_USUAL = ("editor", "nano", "vim", "vi", "notepad")


def edit_text(text: str) -> str | None:
    """`text` as the editor leaves it, without the newlines at its end; None where nothing is
    left, which means that it was given up.

    Raises UsageError where there is no editor, it fails, or what it leaves can't be read.
    """
    command = _editor()
    try:
        with _private_file(text) as path, _ctrl_c_is_the_editors():
            status = subprocess.run([*command, str(path)], check=False).returncode
            edited = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(
            f"what the editor {command[0]} left isn't UTF-8; save it as UTF-8"
        ) from None
    except OSError as error:
        raise UsageError(
            f"can't run the editor {command[0]}: {error.strerror or error}; "
            "set VISUAL or EDITOR to one that is there"
        ) from error
    if status != 0:
        raise UsageError(f"the editor {command[0]} failed with status {status}; nothing is changed")
    return edited.rstrip("\n") or None if edited.strip() else None


def _editor() -> list[str]:
    """The editor's command line. Raises UsageError."""
    for variable in ("VISUAL", "EDITOR"):
        if named := os.environ.get(variable, "").strip():
            try:
                return shlex.split(named, posix=os.name != "nt")
            except ValueError as error:
                raise UsageError(
                    f"{variable} is {named!r}: {error}; quote it as in a shell"
                ) from error
    for name in _USUAL:
        if found := shutil.which(name):
            return [found]
    raise UsageError("there is no editor; set VISUAL or EDITOR to one")


@contextlib.contextmanager
def _private_file(text: str) -> Iterator[Path]:
    """A file with `text` in it (mode 0600), removed afterwards. Raises OSError."""
    descriptor, name = tempfile.mkstemp(prefix="chatcli-", suffix=".md")
    try:
        with open(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        yield Path(name)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name)


@contextlib.contextmanager
def _ctrl_c_is_the_editors() -> Iterator[None]:
    """Let Ctrl-C, which reaches every process of the terminal, do nothing here.

    A handler, for the editor would inherit that a signal is ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
