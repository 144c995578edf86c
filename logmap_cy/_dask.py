"""A Dask array in, a Dask array out: lazy, block by block. Dask schedules; nothing here does."""

from __future__ import annotations

import operator
import sys
from typing import Any, SupportsIndex

import numpy as np

from logmap_cy import _api


def is_lazy(x: Any) -> bool:
    """Whether x is a Dask array. Dask is not imported: who has such an array has imported it."""
    return isinstance(x, getattr(sys.modules.get("dask.array"), "Array", ()))


def mapped(
    x: Any,
    num: SupportsIndex,
    p: SupportsIndex,
    mu: SupportsIndex,
    out: Any,
    threads: SupportsIndex | None,
    implementation: str,
    device: Any,
) -> Any:
    """Return the Dask array of x's dtype, shape and chunks whose blocks are logmap of x's blocks.

    Parameters
    ----------
    threads: the most threads for one block. None: one, as Dask computes blocks side by side.
    implementation, device: must be here and where the blocks are computed; "auto" chooses there. A device travels by
        its name.

    Raises
    ------
    TypeError, ValueError: as logmap does for NumPy arrays, at once; ValueError also for out. What a block alone can
        show, a mask that Dask does not know of, is refused where it is computed.

    """
    if out is not None:
        raise ValueError(
            "out cannot take the answer for a Dask array, which is not computed yet; pass None, and store the answer"
            " with answer.to_zarr(url) or dask.array.store(answer, out)"
        )
    empty = x._meta.reshape(-1)[:0]  # noqa: SLF001  # an array of the blocks' type; every project beside Dask reads it
    _api.logmap(empty, num, p, mu, threads=threads, implementation=implementation, device=device)  # checks, no work
    return x.map_blocks(
        logmap_block,
        num=operator.index(num),
        p=operator.index(p),
        mu=operator.index(mu),
        threads=1 if threads is None else operator.index(threads),
        implementation=implementation,
        device=None if device is None else str(device),
        dtype=x.dtype,
        meta=np.empty((0,) * x.ndim, x.dtype),
    )


def logmap_block(x: Any, *, num: int, p: int, mu: int, threads: int, implementation: str, device: str | None) -> Any:
    """Return logmap of one block. Other processes find it by its name, which begins the names of Dask's keys, too."""
    return _api.logmap(x, num, p, mu, threads=threads, implementation=implementation, device=device)
