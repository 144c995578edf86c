"""The course of a race, from its builds to its last decision, as a stream of events."""

from __future__ import annotations

import dataclasses
import itertools
import random
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from pytest_benchgate.explain import requests, valgrind
from pytest_benchgate.explain.explainer import Explainer
from pytest_benchgate.options import RELINKED, SELF
from pytest_benchgate.race import relinked, status
from pytest_benchgate.race.events import Decided, Missing, Updated
from pytest_benchgate.race.launching import engine
from pytest_benchgate.race.launching.plan import Plan
from pytest_benchgate.race.launching.results import Loaded
from pytest_benchgate.race.sides import basis
from pytest_benchgate.race.sides.environments import of_environments
from pytest_benchgate.race.sides.revisions import of_revisions
from pytest_benchgate.race.sides.sides import SidesError
from pytest_benchgate.race.statistics import Rule
from pytest_benchgate.race.verdicts import agreement, placement
from pytest_benchgate.race.verdicts.advice import Adviser
from pytest_benchgate.race.verdicts.failures import Failures
from pytest_benchgate.race.verdicts.identity import Identity, unlike_inputs
from pytest_benchgate.race.verdicts.outcome import Outcomes
from pytest_benchgate.race.worker.clock import CLOCK
from pytest_benchgate.results import RaceReport

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    import pytest

    from pytest_benchgate.options import RaceConfig
    from pytest_benchgate.race.events import Event
    from pytest_benchgate.race.launching.results import Counted
    from pytest_benchgate.race.reaper import Reaper
    from pytest_benchgate.race.sides.revisions import Trees
    from pytest_benchgate.race.sides.sides import Sides
    from pytest_benchgate.race.startup import Startup
    from pytest_benchgate.race.suite import Suite
    from pytest_benchgate.race.verdicts.agreement import Agreement
    from pytest_benchgate.results import Raced

# Launches of a race with itself: enough for the scatter that it reports.
SELF_LAUNCHES = 8
# Of a benchmark that uses a device: by each of them, an alarm may be false.
CLOCKS = 2
# By a race of counts.
UNSEEN = (
    "instructions were compared, not times: what memory, cache, the kernel, waiting, devices, other threads and "
    "processes, or processor features above AVX2 cost is not seen"
)


def run(
    config: pytest.Config, race: RaceConfig, suite: Suite, startup: Startup | None, reaper: Reaper
) -> Generator[Event, None, None]:
    """Race a suite: build both sides, unless they exist, and launch until all is decided.

    Raises BuildFailed, SidesError, SelfRace or git.GitError.
    """
    trees = None
    if startup is None:
        sides = of_environments(config, race, suite.files(), reaper)
    else:
        trees = yield from startup.build(config, race, config.getoption("importmode"))
        sides = of_revisions(config, race, suite.files(), trees, reaper)
    start = CLOCK.s()
    marks = {nodeid: benchmark.marks for nodeid, benchmark in suite.benchmarks.items()}
    agreed = agreement.agree(config, race, sides.basis, marks, suite.nodeids)
    if agreed.race.count:
        _require_valgrind()
    report = _first_report(config, suite, sides, agreed)
    yield Updated(report)
    for raced in report.raced:
        if raced.failed:
            yield Missing(raced, report)
    yield from _launch(config, suite, sides, trees, agreed, report, reaper, start)


def _measure(*, built: bool, count: bool) -> Callable[..., Generator[Loaded | engine.Launched, None, None]]:
    """Return what compares times, or else counts of instructions, launch by launch."""
    if not count:
        return partial(engine.run, own_files=built)
    from pytest_benchgate.explain import counted_race

    return counted_race.run


def _require_valgrind() -> None:
    """Raise SidesError where nothing can be counted, if only base's configuration asks for it."""
    try:
        valgrind.program()
    except requests.Unsupported as error:
        raise SidesError(f"base's configuration sets race_count: {error}") from error


def _first_report(config: pytest.Config, suite: Suite, sides: Sides, agreed: Agreement) -> RaceReport:
    """Return the report before any launch, with this shard's part of the benchmarks that head lacks."""
    race, notes = agreed.race, (*sides.notes, *agreed.notes)
    if race.count:
        notes += (UNSEEN,)
    raced: tuple[Raced, ...] = ()
    if sides.basis is not None:
        if getattr(config.option, "lf", False) or getattr(config.option, "stepwise", False):
            notes += (
                "what head lacks is not listed: --last-failed and --stepwise select by what ran before, here only",
            )
        else:
            reasons = basis.gone(sides.basis, suite.collected, suite.nodeids)
            raced = tuple(agreement.lacking(agreed, sides.basis, reasons, suite.nodeids))
    return RaceReport(
        *sides.labels, race.alpha, len(suite.nodeids), raced=raced, notes=notes, shard=race.shard,
        suite=suite.nodeids, base_tree=sides.trees[0], head_tree=sides.trees[1],
        base_commit=sides.commits[0], head_commit=sides.commits[1], settings=race.settings(),
    )  # fmt: skip


def _launch(
    config: pytest.Config,
    suite: Suite,
    sides: Sides,
    trees: Trees | None,
    agreed: Agreement,
    report: RaceReport,
    reaper: Reaper,
    start: float,
) -> Generator[Event, None, None]:
    """Launch until all is decided."""
    races = [_race(agreed, nodeid, len(suite.nodeids)) for nodeid in suite.benchmarks]
    # With a small budget, too, a hang must be distinguished from a slow test.
    plan = Plan(names=sides.names, limit_s=max([Plan.limit_s, *(race.budget_s for race in races)]))
    identity = Identity(dict(zip(("base", "head"), sides.homes, strict=True)), same=sides.null)
    alarms: dict[str, tuple[tuple[Raced, ...], engine.Race]] = {}
    explainer = Explainer(agreed.race.explain, sides, plan, reaper)
    outcomes = Outcomes(config, agreed, sides, Failures(sides, plan, reaper))
    adviser = Adviser(config, agreed, sides, trees)
    placements = placement.Placements(agreed.race.placements, agreed.races, sides.both, trees, plan, reaper)
    if agreed.race.base == RELINKED:
        yield from relinked.run(suite, placements, outcomes, report, start)
        return
    names = {nodeid: benchmark.name for nodeid, benchmark in suite.benchmarks.items()}
    first_notes = report.notes
    later_notes: list[str] = []
    seed = random.SystemRandom().getrandbits(32)
    built = trees is not None and bool(trees.built)
    measure = _measure(built=built, count=agreed.race.count)
    yield status.of_launch(report, races, len(races), 0, str)
    with closing(measure(sides.both, races, plan, seed=seed, reaper=reaper)) as events:
        for event in events:
            if isinstance(event, Loaded):
                identity.add(event.side, event.files)
                continue
            decided: dict[str, tuple[tuple[Raced, ...], Counted | None]] = {}
            for race in event.closed:
                outcome = outcomes.of(suite.benchmarks[race.nodeid], race, event.races)
                later_notes += outcome.notes
                decided[race.nodeid] = outcome.raced, race.counted
            if decided:
                # Verdicts are known already, should the session be interrupted.
                yield Updated(_with(report, [raced for raced, _ in (*alarms.values(), *decided.values())]))
            explained = yield from explainer.explain(decided)
            for race in event.closed:
                raced = explained[race.nodeid]
                if not agreed.race.count and placement.is_wanted(agreed.race.placements, raced[0]):
                    alarms[race.nodeid] = raced, race
                    continue
                raced = tuple(adviser.advised(one, race) for one in raced)
                report = _with(report, [raced])
                yield Decided(raced, race, report)
            more = [*identity.notes(), *unlike_inputs(event.races), *explainer.notes()]
            notes = [*first_notes, *later_notes, *more]
            report = dataclasses.replace(
                report, launches=event.count, seconds=CLOCK.s() - start, notes=tuple(dict.fromkeys(notes))
            )
            known = _with(report, [raced for raced, _ in alarms.values()])
            yield Updated(known)
            undecided = sum(race.open for race in event.races)
            yield status.of_launch(known, event.races, undecided, event.count, lambda nodeid: names[nodeid])
    confirmed = yield from placements.confirm([raced[0] for raced, _ in alarms.values()])
    for again in confirmed:
        raced, race = alarms[again.nodeid]
        raced = tuple(adviser.advised(one, race) for one in (again, *raced[1:]))
        report = dataclasses.replace(_with(report, [raced]), seconds=CLOCK.s() - start)
        yield Decided(raced, race, report)
    yield Updated(dataclasses.replace(report, complete=True))


def _with(report: RaceReport, more: Iterable[Sequence[Raced]]) -> RaceReport:
    """Return a report with the results of further benchmarks."""
    return dataclasses.replace(report, raced=(*report.raced, *itertools.chain.from_iterable(more)))


def _race(agreed: Agreement, nodeid: str, races: int) -> engine.Race:
    """Return the race of a benchmark before its first launch."""
    own, entry = agreed.races[nodeid], agreed.accepted.get(nodeid)
    rule = Rule(threshold=entry.limit if entry else own.slowdown, alpha=own.alpha, races=races)
    if own.base == SELF:
        rule = dataclasses.replace(rule, least_launches=min(SELF_LAUNCHES, own.max_launches))
    split = dataclasses.replace(rule, races=CLOCKS * races)
    return engine.Race(nodeid, rule, own.budget_s, own.max_launches, split=split)
