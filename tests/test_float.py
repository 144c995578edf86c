"""Single precision: the bound holds for the worst residues that it admits, and the rows are exact at its edge."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from logmap_cy.vector import float_plan
from logmap_cy.vector.float_plan import FloatPlan
from logmap_cy.vector.plan import plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Case, Oracle
    from logmap_cy._contract import Array

DTYPES: list[type[np.integer[Any]]] = [np.int32, np.int64, np.uint32, np.uint64]
# Where the rounding of the products or the room for the quotients changes, and how far single precision reaches.
LIMITS = {f"2^{bits}": int(2**bits) for bits in (12, 20, 21, 21.5, 22, 22.5, 23)}
FACTORS: dict[str, Callable[[int], int]] = {
    "small": lambda p: 22 % p,
    "half": lambda p: p // 2,
    "largest": lambda p: p - 1,
    "any": lambda p: p * 5 // 13,
}


def admitted(limit: int, factor: str, count: int) -> list[tuple[int, int, FloatPlan]]:
    """Return random p close to the limit that single precision is exact for, with mu and the constants."""
    rng, found = np.random.default_rng(limit), list[tuple[int, int, FloatPlan]]()
    for p in rng.integers(limit * 9 // 10, limit * 11 // 10, 20 * count).tolist():
        mu = FACTORS[factor](p)
        floats = float_plan.float_plan(p, mu)
        if floats and len(found) < count:
            found.append((p, mu, floats))
    return found


def step(u: Array, p: int, floats: FloatPlan) -> Array:
    """Return a step in single precision, computed in integers, and assert what its exactness rests on."""
    factor = u + floats.linear
    product = u * factor
    # Rounded once.
    high = product.astype(np.float32)
    low = product - high.astype(np.int64)
    # Products of two floats are exact in a double, and halves are rounded to even numbers, as by adding 1.5 * 2**23.
    ratio = high.astype(np.float64) * floats.inverse
    remainder = high.astype(np.int64) - np.rint(ratio).astype(np.int64) * p
    added = low + floats.c
    after: Array = remainder + added
    assert np.abs(ratio).max() < 2**22
    for exact in (factor, low, added, remainder, after):
        assert np.abs(exact).max() <= 2**24
    return after


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
def test_the_bound_holds_for_the_worst_residues(limit: int, factor: str) -> None:
    cases = admitted(limit, factor, 20)
    if limit < 2**22:
        assert cases
    for p, mu, floats in cases:
        rng = np.random.default_rng(p)
        far = rng.integers(max(floats.bound - 2**16, 0), floats.bound, 5000, endpoint=True)
        u = np.concatenate([far, -far, rng.integers(-floats.bound, floats.bound, 5000, endpoint=True)])
        u[:2] = floats.bound, -floats.bound
        assert (floats.linear - mu + 2 * floats.half) % p == 0
        assert (floats.c - floats.half - floats.half**2 + mu * floats.half) % p == 0
        for _ in range(3):
            expected = [(value * (value + floats.linear) + floats.c) % p for value in u.tolist()]
            u = step(u, p, floats)
            assert (u % p).tolist() == expected
            assert np.abs(u).max() <= floats.bound


def test_the_bound_is_nearly_reached() -> None:
    """So that a looser one would admit residues that do not occur, and a tighter one would be found wrong."""
    shares = []
    for p, _mu, floats in admitted(2**22, "half", 20):
        u = np.random.default_rng(p).integers(-floats.bound, floats.bound, 2**16, endpoint=True)
        shares.append(np.abs(step(u, p, floats)).max() / floats.bound)
    assert 0.9 < max(shares) <= 1


@pytest.mark.parametrize(("p", "mu", "linear"), [(6700417, 22, 0), (6700417, 5, 5), (2**20, 7, 7)])
def test_the_square_is_taken_where_its_bound_closes(p: int, mu: int, linear: int) -> None:
    floats = float_plan.float_plan(p, mu)
    assert floats
    assert floats.linear == linear


def test_the_offset_is_a_signed_word() -> None:
    floats = float_plan.float_plan(512, 3)
    assert floats
    assert floats.offset == -(2**31)
    assert plan(512, 3).floats == floats


def test_parameters_beyond_the_bound_are_refused() -> None:
    for p, mu in [(2**24 + 1, 22), (2**24 - 3, 22), (6700416, 22), (2**22 + 1, 0), (9999991, 4999995)]:
        assert float_plan.float_plan(p, mu) is None
        assert plan(p, mu).floats is None


@pytest.mark.parametrize("seed", range(3))
def test_every_p_up_to_2_to_the_21_is_admitted(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for p in rng.integers(1 if seed else 2**21 - 2**12, 2**21, 300, endpoint=True).tolist():
        mu = int(rng.choice([rng.integers(p), p // 2, p - 1, 22 % p]))
        assert (float_plan.float_plan(p, mu) is not None) == (math.gcd(p, mu) == 1), (p, mu)


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
def test_rows_are_exact_at_the_edge(float_case: Case, limit: int, factor: str, oracle: Oracle) -> None:
    """With x up to the ends of its type, in all of a block or in none: both ways in are taken."""
    for p, mu, floats in admitted(limit, factor, 3):
        for dtype in DTYPES:
            info, rng = np.iinfo(dtype), np.random.default_rng(p)
            direct = 2**floats.direct_bits
            least, most = max(info.min, -direct), min(info.max, direct - 1)
            whole = rng.integers(info.min, info.max, 600, dtype=dtype, endpoint=True)
            near = rng.integers(least, most, 600, dtype=dtype, endpoint=True)
            near[:2] = least, most
            for x in (whole, near):
                np.testing.assert_array_equal(float_case(x, 12, p, mu), oracle(x, 12, p, mu), strict=True)
