/* 32-bit integers only, for devices without doubles: Montgomery's multiplication, VECTORS vectors of LANES elements a
 * work-item.
 *
 * u is the short form's residue (logmap_cy/vector/plan.pyx) times R = 2^32, modulo p, in [0, p). p is odd and below
 * 2^31, and shares no factor with mu. Peter L. Montgomery, Modular multiplication without trial division, Mathematics
 * of Computation 44 (1985).
 *
 * The host defines what vectors.h wants. Its arguments, all but the first modulo p: -1 / p modulo R; mu * R^2 and
 * mu * R^3 for the two halves of x; mu / 2 * R; -2^64 * mu * R, for x < 0; c * R; 1 / mu; -1 / 2.
 */
#include "vectors.h"

/* Vectors of 32-bit values in 64 bits: a product of two is whole, as mul_hi is not vectorised on PoCL. */
#define LOW(v) ((v) & 0xffffffffUL)

/* u = u * b / R modulo p, for u < R and b < p */
#define MULTIPLY(u, b)                                                                                                 \
    {                                                                                                                  \
        uvec t_ = LOW(u) * LOW(b);                                                                                     \
        t_ = (t_ + LOW(LOW(t_) * (ulong)minus_inverse) * (ulong)p) >> 32UL;                                            \
        u = t_ - ((ulong)p & AS_UVEC(AS_IVEC(t_) >= (long)p));                                                         \
    }

/* u = u + b modulo p */
#define ADD(u, b)                                                                                                      \
    {                                                                                                                  \
        uvec t_ = (u) + (b);                                                                                           \
        u = t_ - ((ulong)p & AS_UVEC(AS_IVEC(t_) >= (long)p));                                                         \
    }

#define STEP(u) {MULTIPLY(u, u) ADD(u, c)}

__kernel void logmap(
    __global const ELEMENT *x, __global ELEMENT *out, ulong n, ulong num, uint p, uint minus_inverse, uint low_factor,
    uint high_factor, uint offset, uint negative_correction, uint montgomery_c, uint montgomery_back,
    uint montgomery_shift
) {
    size_t begin = get_global_id(0) * BLOCK;
    if (begin >= n) /* the global size is padded to whole work-groups */
        return;
    ELEMENT part[BLOCK];
    int whole = begin + BLOCK <= n;
    if (!whole)
        load_part(x + begin, part, n - begin);

    const uvec c = montgomery_c;
    uvec u[VECTORS];
    UNROLL for (int j = 0; j < VECTORS; j++) {
        ELEMENTS elements;
        if (whole)
            elements = VLOAD(j, x + begin);
        else
            elements = VLOAD(j, part);
        uvec value = AS_UVEC(TO_IVEC(elements));
        uvec high = value >> 32UL;
        uvec negative = (value >> 63UL) * (ulong)IS_SIGNED;
        u[j] = LOW(value);
        MULTIPLY(u[j], (uvec)low_factor);
        MULTIPLY(high, (uvec)high_factor);
        ADD(u[j], high);
        ADD(u[j], (ulong)offset);
        ADD(u[j], negative * negative_correction);
    }

    STEPS(u, num)

    UNROLL for (int j = 0; j < VECTORS; j++) {
        MULTIPLY(u[j], (uvec)montgomery_back);
        ADD(u[j], (ulong)montgomery_shift);
        if (whole)
            VSTORE(TO_ELEMENTS(u[j]), j, out + begin);
        else
            VSTORE(TO_ELEMENTS(u[j]), j, part);
    }
    if (!whole)
        store_part(part, out + begin, n - begin);
}
