"""The versioned addition to pytest-benchmark's JSON, which stays pytest-benchmark's own format.

Under "benchgate" at the top: the schema and what was withheld. Under extra_info.benchgate of each gated benchmark:
what session.as_json says. Under machine_info.benchgate: where it ran.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pytest_benchgate.results import SCHEMA

if TYPE_CHECKING:
    from pytest_benchgate.results import Report


def render(report: Report) -> dict[str, Any]:
    """Return what stands under "benchgate" at the top of the JSON."""
    return {"schema": SCHEMA, "withheld": [dataclasses.asdict(entry) for entry in report.withheld]}
