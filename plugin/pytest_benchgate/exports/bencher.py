"""Bencher Metric Format: the latency of each benchmark in nanoseconds, its median between its quartiles.

https://bencher.dev/docs/reference/bencher-metric-format
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_benchgate.exports.times import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_benchgate.exports.times import Run

# Characters of a benchmark's name there.
MOST = 1024


def render(runs: Sequence[Run]) -> dict[str, str]:
    """Return the file for `bencher run --adapter json --file FILE`."""
    metrics = {
        name: {"latency": {"value": stats.median * 1e9, "lower_value": stats.q1 * 1e9, "upper_value": stats.q3 * 1e9}}
        for name, stats in named(runs, MOST)
    }
    return {"": json.dumps(metrics, indent=1) + "\n"}
