"""How far every implementation is from what this machine can do, beside the peers that people would use instead.

    tox run -e limits                         2^25 elements, 10 steps, as in the articles, and how it grows; minutes
    tox run -e limits -- --length 20          the same with 2^20 elements; seconds
    tox run -e limits -- --only vector numba  only what has one of these words in its name, beside the limits

All contenders of a table run in turn, round after round, so that a machine that changes its speed changes it for all.
Each answer is verified before its first time counts, and after its last. Writes the tables as limits.md, and
growth.csv, .svg and .png, to the folder --out.
"""

from __future__ import annotations

import csv
import ctypes
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
import timeit
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from _harness import MU, P, Samples, machine, parser, progress, pyplot, save, table, verify, within

from logmap_cy import _threads, implementations, logmap
from logmap_cy._registry import widest
from logmap_cy.opencl.job import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from logmap_cy._contract import Array

    Run: TypeAlias = Callable[[Array, Array, int], object]

# For one step of one element, by the best step in doubles: multiply-add, multiply, round, multiply-add. In single
# precision these are a multiplication and three multiply-adds, on vectors of twice as many.
MULTIPLY_ADDS, FLOAT_MULTIPLY_ADDS = 4, 2
# What is faster is called several times for a sample.
LEAST_S = 0.001
# These take all threads, whatever they are told.
OWN_THREADS = ("opencl", "numexpr", "jax", "torch")
GROWTH_STEPS = (1, 3, 10, 30, 100, 300, 1000)

C_LOOP = """
#include <stdint.h>
void steps(const int64_t *x, int64_t *out, int64_t n, int64_t num, int64_t p, int64_t mu) {
    for (int64_t i = 0; i < n; i++) {
        int64_t u = x[i] % p;
        for (int64_t k = 0; k < num; k++)
            u = mu * u * (u + 1) % p;
        out[i] = u;
    }
}
"""


@dataclass(frozen=True)
class Contender:
    """Something to time: run(x, out, num) writes num steps of x to out, and may return a device's own times.

    A limit copies x, and has no answers to verify.
    """

    name: str
    run: Run
    limit: bool = False
    dtypes: tuple[str, ...] = ("int64",)


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

    @property
    def steps_per_s(self) -> float:
        return self.length * self.num / self.seconds.median


@functools.cache
def pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_threads.cores())


def copy(x: Array, out: Array, _: int, *, threads: int) -> None:
    """Copy with so many threads; NumPy releases the GIL."""
    share = -(-len(x) // threads)
    parts = [slice(start, start + share) for start in range(0, len(x), share)]
    list((pool().map if threads > 1 else map)(lambda part: np.copyto(out[part], x[part]), parts))


def call(x: Array, out: Array, num: int, **options: Any) -> None:
    logmap(x, num, P, MU, out=out, **options)


def ours(threads: int | None) -> Iterator[Contender]:
    """Yield what logmap takes by itself, and each row on each of its devices, by the device's own clock, too."""
    both = ("int64", "int32")
    yield Contender("auto", functools.partial(call, threads=threads), dtypes=both)
    devices = {}
    for row in implementations():
        if row.known_wrong or row.unavailable:
            continue
        for device in row.devices or (None,):
            name = f"{row}@{device}" if device else str(row)
            options: dict[str, Any] = {"implementation": row.name, "device": device, "threads": threads}
            yield Contender(name, functools.partial(call, **options), dtypes=both)
            if device:
                devices[str(device)] = device
                yield Contender(f"{name}, kernel", functools.partial(kernel, row.load(device)), dtypes=both)
    for name, device in devices.items():
        loaded = Kernel("opencl_copy", device)
        yield Contender(f"opencl_copy@{name}, kernel", functools.partial(kernel, loaded), limit=True)


def kernel(compute: Callable[..., object], x: Array, out: Array, num: int) -> object:
    return compute(x, out, num, P, MU, 1)


def numba_loop(kind: type[np.integer[Any]], threads: int) -> Run:
    import numba

    p, mu, one = kind(P), kind(MU), kind(1)

    @numba.njit(parallel=True)
    def run(x: Any, out: Any, num: Any) -> None:
        for i in numba.prange(x.size):
            u = x[i]
            for _ in range(num):
                u = mu * u * (u + one) % p
            out[i] = u

    def steps(x: Array, out: Array, num: int) -> None:
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        run(x.view(kind), out.view(kind), num)

    return steps


def numexpr_loop() -> Run:
    import numexpr

    def steps(x: Array, out: Array, num: int) -> None:
        u = x
        for _ in range(num):
            numexpr.evaluate("mu * u * (u + 1) % p", {"u": u, "mu": np.int64(MU), "p": np.int64(P)}, out=out)
            u = out

    return steps


def jax_loop() -> Run:
    import jax

    jax.config.update("jax_enable_x64", val=True)
    jax.config.update("jax_platforms", "cpu")

    def step(_: Any, u: Any) -> Any:
        return MU * u * (u + 1) % P

    run = jax.jit(lambda x, num: jax.lax.fori_loop(0, num, step, x), static_argnums=1)
    return lambda x, out, num: np.copyto(out, np.asarray(run(x, num).block_until_ready()))


def torch_loop() -> Run:
    import torch

    def steps(x: Array, out: Array, num: int) -> None:
        u, target = torch.from_numpy(x), torch.from_numpy(out)
        for _ in range(num):
            torch.remainder(MU * u * (u + 1), P, out=target)
            u = target

    return steps


def c_loop() -> Run:
    """Compile the plain loop for this machine."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise ImportError("no C compiler")
    with tempfile.TemporaryDirectory(prefix="limits-") as folder:
        source, library = Path(folder, "loop.c"), Path(folder, "loop.so")
        source.write_text(C_LOOP, "utf-8")
        subprocess.run([compiler, "-O3", "-march=native", "-shared", "-fPIC", source, "-o", library], check=True)
        steps = ctypes.CDLL(str(library)).steps
    steps.argtypes = [ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 4]
    return lambda x, out, num: steps(x.ctypes.data, out.ctypes.data, len(x), num, P, MU)


PEERS: dict[str, Callable[[int], Run]] = {
    "numba signed": functools.partial(numba_loop, np.int64),
    "numba unsigned": functools.partial(numba_loop, np.uint64),
    "numexpr": lambda _: numexpr_loop(),
    "jax": lambda _: jax_loop(),
    "torch": lambda _: torch_loop(),
    "C loop": lambda _: c_loop(),
}


def peers(threads: int) -> Iterator[Contender]:
    """Yield the peers that are installed, and say which are not."""
    for name, load in PEERS.items():
        try:
            yield Contender(name, load(threads))
        except ImportError as error:
            print(f"not here: {name} ({error})", file=sys.stderr)


@functools.cache
def contenders(threads: int) -> list[Contender]:
    """Return the limits, the rows and the peers for so many threads."""
    limits = [
        Contender(f"copy, {count} thread{'s'[: count - 1]}", functools.partial(copy, threads=count), limit=True)
        for count in sorted({1, threads})
    ]
    # None is what users pass, and means fewer threads for small arrays.
    found = (
        [*ours(None), *peers(threads)]
        if threads == _threads.available()
        else [one for one in (*ours(threads), *peers(threads)) if not one.name.startswith(OWN_THREADS)]
    )
    return limits + found


def chosen(threads: int, words: list[str]) -> list[Contender]:
    """Return the limits, and the contenders that have one of the words in their names, all without words."""
    return [one for one in contenders(threads) if one.limit or not words or any(word in one.name for word in words)]


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
                if index == rounds - 1 and not one.contender.limit:
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


def peak(threads: int, rounds: int) -> Samples:
    """Return samples of multiply-adds a second, in registers, by the widest vectors that this processor has."""
    multiply_adds, samples = widest().multiply_adds, Samples()
    for _ in range(rounds):
        start = time.perf_counter()
        done = multiply_adds(2**22, threads)
        samples.append(done / (time.perf_counter() - start))
    return samples


def limits_table(title: str, timed: list[Timed], peak_per_s: float) -> str:
    """Return a Markdown table, the fastest first."""
    longest = max(one.length for one in timed)
    copy_ns = min(one.ns_per_element for one in timed if one.contender.name.startswith("copy"))
    lines = []
    for one in sorted(timed, key=lambda one: one.ns_per_element):
        name = one.contender.name + ("" if one.length == longest else f" ({one.length} elements)")
        operations = FLOAT_MULTIPLY_ADDS if "_float" in one.contender.name else MULTIPLY_ADDS
        rate, share = f"{one.steps_per_s:.3g}", f"{operations * one.steps_per_s / peak_per_s:.2f}"
        rate, share = ("", "") if one.contender.limit else (rate, share)
        times = f"{one.ns_per_element / copy_ns:.3g}"
        lines.append([name, f"{1e3 * one.seconds.median:.4g}", rate, times, share, f"{one.seconds.spread:.0%}"])
    columns = ["", "ms:", "steps/s:", "times the copy:", "share of the peak:", "spread:"]
    note = f"Multiply-add peak: {peak_per_s:.3g}/s in doubles; 4 for each step, in single precision as many as 2."
    return f"### {title}\n\n{note}\n\n{table(columns, lines)}"


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
    return f"### One call, 64 elements, int64\n\n{table(['', 'ns:', 'times the ufunc:'], lines)}"


def growth(only: list[str], most: int, rounds: int) -> dict[str, list[Timed]]:
    """Return the times over lengths, over steps, and over threads."""
    everything = _threads.available()

    def timed(length: int, num: int, threads: int) -> list[Timed]:
        return measure(chosen(threads, only), length, num, "int64", threads, rounds, 0.5)

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
    """Draw nanoseconds an element over each of the three, one line a contender; copies are dashed."""
    plt = pyplot()
    figure, axes = plt.subplots(1, 3, figsize=(17, 7), layout="constrained")
    colours = plt.get_cmap("tab20").colors
    contenders = dict.fromkeys(one.contender for timed in found.values() for one in timed)
    attributes = {"elements": "length", "steps": "num", "threads": "threads"}
    for axis, (over, timed) in zip(axes, found.items(), strict=True):
        for index, contender in enumerate(contenders):
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
    figure.suptitle(f"10 steps over the length; {steps_over}; 10 steps over the threads. Dashed: copies")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    save(figure, path)


def main() -> None:
    options_of = parser(__doc__, rounds=9)
    options_of.add_argument("--length", type=within(10, 27), default=25, metavar="BITS", help="2^BITS elements")
    options_of.add_argument(
        "--only", nargs="+", default=[], metavar="WORD", help="contenders with a WORD in their name"
    )
    options_of.add_argument("--no-growth", action="store_true", help="the tables only")
    options_of.add_argument("--out", type=Path, default=Path("limits"), help="the folder to write to")
    options = options_of.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    everything, most, rounds = _threads.available(), options.length, options.rounds
    parts = [machine() + "\n"]
    print(parts[0])
    for bits, num, dtype, threads, who in (
        (most, 10, "int64", everything, "all threads"),
        (most, 10, "int32", everything, "all threads"),
        (min(most, 20), 1000, "int64", 1, "one thread"),
    ):
        before = peak(threads, rounds)
        timed = measure(chosen(threads, options.only), 2**bits, num, dtype, threads, rounds, 3.0)
        peaks = Samples(before + peak(threads, rounds))
        parts.append(limits_table(f"2^{bits} elements, {num} steps, {dtype}, {who}", timed, peaks.median))
        print(parts[-1], flush=True)
    parts.append(overhead_table(rounds))
    print(parts[-1], flush=True)
    (options.out / "limits.md").write_text("\n".join(parts), "utf-8")
    if not options.no_growth:
        found = growth(options.only, most, min(rounds, 5))
        write_csv(options.out / "growth.csv", found)
        plot(options.out / "growth", found, most)
    print(f"written to {options.out}: {', '.join(sorted(path.name for path in options.out.iterdir()))}")


if __name__ == "__main__":
    main()
