"""The race's own JSON file: versioned, and complete in itself, so that shards merge without correction."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from pytest_benchgate.results import Raced, RaceReport

if TYPE_CHECKING:
    from pathlib import Path

KIND = "pytest-benchgate race"
SCHEMA = 1  # counted up when a field changes its meaning or goes


def render(report: RaceReport, machine: dict[str, Any]) -> dict[str, Any]:
    """Return the content of the file; changes are ln(head / base), evidence is as in results.Raced."""
    return {"kind": KIND, "schema": SCHEMA, "machine": machine, **dataclasses.asdict(report)}


def read(data: dict[str, Any]) -> RaceReport:
    """Return the report that render was given; ValueError where data is of another kind or schema."""
    if data.get("kind") != KIND or data.get("schema") != SCHEMA:
        raise ValueError(f"is no {KIND} of schema {SCHEMA}")
    try:
        fields = {field.name: data[field.name] for field in dataclasses.fields(RaceReport)}
        fields["notes"] = tuple(fields["notes"])
        fields["raced"] = tuple(Raced(**{**raced, "numbers": tuple(raced["numbers"])}) for raced in fields["raced"])
        return RaceReport(**fields)
    except (KeyError, TypeError) as error:
        raise ValueError(f"lacks what schema {SCHEMA} has: {error}") from error


def merge(reports: list[RaceReport]) -> RaceReport:
    """Return the races of several shards as one report; ValueError where they raced different things."""
    first = reports[0]
    for report in reports[1:]:
        if (report.base, report.head, report.races) != (first.base, first.head, first.races):
            raise ValueError(
                f"{report.head} against {report.base} ({report.races} races) and {first.head} against {first.base} "
                f"({first.races}) are not shards of one race"
            )
    return dataclasses.replace(
        first,
        launches=sum(report.launches for report in reports),
        seconds=sum(report.seconds for report in reports),
        raced=tuple(raced for report in reports for raced in report.raced),
        complete=all(report.complete for report in reports),
        notes=tuple(dict.fromkeys(note for report in reports for note in report.notes)),
    )


def write(path: Path, data: dict[str, Any]) -> None:
    """Write the file as a whole, or leave what was there."""
    half = path.with_name(f".{path.name}.half")
    try:
        half.write_text(json.dumps(data, indent=1) + "\n", "utf-8")
        half.replace(path)
    except OSError:
        half.unlink(missing_ok=True)
        raise
