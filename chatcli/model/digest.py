"""What a checkpoint is, in one number: two folders with the same digest say the same things.

`digest` reads samples of the weights, so that it costs milliseconds; `digest_whole` reads
every byte. Neither covers the file names outside the lists here, nor model cards. An adapter
counts together with its base.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from chatcli.errors import CheckpointError
from chatcli.model.adapters import ADAPTER_CONFIG, adapter_weights
from chatcli.model.files import HEADER_LIMIT, TOKENIZER_DOCUMENTS, weight_files

__all__ = ["digest", "digest_whole"]

DOCUMENTS = (ADAPTER_CONFIG, "config.json", *TOKENIZER_DOCUMENTS)
BLOCKS = 64
BLOCK = 4096
READ = 2**20


def digest(folder: Path, adapter: Path | None = None) -> str:
    """SHA-256, in hex, over config, tokenizer and, of each weight file, header, size, samples.

    The samples are 64 blocks of 4 KiB at even distances, the first and the last included.
    With `adapter` it covers, after the base in `folder`, the same files of the adapter.
    Raises CheckpointError where a file can't be read.
    """
    return _digest(folder, adapter, _sampled)


def digest_whole(folder: Path, adapter: Path | None = None) -> str:
    """SHA-256, in hex, over config, tokenizer and every byte of the weights."""
    return _digest(folder, adapter, _whole)


Parts = Callable[[BinaryIO, int], Iterator[bytes]]


def _digest(folder: Path, adapter: Path | None, of_weights: Parts) -> str:
    result = hashlib.sha256()
    plan = list(_plan(folder, weight_files(folder), of_weights))
    if adapter is not None:
        plan += _plan(adapter, (adapter_weights(adapter),), of_weights)
    for path, parts in plan:
        try:
            with path.open("rb") as file:
                size = path.stat().st_size
                # The name and the size in front keep two files from passing for one.
                result.update(f"{path.name}\0{size}\0".encode(errors="surrogateescape"))
                for part in parts(file, size):
                    result.update(part)
        except OSError as error:
            raise CheckpointError(f"can't read {path}: {error.strerror or error}") from error
    return result.hexdigest()


def _plan(folder: Path, weights: Sequence[Path], of_weights: Parts) -> Iterator[tuple[Path, Parts]]:
    """The files of a folder that count, and how each is read."""
    documents = (folder / name for name in DOCUMENTS)
    yield from ((path, _whole) for path in documents if path.is_file())
    yield from ((path, of_weights) for path in weights)


def _whole(file: BinaryIO, size: int) -> Iterator[bytes]:
    while part := file.read(READ):
        yield part


def _sampled(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The file's header, if it is safetensors, and 64 blocks; all of a file not larger."""
    if size <= BLOCKS * BLOCK:
        yield file.read()
        return
    if file.name.endswith(".safetensors"):
        length = struct.unpack("<Q", file.read(8))[0]
        yield file.read(min(length, HEADER_LIMIT, size))
    for block in range(BLOCKS):
        file.seek(block * (size - BLOCK) // (BLOCKS - 1))
        yield file.read(BLOCK)
