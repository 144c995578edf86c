"""From an array of any layout to calls of an implementation that are short enough to be interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from logmap_cy._contract import Array, Compute

SMALL = 2**16  # elements; an array up to this is never cut, its steps are
LEAST = 64  # elements; fewer take as long, where whole blocks are computed
LARGE = 2**25  # elements; the article's array: one ufunc call over it takes 0.2 s


def drive(compute: Compute, x: Array, out: Array, num: int, p: int, mu: int, threads: int, steps_per_call: int) -> None:
    """Write num steps of the map on x to out, both of any layout, shape and byte order alike.

    Python answers a signal between two calls of compute, so steps_per_call (elements times steps of one call)
    bounds how long Ctrl-C waits. What is not contiguous, aligned and in native byte order is buffered by NumPy, which
    writes the buffers back even after an interrupt: so out is read, too, lest they hold another place's elements.
    """
    native = x.dtype.newbyteorder("=")
    chunks = np.nditer(
        [x, out],
        flags=["external_loop", "buffered", "growinner", "zerosize_ok"],
        op_flags=[["readonly", "contig", "aligned"], ["readwrite", "contig", "aligned"]],  # type: ignore[list-item]
        op_dtypes=[native, native],
        buffersize=SMALL,
    )
    with chunks:
        for source, target in chunks:
            for part, steps, first in schedule(len(target), num, steps_per_call):
                compute((source if first else target)[part], target[part], steps, p, mu, threads)


def schedule(length: int, num: int, steps_per_call: int) -> Iterator[tuple[slice, int, bool]]:
    """Yield (part of the array, steps, whether they are its first), num steps in all for each element.

    A call gets about steps_per_call elements times steps, at most LARGE elements, and at least one step of
    min(length, SMALL) elements.
    """
    elements = min(max(steps_per_call // num, SMALL), LARGE)
    for start in range(0, length, elements):
        part = slice(start, min(start + elements, length))
        most = max(steps_per_call // max(part.stop - part.start, LEAST), 1)
        for done in range(0, num, most):
            yield part, min(most, num - done), done == 0
