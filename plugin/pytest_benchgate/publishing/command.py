"""The subcommand comment: its arguments, its environment, and its exit status."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_benchgate import reading
from pytest_benchgate.publishing import comment, received
from pytest_benchgate.publishing.api import Api, ApiError
from pytest_benchgate.reports.quantity import line

if TYPE_CHECKING:
    from collections.abc import Mapping

DONE, FAILED, USAGE = 0, 1, 2
AUTHOR = "github-actions[bot]"
DESCRIPTION = """\
Write the results of a race as one comment on its pull request, which the next race updates.

For a workflow on GitHub that runs on workflow_run, after the one that raced the pull request: that one has no token
and hands the race's JSON over as an artifact, and this one runs nothing of the pull request. The pull request is found
by the commit in GITHUB_EVENT_PATH. Each field of the files in FOLDER is checked, and the text is written here.
"""
EPILOG = """\
environment, all but the first set by GitHub:
  GITHUB_TOKEN       of the job, which needs the permission pull-requests: write
  GITHUB_EVENT_PATH, GITHUB_REPOSITORY, GITHUB_API_URL, GITHUB_SERVER_URL

exit status:
  0    the comment was written; or the pull request is closed, or has a newer head
  1    it could not be written, or FOLDER holds anything but one race
  2    wrong arguments, or not the event of a workflow that ran for a pull request
"""


def declare(commands: Any) -> None:
    """Add the subcommand to those of pytest-benchgate."""
    parser = commands.add_parser(
        "comment",
        help="write the results of a race as one comment on its pull request, on GitHub",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folder", metavar="FOLDER", type=Path, help="the folder with the JSON of the race, or of its shards"
    )
    parser.add_argument(
        "--pull-request", metavar="N", type=int, help="the number of the pull request, where the event does not have it"
    )
    parser.add_argument(
        "--key", metavar="NAME", default="race",
        help="the name of the race, where a pull request has several with a comment each (default: race)",
    )  # fmt: skip
    parser.add_argument(
        "--author", metavar="LOGIN", default=AUTHOR, help=f"the account whose comment is updated (default: {AUTHOR})"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> int:
    """Write the comment; return the exit status."""
    repository = environment.get("GITHUB_REPOSITORY", "")
    try:
        _check(repository, arguments.key)
        api = Api(environment.get("GITHUB_API_URL", "https://api.github.com"), environment.get("GITHUB_TOKEN", ""))
        event = _event(Path(environment.get("GITHUB_EVENT_PATH", "")))
        server = environment.get("GITHUB_SERVER_URL", "https://github.com")
        finished = comment.Finished.of_event(event, repository, server)
        number = arguments.pull_request or comment.pull_request(api, repository, finished)
    except ValueError as error:
        return _complain(str(error), USAGE)
    except ApiError as error:
        return _complain(str(error), FAILED)
    if number is None:
        _say(f"no open pull request has the head {finished.head[:10]} (any more): nothing to comment on")
        return DONE
    try:
        report, problems, invalid = *received.read(arguments.folder), ""
    except (OSError, received.Invalid) as error:
        report, problems, invalid = None, [], str(error)
    text = comment.body(report, problems, arguments.key, finished)
    try:
        done = comment.publish(api, repository, number, text, arguments.author)
    except ApiError as error:
        return _complain(str(error), FAILED)
    _say(f"the comment on #{number} is {done}")
    return _complain(invalid, FAILED) if invalid else DONE


def _check(repository: str, key: str) -> None:
    """Raise ValueError if one of them cannot stand in an address or in the comment's first line."""
    if not comment.REPOSITORY.fullmatch(repository):
        raise ValueError(f"GITHUB_REPOSITORY is {repository!r}, not OWNER/NAME; GitHub sets it in a workflow")
    if not comment.KEY.fullmatch(key):
        raise ValueError(f"--key={key!r} must be letters, digits, '.', '-' and '_'")


def _event(path: Path) -> Any:
    try:
        return reading.load(path)
    except ValueError as error:
        raise ValueError(f"GITHUB_EVENT_PATH: {path} {error}") from error


def _say(text: str) -> None:
    print(f"pytest-benchgate: {line(text)}")  # noqa: T201


def _complain(text: str, status: int) -> int:
    print(f"pytest-benchgate: {line(text)}", file=sys.stderr)  # noqa: T201
    return status
