"""Functions whose growth is known, each claimed rightly, and with a factor of n less; `claims.py` runs these tests.

The sizes are those at which a function already grows as it should: a call takes some milliseconds at most, and what
moves memory needs many elements before that takes longer than Python does.
"""

# ruff: noqa: RUF017  # a quadratic sum of lists is meant

from __future__ import annotations

import bisect
import collections
import functools
import heapq
import itertools
import operator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Data = list[Any]
    Function = Callable[[Data], object]

TINY, SMALL, MIDDLE, LARGE = (50, 200), (250, 1000), (2000, 8000), (16000, 64000)
LESS = {"n": "1", "n log n": "log n", "n^2": "n"}
KINDS: dict[str, Callable[[int], Data]] = {
    "int": lambda n: list(range(n)),
    "str": lambda n: [f"{i:07d}" for i in range(n)],
    "tuple": lambda n: [(i, "x") for i in range(n)],
    "float": lambda n: [i + 0.5 for i in range(n)],
}
FUNCTIONS: dict[str, tuple[Function, str, tuple[int, int]]] = {}


def known(order: str, sizes: tuple[int, int] = MIDDLE) -> Callable[[Function], Function]:
    """Add a function, which grows like this between these sizes."""

    def add(function: Function) -> Function:
        FUNCTIONS[function.__name__] = (function, order, sizes)
        return function

    return add


def short(order: str, sizes: tuple[int, int] = MIDDLE, **functions: Function) -> None:
    """Add functions that are expressions."""
    for name, function in functions.items():
        FUNCTIONS[name] = (function, order, sizes)


def key(one: Any) -> int:
    """Return a number for each datum, in no order."""
    return int(one[0] if isinstance(one, tuple) else one) * 7919 % 1000003


short(
    "1",
    first=lambda data: data[0],
    last_slice=lambda data: data[-3:],
    length=len,
    few=lambda data: list(itertools.islice(data, 20)),
    head=lambda data: sum(map(len, map(str, data[:50]))),
    last=lambda data: data[-1],
)
short(
    "log n",
    search=lambda data: bisect.bisect(data, data[len(data) // 3]),
    halving=lambda data: [len(data) >> shift for shift in range(len(data).bit_length())],
)
short(
    "n",
    copy=lambda data: data[:],
    backwards=lambda data: data[::-1],
    as_set=set,
    as_dict=dict.fromkeys,
    comprehension=lambda data: [(one, 1) for one in data],
    texts=lambda data: sum(len(str(one)) for one in data),
    largest=max,
    counter=collections.Counter,
    joined=lambda data: "".join(map(str, data)),
    presorted=sorted,
    paired=lambda data: list(itertools.pairwise(data)),
    membership=lambda data: [one in table for table in [set(data)] for one in data],
    looked_up=lambda data: [table[one] for table in [dict.fromkeys(data)] for one in data],
    heapified=lambda data: heapq.heapify(data[:]),
    total=lambda data: sum(bytes(len(data))),
)
short("n", LARGE, translated=lambda data: (b"abc" * len(data)).translate(bytes(range(256))).count(b"c"))
short(
    "n log n",
    SMALL,
    sort=lambda data: sorted(data, key=key),
    compared=lambda data: sorted(map(key, data), key=functools.cmp_to_key(operator.sub)),
    searches=lambda data: [bisect.bisect(keys, one) for keys in [sorted(map(key, data))] for one in keys],
)
short(
    "n^2",
    TINY,
    same=lambda data: sum(a is b for a in data for b in data),
    counted=lambda data: [data.count(one) for one in data],
    indexed=lambda data: [data.index(one) for one in data],
    prefixes=lambda data: [sum(map(id, data[:end])) for end in range(len(data))],
)
short("n^2", (500, 2000), summed_lists=lambda data: sum(([one] for one in data), []))


@known("n")
def without_duplicates(data: Data) -> object:
    seen, kept = set(), []
    for one in data:
        if one not in seen:
            seen.add(one)
            kept.append(one)
    return kept


@known("n")
def grouped(data: Data) -> object:
    groups = collections.defaultdict(list)
    for one in data:
        groups[hash(one) % 10].append(one)
    return groups


@known("n")
def queue(data: Data) -> object:
    waiting = collections.deque(data)
    while waiting:
        waiting.popleft()
    return waiting


@known("n")
def last_popped(data: Data) -> object:
    data = data[:]
    while data:
        data.pop()
    return data


@known("n")
def added_text(data: Data) -> object:
    text = ""
    for _ in data:
        text += "x"
    return text


@known("n")
def cached(data: Data) -> object:
    """Compute 50 answers once."""

    @functools.cache
    def answer(n: int) -> int:
        return sum(range(n))

    return sum(answer(hash(one) % 50) for one in data)


@known("n log n", SMALL)
def heap_sort(data: Data) -> object:
    heap: list[int] = []
    for one in data:
        heapq.heappush(heap, key(one))
    return [heapq.heappop(heap) for _ in data]


@known("n log n", (100, 400))
def merge_sort(data: Data) -> object:
    @functools.cache
    def merged(start: int, end: int) -> Data:
        middle = (start + end) // 2
        if start == middle:
            return [key(one) for one in data[start:end]]
        return list(heapq.merge(merged(start, middle), merged(middle, end)))

    return merged(0, len(data))


@known("n^2", TINY)
def duplicates(data: Data) -> object:
    seen = []
    for one in data:
        if one not in seen:
            seen.append(one)
    return seen


@known("n^2", (4000, 16000))
def inserted_first(data: Data) -> object:
    out: Data = []
    for one in data:
        out.insert(0, one)
    return out


@known("n^2")
def first_popped(data: Data) -> object:
    data = data[:]
    while data:
        data.pop(0)
    return data


@known("n^2", LARGE)
def prepended(data: Data) -> object:
    text = ""
    for _ in data:
        text = "x" + text
    return text


@known("n^2", LARGE)
def added_bytes(data: Data) -> object:
    out = b""
    for _ in data:
        out += b"x"
    return out


@known("n^2", (500, 2000))
def tuples(data: Data) -> object:
    out: tuple[Any, ...] = ()
    for one in data:
        out += (one,)
    return out


@known("n^2", (500, 2000))
def sliced(data: Data) -> object:
    while data:
        data = data[1:]
    return data


@known("n^2", TINY)
def removed(data: Data) -> object:
    rest = data[:]
    for one in reversed(data):
        rest.remove(one)
    return rest


@known("n^2", SMALL)
def sets_copied(data: Data) -> object:
    seen: frozenset[Any] = frozenset()
    for one in data:
        seen |= {one}
    return seen


@known("n^2", (60, 240))
def bubble_sort(data: Data) -> object:
    keys = [key(one) for one in data]
    for end in range(len(keys), 0, -1):
        for i in range(1, end):
            if keys[i - 1] > keys[i]:
                keys[i - 1], keys[i] = keys[i], keys[i - 1]
    return keys


def claim(function: Function, order: str, sizes: tuple[int, int]) -> object:
    """Return a test that claims this order of growth."""

    @pytest.mark.benchgate(grows=order, sizes="size")
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("size", sizes)
    def test(benchmark: Any, size: int, kind: str) -> None:
        benchmark(function, KINDS[kind](size))

    return test


for called, (function, grows, sizes) in FUNCTIONS.items():
    globals()[f"test_true_{called}"] = claim(function, grows, sizes)
    if grows in LESS:
        globals()[f"test_false_{called}"] = claim(function, LESS[grows], sizes)
