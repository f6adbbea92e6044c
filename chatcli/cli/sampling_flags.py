"""The options of sampling; what they make together is in `sampling_settings`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from chatcli.sampling.hints import HINTS
from chatcli.sampling.orders import PRESETS

if TYPE_CHECKING:
    pass

__all__ = ["SamplingFlags", "complete_words"]

_SAMPLING, _MORE = "Sampling", "More sampling"


def complete_words(*words: str) -> Callable[[str], list[str]]:
    """What the shell completes an option's value with."""
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


def _hint(setting: str, *, again: bool = False) -> str:
    return f"{HINTS[setting]}{'; may be given again' if again else ''}."


def _option(*names: str, panel: str = _SAMPLING, **options: Any) -> Any:
    return Option(*names, rich_help_panel=panel, **options)


def _more(metavar: str, help: str, **options: Any) -> Any:
    return _option(panel=_MORE, metavar=metavar, help=help, **options)


@dataclass(frozen=True, slots=True)
class SamplingFlags:
    """How a token is drawn. None: what the checkpoint, or else chatcli, starts from."""

    temperature: Annotated[
        float | None,
        _option(
            "-t",
            "--temperature",
            metavar="X",
            help=_hint("temperature"),
            show_default="the model's own, else 0.8",
        ),
    ] = None
    top_k: Annotated[
        int | None,
        _option(
            "-k",
            "--top-k",
            metavar="N",
            help=_hint("top_k"),
            show_default="the model's own, else 40",
        ),
    ] = None
    top_p: Annotated[
        float | None,
        _option(
            "-p",
            "--top-p",
            metavar="X",
            help=_hint("top_p"),
            show_default="the model's own, else 0.95",
        ),
    ] = None
    min_p: Annotated[
        float | None,
        _option(metavar="X", help=_hint("min_p")),
    ] = None
    typical_p: Annotated[
        float | None,
        _option(metavar="X", help=_hint("typical_p")),
    ] = None
    repetition_penalty: Annotated[
        float | None,
        _option(metavar="X", help=_hint("repetition_penalty")),
    ] = None
    frequency_penalty: Annotated[
        float | None,
        _option(metavar="X", help=_hint("frequency_penalty")),
    ] = None
    presence_penalty: Annotated[
        float | None,
        _option(metavar="X", help=_hint("presence_penalty")),
    ] = None
    penalty_window: Annotated[
        int | None,
        _option(metavar="N", help=_hint("penalty_window")),
    ] = None
    logit_bias: Annotated[
        list[str] | None,
        _option(metavar="ID=X", help=_hint("logit_bias", again=True)),
    ] = None
    order: Annotated[
        str | None,
        _option(
            metavar="NAME",
            help=_hint("order"),
            autocompletion=complete_words(*PRESETS),
        ),
    ] = None
    greedy: Annotated[
        bool, _option("--greedy", help="Always the likeliest token: temperature 0.")
    ] = False
    seed: Annotated[
        int | None,
        _option(metavar="N", help=_hint("seed")),
    ] = None
    top_n_sigma: Annotated[float | None, _more("X", _hint("top_n_sigma"))] = None
    top_h: Annotated[float | None, _more("X", _hint("top_h"))] = None
    epsilon_cutoff: Annotated[float | None, _more("X", _hint("epsilon_cutoff"))] = None
    eta_cutoff: Annotated[float | None, _more("X", _hint("eta_cutoff"))] = None
    p_less: Annotated[
        bool | None,
        _option("--p-less/--no-p-less", panel=_MORE, help=_hint("p_less")),
    ] = None
    xtc_probability: Annotated[
        float | None,
        _more("X", _hint("xtc_probability")),
    ] = None
    xtc_threshold: Annotated[
        float | None, _more("X", _hint("xtc_threshold"), show_default="0.1")
    ] = None
    xtc_spared: Annotated[
        list[str] | None,
        _more(
            "TEXT",
            _hint("xtc_spared", again=True),
            show_default="newline and end",
        ),
    ] = None
    dynatemp_range: Annotated[float | None, _more("X", _hint("dynatemp_range"))] = None
    dynatemp_exponent: Annotated[
        float | None, _more("X", _hint("dynatemp_exponent"), show_default="1")
    ] = None
    dry_multiplier: Annotated[float | None, _more("X", _hint("dry_multiplier"))] = None
    dry_base: Annotated[float | None, _more("X", _hint("dry_base"), show_default="1.75")] = None
    dry_allowed_length: Annotated[
        int | None, _more("N", _hint("dry_allowed_length"), show_default="2")
    ] = None
    dry_window: Annotated[int | None, _more("N", _hint("dry_window"))] = None
    dry_breakers: Annotated[
        list[str] | None,
        _more(
            "TEXT",
            _hint("dry_breakers", again=True),
            show_default="newline, colon, quote and asterisk",
        ),
    ] = None
    no_repeat_ngram_size: Annotated[int | None, _more("N", _hint("no_repeat_ngram_size"))] = None
    bad_words: Annotated[
        list[str] | None,
        _more("TEXT", _hint("bad_words", again=True)),
    ] = None
    sequence_bias: Annotated[
        list[str] | None,
        _more("TEXT=X", _hint("sequence_bias", again=True)),
    ] = None
    allowed_ids: Annotated[str | None, _more("ID,ID", _hint("allowed_ids"))] = None
    min_length: Annotated[int | None, _more("N", _hint("min_length"))] = None
    min_new_tokens: Annotated[int | None, _more("N", _hint("min_new_tokens"))] = None
    adaptive_target: Annotated[
        float | None,
        _more("X", _hint("adaptive_target")),
    ] = None
    adaptive_decay: Annotated[
        float | None, _more("X", _hint("adaptive_decay"), show_default="0.9")
    ] = None
    mirostat: Annotated[int | None, _more("N", _hint("mirostat"))] = None
    mirostat_tau: Annotated[float | None, _more("X", _hint("mirostat_tau"), show_default="5")] = (
        None
    )
    mirostat_eta: Annotated[float | None, _more("X", _hint("mirostat_eta"), show_default="0.1")] = (
        None
    )
