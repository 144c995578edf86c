"""How far every implementation is from what this machine can do, beside the peers that people would use instead.

    tox run -e limits                        the article's run (2^25 elements, 10 steps), and how it grows; minutes
    tox run -e limits -- --length 20         the same with 2^20 elements; seconds
    tox run -e limits -- --only vector numba only what has one of these in its name, beside the limits

All contenders of a table run in turn, round after round, so that a machine that changes its speed changes it for all.
Each answer is verified before its first time counts, and after its last. Writes growth.csv, .svg and .png, and the
tables as limits.md, to the folder --out.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import functools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from quartiles import spread

from logmap_cy import _threads, implementations, logmap
from logmap_cy._registry import widest
from logmap_cy.opencl.device import discover
from logmap_cy.opencl.job import Kernel, Times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from logmap_cy._contract import Array, Compute

P, MU = 6700417, 22
MULTIPLY_ADDS = 4  # the shortest step in doubles: multiply-add, multiply-add, (add,) multiply-add; 4 as usually counted
LEAST_S = 0.001
SLOW_S = 1.0  # what takes longer than this is called less often

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
    """Something to time: run(x, out, num) writes num steps of x to out; a limit has no answer to be right.

    Where run returns Times, the device's own count.
    """

    name: str
    run: Callable[[Array, Array, int], object]
    limit: bool = False
    dtypes: tuple[type[np.integer[Any]], ...] = (np.int64,)


@dataclass
class Timed:
    """A contender's samples at one point: seconds of whole calls of `length` elements."""

    name: str
    length: int
    num: int
    threads: int
    dtype: str
    seconds: list[float] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        return spread(self.seconds)

    @property
    def steps_per_s(self) -> float:
        return self.length * self.num / self.median_s


@functools.cache
def pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_threads.cores())


def copy(x: Array, out: Array, threads: int) -> None:
    """Copy with so many threads; NumPy releases the GIL."""
    if threads == 1:
        np.copyto(out, x)
        return
    share = -(-len(x) // threads)
    parts = [slice(start, start + share) for start in range(0, len(x), share)]
    list(pool().map(lambda part: np.copyto(out[part], x[part]), parts))


def rows(threads: int | None) -> Iterable[Contender]:
    """Yield what logmap takes by itself, and the registry's rows, each on each of its devices."""
    yield Contender("auto", functools.partial(_logmap, threads=threads), dtypes=(np.int64, np.int32))
    for row in implementations():
        if row.known_wrong or row.unavailable:
            continue
        for device in row.devices or (None,):
            name = f"{row}@{device}" if device else str(row)
            call = functools.partial(_logmap, implementation=row.name, device=device, threads=threads)
            yield Contender(name, call, dtypes=(np.int64, np.int32))


def _logmap(x: Array, out: Array, num: int, **options: Any) -> None:
    logmap(x, num, P, MU, out=out, **options)


def on_devices() -> Iterable[Contender]:
    """Yield the OpenCL rows once more, by the device's own clock and without transfers, and one that only copies."""
    for row in implementations():
        if row.kind == "opencl" and not row.known_wrong:
            for device in row.devices:
                kernel = row.load(device)
                yield Contender(
                    f"{row}@{device}, kernel", functools.partial(_kernel, kernel), dtypes=(np.int64, np.int32)
                )
    for device in discover().devices:
        kernel = Kernel("opencl_copy", device)
        yield Contender(f"opencl_copy@{device}, kernel", functools.partial(_kernel, kernel), limit=True)


def _kernel(kernel: Compute, x: Array, out: Array, num: int) -> object:
    return kernel(x, out, num, P, MU, 1)


def peer_numba(*, unsigned: bool, threads: int | None) -> Callable[[Array, Array, int], object]:
    import numba  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415

    kind = np.uint64 if unsigned else np.int64
    p, mu, one = kind(P), kind(MU), kind(1)

    @numba.njit(parallel=True)  # type: ignore[untyped-decorator, unused-ignore]
    def run(x: Any, out: Any, num: Any) -> None:
        for i in numba.prange(x.size):
            u = x[i]
            for _ in range(num):
                u = mu * u * (u + one) % p
            out[i] = u

    def call(x: Array, out: Array, num: int) -> None:
        most = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined, unused-ignore]
        numba.set_num_threads(min(threads or _threads.available(), most))
        run(x.view(kind), out.view(kind), num)

    return call


def peer_numexpr() -> Callable[[Array, Array, int], object]:
    import numexpr  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415

    def call(x: Array, out: Array, num: int) -> None:
        u = x
        for _ in range(num):
            numexpr.evaluate("mu * u * (u + 1) % p", {"u": u, "mu": np.int64(MU), "p": np.int64(P)}, out=out)
            u = out

    return call


def peer_jax() -> Callable[[Array, Array, int], object]:
    import jax  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415

    jax.config.update("jax_enable_x64", True)  # noqa: FBT003
    jax.config.update("jax_platforms", "cpu")

    def steps(x: Any, num: int) -> Any:
        return jax.lax.fori_loop(0, num, lambda _, u: MU * u * (u + 1) % P, x)

    run = jax.jit(steps, static_argnums=1)

    def call(x: Array, out: Array, num: int) -> None:
        np.copyto(out, np.asarray(run(x, num).block_until_ready()))

    return call


def peer_torch() -> Callable[[Array, Array, int], object]:
    import torch  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415

    def call(x: Array, out: Array, num: int) -> None:
        u, target = torch.from_numpy(x), torch.from_numpy(out)
        for _ in range(num):
            torch.remainder(MU * u * (u + 1), P, out=target)
            u = target

    return call


def peer_c() -> Callable[[Array, Array, int], object]:
    """Compile the plain loop for this machine."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise ImportError("no C compiler")
    folder = tempfile.mkdtemp(prefix="limits-")
    source, library = Path(folder, "loop.c"), Path(folder, "loop.so")
    source.write_text(C_LOOP, "utf-8")
    subprocess.run([compiler, "-O3", "-march=native", "-shared", "-fPIC", source, "-o", library], check=True)
    steps = ctypes.CDLL(str(library)).steps
    shutil.rmtree(folder)
    steps.argtypes = [ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 4]
    return lambda x, out, num: steps(x.ctypes.data, out.ctypes.data, len(x), num, P, MU)


PEERS: dict[str, Callable[[int | None], Callable[[Array, Array, int], object]]] = {
    "numba signed": lambda threads: peer_numba(unsigned=False, threads=threads),
    "numba unsigned": lambda threads: peer_numba(unsigned=True, threads=threads),
    "numexpr": lambda _: peer_numexpr(),
    "jax": lambda _: peer_jax(),
    "torch": lambda _: peer_torch(),
    "C loop": lambda _: peer_c(),
}


def peers(threads: int | None) -> Iterable[Contender]:
    """Yield the peers that are installed, and say which are not."""
    for name, load in PEERS.items():
        try:
            yield Contender(name, load(threads))
        except ImportError as error:
            print(f"not here: {name} ({error})", file=sys.stderr)


def contenders(threads: int | None, only: list[str]) -> list[Contender]:
    """Return the limits, the rows and the peers for so many threads, None for as many as there are."""
    count = _threads.available() if threads is None else threads
    limits = [Contender("copy, 1 thread", lambda x, out, _: copy(x, out, 1), limit=True)]
    if count > 1:
        limits.append(Contender(f"copy, {count} threads", lambda x, out, _: copy(x, out, count), limit=True))
    found = [*rows(threads), *peers(threads)]
    if count == _threads.available():
        found += on_devices()
    else:  # these take all threads whatever they are told
        found = [one for one in found if not one.name.startswith(("opencl", "numexpr", "jax", "torch"))]
    wanted = [one for one in found if one.limit or not only or any(word in one.name for word in only)]
    return limits + wanted


def aligned(length: int, dtype: type[np.integer[Any]]) -> Array:
    """Return a new array that starts at a cache line, each page touched."""
    memory = np.zeros(length * np.dtype(dtype).itemsize + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + length * np.dtype(dtype).itemsize].view(dtype)


@functools.cache
def expected(length: int, num: int) -> Array:
    """Return the oracle's answers for x = 0 .. length - 1; from x = P on they repeat."""
    residues = np.arange(min(length, P), dtype=object) if length < 2**10 else np.arange(min(length, P), dtype=np.uint64)
    for _ in range(num):
        residues = MU * residues * (residues + 1) % P  # below 2**51
    return np.resize(residues.astype(np.int64), length)


def measure(
    wanted: list[Contender],
    length: int,
    num: int,
    dtype: type[np.integer[Any]],
    threads: int,
    rounds: int,
    budget_s: float,
) -> list[Timed]:
    """Verify and time each contender, in turn; what is slow is timed on fewer elements and less often."""
    x, out = aligned(length, dtype), aligned(length, dtype)
    np.copyto(x, np.arange(length))
    answers = expected(length, num)
    timed: list[tuple[Contender, Timed]] = []
    for one in wanted:
        if dtype not in one.dtypes and not one.limit:
            continue
        part = min(length, 2**10)
        one.run(x[:part], out[:part], num)  # what is compiled at the first call is compiled now
        while True:  # find the most elements that fit the budget, verified at each length
            out[:part] = -1
            start = time.perf_counter()
            one.run(x[:part], out[:part], num)
            spent = time.perf_counter() - start
            if not one.limit and not np.array_equal(out[:part], answers[:part]):
                sys.exit(f"{one.name} is wrong for {part} elements and {num} steps: no time is reported")
            if part == length or spent * 8 > budget_s:
                break
            part = min(part * 8, length)
        timed.append((one, Timed(one.name, part, num, threads, np.dtype(dtype).name)))
    for index in range(rounds):
        show(f"2^{length.bit_length() - 1} x {num}, {np.dtype(dtype).name}: round {index + 1} of {rounds}")
        for one, found in timed:
            if index >= 3 and found.median_s > SLOW_S:
                continue
            found.seconds.append(sample(one, x[: found.length], out[: found.length], num))
            if (
                index == rounds - 1
                and not one.limit
                and not np.array_equal(out[: found.length], answers[: found.length])
            ):
                sys.exit(f"{one.name} is wrong after {rounds} rounds: no time is reported")
    show("")
    return [found for _, found in timed]


def sample(one: Contender, x: Array, out: Array, num: int) -> float:
    """Return the seconds of a call, by as many as take a millisecond."""
    calls, device_s = 0, 0.0
    start = time.perf_counter()
    while True:
        result = one.run(x, out, num)
        calls += 1
        if isinstance(result, Times):
            device_s += result.kernel_ns * 1e-9
        wall_s = time.perf_counter() - start
        if wall_s >= LEAST_S:
            return (device_s or wall_s) / calls


def show(text: str) -> None:
    """Say on a terminal what is under way."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def peak(threads: int, rounds: int) -> list[float]:
    """Return samples of multiply-adds a second, in registers, by the widest vectors that this processor has."""
    multiply_adds = widest().multiply_adds
    samples = []
    for _ in range(rounds):
        start = time.perf_counter()
        done = multiply_adds(2**22, threads)
        samples.append(done / (time.perf_counter() - start))
    return samples


def table(title: str, timed: list[Timed], peak_per_s: float) -> str:
    """Return a Markdown table, the fastest first."""
    copies = [one for one in timed if one.name.startswith("copy")]
    copy_s = min(one.median_s / one.length for one in copies)
    lines = [
        f"### {title}", "",
        f"Multiply-add peak: {peak_per_s:.3g}/s; 4 for each step.", "",
        "| | ms | steps/s | times the copy | share of the peak | spread |", "|---|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for one in sorted(timed, key=lambda one: one.median_s / one.length):
        limit = one.name.startswith(("copy", "opencl_copy"))
        of_length = "" if one.length == max(other.length for other in timed) else f" ({one.length} elements)"
        ratio = one.median_s / one.length / copy_s
        cells = [
            one.name + of_length, f"{1e3 * one.median_s:.4g}",
            "" if limit else f"{one.steps_per_s:.3g}", f"{ratio:.3g}",
            "" if limit else f"{MULTIPLY_ADDS * one.steps_per_s / peak_per_s:.2f}", f"{100 * one.spread:.0f} %",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def overhead(rounds: int) -> str:
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
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(5 * rounds):
        for name, call in calls.items():
            samples[name].append(timeit.timeit(call, number=2000) / 2000)
    ufunc_s = statistics.median(samples["np.multiply(x, x)"])
    lines = ["### One call, 64 elements, int64", "", "| | ns | times the ufunc |", "|---|---:|---:|"]
    for name, seconds in samples.items():
        median_s = statistics.median(seconds)
        lines.append(f"| {name} | {1e9 * median_s:.0f} | {median_s / ufunc_s:.2f} |")
    return "\n".join(lines) + "\n"


def growth(only: list[str], most: int, rounds: int) -> dict[str, list[Timed]]:
    """Return the times over lengths, over steps, and over threads."""
    found: dict[str, list[Timed]] = {"elements": [], "steps": [], "threads": []}
    everything = _threads.available()
    for bits in range(6, most + 3, 3):
        found["elements"] += measure(contenders(None, only), 2**bits, 10, np.int64, everything, rounds, 0.5)
    for num in (1, 3, 10, 30, 100, 300, 1000):
        found["steps"] += measure(contenders(None, only), 2 ** min(most, 20), num, np.int64, everything, rounds, 0.5)
    for threads in range(1, everything + 1):
        found["threads"] += measure(contenders(threads, only), 2**most, 10, np.int64, threads, rounds, 0.5)
    return found


def write_csv(path: Path, found: dict[str, list[Timed]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["over", "name", "dtype", "elements", "steps", "threads", "median_s", "spread", "steps_per_s"])
        for over, timed in found.items():
            for one in timed:
                row = [over, one.name, one.dtype, one.length, one.num, one.threads, one.median_s, one.spread]
                rows.writerow([*row, one.steps_per_s])


def plot(folder: Path, found: dict[str, list[Timed]]) -> None:
    """Draw nanoseconds an element over each of the three, one line a contender."""
    import matplotlib as mpl  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415

    figure, axes = plt.subplots(1, 3, figsize=(17, 7), sharey=False, layout="constrained")
    colours = plt.get_cmap("tab20").colors  # type: ignore[attr-defined, unused-ignore]
    names = list(dict.fromkeys(one.name for timed in found.values() for one in timed))
    value = {"elements": lambda one: one.length, "steps": lambda one: one.num, "threads": lambda one: one.threads}
    for axis, (over, timed) in zip(axes, found.items(), strict=True):
        for index, name in enumerate(names):
            points = [one for one in timed if one.name == name]
            style = "--" if name.startswith(("copy", "opencl_copy")) else "-"
            nanoseconds = [1e9 * one.median_s / one.length for one in points]
            at = [value[over](one) for one in points]
            line = {"color": colours[index % len(colours)], "marker": "os^"[index // len(colours) % 3], "markersize": 4}
            axis.plot(at, nanoseconds, style, label=name, **line)
        axis.set_xlabel(over)
        axis.set_yscale("log")
        axis.grid(visible=True, which="both", alpha=0.25)
        if over == "threads":
            axis.set_xticks(range(1, _threads.available() + 1))
        else:
            axis.set_xscale("log", base=2 if over == "elements" else 10)
    axes[0].set_ylabel("nanoseconds an element")
    figure.suptitle("10 steps over the length; 2^20 elements over the steps; 10 steps over the threads. Dashed: copies")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    for suffix in ("svg", "png"):
        figure.savefig(folder / f"growth.{suffix}", dpi=110)


def main() -> None:
    summary, _, more = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--length", type=int, default=25, metavar="BITS", help="2^BITS elements, 10 to 27 (default 25)")
    parser.add_argument("--rounds", type=int, default=9, help="samples of each (default 9)")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="contenders with a WORD in their name")
    parser.add_argument("--no-growth", action="store_true", help="the tables only")
    parser.add_argument("--out", type=Path, default=Path("limits"), help="the folder to write to (default limits/)")
    options = parser.parse_args()
    if not 10 <= options.length <= 27:
        parser.error(f"--length {options.length} is outside 10 .. 27")
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds} is below 1")
    options.out.mkdir(parents=True, exist_ok=True)
    all_threads, most = _threads.available(), options.length
    tables = []
    for threads, length, num, dtype, what in (
        (None, 2**most, 10, np.int64, f"2^{most} elements, 10 steps, int64, all threads"),
        (None, 2**most, 10, np.int32, f"2^{most} elements, 10 steps, int32, all threads"),
        (1, 2 ** min(most, 20), 1000, np.int64, f"2^{min(most, 20)} elements, 1000 steps, int64, one thread"),
    ):
        wanted = contenders(threads, options.only)
        before = peak(threads or all_threads, options.rounds)
        timed = measure(wanted, length, num, dtype, threads or all_threads, options.rounds, 3.0)
        after = peak(threads or all_threads, options.rounds)
        tables.append(table(what, timed, statistics.median(before + after)))
        print(tables[-1], flush=True)
    tables.append(overhead(options.rounds))
    print(tables[-1], flush=True)
    (options.out / "limits.md").write_text("\n".join(tables), "utf-8")
    if not options.no_growth:
        found = growth(options.only, most, min(options.rounds, 5))
        write_csv(options.out / "growth.csv", found)
        plot(options.out, found)
        print(f"written: {options.out}/limits.md, growth.csv, growth.svg, growth.png")


if __name__ == "__main__":
    main()
