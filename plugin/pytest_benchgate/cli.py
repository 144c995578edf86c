"""The command pytest-benchgate: merge JSON files, find the commit that made a benchmark slower, comment on GitHub."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_benchgate import machine, output, reading
from pytest_benchgate.bisection import command as bisection
from pytest_benchgate.exports import FORMATS, times
from pytest_benchgate.history import command as history
from pytest_benchgate.page.naming import of_files
from pytest_benchgate.publishing import action
from pytest_benchgate.publishing import command as publishing
from pytest_benchgate.reports import json_addition, markdown, race_json, shards, terminal
from pytest_benchgate.reports.quantity import line, scaled, shortened
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


def as_run(path: Path, data: Any, name: str) -> Run:
    """Return the run in data, from the file at path; ValueError if pytest-benchmark did not write it."""
    try:
        file = json_addition.read(data)
    except ValueError as error:
        raise ValueError(f"{path} was not written by pytest-benchmark: {error}; use --benchmark-json") from error
    cells = {bench.fullname: _cell(bench) for bench in file.benchmarks}
    cells |= {entry.nodeid: WITHHELD for entry in file.benchgate.withheld}
    return Run(name, cells, file.machine())


def _cell(bench: json_addition.Benchmark) -> str:
    median, added = scaled(bench.stats.median, "s"), bench.extra_info.benchgate or json_addition.Added()
    marks = [f"device {scaled(added.device_ns * 1e-9, 's')}"] if added.device_ns is not None else []
    marks += ["suspicious"] if added.suspicious else []
    return f"{median} ({', '.join(marks)})" if marks else median


def merge(found: Sequence[Run]) -> tuple[list[str], list[list[str]], list[str]]:
    """Return the header, a row for each benchmark of any run, and how the machines differ from the first run's."""
    names = list(dict.fromkeys(name for run in found for name in run.cells))
    rows = [[name, *(run.cells.get(name, "") for run in found)] for name in names]
    first = found[0]
    notes = [
        line
        for run in found[1:]
        for line in machine.differences(run.machine, first.machine, (f"in {run.name}", f"in {first.name}"))
    ]
    return ["benchmark", *(run.name for run in found)], rows, notes


def to_markdown(header: list[str], rows: list[list[str]], notes: list[str]) -> str:
    """Return the merged table as Markdown."""
    literal = markdown.literal
    cells = [[literal(shortened(row[0])), *map(markdown.literal_figures, row[1:])] for row in rows]
    lines = markdown.table([header[0], *map(literal, map(shortened, header[1:]))], cells)
    return "\n".join([*lines, "", *(f"- {literal(note)}" for note in notes)]).rstrip() + "\n"


def to_text(header: list[str], rows: list[list[str]], notes: list[str]) -> str:
    """Return the merged table for a terminal."""
    cells = [[shortened(cell) for cell in row] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    # The benchmark's name is aligned left, figures right.
    widths[0] *= -1
    lines = [
        "  ".join(f"{cell:{'<' if width < 0 else '>'}{abs(width)}}" for cell, width in zip(row, widths, strict=True))
        for row in cells
    ]
    return "\n".join([*(line.rstrip() for line in lines), *map(shortened, notes)]) + "\n"


def _report(paths: list[Path], *, as_markdown: bool) -> tuple[str, list[str]]:
    """Return the report of all files, which are of one kind, and what is missing from a whole race."""
    files = [(path, _load(path)) for path in paths]
    races = [path for path, data in files if isinstance(data, dict) and data.get("kind") == race_json.KIND]
    if not races:
        merged = merge([as_run(path, data, name) for (path, data), name in zip(files, of_files(paths), strict=True)])
        return (to_markdown if as_markdown else to_text)(*merged), []
    if len(races) < len(files):
        raise ValueError(
            f"{races[0]} is of a race, and other files are not; report one kind at a time, or both with --html FILE"
        )
    reports = []
    for path, data in files:
        try:
            reports.append(race_json.read(data))
        except ValueError as error:
            raise ValueError(f"{path} {error}") from error
    race, problems = shards.merge(reports)
    report = Report(race=race)
    return markdown.render(report) if as_markdown else "\n".join(terminal.render(report)) + "\n", problems


def _page(paths: list[Path]) -> tuple[str, list[str]]:
    """Return the page of all files, and what is missing from the races among them."""
    from pytest_benchgate.page import page, sources

    found = sources.read([(path, _load(path)) for path in paths])
    return page.render(found), [problem for source in found for problem in source.problems]


def _load(path: Path) -> Any:
    try:
        return reading.load(path)
    except ValueError as error:
        raise ValueError(f"{path} {error}; pass files that --benchmark-json or --race-json wrote") from error


def _refuse_own_input(place: Path | None, inputs: list[Path]) -> None:
    """Raise ValueError if the report would overwrite one of its inputs."""
    for path in inputs if place is not None else ():
        try:
            same = place is not None and place.samefile(path)
        except (OSError, ValueError):
            continue
        if same:
            raise ValueError(f"the output {place} is one of the files to report; give another one")


def _print(text: str, *, error: bool = False) -> bool:
    """Print text; return whether that was possible: the stream may be closed, or have few characters."""
    stream = sys.stderr if error else sys.stdout
    try:
        stream.write(text.encode(stream.encoding or "utf-8", "backslashreplace").decode(stream.encoding or "utf-8"))
        stream.flush()
    except (AttributeError, OSError, ValueError):
        return False
    return True


def _complain(text: str) -> None:
    _print(f"pytest-benchgate: {line(text)}\n", error=True)


def _refuse(text: str) -> int:
    """Say what is wrong with the arguments or with a file; return the exit status."""
    _complain(text)
    return 2


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all subcommands."""
    parser = argparse.ArgumentParser(
        prog="pytest-benchgate",
        description="Report benchmarks and races: merge files, find the commit that made a benchmark slower, keep a "
        "history, comment on GitHub.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    report = commands.add_parser(
        "report",
        help="merge several runs into a table (a row per benchmark, a column per run), or the shards of a race",
        description="Merge several runs, or the shards of a race.",
    )
    report.add_argument(
        "files", metavar="FILE", nargs="+", type=Path, help="a file written by --benchmark-json or --race-json"
    )
    report.add_argument("--markdown", action="store_true", help="write Markdown")
    report.add_argument("-o", "--output", metavar="FILE", type=Path, help="write to FILE instead of the terminal")
    report.add_argument(
        "--html",
        metavar="FILE",
        type=Path,
        help="write an HTML page of these files to FILE, which may be of both kinds",
    )
    report.add_argument(
        "--export",
        metavar="FORMAT",
        choices=FORMATS,
        help="write the times of --benchmark-json as another tool reads them: "
        + "; ".join(f"{one.name}, {one.help}" for one in FORMATS.values()),
    )
    bisection.declare(commands)
    history.declare(commands)
    publishing.declare(commands)
    action.declare(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, print or write the report; return the exit status."""
    parser = make_parser()
    arguments, others = parser.parse_known_args(argv)
    if arguments.command == "bisect":
        return bisection.run(arguments, others)
    if others:
        return _refuse(f"unrecognized arguments: {' '.join(others)}; see pytest-benchgate {arguments.command} --help")
    if "run" in arguments:
        return int(arguments.run(arguments))
    if arguments.command == "history":
        return _make_history(arguments)
    if arguments.html and (arguments.markdown or arguments.output):
        return _refuse("--html writes a page and nothing else; give it without --markdown and --output")
    if arguments.export and (arguments.html or arguments.markdown):
        return _refuse("--export writes a file of another tool; give it without --markdown and --html")
    if arguments.export:
        return _make_export(arguments)
    return _make_report(arguments)


def _make_report(arguments: argparse.Namespace) -> int:
    """Print or write the report that is asked for; return the exit status."""
    place = arguments.html or arguments.output
    try:
        _refuse_own_input(place, arguments.files)
        report_of = _page if arguments.html else partial(_report, as_markdown=arguments.markdown)
        text, problems = report_of(arguments.files)
    except ValueError as error:
        return _refuse(str(error))
    lost = not _put(text, place, or_print=not arguments.html)
    for problem in problems:
        _complain(f"error: {problem}")
    return 1 if problems or lost else 0


def _make_export(arguments: argparse.Namespace) -> int:
    """Write the files of another tool, or print the only one; return the exit status."""
    try:
        _refuse_own_input(arguments.output, arguments.files)
        runs = [times.read(path, _load(path)) for path in arguments.files]
        files = FORMATS[arguments.export].render(runs)
    except ValueError as error:
        return _refuse(str(error))
    place = arguments.output
    if place is None and [*files] != [""]:
        return _refuse(f"--export={arguments.export} writes a folder; give it with --output FOLDER")
    written = [_put(text, place and place / name, or_print=False) for name, text in files.items()]
    return 0 if all(written) else 1


def _make_history(arguments: argparse.Namespace) -> int:
    """Add to a history, or report it; return the exit status."""
    try:
        return history.run(arguments, _put)
    except ValueError as error:
        _complain(str(error))
        return history.USAGE


def _put(text: str, place: Path | None, *, or_print: bool) -> bool:
    """Write the report to a file, or else print it if that makes sense; return whether it is where it should be."""
    if place is not None:
        try:
            output.write(place, text)
        except (OSError, ValueError) as error:
            instead = "; the report is printed" if or_print else ""
            _complain(f"{place} cannot be written ({getattr(error, 'strerror', None) or error}){instead}")
            if or_print:
                _print(text)
            return False
        return True
    if not _print(text):
        _complain("the report cannot be printed: standard output is closed, or full")
        # Otherwise Python would complain again when it exits.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
