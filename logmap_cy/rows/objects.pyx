"""The implementations "scalar" and "list": compiled functions over Python's integers, in one thread that holds the GIL.

In the articles: "native function per element (Rustler NIF calc)" and "native over a list (map_calc_list)".
"""
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint64_t

import numpy as np

from logmap_cy.rows.step cimport check, enter, one_remainder, step

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object value, int *overflow) except? -1
    unsigned long long PyLong_AsUnsignedLongLong(object value) except? -1

# Between two pauses: 3 ms, and 0.1 s where a division takes 100 cycles.
cdef int64_t STEPS = 1 << 20


cdef uint64_t _enter(object value, uint64_t p) except? -1:
    """value modulo p."""
    cdef:
        int overflow = 0
        int64_t number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow == 0:
        return enter(number, p)
    if overflow > 0 and value <= 0xFFFFFFFFFFFFFFFF:
        return enter(<uint64_t>PyLong_AsUnsignedLongLong(value), p)
    raise OverflowError(f"{value} is outside [-2**63, 2**64); take it modulo p first: value % p")


cdef int _pause() except -1:
    """Handle signals such as Ctrl-C, and let other threads run."""
    PyErr_CheckSignals()
    with nogil:
        pass
    return 0


cdef uint64_t _steps(uint64_t u, int64_t num, uint64_t p, uint64_t mu, bint one) except? -1:
    """num steps of the map; signals are handled meanwhile."""
    cdef int64_t part, _k
    while num > 0:
        part = min(num, STEPS)
        for _k in range(part):
            u = step(u, p, mu, one)
        num -= part
        if num > 0:
            _pause()
    return u


def calc(value, int64_t num, uint64_t p, uint64_t mu):
    """Return num steps of ``value <- mu * value * (value + 1) mod p``.

    Raises
    ------
    OverflowError
        value is outside [-2**63, 2**64).
    TypeError
        value is not an integer.
    ValueError
        num is negative, p outside [1, 2**32], or mu outside [0, p).

    """
    check(0, 0, num, p, mu)
    return _steps(_enter(value, p), num, p, mu, one_remainder(p, mu))


def map_list(list values not None, int64_t num, uint64_t p, uint64_t mu):
    """Return a new list: `calc` of each of values. Raises as `calc` does."""
    cdef:
        # A signal handler may change the list.
        tuple given = tuple(values)
        Py_ssize_t i
        int64_t since = 0
        list answers = [None] * len(given)
        bint one
    check(0, 0, num, p, mu)
    one = one_remainder(p, mu)
    for i in range(len(given)):
        answers[i] = _steps(_enter(given[i], p), num, p, mu, one)
        since += min(num, STEPS)
        if since >= STEPS:
            _pause()
            since = 0
    return answers


def compute_scalar(x, out, num, p, mu, threads):
    """Write num steps of the map on x to out; see `logmap_cy._contract.Compute`."""
    out[:] = np.array([calc(value, num, p, mu) for value in x.tolist()], out.dtype)


def compute_list(x, out, num, p, mu, threads):
    """Write num steps of the map on x to out; see `logmap_cy._contract.Compute`."""
    out[:] = np.array(map_list(x.tolist(), num, p, mu), out.dtype)
