"""The articles' tables again, on this machine: every system that they raced, each answer verified.

    tox run -e articles               2^19 elements, 10 steps; under 2 minutes
    tox run -e articles -- --full     2^25 elements as in the articles; most of an hour, and 4 GB of memory

Two tables in the articles' layout, their seconds and ours each as a ratio to one C thread (theirs: C, ours: Cython over
typed memoryviews), what of them is list building or transfers, and the articles' conclusions, confirmed or refuted. All
run in turn, round after round, so that a machine that changes its speed changes it for all. Writes articles.md,
articles.csv, and the pictures bars and stages (.svg, .png) to the folder --out.
"""

from __future__ import annotations

import argparse
import csv
import fnmatch
import functools
import statistics
import sys
import time
from concurrent.futures import wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from limits import MU, SLOW_S, P, expected, show
from quartiles import spread

from logmap_cy import _threads, implementations
from logmap_cy.opencl.device import discover
from logmap_cy.opencl.job import Times
from logmap_cy.rows import pool as pools

if TYPE_CHECKING:
    from collections.abc import Callable

    from logmap_cy import Device, Implementation
    from logmap_cy._contract import Array

STEPS = 10
C_S = 4.23  # the articles' C, one thread, loop: what all is a ratio to
LEAST_S = 0.005  # what is faster is called again and again
STAGES = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class System:
    """A line of the articles' first table, or of what they would have wanted there.

    Attributes
    ----------
    label: what it is.
    row: the name in the registry.
    article_s: their seconds, None where they have none.
    device: "cpu" or "gpu" for OpenCL's rows.
    lists: whether what is timed builds lists from the array and back.
    steps: how many it does where ten are asked for.

    """

    label: str
    row: str
    article_s: float | None = None
    device: str | None = None
    lists: bool = False
    steps: int = STEPS


@dataclass(frozen=True)
class Stages:
    """A line of the articles' tables over the stages, in seconds there; list_window and list_pool at 1 are one call."""

    label: str
    row: str
    article_s: tuple[float, ...]


SYSTEMS = (
    System("Elixir, one process, loop", "python", 52.80, lists=True),
    System("the same, inlined", "python_inlined", lists=True),
    System("Python / NumPy, as there: a list, nine steps", "numpy_article_nine", 17.84, lists=True, steps=9),
    System("Python / NumPy, ten steps, no list", "numpy_article"),
    System("NumPy done well", "numpy"),
    System("CuPy", "cupy"),
    System("C, one thread, loop", "memoryview", C_S),
    System("C, one thread, inlined", "unrolled"),
    System("OpenCL on the CPU, loop", "opencl_loop", 1.497, "cpu"),
    System("OpenCL on the CPU, inlined", "opencl_unrolled", 1.484, "cpu"),
    System("OpenCL on the CPU, done well", "opencl_double", None, "cpu"),
    System("OpenCL on the GPU, loop", "opencl_loop", 1.073, "gpu"),
    System("OpenCL on the GPU, inlined", "opencl_unrolled", 1.048, "gpu"),
    System("OpenCL on the GPU, done well", "opencl_double", None, "gpu"),
    System("native function per element", "scalar", lists=True),
    System("native over a list, one call", "list", lists=True),
    System("native over bytes", "buffer"),
    System("LLVM (Numba), all threads", "numba"),
    System("Cython prange, all threads", "prange"),
    System("vectors, AVX2, all threads", "vector_avx2"),
    System("vectors, AVX-512, all threads", "vector_avx512"),
    System("vectors, AVX-512 IFMA, all threads", "vector_ifma"),
    System("CPU and OpenCL at once", "hybrid"),
)
OVER_STAGES = (
    Stages("Flow, loop", "python_pool", (54.2, 27.2, 17.9, 14.6, 14.8, 15.3, 15.3, 15.7)),
    Stages("Flow, inlined", "python_inlined_pool", (42.2, 24.1, 15.9, 13.5, 13.9, 13.3, 13.3, 13.2)),
    Stages("native over a list", "list_pool", (12.2, 35.7, 35.7, 36.5, 38.3, 41.8, 40.9, 42.1)),
    Stages("native, Flow.Window", "list_window", (10.1, 17.3, 16.2, 16.7, 18.1, 21.6, 28.3, 40.5)),
)


@dataclass
class Timed:
    """One entry: the samples, in seconds, of the whole call and of its parts."""

    name: str
    label: str
    run: Callable[[Array, Array], object]
    threads: int
    article_s: float | None = None
    lists: bool = False
    steps: int = STEPS
    stage: int | None = None
    seconds: list[float] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=dict)

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        return spread(self.seconds)

    def part(self, name: str) -> float:
        """Return the median seconds of a part, 0 where it has none."""
        return statistics.median(self.parts.get(name, [0.0]))


@dataclass(frozen=True)
class Absent:
    """A system that cannot run here, and why."""

    system: System
    reason: str


def entries(patterns: list[str]) -> tuple[list[Timed], list[Absent]]:
    """Return what runs here, each system and each pool at each of its stages, and what does not."""
    rows = {row.name: row for row in implementations()}
    found: list[Timed] = []
    absent: list[Absent] = []
    all_threads = _threads.available()
    for system in SYSTEMS:
        row = rows[system.row]
        if not any(fnmatch.fnmatchcase(row.name, pattern) for pattern in patterns):
            continue
        for device, reason in _places(system, row):
            if reason:
                absent.append(Absent(system, reason))
                continue
            name = f"{row}@{device}" if device else str(row)
            threads = all_threads if row.steps_per_thread or row.kind == "hybrid" else 1
            run = functools.partial(_run, row, device, threads)
            found.append(
                Timed(name, system.label, run, threads, system.article_s, lists=system.lists, steps=system.steps)
            )
    for over in OVER_STAGES:
        row = rows[over.row]
        if any(fnmatch.fnmatchcase(row.name, pattern) for pattern in patterns):
            for stage, article_s in zip(STAGES, over.article_s, strict=True):
                run = functools.partial(_run, row, None, stage)
                found.append(Timed(row.name, over.label, run, stage, article_s, lists=True, stage=stage))
    # One pool after the other: two of 128 processes at once would be many.
    return sorted(found, key=lambda one: one.stage or 0), absent


def _places(system: System, row: Implementation) -> list[tuple[Device | None, str | None]]:
    """Return where a system runs, or None and the reason why it does not."""
    if row.kind == "opencl" and not discover().reason:
        devices = [device for device in row.devices if (device.kind == "gpu") == (system.device == "gpu")]
        return [(device, None) for device in devices] or [(None, f"no OpenCL {(system.device or '').upper()} found")]
    return [(None, row.unavailable)]


def _run(row: Implementation, device: Device | None, threads: int, x: Array, out: Array) -> object:
    return row.load(device)(x, out, STEPS, P, MU, threads)


def measure(wanted: list[Timed], length: int, rounds: int) -> None:
    """Verify and time each entry, in turn: a wrong answer ends the whole."""
    x, out = np.arange(length), np.empty(length, np.int64)
    started = time.perf_counter()
    for index in range(rounds):
        for number, one in enumerate(wanted):
            if index >= 3 and one.median_s > SLOW_S:
                continue
            show(
                f"round {index + 1} of {rounds}, {number + 1} of {len(wanted)}: {one.name}"
                f"{f', {one.stage} stages' if one.stage else ''}; {time.perf_counter() - started:.0f} s"
            )
            if one.stage:
                start_workers(one.stage)
            few = min(length, 64 * one.threads)
            one.run(x[:few], out[:few])  # programs and loops are built before
            out[:] = -1
            calls, start = 0, time.perf_counter()
            while not calls or time.perf_counter() - start < LEAST_S:
                result = one.run(x, out)
                calls += 1
            one.seconds.append((time.perf_counter() - start) / calls)
            if not np.array_equal(out, expected(length, one.steps)):
                show("")
                sys.exit(f"{one.name} is wrong: no time is reported")
            for name, seconds in _parts(one, x, result).items():
                one.parts.setdefault(name, []).append(seconds)
    show("")


def start_workers(count: int) -> None:
    """Start all of a pool's workers, which come one by one where the first ones are idle."""
    pool = pools._pool(count)
    wait([pool.submit(time.sleep, 0.05 + 0.002 * count) for _ in range(count)])


def _parts(one: Timed, x: Array, result: object) -> dict[str, float]:
    """Return the seconds of what is not computing: list building measured beside, transfers by the device's clock."""
    if isinstance(result, Times):
        return {"transfers": (result.write_ns + result.read_ns) * 1e-9, "kernel": result.kernel_ns * 1e-9}
    if not one.lists:
        return {}
    start = time.perf_counter()
    values = x.tolist()
    np.array(values, x.dtype)
    return {"lists": time.perf_counter() - start}


def first_table(timed: list[Timed], absent: list[Absent], c_s: float) -> str:
    """Return the articles' first table as Markdown: a line a system, in their order."""
    lines = [
        "| system | here | there, s | / C there | here, ms | / C here | spread | of it |",
        "|---|---|---:|---:|---:|---:|---:|---|",
    ]
    for system in SYSTEMS:
        for one in timed:
            if one.stage is None and one.label == system.label:
                parts = ", ".join(f"{name} {1e3 * one.part(name):.3g} ms" for name in one.parts)
                lines.append(
                    f"| {one.label} | `{one.name}` | {_there(one.article_s)} | {1e3 * one.median_s:.4g} | "
                    f"{one.median_s / c_s:.3g} | {100 * one.spread:.0f} % | {parts} |"
                )
        lines += [
            f"| {system.label} | `{system.row}` | {_there(system.article_s)} | | | | not here: {away.reason} |"
            for away in absent
            if away.system is system
        ]
    return "\n".join(lines) + "\n"


def wrong_answers(length: int) -> list[str]:
    """Return what the articles' own kernel comes to, on each device: it is rejected, and not timed."""
    row = next(row for row in implementations() if row.name == "opencl_article")
    x, out, told = np.arange(length), np.empty(length, np.int64), []
    for device in row.devices:
        row.load(device)(x, out, STEPS, P, MU, 1)
        wrong = np.count_nonzero(out != expected(length, STEPS))
        told.append(f"`{row}@{device}`, their kernel as it was: {wrong} of {length} answers are wrong; no time.\n")
    return told


def _there(article_s: float | None) -> str:
    return f"{article_s:.4g} | {article_s / C_S:.3g}" if article_s else " | "


def stages_table(timed: list[Timed], c_s: float) -> str:
    """Return the articles' tables over the stages as Markdown: theirs and ours below each other, as ratios to C."""
    lines = [f"| stages | {' | '.join(map(str, STAGES))} |", f"|---|{'---:|' * len(STAGES)}"]
    for over in OVER_STAGES:
        ours = [one for one in timed if one.name == over.row and one.stage]
        if not ours:
            continue
        there = [f"{seconds / C_S:.3g}" for seconds in over.article_s]
        here = [f"{one.median_s / c_s:.3g} ± {100 * one.spread:.0f} %" for one in ours]
        lines += [
            f"| {over.label}, there / C | {' | '.join(there)} |",
            f"| `{over.row}`, here / C | {' | '.join(here)} |",
        ]
        milliseconds = [f"{1e3 * one.median_s:.4g}" for one in ours]
        lines.append(f"| `{over.row}`, here, ms | {' | '.join(milliseconds)} |")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Conclusion:
    """What the articles concluded, what came of it here (confirmed, refuted, neither), and the figures."""

    claim: str
    verdict: str
    figures: str


def judge(claim: str, holds: bool | None, figures: str) -> Conclusion:  # noqa: FBT001
    """Return a conclusion; None where this machine cannot tell."""
    return Conclusion(claim, {True: "confirmed", False: "refuted", None: "not tested here"}[holds], figures)


def compare(claim: str, ratio: float, noise: float, figures: str) -> Conclusion:
    """Return a conclusion that holds where ratio is above 1, unless noise, a share, may have made it so."""
    told = f"{figures}, spread {100 * noise:.0f} %"
    if abs(ratio - 1) <= noise:
        return Conclusion(claim, "too close to tell", told)
    return judge(claim, ratio > 1, told)


def conclusions(timed: list[Timed]) -> list[Conclusion]:
    """Return each of the articles' conclusions that the entries here can speak to."""
    by_label: dict[str, list[Timed]] = {}
    for one in timed:
        by_label.setdefault(one.label, []).append(one)

    def best(*labels: str) -> Timed | None:
        found = [one for label in labels for one in by_label.get(label, [])]
        return min(found, key=lambda one: one.median_s, default=None)

    return [
        *_about_devices(best),
        *_about_lists(best, by_label),
        *_about_inlining(best, by_label),
    ]


def _about_devices(best: Callable[..., Timed | None]) -> list[Conclusion]:
    numpy_s, c = best("Python / NumPy, as there: a list, nine steps"), best("C, one thread, loop")
    gpu = best("OpenCL on the GPU, loop", "OpenCL on the GPU, inlined")
    any_gpu = best("OpenCL on the GPU, loop", "OpenCL on the GPU, inlined", "OpenCL on the GPU, done well")
    cpu = best(*(system.label for system in SYSTEMS if system.device != "gpu"))
    device = best("OpenCL on the CPU, loop", "OpenCL on the CPU, inlined")
    found = []
    if gpu and numpy_s and c:
        numpy_x, c_x = numpy_s.median_s / gpu.median_s, c.median_s / gpu.median_s
        found.append(
            judge(
                "OpenCL on a GPU is 17 times as fast as NumPy and 4 times as one C thread (their kernel was wrong)",
                numpy_x >= 17 and c_x >= 4,
                f"a right kernel: {numpy_x:.3g} times NumPy as there, {c_x:.3g} times C",
            )
        )
    elif device and numpy_s and c:
        numpy_x, c_x = numpy_s.median_s / device.median_s, c.median_s / device.median_s
        found.append(
            judge(
                "OpenCL on a GPU is 17 times as fast as NumPy and 4 times as one C thread (their kernel was wrong)",
                None,
                f"no GPU; a right kernel on this CPU: {numpy_x:.3g} times NumPy as there, {c_x:.3g} times C",
            )
        )
    if cpu and c:
        against = f", {any_gpu.median_s / cpu.median_s:.3g} times the GPU" if any_gpu else "; no GPU to compare with"
        found.append(
            judge(
                "with SIMD and several cores, a CPU may beat the GPU",
                cpu.median_s < any_gpu.median_s if any_gpu else None,
                f"the best of this CPU, {cpu.name}, is {c.median_s / cpu.median_s:.3g} times C{against}",
            )
        )
    if any_gpu:
        share = any_gpu.part("transfers") / any_gpu.median_s
        found.append(
            judge("the GPU loses its time in transfers", share > 0.5, f"{100 * share:.0f} % of {any_gpu.name}'s call")
        )
    else:
        found.append(judge("the GPU loses its time in transfers", None, "no GPU"))
    return found


def _about_lists(best: Callable[..., Timed | None], by_label: dict[str, list[Timed]]) -> list[Conclusion]:
    python, native, c = (
        best("Elixir, one process, loop"),
        best("native over a list, one call"),
        best("C, one thread, loop"),
    )
    found = []
    if python and native and c:
        share = native.part("lists") / native.median_s
        lost = (native.median_s - c.median_s) / native.median_s
        found.append(
            judge(
                "converting lists eats the gain of native code",
                lost > 0.5,
                f"native over a list is {python.median_s / native.median_s:.3g} times the plain loop, and "
                f"{native.median_s / c.median_s:.3g} times as slow as C over an array; "
                f"building the lists is {100 * share:.0f} % of it",
            )
        )
    spread = by_label.get("native over a list", [])
    if native and spread:
        fastest = min(spread, key=lambda one: one.median_s)
        times = fastest.median_s / native.median_s
        found.append(
            compare(
                "sharing a native function out over workers, as Flow does, is slower than one call",
                times,
                max(fastest.spread, native.spread),
                f"at its best ({fastest.stage} stages) {times:.3g} times the time of one call",
            )
        )
    windows = best("native, Flow.Window")
    if windows and spread:
        whole = min(spread, key=lambda one: one.median_s)
        gain = whole.median_s / windows.median_s
        found.append(
            compare(
                "chunks of a calibrated length (Flow.Window) are faster than whole parts",
                gain,
                max(windows.spread, whole.spread),
                f"both at their best: {gain:.3g} times as fast",
            )
        )
    flow = by_label.get("Flow, loop", [])
    if len(flow) > 1:
        cores = _threads.cores()
        at = min((one for one in flow if (one.stage or 0) >= cores), key=lambda one: one.stage or 0)
        most = max(flow, key=lambda one: one.stage or 0)
        gain = flow[0].median_s / at.median_s
        found.append(
            judge(
                "more stages than cores bring nothing",
                most.median_s > 0.9 * at.median_s,
                f"{cores} cores: 1 to {at.stage} stages, {gain:.3g} times as fast; "
                f"{most.stage} stages take {most.median_s / at.median_s:.3g} times the time of {at.stage}",
            )
        )
    return found


def _about_inlining(best: Callable[..., Timed | None], by_label: dict[str, list[Timed]]) -> list[Conclusion]:
    found = []
    for what, loop, inlined in (
        ("Python", "Elixir, one process, loop", "the same, inlined"),
        ("C", "C, one thread, loop", "C, one thread, inlined"),
        ("OpenCL on the CPU", "OpenCL on the CPU, loop", "OpenCL on the CPU, inlined"),
        ("OpenCL on the GPU", "OpenCL on the GPU, loop", "OpenCL on the GPU, inlined"),
    ):
        plain, written_out = best(loop), best(inlined)
        if plain and written_out:
            gain = plain.median_s / written_out.median_s
            noise = max(plain.spread, written_out.spread)
            claim = f"inlining, ten steps written out, helps: {what}"
            found.append(compare(claim, gain, noise, f"{gain:.3g} times as fast"))
    pools = by_label.get("Flow, loop", []), by_label.get("Flow, inlined", [])
    if all(pools):
        gains = [loop.median_s / inlined.median_s for loop, inlined in zip(*pools, strict=True)]
        noise = statistics.median(one.spread for pool in pools for one in pool)
        gain = statistics.median(gains)
        figures = f"{min(gains):.3g} to {max(gains):.3g} times as fast, median {gain:.3g}"
        found.append(compare("inlining, ten steps written out, helps: over workers", gain, noise, figures))
    return found


def conclusions_table(found: list[Conclusion]) -> str:
    """Return the conclusions as Markdown."""
    lines = ["| the articles say | here | |", "|---|---|---|"]
    lines += [f"| {one.claim} | **{one.verdict}** | {one.figures} |" for one in found]
    return "\n".join(lines) + "\n"


def write_csv(path: Path, timed: list[Timed], length: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["label", "implementation", "stages", "threads", "elements", "steps", "article_s", "median_s",
                       "spread", "lists_s", "transfers_s", "samples"])  # fmt: skip
        for one in timed:
            parts = [one.part("lists"), one.part("transfers")]
            row = [one.label, one.name, one.stage, one.threads, length, one.steps, one.article_s, one.median_s]
            rows.writerow([*row, one.spread, *parts, " ".join(f"{second:.6g}" for second in one.seconds)])


def draw(folder: Path, timed: list[Timed], c_s: float, title: str) -> None:
    """Draw each system as a bar on a log scale, theirs above ours, and the curves over the stages."""
    import matplotlib as mpl  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415

    singles = [one for one in timed if one.stage is None]
    figure, axis = plt.subplots(figsize=(11, 0.36 * len(singles) + 1.6), layout="constrained")
    places = np.arange(len(singles))
    ours = axis.barh(places + 0.19, [one.median_s / c_s for one in singles], 0.36, color="tab:blue", label="here")
    axis.bar_label(ours, [f" {one.median_s / c_s:.3g}" for one in singles], fontsize=8)
    known = [(place, one.article_s / C_S) for place, one in zip(places, singles, strict=True) if one.article_s]
    if known:
        at, ratios = zip(*known, strict=True)
        theirs = axis.barh(np.array(at) - 0.19, ratios, 0.36, color="tab:orange", label="in the articles, 2018")
        axis.bar_label(theirs, [f" {ratio:.3g}" for ratio in ratios], fontsize=8)
    axis.set_yticks(places, [f"{one.label}\n{one.name}" for one in singles], fontsize=8)
    axis.invert_yaxis()
    axis.set_xscale("log")
    axis.axvline(1, color="black", linewidth=0.8)
    axis.margins(x=0.12)
    axis.set_xlabel("time, as a multiple of one C thread's; log scale, less is better")
    axis.grid(visible=True, axis="x", which="both", alpha=0.2)
    axis.legend()
    axis.set_title(title)
    _save(figure, folder / "bars")

    figure, axes = plt.subplots(1, 2, figsize=(12, 5), sharey=True, layout="constrained")
    for colour, over in zip(("tab:red", "tab:purple", "tab:green", "tab:blue"), OVER_STAGES, strict=True):
        pool = [one for one in timed if one.name == over.row and one.stage]
        axes[0].plot(STAGES, [seconds / C_S for seconds in over.article_s], "o-", color=colour, label=over.label)
        if pool:
            here = [one.median_s / c_s for one in pool]
            axes[1].plot([one.stage for one in pool], here, "o-", color=colour, label=over.row)
    for axis, name in zip(axes, ("in the articles, 4 cores", f"here, {_threads.cores()} cores"), strict=True):
        axis.set_title(name)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xticks(STAGES, [str(stage) for stage in STAGES])
        ticks = (1, 2, 5, 10, 20, 50, 100, 200)
        axis.set_yticks(ticks, [str(tick) for tick in ticks])
        axis.minorticks_off()
        axis.set_xlabel("stages (workers)")
        axis.grid(visible=True, which="both", alpha=0.25)
        axis.legend(fontsize=8)
    axes[0].set_ylabel("time, as a multiple of one C thread's")
    figure.suptitle(title)
    _save(figure, folder / "stages")


def _save(figure: Any, path: Path) -> None:
    for suffix in ("svg", "png"):
        figure.savefig(path.with_suffix(f".{suffix}"), dpi=110)


def main() -> None:
    summary, _, more = (__doc__ or "").partition("\n\n")
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=summary, epilog=more, formatter_class=form)
    parser.add_argument("--full", action="store_true", help="2^25 elements, as the articles")
    parser.add_argument("--length", type=int, metavar="BITS", help="2^BITS elements, 7 to 25 (default 19)")
    parser.add_argument("--rounds", type=int, default=4, help="samples of each; slow ones get 3 (default 4)")
    parser.add_argument(
        "--implementation", action="append", metavar="NAME", help="only these, and C; NAME may be a pattern: 'list*'"
    )
    parser.add_argument("--no-pictures", action="store_true", help="the tables only; pictures need Matplotlib")
    parser.add_argument("--out", type=Path, default=Path("articles"), help="the folder to write to (default articles/)")
    options = parser.parse_args()
    if options.full and options.length:
        parser.error("--full and --length exclude each other")
    bits = 25 if options.full else 19 if options.length is None else options.length
    if not 7 <= bits <= 25:
        parser.error(f"--length {bits} is outside 7 .. 25")
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds} is below 1")
    known = [row.name for row in implementations()]
    for pattern in options.implementation or ():
        if not fnmatch.filter(known, pattern):
            parser.error(f"--implementation {pattern} is none of: {', '.join(known)}")
    options.out.mkdir(parents=True, exist_ok=True)

    wanted, absent = entries([*options.implementation, "memoryview"] if options.implementation else ["*"])
    measure(wanted, 2**bits, options.rounds)
    c_s = next(one.median_s for one in wanted if one.name == "memoryview")
    title = f"2^{bits} elements, {STEPS} steps, {_threads.available()} threads"
    parts = [f"## {title}\n", first_table(wanted, absent, c_s), *wrong_answers(2**bits)]
    parts += ["### Over the stages\n", stages_table(wanted, c_s)]
    parts += ["### Their conclusions\n", conclusions_table(conclusions(wanted))]
    text = "\n".join(parts)
    print(text)
    (options.out / "articles.md").write_text(text, "utf-8")
    write_csv(options.out / "articles.csv", wanted, 2**bits)
    if not options.no_pictures:
        draw(options.out, wanted, c_s, title)
    print(f"written to {options.out}: {', '.join(sorted(path.name for path in options.out.iterdir()))}")


if __name__ == "__main__":
    main()
