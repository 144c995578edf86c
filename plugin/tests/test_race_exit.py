"""The exit status of a race, of the other commands, and of a race that git bisect runs."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.race.verdicts.exit_status import ExitStatus
from racing import KERNEL, LIMIT_S, PLAIN, PLUGINS, QUICK, SLOW_CALC

if TYPE_CHECKING:
    from racing import Project

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
DYING = "import os\ndef count(): os.abort()\n"
TEST = PLAIN["tests/test_calc.py"]
further = functools.partial(pytest.param, marks=pytest.mark.thorough)


@pytest.mark.parametrize(
    ("files", "options", "status"),
    [
        ({}, (), pytest.ExitCode.OK),
        ({"calc.py": SLOW_CALC}, (), ExitStatus.SLOWER),
        # An error does not hide a slowdown.
        further({"calc.py": SLOW_CALC, "tests/test_calc.py": TEST + "def test_no(benchmark): benchmark(int, 'x')\n"}, (),
                ExitStatus.SLOWER),
        further({}, ("--race-max-launches=1",), pytest.ExitCode.OK),
        ({}, ("--race-max-launches=1", "--race-strict"), ExitStatus.UNDECIDED),
        ({"calc.py": "def count(): raise OSError\n"}, (), ExitStatus.ERROR),
        further({"calc.py": DYING}, (), ExitStatus.ERROR),
        ({"tests/test_more.py": "import no_such_module\n"}, (), pytest.ExitCode.INTERRUPTED),
        further(
            {"tests/test_more.py": "import no_such_module\n"}, ("--continue-on-collection-errors",), ExitStatus.ERROR
        ),
        ({"tests/test_calc.py": "def test_count(): pass\n"}, ("--race-gone=fail",), ExitStatus.SLOWER),
        ({}, ("--race-threshold=3",), pytest.ExitCode.USAGE_ERROR),
        ({}, ("-k", "nothing"), pytest.ExitCode.NO_TESTS_COLLECTED),
    ],
)  # fmt: skip
def test_how_a_race_ends(plain: Project, files: dict[str, str], options: tuple[str, ...], status: int) -> None:
    plain.write(**files)
    assert plain.race("HEAD", *options).returncode == status


@pytest.mark.parametrize("installed", [False, True])
def test_what_does_not_build(kern: Project, *, installed: bool) -> None:
    """Before the session, for it needs the build to collect the tests, or in it; its summary is printed."""
    kern.write(**{"kern/_kern.c": KERNEL.replace("long total", "lnog total")})
    run = kern.race("HEAD", PYTHONPATH=kern.installed() if installed else "")
    assert run.returncode == ExitStatus.NOT_BUILT
    assert ("no tests ran in" in run.text) == installed


@pytest.mark.thorough
def test_git_bisect_skips_what_a_race_cannot_judge(plain: Project) -> None:
    """The command of the documentation, in a history with commits that cannot be raced."""
    broken = "def count(:\n"
    plain.git("tag", "v1.2")
    fast = PLAIN["calc.py"]
    contents = [fast, broken, fast, SLOW_CALC, SLOW_CALC, broken, SLOW_CALC]
    commits = [plain.commit(**{"calc.py": text, "n.txt": f"{n}\n"}) for n, text in enumerate(contents)]
    plain.git("bisect", "start", "HEAD", "v1.2")
    options = " ".join([*QUICK, *PLUGINS, "-p no:cacheprovider", f"--race-cache={plain.cache}", "--race-explain=off"])
    script = (
        f"pytest --benchmark-only --race=v1.2 --race-strict {options} tests/test_calc.py; "
        "s=$?; [ $s -le 1 ] || s=125; exit $s"
    )
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    search = plain.start(command=["git", "bisect", "run", "sh", "-c", script], PATH=path)
    text, _ = search.communicate(timeout=5 * LIMIT_S)
    plain.git("bisect", "reset")
    assert f"{commits[3]} is the first bad commit" in text, text
