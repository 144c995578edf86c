"""From a chain of races to a curve for each benchmark, with its interval, steps, gaps and drifts.

The level of a benchmark after a race is the sum of the medians of all races until then, as ln(now / start): ratios of
two builds on one machine, so that it survives a change of runners. Its interval is the sum's own: the variance of a
race's median is estimated from how its launches scatter, and the sum of many races is close to normal, with Student's
quantile for the launches that there are. It widens with each race, since each adds its own error.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import defaultdict
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from pytest_benchgate.history import drift
from pytest_benchgate.history.record import UNIT
from pytest_benchgate.history.results import Change, Curve, Drifted, History, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_benchgate.history.chain import Link
    from pytest_benchgate.history.drift import DriftRule
    from pytest_benchgate.history.results import Array

CONFIDENCE = 0.95
# Verdicts of changes that the race itself saw: those that drift leaves out, and all that are marked.
SEEN = frozenset({"slower", "accepted", "placement"})
STEPS = SEEN | {"faster"}


@dataclass(frozen=True)
class Races:
    """All races of all benchmarks in one array each; a race is a benchmark's at a commit.

    Attributes
    ----------
    names : list of str
    numbers : array
        Of all launches, as ln(ratio).
    starts, launches, commits, benchmarks : array
        By race: where its launches begin, how many they are, the index of its commit and of its benchmark.
    count : int
        How many commits there are.
    verdicts : dict
        By benchmark and by commit, but for those that are `same`.

    """

    names: list[str]
    numbers: Array
    starts: Array
    launches: Array
    commits: Array
    benchmarks: Array
    count: int
    verdicts: dict[str, dict[int, str]]

    @classmethod
    def of(cls, links: Sequence[Link]) -> Races:
        """Return the races of a chain."""
        records = [link.record for link in links]
        index: dict[str, int] = {}
        benchmarks: list[list[int]] = []
        for before, record in zip([None, *records], records, strict=False):
            # Most commits add no benchmark: looking each up would take most of the time.
            same = before is not None and before.benchmarks == record.benchmarks
            names = record.benchmarks
            benchmarks.append(benchmarks[-1] if same else [index.setdefault(name, len(index)) for name in names])
        verdicts: dict[str, dict[int, str]] = defaultdict(dict)
        for commit, record in enumerate(records):
            for name, verdict in record.verdicts.items():
                verdicts[name][commit] = verdict
        launches = np.concatenate([np.array(record.launches, np.int64) for record in records])
        return cls(
            [*index],
            UNIT * np.concatenate([np.array(record.numbers, np.float64) for record in records]),
            np.concatenate([[0], np.cumsum(launches)[:-1]]).astype(np.int64) if launches.size else launches,
            launches,
            np.repeat(np.arange(len(records)), [len(record.benchmarks) for record in records]),
            np.concatenate([np.array(found, np.int64) for found in benchmarks]),
            len(records),
            verdicts,
        )

    def table(self, values: Array) -> Array:
        """Return a value of each race as an array of commits by benchmarks, with nan where there is no race."""
        table = np.full((self.count, len(self.names)), np.nan)
        table[self.commits, self.benchmarks] = values
        return table

    def medians(self) -> tuple[Array, Array]:
        """Return the median of each race, and its variance; nan with a single launch."""
        medians, variances = np.empty(self.launches.size), np.full(self.launches.size, np.nan)
        for count in np.unique(self.launches):
            of_count = self.launches == count
            found = self.numbers[self.starts[of_count][:, None] + np.arange(count)]
            medians[of_count] = np.median(found, axis=1)
            if count > 1:
                # As exact for normal launches as the median of few and of many is: 1, 0.44 (of 3), ..., pi / 2n.
                share = (math.pi / 2) / (count + math.pi / 2 - 1)
                variances[of_count] = share * np.var(found, axis=1, ddof=1)
        return medians, variances

    def where(self, verdicts: frozenset[str]) -> Array:
        """Return whether each race has one of these verdicts."""
        table = np.zeros((self.count, len(self.names)), bool)
        for number, name in enumerate(self.names):
            for commit, verdict in self.verdicts.get(name, {}).items():
                table[commit, number] = verdict in verdicts
        return np.asarray(table[self.commits, self.benchmarks])

    def suspects(self, rule: DriftRule) -> list[int]:
        """Return the benchmarks whose evidence of drift ever reaches the alarm: as drift.evidence, for all at once."""
        position = np.arange(self.numbers.size) - np.repeat(self.starts, self.launches)
        counts = position < rule.launches
        seen, present = self.where(SEEN), self.table(np.ones(self.commits.size)) == 1
        factors = np.ones((len(rule.bets), *present.shape))
        for bet, (scale, stake) in enumerate(rule.bets):
            each = np.where(counts, 1 + stake * np.clip(self.numbers / scale, -1, 1), 1.0)
            factor = np.multiply.reduceat(each, self.starts)
            factors[bet, self.commits, self.benchmarks] = np.where(seen, np.minimum(factor, 1.0), factor)
        capitals = np.zeros((len(rule.bets), len(self.names)))
        reached = np.zeros(len(self.names), bool)
        for commit in range(present.shape[0]):
            capitals = np.minimum((capitals + present[commit]) * factors[:, commit], drift.MOST)
            reached |= capitals.mean(axis=0) >= rule.alarm * (1 - 1e-9)
        return np.flatnonzero(reached).tolist()


def curves(links: Sequence[Link], rule: DriftRule, notes: Sequence[str] = ()) -> History:
    """Return the curves of a chain; the rule's share of alpha is that of each of its benchmarks."""
    races = Races.of(links)
    rule = dataclasses.replace(rule, benchmarks=max(1, len(races.names)))
    medians, variances = races.medians()
    seen = races.where(SEEN)
    suspects = {*races.suspects(rule)} if races.names else set()
    order = np.argsort(races.benchmarks, kind="stable")
    ends = np.searchsorted(races.benchmarks[order], np.arange(len(races.names) + 1))
    found = []
    for number, name in enumerate(races.names):
        own = order[ends[number] : ends[number + 1]]
        series = _Series(races, own, medians[own], variances[own])
        drifts: list[drift.Drift] = []
        if number in suspects:
            of_races = [drift.Race(series.numbers(index), bool(seen[race])) for index, race in enumerate(own)]
            drifts = drift.find(of_races, rule)
        found.append(series.curve(name, drifts, math.log1p(rule.threshold)))
    never = sorted(races.verdicts.keys() - {*races.names})
    return History(
        links[0].record.base,
        tuple(link.record.commit for link in links),
        tuple(index for index, link in enumerate(links) if link.after_gap),
        links[0].record.counted,
        rule,
        tuple(sorted(found, key=_rank)),
        (*notes, *(f"{name} was never raced: {[*races.verdicts[name].values()][-1]}" for name in never)),
    )


def _rank(curve: Curve) -> tuple[bool, float, str]:
    """Return what curves are sorted by: drifted ones first, then by how much slower each has become at least."""
    least = curve.whole.change if math.isnan(curve.whole.low) else curve.whole.low
    return not curve.drifted, -least, curve.nodeid


class _Series:
    """The races of one benchmark."""

    def __init__(self, races: Races, own: Array, medians: Array, variances: Array) -> None:
        self.races, self.own, self.medians = races, own, medians
        self.commits = races.commits[own]
        self.degrees = races.launches[own] - 1
        known = variances[~np.isnan(variances)]
        # A race of one launch scatters as the others do; a count of instructions, not at all.
        self.variances = np.where(np.isnan(variances), known.mean() if known.size else np.nan, variances)

    def numbers(self, index: int) -> tuple[float, ...]:
        race = self.own[index]
        start = self.races.starts[race]
        return tuple(self.races.numbers[start : start + self.races.launches[race]].tolist())

    def change(self, first: int, last: int) -> Change:
        """Return the change that races from the first to the last one make."""
        own = slice(first, last + 1)
        change = float(self.medians[own].sum())
        half = float(_half(self.variances[own].sum(), self.degrees[own].sum()))
        return Change(change, change - half, change + half)

    def curve(self, name: str, drifts: Sequence[drift.Drift], edge: float) -> Curve:
        levels, halves = np.full(self.races.count, np.nan), np.full(self.races.count, np.nan)
        levels[self.commits] = np.cumsum(self.medians)
        halves[self.commits] = _half(np.cumsum(self.variances), np.cumsum(self.degrees))
        first = int(self.commits[0])
        verdicts = self.races.verdicts.get(name, {})
        medians = dict(zip(self.commits.tolist(), self.medians.tolist(), strict=True))
        steps = tuple(
            Step(index, verdict, medians[index])
            for index, verdict in verdicts.items()
            if verdict in STEPS and index in medians
        )
        gaps = tuple((first + np.flatnonzero(np.isnan(levels[first:]))).tolist())
        return Curve(
            name, levels, levels - halves, levels + halves, self.change(0, self.own.size), self.own.size, gaps,
            {index: verdicts[index] for index in gaps if index in verdicts}, steps,
            tuple(self._drifted(one, steps, edge) for one in drifts),
        )  # fmt: skip

    def _drifted(self, found: drift.Drift, steps: Sequence[Step], edge: float) -> Drifted:
        first, certain, last = (int(self.commits[index]) for index in (found.first, found.found, found.last))
        later = itertools.accumulate((step.change for step in steps if step.index > last), initial=found.change)
        whole = self.change(found.first, found.last)
        return Drifted(first, certain, last, whole, found.evidence, undone=min(later) < edge)


def _half(variances: Array, degrees: Array) -> Array:
    """Return half of the width of an interval of a sum, by its variance and the degrees of freedom of that.

    Student's quantile by its expansion around the normal one: Abramowitz and Stegun, 26.7.5.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    with np.errstate(divide="ignore"):
        quantile = z + sum(term / np.asarray(degrees, float) ** power for power, term in enumerate(terms, 1))
    return np.asarray(np.where(np.asarray(degrees) > 0, quantile, np.nan) * np.sqrt(variances))
