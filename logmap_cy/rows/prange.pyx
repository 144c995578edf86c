"""The implementation "prange": the plain loop over OpenMP threads, without the GIL."""
from cython.parallel cimport prange
from libc.stdint cimport int64_t, uint64_t

from logmap_cy.rows.step cimport check, enter, integer, one_remainder, step

cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    #define LOGMAP_MAX_THREADS omp_get_max_threads()
    #else
    #define LOGMAP_MAX_THREADS 0
    #endif
    /* OpenMP 5.0. GCC 9 has it, though it reports 4.5. */
    #if defined(_OPENMP) && (_OPENMP >= 201811 || (defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 9))
    #define LOGMAP_END_THREADS() omp_pause_resource(omp_pause_soft, omp_get_initial_device())
    #else
    #define LOGMAP_END_THREADS() 0
    #endif
    """
    int LOGMAP_MAX_THREADS
    int LOGMAP_END_THREADS() nogil


def openmp_threads():
    """Return how many threads OpenMP would use, which respects OMP_NUM_THREADS; 0 in a build without OpenMP."""
    return LOGMAP_MAX_THREADS


def end_threads():
    """End the threads that OpenMP keeps for the calling thread, if it can; the next loop starts new ones."""
    with nogil:
        LOGMAP_END_THREADS()


cdef inline uint64_t steps(uint64_t u, int64_t num, uint64_t p, uint64_t mu, bint one) noexcept nogil:
    cdef int64_t _k
    for _k in range(num):
        u = step(u, p, mu, one)
    return u


def compute(const integer[::1] x, integer[::1] out, int64_t num, uint64_t p, uint64_t mu, int threads):
    """Write num steps of the map on x to out; see `logmap_cy._contract.Compute`."""
    cdef:
        Py_ssize_t i, n = x.shape[0]
        bint one
    check(n, out.shape[0], num, p, mu)
    if threads < 1:
        raise ValueError(f"threads={threads} is below 1; pass 1 or more")
    one = one_remainder(p, mu)
    for i in prange(n, nogil=True, schedule="static", num_threads=threads, use_threads_if=threads > 1):
        out[i] = <integer>steps(enter(x[i], p), num, p, mu, one)
