"""The file of the action github-action-benchmark with `tool: customSmallerIsBetter`: medians in nanoseconds.

Always in one unit, since it draws the numbers of many runs as they are. Its own `tool: pytest` draws operations per
second from the mean, which a single slow round changes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_benchgate.exports.times import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_benchgate.exports.times import Run

# Characters of a name, which stands above a picture.
MOST = 1000


def render(runs: Sequence[Run]) -> dict[str, str]:
    """Return the file."""
    found = [
        {
            # It puts names between backticks, into a table.
            "name": name.replace("`", "'").replace("|", "¦"),
            "unit": "ns",
            "value": stats.median * 1e9,
            "range": f"± {(stats.q3 - stats.q1) / 2 * 1e9:.3g}",
            "extra": f"mean: {stats.mean * 1e9:.4g} ns\nrounds: {stats.rounds}\niterations: {stats.iterations}",
        }
        for name, stats in named(runs, MOST)
    ]
    return {"": json.dumps(found, indent=1) + "\n"}
