/* Residues as doubles, VECTORS vectors of LANES elements a work-item: logmap_cy/vector/vector.pyx has the arithmetic,
 * its forms and its proofs.
 *
 * The host defines, per program, what vectors.h wants, and FORM (0 short, 1 general; 2, 3 the same,
 * wide). It gives the constants of logmap_cy/vector/plan.pyx as arguments, so that another p needs no other program.
 */
#include "vectors.h"
#ifndef FORM
#define FORM 0
#endif
#pragma OPENCL EXTENSION cl_khr_fp64 : enable

typedef JOIN(double, LANES) vec;
#define AS_VEC JOIN(as_double, LANES)

#define ROUNDING 6755399441055744.0 /* 1.5 * 2^52: adding it rounds to the nearest integer */
#define ROUNDING_BITS 0x4338000000000000L

/* What stands as a * b + c is rounded once or twice, as the driver likes: exact in both ways, and on PoCL faster than
 * fma(). By macros: how vectors are passed to functions depends on the instruction set, and compilers warn of it. */

/* u = u modulo p, centred, for |u| < 2^53 */
#define REDUCE(u)                                                                                                      \
    {                                                                                                                  \
        vec q_ = ((u) * inverse + ROUNDING) - ROUNDING;                                                                \
        u = (u) - q_ * p;                                                                                              \
    }

/* u = u * b modulo p, centred, where the product is no double */
#define MULTIPLY(u, b)                                                                                                 \
    {                                                                                                                  \
        vec b_ = (b), h_ = (u) * b_, l_ = fma((u), b_, -h_);                                                           \
        vec q_ = (h_ * inverse + ROUNDING) - ROUNDING;                                                                 \
        u = fma(-q_, (vec)p, h_) + l_;                                                                                 \
    }

#if FORM == 0
#define STEP(u)                                                                                                        \
    {                                                                                                                  \
        u = u * u + c;                                                                                                 \
        REDUCE(u)                                                                                                      \
    }
#elif FORM == 1
#define STEP(u)                                                                                                        \
    {                                                                                                                  \
        u = u * u + u;                                                                                                 \
        REDUCE(u)                                                                                                      \
        u = mu * u;                                                                                                    \
        REDUCE(u)                                                                                                      \
    }
#elif FORM == 2
#define STEP(u)                                                                                                        \
    {                                                                                                                  \
        MULTIPLY(u, u)                                                                                                 \
        u = u + c;                                                                                                     \
    }
#else
#define STEP(u) {MULTIPLY(u, u + 1.0) MULTIPLY(u, (vec)mu)}
#endif

/* integers of magnitude below 2^51 to doubles and back */
#define TO_DOUBLE(i) (AS_VEC((i) + ROUNDING_BITS) - ROUNDING)
#define TO_INTEGER(v) (AS_IVEC((v) + ROUNDING) - ROUNDING_BITS)

__kernel void logmap(
    __global const ELEMENT *x, __global ELEMENT *out, ulong n, ulong num, double p, double inverse, double mu, double c,
    double half_mu, double back, double shift, double two32, ulong near_bits
) {
    size_t begin = get_global_id(0) * BLOCK;
    if (begin >= n) /* the global size is padded to whole work-groups */
        return;
    ELEMENT part[BLOCK];
    int whole = begin + BLOCK <= n;
    if (!whole)
        load_part(x + begin, part, n - begin);

    vec u[VECTORS];
    ulong bias = IS_SIGNED;
    UNROLL for (int j = 0; j < VECTORS; j++) {
        ELEMENTS elements;
        if (whole)
            elements = VLOAD(j, x + begin);
        else
            elements = VLOAD(j, part);
        ivec i = TO_IVEC(elements);
        uvec far = (AS_UVEC(i) + (bias << near_bits)) >> (near_bits + bias);
        u[j] = TO_DOUBLE(i);
        if (any(AS_IVEC(far != (ulong)0))) {
            ivec high = bias ? i >> 32L : AS_IVEC(AS_UVEC(i) >> 32UL);
            vec low = TO_DOUBLE(i & 0xffffffffL);
            u[j] = TO_DOUBLE(high);
            REDUCE(u[j]);
#if FORM < 2
            u[j] = u[j] * two32 + low;
#else
            MULTIPLY(u[j], (vec)two32);
            u[j] = u[j] + low;
#endif
            REDUCE(u[j]);
        }
#if FORM == 0
        u[j] = u[j] * mu + half_mu;
        REDUCE(u[j]);
#elif FORM == 2
        REDUCE(u[j]);
        MULTIPLY(u[j], (vec)mu);
        u[j] = u[j] + half_mu;
#else
        REDUCE(u[j]);
#endif
    }

    STEPS(u, num)

    UNROLL for (int j = 0; j < VECTORS; j++) {
#if FORM == 0
        u[j] = u[j] * back + shift;
#elif FORM == 2
        MULTIPLY(u[j], (vec)back);
        u[j] = u[j] + shift;
#endif
        REDUCE(u[j]);
        ivec i = TO_INTEGER(u[j]);
        i = i + ((i >> 63L) & (long)p);
        if (whole)
            VSTORE(TO_ELEMENTS(i), j, out + begin);
        else
            VSTORE(TO_ELEMENTS(i), j, part);
    }
    if (!whole)
        store_part(part, out + begin, n - begin);
}
