"""The flags that a race adds to both builds, with real compilers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.race.building.flags import ALIGN, environment
from racing import KERNEL

if TYPE_CHECKING:
    from pathlib import Path

    from racing import Project

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
# An extension that tells where its functions lie, with one that the tests move the others by.
MOVED = KERNEL.replace(
    "static PyObject *\nspin",
    "#include <stdint.h>\n"
    "__attribute__((used, noinline)) static int first(int x) { volatile int y = x; return y; }\n"
    "__attribute__((used, noinline)) static int second(int x) { volatile int y = x * 3; return y + 1; }\n"
    "static PyObject *\nspin",
).replace(
    "    return PyModule_Create(&definition);",
    "    PyObject *module = PyModule_Create(&definition);\n"
    '    PyModule_AddIntConstant(module, "offset", (long)(((uintptr_t)first | (uintptr_t)second) % 64));\n'
    "    return module;",
)
TEST = "def test_spin(benchmark):\n    import kern._kern\n    benchmark(kern._kern.spin, 2000)\n"


@pytest.fixture
def moved(kern: Project) -> Project:
    kern.commit(**{"kern/_kern.c": MOVED, "tests/test_kern.py": f"{TEST}    assert kern._kern.offset == 0\n"})
    return kern


def test_both_builds_align_each_function(moved: Project) -> None:
    assert moved.race("HEAD").verdicts == {"test_spin": "same"}


def test_what_a_user_says_of_alignment_counts_more(moved: Project) -> None:
    run = moved.race("HEAD", CFLAGS="-O0 -falign-functions=1")
    assert run.verdicts == {"test_spin": "error"}
    assert "offset" in run.raced("test_spin")["reason"]


def test_the_user_s_own_flags_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CFLAGS", "CXXFLAGS", "CC", "CXX"):
        monkeypatch.delenv(name, raising=False)
    assert environment()["CFLAGS"] == ALIGN
    monkeypatch.setenv("CFLAGS", "-O1")
    assert environment()["CFLAGS"] == f"{ALIGN} -O1"
    assert environment((ALIGN, "-g1"))["CFLAGS"] == f"{ALIGN} -g1 -O1"
    monkeypatch.setenv("CFLAGS", "-fno-align-functions")
    assert "CFLAGS" not in environment()
    assert environment((ALIGN, "-g1"))["CFLAGS"] == "-g1 -fno-align-functions"


@pytest.mark.parametrize("compiler", ["no-such-compiler", "'", "false", ""])
def test_a_compiler_that_does_not_know_them_gets_none(compiler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXXFLAGS", raising=False)
    monkeypatch.setenv("CXX", compiler)
    assert ("CXXFLAGS" in environment()) == (not compiler)  # an empty variable is the usual compiler


def test_a_compiler_that_refuses_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrapper = tmp_path / "cc"
    wrapper.write_text('#!/bin/sh\ncase "$*" in *-falign*) exit 1;; esac\nexec cc "$@"\n', "utf-8")
    wrapper.chmod(0o755)
    monkeypatch.setenv("CC", str(wrapper))
    monkeypatch.delenv("CFLAGS", raising=False)
    assert "CFLAGS" not in environment()
    assert environment(("-g1",)) == {
        "CFLAGS": "-g1",
        **{k: v for k, v in environment(("-g1",)).items() if k != "CFLAGS"},
    }
