"""Accepted slowdowns: entries in a file of the project, each with a limit and a reason.

An entry counts only while base does not have it: once it is merged, base has the slowdown as well.
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
from pytest_benchgate.race.sides import base

if TYPE_CHECKING:
    from collections.abc import Iterable

KEYS = ("test", "limit", "reason")


@dataclass(frozen=True)
class Entry:
    """An accepted slowdown.

    Attributes
    ----------
    test : str
        A test's id; without parameters, it stands for all of them.
    limit : float
        The largest relative slowdown that is accepted: 0.12 is 12 %.
    reason : str
        why.

    """

    test: str
    limit: float
    reason: str

    def matches(self, nodeid: str) -> bool:
        """Return whether this entry is for a test."""
        return nodeid == self.test or nodeid.startswith(f"{self.test}[")


def parse(text: str) -> tuple[Entry, ...]:
    """Return the entries in the text of a file; raise ValueError with everything that is wrong with it."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"not valid TOML: {error}") from error
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
    wrong += [f"{key} must be a text, not empty" for key in KEYS if not _is_text(table.get(key))]
    if not wrong:
        try:
            percentage(table["limit"])
        except argparse.ArgumentTypeError:
            wrong.append(f"limit {table['limit']!r} must be in percent, as in 12%")
        if "::" not in table["test"]:
            wrong.append(f"test {table['test']!r} must be a test's id, as in tests/test_x.py::test_work[64]")
    return wrong


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def load(config: pytest.Config, name: str, revision: str | None, threshold: float) -> tuple[Entry, ...]:
    """Return the entries of the file of this name below rootdir that base, a revision, does not have.

    Raises pytest.UsageError with everything that is wrong with them; a limit must be above the session's threshold.
    """
    path = config.rootpath / name
    if not path.exists() and name == RACE_OPTIONS["accepted_file"].default:
        return ()
    try:
        entries = parse(path.read_text("utf-8"))
    except OSError as error:
        raise pytest.UsageError(f"race_accepted: {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        # Or its subclass UnicodeDecodeError.
        raise pytest.UsageError(f"{path}: {error}") from error
    if revision is None:
        return entries
    entries = new(entries, of_base(config, name, revision))
    low = [f"{shown(entry.limit)} of {entry.test}" for entry in entries if entry.limit <= threshold]
    if low:
        raise pytest.UsageError(
            f"{path}: the limit must be above the threshold of {shown(threshold)}, below which nothing needs to be "
            f"accepted; remove the entry, or raise its limit: {'; '.join(low)}"
        )
    return entries


def of_base(config: pytest.Config, name: str, revision: str) -> tuple[Entry, ...]:
    """Return the entries of the file of this name in base; none if it has no such file, or one that is not valid."""
    try:
        return parse(base.resolve(config, revision).text(config.rootpath.resolve() / name) or "")
    except (ValueError, git.GitError):
        return ()


def shown(limit: float) -> str:
    """Return 0.12 as "12 %"."""
    return f"{100 * limit:.3g} %"


def new(entries: Iterable[Entry], of_base: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return the entries that base does not have; those that differ only in the reason are the same."""
    known = {(entry.test, entry.limit) for entry in of_base}
    return tuple(entry for entry in entries if (entry.test, entry.limit) not in known)


def about(nodeid: str, entries: Iterable[Entry]) -> Entry | None:
    """Return the entry for a test, or None; one for its parameters precedes one for all parameters."""
    return max((one for one in entries if one.matches(nodeid)), key=lambda one: len(one.test), default=None)
