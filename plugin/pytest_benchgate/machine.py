"""Where the benchmarks ran: what a time depends on besides the code."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

from pytest_benchgate import devices

# Characters of a value that differs.
MOST_TEXT = 300
PACKAGES = ("pytest", "pytest-benchmark", "pytest-benchgate", "numpy", "cython", "pyopencl", "pocl-binary-distribution")
SIMD = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512dq", "avx512_ifma", "avx512ifma", "asimd", "sve", "sve2")
# These change from run to run on one machine, or with the code itself.
VOLATILE = ("load", "modules")


def describe(cpu: dict[str, Any]) -> dict[str, Any]:
    """Return what goes into machine_info in the JSON; `cpu` is what pytest-benchmark has there from py-cpuinfo."""
    import sysconfig

    flags = set(cpu.get("flags", ()))
    info: dict[str, Any] = {
        "cpu": cpu.get("brand_raw") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "simd": [name for name in SIMD if name in flags],
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "python": {
            "version": platform.python_version(),
            "implementation": platform.python_implementation(),
            "compiler": platform.python_compiler(),
            "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
            "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
            "debug": hasattr(sys, "gettotalrefcount"),
            "optimized": "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""),
        },
        "packages": {name: found for name in PACKAGES if (found := version(name))},
        "modules": compiled_modules(),
    }
    # Only if the session has used it: a query starts the drivers.
    if "pyopencl" in sys.modules:
        info["opencl"] = devices.describe_for_machine_info(devices.discover())
    return info


def compiled_modules() -> dict[str, str]:
    """Return the SHA-256 of each loaded extension module's file by its name, without those of the standard library."""
    import sysconfig

    library = Path(sysconfig.get_path("stdlib")).resolve()
    site = Path(sysconfig.get_path("platlib")).resolve()
    found = {}
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not file.endswith(tuple(EXTENSION_SUFFIXES)):
            continue
        path = Path(file).resolve()
        if path.is_relative_to(library) and not path.is_relative_to(site):
            continue
        try:
            with path.open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            continue
    return found


def differences(now: dict[str, Any], then: dict[str, Any], names: tuple[str, str] = ("now", "then")) -> list[str]:
    """Return what differs between two machines, one line each, without what changes from run to run."""
    return [
        f"{key}: {text(now.get(key))} {names[0]}, {text(then.get(key))} {names[1]}"
        for key in sorted(now.keys() | then.keys())
        if key not in VOLATILE and now.get(key) != then.get(key)
    ]


def text(value: Any) -> str:
    """Return a fact about a machine on one line."""
    if isinstance(value, dict):
        words = ", ".join(f"{key} {item}" for key, item in value.items())
    elif isinstance(value, list):
        words = ", ".join(text(item) for item in value) or "none"
    else:
        words = "unknown" if value is None else str(value)
    return words if len(words) <= MOST_TEXT else f"{words[:MOST_TEXT]}..."


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text("ascii").strip()
    except (OSError, ValueError):
        return None


def version(name: str) -> str | None:
    """Return the version of an installed distribution, or None if it is not known."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
