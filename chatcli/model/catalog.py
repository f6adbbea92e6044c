"""What can be loaded from here, and what a checkpoint is: records for `chatcli models`.

Read from small files and headers; no weights are loaded. What can't be loaded is listed
too, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatcli.errors import ChatcliError
from chatcli.model.adapters import TOKENIZERS, adapter_weights, read_adapter
from chatcli.model.digest import digest, digest_whole
from chatcli.model.files import read_config, read_json
from chatcli.model.generation import GENERATION_CONFIG, eos_ids_from_files, sampling_defaults
from chatcli.model.hub import hub_models
from chatcli.model.resolve import (
    BUILTIN,
    Location,
    holds_model,
    located,
    resolve,
    subfolders_with_models,
)
from chatcli.model.sizes import ITEMSIZE, ModelSizes, WeightSizes, read_weight_sizes
from chatcli.model.support import choose_engine
from chatcli.text.lint import lint
from chatcli.text.tokenizer import CheckpointTokenizer, load_tokenizer

__all__ = ["ModelDetails", "ModelEntry", "describe", "list_models"]

STORED = {"F32": "float32", "BF16": "bfloat16", "F16": "float16", "F64": "float64"}


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One line of the list: `name` is what `--model` takes.

    `engine` would run it; None where nothing here can, and `problem` says why. `parameters`
    and `size` (bytes of weights on disk) are None where the files can't be read. A PEFT
    adapter has its `method` ("LORA") and the folder of its `base`, whose figures these are;
    the adapter's own file is counted into `size`.
    """

    name: str
    path: Path
    architecture: str
    parameters: int | None
    size: int | None
    engine: str | None
    problem: str | None
    method: str | None = None
    base: Path | None = None


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """Everything about one checkpoint that its small files say; None where they don't.

    `stored` is the dtype of the files; `memory` the bytes of the weights and `kv_per_token`
    the bytes that a token adds to the KV cache, by dtype; `tokenizer` its kind, and
    `tokenizer_problem` why it can't be read; `sampling` what generation_config.json sets;
    `warnings` what is wrong with its chat template.
    """

    entry: ModelEntry
    sizes: ModelSizes
    stored: str
    memory: Mapping[str, int]
    kv_per_token: Mapping[str, int]
    tokenizer: str | None
    tokenizer_size: int | None
    chat_template: bool
    tokenizer_problem: str | None
    sampling: Mapping[str, Any]
    digest: str
    warnings: tuple[str, ...] = ()


def list_models(folder: Path | None = None) -> list[ModelEntry]:
    """The built-in model, those in and right below `folder` (the current one), the hub cache's."""
    return [_entry(name, path) for name, path in _models(folder or Path())]


def _models(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name and folder of each."""
    try:
        yield BUILTIN, resolve(BUILTIN).folder
    except ChatcliError:
        pass  # a checkout in which it has not been trained yet
    if holds_model(folder):
        yield str(folder), folder
    yield from ((str(path), path) for path in subfolders_with_models(folder))
    yield from hub_models()


def _entry(name: str, path: Path) -> ModelEntry:
    try:
        return _described(located(name, path))
    except ChatcliError as error:  # an adapter without its base
        return ModelEntry(name, path, "", None, None, None, str(error))


def _described(location: Location) -> ModelEntry:
    architecture, weights, engine, problem = "", None, None, None
    size, method = 0, None
    try:
        if location.adapter is not None:
            method = read_adapter(location.adapter).method
            size = adapter_weights(location.adapter).stat().st_size
        config = read_config(location.folder)
        architecture = str(config.get("model_type") or "")[:60]
        engine = choose_engine(location, config)
        weights = read_weight_sizes(location.folder, config)
        ModelSizes.from_json(config).check(location.name, weights)
    except ChatcliError as error:
        engine, problem = None, str(error)
    return ModelEntry(
        name=location.name,
        path=location.path,
        architecture=architecture,
        parameters=weights.parameters if weights else None,
        size=weights.size + size if weights else None,
        engine=engine,
        problem=problem,
        method=method,
        base=location.folder if location.adapter else None,
    )


def describe(name: str | Path, *, verify: bool = False) -> ModelDetails:
    """Details of the checkpoint that `name` stands for; `verify` digests every byte of it.

    Raises CheckpointError where there is none, or where its config, settings or weight
    headers can't be read.
    """
    location = resolve(name)
    folder, config = location.folder, read_config(location.folder)
    sizes, weights = ModelSizes.from_json(config), read_weight_sizes(folder, config)
    holder = location.holder(*TOKENIZERS)
    tokenizer, problem = _tokenizer(holder, eos_ids_from_files(_generation(location), config))
    identify = digest_whole if verify else digest
    return ModelDetails(
        entry=_described(location),
        sizes=sizes,
        stored=STORED.get(weights.stored, weights.stored),
        memory=_by_dtype(weights, weights.parameters),
        kv_per_token=_by_dtype(weights, sizes.kv_per_token or 0),
        tokenizer=_kind(holder) if tokenizer else None,
        tokenizer_size=tokenizer.vocab_size if tokenizer else None,
        chat_template=tokenizer is not None and tokenizer.chat_template is not None,
        tokenizer_problem=problem,
        sampling=sampling_defaults(_generation(location)),
        digest=identify(folder, location.adapter),
        warnings=lint(tokenizer, thorough=True) if tokenizer else (),
    )


def _by_dtype(weights: WeightSizes, elements: int) -> dict[str, int]:
    """Bytes of `elements` in float32 and in the files' own dtype, which may be the same."""
    own = weights.stored if weights.stored in ITEMSIZE else "F32"
    return {STORED[dtype]: elements * ITEMSIZE[dtype] for dtype in dict.fromkeys(("F32", own))}


def _generation(location: Location) -> Path:
    return location.holder(GENERATION_CONFIG)


def _tokenizer(folder: Path, ends: Iterable[int]) -> tuple[CheckpointTokenizer | None, str | None]:
    """The tokenizer, or what is wrong with it."""
    try:
        return load_tokenizer(folder, extra_eos=ends), None
    except ChatcliError as error:
        return None, str(error)


def _kind(folder: Path) -> str:
    """A tokenizer's algorithm, as people call it."""
    if not (folder / "tokenizer.json").is_file():
        return "SentencePiece" if (folder / "tokenizer.model").is_file() else "byte-level BPE"
    document = read_json(folder / "tokenizer.json")
    model = document.get("model")
    algorithm = str(model.get("type") or "BPE") if isinstance(model, Mapping) else "BPE"
    parts = str((document.get("pre_tokenizer"), document.get("decoder")))
    return f"byte-level {algorithm}" if "'ByteLevel'" in parts else algorithm
