"""The implementation "numpy": ufuncs in place, without temporaries, over blocks that stay in the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from logmap_cy._contract import Array

# Elements: two buffers of 256 KiB. 2**14 to 2**16 measured alike, 2**12 1.4 times slower.
BLOCK = 2**15


def compute(x: Array, out: Array, num: int, p: int, mu: int, threads: int) -> None:
    """Write num steps of the map on x to out; see `logmap_cy._contract.Compute`.

    Needs p <= 2**32: products stay below 2**64, as logmap_cy/rows/step.pxd proves.
    """
    length = min(len(x), BLOCK)
    value, scratch = np.empty(length, np.uint64), np.empty(length, np.uint64)
    one_remainder = mu * (p - 1) * p < 2**64
    modulus, factor = np.uint64(p), np.uint64(mu)
    for start in range(0, len(x), BLOCK):
        part = x[start : start + BLOCK]
        u, t = value[: len(part)], scratch[: len(part)]
        _enter(part, p, u)
        for _ in range(num):
            np.add(u, np.uint64(1), out=t)
            np.multiply(u, t, out=u)
            if not one_remainder:
                _reduce(u, modulus, t)
            np.multiply(u, factor, out=u)
            _reduce(u, modulus, t)
        out[start : start + BLOCK] = u


def _enter(x: Array, p: int, u: NDArray[np.uint64]) -> None:
    """Write x modulo p to u; NumPy's remainder of signed integers has the sign of p, as Python's."""
    if x.dtype.kind == "i":
        np.remainder(x, np.int64(p), out=u.view(np.int64))
    else:
        np.remainder(x, np.uint64(p), out=u)


def _reduce(u: NDArray[np.uint64], modulus: np.uint64, scratch: NDArray[np.uint64]) -> None:
    """Reduce u modulo modulus in place, by floor_divide, which uses SIMD: 1.7 times faster than remainder."""
    np.floor_divide(u, modulus, out=scratch)
    np.multiply(scratch, modulus, out=scratch)
    np.subtract(u, scratch, out=u)
