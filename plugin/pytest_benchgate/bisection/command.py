"""The subcommand bisect: its arguments, and its exit status."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import platformdirs

from pytest_benchgate import output, parsers
from pytest_benchgate.reports import quantity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_benchgate.bisection.bisecting import Result
    from pytest_benchgate.bisection.trial import Trial

FOUND, RANGE, USAGE, NO_VERDICT, INTERRUPTED = 0, 1, 2, 125, 130
HELP = "find the first commit that made a benchmark slower"
DESCRIPTION = """\
Find the first commit between two revisions that made a benchmark slower.

Each candidate is built and raced against the good revision, as pytest --race does it. It counts as slow from about two
fifths of the whole slowdown on, or from the race's threshold on, if that is more. Commits that do not build, do
not have the test, or stay unsure are skipped. At the end, the commit found is raced against its parent. Your
repository and working tree are not touched, and only committed files count. Options that bisect does not know, such as
--race-threshold=3%, are passed to pytest; put them after TEST.

After Ctrl-C, the same command continues where it stopped. Builds are cached, as in any race.
"""
EPILOG = """\
exit status:
  0    the first slower commit was found, and is slower than its parent
  1    a range of commits: some in between had to be skipped, or the slowdown came in steps
  2    wrong arguments: an unknown revision, a good one that is not an ancestor of the bad one, no such test, an option
       that pytest refuses
  125  the bad revision is not slower than the good one, does not build, or the race is unsure
  130  interrupted

examples:
  pytest-benchgate bisect --good v1.2 --bad HEAD tests/test_x.py::test_work
  pytest-benchgate bisect --good v1.2 --bad main 'tests/test_x.py::test_work[64]' --race-threshold=2% --race-budget=120
"""
# What the search itself sets.
OWN = ("--race", "--race-json", "--race-base-python", "--race-shard", "--race-alpha", "--race-cache")


class UsageError(Exception):
    """Arguments with which there can be no search."""


def declare(commands: Any) -> None:
    """Add the subcommand to those of pytest-benchgate."""
    parser = commands.add_parser(
        "bisect",
        help=HELP,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        usage="%(prog)s --good REV --bad REV [--first-parent] [--json FILE] [--restart] TEST [pytest options]",
    )
    parser.add_argument("--good", metavar="REV", required=True, help="a revision at which the benchmark was fast")
    parser.add_argument("--bad", metavar="REV", required=True, help="a later revision at which it is slow")
    parser.add_argument("test", metavar="TEST", help="the id of one benchmark, as pytest shows it")
    parser.add_argument(
        "--first-parent",
        action="store_true",
        help="count a merge as one commit; do not search within the merged branch",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the result and all races to FILE")
    parser.add_argument("--restart", action="store_true", help="start anew, where the same search was interrupted")
    parser.add_argument(
        "--race-alpha",
        metavar="ALPHA",
        type=parsers.probability,
        default=0.001,
        help="the probability of a false alarm in the whole search (default: 0.001)",
    )
    parser.add_argument(
        "--race-cache",
        metavar="FOLDER",
        type=Path,
        default=Path(platformdirs.user_cache_dir("pytest-benchgate")),
        help="where builds are kept, by default in the user's cache folder",
    )


def run(arguments: argparse.Namespace, options: Sequence[str]) -> int:
    """Search; return the exit status."""
    if os.name != "posix":
        _say("bisect needs Linux or macOS, as races do")
        return USAGE
    from pytest_benchgate.bisection.commits import RangeError
    from pytest_benchgate.bisection.trial import SelectionError
    from pytest_benchgate.race.building.git import GitError

    try:
        with _interruptible():
            return _run(arguments, tuple(options))
    except KeyboardInterrupt:
        _say(f"interrupted; to go on: {shlex.join(['pytest-benchgate', *sys.argv[1:]])}")
        return INTERRUPTED
    except (UsageError, RangeError, SelectionError, GitError) as error:
        _say(f"error: {error}")
        return USAGE


def _run(arguments: argparse.Namespace, options: tuple[str, ...]) -> int:
    """Prepare the search, run it, and report it."""
    from pytest_benchgate.bisection import commits, words
    from pytest_benchgate.bisection.bisecting import Bisection
    from pytest_benchgate.bisection.state import State
    from pytest_benchgate.bisection.trial import Racer
    from pytest_benchgate.race.building.git import GitError, Repository, git
    from pytest_benchgate.race.reaper import Reaper

    _check(options)
    cwd = Path.cwd()
    try:
        repository = Repository(Path(git("rev-parse", "--show-toplevel", cwd=cwd)))
    except GitError as error:
        raise UsageError(f"{cwd} is not in a git repository: {error}") from error
    good, bad = (repository.resolve(revision).commit for revision in (arguments.good, arguments.bad))
    found = commits.between(repository.root, good, bad, first_parent=arguments.first_parent)
    prefix, test = git("rev-parse", "--show-prefix", cwd=cwd), _relative(arguments.test, cwd)
    search = {
        "test": test, "good": good, "bad": bad, "first_parent": arguments.first_parent,
        "alpha": arguments.race_alpha, "options": list(options), "commits": len(found),
    }  # fmt: skip
    state = State([str(repository.root), prefix, sys.executable, json.dumps(search)])
    if arguments.restart:
        state.remove()

    def write(trials: Sequence[Trial], result: Result | None = None, status: int | None = None) -> None:
        if arguments.json:
            content = words.to_json(search, trials, result, status)
            output.write(arguments.json, json.dumps(content, indent=1) + "\n")

    def keep(trials: Sequence[Trial]) -> None:
        # A full disk keeps a search from being continued later, not from being ended now.
        for save in (state.save, write):
            with suppress(OSError):
                save(trials)

    try:
        write(())
    except OSError as error:
        raise UsageError(f"--json: {arguments.json} cannot be written: {error.strerror}") from error
    with Reaper() as reaper:
        scratch = Path(tempfile.mkdtemp(prefix="benchgate-bisect-"))
        reaper.watch(scratch)
        racer = Racer(
            repository, prefix, test, (*options, f"--race-cache={arguments.race_cache.absolute()}"), scratch, reaper,
            lambda line: _say(f"    {line}"),
        )  # fmt: skip
        bisection = Bisection(found, good, arguments.race_alpha, racer.race, keep, _say, known=state.load())
        result = bisection.run()
        state.remove()
        status = _status(result, test, good, scratch)
    _print(sys.stdout, words.to_text(result, test, good))
    try:
        write(result.trials, result, status)
    except OSError as error:
        _say(f"error: --json: {arguments.json} cannot be written: {error.strerror}")
    return status


def _status(result: Result, test: str, good: str, scratch: Path) -> int:
    """Return the exit status; raise UsageError if one of the revisions lacks the test."""
    from pytest_benchgate.bisection.bisecting import Ending

    if result.ending is not Ending.NO_VERDICT:
        return FOUND if result.ending is Ending.FOUND else RANGE
    (trial,) = result.trials
    if trial.lacks_test:
        raise UsageError(f"there is no {test} in --bad {trial.commit[:10]}; give a test's id as pytest shows it")
    if trial.raced is not None and trial.raced.verdict == "new":
        raise UsageError(f"there is no {test} in --good {good[:10]}; give a later revision that has it")
    if trial.raced is None:
        log = scratch / "output.txt"
        lines = log.read_text("utf-8", "replace").splitlines() if log.is_file() else []
        # As argparse says it.
        if any(one.endswith(f": error: {trial.reason}") for one in lines):
            raise UsageError(f"pytest: {trial.reason}. Give the options of pytest after TEST, here {test!r}")
        _say("\n".join(["--bad could not be raced against --good; the end of pytest's output:", *lines[-30:]]))
    return NO_VERDICT


def _check(options: Sequence[str]) -> None:
    """Refuse the options of pytest that the search sets itself."""
    for option in options:
        if option.partition("=")[0] in OWN:
            raise UsageError(f"{option}: bisect sets {option.partition('=')[0]} itself; remove it")


def _relative(test: str, cwd: Path) -> str:
    """Return a test's id with its file relative to the working directory."""
    path, colons, rest = test.partition("::")
    return f"{os.path.relpath(path, cwd)}{colons}{rest}" if Path(path).is_absolute() else test


@contextmanager
def _interruptible() -> Iterator[None]:
    """End by KeyboardInterrupt on SIGTERM and SIGHUP, too."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    """Write to standard error, at once."""
    _print(sys.stderr, f"bisect: {text}\n")


def _print(stream: TextIO, text: str) -> None:
    """Write lines, which may have control characters of commits and of tests."""
    # Nobody reads them any more.
    with suppress(OSError, ValueError):
        stream.write("\n".join(map(quantity.line, text.split("\n"))))
        stream.flush()
