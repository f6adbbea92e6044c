"""Keeping freed memory in the process while training on a CPU.

A step frees and asks for the same large blocks again; glibc hands each back to the kernel,
which then clears every page anew. Here that took a third of the processor's time.
"""

from __future__ import annotations

import ctypes

__all__ = ["keep_freed_memory"]

# Names and numbers of glibc's malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
WHOLE_STEP = 2**31 - 1  # bytes: no block of a step is larger


def keep_freed_memory() -> None:
    """Ask glibc to keep what is freed; elsewhere there is nothing to ask."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for setting in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            mallopt(setting, WHOLE_STEP)
        mallopt(M_TOP_PAD, 2**28)
