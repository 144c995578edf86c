"""What was counted to explain a race, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

# The relative difference between the instructions of identical builds: 0.015 % at most, by their addresses and paths.
EQUAL = 0.0002


@dataclass(frozen=True)
class Growth:
    """A function that executes more instructions a call in head than in base.

    Attributes
    ----------
    function : str
        Its name in the source, also where the compiler has inlined it.
    file, line
        The line of head's source that adds most; the name of the library, and 0, where the line is not known.
    base, head : int
        Instructions a call.
    text : str
        The text of this line, where it is known.

    """

    function: str
    file: str
    line: int
    base: int
    head: int
    text: str = ""


@dataclass(frozen=True)
class Calls:
    """A function that is called more or less often in head than in base, in one call of the benchmark."""

    function: str
    base: int
    head: int


@dataclass(frozen=True)
class Explanation:
    """What one call of a benchmark executes in base and in head.

    Attributes
    ----------
    base, head : int or None
        Instructions of one call; None where they could not be counted.
    reason : str
        Why they could not be counted, and what would help.
    spread : float
        The relative difference between calls of one side, and at least EQUAL. A smaller difference between the sides
        says nothing.
    functions : tuple of Growth
        What adds most, first.
    gone : tuple of Growth
        The functions that only base executes, those with the most instructions first.
    allocations : tuple of Calls
        The allocators that are called more or less often.
    python : tuple of Calls
        The Python functions that are called more or less often, largest difference first.
    bytecode : tuple of Growth
        The raced Python functions that execute more instructions of Python's bytecode, what adds most first.

    """

    base: int | None = None
    head: int | None = None
    reason: str = ""
    spread: float = EQUAL
    functions: tuple[Growth, ...] = ()
    gone: tuple[Growth, ...] = ()
    allocations: tuple[Calls, ...] = ()
    python: tuple[Calls, ...] = ()
    bytecode: tuple[Growth, ...] = ()
