"""Is the answer right? One module for each family of values; `families` chooses among them.

No library is imported here for its values: where there is one of them, its library is loaded already.
"""

from __future__ import annotations

from pytest_benchgate.comparison.containers import fields, is_plain
from pytest_benchgate.comparison.core import (
    SIMPLE,
    Mismatch,
    Tolerance,
    WrongAnswer,
    attributes,
    is_of,
    text,
)
from pytest_benchgate.comparison.families import are_equal, compare
from pytest_benchgate.comparison.others import (
    Holding,
    Original,
    Same,
    Uncopied,
    has_identity,
    has_own_equality,
    is_handle,
    is_opaque,
)
from pytest_benchgate.comparison.own import are_unequal, has_written_equality

__all__ = ["SIMPLE", "Holding", "Mismatch", "Original", "Same", "Tolerance", "Uncopied", "WrongAnswer", "are_equal",
           "are_unequal", "attributes", "compare", "fields", "has_identity", "has_own_equality",
           "has_written_equality", "is_handle", "is_of", "is_opaque", "is_plain", "text"]  # fmt: skip
