"""The subcommand history: its arguments, and its exit status."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pytest_benchgate import parsers

if TYPE_CHECKING:
    from pytest_benchgate.history.chain import Link
    from pytest_benchgate.history.results import History
    from pytest_benchgate.history.store import Store

NOTHING, DRIFTED, USAGE = 0, 1, 2
HELP = "chain the races of many commits: a curve for each benchmark, its steps, and drift"
DESCRIPTION = """\
Chain the races of each commit against the one before, as pytest --race-json=FILE writes them, into one curve for each
benchmark. Ratios are chained, not times, so that the curve survives a change of runners. Steps are the changes that a
race saw; a benchmark has drifted if many changes, none of which its race saw, add up to a slowdown.
"""
EPILOG = """\
exit status:
  0    nothing has drifted
  1    a benchmark has drifted, or the report could not be written
  2    wrong arguments, or a file that is not valid

examples:
  pytest --benchmark-only --race="$(pytest-benchgate history races --base)" --race-json=race.json
  pytest-benchgate history races --add race.json
  pytest-benchgate history --branch benchmarks --add race.json && git push origin benchmarks
"""


class Put(Protocol):
    """Writes a text to a file, or prints it if there is none; says whether to print what cannot be written."""

    def __call__(self, text: str, place: Path | None, *, or_print: bool) -> bool:
        """Return whether the text is where it should be."""


def declare(commands: Any) -> None:
    """Add the subcommand to those of pytest-benchgate."""
    parser = commands.add_parser(
        "history",
        help=HELP,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "folder", metavar="FOLDER", nargs="?", help="the folder of the history; with --branch, a folder on that branch"
    )
    parser.add_argument("--branch", metavar="NAME", help="the branch of this repository that holds the history")
    parser.add_argument(
        "--add", metavar="FILE", nargs="+", type=Path, default=[],
        help="first add this race, or its shards, to the history",
    )  # fmt: skip
    parser.add_argument(
        "--base", action="store_true",
        help="only print the commit to race HEAD against, so that the history has no gap: the newest one in it that is "
        "an ancestor of HEAD, or else the parent of HEAD",
    )  # fmt: skip
    parser.add_argument("--since", metavar="REV", help="leave out the races up to this commit")
    parser.add_argument(
        "--threshold", metavar="PERCENT", type=parsers.percentage,
        help="the slowdown that matters (default: that of the newest race)",
    )  # fmt: skip
    parser.add_argument(
        "--alpha", metavar="ALPHA", type=parsers.probability, default=0.05,
        help="the probability that any benchmark is falsely reported within 1,000 commits (default: 0.05)",
    )  # fmt: skip
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all curves to FILE as JSON")
    parser.add_argument("--markdown", action="store_true", help="write the report as Markdown")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write a page with all curves to FILE")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="write to FILE instead of the terminal")


def run(arguments: argparse.Namespace, put: Put) -> int:
    """Read the history and report it; return the exit status. Raises ValueError where that is not possible.

    Parameters
    ----------
    arguments : argparse.Namespace
        As `declare` has them.
    put : Put
        Writes the report.

    """
    from pytest_benchgate.history import store, words
    from pytest_benchgate.race.building.run_git import GitError

    try:
        place = _store(arguments)
        if arguments.add:
            store.add(place, arguments.add)
        if arguments.base:
            return NOTHING if put(f"{_base(place)}\n", None, or_print=True) else DRIFTED
        history = _history(arguments, place)
    except (GitError, OSError) as error:
        raise ValueError(str(error)) from error
    text = (words.to_markdown if arguments.markdown else words.to_text)(history)
    written = put(text, arguments.output, or_print=True)
    if arguments.json:
        written &= put(json.dumps(words.to_json(history)) + "\n", arguments.json, or_print=False)
    if arguments.html:
        from pytest_benchgate.history import page

        written &= put(page.render(history), arguments.html, or_print=False)
    return DRIFTED if not written or any(curve.drifted for curve in history.curves) else NOTHING


def _store(arguments: argparse.Namespace) -> Store:
    from pytest_benchgate.history.store import Branch, Folder
    from pytest_benchgate.race.building.git import Repository

    if arguments.branch is not None:
        return Branch(Repository.around(Path.cwd()).root, arguments.branch, arguments.folder or "")
    if arguments.folder is None:
        raise ValueError("give the FOLDER that keeps the history, or --branch NAME")
    return Folder(Path(arguments.folder))


def _line() -> tuple[list[str], bool]:
    """Return the commits that lead to HEAD, and whether these are all; none without a repository."""
    from pytest_benchgate.race.building.run_git import GitError, git

    cwd = Path.cwd()
    try:
        commits = git("rev-list", "--first-parent", "--reverse", "HEAD", "--", cwd=cwd).split()
        return commits, git("rev-parse", "--is-shallow-repository", cwd=cwd) == "false"
    except GitError:
        return [], True


def _base(place: Store) -> str:
    """Return the commit to race HEAD against."""
    from pytest_benchgate.history import store

    try:
        known, _ = store.records(place.files())
    except store.NoStore:
        known = {}
    line, _ = _line()
    if len(line) < 2:  # noqa: PLR2004
        raise ValueError("HEAD has no parent here to race it against; in a shallow clone, fetch the history")
    return next((commit for commit in reversed(line[:-1]) if commit in known), line[-2])


def _history(arguments: argparse.Namespace, place: Store) -> History:
    from pytest_benchgate.history import chain, store
    from pytest_benchgate.history.curves import curves
    from pytest_benchgate.history.drift import DriftRule

    found, notes = store.records(place.files())
    line, whole = _line()
    links = _since(chain.chain(found, line, whole=whole), arguments.since)
    if not links:
        raise ValueError(f"there is no race in the history{' after that commit' if found else ''}; --add FILE adds one")
    if len({link.record.counted for link in links}) > 1:
        raise ValueError("races of times and of instructions do not chain; keep them in folders of their own")
    if len(links) < len(found) and arguments.since is None:
        notes.append(
            f"{len(found) - len(links)} races are of commits that do not lead to {links[-1].record.commit.short}"
        )
    threshold = arguments.threshold or links[-1].record.threshold
    return curves(links, DriftRule(threshold=threshold, alpha=arguments.alpha), notes)


def _since(links: list[Link], revision: str | None) -> list[Link]:
    """Return the races after a commit, which is given as git knows it, or by the beginning of its id."""
    from pytest_benchgate.race.building.run_git import GitError, git

    if revision is None:
        return links
    try:
        commit = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", cwd=Path.cwd())
    except GitError:
        commit = revision
    ids = [link.record.commit.id for link in links]
    for index, one in enumerate(ids):
        if one.startswith(commit):
            return links[index + 1 :]
    if links and links[0].record.base.startswith(commit):
        return links
    raise ValueError(
        f"--since={revision} is not a commit of this history, which goes from {ids[0][:10]} to {ids[-1][:10]}"
    )
