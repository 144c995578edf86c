"""How often is a slowdown that comes from where the code lies taken for a real one, and how often a real one missed?

    tox run -e placements                              commits that only move functions, until 100 look 10 % slower
    tox run -e placements -- --what slower             100 benchmarks that are 5 % slower wherever their code lies

Each race has 20 benchmarks, each of a C function of its own. With `moved` the bits of its address decide whether a
function works 10 % more, and head has one more function in front of them all, which nobody calls. So each race is made
twice: without placements, where about one benchmark in four is an alarm, and with them. With `slower` the address does
not matter, and each function works 5 % more in head.
"""

from __future__ import annotations

import argparse
import collections
import random
import sys
import tempfile
from pathlib import Path

from bisections import git, record
from trial import race

FUNCTIONS = 20
SETUP = """
from setuptools import Extension, setup
# In the order of the source: GCC would put what nobody calls last, where it moves nothing.
order = ["-fno-toplevel-reorder"]
setup(name="moody", version="1.0", ext_modules=[Extension("moody", ["moody.c"], extra_compile_args=order)])
"""
PYPROJECT = '[build-system]\nrequires = ["setuptools>=75"]\nbuild-backend = "setuptools.build_meta"\n'
TESTS = """
import pytest

@pytest.mark.parametrize("number", range(@FUNCTIONS@))
def test_spin(benchmark, number):
    import moody
    benchmark(getattr(moody, f"spin_{number}"))
"""
# Address bits within a page, which the loader leaves as they are.
FUNCTION = """
__attribute__((noinline)) static PyObject *
spin_@NUMBER@(PyObject *self, PyObject *nothing)
{
    unsigned bits = ((uintptr_t)spin_@NUMBER@ >> 6) & 63;
    return spin(@STEPS@ * (@MOODY@ && UINT64_C(@MASK@) >> bits & 1 ? 110 : 100));
}
"""
# Its loop is at one address in each build, as a moving one may have a mood of its own.
MODULE = """
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
__attribute__((noinline, aligned(4096))) static PyObject *
spin(long steps)
{
    volatile uint64_t x = 1;
    for (long i = 0; i < steps; i++)
        x = x * 3 + 1;
    return PyLong_FromUnsignedLongLong(x);
}
@FUNCTIONS@
static PyMethodDef methods[] = {
@METHODS@
    {NULL, NULL, 0, NULL}
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "moody", NULL, -1, methods, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit_moody(void) { return PyModule_Create(&module); }
"""
UNUSED = (
    "__attribute__((used, noinline)) static int unused_@NUMBER@(int x) { volatile int y = x * @NUMBER@; return y; }\n"
)


def module(*, is_moody: bool, steps: int, unused: int) -> str:
    """Return the extension's source."""
    # The same functions in both commits.
    rng = random.Random(1)
    before = "".join(UNUSED.replace("@NUMBER@", str(number)) for number in range(unused))
    functions = "".join(
        FUNCTION.replace("@NUMBER@", str(number)).replace("@MASK@", str(rng.getrandbits(64)))
        .replace("@STEPS@", str(steps)).replace("@MOODY@", str(int(is_moody)))
        for number in range(FUNCTIONS)
    )  # fmt: skip
    methods = "\n".join(f'    {{"spin_{number}", spin_{number}, METH_NOARGS, NULL}},' for number in range(FUNCTIONS))
    return MODULE.replace("@FUNCTIONS@", before + functions).replace("@METHODS@", methods)


def prepare(folder: Path, what: str, number: int) -> None:
    """Make a repository with two commits."""
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    moves = what == "moved"
    base = module(is_moody=moves, steps=200, unused=number)
    head = module(is_moody=moves, steps=200 if moves else 210, unused=number + moves)
    project = {
        "setup.py": SETUP,
        "pyproject.toml": PYPROJECT,
        "test_moody.py": TESTS.replace("@FUNCTIONS@", str(FUNCTIONS)),
    }
    record(folder, "Base", {**project, ".gitignore": "__pycache__/\n", "moody.c": base})
    record(folder, f"Head: {what}", {"moody.c": head})


def main() -> None:
    summary, _, more = (__doc__ or "").partition("\n\n")
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=summary, epilog=more, formatter_class=form)
    parser.add_argument("--what", choices=("moved", "slower"), default="moved", help="(default moved)")
    parser.add_argument(
        "--least", type=int, default=100, help="alarms or benchmarks, after which it ends (default 100)"
    )
    parser.add_argument("pytest", nargs="*", help="further options for pytest, after --")
    options = parser.parse_args()
    pytest = Path(sys.executable).with_name("pytest")
    verdicts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    number = 0
    with tempfile.TemporaryDirectory(prefix="placements-") as name:
        while verdicts["without"]["slower"] < options.least:
            project = Path(name, f"project-{number}")
            prepare(project, options.what, number)
            own = [f"--race-cache={name}/cache", "--race-explain=off", *options.pytest]
            found = race(project, pytest, [*own, "--race-placements=0"])
            verdicts["without"].update(one["verdict"] for one in found["raced"])
            seconds = found["command_seconds"]
            found = race(project, pytest, [*own, "--race-placements=8"])
            verdicts["with"].update(one["verdict"] for one in found["raced"])
            print(f"race {number}: {seconds:.0f} s, with placements {found['command_seconds']:.0f} s; "
                  + "; ".join(f"{how} {dict(counts)}" for how, counts in verdicts.items()), flush=True)  # fmt: skip
            number += 1
    for how, counts in verdicts.items():
        print(f"{options.what}, {how} placements: {dict(counts)}")


if __name__ == "__main__":
    main()
