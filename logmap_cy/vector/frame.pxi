# From a block to the elements of all threads: included by vector.pyx and vector_float.pyx, which define `block`, which
# computes BLOCK elements, the constants that it wants, `Prepared`, and `check`.
from cython.parallel cimport prange
from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy

from logmap_cy.vector.simd cimport prefetch, stream_end
from logmap_cy.vector.plan import plan

cdef enum:
    # Bytes of a cache line: threads share none, and streams start at one.
    LINE = 64
    # How far x is fetched ahead, in bytes: the arithmetic of one block fills the processor's window, and its own
    # prefetching ends with each page. Measured: 1024 to 4096 alike, up to 1.6 times as fast as without.
    AHEAD = 2048

# An out of at least so many bytes is written past the caches, and x is fetched ahead.
cdef Py_ssize_t LARGE = 1 << 22


cdef void part_block(
    const integer* x, integer* out, Py_ssize_t n, int64_t num, const Constants* k, const Prepared* w
) noexcept nogil:
    """A block that is not full: n < BLOCK elements."""
    cdef integer buffer[MOST_WIDTH * MOST_LANES]
    if n > 0:
        memcpy(buffer, x, n * sizeof(integer))
        for i in range(n, BLOCK):
            buffer[i] = 0
        block(buffer, buffer, num, k, w, False)
        memcpy(out, buffer, n * sizeof(integer))


cdef void part(
    const integer* x, integer* out, Py_ssize_t n, int64_t num, const Constants* k, bint large
) noexcept nogil:
    """The elements of one thread."""
    cdef:
        # A block holds a cache line at least.
        bint stream = LANES > 1 and <const void*>x != <const void*>out and large
        Py_ssize_t i = 0
        Prepared constants = prepared(k)
        const Prepared* w = &constants
    if stream:
        i = min(n, <Py_ssize_t>(-<uintptr_t>out % LINE // sizeof(integer)))
        part_block(x, out, i, num, k, w)
    while i + BLOCK <= n:
        if large:
            prefetch(<uintptr_t>(x + i) + AHEAD, BLOCK * sizeof(integer))
        block(x + i, out + i, num, k, w, stream)
        i += BLOCK
    part_block(x + i, out + i, n - i, num, k, w)
    if stream:
        stream_end()


cdef void run(
    const integer* x, integer* out, Py_ssize_t n, int64_t num, const Constants* k, int threads
) noexcept nogil:
    """`compute`, without its checks."""
    cdef:
        bint large = n * <Py_ssize_t>sizeof(integer) >= LARGE
        # So that threads share no cache line of out.
        Py_ssize_t head = -<uintptr_t>out % LINE // sizeof(integer)
        Py_ssize_t share = (n // threads // BLOCK + 1) * BLOCK
        Py_ssize_t begin, end
        int t
    if threads == 1:
        part(x, out, n, num, k, large)
        return
    for t in prange(threads, schedule="static", num_threads=threads):
        begin = min(n, head + t * share) if t else 0
        end = min(n, head + (t + 1) * share) if t + 1 < threads else n
        part(x + begin, out + begin, end - begin, num, k, large)


cdef void run_small(
    int code, const void* x, void* out, Py_ssize_t n, int64_t num, const Constants* k
) noexcept nogil:
    """`run` in one thread; code is the size of an element, plus one if it is unsigned."""
    if code == 4:
        run(<const int32_t*>x, <int32_t*>out, n, num, k, 1)
    elif code == 5:
        run(<const uint32_t*>x, <uint32_t*>out, n, num, k, 1)
    elif code == 8:
        run(<const int64_t*>x, <int64_t*>out, n, num, k, 1)
    else:
        run(<const uint64_t*>x, <uint64_t*>out, n, num, k, 1)


RUN = PyCapsule_New(<void*>run_small, "logmap_cy.run", NULL)


def compute(const integer[::1] x, integer[::1] out, int64_t num, p, mu, int threads):
    """Write num steps of the map on x to out; see `logmap_cy._contract.Compute`."""
    cdef:
        Py_ssize_t n = x.shape[0]
        Plan derived
    if n != out.shape[0]:
        raise ValueError(f"out has {out.shape[0]} elements, x has {n}; pass arrays of one length")
    if num < 0:
        raise ValueError(f"num={num} is negative; pass 0 or more")
    if threads < 1:
        raise ValueError(f"threads={threads} is below 1; pass 1 or more")
    derived = plan(p, mu)
    check(derived, p, mu)
    if n:
        with nogil:
            run(&x[0], &out[0], n, num, &derived.constants, threads)
