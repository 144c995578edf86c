"""The machine's limits, measured in the same session: a copy of the same bytes, and what hooks add."""

from __future__ import annotations

import math
import re
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_benchgate import amounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_benchgate.results import Share, Work

# A median below this share of the limit's best sample is suspicious; alignment alone makes 0.9.
DOUBT = 0.8
# How often a limit is measured that benchmarks beat: other work on the machine may have disturbed it.
TRIES = 3


@dataclass(frozen=True)
class Limit:
    """A limit that no benchmark can beat.

    Attributes
    ----------
    name : str
        Its name in reports: "91 % of copy".
    resource : str
        Which amount of `gate.work` it limits: "bytes", "operations" or "items".
    measure : callable
        Gets an amount of the resource and returns several samples of the seconds that the machine needs for it.

    """

    name: str
    resource: str
    measure: Callable[[float], Sequence[float]]


def _copy_seconds(moved_bytes: float) -> list[float]:
    from pytest_benchgate.copying import copy_seconds

    return copy_seconds(moved_bytes)


COPY = Limit("copy", "bytes", _copy_seconds)


@dataclass(frozen=True)
class Reach:
    """A share of a limit that a benchmark claims to reach, and its amount of the limit's resource."""

    share: float
    limit: Limit
    amount: float

    @property
    def text(self) -> str:
        """The claim in words, as `shares` reads it."""
        return f"{100 * self.share:.6g} % of {self.limit.name}"


def share(text: str) -> tuple[float, str]:
    """Return the share and the limit's name in "80 % of copy"; ValueError if it is something else."""
    match = re.fullmatch(r"\s*([\d.]+)\s*%\s*of\s+(.*\S)\s*", text)
    try:
        value = float(match[1]) / 100 if match else math.nan
    except ValueError:
        value = math.nan
    if match is None or not (math.isfinite(value) and value > 0):
        raise ValueError(f"{text!r} is not a share of a limit; write it as in '80 % of copy'")
    return value, match[2]


@dataclass
class Limits:
    """The limits of a session; each is measured once for each amount, and again if a benchmark beats it."""

    known: tuple[Limit, ...] = (COPY,)
    # The median and the best sample of each time that a limit was measured for an amount.
    measured: dict[tuple[str, float], list[tuple[float, float]]] = field(default_factory=dict)
    # The limits that could not be measured, and why.
    failures: dict[str, str] = field(default_factory=dict)

    def add(self, limits: Iterable[Limit]) -> None:
        """Add the limits that a hook returned."""
        self.known += tuple(limits)

    def reach(self, text: str, work: Work | None) -> Reach:
        """Return the claim in a text about a benchmark that does this work; ValueError if it makes no sense."""
        value, name = share(text)
        limit = next((one for one in self.known if one.name == name), None)
        if limit is None:
            known = ", ".join(one.name for one in self.known)
            raise ValueError(f"{text!r}: there is no limit {name!r}; choose one of: {known}")
        amount = work.amounts().get(limit.resource) if work else None
        if not amount:
            raise ValueError(f"{text!r} is about {limit.resource}; state them first: gate.work({limit.resource}=...)")
        return Reach(value, limit, amount)

    def _seconds(self, limit: Limit, amount: float, median_s: float) -> tuple[float, float]:
        """Return the median and the best of the limit's samples, as far as is known, beside a benchmark's median."""
        found = self.measured.setdefault((limit.name, amount), [])
        while not found or (median_s < DOUBT * min(best for _, best in found) and len(found) < TRIES):
            samples = [amounts.seconds(sample) for sample in limit.measure(amount)]
            found.append((statistics.median(samples), min(samples)))
        return min(median for median, _ in found), min(best for _, best in found)

    def beside(self, work: Work, median_s: float) -> tuple[tuple[Share, ...], str | None]:
        """Return the share of each limit on this work, and why the time is implausible, or None."""
        from pytest_benchgate.results import Share

        shares, doubt = [], None
        for limit in self.known:
            amount = work.amounts().get(limit.resource)
            if not amount:
                continue
            try:
                limit_s, best_s = self._seconds(limit, amount, median_s)
            # A failure of a hook must not fail the benchmark.
            except Exception as error:  # noqa: BLE001
                self.failures[limit.name] = f"{type(error).__name__}: {error}"
                continue
            shares.append(Share(limit.name, limit_s, limit_s / median_s, limit.resource))
            if median_s < DOUBT * best_s and doubt is None:
                doubt = (
                    f"{best_s / median_s:.2g} times as fast as the limit {limit.name!r} at its best for the same "
                    f"{amount:g} {limit.resource}: does it do all of its work, and is the stated amount right?"
                )
        return tuple(shares), doubt


@dataclass
class LimitClaim:
    """What a test claims about a limit of the session.

    Attributes
    ----------
    limits : Limits
        Those of the session.
    is_found : bool
        Whether the test function itself calls gate.reaches, by which --claims finds it.
    reach : Reach, optional
        The claim, once it is stated.

    """

    limits: Limits = field(default_factory=Limits)
    is_found: bool = True
    reach: Reach | None = None

    def state(self, text: str, work: Work | None) -> None:
        """State the claim, for a benchmark that does this work; ValueError if it makes no sense."""
        if self.reach is not None:
            raise ValueError(f"{text!r} is the second claim on a limit; a test has one, after {self.reach.text!r}")
        if not self.is_found:
            raise ValueError(
                f"{text!r} is claimed outside of the test function, where --claims does not find it; call gate.reaches "
                "in the function itself"
            )
        self.reach = self.limits.reach(text, work)
