/* No implementation but the limit of them all: each element is moved, and nothing computed. */
#include "vectors.h"

__kernel void logmap(__global const ELEMENT *x, __global ELEMENT *out, ulong n, ulong num) {
    size_t begin = get_global_id(0) * BLOCK;
    if (begin + BLOCK <= n) {
        UNROLL for (int j = 0; j < VECTORS; j++) VSTORE(VLOAD(j, x + begin), j, out + begin);
    } else {
        for (size_t i = begin; i < n; i++)
            out[i] = x[i];
    }
}
