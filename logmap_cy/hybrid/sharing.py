"""Which workers compute what of an array: rules without clocks or threads.

Workers that share cores or memory may do less together than the best of them alone, so teams of them are measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    # Workers by number, ascending; 0 is the processor, the others are devices.
    Team: TypeAlias = tuple[int, ...]

HOST: Team = (0,)
# Elements. Pieces are multiples of it, so that no two workers write to the same cache line.
GRAIN = 512
# Seconds. A call that the processor alone completes sooner is not divided.
SMALL_S = 0.001
# Seconds of a part, after which a team is chosen again. Ctrl-C waits for a device's piece.
LONGEST_S = 0.1
# A piece takes so many seconds, and this fraction of its worker's share, at least: fixed costs make small ones slow.
PIECE_S, PIECE_FRACTION = 0.0005, 1 / 64
# Steps that each thread of the processor does in a first part: a millisecond or more, so that its rate is told.
FIRST_STEPS = 2**23
# Fractions of a call that trials of one and of several workers take, and the least seconds that tell something.
TRIAL_FRACTION, TEAM_FRACTION, TRIAL_S = 1 / 32, 1 / 10, 0.0005
# Each device must make a team GAIN times faster: less is noise. With NEARLY the best one's rate it is tried for longer.
GAIN, NEARLY = 1.04, 0.8
# Fraction of the time worked that first trials may lose; seconds worked between later ones, which come sooner at first.
BUDGET, AGAIN_S = 0.04, 2.0
# Measurements of a team that are kept. The best one counts, as other processes only ever slow a team down.
RECENT = 3


class Pieces:
    """Divide a part among its workers so that they finish at about the same time. Not locked.

    Weighted guided self-scheduling (Polychronopoulos and Kuck, IEEE Transactions on Computers 36 (1987) 1425): a piece
    is half of what its worker's rate entitles it to of the elements that are left.

    `rates` are the elements a second that each worker is expected to compute, then those of its last piece; `most` are
    the elements of a piece that Ctrl-C may wait for.
    """

    def __init__(self, start: int, elements: int, rates: dict[int, float], most: dict[int, int]) -> None:
        self.start, self.stop = start, start + elements
        self.unfinished = elements
        self.rates = dict(rates)
        self.least = {i: elements * rate / sum(rates.values()) * PIECE_FRACTION for i, rate in rates.items()}
        self.most = most

    def take(self, worker: int) -> slice | None:
        """Return the worker's next piece, or None if none is left."""
        if not (left := self.stop - self.start):
            return None
        rate = self.rates[worker]
        size = left * rate / sum(self.rates.values())
        if len(self.rates) > 1:
            size = max(size / 2, PIECE_S * rate, self.least[worker])
        self.start += whole_grains(min(size, self.most[worker]), left)
        return slice(self.stop - left, self.start)

    def finish(self, worker: int, elements: int, seconds: float) -> None:
        """Record a finished piece."""
        self.rates[worker] = elements / max(seconds, 1e-9)
        self.unfinished -= elements


def whole_grains(elements: float, left: int) -> int:
    """Return about so many elements in whole grains, or all that are left if few would remain."""
    count = max(int(elements) // GRAIN, 1) * GRAIN
    return left if left - count < GRAIN else count


class Measurements:
    """The rates, in steps a second, that teams of so many workers have shown at one kind of work."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.rates: dict[Team, tuple[float, ...]] = {}
        self.extrapolated: set[Team] = set()
        # Workers whose rate is, or will be, predicted.
        self.predicted = {0}
        # What first trials have shown of teams that seem slower than others.
        self.doubted: dict[Team, float] = {}
        self.worked_s = self.lost_s = self.last_trial_s = 0.0
        self.trials = 0

    def rate(self, team: Team) -> float:
        """Return the rate of a measured team."""
        return max(self.rates[team])

    def best(self) -> Team:
        """Return the fastest team; the processor where devices gain too little, or nothing is known."""
        return max(list(self.rates), key=lambda team: self.rate(team) / GAIN ** len({*team} - {0}), default=HOST)

    def due(self) -> Team | None:
        """Return the team to try next, or None: one that was never measured, or else each in turn.

        These are each worker alone and, once that is known, the fastest two, the fastest three ...
        """
        workers, best = range(self.workers), self.best()
        teams: list[Team] = [(worker,) for worker in workers]
        if all(team in self.rates for team in teams):
            ranked = sorted(workers, key=lambda worker: self.rate((worker,)), reverse=True)
            teams += [tuple(sorted(ranked[: last + 1])) for last in workers[1:]]
        if unknown := [team for team in teams if team not in self.rates]:
            return unknown[0]
        others = [team for team in teams if team != best]
        is_time = self.worked_s - self.last_trial_s >= min(self.last_trial_s, AGAIN_S)
        return others[self.trials % len(others)] if others and is_time else None

    def expect(self, team: Team, rate: float) -> None:
        """Record a rate that is predicted, if the team would be the fastest: then its next part tells."""
        if (team not in self.rates or team in self.extrapolated) and rate > GAIN * self.rate(self.best()):
            self.learn(team, rate, trial=True)

    def learn_from_trial(self, team: Team, rate: float) -> None:
        """Record a trial. A team that seems slow is tried twice, as other work on the machine may have held it up."""
        if team not in self.rates and team not in self.doubted and rate < self.rate(self.best()):
            self.doubted[team] = rate
        else:
            self.learn(team, max(rate, self.doubted.pop(team, 0.0)), trial=True)

    def learn(self, team: Team, rate: float, *, trial: bool = False) -> None:
        """Record a rate: that of a trial replaces lower ones, that of a part those of trials, or of faster devices.

        A first part after a trial, if it is half as fast, may have been held up: then the second one tells.
        """
        rates = self.rates.get(team, ())
        known = max(rates, default=0.0)
        is_slow = team != HOST and rate < known / 2
        replaces = rate > known if trial else is_slow or team in self.extrapolated
        if replaces and (trial or not is_slow or team not in self.extrapolated or len(rates) > 1):
            rates = ()
            (self.extrapolated.add if trial else self.extrapolated.discard)(team)
        self.rates[team] = (*rates, rate)[-RECENT:]


@dataclass
class Plan:
    """Divide a call into parts and have each computed by a team.

    `ready` returns the seconds that a tiny piece takes a device, None while its program is being built; `predict` has
    its rate predicted, while others compute; `execute` has the next elements computed by workers of so many elements a
    second, and returns the seconds that it took.
    """

    known: Measurements
    left: int
    num: int
    threads: int
    ready: Callable[[int], float | None]
    predict: Callable[[int], None]
    execute: Callable[[int, dict[int, float]], float]

    def run(self) -> None:
        """Have all elements computed."""
        known, all_steps = self.known, self.left * self.num
        if HOST not in known.rates and self.left:
            known.learn(HOST, self._part(HOST, FIRST_STEPS * self.threads)[0], trial=True)
        while self.left:
            for device in {*range(known.workers)} - known.predicted:
                if self.ready(device) is not None:
                    known.predicted.add(device)
                    self.predict(device)
            if not self._try(all_steps):
                team = HOST if self._fixed_s(known.best()) is None else known.best()
                known.learn(team, self._part(team, LONGEST_S * known.rate(team))[0])

    def _part(self, team: Team, steps: float) -> tuple[float, int, float]:
        """Have a team compute about so many steps, in all; return its rate, the steps and the seconds."""
        count = whole_grains(steps / self.num, self.left)
        rates = {i: self.known.rate((i,)) / self.num if (i,) in self.known.rates else 1.0 for i in team}
        seconds = max(self.execute(count, rates), 1e-9)
        self.left -= count
        self.known.worked_s += seconds
        return count * self.num / seconds, count * self.num, seconds

    def _fixed_s(self, team: Team) -> float | None:
        """Return the seconds that a tiny piece takes the team; None while a program of it is being built."""
        times = [self.ready(worker) for worker in team if worker]
        return None if None in times else max((time for time in times if time), default=0.0)

    def _try(self, all_steps: int) -> bool:
        """Measure the team that is due, if the time for that was earned; return whether it was.

        It gets few elements, as it may be very slow, then more until they take longer than fewer did: before that, what
        counts is how long a driver takes to wake up, and a device is as fast with thousands of times as many.
        """
        known, team = self.known, self.known.due()
        if team is None:
            return False
        fastest = known.rate(known.best())
        whole_s = min(all_steps / fastest, LONGEST_S)
        cost_s = max(whole_s * TRIAL_FRACTION, TRIAL_S) * len(team)
        # Devices take a while to wake up; meanwhile the processor of their team works.
        trial_s = max(cost_s, whole_s * TEAM_FRACTION * (len(team) > 1))
        budget_s = inf if team in known.rates else BUDGET * (known.worked_s + all_steps / fastest) - known.lost_s
        if cost_s > budget_s or trial_s > self.left * self.num / fastest / 3:
            return False
        if (fixed_s := self._fixed_s(team)) is None or cost_s + 3 * fixed_s > budget_s:
            return False
        steps, rate, least_s = trial_s * fastest / 256, 0.0, inf
        while steps <= self.left * self.num / 3:
            _, done, seconds = self._part(team, steps)
            known.lost_s += max(seconds - done / fastest, 0.0)
            least_s = min(least_s, seconds)
            beyond_s = seconds - least_s
            rate = all_steps / (least_s + all_steps * max(beyond_s, seconds / 8) / done)
            # A team that seems nearly as fast as the processor costs little, and may be faster in longer parts.
            if beyond_s > trial_s / 2 and not (len(team) > 1 and NEARLY < rate / fastest < GAIN):
                break
            steps = done * min(max(trial_s / max(seconds - fixed_s, seconds / 8), 3), 16)
        known.learn_from_trial(team, rate)
        known.last_trial_s, known.trials = known.worked_s, known.trials + 1
        return True
