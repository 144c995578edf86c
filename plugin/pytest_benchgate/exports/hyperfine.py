"""hyperfine's CSV, JSON and Markdown, as its version 1 writes them: seconds, one row for each benchmark.

What pytest-benchmark does not measure stays empty: the times in user and in kernel mode, and exit codes.
"""

from __future__ import annotations

import csv
import io
import json
import math
from typing import TYPE_CHECKING

from pytest_benchgate.exports.times import named
from pytest_benchgate.reports.markdown import literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_benchgate.exports.times import Run, Stats

COLUMNS = ("command", "mean", "stddev", "median", "user", "system", "min", "max")
# With which a cell is a formula to spreadsheets, also as wide characters.
FORMULAS = tuple("=+-@＝＋－＠")  # noqa: RUF001
# Characters of a name.
MOST = 1000
MOST_IN_TABLE = 160
UNITS = ((1.0, "s", 3), (1e-3, "ms", 1), (1e-6, "µs", 1), (1e-9, "ns", 1))


def to_csv(runs: Sequence[Run]) -> dict[str, str]:
    """Return the file of `--export-csv`; a name that a spreadsheet would take for a formula gets an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, stats in named(runs, MOST):
        figures = {**vars(stats), "stddev": _deviation(stats)}
        cells = [figures.get(column) for column in COLUMNS[1:]]
        writer.writerow([f"'{name}" if name.lstrip().startswith(FORMULAS) else name, *cells])
    return {"": text.getvalue()}


def to_json(runs: Sequence[Run]) -> dict[str, str]:
    """Return the file of `--export-json`, which hyperfine's scripts read; ValueError without the times of rounds."""
    results = []
    for name, stats in named(runs, MOST):
        if not stats.data:
            raise ValueError(f"the file lacks the times of the rounds of {name}; use --benchmark-json")
        results.append(
            {
                "command": name,
                "mean": stats.mean,
                "stddev": _deviation(stats),
                "median": stats.median,
                "min": stats.min,
                "max": stats.max,
                "times": stats.data,
            }
        )
    return {"": json.dumps({"results": results}, indent=2) + "\n"}


def to_markdown(runs: Sequence[Run]) -> dict[str, str]:
    """Return the file of `--export-markdown`: one unit for all, and how much slower each is than the fastest."""
    rows = [*named(runs, MOST_IN_TABLE)]
    fastest = min((stats for _, stats in rows), key=lambda stats: stats.mean, default=None)
    first = rows[0][1].mean if rows else 1.0
    factor, unit, digits = next((one for one in UNITS if first >= one[0]), UNITS[-1])
    lines = [
        f"| Command | Mean [{unit}] | Min [{unit}] | Max [{unit}] | Relative |",
        "|:---|---:|---:|---:|---:|",
    ]
    for name, stats in rows:
        mean, low, high = (f"{value / factor:.{digits}f}" for value in (stats.mean, stats.min, stats.max))
        deviation = _deviation(stats)
        mean += f" ± {deviation / factor:.{digits}f}" if deviation is not None else ""
        lines.append(f"| {literal(name)} | {mean} | {low} | {high} | {_relative(stats, fastest)} |")
    return {"": "\n".join(lines) + "\n"}


def _deviation(stats: Stats) -> float | None:
    """Return the standard deviation; None of a single round, for which it is not known."""
    return stats.stddev if stats.rounds > 1 else None


def _relative(stats: Stats, fastest: Stats | None) -> str:
    """Return the ratio of the means, with its error from those of both."""
    if fastest is None or not fastest.mean or stats is fastest:
        return "1.00"
    ratio = stats.mean / fastest.mean
    own, other = _deviation(stats), _deviation(fastest)
    if own is None or other is None:
        return f"{ratio:.2f}"
    return f"{ratio:.2f} ± {ratio * math.hypot(own / stats.mean, other / fastest.mean):.2f}"
