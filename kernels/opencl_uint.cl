/* 32-bit integers only, for devices without doubles: Montgomery's multiplication, one work-item an element.
 *
 * u is the short form's residue (logmap_cy/_plan.pyx) times R = 2^32, modulo p, in [0, p). p is odd and below 2^31, and
 * shares no factor with mu. Peter L. Montgomery, Modular multiplication without trial division, Mathematics of
 * Computation 44 (1985).
 *
 * The host defines ELEMENT as in step.h. Its arguments, all but the first modulo p: -1 / p modulo R; mu * R^2 and
 * mu * R^3 for the two halves of x; mu / 2 * R; that less 2^64 * mu * R for x < 0; c * R; 1 / mu; -1 / 2.
 */
#ifndef ELEMENT
#define ELEMENT long
#endif

/* a * b / R modulo p, for b < p; whole products, not mul_hi, which PoCL does not vectorise */
inline uint product(uint a, uint b, uint p, uint minus_inverse) {
    ulong ab = (ulong)a * b;
    uint t = (uint)((ab + (ulong)((uint)ab * minus_inverse) * p) >> 32);
    return min(t, t - p);
}

inline uint sum(uint a, uint b, uint p) {
    uint t = a + b;
    return min(t, t - p);
}

inline uint step(uint u, uint c, uint p, uint minus_inverse) {
    return sum(product(u, u, p, minus_inverse), c, p);
}

__kernel void logmap(
    __global const ELEMENT *x, __global ELEMENT *out, ulong n, ulong num, uint p, uint minus_inverse, uint low_factor,
    uint high_factor, uint offset, uint negative_offset, uint montgomery_c, uint montgomery_back, uint montgomery_shift
) {
    size_t i = get_global_id(0);
    if (i >= n) /* the global size is padded to whole work-groups */
        return;
    ulong value = (ulong)x[i];
    uint low = product((uint)value, low_factor, p, minus_inverse);
    uint high = product((uint)(value >> 32), high_factor, p, minus_inverse);
    uint u = sum(sum(low, high, p), x[i] < 0 ? negative_offset : offset, p);
    ulong left = num;
    for (; left >= 10; left -= 10) {
        u = step(u, montgomery_c, p, minus_inverse);
        u = step(u, montgomery_c, p, minus_inverse);
        u = step(u, montgomery_c, p, minus_inverse);
        u = step(u, montgomery_c, p, minus_inverse);
        u = step(u, montgomery_c, p, minus_inverse);
        u = step(u, montgomery_c, p, minus_inverse);
        u = step(u, montgomery_c, p, minus_inverse);
        u = step(u, montgomery_c, p, minus_inverse);
        u = step(u, montgomery_c, p, minus_inverse);
        u = step(u, montgomery_c, p, minus_inverse);
    }
    for (; left > 0; left--)
        u = step(u, montgomery_c, p, minus_inverse);
    out[i] = (ELEMENT)sum(product(u, montgomery_back, p, minus_inverse), montgomery_shift, p);
}
