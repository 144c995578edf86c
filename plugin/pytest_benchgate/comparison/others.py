"""Values of other types: by an equality of their own, or not at all."""

from __future__ import annotations

import copy
import enum
import functools
import inspect
import struct
import sys
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter, methodcaller
from types import MemberDescriptorType
from typing import Any

import numpy as np

from pytest_benchgate.comparison import arrays
from pytest_benchgate.comparison.core import Comparison, Mismatch, Tolerance, attribute, attributes, both, is_of

# What libraries call a method that returns whether two values are equal as a whole.
OWN = ("identical", "equals")
# What does not change, although it is not written in Python.
FIXED = (type, BaseException, struct.Struct, functools.partial, itemgetter, attrgetter, methodcaller)
# Bytes of a reference in an object.
WORD = tuple.__itemsize__
# The kinds of cffi's types whose values are in memory that they only refer to.
MEMORY = ("pointer", "array", "struct", "union")


class Original:
    """An expected object itself, which is found in its place in a set or a dictionary."""

    original: Any

    def __eq__(self, other: object) -> bool:
        """Return whether other is the object."""
        return other is self.original or other is self

    def __hash__(self) -> int:
        """Return the object's own hash."""
        return hash(self.original)

    def __repr__(self) -> str:
        """Return the object's own repr."""
        return repr(self.original)


@dataclass(frozen=True, eq=False, repr=False)
class Same(Original):
    """An expected object that is equal to nothing but itself, with a copy of its attributes.

    Attributes
    ----------
    original
        The object.
    state : dict, optional
        Its attributes as they were; None if they do not count.
    copies : dict
        Copies of the objects in them, by the identities of these.

    """

    original: Any
    state: dict[str, Any] | None
    copies: dict[int, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, repr=False)
class Uncopied(Original):
    """An expected object that can change, and of which there is no copy.

    Attributes
    ----------
    original
        The object.
    is_unequal : bool
        Whether there is a copy, which is not equal to it.

    """

    original: Any
    is_unequal: bool = False


@dataclass(frozen=True, eq=False, repr=False)
class Holding(Original):
    """A copy of an expected value, or a method, that refers to objects which it does not compare as they were.

    Attributes
    ----------
    original
        The copy, or the method.
    parts : list
        What is expected of these objects, with the objects.

    """

    original: Any
    parts: list[tuple[Any, Any]]

    def __eq__(self, other: object) -> bool:
        """Return whether other is equal to the copy."""
        return other is self or bool(other == self.original)

    __hash__ = Original.__hash__


def has_own_equality(value: Any) -> bool:
    """Return whether value's type has a method that compares two values as a whole."""
    return not isinstance(value, type) and any(callable(getattr(type(value), name, None)) for name in OWN)


def has_identity(value: Any) -> bool:
    """Return whether value is equal to nothing but itself."""
    if value is None or value is Ellipsis or value is NotImplemented:
        return False
    own = getattr(type(value), "__eq__", None) is not object.__eq__
    return not (own or arrays.is_array(value) or has_own_equality(value))


def is_opaque(value: Any) -> bool:
    """Return whether an object holds more than its attributes: its class, or a base of it, is not written in Python.

    One that is its own copy, such as a time zone, does not change.
    """
    if isinstance(value, FIXED) or inspect.isroutine(value) or inspect.ismodule(value):
        return False
    cls: Any = type(value)
    own = [vars(base) for base in cls.__mro__ if "__slots__" in vars(base)]
    slots = sum(isinstance(item, MemberDescriptorType) for names in own for item in names.values())
    # Python itself keeps the dictionary of attributes, and weak references, in front of an object, at negative offsets.
    words = slots + (cls.__dictoffset__ > 0) + (cls.__weakrefoffset__ > 0)
    if not cls.__itemsize__ and cls.__basicsize__ <= object.__basicsize__ + WORD * words:
        return False
    try:
        return copy.deepcopy(value) is not value
    except Exception:
        return True


def is_handle(value: Any) -> bool:
    """Return whether the == of value compares addresses, not what the memory there holds."""
    if is_of(value, "_cffi_backend", "_CDataBase"):
        # Of cffi's values, a number or a null pointer refers to nothing.
        return bool(value) and sys.modules["_cffi_backend"].typeof(value).kind in MEMORY
    return is_of(value, "pyopencl", "MemoryObjectHolder")


def compare_same(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of an object and one that is equal only to itself, but may have changed."""
    if got is not expected.original:
        return compare(got, expected.original, comparison, where)
    if not expected.state:
        return None
    later = [(attributes(got), expected.state, f"{where}.__dict__")]
    comparison = comparison.unchanged(expected.copies, later)
    known = comparison.known()
    mismatch = next((found for pair in later if (found := comparison(*pair))), None)
    if mismatch is None:
        comparison.equal.update(dict.fromkeys(comparison.objects))
    else:
        comparison.forget(known)
    return mismatch


def compare_holding(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of two values, or of an object that they refer to and its state before."""
    mismatch = comparison(got, expected.original, where)
    parts = (comparison(part, state, where) for part, state in expected.parts)
    return mismatch or next(filter(None, parts), None)


def compare_uncopied(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of a value and an object that cannot be copied; it may have changed like the value."""
    if expected.is_unequal:
        kind = type(expected.original).__name__
        why = f"copy.deepcopy makes a {kind} that is not equal to it, so that a change of it would go unnoticed"
        return comparison.unjudged(got, expected, where, why)
    if got is not expected.original and not (is_handle(got) and got == expected.original):
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
        # Each access makes another bound method.
        bound = inspect.ismethod(expected) or inspect.isbuiltin(expected)
        same = got is expected or (bound and got == expected)
        return None if same else comparison.whole(got, expected, where)
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
    """Return the difference of two exceptions of one type: in their arguments, attributes or text.

    Of other objects, only one and its own copy can be compared.
    """
    if not isinstance(expected, BaseException):
        # The keywords of a partial, which are none of its attributes, may have changed.
        unseen = is_opaque(got) or isinstance(got, functools.partial)
        if comparison.copies.get(id(got)) is not expected or unseen:
            return comparison.unjudged(got, expected, where, f"{type(expected).__name__} has no equality of its own")
        pair = id(got), id(expected)
        if not (pair in comparison.equal or pair in comparison.objects):
            comparison.objects.add(pair)
            comparison.later.append((*both(attributes, got, expected), f"{where}.__dict__"))
        return None
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
