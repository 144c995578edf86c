"""The result of a search in words, and as JSON."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pytest_benchgate.bisection.bisecting import Ending, Result
from pytest_benchgate.reports import race

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_benchgate.bisection.trial import Trial
    from pytest_benchgate.commit import Commit

KIND = "pytest-benchgate bisect"
# Increased when a field changes its meaning or is removed.
SCHEMA = 1


def to_json(
    search: dict[str, Any], trials: Sequence[Trial], result: Result | None, status: int | None
) -> dict[str, Any]:
    """Return the content of the JSON file; without a result, of a search that has not ended."""
    return {
        "kind": KIND,
        "schema": SCHEMA,
        **search,
        "exit_status": status,
        "ending": result and result.ending,
        "suspects": [dataclasses.asdict(commit) for commit in result.suspects] if result else [],
        "trials": [dataclasses.asdict(trial) for trial in trials],
        "confirmation": dataclasses.asdict(result.confirmation) if result and result.confirmation else None,
    }


def to_text(result: Result, test: str, good: str) -> str:
    """Return the result for a terminal."""
    if result.ending is Ending.FOUND:
        return _found(result, test, good)
    if result.ending is Ending.NO_VERDICT:
        (trial,) = result.trials
        what = f"{trial.commit[:10]} has not been shown to be slower than {good[:10]}"
        return f"{test}: there is nothing to search, because {what}\n  {trial}\n"
    count = len(result.suspects)
    least = f"more than {_percent(result.threshold)} " if result.threshold else ""
    first = result.suspects[-1]
    if result.ending is Ending.RANGE:
        unsure = any(trial.reason == "unsure" for trial in result.trials)
        advice = ". Give a race more time, by --race-budget=240 after TEST" if unsure else ""
        head = f"{test} became slower in one of these {count} commits, as some races have no verdict{advice}:"
    else:
        parent = result.confirmation.against[:10] if result.confirmation else ""
        head = (
            f"{first.short} is the first commit that is {least}slower than {good[:10]}, but the race against its "
            f"parent {parent} does not confirm it:\n  {result.confirmation}\n"
            f"The slowdown may have come in steps that are each below the threshold, in one or more of these {count}:"
        )
    trials = {trial.commit: str(trial) for trial in result.trials}
    lines = [f"  {_line(commit)}: {trials.get(commit.id, 'not raced')}" for commit in result.suspects]
    return "\n".join([head, *lines]) + "\n"


def _found(result: Result, test: str, good: str) -> str:
    (first,) = result.suspects
    trial = next(trial for trial in result.trials if trial.commit == first.id)
    assert trial.raced is not None  # noqa: S101  # a bad commit was raced
    lines = [
        f"{first.id} is the first commit that made {test} slower",
        f"  {first.subject}",
        f"  {first.author}, {first.date}",
        f"  against {good[:10]}: {race.change(trial.raced)}",
    ]
    confirmation = result.confirmation
    if confirmation is not None and confirmation.raced is not None:
        if confirmation.against != good:
            lines.append(f"  against its parent {confirmation.against[:10]}: {race.change(confirmation.raced)}")
            if result.threshold:
                most = _percent(result.threshold)
                lines.append(f"  commits before it may have made it slower, by less than {most} together")
        lines += [f"  {line}" for line in race.explained(confirmation.raced).splitlines()]
    return "\n".join(lines) + "\n"


def _percent(part: float) -> str:
    return f"{100 * part:.3g} %"


def _line(commit: Commit) -> str:
    return f"{commit.short} {commit.date[:10]} {commit.author}: {commit.subject}"
