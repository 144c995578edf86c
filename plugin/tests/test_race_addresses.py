"""Both workers of a launch run at equal addresses, and each launch at new ones."""

from __future__ import annotations

import functools
import json
import os
import platform
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from launching import FEW, make_sides, raced
from pytest_benchgate.race.launching.results import Timed
from pytest_benchgate.race.reaper import Reaper
from pytest_benchgate.race.worker import addresses

if TYPE_CHECKING:
    from pathlib import Path

# Where an object, a block of malloc(), a mapping, a library that is loaded late, and the stack are.
SUITE = """
    import json, os, mmap, ctypes
    from pathlib import Path
    import build

    def mapped(name):
        for line in Path("/proc/self/maps").read_text().splitlines():
            if name in line:
                return line.split("-")[0]

    def test_it(benchmark):
        benchmark(lambda: 1)
        import _elementtree
        large, small = bytearray(2**22), bytearray(100_000)
        where = {
            "object": id(object()),
            "hash": hash(object()),
            "block": ctypes.addressof(ctypes.c_char.from_buffer(small)),
            "mapping": ctypes.addressof(ctypes.c_char.from_buffer(large)),
            "library": mapped("_elementtree"),
            "stack": int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[25]) % mmap.PAGESIZE,
        }
        Path(build.OUT).write_text(json.dumps(where))
"""


def output(code: str, *arguments: str, **more: str) -> list[int]:
    """Run Python code in a process of its own, and return the numbers that it prints."""
    command = [sys.executable, "-c", code, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **more})
    assert (run.returncode, run.stderr) == (0, "")
    return [int(number) for number in run.stdout.split()]


# Whatever the tests are run with, the processes that this one starts get random addresses at first.
SET = """
import ctypes, subprocess, sys

def of_a_child():
    command = [sys.executable, "-c", "print(int(open('/proc/self/personality').read(), 16))"]
    print(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

ctypes.CDLL(None).personality(0)
"""


@functools.cache
def is_allowed() -> bool:
    return output(f"{SET}ctypes.CDLL(None).personality({addresses.ADDR_NO_RANDOMIZE})\nof_a_child()") != [0]


@pytest.fixture
def _allowed() -> None:
    if sys.platform != "linux":
        pytest.skip("only on Linux are addresses equal")
    if not is_allowed():
        pytest.skip("this sandbox forbids personality(ADDR_NO_RANDOMIZE)")


def where(folder: Path, seed: int) -> list[dict[str, Any]]:
    """Return the addresses in both workers of a launch."""
    folder.mkdir()
    outs = {side: folder / f"{side}.json" for side in ("base", "head")}
    sides = make_sides(folder, suite=SUITE, **{side: f"OUT = {str(out)!r}" for side, out in outs.items()})
    with Reaper() as reaper:
        result = raced(sides, "it", FEW, reaper, seed)["it"]
    assert isinstance(result, Timed), result
    return [json.loads(out.read_text()) for out in outs.values()]


@pytest.mark.usefixtures("_allowed")
def test_both_sides_have_equal_addresses_and_each_launch_new_ones(tmp_path: Path) -> None:
    launches = [where(tmp_path / str(seed), seed) for seed in (1, 2, 3)]
    for name in launches[0][0]:
        of_base = [base[name] for base, _ in launches]
        # Small objects may take a place that the interpreter had before it was moved.
        assert len({*of_base}) > 1 or name in {"object", "hash"}, name
        equal = [base[name] == head[name] for base, head in launches]
        # How many digits a time has, may change what is allocated.
        assert sum(equal) >= (2 if name in {"object", "hash", "block"} else 3), name


AROUND = """
from pytest_benchgate.race.worker import addresses

with addresses.not_random():
    of_a_child()
of_a_child()
try:
    with addresses.not_random():
        raise KeyError
except KeyError:
    of_a_child()
"""
MOVED = """
import ctypes, sys
from pytest_benchgate.race.worker import addresses

addresses.move(int(sys.argv[1]))
for size in (2**22, 100_000):
    print(ctypes.addressof(ctypes.c_char.from_buffer(bytearray(size))))
"""


@pytest.mark.usefixtures("_allowed")
def test_what_starts_elsewhere_has_random_addresses() -> None:
    assert output(SET + AROUND) == [addresses.ADDR_NO_RANDOMIZE, 0, 0]


@pytest.mark.usefixtures("_allowed")
def test_a_seed_moves_mappings_and_blocks() -> None:
    with addresses.not_random():
        first, again, second = (output(MOVED, seed, PYTHONHASHSEED="1") for seed in ("1", "1", "2"))
    assert first == again
    assert all(before != after for before, after in zip(first, second, strict=True))


@pytest.mark.usefixtures("_allowed")
@pytest.mark.parametrize("length", [0, 1, 100, 4095, 5000])
def test_a_longer_environment_leaves_the_stack_where_it_is(length: int) -> None:
    """The stack begins below the environment: field 28 of /proc/PID/stat."""
    command = [sys.executable, "-S", "-c", "print(open('/proc/self/stat').read().rpartition(')')[2].split()[25])"]

    def stack(seed: int, length: int) -> int:
        with addresses.not_random():
            environment = addresses.with_stack(seed, command, {"NAME": "ä" * length})
            run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return int(run.stdout) % 4096

    assert stack(1, length) == stack(1, 7)
    assert stack(1, length) != stack(2, length)


LIMITED = """
import mmap, resource
from pathlib import Path
from pytest_benchgate.race.worker import addresses

mapped = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
resource.setrlimit(resource.RLIMIT_AS, (mapped + 2**20, resource.RLIM_INFINITY))
for seed in range(20):
    addresses.move(seed)
print(len(addresses._kept))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells how much is mapped")
def test_a_worker_starts_where_memory_is_limited() -> None:
    (kept,) = output(LIMITED)
    # The limit was reached: each move keeps two blocks.
    assert kept < 2 * 20


# A sandbox's filter, as Docker's: personality() may only ask. The program is in BPF, see <linux/seccomp.h>.
SANDBOX = """
import errno, platform, struct
from pytest_benchgate.race.worker import addresses

number = {"x86_64": 135, "aarch64": 92}[platform.machine()]
LOAD, EQUAL, RETURN, ALLOW, ERRNO = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050000
steps = [
    (LOAD, 0, 0, 0), (EQUAL, 0, 3, number), (LOAD, 0, 0, 16), (EQUAL, 1, 0, addresses.ASKS),
    (RETURN, 0, 0, ERRNO | errno.EPERM), (RETURN, 0, 0, ALLOW),
]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
prctl = ctypes.CDLL(None, use_errno=True).prctl
NO_NEW_PRIVS, SECCOMP, FILTER = 38, 22, 2
assert prctl(NO_NEW_PRIVS, 1, 0, 0, 0) == 0 == prctl(SECCOMP, FILTER, program, 0, 0), ctypes.get_errno()
with addresses.not_random():
    of_a_child()
"""


@pytest.mark.usefixtures("_allowed")
@pytest.mark.skipif(platform.machine() not in {"x86_64", "aarch64"}, reason="the number of a system call is needed")
def test_a_sandbox_that_forbids_it_changes_nothing() -> None:
    assert output(SET + SANDBOX) == [0]
