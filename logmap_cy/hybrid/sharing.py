"""Which workers compute what of an array: rules without clocks or threads.

Workers that share cores or memory may do less together than the best of them alone, so teams of them are measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    # Workers by number, ascending; 0 is the processor, the others are devices.
    Team: TypeAlias = tuple[int, ...]

HOST: Team = (0,)
# Elements. Pieces are multiples of it, so that no two workers write to the same cache line.
GRAIN = 512
# Seconds. A call that the processor alone completes sooner is not divided.
SMALL_S = 0.002
# Seconds of a part, after which a team is chosen again. Ctrl-C waits for a device's piece.
LONGEST_S = 0.1
# A piece takes so many seconds, and this fraction of its worker's share, at least: fixed costs make small ones slow.
PIECE_S, PIECE_FRACTION = 0.0005, 1 / 64
# Steps a second that are expected of a thread of the processor, and are rarely exceeded: only a device that is expected
# to be faster than all threads has the first part of a first call.
THREAD_RATE = 14e9
# Fractions of a call that trials of one and of several workers take, and the least seconds that tell something.
TRIAL_FRACTION, TEAM_FRACTION, TRIAL_S = 1 / 32, 1 / 10, 0.0005
# Further trials of a team that took up to so much longer than the best are longer, and lose this fraction of a call.
SLOWER, LOST_FRACTION = 1.0, 1 / 16
# Each device must make a team so many times faster: less is noise.
GAIN = 1.04
# Fraction of the time worked that trials may lose; seconds worked between later ones, which come sooner at first.
BUDGET, AGAIN_S = 0.04, 2.0
# Measurements of a team that are kept. The best one counts, as other processes only ever slow a team down.
RECENT = 2


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


@dataclass(frozen=True)
class Costs:
    """The seconds that a device takes for a piece, for each of its elements, and for each step of an element."""

    fixed_s: float
    element_s: float = 0.0
    step_s: float = 0.0

    def rate(self, elements: int, num: int) -> float:
        """Return the steps a second that are expected of it with so many elements of num steps."""
        return elements * num / (self.fixed_s + elements * (self.element_s + num * self.step_s))


class Measurements:
    """The rates, in steps a second, that teams of so many workers and threads have shown at one kind of work."""

    def __init__(self, workers: int, threads: int) -> None:
        self.workers = workers
        self.rates: dict[Team, tuple[float, ...]] = {}
        # What is expected of single workers, which counts until they are measured.
        self.expected: dict[Team, float] = {HOST: threads * THREAD_RATE}
        self.extrapolated: set[Team] = set()
        self.worked_s = self.lost_s = self.last_trial_s = 0.0
        self.trials = 0

    def rate(self, team: Team) -> float:
        """Return the rate of a team, measured or else expected; 0 where nothing is known."""
        return max(self.rates.get(team, ()), default=self.expected.get(team, 0.0))

    def best(self) -> Team:
        """Return the fastest team; the processor where devices gain too little, or nothing is known."""
        return max(self._teams(), key=lambda team: self.rate(team) / GAIN ** len({*team} - {0}))

    def due(self, best: Team) -> Team | None:
        """Return the team to try next, or None: one that was never measured, or else each in turn.

        These are each worker alone, the fastest two, the fastest three ... that may be faster than the best one.
        """
        ranked = sorted(self._teams(most=1), key=self.rate, reverse=True)
        fastest = (ranked[:last] for last in range(2, len(ranked) + 1))
        gain = (teams for teams in fastest if sum(map(self.rate, teams)) > GAIN * self.rate(best))
        others = [team for team in (*ranked, *(tuple(sorted(i for (i,) in teams)) for teams in gain)) if team != best]
        if unknown := [team for team in others if team not in self.rates]:
            return unknown[0]
        is_time = self.worked_s - self.last_trial_s >= min(self.last_trial_s, AGAIN_S)
        return others[self.trials % len(others)] if others and is_time else None

    def _teams(self, most: int = 2**62) -> list[Team]:
        """Return the teams of up to so many workers whose rates are known, without devices that cannot be used now."""
        teams = {*self.expected, *self.rates}
        return [team for team in teams if len(team) <= most and all((i,) in self.expected for i in team)]

    def learn(self, team: Team, rate: float, *, trial: bool = False) -> None:
        """Record a rate: that of a trial replaces lower ones, that of a part those of trials."""
        rates = self.rates.get(team, ())
        if rate > max(rates, default=0.0) if trial else team in self.extrapolated:
            rates = ()
            (self.extrapolated.add if trial else self.extrapolated.discard)(team)
        self.rates[team] = (*rates, rate)[-RECENT:]


@dataclass
class Plan:
    """Divide a call into parts and have each computed by a team.

    `costs` returns those of a device, None while its program is being built; `execute` has the next elements computed
    by workers of so many elements a second, and returns the seconds that it took.
    """

    known: Measurements
    left: int
    num: int
    costs: Callable[[int], Costs | None]
    execute: Callable[[int, dict[int, float]], float]

    def run(self) -> None:
        """Have all elements computed."""
        known, elements = self.known, self.left
        while self.left:
            costs = {i: found for i in range(1, known.workers) if (found := self.costs(i))}
            expected: dict[Team, float] = {(i,): found.rate(elements, self.num) for i, found in costs.items()}
            known.expected = {HOST: known.expected[HOST], **expected}
            best = known.best()
            # A little tells the processor's rate at first; a device is to begin only once.
            begin_s = SMALL_S if best == HOST and HOST not in known.rates else LONGEST_S
            if not self._try(best, elements * self.num, costs):
                done, seconds = self._part(best, begin_s * known.rate(best))
                is_first = best not in known.rates
                # A device's first piece takes long, as what a thread needs for it is set up.
                slowest = known.rate(best) if is_first and best != HOST else 0.0
                known.learn(best, max(done / seconds, slowest), trial=is_first)

    def _part(self, team: Team, steps: float) -> tuple[int, float]:
        """Have a team compute about so many steps, in all; return the steps and the seconds."""
        count = whole_grains(steps / self.num, self.left)
        seconds = max(self.execute(count, {i: self.known.rate((i,)) / self.num for i in team}), 1e-9)
        self.left -= count
        self.known.worked_s += seconds
        return count * self.num, seconds

    def _try(self, best: Team, all_steps: int, costs: dict[int, Costs]) -> bool:
        """Measure the team that is due, if the time for that was earned; return whether it was."""
        known, fastest = self.known, self.known.rate(best)
        earned_s = BUDGET * (known.worked_s + all_steps / fastest) - known.lost_s
        if earned_s < TRIAL_S or best not in known.rates or self.left * self.num < all_steps / 2:
            return False
        if (team := known.due(best)) is None:
            return False
        expected = max(known.rate((i,)) for i in team)
        whole_s = min(all_steps / fastest, LONGEST_S)
        fixed_s = max((costs[i].fixed_s for i in team if i in costs), default=0.0)
        # Devices take a while to wake up; meanwhile the processor of their team works.
        fraction = TEAM_FRACTION if len(team) > 1 else TRIAL_FRACTION
        if team in known.rates and (slower := fastest / known.rate(team) - 1) < SLOWER:
            fraction = LOST_FRACTION / max(slower, LOST_FRACTION)
        trial_s = max(whole_s * fraction, TRIAL_S * len(team), 2 * fixed_s)
        if trial_s / len(team) > earned_s:
            return False
        # A device's first piece after others have worked is slow: an H100 that slept takes 3 ms to wake up.
        for _ in range(1 if HOST[0] in team else 2):
            done, seconds = self._part(team, min(trial_s * expected, self.left * self.num / 3))
            known.lost_s += max(seconds - done / fastest, 0.0)
        # Of a few elements the fixed costs are the most; of all that are left they are little.
        rate = all_steps / (fixed_s + all_steps * max(seconds - fixed_s, seconds / 8) / done)
        known.learn(team, rate, trial=True)
        known.last_trial_s, known.trials = known.worked_s, known.trials + 1
        return True
