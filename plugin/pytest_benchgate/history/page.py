"""The HTML page of a history."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_benchgate.page import page
from pytest_benchgate.page.sections import history as sections

if TYPE_CHECKING:
    from pytest_benchgate.history.results import History


def render(history: History) -> str:
    """Return the page, complete in one text."""
    verdicts = Counter(filter(None, map(sections.verdict, history.curves)))
    drifted, count = verdicts[sections.DRIFTED], f"{len(history.curves)} benchmarks over {len(history.commits)} commits"
    title = f"{drifted} drifted, of {count}" if drifted else f"Nothing has drifted among {count}"
    return page.compose(title, [*sections.build(history)], verdicts)
