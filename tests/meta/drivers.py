"""Run the tests of all OpenCL kernels on each driver of this machine, one at a time, and say which one is wrong.

    tox run -e drivers                      PoCL's wheel, Intel's CPU runtime (0.9 GB), and those of the system
    tox run -e drivers -- tests/test_kernels.py    fewer tests

Drivers of the system are those in /etc/OpenCL/vendors, such as Debian's pocl-opencl-icd. For each test that fails, the
command that repeats it on this driver alone is printed.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = ("tests/test_kernels.py", "tests/test_opencl.py", "tests/test_exact.py", "tests/test_float.py")
SELECTED = "opencl or kernel or cl0"
FIRST = """
import pyopencl
(platform,) = pyopencl.get_platforms()
(device, *_) = platform.get_devices()
print(f"{device.name} | {platform.version}")
"""


def drivers() -> dict[str, str]:
    """Return the libraries of the drivers, by what they are called here."""
    system = Path("/etc/OpenCL/vendors").glob("*.icd")
    found = {f"the system's {icd.name}": icd.read_text("utf-8").strip() for icd in system}
    spec = importlib.util.find_spec("pyopencl")
    assert spec is not None
    assert spec.origin is not None
    found |= {f"wheel's {library.name}": str(library) for library in Path(spec.origin).parent.rglob("libpocl-*.so")}
    if (library := Path(sys.prefix, "lib", "libintelocl.so")).exists():
        found["Intel's runtime"] = str(library)
    return found


def main() -> int:
    tests = sys.argv[1:] or [*TESTS, "-k", SELECTED]
    lines, failed = ["| driver | device | version | passed | failed | skipped |", "|---|---|---|---:|---:|---:|"], 0
    for name, library in drivers().items():
        print(f"== {name}: {library}", flush=True)
        with tempfile.TemporaryDirectory(prefix="driver-") as folder:
            only = Path(folder, "only.icd")
            only.write_text(f"{library}\n", "utf-8")
            # A file: with a folder, PyOpenCL adds PoCL's wheel.
            env = os.environ | {"OCL_ICD_VENDORS": str(only)}
            asked = subprocess.run([sys.executable, "-c", FIRST], env=env, capture_output=True, text=True, check=False)
            if asked.returncode:
                print(asked.stderr, flush=True)
                lines.append(f"| {name} | no device | {asked.stderr.strip().splitlines()[-1]} | | | |")
                failed += 1
                continue
            command = [sys.executable, "-P", "-m", "pytest", "-q", "-rfE", "--cl-require", "--tb=short", *tests]
            done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=False)
        print(done.stdout, flush=True)
        counts = {what: int(n) for n, what in re.findall(r"(\d+) (passed|failed|error|skipped)", done.stdout[-200:])}
        wrong = counts.get("failed", 0) + counts.get("error", 0) or int(done.returncode != 0)
        failed += wrong
        lines.append(
            f"| {name} | {asked.stdout.strip()} | {counts.get('passed', 0)} | {wrong} | {counts.get('skipped', 0)} |"
        )
        for test in re.findall(r"(?m)^(?:FAILED|ERROR) (\S+)", done.stdout):
            print(f"repeat: echo {library} > only.icd; OCL_ICD_VENDORS=$PWD/only.icd pytest --cl-require '{test}'")
    print("\n".join(lines))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
