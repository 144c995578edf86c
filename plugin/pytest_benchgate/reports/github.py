"""Annotations on the failing line, for GitHub Actions.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions: a command is a line of stdout; %, CR and
LF are escaped in its text, and in its properties also ":" and ",".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_benchgate.reports import race
from pytest_benchgate.reports.quantity import printable, shortened

if TYPE_CHECKING:
    from pytest_benchgate.results import Report


KINDS = {
    "unsure": "warning",
    "placement": "warning",
    "new": "warning",
    "gone": "warning",
    "accepted": "warning",
    "faster": "notice",
}

# Characters.
MOST_TEXT, MOST_PROPERTY = 4000, 400


def render(report: Report) -> list[str]:
    """Return a command for each time that was withheld or is suspicious, and for each race that failed or warns."""
    lines = [
        command("error", entry.message, file=entry.path, line=str(entry.line), title=f"time withheld: {entry.name}")
        for entry in report.withheld
    ]
    for result in report.results:
        if result.suspicious:
            file = result.nodeid.split("::", maxsplit=1)[0]
            lines.append(command("warning", result.suspicious, file=file, title=f"suspicious: {result.name}"))
    for raced in report.race.raced if report.race else ():
        kind = "error" if raced.failed else KINDS.get(raced.verdict)
        if kind and report.race:
            text, title = race.message(raced, report.race), f"{raced.verdict}: {raced.title}"
            lines.append(command(kind, text, file=raced.path, line=str(raced.line), title=title))
    return lines


def command(kind: str, text: str, **properties: str) -> str:
    """Return one workflow command."""
    if len(text) > MOST_TEXT:
        text = f"{text[:MOST_TEXT]}..."
    shown = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {shown}::{_data(chr(10).join(printable(line) for line in text.splitlines()))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(shortened(text, MOST_PROPERTY)).replace(":", "%3A").replace(",", "%2C")
