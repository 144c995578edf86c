"""What simd.h has, for the instruction set that the compiler is told."""
from libc.stdint cimport int64_t, uintptr_t

cdef extern from "simd.h" nogil:
    # LANES doubles, and LANES 64-bit integers.
    ctypedef struct vec:
        pass
    ctypedef struct ivec:
        pass
    const int LANES, WIDTH, FUSED, IFMA
    vec broadcast(double a)
    vec add(vec a, vec b)
    vec multiply(vec a, vec b)
    vec fma_(vec a, vec b, vec c)
    vec fms_(vec a, vec b, vec c)
    vec fnma_(vec a, vec b, vec c)
    vec quotient(vec a, vec inverse)
    vec lift(vec a, vec p)
    vec to_double(ivec i)
    ivec to_integer(vec a)
    ivec iadd(ivec a, ivec b)
    ivec either(ivec a, ivec b)
    ivec unlike(ivec a, ivec b)
    bint any_beyond(ivec i, int bits)
    double lowest(vec a)
    vec high_half(ivec i, bint is_signed)
    vec low_half(ivec i)
    ivec load_i32(const void* source)
    ivec load_u32(const void* source)
    ivec load_64(const void* source)
    void store_32(void* target, ivec i)
    void store_64(void* target, ivec i)
    void stream_32(void* target, ivec i)
    void stream_64(void* target, ivec i)
    void stream_end()
    void prefetch(uintptr_t from_, size_t count)
    ivec ibroadcast(int64_t i)
    ivec ifma(ivec a, ivec b, ivec c)
    ivec ifma_reduce(ivec u, ivec inverse, ivec minus_p)
    ivec isubtract(ivec a, ivec b)
    ivec lower(ivec a, ivec b)
    ivec low_52(ivec u)
    ivec even_32(ivec pair)
    ivec odd_32(ivec pair)
    ivec pair_32(ivec even, ivec odd)
