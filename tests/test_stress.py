"""Many threads that call one implementation at once, on shared arrays and beside calls that drop what is kept."""

from __future__ import annotations

import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from logmap_cy import logmap, release
from logmap_cy.vector import quick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Case, Oracle
    from logmap_cy._contract import Array

THREADS = 8
# num, p, mu: each needs constants of its own.
PARAMETERS = [(3, 61, 22), (4, 6700417, 22), (5, 2**20 - 1, 7), (1, 1009, 1008), (2, 6700417, 5)]


@pytest.fixture(autouse=True)
def _frequent_switches() -> Iterator[None]:
    """Have threads that share a GIL take turns often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def at_once(work: Callable[[int], object]) -> None:
    """Call work(index) in THREADS threads that start together."""
    barrier = threading.Barrier(THREADS)

    def start(index: int) -> None:
        barrier.wait()
        work(index)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(start, range(THREADS)))


def long_enough(case: Case) -> Array:
    """Return elements that take a row longer than threads with a GIL take to start one after the other."""
    return np.arange(-100, 1000 if case.row.kind in {"python", "objects", "pool"} else 30_000)


@pytest.mark.parametrize("rounds", [3, pytest.param(30, marks=pytest.mark.thorough)])
def test_threads_share_inputs_and_write_side_by_side(case: Case, rounds: int, oracle: Oracle) -> None:
    x = long_enough(case)
    # Others are built for, or measured, at their first call.
    jobs = PARAMETERS[:2] if case.device or case.row.kind == "pool" else PARAMETERS
    expected = [oracle(x, *parameters) for parameters in jobs]
    memory = np.zeros((THREADS, len(x)), x.dtype)
    right: list[bool] = []

    def work(index: int) -> None:
        chosen = random.Random(index)
        for _ in range(rounds):
            job = chosen.randrange(len(jobs))
            case(x, *jobs[job], out=memory[index], threads=chosen.choice([1, 2]))
            right.append(np.array_equal(memory[index], expected[job]))

    at_once(work)
    assert len(right) == THREADS * rounds
    assert all(right)


def test_deliberate_races_of_equal_answers_end_with_them(case: Case, oracle: Oracle) -> None:
    """All threads write the same answers to one output."""
    x = long_enough(case)
    out = np.zeros_like(x)
    at_once(lambda _: case(x, 3, 61, 22, out=out))
    np.testing.assert_array_equal(out, oracle(x, 3, 61, 22))


@pytest.mark.parametrize("rounds", [20, pytest.param(2000, marks=pytest.mark.thorough)])
def test_the_quick_path_is_right_while_it_is_forgotten(rounds: int, oracle: Oracle) -> None:
    """Constants are derived, kept and dropped by all threads."""
    x = np.arange(50)
    expected = [oracle(x, *parameters) for parameters in PARAMETERS]
    right: list[bool] = []

    def work(index: int) -> None:
        chosen = random.Random(index)
        for turn in range(rounds):
            job = chosen.randrange(len(PARAMETERS))
            right.append(np.array_equal(logmap(x, *PARAMETERS[job]), expected[job]))
            if turn % 7 == index:
                quick.forget()

    at_once(work)
    assert len(right) == THREADS * rounds
    assert all(right)


@pytest.mark.thorough
def test_releases_amid_calls_of_other_threads(case: Case, oracle: Oracle) -> None:
    x = np.arange(1000)
    expected = oracle(x, 10, 6700417, 22)
    right: list[bool] = []

    def work(index: int) -> None:
        for turn in range(5):
            if index == 0:
                release()
            elif turn % 2:
                right.append(np.array_equal(case(x, threads=2), expected))
            else:
                right.append(np.array_equal(case(x, out=np.empty_like(x)), expected))

    at_once(work)
    assert len(right) == 5 * (THREADS - 1)
    assert all(right)


@pytest.mark.thorough
def test_deliberate_changes_of_an_input_meanwhile_are_no_danger(native_case: Case, oracle: Oracle) -> None:
    """Its answers are anything, but nothing else is written, and later calls are right."""
    x = np.arange(2**14)
    memory = np.full(2 * len(x), -1)
    out = memory[: len(x)]

    def work(index: int) -> None:
        for turn in range(5):
            if index % 2:
                x[:] = np.random.default_rng(turn).integers(-(2**63), 2**63 - 1, len(x))
            else:
                native_case(x, out=out, threads=2)

    at_once(work)
    assert np.all(memory[len(x) :] == -1)
    np.testing.assert_array_equal(native_case(x[:999]), oracle(x[:999], 10, 6700417, 22))
