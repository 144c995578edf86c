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
from pytest_benchgate.race.statistics import Rule, Verdict, smallest_visible
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


@dataclass(frozen=True)
class Outcome:
    """The result of a race, and a note on it, if any."""

    raced: Raced
    note: str = ""


@dataclass(frozen=True)
class Outcomes:
    """Turns races that are over into results."""

    config: pytest.Config
    agreement: Agreement
    sides: Sides
    failures: Failures

    def of(self, benchmark: Benchmark, race: Race, races: Sequence[Race]) -> Outcome:
        """Return the outcome of a benchmark's race; `races` are all of the session."""
        own = self.agreement.races[race.nodeid]
        entry = self.agreement.accepted.get(race.nodeid)
        verdict, side, reason, note = race.decision.verdict, "", "", ""
        if race.failed:
            verdict, side, reason = self.failures.verdict(race.failed, race.nodeid, benchmark.function, races)
        elif entry and verdict in {Verdict.SAME, Verdict.FASTER}:
            if statistics.median(race.numbers) > math.log1p(own.slowdown):
                verdict = Verdict.ACCEPTED
            else:
                change = percent(statistics.median(race.numbers))
                note = f"{own.accepted_file}: {race.nodeid} needs no entry any more: its change is {change}"
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
        )
        return Outcome(self._with_visible(with_numbers(raced, race), race), note)

    def _with_visible(self, raced: Raced, race: Race) -> Raced:
        """Add to the result of a race with itself the smallest slowdown that could have been seen."""
        if self.agreement.race.base != SELF or race.failed or not race.launches:
            return raced
        affordable = min(race.max_launches, int(race.budget_s / (race.seconds / len(race.launches))))
        assert isinstance(race.rule, Rule)  # noqa: S101  # as in any race
        # A fixed seed: the same numbers give the same figure.
        rng = random.Random(0)  # noqa: S311
        visible = smallest_visible(race.numbers, race.rule, max(affordable, 1), rng)
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
