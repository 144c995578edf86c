"""The command pytest-benchgate: merge the JSON of several runs, or of the shards of a race, into one table."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_benchgate import machine
from pytest_benchgate.reports import markdown, race_json, shards, terminal
from pytest_benchgate.reports.quantity import printable, scaled
from pytest_benchgate.results import Report

if TYPE_CHECKING:
    from collections.abc import Sequence

WITHHELD = "withheld"


@dataclass(frozen=True)
class Run:
    """One JSON file: a name for its column, a cell for each benchmark, and where it ran."""

    name: str
    cells: dict[str, str]
    machine: dict[str, Any]


def load(path: Path) -> dict[str, Any]:
    """Return the JSON in the file at path; ValueError where there is none."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); pass files that --benchmark-json wrote") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no JSON of pytest-benchmark ({error}); --benchmark-json writes it") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path} is no JSON of pytest-benchmark; --benchmark-json writes it")  # noqa: TRY004  # its content
    return data


def as_run(path: Path, data: dict[str, Any]) -> Run:
    """Return the run that data from the file at path tells of; ValueError where it is none of pytest-benchmark's."""
    try:
        info = data["machine_info"]
        addition = info.get(machine.KEY, {})
        cells = {bench["fullname"]: _cell(bench) for bench in data["benchmarks"]}
        cells |= {entry["nodeid"]: WITHHELD for entry in data.get(machine.KEY, {}).get("withheld", ())}
        where = addition or {"cpu": info.get("cpu", {}).get("brand_raw"), "python": info.get("python_version")}
        return Run(path.stem, cells, where)
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no JSON of pytest-benchmark ({error!r}); --benchmark-json writes it") from error


def _cell(bench: dict[str, Any]) -> str:
    median = scaled(bench["stats"]["median"], "s")
    added = bench["extra_info"].get(machine.KEY) or {}
    device_ns = added.get("device_ns")
    marks = [f"device {scaled(device_ns * 1e-9, 's')}"] if device_ns is not None else []
    marks += ["suspicious"] if added.get("suspicious") else []
    return f"{median} ({', '.join(marks)})" if marks else median


def merge(runs: Sequence[Run]) -> tuple[list[str], list[list[str]], list[str]]:
    """Return the header, a row for each benchmark of any run, and how other machines differ from the first run's."""
    names = list(dict.fromkeys(name for run in runs for name in run.cells))
    rows = [[name, *(run.cells.get(name, "") for run in runs)] for name in names]
    first = runs[0]
    notes = [
        line
        for run in runs[1:]
        for line in machine.differences(run.machine, first.machine, (f"in {run.name}", f"in {first.name}"))
    ]
    return ["benchmark", *(run.name for run in runs)], rows, notes


def to_markdown(header: list[str], rows: list[list[str]], notes: list[str]) -> str:
    """Return the merged table as Markdown."""
    literal = markdown.literal
    cells = [[literal(row[0]), *row[1:]] for row in rows]
    lines = markdown.table([header[0], *map(literal, header[1:])], cells)
    return "\n".join([*lines, "", *(f"- {literal(note)}" for note in notes)]).rstrip() + "\n"


def to_text(header: list[str], rows: list[list[str]], notes: list[str]) -> str:
    """Return the merged table for a terminal."""
    cells = [[printable(cell) for cell in row] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    widths[0] *= -1  # the benchmark's name stands to the left, figures to the right
    lines = [
        "  ".join(f"{cell:{'<' if width < 0 else '>'}{abs(width)}}" for cell, width in zip(row, widths, strict=True))
        for row in cells
    ]
    return "\n".join([*(line.rstrip() for line in lines), *map(printable, notes)]) + "\n"


def _report(files: dict[Path, dict[str, Any]], *, as_markdown: bool) -> tuple[str, list[str]]:
    """Return the report of all files, which are of one kind, and what it lacks of a whole race."""
    races = [path for path, data in files.items() if data.get("kind") == race_json.KIND]
    if not races:
        merged = merge([as_run(path, data) for path, data in files.items()])
        return (to_markdown if as_markdown else to_text)(*merged), []
    if len(races) < len(files):
        raise ValueError(f"{races[0]} is of a race, and others are not; report them one kind at a time")
    reports = []
    for path, data in files.items():
        try:
            reports.append(race_json.read(data))
        except ValueError as error:
            raise ValueError(f"{path} {error}") from error
    race, problems = shards.merge(reports)
    report = Report(race=race)
    return markdown.render(report) if as_markdown else "\n".join(terminal.render(report)) + "\n", problems


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, print or write the report; return the exit status."""
    parser = argparse.ArgumentParser(prog="pytest-benchgate", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    report = commands.add_parser(
        "report",
        help="merge several runs (rows are benchmarks, columns are runs), or the shards of a race",
        description="Merge several runs, or the shards of a race.",
    )
    report.add_argument(
        "files", metavar="FILE", nargs="+", type=Path, help="a file that --benchmark-json or --race-json wrote"
    )
    report.add_argument("--markdown", action="store_true", help="a Markdown table, not one for the terminal")
    report.add_argument("-o", "--output", metavar="FILE", type=Path, help="write to FILE, not to the terminal")
    arguments = parser.parse_args(argv)
    try:
        text, problems = _report({path: load(path) for path in arguments.files}, as_markdown=arguments.markdown)
    except ValueError as error:
        print(f"pytest-benchgate: {printable(str(error))}", file=sys.stderr)  # noqa: T201
        return 2
    if arguments.output:
        arguments.output.write_text(text, "utf-8")
    else:
        sys.stdout.write(text)
    for problem in problems:
        print(f"pytest-benchgate: error: {printable(problem)}", file=sys.stderr)  # noqa: T201
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
