"""The JSON file of a race, written and read here: versioned, and complete, so that shards can be merged."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from pytest_benchgate import reading
from pytest_benchgate.reports.race import ORDER
from pytest_benchgate.results import RaceReport

if TYPE_CHECKING:
    from pathlib import Path

KIND = "pytest-benchgate race"
# Increased when a field changes its meaning or is removed.
SCHEMA = 1
# Fields that older files of schema 1 lack.
ADDED = {
    *("shard", "suite", "base_tree", "head_tree", "settings", "limit", "accepted", "explanation", "placements"),
    *("text", "bytecode", "gone", "instructions", "relinked", "advice", "claim", "claims"),
}
# Ranges: of a change, as ln(ratio), of probabilities, and of counts.
CHANGE, SHARE, COUNT = (-100.0, 100.0), (0.0, 1.0), (0, 10**9)
RULES: dict[str, tuple[Any, ...]] = {
    "verdict": ORDER,
    **dict.fromkeys(("change", "low", "high", "visible", "numbers", "placements", "bound"), CHANGE),
    **dict.fromkeys(("alpha", "coverage"), SHARE),
    **dict.fromkeys(("races", "launches", "line", "pairs", "shard"), COUNT),
}


def render(report: RaceReport, machine: dict[str, Any]) -> dict[str, Any]:
    """Return the content of the file; changes are ln(head / base), evidence is as in results.Raced."""
    return {"kind": KIND, "schema": SCHEMA, "machine": machine, **dataclasses.asdict(report)}


def read(data: Any) -> RaceReport:
    """Return the report in the content of a file; raise ValueError, with the field and its value, if invalid."""
    if not isinstance(data, dict) or data.get("kind") != KIND or data.get("schema") != SCHEMA:
        raise ValueError(f"is no {KIND} of schema {SCHEMA}")
    try:
        return reading.into(RaceReport, data, optional=ADDED, rules=RULES)
    except reading.Missing as error:
        raise ValueError(f"lacks what schema {SCHEMA} has: {error}") from error
    except ValueError as error:
        raise ValueError(f"is damaged: {error}") from error


def write(path: Path, data: dict[str, Any]) -> None:
    """Write the file as a whole, or keep the old one."""
    half = path.with_name(f".{path.name}.half")
    try:
        half.write_text(json.dumps(data, indent=1) + "\n", "utf-8")
        half.replace(path)
    except OSError:
        half.unlink(missing_ok=True)
        raise
