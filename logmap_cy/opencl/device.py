"""Which OpenCL devices there are."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from typing import Any

from logmap_cy._fork import ForkGuard

INSTALL = 'pip install "logmap-cy[opencl]"'
# The platform that interprets kernels to find their faults, a thousand times as slowly as a processor runs them.
SIMULATOR = "Oclgrind"


@dataclass(frozen=True)
class Device:
    """An OpenCL device.

    Attributes
    ----------
    index : int
        Its place in `Discovery.devices`.
    kind : str
        "gpu", "accelerator", "cpu", "other" or "simulator".
    name, platform, driver : str
        As the driver reports them.
    double : bool
        Whether it computes in double precision.
    fma : bool
        Whether it has fused multiply-add in single precision.
    shares_memory : bool
        Whether it works in the host's memory, so that arrays need not be moved.
    handle : pyopencl.Device
        The device itself.

    """

    index: int
    kind: str
    name: str
    platform: str
    driver: str
    double: bool
    fma: bool
    shares_memory: bool
    handle: Any = field(compare=False, repr=False)

    def __str__(self) -> str:
        """Return a name that is unique among the devices: cl0, cl1 ..."""
        return f"cl{self.index}"


@dataclass(frozen=True)
class Discovery:
    """The OpenCL devices of this machine, GPUs first, and a note on each driver that has none."""

    devices: tuple[Device, ...]
    notes: tuple[str, ...]

    @property
    def reason(self) -> str | None:
        """Why there is no device and what to do about it; None if there is one."""
        if _drivers.lost:
            return "OpenCL was used before fork() and does not survive it; use multiprocessing's spawn or forkserver"
        return None if self.devices else "; ".join(self.notes)


# Drivers hang in a forked child.
_drivers = ForkGuard()


@functools.cache
def discover() -> Discovery:
    """Return the devices of every platform, asked once a process. Never raises: a failure is a note.

    A simulator is the only device if the environment has it check kernels (OCLGRIND_DATA_RACES), and none otherwise.
    """
    try:
        # Optional, and takes 0.2 s.
        import pyopencl as cl
    # A broken driver loader may fail with any error.
    except Exception as error:  # noqa: BLE001
        return Discovery((), (f"pyopencl cannot be imported ({error}); {INSTALL}",))
    _drivers.started = True
    try:
        platforms = cl.get_platforms()
    except cl.Error as error:
        return Discovery((), (f"no OpenCL platform was found ({error}); install a driver, for a CPU: {INSTALL}",))
    handles: list[tuple[str, Any]] = []
    notes = [] if platforms else [f"no OpenCL platform was found; install a driver, for a CPU: {INSTALL}"]
    simulated = "OCLGRIND_DATA_RACES" in os.environ
    for platform in platforms:
        is_simulator = platform.name.strip() == SIMULATOR
        if is_simulator != simulated:
            notes += [f"platform {platform.name!r} is a simulator, used if OCLGRIND_DATA_RACES is set"] * is_simulator
            continue
        try:
            own = platform.get_devices()
        except cl.Error as error:
            notes.append(f"platform {platform.name!r} failed ({error})")
            continue
        if not own:
            notes.append(f"platform {platform.name!r} has no device; for PoCL, is POCL_CACHE_DIR writable?")
        handles += [("simulator" if simulated else _kind(cl, handle), handle) for handle in own]
    if simulated and not handles:
        notes.append("OCLGRIND_DATA_RACES is set, and no simulator was found; unset it to use other devices")
    order = ("gpu", "accelerator", "cpu", "other", "simulator")
    handles.sort(key=lambda pair: order.index(pair[0]))
    devices = tuple(
        Device(
            index=index,
            kind=kind,
            name=handle.name.strip(),
            platform=handle.platform.name.strip(),
            driver=handle.driver_version,
            double=bool(handle.double_fp_config),
            # A simulator computes fma() right without saying so.
            fma=bool(handle.single_fp_config & cl.device_fp_config.FMA) or kind == "simulator",
            shares_memory=kind == "cpu" and bool(handle.host_unified_memory),
            handle=handle,
        )
        for index, (kind, handle) in enumerate(handles)
    )
    return Discovery(devices, tuple(notes))


def _kind(cl: Any, handle: Any) -> str:
    for kind in ("gpu", "accelerator", "cpu"):
        if handle.type & getattr(cl.device_type, kind.upper()):
            return kind
    return "other"


def first_device() -> Device:
    """Return the first device, or raise RuntimeError with the reason why there is none."""
    discovery = discover()
    if discovery.reason:
        raise RuntimeError(discovery.reason)
    return discovery.devices[0]
