"""Where the raced modules come from: the build of each side alone, however a project is laid out and pytest is called.

Head is three times slower in C only, and pure Python stands in where the C is not found: a side that ran its source
tree would be the `same`. Nothing is installed: the session itself collects on head's build.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.race.building import extensions
from pytest_benchgate.race.verdicts.exit_status import ExitStatus
from racing import BACKEND, BY_BACKEND, IGNORED, KERN, KERNEL, PYPROJECT, QUICK, SLOW_KERNEL, Project, Run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
THOROUGH = pytest.mark.thorough
FALLBACK = """\
try:
    from {package}._kern import spin
except ImportError:
    def spin(count):
        for _ in range(count):
            pass
"""
TEST = "from {package} import spin\ndef test_spin(benchmark):\n    benchmark(spin, 2000)\n"


def files(package: str = "kern", top: str = "", packed: Sequence[str] = (), **more: str) -> dict[str, str]:
    """Return a project with a package in the folder `top`, and tests of it; `more` by path, `packed` by name."""
    folder = top + package.replace(".", "/")
    return {
        ".gitignore": IGNORED,
        "pyproject.toml": BY_BACKEND,
        "backend.py": BACKEND.format(top=top or ".", packed=[package.replace(".", "/"), *packed]),
        f"{folder}/__init__.py": FALLBACK.format(package=package),
        f"{folder}/_kern.c": KERNEL,
        "tests/test_spin.py": TEST.format(package=package),
        **more,
    }


def made(tmp_path: Path, cache: Path, layout: dict[str, str]) -> Project:
    """Return a project of this layout, whose last commit made the C slower."""
    project = Project.make(tmp_path / "project", cache, layout)
    project.commit(**{name: SLOW_KERNEL for name in layout if name.endswith("_kern.c")})
    return project


def judged(run: Run) -> tuple[dict[str, str], int]:
    return run.verdicts, run.returncode


INSIDE = files(
    packed=["kern/tests"],
    **{
        "kern/conftest.py": "import pytest\nimport kern\n@pytest.fixture\ndef count():\n    return 2000\n",
        "kern/tests/__init__.py": "",
        "kern/tests/helper.py": "import kern\nspin = kern.spin\n",
        "kern/tests/test_inside.py": "from .. import spin\nfrom . import helper\n"
        "def test_inside(benchmark, count):\n    assert spin is helper.spin\n    benchmark(spin, count)\n",
    },
)


@pytest.mark.parametrize("mode", [*(pytest.param(mode, marks=THOROUGH) for mode in ("prepend", "append")), "importlib"])
def test_tests_inside_the_package(tmp_path: Path, race_cache: Path, mode: str) -> None:
    project = made(tmp_path, race_cache, INSIDE)
    run = project.race("HEAD~1", f"--import-mode={mode}", "kern", "tests")
    assert judged(run) == ({"test_inside": "slower", "test_spin": "slower"}, 1), run.text


def test_what_an_earlier_build_has_left_is_not_raced(tmp_path: Path, race_cache: Path) -> None:
    """By setuptools, as `pip install .` leaves it where no .gitignore names it: object files of before the change."""
    project = Project.make(tmp_path / "project", race_cache, {**KERN, ".gitignore": "__pycache__/\n"})
    build = subprocess.run(
        [sys.executable, "setup.py", "-q", "build"], cwd=project.root, capture_output=True, check=False
    )
    assert [*project.root.glob("build/**/_kern*.o")], build.stderr
    project.write(**{"kern/_kern.c": SLOW_KERNEL})
    run = project.race("HEAD", "--benchgate-markdown=report.md")
    assert judged(run) == ({"test_spin": "slower"}, 1), run.text
    (note,) = run.race["notes"]
    ours = "Kern.El_fast.egg-info/, build/"
    assert re.fullmatch(rf"head has \d+ files that are neither committed nor ignored: {ours}", note)
    # The report that was just written is no reason to build head again.
    again = project.race("HEAD", "--benchgate-markdown=report.md", "--race-max-launches=1")
    assert "building" not in again.text
    assert project.left_behind() == []


CONFTEST = "import sys, pathlib\nsys.path.insert(0, str(pathlib.Path(__file__).parent / 'lib'))\nimport kern\n"
IN_THE_WHEEL = files(
    packed=["tests/helper.py"],
    **{
        "tests/__init__.py": "",
        "tests/helper.py": "",
        "tests/test_spin.py": "import tests.helper\n" + TEST.format(package="kern"),
    },
)
LAYOUTS = {
    "flat": files(**{"tests/__init__.py": ""}),
    "src": files(top="src/", **{"pytest.ini": "[pytest]\npythonpath = src\npython_files = *.py\n"}),
    "conftest": files(top="lib/", **{"conftest.py": CONFTEST}),
    "namespace": files("space.kern", **{"pytest.ini": "[pytest]\npythonpath = .\n"}),
    "tests in the wheel": IN_THE_WHEEL,
    "package of the name of tests": files("perf", **{"perf/tests/test_more.py": "", "tests/__init__.py": ""}),
}


@pytest.mark.parametrize("layout", ["flat", *(pytest.param(one, marks=THOROUGH) for one in LAYOUTS if one != "flat")])
def test_the_source_tree_is_on_the_path(tmp_path: Path, race_cache: Path, layout: str) -> None:
    """By its configuration or a conftest.py, by `python -m pytest`, and by PYTHONPATH."""
    project = made(tmp_path, race_cache, LAYOUTS[layout])
    command = project.command("--race=HEAD~1", *QUICK, "tests")
    run = project.run(command=[sys.executable, "-m", "pytest", *command[1:]], PYTHONPATH=str(project.root))
    assert judged(run) == ({"test_spin": "slower"}, 1), run.text


STRANGERS = {
    "another name": ("from src.kern import spin\n", "src.kern is "),
    "by its path": (
        (
            "import importlib.util, pathlib\n"
            "path = pathlib.Path(__file__).parents[1] / 'src' / 'kern' / '__init__.py'\n"
            "spec = importlib.util.spec_from_file_location('kern', path)\n"
            "kern = importlib.util.module_from_spec(spec)\nimport sys\nsys.modules['kern'] = kern\n"
            "spec.loader.exec_module(kern)\nspin = kern.spin\n"
        ),
        "kern is ",
    ),
    "a finder of its own": (
        (
            "import importlib.machinery, pathlib, sys\nclass Finder:\n    @staticmethod\n"
            "    def find_spec(name, path=None, target=None):\n        if name == 'kern':\n"
            "            place = str(pathlib.Path(__file__).parents[1] / 'src')\n"
            "            return importlib.machinery.PathFinder.find_spec(name, [place])\n"
            "sys.meta_path.insert(0, Finder)\nfrom kern import spin\n"
        ),
        "kern is ",
    ),
}


@pytest.mark.parametrize(
    "kind", ["by its path", *(pytest.param(one, marks=THOROUGH) for one in STRANGERS if one != "by its path")]
)
def test_a_source_tree_in_place_of_the_build_is_an_error(tmp_path: Path, race_cache: Path, kind: str) -> None:
    code, told = STRANGERS[kind]
    test = f"{code}def test_spin(benchmark):\n    benchmark(spin, 2000)\n"
    project = made(tmp_path, race_cache, files(top="src/", **{"tests/test_spin.py": test}))
    run = project.race("HEAD~1", "-opythonpath=.", "tests")
    assert judged(run) == ({"test_spin": "error"}, ExitStatus.ERROR), run.text
    reason = run.raced("test_spin")["reason"]
    assert told in reason
    assert "src/kern/__init__.py, which is not part of the build that is raced" in reason
    assert "Import the project by its installed name" in reason


@pytest.mark.thorough
def test_a_project_below_the_root(tmp_path: Path, race_cache: Path) -> None:
    """The configuration of pytest lies above, and base had the project elsewhere."""
    project = Project.make(tmp_path / "project", race_cache, {**files(), "pytest.ini": "[pytest]\n"})
    for name in files():
        (project.root / "python" / name).parent.mkdir(parents=True, exist_ok=True)
        (project.root / name).rename(project.root / "python" / name)
    project.commit(**{"python/kern/_kern.c": SLOW_KERNEL, "python/kern/conftest.py": "import kern\n"})
    assert judged(project.race("HEAD~1", "python/tests")) == ({"test_spin": "slower"}, 1)


@pytest.mark.thorough
def test_a_package_that_is_new_is_not_taken_from_what_is_installed(tmp_path: Path, race_cache: Path) -> None:
    """The session's environment has head's, and base none."""
    project = Project.make(tmp_path / "project", race_cache, files())
    backend = files(packed=["fast"])["backend.py"]
    test = "def test_fast(benchmark):\n    import fast\n    benchmark(fast.spin, 2000)\n"
    project.commit(**{"backend.py": backend, "fast/__init__.py": "from kern import spin\n", "tests/test_fast.py": test})
    installed = project.folder / "installed"
    installed.mkdir()
    (installed / "fast.py").write_text("from kern import spin\n")
    run = project.race("HEAD~1", PYTHONPATH=str(installed))
    assert run.verdicts == {"test_spin": "same", "test_fast": "new"}, run.text
    assert "this side of the race has none" in run.raced("test_fast")["reason"]


@pytest.mark.thorough
def test_a_wheel_without_modules_is_refused(tmp_path: Path, race_cache: Path) -> None:
    layout = {**files(), "backend.py": BACKEND.format(top=".", packed=[])}
    run = made(tmp_path, race_cache, layout).race("HEAD~1", "-opythonpath=.")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR, run.text
    assert "the wheel that was built of base has no module" in run.text


@pytest.mark.thorough
def test_a_module_that_the_wheel_lacks_is_named(tmp_path: Path, race_cache: Path) -> None:
    test = "import kern.more.deep\n" + TEST.format(package="kern")
    layout = files(**{"kern/more/__init__.py": "", "kern/more/deep.py": "", "tests/test_spin.py": test})
    run = made(tmp_path, race_cache, layout).race("HEAD~1", "-opythonpath=.", "tests")
    assert run.returncode == pytest.ExitCode.INTERRUPTED, run.text
    assert "No module named 'kern.more': it is not in the wheel that was built" in run.text


def test_a_project_for_another_python_is_refused_before_it_is_built(tmp_path: Path, race_cache: Path) -> None:
    layout = files()
    layout["pyproject.toml"] += "requires-python = '>=99.1'\n"
    run = made(tmp_path, race_cache, layout).race("HEAD~1")
    assert run.returncode == ExitStatus.NOT_BUILT, run.text
    assert "requires Python >=99.1, and this is " in run.text
    assert "building" not in run.text


def test_a_root_that_is_a_package_is_refused_before_it_is_built(tmp_path: Path, race_cache: Path) -> None:
    run = made(tmp_path, race_cache, files(**{"__init__.py": ""})).race("HEAD~1", "tests")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR, run.text
    assert "itself is a package" in run.text
    assert "building" not in run.text


@pytest.mark.parametrize("packed", [[], pytest.param(["benchmarks"], marks=THOROUGH)], ids=["", "in-wheel"])
def test_a_root_that_is_a_package_of_tests(tmp_path: Path, race_cache: Path, packed: list[str]) -> None:
    """A configuration beside the benchmarks makes their folder pytest's rootdir; find_packages() packs it, too."""
    inside = {"__init__.py": "", "pytest.ini": "[pytest]\n", "data.py": "COUNT = 2000\n"}
    test = "from benchmarks.data import COUNT\nfrom kern import spin\ndef test_spin(benchmark):\n    benchmark(spin, COUNT)\n"
    layout = files(
        packed=packed, **{f"benchmarks/{name}": text for name, text in {**inside, "test_spin.py": test}.items()}
    )
    run = made(tmp_path, race_cache, layout).race("HEAD~1", "-c", "benchmarks/pytest.ini", "benchmarks")
    assert judged(run) == ({"test_spin": "slower"}, 1), run.text


@pytest.mark.thorough
def test_a_process_that_a_benchmark_starts_has_the_build(tmp_path: Path, race_cache: Path) -> None:
    code = "import subprocess, sys\ndef run():\n    subprocess.run([sys.executable, '-c', 'import kern; kern.spin(100_000_000)'], check=True)\n"
    layout = files(**{"tests/test_spin.py": f"{code}def test_spin(benchmark):\n    benchmark(run)\n"})
    assert judged(made(tmp_path, race_cache, layout).race("HEAD~1")) == ({"test_spin": "slower"}, 1)


def test_a_package_that_asks_for_its_version(tmp_path: Path, race_cache: Path) -> None:
    """At import, by its metadata, which the session has of no installed project."""
    layout = files()
    layout["kern/__init__.py"] += "import importlib.metadata\n__version__ = importlib.metadata.version('kern')\n"
    layout["tests/test_spin.py"] += "    import kern\n    assert kern.__version__ == '1.0'\n"
    assert judged(made(tmp_path, race_cache, layout).race("HEAD~1")) == ({"test_spin": "slower"}, 1)


def test_a_script_that_a_benchmark_starts_is_that_of_the_build(tmp_path: Path, race_cache: Path) -> None:
    """Not that of the session's environment, which both sides would run."""
    code = "import subprocess\ndef test_script(benchmark):\n    benchmark(subprocess.run, ['kern-spin'], check=True)\n"
    layout = files(**{"tests/test_spin.py": code})
    layout["kern/__init__.py"] += "def main():\n    spin(100_000_000)\n"
    scripts = "    held[INFO + '/entry_points.txt'] = b'[console_scripts]\\nkern-spin = kern:main\\n'\n"
    layout["backend.py"] = layout["backend.py"].replace(
        '    held[INFO + "/RECORD"]', f'{scripts}    held[INFO + "/RECORD"]'
    )
    assert judged(made(tmp_path, race_cache, layout).race("HEAD~1")) == ({"test_script": "slower"}, 1)


def test_a_side_that_lacks_an_extension_module_is_an_error(tmp_path: Path, race_cache: Path) -> None:
    """Where an extension is optional, its build may fail, and only print a warning."""
    layout = files()
    layout["backend.py"] = layout["backend.py"].replace("False", "True", 1)
    project = Project.make(tmp_path / "project", race_cache, layout)
    project.commit(**{"kern/_kern.c": KERNEL.replace("long total", "lnog total")})
    run = project.race("HEAD~1")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR, run.text
    assert "head was built without the extension module kern._kern, which the other side has" in run.text
    project.commit(**{"kern/_kern.c": KERNEL.replace("long total", "lnog  total")})
    run = project.race("HEAD~1", "--race-max-launches=1")
    assert "no side has an extension module, though the source kern/_kern.c is there" in run.text
    assert run.returncode == 0, run.text


@pytest.mark.thorough
def test_a_library_of_ctypes_is_part_of_a_side(tmp_path: Path, race_cache: Path) -> None:
    """The modules of both sides are equal then; so it would not be true that nothing differs."""
    layout = {
        ".gitignore": IGNORED,
        "pyproject.toml": f"{PYPROJECT}[tool.setuptools]\npackages = ['kern']\npackage-data = {{ kern = ['*.so'] }}\n",
        "kern/__init__.py": "import ctypes, pathlib\nspin = ctypes.CDLL(str(pathlib.Path(__file__).parent / 'spin.so')).spin\n",
        "kern/spin.c": "void spin(int n) { for (volatile int i = 0; i < n; i++) { } }\n",
        "setup.py": (
            "import subprocess\nfrom setuptools import setup\n"
            "subprocess.run(['cc', '-shared', '-fPIC', 'kern/spin.c', '-o', 'kern/spin.so'], check=True)\nsetup()\n"
        ),
        "tests/test_kern.py": KERN["tests/test_kern.py"],
    }
    project = Project.make(tmp_path / "project", race_cache, layout)
    project.commit(**{"kern/spin.c": "void spin(int n) { for (volatile int i = 0; i < 3 * n; i++) { } }\n"})
    run = project.race("HEAD~1", "--race-max-launches=1")
    assert run.race["raced"][0]["change"] > 0.5
    assert "equal files" not in run.text


def test_python_that_cython_compiles_is_a_source(tmp_path: Path) -> None:
    """As in python-zeroconf, whose build goes on without its extensions where Cython rejects them."""
    (tmp_path / "kern").mkdir()
    (tmp_path / "kern" / "_kern.py").write_text("def spin(count: int) -> int:\n    return count\n")
    assert extensions.unbuilt(tmp_path) == ()
    (tmp_path / "kern" / "_kern.pxd").write_text("cpdef long spin(long count)\n")
    (note,) = extensions.unbuilt(tmp_path)
    words = "no side has an extension module, though the source kern/_kern.py is there: pure Python is raced; many"
    assert note.startswith(words)
