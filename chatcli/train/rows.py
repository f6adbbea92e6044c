"""Documents into rows of ids of equal length, ready for the loop, and rows on disk.

Documents are joined end to end and cut; conversations stay whole and are packed. Both give
the same record, so one loop trains on either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from chatcli.errors import TrainingError
from chatcli.train.recipe import Phase
from chatcli.train.sources import Document
from chatcli.train.vocabulary import END_OF_TEXT, END_OF_TURN, ROLES, control_id

__all__ = ["Data", "Encoded", "Rows", "divide", "load_data", "make_data", "pack", "save_data"]

Ids = NDArray[Any]  # unsigned 16-bit, or 32-bit for a vocabulary that needs it
Mask = NDArray[np.bool_]
Encoded = tuple[Ids, Mask]
VALIDATION_ROWS = 48
OPEN_ROWS = 64


@dataclass(frozen=True, slots=True)
class Rows:
    """`ids` [N, T + 1] and `learn` [N, T + 1]: whether a token is a target."""

    ids: Ids
    learn: Mask

    @property
    def tokens(self) -> int:
        """How many targets one pass over the rows holds."""
        return int(self.learn[:, 1:].sum())


@dataclass(frozen=True, slots=True)
class Data:
    """What a phase trains and validates on."""

    train: Rows
    validation: Rows


def make_data(
    phase: Phase,
    tokenizer: Tokenizer,
    train: Sequence[Document],
    validation: Sequence[Document],
    seed: int,
) -> Data:
    """Encode and pack the documents of a phase.

    Raises TrainingError where there are none, or too few for a row.
    """
    if not train:
        raise TrainingError(f"phase {phase.name}: the sources hold no usable text; add some")
    sft = phase.kind == "sft"
    kept = pack(_encode(tokenizer, validation, sft), phase.row_length, whole=sft)
    rows = pack(_encode(tokenizer, train, sft), phase.row_length, whole=sft)
    return divide(phase, rows, Rows(kept.ids[:VALIDATION_ROWS], kept.learn[:VALIDATION_ROWS]), seed)


def divide(phase: Phase, rows: Rows, validation: Rows, seed: int) -> Data:
    """Rows with some for validation: of their own, where no documents were kept for it."""
    if not len(rows.ids):
        raise TrainingError(
            f"phase {phase.name}: the text is shorter than one row of {phase.row_length} tokens; "
            "lower row_length or add text"
        )
    if len(validation.ids):
        return Data(rows, validation)
    order = np.random.default_rng(seed).permutation(len(rows.ids))
    count = min(VALIDATION_ROWS, len(order) // 10)
    kept, rest = order[:count], order[count:]
    return Data(Rows(rows.ids[rest], rows.learn[rest]), Rows(rows.ids[kept], rows.learn[kept]))


def _encode(tokenizer: Tokenizer, documents: Sequence[Document], sft: bool) -> Iterator[Encoded]:
    """Ids of each document after its start, and which of them are targets.

    Control tokens come from here alone: one that a text spells out is read as text.
    """
    texts = [turn.content for document in documents for turn in document.turns]
    tokenizer.encode_special_tokens = True
    encodings = iter(tokenizer.encode_batch_fast(texts, add_special_tokens=False))
    start, end = control_id(tokenizer, END_OF_TEXT), control_id(tokenizer, END_OF_TURN)
    opens = {role: control_id(tokenizer, f"<|{role}|>") for role in ROLES}
    for document in documents:
        replies_only = sft and document.chat
        ids, learn = [start], [not replies_only]
        for turn in document.turns:
            said = next(encodings).ids
            if document.chat:
                ids.append(opens[turn.role])
                learn.append(not replies_only)
                said = [*said, end]
            ids += said
            learn += [not replies_only or turn.role == "assistant"] * len(said)
        yield np.array(ids, dtype=np.uint16), np.array(learn, dtype=np.bool_)


def pack(encoded: Iterable[Encoded], row_length: int, *, whole: bool) -> Rows:
    """Rows of `row_length` + 1: of whole texts side by side, or of one stream cut up."""
    ids, learn = (_pack_whole if whole else _join_and_cut)(encoded, row_length + 1)
    return Rows(ids, learn)


def _join_and_cut(encoded: Iterable[Encoded], width: int) -> Encoded:
    pieces = list(encoded)
    if not pieces:
        return np.empty((0, width), dtype=np.uint16), np.empty((0, width), dtype=np.bool_)
    # Rows overlap by one token, so that every token but the first is a target once.
    ids, learn = (np.concatenate(part) for part in zip(*pieces, strict=True))
    count = max(0, (len(ids) - 1) // (width - 1))
    starts = np.arange(count)[:, None] * (width - 1) + np.arange(width)
    return ids[starts], learn[starts]


def _pack_whole(encoded: Iterable[Encoded], width: int) -> Encoded:
    """First fit into rows, padded with the document start; longer ones are cut."""
    rows: list[list[Encoded]] = []
    room: list[int] = []
    for ids, learn in encoded:
        piece = (ids[:width], learn[:width])
        # Only the newest rows are tried: older ones are nearly full, and the scan stays short.
        start = max(0, len(rows) - OPEN_ROWS)
        fit = next((i for i in range(start, len(rows)) if room[i] >= len(piece[0])), None)
        if fit is None:
            rows.append([])
            room.append(width)
            fit = len(rows) - 1
        rows[fit].append(piece)
        room[fit] -= len(piece[0])
    dtype = rows[0][0][0].dtype if rows else np.dtype(np.uint16)
    all_ids = np.zeros((len(rows), width), dtype=dtype)  # never a target, whatever id 0 is
    all_learn = np.zeros((len(rows), width), dtype=np.bool_)
    for index, row in enumerate(rows):
        length = width - room[index]
        all_ids[index, :length] = np.concatenate([ids for ids, _ in row])
        all_learn[index, :length] = np.concatenate([learn for _, learn in row])
    return all_ids, all_learn


def save_data(path: Path, data: Data) -> None:
    """Keep rows beside a run, so that it goes on with the same ones. Replaces whole."""
    aside = path.with_name(path.stem + ".tmp.npz")
    train, validation = data.train, data.validation
    try:
        np.savez_compressed(
            aside,
            train_ids=train.ids,
            train_learn=np.packbits(train.learn, axis=1),
            validation_ids=validation.ids,
            validation_learn=np.packbits(validation.learn, axis=1),
        )
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise TrainingError(f"{path}: {error.strerror}; free some space") from error
    aside.replace(path)


def load_data(path: Path) -> Data:
    """What `save_data` kept."""
    with np.load(path) as file:
        return Data(_unpacked(file, "train"), _unpacked(file, "validation"))


def _unpacked(file: Any, name: str) -> Rows:
    ids = file[f"{name}_ids"]
    learn = np.unpackbits(file[f"{name}_learn"], axis=1, count=ids.shape[1])
    return Rows(ids, learn.astype(np.bool_))
