/* Residues as floats, VECTORS vectors of LANES elements a work-item: logmap_cy/vector/float_plan.py has the arithmetic
 * and the bound within which it is exact.
 *
 * The host defines what vectors.h wants, and SQUARE; LANES is 4, 8 or 16. It gives the constants of float_plan.py as
 * arguments, so that another p needs no other program.
 */
#ifdef __FAST_RELAXED_MATH__
#error "opencl_float depends on exact rounding; remove -cl-fast-relaxed-math from PYOPENCL_BUILD_OPTIONS"
#endif
/* Every multiply-add is an explicit fma(), rounded once on every device. */
#pragma OPENCL FP_CONTRACT OFF
#include "vectors.h"

typedef JOIN(float, LANES) vec;
typedef JOIN(int, LANES) words;
typedef JOIN(uint, LANES) uwords;
#define AS_VEC JOIN(as_float, LANES)
#define AS_WORDS JOIN(as_int, LANES)
#define AS_UWORDS JOIN(as_uint, LANES)

#define ROUNDING 12582912.0f /* 1.5 * 2^23: adding it rounds to the nearest integer */
#define ROUNDING_BITS 0x4b400000U

#if defined(__clang__) && defined(__x86_64__) && !defined(FP_FAST_FMAF)
/* PoCL, whose fma() of vectors is a call for each lane: 3 times slower. */
static inline __attribute__((always_inline)) vec FMA(vec a, vec b, vec c) {
    vec result;
    UNROLL for (int k = 0; k < LANES; k++) result[k] = __builtin_fmaf(a[k], b[k], c[k]);
    return result;
}
#else
#define FMA(a, b, c) fma(a, b, c)
#endif

/* a product modulo p, centred, is the exact sum of two floats: what is left of its upper float, and its lower float */
#define QUOTIENT(high) (FMA((high), (vec)inverse, (vec)ROUNDING) - ROUNDING)
#define REMAINDER(high) FMA(-QUOTIENT(high), (vec)p, (high))
#define LOW(a, b, high) FMA((a), (b), -(high))

#if SQUARE
#define STEP(u)                                                                                                        \
    {                                                                                                                  \
        vec high_ = (u) * (u);                                                                                         \
        u = REMAINDER(high_) + (LOW(u, u, high_) + float_c);                                                           \
    }
#else
#define STEP(u)                                                                                                        \
    {                                                                                                                  \
        vec factor_ = (u) + linear, high_ = (u) * factor_;                                                             \
        u = REMAINDER(high_) + LOW(u, factor_, high_);                                                                 \
    }
#endif

#define TO_FLOAT JOIN(convert_float, LANES)
/* an integer of 16 bits to a float, which on PoCL is faster so */
#define PIECE_TO_FLOAT(i) (AS_VEC((i) + ROUNDING_BITS) - ROUNDING)
/* a sum of pieces, less the nearest integer to their quotient times p: its bits have those of ROUNDING, and the sum has
 * p times those */
#define REDUCED(sum, quotient) TO_FLOAT(AS_WORDS((sum) - AS_UWORDS((quotient) + ROUNDING) * (uint)p))
#define ADD_PIECE(sum, quotient, piece, factor, ratio)                                                                 \
    {                                                                                                                  \
        uwords piece_ = AS_UWORDS(piece);                                                                              \
        sum = sum + piece_ * (uint)(factor);                                                                           \
        quotient = FMA(PIECE_TO_FLOAT(piece_), (vec)(ratio), quotient);                                                \
    }

/* The words of LANES elements. Of 64-bit elements, even words are of the first half of them and odd words of the second
 * half, so that no word moves to another lane. */
#define BITS_int 32
#define BITS_uint 32
#define BITS_long 64
#define BITS_ulong 64
#define HALF_OF_4 2
#define HALF_OF_8 4
#define HALF_OF_16 8
#define HALF JOIN(HALF_OF_, LANES)
#if JOIN(BITS_, ELEMENT) == 64
#define WORDS 2
#define AS_LONGS JOIN(as_ulong, HALF)
#define AS_ELEMENTS JOIN(JOIN(as_, ELEMENT), HALF)
#define LOAD(j, from, low, high)                                                                                       \
    {                                                                                                                  \
        JOIN(ulong, HALF) a_ = AS_LONGS(JOIN(vload, HALF)(2 * (j), from));                                             \
        JOIN(ulong, HALF) b_ = AS_LONGS(JOIN(vload, HALF)(2 * (j) + 1, from));                                         \
        low = AS_WORDS((a_ & 0xffffffffUL) | (b_ << 32UL));                                                            \
        high = AS_WORDS((a_ >> 32UL) | (b_ & 0xffffffff00000000UL));                                                   \
    }
#define STORE(j, to, answers)                                                                                          \
    {                                                                                                                  \
        JOIN(vstore, HALF)(AS_ELEMENTS(AS_LONGS(answers) & 0xffffffffUL), 2 * (j), to);                                \
        JOIN(vstore, HALF)(AS_ELEMENTS(AS_LONGS(answers) >> 32UL), 2 * (j) + 1, to);                                   \
    }
#else
#define WORDS 1
#define LOAD(j, from, low, high) low = AS_WORDS(VLOAD(j, from));
#define STORE(j, to, answers) VSTORE(JOIN(as_, ELEMENTS)(answers), j, to);
#endif

/* from the array, or from the part that is not a whole block */
#define LOAD_ANY(j, low, high)                                                                                         \
    {                                                                                                                  \
        if (whole)                                                                                                     \
            LOAD(j, x + begin, low, high)                                                                              \
        else                                                                                                           \
            LOAD(j, part, low, high)                                                                                   \
    }

__kernel void logmap(
    __global const ELEMENT *x, __global ELEMENT *out, ulong n, ulong num, float p, float inverse, float linear,
    float float_c, float float_half, float float_half_ratio, float float_back, int float_offset, int factor0,
    int factor1, int factor2, int factor3, float ratio0, float ratio1, float ratio2, float ratio3, uint direct_bits
) {
    size_t begin = get_global_id(0) * BLOCK;
    if (begin >= n) /* the global size is padded to whole work-groups */
        return;
    ELEMENT part[BLOCK];
    int whole = begin + BLOCK <= n;
    if (!whole)
        load_part(x + begin, part, n - begin);

    vec u[VECTORS];
    uwords far = 0;
    UNROLL for (int j = 0; j < VECTORS; j++) {
        words low, high = 0;
        LOAD_ANY(j, low, high)
        words sign = IS_SIGNED ? low >> 31 : 0;
        far = far | (AS_UWORDS(low ^ sign) >> direct_bits);
        if (WORDS == 2)
            far = far | AS_UWORDS(high ^ sign);
        u[j] = REDUCED(
            AS_UWORDS(low) * (uint)factor0 + (uint)float_offset, FMA(TO_FLOAT(low), (vec)ratio0, (vec)float_half_ratio)
        );
    }
    if (any(far != 0U)) {
        UNROLL for (int j = 0; j < VECTORS; j++) {
            words low, high = 0;
            LOAD_ANY(j, low, high)
            words top = WORDS == 2 ? high : low;
            vec quotient = float_half_ratio;
            uwords sum = (uint)float_offset;
            ADD_PIECE(sum, quotient, low & 0xffff, factor0, ratio0)
            if (WORDS == 2) {
                ADD_PIECE(sum, quotient, AS_UWORDS(low) >> 16U, factor1, ratio1)
                ADD_PIECE(sum, quotient, high & 0xffff, factor2, ratio2)
            }
            uwords uppermost = IS_SIGNED ? AS_UWORDS(top >> 16) : AS_UWORDS(top) >> 16U;
            if (WORDS == 2)
                ADD_PIECE(sum, quotient, uppermost, factor3, ratio3)
            else
                ADD_PIECE(sum, quotient, uppermost, factor1, ratio1)
            u[j] = REDUCED(sum, quotient);
        }
    }

    STEPS(u, num)

    UNROLL for (int j = 0; j < VECTORS; j++) {
        vec v = u[j] - float_half, high = v * float_back;
        words answers = JOIN(convert_int, LANES)(REMAINDER(high) + LOW(v, (vec)float_back, high));
        answers = answers + ((answers >> 31) & (int)p);
        if (whole)
            STORE(j, out + begin, answers)
        else
            STORE(j, part, answers)
    }
    if (!whole)
        store_part(part, out + begin, n - begin);
}
