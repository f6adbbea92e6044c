"""What the ends of the chain remember, by the place in the reply that goes on from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

from chatcli.errors import SamplingError
from chatcli.sampling.context import Memory

__all__ = ["MemoryByIndex"]


_SIZES = {"mirostat": 1, "adaptive_p": 2}  # how many numbers each end goes on from


class MemoryByIndex:
    """Of each index of a reply, what its token goes on from; nothing for the first one.

    One thread may read while another writes.
    """

    def __init__(self) -> None:
        self._known: dict[int, Memory] = {}
        self.newest = 0

    def at(self, index: int) -> Memory:
        """What is remembered for `index`, empty where nothing is."""
        return self._known.get(index, {})

    def put(self, index: int, memory: Memory) -> None:
        """Remember, in place of whatever was."""
        if index > 0:
            self._known[index] = memory
            self.newest = index

    def plain(self, index: int) -> dict[str, Any] | None:
        """What is remembered for `index`, as plain JSON; None where nothing is."""
        memory = self.at(index)
        numbers = {name: list(values) for name, values in memory.items()}
        return {"index": index, **numbers} if memory else None

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any] | None) -> Self:
        """The inverse of `plain`. Raises SamplingError on anything else."""
        made = cls()
        if plain is None:
            return made
        match plain:
            case {"index": int(index), **others} if index > 0 and all(
                _sound(name, values) for name, values in others.items()
            ):
                made.put(index, {name: tuple(values) for name, values in others.items()})
                return made
        raise SamplingError(f"a sampler's memory has an index and numbers, this one {plain!r:.60}")


def _sound(name: str, values: Any) -> bool:
    """Whether these can be what the stage of that name remembers."""
    return (
        isinstance(values, list)
        and len(values) == _SIZES.get(name)
        and all(isinstance(one, int | float) and math.isfinite(one) for one in values)
    )
