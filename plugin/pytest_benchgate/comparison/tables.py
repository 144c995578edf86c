"""Labelled data of pandas, Polars and xarray: labels, missing values and the kinds of columns count, too."""

from __future__ import annotations

from typing import Any

from pytest_benchgate.comparison import pandas, polars, xarray
from pytest_benchgate.comparison.core import Comparison, Mismatch, attribute, text

LIBRARIES = (pandas, polars, xarray)


def _library(value: Any) -> Any:
    return next((library for library in LIBRARIES if library.recognises(value)), None)


def recognises(value: Any) -> bool:
    """Return whether value has labels."""
    return _library(value) is not None


def compare(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the first difference of two tables, or of one and something without labels."""
    left, right = _library(got), _library(expected)
    if left is not None and left is right:
        found: Mismatch | None = left.compare(got, expected, comparison, where)
        return found
    if right is None and (values := left.unlabelled(got)) is not None:
        return comparison(values, expected, where)
    if left is None and attribute(expected, "ndim") == 0 and (values := right.unlabelled(expected)) is not None:
        return comparison(got, values, where)
    if right is None:
        words = f"{text(got)} ({type(got).__name__}, whose labels are compared only with labels)"
        return comparison.words(words, text(expected), got, where)
    return comparison.kinds(got, expected, where)
