"""The settings and benchmarks of base's own tree, before head's tests replace base's.

Head must not judge itself: a threshold that it raises, or a benchmark that it deletes, counts once it is merged.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_benchgate.options import MARKS, SETTINGS
from pytest_benchgate.race.arguments import own_arguments
from pytest_benchgate.race.building import git
from pytest_benchgate.race.launching.plan import Plan
from pytest_benchgate.race.launching.process import Worker, WorkerLost
from pytest_benchgate.race.worker import listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_benchgate.declaration import Option
    from pytest_benchgate.options import RaceConfig
    from pytest_benchgate.race.launching.plan import Side
    from pytest_benchgate.race.reaper import Reaper
    from pytest_benchgate.race.worker.listing import Benchmark

# Files that select no tests and have no settings: prose, and sources that are compiled.
ELSEWHERE = {".md", ".rst", ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".cl", ".cu", ".f", ".f90", ".rs", ".s",
             ".pyx", ".pxd", ".pxi", ".pyi"}  # fmt: skip
# Tests whose markers a note names.
SHOWN = 5


@dataclass(frozen=True)
class Basis:
    """What base's own tree says.

    Attributes
    ----------
    settings : dict[str, Any]
        The session's, by their fields in RaceConfig; those that are lacking have their defaults.
    benchmarks : dict[str, Benchmark]
        By their ids, as the session's options select them.
    nodeids : frozenset[str]
        Of all tests that are selected.
    errors : dict[str, str]
        What could not be collected, and why.
    accepted : str
        The file of accepted slowdowns.
    notes : tuple[str, ...]
        What a person should know.
    known : bool
        Whether it could be collected at all.
    known_only : bool
        Whether only without the options that it may not know.

    """

    settings: dict[str, Any] = field(default_factory=dict)
    benchmarks: dict[str, Benchmark] = field(default_factory=dict)
    nodeids: frozenset[str] = frozenset()
    errors: dict[str, str] = field(default_factory=dict)
    accepted: str = ""
    notes: tuple[str, ...] = ()
    known: bool = True
    known_only: bool = False

    def applied(self, race: RaceConfig) -> RaceConfig:
        """Return a race with base's settings in the place of head's, but for what the command line gives."""
        defaults = {name: setting.default for name, setting in SETTINGS.items()}
        return race.with_settings({**defaults, **self.settings})

    def marks(self, nodeid: str) -> dict[str, Any]:
        """Return the settings that base's markers have for a test; those of all its parameters for a new one."""
        if nodeid in self.benchmarks:
            return self.benchmarks[nodeid].marks
        function = nodeid.partition("[")[0]
        own = [one.marks for other, one in self.benchmarks.items() if other.partition("[")[0] == function]
        return own[0] if own and all(one == own[0] for one in own) else {}

    def lacks_parameter(self, nodeid: str) -> bool:
        """Return whether base's own tree has this test, but not with these parameters."""
        function = nodeid.partition("[")[0]
        return nodeid not in self.nodeids and any(other.partition("[")[0] == function for other in self.nodeids)

    def changes(self, race: RaceConfig, head_marks: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Return what head's own settings and markers would change, in words, for a session with head's settings."""
        base = self.applied(race)
        notes = [
            _note("head", setting, getattr(race, name), getattr(base, name))
            for name, setting in SETTINGS.items()
            if getattr(race, name) != getattr(base, name)
        ]
        marked: dict[tuple[str, Any, Any], list[str]] = {}
        for nodeid, own in head_marks.items():
            heads, bases = base.with_settings(own), base.with_settings(self.marks(nodeid))
            for name in MARKS:
                values = getattr(heads, name), getattr(bases, name)
                if values[0] != values[1]:
                    marked.setdefault((name, *values), []).append(nodeid)
        for (name, *both), nodeids in marked.items():
            more = f" and {len(nodeids) - SHOWN} more" if len(nodeids) > SHOWN else ""
            notes.append(_note(f"head's marker of {', '.join(nodeids[:SHOWN])}{more}", MARKS[name], *both))
        return notes


def _note(who: str, setting: Option[Any], head: Any, base: Any) -> str:
    """Return that a setting of head's does not count yet."""
    return f"{who} sets {setting.name} to {setting.show(head)}; base's {setting.show(base)} counts until it is merged"


def may_differ(folder: Path, base: git.Tree, head: git.Tree) -> bool:
    """Return whether two trees may select other tests or have other settings, in a clone that has both."""
    changed = git.git("diff", "--name-only", "-z", base.tree, head.tree, cwd=folder).split("\0")
    return any(path and Path(path).suffix.lower() not in ELSEWHERE for path in changed)


def own_side(config: pytest.Config, side: Side, root: Path, *, known_only: bool = False) -> Side:
    """Return a side whose worker runs the tests and the configuration of its own tree, in which rootdir is `root`.

    With known_only, it gets no options of the command line that its tree may not know.
    """
    assert side.temporary is not None  # noqa: S101  # of any race between revisions
    temporary = side.temporary.with_name(f"{side.temporary.name}-own")
    temporary.mkdir(exist_ok=True)
    places = [root / path for path, _ in _selected(config) if (root / path).exists()]
    given = own_arguments(config, root, places, temporary, known_only=known_only)
    folder = root
    if config.invocation_params.dir.is_relative_to(config.rootpath):
        folder = root / config.invocation_params.dir.relative_to(config.rootpath)
    return dataclasses.replace(
        side,
        folder=folder if folder.is_dir() else root,
        arguments=("-p", listing.__name__, *given),
        temporary=temporary,
    )


def read(config: pytest.Config, side: Side, root: Path, reaper: Reaper) -> Basis:
    """Return what a side's own tree says, in which rootdir is `root`."""
    # The command line may have an option that only head knows.
    for known_only in (False, True):
        own = own_side(config, side, root, known_only=known_only)
        worker = Worker(own, Plan(), reaper, seed=0)
        worker.start()
        try:
            worker.collect()
            return dataclasses.replace(_basis(config, own, worker), known_only=known_only)
        except WorkerLost as lost:
            reason = lost.failed.reason
        finally:
            worker.close()
    note = "base's own tests and settings are not known: the defaults count, and what head lacks is not listed"
    return Basis(known=False, notes=(f"{note}: {reason}",))


def _basis(config: pytest.Config, side: Side, worker: Worker) -> Basis:
    """Return what a worker has listed."""
    assert side.temporary is not None  # noqa: S101
    listed = listing.read(side.temporary)
    benchmarks = {
        nodeid: benchmark for nodeid, benchmark in listed.benchmarks.items() if _is_selected(nodeid, _selected(config))
    }
    notes = (
        *listed.notes,
        *(
            f"base's own {place or 'tests'} cannot be collected, so that what head lacks of it is not listed"
            for place in worker.collected.errors
        ),
    )
    return Basis(listed.settings, benchmarks, worker.nodeids, worker.collected.errors, listed.accepted, notes)


def gone(basis: Basis, collected: Mapping[str, bool], suite: Iterable[str]) -> dict[str, str]:
    """Return the benchmarks of base that the suite of head lacks, sorted, with the reason.

    `collected` has all of head's tests, and whether each is a benchmark.
    """
    kept = {*suite}
    reasons = {True: "head deselects it", False: "head's test has no fixture `benchmark`"}
    return {
        nodeid: reasons.get(collected[nodeid], "") if nodeid in collected else "head has no such benchmark"
        for nodeid in sorted(basis.benchmarks)
        if nodeid not in kept
    }


def _selected(config: pytest.Config) -> list[tuple[str, str]]:
    """Return what the session selects: paths relative to rootdir, and the node id; none where its files say."""
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        return []
    found = []
    # Without any, the folder in which the session was started.
    for place in config.args:
        path, colons, inner = str(place).partition("::")
        full = (config.invocation_params.dir / path).resolve()
        root = config.rootpath.resolve()
        relative = full.relative_to(root).as_posix() if full.is_relative_to(root) else path
        found.append((relative, f"{relative}{colons}{inner}"))
    return found


def _is_selected(nodeid: str, selected: list[tuple[str, str]]) -> bool:
    return not selected or any(
        wanted in {".", nodeid} or nodeid.startswith((f"{wanted}/", f"{wanted}::", f"{wanted}["))
        for _, wanted in selected
    )
