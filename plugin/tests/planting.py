"""Modules of ten functions, in C, C++ and Cython, of which one can be made to do more; and calls that are counted."""

from __future__ import annotations

import itertools
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.explain import valgrind
from pytest_benchgate.explain.cython import Generated
from pytest_benchgate.explain.difference import Counted
from pytest_benchgate.explain.profile import read
from pytest_benchgate.explain.requests import Unsupported
from pytest_benchgate.race.building import flags as building

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FUNCTIONS, TURNS = 10, 1000
C = """\
#include <Python.h>
#include <stdlib.h>
@INCLUDE@
@FUNCTIONS@
static PyObject *run(PyObject *module, PyObject *count)
{
    long n = PyLong_AsLong(count);
    @EXTRA@
    return PyLong_FromLong(@SUM@);
}

static PyMethodDef methods[] = {{"run", run, METH_O, "run(count)"}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "kern", NULL, -1, methods, NULL, NULL, NULL, NULL};

@EXPORT@PyMODINIT_FUNC PyInit_kern(void)
{
    return PyModule_Create(&definition);
}
"""
C_FUNCTION = """\
static long step@K@(long n)
{
    long total = n;
    for (long i = 0; i < @TURNS@; i++) {
        total = (total * 31 + @K@) ^ (total >> 3);
    }
    return total;
}
"""
CXX_FUNCTION = """\
namespace deep {
template <typename T> static T step@K@(T n)
{
    T total = n;
    auto mix = [](T value) { return (value * 31 + @K@) ^ (value >> 3); };
    for (T i = 0; i < @TURNS@; i++) {
        total = mix(total);
    }
    return total;
}
}
"""
CYTHON_FUNCTION = """\
cdef long step@K@(long n) noexcept nogil:
    cdef long total = n, i
    for i in range(@TURNS@):
        total = (total * 31 + @K@) ^ (total >> 3)
    return total

"""
CYTHON = """\
@FUNCTIONS@
def run(long n):
    @EXTRA@
    return @SUM@
"""
SCRIPT = """\
import importlib.util, os, sys
from pytest_benchgate.explain import counting

for path in sys.argv[2:]:
    spec = importlib.util.spec_from_file_location("kern", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in sys.argv[1].split():
        assert counting.instructions(lambda call: call(getattr(module, name), (7,), {}), 2, 3) is not None
print(os.getpid())
"""


def source(language: str, slow: int | None = None, percent: float = 0.0, extra: str = "") -> str:
    """Return the source of a module, one of whose functions does more: so many percent of all."""
    template, function, call = {
        "c": (C, C_FUNCTION, "step{}(n)"),
        "c++": (C, CXX_FUNCTION, "deep::step{}(n)"),
        "cython": (CYTHON, CYTHON_FUNCTION, "step{}(n)"),
    }[language]
    more = round(FUNCTIONS * TURNS * percent / 100)
    functions = [
        function.replace("@K@", str(k)).replace("@TURNS@", str(TURNS + more * (k == slow))) for k in range(FUNCTIONS)
    ]
    for old, new in {
        "@FUNCTIONS@": "\n".join(functions),
        "@SUM@": " ^ ".join(call.format(k) for k in range(FUNCTIONS)),
        "@EXTRA@": extra,
        "@INCLUDE@": "#include <vector>" * (language == "c++"),
        "@EXPORT@": 'extern "C" ' * (language == "c++"),
    }.items():
        template = template.replace(old, new)
    return template


def build(folder: Path, language: str, text: str, *flags: str) -> Path:
    """Return the module that is built of a source, in a folder of its own."""
    folder.mkdir(parents=True)
    path = folder / {"c": "kern.c", "c++": "kern.cpp", "cython": "kern.pyx"}[language]
    path.write_text(text)
    if language == "cython":
        pytest.importorskip("Cython")
        subprocess.run([sys.executable, "-m", "cython", "-3", "kern.pyx"], cwd=folder, check=True)
        path = path.with_suffix(".c")
    building.wrap_compilers(folder / "compilers", ("-g1",))
    compiler = folder / "compilers" / ("c++" if language == "c++" else "cc")
    if not compiler.exists():
        pytest.skip("no compiler")
    module = folder / "kern.so"
    include = sysconfig.get_path("include")
    command = [
        str(compiler),
        "-O2",
        "-fPIC",
        "-shared",
        "-fno-builtin",
        *flags,
        f"-I{include}",
        path.name,
        "-o",
        str(module),
    ]
    subprocess.run(command, cwd=folder, check=True)
    return module


def counted(folder: Path, modules: Sequence[Path], names: Sequence[str] = ("run",)) -> list[Counted]:
    """Return one call of each of these functions of each module, all of them in one process."""
    try:
        prefix = valgrind.prefix(folder)
    except Unsupported as error:
        pytest.skip(f"instructions cannot be counted here: {error}")
    command = [*prefix, sys.executable, "-c", SCRIPT, " ".join(names), *map(str, modules)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = []
    for index, (module, _) in enumerate(itertools.product(modules, names), 1):
        # As in a race, the call that does least of three.
        numbers = range(3 * index - 2, 3 * index + 1)
        profiles = [read(folder / f"callgrind.{int(done.stdout)}.{number}") for number in numbers]
        generated = Generated(module.parent / "compilers" / building.CYTHON)
        found.append(Counted(min(profiles, key=lambda one: one.total), str(module).__eq__, generated))
    return found
