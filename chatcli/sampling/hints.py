"""What each setting of sampling does, in a line: for options, /help and completion.

A line has no full stop, so that more can follow; each says by which value it is off.
"""

from __future__ import annotations

from collections.abc import Mapping

from chatcli.sampling.orders import PRESETS

__all__ = ["HINTS"]

# In the order of the fields of SamplingConfig.
HINTS: Mapping[str, str] = {
    "temperature": "Divides the logits; 0 is greedy",
    "top_k": "Keep the N likeliest tokens; 0 is off",
    "top_p": "Keep the likeliest tokens that together reach X; 1 is off",
    "min_p": "Keep tokens at least X times as likely as the likeliest; 0 is off",
    "typical_p": "Keep the most typical tokens that together reach X; 1 is off",
    "repetition_penalty": "Divide (or, below 0, multiply) the logits of tokens seen; 1 is off",
    "frequency_penalty": "Take X off a logit for each time the token was seen; 0 is off",
    "presence_penalty": "Take X off the logit of every token seen; 0 is off",
    "penalty_window": "How many of the last tokens the penalties look at",
    "logit_bias": "Add X to the logit of token ID",
    "sequence_bias": "Add X to what would complete TEXT, or [5,6]",
    "bad_words": "Never say TEXT, or the ids of [5,6]",
    "allowed_ids": "Say nothing but these tokens",
    "min_length": "No end before prompt and reply have N tokens; 0 is off",
    "min_new_tokens": "No end before the reply has N tokens; 0 is off",
    "eos_ids": "Ids that end a reply, where a setting must know them",
    "dry_multiplier": "Penalise what would prolong a repeat; 0 is off",
    "dry_base": "The DRY penalty grows by this with each token",
    "dry_allowed_length": "The shortest repeat that DRY penalises",
    "dry_window": "How many of the last tokens DRY looks at",
    "dry_breakers": "Where a repeat ends for DRY",
    "no_repeat_ngram_size": "No N tokens occur twice in a row; 0 is off",
    "dynatemp_range": "Temperature ± X, by how high entropy is; 0 is off",
    "dynatemp_exponent": "Above 1, a temperature with a range stays low for longer",
    "top_n_sigma": "Keep logits within X standard deviations of the best; 0 is off",
    "top_h": "Keep the likeliest that hold X of the entropy; 0 is off",
    "epsilon_cutoff": "Keep tokens of probability X or more; 0 is off",
    "eta_cutoff": "Keep tokens of probability X or more, or less where entropy is high; 0 is off",
    "p_less": "Keep tokens of Σp² or more",
    "xtc_probability": "How often to remove all likely tokens but the least of them; 0 is off",
    "xtc_threshold": "The probability from which on XTC takes a token for likely",
    "xtc_spared": "Not to be removed by XTC (orders mlx, textgen)",
    "adaptive_target": "Draw tokens whose probability is X on the average; -1 is off",
    "adaptive_decay": "How slowly adaptive_target forgets what was drawn",
    "mirostat": "Keep the surprise near tau: version 1 or 2; 0 is off",
    "mirostat_tau": "The surprise that mirostat keeps, in bits",
    "mirostat_eta": "How fast mirostat corrects the surprise",
    "order": f"{', '.join(PRESETS)}, or stages separated by commas; no others run",
    "seed": "The same seed gives the same text; drawn and shown by default",
}
