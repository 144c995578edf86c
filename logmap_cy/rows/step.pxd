"""The arithmetic of the compiled implementations, once: one step in unsigned 64-bit integers.

All functions need p in [1, 2**32] and mu in [0, p), which `check` enforces. Then u in [0, p) gives
u * (u + 1) <= (2**32 - 1) * 2**32 < 2**64, and mu times its remainder is below 2**64 as well, so no product wraps.
If mu * (p - 1) * p < 2**64 as well, one remainder for each step is enough.
"""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

ctypedef fused integer:
    int32_t
    int64_t
    uint32_t
    uint64_t

cdef extern from *:
    """
    #include <stdint.h>
    static const uint64_t LOGMAP_P_MAX = (uint64_t)1 << 32;
    """
    const uint64_t LOGMAP_P_MAX
    const uint64_t UINT64_MAX


cdef inline int check(Py_ssize_t x_length, Py_ssize_t out_length, int64_t num, uint64_t p, uint64_t mu) except -1:
    """Raise ValueError for what would read or write out of bounds, divide by zero or wrap."""
    if x_length != out_length:
        raise ValueError(f"out has {out_length} elements, x has {x_length}; pass arrays of one length")
    if num < 0:
        raise ValueError(f"num={num} is negative; pass 0 or more")
    if not 1 <= p <= LOGMAP_P_MAX:
        raise ValueError(f"p={p} is outside [1, 2**32]")
    if mu >= p:
        raise ValueError(f"mu={mu} is outside [0, p={p}); pass mu % p")
    return 0


cdef inline bint one_remainder(uint64_t p, uint64_t mu) noexcept nogil:
    """Whether mu * (p - 1) * p < 2**64, so that a step's whole product fits."""
    return mu == 0 or (p - 1) * p <= UINT64_MAX / mu


cdef inline uint64_t enter(integer value, uint64_t p) noexcept nogil:
    """value modulo p as in Python: in [0, p) for negative values too."""
    if value < 0:
        # ~value = -1 - value does not overflow; -value may.
        return p - 1 - <uint64_t>~value % p
    return <uint64_t>value % p


cdef inline uint64_t step(uint64_t u, uint64_t p, uint64_t mu, bint one) noexcept nogil:
    """mu * u * (u + 1) modulo p; `one` is one_remainder(p, mu)."""
    if one:
        return mu * u * (u + 1) % p
    return mu * (u * (u + 1) % p) % p
