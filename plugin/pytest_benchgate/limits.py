"""What the machine can do at best, measured in the same session: a copy of the same bytes, and what hooks add."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_benchgate.results import Share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_benchgate.results import Work

DOUBT = 0.8  # a median of less than this share of the limit's best sample is suspicious; alignment alone makes 0.9


@dataclass(frozen=True)
class Limit:
    """Something that no benchmark can beat.

    Attributes
    ----------
    name: heads its column.
    resource: "bytes", "operations" or "items": which amount of `gate.work` it is about.
    measure: takes an amount of the resource, returns some samples of the seconds that the machine needs for it.

    """

    name: str
    resource: str
    measure: Callable[[float], Sequence[float]]


def _copy_seconds(moved_bytes: float) -> list[float]:
    from pytest_benchgate.copying import copy_seconds  # noqa: PLC0415  # NumPy takes a while to import

    return copy_seconds(moved_bytes)


COPY = Limit("copy", "bytes", _copy_seconds)


@dataclass
class Limits:
    """The limits of a session; each is measured once for each amount."""

    known: tuple[Limit, ...] = (COPY,)
    measured: dict[tuple[str, float], tuple[float, float]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)  # the limits that could not be measured, and why

    def add(self, limits: Iterable[Limit]) -> None:
        """Add what a hook returned."""
        self.known += tuple(limits)

    def _seconds(self, limit: Limit, amount: float) -> tuple[float, float]:
        """Return the median and the best of the limit's samples."""
        key = (limit.name, amount)
        if key not in self.measured:
            samples = [float(sample) for sample in limit.measure(amount)]
            self.measured[key] = statistics.median(samples), min(samples)
        return self.measured[key]

    def beside(self, work: Work, median_s: float) -> tuple[tuple[Share, ...], str | None]:
        """Return the shares of each limit that the work is about, and why the time is hard to believe, or None."""
        shares, doubt = [], None
        for limit in self.known:
            amount = work.amounts().get(limit.resource)
            if not amount:
                continue
            try:
                limit_s, best_s = self._seconds(limit, amount)
            except Exception as error:  # noqa: BLE001  # a hook's own code; its failure must not cost the benchmark
                self.failures[limit.name] = f"{type(error).__name__}: {error}"
                continue
            shares.append(Share(limit.name, limit_s, limit_s / median_s))
            if median_s < DOUBT * best_s and doubt is None:
                doubt = (
                    f"{best_s / median_s:.2g} times as fast as the limit {limit.name!r} at its best for the same "
                    f"{amount:g} {limit.resource}: does it do all of its work, and is the stated amount right?"
                )
        return tuple(shares), doubt
