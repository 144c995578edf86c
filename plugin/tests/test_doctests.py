"""The examples in docstrings run, and show what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest
import pytest_benchgate

PACKAGE = Path(str(pytest_benchgate.__file__)).parent
FILES = [path.relative_to(PACKAGE.parent) for path in sorted(PACKAGE.rglob("*.py")) if ">>>" in path.read_text("utf-8")]


@pytest.mark.parametrize("file", FILES, ids=str)
def test_the_examples_of_a_module_run(file: Path) -> None:
    module = importlib.import_module(".".join(file.with_suffix("").parts).removesuffix(".__init__"))
    failed, attempted = doctest.testmod(module)
    assert attempted
    assert not failed


def test_the_gate_has_an_example() -> None:
    assert Path("pytest_benchgate/gate.py") in FILES
