"""Read the files of which a page is made: pytest-benchmark's JSON and that of races, in any mixture."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pytest_benchgate.page.model import Source
from pytest_benchgate.page.naming import of_files
from pytest_benchgate.reports import json_addition, race_json, shards
from pytest_benchgate.results import Report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_benchgate.results import RaceReport


def of_session(report: Report, machine_info: dict[str, Any]) -> Source:
    """Return the results of a session, with what pytest-benchmark says of its machine."""
    return Source("this session", report, machine_info.get(json_addition.KEY) or {})


def read(files: Sequence[tuple[Path, Any]]) -> list[Source]:
    """Return a source for each file, with the shards of one race as one; ValueError where a file is not valid."""
    runs: list[Source] = []
    races: list[tuple[str, RaceReport, dict[str, Any]]] = []
    names = of_files([path for path, _ in files])
    for name, (path, data) in zip(names, files, strict=True):
        try:
            if isinstance(data, dict) and data.get("kind") == race_json.KIND:
                races.append((name, race_json.read(data), race_json.machine_of(data)))
            else:
                file = json_addition.read(data)
                runs.append(Source(name, file.report(), file.machine()))
        except ValueError as error:
            raise ValueError(f"{path}: {error}; pass files that --benchmark-json or --race-json wrote") from error
    found = [*_merged(races), *runs]
    return [dataclasses.replace(source, key=str(index or "")) for index, source in enumerate(found)]


def _merged(races: Sequence[tuple[str, RaceReport, dict[str, Any]]]) -> list[Source]:
    """Return races, the shards of each as one."""
    groups: list[list[tuple[str, RaceReport, dict[str, Any]]]] = []
    for one in races:
        group = next((group for group in groups if shards.are_parts(group[0][1], one[1])), None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    found = []
    for group in groups:
        report, problems = shards.merge([report for _, report, _ in group])
        name, _, machine = group[0]
        name = name if len(group) == 1 else f"{name} and {len(group) - 1} more"
        found.append(Source(name, Report(race=report), machine, tuple(problems)))
    return found
