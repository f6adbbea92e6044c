"""The options of sampling; what they make together is in `sampling_settings`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from chatcli.sampling.orders import PRESETS

if TYPE_CHECKING:
    pass

__all__ = ["SamplingFlags", "complete_words"]

_SAMPLING, _MORE = "Sampling", "More sampling"


def complete_words(*words: str) -> Callable[[str], list[str]]:
    """What the shell completes an option's value with."""
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


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
            help="Divides the logits; 0 is greedy.",
            show_default="the model's own, else 0.8",
        ),
    ] = None
    top_k: Annotated[
        int | None,
        _option(
            "-k",
            "--top-k",
            metavar="N",
            help="Keep the N likeliest tokens; 0 is off.",
            show_default="the model's own, else 40",
        ),
    ] = None
    top_p: Annotated[
        float | None,
        _option(
            "-p",
            "--top-p",
            metavar="X",
            help="Keep the likeliest tokens that together reach X; 1 is off.",
            show_default="the model's own, else 0.95",
        ),
    ] = None
    min_p: Annotated[
        float | None,
        _option(
            metavar="X", help="Keep tokens at least X times as likely as the likeliest; 0 is off."
        ),
    ] = None
    typical_p: Annotated[
        float | None,
        _option(metavar="X", help="Keep the most typical tokens that together reach X; 1 is off."),
    ] = None
    repetition_penalty: Annotated[
        float | None,
        _option(
            metavar="X", help="Divide (or, below 0, multiply) the logits of tokens seen; 1 is off."
        ),
    ] = None
    frequency_penalty: Annotated[
        float | None,
        _option(metavar="X", help="Take X off a logit for each time the token was seen; 0 is off."),
    ] = None
    presence_penalty: Annotated[
        float | None,
        _option(metavar="X", help="Take X off the logit of every token seen; 0 is off."),
    ] = None
    penalty_window: Annotated[
        int | None,
        _option(metavar="N", help="How many of the last tokens the penalties look at."),
    ] = None
    logit_bias: Annotated[
        list[str] | None,
        _option(metavar="ID=X", help="Add X to the logit of token ID; may be given again."),
    ] = None
    order: Annotated[
        str | None,
        _option(
            metavar="NAME",
            help=f"{', '.join(PRESETS)}, or stages separated by commas; no others run.",
            autocompletion=complete_words(*PRESETS),
        ),
    ] = None
    greedy: Annotated[
        bool, _option("--greedy", help="Always the likeliest token: temperature 0.")
    ] = False
    seed: Annotated[
        int | None,
        _option(metavar="N", help="The same seed gives the same text; drawn and shown by default."),
    ] = None
    top_n_sigma: Annotated[
        float | None, _more("X", "Keep logits within X standard deviations of the best; 0 is off.")
    ] = None
    top_h: Annotated[
        float | None, _more("X", "Keep the likeliest that hold X of the entropy; 0 is off.")
    ] = None
    epsilon_cutoff: Annotated[
        float | None, _more("X", "Keep tokens of probability X or more; 0 is off.")
    ] = None
    eta_cutoff: Annotated[
        float | None, _more("X", "The same, and less where entropy is high; 0 is off.")
    ] = None
    p_less: Annotated[
        bool | None,
        _option("--p-less/--no-p-less", panel=_MORE, help="Keep tokens of Σp² or more."),
    ] = None
    xtc_probability: Annotated[
        float | None,
        _more("X", "How often to remove all likely tokens but the least of them; 0 is off."),
    ] = None
    xtc_threshold: Annotated[float | None, _more("X", "What is likely.", show_default="0.1")] = None
    xtc_spared: Annotated[
        list[str] | None,
        _more(
            "TEXT",
            "Not to be removed (orders mlx, textgen); may be given again.",
            show_default="newline and end",
        ),
    ] = None
    dynatemp_range: Annotated[
        float | None, _more("X", "Temperature ± X, by how high entropy is; 0 is off.")
    ] = None
    dynatemp_exponent: Annotated[
        float | None, _more("X", "Above 1, cold for longer.", show_default="1")
    ] = None
    dry_multiplier: Annotated[
        float | None, _more("X", "Penalise what would prolong a repeat; 0 is off.")
    ] = None
    dry_base: Annotated[
        float | None, _more("X", "The penalty grows by this with each token.", show_default="1.75")
    ] = None
    dry_allowed_length: Annotated[
        int | None, _more("N", "The shortest repeat that is penalised.", show_default="2")
    ] = None
    dry_window: Annotated[int | None, _more("N", "How many of the last tokens DRY looks at.")] = (
        None
    )
    dry_breakers: Annotated[
        list[str] | None,
        _more(
            "TEXT",
            "Where a repeat ends; may be given again.",
            show_default="newline, colon, quote and asterisk",
        ),
    ] = None
    no_repeat_ngram_size: Annotated[
        int | None, _more("N", "No N tokens occur twice in a row; 0 is off.")
    ] = None
    bad_words: Annotated[
        list[str] | None,
        _more("TEXT", "Never say TEXT, or the ids of [5,6]; may be given again."),
    ] = None
    sequence_bias: Annotated[
        list[str] | None,
        _more("TEXT=X", "Add X to what would complete TEXT, or [5,6]; may be given again."),
    ] = None
    allowed_ids: Annotated[str | None, _more("ID,ID", "Say nothing but these tokens.")] = None
    min_length: Annotated[
        int | None, _more("N", "No end before prompt and reply have N tokens; 0 is off.")
    ] = None
    min_new_tokens: Annotated[
        int | None, _more("N", "No end before the reply has N tokens; 0 is off.")
    ] = None
    adaptive_target: Annotated[
        float | None,
        _more("X", "Draw tokens whose probability is X on the average; -1 is off."),
    ] = None
    adaptive_decay: Annotated[
        float | None, _more("X", "How slowly that average forgets.", show_default="0.9")
    ] = None
    mirostat: Annotated[
        int | None, _more("N", "Keep the surprise near tau: version 1 or 2; 0 is off.")
    ] = None
    mirostat_tau: Annotated[
        float | None, _more("X", "The surprise to keep, in bits.", show_default="5")
    ] = None
    mirostat_eta: Annotated[
        float | None, _more("X", "How fast it is corrected.", show_default="0.1")
    ] = None
