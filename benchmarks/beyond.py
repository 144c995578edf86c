"""Arrays larger than memory, and more than one process: logmap of Dask arrays, measured.

    tox run -e beyond                      512 MB from Zarr to Zarr; 2^24 elements on one worker and two; half a minute
    tox run -e beyond -- --megabytes 8192  the same with 8 GB, in the same memory; minutes, and 16 GB of disk
    tox run -e beyond -- --steps 10        the workers with the articles' ten steps

Zarr to Zarr: blocks of 8 MB, uncompressed, on threads of one fresh process. What its memory grows by is its peak less
what it had after its imports; Linux refuses it more than 256 MB, whatever the array's size.

Workers: processes of one thread each, clusters of one and of two, in turn, round after round, so that a machine that
changes its speed changes it for both. The blocks are made on the workers and summed there. Every sum is verified.
"""

# mypy: allow-untyped-calls
from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import psutil
import zarr
from _harness import MU, P, Samples, expected, machine, parser, within
from distributed import Client, LocalCluster

from logmap_cy import logmap

if sys.platform != "win32":
    import resource

BLOCK = 2**20  # elements of 8 bytes
THREADS = 2
ALLOWED = 2**28  # bytes of address space: the stacks of threads count in full


def total(length: int, num: int) -> int:
    """Return the sum of the answers for x = 0 .. length - 1, without an array of that length."""
    period = expected(P, num)
    return length // P * int(period.sum()) + int(period[: length % P].sum())


def check(found: int, length: int, num: int) -> None:
    """End the report where the sum of the answers is wrong."""
    if found != total(length, num):
        sys.exit(f"the sum of the answers is {found}, not {total(length, num)}: no time is reported")


def status(name: str) -> int:
    """Return a line of Linux's /proc/self/status, in bytes. The peak there is of this program, unlike getrusage's."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def peak() -> int:
    """Return the most memory that this process has held, in bytes."""
    if sys.platform == "linux":
        return status("VmHWM")
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts bytes


def through(folder: Path, length: int) -> dict[str, float]:
    """Write 0 .. length - 1 to folder/x, and its map from there to folder/answer; return what that took."""

    def create(name: str) -> Any:
        return zarr.create_array(folder / name, shape=(length,), chunks=(BLOCK,), dtype="int64", compressors=None)

    before = peak()
    if sys.platform == "linux":
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (status("VmData") + ALLOWED, hard))
    with (
        dask.config.set(scheduler="threads", num_workers=THREADS),
        zarr.config.set({"threading.max_workers": THREADS}),  # or as many as there are cores
    ):
        da.arange(length, chunks=BLOCK).store(create("x"), lock=False)
        start = time.perf_counter()
        da.store(logmap(da.from_zarr(folder / "x")), create("answer"), lock=False)
        seconds = time.perf_counter() - start
    return {"bytes": 8 * length, "growth": peak() - before, "seconds": seconds}


def report_through(length: int) -> None:
    with tempfile.TemporaryDirectory(prefix="beyond-") as folder:
        command = [sys.executable, __file__, "--child", folder, "--megabytes", str(8 * length >> 20)]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        stored = da.from_zarr(Path(folder, "answer"))
        check(int(stored.sum().compute(scheduler="threads", num_workers=THREADS)), length, 10)
    print(
        f"Zarr to Zarr: {found['bytes'] / 1e6:.0f} MB in and as many out, {THREADS} threads:"
        f" {found['seconds']:.2f} s ({found['bytes'] / found['seconds'] / 1e6:.0f} MB/s);"
        f" memory grew by {found['growth'] / 1e6:.0f} MB at the most"
    )


def workers(length: int, num: int, rounds: int, implementation: str) -> dict[int, Samples]:
    """Return the seconds of each round, for clusters of one and of two workers."""
    seconds = {1: Samples(), 2: Samples()}
    options: dict[str, Any] = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": ":0"}
    with (
        LocalCluster(n_workers=1, **options) as one,
        LocalCluster(n_workers=2, **options) as two,
        Client(one.scheduler_address, set_as_default=False) as client_one,
        Client(two.scheduler_address, set_as_default=False) as client_two,
    ):
        for turn in range(rounds + 1):  # the first warms the workers up
            # The same map by another mu: Dask finds no answer of an earlier round again.
            lazy = da.sum(logmap(da.arange(length, chunks=BLOCK), num, P, MU + turn * P, implementation=implementation))
            for count, client in ((1, client_one), (2, client_two)):
                start = time.perf_counter()
                found = int(client.compute(lazy).result())
                if turn:
                    seconds[count].append(time.perf_counter() - start)
                check(found, length, num)
    return seconds


def report_workers(length: int, num: int, rounds: int, implementation: str) -> None:
    seconds = workers(length, num, rounds, implementation)
    print(f"2^{length.bit_length() - 1} elements, {num} steps, {implementation}, {rounds} rounds:")
    for count, values in seconds.items():
        lower, median, upper = values.quartiles()
        print(f"  {count} worker{'s'[: count - 1]}: {median:.3f} s (quartiles {lower:.3f} to {upper:.3f})")
    lower, median, upper = Samples(a / b for a, b in zip(seconds[1], seconds[2], strict=True)).quartiles()
    print(f"  speed-up of two over one: {median:.2f} (quartiles {lower:.2f} to {upper:.2f})")


def main() -> None:
    options_of = parser(__doc__, rounds=7)
    megabytes = within(8)
    options_of.add_argument("--megabytes", type=megabytes, default=512, help="of the array from Zarr to Zarr")
    options_of.add_argument("--length", type=within(20, 32), default=24, metavar="BITS", help="2^BITS elements")
    options_of.add_argument("--steps", type=within(1), default=30, help="for the workers")
    options_of.add_argument("--implementation", default="memoryview", help="for the workers")
    options_of.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = options_of.parse_args()
    if options.child:
        print(json.dumps(through(options.child, options.megabytes << 17)))
        return
    print(machine())
    report_through(options.megabytes << 17)
    report_workers(2**options.length, options.steps, options.rounds, options.implementation)


if __name__ == "__main__":
    main()
