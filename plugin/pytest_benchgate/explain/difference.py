"""The difference of two profiles: which functions execute more instructions in head than in base."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, TypeAlias

from pytest_benchgate.explain.cython import Generated
from pytest_benchgate.explain.profile import UNKNOWN
from pytest_benchgate.explain.sources import VARIANT, Origin, origins, readable
from pytest_benchgate.explained import Growth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_benchgate.explain.profile import Function, Place, Profile

LISTED = 3  # functions
SMALL = 0.05  # of the whole difference: what adds less is not listed
EXPLAINED = 0.5  # of the whole difference: where the raced code adds so much, nothing else is listed
ALLOCATORS = {"malloc", "calloc", "realloc", "reallocarray", "posix_memalign", "aligned_alloc", "memalign"}
LINE = re.compile(r"(.*) \((.*)\):(\d+)")
PYTHON_ALLOCATORS = {f"{domain}_{what}" for domain in ("PyObject", "PyMem") for what in ("Malloc", "Calloc", "Realloc")}


Text: TypeAlias = "Callable[[str, int], str]"  # of a line, by its file and number
Line: TypeAlias = "tuple[str, int, str]"  # a file, a line in it, and its text
# By function and the name of its file, whose folder may differ between builds; then by line.
Instructions: TypeAlias = "dict[tuple[str, str], Counter[Line]]"


def unread(file: str, line: int) -> str:  # noqa: ARG001
    """Return no text."""
    return ""


@dataclass(frozen=True)
class Counted:
    """One call on one side.

    Attributes
    ----------
    profile : Profile
        What the main thread executed in it.
    is_raced : Callable[[str], bool]
        Whether a library, by its path, belongs to the code that is raced.
    generated : Generated
        What the raced libraries were compiled of, as far as Cython generated it.

    """

    profile: Profile
    is_raced: Callable[[str], bool] = lambda path: False  # noqa: ARG005
    generated: Generated = field(default_factory=Generated)

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
        for place, count in self.profile.own.items():
            if place in self._origins and self._counts(place.function):
                _add(found, self._origins[place], count)
        for call, count in self.profile.inclusive.items():
            if call.place in self._origins and self._counts(call.place.function) and not self._counts(call.callee):
                _add(found, self._origins[call.place], count)
        return found

    @cached_property
    def all(self) -> Instructions:
        """The instructions of each function, without what it calls."""
        found: Instructions = defaultdict(Counter)
        for place, count in self.profile.own.items():
            origin = self._origins.get(place)
            _add(found, origin if origin and origin.line else _of_library(place), count)
        return found

    @cached_property
    def _origins(self) -> dict[Place, Origin]:
        """Where the raced code comes from."""
        places = {*self.profile.own, *(call.place for call in self.profile.calls)}
        return origins((place for place in places if self.is_raced(place.function.object)), self.generated)

    def _counts(self, function: Function) -> bool:
        """Return whether a function's instructions count for it, and not for its callers."""
        return function in self._own or function in self._calling_back

    @cached_property
    def _own(self) -> set[Function]:
        """The functions of the raced code, without those of other code that was compiled with it."""
        return {place.function for place, origin in self._origins.items() if origin.own}

    @cached_property
    def _calling_back(self) -> set[Function]:
        """Return the functions from which raced code is called, whose costs are not only what they do themselves."""
        callers: dict[Function, set[Function]] = defaultdict(set)
        for call in self.profile.calls:
            callers[call.callee].add(call.place.function)
        ahead = [function for function in callers if function in self._own]
        found = {*ahead}
        while ahead:
            new = callers[ahead.pop()] - found
            found |= new
            ahead += new
        return found


def growth(base: Counted, head: Counted, texts: Sequence[Text] = (unread, unread)) -> tuple[Growth, ...]:
    """Return the functions that execute more instructions in head, what adds most first.

    Where the raced code accounts for the difference, what it calls elsewhere, such as malloc, counts for its callers,
    and nothing else is listed.
    """
    return _growth(*_instructions(base, head), texts)


def gone(base: Counted, head: Counted, texts: Sequence[Text] = (unread, unread)) -> tuple[Growth, ...]:
    """Return the functions that base executes and head does not, those with the most instructions first."""
    before, after = _instructions(base, head)
    found = [one for one in _growth(after, before, texts[::-1]) if not one.base]
    return tuple(replace(one, base=one.head, head=0) for one in found)


def bytecode(
    base: Mapping[str, int], head: Mapping[str, int], texts: Sequence[Text] = (unread, unread)
) -> tuple[Growth, ...]:
    """Return the Python functions that execute more instructions in head, by those of each line.

    Lines are named as by python_calls.count.
    """
    return _growth(_of_lines(base), _of_lines(head), texts)


def _instructions(base: Counted, head: Counted) -> tuple[Instructions, Instructions]:
    """Return the instructions of the raced code, or of all code where that accounts for less of the difference."""
    raced = _total(head.raced) - _total(base.raced)
    if raced >= EXPLAINED * (head.profile.total - base.profile.total):
        return base.raced, head.raced
    return base.all, head.all


def _of_lines(lines: Mapping[str, int]) -> Instructions:
    found: Instructions = defaultdict(Counter)
    for name, count in lines.items():
        if match := LINE.fullmatch(name):
            _add(found, Origin(match[1], match[2], int(match[3])), count)
    return found


def _total(instructions: Instructions) -> int:
    return sum(lines.total() for lines in instructions.values())


def _growth(base: Instructions, head: Instructions, texts: Sequence[Text]) -> tuple[Growth, ...]:
    """Return the functions that execute more instructions in head, what adds most first."""
    found = [(function, _before(base, head, function, file), after) for (function, file), after in head.items()]
    found.sort(key=lambda one: (one[1].total() - one[2].total(), one[0]))
    least = max(SMALL * (_total(head) - _total(base)), 0)
    return tuple(
        Growth(function, *(place := _line(before, after, texts))[:2], before.total(), after.total(), place[2])
        for function, before, after in found[:LISTED]
        if after.total() - before.total() > least
    )


def _before(base: Instructions, head: Instructions, function: str, file: str) -> Counter[Line]:
    """Return what a function of head executes in base, where it may have been in another file."""
    moved = [key for key in base if key[0] == function and key not in head]
    key = moved[0] if (function, file) not in base and len(moved) == 1 else (function, file)
    return base.get(key, Counter())


def _line(base: Counter[Line], head: Counter[Line], texts: Sequence[Text]) -> Line:
    """Return the line of head that adds most to a function, with its text.

    Lines move as code is inserted, so what is matched is the sequence of their texts or, without these, of their costs.
    """
    (before, keys), (after, new_keys) = (
        _with_keys(lines, text) for lines, text in zip((base, head), texts, strict=True)
    )
    changed: Counter[Line] = Counter()
    for kind, low, high, first, last in SequenceMatcher(None, keys, new_keys, autojunk=False).get_opcodes():
        if kind == "equal":
            for old, new in zip(before[low:high], after[first:last], strict=True):
                changed[new] = head[new] - base[old]
        elif kind in {"replace", "insert"}:
            largest = max(after[first:last], key=head.__getitem__)
            changed[largest] = sum(head[one] for one in after[first:last]) - sum(base[one] for one in before[low:high])
    file, line, known = max(changed, key=changed.__getitem__)
    return file, line, known or texts[1](file, line)


def _with_keys(lines: Counter[Line], text: Text) -> tuple[list[Line], list[str]]:
    """Return lines in their order, with the text of each or its cost."""
    ordered = sorted(lines)
    return ordered, [one[2] or text(one[0], one[1]) or str(lines[one]) for one in ordered]


def _add(found: Instructions, origin: Origin, count: int) -> None:
    found[origin.function, PurePath(origin.file).name][origin.file, origin.line, origin.text] += count


def _of_library(place: Place) -> Origin:
    name = readable(place.function.name)
    return Origin(UNKNOWN if name.startswith("0x") else name, PurePath(place.function.object).name, 0)


def _plain(name: str) -> str:
    return VARIANT.sub("", name)
