"""The constants of the vector implementations, derived once for each p and mu.

Residues are doubles, centred: of magnitude p / 2, not in [0, p). If p is odd and shares no factor with mu, the
substitution u = mu * x + mu / 2 (mod p) turns a step into u <- u * u + c with c = mu / 2 - mu * mu / 4 (mod p): the
textbook conjugacy of the logistic map to z * z + c. That is the short form; the general form is the step as defined.

Up to p = 2**27 a product of two centred residues, one added, is below 2**53 and hence exact in a double. Up to 2**45
("wide") the product is the sum of two doubles, by fused multiply-add. logmap_cy/vector/vector.pyx has the proofs.
"""
cimport cython
import functools
import math

from logmap_cy.vector.float_plan import centred, float_plan

P_NARROW = 2**27
P_WIDE = 2**45


@cython.auto_pickle(False)
@cython.final
cdef class Plan:
    """The constants for p in [1, 2**45] and mu in [0, p); ValueError for others.

    `integers` holds them by their names in kernels/opencl_double.cl, and `floats` those of single precision: a
    FloatPlan, or None where that is not exact.
    """

    def __init__(self, p, mu):
        if not 1 <= p <= P_WIDE:
            raise ValueError(f"p={p} is outside [1, 2**45]")
        if not 0 <= mu < p:
            raise ValueError(f"mu={mu} is outside [0, p={p}); pass mu % p")
        short, wide = p % 2 == 1 and math.gcd(mu, p) == 1, p > P_NARROW
        half, back = (mu * pow(2, -1, p), pow(mu, -1, p)) if short else (0, 0)
        near = 2**51
        if short and not wide:
            near = min(near, (2**53 - p) // max(abs(centred(mu, p)), 1))
        self.integers = {
            "FORM": (0 if short else 1) + (2 if wide else 0),
            "mu": centred(mu, p),
            "c": centred(half - half * half, p),
            "half_mu": centred(half, p),
            "back": centred(back, p),
            "shift": centred(-half * back, p),
            "two32": centred(2**32, p),
            "near_bits": near.bit_length() - 1,
        }
        cdef Constants* k = &self.constants
        k.p, k.inverse = p, 1.0 / p
        k.form, k.near_bits = self.integers["FORM"], self.integers["near_bits"]
        k.whole_bits = max(((2**52 - p) // max(mu, 1)).bit_length() - 1, 0)
        k.mu, k.two32 = self.integers["mu"], self.integers["two32"]
        k.c, k.half = self.integers["c"], self.integers["half_mu"]
        k.back, k.shift = self.integers["back"], self.integers["shift"]
        self.floats = floats = float_plan(p, mu)
        if floats:
            for i in range(4):
                k.floats.factors[i], k.floats.ratios[i] = floats.factors[i], floats.ratios[i]
            k.floats.inverse, k.floats.back = floats.inverse, floats.back
            k.floats.linear, k.floats.c = floats.linear, floats.c
            k.floats.half, k.floats.half_ratio, k.floats.offset = floats.half, floats.half_ratio, floats.offset
            k.floats.direct_bits = floats.direct_bits


@functools.lru_cache(maxsize=1024)
def plan(p, mu):
    """Return the Plan for p and mu, which is cached."""
    return Plan(p, mu)
