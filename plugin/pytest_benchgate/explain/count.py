"""Counts one call on both sides: each side's worker once more, under valgrind, and the difference of the two."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pytest_benchgate.explain import valgrind
from pytest_benchgate.explain.cython import Generated
from pytest_benchgate.explain.difference import ALLOCATORS, PYTHON_ALLOCATORS, Counted, bytecode, growth
from pytest_benchgate.explain.profile import ProfileError
from pytest_benchgate.explain.requests import Unsupported
from pytest_benchgate.explain.sources import with_text
from pytest_benchgate.race.building.flags import CYTHON
from pytest_benchgate.race.launching.process import Worker, WorkerLost
from pytest_benchgate.race.worker import messages
from pytest_benchgate.race.worker.clock import CLOCK
from pytest_benchgate.results import Calls, Explanation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_benchgate.race.launching.plan import Plan, Side
    from pytest_benchgate.race.reaper import Reaper
    from pytest_benchgate.results import Growth

Kind = TypeVar("Kind", messages.Ready, messages.Counted)
LIMIT_S = 10
# Times the limit of processor time: a busy machine gives less, and a call may sleep.
PATIENCE = 6
COUNTED = 3  # calls a side, the first of which may differ
MOST_WARM, WARM_NS = 30, 5e8
LISTED = 3  # Python functions
# Of other threads, which take this long to start, and the main one to read two clocks.
THREADS_NS = 500_000
STARTING = {"fork", "vfork", "clone", "clone3", "posix_spawn", "posix_spawnp", "__libc_fork", "_Fork"}


class Uncounted(Exception):
    """A call that cannot be counted, and why."""


@dataclass(frozen=True)
class Request:
    """One test, to be counted on both sides.

    Attributes
    ----------
    sides : sequence of Side
        Base and head.
    nodeid : str
        The test.
    plan : Plan
        Of the race; `limit_s` takes the place of its limits.
    seed : int
        Of hashes and random numbers, the same on both sides.
    limit_s : int
        How much processor time each side may take; both run at once.

    """

    sides: Sequence[Side]
    nodeid: str
    plan: Plan
    seed: int
    reaper: Reaper
    limit_s: int = LIMIT_S


@dataclass(frozen=True)
class Answer:
    """What a side's worker told.

    Attributes
    ----------
    process : int
        Its process id.
    files : iterable of str
        The files of the raced modules that it has loaded.
    others_ns : int
        The processor time that other threads took in the counted calls.
    functions : mapping
        How often each Python function was entered.
    lines : mapping
        How many bytecode instructions each line of raced Python functions executed.

    """

    process: int
    files: Iterable[str]
    others_ns: int
    functions: Mapping[str, int]
    lines: Mapping[str, int]


def explain(request: Request) -> Explanation:
    """Return what one call of a test executes on both sides, or why that cannot be counted."""
    folder = Path(tempfile.mkdtemp(prefix="race-")).resolve()
    request.reaper.watch(folder)
    try:
        return _explained(request, folder)
    except (Unsupported, Uncounted, ProfileError) as error:
        return _python_only(request, str(error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        request.reaper.forget(folder)


def _explained(request: Request, folder: Path) -> Explanation:
    folders = [folder / side.name for side in request.sides]
    prefixes = [valgrind.prefix(one, request.limit_s) for one in folders]
    for one in folders:
        one.mkdir()
    try:
        answers = _ask(request, prefixes, COUNTED)
    except WorkerLost as lost:
        why = next(filter(None, map(valgrind.complaint, folders)), lost.failed.reason.splitlines()[0])
        raise Uncounted(f"{lost.failed.side}: {why}") from None
    names = request.plan.names
    calls = [_profiles(*one, names) for one in zip(folders, answers, request.sides, strict=True)]
    # Now and then a call does more, as an allocator tidies up.
    base, head = (min(of_side, key=lambda one: one.profile.total) for of_side in calls)
    notes = ("it starts processes, whose instructions are not counted",) * any(map(_starts_processes, (base, head)))
    return Explanation(
        base=base.profile.total,
        head=head.profile.total,
        spread=max(_spread([one.profile.total for one in of_side[1:]]) for of_side in calls),
        functions=with_text(growth(base, head), request.sides[1]),
        allocations=_different(
            {"malloc": base.allocations(ALLOCATORS), "Python's allocator": base.allocations(PYTHON_ALLOCATORS)},
            {"malloc": head.allocations(ALLOCATORS), "Python's allocator": head.allocations(PYTHON_ALLOCATORS)},
        ),
        python=_different(answers[0].functions, answers[1].functions)[:LISTED],
        bytecode=_bytecode(request, *answers),
        notes=notes,
    )


def _python_only(request: Request, reason: str) -> Explanation:
    """Return what Python functions do, without valgrind."""
    try:
        base, head = _ask(request, [(), ()], 0)
    except (WorkerLost, Uncounted):
        return Explanation(reason=reason)
    calls = _different(base.functions, head.functions)[:LISTED]
    return Explanation(reason=reason, python=calls, bytecode=_bytecode(request, base, head))


def _bytecode(request: Request, base: Answer, head: Answer) -> tuple[Growth, ...]:
    # Neither is known of a side that executes too many to be counted.
    return with_text(bytecode(base.lines, head.lines), request.sides[1]) if base.lines and head.lines else ()


def _ask(request: Request, prefixes: Sequence[tuple[str, ...]], calls: int) -> list[Answer]:
    """Return the answers of both workers, each of which runs under the command before it.

    Raises WorkerLost where one of them is lost, and Uncounted where the time is up or the test ends early.
    """
    deadline = CLOCK.s() + PATIENCE * request.limit_s
    file = frozenset({request.nodeid.partition("::")[0]})

    def limited(worker: Worker) -> Worker:
        left_s = max(deadline - CLOCK.s(), 0.0)
        worker.plan = replace(request.plan, limit_s=left_s, start_limit_s=left_s)
        return worker

    def answers(order: messages.Order, kind: type[Kind]) -> list[Kind]:
        for worker in workers:
            limited(worker).order(order)
        found = [limited(worker).answer(kind) for worker in workers]
        for worker, answer in zip(workers, found, strict=True):
            if isinstance(answer, messages.Done):
                raise Uncounted(f"{worker.side.name}: the test has ended ({answer.outcome}): {answer.reason}")
        return [answer for answer in found if isinstance(answer, kind)]

    with ExitStack() as stack:
        workers = [
            Worker(replace(side, prefix=prefix), request.plan, request.reaper, request.seed, file)
            for side, prefix in zip(request.sides, prefixes, strict=True)
        ]
        try:
            for worker in workers:
                worker.start()
                stack.callback(worker.close)
            for worker in workers:
                limited(worker).collect()
            ready = answers(messages.Run(request.nodeid, None), messages.Ready)
            warm = int(WARM_NS / max(1, *(answer.once_ns for answer in ready)))
            counted = answers(messages.Count(min(warm, MOST_WARM), calls), messages.Counted)
        except WorkerLost as lost:
            if CLOCK.s() < deadline and "SIGXCPU" not in lost.failed.reason:
                raise
            raise Uncounted(
                f"{lost.failed.side} took more than {request.limit_s} s of processor time under valgrind, where code "
                "runs up to 50 times slower; let the benchmark do less in a call"
            ) from None
    return [
        Answer(worker.collected.process, tuple(loaded.files), answer.others_ns or 0, answer.functions, answer.lines)
        for worker, loaded, answer in zip(workers, ready, counted, strict=True)
    ]


def _profiles(folder: Path, answer: Answer, side: Side, names: Iterable[str]) -> list[Counted]:
    """Return the profile of each call that was counted; raise Uncounted where other threads worked in it."""
    if answer.others_ns > THREADS_NS:
        raise Uncounted(
            "several threads work in a call, and how long each waits is up to chance; let it use one, for instance "
            "with OMP_NUM_THREADS=1"
        )
    is_raced = _raced(answer.files, names)
    generated = Generated(side.python.parent.parent / CYTHON)
    numbers = range(1, COUNTED + 1)
    return [Counted(valgrind.profile(folder, answer.process, number), is_raced, generated) for number in numbers]


def _raced(files: Iterable[str], names: Iterable[str]) -> Callable[[str], bool]:
    """Return what tells whether a library belongs to the raced modules: it is one, or lies in the folder of one."""
    folders = {str(folder) for file in files for folder in Path(file).parents if folder.name in {*names}}
    own = ({*files}, tuple(f"{folder}/" for folder in folders))
    return lambda path: path in own[0] or path.startswith(own[1])


def _spread(totals: Sequence[int]) -> float:
    return (max(totals) - min(totals)) / max(*totals, 1)


def _starts_processes(counted: Counted) -> bool:
    return any(call.callee.name in STARTING for call in counted.profile.calls)


def _different(base: Mapping[str, int], head: Mapping[str, int]) -> tuple[Calls, ...]:
    """Return what is called more or less often, the largest difference first."""
    found = [Calls(name, base.get(name, 0), head.get(name, 0)) for name in {*base, *head}]
    found.sort(key=lambda one: (-abs(one.head - one.base), one.function))
    return tuple(one for one in found if one.head != one.base)
