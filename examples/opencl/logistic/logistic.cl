/* Ten steps of the logistic map x -> 22 x (x + 1) mod 6700417. */
__kernel void logistic(__global const long *x, __global long *out) {
    size_t i = get_global_id(0);
    long u = x[i];
    for (int step = 0; step < 10; step++) {
        u = 22 * u * (u + 1) % 6700417;
    }
    out[i] = u;
}
