"""The short way: logmap for a small plain array, where the general way would take longer than the steps.

It does nothing that the general way does not, and leaves to it whatever is not plain: errors, other layouts, long work.
"""
cimport cython
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int64_t

cimport numpy as np

from logmap_cy.vector.plan cimport Constants, Plan

np.import_array()

cdef extern from "numpy/arrayobject.h":
    bint PyArray_CheckExact(object)
    bint PyArray_ISCARRAY(np.ndarray)
    bint PyArray_ISCARRAY_RO(np.ndarray)
    bint PyArray_CompareLists(np.npy_intp*, np.npy_intp*, int)
    object PyArray_NewLikeArray(np.ndarray, np.NPY_ORDER, void*, bint)

ctypedef void (*Run)(int, const void*, void*, Py_ssize_t, int64_t, const Constants*) noexcept nogil

cdef int64_t MOST = 2**17  # steps: 10 to 60 us of one core
cdef Py_ssize_t KEPT = 1024


@cython.auto_pickle(False)
@cython.final
cdef class _Ready:
    """A vector implementation and its constants."""
    cdef Plan plan
    cdef Run run


cdef dict ready = {}


def remember(p, mu, Plan plan, run):
    """Use a vector implementation, by its RUN, and this plan for later calls that give p and mu."""
    cdef _Ready made = _Ready()
    made.plan = plan
    made.run = <Run>PyCapsule_GetPointer(run, "logmap_cy.run")
    if len(ready) >= KEPT:
        ready.clear()
    ready[p, mu] = made


cdef inline bint plain(object array) noexcept:
    """Whether it is an aligned, C-contiguous array of native integers of 32 or 64 bits."""
    if not (PyArray_CheckExact(array) and PyArray_ISCARRAY_RO(<np.ndarray>array)):
        return False
    return np.PyTypeNum_ISINTEGER(np.PyArray_TYPE(<np.ndarray>array)) and np.PyArray_ITEMSIZE(<np.ndarray>array) >= 4


def call(x, num, p, mu, out):
    """Return logmap(x, num, p, mu, out=out), or None where this is not the way for it."""
    cdef:
        np.ndarray source, target
        Py_ssize_t n, length
        int64_t steps
        _Ready made
        const char* begin
        const char* start
        int code
        int overflow = 0
    if not (plain(x) and PyLong_CheckExact(num) and PyLong_CheckExact(p) and PyLong_CheckExact(mu)):
        return None
    found = ready.get((p, mu))
    if found is None:
        return None
    made = <_Ready>found
    source = <np.ndarray>x
    n = np.PyArray_SIZE(source)
    steps = PyLong_AsLongLongAndOverflow(num, &overflow)
    if overflow or steps < 1 or n == 0 or n > MOST // steps:
        return None
    code = np.PyTypeNum_ISUNSIGNED(np.PyArray_TYPE(source)) + np.PyArray_ITEMSIZE(source)
    if np.PyArray_ITEMSIZE(source) == 4 and made.plan.constants.p > (2.0**32 if code == 5 else 2.0**31):
        return None
    if out is None:
        target = <np.ndarray>PyArray_NewLikeArray(source, np.NPY_KEEPORDER, NULL, False)
    else:
        if not (plain(out) and PyArray_ISCARRAY(<np.ndarray>out)):
            return None
        target = <np.ndarray>out
        if np.PyArray_TYPE(target) != np.PyArray_TYPE(source) or np.PyArray_NDIM(target) != np.PyArray_NDIM(source):
            return None
        if not PyArray_CompareLists(np.PyArray_DIMS(target), np.PyArray_DIMS(source), np.PyArray_NDIM(source)):
            return None
        length = n * np.PyArray_ITEMSIZE(source)
        begin, start = <const char*>np.PyArray_DATA(source), <const char*>np.PyArray_DATA(target)
        if begin != start and begin < start + length and start < begin + length:
            return None
    made.run(code, np.PyArray_DATA(source), np.PyArray_DATA(target), n, steps, &made.plan.constants)
    return target
