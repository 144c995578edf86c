"""Sparse arrays of SciPy and of the library sparse, in any format, and ragged arrays of Awkward Array."""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np

from pytest_benchgate.comparison import arrays
from pytest_benchgate.comparison.core import Comparison, Mismatch, both, is_of


def recognises(value: Any) -> bool:
    """Return whether value is a sparse or a ragged array."""
    return _is_sparse(value) or _is_ragged(value)


def compare(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the first difference."""
    if _is_sparse(got) and _is_sparse(expected):
        return _sparse(got, expected, comparison, where)
    if _is_ragged(got) and _is_ragged(expected):
        return _ragged(got, expected, comparison, where)
    return comparison.kinds(got, expected, where)


def _is_sparse(value: Any) -> bool:
    return is_of(value, "sparse", "SparseArray") or is_of(value, "scipy.sparse", "sparray", "spmatrix")


def _fill(value: Any) -> Any:
    """Return what the entries are that are not stored; in SciPy, they are 0."""
    return getattr(value, "fill_value", value.dtype.type(0))


def _is_ragged(value: Any) -> bool:
    return is_of(value, "awkward", "Array", "Record")


def _sparse(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Compare the entries that are stored in either array; a stored zero is a zero."""
    if got.shape != expected.shape:
        return comparison.kinds(got, expected, where)
    (left_at, left), (right_at, right) = both(_entries, got, expected)
    places, index = np.unique(np.concatenate([left_at, right_at], axis=1), axis=1, return_inverse=True)
    index, filled = np.ravel(index), []
    fills = both(_fill, got, expected)
    for values, at, fill in ((left, index[: left.size], fills[0]), (right, index[left.size :], fills[1])):
        filled.append(np.full(places.shape[1], fill, values.dtype))
        filled[-1][at] = values
    mismatch = arrays.arrays(filled[0], filled[1], comparison, "")
    if mismatch is None:
        return arrays.arrays(np.asarray(fills[0]), np.asarray(fills[1]), comparison, f"{where}.fill_value")
    if not mismatch.where:
        return comparison.kinds(got, expected, where)
    place = [int(axis) for axis in places[:, int(mismatch.where.strip("[]"))]]
    return Mismatch(mismatch.differ, int(np.prod(got.shape)), f"{where}{place}", mismatch.got, mismatch.expected,
                    mismatch.dtype, str(got.shape), comparison.tolerance)  # fmt: skip


def _entries(value: Any) -> tuple[Any, Any]:
    """Return the coordinates of the stored entries, one per column, and their values."""
    if is_of(value, "sparse", "SparseArray"):
        entries = value.asformat("coo")
    else:
        entries = value.tocoo(copy=True)
        entries.sum_duplicates()
    coords = entries.coords if hasattr(entries, "coords") else (entries.row, entries.col)
    return np.stack([np.asarray(axis, np.int64) for axis in coords]), entries.data


def _ragged(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    awkward = sys.modules["awkward"]
    kinds = [_widthless(str(awkward.type(one))) for one in (got, expected)]
    if kinds[0] != kinds[1]:
        return comparison.words(f"an array of type {kinds[0]}", f"one of type {kinds[1]}", got, where)
    return comparison(awkward.to_list(got), awkward.to_list(expected), where)


def _widthless(kind: str) -> str:
    return re.sub(r"\bu?(int|float|complex)\d+\b", r"\1", kind)
