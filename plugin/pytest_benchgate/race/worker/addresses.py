"""Equal addresses on both sides of a launch, and new ones in each launch.

Where the heap, the stack and the libraries of a process lie changes how fast its code is, and Linux draws that for each
process. So workers are started without it, by ADDR_NO_RANDOMIZE of personality(2), and both workers of a launch move by
the same amounts, which its seed draws: what is mapped later, what is allocated later, and the stack; only the
interpreter and its first objects stay. Equal builds then run at equal addresses, as far as both allocate alike, and the
default hashes of their objects are equal as well. Without it, the number of a launch of equal builds lay 1.2 and 1.4 %
from 0 in the median of 245 benchmarks of multidict, in two races, and with it 0.7 and 0.8 %.

Where a sandbox forbids it, as Docker does by default, each side gets addresses of its own.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import random
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Of <sys/personality.h>, and the argument that only asks.
ADDR_NO_RANDOMIZE, ASKS = 0x0040000, 0xFFFFFFFF
# The environment variable that moves the stack.
STACK = "BENCHGATE_STACK"
# Bytes by which what is mapped moves at most.
MOST_MAPPED = 2**24
# Bytes by which what is allocated moves: a smaller block may fit between others, a larger one malloc() would map.
LEAST_ALLOCATED, MOST_ALLOCATED = 2**16, 2**17 - 2**12
# All data is aligned to it.
ALIGNMENT = 16
_kept: list[object] = []


def _personality() -> Any:
    """Return the system call of this name, or None if there is none."""
    if sys.platform != "linux":
        return None
    # A Python without ctypes.
    with contextlib.suppress(ImportError, OSError, AttributeError):
        from ctypes import CDLL

        return CDLL(None).personality
    return None


@contextlib.contextmanager
def not_random() -> Iterator[None]:
    """Have processes that this thread starts in the block run at the system's usual addresses, if it allows that."""
    call = _personality()
    before = -1 if call is None else call(ASKS)
    if before == -1:
        yield
        return
    call(before | ADDR_NO_RANDOMIZE)
    try:
        yield
    finally:
        call(before)


def with_stack(seed: int, command: Sequence[object], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process whose stack begins, within a page, where the seed says.

    Above the stack lie the path of the program, its arguments and its environment, which may be longer on one side.
    """
    texts = [command[0], *command, f"{STACK}=", *(f"{name}={value}" for name, value in environment.items())]
    bytes_above = sum(len(os.fsencode(str(text))) + 1 for text in texts)
    place = random.Random(seed).randrange(0, mmap.PAGESIZE, ALIGNMENT)  # noqa: S311  # chance, not secrecy
    return {**environment, STACK: "." * ((place - bytes_above) % mmap.PAGESIZE)}


def move(seed: int) -> None:
    """Move what this process maps and allocates from here on."""
    rng = random.Random(seed)  # noqa: S311  # chance, not secrecy
    mapped = rng.randrange(mmap.PAGESIZE, MOST_MAPPED, mmap.PAGESIZE)
    # Memory may be limited (RLIMIT_AS).
    with contextlib.suppress(OSError, MemoryError):
        _kept.append(mmap.mmap(-1, mapped))
        _kept.append(bytearray(rng.randrange(LEAST_ALLOCATED, MOST_ALLOCATED, ALIGNMENT)))
