"""How long a chunk may be for a call over it to stay within a time budget."""

from __future__ import annotations

import math
import sys
import time
from numbers import Real
from typing import TYPE_CHECKING, Any, SupportsIndex

from logmap_cy import _arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

# Calls that decide about a length during the search.
PROBE = 5
# The search ends when the lengths that fit and that do not are 1 / FINE apart.
FINE = 32
# The share that is left of a length that was not verified.
BACK = 0.9
# The likelihood ratio that verifies: a length that is too long reaches it with a probability of at most 1 / SURE.
SURE = 20
# The alternatives of the likelihood ratios, as multiples of the share of calls that may miss.
RARER, OFTENER = (1 / 2, 1 / 4, 1 / 10), (2, 4)
# Divided by the share of calls that may miss: the calls after which a length is given up.
UNDECIDED = 32
# Disturbed calls that do not count, and one more for each that counts.
SPARE = 16

if sys.platform == "linux":
    import resource

    def preemptions() -> int:
        """Return how often the system has preempted this thread; 0 where it does not say."""
        return resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw

else:

    def preemptions() -> int:
        """Return how often the system has preempted this thread; 0 where it does not say."""
        return 0


class Watch:
    """A stopwatch that says which measurements count.

    One during which the system preempted the thread does not, if the clock goes on meanwhile; but every second one
    does, as a long call is seldom left alone.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._preemptions = preemptions if clock is not getattr(time, "thread_time", None) else lambda: 0
        self._spare = SPARE

    def start(self) -> None:
        """Start to measure."""
        self._before = self._preemptions()
        self._begin = self._clock()

    def stop(self) -> tuple[float, bool]:
        """Return (seconds since start, whether they count)."""
        taken = self._clock() - self._begin
        counts = self._preemptions() == self._before or self._spare == 0
        self._spare += 1 if counts else -1
        return taken, counts


def calibrate_chunk(
    function: Callable[[int], object],
    budget: float = 1e-3,
    *,
    confidence: float = 0.99,
    most: SupportsIndex = 2**20,
    clock: Callable[[], float] = time.perf_counter,
) -> int:
    """Return the longest length for which at least a share `confidence` of the calls function(length) keep the budget.

    Parameters
    ----------
    function : callable
        function(length) does one call over so many elements.
    budget : float, default 1e-3
        The seconds that a call may take, above 0.
    confidence : float, default 0.99
        The share of the calls that must keep the budget, between 0 and 1.
    most : int, default 2**20
        The longest length to try.
    clock : callable, default time.perf_counter
        What measures, in seconds. With `time.thread_time`, the time that other threads and processes take is left out.

    Returns
    -------
    int
        The length, 1 or more.

    Raises
    ------
    TypeError
        function is not callable, or a number is not a number.
    ValueError
        A number is out of range, or even calls of length 1 miss the budget too often.

    Notes
    -----
    A call *misses* when it takes longer than the budget. Lengths are tried from 1 on, each after one call that is not
    counted: doubled while they fit, that is, while at most one of five calls misses (more with a confidence below 0.6;
    the first failure is tried again), then bisected, to 3 %. So no call is longer than about two budgets.

    The length found is verified, and made 10 % shorter until it is. Calls are made until the likelihood ratio of the
    misses, under smaller shares (averaged over those) and under 1 - confidence, is 20: a length that is too long gets
    there with a probability of at most 1 / 20, however many calls there are (Ville's inequality). Without a miss it
    takes 37 calls at a confidence of 0.9, 390 at 0.99 and 3917 at 0.999. A length is given up when the ratio for larger
    shares gets there, or after 32 / (1 - confidence) calls.

    Only the number of misses counts, so it does not matter how far off an outlier is. A call during which the system
    preempted the thread (known on Linux) is repeated, but at most every second one. If the time does not grow with the
    length, the result is about the longest length before the first that does not fit.

    References
    ----------
    Wald, Sequential tests of statistical hypotheses (1945). Ramdas, Grünwald, Vovk and Shafer, Game-theoretic
    statistics and safe anytime-valid inference (Statistical Science, 2023).

    Examples
    --------
    >>> from logmap_cy import calibrate_chunk, logmap_list
    >>> values = [*range(2**16)]
    >>> length = calibrate_chunk(lambda length: logmap_list(values[:length]), 1e-3, confidence=0.9, most=2**16)
    >>> 1 <= length <= 2**16
    True

    """
    trial = search(function, budget, confidence=confidence, most=most, clock=clock)
    while True:
        try:
            next(trial)
        except StopIteration as stop:
            return int(stop.value)


def search(
    function: Callable[[int], object],
    budget: float,
    *,
    confidence: float,
    most: SupportsIndex,
    clock: Callable[[], float],
) -> Generator[None, None, int]:
    """Check the arguments, and return the search of `calibrate_chunk`: a generator that yields after each call."""
    if not callable(function):
        raise TypeError(f"function={function!r} is not callable; pass a function of a length")
    share = _real("confidence", confidence)
    if not 0 < share < 1:
        raise ValueError(f"confidence={confidence} is outside (0, 1); 0.99 lets one call of a hundred miss")
    return _Search(function, seconds(budget), 1 - share, clock).longest(_arguments.integer("most", most, least=1))


def seconds(budget: Any) -> float:
    """Return the budget as a float; TypeError if it is not a number, ValueError if it is not finite and above 0."""
    number = _real("budget", budget)
    if not 0 < number < math.inf:
        raise ValueError(f"budget={budget} is not a number of seconds above 0; 1e-3 is a millisecond")
    return number


def _real(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}={value!r} is not a number; pass a float")
    return float(value)


class _Search:
    """The calls of one calibration."""

    def __init__(
        self, function: Callable[[int], object], budget: float, missing: float, clock: Callable[[], float]
    ) -> None:
        self.function, self.budget, self.missing = function, budget, missing
        self.watch = Watch(clock)

    def longest(self, most: int) -> Generator[None, None, int]:
        """Return the longest length that is verified."""
        low, length = 0, 1
        # A second try, as bad luck at a small length would cost the most.
        while (yield from self._fits(length)) or (yield from self._fits(length)):
            low = length
            if low == most:
                break
            length = min(2 * low, most)
        else:
            high = length
            while high - low > max(1, low // FINE):
                middle = (low + high) // 2
                if (yield from self._fits(middle)):
                    low = middle
                else:
                    high = middle
        length = max(low, 1)
        while not (yield from self._verified(length)):
            length = int(length * BACK)
        return length

    def _sample(self, length: int) -> Generator[None, None, float]:
        """Return the seconds of a call that counts."""
        while True:
            self.watch.start()
            self.function(length)
            taken, counts = self.watch.stop()
            yield
            if counts:
                return taken

    def _fits(self, length: int) -> Generator[None, None, bool]:
        """Return whether few enough of a handful of calls miss."""
        allowed = max(1, math.ceil(PROBE * self.missing) - 1)
        self.function(length)
        yield
        for _ in range(PROBE):
            allowed -= (yield from self._sample(length)) > self.budget
            if allowed < 0:
                return False
        return True

    def _verified(self, length: int) -> Generator[None, None, bool]:
        """Return whether the calls show that few enough miss; ValueError if they do not for a length of 1."""
        taken: list[float] = []
        misses = 0
        most = min((1 + self.missing) / 2, 1)
        rarer = [self.missing * share for share in RARER]
        oftener = [min(self.missing * share, most) for share in OFTENER]
        self.function(length)
        yield
        while len(taken) < UNDECIDED / self.missing:
            taken.append((yield from self._sample(length)))
            misses += taken[-1] > self.budget
            if self._evidence(misses, len(taken), rarer) >= SURE:
                return True
            if self._evidence(misses, len(taken), oftener) >= SURE:
                break
        if length == 1:
            raise ValueError(
                f"budget={self.budget:g}: {misses} of {len(taken)} calls of length 1 took longer, the median call"
                f" {sorted(taken)[len(taken) // 2]:.3g} s and the longest {max(taken):.3g} s; pass a larger budget"
            )
        return False

    def _evidence(self, misses: int, calls: int, shares: list[float]) -> float:
        """Return the likelihood ratio of the misses: of the shares, on average, to the share that may miss."""
        return sum(
            (share / self.missing) ** misses * ((1 - share) / (1 - self.missing)) ** (calls - misses)
            for share in shares
        ) / len(shares)
