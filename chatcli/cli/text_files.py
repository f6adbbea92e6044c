"""Files that --file names, as text."""

from __future__ import annotations

from pathlib import Path

from chatcli.errors import UsageError

__all__ = ["read_file_text"]


def read_file_text(file: Path) -> str:
    """All of `file`, less one final newline. Raises UsageError where it can't be read as UTF-8."""
    try:
        return file.read_bytes().decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{file} isn't UTF-8: byte 0x{error.object[error.start]:02X} at offset "
            f"{error.start:,}; convert it first (iconv -t utf-8)"
        ) from error
    except OSError as error:
        raise UsageError(f"can't read {file}: {error.strerror or error}; check --file") from error
