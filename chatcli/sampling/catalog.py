"""The stages as a person meets them: when each runs, what it does in a line, where it is from.

Nothing here computes, so it can be listed without torch; what the stages compute is in
`stages`. A new stage is a row here and there, its place in the presets of `orders`, and its
fields in `SamplingConfig`, whose defaults are what switches it off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatcli.sampling.orders import BESIDE_MIROSTAT, preset_for

if TYPE_CHECKING:
    from chatcli.sampling.types import SamplingConfig

__all__ = ["CATALOG", "StageInfo", "active_stages", "describe"]

Test = Callable[["SamplingConfig"], bool]
Spell = Callable[["SamplingConfig"], str]


@dataclass(frozen=True, slots=True)
class StageInfo:
    """One stage: the settings that it reads (the first one switches it on), when it is on,
    its setting as text, what it does, and its source."""

    name: str
    settings: tuple[str, ...]
    active: Test
    value: Spell
    does: str
    source: str
    when_greedy: bool = False

    def describe(self, config: SamplingConfig) -> str:
        """Its name and setting: "top_k 40"."""
        return f"{self.name} {self.value(config)}".rstrip()


def active_stages(config: SamplingConfig) -> tuple[StageInfo, ...]:
    """The stages that run, in order.

    Greedy decoding runs none that needs luck or only cuts; mirostat, where the order's
    program leaves it to it, none but temperature and what bans or biases tokens by name.
    """
    rules = preset_for(config.order)
    alone = config.mirostat and rules.mirostat_alone
    return tuple(
        stage
        for stage in (CATALOG[name] for name in rules.stages)
        if stage.active(config)
        and (stage.when_greedy or not config.greedy)
        and (not alone or stage.name in BESIDE_MIROSTAT or config.greedy)
    )


def describe(config: SamplingConfig) -> str:
    """The active stages in order: "temperature 0.8 → top_k 40 → top_p 0.95"."""
    parts = [stage.describe(config) for stage in active_stages(config)]
    if config.greedy:
        parts.append("greedy")
    return " → ".join(parts or ["temperature 1"])


def _plain(name: str) -> Spell:
    return lambda config: f"{getattr(config, name):.15g}"


def _with(name: str, *others: tuple[str, str]) -> Spell:
    """ "0.5 (threshold 0.1)": the first setting, then the others by what they are called."""

    def spell(config: SamplingConfig) -> str:
        rest = ", ".join(f"{word} {getattr(config, other):.15g}" for word, other in others)
        return f"{getattr(config, name):.15g} ({rest})"

    return spell


def _number_of(name: str, noun: str) -> Spell:
    def spell(config: SamplingConfig) -> str:
        count = len(getattr(config, name) or ())
        return f"on {count} {noun}{'' if count == 1 else 's'}"

    return spell


def _nothing(config: SamplingConfig) -> str:
    return ""


def _above_zero(name: str) -> Test:
    return lambda config: getattr(config, name) > 0


def _below_one(name: str) -> Test:
    return lambda config: getattr(config, name) < 1


def _penalises(name: str, off: float) -> Test:
    return lambda config: getattr(config, name) != off and config.penalty_window != 0


def _heat(config: SamplingConfig) -> str:
    text = f"{config.temperature:.15g}"
    if config.dynatemp_range:
        text += f" ± {config.dynatemp_range:.15g}"
        if config.dynatemp_exponent != 1:
            text += f" (exponent {config.dynatemp_exponent:.15g})"
    return text


def _named(name: str) -> Test:
    return lambda config: bool(getattr(config, name))


def _penalty(name: str, off: float, does: str, source: str) -> StageInfo:
    settings = (name, "penalty_window")
    return StageInfo(name, settings, _penalises(name, off), _plain(name), does, source, True)


def _cut(name: str, active: Test, does: str, source: str, setting: str = "") -> StageInfo:
    setting = setting or name
    return StageInfo(name, (setting,), active, _plain(setting), does, source)


CATALOG: Mapping[str, StageInfo] = {
    stage.name: stage
    for stage in (
        StageInfo(
            "logit_bias",
            ("logit_bias",),
            _named("logit_bias"),
            _number_of("logit_bias", "token"),
            "adds to the logits of tokens; -inf bans one",
            "OpenAI's API",
            True,
        ),
        StageInfo(
            "sequence_bias",
            ("sequence_bias",),
            _named("sequence_bias"),
            _number_of("sequence_bias", "sequence"),
            "adds to the logit of the token that would complete a sequence",
            "transformers",
            True,
        ),
        StageInfo(
            "bad_words",
            ("bad_words", "eos_ids"),
            _named("bad_words"),
            _number_of("bad_words", "word"),
            "bans the token that would complete a word",
            "transformers",
            True,
        ),
        StageInfo(
            "min_length",
            ("min_length", "eos_ids"),
            _above_zero("min_length"),
            _plain("min_length"),
            "bans the end until prompt and reply are that long",
            "transformers",
            True,
        ),
        StageInfo(
            "min_new_tokens",
            ("min_new_tokens", "eos_ids"),
            _above_zero("min_new_tokens"),
            _plain("min_new_tokens"),
            "bans the end until the reply is that long",
            "transformers",
            True,
        ),
        StageInfo(
            "allowed",
            ("allowed_ids",),
            lambda config: config.allowed_ids is not None,
            _number_of("allowed_ids", "token"),
            "bans every token but these",
            "vLLM's allowed_token_ids",
            True,
        ),
        _penalty(
            "repetition_penalty",
            1,
            "divides (below 0: multiplies) the logit of each token seen, once",
            "Keskar et al. 2019, CTRL",
        ),
        _penalty(
            "frequency_penalty", 0, "subtracts for each time a token was seen", "OpenAI's API"
        ),
        _penalty("presence_penalty", 0, "subtracts once for a token that was seen", "OpenAI's API"),
        StageInfo(
            "dry",
            ("dry_multiplier", "dry_base", "dry_allowed_length", "dry_window", "dry_breakers"),
            lambda config: config.dry_multiplier > 0 and config.dry_window != 0,
            _with("dry_multiplier", ("base", "dry_base"), ("length", "dry_allowed_length")),
            "subtracts from what would prolong a repeat, more the longer it is",
            "p-e-w 2024, textgen",
            True,
        ),
        StageInfo(
            "no_repeat_ngram",
            ("no_repeat_ngram_size",),
            _above_zero("no_repeat_ngram_size"),
            _plain("no_repeat_ngram_size"),
            "bans what would complete an n-gram for a second time",
            "Paulus et al. 2017; transformers",
            True,
        ),
        _cut(
            "top_n_sigma",
            _above_zero("top_n_sigma"),
            "keeps logits within n standard deviations of the best",
            "Tang et al. 2024, Top-nσ",
        ),
        StageInfo(
            "temperature",
            ("temperature", "dynatemp_range", "dynatemp_exponent"),
            lambda config: config.temperature != 1 or config.dynatemp_range > 0,
            _heat,
            "divides the logits; with a range, by more where entropy is high",
            "Ackley et al. 1985; range: kalomaze, llama.cpp",
        ),
        _cut(
            "top_h",
            _above_zero("top_h"),
            "keeps the best while their part of the entropy stays below h",
            "Baghaei Potraghloo et al. 2025, Top-H",
        ),
        _cut("top_k", _above_zero("top_k"), "keeps the k likeliest", "Fan et al. 2018"),
        _cut(
            "top_p",
            _below_one("top_p"),
            "keeps the likeliest that together reach p",
            "Holtzman et al. 2020, nucleus",
        ),
        _cut(
            "min_p",
            _above_zero("min_p"),
            "keeps what is at least m times as likely as the likeliest",
            "Nguyen et al. 2024, Min-p",
        ),
        _cut(
            "typical_p",
            _below_one("typical_p"),
            "keeps what is about as surprising as expected, until it reaches p",
            "Meister et al. 2023, locally typical",
        ),
        _cut(
            "epsilon",
            _above_zero("epsilon_cutoff"),
            "keeps what has at least the probability ε",
            "Hewitt et al. 2022",
            "epsilon_cutoff",
        ),
        _cut(
            "eta",
            _above_zero("eta_cutoff"),
            "keeps what has at least ε, or less where entropy is high",
            "Hewitt et al. 2022",
            "eta_cutoff",
        ),
        StageInfo(
            "p_less",
            ("p_less",),
            _named("p_less"),
            _nothing,
            "keeps what has at least Σp², the chance of guessing the token",
            "Tan et al. 2025, p-less",
        ),
        StageInfo(
            "xtc",
            ("xtc_probability", "xtc_threshold", "xtc_spared"),
            lambda config: config.xtc_probability > 0 and config.xtc_threshold <= 0.5,
            _with("xtc_probability", ("threshold", "xtc_threshold")),
            "by luck, removes all tokens above a threshold but the least likely",
            "p-e-w 2024, textgen",
        ),
        StageInfo(
            "adaptive_p",
            ("adaptive_target", "adaptive_decay"),
            lambda config: config.adaptive_target >= 0,
            _with("adaptive_target", ("decay", "adaptive_decay")),
            "prefers tokens whose probability keeps the running mean on target",
            "llama.cpp, PR 17927",
        ),
        StageInfo(
            "mirostat",
            ("mirostat", "mirostat_tau", "mirostat_eta"),
            _named("mirostat"),
            _with("mirostat", ("tau", "mirostat_tau"), ("eta", "mirostat_eta")),
            "cuts so that the surprise of the tokens stays near tau bits",
            "Basu et al. 2021, Mirostat",
        ),
    )
}
