/* 32-bit integers only, for devices without doubles: Montgomery's multiplication, VECTORS vectors of LANES elements a
 * work-item.
 *
 * u is the short form's residue (logmap_cy/_plan.pyx) times R = 2^32, modulo p, in [0, p). p is odd and below 2^31, and
 * shares no factor with mu. Peter L. Montgomery, Modular multiplication without trial division, Mathematics of
 * Computation 44 (1985).
 *
 * The host defines ELEMENT as in step.h. Its arguments, all but the first modulo p: -1 / p modulo R; mu * R^2 and
 * mu * R^3 for the two halves of x; mu / 2 * R; -2^64 * mu * R, for x < 0; c * R; 1 / mu; -1 / 2.
 */
#ifndef ELEMENT
#define ELEMENT long
#endif

#ifndef LANES
#define LANES 4
#define VECTORS 12 /* in flight: enough to hide the latency of a step */
#endif

#define PASTE(a, b) a##b
#define JOIN(a, b) PASTE(a, b)
typedef JOIN(ulong, LANES) vec; /* of 32-bit values: a product of two is whole, as mul_hi is not vectorised on PoCL */
#define ELEMENTS JOIN(ELEMENT, LANES)
#define TO_ELEMENTS JOIN(convert_, ELEMENTS)
#define TO_VEC JOIN(as_ulong, LANES)
#define TO_LONG JOIN(convert_long, LANES) /* of what is below 2^63, or for its bits */
#define VLOAD JOIN(vload, LANES)
#define VSTORE JOIN(vstore, LANES)
#define UNROLL _Pragma("unroll")
#define LOW(v) ((v) & 0xffffffffUL)

/* u = u * b / R modulo p, for u < R and b < p */
#define MULTIPLY(u, b)                                                                                                 \
    {                                                                                                                  \
        vec t_ = LOW(u) * LOW(b);                                                                                      \
        t_ = (t_ + LOW(LOW(t_) * (ulong)minus_inverse) * (ulong)p) >> 32UL;                                            \
        u = t_ - ((ulong)p & TO_VEC(TO_LONG(t_) >= (long)p));                                                          \
    }

/* u = u + b modulo p */
#define ADD(u, b)                                                                                                      \
    {                                                                                                                  \
        vec t_ = (u) + (b);                                                                                            \
        u = t_ - ((ulong)p & TO_VEC(TO_LONG(t_) >= (long)p));                                                          \
    }

#define STEP(u) {MULTIPLY(u, u) ADD(u, c)}

__kernel void logmap(
    __global const ELEMENT *x, __global ELEMENT *out, ulong n, ulong num, uint p, uint minus_inverse, uint low_factor,
    uint high_factor, uint offset, uint negative_correction, uint montgomery_c, uint montgomery_back,
    uint montgomery_shift
) {
    size_t begin = get_global_id(0) * (VECTORS * LANES);
    if (begin >= n) /* the global size is padded to whole work-groups */
        return;
    ELEMENT part[VECTORS * LANES];
    int whole = begin + VECTORS * LANES <= n;
    if (!whole)
        for (int i = 0; i < VECTORS * LANES; i++)
            part[i] = begin + i < n ? x[begin + i] : 0;

    const vec c = montgomery_c;
    vec u[VECTORS];
    UNROLL for (int j = 0; j < VECTORS; j++) {
        ELEMENTS elements;
        if (whole)
            elements = VLOAD(j, x + begin);
        else
            elements = VLOAD(j, part);
        vec value = TO_VEC(TO_LONG(elements));
        vec high = value >> 32UL;
        vec negative = (value >> 63UL) * ((ELEMENT)-1 < 0 ? 1UL : 0UL);
        u[j] = LOW(value);
        MULTIPLY(u[j], (vec)low_factor)
        MULTIPLY(high, (vec)high_factor)
        ADD(u[j], high)
        ADD(u[j], (ulong)offset)
        ADD(u[j], negative * negative_correction)
    }

    ulong left = num;
    for (; left >= 10; left -= 10)
        UNROLL for (int k = 0; k < 10; k++) UNROLL for (int j = 0; j < VECTORS; j++) STEP(u[j]) for (; left > 0; left--)
            UNROLL for (int j = 0; j < VECTORS; j++) STEP(u[j])

                UNROLL for (int j = 0; j < VECTORS; j++) {
            MULTIPLY(u[j], (vec)montgomery_back)
            ADD(u[j], (ulong)montgomery_shift)
            if (whole)
                VSTORE(TO_ELEMENTS(u[j]), j, out + begin);
            else
                VSTORE(TO_ELEMENTS(u[j]), j, part);
        }
    if (!whole)
        for (int i = 0; i < VECTORS * LANES && begin + i < n; i++)
            out[begin + i] = part[i];
}
