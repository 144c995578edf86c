"""The implementations "vector_*": residues as vectors of doubles, all steps of a block in registers.

meson.build compiles this file once for each instruction set, each as a module of its own.

The arithmetic. u is centred: |u| <= p / 2, nearly. For an integer v, |v| < 2**53, the quotient is q = round(v / p), got
by adding and subtracting 1.5 * 2**52, and the residue is v - q * p. The error of v * (1 / p) is below 2**-51 |q|: where
it makes q wrong by one, v / p was that close to a half, and |v - q * p| <= p / 2 + 2**-51 |q| p.

Narrow, p <= 2**27. v = u * u + c, with |u| <= 2**26 + 1 and |c| <= 2**26: |v| < 2**53, exact with and without fma;
|q| < 2**26, so that the error of q adds less than 1 to |u|. q * p is an integer below 2**53, too.

Wide, p <= 2**45, with fma only. h = u * u rounded, l = u * u - h exactly, r = h - q * p with q = round(h / p), and the
next u = r + l + c. With |u| <= 1.05 p: |l| <= 2**-53 u * u < p / 200; |q| < 2**45.2, whose error adds p / 50 at most;
so |u| <= p (1/2 + 1/50 + 1/200 + 1/2) again. r is an integer below 2**53, which the fma gives exactly, and so are the
sums. Any product of two such residues goes the same way.

IFMA, p < 2**25. u is an integer in [0, 2p), so that u * u + c < 2**52; simd.h has its reduction.
"""
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from logmap_cy.rows.step cimport integer
from logmap_cy.vector.plan cimport GENERAL, GENERAL_WIDE, SHORT, SHORT_WIDE, Constants, Plan
from logmap_cy.vector.simd cimport (
    FUSED, IFMA, LANES, WIDTH, add, any_beyond, broadcast, either, even_32, fma_, fms_, fnma_, high_half, iadd,
    ibroadcast, ifma, ifma_reduce, isubtract, ivec, lift, load_64, load_i32, load_u32, low_52, low_half, lower, lowest,
    multiply, odd_32, pair_32, quotient, store_32, store_64, stream_32, stream_64, to_double, to_integer, unlike, vec,
)

cdef extern from "simd.h":
    # Elements that `block` computes.
    const Py_ssize_t BLOCK

cdef enum:
    MOST_WIDTH = 16
    MOST_LANES = 8

# The sign bits of two integers of 32 bits.
cdef int64_t BOTH_SIGNS = <int64_t>0x8000000080000000


cdef inline vec reduce(vec v, vec p, vec inverse) noexcept nogil:
    """v modulo p, centred; |v| < 2**53."""
    return fnma_(quotient(v, inverse), p, v)


cdef inline vec product(vec a, vec b, vec p, vec inverse) noexcept nogil:
    """a * b modulo p, centred, where the product is no double; see "Wide" above."""
    cdef vec h = multiply(a, b)
    return add(reduce(h, p, inverse), fms_(a, b, h))


cdef inline ivec load(const integer* x) noexcept nogil:
    if integer is int32_t:
        return load_i32(x)
    elif integer is uint32_t:
        return load_u32(x)
    else:
        return load_64(x)


cdef inline void store(integer* out, ivec i, bint stream) noexcept nogil:
    if integer is int64_t or integer is uint64_t:
        if stream:
            stream_64(out, i)
        else:
            store_64(out, i)
    else:
        if stream:
            stream_32(out, i)
        else:
            store_32(out, i)


cdef inline bint all_near(const integer* x, int bits) noexcept nogil:
    """Whether -2**bits <= x < 2**bits for a whole block."""
    cdef:
        bint is_signed = (<integer>-1) < 0
        ivec seen = ibroadcast(0), bias = ibroadcast(<int64_t>is_signed << bits)
        int j
    if sizeof(integer) == 4 and bits >= 32:
        return True
    for j in range(WIDTH):
        seen = either(seen, iadd(load(x + j * LANES), bias))
    return not any_beyond(seen, bits + is_signed)


cdef inline void enter(vec* u, const integer* x, const Constants* k) noexcept nogil:
    """Fill u with the first residues, in the form that the steps want."""
    cdef:
        vec p = broadcast(k.p), inverse = broadcast(k.inverse), mu = broadcast(k.mu), half = broadcast(k.half)
        vec two32 = broadcast(k.two32), rest
        bint is_signed = (<integer>-1) < 0
        int j
    if all_near(x, k.near_bits):
        for j in range(WIDTH):
            u[j] = to_double(load(x + j * LANES))
    else:
        for j in range(WIDTH):
            rest = low_half(load(x + j * LANES))
            u[j] = reduce(high_half(load(x + j * LANES), is_signed), p, inverse)
            if k.form == SHORT or k.form == GENERAL:
                u[j] = reduce(fma_(u[j], two32, rest), p, inverse)
            elif FUSED:
                u[j] = reduce(add(product(u[j], two32, p, inverse), rest), p, inverse)
    if k.form == SHORT:
        for j in range(WIDTH):
            u[j] = reduce(fma_(u[j], mu, half), p, inverse)
    elif k.form == SHORT_WIDE and FUSED:
        for j in range(WIDTH):
            u[j] = add(product(reduce(u[j], p, inverse), mu, p, inverse), half)
    else:
        for j in range(WIDTH):
            u[j] = reduce(u[j], p, inverse)


cdef inline void advance(vec* u, int64_t num, const Constants* k) noexcept nogil:
    """Take num steps."""
    cdef:
        vec p = broadcast(k.p), inverse = broadcast(k.inverse), mu = broadcast(k.mu), c = broadcast(k.c)
        vec one = broadcast(1)
        int64_t _s
        int j
    if k.form == SHORT:
        for _s in range(num):
            for j in range(WIDTH):
                u[j] = reduce(fma_(u[j], u[j], c), p, inverse)
    elif k.form == GENERAL:
        for _s in range(num):
            for j in range(WIDTH):
                u[j] = reduce(multiply(mu, reduce(fma_(u[j], u[j], u[j]), p, inverse)), p, inverse)
    elif FUSED and k.form == SHORT_WIDE:
        for _s in range(num):
            for j in range(WIDTH):
                u[j] = add(product(u[j], u[j], p, inverse), c)
    elif FUSED:
        for _s in range(num):
            for j in range(WIDTH):
                u[j] = product(mu, product(u[j], add(u[j], one), p, inverse), p, inverse)


cdef inline void leave(const vec* u, integer* out, const Constants* k, bint stream) noexcept nogil:
    """Write the remainders that u stands for, in [0, p)."""
    cdef:
        vec p = broadcast(k.p), inverse = broadcast(k.inverse), back = broadcast(k.back), shift = broadcast(k.shift)
        vec v
        int j
    for j in range(WIDTH):
        if k.form == SHORT:
            v = reduce(fma_(u[j], back, shift), p, inverse)
        elif k.form == SHORT_WIDE and FUSED:
            v = reduce(add(product(u[j], back, p, inverse), shift), p, inverse)
        else:
            v = reduce(u[j], p, inverse)
        store(out + j * LANES, to_integer(lift(v, p)), stream)


cdef inline int64_t whole(double centred, double p) noexcept nogil:
    """A centred constant as an integer in [0, p)."""
    return <int64_t>(centred + p if centred < 0 else centred)


# The constants of the short form for IFMA: integers, in all lanes. Signed elements of 32 bits have 2**31 added first,
# and half_signed takes that back.
cdef struct Prepared:
    ivec p, minus_p, inverse, mu, half, half_signed, c, back, shift


cdef inline Prepared prepared(const Constants* k) noexcept nogil:
    cdef:
        Prepared w
        int64_t p = <int64_t>k.p, mu = whole(k.mu, k.p), half = whole(k.half, k.p)
        # Unsigned, as p may be beyond 2**25, and nothing uses this then.
        uint64_t taken_back = half + (<uint64_t>(p - mu) << 31)
    w.p, w.minus_p = ibroadcast(p), ibroadcast((<int64_t>1 << 52) - p)
    w.inverse = ibroadcast((<int64_t>1 << 52) // p)
    w.mu, w.half, w.half_signed = ibroadcast(mu), ibroadcast(half), ibroadcast(<int64_t>(taken_back % <uint64_t>p))
    w.c, w.back, w.shift = ibroadcast(whole(k.c, k.p)), ibroadcast(whole(k.back, k.p)), ibroadcast(whole(k.shift, k.p))
    return w


cdef inline void whole_load(ivec* u, const integer* x, int64_t bias) noexcept nogil:
    """Fill u with a block of elements that are not negative; those of 32 bits change places within two vectors.

    The bits of bias are flipped first.
    """
    cdef:
        ivec pair
        int j
    if sizeof(integer) == 8:
        for j in range(WIDTH):
            u[j] = load_64(x + j * LANES)
    else:
        for j in range(0, WIDTH, 2):
            pair = unlike(load_64(x + j * LANES), ibroadcast(bias))
            u[j], u[j + 1] = even_32(pair), odd_32(pair)


cdef inline void whole_store(integer* out, const ivec* u, bint stream) noexcept nogil:
    """Write what whole_load would read as u."""
    cdef int j
    if sizeof(integer) == 8:
        for j in range(WIDTH):
            store(out + j * LANES, u[j], stream)
    else:
        for j in range(0, WIDTH, 2):
            if stream:
                stream_64(out + j * LANES, pair_32(u[j], u[j + 1]))
            else:
                store_64(out + j * LANES, pair_32(u[j], u[j + 1]))


cdef inline bint all_whole(const ivec* u, int bits) noexcept nogil:
    """Whether 0 <= u < 2**bits for a whole block."""
    cdef:
        ivec seen = ibroadcast(0)
        int j
    for j in range(WIDTH):
        seen = either(seen, u[j])
    return not any_beyond(seen, bits)


cdef inline void whole_block(
    const integer* x, integer* out, int64_t num, const Constants* k, const Prepared* w, bint stream
) noexcept nogil:
    """The short form in integers, by IFMA."""
    cdef:
        # All values of 32 bits are small enough.
        bint is_direct = sizeof(integer) == 4 and k.whole_bits >= 32
        bint is_biased = is_direct and (<integer>-1) < 0
        ivec half = w.half_signed if is_biased else w.half
        integer first[MOST_WIDTH * MOST_LANES]
        vec residues[MOST_WIDTH]
        ivec u[MOST_WIDTH]
        int64_t _s
        int j
    whole_load(u, x, BOTH_SIGNS if is_biased else 0)
    if is_direct or all_whole(u, k.whole_bits if sizeof(integer) == 8 else min(k.whole_bits, 31)):
        for j in range(WIDTH):
            u[j] = ifma_reduce(ifma(u[j], w.mu, half), w.inverse, w.minus_p)
    else:
        enter(residues, x, k)
        for j in range(WIDTH):
            store(first + j * LANES, to_integer(lift(residues[j], broadcast(k.p))), False)
        whole_load(u, first, 0)
    for _s in range(num):
        for j in range(WIDTH):
            u[j] = ifma_reduce(ifma(u[j], u[j], w.c), w.inverse, w.minus_p)
    for j in range(WIDTH):
        u[j] = low_52(ifma_reduce(ifma(u[j], w.back, w.shift), w.inverse, w.minus_p))
        u[j] = lower(u[j], isubtract(u[j], w.p))
    whole_store(out, u, stream)


cdef inline void block(
    const integer* x, integer* out, int64_t num, const Constants* k, const Prepared* w, bint stream
) noexcept nogil:
    cdef vec u[MOST_WIDTH]
    if IFMA:
        whole_block(x, out, num, k, w, stream)
    else:
        enter(u, x, k)
        advance(u, num, k)
        leave(u, out, k, stream)


cdef int check(Plan derived, p, mu) except -1:
    """Raise ValueError where the arithmetic is not exact for p and mu.

    It needs p <= 2**45 with fused multiply-add, p <= 2**27 without; with IFMA, an odd p < 2**25 that shares no factor
    with mu.
    """
    if IFMA and not (derived.constants.form == SHORT and p < 2**25):
        raise ValueError(f"p={p}, mu={mu}: IFMA needs an odd p below 2**25 that shares no factor with mu")
    if not FUSED and derived.constants.form in (SHORT_WIDE, GENERAL_WIDE):
        raise ValueError(f"p={p} is beyond 2**27, which needs fused multiply-add")
    return 0


include "logmap_cy/vector/frame.pxi"


cdef double spin(int64_t num) noexcept nogil:
    cdef:
        vec v[MOST_WIDTH]
        vec factor = broadcast(0.999), term = broadcast(0.001)
        int64_t _i
        int j
    for j in range(WIDTH):
        v[j] = broadcast(j)
    for _i in range(num):
        for j in range(WIDTH):
            v[j] = fma_(v[j], factor, term)
    for j in range(1, WIDTH):
        v[0] = add(v[0], v[j])
    return lowest(v[0])


def multiply_adds(int64_t num, int threads):
    """Do num multiply-adds on each lane of WIDTH vectors in each thread, and return how many these were.

    They are independent of each other and stay in registers: their rate is the peak of this instruction set.
    """
    cdef:
        int _t
        double seen = 0
    if num < 0 or threads < 1:
        raise ValueError(f"num={num}, threads={threads}; pass num of 0 or more and threads of 1 or more")
    for _t in prange(threads, nogil=True, schedule="static", num_threads=threads):
        seen += spin(num)
    return num * WIDTH * LANES * threads if seen >= 0 else 0
