"""A search from its first race to its result."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_benchgate.bisection.search import Alpha, Outcome, Search

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_benchgate.bisection.trial import Trial
    from pytest_benchgate.commit import Commit


# Of the whole slowdown, as a logarithm: 2, 3 or 4 steps of the same size all end at a distance from it.
MIDDLE = 0.42


def middle(change: float, least: float) -> float:
    """Return the slowdown between good and bad commits, where the whole is ln(bad / good) and `least` is what matters.

    A commit that is neither as fast as the good revision nor as slow as the bad one would be `unsure`, or take long, if
    its slowdown were near the threshold. So where the whole is much larger, the threshold is between both.
    """
    return max(least, round(math.expm1(MIDDLE * change), 4))


class Ending(enum.StrEnum):
    """How a search ends."""

    FOUND = "found"
    RANGE = "range"
    UNCONFIRMED = "unconfirmed"
    NO_VERDICT = "no verdict"


@dataclass(frozen=True)
class Result:
    """What a search has found.

    Attributes
    ----------
    ending : Ending
        How it ended.
    suspects : tuple of Commit
        The commits of which one is the first slower one, parents first; a single one if it was found.
    trials : tuple of Trial
        The races against the good revision, in their order.
    confirmation : Trial, optional
        The race of the commit that was found against its first parent. If that is the good revision, the trial of the
        search.
    threshold : float, optional
        The slowdown from which on commits were taken to be bad, if it was not that of the race.

    """

    ending: Ending
    suspects: tuple[Commit, ...]
    trials: tuple[Trial, ...]
    confirmation: Trial | None = None
    threshold: float | None = None


@dataclass
class Bisection:
    """A search for the first commit that is slower than a good revision.

    Every candidate is raced against the good revision, not against its parent: the slowdown then shows in each commit
    since it came in, and one of the two builds is in the cache. It is bad from a slowdown on that lies between none and
    the whole, see `middle`. Finally, the commit that is found is raced against its parent, with alpha as the
    probability of a false alarm of this race alone. So, whatever went wrong before, a commit that is as fast as its
    parent is confirmed with a probability below alpha.

    Attributes
    ----------
    commits : dict of str to Commit
        The commits between the two revisions, by their ids, parents first, the bad revision last.
    good : str
        The id of the good revision.
    alpha : float
        The probability of a false alarm in the search.
    race : callable
        Gets a commit's id, that of the commit to race it against, a probability of a false alarm, and the threshold, if
        it is not that of the race.
    keep : callable
        Gets the trials after each one.
    say : callable
        Gets each line about the progress.
    known : sequence of Trial
        The trials of the same search, interrupted before.

    """

    commits: dict[str, Commit]
    good: str
    alpha: float
    race: Callable[[str, str, float, float | None], Trial]
    keep: Callable[[Sequence[Trial]], None]
    say: Callable[[str], None]
    known: Sequence[Trial] = ()
    _trials: list[Trial] = field(default_factory=list)
    _threshold: float | None = None

    def run(self) -> Result:
        """Search, and confirm what was found."""
        search = Search({name: commit.parents for name, commit in self.commits.items()})
        alpha = Alpha(self.alpha)
        count = len(self.commits)
        candidate: str | None = search.bad
        races = math.ceil(math.log2(count)) + 1
        while candidate is not None:
            self.say(f"{count} {'commit' if count == 1 else 'commits'} left, about {races} more {_races(races)}")
            trial = self._try(candidate, self.good, alpha.share(races), self._threshold)
            if trial.has_raced:
                alpha.use(trial.share)
            if len(self._trials) == 1 and trial.outcome != Outcome.BAD:
                return Result(Ending.NO_VERDICT, (), (trial,))
            if len(self._trials) == 1:
                self._choose_threshold(trial)
            search.record(candidate, Outcome(trial.outcome))
            candidate, races, count = search.candidate(), search.trials_left(), len(search.suspects)
        trials = tuple(self._trials)
        suspects = tuple(self.commits[name] for name in search.suspects)
        if len(suspects) > 1:
            return Result(Ending.RANGE, suspects, trials, threshold=self._threshold)
        return self._confirm(suspects[0], trials)

    def _choose_threshold(self, whole: Trial) -> None:
        """Choose what divides good and bad, by the race of the bad revision."""
        assert whole.raced is not None  # noqa: S101  # a bad commit was raced
        assert whole.raced.change is not None  # noqa: S101
        chosen = middle(whole.raced.change, whole.raced.threshold)
        if chosen > whole.raced.threshold:
            self._threshold = chosen
            self.say(f"from now on, a commit is bad if it is more than {100 * chosen:.3g} % slower")

    def _confirm(self, first: Commit, trials: tuple[Trial, ...]) -> Result:
        """Race the commit that was found against its parent, unless that is the good revision."""
        # The first commit of another history, merged later, has no parent.
        parent = first.parents[0] if first.parents else self.good
        if parent == self.good:
            confirmation = next(one for one in trials if one.commit == first.id)
            return Result(Ending.FOUND, (first,), trials, confirmation, self._threshold)
        self.say(f"found {first.short}; it is raced against its parent {parent[:10]}")
        confirmation = self._try(first.id, parent, self.alpha)
        if confirmation.outcome == Outcome.BAD:
            return Result(Ending.FOUND, (first,), trials, confirmation, self._threshold)
        search = Search({name: commit.parents for name, commit in self.commits.items()})
        search.record(first.id, Outcome.BAD)
        suspects = tuple(self.commits[name] for name in search.suspects)
        return Result(Ending.UNCONFIRMED, suspects, trials, confirmation, self._threshold)

    def _try(self, commit: str, against: str, share: float, threshold: float | None = None) -> Trial:
        """Return the trial of a commit; it may be known already."""
        known = next((one for one in self.known if (one.commit, one.against) == (commit, against)), None)
        self.say(f"{self.commits[commit]} against {against[:10]}{' (raced before)' if known else ''}")
        trial = known or self.race(commit, against, share, threshold)
        self._trials.append(trial)
        self.say(f"  {trial}" + ("" if known else f", {trial.seconds:.0f} s"))
        self.keep(self._trials)
        return trial


def _races(count: int) -> str:
    return "race" if count == 1 else "races"
