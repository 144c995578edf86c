"""Slowdowns that people accept: entries in a file of the project, each with a limit and a reason.

An entry counts only while base does not have it, too: once it is merged, base has the slowdown as well.
"""

from __future__ import annotations

import argparse
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_benchgate.options import RACE_OPTIONS
from pytest_benchgate.parsers import percentage
from pytest_benchgate.race.building import git

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

KEYS = ("test", "limit", "reason")


@dataclass(frozen=True)
class Entry:
    """A slowdown that is accepted.

    Attributes
    ----------
    test: a test's id; without its parameters, for all of them.
    limit: the relative slowdown up to which: 0.12 is 12 %.
    reason: why.

    """

    test: str
    limit: float
    reason: str

    def matches(self, nodeid: str) -> bool:
        """Return whether it is about this test."""
        return nodeid == self.test or nodeid.startswith(f"{self.test}[")


def parse(text: str) -> tuple[Entry, ...]:
    """Return the entries in the text of a file; ValueError with all that is wrong with it."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is no TOML: {error}") from error
    problems = [f"unknown key {key!r}; entries are tables [[accept]]" for key in data if key != "accept"]
    tables = data.get("accept", [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise ValueError("accept must be tables, each under [[accept]]")
    entries: list[Entry] = []
    for number, table in enumerate(tables, 1):
        wrong = _wrong(table)
        if not wrong and any(table["test"] == one.test for one in entries):
            wrong = [f"a second entry for {table['test']!r}"]
        problems += [f"entry {number}: {one}" for one in wrong]
        if not wrong:
            entries.append(Entry(table["test"], percentage(table["limit"]), table["reason"].strip()))
    if problems:
        raise ValueError("; ".join(problems))
    return tuple(entries)


def _wrong(table: dict[str, Any]) -> list[str]:
    """Return what is wrong with an entry."""
    wrong = [f"unknown key {key!r}; the keys are {', '.join(KEYS)}" for key in table if key not in KEYS]
    wrong += [f"{key} must be a text that is not empty" for key in KEYS if not _is_text(table.get(key))]
    if not wrong:
        try:
            percentage(table["limit"])
        except argparse.ArgumentTypeError:
            wrong.append(f"limit {table['limit']!r} must be in percent, as in 12%")
        if "::" not in table["test"]:
            wrong.append(f"test {table['test']!r} is no test's id, as in tests/test_x.py::test_work[64]")
    return wrong


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def load(root: Path, name: str, base: str | None, threshold: float) -> tuple[Entry, ...]:
    """Return the entries of the file of this name below pytest's rootdir that base, a revision, does not have.

    Raises pytest.UsageError with all that is wrong with them; a limit must be above the session's threshold.
    """
    path = root / name
    if not path.exists() and name == RACE_OPTIONS["accepted_file"].default:
        return ()
    try:
        entries = parse(path.read_text("utf-8"))
    except OSError as error:
        raise pytest.UsageError(f"race_accepted: {path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # UnicodeDecodeError is one
        raise pytest.UsageError(f"{path}: {error}") from error
    if base in {None, "self"}:
        return entries
    entries = new(entries, of_revision(root, name, base or ""))
    low = [f"{shown(one.limit)} of {one.test}" for one in entries if one.limit <= threshold]
    if low:
        raise pytest.UsageError(
            f"{path}: the limit must be above the threshold of {shown(threshold)}, below which nothing need be "
            f"accepted; remove the entry, or raise its limit: {'; '.join(low)}"
        )
    return entries


def of_revision(root: Path, name: str, revision: str) -> tuple[Entry, ...]:
    """Return the entries of the file of this name in a revision; none where it has none, or none that can be read."""
    try:
        repository = git.Repository.around(root)
        path = (root.resolve() / name).relative_to(repository.root.resolve()).as_posix()
        return parse(repository.has(repository.resolve(revision), path) or "")
    except (ValueError, git.GitError):
        return ()


def shown(limit: float) -> str:
    """Return 0.12 as "12 %"."""
    return f"{100 * limit:.3g} %"


def new(entries: Iterable[Entry], base: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return the entries that base does not have; a reason in other words is the same entry."""
    known = {(one.test, one.limit) for one in base}
    return tuple(one for one in entries if (one.test, one.limit) not in known)


def about(nodeid: str, entries: Iterable[Entry]) -> Entry | None:
    """Return the entry for a test; the closest, where one is for all of its parameters."""
    return max((one for one in entries if one.matches(nodeid)), key=lambda one: len(one.test), default=None)
