"""Run the compiled rows under sanitizers: their tests, then random calls for some time, or a fuzzer's.

    tox run -e sanitize                      addresses and undefined behaviour, by GCC
    tox run -e sanitize -- --seconds 1800    random calls for half an hour instead of a minute
    tox run -e sanitize-thread               data races, by clang and LLVM's OpenMP
    tox run -e fuzz                          calls that are chosen by what code they reach, by clang and atheris
    tox run -e sanitize -- --planted         whether errors that are planted in the sources are found

The compiled modules are built for it in build/sanitized. The first finding ends its process, with the file and the line
of the Cython or C source. clang is Debian's clang-19, libclang-rt-19-dev and libomp-19-dev, or another version of them.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

from planted_errors import ADDRESSES, RACES, Planted

ROOT = Path(__file__).parents[2]
BUILDS = ROOT / "build" / "sanitized"
META = ROOT / "tests" / "meta"
# Drivers of OpenCL, other compilers and the processes of a pool are not instrumented.
ROWS = "not opencl and not hybrid and not pool and not window and not numba and not cupy"
DISABLED = "LOGMAP_CY_DISABLE_CPU_FEATURES"
ADDRESS_OPTIONS = {
    # Python keeps what it allocates at its start.
    "ASAN_OPTIONS": "detect_leaks=0",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    # So that each object has bounds of its own.
    "PYTHONMALLOC": "malloc",
}


@dataclass(frozen=True)
class Check:
    """A way to build the compiled modules and to run them.

    Attributes
    ----------
    compiler : str
        Its name, without a version.
    setup : tuple of str
        Options of Meson.
    libraries : tuple of str
        What is loaded before Python, which was not built with sanitizers: libraries of the compiler, or of a package.
    options : dict
        Environment variables. Names of libraries are replaced by their paths.
    tests : tuple of str
        Arguments for pytest; none where no tests are run.
    left_out : str
        The tests that are not run, as pytest's -k selects the others.
    planted : tuple of Planted
        The errors that it has to find.

    """

    compiler: str
    setup: tuple[str, ...]
    libraries: tuple[str, ...]
    options: dict[str, str]
    tests: tuple[str, ...] = ()
    left_out: str = ROWS
    planted: tuple[Planted, ...] = ()


CHECKS = {
    "address": Check(
        "gcc",
        ("b_sanitize=address,undefined",),
        ("libasan.so", "libubsan.so"),
        ADDRESS_OPTIONS,
        tuple(f"tests/test_{name}.py" for name in ("exact", "arguments", "chunk", "containers", "float", "quick")),
        planted=ADDRESSES,
    ),
    "thread": Check(
        "clang",
        ("b_sanitize=thread",),
        (f"libclang_rt.tsan-{platform.machine()}.so", "libomp.so"),
        {
            # Not ignore_noninstrumented_modules, which hides what memcpy does in the rows.
            "TSAN_OPTIONS": f"halt_on_error=1:suppressions={META / 'thread.supp'}",
            # Archer, which tells the sanitizer how the threads of LLVM's OpenMP wait for each other.
            "OMP_TOOL_LIBRARIES": "libarcher.so",
        },
        (
            "--thorough", "tests/test_stress.py", "tests/test_exact.py::test_large_arrays_start_anywhere",
            "tests/test_arguments.py::test_threads_are_a_limit_and_change_no_answer",
        ),
        f"{ROWS} and not deliberate",
        RACES,
    ),
    "fuzz": Check(
        "clang",
        # Calls of functions by pointers of another type, a check that the library below lacks.
        ("b_sanitize=address,undefined", "c_args=-fsanitize=fuzzer-no-link -fno-sanitize=function"),
        # In atheris: libFuzzer and the sanitizers' libraries.
        (f"{sysconfig.get_path('purelib')}/asan_with_fuzzer.so",),
        ADDRESS_OPTIONS,
    ),
}  # fmt: skip


def program(name: str) -> str:
    """Return the path of a compiler; the newest where each version has a name of its own, as Debian's clang-19."""
    versions = sorted(Path("/usr/bin").glob(f"{name}-[0-9]*"), key=lambda path: int(path.name.rpartition("-")[2]))
    found = shutil.which(name) or (str(versions[-1]) if versions else None)
    return found or sys.exit(f"{name} is not on PATH; install it, with the packages that --help names")


def build(check: Check, folder: Path, tree: Path = ROOT) -> Path:
    """Compile what has changed in the tree since the last time, and return the folder of the package."""
    setup = ("debug=true", "optimization=1", "b_lundef=false", *check.setup)
    command = [
        sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps",
        "--no-build-isolation", "--upgrade", f"--target={folder / 'site'}", f"-Cbuild-dir={folder / 'build'}",
        *(f"-Csetup-args=-D{option}" for option in setup), str(tree),
    ]  # fmt: skip
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(command, env=os.environ | {"CC": program(check.compiler), "PATH": path}, check=True)
    return folder / "site"


def library(check: Check, name: str) -> str:
    """Return the path of a library that comes with the compiler, or that has a path."""
    command = [program(check.compiler), f"-print-file-name={name}"]
    path = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    if not Path(path).is_absolute():
        sys.exit(f"{check.compiler} has no {name}; install it, with the packages that --help names")
    return path


def environment(check: Check, site: Path) -> dict[str, str]:
    """Return the variables of a process that imports the package in the folder."""
    options = {key: library(check, value) if value.endswith(".so") else value for key, value in check.options.items()}
    preloaded = " ".join(library(check, name) for name in check.libraries)
    return os.environ | options | {"LD_PRELOAD": preloaded, "PYTHONPATH": str(site)}


def pytest(check: Check, rows: str, *more: str) -> list[str]:
    """Return the command that runs the tests of these rows, as pytest's -k selects them."""
    # A finding ends the process, and the report would be lost with what pytest has captured of file descriptors. Of a
    # segmentation fault it would name faulthandler's place.
    common = ["-q", "--tb=short", "--capture=sys", "-p", "no:faulthandler", "-p", "no:cacheprovider", "-m", "not alone"]
    return [sys.executable, "-P", "-m", "pytest", *common, "-k", f"{check.left_out} and ({rows})", *more, *check.tests]


def commands(name: str, seconds: float) -> list[list[str]]:
    """Return what a check runs, one after the other, until one finds something."""
    check, calls = CHECKS[name], [sys.executable, str(META / "random_calls.py"), f"--seconds={seconds}"]
    if name == "fuzz":
        corpus = BUILDS / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        # A call reads up to 200 bytes or so; without len_control the inputs would begin at a few.
        options = [
            "-max_len=256",
            "-len_control=0",
            "-timeout=60",
            "-rss_limit_mb=4096",
            "-print_final_stats=1",
            f"-artifact_prefix={BUILDS}{os.sep}",
        ]
        return [[sys.executable, str(META / "fuzz.py"), f"-max_total_time={seconds:.0f}", *options, str(corpus)]]
    return [pytest(check, "test", "-n", "logical"), calls]


def find_planted(check: Check, part: str) -> int:
    """Plant each error of the sources whose path has that part in a copy of them; return how many the check misses."""
    chosen, missed = [error for error in check.planted if part in error.path], 0
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".*", "build", "dist"))
        # The other instruction sets are compiled from the same sources, in most of the time.
        setup = tree / "meson.build"
        setup.write_text(re.sub(r"if host_machine.cpu_family\(\)", "if 'none'", setup.read_text("utf-8")), "utf-8")
        for error in chosen:
            original = (tree / error.path).read_text("utf-8")
            place = f"{Path(error.path).name}:{error.plant(tree)}"
            env = environment(check, build(check, Path(folder), tree)) | {DISABLED: "avx2 avx512 ifma neon"}
            done = subprocess.run(
                pytest(check, error.tests, "-x"),
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            found = done.returncode and error.what in done.stdout and place in done.stdout
            print(f"{'found' if found else 'MISSED':8}{error.what} at {place}", flush=True)
            if not found:
                print(done.stdout[-4000:])
            missed += not found
            (tree / error.path).write_text(original, "utf-8")
    print(f"{missed} of {len(chosen)} missed")
    return missed


def main() -> int:
    """Run what the command line asks for."""
    summary, _, more = (__doc__ or "").partition("\n\n")
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=summary, epilog=more, formatter_class=form)
    parser.add_argument("--check", choices=[*CHECKS], default="address", help="what is looked for (default address)")
    parser.add_argument("--seconds", type=float, default=60, help="how long calls are made (default 60)")
    parser.add_argument(
        "--planted",
        nargs="?",
        const="",
        metavar="PATH",
        help="plant errors, in sources with PATH in their names, instead",
    )
    options = parser.parse_args()
    check = CHECKS[options.check]
    if options.planted is not None:
        return min(find_planted(check, options.planted), 1)
    env = environment(check, build(check, BUILDS / options.check))
    for command in commands(options.check, options.seconds):
        status = subprocess.run(command, env=env, cwd=ROOT, check=False).returncode
        if status:
            print(f"a finding, above; exit status {status}")
            return 1
    print("nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
