"""Where chatcli keeps what is the user's: settings and prompts, sessions and history.

CHATCLI_CONFIG and CHATCLI_DATA name other folders; nothing is made here before it is needed.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["config_folder", "data_folder", "private_folder"]


def config_folder() -> Path:
    """The folder of config.toml and the user's own prompts/."""
    return _folder("CHATCLI_CONFIG", "user_config_path")


def data_folder() -> Path:
    """The folder of the store of conversations and of the line history."""
    return _folder("CHATCLI_DATA", "user_data_path")


def private_folder(path: Path) -> Path:
    """`path`, made where it is missing, for the user alone (0700). Raises OSError."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def _folder(variable: str, kind: str) -> Path:
    if named := os.environ.get(variable):
        return Path(named).expanduser()
    import platformdirs  # costs start-up time

    folder: Path = getattr(platformdirs, kind)("chatcli", appauthor=False)
    return folder
