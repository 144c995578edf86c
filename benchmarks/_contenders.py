"""What the report on limits times: the limits themselves, each row on each of its devices, and the peers."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from _harness import MU, P
from _peers import PEERS, Unavailable

from logmap_cy import _threads, implementations, logmap
from logmap_cy._registry import widest
from logmap_cy.hybrid.call import find_workers
from logmap_cy.opencl.job import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from _peers import Run

    from logmap_cy._contract import Array

BOTH = ("int64", "int32")
# For one step of one element, by the best step in doubles: multiply-add, multiply, round, multiply-add. In single
# precision these are a multiplication and three multiply-adds, on vectors of twice as many.
MULTIPLY_ADDS, FLOAT_MULTIPLY_ADDS = 4, 2
COPY, PEAK = "copy", "multiply-adds"


@dataclass(frozen=True)
class Contender:
    """Something to time: run(x, out, num) writes num steps of x to out, and may return a device's own times.

    A limit has no answers to verify.
    """

    name: str
    run: Run
    limit: bool = False
    dtypes: tuple[str, ...] = BOTH

    @property
    def multiply_adds(self) -> int:
        """The multiply-adds in doubles that one step of one element costs as much as."""
        name = processor_row() if self.name in {"auto", "hybrid"} else self.name
        return FLOAT_MULTIPLY_ADDS if "_float" in name else MULTIPLY_ADDS


def processor_row() -> str:
    """Return the name of the row that auto, and the hybrid's processor, take here."""
    (processor, *_), _ = find_workers(P, MU, idle=False)
    return processor.name


@functools.cache
def pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_threads.cores())


def copy(x: Array, out: Array, _: int, *, threads: int) -> None:
    """Copy with so many threads; NumPy releases the GIL."""
    share = -(-len(x) // threads)
    parts = [slice(start, start + share) for start in range(0, len(x), share)]
    list((pool().map if threads > 1 else map)(lambda part: np.copyto(out[part], x[part]), parts))


def multiply_adds(x: Array, _: Array, num: int, *, threads: int) -> None:
    """Do the multiply-adds of so many steps in registers, by the widest vectors of doubles that this processor has."""
    spin = widest().multiply_adds
    spin(-(-MULTIPLY_ADDS * len(x) * num // (threads * lanes())), threads)


@functools.cache
def lanes() -> int:
    """Return how many multiply-adds a thread does at once."""
    return int(widest().multiply_adds(1, 1))


def call(x: Array, out: Array, num: int, **options: Any) -> None:
    logmap(x, num, P, MU, out=out, **options)


def kernel(compute: Callable[..., object], x: Array, out: Array, num: int) -> object:
    return compute(x, out, num, P, MU, 1)


@dataclass(frozen=True)
class Found:
    """What there is to time, and why some is not.

    Attributes
    ----------
    contenders : list of Contender
        Limits, rows and peers.
    absent : dict
        Why a row or a peer cannot run here, by its name.

    """

    contenders: list[Contender]
    absent: dict[str, str]

    def chosen(self, words: list[str]) -> list[Contender]:
        """Return the limits, and the contenders that have one of the words in their names, all without words."""
        return [one for one in self.contenders if one.limit or not words or any(word in one.name for word in words)]


def rows(threads: int | None) -> Found:
    """Return what logmap takes by itself, and each row on each of its devices, by the device's own clock, too.

    With a number of threads, only what takes no more.
    """
    found, absent, devices = [Contender("auto", functools.partial(call, threads=threads))], {}, {}
    for row in implementations():
        if row.known_wrong or (row.kind in {"opencl", "hybrid"} and threads is not None):
            continue
        if row.unavailable:
            absent[row.name] = row.unavailable
            continue
        for device in row.devices or (None,):
            name = f"{row}@{device}" if device else str(row)
            options: dict[str, Any] = {"implementation": row.name, "device": device, "threads": threads}
            found.append(Contender(name, functools.partial(call, **options)))
            if device:
                devices[str(device)] = device
                found.append(Contender(f"{name}, kernel", functools.partial(kernel, row.load(device))))
    for name, device in devices.items():
        loaded = Kernel("opencl_copy", device)
        found.append(Contender(f"opencl_copy@{name}, kernel", functools.partial(kernel, loaded), limit=True))
    return Found(found, absent)


@functools.cache
def contenders(threads: int) -> Found:
    """Return the limits, the rows and the peers for so many threads."""
    everything = threads == _threads.available()
    limits = [
        Contender(f"{COPY}, {count} thread{'s'[: count - 1]}", functools.partial(copy, threads=count), limit=True)
        for count in sorted({1, threads})
    ]
    limits.append(Contender(PEAK, functools.partial(multiply_adds, threads=threads), limit=True))
    # None is what users pass, and means fewer threads for small arrays.
    ours = rows(None if everything else threads)
    found, absent = [*limits, *ours.contenders], dict(ours.absent)
    for peer in PEERS:
        if everything or not peer.own_threads:
            try:
                found.append(Contender(peer.name, peer.load(threads), dtypes=peer.dtypes))
            except (ImportError, Unavailable) as error:
                absent[peer.name] = str(error)
    return Found(found, absent)
