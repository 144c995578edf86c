"""How a benchmark is timed in its further launches."""

from __future__ import annotations

import dataclasses
import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_benchgate.race.launching.number import launch_number
from pytest_benchgate.race.launching.pacing import LEAST, MOST, best_pairs, pace
from pytest_benchgate.race.launching.plan import Plan, Side
from pytest_benchgate.race.launching.process import TimedBlock
from pytest_benchgate.race.launching.results import Pace, Timed
from pytest_benchgate.race.launching.timing import calibrate
from pytest_benchgate.race.statistics import Rule

if TYPE_CHECKING:
    from pytest_benchgate.race.launching.process import Worker

NS = st.floats(1e3, 1e9)
# By which all launches are near the threshold.
NEAR = Rule(scales=(10.0,))
PAIRS = st.lists(st.tuples(NS, NS), min_size=1, max_size=12)


def timed(pairs: list[tuple[float, float]], **more: object) -> Timed:
    base, head = zip(*pairs, strict=True)
    number, error = launch_number(base, head)
    timed = Timed(number, base, head, paired_s=0.1, error=error)
    return dataclasses.replace(timed, **more)  # type: ignore[arg-type]


def simulated(within: float, between: float, pair_s: float = 0.01, launches: int = 10) -> list[Timed]:
    """Return launches of eight pairs, which scatter so within them and between them."""
    rng = random.Random(1)
    found = []
    for _ in range(launches):
        luck = rng.gauss(0, between)
        noise = [rng.gauss(0, within / math.sqrt(2)) for _ in range(16)]
        pairs = [
            (1e6 * math.exp(one), 1e6 * math.exp(luck + other)) for one, other in zip(noise[:8], noise[8:], strict=True)
        ]
        found.append(timed(pairs, paired_s=8 * pair_s))
    return found


@settings(deadline=None)
@given(st.lists(PAIRS, min_size=1, max_size=5), st.floats(0, 100))
def test_a_pace_does_not_depend_on_which_side_is_which(
    launches: list[list[tuple[float, float]]], seconds: float
) -> None:
    there = pace([timed(pairs) for pairs in launches], seconds, Rule())
    back = pace([timed([(head, base) for base, head in pairs]) for pairs in launches], seconds, Rule())
    assert there is not None and back is not None  # noqa: PT018
    # The sums of the two may be rounded differently.
    assert there.margin == pytest.approx(back.margin)
    assert dataclasses.replace(there, margin=None) == dataclasses.replace(back, margin=None)
    assert LEAST <= (there.pairs or 0) <= MOST


def test_there_is_no_pace_before_the_first_launch() -> None:
    assert pace([], 0.0, Rule()) is None


def test_what_was_calibrated_is_kept_and_threads_that_were_seen_once() -> None:
    launches = [timed([(1.0, 1.0)], pace=Pace(70, lead)) for lead in (0, 30, 0)]
    found = pace(launches, 1.0, Rule())
    assert found is not None
    assert (found.calls, found.lead) == (70, 30)


def test_a_launch_may_be_off_as_far_as_the_median_of_earlier_ones_lies_from_where_it_counts_less() -> None:
    launches = [timed([(1000.0, 1000.0 * ratio)]) for ratio in (1.2, 1.0, 1.001)]
    rule, near = Rule(), Rule(threshold=0.01)
    far = pace(launches, 1.0, rule)
    assert far is not None
    assert far.margin == pytest.approx(rule.margin(math.log(1.001)))
    # Where it counts less anyway, no exactness is asked for.
    close = pace(launches, 1.0, near)
    assert close is not None
    assert close.margin is None
    slow = pace(launches[:1], 1.0, near)
    assert slow is not None
    assert slow.margin == pytest.approx(near.margin(math.log(1.2)))


def test_one_disturbed_launch_asks_for_no_more_pairs() -> None:
    quiet, disturbed = simulated(0.01, 0.004), simulated(0.3, 0.004, launches=1)
    assert best_pairs([*disturbed, *quiet], 10.0, NEAR) <= 1.1 * best_pairs(quiet, 10.0, NEAR)
    # Not so if all are.
    assert best_pairs(disturbed * 3, 10.0, NEAR) == MOST


def test_dear_pairs_and_lucky_launches_make_fewer_pairs_and_pairs_that_scatter_more() -> None:
    usual = best_pairs(simulated(0.01, 0.004), 10.0, NEAR)
    assert LEAST < usual < MOST
    assert best_pairs(simulated(0.01, 0.004, pair_s=0.06), 10.0, NEAR) < usual
    assert best_pairs(simulated(0.01, 0.05), 10.0, NEAR) < usual
    assert best_pairs(simulated(0.03, 0.004), 10.0, NEAR) > usual
    assert best_pairs(simulated(0.01, 0.004), 50.0, NEAR) > usual
    assert best_pairs(simulated(0.0, 0.004), 10.0, NEAR) == LEAST
    assert best_pairs(simulated(1.0, 0.004, pair_s=1e-4), 50.0, NEAR) == MOST


def test_a_launch_without_measurable_seconds_is_no_error() -> None:
    assert LEAST <= best_pairs([timed([(1.0, 1.0)], paired_s=0.0)], 0.0, NEAR) <= MOST


def test_far_from_the_threshold_few_pairs_are_enough() -> None:
    """On either side of it, unless they scatter so far that the next launch may count less."""
    launches, rule = simulated(0.006, 0.004), Rule()
    assert best_pairs(launches, 10.0, NEAR) > LEAST
    assert best_pairs(launches, 10.0, rule) == LEAST
    slower = [
        timed([(base, 1.2 * head) for base, head in zip(one.base_ns, one.head_ns, strict=True)]) for one in launches
    ]
    assert best_pairs(slower, 10.0, rule) == LEAST
    assert best_pairs(simulated(0.03, 0.004), 10.0, rule) > LEAST


@dataclass
class Scripted:
    """A worker whose calls take equally long, but for those of one block, which the system interrupts."""

    call_ns: float
    interrupted: int | None = None
    side: Side = Side("base", Path("python"), Path(), tests={"race": "test"})  # noqa: RUF009  # frozen
    blocks: int = 0

    def block(self, calls: int, _: int | None) -> TimedBlock:
        self.blocks += 1
        call_ns = self.call_ns * (40 if self.blocks == self.interrupted else 1)
        return TimedBlock(call_ns, threaded=False, wall_ns=calls * call_ns)


@pytest.mark.parametrize("interrupted", range(1, 9))
def test_blocks_of_two_tests_are_of_like_length_whatever_is_interrupted(interrupted: int) -> None:
    """Longer blocks of one side are interrupted more often, so that it would look slower than it is."""
    plan = Plan(block_ns=1e6)
    for quick, slow in ((None, interrupted), (interrupted, None), (interrupted, interrupted)):
        workers = [Scripted(1e5, quick), Scripted(4e5, slow)]
        pace = calibrate(cast("list[Worker]", workers), plan)
        lengths = [pace.calls * factor * worker.call_ns for factor, worker in zip(pace.factors, workers, strict=True)]
        assert lengths[0] == pytest.approx(lengths[1], rel=0.3), (quick, slow)
        assert max(worker.blocks for worker in workers) < 9
