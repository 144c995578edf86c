"""How far every implementation is from what this machine can do, beside the peers that people would use instead.

    tox run -e limits                         2^25 elements, 10 steps, as in the articles, and how it grows; minutes
    tox run -e limits -- --no-growth          the tables only, without the growth over elements, steps and threads
    tox run -e limits -- --length 20          the same with 2^20 elements; seconds
    tox run -e limits -- --only vector numba  only what has one of these words in its name, beside the limits

All contenders of a table run in turn, round after round, and each figure is a ratio within a round, so that a machine
that changes its speed changes it for all: the median of the rounds, and their quartiles. The limits are a copy of the
same arrays, and the multiply-adds of the steps in registers. Each answer is verified before its first time counts, and
after its last. Where valgrind is installed, the instructions of a step are counted. Writes the tables as a page of the
documentation, limits.md, and growth.csv, .svg and .png, to the folder --out.
"""

from __future__ import annotations

import csv
import os
import shlex
import sys
import time
import timeit
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from _contenders import COPY, MULTIPLY_ADDS, PEAK, Contender, contenders
from _harness import Samples, machine, parser, progress, pyplot, save, table, verify, within
from _instructions import counted

from logmap_cy import _threads, logmap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from logmap_cy._contract import Array

# What is faster is called several times for a sample.
LEAST_S = 0.001
GROWTH_STEPS = (1, 3, 10, 30, 100, 300, 1000)
PAGE = """\
# Beside the limits and the peers

Every implementation here, and the same map in what people would use instead, on one machine and in one run:

    tox run -e limits -- {options}

How to read it:

- All contenders of a table run in turn, round after round, and each ratio is one within a round: the median of the
  rounds, and in brackets their quartiles. Each answer is verified before and after it is timed. Energy is not measured.
- The limit of memory is a *copy* of the same arrays, int32's beside int32, by as many threads as make it fastest:
  nothing that reads and writes each element takes less.
- The limit of arithmetic is the *peak* of multiply-adds on vectors of doubles in registers. The best step in doubles
  takes the time of 4; in single precision, on vectors of twice as many, that of 2. IFMA counts as doubles, but takes 3
  instructions.
- *Kernel* is what an OpenCL device's own clock says; the others are whole calls.
- What takes too long is timed on fewer elements, which are named, and compared by the element.
"""


@dataclass
class Timed:
    """The samples of a contender: seconds of whole calls of `length` elements and `num` steps."""

    contender: Contender
    length: int
    num: int
    threads: int
    dtype: str
    seconds: Samples = field(default_factory=Samples)

    @property
    def ns_per_element(self) -> float:
        return 1e9 * self.seconds.median / self.length

    def over(self, other: Timed) -> Samples:
        """Return how many times as long as the other one an element took, in each round of both."""
        scale = other.length / self.length
        return Samples(own / its * scale for own, its in zip(self.seconds, other.seconds, strict=False))

    @property
    def steps_per_s(self) -> float:
        return self.length * self.num / self.seconds.median


def aligned(length: int, dtype: str) -> Array:
    """Return a new array that starts at a cache line, each page touched."""
    size = length * np.dtype(dtype).itemsize
    memory = np.zeros(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype)


def measure(
    wanted: Iterable[Contender], length: int, num: int, dtype: str, threads: int, rounds: int, budget_s: float
) -> list[Timed]:
    """Verify and time each contender, in turn; what is slow is timed on fewer elements and less often."""
    x, out = aligned(length, dtype), aligned(length, dtype)
    np.copyto(x, np.arange(length))
    timed = [
        Timed(one, longest(one, x, out, num, budget_s), num, threads, dtype)
        for one in wanted
        if one.limit or dtype in one.dtypes
    ]
    for index in range(rounds):
        progress(f"2^{length.bit_length() - 1} x {num}, {dtype}: round {index + 1} of {rounds}")
        for one in timed:
            if not one.seconds.enough:
                part = slice(one.length)
                one.seconds.append(sample(one.contender, x[part], out[part], num))
                is_last = index == rounds - 1 or one.seconds.enough
                if is_last and not one.contender.limit:
                    verify(one.contender.name, out[part], num)
    progress("")
    return timed


def longest(one: Contender, x: Array, out: Array, num: int, budget_s: float) -> int:
    """Return how many elements fit the budget, at most those of x; the answers are verified at each length."""
    part = min(len(x), 2**10)
    one.run(x[:part], out[:part], num)  # what is compiled at the first call is compiled now
    while True:
        out[:part] = -1
        start = time.perf_counter()
        one.run(x[:part], out[:part], num)
        spent = time.perf_counter() - start
        if not one.limit:
            verify(one.name, out[:part], num)
        if part == len(x) or spent * 8 > budget_s:
            return part
        part = min(part * 8, len(x))


def sample(one: Contender, x: Array, out: Array, num: int) -> float:
    """Return the seconds of a call, by as many as take a millisecond."""
    calls, device_s = 0, 0.0
    start = time.perf_counter()
    while True:
        result = one.run(x, out, num)
        calls += 1
        device_s += getattr(result, "kernel_ns", 0) * 1e-9
        wall_s = time.perf_counter() - start
        if wall_s >= LEAST_S:
            return (device_s or wall_s) / calls


def limits_table(title: str, timed: list[Timed]) -> str:
    """Return a Markdown table, the fastest first."""
    longest = max(one.length for one in timed)
    copy = min((one for one in timed if one.contender.name.startswith(COPY)), key=lambda one: one.ns_per_element)
    peak = next(one for one in timed if one.contender.name == PEAK)
    lines = []
    for one in sorted(timed, key=lambda one: one.ns_per_element):
        name = one.contender.name + ("" if one.length == longest else f" ({one.length} elements)")
        rate, share = "", ""
        if not one.contender.limit:
            done = one.contender.multiply_adds / MULTIPLY_ADDS
            rate, share = f"{one.steps_per_s:.3g}", quartiles(peak.over(one), done)
        lines.append([name, f"{1e3 * one.seconds.median:.4g}", rate, quartiles(one.over(copy)), share])
    columns = ["", "ms:", "steps/s:", "times the copy:", "of the multiply-add peak:"]
    rate = f"{MULTIPLY_ADDS * peak.steps_per_s:.3g}"
    note = f"Multiply-add peak: {rate} a second in doubles."
    return f"## {title}\n\n{note}\n\n{table(columns, lines)}"


def quartiles(ratios: Samples, factor: float = 1.0) -> str:
    lower, median, upper = (f"{factor * value:.3g}" for value in ratios.quartiles())
    return f"{median} ({lower} .. {upper})"


def overhead_table(rounds: int) -> str:
    """Return a Markdown table of what a call costs: 64 elements, beside a ufunc on the same array."""
    x = np.arange(64)
    out = np.empty_like(x)
    calls: dict[str, Callable[[], object]] = {
        "np.multiply(x, x)": lambda: np.multiply(x, x),
        "np.multiply(x, x, out=out)": lambda: np.multiply(x, x, out=out),
        "logmap(x)": lambda: logmap(x),
        "logmap(x, out=out)": lambda: logmap(x, out=out),
        "logmap(x, 1)": lambda: logmap(x, 1),
    }
    samples = {name: Samples() for name in calls}
    for _ in range(5 * rounds):
        for name, run in calls.items():
            samples[name].append(timeit.timeit(run, number=2000) / 2000)
    medians = {name: seconds.median for name, seconds in samples.items()}
    ufunc_s = medians["np.multiply(x, x)"]
    lines = [(name, f"{1e9 * median:.0f}", f"{median / ufunc_s:.2f}") for name, median in medians.items()]
    return f"## One call, 64 elements, int64\n\n{table(['', 'ns:', 'times the ufunc:'], lines)}"


def growth(only: list[str], most: int, rounds: int) -> dict[str, list[Timed]]:
    """Return the times over lengths, over steps, and over threads."""
    everything = _threads.available()

    def timed(length: int, num: int, threads: int) -> list[Timed]:
        return measure(contenders(threads).chosen(only), length, num, "int64", threads, rounds, 0.5)

    return {
        "elements": [one for bits in range(6, most + 3, 3) for one in timed(2**bits, 10, everything)],
        "steps": [one for num in GROWTH_STEPS for one in timed(2 ** min(most, 20), num, everything)],
        "threads": [one for count in range(1, everything + 1) for one in timed(2**most, 10, count)],
    }


def write_csv(path: Path, found: dict[str, list[Timed]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["over", "name", "dtype", "elements", "steps", "threads", "median_s", "spread", "steps_per_s"])
        for over, timed in found.items():
            for one in timed:
                row = [over, one.contender.name, one.dtype, one.length, one.num, one.threads]
                rows.writerow([*row, one.seconds.median, one.seconds.spread, one.steps_per_s])


def plot(path: Path, found: dict[str, list[Timed]], most: int) -> None:
    """Draw nanoseconds an element over each of the three, one line a contender; limits are dashed."""
    plt = pyplot()
    figure, axes = plt.subplots(1, 3, figsize=(17, 7), layout="constrained")
    colours = plt.get_cmap("tab20").colors
    drawn = dict.fromkeys(one.contender for timed in found.values() for one in timed)
    attributes = {"elements": "length", "steps": "num", "threads": "threads"}
    for axis, (over, timed) in zip(axes, found.items(), strict=True):
        for index, contender in enumerate(drawn):
            points = [one for one in timed if one.contender == contender]
            axis.plot(
                [getattr(one, attributes[over]) for one in points],
                [one.ns_per_element for one in points],
                "--" if contender.limit else "-",
                label=contender.name,
                color=colours[index % len(colours)],
                marker="os^"[index // len(colours) % 3],
                markersize=4,
            )
        axis.set(xlabel=over, yscale="log")
        axis.grid(visible=True, which="both", alpha=0.25)
        if over == "threads":
            axis.set_xticks(range(1, _threads.available() + 1))
        else:
            axis.set_xscale("log", base=2 if over == "elements" else 10)
    axes[0].set_ylabel("nanoseconds an element")
    steps_over = f"2^{min(most, 20)} elements over the steps"
    figure.suptitle(f"10 steps over the length; {steps_over}; 10 steps over the threads. Dashed: the limits")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    save(figure, path)


def main() -> None:
    options_of = parser(__doc__, rounds=9)
    options_of.add_argument("--length", type=within(10, 27), default=25, metavar="BITS", help="2^BITS elements")
    options_of.add_argument(
        "--only", nargs="+", default=[], metavar="WORD", help="contenders with a WORD in their name"
    )
    options_of.add_argument("--no-growth", action="store_true", help="the tables only")
    options_of.add_argument("--no-instructions", action="store_true", help="count no instructions, which takes minutes")
    options_of.add_argument("--out", type=Path, default=Path("limits"), help="the folder to write to")
    options = options_of.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    everything, most, rounds = _threads.available(), options.length, options.rounds
    parts: list[str] = []

    def add(text: str) -> None:
        parts.append(text)
        print(text, flush=True)
        (options.out / "limits.md").write_text("\n".join(parts), "utf-8")

    absent = "; ".join(f"{name} ({reason})" for name, reason in contenders(everything).absent.items())
    load = f" (load average {os.getloadavg()[0]:.1f})" if hasattr(os, "getloadavg") else ""
    page = PAGE.format(options=shlex.join(sys.argv[1:]))
    add(f"{page}\nMeasured on {machine()}{load}. Not here: {absent or 'nothing'}.\n")
    for bits, num, dtype, threads, who in (
        (most, 10, "int64", everything, "all threads"),
        (most, 10, "int32", everything, "all threads"),
        (min(most, 20), 1000, "int64", 1, "one thread"),
    ):
        wanted = contenders(threads).chosen(options.only)
        timed = measure(wanted, 2**bits, num, dtype, threads, rounds, 3.0)
        add(limits_table(f"2^{bits} elements, {num} steps, {dtype}, {who}", timed))
    add(overhead_table(rounds))
    if not options.no_instructions:
        add(counted(options.only))
    if not options.no_growth:
        grown = growth(options.only, most, min(rounds, 5))
        write_csv(options.out / "growth.csv", grown)
        plot(options.out / "growth", grown, most)
    print(f"written to {options.out}: {', '.join(sorted(path.name for path in options.out.iterdir()))}")


if __name__ == "__main__":
    main()
