"""Counts calls on both sides: each side's worker runs under valgrind, and counts where it would otherwise time."""

from __future__ import annotations

import dataclasses
import re
import shutil
import tempfile
from collections import defaultdict
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_benchgate.explain import difference, valgrind
from pytest_benchgate.explain.cython import Generated
from pytest_benchgate.explain.difference import ALLOCATORS, PYTHON_ALLOCATORS, bytecode, gone, growth
from pytest_benchgate.explain.profile import ProfileError, calls_any, read, total
from pytest_benchgate.explain.requests import Unsupported
from pytest_benchgate.explain.sources import Texts
from pytest_benchgate.explained import Calls, Explanation
from pytest_benchgate.race.building.flags import CYTHON
from pytest_benchgate.race.events import Status
from pytest_benchgate.race.launching.launch import launch
from pytest_benchgate.race.launching.process import EndedEarly
from pytest_benchgate.race.launching.results import Counted, CountedSide, Failed, FailureKind, LaunchResult, Loaded
from pytest_benchgate.race.launching.timing import are_alike
from pytest_benchgate.race.worker import messages
from pytest_benchgate.reports.quantity import exception

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from pytest_benchgate.explained import Growth
    from pytest_benchgate.race.launching.plan import Plan, Side
    from pytest_benchgate.race.launching.process import Worker
    from pytest_benchgate.race.reaper import Reaper

# Seconds of processor time that a test may take on each side.
PROCESSOR_S = 10
# Times that, any answer of a worker may take: a busy machine gives less, a call may sleep, and imports take long.
PATIENCE = 6
COUNTED = 3  # calls a side, the first of which may differ
MOST_WARM, WARM_NS = 30, 5e8
LISTED = 3  # Python functions
# Of other threads, which take this long to start, and the main one to read two clocks.
THREADS_NS = 500_000
STARTING = re.compile(r"v?fork|__libc_fork|_Fork|clone3?|posix_spawnp?")
SLOW = "under valgrind, code runs up to 50 times slower; let the benchmark do less in a call"


class Uncounted(Exception):
    """A call that cannot be counted, and why."""


@dataclass(frozen=True)
class Request:
    """Tests, to be counted on both sides.

    Attributes
    ----------
    sides : sequence of Side
        Base and head.
    nodeids : sequence of str
        The tests.
    plan : Plan
        Of the race.
    seed : int
        Of hashes and random numbers, the same on both sides.

    """

    sides: Sequence[Side]
    nodeids: Sequence[str]
    plan: Plan
    seed: int
    reaper: Reaper


@dataclass(frozen=True)
class Counter:
    """Counts a benchmark on both sides, where a Timer would time it; see `launch`.

    Attributes
    ----------
    folder : Path, optional
        Where callgrind writes, in a folder of each side's name. Without it, only Python functions are counted.
    limits_s : mapping
        How long a test may take to be counted, by its id; the plan's limit for others.
    processor_s : int, optional
        The seconds of processor time that a test may take on each side.
    waiting : bool, optional
        Whether calls that wait are counted, too.
    files : mapping
        The raced files that each side has loaded so far.

    """

    folder: Path | None
    limits_s: Mapping[str, float] = field(default_factory=dict)
    processor_s: int | None = None
    waiting: bool = True
    files: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def __call__(
        self, nodeid: str, workers: Sequence[Worker], ready: Sequence[messages.Ready], _: random.Random
    ) -> Counted | Failed:
        """Return what a call executes, or why that cannot be counted. Raises EndedEarly or WorkerLost."""
        warm = int(WARM_NS / max(1, *(answer.once_ns for answer in ready)))
        before = {worker.side.name: {*self._profiles(worker)} for worker in workers}
        for worker in workers:
            self._limit(worker)
            worker.order(messages.Count(min(warm, MOST_WARM), COUNTED if self.folder else 0))
        answers = [worker.answer(messages.Counted, self.limits_s.get(nodeid)) for worker in workers]
        names = [worker.side.name for worker in workers]
        if ended := {name: one for name, one in zip(names, answers, strict=True) if isinstance(one, messages.Done)}:
            raise EndedEarly(ended)
        # The end of this test, and all before the benchmark of the next one.
        for worker in workers:
            self._limit(worker)
        sides = []
        for worker, loaded, answer in zip(workers, ready, answers, strict=True):
            self.files[worker.side.name].update(loaded.files)
            try:
                profiles = [path for path in self._profiles(worker) if path not in before[worker.side.name]]
                sides.append(self._side(worker, answer, profiles))
            except (Uncounted, ProfileError) as error:
                return Failed(worker.side.name, str(error), FailureKind.UNCOUNTABLE)
        return Counted(sides[0], sides[1], are_alike(ready))

    def _limit(self, worker: Worker) -> None:
        if self.folder and self.processor_s is not None:
            valgrind.limit(worker.collected.process, self.processor_s)

    def _side(self, worker: Worker, answer: messages.Counted | messages.Done, profiles: Sequence[Path]) -> CountedSide:
        """Return what a worker has counted; raise Uncounted or ProfileError."""
        assert isinstance(answer, messages.Counted)  # noqa: S101  # no test has ended
        files = frozenset(self.files[worker.side.name])
        if self.folder is None:
            return CountedSide(0, 0.0, None, files, answer.functions, answer.lines)
        if answer.others_ns is None:
            raise Uncounted("its process does not run under valgrind, or may not make memory executable")
        if answer.others_ns > THREADS_NS:
            raise Uncounted(
                "several threads work in a call, and how long each waits is up to chance; let it use one, for instance "
                "with OMP_NUM_THREADS=1"
            )
        if answer.waits and not self.waiting:
            raise Uncounted("it waits, and the instructions do not say for how long")
        totals = [*map(total, profiles)]
        if len(totals) != COUNTED:
            raise Uncounted(f"callgrind has written {len(totals)} profiles of {COUNTED} calls")
        # Now and then a call does more, as an allocator tidies up: two that agree are enough.
        least, next_one, *_ = sorted(totals)
        profile = profiles[totals.index(least)]
        for path in profiles:
            if path != profile:
                path.unlink()
        if calls_any(profile, STARTING):
            raise Uncounted("it starts processes or threads, whose instructions are not counted")
        return CountedSide(least, next_one / max(least, 1) - 1, profile, files, answer.functions, answer.lines)

    def _profiles(self, worker: Worker) -> list[Path]:
        """Return the profiles of the calls that a worker has counted last, in their order."""
        if self.folder is None:
            return []
        found = (self.folder / worker.side.name).glob(f"callgrind.{worker.collected.process}.*")
        return sorted(found, key=lambda path: int(path.suffix[1:]))

    def why(self, failed: Failed) -> Failed:
        """Return why a test has no count; one that has cost its worker may only be more than valgrind can do."""
        if failed.kind not in {FailureKind.LOST, FailureKind.LATE}:
            return failed
        why = failed.reason.splitlines()[-1]
        complaint = valgrind.complaint(self.folder / failed.side) if self.folder else ""
        if complaint:
            why = complaint
        elif "SIGXCPU" in why:
            why = f"it took more than {self.processor_s} s of processor time: {SLOW}"
        elif failed.kind is FailureKind.LATE:
            why += f"; {SLOW}" + (", or raise --race-budget" if self.processor_s is None else "")
        else:
            return failed
        return Failed(failed.side, why, FailureKind.UNCOUNTABLE)


def launched(request: Request, counter: Counter) -> Generator[Loaded | LaunchResult, None, None]:
    """Count tests, all with one start of each side; yield each result as soon as it is known. Raises Unsupported."""
    sides = [*request.sides]
    if counter.folder:
        folders = [counter.folder / side.name for side in sides]
        sides = [
            dataclasses.replace(side, prefix=valgrind.prefix(folder))
            for side, folder in zip(sides, folders, strict=True)
        ]
        for folder in folders:
            folder.mkdir(parents=True)
    with closing(launch(sides, request.nodeids, request.plan, request.seed, request.reaper, counter)) as events:
        for event in events:
            if isinstance(event, LaunchResult) and isinstance(event.result, Failed):
                yield dataclasses.replace(event, result=counter.why(event.result))
            else:
                yield event


def explain(request: Request, processor_s: int = PROCESSOR_S) -> Generator[Status, None, dict[str, Explanation]]:
    """Return what one call of each test executes on both sides, or why that cannot be counted.

    One process of each side counts all of them; see `Counter` for the seconds of each.
    """
    patience_s = PATIENCE * processor_s
    plan = dataclasses.replace(request.plan, limit_s=patience_s, start_limit_s=patience_s)
    request = dataclasses.replace(request, plan=plan)
    found: dict[str, Explanation] = {}
    reasons: dict[str, str] = {}
    if not request.nodeids:
        return found
    try:
        with scratch(request.reaper) as folder:
            counted, reasons = yield from _count(request, Counter(folder / "1", processor_s=processor_s))
            chance = [nodeid for nodeid, one in counted.items() if one.may_be_chance]
            again = dataclasses.replace(request, nodeids=chance, seed=request.seed ^ 1)
            more, _ = yield from _count(again, Counter(folder / "2", processor_s=processor_s), ", once more")
            for nodeid, one in counted.items():
                both = one.with_start(more[nodeid]) if nodeid in more else one
                try:
                    found[nodeid] = explanation(both, request.sides, plan.names)
                except ProfileError as error:
                    reasons[nodeid] = str(error)
                # That must not cost the others theirs.
                except Exception as error:  # noqa: BLE001
                    found[nodeid] = failed(error)
    except Unsupported as error:
        reasons = dict.fromkeys(request.nodeids, str(error))
    return found | (yield from _python_only(request, reasons))


def failed(error: Exception) -> Explanation:
    """Return what takes the place of an explanation after an error that nobody expects."""
    return Explanation(reason=f"counting failed: {type(error).__name__}: {error}")


def explanation(counted: Counted, sides: Sequence[Side], names: Iterable[str]) -> Explanation:
    """Return what makes the difference between two counted calls; raise ProfileError."""
    base_side, head_side = sides
    base, head = _call(counted.base, base_side, names), _call(counted.head, head_side, names)
    texts = [Texts(side) for side in sides]
    return Explanation(
        base=counted.base.instructions,
        head=counted.head.instructions,
        spread=counted.error,
        functions=growth(base, head, texts),
        gone=gone(base, head, texts),
        allocations=_different(
            {"malloc": base.allocations(ALLOCATORS), "Python's allocator": base.allocations(PYTHON_ALLOCATORS)},
            {"malloc": head.allocations(ALLOCATORS), "Python's allocator": head.allocations(PYTHON_ALLOCATORS)},
        ),
        python=_different(counted.base.functions, counted.head.functions)[:LISTED],
        bytecode=_bytecode(counted, texts),
    )


def _call(counted: CountedSide, side: Side, names: Iterable[str]) -> difference.Counted:
    """Return a counted call with its profile; raise ProfileError."""
    assert counted.profile is not None  # noqa: S101  # it was counted
    generated = Generated(side.python.parent.parent / CYTHON)
    return difference.Counted(read(counted.profile), _raced(counted.files, names), generated)


def _python_only(request: Request, reasons: Mapping[str, str]) -> Generator[Status, None, dict[str, Explanation]]:
    """Return what Python functions do in tests that valgrind cannot count for these reasons."""
    request = dataclasses.replace(request, nodeids=[*reasons])
    found = {nodeid: Explanation(reason=reason) for nodeid, reason in reasons.items()}
    counted, _ = yield from _count(request, Counter(None), ", without valgrind")
    for nodeid, one in counted.items():
        calls = _different(one.base.functions, one.head.functions)[:LISTED]
        code = _bytecode(one, [Texts(side) for side in request.sides])
        found[nodeid] = dataclasses.replace(found[nodeid], python=calls, bytecode=code)
    return found


def _bytecode(counted: Counted, texts: Sequence[Texts]) -> tuple[Growth, ...]:
    # Neither is known of a side that executes too many to be counted.
    lines = counted.base.lines, counted.head.lines
    return bytecode(*lines, texts) if all(lines) else ()


def _count(
    request: Request, counter: Counter, how: str = ""
) -> Generator[Status, None, tuple[dict[str, Counted], dict[str, str]]]:
    """Return what a call of each test executes, and why others cannot be counted; raise Unsupported."""
    counted: dict[str, Counted] = {}
    reasons: dict[str, str] = {}
    if not request.nodeids:
        return counted, reasons
    what = request.nodeids[0] if len(request.nodeids) == 1 else f"{len(request.nodeids)} benchmarks"
    yield Status(f"counting the instructions of {what}{how}")
    with closing(launched(request, counter)) as events:
        for event in events:
            if isinstance(event, Loaded):
                continue
            result = event.result
            if isinstance(result, Counted):
                counted[event.nodeid] = result
            else:
                # Nothing is timed.
                assert isinstance(result, Failed)  # noqa: S101
                reasons[event.nodeid] = f"{result.side}: {exception(result.reason)}"
            yield Status(f"counting the instructions of {what}{how}: {len(counted) + len(reasons)} done")
    return counted, reasons


@contextmanager
def scratch(reaper: Reaper) -> Iterator[Path]:
    """Give a folder that is removed afterwards, or with the session."""
    folder = Path(tempfile.mkdtemp(prefix="race-")).resolve()
    reaper.watch(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        reaper.forget(folder)


def _raced(files: Iterable[str], names: Iterable[str]) -> Callable[[str], bool]:
    """Return what tells whether a library belongs to the raced modules: it is one, or lies in the folder of one."""
    folders = {str(folder) for file in files for folder in Path(file).parents if folder.name in {*names}}
    own = ({*files}, tuple(f"{folder}/" for folder in folders))
    return lambda path: path in own[0] or path.startswith(own[1])


def _different(base: Mapping[str, int], head: Mapping[str, int]) -> tuple[Calls, ...]:
    """Return what is called more or less often, the largest difference first."""
    found = [Calls(name, base.get(name, 0), head.get(name, 0)) for name in {*base, *head}]
    found.sort(key=lambda one: (-abs(one.head - one.base), one.function))
    return tuple(one for one in found if one.head != one.base)
