"""The number of a launch, and its error, by the times of its pairs."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from typing import TYPE_CHECKING, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_benchgate.race.launching.number import launch_number

if TYPE_CHECKING:
    from collections.abc import Callable

Noise: TypeAlias = "Callable[[random.Random], float]"
NS = st.floats(1, 1e10)
PAIRS = st.lists(st.tuples(NS, NS), min_size=1, max_size=20)


def quiet(rng: random.Random) -> float:
    return math.exp(rng.gauss(0, 0.01))


def disturbed(rng: random.Random) -> float:
    """Four blocks of five, by far more than the others scatter."""
    return math.exp(rng.gauss(0, 0.001)) * (1 + (rng.random() < 0.8) * rng.expovariate(3))


def times(noise: Noise, rng: random.Random, count: int) -> list[float]:
    return [1e6 * noise(rng) for _ in range(count)]


def test_a_launch_compares_the_fastest_quarters_rounded_up() -> None:
    """The order of the blocks, and how slow the slow ones are, does not matter."""
    base, head = [900.0, 10, 800, 10, 10, 700, 600, 30, 10], [44.0, 11, 600, 11, 11, 777, 1e9, 11, 888]
    assert launch_number(base, head).value == pytest.approx(math.log(1.1))
    # Two of five and five: with a quarter of five, rounded up, no group that is left out changes the sums by much.
    assert launch_number([10, 30, 20, 20, 20], [30, 20, 20, 20, 10]).value == pytest.approx(0)


def test_of_the_fastest_quarters_and_the_fastest_blocks_those_count_that_scatter_less() -> None:
    # All but one block of base were disturbed: by the fastest blocks, the sides are equal.
    base, head = [10.0, 15, 16, 17, 18, 19, 20, 21, 10], [10.0, 10, 10, 10, 10, 10, 10, 10, 10]
    assert launch_number(base, head) == (0, 0)
    # One block of base was faster than any other could be: by the quarters, that is a third of it.
    base, head = [7.0, 10, 10, 10, 10, 10, 10, 10, 10], [10.0] * 9
    assert launch_number(base, head).value == pytest.approx(math.log(30 / 27))


@pytest.mark.parametrize("sides", [([], []), ([1.0], [1.0, 2.0])])
def test_a_launch_without_pairs_is_refused(sides: tuple[list[float], list[float]]) -> None:
    with pytest.raises(ValueError, match="one of each a pair"):
        launch_number(*sides)


@settings(deadline=None)  # a busy machine has moments of its own
@given(PAIRS)
def test_swapped_sides_give_the_mirror_image(pairs: list[tuple[float, float]]) -> None:
    """Exactly: were another statistic chosen, the number would not be symmetric."""
    base, head = zip(*pairs, strict=True)
    there, back = launch_number(base, head), launch_number(head, base)
    assert (back.value, back.error) == (-there.value, there.error)
    assert launch_number(base[:1], head[:1]) == (math.log(head[0]) - math.log(base[0]), 0.0)


@pytest.mark.parametrize("noise", [quiet, disturbed])
def test_the_choice_scatters_less_than_the_worse_one_of_both(noise: Noise) -> None:
    rng = random.Random(4)
    launches = [(times(noise, rng, 17), times(noise, rng, 17)) for _ in range(500)]

    def scatter(count: int) -> float:
        return statistics.pstdev(
            math.log(sum(sorted(head)[:count]) / sum(sorted(base)[:count])) for base, head in launches
        )

    chosen = statistics.pstdev(launch_number(*launch).value for launch in launches)
    assert chosen < 0.75 * max(scatter(1), scatter(5))


@pytest.mark.parametrize(("noise", "count"), [*itertools.product([quiet, disturbed], [9, 17, 40])])
def test_the_error_is_that_of_the_number(noise: Noise, count: int) -> None:
    """That it is the smaller one of two makes it somewhat too small."""
    rng = random.Random(2)
    launches = [launch_number(times(noise, rng, count), times(noise, rng, count)) for _ in range(400)]
    true = statistics.pstdev(launch.value for launch in launches)
    assert 0.6 * true < math.sqrt(statistics.fmean(launch.error**2 for launch in launches)) < 1.5 * true
