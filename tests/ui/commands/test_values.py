"""Settings by name."""

from __future__ import annotations

from dataclasses import fields

import pytest

from chatcli.chat.types import Settings
from chatcli.errors import UsageError
from chatcli.sampling.types import SamplingConfig
from chatcli.ui.commands.values import KEYS, changed, choices, spell, value_of

START = Settings(SamplingConfig(temperature=0.8, top_k=40))
ODD = Settings(
    SamplingConfig(
        temperature=0.1,
        logit_bias={42: -5.0, 43: float("-inf")},
        order=("top_k", "temperature"),
        seed=2**64 - 1,
        penalty_window=0,
    ),
    max_tokens=7,
    stop=("\n\n", "用户：", "none"),
    overflow="slide",
)


def test_every_sampling_setting_has_a_key() -> None:
    assert {part.name for part in fields(SamplingConfig)} < set(KEYS)


@pytest.mark.parametrize("settings", [START, ODD, Settings(stop=("none",))])
def test_what_is_spelt_is_read_back(settings: Settings) -> None:
    spelt = {key: spell(key, value_of(settings, key)) for key in KEYS}
    assert changed(Settings(), spelt, Settings()) == settings


@pytest.mark.parametrize("key", KEYS)
def test_every_word_that_is_offered_is_a_value(key: str) -> None:
    for word in choices(key):
        changed(ODD, {key: word}, START)


def test_default_is_what_the_checkpoint_starts_from() -> None:
    after = changed(ODD, {"temperature": "default", "stop": "default"}, START)
    assert after.sampling.temperature == 0.8 and after.stop == ()
    assert after.sampling.seed == ODD.sampling.seed


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("temperature", "hot", "temperature wants a number, but got 'hot'"),
        ("temperature", "-1", "temperature is -1.0"),
        ("temperature", "nan", "temperature is nan"),
        ("top_k", "1.5", "top_k wants a whole number, but got '1.5'"),
        ("max_tokens", "0", "max_tokens is 0, but must be 1 or more"),
        ("overflow", "shift", "overflow is error, drop-oldest or slide, but got 'shift'"),
        ("order", "top_q", "order is 'top_q'"),
        ("logit_bias", "42", "such as 42=-5,43=-inf; got '42'"),
        ("stop", '""', "a stop text is empty"),
        ("seed", "-1", "seed is -1"),
        ("temp", "1", "did you mean temperature?"),
        ("num_predict", "1", "did you mean max_tokens?"),
        ("tempratur", "1", "did you mean temperature?"),
        ("xyz", "1", "there are temperature, top_k"),
    ],
)
def test_what_is_wrong_is_named(key: str, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        changed(START, {key: text}, START)
    assert message in str(caught.value) and "\n" not in str(caught.value)
