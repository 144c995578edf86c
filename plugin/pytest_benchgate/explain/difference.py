"""The difference of two profiles: which functions execute more instructions in head than in base."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, TypeAlias

from pytest_benchgate.explain.profile import UNKNOWN
from pytest_benchgate.explain.sources import VARIANT, Origin, origins, readable
from pytest_benchgate.results import Growth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_benchgate.explain.profile import Function, Place, Profile

LISTED = 3  # functions
SMALL = 0.05  # of the whole difference: what adds less is not listed
EXPLAINED = 0.5  # of the whole difference: where the raced code adds so much, nothing else is listed
ALLOCATORS = {"malloc", "calloc", "realloc", "reallocarray", "posix_memalign", "aligned_alloc", "memalign"}
PYTHON_ALLOCATORS = {f"{domain}_{what}" for domain in ("PyObject", "PyMem") for what in ("Malloc", "Calloc", "Realloc")}


# By function and the name of its file, whose folder may differ between builds; then by file and line.
Instructions: TypeAlias = "dict[tuple[str, str], Counter[tuple[str, int]]]"


@dataclass(frozen=True)
class Counted:
    """One call on one side.

    Attributes
    ----------
    profile : Profile
        What the main thread executed in it.
    is_raced : Callable[[str], bool]
        Whether a library, by its path, belongs to the code that is raced.

    """

    profile: Profile
    is_raced: Callable[[str], bool] = lambda path: False  # noqa: ARG005

    def allocations(self, names: Iterable[str] = ALLOCATORS) -> int:
        """Return how often one of these functions was called, but by each other."""
        return sum(
            count
            for call, count in self.profile.calls.items()
            if _plain(call.callee.name) in names and _plain(call.place.function.name) not in names
        )

    @cached_property
    def raced(self) -> Instructions:
        """The instructions of each raced function, with what it calls outside of the raced code."""
        found: Instructions = defaultdict(Counter)
        origin = self._origins
        for place, count in self.profile.own.items():
            if place in origin:
                _add(found, origin[place], count)
        calling_back = self._calling_back()
        for call, count in self.profile.inclusive.items():
            outside = not self.is_raced(call.callee.object) and call.callee not in calling_back
            if call.place in origin and outside:
                _add(found, origin[call.place], count)
        return found

    @cached_property
    def all(self) -> Instructions:
        """The instructions of each function, without what it calls."""
        found: Instructions = defaultdict(Counter)
        for place, count in self.profile.own.items():
            _add(found, self._origins.get(place) or _of_library(place), count)
        return found

    @cached_property
    def _origins(self) -> dict[Place, Origin]:
        """Where the raced code comes from."""
        places = {*self.profile.own, *(call.place for call in self.profile.calls)}
        return origins(place for place in places if self.is_raced(place.function.object))

    def _calling_back(self) -> set[Function]:
        """Return the functions from which raced code is called, whose costs are not only what they do themselves."""
        callers: dict[Function, set[Function]] = defaultdict(set)
        for call in self.profile.calls:
            callers[call.callee].add(call.place.function)
        ahead = [function for function in callers if self.is_raced(function.object)]
        found = {*ahead}
        while ahead:
            new = callers[ahead.pop()] - found
            found |= new
            ahead += new
        return found


def growth(base: Counted, head: Counted) -> tuple[Growth, ...]:
    """Return the functions that execute more instructions in head, what adds most first.

    Where the raced code accounts for the difference, what it calls elsewhere, such as malloc, counts for its callers,
    and nothing else is listed.
    """
    difference = head.profile.total - base.profile.total
    raced = _growth(base.raced, head.raced)
    if raced and sum(one.head - one.base for one in raced) >= EXPLAINED * difference:
        return _largest(raced, difference)
    return _largest(_growth(base.all, head.all), difference)


def _largest(functions: list[Growth], difference: int) -> tuple[Growth, ...]:
    functions.sort(key=lambda one: (one.base - one.head, one.function))
    return tuple(one for one in functions[:LISTED] if one.head - one.base > max(SMALL * difference, 0))


def _growth(base: Instructions, head: Instructions) -> list[Growth]:
    found = []
    for (function, file), after in head.items():
        before = base.get((function, file), Counter())
        found.append(Growth(function, *_line(before, after), before.total(), after.total()))
    return found


def _line(base: Counter[tuple[str, int]], head: Counter[tuple[str, int]]) -> tuple[str, int]:
    """Return the file and line of head that add most to a function.

    Lines move as code is inserted, so what is matched is the sequence of their costs.
    """
    lines = sorted(head)
    before, after = [base[line] for line in sorted(base)], [head[line] for line in lines]
    changed: Counter[tuple[str, int]] = Counter()
    for kind, low, high, first, last in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind in {"replace", "insert"}:
            largest = max(range(first, last), key=after.__getitem__)
            changed[lines[largest]] = sum(after[first:last]) - sum(before[low:high])
    return max(changed or head, key=(changed or head).__getitem__)


def _add(found: Instructions, origin: Origin, count: int) -> None:
    found[origin.function, PurePath(origin.file).name][origin.file, origin.line] += count


def _of_library(place: Place) -> Origin:
    name = readable(place.function.name)
    return Origin(UNKNOWN if name.startswith("0x") else name, PurePath(place.function.object).name, 0)


def _plain(name: str) -> str:
    return VARIANT.sub("", name)
