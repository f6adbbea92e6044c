"""What every part of the suite is given: checkpoints to measure, rounds, processes to start."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chatcli.bench.shapes import SHAPES, write_random_checkpoint
from chatcli.model.load import load
from chatcli.model.types import LanguageModel
from chatcli.sampling.types import SamplingConfig

__all__ = ["DEFAULT", "GREEDY", "Workshop", "without_end"]

GREEDY = SamplingConfig(temperature=0.0)
# What the commands start from.
DEFAULT = SamplingConfig(temperature=0.8, top_k=40, top_p=0.95, seed=1)


@dataclass(frozen=True, slots=True)
class Workshop:
    """`model` is the checkpoint that people get; larger ones are random, made in `scratch`.

    `rounds` is how many pairs each part measures, `say` receives one-line remarks, and
    `llama_python` is an interpreter that has llama-cpp-python and gguf, where there is one.
    """

    model: str
    scratch: Path
    rounds: int
    say: Callable[[str], None]
    llama_python: Path | None = None

    def load(self, shape: str | None = None, dtype: str = "auto") -> LanguageModel:
        """The checkpoint on the CPU: a random one of `SHAPES`, or `model`."""
        return load(self.name(shape), device="cpu", dtype=dtype, notice=self.say)

    def name(self, shape: str | None) -> str:
        """What `--model` takes for that checkpoint; a random one is written once."""
        if shape is None:
            return self.model
        folder = self.scratch / shape
        if not folder.exists():
            self.say(f"writing random weights of {shape} parameters")
            write_random_checkpoint(folder, SHAPES[shape])
        return str(folder)

    def command(self, *arguments: str) -> list[str]:
        """The command line of chatcli as a process of its own."""
        return [sys.executable, "-m", "chatcli", *arguments]


def without_end(config: SamplingConfig, model: LanguageModel) -> SamplingConfig:
    """`config` with the end of a text banned, so that every reply is equally long."""
    bias = dict.fromkeys(model.tokenizer.eos_ids, float("-inf"))
    return dataclasses.replace(config, logit_bias=bias)
