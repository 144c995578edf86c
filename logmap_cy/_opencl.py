"""The OpenCL host: which devices there are, programs built once, and calls whose transfers are timed apart."""

from __future__ import annotations

import functools
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

from logmap_cy._fork import ForkGuard

if TYPE_CHECKING:
    from logmap_cy._contract import Array

INSTALL = 'pip install "logmap-cy[opencl]"'
PROGRAMS = 64  # programs kept for each device; the longest unused one goes first
GROUP = 256  # work-items in a group; 64 to 4096 measured alike on PoCL, 1 ten times slower
ELEMENTS = {"i4": "int", "u4": "uint", "i8": "long", "u8": "ulong"}  # dtype -> OpenCL C


@dataclass(frozen=True)
class Device:
    """An OpenCL device.

    Attributes
    ----------
    index: its place in `Discovery.devices`.
    kind: "gpu", "accelerator", "cpu" or "other".
    name, platform, driver: as the driver reports them.
    handle: the pyopencl.Device.

    """

    index: int
    kind: str
    name: str
    platform: str
    driver: str
    handle: Any = field(compare=False, repr=False)

    def __str__(self) -> str:
        """Return a name that is unique among the devices: cl0, cl1 ..."""
        return f"cl{self.index}"


@dataclass(frozen=True)
class Discovery:
    """The OpenCL devices of this machine, GPUs first, and a note on each driver that gave none."""

    devices: tuple[Device, ...]
    notes: tuple[str, ...]

    @property
    def reason(self) -> str | None:
        """Why there is no device and what to do about it, or None where there is one."""
        if _drivers.lost:
            return "OpenCL was used before fork() and does not survive it; use multiprocessing's spawn or forkserver"
        return None if self.devices else "; ".join(self.notes)


@dataclass(frozen=True)
class Times:
    """What one call spent on the device, from profiling events, in nanoseconds."""

    write_ns: int
    kernel_ns: int
    read_ns: int


_drivers = ForkGuard()  # they hang in a forked child


@functools.cache
def discover() -> Discovery:
    """Return the devices of every platform, asked once a process. Never raises: a failure is a note."""
    try:
        import pyopencl as cl  # noqa: PLC0415  # optional, and takes 0.2 s
    except Exception as error:  # noqa: BLE001  # a broken driver loader fails in its own ways
        return Discovery((), (f"pyopencl cannot be imported ({error}); {INSTALL}",))
    _drivers.started = True
    try:
        platforms = cl.get_platforms()
    except cl.Error as error:
        return Discovery((), (f"no OpenCL platform was found ({error}); install a driver, for a CPU: {INSTALL}",))
    found: list[tuple[str, Any]] = []
    notes = [] if platforms else [f"no OpenCL platform was found; install a driver, for a CPU: {INSTALL}"]
    for platform in platforms:
        try:
            handles = platform.get_devices()
        except cl.Error as error:
            notes.append(f"platform {platform.name!r} failed ({error})")
            continue
        if not handles:
            notes.append(f"platform {platform.name!r} has no device; for PoCL, is POCL_CACHE_DIR writable?")
        found += [(_kind(cl, handle), handle) for handle in handles]
    order = ("gpu", "accelerator", "cpu", "other")
    found.sort(key=lambda pair: order.index(pair[0]))
    devices = tuple(
        Device(index, kind, handle.name.strip(), handle.platform.name.strip(), handle.driver_version, handle)
        for index, (kind, handle) in enumerate(found)
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


def source(name: str) -> str:
    """Return the text of kernels/NAME with its own includes written out.

    By text, not by an include path: the package may lie in an archive, and paths with spaces break drivers.
    """
    text = resources.files("logmap_cy").joinpath("kernels", name).read_text("utf-8")
    return re.sub(r'^#include "(\w+\.h)"$', lambda include: source(include[1]), text, flags=re.MULTILINE)


class _Session:
    """The context, the queue and the programs of one device; made at its first use, kept until `release`."""

    def __init__(self, device: Device) -> None:
        import pyopencl as cl  # noqa: PLC0415

        self.cl = cl
        self.group = min(GROUP, device.handle.max_work_group_size)
        self.context = cl.Context([device.handle])
        self.queue = cl.CommandQueue(self.context, properties=cl.command_queue_properties.PROFILING_ENABLE)
        self.programs: OrderedDict[tuple[str, ...], Any] = OrderedDict()
        self.lock = threading.Lock()

    def program(self, name: str, *options: str) -> Any:
        """Return the built program kernels/NAME.cl, from the cache where it was built with these options before."""
        key = (name, *options)
        with self.lock:
            if key not in self.programs:
                try:
                    self.programs[key] = self.cl.Program(self.context, source(f"{name}.cl")).build([*options])
                except self.cl.Error as error:
                    raise RuntimeError(f"kernels/{name}.cl was not built for this device: {error}") from error
                if len(self.programs) > PROGRAMS:
                    self.programs.popitem(last=False)
            self.programs.move_to_end(key)
            return self.programs[key]


_sessions: dict[Device, _Session] = {}
_sessions_lock = threading.Lock()


def _session(device: Device) -> _Session:
    with _sessions_lock:
        if device not in _sessions:
            _sessions[device] = _Session(device)
        return _sessions[device]


def release() -> None:
    """Let go of every context, queue and program. Calls under way keep theirs; a later call makes new ones."""
    with _sessions_lock:
        _sessions.clear()


@dataclass(frozen=True)
class Kernel:
    """The implementation kernels/NAME.cl on one device; a logmap_cy._contract.Compute that returns its Times."""

    name: str
    device: Device

    def __call__(self, x: Array, out: Array, num: int, p: int, mu: int, threads: int, /) -> Times:  # noqa: ARG002
        """Write num steps of the map on x to out, by way of one buffer on the device.

        Transfers block, so that the host's memory is never touched after an interrupt.
        """
        session = _session(self.device)
        cl, queue = session.cl, session.queue
        program = session.program(
            self.name,
            f"-DELEMENT={ELEMENTS[x.dtype.str[1:]]}",
            f"-DP={p}UL",
            f"-DMU={mu}UL",
            f"-DONE_REMAINDER={int(mu * (p - 1) * p < 2**64)}",
        )
        kernel = cl.Kernel(program, "logmap")  # one a call: two threads must not set one kernel's arguments
        buffer = cl.Buffer(session.context, cl.mem_flags.READ_WRITE, size=x.nbytes)
        try:
            write = cl.enqueue_copy(queue, buffer, x)
            kernel.set_scalar_arg_dtypes([None, "u8", "u8"])
            padded = -(-len(x) // session.group) * session.group
            run = kernel(queue, (padded,), (session.group,), buffer, len(x), num)
            read = cl.enqueue_copy(queue, out, buffer, wait_for=[run])
        finally:
            buffer.release()
        return Times(*(event.profile.end - event.profile.start for event in (write, run, read)))
