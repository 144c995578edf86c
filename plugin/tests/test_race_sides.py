"""What is raced: whose tests, with which options, in which environments; and that both sides really are two."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from racing import KERNEL, PLAIN, QUICK, SLOW_CALC, SLOW_KERNEL, UNDECIDED, Project

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
IMPORTED = "import kern\ndef test_spin(benchmark):\n    benchmark(kern.spin, 2000)\n"


def layered(folder: Path, *, whole: bool = True) -> Path:
    """Return the interpreter of a new environment, which has all that this one has unless it is not `whole`."""
    venv.EnvBuilder(symlinks=True).create(folder)
    purelib = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    lines = [f"import site; site.addsitedir({place!r})\n" for place in site.getsitepackages()] if whole else []
    (purelib / "outer.pth").write_text("".join(lines))
    return folder / "bin" / "python"


def install(python: Path, name: str, version: str, files: dict[str, str]) -> Path:
    """Install modules into an environment, as a wheel would; return where they are."""
    purelib = Path(sysconfig.get_path("purelib", "venv", {"base": str(python.parent.parent)}))
    info = f"{name}-{version}.dist-info"
    told = {f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}
    record = {f"{info}/RECORD": "".join(f"{file},,\n" for file in [*files, *told, f"{info}/RECORD"])}
    for file, text in {**files, **told, **record}.items():
        (purelib / file).parent.mkdir(parents=True, exist_ok=True)
        (purelib / file).write_text(text)
    return purelib


@pytest.mark.thorough
def test_head_s_tests_are_run_on_both_sides(plain: Project) -> None:
    """Also those of a new file. In base, the tests' own helper and conftest.py are others, and would fail."""
    tests = PLAIN["tests/test_calc.py"].replace("import calc", "import calc, helper")
    plain.commit(**{
        "tests/helper.py": "raise OSError('an old helper')\n", "tests/conftest.py": "old = True\n", "tests/gone.py": "\n",
        "tests/test_calc.py": tests,
    })  # fmt: skip
    plain.write(**{
        "calc.py": SLOW_CALC, "tests/helper.py": "\n", "tests/conftest.py": "import pytest\n@pytest.fixture\ndef given():\n    return 7\n",
        "tests/test_calc.py": tests + "def test_added(benchmark, given):\n    benchmark(calc.count, 40 * given)\n",
        "tests/test_more.py": PLAIN["tests/test_calc.py"].replace("test_count", "test_more"),
    })  # fmt: skip
    (plain.root / "tests" / "gone.py").unlink()
    run = plain.race("HEAD")
    assert run.verdicts == {"test_count": "slower", "test_added": "slower", "test_more": "slower"}
    assert "note: head's tests are run on both sides; they differ from base's own: tests" in run.text


def test_bytecode_files_are_not_a_difference_of_tests(plain: Project) -> None:
    """Base's own tests are collected first, where head's settings may differ."""
    plain.commit(**{"tests/__init__.py": "", "tests/helper.py": "\n", "tests/conftest.py": "from . import helper\n"})
    plain.write(**{"calc.py": SLOW_CALC})
    run = plain.race("HEAD", PYTHONDONTWRITEBYTECODE="")
    assert run.verdicts == {"test_count": "slower"}
    assert "head's tests" not in run.text


@pytest.mark.thorough
def test_bytecode_files_are_kept_where_none_are_to_be_written(soon: Project, tmp_path: Path) -> None:
    """As in many containers; else each race would compile pytest, and all that the tests import, again."""
    cache = tmp_path / "cache"
    once = (f"--race-cache={cache}", "--race-max-launches=1")
    kept = []
    for _ in range(2):
        assert soon.race("HEAD", *once, PYTHONDONTWRITEBYTECODE="1").verdicts
        kept.append({file: file.stat().st_mtime_ns for file in (cache / "bytecode").rglob("*.pyc")})
    assert kept[0] == kept[1]
    names = {file.name.partition(".")[0] for file in kept[0]}
    # Of the environment and of the build, but not of this race's own copies of the tests.
    assert {"python", "__init__"} <= names
    assert not any(name.startswith("test_kern") for name in names)


@pytest.mark.thorough
def test_each_side_may_run_its_own_tests(plain: Project) -> None:
    tests = PLAIN["tests/test_calc.py"]
    plain.commit(**{"tests/test_calc.py": tests.replace("calc.count", "calc.count, 900")})
    plain.write(**{"tests/test_calc.py": tests + "def test_added(benchmark):\n    benchmark(calc.count)\n"})
    run = plain.race("HEAD", "--race-tests=own")
    assert run.verdicts == {"test_count": "faster", "test_added": "new"}
    assert (run.raced("test_added")["side"], run.returncode) == ("base", 0)
    assert "head's tests" not in run.text
    assert "--race-tests=own" in run.raced("test_count")["repeat"]


def test_tests_beside_the_code(plain: Project) -> None:
    """Without a folder of their own: only the test's file and the conftest.py above it are head's."""
    plain.git("mv", "tests/test_calc.py", "test_calc.py")
    plain.commit(**{"conftest.py": "def pytest_addoption(parser): parser.addoption('--times', default='none')\n"})
    test = "import calc\ndef test_count(benchmark, pytestconfig):\n    benchmark(calc.count, 300 * int(pytestconfig.getoption('times')))\n"
    plain.write(**{"test_calc.py": test, "calc.py": SLOW_CALC})
    run = plain.race("HEAD", "--times", "2")
    assert run.verdicts == {"test_count": "slower"}
    assert "they differ from base's own: test_calc.py" in run.text
    assert "--times 2" in run.raced("test_count")["repeat"]


def test_the_same_source_tree_is_reported(plain: Project) -> None:
    run = plain.race("main", *UNDECIDED)
    assert (run.verdicts, run.returncode) == ({"test_count": "unsure"}, 0)
    assert "note: base and head are the same source tree: this is a null race" in run.text


def test_equal_files_are_reported(plain: Project) -> None:
    plain.write(**{"readme.txt": "only words differ\n"})
    run = plain.race("main", *UNDECIDED)
    assert run.verdicts == {"test_count": "unsure"}
    assert "note: both sides have loaded equal files (1): nothing that was raced differs" in run.text


def test_options_reach_the_workers(plain: Project) -> None:
    """From the command line, the ini file and PYTEST_ADDOPTS; those that stop a race or write a report do not."""
    conftest = (
        "def pytest_addoption(parser):\n    for name in 'abc': parser.addoption(f'--{name}{name}', default='no')\n"
    )
    test = "import calc\ndef test_count(benchmark, pytestconfig):\n    got = [pytestconfig.getoption(2 * name) for name in 'abc']\n    assert got == ['1', '2 3', '4']\n    benchmark(calc.count)\n"
    ini = "addopts = --aa=1 -n 2 --benchmark-disable -x --junitxml=junit.xml --benchmark-save=kept -m 'not x'\nmarkers = x\n"
    plain.commit(**{"conftest.py": conftest, "tests/test_calc.py": test, "pytest.ini": PLAIN["pytest.ini"] + ini})
    plain.write(**{"calc.py": SLOW_CALC})
    times = plain.folder / "times.json"
    options = (
        "-p",
        "xdist",
        "--cc",
        "4",
        "-k",
        "tests",
        "tests",
        f"--benchmark-json={times}",
        "-q",
        "--strict-markers",
    )
    run = plain.race("HEAD", *options, PYTEST_ADDOPTS="'--bb=2 3' -p no:randomly")
    assert run.verdicts == {"test_count": "slower"}, run.text
    assert times.stat().st_size > 0
    assert len(list(plain.root.rglob("*_kept.json"))) == 1
    assert (plain.root / "junit.xml").is_file()


@pytest.mark.thorough
@pytest.mark.parametrize("cwd", [".", pytest.param("packages/one", marks=pytest.mark.thorough), "packages/one/tests"])
def test_a_project_in_a_subfolder(plain: Project, cwd: str) -> None:
    for name in ("pytest.ini", "calc.py", "tests/test_calc.py"):
        (plain.root / "packages" / "one" / name).parent.mkdir(parents=True, exist_ok=True)
        (plain.root / name).rename(plain.root / "packages" / "one" / name)
    plain.commit(**{"packages/one/data.txt": "300", "calc.py": "raise OSError('of another project')\n"})
    test = "import calc, pathlib\ndef test_count(benchmark):\n    benchmark(calc.count, int(pathlib.Path(__file__).parents[1].joinpath('data.txt').read_text()))\n"
    plain.write(**{"packages/one/calc.py": SLOW_CALC, "packages/one/tests/test_calc.py": test})
    places = [os.path.relpath(plain.root / "packages" / "one" / "tests", plain.root / cwd)]
    run = plain.race("HEAD", *places, cwd=plain.root / cwd)
    assert run.verdicts == {"test_count": "slower"}, run.text


def test_temporary_files_in_the_repository_are_no_part_of_it(plain: Project) -> None:
    temporary = plain.root / "tmp"
    temporary.mkdir()
    run = plain.race("HEAD", *UNDECIDED, TMPDIR=str(temporary))
    assert run.verdicts == {"test_count": "unsure"}, run.text
    assert "collected 1 item" in run.text
    assert [*temporary.iterdir()] == []


def test_tests_outside_of_the_root_are_refused(plain: Project) -> None:
    outside = plain.folder / "outside" / "test_out.py"
    outside.parent.mkdir()
    outside.write_text("def test_out(benchmark):\n    benchmark(sum, [1])\n")
    run = plain.race("HEAD", f"--rootdir={plain.root}", str(outside))
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "so that it cannot be raced; set --rootdir" in run.text


def test_an_unintended_race_with_itself_is_refused(plain: Project) -> None:
    """Both sides would find the same files, in the user's own tree, where there is no build that goes before it."""
    plain.write(**{"calc.py": SLOW_CALC})
    run = plain.race("HEAD", f"-opythonpath={plain.root}")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR, run.text
    assert f"runs {plain.root}/calc.py" in run.text
    assert "with both sides alike, nothing would ever be slower" in run.text
    assert "Traceback" not in run.text


@pytest.mark.thorough
def test_an_editable_install_is_not_in_the_way(kern: Project) -> None:
    """The session's environment has the project, by a hook and by a path; the sides have what was built."""
    python = layered(kern.folder / "editable")
    hook = f"import sys; sys.path.insert(0, {str(kern.root)!r})\n"
    purelib = install(python, "kern-el_fast", "0.9", {"__editable__.kern.pth": hook, "src.pth": f"{kern.root}\n"})
    (purelib / "unrecorded.pth").write_text(f"{kern.root}\n")
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=kern.root, env=kern.environment(), check=True
    )
    kern.commit(**{"tests/test_kern.py": IMPORTED})
    kern.write(**{"kern/_kern.c": SLOW_KERNEL})
    assert list(kern.root.glob("kern/_kern*.so"))
    code = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    command = [str(python), "-P", "-c", code, *kern.command("--race=HEAD", *QUICK)[1:]]
    run = kern.run(command=command)
    assert run.verdicts == {"test_spin": "slower"}, run.text
    assert run.returncode == pytest.ExitCode.TESTS_FAILED


def test_an_environment_that_has_base_already(plain: Project) -> None:
    (plain.root / "calc.py").unlink()
    plain.commit(**{"pytest.ini": "[pytest]\n", "pyproject.toml": "[project]\nname = 'Calc.Fast'\nversion = '2'\n"})
    base, head = (layered(plain.folder / name) for name in ("base-env", "head-env"))
    own = install(base, "calc_fast", "1", {"calc.py": PLAIN["calc.py"]})
    behind = install(head, "calc_fast", "2", {"calc.py": SLOW_CALC})
    (own / "zz-behind.pth").write_text(f"{behind}\n")  # as where an environment lies over another
    code = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    command = [str(head), "-P", "-c", code, *plain.command(f"--race-base-python={base}", *QUICK)[1:]]
    run = plain.run(command=command)
    assert run.verdicts == {"test_count": "slower"}, run.text
    assert "note: calc-fast: 1 in base, 2 in head" in run.text
    assert f"--race-base-python={base}" in run.raced("test_count")["repeat"]


def test_an_environment_that_is_this_one(plain: Project) -> None:
    """It has the same files: by a path into the source tree, as an editable install has it."""
    plain.commit(**{"pyproject.toml": "[project]\nname = 'calc'\nversion = '1'\n"})
    base = layered(plain.folder / "base-env")
    run = plain.run(f"--race-base-python={base}", *QUICK)
    assert run.returncode == pytest.ExitCode.USAGE_ERROR, run.text
    assert f"both sides run {plain.root}/calc.py" in run.text


def test_an_environment_that_lacks_the_plugin(plain: Project) -> None:
    bare = layered(plain.folder / "bare", whole=False)
    run = plain.run(f"--race-base-python={bare}", *QUICK)
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "lacks what a worker needs: No module named 'pytest_benchgate'" in run.text
    assert f"{bare} -m pip install pytest-benchgate" in run.text


def test_a_crash_of_the_extension_is_reported(kern: Project) -> None:
    kern.write(
        **{"kern/_kern.c": KERNEL.replace("unsigned long total = 0;", "unsigned long total = *(volatile long *)8;")}
    )
    run = kern.race("HEAD")
    assert run.verdicts == {"test_spin": "error"}
    assert run.raced("test_spin")["side"] == "head"
    assert "signal SIGSEGV" in run.raced("test_spin")["reason"]
