"""Dask arrays in, Dask arrays out: lazy, block by block. Dask schedules."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from logmap_cy._request import check

if TYPE_CHECKING:
    from logmap_cy._contract import Array
    from logmap_cy._request import Request


def is_lazy(x: Any) -> bool:
    """Whether x is a Dask array. Dask is not imported: a process that has such an array has imported it."""
    return isinstance(x, getattr(sys.modules.get("dask.array"), "Array", ()))


def template(x: Any, out: Any) -> Any:
    """Return an empty array of the type of x's blocks, to check arguments with; ValueError where out is given."""
    if out is not None:
        raise ValueError(
            "out cannot take the answer for a Dask array, which is not computed yet; pass None, and store the answer"
            " with answer.to_zarr(url) or dask.array.store(answer, out)"
        )
    return x._meta.reshape(-1)[:0]  # noqa: SLF001


def mapped(x: Any, request: Request) -> Any:
    """Return the Dask array of x's dtype, shape and chunks whose blocks are logmap of x's blocks.

    What a block alone can show, such as a mask that Dask does not know of, is refused where the block is computed.

    Parameters
    ----------
    x : dask.array.Array
        What to map.
    request : Request
        The arguments, checked for the `template` of x. The implementation and the device must be available where the
        blocks are computed, too; "auto" chooses there. A block gets one thread unless the caller asked for more, as
        Dask computes blocks side by side.

    """
    return x.map_blocks(
        logmap_block,
        num=request.num,
        p=request.p,
        mu=request.mu,
        threads=request.most_threads or 1,
        implementation=request.implementation,
        device=str(request.device) if request.device else None,
        dtype=x.dtype,
        meta=np.empty((0,) * x.ndim, x.dtype),
    )


def logmap_block(x: Any, *, num: int, p: int, mu: int, threads: int, implementation: str, device: str | None) -> Array:
    """Return logmap of one block. Other processes import it by its name, with which the names of Dask's keys begin."""
    return check(x, num, p, mu, None, threads, implementation, device).compute()
