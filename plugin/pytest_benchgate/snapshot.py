"""Copies that later changes do not affect: of what is expected, and of arguments before a call."""

from __future__ import annotations

import array
import copy
import enum
import inspect
import operator
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import FunctionType, MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pytest_benchgate import lazy
from pytest_benchgate.comparison import (
    SIMPLE,
    Holding,
    Same,
    Tolerance,
    Uncopied,
    are_equal,
    are_unequal,
    attributes,
    fields,
    has_identity,
    has_own_equality,
    has_written_equality,
    is_handle,
    is_of,
    is_opaque,
    is_plain,
)
from pytest_benchgate.written import is_on_device

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CONTAINERS = (list, dict, deque)
# Python's own types, which are always copied part by part.
PLAIN = {tuple, list, dict, set, frozenset}
# Sequences, maybe of a billion numbers.
NUMBERS = (range, bytes, bytearray, array.array)
# Objects, and what is expected of them.
Parts: TypeAlias = list[tuple[Any, Any]]
# What an object may hold that has no copy, and is no part of an answer.
LOCKS = (type(threading.Lock()), type(threading.RLock()))


def expected(value: Any) -> Any:
    """Return a copy of an expected value, computed if it is lazy.

    Raises
    ------
    TypeError
        If value can be read only once, or has to be awaited.

    """
    return taken(lazy.computed(value))


class Memo(dict[int, Any]):
    """What has been copied, by identity; `deep` are deep copies of what objects without an equality refer to.

    The originals are kept, as another value might get the identity of one that was made for a moment.
    """

    def __init__(self) -> None:
        self.deep: dict[int, Any] = {}
        self.kept: list[Any] = []

    def forget(self, known: int) -> None:
        """Keep no more than the first entries: what others stand for is not used."""
        while len(self) > known:
            self.popitem()

    def add(self, value: Any, made: Any) -> Any:
        """Remember what has been made of value, and return it."""
        self[id(value)] = made
        self.kept.append(value)
        return made


def taken(value: Any) -> Any:
    """Return a copy of value; an object without an equality of its own stays, with a copy of its state."""
    try:
        return _copied(value, Memo())
    except RecursionError:
        return Uncopied(value)


def _copied(value: Any, memo: Memo) -> Any:
    if type(value) in SIMPLE:
        return value
    if id(value) in memo:
        return memo[id(value)]
    # At once, as there may be a million of them.
    if type(value) in PLAIN:
        return _by_parts(value, memo)
    if has_identity(value):
        # Within what it holds itself, it counts by its identity.
        memo.add(value, Same(value, None))
        return Uncopied(value) if is_opaque(value) else Same(value, *_state(value, memo))
    if is_handle(value):
        return Uncopied(value)
    known = len(memo)
    for made in (_wrapper,) if type(value) in WRAPPERS else (_from_device, _table, _by_parts, _deep, _buffer):
        try:
            return made(value, memo)
        except RecursionError:
            # Another way might keep a part that is too deep as it is, and its changes would go unnoticed.
            raise
        # The next way is tried.
        except Exception:
            memo.forget(known)
    # The hash of an identity says nothing of what the object holds.
    by_identity = getattr(type(value), "__hash__", None) is object.__hash__
    return value if is_hashable(value) and not by_identity else Uncopied(value)


def _wrapper(value: Any, memo: Memo) -> Any:
    """Return a copy of what shows the content of another object."""
    return WRAPPERS[type(value)](value, memo)


def _from_device(value: Any, memo: Memo) -> Any:  # noqa: ARG001
    """Return what an array on a device holds: not each of them has a deep copy."""
    if not is_on_device(value):
        raise TypeError(f"a {type(value).__name__} is not on a device")
    return value.get()


def _table(value: Any, memo: Memo) -> Any:
    """Return a copy of a table of pandas, of whose objects its own deep copy is none."""
    if not is_of(value, "pandas", "Series", "DataFrame"):
        raise TypeError(f"a {type(value).__name__} is not a table")
    return table(value, lambda cell: _copied(cell, memo))


def table(value: Any, copied: Callable[[Any], Any]) -> Any:
    """Return a copy of a table of pandas, with a copy of each object in its cells."""
    made = copy.deepcopy(value)
    columns = [value] if value.ndim == 1 else [value.iloc[:, number] for number in range(value.shape[1])]
    for number, column in enumerate(columns):
        if column.dtype != object:
            continue
        cells = np.empty(len(column), object)
        for row, cell in enumerate(column.array):
            cells[row] = copied(cell)
        if value.ndim == 1:
            made.iloc[:] = cells
        else:
            made.isetitem(number, sys.modules["pandas"].Series(cells, column.index, object))
    return made


def _by_parts(value: Any, memo: Memo) -> Any:
    """Return a copy of what is compared part by part: a container, which may contain itself, or a dataclass."""
    if isinstance(value, tuple) and (type(value) is tuple or hasattr(value, "_make")):
        parts = [_copied(item, memo) for item in value]
        # Two tuples may share a third one.
        return memo.add(value, tuple(parts) if type(value) is tuple else value._make(parts))  # type: ignore[attr-defined]
    # What can be hashed does not change, or is compared by identity.
    if isinstance(value, set | frozenset):
        return _set(value, memo)
    is_array = type(value) is np.ndarray and value.dtype.kind == "O"
    names = fields(value)
    # Others hold more than their items: what their == compares, too.
    plain = isinstance(value, CONTAINERS) and is_plain(value)
    container = (plain or isinstance(value, dict)) and not has_written_equality(type(value))
    if has_own_equality(value) or not (is_array or names or container):
        raise TypeError(f"a {type(value).__name__} is not compared part by part")
    made = copy.copy(value)
    if made is value:
        raise TypeError(f"a {type(value).__name__} is its own copy")
    memo.add(value, made)
    for name in names:
        object.__setattr__(made, name, _copied(getattr(value, name), memo))
    if isinstance(value, dict):
        return _fill(made, value, memo, type(value) if plain else dict)
    if not names:
        items: Iterable[Any] = np.ndenumerate(value) if is_array else enumerate(value)
        for index, item in items:
            made[index] = _copied(item, memo)
    return made


def _fill(made: Any, value: Any, memo: Memo, kind: Any) -> Any:
    """Fill a dictionary's shallow copy; through `kind`, as its own methods may hide further values of a key."""
    keys = [*kind.__iter__(value)]
    parts: Parts = []
    found = [(_key(key, memo, parts), _copied(kind.__getitem__(value, key), memo)) for key in keys]
    if not all(key is old for (key, _), old in zip(found, keys, strict=True)):
        (OrderedDict if isinstance(value, OrderedDict) else dict).clear(made)
    for key, item in found:
        kind.__setitem__(made, key, item)
    return Holding(made, parts) if parts else made


def _set(value: Any, memo: Memo) -> Any:
    parts: Parts = []
    keys = [_key(item, memo, parts) for item in value]
    if all(map(operator.is_, keys, value)):
        return copy.copy(value)
    made: Any
    if isinstance(value, frozenset):
        made = type(value)(keys)
    else:
        made = copy.copy(value)
        if made is value:
            raise TypeError(f"a {type(value).__name__} is its own copy")
        set.clear(made)
        set.update(made, keys)
    return Holding(made, parts) if parts else made


def _key(item: Any, memo: Memo, parts: Parts) -> Any:
    """Return what is found in the place of item, with copies of the objects in it that may change nevertheless.

    What a value with an equality of its own refers to is added to parts: in the value's place, only a copy is found.
    """
    own = isinstance(type(item).__eq__, FunctionType)
    if type(item) in SIMPLE or not (isinstance(item, tuple | frozenset) or own or has_identity(item)):
        return item
    known = len(memo)
    made = tuple(_key(part, memo, parts) for part in item) if type(item) is tuple else _copied(item, memo)
    if isinstance(made, Holding):
        parts += made.parts
        made = made.original
    if hash(made) == hash(item):
        return made
    memo.forget(known)
    return Same(item, *_state(item, memo)) if own else item


def _deep(value: Any, memo: Memo) -> Any:
    """Return a deep copy whose attributes and items without an equality of their own are the same objects."""
    if inspect.ismethod(value) or (inspect.isbuiltin(value) and not inspect.ismodule(value.__self__)):
        return Holding(value, [(value.__self__, _copied(value.__self__, memo))])
    items = value.values() if isinstance(value, Mapping) else value
    holds = isinstance(value, Mapping | Sequence | AbstractSet) and not isinstance(value, NUMBERS)
    parts = [*attributes(value).values(), *(items if holds else ())]
    kept = {id(item): _buffer(item, memo) if type(item) is memoryview else item
            for item in parts if type(item) is memoryview or has_identity(item)}  # fmt: skip
    made = copy.deepcopy(value, kept)
    if made is not value and are_unequal(made, value) and not are_equal(made, value, Tolerance(equal_nan=True)):
        return Uncopied(value, is_unequal=True)
    # A member of an enumeration does not change.
    free = [item for item in kept.values() if not isinstance(item, enum.Enum) and has_identity(item)]
    parts = [(item, _copied(item, memo)) for item in free if not is_opaque(item)]
    return Holding(made, parts) if any(isinstance(part, Same) and part.state for _, part in parts) else made


def is_hashable(value: Any) -> bool:
    """Return whether value, not just its type, has a hash: a frozen one with a list in it has none."""
    try:
        hash(value)
    except Exception:
        return False
    return True


def _state(value: Any, memo: Memo) -> tuple[dict[str, Any] | None, dict[int, Any]]:
    """Return a copy of an object's attributes, or None if they are part of its definition; and all copies in it."""
    if isinstance(value, type) or inspect.isroutine(value) or inspect.ismodule(value):
        return None, {}
    found = attributes(value)
    try:
        return copy.deepcopy(found, memo.deep), memo.deep
    except RecursionError:
        raise
    except Exception:
        # Some of its copies are not complete.
        memo.deep = {}
        return {
            name: Same(item, None) if isinstance(item, LOCKS) else _copied(item, memo) for name, item in found.items()
        }, {}


def _buffer(value: Any, memo: Memo) -> Any:  # noqa: ARG001
    """Return a copy of a buffer, with its format and shape."""
    view = memoryview(value)
    try:
        return memoryview(view.tobytes()).cast(view.format, view.shape) if view.ndim else np.array(view)  # type: ignore[call-overload]
    # memoryview cannot cast to this format.
    except (TypeError, ValueError):
        return np.array(view)


def _shown(value: dict[Any, Any], memo: Memo, show: Callable[[dict[Any, Any]], Any]) -> Any:
    """Return what shows a copy of a dictionary."""
    made = _copied(value, memo)
    return Holding(show(made.original), made.parts) if isinstance(made, Holding) else show(made)


# What shows the content of another object, and how to copy that.
WRAPPERS: dict[type, Callable[[Any, Memo], Any]] = {
    memoryview: _buffer,
    MappingProxyType: lambda value, memo: _shown(dict(value), memo, MappingProxyType),
    type({}.keys()): lambda value, memo: _shown(dict.fromkeys(value), memo, dict.keys),
    type({}.items()): lambda value, memo: _shown(dict(value), memo, dict.items),
}
