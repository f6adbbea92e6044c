"""From what the user typed to a checkpoint folder: built-in, folder, file, or hub cache.

A PEFT adapter leads on to its base, which is found in the same places. Only names and the
presence of files are looked at here; what is in a model's files is read by `load` and
`catalog`. Nothing is ever downloaded.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from chatcli.errors import CheckpointError, UnsupportedError
from chatcli.model.adapters import ADAPTER_CONFIG, ADAPTER_WEIGHTS, is_adapter, read_adapter
from chatcli.model.files import PICKLE, SAFETENSORS, weight_files
from chatcli.model.hub import hub_cache, hub_models, hub_snapshot, snapshot_of
from chatcli.text.visible import visible

__all__ = [
    "BUILTIN",
    "Location",
    "holds_model",
    "lasting",
    "located",
    "resolve",
    "subfolders_with_models",
]

BUILTIN = "builtin"
BUILTIN_FOLDER = Path(__file__).parent / "builtin"
GGUF_MAGIC = b"GGUF"
TRAINING_STATES = (".pt", ".pth", ".ckpt")
# Files that stand for the folder they are in; so does each weight file that it loads.
ENTRANCES = (
    "config.json",
    f"{SAFETENSORS}.index.json",
    f"{PICKLE}.index.json",
    ADAPTER_CONFIG,
    *ADAPTER_WEIGHTS,
)


@dataclass(frozen=True, slots=True)
class Location:
    """A checkpoint folder, and the name that people see.

    `adapter` is the folder of the PEFT adapter that goes onto it, None for a model by itself.
    """

    name: str
    folder: Path
    adapter: Path | None = None

    @property
    def path(self) -> Path:
        """The folder that the name stands for: the adapter's, where there is one."""
        return self.adapter or self.folder

    def holder(self, *names: str) -> Path:
        """The adapter's folder where it holds one of the files `names`, else the model's."""
        mine = self.adapter
        if mine is not None and any((mine / name).is_file() for name in names):
            return mine
        return self.folder


def resolve(name: str | Path) -> Location:
    """The checkpoint that `name` stands for: "builtin", a folder, a file in one, a hub name.

    Raises CheckpointError, with what is near, for a name that stands for nothing, and
    UnsupportedError for a format that something else runs.
    """
    return located(*_find(os.path.expanduser(os.fspath(name))))


def lasting(name: str) -> str:
    """`name` as it means the same from every folder: a path in full, other names as they are."""
    path = os.path.expanduser(name)
    return os.path.abspath(path) if name != BUILTIN and os.path.exists(path) else name


def located(name: str, folder: Path) -> Location:
    """The model in `folder`, with the base that it needs where it is an adapter."""
    if is_adapter(folder):
        return Location(name, _base_of(folder), adapter=folder)
    return Location(name, _with_config(folder))


def _find(text: str) -> tuple[str, Path]:
    """The name that people see, and the folder that `text` stands for."""
    if text == BUILTIN:
        return BUILTIN, BUILTIN_FOLDER
    if os.path.isdir(text):
        return _folder(Path(text))
    if os.path.exists(text):
        return _file(Path(text))
    if snapshot := hub_snapshot(text):
        return _shown(text), snapshot
    raise CheckpointError(f"there is no model {_shown(text)!r}: {_remedy(text)}")


def _folder(folder: Path) -> tuple[str, Path]:
    snapshot = None if holds_model(folder) else snapshot_of(folder)
    return _shown(folder.resolve().name), snapshot or folder


def _file(path: Path) -> tuple[str, Path]:
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


def _base_of(adapter: Path) -> Path:
    """The folder of an adapter's base: a path from the adapter's folder or from here, or a name."""
    named = os.path.expanduser(read_adapter(adapter).base)
    beside = adapter / named
    remedy = f"write the path of its base into base_model_name_or_path in its {ADAPTER_CONFIG}"
    try:
        _, folder = _find(str(beside) if beside.is_dir() else named)
    except CheckpointError as error:
        raise CheckpointError(
            f"{_shown(adapter)} is a PEFT adapter of {_shown(named)}, which isn't here: {remedy}"
        ) from error
    if is_adapter(folder):
        raise UnsupportedError(
            f"{_shown(adapter)} is a PEFT adapter of {_shown(named)}, which is itself an adapter: "
            "merge that one with peft (merge_and_unload), save_pretrained it, and " + remedy
        )
    return _with_config(folder)


def _with_config(folder: Path) -> Path:
    if (folder / "config.json").is_file():
        return folder
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
    """The folders right below `folder` that hold a config.json or an adapter, by name."""
    try:
        return sorted(filter(holds_model, folder.iterdir()))
    except OSError:
        return []


def holds_model(folder: Path) -> bool:
    """Whether `folder` looks like a model or an adapter from outside."""
    return (folder / "config.json").is_file() or (folder / ADAPTER_CONFIG).is_file()


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
