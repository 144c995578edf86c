"""The constants of the vector implementations, derived once for each p and mu."""

from libc.stdint cimport int32_t

cdef enum Form:
    # A step is u * u + c.
    SHORT = 0
    # A step is mu * u * (u + 1).
    GENERAL = 1
    # The same for p beyond 2**27.
    SHORT_WIDE = 2
    GENERAL_WIDE = 3

cdef struct FloatConstants:
    int32_t factors[4]
    float ratios[4]
    int32_t offset
    float inverse, half, half_ratio, linear, c, back
    int direct_bits

cdef struct Constants:
    Form form
    # Values of a magnitude below 2**near_bits are converted without splitting them in halves.
    int near_bits
    # For IFMA, the same for values in [0, 2**whole_bits).
    int whole_bits
    double p, inverse, mu, c, half, back, shift, two32
    # For single precision, if Plan.floats is not None: see float_plan.py.
    FloatConstants floats

cdef class Plan:
    cdef Constants constants
    cdef readonly dict integers
    cdef readonly object floats
