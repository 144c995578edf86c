"""Which family judges what. The first that recognises one of two values compares them."""

from __future__ import annotations

import warnings
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from pytest_benchgate.comparison import arrays, containers, others, scalars, sparse, tables, times, units
from pytest_benchgate.comparison.core import Comparison, Mismatch, Same, Tolerance

if TYPE_CHECKING:
    from collections.abc import Callable

Compare: TypeAlias = "Callable[[Any, Any, Comparison, str], Mismatch | None]"


class Family(NamedTuple):
    """Values of one family, and how two are compared of which one at least is of it."""

    recognises: Callable[[Any], bool]
    compare: Compare


FAMILIES = (
    Family(lambda value: isinstance(value, Same), others.compare_same),
    Family(containers.recognises_approx, containers.compare_approx),
    Family(units.recognises, units.compare),
    Family(tables.recognises, tables.compare),
    Family(sparse.recognises, sparse.compare),
    Family(times.recognises, times.compare),
    Family(lambda value: isinstance(value, Decimal | Fraction), scalars.compare_rational),
    Family(others.has_own_equality, others.compare),
    Family(arrays.recognises, arrays.compare),
    Family(containers.recognises, containers.compare),
    Family(lambda value: True, others.compare),  # noqa: ARG005
)


def compare(got: Any, expected: Any, tolerance: Tolerance, where: str = "") -> Mismatch | None:
    """Return the first difference between got and expected, or None where there is none.

    Integers, bytes, strings and whatever is not a number exactly, floats and complex numbers by tolerance. Arrays must
    agree in shape and in kind (an integer array is never equal to a float array), not in width or byte order. Labels,
    units and missing values count.
    """
    comparison = Comparison(tolerance, _judge)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return comparison(got, expected, where)


def _judge(comparison: Comparison, got: Any, expected: Any, where: str) -> Mismatch | None:
    try:
        family = next(family for family in FAMILIES if family.recognises(expected) or family.recognises(got))
        return family.compare(got, expected, comparison, where)
    except RecursionError:
        return comparison.unjudged(type(got), type(expected), where, "they are nested too deeply")
    except Exception as error:  # noqa: BLE001  # of foreign types: each fails in its own way
        return comparison.unjudged(got, expected, where, f"{type(error).__name__}: {str(error)[:200]}")
