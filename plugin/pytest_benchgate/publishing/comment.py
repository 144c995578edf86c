"""One comment on a pull request, which each race of it updates."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_benchgate.publishing.api import ApiError
from pytest_benchgate.reports import markdown
from pytest_benchgate.reports.quantity import line, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_benchgate.publishing.api import Api
    from pytest_benchgate.results import RaceReport

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
REPOSITORY = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+")
KEY = re.compile(r"[A-Za-z0-9._-]{1,50}")
# GitHub takes 65,536 characters; what stands around the report needs some.
MOST_BYTES = 55_000
# What is missing from a race: how much of it is listed, and the characters of each line.
SHOWN, MOST_TEXT = 5, 300
# Attempts to write the comment, where it is not known whether one had an effect.
ATTEMPTS = 3


class EventError(ValueError):
    """The event is not one from which a pull request can be told."""


@dataclass(frozen=True)
class Finished:
    """The workflow run that raced a pull request, as GitHub describes it in an event of type workflow_run.

    Attributes
    ----------
    head : str
        The commit that it raced.
    owner, branch : str
        Of head: a fork's owner, and any name that git allows.
    url : str
        The page of the run.

    """

    head: str
    owner: str
    branch: str
    url: str

    @classmethod
    def of_event(cls, event: Any, repository: str, server: str) -> Finished:
        """Return the run in the content of GITHUB_EVENT_PATH. Raises EventError."""
        run = event.get("workflow_run") if isinstance(event, dict) else None
        if not isinstance(run, dict):
            raise EventError("the event is not a workflow_run; publish from a workflow that has `on: workflow_run`")
        if run.get("event") != "pull_request":
            raise EventError(f"the workflow ran for {line(str(run.get('event')))!r}, not for a pull_request")
        head, branch, number = run.get("head_sha"), run.get("head_branch"), run.get("id")
        source = run.get("head_repository")
        owner = (source.get("owner") or {}).get("login") if isinstance(source, dict) else None
        if not (isinstance(head, str) and COMMIT.fullmatch(head) and isinstance(number, int)):
            raise EventError("the event names no commit or no run")
        if not (isinstance(owner, str) and owner and isinstance(branch, str) and branch):
            raise EventError("the event names no branch: the fork may have been deleted")
        return cls(head, owner, branch, f"{server}/{repository}/actions/runs/{number}")


def pull_request(api: Api, repository: str, run: Finished) -> int | None:
    """Return the number of the open pull request whose head is what was raced; None if there is none any more.

    Raises EventError where several have it: which of them was raced, the event does not say.
    """
    found = []
    for one in api.pages(f"/repos/{repository}/pulls", state="open", head=f"{run.owner}:{run.branch}"):
        head, number = one.get("head") if isinstance(one, dict) else None, one.get("number")
        if isinstance(head, dict) and head.get("sha") == run.head and isinstance(number, int):
            found.append(number)
    if len(found) > 1:
        names = ", ".join(f"#{number}" for number in sorted(found))
        raise EventError(f"{names} have the same head; say by --pull-request=N which of them was raced")
    return found[0] if found else None


def marker(key: str) -> str:
    """Return the first line of the comment, which people do not see, and by which it is found again."""
    return f"<!-- pytest-benchgate: {key} -->"


def body(report: RaceReport | None, problems: Sequence[str], key: str, run: Finished) -> str:
    """Return the comment on a race; without a report, that there is none."""
    text = "## Race\n\nThere are no results: see the run for what went wrong.\n"
    if report is not None:
        text = markdown.bounded(markdown.render_race(report), MOST_BYTES)
    listed = [f"- {markdown.literal_figures(shortened(one, MOST_TEXT))}" for one in problems[:SHOWN]]
    origin = f"{run.head[:10]}, [the run]({html.escape(run.url)}); the figures are those of the pull request's own job."
    return "\n".join([marker(key), text, *listed, *[""] * bool(listed), f"<sub>{origin}</sub>", ""])


def publish(api: Api, repository: str, number: int, text: str, author: str) -> str:
    """Create or update the comment that begins with the first line of text; return what was done.

    Only a comment of this author is updated: anybody can write the first line.
    """
    for attempt in range(1, ATTEMPTS + 1):
        existing = _find(api, repository, number, text.partition("\n")[0], author)
        if existing is not None and existing[1].rstrip() == text.rstrip():
            return "unchanged"
        try:
            if existing is None:
                api.change("POST", f"/repos/{repository}/issues/{number}/comments", {"body": text})
                return "created"
            api.change("PATCH", f"/repos/{repository}/issues/comments/{existing[0]}", {"body": text})
        except ApiError as error:
            # Created by a request that seemed to fail, or deleted meanwhile: look again.
            again = error.may_be_done or (existing is not None and error.status == 404)  # noqa: PLR2004
            if not again or attempt == ATTEMPTS:
                raise
        else:
            return "updated"
    raise AssertionError


def _find(api: Api, repository: str, number: int, first: str, author: str) -> tuple[int, str] | None:
    """Return the id and the text of the first such comment."""
    for one in api.pages(f"/repos/{repository}/issues/{number}/comments"):
        if not isinstance(one, dict) or not isinstance(one.get("id"), int):
            continue
        user, text = one.get("user"), one.get("body")
        login = user.get("login") if isinstance(user, dict) else None
        # GitHub may give lines other ends.
        text = text.replace("\r\n", "\n") if isinstance(text, str) else ""
        if login == author and text.partition("\n")[0] == first:
            return one["id"], text
    return None
