"""From a race that is over to its result: the verdict, whether the test fails, and what reports say of it."""

from __future__ import annotations

import dataclasses
import math
import random
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_benchgate.options import SELF
from pytest_benchgate.race.arguments import repeat
from pytest_benchgate.race.statistics import Rule, Verdict
from pytest_benchgate.race.visible import smallest_visible
from pytest_benchgate.reports import race as words
from pytest_benchgate.reports.quantity import percent
from pytest_benchgate.results import Raced

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from pytest_benchgate.race.launching.engine import Race
    from pytest_benchgate.race.sides.sides import Sides
    from pytest_benchgate.race.suite import Benchmark
    from pytest_benchgate.race.verdicts.agreement import Agreement
    from pytest_benchgate.race.verdicts.failures import Failures


# If only this side tells no time on a device.
LACKING = {"base": Verdict.NEW, "head": Verdict.GONE}


@dataclass(frozen=True)
class Outcome:
    """The results of a benchmark's race, by each of its clocks, the wall clock first; and notes on them."""

    raced: tuple[Raced, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcomes:
    """Turns races that are over into results."""

    config: pytest.Config
    agreement: Agreement
    sides: Sides
    failures: Failures

    def of(self, benchmark: Benchmark, race: Race, races: Sequence[Race]) -> Outcome:
        """Return the outcome of a benchmark's race; `races` are all of the session."""
        if race.failed:
            verdict, side, reason = self.failures.verdict(race.failed, race.nodeid, benchmark.function, races)
            return Outcome((self._raced(benchmark, race, verdict, side, reason),))
        raced, notes = [], []
        for one in race.by_clock:
            if one.failed is None:
                raced.append(self._raced(benchmark, one, self._verdict(one)))
            elif (lacking := LACKING.get(one.failed.side)) is not None:
                reason = (
                    f"only {'head' if lacking is Verdict.NEW else 'base'} tells a time on a device: {one.failed.reason}"
                )
                raced.append(self._raced(benchmark, one, lacking, one.failed.side, reason))
            else:
                notes.append(f"{race.nodeid} is not raced in device time: {one.failed.reason}")
        needless = {Verdict.SAME.value, Verdict.FASTER.value}
        if race.nodeid in self.agreement.accepted and all(one.verdict in needless for one in raced):
            file, change = self.agreement.races[race.nodeid].accepted_file, percent(raced[0].change or 0.0)
            notes.append(f"{file}: {race.nodeid} needs no entry any more: its change is {change}")
        return Outcome(tuple(raced), tuple(notes))

    def _verdict(self, race: Race) -> Verdict:
        """Return the verdict on a race that has numbers."""
        verdict, slowdown = race.decision.verdict, self.agreement.races[race.nodeid].slowdown
        if race.nodeid in self.agreement.accepted and verdict in {Verdict.SAME, Verdict.FASTER}:
            return Verdict.ACCEPTED if statistics.median(race.numbers) > math.log1p(slowdown) else verdict
        return verdict

    def _raced(self, benchmark: Benchmark, race: Race, verdict: Verdict, side: str = "", reason: str = "") -> Raced:
        """Return the result of a race by one clock."""
        own, entry = self.agreement.races[race.nodeid], self.agreement.accepted.get(race.nodeid)
        failed = (
            verdict in {Verdict.SLOWER, Verdict.ERROR}
            or (verdict is Verdict.UNSURE and own.strict)
            or (verdict is Verdict.GONE and own.gone == "fail")
        )
        raced = Raced(
            nodeid=race.nodeid,
            name=benchmark.name,
            path=benchmark.path,
            line=benchmark.line,
            verdict=verdict.value,
            failed=failed,
            threshold=own.slowdown,
            limit=entry.limit if entry else None,
            accepted=entry.reason if entry else "",
            alarm=race.rule.alarm,
            repeat=repeat(self.config, own, self.sides.repeat, race.nodeid),
            evidence=race.decision.evidence,
            seconds=race.seconds,
            side=side,
            reason=reason,
            clock=race.clock,
        )
        return self._with_visible(with_numbers(raced, race), race)

    def _with_visible(self, raced: Raced, race: Race) -> Raced:
        """Add to the result of a race with itself the smallest slowdown that could have been seen."""
        if self.agreement.race.base != SELF or race.failed or not race.launches:
            return raced
        affordable = min(race.max_launches, int(race.budget_s / (race.seconds / len(race.launches))))
        assert isinstance(race.rule, Rule)  # noqa: S101  # as in any race
        # A fixed seed: the same numbers give the same figure.
        rng = random.Random(0)  # noqa: S311
        visible = smallest_visible(race.numbers, race.rule, max(affordable, 1), rng, race.errors)
        blind = visible is None or visible > math.log1p(race.rule.threshold)
        return dataclasses.replace(
            raced, visible=math.log1p(words.MOST) if visible is None else visible, failed=raced.failed or blind
        )


def with_numbers(raced: Raced, race: Race) -> Raced:
    """Add the numbers of the launches, or of the counts, to a result, if there are any."""
    if race.counted:
        number, error = race.counted.number, race.counted.error
        return dataclasses.replace(
            raced,
            numbers=(number,),
            change=number,
            low=number - error,
            high=number + error,
            instructions=(race.counted.base.instructions, race.counted.head.instructions),
        )
    if not race.launches:
        return raced
    low, high, coverage = race.interval()
    return dataclasses.replace(
        raced,
        numbers=tuple(race.numbers),
        change=statistics.median(race.numbers),
        low=low,
        high=high,
        coverage=coverage,
        pairs=sum(len(timed.head_ns) for timed in race.launches),
        base_s=statistics.median(ns for timed in race.launches for ns in timed.base_ns) * 1e-9,
        head_s=statistics.median(ns for timed in race.launches for ns in timed.head_ns) * 1e-9,
    )
