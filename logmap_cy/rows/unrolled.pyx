"""The implementation "unrolled": ten inlined steps written out, one thread."""
from libc.stdint cimport int64_t, uint64_t

from logmap_cy.rows.step cimport check, enter, integer, one_remainder, step


cdef inline uint64_t ten_steps(uint64_t u, uint64_t p, uint64_t mu, bint one) noexcept nogil:
    u = step(u, p, mu, one)
    u = step(u, p, mu, one)
    u = step(u, p, mu, one)
    u = step(u, p, mu, one)
    u = step(u, p, mu, one)
    u = step(u, p, mu, one)
    u = step(u, p, mu, one)
    u = step(u, p, mu, one)
    u = step(u, p, mu, one)
    return step(u, p, mu, one)


def compute(const integer[::1] x, integer[::1] out, int64_t num, uint64_t p, uint64_t mu, int threads):
    """Write num steps of the map on x to out; see `logmap_cy._contract.Compute`."""
    cdef:
        Py_ssize_t i
        int64_t _k, tens = num // 10, rest = num % 10
        uint64_t u
        bint one
    check(x.shape[0], out.shape[0], num, p, mu)
    one = one_remainder(p, mu)
    with nogil:
        for i in range(x.shape[0]):
            u = enter(x[i], p)
            for _k in range(tens):
                u = ten_steps(u, p, mu, one)
            for _k in range(rest):
                u = step(u, p, mu, one)
            out[i] = <integer>u
