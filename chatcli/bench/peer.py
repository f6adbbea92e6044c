"""Decode speed against llama.cpp at equal precision, where an interpreter has it.

llama.cpp is never a dependency: it runs in a process of its own under the interpreter that
`--llama-python` names, which reads the same weights, and times itself when told to.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from chatcli.bench.decode import Case, cases
from chatcli.bench.timing import Action
from chatcli.bench.types import Bar, Figure
from chatcli.bench.workshop import Workshop

__all__ = ["llama_process", "peer"]

_SCRIPT = Path(__file__).with_name("llama_peer.py")


def peer(shop: Workshop) -> Iterator[Figure]:
    """One ratio for each size and dtype; none without llama.cpp."""
    if shop.llama_python is None:
        shop.say("llama.cpp: left out; --llama-python names a Python that has llama-cpp-python")
        return
    for case in cases(shop):
        with llama_process(shop.llama_python, case, shop.scratch) as theirs:
            bar = Bar(0.5, at_least=True)
            yield case.figure("llama.cpp", "llama.cpp", theirs, bar, shop.rounds)


@contextmanager
def llama_process(python: Path, case: Case, scratch: Path) -> Iterator[Action]:
    """The other process, as seconds for the tokens of a run."""
    checkpoint = case.native.checkpoint
    numbers = (torch.get_num_threads(), len(case.prompt), case.tokens)
    command = [
        # -I: this folder holds a types.py, which must not stand in for Python's own.
        *(str(python), "-I", str(_SCRIPT), str(checkpoint.path), checkpoint.dtype),
        *(str(scratch / "peer.gguf"), *map(str, numbers)),
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        ask, answer = process.stdin, process.stdout

        def seconds() -> float:
            ask.write("go\n")
            ask.flush()
            return float(answer.readline())

        yield seconds
        ask.close()
