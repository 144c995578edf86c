"""pytest-benchgate: no benchmark time without a verified answer."""

from pytest_benchgate.compare import Mismatch, Tolerance, WrongAnswer, compare
from pytest_benchgate.gate import Gate, UnfinishedWork
from pytest_benchgate.limits import Limit
from pytest_benchgate.results import Work

__all__ = ["Gate", "Limit", "Mismatch", "Tolerance", "UnfinishedWork", "Work", "WrongAnswer", "compare"]
