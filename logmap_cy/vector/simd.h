/* A vector of doubles, one of 64-bit integers, and what the implementations "vector_*" do with them.
 *
 * One source for all instruction sets: GCC's and Clang's vector extensions, as wide as the compiler's flags allow, and
 * intrinsics only for what the extensions lack. Other compilers get vectors of one lane.
 */
#ifndef LOGMAP_SIMD_H
#define LOGMAP_SIMD_H
#include <float.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __FAST_MATH__
#error "-ffast-math folds the rounding away and makes the answers wrong; build without it"
#endif

#if defined(__AVX512F__)
#include <immintrin.h>
#define LANES 8
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define LANES 4
#elif defined(__SSE2__)
#include <immintrin.h>
#define LANES 2
#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#define LANES 2
#else
#define LANES 1
#endif

#if LANES > 1
typedef double vec __attribute__((vector_size(8 * LANES)));
typedef int64_t ivec __attribute__((vector_size(8 * LANES)));
typedef int32_t half __attribute__((vector_size(4 * LANES)));
typedef uint32_t uhalf __attribute__((vector_size(4 * LANES)));
typedef uint64_t uvec __attribute__((vector_size(8 * LANES)));
#define CONVERT(type, value) __builtin_convertvector(value, type)
#define MASK(comparison) ((ivec)(comparison))
#else
typedef double vec;
typedef int64_t ivec;
typedef int32_t half;
typedef uint32_t uhalf;
typedef uint64_t uvec;
#define CONVERT(type, value) ((type)(value))
#define MASK(comparison) (-(ivec)(comparison))
#endif

/* Vectors in flight, to hide the latency of a step. Measured: with 512 bits 6 to 16 alike, with fewer bits 16 before
 * 10, 14, 8, 12. GCC unrolls 16 iterations at most. */
#define WIDTH (LANES == 8 ? 8 : 16)
#define BLOCK (WIDTH * LANES)

/* Adding 1.5 * 2^52 rounds to the nearest integer. */
#define ROUNDING 6755399441055744.0
#define ROUNDING_BITS 0x4338000000000000LL

static inline ivec bits_of(vec v) { ivec r; memcpy(&r, &v, sizeof r); return r; }
static inline vec of_bits(ivec v) { vec r; memcpy(&r, &v, sizeof r); return r; }
static inline vec broadcast(double a) { return a - (vec){0}; }
static inline ivec ibroadcast(int64_t a) { return a - (ivec){0}; }

/* a * b + c and c - a * b, rounded once if FUSED. */
#if LANES == 8
#define FUSED 1
static inline vec fma_(vec a, vec b, vec c) { return (vec)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
static inline vec fnma_(vec a, vec b, vec c) { return (vec)_mm512_fnmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
static inline vec fms_(vec a, vec b, vec c) { return (vec)_mm512_fmsub_pd((__m512d)a, (__m512d)b, (__m512d)c); }
#elif LANES == 4
#define FUSED 1
static inline vec fma_(vec a, vec b, vec c) { return (vec)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
static inline vec fnma_(vec a, vec b, vec c) { return (vec)_mm256_fnmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
static inline vec fms_(vec a, vec b, vec c) { return (vec)_mm256_fmsub_pd((__m256d)a, (__m256d)b, (__m256d)c); }
#elif LANES == 2 && defined(__aarch64__)
#define FUSED 1
static inline vec fma_(vec a, vec b, vec c) { return (vec)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b); }
static inline vec fnma_(vec a, vec b, vec c) { return (vec)vfmsq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b); }
static inline vec fms_(vec a, vec b, vec c) { return fma_(a, b, -c); }
#else
#define FUSED 0
static inline vec fma_(vec a, vec b, vec c) { return a * b + c; }
static inline vec fnma_(vec a, vec b, vec c) { return c - a * b; }
static inline vec fms_(vec a, vec b, vec c) { return a * b - c; }
#endif

static inline vec add(vec a, vec b) { return a + b; }
static inline vec multiply(vec a, vec b) { return a * b; }
/* a * inverse rounded to the nearest integer; |a * inverse| < 2^51 */
static inline vec quotient(vec a, vec inverse) {
    vec m = broadcast(ROUNDING);
#if LANES == 1 && defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0
    /* x87 rounds to a double only when it stores one. */
    volatile vec rounded = fma_(a, inverse, m);
    return rounded - m;
#else
    return fma_(a, inverse, m) - m;
#endif
}
/* a + p where a < 0 */
static inline vec lift(vec a, vec p) {
    return a + of_bits(bits_of(p) & MASK(a < (vec){0}));
}
/* integers of |i| < 2^51 to doubles and back */
#ifdef __AVX512DQ__
static inline vec to_double(ivec i) { return CONVERT(vec, i); }
static inline ivec to_integer(vec a) { return CONVERT(ivec, a); }
#else
static inline vec to_double(ivec i) { return of_bits(i + ROUNDING_BITS) - broadcast(ROUNDING); }
static inline ivec to_integer(vec a) { return bits_of(a + broadcast(ROUNDING)) - ROUNDING_BITS; }
#endif

/* modulo 2^64 */
static inline ivec iadd(ivec a, ivec b) { return (ivec)((uvec)a + (uvec)b); }
static inline ivec isubtract(ivec a, ivec b) { return a - b; }
static inline ivec either(ivec a, ivec b) { return a | b; }
static inline ivec unlike(ivec a, ivec b) { return a ^ b; }
/* Whether a lane has a bit at or above `bits`. */
static inline int any_beyond(ivec i, int bits) {
    uvec high = (uvec)i >> bits;
#if LANES == 8
    return _mm512_test_epi64_mask((__m512i)high, (__m512i)high) != 0;
#elif LANES == 4
    return !_mm256_testz_si256((__m256i)high, (__m256i)high);
#elif LANES == 2
    return (high[0] | high[1]) != 0;
#else
    return high != 0;
#endif
}
static inline double lowest(vec a) { double r; memcpy(&r, &a, sizeof r); return r; }
static inline vec high_half(ivec i, int is_signed) { return to_double(is_signed ? i >> 32 : (ivec)((uvec)i >> 32)); }
static inline vec low_half(ivec i) { return to_double(i & 0xffffffff); }

static inline ivec load_64(const void *from) { ivec r; memcpy(&r, from, sizeof r); return r; }
static inline ivec load_i32(const void *from) { half r; memcpy(&r, from, sizeof r); return CONVERT(ivec, r); }
static inline ivec load_u32(const void *from) { uhalf r; memcpy(&r, from, sizeof r); return CONVERT(ivec, r); }
static inline void store_64(void *to, ivec v) { memcpy(to, &v, sizeof v); }
static inline void store_32(void *to, ivec v) { half r = CONVERT(half, v); memcpy(to, &r, sizeof r); }
/* past the caches; `to` is aligned to the vector */
#if LANES == 8
static inline void stream_64(void *to, ivec v) { _mm512_stream_si512((__m512i *)to, (__m512i)v); }
static inline void stream_32(void *to, ivec v) { _mm256_stream_si256((__m256i *)to, (__m256i)CONVERT(half, v)); }
static inline void stream_end(void) { _mm_sfence(); }
#elif LANES == 4
static inline void stream_64(void *to, ivec v) { _mm256_stream_si256((__m256i *)to, (__m256i)v); }
static inline void stream_32(void *to, ivec v) { _mm_stream_si128((__m128i *)to, (__m128i)CONVERT(half, v)); }
static inline void stream_end(void) { _mm_sfence(); }
#elif LANES == 2 && defined(__x86_64__)
static inline void stream_64(void *to, ivec v) { _mm_stream_si128((__m128i *)to, (__m128i)v); }
static inline void stream_32(void *to, ivec v) { int64_t r; half h = CONVERT(half, v); memcpy(&r, &h, 8); _mm_stream_si64((long long *)to, r); }
static inline void stream_end(void) { _mm_sfence(); }
#else
static inline void stream_64(void *to, ivec v) { store_64(to, v); }
static inline void stream_32(void *to, ivec v) { store_32(to, v); }
static inline void stream_end(void) { }
#endif

/* Fetch so many bytes into the caches; any address may be named. */
static inline void prefetch(uintptr_t from, size_t bytes) {
#if LANES > 1
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch((const void *)(from + i));
#else
    (void)from, (void)bytes;
#endif
}

/* For p < 2^25, integers below 2^52, inverse = floor(2^52 / p): the quotient is at most one too small, so u minus that
 * multiple of p is in [0, 2p). Bits from 52 on are undefined: the multiplications ignore them, and low_52 removes them. */
#ifdef __AVX512IFMA__
#define IFMA 1
/* a * b + c */
static inline ivec ifma(ivec a, ivec b, ivec c) {
    return (ivec)_mm512_madd52lo_epu64((__m512i)c, (__m512i)a, (__m512i)b);
}
static inline ivec ifma_reduce(ivec u, ivec inverse, ivec minus_p) {
    return ifma((ivec)_mm512_madd52hi_epu64(_mm512_setzero_si512(), (__m512i)u, (__m512i)inverse), minus_p, u);
}
/* unsigned */
static inline ivec lower(ivec a, ivec b) { return (ivec)_mm512_min_epu64((__m512i)a, (__m512i)b); }
#else
#define IFMA 0
static inline ivec ifma(ivec a, ivec b, ivec c) { return a + b + c; }
static inline ivec ifma_reduce(ivec u, ivec inverse, ivec minus_p) { return u + inverse + minus_p; }
static inline ivec lower(ivec a, ivec b) { return a + b; }
#endif
/* Of elements of 32 bits, not negative: the even ones, the odd ones, and both again, none of which changes its lane. */
static inline ivec even_32(ivec pair) { return pair & 0xffffffff; }
static inline ivec odd_32(ivec pair) { return (ivec)((uvec)pair >> 32); }
static inline ivec pair_32(ivec even, ivec odd) { return even | (ivec)((uvec)odd << 32); }
static inline ivec low_52(ivec u) { return u & (((int64_t)1 << 52) - 1); }
#endif
