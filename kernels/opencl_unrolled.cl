/* One work-item an element, ten steps written out, so that work-items may be vectorised across them. */
#include "step.h"

__kernel void logmap(__global const ELEMENT *x, __global ELEMENT *out, ulong n, ulong num) {
    size_t i = get_global_id(0);
    if (i >= n) /* the global size is padded to whole work-groups */
        return;
    ulong u = enter(x[i]);
    ulong k = num;
    for (; k >= 10; k -= 10) {
        u = step(u);
        u = step(u);
        u = step(u);
        u = step(u);
        u = step(u);
        u = step(u);
        u = step(u);
        u = step(u);
        u = step(u);
        u = step(u);
    }
    for (; k > 0; k--)
        u = step(u);
    out[i] = (ELEMENT)u;
}
