"""Where a history is kept: JSON files in a folder, or on a branch that is read and written without a checkout."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pytest_benchgate import output, reading
from pytest_benchgate.history import record
from pytest_benchgate.race.building.run_git import GitError, git, raw_git
from pytest_benchgate.reports import race_json, shards

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_benchgate.history.record import Record
    from pytest_benchgate.results import RaceReport

NOBODY = ("-c", "user.name=pytest-benchgate", "-c", "user.email=pytest-benchgate@localhost")


class NoStore(ValueError):
    """There is no such folder or branch."""


class Store(Protocol):
    """A place of records."""

    def files(self) -> Iterator[tuple[str, Any]]:
        """Yield the name and the JSON of each file; raise ValueError where one cannot be read."""

    def read(self, name: str) -> Any:
        """Return the JSON of a file, or None if there is none."""

    def write(self, name: str, text: str) -> None:
        """Write a file; raise OSError or GitError where that is not possible."""


class Folder:
    """A folder of JSON files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def files(self) -> Iterator[tuple[str, Any]]:
        """Yield the name and the JSON of each file."""
        if not self.path.is_dir():
            raise NoStore(f"{self.path} is not a folder; --add FILE creates it")
        for path in sorted(self.path.glob("*.json")):
            yield str(path), _loaded(path)

    def read(self, name: str) -> Any:
        """Return the JSON of a file, or None if there is none."""
        path = self.path / name
        return _loaded(path) if path.exists() else None

    def write(self, name: str, text: str) -> None:
        """Write a file as a whole."""
        output.write(self.path / name, text)


class Branch:
    """A folder on a branch of a repository."""

    def __init__(self, root: Path, branch: str, folder: str) -> None:
        self.root, self.branch = root, branch
        self.folder = "" if folder in {"", "."} else f"{folder.strip('/')}/"

    def files(self) -> Iterator[tuple[str, Any]]:
        """Yield the name and the JSON of each file, all of which one process of git reads."""
        tip = self._tip()
        if tip is None:
            raise NoStore(f"there is no branch {self.branch} in {self.root}; git fetch gets it, --add creates it")
        listed = git("ls-tree", "-z", "--full-tree", tip, "--", *filter(None, [self.folder]), cwd=self.root)
        entries = [entry.partition("\t") for entry in listed.split("\0") if entry]
        blobs = {name: about.split()[2] for about, _, name in entries if name.endswith(".json")}
        asked = "".join(f"{blob}\n" for blob in blobs.values())
        content = raw_git("cat-file", "--batch", cwd=self.root, given=asked.encode())
        start = 0
        for name in blobs:
            end = content.index(b"\n", start)
            size = int(content[start:end].split()[2])
            yield (place := f"{self.branch}:{name}"), _parsed(content[end + 1 : end + 1 + size], place)
            start = end + size + 2

    def read(self, name: str) -> Any:
        """Return the JSON of a file, or None if there is none."""
        try:
            content = raw_git("cat-file", "blob", f"{self._tip()}:{self.folder}{name}", cwd=self.root)
        except GitError:
            return None
        return _parsed(content, f"{self.branch}:{self.folder}{name}")

    def write(self, name: str, text: str) -> None:
        """Commit a file to the branch, which is created if need be; no working tree and no index is touched."""
        tip, ref = self._tip(), f"refs/heads/{self.branch}"
        blob = git("hash-object", "-w", "--stdin", cwd=self.root, given=text)
        with tempfile.TemporaryDirectory() as scratch:
            index = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
            if tip:
                git("read-tree", tip, cwd=self.root, **index)
            entry = f"100644,{blob},{self.folder}{name}"
            git("update-index", "--add", "--cacheinfo", entry, cwd=self.root, **index)
            tree = git("write-tree", cwd=self.root, **index)
        parents = ("-p", tip) if tip else ()
        subject = f"Add the race of {name.removesuffix('.json')}"
        commit = git(*NOBODY, "commit-tree", tree, *parents, "-m", subject, cwd=self.root)
        # Fails if the branch has moved meanwhile.
        git("update-ref", ref, commit, self._at(ref) or "0" * len(commit), cwd=self.root)

    def _tip(self) -> str | None:
        """Return the branch's commit, here or as it was fetched; None if there is none."""
        return self._at(f"refs/heads/{self.branch}") or self._at(f"refs/remotes/origin/{self.branch}")

    def _at(self, ref: str) -> str | None:
        try:
            return git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", cwd=self.root)
        except GitError:
            return None


def _loaded(path: Path) -> Any:
    try:
        return reading.load(path)
    except ValueError as error:
        raise ValueError(f"{path} {error}") from error


def _parsed(content: bytes, name: str) -> Any:
    try:
        return reading.parse(content)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from error


def records(files: Iterable[tuple[str, Any]]) -> tuple[dict[str, Record], list[str]]:
    """Return the records of all files by their commits, and what is wrong with the whole.

    A file may be what `--race-json` writes: shards of one race are merged. Of two races of a commit the first counts,
    by the files' names: to choose between them would bias the result. Raises ValueError for a file that is not valid.
    """
    found: dict[str, Record] = {}
    notes = []
    reports: dict[tuple[str, str], list[tuple[str, RaceReport]]] = {}
    for name, data in files:
        try:
            if isinstance(data, dict) and data.get("kind") == race_json.KIND:
                report = race_json.read(data)
                one = record.of_race(report)
                reports.setdefault((one.base, one.commit.id), []).append((name, report))
                continue
            one = record.read(data)
        except ValueError as error:
            raise ValueError(f"{name} {error}; a history has files that --add or --race-json wrote") from error
        if one.commit.id in found:
            notes.append(f"{name} is a second race of {one.commit.short} and does not count")
        found.setdefault(one.commit.id, one)
    for parts in reports.values():
        one = of_files(parts)
        if one.commit.id in found:
            notes.append(f"{parts[0][0]} is a second race of {one.commit.short} and does not count")
        found.setdefault(one.commit.id, one)
    return found, notes


def of_files(parts: Iterable[tuple[str, RaceReport]], *, whole: bool = False) -> Record:
    """Return the record of a race in several files, its shards.

    Raises ValueError if they are not of one race, or if the race must be whole and something is missing from it.
    """
    names, reports = zip(*parts, strict=True)
    try:
        merged, problems = shards.merge(reports)
        one = record.of_race(merged)
    except ValueError as error:
        raise ValueError(f"{', '.join(names)}: {error}") from error
    if whole and problems:
        missing = "; ".join(problems)
        raise ValueError(f"{', '.join(names)}: {missing}; the next race fills the gap: see --base")
    return one


def add(store: Store, paths: Iterable[Path]) -> Record:
    """Add the race in some files, its shards, to a history; return its record.

    Raises ValueError if they are not valid or not the whole race, or if there is another race of the commit already.
    """
    parts = []
    for path in paths:
        try:
            parts.append((str(path), race_json.read(_loaded(path))))
        except ValueError as error:
            raise ValueError(f"{path} {error}" if str(path) not in str(error) else str(error)) from error
    one = of_files(parts, whole=True)
    text, name = record.render(one), f"{one.commit.id}.json"
    known = store.read(name)
    if known == json.loads(text):
        return one
    if known is not None:
        raise ValueError(f"{name} has another race of {one.commit} already; the first one counts, unless you remove it")
    store.write(name, text)
    return one
