"""The two sides of a race, ready to start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_benchgate.commit import Commit
    from pytest_benchgate.race.launching.plan import Side
    from pytest_benchgate.race.sides.absent import Absent
    from pytest_benchgate.race.sides.basis import Basis

SIDES = ("base", "head")


class SidesError(Exception):
    """A race that cannot be set up, with the remedy."""


@dataclass(frozen=True)
class Sides:
    """The two sides of a race, ready to start.

    Attributes
    ----------
    both : tuple[Side, Side]
        Base and head.
    labels : tuple[str, str]
        Their names in reports.
    names : tuple[str, ...]
        The top-level modules that are raced; empty if that is not known.
    homes : tuple[tuple[Path, ...], tuple[Path, ...]]
        The folders from which each side's raced modules must come; empty if any will do.
    repeat : str
        The option that repeats this race.
    notes : tuple[str, ...]
        What the user should know.
    changed : tuple[Path, ...]
        Files and folders of tests, relative to rootdir, in which base has head's instead of its own, which differ.
    is_new : Callable[[str, str], bool]
        Whether a test, by its file and function, is not in base's own tree.
    null : bool
        Whether both sides are known to be the same.
    trees : tuple[str, str]
        Git's hashes of the two source trees; empty without a repository.
    commits : tuple[str, Commit | None]
        The id of base's commit, and head's commit; without a repository, or with changes in head, empty and None.
    basis : Basis | None
        What base's own tree says; None if head's says the same, or there is no such tree.
    unmodified_base : Callable[[], Side] | None
        Returns the side that runs base's own tests in base's own tree; None if there is no such tree.
    absent : Absent | None
        What finds the files that the checkouts of both sides may lack; None without checkouts.

    """

    both: tuple[Side, Side]
    labels: tuple[str, str]
    names: tuple[str, ...]
    homes: tuple[tuple[Path, ...], tuple[Path, ...]]
    repeat: str
    notes: tuple[str, ...] = ()
    changed: tuple[Path, ...] = ()
    is_new: Callable[[str, str], bool] = lambda file, function: False  # noqa: ARG005
    null: bool = False
    trees: tuple[str, str] = ("", "")
    commits: tuple[str, Commit | None] = ("", None)
    basis: Basis | None = None
    unmodified_base: Callable[[], Side] | None = None
    absent: Absent | None = None
