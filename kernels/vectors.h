/* The frame of the kernels whose work-items take VECTORS vectors of LANES elements: types, and blocks that are not
 * full.
 *
 * The host defines, per program: ELEMENT (int, uint, long or ulong), LANES and VECTORS.
 */
#ifndef ELEMENT
#define ELEMENT long
#endif
#ifndef LANES
#define LANES 4
#define VECTORS 12 /* in flight: enough to hide the latency of a step */
#endif
#define BLOCK (VECTORS * LANES)

#define PASTE(a, b) a##b
#define JOIN(a, b) PASTE(a, b)
typedef JOIN(long, LANES) ivec;
typedef JOIN(ulong, LANES) uvec;
#define AS_IVEC JOIN(as_long, LANES)
#define AS_UVEC JOIN(as_ulong, LANES)
#define TO_IVEC JOIN(convert_long, LANES)
#define ELEMENTS JOIN(ELEMENT, LANES)
#define TO_ELEMENTS JOIN(convert_, ELEMENTS)
#define VLOAD JOIN(vload, LANES)
#define VSTORE JOIN(vstore, LANES)
#define UNROLL _Pragma("unroll")
#define IS_SIGNED ((ELEMENT) - 1 < 0)

/* num steps of each vector of u, ten of them written out at a time; the kernel defines STEP. */
#define STEPS(u, num)                                                                                                  \
    {                                                                                                                  \
        ulong left_ = (num);                                                                                           \
        for (; left_ >= 10; left_ -= 10) {                                                                             \
            UNROLL for (int k = 0; k < 10; k++) {                                                                      \
                UNROLL for (int j = 0; j < VECTORS; j++) {                                                             \
                    STEP((u)[j]);                                                                                      \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        for (; left_ > 0; left_--) {                                                                                   \
            UNROLL for (int j = 0; j < VECTORS; j++) {                                                                 \
                STEP((u)[j]);                                                                                          \
            }                                                                                                          \
        }                                                                                                              \
    }

/* The last elements of x, fewer than a block, with zeros after them; and the same back. */
static inline void load_part(__global const ELEMENT *x, ELEMENT *part, size_t n) {
    for (size_t i = 0; i < BLOCK; i++)
        part[i] = i < n ? x[i] : 0;
}

static inline void store_part(const ELEMENT *part, __global ELEMENT *out, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = part[i];
}
