"""The implementation "numpy_article_nine": the article's own lines for "Python / NumPy". Wrong: nine steps.

It builds a list of Python's integers first, which is part of the article's times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from logmap_cy._contract import Array


def compute(x: Array, out: Array, num: int, p: int, mu: int, threads: int) -> None:
    """Write num - 1 steps of the map on x to out; see `logmap_cy._contract.Compute`."""
    value = np.array(x.tolist(), x.dtype).astype(np.int64)
    for _ in range(1, num, 1):
        value = np.remainder(np.multiply(np.multiply(mu, value), np.add(value, 1)), p)
    out[:] = value
