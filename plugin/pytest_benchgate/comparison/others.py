"""Values of other types: by an equality of their own, or not at all."""

from __future__ import annotations

import enum
import inspect
from typing import Any

import numpy as np

from pytest_benchgate.comparison import arrays
from pytest_benchgate.comparison.core import Comparison, Mismatch, Tolerance, attribute, attributes

# What libraries call a method that returns whether two values are equal as a whole.
OWN = ("identical", "equals")


def has_own_equality(value: Any) -> bool:
    """Return whether value's type has a method that compares two values as a whole."""
    return not isinstance(value, type) and any(callable(getattr(type(value), name, None)) for name in OWN)


def has_identity(value: Any) -> bool:
    """Return whether value is equal to nothing but itself."""
    if value is None or value is Ellipsis or value is NotImplemented:
        return False
    own = getattr(type(value), "__eq__", None) is not object.__eq__
    return not (own or arrays.is_array(value) or has_own_equality(value))


def compare_same(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of an object and one that is equal only to itself, but may have changed."""
    if got is not expected.original:
        return compare(got, expected.original, comparison, where)
    if not expected.state:
        return None
    return comparison(attributes(got), expected.state, f"{where}.__dict__")


def compare_uncopied(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of a value and an object that cannot be copied; it may have changed like the value."""
    if got is not expected.original:
        return comparison(got, expected.original, where)
    kind = type(got).__name__
    why = f"they are one object, and a {kind} cannot be copied and compared, so that a change of it would go unnoticed"
    return comparison.unjudged(got, expected, where, why)


def compare(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of two values by their type's equality; values of different types differ."""
    if type(got) is not type(expected):
        readable = arrays.recognises(got) and arrays.recognises(expected)
        return arrays.compare(got, expected, comparison, where) if readable else comparison.kinds(got, expected, where)
    cls: Any = type(expected)
    own = next((name for name in OWN if callable(getattr(cls, name, None))), None)
    if own is not None:
        equal = getattr(got, own)(expected)
    elif got is expected and cls.__eq__ is object.__eq__:
        return None
    elif isinstance(expected, enum.Enum | type) or inspect.isroutine(expected) or inspect.ismodule(expected):
        return None if got is expected else comparison.whole(got, expected, where)
    elif cls.__eq__ is object.__eq__:
        return _without_equality(got, expected, comparison, where)
    else:
        equal = cls.__eq__(got, expected)
    if own is not None and not equal and comparison.tolerance != Tolerance() and arrays.is_array(got):
        return arrays.compare(got, expected, comparison, where)
    # pandas' missing value.
    if cls.__name__ == "NAType" and got is expected:
        return None
    if isinstance(equal, bool | np.bool_):
        return None if equal else comparison.by(Tolerance()).whole(got, expected, where)
    if inspect.iscoroutine(equal):
        equal.close()
    return _elementwise(got, expected, equal, comparison, where)


def _without_equality(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of two exceptions of one type: in their arguments, attributes or text."""
    if not isinstance(expected, BaseException):
        return comparison.unjudged(got, expected, where, f"{type(expected).__name__} has no equality of its own")
    for name, part in (("args", lambda one: one.args), ("__dict__", attributes)):
        if mismatch := comparison(part(got), part(expected), f"{where}.{name}"):
            return mismatch
    # A path of an OSError, say, is neither of them.
    return comparison(str(got), str(expected), f"str({where})" if where else "")


def _elementwise(got: Any, expected: Any, equal: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of two values whose equality is an array of their own shape."""
    shapes = [attribute(one, "shape") for one in (got, expected, equal)]
    flags = np.asarray(equal)
    if shapes[0] is None or shapes.count(shapes[0]) != len(shapes) or flags.dtype.kind != "b":
        reason = f"{type(got).__name__}'s == returns neither True nor False, but a {type(equal).__name__}"
        return comparison.unjudged(got, expected, where, reason)
    return None if flags.all() else comparison.by(Tolerance()).whole(got, expected, where)
