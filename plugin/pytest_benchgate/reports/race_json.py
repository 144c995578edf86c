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
ADDED = {"shard", "suite", "base_tree", "head_tree", "settings"}  # to schema 1, later on: older files lack them


def render(report: RaceReport, machine: dict[str, Any]) -> dict[str, Any]:
    """Return the content of the file; changes are ln(head / base), evidence is as in results.Raced."""
    return {"kind": KIND, "schema": SCHEMA, "machine": machine, **dataclasses.asdict(report)}


def read(data: dict[str, Any]) -> RaceReport:
    """Return the report that render was given; ValueError where data is of another kind or schema."""
    if data.get("kind") != KIND or data.get("schema") != SCHEMA:
        raise ValueError(f"is no {KIND} of schema {SCHEMA}")
    try:
        fields = {
            field.name: data[field.name]
            for field in dataclasses.fields(RaceReport)
            if field.name in data or field.name not in ADDED
        }
        for name in ("notes", "shard", "suite"):
            if fields.get(name) is not None:
                fields[name] = tuple(fields[name])
        fields["notes"] = tuple(fields["notes"])
        fields["raced"] = tuple(Raced(**{**raced, "numbers": tuple(raced["numbers"])}) for raced in fields["raced"])
        return RaceReport(**fields)
    except (KeyError, TypeError) as error:
        raise ValueError(f"lacks what schema {SCHEMA} has: {error}") from error


def write(path: Path, data: dict[str, Any]) -> None:
    """Write the file as a whole, or leave what was there."""
    half = path.with_name(f".{path.name}.half")
    try:
        half.write_text(json.dumps(data, indent=1) + "\n", "utf-8")
        half.replace(path)
    except OSError:
        half.unlink(missing_ok=True)
        raise
