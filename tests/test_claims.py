"""What logmap-cy claims about its own speed; `tox run -e claims` checks it on the machine at hand.

The factors are about half of what the processor of docs/measurements.md gives, as room for others.
A claim about what this machine lacks is skipped. Threads need idle processors; what does not is compared in one thread.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from logmap_cy import implementations, logmap
from logmap_cy._threads import available

if TYPE_CHECKING:
    from pytest_benchgate import Gate

    from logmap_cy._contract import Array

SIZE, STEPS, P, MU = 2**20, 10, 6700417, 22
MULTIPLY_ADDS = 4  # for one step of one element, by the best step known
ROWS = {row.name: row for row in implementations()}
COPY = "__kernel void copy(__global const long *x, __global long *out) { size_t i = get_global_id(0); out[i] = x[i]; }"


@functools.cache
def expected() -> Array:
    """Return the right answers for x = 0 .. SIZE - 1, whose products are below 2**51."""
    x = np.arange(SIZE)
    for _ in range(STEPS):
        x = MU * x * (x + 1) % P
    return x


def time(row: str, gate: Gate, threads: int | None = None, device: str | None = None) -> None:
    if row != "auto" and ROWS[row].unavailable:
        pytest.skip(f"{row}: {ROWS[row].unavailable}")
    x, out = np.arange(SIZE), np.zeros(SIZE, np.int64)
    gate(
        logmap,
        x,
        STEPS,
        P,
        MU,
        out=out,
        implementation=row,
        threads=threads,
        device=device,
        expect=expected(),
        written="out",
    )


def test_numpy(gate: Gate) -> None:
    time("numpy", gate)


def test_memoryview(gate: Gate) -> None:
    time("memoryview", gate)


def test_prange_of_one_thread(gate: Gate) -> None:
    time("prange", gate, threads=1)


@pytest.mark.benchgate(faster_than="test_memoryview", by=1.5)
@pytest.mark.skipif(available() < 2, reason="one processor")
def test_prange(gate: Gate) -> None:
    time("prange", gate)


def vector(name: str, numpy: float, prange: float) -> Any:
    """Return a row of vectors, which claims to be so many times as fast as these."""
    claims = [
        pytest.mark.benchgate(faster_than="test_numpy", by=numpy),
        pytest.mark.benchgate(faster_than="test_prange_of_one_thread", by=prange),
    ]
    return pytest.param(name, marks=claims)


VECTORS = [
    vector("vector_baseline", 2, 3),
    vector("vector_avx2", 5, 7),
    vector("vector_avx512", 7, 9),
    vector("vector_ifma", 9, 12),
]


@pytest.mark.parametrize("row", VECTORS)
def test_vectors_of_one_thread(row: str, gate: Gate) -> None:
    time(row, gate, threads=1)


LIMITS = [("vector_baseline", 8), ("vector_avx2", 25), ("vector_avx512", 30), ("vector_ifma", 40)]


@pytest.mark.parametrize(("row", "percent"), LIMITS)
def test_vectors_beside_the_limit(row: str, percent: float, gate: Gate) -> None:
    gate.work(items=STEPS * SIZE, operations=MULTIPLY_ADDS * STEPS * SIZE, unit="steps")
    gate.reaches(f"{percent} % of multiply-add")
    time(row, gate)


def test_auto(gate: Gate) -> None:
    time("auto", gate)


@pytest.mark.benchgate(slower_than="test_auto", within="100 %")
def test_hybrid(gate: Gate) -> None:
    """It asks OpenCL devices for help only where that pays."""
    time("hybrid", gate)


def test_opencl_copy(gate: Gate, cl_queue: Any) -> None:
    """A kernel that only moves the numbers, which are then read."""
    cl = pytest.importorskip("pyopencl")

    x, out, flags = np.arange(SIZE), np.zeros(SIZE, np.int64), cl.mem_flags
    source = cl.Buffer(cl_queue.context, flags.READ_ONLY | flags.COPY_HOST_PTR, hostbuf=x)
    target = cl.Buffer(cl_queue.context, flags.WRITE_ONLY, x.nbytes)
    kernel = cl.Program(cl_queue.context, COPY).build().copy

    def copy(out: Array) -> None:
        kernel(cl_queue, x.shape, None, source, target)
        cl.enqueue_copy(cl_queue, out, target)

    gate(copy, out, expect=x, written=0)


@pytest.mark.benchgate(faster_than="test_opencl_copy[{cl_device}]", by=0.1)
def test_opencl(gate: Gate, cl_device: Any) -> None:
    """Ten steps take at most ten times as long as moving the numbers."""
    time("opencl_double", gate, device=str(cl_device))
