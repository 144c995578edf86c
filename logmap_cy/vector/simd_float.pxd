"""What simd_float.h has, for the instruction set that the compiler is told."""
from libc.stdint cimport int32_t

from logmap_cy.vector.simd cimport ivec

cdef extern from "simd_float.h" nogil:
    # 2 * LANES floats, and 2 * LANES 32-bit integers.
    ctypedef struct fvec:
        pass
    ctypedef struct words:
        pass
    fvec f_broadcast(float a)
    words w_broadcast(int32_t a)
    fvec f_fma(fvec a, fvec b, fvec c)
    fvec f_fnma(fvec a, fvec b, fvec c)
    fvec f_fms(fvec a, fvec b, fvec c)
    fvec f_add(fvec a, fvec b)
    fvec f_subtract(fvec a, fvec b)
    fvec f_multiply(fvec a, fvec b)
    fvec f_quotient(fvec a, fvec inverse)
    words f_bits_of_nearest(fvec a)
    words w_add(words a, words b)
    words w_subtract(words a, words b)
    words w_multiply(words a, words b)
    words w_lift(words a, words p)
    words w_either(words a, words b)
    words w_unlike(words a, words b)
    words low_piece(words a)
    words high_piece(words a, bint is_signed)
    words beyond(words a, int bits, bint is_signed)
    words sign(words a)
    fvec w_to_float(words a)
    words f_to_words(fvec a)
    words low_words(ivec a, ivec b)
    words high_words(ivec a, ivec b)
    ivec even_words(words a)
    ivec odd_words(words a)
    words as_words(ivec a)
    ivec as_ivec(words a)
