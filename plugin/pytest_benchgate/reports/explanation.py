"""What every format says of a benchmark's instructions, in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_benchgate.reports.quantity import shortened

if TYPE_CHECKING:
    from pytest_benchgate.explained import Calls, Explanation, Growth

# Characters of a line of a source, and of a function's name, that are shown.
MOST_TEXT = 80
# Arguments of templates and functions that have no others in them, and what stands for them: a sign, then its text.
ARGUMENTS = re.compile(r"(<)[^<>()]+>|(\()[^<>()]+\)|(\(\))")
SIGNS = {"<": "\1", "(": "\2", "()": "\3"}
LEFT_OUT = str.maketrans({"\1": "<...>", "\2": "(...)", "\3": "()"})


def are_equal(explanation: Explanation) -> bool:
    """Return whether both sides execute the same instructions, as far as can be told."""
    base, head = explanation.base or 0, explanation.head or 0
    return abs(head - base) <= explanation.spread * base


def does_no_more(explanation: Explanation) -> bool:
    """Return whether head is known to execute no more instructions than base."""
    base, head = explanation.base, explanation.head
    return base is not None and head is not None and (head < base or are_equal(explanation))


def render(explanation: Explanation, *, compared: bool = False) -> str:
    """Return what is known, one line for each kind of thing; without the counts if these were compared themselves."""
    lines = [_most(explanation) if compared else _instructions(explanation)]
    lines += [f"allocations: {_calls(explanation.allocations)}"] * bool(explanation.allocations)
    lines += [f"Python calls: {_calls(explanation.python)}"] * bool(explanation.python)
    more = ", ".join(map(_growth, explanation.bytecode))
    lines += [f"more bytecode instructions of Python: {more}"] * bool(more)
    return "\n".join(filter(None, lines))


def _most(explanation: Explanation) -> str:
    """Return the functions that add most, or why they are not known."""
    # Where Python code does more, the functions of the interpreter say nothing.
    known = [one for one in explanation.functions if one.line or not explanation.bytecode]
    functions = ", ".join(map(_growth, known))
    if functions and explanation.gone and any(not one.base for one in known):
        functions += f"; only in base: {', '.join(map(_growth, explanation.gone))}"
    return f"most of it: {functions}" if functions else explanation.reason


def _instructions(explanation: Explanation) -> str:
    text = counts(explanation)
    base, head = explanation.base, explanation.head
    does_more = base is not None and head is not None and not does_no_more(explanation)
    return f"{text}; {most}" if does_more and (most := _most(explanation)) else text


def counts(explanation: Explanation) -> str:
    """Return how many instructions both sides execute, and what that says of a slowdown."""
    base, head = explanation.base, explanation.head
    if base is None or head is None:
        return f"instructions cannot be counted: {explanation.reason}"
    counted = f"({base:,} -> {head:,})"
    if are_equal(explanation):
        within = 100 * explanation.spread
        return (
            f"the same instructions a call within {within:.2g} % {counted}: placement, cache, memory or the kernel, "
            "not more work"
        )
    text = (
        f"{_percent((head - base) / base)}instructions a call {counted}" if base else f"instructions a call {counted}"
    )
    if head < base:
        return f"{text}: a slowdown is due to placement, cache, memory or the kernel, not to more work"
    return text


def _percent(change: float) -> str:
    """Return 0.0512 as "+5.1 % ", and what is below 1 % with two digits."""
    percent = 100 * change
    return f"{percent:{'+.1f' if abs(percent) >= 1 else '+.2g'}} % "


def _growth(growth: Growth) -> str:
    place = f"{growth.file}:{growth.line}" if growth.line else growth.file
    place += f": {shortened(growth.text, MOST_TEXT)}" if growth.text else ""
    return f"{abs(growth.head - growth.base):,} in {_name(growth.function)} ({place})"


def _name(function: str) -> str:
    """Return a function's name; a long one, as of C++, without the arguments of its templates and functions."""
    if len(function) <= MOST_TEXT:
        return function
    before, name = "", function
    while name != before:
        # The innermost first.
        before, name = name, ARGUMENTS.sub(lambda match: SIGNS[match[match.lastindex or 0]], name)
    return name.translate(LEFT_OUT)


def _calls(calls: tuple[Calls, ...]) -> str:
    return ", ".join(f"{one.function} {one.base:,} -> {one.head:,}" for one in calls)
