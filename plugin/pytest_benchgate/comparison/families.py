"""The families of values, in order: the first that recognises either of two values compares them."""

from __future__ import annotations

import warnings
from types import FunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from pytest_benchgate.comparison import arrays, containers, others, own, pyarrow, scalars, sparse, tables, times, units
from pytest_benchgate.comparison.core import NUMBERS, Comparison, Mismatch, Tolerance, by_type

if TYPE_CHECKING:
    from collections.abc import Callable

Compare: TypeAlias = "Callable[[Any, Any, Comparison, str], Mismatch | None]"


class Family(NamedTuple):
    """A family of values, and how to compare two, at least one of which is of it."""

    recognises: Callable[[Any], bool]
    compare: Compare


FAMILIES = (
    Family(lambda value: isinstance(value, others.Same), others.compare_same),
    Family(lambda value: isinstance(value, others.Uncopied), others.compare_uncopied),
    Family(lambda value: isinstance(value, others.Holding), others.compare_holding),
    Family(containers.recognises_approx, containers.compare_approx),
    Family(units.recognises, units.compare),
    Family(tables.recognises, tables.compare),
    Family(sparse.recognises, sparse.compare),
    Family(pyarrow.recognises, pyarrow.compare),
    Family(times.recognises, own.heard(times.compare)),
    Family(scalars.is_exact, scalars.compare_exact),
    Family(others.has_own_equality, own.heard(others.compare)),
    Family(arrays.recognises, own.heard(arrays.compare)),
    Family(containers.recognises, own.heard(containers.compare)),
    Family(lambda value: True, others.compare),
)


def compare(got: Any, expected: Any, tolerance: Tolerance, where: str = "") -> Mismatch | None:
    """Return the first difference between got and expected, or None if they are equal.

    Floats and complex numbers are compared with a tolerance, all else exactly. Arrays must agree in shape and kind (an
    integer array never equals a float array), but not in width or byte order. Labels, units and missing values count.

    Parameters
    ----------
    got, expected
        The values to compare.
    tolerance : Tolerance
        How far floats may differ.
    where : str
        The place of the values, as an index expression, for the message.

    Returns
    -------
    Mismatch or None
        The first difference; `str()` makes a message of it.

    Examples
    --------
    >>> from pytest_benchgate import Tolerance, compare
    >>> print(compare([1, 2, 4], [1, 2, 3], Tolerance()))
    1 of 3 differ, the first at [2]: got 4, expected 3
    tolerance: exact; dtype: list of int; shape: (3,)
    >>> compare(0.1 + 0.2, 0.3, Tolerance(rtol=1e-9)) is None
    True

    """
    return _compared(got, expected, where, Comparison(tolerance, _judge))


def are_equal(got: Any, expected: Any, tolerance: Tolerance) -> bool:
    """Return whether got and expected are equal; it takes less time than compare if many elements differ."""
    return _compared(got, expected, "", Comparison(tolerance, _judge, counts=False)) is None


def _compared(got: Any, expected: Any, where: str, comparison: Comparison) -> Mismatch | None:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return comparison(got, expected, where)


def _judge(comparison: Comparison, got: Any, expected: Any, where: str) -> Mismatch | None:
    try:
        return _compare_of(got, expected, comparison)(got, expected, comparison, where)
    except RecursionError:
        return comparison.unjudged(type(got), type(expected), where, "they are nested too deeply")
    except Exception as error:
        return comparison.unjudged(got, expected, where, f"{type(error).__name__}: {str(error)[:200]}")


def _compare_of(got: Any, expected: Any, comparison: Comparison) -> Compare:
    """Return what compares two values; for Python's own types at once, as there may be a million of them."""
    kinds = {type(got), type(expected)}
    if kinds <= NUMBERS:
        return scalars.compare
    if kinds in ({list}, {tuple}, {dict}, {str}):
        return containers.compare
    # By identity, as a metaclass may make classes equal.
    pair = id(type(got)), id(type(expected))
    chosen = comparison.chosen.get(pair)
    if chosen is not None and _has_kind(got) and _has_kind(expected):
        found: Compare = chosen
        return found
    found = next(family.compare for family in FAMILIES if family.recognises(expected) or family.recognises(got))
    if _has_kind(got) and _has_kind(expected):
        comparison.chosen[pair] = found
    return found


def _has_kind(value: Any) -> bool:
    """Return whether the family of value depends on its type alone, not on an attribute such as a unit."""
    cls = type(value)
    try:
        # A proxy shows the class of another object.
        if _varies(cls) or value.__class__ is not cls:
            return False
        stored = object.__getattribute__(value, "__dict__") if cls.__dictoffset__ else ()
        return not any(name in stored for name in arrays.PROTOCOLS)
    except Exception:
        return False


@by_type
def _varies(cls: type) -> bool:
    """Return whether values of a type may be quantities, or decide by themselves which attributes they have."""
    decides = any(isinstance(vars(base).get("__getattribute__"), FunctionType) for base in cls.__mro__)
    return cls is SimpleNamespace or decides or hasattr(cls, "to")
