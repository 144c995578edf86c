"""Series, frames, indexes and the arrays in them, of pandas."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from pytest_benchgate.comparison import arrays
from pytest_benchgate.comparison.core import Comparison, Mismatch, attribute, both, is_of, text

KINDS = ("DataFrame", "Series", "Index")


def recognises(value: Any) -> bool:
    """Return whether value is one of pandas'."""
    pandas = sys.modules.get("pandas")
    return is_of(value, "pandas", *KINDS) or (
        hasattr(pandas, "api") and isinstance(value, pandas.api.extensions.ExtensionArray)  # type: ignore[union-attr]
    )


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
    if kind == "array":
        return _column(got, expected, comparison, where)
    mismatch = _labels(got.index, expected.index, comparison, f"{where}.index")
    if mismatch:
        return mismatch
    if kind == "Series":
        names = both(lambda one: (type(one.name), one.name), got, expected)
        if names[0] != names[1] and got.name is not expected.name:
            return comparison.words(f"the name {got.name!r}", f"the name {expected.name!r}", got, where)
        return _column(got.array, expected.array, comparison, where)
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
    """Return the difference of two indexes, as pandas finds it; how they are stored does not count."""
    try:
        sys.modules["pandas"].testing.assert_index_equal(got, expected, exact=False, check_names=True, check_exact=True)
    except AssertionError as error:
        return comparison.words(f"{text(got)} ({' '.join(str(error).split())})", text(expected), got, where)
    if str(attribute(got, "tz")) != str(attribute(expected, "tz")):
        return comparison.kinds(got, expected, where)
    return None


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
    if kind == type(dtypes[1]).__name__ == "CategoricalDtype":
        return _categories(got, expected, comparison, where)
    if kind == type(dtypes[1]).__name__ == "DatetimeTZDtype" and str(dtypes[0].tz) == str(dtypes[1].tz):
        left, right = both(lambda one: one.tz_convert("UTC").tz_localize(None).to_numpy(), got, expected)
        return comparison(left, right, where)
    if str(dtypes[0]) != str(dtypes[1]):
        return comparison.words(f"the dtype {dtypes[0]}", f"the dtype {dtypes[1]}", got, where)
    try:
        sys.modules["pandas"].testing.assert_extension_array_equal(got, expected, check_exact=True)
    except AssertionError as error:
        return comparison.words(f"{text(got)} ({' '.join(str(error).split())})", text(expected), got, where)
    return None


def _is_extension(dtype: Any) -> bool:
    return not isinstance(dtype, np.dtype) and type(dtype).__name__ != "NumpyEADtype"


def _has_numbers(dtype: Any) -> bool:
    """Return whether dtype is NumPy's, or pandas' own of the same numbers, some of which may be missing."""
    found = dtype if isinstance(dtype, np.dtype) else attribute(dtype, "numpy_dtype")
    return isinstance(found, np.dtype) and found.kind in "biufc"


def _has_text(dtype: Any) -> bool:
    return type(dtype).__name__ == "StringDtype" or (isinstance(dtype, np.dtype) and dtype.kind == "O")


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
    # The order of categories counts if they are ordered.
    if got.dtype != expected.dtype:
        left, right = both(
            lambda one: f"the categories {text([*one.categories])}, ordered={one.ordered}", got, expected
        )
        return comparison.words(left, right, got, where)
    places = expected.categories.get_indexer(got.categories)
    codes = np.array([-1, *places], np.int64)[np.asarray(got.codes, np.int64) + 1]
    return comparison(codes, np.asarray(expected.codes), where)
