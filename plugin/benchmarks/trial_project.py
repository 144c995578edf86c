"""Make a git repository to try regression detectors on: one C function, five benchmarks, and slower commits of it.

    python trial_project.py DEST [--slow PERCENT ...]

DEST becomes the repository of `fivec`, a setuptools project with one C extension. Its tags, each a child of `base`:

base        the function, and its five benchmarks in tests/test_five.py
same        only a comment in a Python file differs, the C file does not
slow5 ...   for each PERCENT, by default 5 and 10: the C function does so much more work, at every size

The extra work goes through the same machine code as the function's own: the first elements are computed twice. So it
costs what its number of steps says, whatever the machine. Names, dates and hence the commits' ids are always the same.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

PYPROJECT = """\
[build-system]
requires = ["setuptools>=75"]
build-backend = "setuptools.build_meta"

[project]
name = "fivec"
version = "1.0"
description = "Steps of a logistic map modulo a prime, in C"
requires-python = ">=3.11"

[tool.setuptools]
packages = ["fivec"]
ext-modules = [{name = "fivec._kernel", sources = ["fivec/_kernel.c"]}]

[tool.pytest.ini_options]
testpaths = ["tests"]
"""

GITIGNORE = """\
__pycache__/
.benchmarks/
.pytest_cache/
build/
dist/
*.egg-info/
*.so
"""

INIT = '''\
"""Steps of a logistic map modulo a prime, in C."""

from fivec._kernel import run

__all__ = ["run"]
'''

COMMENT = "# Nothing is computed here; all of it is in _kernel.c.\n"

TESTS = '''\
"""Five benchmarks of one C function, from 64 to 400000 elements."""

from array import array

import fivec
import pytest

MODULUS = 6700417


def stepped(x, steps=20):
    for _ in range(steps):
        x = 22 * x * (x + 1) % MODULUS
    return x


@pytest.mark.parametrize("n", [64, 1000, 10000, 100000, 400000])
def test_run(benchmark, n):
    source = array("q", (i * 7919 % MODULUS for i in range(n)))
    target = array("q", bytes(8 * n))
    benchmark(fivec.run, source, target)
    for i in (0, 1, n // 2, n - 1):
        assert target[i] == stepped(source[i])
'''

KERNEL = """\
/* Steps of the logistic map x -> 22 x (x + 1) mod 6700417, from one buffer of int64 into another. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
/* One body, at one alignment, in every commit: where code lies must not be what a comparison sees. */
#define ONE_BODY __attribute__((noinline, noclone, aligned(64)))
#else
#define ONE_BODY
#endif

ONE_BODY static void
advance(const int64_t *source, int64_t *target, Py_ssize_t n, Py_ssize_t steps)
{
    for (Py_ssize_t i = 0; i < n; i++) {
        int64_t x = source[i];
        for (Py_ssize_t step = 0; step < steps; step++) {
            x = 22 * x * (x + 1) % 6700417;
        }
        target[i] = x;
    }
}
@EXTRA@
static int
open_buffer(PyObject *object, Py_buffer *view, int flags)
{
    if (PyObject_GetBuffer(object, view, flags | PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0) {
        return -1;
    }
    if (view->itemsize != 8 || view->format == NULL || strlen(view->format) != 1 || !strchr("ql", view->format[0])) {
        PyErr_SetString(PyExc_TypeError, "run() needs buffers of int64");
        PyBuffer_Release(view);
        return -1;
    }
    return 0;
}

static PyObject *
run(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"source", "target", "steps", NULL};
    PyObject *from, *to, *result = NULL;
    Py_buffer source, target;
    Py_ssize_t steps = 20;
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|n", names, &from, &to, &steps)) {
        return NULL;
    }
    if (open_buffer(from, &source, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    if (open_buffer(to, &target, PyBUF_WRITABLE) == 0) {
        if (source.len != target.len) {
            PyErr_SetString(PyExc_ValueError, "run() needs buffers of one size");
        }
        else if (steps < 0) {
            PyErr_SetString(PyExc_ValueError, "run() needs steps >= 0");
        }
        else {@CALL@
            advance(source.buf, target.buf, source.len / 8, steps);
            result = Py_NewRef(Py_None);
        }
        PyBuffer_Release(&target);
    }
    PyBuffer_Release(&source);
    return result;
}

static PyMethodDef methods[] = {
    {"run", (PyCFunction)(void (*)(void))run, METH_VARARGS | METH_KEYWORDS,
     "run(source, target, steps=20): so many steps of each element of source, into target."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_kernel", NULL, 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__kernel(void)
{
    return PyModuleDef_Init(&definition);
}
"""

EXTRA = """
static volatile int64_t sink;

/* The planted slowdown: @PERCENT@ % of all steps are done once more, and their results overwritten. */
static void
dawdle(const int64_t *source, int64_t *target, Py_ssize_t n, Py_ssize_t steps)
{
    Py_ssize_t extra = (Py_ssize_t)((double)n * (double)steps * @PERCENT@ / 100 + 0.5);
    if (extra > 0) {
        Py_ssize_t whole = extra / steps;
        advance(source, target, whole, steps);
        advance(source + whole, target + whole, 1, extra % steps);
        sink = target[0] + target[whole];
    }
}
"""

CALL = """
            dawdle(source.buf, target.buf, source.len / 8, steps);"""

IDENTITY = {
    "GIT_AUTHOR_NAME": "Trial",
    "GIT_AUTHOR_EMAIL": "trial@example.org",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00+0000",
    "GIT_COMMITTER_NAME": "Trial",
    "GIT_COMMITTER_EMAIL": "trial@example.org",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00+0000",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def kernel(percent: float = 0) -> str:
    """Return the C file; with a percentage, the function does so much more work."""
    extra, call = (EXTRA.replace("@PERCENT@", repr(percent)), CALL) if percent else ("", "")
    return KERNEL.replace("@EXTRA@", extra).replace("@CALL@", call)


def git(repository: Path, *command: str) -> None:
    """Run git in the repository; neither the user's configuration nor an outer repository has a say."""
    program = shutil.which("git")
    if program is None:
        sys.exit("trial_project.py needs git")
    outer = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run([program, "-C", str(repository), *command], check=True, env=outer | IDENTITY)


def commit(repository: Path, tag: str, message: str, files: dict[str, str]) -> None:
    """Commit the files, after base if there is one, and tag the commit."""
    if tag != "base":
        git(repository, "checkout", "--quiet", "--detach", "base")
    for name, text in files.items():
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--no-verify", "--message", message)
    git(repository, "tag", tag)


def make_project(repository: Path, percents: list[float]) -> list[str]:
    """Make the repository, and return its tags; `main`, at base, is left checked out."""
    repository.mkdir(parents=True)
    git(repository, "init", "--quiet", "--initial-branch=main")
    base = {
        ".gitignore": GITIGNORE,
        "pyproject.toml": PYPROJECT,
        "fivec/__init__.py": INIT,
        "fivec/_kernel.c": kernel(),
        "tests/test_five.py": TESTS,
    }
    commit(repository, "base", "A logistic map in C, and its benchmarks", base)
    commit(repository, "same", "Say where the work is done", {"fivec/__init__.py": INIT + "\n" + COMMENT})
    tags = ["base", "same"]
    for percent in percents:
        tags.append(f"slow{percent:g}")
        commit(repository, tags[-1], f"Do {percent:g} % more work", {"fivec/_kernel.c": kernel(percent)})
    git(repository, "checkout", "--quiet", "main")
    return tags


def percentage(text: str) -> float:
    """Return a percentage from the command line; all work cannot be done twice or more."""
    value = float(text)
    if not 0 < value < 100:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 100")
    return value


def main() -> None:
    """Run the command line."""
    summary, _, more = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dest", type=Path, help="the repository's folder, which must not exist")
    parser.add_argument("--slow", type=percentage, nargs="+", default=[5.0, 10.0], metavar="PERCENT")
    options = parser.parse_args()
    if options.dest.exists():
        parser.error(f"{options.dest} exists")
    sys.stdout.write("\n".join(make_project(options.dest, options.slow)) + "\n")


if __name__ == "__main__":
    main()
