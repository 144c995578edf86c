"""The one public call."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, SupportsIndex, TypeVar, overload

import numpy as np

from logmap_cy import _arguments, _dask, _registry, _threads
from logmap_cy._drive import drive
from logmap_cy.vector import quick
from logmap_cy.vector.plan import plan

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from logmap_cy._contract import Array
    from logmap_cy._registry import Implementation
    from logmap_cy.opencl.device import Device


class Lazy(Protocol):
    """A Dask array, to a type checker."""

    def __dask_graph__(self) -> Any:
        """Return what is to be computed."""


LazyArray = TypeVar("LazyArray", bound=Lazy)


@overload
def logmap(
    x: LazyArray,
    num: SupportsIndex = ...,
    p: SupportsIndex = ...,
    mu: SupportsIndex = ...,
    *,
    threads: SupportsIndex | None = ...,
    implementation: str = ...,
    device: Device | str | None = ...,
) -> LazyArray: ...
@overload
def logmap(
    x: ArrayLike,
    num: SupportsIndex = ...,
    p: SupportsIndex = ...,
    mu: SupportsIndex = ...,
    *,
    out: Array | None = ...,
    threads: SupportsIndex | None = ...,
    implementation: str = ...,
    device: Device | str | None = ...,
) -> Array: ...
def logmap(
    x: Any,
    num: SupportsIndex = 10,
    p: SupportsIndex = 6700417,
    mu: SupportsIndex = 22,
    *,
    out: Array | None = None,
    threads: SupportsIndex | None = None,
    implementation: str = "auto",
    device: Device | str | None = None,
) -> Any:
    """Return the integer logistic map, ``x <- mu * x * (x + 1) mod p``, applied num times to each element of x.

    The answer is exact: the one that Python's unbounded integers give. A call that cannot keep this is refused.

    Parameters
    ----------
    x: array_like of int32, int64, uint32 or uint64
        Any shape, strides, alignment and byte order; negative values and values above p are welcome.
        Or a dask.array.Array, which is mapped lazily, block by block.
    num: int >= 0
        The number of steps. 0 gives a copy of x.
    p: int >= 1
        The modulus; p - 1 must fit the dtype of x.
    mu: int
        The factor, of any size and sign.
    out: ndarray, optional
        Where to write the answer: x's shape and dtype, and x itself or memory apart from x. After an
        interrupt (Ctrl-C) it holds a mixture of old elements, finished ones and unfinished ones.
    threads: int >= 1, optional
        The most threads to use. None: what OpenMP takes by itself, within the cores of this process (affinity,
        container quota), and one where more would not pay. For a Dask array: for each block, and None is one.
    implementation: str
        A name from `implementations()`, or "auto": the one that suits the length and the parameters.
    device: Device or str, optional
        For OpenCL: one of the implementation's devices or its name ("cl0"). None: the first.

    Returns
    -------
    ndarray of x's shape and dtype: out where it was given. Its elements are in [0, p) for num >= 1.
    For a Dask array: a Dask array of the same chunks, too; nothing is computed yet.

    Raises
    ------
    TypeError: x is not an array of one of the four dtypes, a number is not an integer, out is of another dtype.
    ValueError: a value is out of range, out cannot take the answer, the implementation is unknown, not available
        here, known to be wrong, or not exact for these parameters.
    RuntimeError: an OpenCL driver does not build the kernel.

    Examples
    --------
    >>> logmap([1, 2, 3], p=61)
    array([28, 25, 37])

    """
    plain = implementation == "auto" and threads is None and device is None
    if plain:
        answer = quick.call(x, num, p, mu, out)
        if answer is not None:
            return answer
    if _dask.is_lazy(x):
        return _dask.mapped(x, num, p, mu, out, threads, implementation, device)
    given = checked(x, num, p, mu, out, threads, implementation, device)
    row = given.row
    if given.num == 0:
        np.copyto(given.out, given.x)
    elif given.x.size:
        compute = row.load(given.device)
        drive(compute, given.x, given.out, given.num, given.p, given.mu, given.threads, row.steps_per_call)
        if plain and row.name.startswith("vector_") and type(p) is int and type(mu) is int:
            run = row.module().RUN
            quick.remember(p, mu, plan(given.p, given.mu), run)
    return given.out


class Checked(NamedTuple):
    """logmap's arguments, checked: x and out of one shape and dtype, mu in [0, p), the row and the threads to use."""

    x: Array
    num: int
    p: int
    mu: int
    out: Array
    threads: int
    row: Implementation
    device: Device | None


def checked(
    x: ArrayLike,
    num: SupportsIndex,
    p: SupportsIndex,
    mu: SupportsIndex,
    out: Array | None,
    threads: SupportsIndex | None,
    implementation: str,
    device: Device | str | None,
) -> Checked:
    """Return logmap's arguments as they are meant; raises what logmap does."""
    source = _arguments.array(x)
    steps = _arguments.integer("num", num, least=0)
    modulus = _arguments.modulus(p, source.dtype)
    factor = _arguments.integer("mu", mu) % modulus
    most = None if threads is None else _arguments.integer("threads", threads, least=1)
    row = _choose(implementation, modulus, factor)
    place = _arguments.device(device, row)
    target = _arguments.output(out, source)
    count = _threads.resolve(most, source.size * steps, row.steps_per_thread) if source.size and steps else 1
    return Checked(source, steps, modulus, factor, target, count, row, place)


@functools.cache
def _fastest() -> tuple[Implementation, ...]:
    """Return the rows of AUTO that can run here."""
    rows = {row.name: row for row in _registry.ROWS}
    return tuple(rows[name] for name in _registry.AUTO if not rows[name].unavailable)


def _choose(name: Any, p: int, mu: int) -> Implementation:
    """Return the row to use; ValueError where the one asked for does not exist, run here or serve p and mu."""
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
