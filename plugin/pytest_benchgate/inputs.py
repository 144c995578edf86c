"""Arguments that a call only reads: whether they hold afterwards what they held before."""

from __future__ import annotations

import array
import copy
import mmap
import operator
import zlib
from collections import OrderedDict, deque
from collections.abc import Mapping, MutableSequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_benchgate import snapshot
from pytest_benchgate.comparison import (
    SIMPLE,
    Tolerance,
    are_equal,
    attributes,
    fields,
    has_own_equality,
    has_written_equality,
    is_of,
)
from pytest_benchgate.comparison.arrays import is_masked, read
from pytest_benchgate.comparison.core import by_type
from pytest_benchgate.lazy import is_lazy
from pytest_benchgate.written import is_on_device, memory_of

if TYPE_CHECKING:
    from collections.abc import Iterable

# Elements that are read at once.
PART = 2**20
# Further values of other types than Python's and NumPy's are not looked into: each is copied and compared twice.
MOST_COPIES = 1000
# Bytes of a map of a file, which may be larger than the memory.
MOST_MAPPED = 2**28
# Whatever a subclass makes of their items, they are read as these types hold them.
CONTAINERS = (list, tuple, OrderedDict, dict, set, deque)
# Where libraries keep the names of a class' fields.
DECLARED = {"pydantic": "__pydantic_fields__", "msgspec": "__struct_fields__"}
SAME = Tolerance(equal_nan=True)


class Input:
    """What an array, a buffer or a container, and what is in it, held when this was made.

    Memory is kept as a checksum and containers as references, so that large arguments take neither long nor much
    space. Values of other types that can be compared with a copy are copied. Other objects may have a state of their
    own, such as a cache, and are not looked into.

    Parameters
    ----------
    place
        The argument.

    """

    def __init__(self, place: Any) -> None:
        self.place = place
        self._held: list[_Held] = []
        # A container may contain itself, and a million values of a type that is never read.
        seen, left, copies, skipped = {id(place)}, [place], 0, {*SIMPLE}
        while left:
            held = _Held.of(left.pop(), is_copied=copies < MOST_COPIES)
            copies += held.copy is not None
            self._held.append(held)
            for item in held.items:
                if type(item) in skipped or id(item) in seen:
                    continue
                if is_read(item):
                    seen.add(id(item))
                    left.append(item)
                elif type(item).__hash__ is not None and memory_of(item) is None:
                    skipped.add(type(item))

    def changed(self) -> bool:
        """Return whether any of it holds something else now."""
        return any(held.changed() for held in self._held)

    def places(self) -> Iterable[Any]:
        """Return the argument, and the arrays, buffers and containers in it."""
        return [held.place for held in self._held]


class _Held(NamedTuple):
    """What one of them held: a checksum of its memory, its items, or a copy."""

    place: Any
    checksum: Any
    items: list[Any]
    copy: Any

    @classmethod
    def of(cls, place: Any, *, is_copied: bool) -> _Held:
        copied = _copied(place) if is_copied and _has_equality(place) else None
        return cls(place, _checksum(place) if copied is None else None, _items(place), copied)

    def changed(self) -> bool:
        if self.copy is not None:
            return not are_equal(self.place, self.copy, SAME)
        if _checksum(self.place) != self.checksum:
            return True
        try:
            return not _holds(self.place, self.items)
        # A new value may contain itself.
        except RecursionError:
            return True


def is_read(value: Any) -> bool:
    """Return whether value can be changed in place, or contain what can, and is known well enough to see that."""
    if isinstance(value, CONTAINERS) or _is_foreign(value) or fields(value):
        return True
    if isinstance(value, np.ndarray):
        return value.flags.writeable and (not isinstance(value, np.memmap) or value.nbytes <= MOST_MAPPED)
    memory = memory_of(value)
    if memory is None or memory.readonly:
        return _has_equality(value)
    return not isinstance(value, mmap.mmap) or memory.nbytes <= MOST_MAPPED


def _is_foreign(value: Any) -> bool:
    """Return whether value is an array that does not show its memory."""
    return is_on_device(value) or is_of(value, "torch", "Tensor")


def _has_equality(value: Any) -> bool:
    """Return whether value is of a type whose values can change, as they have no hash, and be compared as wholes."""
    # The hash of a tuple takes in each of its parts as often as it is there.
    if type(value) is tuple or isinstance(value, type | np.ndarray | np.generic) or snapshot.is_hashable(value):
        return False
    # Those of the standard library, and what is derived from their base classes, have the == of these.
    is_container = isinstance(value, Mapping | MutableSequence | AbstractSet)
    is_built_in = isinstance(value, (*CONTAINERS, bytearray, array.array))
    has_equality = has_own_equality(value) or has_written_equality(type(value))
    return (has_equality or (is_container and not is_built_in)) and not is_lazy(value)


def _copied(value: Any) -> Any:
    """Return a copy of value; None if there is none that is equal to it."""
    try:
        # A deep copy of pandas' shares the objects in its cells.
        made = snapshot.taken(value) if hasattr(type(value), "iloc") else copy.deepcopy(value)
    except Exception:
        return None
    return made if are_equal(value, made, SAME) else None


def places(value: Any) -> Iterable[Any]:
    """Return an argument, and the arrays, buffers and containers in it."""
    return Input(value).places() if is_read(value) else [value]


def _holds(place: Any, before: list[Any]) -> bool:
    """Return whether place still has these items, or such as are the same to the next call."""
    now = _items(place)
    if len(now) != len(before):
        return False
    if isinstance(place, set):
        # Its order may be another one after something was added and removed.
        found = {item: item for item in now}
        now = [found.get(item, found) for item in before]
    return all(map(operator.is_, now, before)) or all(map(_are_same, now, before))


def _are_same(now: Any, before: Any) -> bool:
    """Return whether two values are equal, and of the same types throughout: to ``==``, 1 is 1.0, and to a call not."""
    if now is before or type(now) is not type(before):
        return now is before
    if type(now) in SIMPLE:
        return bool(now == before or (now != now and before != before))  # noqa: PLR0124  # NaN
    if isinstance(now, CONTAINERS) or fields(now):
        return _holds(now, _items(before))
    return isinstance(now, np.ndarray) and _checksum(now) == _checksum(before) and _holds(now, _items(before))


def _items(place: Any) -> list[Any]:
    if isinstance(place, np.ndarray):
        return [*_objects(place.view(np.ndarray))]
    kind: Any = next((kind for kind in CONTAINERS if isinstance(place, kind)), None)
    if kind is None:
        stored = attributes(place)
        # The == of pydantic and msgspec fails where there are arrays in their fields.
        declared = [getattr(place, name, None) for name in _declared(type(place))]
        return [*(stored[name] for name in fields(place) if name in stored), *declared]
    return [*kind.__iter__(place), *(kind.values(place) if isinstance(place, dict) else ())]


@by_type
def _declared(cls: type) -> list[str]:
    """Return the fields of a class of pydantic or msgspec."""
    libraries = {base.__module__.partition(".")[0] for base in cls.__mro__} & DECLARED.keys()
    return [name for library in libraries for name in getattr(cls, DECLARED[library], ())]


def _objects(values: Any) -> Iterable[Any]:
    """Return the elements of an array that its memory refers to, those of its fields included."""
    if values.dtype.names is not None:
        return (item for name in values.dtype.names for item in _objects(values[name]))
    return values.flat if values.dtype.kind in {"O", "T"} else ()


def _checksum(place: Any) -> Any:
    if isinstance(place, np.ndarray):
        mask = _of_memory(np.ma.getmask(place)) if is_masked(place) else None
        return place.shape, place.dtype, _of_memory(place.view(np.ndarray)), mask
    if _is_foreign(place):
        # Some arrays cannot be read: an array of PyOpenCL without a queue, say.
        with suppress(Exception):
            return _of_memory(read(place))
        return None
    shown = memory_of(place)
    return None if shown is None else (shown.nbytes, zlib.crc32(shown if shown.c_contiguous else shown.tobytes()))


def _of_memory(values: Any, checksum: int = 0) -> int:
    """Return the checksum of an array's elements, read part by part: to make them contiguous takes a copy.

    What its memory refers to is left out.
    """
    if values.dtype.hasobject:
        for name in values.dtype.names or ():
            checksum = _of_memory(values[name], checksum)
        return checksum
    if values.size <= PART or not values.ndim:
        return zlib.crc32(values.tobytes(), checksum)
    if len(values) == 1:
        return _of_memory(values[0], checksum)
    half = len(values) // 2
    return _of_memory(values[half:], _of_memory(values[:half], checksum))
