"""From what the user typed to a checkpoint folder: built-in, folder, file, or hub cache.

Only names and the presence of files are looked at here; what is in the files is read by
`load` and `catalog`. Nothing is ever downloaded.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from chatcli.errors import CheckpointError, UnsupportedError
from chatcli.model.files import PICKLE, SAFETENSORS, read_json, weight_files
from chatcli.model.hub import hub_cache, hub_models, hub_snapshot, snapshot_of
from chatcli.text.visible import visible

__all__ = ["BUILTIN", "Location", "resolve", "subfolders_with_models"]

BUILTIN = "builtin"
BUILTIN_FOLDER = Path(__file__).parent / "builtin"
GGUF_MAGIC = b"GGUF"
TRAINING_STATES = (".pt", ".pth", ".ckpt")
# Files that stand for the folder they are in; so does each weight file that it loads.
ENTRANCES = ("config.json", f"{SAFETENSORS}.index.json", f"{PICKLE}.index.json")


@dataclass(frozen=True, slots=True)
class Location:
    """A checkpoint folder, and the name that people see."""

    name: str
    folder: Path


def resolve(name: str | Path) -> Location:
    """The checkpoint that `name` stands for: "builtin", a folder, a file in one, a hub name.

    Raises CheckpointError, with what is near, for a name that stands for nothing, and
    UnsupportedError for a format that something else runs.
    """
    text = os.path.expanduser(os.fspath(name))
    if text == BUILTIN:
        return Location(BUILTIN, _with_config(BUILTIN_FOLDER))
    if os.path.isdir(text):
        return _folder(Path(text))
    if os.path.exists(text):
        return _file(Path(text))
    if snapshot := hub_snapshot(text):
        return Location(_shown(text), _with_config(snapshot))
    raise CheckpointError(f"there is no model {_shown(text)!r}: {_remedy(text)}")


def _folder(folder: Path) -> Location:
    snapshot = snapshot_of(folder) if not (folder / "config.json").is_file() else None
    return Location(_shown(folder.resolve().name), _with_config(snapshot or folder))


def _file(path: Path) -> Location:
    """The folder that a file belongs to, if it is one that is loaded from there."""
    if _is_gguf(path):
        raise _gguf_error(path)
    folder = path.parent
    if path.name in ENTRANCES or path in weight_files(folder):
        return _folder(folder)
    if path.suffix.lower() in TRAINING_STATES:
        raise _training_state_error(path)
    raise CheckpointError(
        f"{_shown(path)} is not a model that can be loaded by itself: "
        "give a folder with config.json and model.safetensors, as save_pretrained writes it"
    )


def _with_config(folder: Path) -> Path:
    if (folder / "config.json").is_file():
        return folder
    if (folder / "adapter_config.json").is_file():
        raise _adapter_error(folder)
    if found := next(iter(sorted(folder.glob("*.gguf"))), None):
        raise _gguf_error(found)
    below = subfolders_with_models(folder)
    if not below and (state := _training_state_in(folder)):
        raise _training_state_error(state)
    hint = (
        f"did you mean {' or '.join(_shown(path) for path in below[:3])}?"
        if below
        else "give a folder with config.json and model.safetensors, as save_pretrained writes it"
    )
    raise CheckpointError(f"{_shown(folder)} has no config.json, so it is no model: {hint}")


def subfolders_with_models(folder: Path) -> list[Path]:
    """The folders right below `folder` that hold a config.json, by name."""
    try:
        return sorted(path for path in folder.iterdir() if (path / "config.json").is_file())
    except OSError:
        return []


def _is_gguf(path: Path) -> bool:
    if path.suffix.lower() == ".gguf":
        return True
    try:
        # Only a regular file: opening a pipe would wait for its writer.
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(4) == GGUF_MAGIC
    except OSError as error:
        raise CheckpointError(f"can't read {_shown(path)}: {error.strerror}") from error


def _gguf_error(path: Path) -> UnsupportedError:
    return UnsupportedError(
        f"{_shown(path)} is a GGUF file, which chatcli can't run: llama.cpp can "
        "(llama-cli -m FILE); chatcli loads the safetensors folder it was made from"
    )


def _adapter_error(folder: Path) -> UnsupportedError:
    base = read_json(folder / "adapter_config.json").get("base_model_name_or_path")
    return UnsupportedError(
        f"{_shown(folder)} is a PEFT adapter of {_shown(base or 'an unnamed model')}, no whole "
        "model: merge it with peft (merge_and_unload) and save_pretrained, and load that folder"
    )


def _training_state_in(folder: Path) -> Path | None:
    files = (path for path in folder.glob("*") if path.suffix.lower() in TRAINING_STATES)
    return next(iter(sorted(files)), None)


def _training_state_error(path: Path) -> UnsupportedError:
    return UnsupportedError(
        f"{_shown(path)} looks like a training state, which chatcli can't run: copy its weights "
        "into a transformers class (nanoGPT's into GPT2LMHeadModel) and save_pretrained that; "
        'see "Your own checkpoint" in the README'
    )


def _remedy(text: str) -> str:
    """What the user may have meant, else what a name can be."""
    near = get_close_matches(text, [BUILTIN, *(name for name, _ in hub_models())], n=3)
    near += _near_paths(Path(text))
    if near:
        return f"did you mean {' or '.join(_shown(name) for name in near[:3])}?"
    return (
        "give 'builtin', a folder with config.json and model.safetensors, "
        f"or the name of a model in {_shown(hub_cache())}"
    )


def _near_paths(path: Path) -> list[str]:
    try:
        siblings = [entry.name for entry in path.parent.iterdir()]
    except (OSError, ValueError):
        return []
    return [str(path.parent / name) for name in get_close_matches(path.name, siblings, n=3)]


def _shown(name: object) -> str:
    """A name made inert for a terminal, and bounded."""
    text = visible(str(name), keep_newlines=False)
    return text if len(text) <= 300 else f"{text[:299]}…"
