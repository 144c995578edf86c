"""Races whose slowdowns are explained: real builds, counted under valgrind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from pytest_benchgate.explain import valgrind
from pytest_benchgate.explain.count import Request, explain
from pytest_benchgate.explain.requests import Unsupported
from pytest_benchgate.explained import Calls
from pytest_benchgate.race.launching.plan import Plan
from pytest_benchgate.reports import race_json
from racing import IGNORED, PLAIN, PYPROJECT, SLOW_KERNEL, TEMPLATE, Project, followed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from launching import Starts
    from pytest_benchgate.explained import Explanation
    from pytest_benchgate.race.launching.plan import Side

MOST_S = 60
SUITE = """
    import threading, time
    import pytest
    import build

    def test_python(benchmark):
        benchmark(build.work, 20)

    @pytest.mark.parametrize("number", range(6))
    def test_busy(benchmark, number):
        benchmark(build.work, 5000)

    def test_threads(benchmark):
        def call():
            thread = threading.Thread(target=build.work, args=(20,))
            thread.start()
            thread.join()
        benchmark(call)

    def test_endless(benchmark):
        def call():
            end = time.process_time() + 3
            while time.process_time() < end:
                pass
        benchmark(call)

    def test_failing(benchmark):
        assert False, "not today"
        benchmark(len, "")
"""
BASE = "def leaf(n): return n\ndef work(n): return sum(leaf(one) for one in range(n))\n"
HEAD = BASE.replace("leaf(one)", "leaf(one) + leaf(one)")
# The C file lies in a folder that is removed with the build.
CYTHON = {
    ".gitignore": IGNORED,
    "pyproject.toml": PYPROJECT.replace("'wheel'", "'cython'"),
    "setup.py": "from Cython.Build import cythonize\nfrom setuptools import setup\n"
    "setup(packages=['kern'], ext_modules=cythonize('kern/*.pyx', build_dir='build/c'))\n",
    "kern/__init__.py": "",
    "kern/inner.pxd": "cdef inline long mixed(long total, long i) noexcept nogil:\n    return (total * 31 + i) ^ total\n",
    "kern/outer.pyx": """\
from kern.inner cimport mixed

cdef class Loop:
    cdef long steps

    def __init__(self, steps):
        self.steps = steps

    def run(self):
        cdef long total = 1, i
        for i in range(self.steps * 1):
            total = mixed(total, i)
        return total
""",
    "tests/test_loop.py": "def test_run(benchmark):\n    from kern.outer import Loop\n    benchmark(Loop(2000).run)\n",
}
EVEX = TEMPLATE.replace("@WORK@", "1").replace(
    "unsigned long total = 0;",
    'unsigned long total = 0;\n    __asm__ volatile("vpxorq %%zmm0, %%zmm0, %%zmm0" ::: "xmm0");',
)


@pytest.fixture
def _can_count(tmp_path: Path) -> None:
    try:
        valgrind.prefix(tmp_path)
    except Unsupported as error:
        pytest.skip(f"instructions cannot be counted here: {error}")


@pytest.fixture
def explained(sides: Callable[..., tuple[Side, Side]], reaper: Starts) -> Callable[..., list[Explanation]]:
    """Give explained(names, processor_s) -> Explanation of each of these tests of SUITE, with BASE and HEAD."""

    def run(*names: str, processor_s: int = MOST_S) -> list[Explanation]:
        nodeids = [f"test_it.py::test_{name}" for name in names]
        request = Request(sides(HEAD, BASE, SUITE), nodeids, Plan(names=("build",)), 7, reaper)
        found = followed(explain(request, processor_s))[0]
        return [found[nodeid] for nodeid in nodeids]

    return run


@pytest.mark.thorough
@pytest.mark.usefixtures("_can_count")
def test_a_small_difference_is_counted_again_in_new_processes(
    sides: Callable[..., tuple[Side, Side]], reaper: Starts
) -> None:
    """Head executes some more in its first process, as by where its memory lies."""
    build = """
        import itertools, pathlib
        started = pathlib.Path(__file__).with_name("started")
        more = @MORE@ if not started.exists() else 0
        started.touch()
        def work():
            # It makes no object, which would take more instructions at some addresses.
            for _ in itertools.repeat(None, 1000 + more):
                pass
    """
    suite = "import build\ndef test_work(benchmark):\n    benchmark(build.work)\n"
    both = sides(build.replace("@MORE@", "20"), build.replace("@MORE@", "0"), suite)
    request = Request(both, ["test_it.py::test_work"], Plan(names=("build",)), 7, reaper)
    (found,) = followed(explain(request, MOST_S))[0].values()
    assert found.head == pytest.approx(found.base, rel=0.002)
    assert found.spread > 0.002
    assert reaper.count == 4


@pytest.mark.thorough
@pytest.mark.usefixtures("_can_count")
def test_a_slower_c_function_is_named_with_its_line(kern: Project) -> None:
    kern.commit(**{"kern/_kern.c": SLOW_KERNEL})
    summary, markdown = kern.folder / "summary.md", kern.folder / "report.md"
    run = kern.race(
        "HEAD~1", "--race-explain=auto", f"--benchgate-markdown={markdown}",
        GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary),
    )  # fmt: skip
    assert run.returncode == 1, run.text
    (raced,) = race_json.read(run.race).raced
    explanation = raced.explanation
    assert explanation is not None
    assert (explanation.reason, explanation.allocations, explanation.python) == ("", (), ())
    assert explanation.base is not None and explanation.head is not None  # noqa: PT018
    assert explanation.head - explanation.base == pytest.approx(2 * 2000 * 8, rel=0.5)
    (first,) = explanation.functions
    lines = SLOW_KERNEL.splitlines()
    assert (first.function, first.file) == ("spin", "kern/_kern.c")
    assert "i < steps" in lines[first.line - 1] or "total = (total" in lines[first.line - 1]
    assert first.text == lines[first.line - 1].strip()
    said = f"in spin (kern/_kern.c:{first.line}: {first.text})"
    message, _, section = run.text.partition("- benchgate -")
    assert said in message
    assert f"slower: test_spin: +{(explanation.head / explanation.base - 1) * 100:.1f} % instructions a call" in section
    assert said in next(one for one in run.text.splitlines() if one.startswith("::error")).replace("%3A", ":")
    assert all(said.partition(" (")[0] in file.read_text() for file in (markdown, summary))


@pytest.mark.thorough
@pytest.mark.usefixtures("_can_count")
@pytest.mark.parametrize(
    ("file", "old", "new", "function"),
    [
        ("kern/inner.pxd", "return ", "return (total // (i | 1)) ^ ", "kern.inner.mixed"),
        ("kern/outer.pyx", "* 1)", "* 3)", "kern.inner.mixed"),
        ("kern/outer.pyx", "return total", "return sum([total] * 9000)", "kern.outer.Loop.run"),
    ],
)
def test_a_slower_function_of_cython_is_named_with_the_line_of_its_source(
    tmp_path: Path, race_cache: Path, file: str, old: str, new: str, function: str
) -> None:
    project = Project.make(tmp_path / "loop", race_cache, CYTHON)
    slow = CYTHON[file].replace(old, new)
    project.commit(**{file: slow})
    run = project.race("HEAD~1", "--race-explain=auto")
    assert run.returncode == 1, run.text
    (raced,) = race_json.read(run.race).raced
    assert raced.explanation is not None
    first, *_ = raced.explanation.functions
    assert (first.function, first.file) == (function, file if "sum" in new else "kern/inner.pxd")
    assert first.text == (slow if first.file == file else CYTHON[first.file]).splitlines()[first.line - 1].strip()
    assert f"in {function} ({first.file}:{first.line}: return " in run.text
    assert project.left_behind() == []


@pytest.mark.thorough
@pytest.mark.usefixtures("_can_count")
def test_equal_counts_are_an_answer_and_avx_512_is_named(kern: Project) -> None:
    kern.commit(**{"kern/_kern.c": TEMPLATE.replace("@WORK@", "1").replace("i++", "i += 1")})
    equal = kern.race("HEAD~1", "--race-explain=all").raced("test_spin")["explanation"]
    assert equal["base"] == equal["head"]
    assert equal["functions"] == []
    kern.commit(**{"kern/_kern.c": EVEX})
    died = kern.race("HEAD~1", "--race-explain=all").raced("test_spin")
    if died["verdict"] == "error":
        pytest.skip("this processor has no AVX-512")
    assert died["explanation"]["reason"].startswith("head: it executes AVX-512 instructions")


def test_without_valgrind_python_calls_are_counted_all_the_same(
    explained: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reaper: Starts
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found, failing = explained("python", "failing")
    assert (found.base, failing.base) == (None, None)
    assert found.reason == failing.reason == "valgrind is not installed; install it by the system's package manager"
    assert (found.python, failing.python) == ((Calls("leaf (build.py)", 20, 40),), ())
    assert reaper.count == 2


@pytest.mark.usefixtures("_can_count")
@pytest.mark.parametrize(
    ("name", "processor_s", "why"),
    [
        pytest.param(
            "endless",
            1,
            "(base|head): (it took more than 1 s of processor time|no answer within 6 s).*; let the benchmark do less in",
            marks=pytest.mark.thorough,
        ),
        pytest.param("threads", MOST_S, "several threads work in a call", marks=pytest.mark.thorough),
        pytest.param("failing", MOST_S, "^base and head: AssertionError: not today$", marks=pytest.mark.thorough),
    ],
)
def test_what_cannot_be_counted_is_named(
    explained: Callable[..., Any],
    name: str,
    processor_s: int,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    (found,) = explained(name, processor_s=processor_s)
    assert (found.base, found.head) == (None, None)
    assert re.search(why, found.reason)
    assert not [*scratch.iterdir()]


@pytest.mark.thorough
@pytest.mark.usefixtures("_can_count")
def test_one_process_counts_all_tests_and_one_that_is_ended_costs_no_other(
    explained: Callable[..., Any], reaper: Starts
) -> None:
    busy = [f"busy[{number}]" for number in range(6)]
    python, failing, endless, *others = explained("python", "failing", "endless", *busy, processor_s=4)
    assert python.python == (Calls("leaf (build.py)", 20, 40),)
    assert failing.reason == "base and head: AssertionError: not today"
    assert "took more than 4 s of processor time" in endless.reason
    # All of them together take more than one may.
    assert [(one.reason, one.head > one.base > 0) for one in (python, *others)] == [("", True)] * 7
    # Both sides, both again after one was ended, and without valgrind for what has no count.
    assert reaper.count == 2 + 2 + 2


@pytest.mark.thorough
@pytest.mark.usefixtures("_can_count")
def test_a_python_project_is_explained_from_its_source(plain: Project) -> None:
    slow = PLAIN["calc.py"].replace("pass", "step()") + "def step():\n    pass\n"
    plain.commit(**{"calc.py": slow})
    run = plain.race("HEAD~1", "--race-explain=auto")
    explanation = run.raced("test_count")["explanation"]
    assert explanation["python"] == [{"function": "step (calc.py)", "base": 0, "head": 300}]
    assert explanation["head"] > explanation["base"] > 0
    assert "Python calls: step (calc.py) 0 -> 300" in run.text


@pytest.mark.thorough
@pytest.mark.usefixtures("_can_count")
def test_a_count_that_fails_does_not_cost_the_verdict(kern: Project, tmp_path: Path) -> None:
    broken = tmp_path / "broken" / "elftools"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('not today')\n")
    kern.commit(**{"kern/_kern.c": SLOW_KERNEL})
    run = kern.race("HEAD~1", "--race-explain=auto", PYTHONPATH=str(broken.parent))
    (raced,) = race_json.read(run.race).raced
    assert (raced.verdict, run.returncode) == ("slower", 1)
    assert raced.explanation is not None
    assert raced.explanation.reason == "counting failed: RuntimeError: not today"
