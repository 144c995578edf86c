"""The implementation "python": unbounded integers in a plain loop. It is the oracle for all others.

In the articles: "Elixir, one process, loop".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from logmap_cy._contract import Array


def iterate(value: int, num: int, p: int, mu: int) -> int:
    """Return num steps of ``value <- mu * value * (value + 1) mod p``, in [0, p) for num >= 1."""
    for _ in range(num):
        value = mu * value * (value + 1) % p
    return value


def compute(x: Array, out: Array, num: int, p: int, mu: int, threads: int) -> None:
    """Write num steps of the map on x to out; see `logmap_cy._contract.Compute`."""
    out[:] = np.fromiter((iterate(value, num, p, mu) for value in x.tolist()), out.dtype, len(x))
