"""Reads what callgrind writes: the callgrind format, version 1, as valgrind's manual specifies it.

https://valgrind.org/docs/manual/cl-format.html. Names may be compressed to numbers, positions to differences; costs of
code that the compiler has inlined stand in their function under another file (fi=, fe=).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

EVENT = "Ir"  # instructions that were executed
SHOWN = 80  # characters of a line in a message
SPECIFICATION = re.compile(r"(ob|fl|fi|fe|fn|cob|cfi|cfl|cfn)=\s*(?:\((\d+)\))?\s*(.*)")
CALLS = re.compile(r"calls=\s*(\d+)\s+\S.*")
JUMP = re.compile(r"(jump|jcnd)=.*")
NAME = re.compile(r"^c?fn=\(\d+\) (.+)$", re.MULTILINE)
SUMMARY = re.compile(rb"^summary: (\d+)$", re.MULTILINE)  # where only instructions are counted
TOTALS = re.compile(rb"^totals: ", re.MULTILINE)
LAST_BYTES = 1000
HEADER = re.compile(r"([A-Za-z][\w -]*):\s*(.*)")
POSITION = r"0x[0-9a-fA-F]+|\d+|[+-](?:0x[0-9a-fA-F]+|\d+)|\*"
COST = re.compile(rf"((?:{POSITION})(?:\s+(?:{POSITION}))*)")
SPACES = {"ob": "ob", "cob": "ob", "fn": "fn", "cfn": "fn", **dict.fromkeys(("fl", "fi", "fe", "cfi", "cfl"), "fl")}
UNKNOWN = "???"


class ProfileError(ValueError):
    """A file that is not a complete profile, with the line and what is wrong with it."""


class Function(NamedTuple):
    """A function: the file of the program or library that it is in, and its name."""

    object: str
    name: str


class Place(NamedTuple):
    """Where instructions were executed.

    Attributes
    ----------
    function: as it was compiled; what is inlined into it is counted for it.
    file, line: of the source, "???" and 0 where they are not known.
    address: in the object's file; 0 where it is not known.

    """

    function: Function
    file: str
    line: int
    address: int


class Call(NamedTuple):
    """A call from a place to a function."""

    place: Place
    callee: Function


@dataclass(frozen=True)
class Profile:
    """What was executed.

    Attributes
    ----------
    own: the instructions at each place, without what was called from there.
    calls: how often each call was made.
    inclusive: the instructions that each call took, with all that it called in turn.

    """

    own: Counter[Place] = field(default_factory=Counter)
    calls: Counter[Call] = field(default_factory=Counter)
    inclusive: Counter[Call] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """The instructions in all."""
        return self.own.total()


def read(path: Path) -> Profile:
    """Return the profile in a file; raise ProfileError where there is none, or not all of it."""
    try:
        text = path.read_text("utf-8", "replace")
    except OSError as error:
        raise ProfileError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return parse(text)
    except ProfileError as error:
        raise ProfileError(f"{path}, {error}") from None


def total(path: Path) -> int:
    """Return the instructions in all of a profile, without parsing its lines; raise ProfileError.

    These are what callgrind's summary says. Its totals, the sum of all lines, contain some of what the process has
    executed since the profile before, an instruction for each block that ends in a jump.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ProfileError(f"{path} cannot be read: {error.strerror}") from error
    match = SUMMARY.search(text)
    if match is None or TOTALS.search(text[-LAST_BYTES:]) is None:
        raise ProfileError(f'{path} has no "summary:", or ends without "totals:"; it is cut off')
    return int(match[1])


def calls_any(path: Path, names: re.Pattern[str]) -> bool:
    """Return whether a function with such a name is in a profile."""
    return any(names.fullmatch(one[1]) for one in NAME.finditer(path.read_text("utf-8", "replace")))


def parse(text: str) -> Profile:
    """Return the profile that a text describes; raise ProfileError with the number of the first line that is wrong."""
    reader = _Reader()
    number = 0
    for number, line in enumerate(text.split("\n"), 1):
        try:
            reader.line(line.rstrip("\r"))
        except ValueError as error:
            raise ProfileError(f"line {number}: {error}: {line[:SHOWN]!r}") from None
    try:
        return reader.end()
    except ValueError as error:
        raise ProfileError(f"line {number}: {error}") from None


class _Reader:
    """Reads one line after another."""

    def __init__(self) -> None:
        self._profile = Profile()
        self._names: dict[tuple[str, str], str] = {}
        self._current = {"ob": UNKNOWN, "fl": UNKNOWN, "fn": UNKNOWN}
        self._called = {"ob": UNKNOWN, "fn": UNKNOWN}
        self._subpositions = ["line"]
        self._last = [0]
        self._events: list[str] = []
        self._pending: int | None = None
        self._total: int | None = None

    def line(self, line: str) -> None:
        """Read a line; raise ValueError where it is not of the format."""
        if self._pending is not None and not COST.match(line):
            raise ValueError("expected the cost of the call in the line before")
        if not line.strip() or line.startswith("#"):
            return
        if COST.match(line):
            self._cost(line)
        elif match := SPECIFICATION.fullmatch(line):
            self._specification(*match.groups())
        elif match := CALLS.fullmatch(line):
            self._pending = int(match[1])
        elif match := HEADER.fullmatch(line):
            self._header(match[1], match[2])
        elif not JUMP.fullmatch(line):
            raise ValueError("neither a header, nor a position, a call or a cost")

    def end(self) -> Profile:
        """Return what was read; raise ValueError where it is not all."""
        if not self._events:
            raise ValueError('no line "events:", so this is not a callgrind profile')
        if self._pending is not None:
            raise ValueError("the file ends after a call without its cost")
        if self._total is None:
            raise ValueError('the file ends without "totals:"; it is cut off')
        if self._total != self._profile.total:
            raise ValueError(f"the costs add up to {self._profile.total}, and the file says {self._total}")
        return self._profile

    def _header(self, key: str, value: str) -> None:
        match key:
            case "events":
                self._events = value.split()
                if EVENT not in self._events:
                    raise ValueError(f"no event {EVENT} among those that were counted")
            case "positions":
                self._subpositions = value.split()
                if not self._subpositions or {*self._subpositions} - {"instr", "bb", "line"}:
                    raise ValueError("unknown positions")
                self._last = [0] * len(self._subpositions)
            case "version" if value.strip() != "1":
                raise ValueError("a version of the format that is not known")
            case "totals":
                self._total = self._count(value.split())

    def _specification(self, kind: str, number: str | None, name: str) -> None:
        space = SPACES[kind]
        if number is not None:
            if name:
                self._names[space, number] = name
            elif (space, number) not in self._names:
                raise ValueError(f"the name ({number}) is used before it is defined")
            name = self._names[space, number]
        if kind in {"cob", "cfn"}:
            self._called[space] = name
        elif kind in {"ob", "fl", "fi", "fe", "fn"}:
            self._current[space] = name
            if kind == "ob":
                self._called["ob"] = name

    def _cost(self, line: str) -> None:
        if not self._events:
            raise ValueError('a cost before the line "events:"')
        words = line.split()
        positions, costs = words[: len(self._subpositions)], words[len(self._subpositions) :]
        if len(positions) < len(self._subpositions) or len(costs) > len(self._events):
            raise ValueError(f"expected {len(self._subpositions)} positions and up to {len(self._events)} costs")
        self._last = [_position(word, last) for word, last in zip(positions, self._last, strict=True)]
        at = dict(zip(self._subpositions, self._last, strict=True))
        function = Function(self._current["ob"], self._current["fn"])
        place = Place(function, self._current["fl"], at.get("line", 0), at.get("instr", 0))
        count = self._count(costs)
        if self._pending is None:
            self._profile.own[place] += count
            return
        # No call was made where a function was called before the counting began, and has not returned yet.
        if self._pending:
            call = Call(place, Function(self._called["ob"], self._called["fn"]))
            self._profile.calls[call] += self._pending
            self._profile.inclusive[call] += count
        # A call's object and file are those of the caller unless they are given anew.
        self._pending, self._called["ob"] = None, self._current["ob"]

    def _count(self, costs: list[str]) -> int:
        """Return the instructions among costs, where the last ones may be left out if they are 0."""
        index = self._events.index(EVENT) if EVENT in self._events else 0
        for cost in costs:
            if not cost.isdecimal():
                raise ValueError(f"{cost[:SHOWN]!r} is not a count")
        return int(costs[index]) if index < len(costs) else 0


def _position(word: str, last: int) -> int:
    """Return a subposition, which may be relative to the one before."""
    if word == "*":
        return last
    start = last if word[0] in "+-" else 0
    position = start + int(word, 16 if "0x" in word else 10)
    if position < 0:
        raise ValueError(f"the position {position} is negative")
    return position
