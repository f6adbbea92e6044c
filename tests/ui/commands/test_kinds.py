"""Values of every type, typed and written back."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_type_hints

import pytest

from chatcli.errors import UsageError
from chatcli.sampling.types import SamplingConfig
from chatcli.ui.commands.kinds import KINDS

_Sequence = str | tuple[int, ...]
EXAMPLES: dict[Any, list[Any]] = {
    int: [0, -3, 2**70],
    float: [0.0, 0.1, 1e-38, 3.4e38, -5.0, float("-inf")],
    bool: [True, False],
    int | None: [None, 0],
    float | None: [None, 0.5],
    str | tuple[str, ...]: ["hf", (), ("temperature",), ("top_k", "top_p")],
    tuple[str, ...]: [(), ("none",), ("default",), ("a b", "\n", "it's", "[1]")],
    tuple[int, ...] | None: [None, (), (5,), (5, 6)],
    tuple[_Sequence, ...]: [(), ("none",), ("[1,2]", (1, 2), "山 高")],
    tuple[_Sequence, ...] | None: [None, (), ("none",), ((7,), "[x", "\\[")],
    tuple[tuple[_Sequence, float], ...]: [(), (("a=b", 1.5), ((5, 6), float("-inf")))],
}


def test_every_type_of_a_sampling_setting_can_be_typed() -> None:
    hints = get_type_hints(SamplingConfig)
    assert {hints[part.name] for part in fields(SamplingConfig)} <= set(KINDS)


@pytest.mark.parametrize(
    ("hint", "value"), [(hint, value) for hint, values in EXAMPLES.items() for value in values]
)
def test_what_is_spelt_is_read_back(hint: Any, value: Any) -> None:
    kind = KINDS[hint]
    spelt = kind.spell(value)
    assert "\n" not in spelt
    assert kind.read("key", spelt) == value


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int, "1.0"),
        (int, ""),
        (float, "hot"),
        (bool, "perhaps"),
        (tuple[int, ...] | None, "5;6"),
        (tuple[int, ...] | None, "²"),
        (tuple[tuple[_Sequence, float], ...], "山"),
        (tuple[tuple[_Sequence, float], ...], "山=much"),
        (tuple[str, ...], "it's"),
    ],
)
def test_what_is_no_value_is_named_with_its_key(hint: Any, text: str) -> None:
    with pytest.raises(UsageError, match=r"key|isn't closed"):
        KINDS[hint].read("key", text)
