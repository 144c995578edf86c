"""Series, frames, indexes and the arrays in them, of pandas."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pytest_benchgate.comparison import arrays
from pytest_benchgate.comparison.core import Comparison, Mismatch, Tolerance, attribute, both, is_of, text

if TYPE_CHECKING:
    from collections.abc import Callable

Compare: TypeAlias = "Callable[[Any, Any, Comparison, str], Mismatch | None]"
KINDS = ("DataFrame", "Series", "Index", "Interval")


def recognises(value: Any) -> bool:
    """Return whether value is one of pandas'."""
    return is_of(value, "pandas", *KINDS) or is_of(value, "pandas.api.extensions", "ExtensionArray")


def _kind(value: Any) -> str:
    return next((name for name in KINDS if is_of(value, "pandas", name)), "array")


def unlabelled(value: Any) -> Any:
    """Return the values of a series or index whose only labels are positions; None if there are others."""
    if is_of(value, "pandas", "Series"):
        plain = is_of(value.index, "pandas", "RangeIndex") and value.index.equals(type(value.index)(len(value)))
        return np.asarray(value) if plain and value.name is None else None
    plain = is_of(value, "pandas", "Index") and value.nlevels == 1 and value.name is None
    return np.asarray(value) if plain else None


def compare(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the first difference of two values of pandas."""
    kind = _kind(expected)
    if _kind(got) != kind:
        return comparison.kinds(got, expected, where)
    if kind == "Index":
        return _labels(got, expected, comparison, where)
    if kind == "Interval":
        return comparison(_ends(got), _ends(expected), where)
    if kind == "array":
        return _column(got, expected, comparison, where)
    mismatch = _labels(got.index, expected.index, comparison, f"{where}.index")
    if mismatch:
        return mismatch
    if kind == "Series":
        names = _names([got.name], [expected.name], comparison, where)
        return names or _column(got.array, expected.array, comparison, where)
    mismatch = _labels(got.columns, expected.columns, comparison, f"{where}.columns")
    if mismatch:
        return mismatch
    for number, name in enumerate(expected.columns):
        left, right = got.iloc[:, number].array, expected.iloc[:, number].array
        mismatch = _column(left, right, comparison, f"{where}[{name!r}]")
        if mismatch:
            return mismatch
    return None


def _labels(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of two indexes; how they are stored does not count."""
    if got.nlevels != expected.nlevels or len(got) != len(expected):
        return comparison.kinds(got, expected, where)
    if mismatch := _names(got.names, expected.names, comparison, where):
        return mismatch
    # pandas takes a name that is an integer for the level.
    got, expected = both(lambda one: one.set_names([None] * one.nlevels), got, expected)
    levels = ((got.get_level_values(level), expected.get_level_values(level)) for level in range(got.nlevels))
    return next(filter(None, (_level(left, right, comparison, where) for left, right in levels)), None)


def _names(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of names, which are labels, too."""
    index = sys.modules["pandas"].Index
    left, right = both(lambda names: index([*names], dtype=object, tupleize_cols=False), got, expected)
    if _level(left, right, comparison.by(Tolerance()), where) is None:
        return None
    words = both(lambda names: f"the name {', '.join(map(text, names))}", got, expected)
    return comparison.words(words[0], words[1], got, where)


def _level(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of two indexes of one level, whose labels may be NaN."""
    if all(is_of(one, "pandas", "RangeIndex") for one in (got, expected)) and got.equals(expected):
        return None
    kinds = both(_labelled, got, expected)
    if "empty" in kinds and {*kinds} <= {"empty", "integer"} and not len(expected):
        return None
    if kinds[0] != kinds[1] and not (len(expected) and "empty" in kinds):
        left, right = both(lambda one: f"{_labelled(one)} labels {text([*one])}", got, expected)
        return comparison.words(left, right, got, where)
    # In a moment, where most are.
    if got.dtype == expected.dtype and (got.dtype != object or kinds[0] == "string") and got.equals(expected):
        return None
    labels = comparison.by(dataclasses.replace(comparison.tolerance, equal_nan=True))
    dtypes = both(lambda one: one.dtype, got, expected)
    if any(dtype == np.dtype(object) for dtype in dtypes) and not all(_has_text(dtype) for dtype in dtypes):
        got, expected = both(lambda one: one.astype(object), got, expected)
    return _column(got.array, expected.array, labels, where)


def _labelled(index: Any) -> str:
    """Return the kind of the labels that are not missing; "empty" also for what pandas makes by default."""
    default = _has_text(index.dtype) or is_of(index, "pandas", "RangeIndex")
    return "empty" if default and not len(index) else str(index.dropna().inferred_type)


def _column(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the first difference of two of pandas' arrays."""
    if len(got) != len(expected):
        return comparison.kinds(got, expected, where)
    got, expected = both(lambda one: one if _is_extension(one.dtype) else one.to_numpy(), got, expected)
    dtypes = both(lambda one: one.dtype, got, expected)
    if all(isinstance(dtype, np.dtype) for dtype in dtypes):
        return comparison(np.asarray(got), np.asarray(expected), where)
    if all(_has_numbers(dtype) for dtype in dtypes) or all(_has_text(dtype) for dtype in dtypes):
        return _with_missing(got, expected, comparison, where)
    kind = type(dtypes[0]).__name__
    if kind == type(dtypes[1]).__name__ and kind in PARTS:
        return PARTS[kind](got, expected, comparison, where)
    if str(dtypes[0]) != str(dtypes[1]):
        return comparison.words(f"the dtype {dtypes[0]}", f"the dtype {dtypes[1]}", got, where)
    try:
        sys.modules["pandas"].testing.assert_extension_array_equal(got, expected, check_exact=True)
    except AssertionError as error:
        words = f"{text(got)} ({' '.join(str(error).split())})"
        return comparison.by(Tolerance()).words(words, text(expected), got, where)
    return None


def _is_extension(dtype: Any) -> bool:
    return not isinstance(dtype, np.dtype) and type(dtype).__name__ != "NumpyEADtype"


def _has_numbers(dtype: Any) -> bool:
    """Return whether dtype is NumPy's, or pandas' own of the same numbers, some of which may be missing."""
    found = dtype if isinstance(dtype, np.dtype) else attribute(dtype, "numpy_dtype")
    return isinstance(found, np.dtype) and found.kind in "biufc"


def _has_text(dtype: Any) -> bool:
    return getattr(dtype, "type", None) is str or (isinstance(dtype, np.dtype) and dtype.kind == "O")


def _with_missing(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of two columns with missing values, which equal each other."""
    left, right = both(lambda one: np.asarray(sys.modules["pandas"].isna(one), bool), got, expected)
    mismatch = arrays.arrays(left, right, comparison, f"{where}.isna()")
    if mismatch:
        return mismatch
    left, right = both(lambda one: _present(one[~left]), got, expected)
    return comparison(left, right, where)


def _present(values: Any) -> Any:
    dtype = attribute(values.dtype, "numpy_dtype")
    if isinstance(values, np.ndarray):
        return values
    return values.to_numpy(dtype if _has_numbers(values.dtype) else object)


def _categories(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of two categorical arrays; the order of categories counts if they are ordered."""
    left, right = got.categories, expected.categories
    places = right.get_indexer(left)
    reordered = not expected.ordered and sorted(places) == [*range(len(right))]
    if len(left) != len(right) or got.ordered != expected.ordered:
        words = both(lambda one: f"the categories {text([*one.categories])}, ordered={one.ordered}", got, expected)
        return comparison.words(words[0], words[1], got, where)
    mismatch = _level(left, right.take(places) if reordered else right, comparison, f"{where}.categories")
    codes = np.array([-1, *(places if reordered else range(len(left)))], np.int64)[np.asarray(got.codes, np.int64) + 1]
    return mismatch or comparison(codes, np.asarray(expected.codes), where)


def _zoned(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of two arrays of times in a zone."""
    if str(got.tz) != str(expected.tz):
        return comparison.words(f"the dtype {got.dtype}", f"the dtype {expected.dtype}", got, where)
    left, right = both(lambda one: one.tz_convert("UTC").tz_localize(None).to_numpy(), got, expected)
    return comparison(left, right, where)


def _sparse(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of two sparse arrays; what is not stored is NaN in many of them."""
    labels = comparison.by(dataclasses.replace(comparison.tolerance, equal_nan=True))
    left, right = both(lambda one: np.asarray(one.dtype.fill_value), got, expected)
    mismatch = labels(left, right, f"{where}.fill_value")
    return mismatch or comparison(np.asarray(got), np.asarray(expected), where)


def _intervals(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of two arrays of intervals; the ends of a missing one are NaN."""
    if got.closed != expected.closed:
        return comparison.words(f"the dtype {got.dtype}", f"the dtype {expected.dtype}", got, where)
    mismatch = _level(got.left, expected.left, comparison, f"{where}.left")
    return mismatch or _level(got.right, expected.right, comparison, f"{where}.right")


def _ends(interval: Any) -> tuple[Any, Any, str]:
    return interval.left, interval.right, interval.closed


def _arrow(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of two arrays that are Arrow's."""
    left, right = both(lambda one: one.__arrow_array__(), got, expected)
    return comparison(left, right, where)


# How arrays of one dtype of pandas' own are compared, by its class.
PARTS: dict[str, Compare] = {
    "CategoricalDtype": _categories,
    "DatetimeTZDtype": _zoned,
    "SparseDtype": _sparse,
    "IntervalDtype": _intervals,
    "ArrowDtype": _arrow,
}
