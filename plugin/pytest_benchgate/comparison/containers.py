"""Lists, dictionaries, sets, strings, bytes and dataclasses, with values of any family in them, or themselves."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, UserString, deque
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_benchgate.comparison import scalars
from pytest_benchgate.comparison.core import (
    SIMPLE,
    Comparison,
    Mismatch,
    Tolerance,
    both,
    by_type,
    counted,
    is_of,
    shape,
    text,
)
from pytest_benchgate.comparison.others import Original

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BYTES = (bytes, bytearray)
# Containers that keep what they hold.
KEEPING = {list, tuple, dict, deque, OrderedDict}
# Elements that are not worth remembering.
FEW = 8
# Of elements of two sets that are compared one by one.
MOST_PAIRS = 10**6


def recognises(value: Any) -> bool:
    """Return whether value is a container."""
    kinds = (Mapping, list, tuple, str, AbstractSet, deque, *BYTES)
    return isinstance(value, kinds) or _is_sequence(value) or bool(fields(value))


def _is_sequence(value: Any) -> bool:
    # The items of a UserString are UserStrings.
    return isinstance(value, Sequence | deque) and not isinstance(value, str | range | bytes | bytearray | UserString)


def compare(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the first difference of two values, at least one of which is a container."""
    pair = (id(got), id(expected))
    # A container contains itself: any difference is found by the comparison that is under way.
    if pair in comparison.within or pair in comparison.equal:
        return None
    known, is_equal = comparison.known(), False
    comparison.within.add(pair)
    try:
        mismatch = _compare(got, expected, comparison, where)
        is_equal = mismatch is None
        return mismatch
    finally:
        comparison.within.discard(pair)
        if not is_equal:
            comparison.forget(known)
        elif not _is_small(got):
            comparison.equal[pair] = got, expected


def _is_small(value: Any) -> bool:
    """Return whether to compare value again takes less than to remember that: there may be a million such rows."""
    if not isinstance(value, list | tuple | dict) or len(value) > FEW:
        return False
    return all(type(item) in SIMPLE for item in (value.values() if isinstance(value, dict) else value))


def _compare(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    both = (got, expected)
    if all(isinstance(one, str) for one in both) or all(isinstance(one, BYTES) for one in both):
        return _letters(_plain(got), _plain(expected), comparison, where)
    if all(isinstance(one, Mapping) for one in both):
        return _mappings(got, expected, comparison, where)
    if all(isinstance(one, list | tuple) for one in both) and _like(got, expected):
        return _sequences(got, expected, comparison, where)
    if type(got) is type(expected):
        if isinstance(got, AbstractSet):
            return _sets(got, expected, comparison, where)
        if fields(got):
            return _attributes(got, expected, comparison, where)
        if _is_sequence(got):
            return _sequences(got, expected, comparison, where)
    return comparison.kinds(got, expected, where)


def _like(got: Any, expected: Any) -> bool:
    """Return whether both are tuples or both are lists; of two named tuples, whether they have the same names."""
    names = [getattr(type(one), "_fields", None) for one in (got, expected)]
    return isinstance(got, tuple) == isinstance(expected, tuple) and (None in names or names[0] == names[1])


def _plain(text: str | bytes | bytearray) -> str | bytes:
    """Return text as Python's own type, so that a subclass does not judge itself."""
    return str.__getitem__(text, slice(None)) if isinstance(text, str) else bytes(memoryview(text))


def fields(value: Any) -> tuple[str, ...]:
    """Return the fields by which a dataclass or attrs class compares, unless it defines its own equality."""
    return tuple(vars(value)) if type(value) is SimpleNamespace else _compared(type(value))


@by_type
def _compared(cls: type) -> tuple[str, ...]:
    code = getattr(cls.__eq__, "__code__", None)
    if code is None or not (code.co_filename == "<string>" or code.co_filename.startswith("<attrs generated")):
        return ()
    if dataclasses.is_dataclass(cls):
        return tuple(field.name for field in dataclasses.fields(cls) if field.compare)
    return tuple(field.name for field in getattr(cls, "__attrs_attrs__", ()) if field.eq)


def _attributes(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    if fields(got) != fields(expected):
        return _mappings(vars(got), vars(expected), comparison, f"{where}.__dict__")
    for name in fields(expected):
        left, right = getattr(got, name), getattr(expected, name)
        mismatch = comparison(left, right, f"{where}.{name}")
        key = _key(type(expected), name)
        if mismatch and (key is None or comparison(key(left), key(right), where)):
            return mismatch
    return None


def _key(cls: type, name: str) -> Callable[[Any], Any] | None:
    """Return what a class of attrs makes of a field before it compares it; None for nothing."""
    found = next((field for field in getattr(cls, "__attrs_attrs__", ()) if field.name == name), None)
    return None if found is None else found.eq_key


def _letters(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    kind = "str" if isinstance(got, str) else "bytes"
    if len(got) != len(expected):
        return _lengths(got, expected, comparison, where)
    if got == expected:
        return None
    wrong = _codes(got) != _codes(expected)
    first = int(wrong.argmax())
    pair = repr(got[first]), repr(expected[first])
    return Mismatch(
        int(np.count_nonzero(wrong)), len(got), f"{where}[{first}]", *pair, kind, shape(got), comparison.tolerance
    )


def _codes(text: str | bytes) -> Any:
    """Return the numbers of the characters as an array."""
    if isinstance(text, bytes):
        return np.frombuffer(text, np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _lengths(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch:
    return comparison.words(f"a {type(got).__name__} of {len(got)}", f"one of {len(expected)}", got, where)


def _sequences(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    if len(got) != len(expected):
        return _lengths(got, expected, comparison, where)
    items = _passing(zip(range(len(expected)), got, expected, strict=True), got, expected, comparison)
    return counted(items, lambda index: f"{where}[{index}]", len(expected), got, comparison)


def _passing(items: Iterable[Any], got: Any, expected: Any, comparison: Comparison) -> Iterable[Any]:
    """Return items of two containers; those that a container may make at each access are not remembered."""
    return items if {type(got), type(expected)} <= KEEPING else _forgotten(items, comparison)


def _forgotten(items: Iterable[Any], comparison: Comparison) -> Iterator[Any]:
    for item in items:
        known = comparison.known()
        yield item
        comparison.forget(known)


def _mappings(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    keys = {key: key for key in got}
    missing = [key for key in expected if key not in keys]
    extra = [key for key in keys if key not in expected]
    if missing or extra:
        words = f"a {type(got).__name__} without {text(missing)} and with {text(extra)} in addition"
        return Mismatch(len(missing) + len(extra), len(expected), where, words, f"the keys {text([*expected])}",
                        type(got).__name__, shape(got), comparison.tolerance)  # fmt: skip
    for key in expected:
        # To a dictionary, True is 1.
        if keys[key] is not key and (mismatch := comparison(keys[key], key, where)) is not None:
            if type(keys[key]) not in SIMPLE:
                return mismatch
            return comparison.words(f"the key {keys[key]!r}", f"the key {key!r}", got, where)
    if isinstance(got, OrderedDict) and isinstance(expected, OrderedDict) and [*keys] != [*expected]:
        return comparison.words(f"the keys {text([*keys])}", f"the keys {text([*expected])}", got, where)
    # By the key itself, not by what stands for it among those that are expected: a mapping may look at its attributes.
    items = ((key, got[keys[key]], expected[keys[key]]) for key in expected)
    mismatch = counted(
        _passing(items, got, expected, comparison), lambda key: f"{where}[{text(key)}]", len(expected), got, comparison
    )
    return mismatch or _further(got, expected, comparison, where)


def _further(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of what two mappings hold beyond one value for each key."""
    pairs = [[*one.items()] for one in (got, expected) if not is_plain(one)]
    if any(len(found) != len({key for key, _ in found}) for found in pairs):
        return _sequences([*got.items()], [*expected.items()], comparison, f"{where}.items()")
    if type(got) is type(expected) and isinstance(got, dict) and not is_plain(got):
        # What dict itself holds, such as a list of values for each key.
        return _mappings(dict(dict.items(got)), dict(dict.items(expected)), comparison, where)
    return None


def is_plain(value: Any) -> bool:
    """Return whether a list, dict or deque shows what it holds in the way that these types do."""
    kind = next((kind for kind in (OrderedDict, dict, list, deque) if isinstance(value, kind)), None)
    names = ("__getitem__", "__iter__", "items")
    return kind is not None and all(getattr(type(value), name, None) is getattr(kind, name, None) for name in names)


def _sets(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Find an equal element for each expected one; with tolerances, by trying all that are left."""
    if len(got) != len(expected):
        return _lengths(got, expected, comparison, where)
    left = {element: element for element in got}
    unpaired = []
    for element in expected:
        mismatch = comparison(left[element], element, where) if element in left else None
        # No other one can be equal to an object that is there, but has changed.
        if mismatch and isinstance(element, Original):
            return mismatch
        if mismatch or element not in left:
            unpaired.append(element)
        else:
            del left[element]
    if len(unpaired) ** 2 > MOST_PAIRS:
        if comparison.tolerance == Tolerance():
            return comparison.whole(got, expected, where)
        why = f"{len(unpaired)} elements are not equal, too many to look for those within the tolerance"
        return comparison.unjudged(got, expected, where, why)
    for element in unpaired:
        found = next((one for one in left if comparison(one, element, where) is None), left)
        if found is left:
            return comparison.whole(got, expected, where)
        del left[found]
    return None


def recognises_approx(value: Any) -> bool:
    """Return whether value is pytest.approx(...), which has a tolerance of its own."""
    return any(
        cls.__name__.startswith("Approx") and cls.__module__.partition(".")[0] in {"pytest", "_pytest"}
        for cls in type(value).__mro__
    )


def compare_approx(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of a plain value and pytest.approx(...)."""
    plain = type(got) in {bool, int, float, complex, list, tuple, dict} or scalars.kind(got) in {*"bifcUS"}
    exact = is_of(got, "numpy", "ndarray") and type(got).__module__ == "numpy"
    if recognises_approx(expected) and (plain or exact) and bool(expected == got):
        # To pytest, True is 1.
        flags = both(_has_booleans, got, expected.expected)
        if flags[0] == flags[1]:
            return None
    return comparison.kinds(got, expected, where)


def _has_booleans(value: Any) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
    return any(np.asarray(part).dtype.kind == "b" for part in parts)
