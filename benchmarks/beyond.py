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
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import dask  # type: ignore[import-not-found, unused-ignore]
import dask.array as da  # type: ignore[import-not-found, unused-ignore]
import numpy as np
import psutil  # type: ignore[import-not-found, import-untyped, unused-ignore]
import zarr  # type: ignore[import-not-found, unused-ignore]
from distributed import Client, LocalCluster  # type: ignore[import-not-found, unused-ignore]
from quartiles import quartiles

from logmap_cy import logmap

if sys.platform != "win32":
    import resource

P, MU = 6700417, 22
BLOCK = 2**20  # elements of 8 bytes
THREADS = 2
ALLOWED = 2**28  # bytes of address space: the stacks of threads count in full


def answers(num: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the right answers for x = 0 .. P - 1, after which they repeat; every product is below 2**51."""
    values = np.arange(P)
    for _ in range(num):
        values = MU * values * (values + 1) % P
    return values


def expected(length: int, num: int) -> int:
    """Return the sum of the answers for x = 0 .. length - 1."""
    right = answers(num)
    return length // P * int(right.sum()) + int(right[: length % P].sum())


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
        total = int(stored.sum().compute(scheduler="threads", num_workers=THREADS))
    if total != expected(length, 10):
        sys.exit(f"the sum of the answers is {total}, not {expected(length, 10)}")
    print(
        f"Zarr to Zarr: {found['bytes'] / 1e6:.0f} MB in and as many out, {THREADS} threads:"
        f" {found['seconds']:.2f} s ({found['bytes'] / found['seconds'] / 1e6:.0f} MB/s);"
        f" memory grew by {found['growth'] / 1e6:.0f} MB at the most"
    )


def workers(length: int, num: int, rounds: int, implementation: str) -> dict[int, list[float]]:
    """Return the seconds of each round, for clusters of one and of two workers."""
    total = expected(length, num)
    seconds: dict[int, list[float]] = {1: [], 2: []}
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
                if found != total:
                    sys.exit(f"the sum of the answers is {found}, not {total}")
    return seconds


def report_workers(length: int, num: int, rounds: int, implementation: str) -> None:
    seconds = workers(length, num, rounds, implementation)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"2^{length.bit_length() - 1} elements, {num} steps, {implementation}, {cores} cores, {rounds} rounds:")
    for count, values in seconds.items():
        lower, median, upper = quartiles(values)
        print(f"  {count} worker{'s'[: count - 1]}: {median:.3f} s (quartiles {lower:.3f} to {upper:.3f})")
    lower, median, upper = quartiles([a / b for a, b in zip(seconds[1], seconds[2], strict=True)])
    print(f"  speed-up of two over one: {median:.2f} (quartiles {lower:.2f} to {upper:.2f})")


def main() -> None:
    summary, _, more = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=512, help="of the array from Zarr to Zarr (default 512)")
    parser.add_argument("--length", type=int, default=24, metavar="BITS", help="2^BITS elements (default 24)")
    parser.add_argument("--steps", type=int, default=30, help="for the workers (default 30)")
    parser.add_argument("--rounds", type=int, default=7, help="samples of each cluster (default 7)")
    parser.add_argument("--implementation", default="memoryview", help="for the workers (default memoryview)")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name, least in (("megabytes", 2 * ALLOWED >> 20), ("steps", 1), ("rounds", 1)):
        if getattr(options, name) < least:
            parser.error(f"--{name} {getattr(options, name)} is below {least}")
    if not 20 <= options.length <= 32:
        parser.error(f"--length {options.length} is outside 20 .. 32")
    if options.child:
        print(json.dumps(through(options.child, options.megabytes << 17)))
        return
    report_through(options.megabytes << 17)
    report_workers(2**options.length, options.steps, options.rounds, options.implementation)


if __name__ == "__main__":
    main()
