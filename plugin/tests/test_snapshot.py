"""Copies of expected values: whatever holds an object, a change of it is noticed, and equal values stay equal."""

from __future__ import annotations

import enum
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import pytest
from pytest_benchgate import Tolerance, compare
from pytest_benchgate.contents import Contents
from pytest_benchgate.snapshot import taken

if TYPE_CHECKING:
    from collections.abc import Callable

EXACT = Tolerance()


class Node:
    """An object that is equal to nothing but itself."""

    def __init__(self) -> None:
        self.n = 1

    def read(self) -> int:
        return self.n


@dataclass
class Keyed:
    """Equal by its node, and found by its identity."""

    node: Any
    __hash__ = object.__hash__


class Valued:
    """Equal, and found, by a value that can change."""

    def __init__(self, n: int, node: Node | None = None) -> None:
        self.n, self.node = n, node

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Valued) and self.n == other.n

    def __hash__(self) -> int:
        return hash(self.n)


class OwnCopy(dict[Any, Any]):
    def __copy__(self) -> OwnCopy:
        return self


class OwnSet(set[Any]):
    def __copy__(self) -> OwnSet:
        return self


HOLDERS: dict[str, Callable[[Node], Any]] = {
    "a set": lambda node: {node},
    "a frozenset in a set": lambda node: {frozenset({node})},
    "a key": lambda node: {node: 1},
    "a frozenset as a key": lambda node: {frozenset({(node, 1)}): 1},
    "a tuple as a key": lambda node: {(1, node): 1},
    "an ordered dictionary's key": lambda node: OrderedDict({node: 1}),
    "a view of keys": lambda node: {node: 1}.keys(),
    "a dictionary that is its own copy": lambda node: OwnCopy(a=node),
    "a set that is its own copy": lambda node: OwnSet({node}),
    "a key found by identity, and beside it": lambda node: [{Keyed(node): 1}, node],
    "an element found by identity, and beside it": lambda node: [{Keyed(node)}, node],
    "a tuple of a key found by identity": lambda node: {(Keyed(node), 1): 1},
    "a key with an equality of its own": lambda node: {Valued(1, node): 1},
    "a view of such keys": lambda node: {Valued(1, node): 1}.keys(),
    "a view of items with such keys": lambda node: {Valued(1, node): 1}.items(),
    "a read-only view of a dictionary with such keys": lambda node: MappingProxyType({Valued(1, node): 1}),
    "a bound method": lambda node: [node.read],
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_change_of_an_object_is_noticed(holder: str) -> None:
    node = Node()
    held = HOLDERS[holder](node)
    expected = taken(held)
    assert compare(held, expected, EXACT) is None
    node.n = 2
    assert compare(held, expected, EXACT) is not None


def test_a_change_of_what_is_found_by_a_value_is_noticed() -> None:
    one = Valued(1)
    for held, equal in (({one}, {Valued(1)}), ({one: 1}, {Valued(1): 1})):
        expected = taken(held)
        assert compare(equal, expected, EXACT) is None
        one.n = 2
        assert compare(held, expected, EXACT) is not None
        one.n = 1


def test_a_change_behind_a_built_in_method_is_noticed() -> None:
    held = [1]
    expected = taken([held.append, len])
    assert compare([held.append, len], expected, EXACT) is None
    held.append(2)
    assert compare([held.append, len], expected, EXACT) is not None


@pytest.mark.parametrize("make", [OwnCopy, OwnSet])
def test_a_copy_leaves_the_value_as_it_is(make: Any) -> None:
    node = Node()
    value = make({node: 1})
    taken(value)
    assert [*value] == [node]
    assert next(iter(value)) is node
    assert compare(make(), taken(make({1: 1})), EXACT) is not None


class Color(enum.Enum):
    RED = 1


class ByName(dict[Any, Any]):
    def __getitem__(self, key: Any) -> Any:
        return dict.__getitem__(self, Color[key.name])


@dataclass(frozen=True)
class Name:
    id: UUID


@pytest.mark.parametrize(
    "make",
    [
        lambda n: {(UUID(int=n), "a"): 1},
        lambda n: {Name(UUID(int=n))},
        lambda n: {Name(UUID(int=n)): 1},
        lambda n: ByName({Color.RED: n}),
        lambda n: {Color.RED: n},
    ],
    ids=["tuples", "a set", "keys", "a mapping that looks at its keys", "an enumeration"],
)
def test_keys_that_hold_others_are_equal_by_value(make: Callable[[int], Any]) -> None:
    assert compare(make(1), taken(make(1)), EXACT) is None
    assert compare(make(2), taken(make(1)), EXACT) is not None


class Proxy:
    """Shows another object, and its class."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, shown: Any) -> None:
        object.__setattr__(self, "_shown", shown)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._shown)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_shown"), name)

    def __eq__(self, other: object) -> bool:
        return bool(self._shown == (other._shown if type(other) is Proxy else other))

    def __iter__(self) -> Any:
        return iter(self._shown)

    def __len__(self) -> int:
        return len(self._shown)

    def __getitem__(self, index: Any) -> Any:
        return self._shown[index]


def test_of_a_proxy_each_value_has_its_own_comparison() -> None:
    """Not that of the first one of its type."""
    assert compare([Proxy(None), Proxy([True])], [Proxy(None), Proxy([1])], EXACT) is not None
    close = Tolerance(rtol=1e-9)
    assert compare([Proxy(None), Proxy([1.0])], [Proxy(None), Proxy([1.0 + 1e-12])], close) is None


@pytest.mark.parametrize("holder", [set, list, tuple, dict.fromkeys])
def test_a_container_may_be_in_an_object_that_it_holds(holder: Callable[[list[Node]], Any]) -> None:
    """The object has no deep copy; this took time without end."""
    node = Node()
    registry = {"nodes": holder([node])}
    node.__dict__.update(registry=registry, lock=threading.Lock())
    expected = taken(registry)
    assert compare(registry, expected, EXACT) is None
    node.n = 2
    assert compare(registry, expected, EXACT) is not None


class Made(Sequence[Any]):
    """Makes its items at each access."""

    def __len__(self) -> int:
        return 100

    def __getitem__(self, index: Any) -> Any:
        if index >= len(self):
            raise IndexError
        return np.full(1, index), [index] * 10


def test_items_that_are_made_at_each_access_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_benchgate.comparison.core import Comparison

    most: list[int] = []
    forget = Comparison.forget

    def noted(self: Comparison, known: tuple[int, int]) -> None:
        most.append(len(self.equal))
        forget(self, known)

    monkeypatch.setattr(Comparison, "forget", noted)
    assert compare(Made(), Made(), EXACT) is None
    assert 0 < max(most) < 5


class Box:
    """Equal to any other."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self) -> None:
        self.node = Node()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Box)


def test_a_table_gets_its_own_objects_back() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    for place in (pandas.Series([Box(), Node()], dtype=object), pandas.DataFrame({"a": [Box(), Node()], "b": [1, 2]})):
        contents = Contents(place, 0)
        contents.restore()
        cells = place if place.ndim == 1 else place["a"]
        assert [type(cell) for cell in cells] == [Box, Node]
