"""Claims and the selection of tests: which are checked, and that none is left out without a word."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from racing import Project

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ("faster_then='test_other'", "race_strict, faster_than, by, slower_than, within, grows, sizes, clock; got faster_then='test_other'"),
        ("'test_other', Grows='n'", "sizes, clock; got 'test_other', Grows='n'"),
    ],
)  # fmt: skip
def test_a_misspelt_claim_does_not_pass_unchecked(plain: Project, marker: str, words: str) -> None:
    """It looked like a test that claims nothing."""
    plain.write(
        **{
            "tests/test_claims.py": "import pytest\ndef test_other(benchmark): benchmark(len, ())\n"
            f"@pytest.mark.benchgate({marker})\ndef test_it(benchmark): benchmark(len, ())\n"
        }
    )
    run = plain.run("--claims")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "test_claims.py::test_it: the marker benchgate takes the keywords race_threshold, race_alpha" in run.text
    assert words in run.text
    assert "claims anything" not in run.text
