"""Options that rule each other out, and which default of a config file gives way to which.

A person who types `-t 0.5` shouldn't have to know that a file says `greedy = true`. So of two
that can't hold together, the one said more nearly holds: the command line, the environment,
the narrower table. And what makes sense beside another option only, as `system` beside
`chat`, is left out where that one is off. Two flags that contradict each other stay an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Said", "contradiction", "giving_way"]

# (one, the other, the only command it is so for; None: every one)
_APART = (
    ("greedy", "temperature", None),
    ("special", "chat", None),
    ("characters", "explain", None),
    ("minutes", "passes", None),
    ("tokenizer", "model", "pretrain"),
    ("layers", "model", "pretrain"),
    ("width", "model", "pretrain"),
    ("context", "model", "pretrain"),
)
_BESIDE = (
    ("system", "chat"),
    ("after_chain", "characters"),
    ("var", "prompt"),
    ("shots", "prompt"),
    ("rank", "lora"),
    ("alpha", "lora"),
    ("dropout", "lora"),
)
_FLAG = 0  # how near the command line is; the environment is 1, then tables, narrowest first


@dataclass(frozen=True, slots=True)
class Said:
    """An option's value, and how nearly it was said: 0 by a flag, 1 by the environment,
    from 2 on by a table of the config file; None: by nobody, it is chatcli's default."""

    value: Any
    nearness: int | None

    @property
    def counts(self) -> bool:
        """Whether it was said, and isn't off."""
        return self.nearness is not None and self.value not in (None, False)

    @property
    def from_file(self) -> bool:
        return self.nearness is not None and self.nearness >= 2


def giving_way(command: Sequence[str], said: Mapping[str, Said]) -> set[str]:
    """The options of a command whose default in the config file is left out.

    Raises PromptFileError where --prompt names a file that is wrong.
    """
    out: set[str] = set()
    for one, other in _pairs(command, said):
        a, b = said[one], said[other]
        if a.counts and b.counts and a.nearness != b.nearness:
            further = one if (a.nearness or 0) > (b.nearness or 0) else other
            out |= {further} if said[further].from_file else set()
    for inner, outer in _BESIDE:
        if inner in said and outer in said and said[inner].from_file:
            if outer in out or not said[outer].value:
                out.add(inner)
    return out | set(_without_a_place(said)) | set(_said_by_prompt(said))


def contradiction(command: Sequence[str], keys: Iterable[str]) -> tuple[str, str] | None:
    """Two of `keys`, all of one table, that can't hold together."""
    found = _pairs(command, dict.fromkeys(keys))
    return next(iter(found), None)


def _pairs(command: Sequence[str], said: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for one, other, only in _APART:
        if one in said and other in said and only in (None, command[-1] if command else None):
            yield one, other


def _without_a_place(said: Mapping[str, Said]) -> Iterator[str]:
    """Settings whose stage isn't in the list of stages that the command line gives."""
    from chatcli.sampling.catalog import CATALOG
    from chatcli.sampling.orders import PRESETS

    order = said.get("order")
    if order is None or order.nearness != _FLAG or order.value in PRESETS:
        return
    stages = {stage.strip() for stage in order.value.split(",")}
    for stage in CATALOG.values():
        name = stage.settings[0]
        if name in said and said[name].from_file and stage.name not in stages:
            yield name


def _said_by_prompt(said: Mapping[str, Said]) -> Iterator[str]:
    """What the prompt file of `complete` and `probs` settles; `chat` weighs its own."""
    from_file = {key for key, one in said.items() if one.from_file}
    if not from_file or not {"prompt", "chat"} <= said.keys() or not said["prompt"].value:
        return
    from chatcli.text.prompts import find_prompt

    prompt = find_prompt(said["prompt"].value)
    settled = {*prompt.sampling, *({"greedy"} if "temperature" in prompt.sampling else ())}
    own = {key for key in ("system", "prefill", "stop", "max_tokens") if getattr(prompt, key)}
    yield from from_file & (settled | own)
