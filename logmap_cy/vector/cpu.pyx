"""Which instruction sets the processor has and the system keeps the registers of."""

cdef extern from *:
    """
    #if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
    #define LOGMAP_HAS(name) (__builtin_cpu_init(), __builtin_cpu_supports(name) != 0)
    #else
    #define LOGMAP_HAS(name) 0
    #endif
    #if defined(__ARM_NEON) && defined(__aarch64__)
    #define LOGMAP_NEON 1
    #else
    #define LOGMAP_NEON 0
    #endif
    #if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
    #define LOGMAP_AMD (__builtin_cpu_init(), __builtin_cpu_is("amd") != 0)
    #else
    #define LOGMAP_AMD 0
    #endif
    #define LOGMAP_AVX2 (LOGMAP_HAS("avx2") && LOGMAP_HAS("fma"))
    #define LOGMAP_AVX512 (LOGMAP_HAS("avx512f") && LOGMAP_HAS("avx512dq") && LOGMAP_HAS("avx512bw") \\
                           && LOGMAP_HAS("avx512vl"))
    #define LOGMAP_IFMA (LOGMAP_AVX512 && LOGMAP_HAS("avx512ifma"))
    """
    bint LOGMAP_AVX2
    bint LOGMAP_AVX512
    bint LOGMAP_IFMA
    bint LOGMAP_NEON
    bint LOGMAP_AMD


def supported():
    """Return the names of the instruction sets that meson.build compiles for and this processor has."""
    sets = {"avx2": LOGMAP_AVX2, "avx512": LOGMAP_AVX512, "ifma": LOGMAP_IFMA, "neon": LOGMAP_NEON}
    return frozenset(name for name, has in sets.items() if has)


def adds_beside():
    """Return whether the processor adds vectors on other units than it multiplies on, as AMD's do."""
    return LOGMAP_AMD
