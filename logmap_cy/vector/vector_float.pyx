"""The implementations "vector_float_*": residues as vectors of floats, all steps of a block in registers.

meson.build compiles this file once for each instruction set with fused multiply-add, each as a module of its own.
float_plan.py has the arithmetic, and the bound that says for which p and mu it is exact.
"""
from libc.stdint cimport int32_t, int64_t

from logmap_cy.rows.step cimport integer
from logmap_cy.vector.plan cimport Constants, FloatConstants, Plan
from logmap_cy.vector.simd cimport LANES, WIDTH, any_beyond, load_64, store_64, stream_64
from logmap_cy.vector.simd_float cimport (
    as_ivec, as_words, beyond, even_words, f_add, f_bits_of_nearest, f_broadcast, f_fma, f_fms, f_fnma, f_multiply,
    f_quotient, f_subtract, f_to_words, fvec, high_piece, high_words, low_piece, low_words, odd_words, sign, w_add,
    w_broadcast, w_either, w_lift, w_multiply, w_subtract, w_to_float, w_unlike, words,
)

cdef extern from "simd_float.h":
    const int FLOAT_LANES
    # Elements that `block` computes.
    const Py_ssize_t BLOCK "FLOAT_BLOCK"

cdef enum:
    MOST_WIDTH = 16
    MOST_LANES = 16
    PIECES = 4

# The constants in all lanes.
cdef struct Prepared:
    fvec p, inverse, linear, c, half, half_ratio, back
    fvec ratios[PIECES]
    words factors[PIECES]
    words whole_p, offset
    int direct_bits
    bint is_square


cdef inline Prepared prepared(const Constants* k) noexcept nogil:
    cdef:
        Prepared w
        const FloatConstants* floats = &k.floats
        int i
    w.p, w.whole_p = f_broadcast(<float>k.p), w_broadcast(<int32_t>k.p)
    w.inverse, w.back = f_broadcast(floats.inverse), f_broadcast(floats.back)
    w.linear, w.c, w.is_square = f_broadcast(floats.linear), f_broadcast(floats.c), floats.linear == 0
    w.half, w.half_ratio = f_broadcast(floats.half), f_broadcast(floats.half_ratio)
    w.offset = w_broadcast(floats.offset)
    for i in range(PIECES):
        w.factors[i], w.ratios[i] = w_broadcast(floats.factors[i]), f_broadcast(floats.ratios[i])
    w.direct_bits = floats.direct_bits
    return w


cdef inline words load_low(const integer* x) noexcept nogil:
    """The lower words of FLOAT_LANES elements, or those that they are."""
    if sizeof(integer) == 4:
        return as_words(load_64(x))
    return low_words(load_64(x), load_64(x + LANES))


cdef inline words load_high(const integer* x) noexcept nogil:
    """The upper words of FLOAT_LANES elements of 64 bits."""
    return high_words(load_64(x), load_64(x + LANES))


cdef inline void store(integer* out, words answers, bint stream) noexcept nogil:
    if sizeof(integer) == 4:
        if stream:
            stream_64(out, as_ivec(answers))
        else:
            store_64(out, as_ivec(answers))
    elif stream:
        stream_64(out, even_words(answers))
        stream_64(out + LANES, odd_words(answers))
    else:
        store_64(out, even_words(answers))
        store_64(out + LANES, odd_words(answers))


cdef inline bint all_direct(const integer* x, int bits) noexcept nogil:
    """Whether -2**bits <= x < 2**bits for a whole block."""
    cdef:
        bint is_signed = (<integer>-1) < 0
        words seen = w_broadcast(0), low
        int j
    if sizeof(integer) == 4 and is_signed and bits == 31:
        return True
    for j in range(WIDTH):
        low = load_low(x + j * FLOAT_LANES)
        seen = w_either(seen, beyond(low, bits, is_signed))
        if sizeof(integer) == 8:
            low = sign(low) if is_signed else w_broadcast(0)
            seen = w_either(seen, w_unlike(low, load_high(x + j * FLOAT_LANES)))
    return not any_beyond(as_ivec(seen), 0)


cdef inline fvec remainder(fvec high, fvec p, fvec inverse) noexcept nogil:
    """The upper float of a product modulo p, centred."""
    return f_fnma(f_quotient(high, inverse), p, high)


cdef inline fvec reduced(words total, fvec quotient, const Prepared* w) noexcept nogil:
    """A sum of pieces, from the offset on, less the nearest integer to their quotient times p."""
    return w_to_float(w_subtract(total, w_multiply(f_bits_of_nearest(quotient), w.whole_p)))


cdef inline fvec of_pieces(words low, words high, int count, bint is_signed, const Prepared* w) noexcept nogil:
    """mu * x + half modulo p, centred, for x of two or four pieces."""
    cdef:
        words pieces[PIECES]
        words total = w.offset
        fvec quotient = w.half_ratio
        int i
    pieces[0], pieces[1] = low_piece(low), high_piece(low, is_signed and count == 2)
    pieces[2], pieces[3] = low_piece(high), high_piece(high, is_signed)
    for i in range(PIECES):
        if i < count:
            total = w_add(total, w_multiply(pieces[i], w.factors[i]))
            quotient = f_fma(w_to_float(pieces[i]), w.ratios[i], quotient)
    return reduced(total, quotient, w)


cdef inline void enter(fvec* u, const integer* x, const Prepared* w) noexcept nogil:
    """Fill u with mu * x + half modulo p, centred."""
    cdef:
        bint is_signed = (<integer>-1) < 0
        words low, high = w_broadcast(0)
        int j
    if all_direct(x, w.direct_bits):
        for j in range(WIDTH):
            low = load_low(x + j * FLOAT_LANES)
            u[j] = reduced(
                w_add(w.offset, w_multiply(low, w.factors[0])), f_fma(w_to_float(low), w.ratios[0], w.half_ratio), w
            )
    else:
        for j in range(WIDTH):
            if sizeof(integer) == 8:
                high = load_high(x + j * FLOAT_LANES)
            low = load_low(x + j * FLOAT_LANES)
            u[j] = of_pieces(low, high, sizeof(integer) // 2, is_signed, w)


cdef inline void square(fvec* u, int64_t num, const Prepared* w) noexcept nogil:
    """Take num steps where linear is 0."""
    cdef:
        fvec p = w.p, inverse = w.inverse, c = w.c, high
        int64_t _s
        int j
    for _s in range(num):
        for j in range(WIDTH):
            high = f_multiply(u[j], u[j])
            u[j] = f_add(remainder(high, p, inverse), f_add(f_fms(u[j], u[j], high), c))


cdef inline void multiply(fvec* u, int64_t num, const Prepared* w) noexcept nogil:
    """Take num steps where c is 0."""
    cdef:
        fvec p = w.p, inverse = w.inverse, linear = w.linear, high, factor
        int64_t _s
        int j
    for _s in range(num):
        for j in range(WIDTH):
            factor = f_add(u[j], linear)
            high = f_multiply(u[j], factor)
            u[j] = f_add(remainder(high, p, inverse), f_fms(u[j], factor, high))


cdef inline void leave(const fvec* u, integer* out, const Prepared* w, bint stream) noexcept nogil:
    """Write the remainders that u stands for, in [0, p)."""
    cdef:
        fvec v, high
        words answers
        int j
    for j in range(WIDTH):
        v = f_subtract(u[j], w.half)
        high = f_multiply(v, w.back)
        answers = f_to_words(f_add(remainder(high, w.p, w.inverse), f_fms(v, w.back, high)))
        store(out + j * FLOAT_LANES, w_lift(answers, w.whole_p), stream)


cdef inline void block(
    const integer* x, integer* out, int64_t num, const Constants* k, const Prepared* w, bint stream
) noexcept nogil:
    cdef fvec u[MOST_WIDTH]
    # Each form with its own way in and out, so that compilers keep u in registers.
    if w.is_square:
        enter(u, x, w)
        square(u, num, w)
        leave(u, out, w, stream)
    else:
        enter(u, x, w)
        multiply(u, num, w)
        leave(u, out, w, stream)


cdef int check(Plan derived, p, mu) except -1:
    """Raise ValueError where single precision is not exact; float_plan.py has the bound."""
    if derived.floats is None:
        raise ValueError(f"p={p}, mu={mu}: single precision is not exact for them; use an implementation with doubles")
    return 0


include "logmap_cy/vector/frame.pxi"
