/* The arithmetic of the 64-bit kernels, once; logmap_cy/rows/step.pxd holds the proof of its bounds.
 *
 * The host defines, per program: ELEMENT (int, uint, long or ulong), P in [1, 2**32], MU in [0, P) and
 * ONE_REMAINDER (1 where MU * (P - 1) * P < 2**64). Constants, because `%` by one becomes a multiplication.
 * The defaults are the article's parameters, so that each kernel is valid OpenCL C as it stands.
 */
#ifndef ELEMENT
#define ELEMENT long
#define P 6700417UL
#define MU 22UL
#define ONE_REMAINDER 1
#endif

/* value modulo P in [0, P); ~value is -1 - value and cannot overflow. */
static inline ulong enter(ELEMENT value) {
    return value < 0 ? P - 1 - (ulong)~value % P : (ulong)value % P;
}

static inline ulong step(ulong u) {
#if ONE_REMAINDER
    return MU * u * (u + 1) % P;
#else
    return MU * (u * (u + 1) % P) % P;
#endif
}
