"""What sharing the work gains on this machine: the hybrid beside the best row of the processor and each OpenCL device.

    tox run -e hybrid                          2^20, 2^22, 2^25 elements x 10 steps and 2^20 x 1000; below a minute
    tox run -e hybrid -- --rounds 51           more samples of each
    tox run -e hybrid -- --size 25 10          2^25 elements x 10 steps only; may be given several times

All run in turn, round after round, so that a machine that changes its speed changes it for all; before each round a
copy of the array is what the caches hold. Each answer is verified. The hybrid's first call has a line of its own: it
is made with the programs built and nothing known, as often as there are rounds. Who did how much stands below.
"""

from __future__ import annotations

import functools
import random
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
from _harness import MU, P, Samples, machine, parser, verify, within

from logmap_cy import _registry, logmap
from logmap_cy._drive import drive
from logmap_cy._request import check
from logmap_cy.hybrid import call

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from logmap_cy import Device
    from logmap_cy._contract import Array

    # The elements and the busy seconds of each worker.
    Shares: TypeAlias = dict[str, tuple[int, float]]

SIZES = [(20, 10), (22, 10), (25, 10), (20, 1000)]
HYBRID = next(row for row in _registry.ROWS if row.name == "hybrid")


def hybrid(x: Array, out: Array, num: int) -> Shares:
    """Do what logmap does for the hybrid; return who did how much."""
    shares: Shares = {}

    def compute(x: Array, out: Array, num: int, p: int, mu: int, threads: int, /) -> None:
        add(shares, call.compute(x, out, num, p, mu, threads))

    drive(compute, check(x, num, P, MU, out, None, "hybrid", None))
    return shares


def add(shares: Shares, more: Shares) -> None:
    """Add the elements and busy seconds of each worker to those in shares."""
    for name, (elements, seconds) in more.items():
        before = shares.get(name, (0, 0.0))
        shares[name] = before[0] + elements, before[1] + seconds


def rows(shares: Shares) -> list[str]:
    """Return a line for each worker: its name, its part of the elements, their count, its busy milliseconds."""
    total, width = sum(elements for elements, _ in shares.values()), max(map(len, shares))
    return [f"{'worker':{width}}   share    elements     busy ms"] + [
        f"{name:{width}}  {elements / total:6.1%}  {elements:10d}  {1e3 * seconds:10.3f}"
        for name, (elements, seconds) in shares.items()
    ]


def first_call(x: Array, out: Array, num: int) -> Shares:
    """Call as if nothing had been measured yet."""
    known = call.measurements
    call.measurements = functools.lru_cache(known.__wrapped__)
    try:
        return hybrid(x, out, num)
    finally:
        call.measurements = known


def contenders(x: Array) -> dict[str, Callable[[Array, Array, int], Shares | None]]:
    """Return what is timed, by name: each worker's row alone, then the hybrid, all programs being built."""

    def alone(row: str, device: Device | None, x: Array, out: Array, num: int) -> None:
        logmap(x, num, P, MU, out=out, implementation=row, device=device)

    workers, _ = call.find_workers(P, MU, idle=True)
    for worker in workers[1:]:
        while call.costs(worker, x.dtype, P, MU) is None:
            time.sleep(0.01)
    found: dict[str, Callable[[Array, Array, int], Shares | None]] = {
        f"{worker.name}, alone": functools.partial(alone, worker.name.split(": ")[1], worker.device)
        for worker in workers
    }
    return found | {"hybrid, first call": first_call, "hybrid": hybrid}


def measure(bits: int, num: int, rounds: int) -> str:
    """Return the table of one size."""
    x = np.arange(2**bits)
    out = np.zeros_like(x)
    runs = contenders(x)
    seconds = {name: Samples() for name in runs}
    shares: dict[str, Shares] = {}
    rng = random.Random(1)
    for index in range(-2, rounds):  # the first two build what is built once, and are no samples
        # In another order each time: what follows a driver whose threads still wait for work takes longer.
        for name in rng.sample([*runs], len(runs)):
            run = runs[name]
            np.copyto(out, x)
            begin = time.perf_counter()
            done = run(x, out, num)
            spent = time.perf_counter() - begin
            verify(name, out, num)
            if index >= 0:
                seconds[name].append(spent)
                if done:
                    add(shares.setdefault(name, {}), done)
    best = min(times.median for name, times in seconds.items() if name.endswith("alone"))
    width = max(map(len, runs))
    lines = [
        f"2^{bits} elements x {num} steps, {rounds} rounds",
        f"  {'':{width}}  median ms  spread  of the best alone",
    ]
    for name, times in seconds.items():
        spread = f"{times.spread:.0%}"
        lines.append(f"  {name:{width}}  {1e3 * times.median:9.3f}  {spread:>6}  {times.median / best:17.3f}")
    for name, done in shares.items():
        lines += [f"  who did what, {name}:", *(f"    {line}" for line in rows(done))]
    return "\n".join(lines) + "\n"


def main() -> None:
    options_of = parser(__doc__, rounds=21)
    options_of.add_argument(
        "--size", nargs=2, type=within(1), action="append", default=[], metavar=("BITS", "STEPS"),
        help="2^BITS elements, STEPS steps",
    )  # fmt: skip
    options = options_of.parse_args()
    if max((bits for bits, _ in options.size), default=0) > 28:
        options_of.error(f"--size {max(options.size)[0]} is above 28: 2 GB an array")
    if HYBRID.unavailable:
        sys.exit(f"no hybrid here: {HYBRID.unavailable}")
    print(f"{machine()}\n")
    for bits, num in options.size or SIZES:
        print(measure(bits, num, options.rounds), flush=True)


if __name__ == "__main__":
    main()
