"""The section that a person reads first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_benchgate.reports.quantity import device_time, printable, rates, scaled, shares

if TYPE_CHECKING:
    from pytest_benchgate.results import Report, Result

HEADER = ("benchmark", "median", "rate", "of the limit", "on device")


def render(report: Report) -> list[str]:
    """Return the lines of the section; none where the plugin has nothing to add to pytest-benchmark's tables."""
    told = [result for result in report.results if result.verified or result.work or result.device_ns is not None]
    if not (told or report.withheld):
        return []
    verified = sum(result.verified for result in report.results)
    timed = sum(entry.timed for entry in report.withheld)
    lines = [
        f"{verified} of {len(report.results)} times verified by gate, {len(report.withheld)} withheld"
        + (f" ({timed} timed and taken back, {len(report.withheld) - timed} not timed)" if report.withheld else "")
    ]
    lines += _table([result for result in told if result.work or result.device_ns is not None])
    lines += [f"suspicious: {printable(r.name)} is {printable(r.suspicious)}" for r in told if r.suspicious]
    for entry in report.withheld:
        when = "its time was taken back" if entry.timed else "it was not timed"
        lines.append(f"withheld: {printable(entry.name)} ({entry.phase}, {when}): {printable(entry.reason)}")
    return lines


def _table(results: list[Result]) -> list[str]:
    """Return rows by group and then by median; columns without an entry are left out."""
    if not results:
        return []
    ordered = sorted(results, key=lambda result: (result.group or "", result.median_s))
    rows = [
        (printable(r.name), scaled(r.median_s, "s"), printable(rates(r)), printable(shares(r)), device_time(r))
        for r in ordered
    ]
    columns = [column for column in zip(HEADER, *rows, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in columns]
    return [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in zip(*columns, strict=True)
    ]
