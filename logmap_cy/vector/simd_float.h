/* A vector of floats, one of 32-bit words, and what the implementations "vector_float_*" do with them. As wide as the
 * vectors of simd.h, with twice the lanes.
 */
#ifndef LOGMAP_SIMD_FLOAT_H
#define LOGMAP_SIMD_FLOAT_H
#include "simd.h"

#if LANES == 1 || !FUSED
#error "single precision needs vectors with fused multiply-add; compile for AVX2 with FMA, AVX-512 or NEON"
#endif

#define FLOAT_LANES (2 * LANES)
#define FLOAT_BLOCK (WIDTH * FLOAT_LANES)

typedef float fvec __attribute__((vector_size(8 * LANES)));
typedef int32_t words __attribute__((vector_size(8 * LANES)));
typedef uint32_t uwords __attribute__((vector_size(8 * LANES)));

/* Adding 1.5 * 2^23 rounds to the nearest integer. */
#define FLOAT_ROUNDING 12582912.0f

static inline fvec f_broadcast(float a) { return a - (fvec){0}; }
static inline words w_broadcast(int32_t a) { return a - (words){0}; }

/* a * b + c, c - a * b and a * b - c, rounded once */
#if LANES == 8
static inline fvec f_fma(fvec a, fvec b, fvec c) { return (fvec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
static inline fvec f_fnma(fvec a, fvec b, fvec c) { return (fvec)_mm512_fnmadd_ps((__m512)a, (__m512)b, (__m512)c); }
static inline fvec f_fms(fvec a, fvec b, fvec c) { return (fvec)_mm512_fmsub_ps((__m512)a, (__m512)b, (__m512)c); }
#elif LANES == 4
static inline fvec f_fma(fvec a, fvec b, fvec c) { return (fvec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
static inline fvec f_fnma(fvec a, fvec b, fvec c) { return (fvec)_mm256_fnmadd_ps((__m256)a, (__m256)b, (__m256)c); }
static inline fvec f_fms(fvec a, fvec b, fvec c) { return (fvec)_mm256_fmsub_ps((__m256)a, (__m256)b, (__m256)c); }
#else
static inline fvec f_fma(fvec a, fvec b, fvec c) { return (fvec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
static inline fvec f_fnma(fvec a, fvec b, fvec c) { return (fvec)vfmsq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
static inline fvec f_fms(fvec a, fvec b, fvec c) { return f_fma(a, b, -c); }
#endif
static inline fvec f_add(fvec a, fvec b) { return a + b; }
static inline fvec f_subtract(fvec a, fvec b) { return a - b; }
static inline fvec f_multiply(fvec a, fvec b) { return a * b; }
/* a * inverse rounded to the nearest integer; |a * inverse| < 2^22 */
static inline fvec f_quotient(fvec a, fvec inverse) {
    fvec m = f_broadcast(FLOAT_ROUNDING);
    return f_fma(a, inverse, m) - m;
}
/* the nearest integer to a, |a| < 2^22, plus the bits of 1.5 * 2^23 */
static inline words f_bits_of_nearest(fvec a) { return (words)(a + f_broadcast(FLOAT_ROUNDING)); }

/* words that wrap */
static inline words w_add(words a, words b) { return (words)((uwords)a + (uwords)b); }
static inline words w_subtract(words a, words b) { return (words)((uwords)a - (uwords)b); }
static inline words w_multiply(words a, words b) { return (words)((uwords)a * (uwords)b); }
static inline words low_piece(words a) { return a & 0xffff; }
static inline words high_piece(words a, int is_signed) { return is_signed ? a >> 16 : (words)((uwords)a >> 16); }
/* a + p where a < 0 */
static inline words w_lift(words a, words p) { return w_add(a, p & (a < (words){0})); }

/* Exact for integers below 2^24; others are rounded. */
static inline fvec w_to_float(words a) { return CONVERT(fvec, a); }
/* integers */
static inline words f_to_words(fvec a) { return CONVERT(words, a); }
/* The words of 2 * LANES elements of 64 bits, a and b: even words are of a, and odd ones of b, so that no word moves to
 * another lane. */
static inline words low_words(ivec a, ivec b) { return (words)((a & 0xffffffff) | (ivec)((uvec)b << 32)); }
static inline words high_words(ivec a, ivec b) { return (words)((ivec)((uvec)a >> 32) | (b & ~(int64_t)0xffffffff)); }
static inline ivec even_words(words a) { return (ivec)a & 0xffffffff; }
static inline ivec odd_words(words a) { return (ivec)((uvec)(ivec)a >> 32); }
static inline words as_words(ivec a) { return (words)a; }
static inline ivec as_ivec(words a) { return (ivec)a; }
/* Nonzero bits where a word, signed or not, is not in [-2^bits, 2^bits), bits < 32. */
static inline words beyond(words a, int bits, int is_signed) {
    return (words)((uwords)(is_signed ? a ^ a >> 31 : a) >> bits);
}
static inline words sign(words a) { return a >> 31; }
static inline words w_either(words a, words b) { return a | b; }
static inline words w_unlike(words a, words b) { return a ^ b; }
#endif
