"""What a history keeps of the race of a commit: one small JSON file, written and read here.

The numbers of the launches are whole hundred-thousandths of ln(head / base), one benchmark's after the other's, so that
a file of 300 benchmarks has some 20 kB and is read, field by field, in a fraction of a millisecond.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_benchgate import reading

# At run time: what is read from a file is checked by the annotations.
from pytest_benchgate.commit import Commit  # noqa: TC001
from pytest_benchgate.history.drift import DriftRule
from pytest_benchgate.reports.race import ORDER
from pytest_benchgate.results import WALL

if TYPE_CHECKING:
    from pytest_benchgate.results import RaceReport

KIND = "pytest-benchgate history"
# Increased when a field changes its meaning or is removed.
SCHEMA = 1
# Numbers are multiples of it, as ln(ratio); rounding is symmetric, so that what was fair stays so.
UNIT = 1e-5
MOST = int(100 / UNIT)
MOST_LAUNCHES = 10**5
# SHA-1 or SHA-256.
COMMIT_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
SAME = "same"


@dataclass(frozen=True)
class Record:
    """The race of a commit against an earlier one, as far as a history needs it.

    Attributes
    ----------
    base : str
        The id of the commit that it was raced against.
    commit : Commit
        The commit.
    threshold : float
        The relative slowdown that mattered.
    counted : bool
        Whether instructions were compared, not times.
    benchmarks : tuple of str
        The ids of the tests that have numbers.
    launches : tuple of int
        How many numbers each of them has.
    numbers : tuple of int
        Of all their launches, in UNIT.
    verdicts : dict of str to str
        By the ids of tests, but for those that are `same`.

    """

    base: str
    commit: Commit
    threshold: float
    counted: bool
    benchmarks: tuple[str, ...]
    launches: tuple[int, ...]
    numbers: tuple[int, ...]
    verdicts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Head:
    """The fields of a file that are not long lists."""

    base: str
    commit: Commit
    threshold: float
    counted: bool
    verdicts: dict[str, str]


RULES: dict[str, tuple[Any, ...]] = {"verdicts": ORDER, "threshold": (0, reading.LARGEST)}


def of_race(report: RaceReport) -> Record:
    """Return what a history keeps of a race; raise ValueError, with a text that follows the file's name."""
    if report.claims or report.relinked:
        raise ValueError("is not of a race between two commits; a history is made of pytest --race=REVISION")
    if report.head_commit is None or not report.base_commit:
        raise ValueError(
            "does not say which commits were raced: head had changes that are not committed, or it was not a race "
            "between revisions; race a clean checkout with pytest --race=REVISION"
        )
    by_wall = [one for one in report.raced if one.clock == WALL]
    raced = {one.nodeid: one for one in by_wall}
    if len(raced) < len(by_wall):
        twice = Counter(one.nodeid for one in by_wall).most_common(1)[0][0]
        raise ValueError(f"has two races of {twice!r}; give each shard once")
    counted = bool(report.settings.get("race_count"))
    numbered = [one for one in raced.values() if one.numbers]
    return Record(
        report.base_commit,
        report.head_commit,
        _threshold(report.settings.get("race_count_threshold" if counted else "race_threshold")),
        counted,
        tuple(one.nodeid for one in numbered),
        tuple(len(one.numbers) for one in numbered),
        tuple(round(number / UNIT) for one in numbered for number in one.numbers),
        {one.nodeid: one.verdict for one in raced.values() if one.verdict != SAME},
    )


def _threshold(value: Any) -> float:
    """Return a setting's value, or the usual threshold where a file has none that makes sense."""
    makes_sense = isinstance(value, int | float) and 0 < value < reading.LARGEST
    return float(value) if makes_sense else DriftRule.threshold


def render(record: Record) -> str:
    """Return the content of a record's file."""
    data = {"kind": KIND, "schema": SCHEMA, **dataclasses.asdict(record)}
    return json.dumps(data, separators=(",", ":")) + "\n"


def read(data: Any) -> Record:
    """Return the record in the content of a file; raise ValueError, with the field and its value, if invalid."""
    if not isinstance(data, dict) or data.get("kind") != KIND or data.get("schema") != SCHEMA:
        raise ValueError(f"is not a {KIND} of schema {SCHEMA}")
    try:
        head = reading.into(_Head, data, rules=RULES)
        for name, value in (("base", head.base), ("commit.id", head.commit.id)):
            if not COMMIT_ID.fullmatch(value):
                raise reading.Misfit(name, "the id of a commit, 40 or 64 hexadecimal digits", value)
        benchmarks = _items(data, "benchmarks", str)
        launches = _items(data, "launches", int, 1, MOST_LAUNCHES)
        numbers = _items(data, "numbers", int, -MOST, MOST)
    except reading.Missing as error:
        raise ValueError(f"lacks what schema {SCHEMA} has: {error}") from error
    except ValueError as error:
        raise ValueError(f"is damaged: {error}") from error
    if not (len(set(benchmarks)) == len(benchmarks) == len(launches) and sum(launches) == len(numbers)):
        raise ValueError(
            f"is damaged: {len(set(benchmarks))} benchmarks, {len(launches)} counts of launches, which are "
            f"{sum(launches)} in all, and {len(numbers)} numbers do not fit together"
        )
    return Record(**vars(head), benchmarks=benchmarks, launches=launches, numbers=numbers)


def _items(data: dict[str, Any], name: str, kind: type, least: int = 0, most: int = 0) -> tuple[Any, ...]:
    """Return a long list whose items are of one type: checked as a whole, and item by item only if it is not valid."""
    found = data.get(name)
    if isinstance(found, list) and set(map(type, found)) <= {kind}:
        if kind is str or not found or (min(found) >= least and max(found) <= most):
            return tuple(found)
        raise reading.Misfit(name, f"integers from {least} to {most}", min(found) if min(found) < least else max(found))
    if name not in data:
        raise reading.Missing(f"field {name} is missing")
    if not isinstance(found, list):
        raise reading.Misfit(name, reading.WORDS[tuple], found)
    index = next(index for index, item in enumerate(found) if type(item) is not kind)
    raise reading.Misfit(f"{name}[{index}]", reading.WORDS[kind], found[index])
