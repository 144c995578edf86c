"""What a GPU does with the map: every OpenCL row and CuPy, verified, beside the processor and the hybrid.

    tox run -e gpu                         each GPU of this machine; below 8 minutes
    tox run -e gpu -- --kind cpu           the same with OpenCL devices that are processors, to try the report

Four parts. The kernels alone, by the device's clock, over arrays that no cache holds, as a rate of bytes read and
written and as a share of what a kernel that only copies reaches. Whole calls, transfers included, beside the best row
of the processor. The hybrid beside the best alone. The articles' conclusions. All of a table run in turn, round after
round, and each answer is verified. Writes all of it as gpu.md to the folder --out.
"""

from __future__ import annotations

import contextlib
import functools
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import articles
import hybrid
import numpy as np
from _contenders import Contender, call, kernel
from _harness import MU, P, machine, parser, table, within
from limits import measure

from logmap_cy import _threads, implementations
from logmap_cy.opencl.device import discover
from logmap_cy.opencl.job import Kernel
from logmap_cy.opencl.program import open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from logmap_cy import Device, Implementation
    from logmap_cy._contract import Array

DTYPES = ("int64", "int32")
# Of a kernel: at 10 the memory decides, at 100 the arithmetic.
STEPS = (10, 100)
# What the articles' conclusions are drawn from, without pools and lists.
ARTICLES = ["opencl_*", "cupy", "numpy*", "memoryview", "unrolled", "numba", "prange", "vector_*", "hybrid"]


@dataclass(frozen=True)
class Spent:
    """What a device spent on a call, in nanoseconds."""

    kernel_ns: float


def rows(kind: str) -> Iterator[tuple[Implementation, Device | None]]:
    """Yield each right row that runs on a device of this kind, with its device; CuPy, where it is, has none."""
    for row in implementations():
        if row.known_wrong or row.unavailable:
            continue
        if row.name == "cupy":
            yield row, None
        for device in row.devices:
            if device.kind == kind:
                yield row, device


def cupy_kernel() -> Callable[[Array, Array, int], Spent]:
    """Return a call of CuPy's kernel that is timed by the device's own events."""
    import cupy

    from logmap_cy.rows.cupy import kernel as built

    arguments = np.uint64(P), np.uint64(MU), MU * (P - 1) * P < 2**64

    def run(x: Array, out: Array, num: int) -> Spent:
        moved = cupy.asarray(x)
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        begin.record()
        built()(moved, np.uint64(num), *arguments, moved)
        end.record()
        end.synchronize()
        moved.get(out=out)
        return Spent(1e6 * cupy.cuda.get_elapsed_time(begin, end))

    return run


@contextlib.contextmanager
def in_one_piece(device: Device, size: int) -> Iterator[None]:
    """Let calls move arrays of so many bytes at once, so that each launch works on memory that no cache holds."""
    session = open_session(device)
    before, session.piece = session.piece, size
    try:
        yield
    finally:
        session.piece = before


def kernels(kind: str) -> Iterator[Contender]:
    """Yield the kernels of each device of this kind, that which only copies first."""
    for device in discover().devices:
        if device.kind == kind:
            copy = functools.partial(kernel, Kernel("opencl_copy", device))
            yield Contender(f"opencl_copy@{device}", copy, limit=True, dtypes=DTYPES)
    for row, place in rows(kind):
        run = functools.partial(kernel, row.load(place)) if place else cupy_kernel()
        yield Contender(f"{row}@{place}" if place else str(row), run, dtypes=DTYPES)


def kernels_table(kind: str, bits: int, num: int, dtype: str, rounds: int) -> str:
    """Return what the kernels do with 2^bits elements as Markdown, the fastest first."""
    size = 2**bits * np.dtype(dtype).itemsize
    with contextlib.ExitStack() as stack:
        for device in discover().devices:
            if device.kind == kind:
                stack.enter_context(in_one_piece(device, size))
        timed = measure(kernels(kind), 2**bits, num, dtype, _threads.available(), rounds, 5.0)
    copies = {one.contender.name.partition("@")[2]: one.ns_per_element for one in timed if one.contender.limit}
    lines = []
    for one in sorted(timed, key=lambda one: one.ns_per_element):
        place = one.contender.name.partition("@")[2]
        rate = f"{2 * np.dtype(dtype).itemsize / one.ns_per_element:.4g}"
        # CuPy has no copying kernel of its own, and works on the first device.
        copy = copies.get(place, min(copies.values(), default=math.nan))
        steps = "" if one.contender.limit else f"{one.steps_per_s:.3g}"
        spread = f"{one.seconds.spread:.0%}"
        lines.append([f"`{one.contender.name}`", one.length, f"{1e3 * one.seconds.median:.4g}", rate,
                      f"{copy / one.ns_per_element:.2f}", steps, spread])  # fmt: skip
    columns = ["kernel", "elements:", "ms:", "GB/s:", "of the copy:", "steps/s:", "spread:"]
    return f"### The kernels alone: {num} steps, {dtype}\n\n{table(columns, lines)}"


def calls_table(kind: str, bits: int, num: int, dtype: str, rounds: int) -> str:
    """Return what whole calls take as Markdown, the fastest first: each row of the devices, and `auto`."""
    found = [Contender("auto", call, dtypes=DTYPES)]
    for row, device in rows(kind):
        run = functools.partial(call, implementation=row.name, device=device)
        found.append(Contender(f"{row}@{device}" if device else str(row), run, dtypes=DTYPES))
    timed = measure(found, 2**bits, num, dtype, _threads.available(), rounds, 5.0)
    auto = timed[0].ns_per_element
    lines = [
        [f"`{one.contender.name}`", one.length, f"{1e3 * one.seconds.median:.4g}", f"{one.ns_per_element / auto:.3g}",
         f"{one.seconds.spread:.0%}"]
        for one in sorted(timed, key=lambda one: one.ns_per_element)
    ]  # fmt: skip
    columns = ["call", "elements:", "ms:", "times auto:", "spread:"]
    return f"### Whole calls: 2^{bits} elements, {num} steps, {dtype}\n\n{table(columns, lines)}"


def conclusions(bits: int, rounds: int) -> str:
    """Return the articles' first table and their conclusions, as far as they need no lists and no pools."""
    timed, absent = articles.entries(ARTICLES)
    articles.measure(timed, 2**bits, rounds)
    c_s = next(one.s for one in timed if one.name == "memoryview")
    wrong = "\n".join(articles.wrong_answers(2**bits))
    first = articles.first_table(timed, absent, c_s)
    title = f"### The articles: 2^{bits} elements, {articles.STEPS} steps"
    return "\n".join([title, "", first, wrong, articles.Conclusions(timed).table()])


def main() -> None:
    options_of = parser(__doc__, rounds=5)
    options_of.add_argument("--kind", choices=("gpu", "cpu", "accelerator"), default="gpu", help="which devices")
    options_of.add_argument("--length", type=within(12, 28), default=26, metavar="BITS", help="2^BITS elements")
    options_of.add_argument("--out", type=Path, default=Path("gpu"), help="the folder to write to")
    options = options_of.parse_args()
    here = [device for device in discover().devices if device.kind == options.kind]
    if not here and not any(row.name == "cupy" and not row.unavailable for row in implementations()):
        notes = "; ".join(discover().notes) or f"there is {', '.join(device.name for device in discover().devices)}"
        sys.exit(f"no OpenCL device of the kind {options.kind} was found, and no CuPy: {notes}")
    options.out.mkdir(parents=True, exist_ok=True)
    parts: list[str] = []

    def add(text: str) -> None:
        parts.append(text)
        print(text, flush=True)
        (options.out / "gpu.md").write_text("\n".join(parts), "utf-8")

    add("\n".join([machine(), *(f"{d}: {d.name}, {d.platform}, driver {d.driver}" for d in here), ""]))
    most, rounds = options.length, options.rounds
    for dtype in DTYPES:
        for num in STEPS:
            add(kernels_table(options.kind, most, num, dtype, rounds))
    for bits, num, dtype in ((20, 10, "int64"), (25, 10, "int64"), (25, 10, "int32"), (20, 1000, "int64")):
        add(calls_table(options.kind, min(bits, most), num, dtype, rounds))
    if not hybrid.HYBRID.unavailable:
        add("### The hybrid\n\n```text")
        # What it has learned counts, which takes some calls where they are short.
        for bits, num in hybrid.SIZES:
            add(hybrid.measure(min(bits, most), num, rounds if bits > 22 else 5 * rounds))
        add("```\n")
    add(conclusions(min(24, most), 3))
    print(f"written to {options.out / 'gpu.md'}")


if __name__ == "__main__":
    main()
