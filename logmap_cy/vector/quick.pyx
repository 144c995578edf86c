"""The quick path: logmap of a small plain array, for which the checks of the general path take longer than the steps.

It gives the general path's answers, and leaves to it whatever is not plain: errors, other layouts, long work.
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

# Elements times steps: 10 to 60 us of one core.
cdef int64_t MOST_STEPS = 2**17
cdef Py_ssize_t MOST_KEPT = 1024


@cython.auto_pickle(False)
@cython.final
cdef class _Kernel:
    """A vector implementation and its constants."""
    cdef Plan plan
    cdef Run run


# (p, mu) -> _Kernel
cdef dict kernels = {}


def remember(p, mu, Plan plan, run):
    """Use a vector implementation, by its RUN, and its plan for later calls with p and mu."""
    cdef _Kernel kernel = _Kernel()
    kernel.plan = plan
    kernel.run = <Run>PyCapsule_GetPointer(run, "logmap_cy.run")
    if len(kernels) >= MOST_KEPT:
        kernels.clear()
    kernels[p, mu] = kernel


def forget():
    """Leave the next calls to the general path."""
    kernels.clear()


cdef inline bint is_plain(object array) noexcept:
    """Whether it is an aligned, C-contiguous array of native integers of 32 or 64 bits."""
    if not (PyArray_CheckExact(array) and PyArray_ISCARRAY_RO(<np.ndarray>array)):
        return False
    return np.PyTypeNum_ISINTEGER(np.PyArray_TYPE(<np.ndarray>array)) and np.PyArray_ITEMSIZE(<np.ndarray>array) >= 4


def call(x, num, p, mu, out):
    """Return logmap(x, num, p, mu, out=out), or None for what the general path has to do."""
    cdef:
        np.ndarray source, target
        Py_ssize_t n, length
        int64_t steps
        _Kernel kernel
        const char* begin
        const char* start
        int code
        int overflow = 0
    if not (is_plain(x) and PyLong_CheckExact(num) and PyLong_CheckExact(p) and PyLong_CheckExact(mu)):
        return None
    known = kernels.get((p, mu))
    if known is None:
        return None
    kernel = <_Kernel>known
    source = <np.ndarray>x
    n = np.PyArray_SIZE(source)
    steps = PyLong_AsLongLongAndOverflow(num, &overflow)
    if overflow or steps < 1 or n == 0 or n > MOST_STEPS // steps:
        return None
    code = np.PyTypeNum_ISUNSIGNED(np.PyArray_TYPE(source)) + np.PyArray_ITEMSIZE(source)
    if np.PyArray_ITEMSIZE(source) == 4 and kernel.plan.constants.p > (2.0**32 if code == 5 else 2.0**31):
        return None
    if out is None:
        target = <np.ndarray>PyArray_NewLikeArray(source, np.NPY_KEEPORDER, NULL, False)
    else:
        if not (is_plain(out) and PyArray_ISCARRAY(<np.ndarray>out)):
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
    kernel.run(code, np.PyArray_DATA(source), np.PyArray_DATA(target), n, steps, &kernel.plan.constants)
    return target
