"""What every family of values needs: tolerances, mismatches and their messages."""

from __future__ import annotations

import dataclasses
import inspect
import math
import reprlib
import sys
from collections import deque
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")
# Characters of a value in a message.
MOST_TEXT = 80
# Types whose values are equal exactly if `==` says so, which takes a hundredth of the time of a comparison.
SIMPLE = {
    *(bool, int, float, complex, str, bytes, type(None)),
    *(np.bool_, np.float64, np.float32, np.int8, np.int16, np.int32, np.int64),
    *(np.uint8, np.uint16, np.uint32, np.uint64),
}
NUMBERS = {int, float, complex}
MOST_BITS = 10_000
REPR = reprlib.Repr()
REPR.maxlist = REPR.maxtuple = REPR.maxdict = REPR.maxset = REPR.maxfrozenset = REPR.maxdeque = 100
REPR.maxstring = REPR.maxother = REPR.maxlong = 1000


class WrongAnswer(AssertionError):
    """A benchmark's answer is not the expected one; its time does not count."""


@dataclass(frozen=True)
class Tolerance:
    """How far a float may be from what is expected: ``abs(got - expected) <= atol + rtol * abs(expected)``.

    The rule of numpy.isclose, but exact by default.

    Attributes
    ----------
    rtol, atol : float
        The relative and the absolute tolerance.
    equal_nan : bool
        Whether NaN equals NaN.

    """

    rtol: float = 0.0
    atol: float = 0.0
    equal_nan: bool = False

    @property
    def exact(self) -> bool:
        """Whether floats must be equal."""
        return bool(self.rtol == self.atol == 0)

    def admits(self, got: float, expected: float) -> bool:
        """Return whether a float is close to another one; False for infinities and NaN, of which this says nothing."""
        distance = abs(got - expected)
        return math.isfinite(distance) and distance <= self.atol + self.rtol * abs(expected)

    def __str__(self) -> str:
        """Return the tolerance in words."""
        exact = "exact" if self.exact else f"rtol={self.rtol:g}, atol={self.atol:g}"
        return f"{exact}, NaN equal to NaN" if self.equal_nan else exact


@dataclass(frozen=True)
class Mismatch:
    """The first difference, and how many there are in its array or sequence.

    Attributes
    ----------
    differ, total : int
        How many elements of how many differ.
    where : str
        The place of the first one, as an index expression after the answer: "['a'][3]"; "" for the whole.
    got, expected : str
        The two elements.
    dtype, shape : str
        Of what was got.
    tolerance : Tolerance
        By which they were compared.
    unjudged : str
        Why the two cannot be compared; "" if they differ.

    """

    differ: int
    total: int
    where: str
    got: str
    expected: str
    dtype: str
    shape: str
    tolerance: Tolerance
    unjudged: str = ""

    def __str__(self) -> str:
        """Return the message of a failure, in two lines."""
        if self.unjudged:
            place = f" at {self.where}" if self.where else ""
            return (
                f"got {self.got}, expected {self.expected}{place}: the gate cannot compare them ({self.unjudged})\n"
                "pass a function as expect, which gets the answer and returns whether it is right"
            )
        place = f"the first at {self.where}: " if self.where else ""
        hint = "; equal_nan=True makes NaN equal to NaN" if self.got == self.expected in {"nan", "NaT"} else ""
        return (
            f"{self.differ} of {self.total} differ, {place}got {self.got}, expected {self.expected}\n"
            f"tolerance: {self.tolerance}{hint}; dtype: {self.dtype}; shape: {self.shape}"
        )


@dataclass(frozen=True)
class Comparison:
    """A comparison, and the containers that it is inside of, as a container may contain itself.

    With `counts`, all differences of a container are counted; otherwise the first one is enough. An object that is
    equal to nothing but itself may be in `copies`, by its identity, with the copy that it is to be compared with. Their
    attributes are compared `later`, not within each other, as a chain of such objects may be long; `objects` are those
    of the present chain, with their copies. The pairs in `equal`
    have been compared with this tolerance, and are: a list may be in many others. They are kept there, as another value
    might get the identity of one that is gone. `chosen` has, by two types, what compares their values, and `states` the
    pairs that are equal within the attributes of objects, where NaN equals NaN.
    """

    tolerance: Tolerance
    judge: Callable[[Comparison, Any, Any, str], Mismatch | None]
    counts: bool = True
    within: set[tuple[int, int]] = field(default_factory=set)
    copies: dict[int, Any] = field(default_factory=dict)
    later: list[tuple[Any, Any, str]] = field(default_factory=list)
    objects: set[tuple[int, int]] = field(default_factory=set)
    equal: dict[tuple[int, int], Any] = field(default_factory=dict)
    chosen: dict[tuple[int, int], Any] = field(default_factory=dict)
    states: dict[tuple[int, int], Any] = field(default_factory=dict)

    def __call__(self, got: Any, expected: Any, where: str) -> Mismatch | None:
        """Return the first difference between got and expected, or None where there is none."""
        return None if are_same(got, expected) else self.judge(self, got, expected, where)

    def by(self, tolerance: Tolerance) -> Comparison:
        """Return the same comparison with another tolerance."""
        return dataclasses.replace(self, tolerance=tolerance, equal={}, states={})

    def unchanged(self, copies: dict[int, Any], later: list[tuple[Any, Any, str]]) -> Comparison:
        """Return the same comparison for the attributes of one object and their copies: NaN may have been in them."""
        tolerance = dataclasses.replace(self.tolerance, equal_nan=True)
        return dataclasses.replace(
            self, tolerance=tolerance, objects=set(), equal=self.states, copies=copies, later=later
        )

    def known(self) -> tuple[int, int]:
        """Return how many pairs are known to be equal; see `forget`."""
        return len(self.equal), len(self.states)

    def forget(self, known: tuple[int, int]) -> None:
        """Keep no more than the pairs that were known: the others counted on one that has turned out to differ."""
        for found, count in zip((self.equal, self.states), known, strict=True):
            while len(found) > count:
                found.popitem()

    def whole(self, got: Any, expected: Any, where: str, note: str = "") -> Mismatch:
        """Return the mismatch of two values as wholes."""
        return self.words(f"{text(got)}{note}", text(expected), got, where)

    def kinds(self, got: Any, expected: Any, where: str) -> Mismatch:
        """Return the mismatch of two values of different kinds."""
        return self.whole(got, expected, where, f" ({type(got).__name__})")

    def words(self, got: str, expected: str, value: Any, where: str) -> Mismatch:
        """Return a mismatch with these texts."""
        return Mismatch(1, 1, where, got, expected, type(value).__name__, shape(value), self.tolerance)

    def unjudged(self, got: Any, expected: Any, where: str, why: str) -> Mismatch:
        """Return the mismatch of two values that cannot be compared."""
        found = self.kinds(got, expected, where)
        return Mismatch(1, 1, where, found.got, found.expected, found.dtype, found.shape, self.tolerance, why)


def both(function: Callable[[Any], Any], got: Any, expected: Any) -> tuple[Any, Any]:
    """Return function(got), function(expected)."""
    return function(got), function(expected)


def are_same(got: Any, expected: Any) -> bool:
    """Return whether two values are simple and equal; if not, that leaves open whether they are equal."""
    kinds = type(got), type(expected)
    comparable = kinds[0] in SIMPLE if kinds[0] is kinds[1] else NUMBERS.issuperset(kinds)
    return comparable and bool(got == expected)


def counted(
    items: Iterable[tuple[Any, Any, Any]],
    place: Callable[[Any], str],
    total: int,
    whole: Any,
    comparison: Comparison,
) -> Mismatch | None:
    """Return the first difference in a container, and if its elements are plain, how many there are.

    Each item is a key, of which `place` makes the element's place, and the two elements.
    """
    first, count, admits = None, 0, comparison.tolerance.admits
    for key, got, expected in items:
        # Neither a place nor a comparison for each of a million elements.
        if are_same(got, expected) or (type(got) is type(expected) is float and admits(got, expected)):
            continue
        mismatch = comparison(got, expected, place(key))
        if mismatch is None:
            continue
        first, count = first or mismatch, count + 1
        # It is in an inner container or array, to which its count refers.
        if first.total > 1 or first.unjudged or not comparison.counts:
            return first
    if first is None:
        return None
    return Mismatch(count, total, first.where, first.got, first.expected, f"{type(whole).__name__} of {first.dtype}",
                    shape(whole), comparison.tolerance)  # fmt: skip


def is_of(value: Any, library: str, *names: str) -> bool:
    """Return whether value is an instance of one of the library's public classes, without importing it."""
    module = sys.modules.get(library)
    if module is None:
        return False
    found = [getattr(module, name, None) for name in names]
    return isinstance(value, tuple(kind for kind in found if isinstance(kind, type)))


def by_type(function: Callable[[type], T]) -> Callable[[type], T]:
    """Have what a function returns for a class found out once: a list may hold 100,000 of its objects.

    By its identity, as a metaclass may make its classes equal, or take their hashes away.
    """
    known: dict[int, tuple[type, T]] = {}

    @wraps(function)
    def once(cls: type) -> T:
        if id(cls) not in known:
            known[id(cls)] = cls, function(cls)
        return known[id(cls)][1]

    return once


def attributes(value: Any) -> dict[str, Any]:
    """Return an object's own attributes by their names, those in slots and the arguments of an exception included."""
    found = _stored(value, "__dict__")
    in_slots = {name: _stored(value, name) for name in _slots(type(value))}
    kept = {name: item for name, item in in_slots.items() if item is not ABSENT}
    if isinstance(value, BaseException):
        kept["args"] = value.args
    return {**kept, **(found if isinstance(found, dict) else {})}


@by_type
def _slots(cls: type) -> list[str]:
    slots = (getattr(base, "__slots__", ()) for base in cls.__mro__)
    names = (name for entry in slots for name in ([entry] if isinstance(entry, str) else entry))
    return [name for name in names if name != "__dict__"]


ABSENT = object()


def _stored(value: Any, name: str) -> Any:
    """Return an attribute, or ABSENT, without asking a __getattr__, which may raise anything."""
    try:
        return object.__getattribute__(value, name)
    except AttributeError:
        return ABSENT


def has(value: Any, name: str) -> bool:
    """Return whether value or its type has an attribute, other than what a __getattr__ makes up.

    That may raise anything, return something for every name, or add a key to a dictionary.
    """
    try:
        cls = type(value)
        if getattr(cls, name, None) is not None:
            return True
        if _makes_up(cls):
            return inspect.getattr_static(value, name, None) is not None
        return getattr(value, name, None) is not None
    except Exception:
        return False


@by_type
def _makes_up(cls: type) -> bool:
    # Not those of its metaclass, as that of enumerations has one.
    return any("__getattr__" in vars(base) for base in cls.__mro__)


def attribute(value: Any, name: str) -> Any:
    """Return an attribute that is not a method, or None; foreign types may raise anything."""
    try:
        found = getattr(value, name, None) if has(value, name) else None
    except Exception:
        return None
    return None if callable(found) else found


def shape(value: Any) -> str:
    """Return the shape of a value as text."""
    found = attribute(value, "shape")
    if isinstance(found, tuple):
        return str(found)
    try:
        return f"({len(value)},)"
    except Exception:
        return "()"


def text(value: Any, most: int = MOST_TEXT) -> str:
    """Return value's repr, shortened; if it raises, that must not hide the wrong answer."""
    try:
        if isinstance(value, np.ndarray) and type(value).__module__.startswith("numpy"):
            return f"an array of {value.dtype}, shape {value.shape}"
        if isinstance(value, np.datetime64 | np.timedelta64):
            return f"{value} ({value.dtype})"
        # NumPy drops trailing NULs.
        plain = isinstance(value, np.generic) and not isinstance(value, str | bytes)
        shown = " ".join(_repr(value.item() if plain else value, most).split())
    except Exception as error:
        shown = f"a {type(value).__name__}, whose repr failed: {type(error).__name__}"
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."


def _repr(value: Any, most: int) -> str:
    """Return value's repr, or what its beginning makes of it where it is large."""
    if isinstance(value, str | bytes | bytearray):
        return repr(value[: most + 1])
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        # Python refuses to write so many decimal digits.
        return hex(value)
    containers = (list, tuple, dict, set, frozenset, deque)
    return REPR.repr(value) if type(value) in containers else repr(value)
