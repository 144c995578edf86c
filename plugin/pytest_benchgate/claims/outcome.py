"""From the race of a claim that is over to its result."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from pytest_benchgate.explain import requests, valgrind
from pytest_benchgate.race.arguments import from_here, repeat
from pytest_benchgate.race.launching.results import FailureKind
from pytest_benchgate.race.statistics import Verdict
from pytest_benchgate.race.verdicts.advice import MORE
from pytest_benchgate.race.verdicts.outcome import with_numbers
from pytest_benchgate.results import Advice, Raced

if TYPE_CHECKING:
    import pytest

    from pytest_benchgate.claims.stated import Stated
    from pytest_benchgate.options import RaceConfig
    from pytest_benchgate.race.launching.engine import Race
    from pytest_benchgate.race.launching.results import Failed
    from pytest_benchgate.race.suite import Benchmark


def of(config: pytest.Config, own: RaceConfig, stated: Stated, benchmark: Benchmark, race: Race) -> Raced:
    """Return the result of a claim; `own` are the settings of its test."""
    verdict, side, reason = race.decision.verdict, "", ""
    if race.failed:
        verdict = Verdict.SKIPPED if race.failed.kind is FailureKind.SKIPPED else Verdict.WITHHELD
        side, reason = who(stated, race.failed), race.failed.reason
    again = _repeat(config, own, stated)
    advice: tuple[Advice, ...] = ()
    if verdict is Verdict.UNSURE:
        more = dataclasses.replace(own, budget_s=MORE * own.budget_s, max_launches=MORE * own.max_launches)
        words = "to decide what is unsure, race longer, or on a quieter machine"
        advice = (Advice("retry", words, _repeat(config, more, stated)),)
    elif verdict is Verdict.REFUTED and stated.growth and not race.counted:
        words = "times also jump where data no longer fit a cache: check smaller sizes"
        try:
            valgrind.program()
        except requests.Unsupported:
            words += ", or install valgrind, so that instructions are counted"
        advice = (Advice("count", words, again),)
    raced = Raced(
        nodeid=benchmark.nodeid,
        name=benchmark.name,
        path=benchmark.path,
        line=benchmark.line,
        verdict=verdict.value,
        failed=verdict in {Verdict.REFUTED, Verdict.WITHHELD} or (verdict is Verdict.UNSURE and own.strict),
        threshold=math.expm1(stated.claim.bound),
        alarm=race.rule.alarm,
        repeat=again,
        evidence=race.decision.evidence,
        seconds=race.seconds,
        side=side,
        reason=reason,
        claim=stated.claim,
        advice=advice,
        clock=stated.clock,
    )
    # The time of a wrong answer counts for nothing.
    return raced if race.failed else with_numbers(raced, race)


def who(stated: Stated, failed: Failed) -> str:
    """Return the names of the tests that failed."""
    names = {side: item.name for side, item in zip(("head", "base"), stated.items, strict=False)}
    return " and ".join(names[side] for side in failed.side.split(" and "))


def _repeat(config: pytest.Config, own: RaceConfig, stated: Stated) -> str:
    """Return the command that checks a claim again; it names the other test where that is in another file."""
    files = {item.nodeid.partition("::")[0] for item in stated.items}
    more = [from_here(config, item.nodeid) for item in stated.items[1:] if len(files) > 1]
    return repeat(config, own, "--claims", stated.item.nodeid, more)
