"""The flags that a race adds to both builds, with real compilers."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.race.building.flags import ALIGN, USUAL, are_known, wrap_compilers
from racing import KERNEL

if TYPE_CHECKING:
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
    "#ifdef __OPTIMIZE__\n"
    '    PyModule_AddIntConstant(module, "optimised", 1);\n'
    "#endif\n"
    "    return module;",
)
TEST = "def test_spin(benchmark):\n    import kern._kern\n    benchmark(kern._kern.spin, 2000)\n"


@pytest.fixture
def moved(kern: Project) -> Project:
    kern.commit(
        **{
            "kern/_kern.c": MOVED,
            "tests/test_kern.py": f"{TEST}    assert kern._kern.offset == 0 and kern._kern.optimised\n",
        }
    )
    return kern


def test_both_builds_align_each_function_and_keep_their_own_flags(moved: Project) -> None:
    assert moved.race("HEAD", "--race-max-launches=1").verdicts == {"test_spin": "unsure"}


def test_what_a_user_says_of_alignment_counts_more(moved: Project) -> None:
    run = moved.race("HEAD", CFLAGS="-O1 -falign-functions=1")
    assert run.verdicts == {"test_spin": "error"}
    assert re.search(r"assert \(?[1-9]\d* == 0", run.raced("test_spin")["reason"])


def script_of(folder: Path, name: str) -> str:
    return (folder / name).read_text("utf-8") if (folder / name).exists() else ""


def test_arguments_stay_as_they_are(tmp_path: Path) -> None:
    wrap_compilers(tmp_path / "compilers", (ALIGN,))
    (tmp_path / "a b.c").write_text("const char *text = TEXT;\n", "utf-8")
    command = [str(tmp_path / "compilers" / "cc"), '-DTEXT="it\'s  so"', "-E", "a b.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert 'const char *text = "it\'s  so";' in done.stdout


def test_what_removes_names_is_left_out(tmp_path: Path) -> None:
    """As yarl's build backend does it: with -g0, and -s for the linker."""
    compiler = tmp_path / "bin" / "cc"
    compiler.parent.mkdir()
    compiler.write_text('#!/bin/sh\nfor one do echo "<$one>"; done\n', "utf-8")
    compiler.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(compiler.parent), prepend=os.pathsep)
        wrap_compilers(tmp_path / "compilers", USUAL)
    given = [
        "-g0",
        "-DTEXT=it's  -s",
        "-shared",
        "-s",
        "-Wl,-s",
        "-Wl,--strip-all",
        "a b.c",
        "-Xlinker",
        "-s",
        "-static",
    ]
    command = [str(tmp_path / "compilers" / "cc"), *given]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kept = [*USUAL, "-DTEXT=it's  -s", "-shared", "a b.c", "-Xlinker", "-s", "-static"]
    assert done.stdout == "".join(f"<{one}>\n" for one in kept)


def test_a_compiler_that_refuses_them_gets_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "bin" / "oldcc"
    old.parent.mkdir()
    old.write_text('#!/bin/sh\ncase "$*" in *-falign*) exit 1;; esac\nexec cc "$@"\n', "utf-8")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(old.parent), prepend=os.pathsep)
    monkeypatch.setenv("CC", "oldcc -pthread")
    monkeypatch.setenv("CXX", "no-such-compiler")
    wrap_compilers(tmp_path / "aligned", (ALIGN,))
    wrap_compilers(tmp_path / "with lines", ("-g1",))
    assert script_of(tmp_path / "aligned", "oldcc") == ""
    assert script_of(tmp_path / "with lines", "oldcc").endswith(f'{old} -g1 "$@"\n')
    assert script_of(tmp_path / "aligned", "cc").endswith(f' {ALIGN} "$@"\n')
    assert not are_known(("-fno-such-flag",))


def test_a_compiler_by_its_path_is_wrapped_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = shutil.which("cc")
    monkeypatch.setenv("CC", f"{compiler} -pthread")
    monkeypatch.delenv("CXX", raising=False)
    variables = wrap_compilers(tmp_path / "compilers", USUAL)
    script, arguments = shlex.split(variables["CC"])
    assert arguments == "-pthread"
    assert f"{compiler} {ALIGN} -g1" in Path(script).read_text("utf-8")
    assert "CXX" not in variables


def test_a_compiler_cache_finds_the_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ccache does where its folder precedes the compiler's on the PATH; it ran the script, which ran the cache."""
    cache = tmp_path / "cache" / "cc"
    cache.parent.mkdir()
    cache.write_text(f'#!/bin/sh\nPATH=$(echo ":$PATH:" | sed "s|:{cache.parent}:|:|")\nexec cc "$@"\n', "utf-8")
    cache.chmod(0o755)
    monkeypatch.setenv("PATH", str(cache.parent), prepend=os.pathsep)
    variables = wrap_compilers(tmp_path / "compilers", USUAL)
    assert f"{cache} {ALIGN}" in script_of(tmp_path / "compilers", "cc")
    (tmp_path / "one.c").write_text("int one(void) { return 1; }\n", "utf-8")
    command = ["cc", "-c", "one.c"]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, **variables}, check=True, timeout=60)
    assert (tmp_path / "one.o").is_file()


def test_a_user_may_strip_what_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert wrap_compilers(tmp_path / "compilers", USUAL)["SKBUILD_INSTALL_STRIP"] == "false"
    monkeypatch.setenv("SKBUILD_INSTALL_STRIP", "true")
    assert "SKBUILD_INSTALL_STRIP" not in wrap_compilers(tmp_path / "compilers", USUAL)


@pytest.mark.parametrize("compiler", ["cc", "clang"])
def test_links_are_silent(tmp_path: Path, compiler: str) -> None:
    """A warning of flags that a link does not need would be an error with -Werror."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    wrap_compilers(tmp_path / "compilers", USUAL)
    script = str(tmp_path / "compilers" / compiler)
    (tmp_path / "one.c").write_text("int one(void) { return 1; }\n", "utf-8")
    for command in (["-c", "one.c"], ["-shared", "one.o", "-o", "one.so"]):
        done = subprocess.run([script, "-fPIC", "-Werror", *command], cwd=tmp_path, capture_output=True, check=True)
        assert done.stderr == b""
