"""Simulated histories: the numbers of launches as races have them, and the files of a history."""

from __future__ import annotations

import dataclasses
import hashlib
import random
from functools import cache
from typing import TYPE_CHECKING, Any

from pytest_benchgate.commit import Commit
from pytest_benchgate.history import record
from pytest_benchgate.history.chain import Link
from pytest_benchgate.history.curves import curves
from pytest_benchgate.history.drift import DriftRule, Race
from pytest_benchgate.history.record import UNIT, Record
from pytest_benchgate.race.statistics import Rule, Verdict, decide

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pytest_benchgate.history.results import History

# The scatter of a launch's number, the share of outliers, and how many times as far those lie: as measured.
NOISES = {
    "very quiet": (0.003, 0.0, 1.0),
    "quiet": (0.006, 0.0, 1.0),
    "loaded": (0.012, 0.03, 5.0),
    "python": (0.02, 0.025, 7.5),
}
# Races of each kind that are simulated once, and drawn from.
POOL = 400


@cache
def pool(noise: str, shift: float, threshold: float = 0.03) -> tuple[Race, ...]:
    """Return races, each with as many launches as its decision takes among 20 benchmarks."""
    rng, rule = random.Random(f"{noise} {shift}"), Rule(threshold=threshold, races=20)
    scatter, share, factor = NOISES[noise]
    found = []
    for _ in range(POOL):
        numbers: list[float] = []
        verdict = Verdict.UNSURE
        while verdict is Verdict.UNSURE and len(numbers) < 60:
            far = factor if rng.random() < share else 1.0
            numbers.append(shift + rng.gauss(0, scatter * far))
            verdict = decide(numbers, rule).verdict
        found.append(Race(tuple(numbers), verdict is Verdict.SLOWER))
    return tuple(found)


def series(noise: str, shifts: Sequence[float], seed: int, threshold: float = 0.03) -> list[Race]:
    """Return the races of a benchmark, one for each change of its speed as ln(ratio).

    Without a change, a race is as likely as the one with its sides exchanged, also among those that are drawn from.
    """
    rng = random.Random(seed)
    return [_drawn(rng, rng.choice(pool(noise, shift, threshold)), shift) for shift in shifts]


def _drawn(rng: random.Random, race: Race, shift: float) -> Race:
    mirrored = shift == 0 and rng.random() < 0.5
    return Race(tuple(-number for number in race.numbers)) if mirrored else race


def commit_id(number: int) -> str:
    return hashlib.sha1(b"%d" % number, usedforsecurity=False).hexdigest()


def commit(number: int, **changes: Any) -> Commit:
    one = Commit(
        commit_id(number), (commit_id(number - 1),), "Jane Doe",
        f"20{10 + number // 336:02}-{1 + number % 336 // 28:02}-{1 + number % 28:02}T12:00:00+02:00", f"Change {number}",
    )  # fmt: skip
    return dataclasses.replace(one, **changes)


def of_series(benchmarks: dict[str, list[Race]]) -> Iterator[Record]:
    """Yield the record of each commit, counted from 1; a race without numbers is left out."""
    for number in range(len(next(iter(benchmarks.values())))):
        races = {name: of_all[number] for name, of_all in benchmarks.items() if of_all[number].numbers}
        yield Record(
            commit_id(number), commit(number + 1), 0.03, counted=False,
            benchmarks=tuple(races), launches=tuple(len(race.numbers) for race in races.values()),
            numbers=tuple(round(value / UNIT) for race in races.values() for value in race.numbers),
            verdicts={name: "slower" for name, race in races.items() if race.seen},
        )  # fmt: skip


def sample() -> History:
    """Return a history of 120 commits: a drift, steps, gaps, a new benchmark, one of single launches, and flat ones."""
    flat = series("quiet", [0.0] * 120, 1)
    slow, absent = Race((0.1,) * 14, seen=True), Race(())
    benchmarks = {
        "test_parse[drifts]": series("very quiet", [*[0.0] * 40, *[0.003] * 40, *[0.0] * 40], 2),
        "test_sort[steps]": [*flat[:30], slow, *flat[31:90], slow, *flat[91:]],
        "test_sort[flat]": flat,
        "test_read[gaps]": [race if index % 9 else absent for index, race in enumerate(flat)],
        "test_write[new]": [*[absent] * 80, *flat[80:]],
        "test_write[once]": [*[absent] * 119, flat[0]],
        "test_write[single]": [Race(race.numbers[:1]) for race in flat],
        "test_parse[python]": series("python", [0.0] * 120, 3),
    }
    records = of_series({f"tests/test_speed.py::{name}": races for name, races in benchmarks.items()})
    links = [Link(one, after_gap=index == 60) for index, one in enumerate(records)]
    return curves(links, DriftRule(), ["races of commits that do not lead to 775bc5c30e, left out: 2"])


def write(folder: Path, records: Iterator[Record]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for one in records:
        (folder / f"{one.commit.id}.json").write_text(record.render(one), "utf-8")
    return folder
