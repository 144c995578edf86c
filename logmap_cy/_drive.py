"""From an array of any layout to calls of an implementation that are short enough to be interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from logmap_cy._contract import Array, Compute
    from logmap_cy._request import Request

# Elements. An array up to this size is never cut, its steps are.
SMALL = 2**16
# Elements. Fewer take as long, where whole blocks are computed.
LEAST = 64
# Elements of the articles' array: one ufunc call over it takes 0.2 s.
LARGE = 2**25


def drive(compute: Compute, request: Request) -> None:
    """Have compute write the answer of a request that has elements and steps.

    Python handles a signal between two calls of compute, so the row's steps_per_call bounds how long Ctrl-C waits.
    """
    num, p, mu, threads, most = request.num, request.p, request.mu, request.threads, request.row.steps_per_call
    with iterate(request.x, request.out) as chunks:
        for source, target in chunks:
            for part, steps, is_first in schedule(len(target), num, most):
                compute((source if is_first else target)[part], target[part], steps, p, mu, threads)


def iterate(x: Array, out: Array, elements: int = SMALL) -> np.nditer:
    """Return an iterator over (part of x, part of out) that are contiguous, aligned and in native byte order.

    What is not is copied to buffers of so many elements. NumPy writes the buffers back even after an interrupt: so out
    is read as well, or they would hold the elements of another place.
    """
    native = x.dtype.newbyteorder("=")
    return np.nditer(
        [x, out],
        flags=["external_loop", "buffered", "growinner"],
        op_flags=[["readonly", "contig", "aligned"], ["readwrite", "contig", "aligned"]],  # type: ignore[list-item]
        op_dtypes=[native, native],
        buffersize=min(elements, SMALL),
    )


def schedule(length: int, num: int, steps_per_call: int) -> Iterator[tuple[slice, int, bool]]:
    """Yield (part of the array, steps, whether they are its first), in all num steps for each element.

    A call does about steps_per_call elements times steps, of at most LARGE elements, and at least one step of
    min(length, SMALL) elements.
    """
    elements = min(max(steps_per_call // num, SMALL), LARGE)
    for start in range(0, length, elements):
        part = slice(start, min(start + elements, length))
        most = max(steps_per_call // max(part.stop - part.start, LEAST), 1)
        for done in range(0, num, most):
            yield part, min(most, num - done), done == 0
