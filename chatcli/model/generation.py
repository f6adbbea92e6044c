"""What a checkpoint's generation_config.json says: sampling settings and end tokens.

Only what the file sets is returned; what to do with it is left to the commands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chatcli.errors import CheckpointError
from chatcli.model.adapters import is_adapter
from chatcli.model.files import read_json
from chatcli.model.resolve import located

__all__ = ["GENERATION_CONFIG", "eos_ids_from_files", "sampling_defaults"]

GENERATION_CONFIG = "generation_config.json"


def _counts(x: float) -> bool:
    return x >= 0 and x == int(x)


# Each SamplingConfig field that the file may set: what is allowed, in words and as a test.
RANGES: dict[str, tuple[str, Callable[[float], bool]]] = {
    "temperature": ("a number of 0 or more", lambda x: x >= 0),
    "top_k": ("a whole number of 0 or more", _counts),
    "top_p": ("a number in (0, 1]", lambda x: 0 < x <= 1),
    "min_p": ("a number in [0, 1]", lambda x: 0 <= x <= 1),
    "typical_p": ("a number in (0, 1]", lambda x: 0 < x <= 1),
    "repetition_penalty": ("a number above 0", lambda x: x > 0),
    "no_repeat_ngram_size": ("a whole number of 0 or more", _counts),
    "min_length": ("a whole number of 0 or more", _counts),
    "min_new_tokens": ("a whole number of 0 or more", _counts),
    "top_h": ("a number in [0, 1]", lambda x: 0 <= x <= 1),
    "epsilon_cutoff": ("a number in [0, 1)", lambda x: 0 <= x < 1),
    "eta_cutoff": ("a number in [0, 1)", lambda x: 0 <= x < 1),
}
_WHOLE = ("top_k", "no_repeat_ngram_size", "min_length", "min_new_tokens")


def sampling_defaults(folder: Path | None) -> dict[str, Any]:
    """The SamplingConfig fields that the folder's generation_config.json sets.

    `do_sample: false` sets temperature 0. Empty without a folder or a file; an adapter
    without the file has its base's. Raises CheckpointError for a value of the wrong type or
    out of range.
    """
    if folder is not None and is_adapter(folder):
        folder = located(folder.name, folder).holder(GENERATION_CONFIG)
    if folder is None or not (folder / GENERATION_CONFIG).exists():
        return {}
    document = read_json(folder / GENERATION_CONFIG)
    defaults: dict[str, Any] = {
        name: _checked(folder, name, document[name])
        for name in RANGES
        if document.get(name) is not None
    }
    if document.get("do_sample") is False:
        defaults["temperature"] = 0.0
    return defaults


def _checked(folder: Path, name: str, value: Any) -> float | int:
    allowed, holds = RANGES[name]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    # A comparison, for it also refuses NaN and integers too large for a float.
    if not (number and abs(value) < 1e300 and holds(value)):
        raise CheckpointError(
            f"{folder / GENERATION_CONFIG} sets {name} to {value!r}, not {allowed}: "
            "correct or delete that line"
        )
    return int(value) if name in _WHOLE else float(value)


def eos_ids_from_files(folder: Path, config: Mapping[str, Any]) -> list[int]:
    """The end tokens that config.json and generation_config.json name, ascending.

    A negative id means "none" in such files. Raises CheckpointError for anything that is
    neither an id nor a list of ids.
    """
    sources = {"config.json": config}
    if (folder / GENERATION_CONFIG).exists():
        sources[GENERATION_CONFIG] = read_json(folder / GENERATION_CONFIG)
    found: set[int] = set()
    for name, document in sources.items():
        value = document.get("eos_token_id")
        ids = value if isinstance(value, list) else [] if value is None else [value]
        if any(isinstance(token, bool) or not isinstance(token, int) for token in ids):
            raise CheckpointError(
                f"{folder / name} sets eos_token_id to {value!r}, not a token's id or a list of ids"
            )
        found.update(token for token in ids if token >= 0)
    return sorted(found)
