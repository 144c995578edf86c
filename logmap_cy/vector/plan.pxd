"""What the vector implementations compute with, worked out once for each p and mu."""

cdef enum Form:
    SHORT = 0  # u * u + c
    GENERAL = 1  # mu * u * (u + 1)
    SHORT_WIDE = 2  # the same for p beyond 2**27
    GENERAL_WIDE = 3

cdef struct Constants:
    Form form
    int near_bits  # entering values of magnitude below 2**near_bits takes the short way
    int whole_bits  # IFMA: the same, for values from 0 on
    double p, inverse, mu, c, half, back, shift, two32

cdef class Plan:
    cdef Constants constants
    cdef readonly dict integers
