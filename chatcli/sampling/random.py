"""Luck that can be looked up: a uniform number for every (seed, position, stream).

Counter-based, so nothing depends on how many numbers were drawn before: a greedy step,
an undo or a display never shifts the luck of another position. The generator is
Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011),
with the seed as key and (position, stream) as counter.
"""

from __future__ import annotations

import secrets

__all__ = ["draw_seed", "philox", "uniform"]

_MASK = (1 << 64) - 1
_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_ROUNDS = 10


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """One block of Philox4x64-10: four 64-bit words for a 256-bit counter and 128-bit key."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        low, high = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (high >> 64) ^ c1 ^ k0, high & _MASK, (low >> 64) ^ c3 ^ k1, low & _MASK
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return c0, c1, c2, c3


def uniform(seed: int, position: int, stream: int = 0) -> float:
    """A float64 in [0, 1) with 53 random bits, the same on every machine.

    Stream 0 decides the token at `position`; other streams serve stages that need luck of
    their own. All three arguments are in [0, 2**64).
    """
    return (philox((position, stream, 0, 0), (seed, 0))[0] >> 11) * 2.0**-53


def draw_seed() -> int:
    """A fresh seed from the system's entropy, short enough to be typed again."""
    return secrets.randbits(32)
