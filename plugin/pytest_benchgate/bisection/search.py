"""The search for the first bad commit, over any history: which commit is tried next, and what is left.

A commit is bad if it is slower than the known-good revision. As in git bisect, all descendants of a bad commit are
taken to be bad, and all ancestors of a good one to be good. A commit of which neither is known is skipped.
"""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Outcome(enum.StrEnum):
    """What a trial says of a commit."""

    GOOD = "good"
    BAD = "bad"
    SKIPPED = "skipped"


class Search:
    """What is known of the commits between a good and a bad revision.

    Parameters
    ----------
    parents : mapping of str to sequence of str
        The parents of each commit that is reachable from the bad revision and not from the good one. Parents come
        before their children, and the bad revision last. Parents that are not a key are taken to be good.

    """

    def __init__(self, parents: Mapping[str, Sequence[str]]) -> None:
        # A set of commits is an integer with a bit for each.
        self._commits = [*parents]
        self._index = {commit: index for index, commit in enumerate(parents)}
        self._ancestors: list[int] = []
        for index, names in enumerate(parents.values()):
            mask = 1 << index
            for name in names:
                if name in self._index:
                    mask |= self._ancestors[self._index[name]]
            self._ancestors.append(mask)
        self._bad = len(self._commits) - 1
        self._suspects = self._ancestors[-1]
        self._skipped = 0

    @property
    def bad(self) -> str:
        """The bad commit of which no ancestor is known to be bad."""
        return self._commits[self._bad]

    @property
    def suspects(self) -> list[str]:
        """The commits of which one is the first bad one, `bad` last."""
        return [self._commits[index] for index in _bits(self._suspects)]

    def record(self, commit: str, outcome: Outcome) -> None:
        """Take note of a trial of a suspect."""
        index = self._index[commit]
        if outcome is Outcome.SKIPPED:
            self._skipped |= 1 << index
        elif outcome is Outcome.BAD:
            self._suspects &= self._ancestors[index]
            self._bad = index
        else:
            self._suspects &= ~self._ancestors[index]

    def _open(self) -> int:
        """Return the suspects that can still be tried."""
        return self._suspects & ~self._skipped & ~(1 << self._bad)

    def trials_left(self) -> int:
        """Return how many trials are needed if each one halves the suspects."""
        return min(self._open().bit_count(), math.ceil(math.log2(self._suspects.bit_count())))

    def candidate(self) -> str | None:
        """Return the commit to try next, or None if no trial can tell more.

        It is the one that halves the suspects best, at some distance from those that were skipped: commits that cannot
        be built come in rows. The distance doubles with each of them.
        """
        total = self._suspects.bit_count()
        before = {index: (self._ancestors[index] & self._suspects).bit_count() for index in _bits(self._suspects)}
        skipped = [before[index] for index in _bits(self._skipped & self._suspects)]
        distance = 2 ** (len(skipped) - 1) if skipped else 0
        candidates = [*_bits(self._open())]
        distant = [index for index in candidates if all(abs(before[index] - at) >= distance for at in skipped)]
        best = max(distant or candidates, key=lambda index: min(before[index], total - before[index]), default=None)
        return None if best is None else self._commits[best]


class Alpha:
    """The share of each race in the probability that a search blames a commit as slow as the good revision.

    A false alarm misleads the search only if one of its races is one. The probability of that is at most the sum of
    their shares (Bonferroni), which never exceeds the whole. While each race halves the suspects, each gets an equal
    share: alpha / (ceil(log2 n) + 1) for n commits, the first race being that of the bad revision itself. A race that
    ends `unsure` has used up its share as well, so the later ones get less. A commit that does not build uses none.
    """

    def __init__(self, alpha: float) -> None:
        self.left = alpha

    def share(self, races: int) -> float:
        """Return the share of the next race, if so many are still needed."""
        return self.left / races

    def use(self, share: float) -> None:
        """Take note of a race that could have been a false alarm."""
        self.left = max(self.left - share, 0.0)


def _bits(mask: int) -> Iterator[int]:
    """Yield the positions of the bits that are set, lowest first."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
