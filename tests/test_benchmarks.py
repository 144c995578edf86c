"""The race: every implementation over the same arrays, in one table a size, beside a copy of the same bytes.

pytest --benchmark-only          2^10, 2^16 and 2^20 elements, 10 steps
pytest --benchmark-only --full   the article's 2^25 as well
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pytest_benchgate import Gate, WrongAnswer

from logmap_cy.hybrid.call import find_workers
from logmap_cy.opencl.job import Kernel

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from conftest import Case
    from logmap_cy._contract import Array

# Ids that -k can take, as in -k "1Mi and not python".
SIZES = [pytest.param(2**10, id="1Ki"), pytest.param(2**16, id="64Ki"), pytest.param(2**20, id="1Mi")]
ARTICLE = pytest.param(2**25, id="32Mi")
STEPS, P, MU = 10, 6700417, 22
# For one step of one element, by the best step in doubles: multiply-add, multiply, round, multiply-add. In single
# precision these are a multiplication and three multiply-adds, on vectors of twice as many.
MULTIPLY_ADDS, FLOAT_MULTIPLY_ADDS = 4, 2


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "size" in metafunc.fixturenames:
        metafunc.parametrize("size", [*SIZES, *([ARTICLE] if metafunc.config.getoption("--full") else [])])


@functools.cache
def expected(size: int) -> Array:
    """Return the right answers for x = 0 .. size - 1; from x = p on they repeat, as x is taken modulo p.

    The products are below 2**51, where int64 is as exact as the oracle, which takes a second for 2^20.
    """
    residues = np.arange(min(size, P))
    for _ in range(STEPS):
        residues = MU * residues * (residues + 1) % P
    return np.resize(residues, size)


@pytest.fixture(autouse=True)
def table(benchmark: BenchmarkFixture, size: int) -> None:
    """Put all of one size into one table."""
    benchmark.group = f"2^{size.bit_length() - 1} elements, {STEPS} steps, int64"


@pytest.mark.benchmark(min_rounds=3)
def test_copy(size: int, gate: Gate) -> None:
    """The limit: no implementation can be faster than reading and writing the same bytes."""
    # Like the limit's arrays, these are at unlike offsets in a page, where a copy of 8 KiB can be twice as fast. Two
    # arrays of 2^10 elements from the allocator are often 16 bytes apart in a page.
    distance = size + 8
    memory = np.zeros(distance + size, np.int64)
    x, out = memory[:size], memory[distance:]
    x[:] = np.arange(size)
    gate.work(bytes=x.nbytes + out.nbytes)
    gate(np.copyto, out, x, expect=x, written=0)


@pytest.mark.benchmark(min_rounds=3)
def test_logmap(case: Case, size: int, gate: Gate) -> None:
    x, out = np.arange(size), np.zeros(size, np.int64)
    (processor, *_), _ = find_workers(P, MU, idle=False)
    name = processor.name if case.row.kind == "hybrid" else case.row.name
    operations = (FLOAT_MULTIPLY_ADDS if "_float" in name else MULTIPLY_ADDS) * STEPS * size
    gate.work(items=STEPS * size, bytes=x.nbytes + out.nbytes, operations=operations, unit="steps")
    device_ns = None
    if case.device:
        gate.device, kernel = case.device.name, case.row.load(case.device)
        assert isinstance(kernel, Kernel)
        device_ns = lambda _: kernel(x, out, STEPS, P, MU, 1).kernel_ns  # noqa: E731
    gate(case, x, STEPS, P, MU, out=out, expect=expected(size), written="out", device_ns=device_ns)


@pytest.mark.xfail(strict=True, raises=WrongAnswer, reason="known to be wrong: rejected by the gate, not timed")
def test_known_wrong(wrong_case: Case, size: int, gate: Gate) -> None:
    x, out = np.arange(size) + P, np.zeros(size, np.int64)
    gate(wrong_case.row.load(wrong_case.device), x, out, STEPS, P, MU, 1, expect=expected(size), written=1)
