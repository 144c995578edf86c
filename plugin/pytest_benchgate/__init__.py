"""pytest-benchgate: no benchmark time without a verified answer, no slowdown without an alarm."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_benchgate.comparison import Mismatch, Tolerance, WrongAnswer, compare
    from pytest_benchgate.gate import Gate
    from pytest_benchgate.limits import Limit
    from pytest_benchgate.results import Work
    from pytest_benchgate.unfinished import UnfinishedWork

__all__ = ["Gate", "Limit", "Mismatch", "Tolerance", "UnfinishedWork", "Work", "WrongAnswer", "compare"]

# Imported when asked for: NumPy would cost every run of pytest, and each start of a race, 0.07 s.
_PLACES = {"Gate": "gate", "UnfinishedWork": "unfinished", "Limit": "limits", "Work": "results"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES.get(name, 'comparison')}"), name)
