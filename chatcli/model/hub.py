"""Models that the Hugging Face hub's local cache holds. Reads folders; never the network.

The cache keeps `models--ORG--NAME/refs/main`, a file with a commit's name, and
`snapshots/COMMIT/`, a folder that looks like any checkpoint's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["hub_cache", "hub_models", "hub_snapshot", "snapshot_of"]

PREFIX = "models--"


def hub_cache() -> Path:
    """Where the hub's cache lies, by the variables that its own tools obey."""
    for variable, below in [
        ("HF_HUB_CACHE", ""),
        ("HUGGINGFACE_HUB_CACHE", ""),
        ("HF_HOME", "hub"),
        ("XDG_CACHE_HOME", "huggingface/hub"),
    ]:
        if value := os.environ.get(variable):
            return Path(os.path.expanduser(value), below)
    return Path(os.path.expanduser("~/.cache/huggingface/hub"))


def hub_models() -> Iterator[tuple[str, Path]]:
    """Name ("org/repo") and snapshot of every model in the cache, by name."""
    try:
        entries = sorted(os.listdir(hub_cache()))
    except OSError:
        return
    for entry in entries:
        if entry.startswith(PREFIX) and (snapshot := snapshot_of(hub_cache() / entry)):
            yield entry.removeprefix(PREFIX).replace("--", "/"), snapshot


def hub_snapshot(name: str) -> Path | None:
    """The snapshot of model "org/repo" (or "repo") in the cache, None where it isn't there."""
    parts = name.split("/")
    if len(parts) > 2 or any(part in ("", ".", "..") for part in parts) or "\0" in name:
        return None
    return snapshot_of(hub_cache() / f"{PREFIX}{'--'.join(parts)}")


def snapshot_of(repository: Path) -> Path | None:
    """The snapshot that refs/main names, else the newest one; None where there is none."""
    snapshots = repository / "snapshots"
    try:
        commit = (repository / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        commit = ""
    if commit and Path(commit).name == commit and (snapshots / commit).is_dir():
        return snapshots / commit
    try:
        folders = [path for path in snapshots.iterdir() if path.is_dir()]
    except OSError:
        return None
    return max(folders, key=lambda path: path.stat().st_mtime, default=None)
