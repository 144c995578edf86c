/* KNOWN TO BE WRONG, kept to show that the check rejects it: the articles' kernel computes in 32-bit int, and
 * 22 * x * (x + 1) overflows from x = 9880 on. */
#include "step.h"

__kernel void logmap(__global const ELEMENT *x, __global ELEMENT *out, ulong n, ulong num) {
    size_t i = get_global_id(0);
    if (i >= n)
        return;
    int u = (int)x[i];
    for (ulong k = 0; k < num; k++)
        u = (int)MU * u * (u + 1) % (int)P;
    out[i] = (ELEMENT)u;
}
