"""How long a key takes in the explorer where no forward pass is needed, at a large vocabulary.

The real command runs on a pseudo-terminal; a key is timed from its writing to the last byte
that the screen changes by. What the model says is random, for only its length matters.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice

from chatcli.bench.shapes import SHAPES, write_random_checkpoint
from chatcli.bench.types import Bar, Figure, Spread
from chatcli.bench.workshop import Workshop

__all__ = ["explorer"]

_SHAPE = {
    **SHAPES["110M"],
    "vocab_size": 151_936,
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 32,
}
_COLUMNS, _ROWS = 120, 40
_KEYS_A_ROUND = 8
# Each turns a setting, and another one back.
_KEYS = b"TtKkPpmM"
_QUIET_S, _PATIENCE_S = 0.06, 120.0


def explorer(shop: Workshop) -> Iterator[Figure]:
    """Milliseconds from a key that turns a setting to the redrawn table, in either view."""
    folder = shop.scratch / "wide"
    if not folder.exists():
        write_random_checkpoint(folder, _SHAPE)
    command = shop.command("probs", "-m", str(folder), "--seed", "1", "-t", "0.8")
    with _terminal(command) as screen:
        os.write(screen, b"a")
        _until(screen, f"{_SHAPE['vocab_size']:,}".encode())
        _press(screen, b"\x1b")
        for view, number in (("table", b"1"), ("waterfall", b"2")):
            _press(screen, number)
            keys = [bytes([one]) for one in islice(cycle(_KEYS), shop.rounds * _KEYS_A_ROUND)]
            yield Figure(
                part="explorer",
                what=f"a key to the redrawn {view} at {_SHAPE['vocab_size']:,} tokens",
                value=Spread.of([1e3 * _press(screen, one) for one in keys]),
                unit="ms",
                bar=Bar(50),
                detail=f"{_COLUMNS} by {_ROWS}",
            )


def _press(screen: int, key: bytes) -> float:
    """Seconds from a key to the last byte that came of it."""
    os.write(screen, key)
    started = last = time.perf_counter()
    patience = 1.0  # for the first byte; a key at its end changes nothing
    while select.select([screen], [], [], patience)[0]:
        os.read(screen, 65536)
        last, patience = time.perf_counter(), _QUIET_S
    return last - started


def _until(screen: int, text: bytes) -> None:
    """Read until `text` is on the screen and nothing more comes."""
    seen, end = b"", time.monotonic() + _PATIENCE_S
    while text not in seen:
        if not select.select([screen], [], [], max(0.0, end - time.monotonic()))[0]:
            raise TimeoutError(f"the explorer never showed {text!r}; it showed {seen[-500:]!r}")
        seen += os.read(screen, 65536)
    while select.select([screen], [], [], 5 * _QUIET_S)[0]:
        os.read(screen, 65536)


@contextmanager
def _terminal(command: list[str]) -> Iterator[int]:
    """The command on a pseudo-terminal; its other end."""
    import pty
    import termios

    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (_ROWS, _COLUMNS))
    environ = {**os.environ, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}
    environ.pop("NO_COLOR", None)
    with subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True
    ) as process:
        os.close(slave)
        try:
            yield master
            os.write(master, b"\x03")
            _press(master, b"")
        finally:
            process.terminate()
            os.close(master)
