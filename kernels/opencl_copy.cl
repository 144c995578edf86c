/* No implementation but the limit of them all: each element is moved, and nothing computed.
 *
 * The host defines, per program: ELEMENT, and LANES, the elements of a work-item.
 */
#ifndef ELEMENT
#define ELEMENT long
#endif
#ifndef LANES
#define LANES 4
#endif
#define PASTE(a, b) a##b
#define JOIN(a, b) PASTE(a, b)

__kernel void logmap(__global const ELEMENT *x, __global ELEMENT *out, ulong n, ulong num) {
    size_t begin = get_global_id(0) * LANES;
    if (begin + LANES <= n) {
        JOIN(vstore, LANES)(JOIN(vload, LANES)(0, x + begin), 0, out + begin);
    } else {
        for (size_t i = begin; i < n; i++)
            out[i] = x[i];
    }
}
