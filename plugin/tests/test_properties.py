"""What JUnit XML says of races and gates, beside passed or failed."""

from __future__ import annotations

import dataclasses
import os
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hostile import HOSTILE
from pytest_benchgate.reports import properties
from racing import SLOW_CALC
from test_reports import RACE, SLOWER

if TYPE_CHECKING:
    from racing import Project

    from conftest import Suite


def read(path: Path) -> dict[str, tuple[dict[str, str], set[str]]]:
    """Return by a test's name its properties, and the kinds of its other elements."""
    # The plugin's own test has written it.
    root = ET.parse(path).getroot()  # noqa: S314
    return {
        case.get("name", ""): (
            {one.get("name", ""): one.get("value", "") for one in case.iterfind("properties/property")},
            {one.tag for one in case} - {"properties"},
        )
        for case in root.iter("testcase")
    }


@pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
def test_a_race_s_verdicts_are_in_junit_xml(plain: Project) -> None:
    plain.commit(
        **{
            "tests/test_more.py": "def test_lost(benchmark): benchmark(int)\ndef test_kept(benchmark): benchmark(sum, range(99))\n"
        }
    )
    head = plain.git("rev-parse", "--short=10", "HEAD")
    plain.write(**{"calc.py": SLOW_CALC, "tests/test_more.py": "def test_kept(benchmark): benchmark(sum, range(99))\n"})
    xml = plain.folder / "junit.xml"
    run = plain.race("HEAD", "--race-gone=fail", f"--junitxml={xml}")
    cases = read(xml)
    found, failed = cases["test_count"]
    assert failed == {"failure"}, run.text
    assert float(found.pop("benchgate.change_percent")) > 50
    assert float(found.pop("benchgate.low_percent")) <= float(found.pop("benchgate.high_percent"))
    assert 0 < float(found.pop("benchgate.base_s")) < float(found.pop("benchgate.head_s")) < 1
    assert 0 <= float(found.pop("benchgate.coverage_percent")) <= 95
    assert found.pop("benchgate.repeat").startswith("pytest --benchmark-only ")
    assert found == {
        "benchgate.verdict": "slower", "benchgate.base": f"HEAD ({head})", "benchgate.head": "the working tree",
        "benchgate.threshold_percent": "50",
    }  # fmt: skip
    kept, passed = cases["test_kept"]
    assert (kept["benchgate.verdict"], passed) == ("same", set())
    lost, gone = cases["test_lost"]
    assert (lost["benchgate.verdict"], gone) == ("gone", {"failure"})
    assert lost["benchgate.reason"].startswith("head has no such")


def test_gated_benchmarks_are_verified_or_withheld_and_no_time_is_told(suite: Suite) -> None:
    suite(
        """
        def test_good(gate): gate(lambda: 1, expect=1)
        def test_plain(benchmark): benchmark(lambda: 1)
        def test_bad(gate): gate(lambda: 1, expect=2)
        def test_late(gate, request):
            request.addfinalizer(lambda: 1 / 0)
            gate(lambda: 1, expect=1)
        def test_other(): pass
        """,
        "--junitxml=junit.xml",
    )
    cases = {name: found for name, (found, _) in read(Path("junit.xml")).items()}
    assert cases == {
        "test_good": {"benchgate.verified": "true"},
        "test_plain": {},
        "test_bad": {
            "benchgate.withheld": "WrongAnswer: wrong answer on the first call, before timing: 1 of 1 differ, got 1, expected 2"
        },
        "test_late": {"benchgate.withheld": "ZeroDivisionError: division by zero"},
        "test_other": {},
    }


def test_values_are_short_printable_text() -> None:
    for text in HOSTILE.values():
        report = dataclasses.replace(RACE, base=text, head=text)
        raced = dataclasses.replace(SLOWER, reason=text, repeat=text)
        for name, value in properties.of_races([raced, raced], report):
            assert name.removeprefix("benchgate.").replace("_", "").isalpha()
            assert value.isprintable()
            assert len(value) <= 1000
