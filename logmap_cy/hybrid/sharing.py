"""Who does what of an array: rules without a clock or a thread, for `call`.

`Book` keeps what is known of workers and teams, `Course` decides what the next stretch of an array is done by,
`Pieces` hands a stretch out, and `Shares` tells who did how much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

Team: TypeAlias = tuple[int, ...]  # workers by their places in the crew, ascending

HOST: Team = (0,)
LARGE = 2**24  # elements times steps; 1.2 ms with AVX-512 on two cores. Below it nothing is measured and nothing shared
FEW = 2**12  # elements; fewer do not fill a device
GRAIN = 64  # elements; pieces are multiples, so that two workers share no line of out
LEAST_S = 0.0005  # a piece's least; the processor's vectors want 4 MiB to write past the caches
PIECES = 64  # of a stretch, a worker's most; else one that was held up gets ever smaller ones, which seem slower yet
PIECE_S = 0.1  # a piece's most: Ctrl-C waits for it
STRETCH_S = 0.25  # a stretch's most: then it is decided anew
HALVED_S = 0.005  # what one device gets is not halved below this
GAIN = 1.04  # what is to be used instead of the processor, or of one worker, must be so many times faster
SLOWED = 0.3  # of its rate in the same team: less is more than noise
TRIAL_S = (0.0005, 0.002)  # the first trial of a team: the least and the most
TRIAL_PART = 32  # that trial is to take this part of a call
LATER_PART = 8  # and a later one this, which tells more; what it loses is known about
LATER_LOSS = 0.04  # of a call, in which it is made
LATER_S = 0.02  # and what it takes at most
MEANWHILE_S = 0.001  # while devices are made ready for a trial, the next stretch's most
TRIALS_SHARE = 0.06  # of the time worked may be lost to trials
TRIALS_MOST_S = 0.025  # what may be saved up for them
AGAIN_S = (0.05, 2.0)  # worked time after which one more team is tried again; twice as long after each time, at most
FIRST = 2**23  # steps of the processor's first stretch, which starts its threads
TINY = 2**16  # steps of a device's first piece: little more than its fixed cost


@dataclass(frozen=True)
class Share:
    """What one worker did: elements, and the seconds that its pieces took."""

    name: str
    elements: int
    seconds: float


@dataclass(frozen=True)
class Shares:
    """Who did how much of a call, or of several: ``first + second``."""

    workers: tuple[Share, ...]

    def __add__(self, other: Shares) -> Shares:
        """Return both together."""
        names = dict.fromkeys(one.name for one in self.workers + other.workers)
        both = {name: [one for one in self.workers + other.workers if one.name == name] for name in names}
        return Shares(
            tuple(
                Share(name, sum(one.elements for one in ones), sum(one.seconds for one in ones))
                for name, ones in both.items()
            )
        )

    def table(self) -> str:
        """Return a line a worker: its name, its part of the elements, how many these are, its busy milliseconds."""
        total = max(sum(one.elements for one in self.workers), 1)
        rows = [("worker", "share", "elements", "busy ms")]
        rows += [
            (one.name, f"{100 * one.elements / total:.1f} %", str(one.elements), f"{1e3 * one.seconds:.3f}")
            for one in self.workers
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
        )


class Pieces:
    """A stretch of elements, handed out a piece at a time so that all workers end together. Not locked.

    Guided self-scheduling (Polychronopoulos and Kuck, IEEE Transactions on Computers 36 (1987) 1425): a piece is a part
    of what is left, its worker's share by rate; half of this share, as rates change.

    Parameters
    ----------
    length: elements.
    rates: elements a second of each worker of the team, to begin with; then its last piece's.
    fixed: what each piece of a worker costs, in seconds.
    most: the most elements of a worker's piece.

    """

    def __init__(
        self, length: int, rates: Mapping[int, float], fixed: Mapping[int, float], most: Mapping[int, int]
    ) -> None:
        self.length = length
        self.start = 0  # what lies before is handed out
        self.left = length  # elements that are not done
        self.rates = dict(rates)
        self.fixed = fixed
        self.most = most
        self.under_way: dict[int, int] = {}  # elements of each one's piece
        self.present = {0} & rates.keys()  # a lane may be busy for another call, and never come

    def take(self, worker: int) -> slice | None:
        """Return the worker's next piece, None where there is none or the others end sooner without it."""
        remaining = self.length - self.start
        if remaining == 0:
            return None
        mine = self.rates[worker]
        size: float = remaining
        if len(self.rates) > 1:
            least = max(max(LEAST_S, 4 * self.fixed[worker]) * mine, self.length / PIECES)
            size = max(remaining * mine / sum(self.rates.values()) / 2, least)
        size = min(size, PIECE_S * mine, self.most[worker], remaining)
        whole = max(math.ceil(size / GRAIN), 1) * GRAIN
        whole = remaining if remaining < whole + GRAIN else whole
        others = self.present - {worker}
        theirs = remaining + sum(self.under_way.get(other, 0) for other in others) / 2  # as if each were halfway
        if others and self.fixed[worker] + whole / mine > theirs / sum(self.rates[other] for other in others):
            self.present.discard(worker)
            return None
        self.present.add(worker)
        self.under_way[worker] = whole
        self.start += whole
        return slice(self.start - whole, self.start)

    def done(self, worker: int, elements: int, seconds: float) -> bool:
        """Note a piece that is done; whether all are."""
        self.rates[worker] = elements / max(seconds, 1e-9)
        self.under_way[worker] = 0
        self.left -= elements
        return self.left == 0


class Speed(NamedTuple):
    """What a team did: elements times steps, the seconds they took beyond the fixed ones, each member's rate."""

    work: float
    seconds: float
    fixed_s: float
    rates: dict[int, float]


class Busy(NamedTuple):
    """What a worker did in a stretch."""

    elements: int
    seconds: float
    pieces: int


@dataclass(frozen=True)
class Segment:
    """The next elements of an array, and whom they are for; rates in elements a second, inf where unknown."""

    team: Team
    elements: int
    rates: dict[int, float]
    fixed: dict[int, float]


@dataclass(frozen=True)
class Outcome:
    """The wall seconds of a segment, and what each worker did."""

    seconds: float
    busy: dict[int, Busy]


class Book:
    """What is known of a crew at one kind of work: each one's fixed cost of a piece, and the speeds of teams.

    Trials are paid for: a share of the time worked is saved up, and a trial takes from it what it lost.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.fixed = dict.fromkeys(range(workers), 0.0)
        self.speeds: dict[Team, Speed] = {}
        self.complete = False  # whether all candidates were known when they were last listed
        self.ages: dict[Team, int] = {}
        self.learned = 0
        self.saved_s = 0.0
        self.since_s, self.again_s = 0.0, AGAIN_S[0]

    def speed(self, team: Team) -> float:
        """Return elements times steps a second."""
        known = self.speeds[team]
        return known.work / known.seconds

    def seconds(self, team: Team, work: float) -> float:
        """Return how long a known team would take."""
        known = self.speeds[team]
        return known.fixed_s + work * known.seconds / known.work

    def alone(self, work: float) -> Team:
        """Return the fastest worker for so much work, as `team` does."""
        known = [team for team in list(self.speeds) if len(team) == 1]
        return min(known, key=lambda team: self._bid(team, work), default=HOST)

    def team(self, work: float) -> Team:
        """Return the fastest team; not the processor alone, or several workers, only where these gain by it."""
        return min(list(self.speeds), key=lambda team: self._bid(team, work), default=HOST)

    def _bid(self, team: Team, work: float) -> float:
        handicap = 1.0 if team == HOST else GAIN if len(team) == 1 else GAIN * GAIN
        return self.seconds(team, work) * handicap

    def candidates(self) -> Iterator[Team]:
        """Yield the teams worth knowing: each worker alone; the fastest and the next; if these gain, and the next ...

        Ends at the first team of several that is not known.
        """
        for worker in range(self.workers):
            yield (worker,)
        ranked = sorted((team for team in list(self.speeds) if len(team) == 1), key=self.speed, reverse=True)
        if not ranked:
            return
        team: Team = ranked[0]
        for other in ranked[1:]:
            if self.speed(other) < (GAIN - 1) * self.speed(team):
                return
            larger = tuple(sorted(team + other))
            yield larger
            if larger not in self.speeds:
                return
            if self.speed(larger) > GAIN * self.speed(team):
                team = larger

    def trial(self, choice: Team, call_s: float) -> Team | None:
        """Return the team to try now, or None: one that is not known; now and then the one tried longest ago."""
        due = self.since_s >= self.again_s
        if self.complete and not due:
            return None
        teams = list(self.candidates())
        self.complete = all(team in self.speeds for team in teams)
        for team in teams:
            if team not in self.speeds and self.cost(team, call_s) <= self.saved_s:
                return team
        others = [team for team in teams if team != choice and team in self.speeds] if due else []
        paid = [team for team in others if self.cost(team, call_s) <= self.saved_s]
        return min(paid, key=lambda team: self.ages[team], default=None)

    def cost(self, team: Team, call_s: float) -> float:
        """Return the seconds that trying the team is expected to lose."""
        if team not in self.speeds:
            return first_trial_s(call_s) + 2 * max(self.fixed[worker] for worker in team)
        return self.trial_s(team, call_s) * self._loss(team)

    def trial_s(self, team: Team, call_s: float) -> float:
        """Return how long trying the team is to take, in a call of which so much is left."""
        if team not in self.speeds:
            return first_trial_s(call_s) * len(team)
        return max(min(call_s / LATER_PART, call_s * LATER_LOSS / self._loss(team), LATER_S), TRIAL_S[0])

    def _loss(self, team: Team) -> float:
        """Return what trying the team is expected to lose of each second that it takes."""
        return max(1 - self.speed(team) / self.fastest(), 0.1)

    def fastest(self) -> float:
        """Return the highest speed that is known."""
        return max(map(self.speed, list(self.speeds)))

    def begin(self, seconds: float) -> None:
        """Save up for trials: a call of so many seconds begins."""
        self.saved_s = min(self.saved_s + TRIALS_SHARE * seconds, TRIALS_MOST_S)

    def tried(self, work: float, seconds: float, *, known: bool) -> None:
        """Take what a trial lost from what was saved up."""
        self.saved_s = max(self.saved_s - max(seconds - work / self.fastest(), 0.0), -TRIALS_MOST_S)
        if known:
            self.since_s, self.again_s = 0.0, min(2 * self.again_s, AGAIN_S[1])

    def learn(self, team: Team, outcome: Outcome, num: int, inertia_s: float, *, trial: bool = False) -> None:
        """Take in what a team did; what was known before counts for inertia_s, or for as long as this took.

        A trial that beats it replaces it: what holds a team up makes it slower, nothing makes it faster, and a team
        that is chosen wrongly is soon known better.
        """
        rates = {i: busy.elements * num / max(busy.seconds, 1e-9) for i, busy in outcome.busy.items() if busy.elements}
        work, seconds = sum(busy.elements for busy in outcome.busy.values()) * num, outcome.seconds
        if len(team) == 1:
            busy = outcome.busy[team[0]]
            seconds = max(busy.seconds - self.fixed[team[0]] * busy.pieces, busy.seconds / 4)
        elif len(rates) < len(team):  # who was not worth a piece makes no team faster
            alone = [self.speed((worker,)) for worker in team if (worker,) in self.speeds]
            seconds = max(seconds, work / max(alone, default=math.inf))
        seconds = max(seconds, 1e-9)
        old = self.speeds.get(team)
        if old and not (trial and work * old.seconds > old.work * seconds):
            keep = min(max(inertia_s, seconds) / old.seconds, 1.0)
            work, seconds = int(work + keep * old.work), seconds + keep * old.seconds
            rates = old.rates | rates
            if len(team) > 1:
                self._slowed(rates, old.rates)
        self.speeds[team] = Speed(work, seconds, max(self.fixed[worker] for worker in team), rates)
        self.learned += 1
        self.ages[team] = self.learned

    def end(self, team: Team, work: float, seconds: float) -> None:
        """Note that a call is over that was expected to take so many seconds, by that team."""
        self.since_s += seconds
        if self.speeds and self.team(work) != team:
            self.doubt(team)  # which another one has replaced

    def is_settled(self, work: float) -> bool:
        """Whether the processor is to do it alone, and nothing is to be tried."""
        return self.complete and self.since_s < self.again_s and self.team(work) == HOST

    def took(self, work: int, seconds: float) -> None:
        """Take in a call that was settled, and took so many seconds."""
        expected_s = self.seconds(HOST, work)
        self.begin(expected_s)
        self.learn(HOST, Outcome(seconds, {0: Busy(work, seconds, 1)}), 1, expected_s)
        self.end(HOST, work, expected_s)

    def _slowed(self, rates: dict[int, float], before: dict[int, float]) -> None:
        """Have a device that has become slow among others count as slow alone too, until it is tried."""
        for worker, rate in rates.items():
            if worker and rate < SLOWED * before.get(worker, rate):
                self.speeds[worker,] = Speed(rate * TRIAL_S[0], TRIAL_S[0], self.fixed[worker], {worker: rate})
                self.doubt((worker,))

    def doubt(self, team: Team) -> None:
        """Have the team tried next."""
        if team in self.ages:
            self.ages[team] = -1
            self.since_s = self.again_s = AGAIN_S[0]

    def segment(self, team: Team, elements: int, num: int) -> Segment:
        """Return a segment with what is known of its team; its members alone where they were not seen together."""
        rates = {}
        for worker in team:
            known = self.speeds.get(team) or self.speeds.get((worker,))
            rates[worker] = known.rates.get(worker, math.inf) / num if known else math.inf
            if rates[worker] == math.inf and (worker,) in self.speeds:
                rates[worker] = self.speed((worker,)) / num
        return Segment(team, elements, rates, self.fixed)


class Course:
    """One call's decisions: segments come out, their outcomes go in.

    Parameters
    ----------
    book: what is known, and is added to.
    elements, num: the call's.
    ready: the seconds of a tiny piece of a device whose program is built; None, and it is ordered, where it is not.
    quiet: whether the call has the machine to itself, as far as this process knows; else nothing is learned.

    """

    def __init__(
        self,
        book: Book,
        elements: int,
        num: int,
        ready: Callable[[int], float | None],
        quiet: Callable[[], bool] = lambda: True,
    ) -> None:
        self.book = book
        self.left = elements
        self.num = num
        self.ready = ready
        self.quiet = quiet
        self.over = False  # no more trials in this call

    def segments(self) -> Generator[Segment, Outcome, None]:
        """Yield segments until nothing is left."""
        book, num = self.book, self.num
        work = self.left * num
        if is_small(self.left, num) or book.workers == 1:
            yield from self._segment(book.alone(work), self.left)
            return
        if not book.speeds and self.quiet() and work >= 16 * FIRST:
            yield from self._first()
        before = book.team(work)
        whole_s = book.seconds(before, work) if book.speeds else 0.0
        book.begin(whole_s)
        while self.left:
            choice = book.team(self.left * num)
            trial = self._trial(choice)
            if trial and self._are_ready(trial):
                yield from self._try(trial)
                continue
            elements = self._trusted(choice)
            if trial:  # its devices are being made ready, which may take of the processor's time
                elements = min(elements, MEANWHILE_S * book.speed(choice) / num)
            outcome = yield from self._segment(choice, elements)
            if not trial:
                self._learn(choice, outcome, whole_s)
        book.end(before, work, whole_s)

    @property
    def _left_s(self) -> float:
        """The seconds that what is left is expected to take."""
        work = self.left * self.num
        return self.book.seconds(self.book.team(work), work)

    def _segment(self, team: Team, elements: float) -> Generator[Segment, Outcome, Outcome]:
        count = min(max(int(elements), 1), self.left)
        count = self.left if self.left - count < GRAIN else count
        self.left -= count
        return (yield self.book.segment(team, count, self.num))

    def _learn(self, team: Team, outcome: Outcome, inertia_s: float = 0.0, *, trial: bool = False) -> None:
        if self.quiet():
            self.book.learn(team, outcome, self.num, inertia_s, trial=trial)
        else:
            self.over = True

    def _first(self) -> Generator[Segment, Outcome, None]:
        """Have the processor start its threads, then show its speed: the better of two, as others may hold it up."""
        elements = FIRST / self.num
        outcome = yield from self._segment(HOST, elements)
        outcomes = []
        for _ in range(2):
            rate = elements / max(outcome.seconds, 1e-9)
            elements = min(max(elements, first_trial_s(self.left / rate) * rate), self.left / 16)
            outcome = yield from self._segment(HOST, elements)
            outcomes.append(outcome)
        self._learn(HOST, max(outcomes, key=lambda outcome: outcome.busy[0].elements / max(outcome.seconds, 1e-9)))

    def _trusted(self, team: Team) -> float:
        """Return how many elements to give to the team at once: four times what its speed is known from.

        To one device half of what is left: should it be slow from now on, others get the rest. Several adapt anyway.
        """
        if team not in self.book.speeds:
            return self.left
        known, speed = self.book.speeds[team], self.book.speed(team) / self.num
        elements = STRETCH_S * speed
        if team != HOST:
            elements = min(elements, 4 * known.work / self.num)
            if len(team) == 1:
                elements = min(elements, max(self.left / 2, HALVED_S * speed, 10 * known.fixed_s * speed))
        return self.left if self.left < 1.5 * elements else elements

    def _trial(self, choice: Team) -> Team | None:
        if self.over or not self.book.speeds or not self.quiet():
            return None
        return self.book.trial(choice, self.book.seconds(choice, self.left * self.num))

    def _are_ready(self, team: Team) -> bool:
        """Whether every device of the team is; that of one alone which is not known must be worth its fixed cost."""
        for worker in team:
            if worker:
                fixed_s = self.ready(worker)
                if fixed_s is None:
                    return False
                if (worker,) not in self.book.speeds:
                    self.book.fixed[worker] = fixed_s
        return self.book.cost(team, self._left_s) <= self.book.saved_s

    def _try(self, team: Team) -> Generator[Segment, Outcome, None]:
        """Have a team do a small part, and note what it did and what that lost.

        What is not known may be slow, and what is known may be out of date: it begins with little and gets more until
        that takes long enough to tell. The first piece of a device is so tiny that its time is its fixed cost.
        """
        book, trial_s, known = self.book, self.book.trial_s(team, self._left_s), team in self.book.speeds
        fixed_s = max(book.fixed[worker] for worker in team)
        work, tells_s, tiny = trial_s * book.fastest(), trial_s / 2, False
        before, spent_s, outcome = self.left, 0.0, None
        if known:
            work = trial_s * book.speed(team)
            if work / self.num < self.left / 3:  # threads that slept are woken before it counts
                spent_s += (yield from self._segment(team, max(work / self.num / 4, 512))).seconds
        elif len(team) == 1:
            tiny, tells_s = True, trial_s / 6
            work = TINY if fixed_s < trial_s else fixed_s / 2 * book.fastest()
        while (elements := max(work / self.num, 512)) < self.left / 3:
            outcome = yield from self._segment(team, elements)
            spent_s += outcome.seconds
            took_s = outcome.seconds if len(team) > 1 else outcome.busy[team[0]].seconds
            more_s = took_s - fixed_s
            if tiny:
                tiny, book.fixed[team[0]] = False, min(fixed_s, took_s)
                if more_s > tells_s:
                    continue  # slow, or held up: once more
                more_s = 0.0
            if more_s > tells_s:
                break
            work *= min(max(trial_s / max(more_s, took_s / 16), 2), 16)
        if outcome is None:
            self.over = True  # too little is left
            return
        self._learn(team, outcome, trial=True)
        book.tried((before - self.left) * self.num, spent_s, known=known)


def is_small(elements: int, num: int) -> bool:
    """Whether a call is too small for anything but what is known to be best alone."""
    return elements * num < LARGE or elements < FEW


def first_trial_s(call_s: float) -> float:
    """Return how long a worker's first trial is to take, in a call of which so much is left."""
    return min(max(call_s / TRIAL_PART, TRIAL_S[0]), TRIAL_S[1])
