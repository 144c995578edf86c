"""What the reports share: the right answers, samples and their quartiles, options, tables, pictures."""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import platform
import re
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from logmap_cy import _threads, implementations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from logmap_cy._contract import Array

P, MU = 6700417, 22
SLOW_S = 1.0  # what takes longer than this is sampled less often


@functools.cache
def expected(length: int, num: int) -> Array:
    """Return the answers for x = 0 .. length - 1; from x = P on they repeat, as x is taken modulo P."""
    residues = np.arange(min(length, P))
    for _ in range(num):
        # Below 2**51, where int64 is as exact as Python's integers and far faster.
        residues = MU * residues * (residues + 1) % P
    return np.resize(residues, length)


def verify(name: str, out: Array, num: int) -> None:
    """End the report where the answers for x = 0 .. len(out) - 1 are wrong: no time is reported."""
    if not np.array_equal(out, expected(len(out), num)):
        progress("")
        sys.exit(f"{name} is wrong for {len(out)} elements and {num} steps: no time is reported")


class Samples(list[float]):
    """Measured values, most often seconds of a call."""

    def quartiles(self) -> tuple[float, float, float]:
        """Return the lower quartile, the median and the upper quartile."""
        lower, median, upper = np.quantile(self, (0.25, 0.5, 0.75)).tolist()
        return lower, median, upper

    @property
    def median(self) -> float:
        return statistics.median(self)

    @property
    def spread(self) -> float:
        """The distance between the quartiles, as a share of the median."""
        lower, median, upper = self.quartiles()
        return (upper - lower) / median

    @property
    def enough(self) -> bool:
        """Whether these are slow, and three of them are there."""
        return len(self) >= 3 and self.median > SLOW_S


def machine() -> str:
    """Return what ran the report: processor, cores, threads, OpenCL devices."""
    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        named = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
        cpu = named[1] if named else cpu
    devices = dict.fromkeys(f"{device}: {device.name}" for row in implementations() for device in row.devices)
    cores = f"{_threads.cores()} of {os.cpu_count()} cores, {_threads.available()} threads"
    return "; ".join([cpu, cores, *devices])


class _Format(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the description, and adds the defaults."""


def parser(doc: str | None, rounds: int) -> argparse.ArgumentParser:
    """Return a parser that has a report's docstring as its help, and the option --rounds with this default."""
    summary, _, more = (doc or "").partition("\n\n")
    made = argparse.ArgumentParser(description=summary, epilog=more, formatter_class=_Format)
    made.add_argument("--rounds", type=within(1), default=rounds, help="samples of each")
    return made


def within(least: int, most: int = sys.maxsize) -> Callable[[str], int]:
    """Return a type for an option: integers from least to most."""

    def integer(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{value} is outside {least} .. {most}")
        return value

    return integer


def progress(text: str) -> None:
    """Show on a terminal what is under way, in place of what was shown before."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; a column whose name ends with a colon is aligned to the right."""
    lines = [
        [column.removesuffix(":") for column in columns],
        ["---:" if column.endswith(":") else "---" for column in columns],
        *rows,
    ]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def pyplot() -> Any:
    """Return Matplotlib's pyplot, whose SVGs keep text as text and are the same for the same numbers."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "logmap-cy"})
    import matplotlib.pyplot as plt

    return plt


def save(figure: Any, path: Path) -> None:
    """Write a figure as SVG, without a date, and as PNG."""
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(path.with_suffix(".png"), dpi=110)
