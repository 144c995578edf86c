"""The race: every implementation over the same arrays, in one table a size, beside a copy of the same bytes.

pytest --benchmark-only          2^10, 2^16 and 2^20 elements, 10 steps
pytest --benchmark-only --full   the article's 2^25 as well
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from conftest import Case, CheckedBenchmark
    from logmap_cy._registry import Array

# Ids that -k can take, as in -k "1Mi and not python".
SIZES = [pytest.param(2**10, id="1Ki"), pytest.param(2**16, id="64Ki"), pytest.param(2**20, id="1Mi")]
ARTICLE = pytest.param(2**25, id="32Mi")
STEPS, P, MU = 10, 6700417, 22


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "size" in metafunc.fixturenames:
        metafunc.parametrize("size", [*SIZES, *([ARTICLE] if metafunc.config.getoption("--full") else [])])


@functools.cache
def expected(size: int) -> Array:
    """Return the oracle's answers for x = 0 .. size - 1; from x = p on they repeat, as x is taken modulo p."""
    residues = list(range(min(size, P)))
    for _ in range(STEPS):
        residues = [MU * value * (value + 1) % P for value in residues]
    return np.resize(np.array(residues), size)


@pytest.fixture(autouse=True)
def table(benchmark: BenchmarkFixture, size: int) -> None:
    """Put all of one size into one table."""
    benchmark.group = f"2^{size.bit_length() - 1} elements, {STEPS} steps, int64"


@pytest.mark.benchmark(min_rounds=3)
def test_copy(size: int, checked_benchmark: CheckedBenchmark) -> None:
    """The limit: no implementation can be faster than reading and writing the same bytes."""
    x, out = np.arange(size), np.zeros(size, np.int64)
    checked_benchmark(lambda: np.copyto(out, x), out, x)


@pytest.mark.benchmark(min_rounds=3)
def test_logmap(case: Case, size: int, benchmark: BenchmarkFixture, checked_benchmark: CheckedBenchmark) -> None:
    x, out = np.arange(size), np.zeros(size, np.int64)
    checked_benchmark(lambda: case(x, STEPS, P, MU, out=out), out, expected(size))
    if case.row.kind == "opencl":
        times = case.row.load(case.device)(x, out, STEPS, P, MU, 1)
        benchmark.extra_info |= vars(times) | {"device": case.device.name if case.device else None}


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="known to be wrong: rejected by the check, not timed")
def test_known_wrong(wrong_case: Case, size: int, checked_benchmark: CheckedBenchmark) -> None:
    x, out = np.arange(size) + P, np.zeros(size, np.int64)
    compute = wrong_case.row.load(wrong_case.device)
    checked_benchmark(lambda: compute(x, out, STEPS, P, MU, 1), out, expected(size))
