"""The plot under a text: entropy along it as a line, the surprisal of what came as bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from chatcli.probe.report import Told
from chatcli.text.page import escaped

__all__ = ["plot"]

_COLUMNS = 600  # of the plot at most; more tokens share one
_HEIGHT = 60
_LEAST = 4  # bits that the plot is high at least


def plot(told: Sequence[Told]) -> str:
    """A figure of HTML; what it shows is said in its caption, too."""
    each = math.ceil(len(told) / _COLUMNS)
    groups = [told[at : at + each] for at in range(0, len(told), each)]
    entropies = [fmean(one.entropy_bits for one in group) for group in groups]
    surprisals = [max(_finite(one.surprisal) for one in group) for group in groups]
    top = max(_LEAST, *map(math.ceil, [*entropies, *surprisals]))
    line = "M0 " + " ".join(
        f"{_y(x, top)}h1" if at == 0 else f"V{_y(x, top)}h1" for at, x in enumerate(entropies)
    )
    bars = "".join(f"M{at + 0.5:g} {_HEIGHT}V{_y(x, top)}" for at, x in enumerate(surprisals))
    words = _words(len(told), each, top)
    return (
        f'<figure class="plot"><svg viewBox="0 0 {len(groups)} {_HEIGHT}" '
        f'preserveAspectRatio="none" role="img" aria-label="{words}">'
        f'<path class="bars" d="{bars}"/><path class="line" d="{line}"/>'
        f'<path class="cursor" d=""/></svg><figcaption>{words}</figcaption></figure>'
    )


def _words(count: int, each: int, top: int) -> str:
    shared = f", {each} tokens a step: mean and highest" if each > 1 else ""
    return escaped(
        f"entropy before each of {count:,} tokens (line) and surprisal of the token that came "
        f"(bars), 0 to {top} bits{shared}"
    )


def _y(bits: float, top: int) -> str:
    return f"{_HEIGHT * (1 - bits / top):.1f}".removesuffix(".0")


def _finite(bits: float) -> float:
    """A token that the model rules out stands as high as one that it all but rules out."""
    return min(bits, 64.0)
