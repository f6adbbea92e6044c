"""Where the tests find cases and checkpoints that lie beside the repository, not in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

__all__ = ["shared_json", "shared_path"]

ROOT = Path(__file__).resolve().parent.parent.parent / "shared"


def shared_path(*parts: str) -> Path:
    """The path under ../shared; skips the test, with the reason, where it is absent."""
    path = ROOT.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no ../shared/{'/'.join(parts)} beside the repository")
    return path


def shared_json(*parts: str) -> Any:
    """The parsed JSON of a file under ../shared; skips the test where it is absent."""
    return json.loads(shared_path(*parts).read_text(encoding="utf-8"))
