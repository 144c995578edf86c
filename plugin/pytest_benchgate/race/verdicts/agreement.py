"""The settings that decide a race, base's or head's; the slowdowns that are accepted in it; and what head lacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_benchgate.race.statistics import Verdict
from pytest_benchgate.race.verdicts import accepted
from pytest_benchgate.reports.race import threshold
from pytest_benchgate.results import Raced

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

    from pytest_benchgate.options import RaceConfig
    from pytest_benchgate.race.sides.basis import Basis
    from pytest_benchgate.race.verdicts.accepted import Entry


@dataclass(frozen=True)
class Agreement:
    """The settings that decide a race.

    Attributes
    ----------
    race : RaceConfig
        The session's, from base unless the command line gives them.
    races : dict[str, RaceConfig]
        Of each test, by its id, with the settings of its markers.
    accepted : dict[str, Entry]
        The entries that count, by test id.
    notes : tuple[str, ...]
        What the user should know.

    """

    race: RaceConfig
    races: dict[str, RaceConfig]
    accepted: dict[str, Entry]
    notes: tuple[str, ...]


def agree(
    config: pytest.Config,
    head: RaceConfig,
    basis: Basis | None,
    marks: Mapping[str, Mapping[str, Any]],
    suite: Sequence[str],
) -> Agreement:
    """Return the settings of a race: `head` has head's, `marks` those of its markers, `suite` all its tests."""
    race = basis.applied(head) if basis else head
    races = {nodeid: race.with_settings(basis.marks(nodeid) if basis else own) for nodeid, own in marks.items()}
    notes = basis.changes(head, marks) if basis else []
    found: dict[str, Entry] = {}
    entries, name = _entries(config, head, basis), head.accepted_file
    if entries and head.revision is None:
        notes.append(f"{name} does not count: only base's revision tells which of its entries are new")
        entries = ()
    notes += [
        f"{name}: {entry.test} matches no benchmark of this session"
        for entry in entries
        if not any(entry.matches(nodeid) for nodeid in suite)
    ]
    for nodeid, own in races.items():
        entry_of = accepted.about(nodeid, entries)
        if entry_of and entry_of.limit > own.slowdown:
            found[nodeid] = entry_of
        elif entry_of:
            notes.append(
                f"{name}: {nodeid} needs no entry: the limit of {threshold(entry_of.limit)} is not above the threshold "
                f"of {threshold(own.slowdown)}"
            )
    return Agreement(race, races, found, tuple(notes))


def _entries(config: pytest.Config, head: RaceConfig, basis: Basis | None) -> tuple[Entry, ...]:
    """Return the accepted slowdowns that are new, also if head has renamed their file."""
    if basis is None or basis.accepted in {"", head.accepted_file}:
        return head.accepted
    return accepted.new(head.accepted, accepted.of_base(config, basis.accepted, head.base or ""))


def lacking(agreement: Agreement, basis: Basis, reasons: Mapping[str, str], suite: Sequence[str]) -> list[Raced]:
    """Return this shard's part of the benchmarks that head lacks, with the reason for each."""
    race = agreement.race
    part, parts = race.shard
    return [
        Raced(
            nodeid=nodeid,
            name=basis.benchmarks[nodeid].name,
            path=nodeid.partition("::")[0],
            line=basis.benchmarks[nodeid].line,
            verdict=Verdict.GONE.value,
            failed=race.gone == "fail",
            threshold=race.slowdown,
            alarm=len(suite) / race.alpha,
            repeat="",
            side="head",
            reason=reasons[nodeid],
        )
        for nodeid in sorted(reasons)[part - 1 :: parts]
    ]
