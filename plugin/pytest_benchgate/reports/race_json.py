"""The JSON file of a race, written and read here: versioned, and complete, so that shards can be merged."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from pytest_benchgate import output, reading
from pytest_benchgate.reports.race import ORDER
from pytest_benchgate.results import DEVICE, WALL, RaceReport

if TYPE_CHECKING:
    from pathlib import Path

KIND = "pytest-benchgate race"
# Increased when a field changes its meaning or is removed.
SCHEMA = 1
# Fields that older files of schema 1 lack.
ADDED = {
    *("shard", "suite", "base_tree", "head_tree", "settings", "limit", "accepted", "explanation", "placements"),
    *("text", "bytecode", "gone", "instructions", "relinked", "advice", "claim", "claims"),
    *("base_commit", "head_commit", "clock"),
}
# Ranges: of a change, as ln(ratio), of a relative change, of probabilities, of counts, and of times and evidence.
CHANGE, RELATIVE, SHARE, COUNT, POSITIVE = (-100.0, 100.0), (-1.0, 1e9), (0.0, 1.0), (0, 10**9), (0.0, reading.LARGEST)
RULES: dict[str, tuple[Any, ...]] = {
    "verdict": ORDER,
    "clock": (WALL, DEVICE),
    **dict.fromkeys(("change", "low", "high", "visible", "numbers", "placements", "bound"), CHANGE),
    **dict.fromkeys(("threshold", "limit"), RELATIVE),
    **dict.fromkeys(("alpha", "coverage"), SHARE),
    **dict.fromkeys(("base_s", "head_s", "seconds", "evidence", "alarm"), POSITIVE),
    **dict.fromkeys(("races", "launches", "line", "pairs", "shard"), COUNT),
}


def render(report: RaceReport, machine: dict[str, Any]) -> dict[str, Any]:
    """Return the content of the file; changes are ln(head / base), evidence is as in results.Raced."""
    return {"kind": KIND, "schema": SCHEMA, "machine": machine, **dataclasses.asdict(report)}


def read(data: Any) -> RaceReport:
    """Return the report in the content of a file; raise ValueError, with the field and its value, if invalid."""
    if not isinstance(data, dict) or data.get("kind") != KIND or data.get("schema") != SCHEMA:
        raise ValueError(f"is not a {KIND} of schema {SCHEMA}, as --race-json writes")
    try:
        return reading.into(RaceReport, data, optional=ADDED, rules=RULES)
    except reading.Missing as error:
        raise ValueError(f"lacks what schema {SCHEMA} has: {error}") from error
    except ValueError as error:
        raise ValueError(f"is damaged: {error}") from error


def machine_of(data: dict[str, Any]) -> dict[str, Any]:
    """Return where a race was run; empty where the content of its file does not say."""
    found = data.get("machine")
    return reading.plain(found, "machine") if isinstance(found, dict) else {}


def write(path: Path, data: dict[str, Any]) -> None:
    """Write the file as a whole, or keep the old one."""
    output.write(path, json.dumps(data, indent=1) + "\n")
