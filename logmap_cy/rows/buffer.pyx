"""The implementation "buffer": compiled over the buffer protocol, from 64-bit elements to 64-bit elements.

In the articles: "native over bytes (to_binary, map_calc_binary)", whose to_binary kept the low byte of each integer.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

import numpy as np

from logmap_cy.rows.step cimport check, enter, one_remainder, step


def map_bytes(const unsigned char[::1] source, unsigned char[::1] target, bint signed, int64_t num, uint64_t p,
              uint64_t mu):
    """Write num steps of the map on source's elements to target: 8 bytes for each integer, in native byte order.

    Both may start at any address. They are the same memory or share none.

    Raises
    ------
    ValueError
        The lengths differ or are not whole elements, or a parameter is out of range (see `check` in step.pxd).

    """
    cdef:
        Py_ssize_t i
        int64_t _k
        uint64_t u
        bint one
    check(source.shape[0], target.shape[0], num, p, mu)
    if source.shape[0] % 8:
        raise ValueError(f"{source.shape[0]} bytes are not a whole number of 8-byte integers; pass a multiple of 8")
    one = one_remainder(p, mu)
    with nogil:
        for i in range(0, source.shape[0], 8):
            memcpy(&u, &source[i], 8)
            u = enter(<int64_t>u, p) if signed else enter(u, p)
            for _k in range(num):
                u = step(u, p, mu, one)
            memcpy(&target[i], &u, 8)


def compute(x, out, num, p, mu, threads):
    """Write num steps of the map on x to out; see `logmap_cy._contract.Compute`.

    The arrays are converted to bytes and back, which is part of what is timed.
    """
    signed = x.dtype.kind == "i"
    wide = np.int64 if signed else np.uint64
    target = bytearray(8 * len(x))
    map_bytes(x.astype(wide).tobytes(), target, signed, num, p, mu)
    out[:] = np.frombuffer(target, wide)
