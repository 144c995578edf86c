"""The reports that go to files: refused before anything is timed if that cannot work, and written at the end."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_benchgate import host, output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_benchgate import options
    from pytest_benchgate.session import Session

# Bytes of a job summary: above 1 MiB a step, GitHub shows none of it.
MOST_SUMMARY = 1_000_000


def check(config: pytest.Config, chosen: options.Config) -> None:
    """Raise pytest.UsageError if a report cannot be written, or would be overwritten by another one."""
    others = {"--benchmark-json": host.json_place(config), "GITHUB_STEP_SUMMARY": chosen.summary}
    others |= {"--junit-xml": getattr(config.option, "xmlpath", None), "--log-file": config.getoption("log_file", None)}
    # A list, as it may be given more than once.
    if drawn := config.getoption("benchmark_histogram", None):
        others["--benchmark-histogram"] = f"{drawn[0]}.svg"
        _check_folder("--benchmark-histogram", Path(drawn[0]).parent)
    for name, place in (("--benchgate-markdown", chosen.markdown), ("--benchgate-html", chosen.html)):
        if place is not None:
            _check_file(name, place, others)
            others[name] = place


def _check_file(option: str, place: Path, others: Mapping[str, Any]) -> None:
    for name, other in others.items():
        if other is not None and output.is_one_file(other, place):
            raise pytest.UsageError(f"{option} and {name} are both {place}; give different files")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        # Opening a pipe would wait for a reader.
        if not place.is_fifo():
            place.open("a").close()
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"{option}: cannot write {place}: {error}") from error


def _check_folder(option: str, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"{option}: cannot write to {folder}: {error}") from error


def write(session: Session, config: pytest.Config) -> None:
    """Write the reports; one that cannot be written does not affect the others."""
    # Without results, too: the file of an earlier session would be taken for this one's.
    if config.option.collectonly:
        return
    report, chosen = session.report(), session.config
    if chosen.html:
        from pytest_benchgate.page import page, sources

        source = sources.of_session(session.report_with_times(), host.machine_info(config))
        with session.losing(chosen.html):
            output.write(chosen.html, page.render([source]))
    if not chosen.markdown and not chosen.summary:
        return
    from pytest_benchgate.reports import markdown

    if chosen.markdown:
        with session.losing(chosen.markdown):
            output.write(chosen.markdown, markdown.render(report))
    if (summary := chosen.summary) and report:
        with session.losing(summary):
            written = summary.stat().st_size if summary.exists() else 0
            output.append(summary, markdown.bounded(markdown.render(report), MOST_SUMMARY - written))
