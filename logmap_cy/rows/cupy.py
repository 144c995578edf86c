"""The implementation "cupy": the plain loop as an elementwise kernel on the first CUDA device, with transfers.

In the articles: "CuPy (we want to compare, not yet possible)".
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import cupy
import numpy as np

if TYPE_CHECKING:
    from logmap_cy._contract import Array

try:
    DEVICES = cupy.cuda.runtime.getDeviceCount()
except cupy.cuda.runtime.CUDARuntimeError as error:
    raise ImportError(f"CuPy finds no CUDA device ({error})") from error

STEPS = """
    unsigned long long u = x < 0 ? p - 1 - (unsigned long long)~x % p : (unsigned long long)x % p;
    for (unsigned long long k = 0; k < num; k++)
        u = one ? mu * u * (u + 1) % p : mu * (u * (u + 1) % p) % p;
    out = (T)u;
"""


@functools.cache
def kernel() -> Any:
    """Return the elementwise kernel of (x, num, p, mu, whether one remainder is enough), compiled once."""
    return cupy.ElementwiseKernel("T x, uint64 num, uint64 p, uint64 mu, bool one", "T out", STEPS, "logmap")


def compute(x: Array, out: Array, num: int, p: int, mu: int, threads: int) -> None:
    """Write num steps of the map on x to out; see `logmap_cy._contract.Compute`. Needs p <= 2**32, see step.pxd."""
    one_remainder = mu * (p - 1) * p < 2**64
    moved = cupy.asarray(x)
    kernel()(moved, np.uint64(num), np.uint64(p), np.uint64(mu), one_remainder, moved)
    moved.get(out=out)
