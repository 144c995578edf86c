"""OpenCL devices: which there are, and how long a call took on one. pyopencl is optional."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass, field
from typing import Any

INSTALL = 'pip install "pytest-benchgate[opencl]"'
INSTALL_SIMULATOR = 'pip install "pytest-benchgate[check]", for Linux on x86-64, or install Oclgrind'
KINDS = ("gpu", "accelerator", "cpu")
# The platform that interprets kernels to find their faults. Its device says that it is of every kind.
SIMULATOR = "Oclgrind"


@dataclass(frozen=True)
class Device:
    """An OpenCL device: its number, what its driver reports, and the pyopencl.Device."""

    index: int
    kind: str
    name: str
    platform: str
    driver: str
    handle: Any = field(compare=False, repr=False)

    def __str__(self) -> str:
        """Return its part of a test id, cl0, cl1 ...: names are long, and may contain anything."""
        return f"cl{self.index}"

    def describe(self) -> str:
        """Return all of it in one line."""
        return f"{self}: {self.kind}, {self.name} (platform {self.platform}, driver {self.driver})"


@dataclass(frozen=True)
class Found:
    """The devices, GPUs first, and a note on each driver that has none."""

    devices: tuple[Device, ...]
    notes: tuple[str, ...] = ()

    def named(self, name: str | None) -> tuple[Device, ...]:
        """Return the devices of this name, "cl0" or a part of a device's or platform's name; all if it is None."""
        if name is None:
            return self.devices
        exact = tuple(device for device in self.devices if str(device) == name)
        part = name.casefold()
        return exact or tuple(d for d in self.devices if part in d.name.casefold() or part in d.platform.casefold())

    def describe(self) -> str:
        """Return a line for each device and each note."""
        return "\n".join([*(device.describe() for device in self.devices), *self.notes]) or "no OpenCL device"


def discover(*, simulators: bool = False) -> Found:
    """Return the devices of every platform, found once per process. Never raises: a failure is a note.

    Parameters
    ----------
    simulators : bool
        Whether to return the simulators, and them only. They are too slow to be timed, and are no devices otherwise.

    """
    return _discover(simulators)


@functools.cache
def _discover(simulators: bool) -> Found:  # noqa: FBT001
    try:
        # Takes 0.2 s.
        import pyopencl as cl
    # A broken driver loader fails in its own ways.
    except Exception as error:  # noqa: BLE001
        return Found((), (f"pyopencl cannot be imported ({error}); {INSTALL}",))
    try:
        platforms = cl.get_platforms()
    # What is imported may be a stand-in, or an empty folder of that name.
    except Exception as error:  # noqa: BLE001
        return Found((), (f"no OpenCL platform was found ({error}); install a driver, for a CPU: {INSTALL}",))
    notes = [] if platforms else [f"no OpenCL platform was found; install a driver, for a CPU: {INSTALL}"]
    found: list[tuple[str, Any]] = []
    for platform in platforms:
        is_simulator = platform.name.strip() == SIMULATOR
        if is_simulator != simulators:
            notes += [f"platform {platform.name!r} is a simulator, used with --cl-check only"] * is_simulator
            continue
        try:
            handles = platform.get_devices()
        except cl.Error as error:
            notes.append(f"platform {platform.name!r} failed ({error})")
            continue
        if not handles:
            notes.append(f"platform {platform.name!r} has no device; for PoCL, is POCL_CACHE_DIR writable?")
        found += [("simulator" if simulators else _kind(cl, handle), handle) for handle in handles]
    if simulators and not found:
        notes.append(f"no simulator was found; {INSTALL_SIMULATOR}")
    found.sort(key=lambda pair: (*KINDS, "other", "simulator").index(pair[0]))
    return Found(
        tuple(
            Device(index, kind, handle.name.strip(), handle.platform.name.strip(), handle.driver_version, handle)
            for index, (kind, handle) in enumerate(found)
        ),
        tuple(notes),
    )


def _kind(cl: Any, handle: Any) -> str:
    return next((kind for kind in KINDS if handle.type & getattr(cl.device_type, kind.upper())), "other")


def events(result: Any) -> list[Any]:
    """Return the OpenCL events that result is, or consists of; none if pyopencl was never imported."""
    kind = getattr(sys.modules.get("pyopencl"), "Event", None)
    # What was imported may be a stand-in.
    if not isinstance(kind, type):
        return []
    candidates = result if isinstance(result, list | tuple) else [result]
    found = [candidate for candidate in candidates if isinstance(candidate, kind)]
    return found if len(found) == len(candidates) else []


def events_ns(result: Any) -> float | None:
    """Return the nanoseconds that the events in result ran on their devices; None without events, or without times.

    The sum of each event's end minus its start: timestamps of different events need not be of one clock.
    """
    found = events(result)
    if not found:
        return None
    for event in found:
        event.wait()
    try:
        spent = [event.profile.end - event.profile.start for event in found]
    # The queue has no profiling.
    except sys.modules["pyopencl"].Error:
        return None
    # Some drivers fill in one of the stamps only.
    return float(sum(spent)) if min(spent) >= 0 else None


def describe_for_machine_info(found: Found) -> list[dict[str, str]]:
    """Return what machine_info in the JSON says of the devices."""
    return [
        {
            "id": str(device),
            "kind": device.kind,
            "name": device.name,
            "platform": device.platform,
            "driver": device.driver,
        }
        for device in found.devices
    ]
