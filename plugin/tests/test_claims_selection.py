"""Claims and the selection of tests: which are checked, and that none is left out without a word."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.claims.stated import of_item

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


LARGE = """
import pytest

seen = []

def pytest_generate_tests(metafunc):
    seen.append(metafunc.function.__name__)

@pytest.mark.parametrize("kind", range(9))
def test_slow(benchmark, kind): pass

@pytest.mark.benchgate(faster_than="test_slow[{kind}]")
@pytest.mark.benchgate(grows="n", sizes="size")
@pytest.mark.parametrize("kind", range(9))
@pytest.mark.parametrize("size", [10, 20])
def test_it(benchmark, size, kind): pass
"""


def test_a_file_is_collected_once_for_all_of_its_claims(pytester: pytest.Pytester) -> None:
    """With a thousand claims, that took minutes."""
    items = [item for item in pytester.getitems(LARGE) if item.name.startswith("test_it")]
    selected = {item.nodeid: item for item in items}
    claims = [one for item in items for one in of_item(item, selected)]
    assert len(claims) == 18 + 9
    assert isinstance(items[0], pytest.Function)
    assert items[0].module.seen == ["test_slow", "test_it"] * 2


@pytest.mark.parametrize(
    ("keywords", "compared"),
    [
        ("test_it", ("test_it[160]", "test_it[40]")),
        ("not 160", ("test_it[40]", "test_it[10]")),
        ("20", ("test_it[20]", "test_it[10]")),
        ("10", None),
    ],
)
def test_growth_is_that_up_to_the_largest_selected_size(
    pytester: pytest.Pytester, keywords: str, compared: tuple[str, str] | None
) -> None:
    """Without the largest size of all, the claim was checked in no test, and passed over."""
    items = pytester.getitems(
        "import pytest\n@pytest.mark.benchgate(grows='n', sizes='size')\n"
        "@pytest.mark.parametrize('size', [10, 20, 40, 160])\ndef test_it(benchmark, size): pass\n"
    )
    unwanted = keywords.startswith("not ")
    selected = [item for item in items if (keywords.removeprefix("not ") in item.name) is not unwanted]
    collected, kept = {item.nodeid: item for item in items}, {item.nodeid for item in selected}
    claims = [one for item in selected for one in of_item(item, collected, kept)]
    assert [(one.item.name, one.other and one.other.name) for one in claims] == ([compared] if compared else [])
