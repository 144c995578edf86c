"""The key of a build in the cache: everything that the build depends on.

That is the source tree, the versions of the build tools, the interpreter, the compilers, and all variables and
configuration files that influence builds.
"""

from __future__ import annotations

import configparser
import fnmatch
import hashlib
import json
import os
import re
import shlex
import shutil
import site
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Of the cache: increased when older entries can no longer be used.
LAYOUT = 7
PIP = re.compile(r"PIP_.*|UV_.*")
STEERING = re.compile(
    # compilers, their flags and where they look
    r"(CC|CXX|FC|F77|F90|LD|AR|AS|NM|RANLIB|STRIP|NVCC|HOSTCC|LDSHARED|LDCXXSHARED|BLDSHARED)|.*FLAGS"
    r"|CPATH|C(PLUS)?_INCLUDE_PATH|LIBRARY_PATH|LD_LIBRARY_PATH|COMPILER_PATH|GCC_.*|CCC_.*|CUDA_.*"
    r"|MACOSX_DEPLOYMENT_TARGET|SDKROOT|DEVELOPER_DIR|_PYTHON_HOST_PLATFORM|_PYTHON_SYSCONFIGDATA_NAME"
    # build systems and backends
    r"|(PKG_CONFIG|RUST|CARGO|CMAKE|SETUPTOOLS|DISTUTILS|SKBUILD|MESON|NINJA|CYTHON|MATURIN|PYO3|PBR|HATCH|POETRY|PDM|FLIT|NPY).*"
    r"|SOURCE_DATE_EPOCH|PYTHONOPTIMIZE"
    # whether a project compiles anything: REQUIRE_CYTHON, MULTIDICT_NO_EXTENSIONS
    r"|(.*_)?(CYTHON|C_?EXT|EXT|EXTENSIONS?|PURE_?PYTHON|MYPYC)"
)
# An upgrade of one of these must not change only one side.
PROGRAMS = (
    "cc", "c++", "gcc", "g++", "clang", "clang++", "gfortran", "nvcc", "rustc", "cargo", "ld", "ar",
    "cmake", "ninja", "meson", "make", "pkg-config", "swig",
)  # fmt: skip


def key(*parts: str) -> str:
    """Return the name of the entry that depends on these."""
    text = "\0".join([str(LAYOUT), *parts])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def interpreter() -> str:
    """Return the interpreter, and the environment below an overlay."""
    folders = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    return json.dumps([sys.version, os.path.realpath(sys.executable), folders, sys.prefix])


def installing() -> str:
    """Return what influences pip: variables, configuration files, and the constraint files that these name."""
    files = [path for path in _pip_files() if path.is_file()]
    named = [os.environ.get(name, "") for name in ("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT")]
    for path in files:
        parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
        try:
            parser.read(path, "utf-8")
        except (configparser.Error, UnicodeDecodeError):
            # pip itself reports it.
            continue
        named += [parser[section].get(name) or "" for section in parser for name in ("constraint", "build-constraint")]
    constraints = [Path(one) for text in named for one in text.split()]
    return json.dumps([_environment(PIP), _contents(files), _contents(_with_included(constraints))])


def steering(patterns: Sequence[str] = ()) -> str:
    """Return what influences compilers and build backends; patterns are of the project's own variables."""
    files = [_home() / ".pydistutils.cfg"]
    cargo = Path(os.environ.get("CARGO_HOME") or _home() / ".cargo")
    files += [cargo / "config.toml", cargo / "config"]
    variables = {
        name: value
        for name, value in sorted(os.environ.items())
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    }
    return json.dumps([_environment(STEERING), variables, _programs(), _contents(files)])


def _environment(pattern: re.Pattern[str]) -> dict[str, str]:
    return {name: value for name, value in sorted(os.environ.items()) if pattern.fullmatch(name)}


def _programs() -> dict[str, list[object]]:
    """Return which compilers and other programs a build would find."""
    found: dict[str, list[object]] = {}
    given = [os.environ.get(name) or sysconfig.get_config_var(name) or "" for name in ("CC", "CXX", "FC", "LD", "NVCC")]
    for name in dict.fromkeys([*PROGRAMS, *(word for text in given for word in _words(text)[:2])]):
        if program := shutil.which(name):
            real = Path(os.path.realpath(program))
            found[name] = [str(real), real.stat().st_size, real.stat().st_mtime_ns]
    return found


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        # The user of a container may have no name.
        return Path("/")


def _pip_files() -> list[Path]:
    """Return where pip looks for its configuration."""
    home = _home()
    folders = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    user = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path(folder) / "pip" / "pip.conf" for folder in folders.split(os.pathsep)]
    files += [Path("/etc/pip.conf"), Path("/Library/Application Support/pip/pip.conf")]
    files += [home / ".pip" / "pip.conf", user / "pip" / "pip.conf", home / ".config" / "pip" / "pip.conf"]
    files += [home / "Library" / "Application Support" / "pip" / "pip.conf", Path(sys.prefix) / "pip.conf"]
    given = os.environ.get("PIP_CONFIG_FILE")
    return [*files, *([Path(given)] if given else [])]


def _with_included(files: Iterable[Path]) -> list[Path]:
    """Return requirements files, with those that they include."""
    found: dict[Path, None] = {}
    ahead = list(files)
    while ahead:
        file = ahead.pop()
        if file not in found and file.is_file():
            found[file] = None
            text = file.read_text("utf-8", "replace")
            names = re.findall(r"^\s*(?:-[cr]|--(?:constraint|requirement))[\s=]*(\S+)", text, re.MULTILINE)
            ahead += [file.parent / name for name in names]
    return list(found)


def _contents(files: Iterable[Path]) -> dict[str, str]:
    """Return a hash of each file that can be read, by its path."""
    found = {}
    for file in files:
        try:
            found[str(file)] = hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError:
            continue
    return found
