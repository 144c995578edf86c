"""What the public call and the implementations agree on."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[np.integer[Any]]]


class Compute(Protocol):
    """An implementation: a function that writes num steps of the map on x to out.

    x and out are one-dimensional, contiguous, aligned and in native byte order, of one length > 0 and one dtype
    (int32, int64, uint32 or uint64); they are the same memory or share none. num >= 1, p >= 1, 0 <= mu < p,
    threads >= 1. Compiled code releases the GIL while it computes. Nothing is read or written after the return.
    """

    def __call__(self, x: Array, out: Array, num: int, p: int, mu: int, threads: int, /) -> object:
        """Write num steps of ``x <- mu * x * (x + 1) mod p`` to out."""
