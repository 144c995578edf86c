"""The arguments of a call, checked once and passed on as one object."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex

import numpy as np

from logmap_cy import _arguments, _registry, _threads
from logmap_cy._drive import drive

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from logmap_cy._contract import Array
    from logmap_cy._registry import Implementation
    from logmap_cy.opencl.device import Device


class Request(NamedTuple):
    """The arguments of `logmap`, checked: made by `check`.

    Attributes
    ----------
    x, out : ndarray
        What to map and where to write the answer, of one shape and dtype, in any layout.
    num, p, mu : int
        The steps, the modulus, and the factor in [0, p).
    threads : int
        How many threads to compute with.
    row : Implementation
        What computes.
    device : Device or None
        Where an OpenCL row computes.
    implementation : str
        The name that was asked for, which may be "auto".
    most_threads : int or None
        The limit that was asked for.

    """

    x: Array
    out: Array
    num: int
    p: int
    mu: int
    threads: int
    row: Implementation
    device: Device | None
    implementation: str
    most_threads: int | None

    def compute(self) -> Array:
        """Write the answer to `out`, and return it."""
        if self.num == 0:
            np.copyto(self.out, self.x)
        elif self.x.size:
            drive(self.row.load(self.device), self)
        return self.out


def check(
    x: ArrayLike,
    num: SupportsIndex,
    p: SupportsIndex,
    mu: SupportsIndex,
    out: Array | None,
    threads: SupportsIndex | None,
    implementation: str,
    device: Device | str | None,
) -> Request:
    """Return the arguments of `logmap` as a `Request`. Raises what `logmap` raises."""
    source = _arguments.array(x)
    steps = _arguments.steps(num)
    modulus = _arguments.modulus(p, source.dtype)
    factor = _arguments.integer("mu", mu) % modulus
    most = None if threads is None else _arguments.integer("threads", threads, least=1)
    row = choose(implementation, modulus, factor)
    place = _arguments.device(device, row)
    target = _arguments.output(out, source)
    count = _threads.resolve(most, source.size * steps, row.steps_per_thread) if source.size and steps else 1
    return Request(source, target, steps, modulus, factor, count, row, place, implementation, most)


def choose(name: Any, p: int, mu: int) -> Implementation:
    """Return the row for a name or "auto"; ValueError where it is unknown, not available, or not exact for p and mu."""
    if name == "auto":
        return next(row for row in _fastest() if row.domain.contains(p, mu))
    row = _arguments.implementation(name)
    if not row.domain.contains(p, mu):
        exact = [other.name for other in _registry.ROWS if other.domain.contains(p, mu) and not other.known_wrong]
        raise ValueError(
            f'implementation="{row}" is exact for {row.domain.text} only, not for p={p}, mu={mu};'
            f" choose one of: auto, {', '.join(exact)}"
        )
    return row


@functools.cache
def _fastest() -> tuple[Implementation, ...]:
    """Return the rows of AUTO that can run here."""
    rows = {row.name: row for row in _registry.ROWS}
    return tuple(rows[name] for name in _registry.AUTO if not rows[name].unavailable)
