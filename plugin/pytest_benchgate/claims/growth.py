"""Claims on growth: a test with a parameter of sizes, the largest of which is compared with one of the last doublings.

What a claim leaves room for is a power of the sizes' ratio, which a factor of n too many exceeds. Instructions are
exact, but jump as well: a list of 8000 pairs takes 1.5 times as many for each as one of 2000, for which Python's list
of free tuples is enough. Times jump further where data no longer fit a cache: popping the first of 16000 elements until
none is left takes 2.2 times as long, for each pair of them, as with 4000.
"""

from __future__ import annotations

import contextlib
import math
import numbers
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_benchgate import host
from pytest_benchgate.results import Claim

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

GROWS = "grows"
# The power of the sizes' ratio that is left as room, where instructions are counted, and where times are compared.
COUNT_ROOM, TIME_ROOM = 0.5, 0.65
# How far apart the compared sizes should be, if there are such.
DOUBLINGS = 2
# The tests of a file that differ by some parameters only, by these and what they have in common.
FAMILIES = pytest.StashKey[dict[tuple[str, ...], defaultdict[tuple[object, ...], list[pytest.Item]]]]()
FORM = re.compile(r"(?:(1)|(n)(?:\s*\^\s*(\d+(?:\.\d+)?))?)?\s*(?:\*?\s*(log)\(?\s*n\)?)?", re.IGNORECASE)


def _function(text: Any) -> Callable[[float], float]:
    """Return a function from its name: "1", "log n", "n", "n log n", "n^2", "n^1.5 log n"; ValueError for others."""
    match = FORM.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or not match[0]:
        raise ValueError(f"grows={text!r} is not an order of growth; write one as in 'n', 'n log n', 'n^2' or 'log n'")
    power = float(match[3] or 1) if match[2] else 0.0
    return lambda n: n**power * (math.log(n) if match[4] else 1.0)


@dataclass(frozen=True)
class Growth:
    """How the time of a test grows with its size, as a claim about two sizes.

    Attributes
    ----------
    order : str
        As it was stated: "n log n".
    smaller, larger : float
        The sizes.

    """

    order: str
    smaller: float
    larger: float

    def claim(self, other: str, *, counted: bool) -> Claim:
        """Return what is claimed, beside the test of the smaller size, of instructions or of times."""
        grown = _function(self.order)
        expected = math.log(grown(self.larger) / grown(self.smaller))
        bound = expected + (COUNT_ROOM if counted else TIME_ROOM) * math.log(self.larger / self.smaller)
        text = (
            f"grows as {self.order} from {self.smaller:g} to {self.larger:g}: at most {math.exp(bound):.3g} x the "
            f"{'instructions' if counted else 'time'}"
        )
        return Claim(GROWS, text, other, bound)


def stated(
    item: pytest.Item,
    order: Any,
    sizes: Any,
    known: Callable[[], Mapping[str, pytest.Item]],
    selected: Collection[str],
) -> tuple[pytest.Item, Growth] | None:
    """Return the test to compare with, and the claim; None unless its size is the largest of those that are selected.

    Parameters
    ----------
    known : callable
        Returns the tests of its file, by their ids; it is called once for a file.
    selected : collection of str
        The ids of the tests that the session keeps, this one among them.

    Raises
    ------
    ValueError
        If order is none, or sizes is not a parameter of numbers above 1, at least two of which differ.

    """
    _function(order)
    own = _size(item, sizes)
    family = _family(item, sizes, {sizes}, known)
    if len(family) == 1:
        # As in parametrize("size, expected", [(10, 45), (100, 4950)]).
        family = _family(item, sizes, _given_with(item, sizes), known)
    if own < max(size for size, one in family.items() if size == own or one.nodeid in selected):
        return None
    smaller = [size for size in sorted(family) if size < own]
    if not smaller and len(family) > 1:
        return None
    if not smaller:
        raise ValueError(f"sizes={sizes!r}: {own:g} is the only size; growth needs at least two, one twice the other")
    far = [size for size in smaller if size * 2**DOUBLINGS <= own]
    size = far[-1] if far else smaller[0]
    grown = Growth(order.strip(), size, own)
    try:
        grown.claim("", counted=False)
    except OverflowError as error:
        raise ValueError(f"grows={order!r}: from {size:g} to {own:g}, that is more than any number") from error
    return family[size], grown


def _size(item: pytest.Item, name: Any) -> float:
    params = getattr(getattr(item, "callspec", None), "params", {})
    if not isinstance(name, str) or name not in params:
        has = f"which has {', '.join(params)}" if params else "which has none"
        raise ValueError(f"sizes={name!r} is not a parameter of this test, {has}")
    value, size = params[name], math.nan
    # NumPy's numbers are such, too.
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            size = float(value)
    if not (math.isfinite(size) and size > 1):
        raise ValueError(f"sizes={name!r}: {value!r} is not a size; give the parameter numbers above 1")
    return size


def _family(
    item: pytest.Item, sizes: str, apart: Collection[str], known: Callable[[], Mapping[str, pytest.Item]]
) -> dict[float, pytest.Item]:
    """Return the tests that differ from this one by these parameters at most, by their sizes; itself among them.

    Where two of these have the same size, only the test itself.
    """
    # Each test of a large file would look at all others.
    families = (item.getparent(pytest.Module) or item.session).stash.setdefault(FAMILIES, {})
    key = tuple(sorted(apart))
    if key not in families:
        families[key] = defaultdict(list)
        for one in known().values():
            families[key][_but_for(apart, one)].append(one)
    relatives = families[key][_but_for(apart, item)]
    found = {_size(one, sizes): one for one in relatives}
    return found if len(found) == len(relatives) or len(apart) == 1 else {_size(item, sizes): item}


def _but_for(apart: Collection[str], item: pytest.Item) -> tuple[object, ...]:
    """Return what a test is, apart from these parameters."""
    others = [(name, text) for name, text in host.parameter_ids(item).items() if name not in apart]
    return (item.nodeid.removesuffix(item.name), getattr(item, "originalname", item.name), *others)


def _given_with(item: pytest.Item, name: str) -> set[str]:
    """Return the parameters whose values are given together with those of this one, which is among them."""
    for mark in item.iter_markers("parametrize"):
        names = mark.args[0] if mark.args else mark.kwargs["argnames"]
        together = {*re.split(r"\s*,\s*", names.strip())} if isinstance(names, str) else {*names}
        if name in together:
            return together
    return {name}
