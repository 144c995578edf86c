"""Is the answer right? One module for each family of values; `families` chooses among them.

No library is imported here for its values: where there is one of them, its library is loaded already.
"""

from __future__ import annotations

from pytest_benchgate.comparison.arrays import has_buffer
from pytest_benchgate.comparison.core import Mismatch, Same, Tolerance, WrongAnswer, is_of, text
from pytest_benchgate.comparison.families import compare
from pytest_benchgate.comparison.others import has_identity

__all__ = ["Mismatch", "Same", "Tolerance", "WrongAnswer", "compare", "has_buffer", "has_identity", "is_of", "text"]
