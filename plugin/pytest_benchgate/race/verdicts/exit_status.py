"""The exit status of a race: pytest's own where it has one, and further ones where it has none.

pytest uses 0 to 5, newer versions 6, and pytest-rerunfailures 7.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_benchgate.results import RaceReport


class ExitStatus(enum.IntEnum):
    """How a race ended that did not pass.

    SLOWER: a benchmark became slower, head lacks one and must not, or a claim is refuted. UNDECIDED: one failed because
    the race could not tell. ERROR: one could not be raced. NOT_BUILT: a side could not be built.
    """

    SLOWER = pytest.ExitCode.TESTS_FAILED
    UNDECIDED = 10
    ERROR = 11
    NOT_BUILT = 12


def of_failures(report: RaceReport | None) -> ExitStatus:
    """Return the exit status of a race in which something failed: that of the most definite failure."""
    failed = {raced.verdict for raced in report.raced if raced.failed} if report else set()
    if failed & {"slower", "gone", "refuted"}:
        return ExitStatus.SLOWER
    # What failed may also be the collection of a file.
    return ExitStatus.ERROR if failed & {"error", "withheld"} or not failed else ExitStatus.UNDECIDED
