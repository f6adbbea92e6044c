"""The same settings as other programs spell them, and what of them those programs don't have.

Names and defaults are those of transformers 5, llama.cpp (mid 2026), vLLM 0.1x and mlx-lm.
A setting that is on there unless it is said is switched off where it is off here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chatcli.sampling.catalog import CATALOG, active_stages
from chatcli.sampling.orders import BESIDE_MIROSTAT, PRESETS, preset_for
from chatcli.sampling.types import SamplingConfig

__all__ = ["Elsewhere", "elsewhere"]

# By stage, the program's name for each setting that belongs to it.
Names = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """One program: the flags for the settings in force, the stages in force that it doesn't
    have, and what it does otherwise all the same."""

    program: str
    flags: tuple[str, ...]
    missing: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Program:
    """How a program is told: its order, its names, what is on there unless it is said, and how
    a pair is written. `greedy` says all that greedy decoding needs."""

    name: str
    order: str
    names: Names
    defaults: Mapping[str, str]
    spell: Callable[[str, Any], str]
    greedy: tuple[str, ...]
    sampled: tuple[str, ...] = ()
    window: str | None = None


def elsewhere(config: SamplingConfig) -> tuple[Elsewhere, ...]:
    """What transformers, llama.cpp, vLLM and mlx-lm have for `config`."""
    return tuple(_told(program, config) for program in _PROGRAMS)


def _told(program: _Program, config: SamplingConfig) -> Elsewhere:
    stages = [stage.name for stage in active_stages(config)]
    known = [name for name in stages if name in program.names]
    missing = [CATALOG[name].describe(config) for name in stages if name not in program.names]
    if config.dynatemp_range and "temperature" in known and program.name != "llama.cpp":
        missing.append(f"dynatemp_range {config.dynatemp_range:.15g}")
    flags = [
        *(program.greedy if config.greedy else program.sampled),
        *_flags(program, config, known),
        *_switched_off(program, config, known),
        *_window(program, config, known),
        *(_samplers(config, known) if program.name == "llama.cpp" else ()),
    ]
    return Elsewhere(
        program.name, tuple(flags), tuple(missing), tuple(_remarks(program, config, known))
    )


def _flags(program: _Program, config: SamplingConfig, known: list[str]) -> Iterator[str]:
    """The settings of the stages that are known there: what switches a stage on, and the rest
    where it isn't at its default. Two that are one there are said at once."""
    base, told = SamplingConfig(), dict[str, Any]()
    for name in known:
        switch = CATALOG[name].settings[0]
        for setting, spelt in program.names[name].items():
            value = getattr(config, setting)
            if setting == switch or value != getattr(base, setting):
                told[spelt] = {**dict(told[spelt]), **dict(value)} if spelt in told else value
    yield from (program.spell(spelt, value) for spelt, value in told.items())


def _switched_off(program: _Program, config: SamplingConfig, known: list[str]) -> Iterator[str]:
    """What the program does by default, where it isn't to."""
    for name, flag in program.defaults.items():
        beside = name == "temperature" or not config.mirostat
        if name not in known and beside and not config.greedy:
            yield flag


def _window(program: _Program, config: SamplingConfig, known: list[str]) -> Iterator[str]:
    size = config.penalty_window
    if size is None:
        size = preset_for(config.order).penalty_window
    if program.window and _penalised(known) and size is not None:
        yield program.spell(program.window, size)


def _penalised(known: list[str]) -> bool:
    return any(name in _PENALTIES for name in known)


def _samplers(config: SamplingConfig, known: list[str]) -> Iterator[str]:
    """llama.cpp's chain, where it isn't its own."""
    own = [name for name in PRESETS["llamacpp"].stages if name in known]
    if (known != own or "adaptive_p" in known) and not (config.greedy or config.mirostat):
        names = dict.fromkeys(_SAMPLERS[name] for name in known if name in _SAMPLERS)
        yield f'--samplers "{";".join(names)}"'


def _remarks(program: _Program, config: SamplingConfig, known: list[str]) -> Iterator[str]:
    here, there = (
        [name for name in names if name in known and name not in _ANYWHERE]
        for names in (known, PRESETS[program.order].stages)
    )
    if here != there and program.name != "llama.cpp":
        yield f"in its own order, {' → '.join(there)}"
    whole = preset_for(config.order).penalty_window is None
    if program.window is None and _penalised(known) and config.penalty_window is not None:
        yield "penalties see the whole context"
    elif program.window and _penalised(known) and config.penalty_window is None and whole:
        yield f"{program.window} wants the length of the context"
    if program.name == "llama.cpp" and "dry" in known and config.dry_window is None and whole:
        yield "--dry-penalty-last-n wants the length of the context"
    if program.name == "vLLM" and {"frequency_penalty", "presence_penalty"} & set(known):
        if config.order != "vllm":
            yield "frequency and presence are counted in the reply alone"
    if program.name == "transformers" and any(isinstance(word, str) for word in config.bad_words):
        yield "bad words want ids"


def _assigned(name: str, value: Any) -> str:
    """A keyword argument of Python."""
    return f"{name}={_python(value)}"


def _python(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {_python(each)}" for key, each in value.items()) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_python, value)) + "]"
    if value == float("-inf"):
        return '-float("inf")'
    return f"{value:.15g}" if isinstance(value, float) else repr(value)


def _typed(name: str, value: Any) -> str:
    """A flag of a command line; a mapping or a list says it again for each."""
    if isinstance(value, Mapping):
        return " ".join(f"{name} {token}{bias:+g}" for token, bias in value.items())
    if isinstance(value, tuple):
        return " ".join(f"{name} {_quoted(word)}" for word in value)
    return f"{name} {value:.15g}"


def _quoted(word: str | tuple[int, ...]) -> str:
    return f'"{word}"' if isinstance(word, str) else str(list(word))


def _by_sequence(name: str, value: Any) -> str:
    """The same, where a bias stands for a sequence of ids."""
    if name == "sequence_bias":
        value = {(word,) if isinstance(word, int) else word: x for word, x in dict(value).items()}
    return _assigned(name, value)


def _same(*names: str) -> dict[str, dict[str, str]]:
    """Stages of one setting that is called the same there."""
    return {name: {name: name} for name in names}


_PENALTIES = ("repetition_penalty", "frequency_penalty", "presence_penalty")
_ANYWHERE = BESIDE_MIROSTAT - {"temperature"}  # bans and biases, whose place changes nothing
_SAMPLERS = {
    **dict.fromkeys(_PENALTIES, "penalties"),
    **{name: name for name in ("dry", "top_n_sigma", "top_k", "top_p", "min_p", "xtc")},
    **{name: name for name in ("temperature", "adaptive_p")},
    "typical_p": "typ_p",
}
_PROGRAMS = (
    _Program(
        "transformers",
        "hf",
        {
            **_same("sequence_bias", "repetition_penalty", "min_length", "min_new_tokens"),
            **_same("temperature", "top_h", "top_k", "top_p", "min_p", "typical_p"),
            "logit_bias": {"logit_bias": "sequence_bias"},
            "bad_words": {"bad_words": "bad_words_ids"},
            "no_repeat_ngram": {"no_repeat_ngram_size": "no_repeat_ngram_size"},
            "epsilon": {"epsilon_cutoff": "epsilon_cutoff"},
            "eta": {"eta_cutoff": "eta_cutoff"},
        },
        {"top_k": "top_k=0"},
        _by_sequence,
        greedy=("do_sample=False",),
        sampled=("do_sample=True",),
    ),
    _Program(
        "llama.cpp",
        "llamacpp",
        {
            "logit_bias": {"logit_bias": "--logit-bias"},
            "repetition_penalty": {"repetition_penalty": "--repeat-penalty"},
            "frequency_penalty": {"frequency_penalty": "--frequency-penalty"},
            "presence_penalty": {"presence_penalty": "--presence-penalty"},
            "dry": {
                "dry_multiplier": "--dry-multiplier",
                "dry_base": "--dry-base",
                "dry_allowed_length": "--dry-allowed-length",
                "dry_window": "--dry-penalty-last-n",
                "dry_breakers": "--dry-sequence-breaker",
            },
            "top_n_sigma": {"top_n_sigma": "--top-nsigma"},
            "top_k": {"top_k": "--top-k"},
            "typical_p": {"typical_p": "--typical"},
            "top_p": {"top_p": "--top-p"},
            "min_p": {"min_p": "--min-p"},
            "xtc": {"xtc_probability": "--xtc-probability", "xtc_threshold": "--xtc-threshold"},
            "temperature": {
                "temperature": "--temp",
                "dynatemp_range": "--dynatemp-range",
                "dynatemp_exponent": "--dynatemp-exp",
            },
            "adaptive_p": {
                "adaptive_target": "--adaptive-target",
                "adaptive_decay": "--adaptive-decay",
            },
            "mirostat": {
                "mirostat": "--mirostat",
                "mirostat_tau": "--mirostat-ent",
                "mirostat_eta": "--mirostat-lr",
            },
        },
        {
            "temperature": "--temp 1",
            "top_k": "--top-k 0",
            "top_p": "--top-p 1",
            "min_p": "--min-p 0",
        },
        _typed,
        greedy=("--temp 0",),
        window="--repeat-last-n",
    ),
    _Program(
        "vLLM",
        "vllm",
        {
            **_same("logit_bias", "bad_words", *_PENALTIES),
            **_same("temperature", "top_k", "top_p", "min_p"),
            "allowed": {"allowed_ids": "allowed_token_ids"},
            "min_new_tokens": {"min_new_tokens": "min_tokens"},
        },
        {},
        _assigned,
        greedy=("temperature=0",),
    ),
    _Program(
        "mlx-lm",
        "mlx",
        {
            **_same("logit_bias", *_PENALTIES, "top_k", "top_p", "min_p"),
            "temperature": {"temperature": "temp"},
            "xtc": {"xtc_probability": "xtc_probability", "xtc_threshold": "xtc_threshold"},
        },
        {"temperature": "temp=1"},
        _assigned,
        greedy=("temp=0",),
        window="repetition_context_size",
    ),
)
