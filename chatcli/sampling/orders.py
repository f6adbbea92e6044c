"""The stages by name, and the orders in which well-known programs apply them.

A preset fixes the order, the rules for ties and boundaries and the default window of the
program it is named after; it never changes a setting. A stage that the program doesn't have
stands where its kind does there. What a stage is for is in `catalog`, what it computes in
`stages`.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BESIDE_MIROSTAT", "PRESETS", "STAGE_NAMES", "Preset", "preset_for"]


@dataclass(frozen=True, slots=True)
class Preset:
    """The order of one program, and where its rules differ from transformers'.

    penalty_window       the newest tokens that penalties and DRY see; None: all
    exact_k              top_k keeps exactly k, not every tie of the k-th
    typical_overshoots   typical_p stops once the mass is above p rather than at p, and keeps
                         no ties
    counts_output_only   frequency and presence penalties don't see the prompt
    sample_deviation     top_n_sigma takes the deviation of a sample (n - 1), not of a population
    dry_cap              the longest repeat that DRY tells from a longer one; None: any
    xtc_spares           xtc never removes the spared tokens, and takes only what is above the
                         threshold
    xtc_yields           xtc does nothing where it would remove a spared token
    mirostat_alone       with mirostat on, of the stages only bans, biases and temperature run
    """

    stages: tuple[str, ...]
    penalty_window: int | None = None
    exact_k: bool = False
    typical_overshoots: bool = False
    counts_output_only: bool = False
    sample_deviation: bool = False
    dry_cap: int | None = None
    xtc_spares: bool = False
    xtc_yields: bool = False
    mirostat_alone: bool = True


_PENALTIES = ("repetition_penalty", "frequency_penalty", "presence_penalty")
_BANS = ("bad_words", "min_length", "min_new_tokens", "allowed")
_ENDS = ("adaptive_p", "mirostat")
# What still runs beside mirostat where it stands alone: llama.cpp's own bias and temperature,
# and what bans or biases tokens by name, as a bias of -inf does there.
BESIDE_MIROSTAT = frozenset({"logit_bias", "sequence_bias", *_BANS, "temperature", "mirostat"})

PRESETS = {
    "hf": Preset(
        (
            *("logit_bias", "sequence_bias", *_PENALTIES, "dry", "no_repeat_ngram", *_BANS),
            *("top_n_sigma", "temperature", "top_h", "top_k", "top_p", "min_p", "typical_p"),
            *("epsilon", "eta", "p_less", "xtc", *_ENDS),
        )
    ),
    "llamacpp": Preset(
        (
            *("logit_bias", "sequence_bias", *_BANS, *_PENALTIES, "dry", "no_repeat_ngram"),
            *("top_n_sigma", "top_k", "typical_p", "top_p", "min_p", "top_h", "epsilon", "eta"),
            *("p_less", "xtc", "temperature", *_ENDS),
        ),
        penalty_window=64,
        exact_k=True,
        typical_overshoots=True,
    ),
    "vllm": Preset(
        (
            *("allowed", "bad_words", "min_length", "min_new_tokens", "logit_bias"),
            *("sequence_bias", *_PENALTIES, "dry", "no_repeat_ngram", "top_n_sigma"),
            *("temperature", "min_p", "top_k", "top_p", "typical_p", "top_h", "epsilon", "eta"),
            *("p_less", "xtc", *_ENDS),
        ),
        counts_output_only=True,
    ),
    "mlx": Preset(
        (
            *("logit_bias", "sequence_bias", *_BANS, *_PENALTIES, "dry", "no_repeat_ngram"),
            *("top_n_sigma", "top_p", "min_p", "xtc", "top_k", "typical_p", "top_h", "epsilon"),
            *("eta", "p_less", "temperature", *_ENDS),
        ),
        exact_k=True,
        xtc_spares=True,
    ),
    "textgen": Preset(
        (
            *("logit_bias", "sequence_bias", *_BANS, "repetition_penalty", "presence_penalty"),
            *("frequency_penalty", "dry", "no_repeat_ngram", "top_n_sigma", "temperature"),
            *("top_k", "top_p", "typical_p", "epsilon", "eta", "top_h", "min_p", "p_less"),
            *(*_ENDS, "xtc"),
        ),
        sample_deviation=True,
        dry_cap=50,
        xtc_yields=True,
        mirostat_alone=False,
    ),
}

STAGE_NAMES = PRESETS["hf"].stages


def preset_for(order: str | tuple[str, ...]) -> Preset:
    """The preset of that name, or the given stages under transformers' rules, all of them."""
    return PRESETS[order] if isinstance(order, str) else Preset(order, mirostat_alone=False)
