"""Print the table of implementations: ``python -m logmap_cy``."""

from __future__ import annotations

import argparse
import textwrap

from logmap_cy import __version__, implementations
from logmap_cy._threads import available
from logmap_cy.rows.prange import openmp_threads


def table() -> str:
    """Return a line for each implementation: name, kind, whether it runs here, what it is exact for, what it is."""
    rows = [("implementation", "kind", "here", "exact for", "what it is")]
    reasons: dict[str, list[str]] = {}
    for row in implementations():
        here = " ".join(map(str, row.devices)) or "yes"
        if row.unavailable:
            here = "no"
            reasons.setdefault(row.unavailable, []).append(row.name)
        rows.append((row.name, row.kind, here, "WRONG" if row.known_wrong else row.domain.text, row.summary))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += ["", f"threads: {available()}" + ("" if openmp_threads() else " (built without OpenMP)")]
    lines += [
        f"{device}: {device.kind}, {device.name} ({device.platform}, driver {device.driver})"
        for device in dict.fromkeys(device for row in implementations() for device in row.devices)
    ]
    lines += [f"wrong: {row} {row.known_wrong}" for row in implementations() if row.known_wrong]
    for reason, names in reasons.items():
        lines += textwrap.wrap(f"not here: {', '.join(names)}: {reason}", 118, subsequent_indent="  ")
    return "\n".join(lines)


def main() -> None:
    """Parse the command line and print."""
    parser = argparse.ArgumentParser(prog="python -m logmap_cy", description="List the implementations of the map.")
    parser.add_argument("--version", action="version", version=__version__)
    parser.parse_args()
    print(table())


if __name__ == "__main__":
    main()
