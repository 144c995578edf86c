"""The public call for arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, SupportsIndex, TypeVar, overload

from logmap_cy import _dask
from logmap_cy._request import check
from logmap_cy._state import on_release
from logmap_cy.vector import quick
from logmap_cy.vector.plan import plan

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from logmap_cy._contract import Array
    from logmap_cy._request import Request
    from logmap_cy.opencl.device import Device

on_release(quick.forget)


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

    The answer is exact: the one that Python's unbounded integers give. A call that cannot give it is refused.

    Parameters
    ----------
    x : array_like of int32, int64, uint32 or uint64
        Any shape, strides, alignment and byte order; negative values and values above p are allowed.
        Or a `dask.array.Array`, which is mapped lazily, block by block.
    num : int, default 10
        The number of steps, from 0 to 2**63 - 1. 0 gives a copy of x.
    p : int, default 6700417
        The modulus, 1 or more; p - 1 must fit the dtype of x.
    mu : int, default 22
        The factor, of any size and sign.
    out : ndarray, optional
        Where to write the answer: an array of x's shape and dtype, which is x itself or shares no memory with x. After
        an interrupt (Ctrl-C) it holds old, intermediate and final values.
    threads : int, optional
        The most threads to use, 1 or more. None: as many as OpenMP would use, within the cores that this process may
        use (affinity, container quota), and one where more would not pay. For a Dask array: the most for each block,
        where None means one.
    implementation : str, default "auto"
        A name from `implementations`, or "auto": the fastest that is exact for p and mu.
    device : Device or str, optional
        For OpenCL: one of the implementation's devices or its name ("cl0"). None: the first.

    Returns
    -------
    ndarray or dask.array.Array
        The answer, in x's shape and dtype: `out` where it was given. Its elements are in [0, p) for num >= 1.
        For a Dask array: a Dask array of the same chunks; nothing is computed yet.

    Raises
    ------
    TypeError
        x is not an array of one of the four dtypes, a number is not an integer, or out is of another dtype.
    ValueError
        A value is out of range, out cannot take the answer, or the implementation is unknown, not available here, known
        to be wrong, or not exact for these parameters.
    RuntimeError
        An OpenCL driver does not build the kernel.

    Examples
    --------
    >>> from logmap_cy import logmap
    >>> logmap([1, 2, 3], p=61)
    array([28, 25, 37])

    In place, one step, with a factor of 3:

    >>> import numpy as np
    >>> x = np.array([1, 2, 10000])
    >>> logmap(x, 1, mu=3, out=x) is x
    True
    >>> x
    array([      6,      18, 5211652])

    """
    is_plain = implementation == "auto" and threads is None and device is None
    if is_plain:
        answer = quick.call(x, num, p, mu, out)
        if answer is not None:
            return answer
    is_lazy = _dask.is_lazy(x)
    request = check(_dask.template(x, out) if is_lazy else x, num, p, mu, out, threads, implementation, device)
    if is_lazy:
        return _dask.mapped(x, request)
    request.compute()
    if is_plain and type(p) is int and type(mu) is int:
        _remember(p, mu, request)
    return request.out


def _remember(p: int, mu: int, request: Request) -> None:
    """Have later calls with this p and mu take the quick path, if a vector implementation computes them."""
    if request.row.name.startswith("vector_"):
        quick.remember(p, mu, plan(request.p, request.mu), request.row.module().RUN)
