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

    """

    ending: Ending
    suspects: tuple[Commit, ...]
    trials: tuple[Trial, ...]
    confirmation: Trial | None = None


@dataclass
class Bisection:
    """A search for the first commit that is slower than a good revision.

    Every candidate is raced against the good revision, not against its parent: the slowdown then shows in each commit
    since it came in, and one of the two builds is in the cache. Finally, the commit that is found is raced against its
    parent, with alpha as the probability of a false alarm of this race alone. So, whatever went wrong before, a commit
    that is as fast as its parent is confirmed with a probability below alpha.

    Attributes
    ----------
    commits : dict of str to Commit
        The commits between the two revisions, by their ids, parents first, the bad revision last.
    good : str
        The id of the good revision.
    alpha : float
        The probability of a false alarm in the search.
    race : callable
        Gets a commit's id, that of the commit to race it against, and a probability of a false alarm.
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
    race: Callable[[str, str, float], Trial]
    keep: Callable[[Sequence[Trial]], None]
    say: Callable[[str], None]
    known: Sequence[Trial] = ()
    _trials: list[Trial] = field(default_factory=list)

    def run(self) -> Result:
        """Search, and confirm what was found."""
        search = Search({name: commit.parents for name, commit in self.commits.items()})
        alpha = Alpha(self.alpha)
        count = len(self.commits)
        candidate: str | None = search.bad
        races = math.ceil(math.log2(count)) + 1
        while candidate is not None:
            self.say(f"{count} {'commit' if count == 1 else 'commits'} left, about {races} more {_races(races)}")
            trial = self._try(candidate, self.good, alpha.share(races))
            if trial.has_raced:
                alpha.use(trial.share)
            if len(self._trials) == 1 and trial.outcome != Outcome.BAD:
                return Result(Ending.NO_VERDICT, (), (trial,))
            search.record(candidate, Outcome(trial.outcome))
            candidate, races, count = search.candidate(), search.trials_left(), len(search.suspects)
        trials = tuple(self._trials)
        suspects = tuple(self.commits[name] for name in search.suspects)
        if len(suspects) > 1:
            return Result(Ending.RANGE, suspects, trials)
        return self._confirm(suspects[0], trials)

    def _confirm(self, first: Commit, trials: tuple[Trial, ...]) -> Result:
        """Race the commit that was found against its parent, unless that is the good revision."""
        # The first commit of another history, merged later, has no parent.
        parent = first.parents[0] if first.parents else self.good
        if parent == self.good:
            return Result(Ending.FOUND, (first,), trials, next(one for one in trials if one.commit == first.id))
        self.say(f"found {first.short}; it is raced against its parent {parent[:10]}")
        confirmation = self._try(first.id, parent, self.alpha)
        if confirmation.outcome == Outcome.BAD:
            return Result(Ending.FOUND, (first,), trials, confirmation)
        search = Search({name: commit.parents for name, commit in self.commits.items()})
        search.record(first.id, Outcome.BAD)
        return Result(Ending.UNCONFIRMED, tuple(self.commits[name] for name in search.suspects), trials, confirmation)

    def _try(self, commit: str, against: str, share: float) -> Trial:
        """Return the trial of a commit; it may be known already."""
        known = next((one for one in self.known if (one.commit, one.against) == (commit, against)), None)
        self.say(f"{self.commits[commit]} against {against[:10]}{' (raced before)' if known else ''}")
        trial = known or self.race(commit, against, share)
        self._trials.append(trial)
        self.say(f"  {trial}" + ("" if known else f", {trial.seconds:.0f} s"))
        self.keep(self._trials)
        return trial


def _races(count: int) -> str:
    return "race" if count == 1 else "races"
