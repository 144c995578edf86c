/* One work-item an element, a loop over the steps. */
#include "step.h"

__kernel void logmap(__global const ELEMENT *x, __global ELEMENT *out, ulong n, ulong num) {
    size_t i = get_global_id(0);
    if (i >= n) /* the global size is padded to whole work-groups */
        return;
    ulong u = enter(x[i]);
    for (ulong k = 0; k < num; k++)
        u = step(u);
    out[i] = (ELEMENT)u;
}
