"""Alarms that are raced again with the functions of each build in other places."""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import random
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate import parsers
from pytest_benchgate.explained import Explanation
from pytest_benchgate.race.building import flags
from pytest_benchgate.race.verdicts.exit_status import ExitStatus
from pytest_benchgate.race.verdicts.placement import is_wanted, stands
from pytest_benchgate.results import Raced
from racing import KERNEL, SLOW_CALC, SLOW_KERNEL

if TYPE_CHECKING:
    from racing import Project

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
# The speed of spin depends on where it lies: three times the steps if the bit of 64 of its address is set.
MOODY = KERNEL.replace(
    "PyLong_AsLong(count) * 1;", "PyLong_AsLong(count) * (((uintptr_t)spin >> 6) & 1 ? 3 : 1);"
).replace(
    "static PyObject *\nspin",
    "#include <stdint.h>\n#ifdef __clang__\n#define IN_ORDER\n#else\n"
    "#define IN_ORDER __attribute__((no_reorder))\n#endif\n@BEFORE@\nIN_ORDER static PyObject *\nspin",
)
UNUSED = "IN_ORDER __attribute__((used, noinline)) static int @NAME@(int x) { volatile int y = x * 3; return y + 1; }\n"


def moody(count: int) -> str:
    """Return the moody kernel behind so many functions of one line of the cache each."""
    return MOODY.replace("@BEFORE@", "".join(UNUSED.replace("@NAME@", f"unused{index}") for index in range(count)))


@pytest.fixture
def alarmed(soon: Project) -> Project:
    """A project whose working tree is slower by a function that nobody calls, which moves another one."""
    # Which of the two is slow depends on the compiler.
    for before, after in ((4, 5), (5, 6)):
        soon.commit(**{"kern/_kern.c": moody(before)})
        soon.write(**{"kern/_kern.c": moody(after)})
        if soon.race("HEAD", "--race-placements=0").verdicts == {"test_spin": "slower"}:
            return soon
    pytest.fail("neither is slower than the one before")


@pytest.mark.thorough
def test_a_slowdown_that_comes_from_where_the_code_lies(alarmed: Project) -> None:
    run = alarmed.race("HEAD", "--race-placements=6")
    raced = run.raced("test_spin")
    assert (raced["verdict"], raced["failed"], run.returncode) == ("placement", False, 0)
    assert len(raced["placements"]) == 6
    assert "it depends on where the code lies" in run.text
    strict = alarmed.race("HEAD", "--race-placements=6", "--race-strict")
    assert (strict.verdicts, strict.returncode) == ({"test_spin": "placement"}, ExitStatus.UNDECIDED)


@pytest.mark.thorough
def test_a_slowdown_in_all_places(soon: Project) -> None:
    soon.write(**{"kern/_kern.c": SLOW_KERNEL})
    run = soon.race("HEAD", "--race-placements=6")
    raced = run.raced("test_spin")
    assert (raced["verdict"], len(raced["placements"]), run.returncode) == ("slower", 6, 1)
    assert min(raced["placements"]) > math.log(2)
    assert "Over 6 builds of each side" in run.text


def test_code_that_cannot_be_moved(plain: Project) -> None:
    plain.write(**{"calc.py": SLOW_CALC})
    run = plain.race("HEAD", "--race-placements=6")
    assert (run.verdicts, run.returncode) == ({"test_count": "slower"}, 1)
    assert "whether it is slower in other places of the code is not known: nothing was built" in run.text


def test_flags_that_reach_no_compiler(kern: Project) -> None:
    setup = kern.root.joinpath("setup.py").read_text("utf-8")
    kern.commit(**{"setup.py": f"import os\nos.environ['PATH'] = os.defpath\n{setup}"})
    kern.write(**{"kern/_kern.c": SLOW_KERNEL})
    run = kern.race("HEAD", "--race-placements=6")
    assert (run.verdicts, run.returncode) == ({"test_spin": "slower"}, 1)
    assert "change no instruction of this build" in run.text


@pytest.mark.parametrize("text", ["5", "65", "-1", "many", ""])
def test_a_number_that_tells_nothing(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="must be auto, 0, or a number from 6 to 64"):
        parsers.placements(text)


def test_chance_lets_an_alarm_stand_once_in_256() -> None:
    rng = random.Random(1)
    symmetric = [[rng.uniform(-0.1, 0.1) for _ in range(8)] for _ in range(20000)]
    assert sum(stands(numbers, 0.03) for numbers in symmetric) < 20000 / 256 * 1.3
    slower = [[0.05 + rng.gauss(0, 0.008) for _ in range(8)] for _ in range(2000)]
    assert sum(stands(numbers, 0.03) for numbers in slower) > 0.99 * 2000


def test_functions_are_moved_by_each_number_of_bytes() -> None:
    assert len({flags.moved_by(count) for count in range(1, flags.MOST_BYTES + 1)}) == flags.MOST_BYTES


@pytest.mark.parametrize(
    ("placements", "head", "wanted"),
    [("auto", 1000, True), ("auto", 900, True), ("auto", 1100, False), ("auto", None, False), ("0", 1000, False),
     ("8", 1100, True)],
)  # fmt: skip
def test_which_alarms_are_raced_again(placements: str, head: int | None, wanted: bool) -> None:  # noqa: FBT001
    explanation = Explanation(base=1000, head=head) if head else Explanation(reason="no valgrind")
    raced = Raced(
        "test_x.py::test_x", "test_x", "test_x.py", 1, "slower", failed=True, threshold=0.03, alarm=1e3, repeat="", explanation=explanation
    )  # fmt: skip
    assert is_wanted(placements, raced) == wanted
    assert not is_wanted(placements, dataclasses.replace(raced, verdict="unsure"))
