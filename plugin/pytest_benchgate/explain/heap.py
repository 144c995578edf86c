"""Gives Python's allocator the same state before calls are counted.

CPython hands out small blocks from pools of 16 KiB, each of one size class (`Objects/obmalloc.c`). To take the last
block of a pool, or to release one into a full pool, takes more instructions than others. A loop that allocates and
releases one block executes up to 8 % more where its pool happens to be full; where that is depends on all that the
process has allocated before, such as the text of a path.
"""

from __future__ import annotations

import gc
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

POOL_BITS = 14
ALIGNMENT, LARGEST = 16, 512
# Of each size class, lest a pool be looked for in vain where Python allocates otherwise.
MOST_BYTES = 1 << 20
BYTES_OVERHEAD = b"".__sizeof__()


class SizeClass(NamedTuple):
    """Blocks of one size: what allocates one, how many in a row show a pool of their own, and how many are enough."""

    allocate: Callable[[], object]
    row: int
    half: int
    most: int


def _size_class(size: int) -> SizeClass:
    # By types that keep no list of free objects, as int, float and tuple do.
    shortest: dict[int, Callable[[], object]] = {ALIGNMENT: object, 2 * ALIGNMENT: partial(complex, 1, 2)}
    allocate = shortest.get(size) or partial(bytes, size - BYTES_OVERHEAD)
    capacity = (1 << POOL_BITS) // size
    return SizeClass(allocate, capacity * 3 // 4, capacity // 2, MOST_BYTES // size)


# Made once: a number that lies in a full pool and is released after it was settled would undo it.
CLASSES = [_size_class(size) for size in range(LARGEST, 0, -ALIGNMENT)]
# A list of more pointers has none of the blocks.
PADDING = [None] * (LARGEST // 8)


def settle() -> list[list[object]]:
    """Leave a half-empty pool first in each size class, and nothing to collect; what is returned keeps it so."""
    if gc.isenabled():
        # Else what was allocated before decides whether a collection falls into a call.
        gc.collect(1)
    filled = [_filled(one) for one in CLASSES]
    for _, half in filled:
        half.clear()
    return [kept for kept, _ in filled]


def _filled(size_class: SizeClass) -> tuple[list[object], list[object]]:
    """Fill pools until three quarters of one are taken in a row; return what to keep, and what to release."""
    allocate, enough, half, most = size_class
    blocks: list[object] = [*PADDING]
    pool, row = 0, 0
    while row < enough and len(blocks) < most:
        block = allocate()
        blocks.append(block)
        of_block = id(block) >> POOL_BITS
        pool, row = of_block, row + 1 if of_block == pool else 1
    return blocks[:-half], [*PADDING, *blocks[-half:]]
