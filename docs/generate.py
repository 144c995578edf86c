"""Write what the pages take from the code: tables of options, commands and rows, a simulation, the pictures.

    python docs/generate.py            write it into docs/
    python docs/generate.py --check    change nothing; fail, naming the file, where something is out of date

The simulation takes half a minute and is seeded, so that a second run writes the same.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from draw import architecture, evidence, race
from pytest_benchgate.race.statistics import Rule, Verdict, decide
from reference import commands, options, table

from logmap_cy import implementations

if TYPE_CHECKING:
    from collections.abc import Callable

DOCS = Path(__file__).parent
BUDGET = 60  # launches
RULE = Rule(races=20)
# The scatter of a launch's number, the share of outliers, and how many times as far those lie: as measured.
NOISES = {
    "C function, quiet machine": (0.006, 0.0, 1.0),
    "C function, beside two busy processes": (0.012, 0.03, 5.0),
    "Python objects": (0.02, 0.025, 7.5),
}


def rows() -> str:
    """Return the implementations of the map."""
    found = [
        (
            f"`{row.name}`",
            row.kind,
            "known to be wrong" if row.known_wrong else row.domain.text.replace("2**", "2^"),
            row.summary,
        )
        for row in implementations()
    ]
    return table(("implementation", "kind", "exact for", "what it is"), found)


def simulation() -> str:
    """Return how often races come to which verdict, and after how many launches, for kinds of noise and slowdowns."""
    found = []
    for name, noise in NOISES.items():
        for slowdown in (0.0, 0.05, 0.1):
            decisions = [simulated(slowdown, noise, seed) for seed in range(1000)]
            verdicts = [verdict for verdict, _ in decisions]
            launches = sorted(launches for _, launches in decisions)
            shares = [f"{100 * verdicts.count(one) / len(verdicts):.3g} %" for one in SHOWN]
            scatter = f"{100 * noise[0]:.2g} %" + (
                f", {100 * noise[1]:.2g} % of them {noise[2]:g} times" if noise[1] else ""
            )
            found.append((name, scatter, f"{100 * slowdown:.0f} %", *shares, f"{launches[500]} / {launches[949]}"))
    header = (
        "noise",
        "scatter of launches",
        "slower by",
        *(f"`{one.value}`" for one in SHOWN),
        "launches, median / 95 %",
    )
    return table(header, found)


SHOWN = (Verdict.SLOWER, Verdict.SAME, Verdict.UNSURE)


def simulated(slowdown: float, noise: tuple[float, float, float], seed: int) -> tuple[Verdict, int]:
    """Return the verdict on a simulated race, and its launches."""
    rng, (scatter, share, factor) = random.Random(seed), noise
    numbers: list[float] = []
    while len(numbers) < BUDGET:
        far = factor if rng.random() < share else 1.0
        numbers.append(math.log1p(slowdown) + rng.gauss(0, scatter * far))
        decision = decide(numbers, RULE)
        if decision.verdict is not Verdict.UNSURE:
            return decision.verdict, decision.launches
    return Verdict.UNSURE, BUDGET


BLOCKS: dict[str, dict[str, Callable[[], str]]] = {
    "options.md": {"options": options, "commands": commands},
    "logmap.md": {"implementations": rows},
    "statistics.md": {"simulation": simulation},
}


def main() -> None:
    """Parse the command line; write or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail where something is out of date")
    check = parser.parse_args().check
    stale = []
    wanted = {DOCS / "pictures" / f"{draw.__name__}.svg": draw() for draw in (race, evidence, architecture)}
    for name, blocks in BLOCKS.items():
        text = (DOCS / name).read_text("utf-8")
        for block, make in blocks.items():
            begin, end = f"<!-- {block} -->", f"<!-- end of {block} -->"
            before, found, rest = text.partition(begin)
            _, found_end, after = rest.partition(end)
            if not (found and found_end):
                sys.exit(f"{name} must have the comments {begin} and {end}")
            text = f"{before}{begin}\n\n{make()}\n\n{end}{after}"
        wanted[DOCS / name] = text
    for path, text in wanted.items():
        if not path.is_file() or path.read_text("utf-8") != text:
            stale.append(path.name)
            if not check:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, "utf-8")
    if stale and check:
        sys.exit(f"out of date: {', '.join(stale)}; run python docs/generate.py")
    print(f"written: {', '.join(stale)}" if stale else "all is up to date")


if __name__ == "__main__":
    main()
