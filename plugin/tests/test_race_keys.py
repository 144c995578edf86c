"""What the key of a cached build holds: all that steers the build, and nothing that does not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.race.building import keys

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [*os.environ]:
        if name != "PATH":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        "CC", "CXX", "CFLAGS", "CPPFLAGS", "LDFLAGS", "FFLAGS", "CPATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "ARCHFLAGS",
        "LDSHARED", "PKG_CONFIG", "PKG_CONFIG_PATH", "RUSTFLAGS", "RUSTUP_TOOLCHAIN", "CARGO_BUILD_TARGET", "CMAKE_ARGS",
        "CMAKE_PREFIX_PATH", "SETUPTOOLS_SCM_PRETEND_VERSION", "SETUPTOOLS_USE_DISTUTILS", "SKBUILD_CMAKE_ARGS",
        "SKBUILD_BUILD_TYPE", "MESON_ARGS", "MESONPY_EDITABLE_VERBOSE", "CYTHON_TRACE", "SOURCE_DATE_EPOCH",
        "MACOSX_DEPLOYMENT_TARGET", "SDKROOT", "NVCC_APPEND_FLAGS", "MATURIN_PEP517_ARGS", "NPY_BLAS_ORDER",
        "REQUIRE_CYTHON", "MULTIDICT_NO_EXTENSIONS", "NO_EXT", "MSGPACK_PUREPYTHON",
    ],
)  # fmt: skip
def test_variables_that_steer_a_build(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys.steering()
    monkeypatch.setenv(name, "1")
    with_one = keys.steering()
    monkeypatch.setenv(name, "2")
    assert len({before, with_one, keys.steering()}) == 3


@pytest.mark.parametrize("name", ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_NO_BINARY", "PIP_PRE", "UV_INDEX_URL"])
def test_variables_that_steer_pip(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys.installing()
    monkeypatch.setenv(name, "1")
    assert keys.installing() != before


@pytest.mark.parametrize("name", ["LANG", "GITHUB_SHA", "COLUMNS", "PYTEST_ADDOPTS", "MY_CC", "PS1"])
def test_variables_that_steer_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys.steering(), keys.installing()
    monkeypatch.setenv(name, "1")
    assert (keys.steering(), keys.installing()) == before


def test_a_project_s_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    own = ("KERN_*", "NO_EXT")
    seen = {keys.steering(own)}
    for name in ("KERN_OPTION", "NO_EXT"):
        monkeypatch.setenv(name, "1")
        seen.add(keys.steering(own))
    monkeypatch.setenv("NO_EXTRA", "1")
    seen.add(keys.steering(own))
    assert len(seen) == 3


@pytest.mark.parametrize("place", [".config/pip/pip.conf", ".pip/pip.conf"])
def test_pip_s_configuration_is_part_of_the_key(home: Path, place: str) -> None:
    seen = {keys.installing()}
    file = home / place
    file.parent.mkdir(parents=True)
    for text in ("[global]\nindex-url = https://one\n", "[global]\nindex-url = https://two\n", "not [ini\n"):
        file.write_text(text)
        seen.add(keys.installing())
    assert len(seen) == 4


@pytest.mark.parametrize("named", ["PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT", "[global]", "[install]"])
def test_the_content_of_constraints(home: Path, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, included = (home / name for name in ("one.txt", "two.txt", "more.txt"))
    first.write_text("setuptools<80\n")
    second.write_text(f"-c {included.name}\n")
    if named.startswith("["):
        (home / "pip.conf").write_text(f"{named}\nconstraint =\n    {first}\n    {second}\n")
        monkeypatch.setenv("PIP_CONFIG_FILE", str(home / "pip.conf"))
    else:
        monkeypatch.setenv(named, f"{first} {second}")
    seen = {keys.installing()}
    for file in (first, second, included):
        file.write_text("setuptools<79\n-c more.txt\n")
        seen.add(keys.installing())
    assert len(seen) == 4


@pytest.mark.parametrize("name", ["cc", "cmake", "rustc"])
def test_an_upgrade_of_a_compiler(home: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{home}{os.pathsep}{os.environ['PATH']}")
    seen = {keys.steering()}
    for text in ("#!/bin/sh\n", "#!/bin/sh\nexit 1\n"):
        (home / name).write_text(text)
        (home / name).chmod(0o755)
        seen.add(keys.steering())
    assert len(seen) == 3


def test_the_compiler_behind_another_program(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "own-cc").write_text("#!/bin/sh\n")
    (home / "own-cc").chmod(0o755)
    monkeypatch.setenv("CC", f"env {home / 'own-cc'}")
    before = keys.steering()
    (home / "own-cc").write_text("#!/bin/sh\nexit 1\n")
    assert keys.steering() != before
