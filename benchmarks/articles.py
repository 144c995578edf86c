"""The articles' tables again, on this machine: every system that they compared, each answer verified.

    tox run -e articles               2^19 elements, 10 steps; under 2 minutes
    tox run -e articles -- --full     2^25 elements as in the articles; most of an hour, and 4 GB of memory

Two tables in the articles' layout, their seconds and ours each as a ratio to one C thread (theirs: C, ours: Cython over
typed memoryviews), what of them is list building or transfers, and the articles' conclusions, confirmed or refuted. All
run in turn, round after round, so that a machine that changes its speed changes it for all. Writes articles.md,
articles.csv, and the pictures bars and stages (.svg, .png) to the folder --out.
"""

from __future__ import annotations

import csv
import fnmatch
import functools
import time
from concurrent.futures import wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _harness import MU, P, Samples, expected, machine, parser, progress, pyplot, save, table, verify, within

from logmap_cy import _threads, implementations
from logmap_cy.rows import pool as pools

if TYPE_CHECKING:
    from collections.abc import Callable

    from logmap_cy import Device, Implementation
    from logmap_cy._contract import Array

STEPS = 10
# The articles' C, one thread, loop: all times are shown as multiples of it.
C_S = 4.23
# What is faster is called several times for a sample.
LEAST_S = 0.005
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
    """One entry: the samples, in seconds, of the whole call and of its parts.

    Attributes
    ----------
    stage: how many workers a pool has; None for what is no pool.

    """

    name: str
    label: str
    run: Callable[[Array, Array], object]
    threads: int
    article_s: float | None = None
    lists: bool = False
    steps: int = STEPS
    stage: int | None = None
    seconds: Samples = field(default_factory=Samples)
    parts: dict[str, Samples] = field(default_factory=dict)

    @property
    def s(self) -> float:
        """The median."""
        return self.seconds.median

    def part(self, name: str) -> float:
        """Return the median seconds of a part, 0 where it has none."""
        return self.parts[name].median if name in self.parts else 0.0


def entries(patterns: list[str]) -> tuple[list[Timed], dict[System, str]]:
    """Return what runs here, each system and each pool at each of its stages, and why the others do not."""
    rows = {row.name: row for row in implementations() if any(fnmatch.fnmatchcase(row.name, one) for one in patterns)}
    timed: list[Timed] = []
    absent: dict[System, str] = {}
    all_threads = _threads.available()
    for system in SYSTEMS:
        if row := rows.get(system.row):
            devices, reason = _places(system, row)
            if reason:
                absent[system] = reason
            threads = all_threads if row.steps_per_thread or row.kind == "hybrid" else 1
            for device in devices:
                name, run = f"{row}@{device}" if device else str(row), functools.partial(_run, row, device, threads)
                timed.append(Timed(name, system.label, run, threads, system.article_s, system.lists, system.steps))
    # One pool after the other: two of 128 processes at once would be many.
    for index, stage in enumerate(STAGES):
        for over in OVER_STAGES:
            if row := rows.get(over.row):
                run = functools.partial(_run, row, None, stage)
                timed.append(Timed(row.name, over.label, run, stage, over.article_s[index], lists=True, stage=stage))
    return timed, absent


def _places(system: System, row: Implementation) -> tuple[list[Device | None], str | None]:
    """Return where a system runs, None for the host, or the reason why it runs nowhere."""
    if row.kind != "opencl" or row.unavailable:
        return ([], row.unavailable) if row.unavailable else ([None], None)
    devices: list[Device | None] = [d for d in row.devices if (d.kind == "gpu") == (system.device == "gpu")]
    return devices, None if devices else f"no OpenCL {(system.device or '').upper()} found"


def _run(row: Implementation, device: Device | None, threads: int, x: Array, out: Array) -> object:
    return row.load(device)(x, out, STEPS, P, MU, threads)


def measure(timed: list[Timed], length: int, rounds: int) -> None:
    """Verify and time each entry, in turn: a wrong answer ends the whole."""
    x, out = np.arange(length), np.empty(length, np.int64)
    started = time.perf_counter()
    for index in range(rounds):
        for number, one in enumerate(timed):
            if one.seconds.enough:
                continue
            stages = f", {one.stage} stages" if one.stage else ""
            took = f"{time.perf_counter() - started:.0f} s"
            progress(f"round {index + 1} of {rounds}, {number + 1} of {len(timed)}: {one.name}{stages}; {took}")
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
            verify(one.name, out, one.steps)
            for name, seconds in _parts(one, x, result).items():
                one.parts.setdefault(name, Samples()).append(seconds)
    progress("")


def start_workers(count: int) -> None:
    """Start all of a pool's workers, which come one by one where the first ones are idle."""
    pool = pools._pools.get(count)
    with pools._pools.without_main():
        pauses = [pool.submit(time.sleep, 0.05 + 0.002 * count) for _ in range(count)]
    wait(pauses)


def _parts(one: Timed, x: Array, result: Any) -> dict[str, float]:
    """Return the seconds of what is not computing: list building measured beside, transfers by the device's clock."""
    if hasattr(result, "kernel_ns"):
        return {"transfers": (result.write_ns + result.read_ns) * 1e-9, "kernel": result.kernel_ns * 1e-9}
    if not one.lists:
        return {}
    start = time.perf_counter()
    values = x.tolist()
    np.array(values, x.dtype)
    return {"lists": time.perf_counter() - start}


def first_table(timed: list[Timed], absent: dict[System, str], c_s: float) -> str:
    """Return the articles' first table as Markdown: a line a system, in their order."""
    lines: list[list[object]] = []
    for system in SYSTEMS:
        there = ["", ""] if system.article_s is None else [f"{system.article_s:.4g}", f"{system.article_s / C_S:.3g}"]
        for one in timed:
            if one.stage is None and one.label == system.label:
                here = [f"{1e3 * one.s:.4g}", f"{one.s / c_s:.3g}", f"{one.seconds.spread:.0%}"]
                parts = ", ".join(f"{name} {1e3 * one.part(name):.3g} ms" for name in one.parts)
                lines.append([system.label, f"`{one.name}`", *there, *here, parts])
        if system in absent:
            lines.append([system.label, f"`{system.row}`", *there, "", "", "", f"not here: {absent[system]}"])
    columns = ["system", "here", "there, s:", "/ C there:", "here, ms:", "/ C here:", "spread:", "of it"]
    return table(columns, lines)


def wrong_answers(length: int) -> list[str]:
    """Return what the articles' own kernel comes to, on each device: it is rejected, and not timed."""
    row = next(row for row in implementations() if row.name == "opencl_article")
    x, out, lines = np.arange(length), np.empty(length, np.int64), []
    for device in row.devices:
        row.load(device)(x, out, STEPS, P, MU, 1)
        wrong = np.count_nonzero(out != expected(length, STEPS))
        lines.append(f"`{row}@{device}`, their kernel as it was: {wrong} of {length} answers are wrong; no time.\n")
    return lines


def stages_table(timed: list[Timed], c_s: float) -> str:
    """Return the articles' tables over the stages as Markdown: theirs and ours below each other, as ratios to C."""
    lines: list[list[object]] = []
    for over in OVER_STAGES:
        if ours := [one for one in timed if one.name == over.row and one.stage]:
            lines += [
                [f"{over.label}, there / C", *(f"{seconds / C_S:.3g}" for seconds in over.article_s)],
                [f"`{over.row}`, here / C", *(f"{one.s / c_s:.3g} ± {one.seconds.spread:.0%}" for one in ours)],
                [f"`{over.row}`, here, ms", *(f"{1e3 * one.s:.4g}" for one in ours)],
            ]
    return table(["stages", *(f"{stage}:" for stage in STAGES)], lines)


class Conclusions:
    """What the articles concluded, and what came of it here: lines of claim, verdict and figures."""

    def __init__(self, timed: list[Timed]) -> None:
        self.timed = timed
        self.lines: list[tuple[str, str, str]] = []
        self.about_devices()
        self.about_lists()
        self.about_workers()
        self.about_inlining()

    def table(self) -> str:
        lines = [(claim, f"**{verdict}**", figures) for claim, verdict, figures in self.lines]
        return table(["the articles say", "here", ""], lines)

    def all(self, label: str) -> list[Timed]:
        return [one for one in self.timed if one.label == label]

    def best(self, *labels: str) -> Timed | None:
        return min((one for label in labels for one in self.all(label)), key=lambda one: one.s, default=None)

    def judge(self, claim: str, holds: bool | None, figures: str) -> None:  # noqa: FBT001
        """Add a conclusion; None where this machine cannot tell."""
        self.lines.append((claim, {True: "confirmed", False: "refuted", None: "not tested here"}[holds], figures))

    def compare(self, claim: str, ratio: float, noise: float, figures: str) -> None:
        """Add a conclusion that holds where the ratio is above 1, unless noise, a share, may have made it so."""
        verdict = "too close to tell" if abs(ratio - 1) <= noise else "confirmed" if ratio > 1 else "refuted"
        self.lines.append((claim, verdict, f"{figures}, spread {noise:.0%}"))

    def about_devices(self) -> None:
        numpy, c = self.best("Python / NumPy, as there: a list, nine steps"), self.best("C, one thread, loop")
        on_gpu = [system.label for system in SYSTEMS if system.device == "gpu"]
        gpu, device = self.best(*on_gpu[:2]), self.best("OpenCL on the CPU, loop", "OpenCL on the CPU, inlined")
        any_gpu, cpu = self.best(*on_gpu), self.best(*(one.label for one in SYSTEMS if one.device != "gpu"))
        if numpy and c and (right := gpu or device):
            claim = "OpenCL on a GPU is 17 times as fast as NumPy and 4 times as one C thread (their kernel was wrong)"
            numpy_x, c_x = numpy.s / right.s, c.s / right.s
            where = "a right kernel" if gpu else "no GPU; a right kernel on this CPU"
            holds = (numpy_x >= 17 and c_x >= 4) if gpu else None
            self.judge(claim, holds, f"{where}: {numpy_x:.3g} times NumPy as there, {c_x:.3g} times C")
        if cpu and c:
            against = f", {any_gpu.s / cpu.s:.3g} times the GPU" if any_gpu else "; no GPU to compare with"
            self.judge(
                "with SIMD and several cores, a CPU may beat the GPU",
                cpu.s < any_gpu.s if any_gpu else None,
                f"the best of this CPU, {cpu.name}, is {c.s / cpu.s:.3g} times C{against}",
            )
        share = any_gpu.part("transfers") / any_gpu.s if any_gpu else None
        figures = f"moves in two queues at once add up to {share:.0%} of {any_gpu.name}'s call" if any_gpu else "no GPU"
        self.judge("the GPU loses its time in transfers", None if share is None else share > 0.5, figures)

    def about_lists(self) -> None:
        python, native = self.best("Elixir, one process, loop"), self.best("native over a list, one call")
        c = self.best("C, one thread, loop")
        if python and native and c:
            self.judge(
                "converting lists eats the gain of native code",
                (native.s - c.s) / native.s > 0.5,
                f"native over a list is {python.s / native.s:.3g} times the plain loop, and {native.s / c.s:.3g} times "
                f"as slow as C over an array; building the lists is {native.part('lists') / native.s:.0%} of it",
            )

    def about_workers(self) -> None:
        native, whole = self.best("native over a list, one call"), self.best("native over a list")
        windows, flow = self.best("native, Flow.Window"), self.all("Flow, loop")
        if native and whole:
            times, noise = whole.s / native.s, max(whole.seconds.spread, native.seconds.spread)
            claim = "sharing a native function out over workers, as Flow does, is slower than one call"
            self.compare(
                claim, times, noise, f"at its best ({whole.stage} stages) {times:.3g} times the time of one call"
            )
        if windows and whole:
            gain, noise = whole.s / windows.s, max(windows.seconds.spread, whole.seconds.spread)
            claim = "chunks of a calibrated length (Flow.Window) are faster than whole parts"
            self.compare(claim, gain, noise, f"both at their best: {gain:.3g} times as fast")
        if flow:
            cores, most = _threads.cores(), flow[-1]
            at = next((one for one in flow if one.threads >= cores), most)
            self.judge(
                "more stages than cores bring nothing",
                most.s > 0.9 * at.s,
                f"{cores} cores: 1 to {at.stage} stages, {flow[0].s / at.s:.3g} times as fast; "
                f"{most.stage} stages take {most.s / at.s:.3g} times the time of {at.stage}",
            )

    def about_inlining(self) -> None:
        claim = "inlining, ten steps written out, helps: "
        for what, loop, inlined in (
            ("Python", "Elixir, one process, loop", "the same, inlined"),
            ("C", "C, one thread, loop", "C, one thread, inlined"),
            ("OpenCL on the CPU", "OpenCL on the CPU, loop", "OpenCL on the CPU, inlined"),
            ("OpenCL on the GPU", "OpenCL on the GPU, loop", "OpenCL on the GPU, inlined"),
        ):
            plain, written_out = self.best(loop), self.best(inlined)
            if plain and written_out:
                gain, noise = plain.s / written_out.s, max(plain.seconds.spread, written_out.seconds.spread)
                self.compare(claim + what, gain, noise, f"{gain:.3g} times as fast")
        pools = self.all("Flow, loop"), self.all("Flow, inlined")
        if all(pools):
            gains = Samples(loop.s / inlined.s for loop, inlined in zip(*pools, strict=True))
            noise = Samples(one.seconds.spread for pool in pools for one in pool).median
            figures = f"{min(gains):.3g} to {max(gains):.3g} times as fast, median {gains.median:.3g}"
            self.compare(claim + "over workers", gains.median, noise, figures)


def write_csv(path: Path, timed: list[Timed], length: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["label", "implementation", "stages", "threads", "elements", "steps", "article_s", "median_s",
                       "spread", "lists_s", "transfers_s", "samples"])  # fmt: skip
        for one in timed:
            row = [one.label, one.name, one.stage, one.threads, length, one.steps, one.article_s, one.s]
            parts = [one.part("lists"), one.part("transfers")]
            rows.writerow([*row, one.seconds.spread, *parts, " ".join(f"{second:.6g}" for second in one.seconds)])


def draw_bars(path: Path, timed: list[Timed], c_s: float, title: str) -> None:
    """Draw each system as a bar on a log scale, theirs above ours."""
    singles = [one for one in timed if one.stage is None]
    figure, axis = pyplot().subplots(figsize=(11, 0.36 * len(singles) + 1.6), layout="constrained")
    ours = {place: one.s / c_s for place, one in enumerate(singles)}
    theirs = {place: one.article_s / C_S for place, one in enumerate(singles) if one.article_s}
    for shift, colour, label, ratios in (
        (0.19, "tab:blue", "here", ours), (-0.19, "tab:orange", "in the articles, 2018", theirs),
    ):  # fmt: skip
        bars = axis.barh([place + shift for place in ratios], [*ratios.values()], 0.36, color=colour, label=label)
        axis.bar_label(bars, [f" {ratio:.3g}" for ratio in ratios.values()], fontsize=8)
    axis.set_yticks(range(len(singles)), [f"{one.label}\n{one.name}" for one in singles], fontsize=8)
    axis.invert_yaxis()
    axis.axvline(1, color="black", linewidth=0.8)
    axis.margins(x=0.12)
    axis.set(xscale="log", xlabel="time, as a multiple of one C thread's; log scale, less is better", title=title)
    axis.grid(visible=True, axis="x", which="both", alpha=0.2)
    axis.legend()
    save(figure, path)


def draw_stages(path: Path, timed: list[Timed], c_s: float, title: str) -> None:
    """Draw the curves over the stages, theirs beside ours."""
    figure, (theirs, ours) = pyplot().subplots(1, 2, figsize=(12, 5), sharey=True, layout="constrained")
    for colour, over in zip(("tab:red", "tab:purple", "tab:green", "tab:blue"), OVER_STAGES, strict=True):
        theirs.plot(STAGES, [seconds / C_S for seconds in over.article_s], "o-", color=colour, label=over.label)
        if pool := [one for one in timed if one.name == over.row and one.stage]:
            ours.plot(STAGES, [one.s / c_s for one in pool], "o-", color=colour, label=over.row)
    ticks = (1, 2, 5, 10, 20, 50, 100, 200)
    for axis, name in ((theirs, "in the articles, 4 cores"), (ours, f"here, {_threads.cores()} cores")):
        axis.set(title=name, yscale="log", xlabel="stages (workers)")
        axis.set_xscale("log", base=2)
        axis.set_xticks(STAGES, [*map(str, STAGES)])
        axis.set_yticks(ticks, [*map(str, ticks)])
        axis.minorticks_off()
        axis.grid(visible=True, which="both", alpha=0.25)
        if axis.lines:
            axis.legend(fontsize=8)
    theirs.set_ylabel("time, as a multiple of one C thread's")
    figure.suptitle(title)
    save(figure, path)


def main() -> None:
    options_of = parser(__doc__, rounds=4)
    known = [row.name for row in implementations()]
    size = options_of.add_mutually_exclusive_group()
    size.add_argument("--full", action="store_true", help="2^25 elements, as the articles")
    size.add_argument("--length", type=within(7, 25), default=19, metavar="BITS", help="2^BITS elements")
    options_of.add_argument(
        "--implementation", action="append", metavar="NAME", help="only these, and C; NAME may be a pattern: 'list*'"
    )
    options_of.add_argument("--no-pictures", action="store_true", help="the tables only; pictures need Matplotlib")
    options_of.add_argument("--out", type=Path, default=Path("articles"), help="the folder to write to")
    options = options_of.parse_args()
    for pattern in options.implementation or ():
        if not fnmatch.filter(known, pattern):
            options_of.error(f"--implementation {pattern} is none of: {', '.join(known)}")
    options.out.mkdir(parents=True, exist_ok=True)

    length = 2 ** (25 if options.full else options.length)
    timed, absent = entries([*options.implementation, "memoryview"] if options.implementation else ["*"])
    measure(timed, length, options.rounds)
    c_s = next(one.s for one in timed if one.name == "memoryview")
    title = f"2^{length.bit_length() - 1} elements, {STEPS} steps, {_threads.available()} threads"
    parts = [f"## {title}\n", f"{machine()}\n", first_table(timed, absent, c_s), *wrong_answers(length)]
    parts += ["### Over the stages\n", stages_table(timed, c_s)]
    parts += ["### Their conclusions\n", Conclusions(timed).table()]
    text = "\n".join(parts)
    print(text)
    (options.out / "articles.md").write_text(text, "utf-8")
    write_csv(options.out / "articles.csv", timed, length)
    if not options.no_pictures:
        draw_bars(options.out / "bars", timed, c_s, title)
        draw_stages(options.out / "stages", timed, c_s, title)
    print(f"written to {options.out}: {', '.join(sorted(path.name for path in options.out.iterdir()))}")


if __name__ == "__main__":
    main()
