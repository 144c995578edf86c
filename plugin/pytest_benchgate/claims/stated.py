"""What the markers of a test claim about its speed, and the tests that they name."""

from __future__ import annotations

import argparse
import difflib
import math
import string
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_benchgate import host, limits, parsers
from pytest_benchgate.claims import growth
from pytest_benchgate.options import CLAIMS, MARKER
from pytest_benchgate.results import DEVICE, WALL, Claim, titled

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# The kind of claim of gate.reaches(...).
REACHES = "reaches"
# The keyword of the amount that belongs to each kind of claim.
AMOUNTS = {"faster_than": "by", "slower_than": "within", growth.GROWS: "sizes"}
# Those that compare two tests by a clock.
COMPARED = ("faster_than", "slower_than")
# All tests of a file, by their ids.
BESIDE = pytest.StashKey[dict[str, pytest.Item]]()


@dataclass(frozen=True)
class Stated:
    """A claim of a test.

    Attributes
    ----------
    item : pytest.Item
        The test.
    other : pytest.Item or None
        The test that it is compared with; None for a claim on a limit of the machine.
    claim : Claim
        What is claimed.
    growth : growth.Growth or None
        For a claim on growth, what it makes of counts and of times.
    clock : str
        By which it is checked: WALL or DEVICE.

    """

    item: pytest.Item
    other: pytest.Item | None
    claim: Claim
    growth: growth.Growth | None = None
    clock: str = WALL

    @property
    def key(self) -> str:
        """The id of its race: a test may have several claims."""
        return " ".join([*(item.nodeid for item in self.items), titled(self.claim.text, self.clock)])

    @property
    def items(self) -> list[pytest.Item]:
        """The tests that are run for it."""
        return [self.item] if self.other is None else [self.item, self.other]


def of_item(
    item: pytest.Item, collected: Mapping[str, pytest.Item], selected: Collection[str] | None = None
) -> list[Stated]:
    """Return the claims of a test; pytest.UsageError if a marker makes no sense, or names no test.

    @pytest.mark.benchgate(faster_than="test_numpy[{size}]", by=2)

    What a test claims by gate.reaches(...) is known when it has run; see `reaching`.
    """
    found: dict[str, Stated] = {}
    if host.calls(item, "reaches") and "gate" in getattr(item, "fixturenames", ()):
        one = Stated(item, None, Claim(REACHES, "a share of a limit", "", 0.0))
        found[one.key] = one
    for mark in item.iter_markers(MARKER):
        if mark.kwargs.keys() & {*CLAIMS}:
            try:
                stated = _stated(item, mark.kwargs, collected, collected if selected is None else selected)
            except (TypeError, ValueError, argparse.ArgumentTypeError) as error:
                raise pytest.UsageError(f"{item.nodeid}: {MARKER}: {error}") from error
            if stated is not None:
                found[stated.key] = stated
    return [*found.values()]


def reaching(stated: Stated, text: str) -> Stated:
    """Return a claim on a limit as the test has stated it: "80 % of copy"."""
    share, name = limits.share(text)
    return replace(stated, claim=Claim(REACHES, text, name, -math.log(share)))


def _stated(
    item: pytest.Item, given: Mapping[str, Any], collected: Mapping[str, pytest.Item], selected: Collection[str]
) -> Stated | None:
    """Return the claim of a marker; None if it is one on growth, and of another size of the test."""
    clock = _clock(given)
    kind = _kind(given)
    if not host.is_benchmark(item):
        raise ValueError(f"{kind}= is a claim about a time, and this test has no fixture `benchmark` or `gate`")
    if kind == growth.GROWS:
        order, sizes = given[kind], given.get("sizes")
        compared = growth.stated(item, order, sizes, lambda: {**_beside(item), **collected}, selected)
        if compared is None:
            return None
        other, grown = compared
        return Stated(item, other, grown.claim(other.nodeid, counted=False), grown)
    if not isinstance(given[kind], str):
        raise TypeError(f"{kind}={given[kind]!r} must be a string: the name or node id of a test")
    other = _named(item, kind, given[kind], collected)
    if kind == "faster_than":
        factor = _factor(given.get("by", 1))
        text = f"{factor:g} times as fast as" if factor != 1 else "faster than"
        bound = -math.log(factor)
    else:
        if "within" not in given:
            raise ValueError("slower_than= needs within=, the largest slowdown: within='5 %'")
        within = parsers.percentage(str(given["within"]))
        text, bound = f"at most {100 * within:g} % slower than", math.log1p(within)
    return Stated(item, other, Claim(kind, f"{text} {other.name}", other.nodeid, bound), clock=clock)


def _clock(given: Mapping[str, Any]) -> str:
    """Return the clock that a marker's keywords name; ValueError if there is no such clock, or no choice."""
    clock = given.get("clock", WALL)
    if "clock" in given and not given.keys() & {*COMPARED}:
        raise ValueError(f"clock={clock!r} belongs to {' or '.join(f'{kind}=' for kind in COMPARED)}")
    if clock not in {WALL, DEVICE}:
        raise ValueError(f"clock={clock!r} must be {WALL!r} or, for the time on a device, {DEVICE!r}")
    return str(clock)


def _kind(given: Mapping[str, Any]) -> str:
    """Return the kind of claim that a marker's keywords make; ValueError if they make none, or several."""
    kinds = [kind for kind in AMOUNTS if kind in given]
    if not kinds:
        stray = next(name for name in CLAIMS if name in given)
        kind = next(kind for kind, amount in AMOUNTS.items() if amount == stray)
        raise ValueError(f"{stray}={given[stray]!r} belongs to {kind}=, which is missing")
    if len(kinds) > 1:
        several = " and ".join(f"{kind}=" for kind in kinds)
        raise ValueError(f"{several} are several claims; give each a marker of its own")
    (kind,) = kinds
    for other, amount in AMOUNTS.items():
        if other != kind and amount in given:
            raise ValueError(f"{amount}={given[amount]!r} belongs to {other}=; {kind}= takes {AMOUNTS[kind]}=")
    return kind


def _factor(value: Any) -> float:
    if isinstance(value, bool | str):
        number = math.nan
    else:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"by={value!r} is not a factor; pass a number above 0: by=2 is for twice as fast")
    return number


def _named(item: pytest.Item, kind: str, template: str, collected: Mapping[str, pytest.Item]) -> pytest.Item:
    """Return the test that a claim names: by its node id, or by a name in the same class, the same file, or anywhere.

    Raises ValueError if there is none, or if several have that name.
    """
    name = _filled(item, kind, template)
    found = _find(item, name, collected) or _find(item, name, _beside(item))
    if not found:
        near = difflib.get_close_matches(name, {one.name for one in collected.values()}, n=3)
        hint = f"; similar: {', '.join(near)}" if near else ""
        raise ValueError(
            f"{kind}={template!r}: there is no test {name!r} in this session{hint}. If it is in another file, name "
            "that on the command line, too"
        )
    if len(found) > 1:
        raise ValueError(f"{kind}={template!r} may be {' or '.join(one.nodeid for one in found)}; give its node id")
    if found[0].nodeid == item.nodeid:
        raise ValueError(f"{kind}={template!r} is the test itself; name another one")
    if not host.is_benchmark(found[0]):
        raise ValueError(f"{kind}={template!r}: {found[0].nodeid} has no fixture `benchmark`, so that it has no time")
    return found[0]


def _filled(item: pytest.Item, kind: str, template: str) -> str:
    """Return a template with the test's own parameters in it, as they stand in its id."""
    ids = host.parameter_ids(item)
    try:
        parts = [*string.Formatter().parse(template)]
    except ValueError as error:
        raise ValueError(f"{kind}={template!r}: {error}; write {{{{ and }}}} for braces in a name") from error
    for _, name, spec, conversion in parts:
        if name in ids and (spec or conversion):
            raise ValueError(f"{kind}={template!r}: write {{{name}}}, without a format; it stands for a part of the id")
        if name is not None and name not in ids:
            has = f"which has {', '.join(ids)}" if ids else "which has none"
            raise ValueError(f"{kind}={template!r}: {{{name}}} is not a parameter of this test, {has}")
    return "".join(literal + ("" if name is None else ids[name]) for literal, name, _, _ in parts)


def _find(item: pytest.Item, name: str, known: Mapping[str, pytest.Item]) -> list[pytest.Item]:
    """Return the tests that have this name or node id, of the nearest place that has any."""
    if "::" in name.partition("[")[0]:
        return [known[name]] if name in known else []
    file = item.nodeid.partition("::")[0]
    for nodeid in (f"{item.nodeid.removesuffix(item.name)}{name}", f"{file}::{name}"):
        if nodeid in known:
            return [known[nodeid]]
    return [one for one in known.values() if one.name == name]


def _beside(item: pytest.Item) -> dict[str, pytest.Item]:
    """Return all tests of a test's file: the command line may have selected a part of it."""
    module = item.getparent(pytest.Module)
    if module is None:
        return {}
    # Each test of a large file would collect all of them again.
    found = module.stash.setdefault(BESIDE, {})
    waiting: list[pytest.Collector] = [] if found else [module]
    while waiting:
        for node in waiting.pop().collect():
            if isinstance(node, pytest.Collector):
                waiting.append(node)
            elif isinstance(node, pytest.Item):
                found[node.nodeid] = node
    return found
