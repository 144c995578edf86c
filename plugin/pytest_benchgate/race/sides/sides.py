"""The two sides of a race, ready to start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_benchgate.race.launching.plan import Side
    from pytest_benchgate.race.sides.basis import Basis

SIDES = ("base", "head")


class SidesError(Exception):
    """A race that cannot be set up, with the remedy."""


@dataclass(frozen=True)
class Sides:
    """The two sides of a race, ready to start.

    Attributes
    ----------
    both: base and head.
    labels: their names in reports.
    names: the top-level modules that are raced; empty if that is not known.
    homes: the folders from which each side's raced modules must come; empty if any will do.
    repeat: the option that repeats this race.
    notes: what the user should know.
    is_new: whether a test, by its file and function, is not in base's own tree.
    null: whether both sides are known to be the same.
    trees: git's hashes of the two source trees; empty without a repository.
    basis: what base's own tree says; None if head's says the same, or there is no such tree.
    unmodified_base: returns the side that runs base's own tests in base's own tree; None if there is no such tree.

    """

    both: tuple[Side, Side]
    labels: tuple[str, str]
    names: tuple[str, ...]
    homes: tuple[tuple[Path, ...], tuple[Path, ...]]
    repeat: str
    notes: tuple[str, ...] = ()
    is_new: Callable[[str, str], bool] = lambda file, function: False  # noqa: ARG005
    null: bool = False
    trees: tuple[str, str] = ("", "")
    basis: Basis | None = None
    unmodified_base: Callable[[], Side] | None = None
