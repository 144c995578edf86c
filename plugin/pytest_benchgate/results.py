"""The results of a session as plain data, which is all that a report gets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# At run time: what is read from a file is checked by the annotations.
from pytest_benchgate.commit import Commit  # noqa: TC001
from pytest_benchgate.distribution import Distribution  # noqa: TC001
from pytest_benchgate.explained import Explanation  # noqa: TC001

WALL, DEVICE = "wall", "device"


def titled(name: str, clock: str) -> str:
    """Return what the race of a benchmark by a clock is called."""
    return name if clock == WALL else f"{name}, device time"


@dataclass(frozen=True)
class Work:
    """What one call of a benchmarked function does.

    Attributes
    ----------
    items : float, optional
        How many of `unit` it processes.
    bytes : float, optional
        How many bytes it reads and writes in all.
    operations : float, optional
        How many arithmetic operations it does.
    unit : str
        The name of an item, in the plural.

    """

    items: float | None = None
    bytes: float | None = None
    operations: float | None = None
    unit: str = "items"

    def amounts(self) -> dict[str, float]:
        """Return the amount of each resource that was stated, by its name."""
        stated = {"items": self.items, "bytes": self.bytes, "operations": self.operations}
        return {name: amount for name, amount in stated.items() if amount is not None}


@dataclass(frozen=True)
class Share:
    """How close a benchmark comes to a limit of this machine.

    Attributes
    ----------
    limit : str
        Its name.
    limit_s : float
        The seconds that the limit takes for the same amount (median).
    share : float
        `limit_s` divided by the benchmark's median: 1.0 is as fast as the limit.
    resource : str
        Which amount of work it limits: "bytes", "operations" or "items"; empty where that is not known.

    """

    limit: str
    limit_s: float
    share: float
    resource: str = ""


@dataclass(frozen=True)
class Result:
    """A benchmark whose test passed.

    Attributes
    ----------
    nodeid, name, group : str
        Of the test, as in pytest-benchmark.
    median_s, iqr_s : float
        Of the seconds of one call.
    rounds : int
        How often it was timed.
    verified : bool
        Whether its answer was verified by the gate.
    sampled : int
        How many calls between the rounds were verified.
    work : Work, optional
        What one call does.
    shares : tuple of Share
        How close it comes to the machine's limits.
    device_ns : float, optional
        The median nanoseconds of one call on its device, from the device's own events.
    device : str, optional
        The device's name.
    suspicious : str, optional
        Why the time is implausible.
    times : Distribution, optional
        The times of its rounds, where a report shows them.

    """

    nodeid: str
    name: str
    group: str | None
    median_s: float
    iqr_s: float
    rounds: int
    verified: bool = False
    sampled: int = 0
    work: Work | None = None
    shares: tuple[Share, ...] = ()
    device_ns: float | None = None
    device: str | None = None
    suspicious: str | None = None
    times: Distribution | None = None

    def rates(self) -> dict[str, float]:
        """Return the amount of each resource per second, by its name."""
        if self.work is None or not self.median_s:
            return {}
        return {name: amount / self.median_s for name, amount in self.work.amounts().items()}


@dataclass(frozen=True)
class Withheld:
    """A benchmark whose test failed: its time is in no report, or was never taken.

    Attributes
    ----------
    nodeid, name : str
        Of the test.
    phase : str
        "setup", "call" or "teardown".
    timed : bool
        Whether there was a time to withhold.
    reason : str
        The first line of what was raised.
    message : str
        All of what was raised.
    path : str
        The file of the test, relative to pytest's rootdir.
    line : int
        The line in it that raised, counted from 1.

    """

    nodeid: str
    name: str
    phase: str
    timed: bool
    reason: str
    message: str
    path: str
    line: int


@dataclass(frozen=True)
class Advice:
    """What a person can do about a verdict.

    Attributes
    ----------
    kind : str
        "explain", "bisect", "accept", "retry", "relinked", "files", "own" or "count".
    words : str
        What for.
    command : str
        The command line; for "accept", the entry of the file of accepted slowdowns.

    """

    kind: str
    words: str
    command: str


@dataclass(frozen=True)
class Claim:
    """What a test states about its speed.

    Attributes
    ----------
    kind : str
        "faster_than", "slower_than", "reaches" or "grows".
    text : str
        In words: "2 times as fast as test_numpy[10]", "80 % of copy".
    other : str
        The id of the test, or the name of the limit, that it is compared with.
    bound : float
        What ln(own time / the other's) is claimed to be at most.

    """

    kind: str
    text: str
    other: str
    bound: float


@dataclass(frozen=True)
class Raced:
    """A benchmark's race: between two builds or, for a claim, between the test that is named (base) and its own (head).

    Attributes
    ----------
    nodeid, name, path, line: of the test; the path is relative to pytest's rootdir, lines count from 1.
    verdict: "slower", "faster", "same", "accepted", "unsure", "placement", "new", "error", "gone" or "skipped";
        of a claim "holds", "refuted", "unsure", "withheld" or "skipped".
    failed: whether the test fails for it.
    threshold: the relative slowdown that mattered.
    numbers: ln(head / base), one a launch.
    change, low, high: their median and an interval for it, as ln(head / base); None without launches.
    coverage: the confidence of the interval, which few launches keep below 95 %.
    evidence: the e-value for an alarm: equal builds reach x with a chance of at most 1 / x.
    alarm: the evidence that an alarm takes: the number of races over alpha, twice that if device time is raced, too;
        less where others of the suite have the evidence 1 / alpha.
    pairs: how many in all launches together.
    seconds: how long it took, its share of the starts included.
    base_s, head_s: the median seconds of one call, by side.
    side, reason: where there was no race: on which side, and why.
    visible: of a null race: the smallest slowdown, as ln(ratio), that could have been seen within the budget.
    repeat: the command that repeats this race; empty where there is none.
    explanation: what was counted to explain it; None if nothing was.
    placements: ln(head / base), one a pair of builds whose functions lie in other places; empty without such builds.
    instructions: of one call in base and in head, where these are compared, and not times.
    limit, accepted: of a slowdown that people accept: up to which it is, in the threshold's place, and why.
    advice: what to do about it; empty if there is nothing to do.
    claim: what was claimed; None in a race between builds.
    clock: WALL or, for the time on a device, DEVICE.

    """

    nodeid: str
    name: str
    path: str
    line: int
    verdict: str
    failed: bool
    threshold: float
    alarm: float
    repeat: str
    numbers: tuple[float, ...] = ()
    change: float | None = None
    low: float | None = None
    high: float | None = None
    coverage: float | None = None
    evidence: float = 1.0
    pairs: int = 0
    seconds: float = 0.0
    base_s: float | None = None
    head_s: float | None = None
    side: str = ""
    reason: str = ""
    visible: float | None = None
    limit: float | None = None
    accepted: str = ""
    explanation: Explanation | None = None
    placements: tuple[float, ...] = ()
    instructions: tuple[int, int] | None = None
    advice: tuple[Advice, ...] = ()
    claim: Claim | None = None
    clock: str = WALL

    @property
    def title(self) -> str:
        """What reports call it."""
        return titled(self.name, self.clock)


@dataclass(frozen=True)
class RaceReport:
    """All races of a session.

    Attributes
    ----------
    base, head: what was raced.
    alpha: the chance that any of `races` benchmarks raises a false alarm.
    races: how many benchmarks the whole suite has, all of its shards together.
    launches, seconds: of the session.
    raced: the races that are over.
    complete: whether all are.
    notes: what else a person should know.
    shard: (k, n) of a session that raced the k-th of n parts; None of several parts together, or where it is not known.
    suite: the ids of all benchmarks of the whole suite, sorted; none where they are not known.
    base_tree, head_tree: git's hashes of what was built; empty without a repository.
    settings: the session's own, by their names; a marker may have others for its test.
    relinked: whether one source was raced against itself, with its functions in other places in each build.
    claims: whether claims of one build were checked; `races` is then their number.
    base_commit: the id of base's commit; empty without a repository.
    head_commit: head's commit; None without a repository, or if a file of it has changes.

    """

    base: str
    head: str
    alpha: float
    races: int
    launches: int = 0
    seconds: float = 0.0
    raced: tuple[Raced, ...] = ()
    complete: bool = False
    notes: tuple[str, ...] = ()
    shard: tuple[int, int] | None = None
    suite: tuple[str, ...] = ()
    base_tree: str = ""
    head_tree: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    relinked: bool = False
    claims: bool = False
    base_commit: str = ""
    head_commit: Commit | None = None


@dataclass(frozen=True)
class Report:
    """All results of a session."""

    results: tuple[Result, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    race: RaceReport | None = None

    def __bool__(self) -> bool:
        """Return whether there is anything to report."""
        return bool(self.results or self.withheld or self.race)
