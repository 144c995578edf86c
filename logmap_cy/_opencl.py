"""The OpenCL host: which devices there are, programs built once, and calls whose transfers are timed apart."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from logmap_cy._fork import ForkGuard
from logmap_cy._plan import P_WIDE, plan

if TYPE_CHECKING:
    from logmap_cy._contract import Array

INSTALL = 'pip install "logmap-cy[opencl]"'
PROGRAMS = 64  # programs kept for each device; the longest unused one goes first
PIECE = 2**25  # bytes that are moved to a device and back at a time
GROUP = 256  # work-items in a group; 64 to 4096 measured alike on PoCL, 1 ten times slower
SCALARS: dict[str, type[np.generic]] = {"double": np.float64, "uint": np.uint32, "ulong": np.uint64}
ELEMENTS = {"i4": "int", "u4": "uint", "i8": "long", "u8": "ulong"}  # dtype -> OpenCL C


@dataclass(frozen=True)
class Device:
    """An OpenCL device.

    Attributes
    ----------
    index: its place in `Discovery.devices`.
    kind: "gpu", "accelerator", "cpu" or "other".
    name, platform, driver: as the driver reports them.
    double: whether it computes in double precision.
    shares_memory: whether it works in the host's memory, so that arrays need not be moved.
    handle: the pyopencl.Device.

    """

    index: int
    kind: str
    name: str
    platform: str
    driver: str
    double: bool
    shares_memory: bool
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
        Device(
            index=index,
            kind=kind,
            name=handle.name.strip(),
            platform=handle.platform.name.strip(),
            driver=handle.driver_version,
            double=bool(handle.double_fp_config),
            shares_memory=kind == "cpu" and bool(handle.host_unified_memory),
            handle=handle,
        )
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


@functools.cache
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
        # Lanes and vectors of a work-item. PoCL, 2^25 x 10: (4, 1) 92 ms, (4, 8) 43, (4, 12) 40, (4, 16) 49. More
        # lanes are wrong on PoCL 3.0, which passes wider vectors to its own functions as no AVX machine expects them.
        self.shape = (4, 12) if device.kind == "cpu" else (2, 1)
        self.group = min(GROUP, device.handle.max_work_group_size)
        self.context = cl.Context([device.handle])
        profiling = cl.command_queue_properties.PROFILING_ENABLE
        self.queues = tuple(cl.CommandQueue(self.context, properties=profiling) for _ in range(2))
        self.piece = min(PIECE, device.handle.max_mem_alloc_size, device.handle.global_mem_size // 4)
        self.verified: set[tuple[str, ...]] = set()
        self.programs: OrderedDict[tuple[str, ...], Any] = OrderedDict()
        self.kernels = threading.local()
        self.lock = threading.Lock()

    def program(self, name: str, text: str, *options: str) -> Any:
        """Return the program of kernels/NAME.cl's text, from the cache where it was built with these options before."""
        key = (name, *options)
        with self.lock:
            if key not in self.programs:
                try:
                    self.programs[key] = self.cl.Program(self.context, text).build(["-w", *options])
                except self.cl.Error as error:
                    raise RuntimeError(f"kernels/{name}.cl was not built for this device: {error}") from error
                if len(self.programs) > PROGRAMS:
                    self.programs.popitem(last=False)
            self.programs.move_to_end(key)
            return self.programs[key]

    def kernel(self, key: tuple[str, ...], program: Any, further: tuple[np.generic, ...]) -> Any:
        """Return the program's kernel for this thread: threads must not share its arguments; a new one takes 0.1 ms."""
        kept: dict[Any, Any] = self.kernels.__dict__
        if kept.get(name := " ".join(key), (None,))[0] is not program:
            if len(kept) >= PROGRAMS:
                kept.clear()
            made = self.cl.Kernel(program, "logmap")
            made.set_scalar_arg_dtypes([None, None, np.uint64, np.uint64, *map(type, further)])
            kept[name] = program, made
        return kept[name][1]


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


def constants(p: int, mu: int) -> dict[str, float]:
    """Return what p and mu come to in the kernels, by the names that they have there."""
    found: dict[str, float] = {"P": p, "MU": mu, "ONE_REMAINDER": mu * (p - 1) * p < 2**64, "p": p, "inverse": 1 / p}
    if p <= P_WIDE:
        found |= plan(p, mu).integers
    if p % 2 and p < 2**31 and math.gcd(mu, p) == 1:
        r, half, back = 2**32, mu * pow(2, -1, p), pow(mu, -1, p)
        found |= {
            "minus_inverse": -pow(p, -1, r) % r,
            "low_factor": mu * r**2 % p,
            "high_factor": mu * r**3 % p,
            "offset": half * r % p,
            "negative_correction": -(2**64) * mu * r % p,
            "montgomery_c": (half - half * half) * r % p,
            "montgomery_back": back,
            "montgomery_shift": -half * back % p,
        }
    return found


def definitions(text: str, dtype: np.dtype[Any], shape: tuple[int, int], values: dict[str, float]) -> list[str]:
    """Return the options that define what a kernel's text mentions in capitals: its programs differ by no more."""
    defined = {"ELEMENT": ELEMENTS[dtype.str[1:]], "LANES": str(shape[0]), "VECTORS": str(shape[1])}
    defined |= {name: f"{int(values[name])}UL" for name in ("P", "MU")}
    defined |= {name: str(int(values[name])) for name in ("ONE_REMAINDER", "FORM") if name in values}
    return [f"-D{name}={value}" for name, value in defined.items() if re.search(rf"\b{name}\b", text)]


def arguments(text: str, values: dict[str, float]) -> list[np.generic]:
    """Return a kernel's further arguments, after x, out, n and num, in its order: by the names of its parameters."""
    parameters = re.search(r"__kernel void logmap\((.*?)\)", text, re.DOTALL)
    assert parameters is not None  # noqa: S101  # ours
    pairs = [parameter.split() for parameter in parameters[1].split(",")[4:]]
    return [SCALARS[kind](values[name]) for kind, name in pairs]


@functools.lru_cache(maxsize=1024)
def prepared(
    text: str, dtype: np.dtype[Any], shape: tuple[int, int], p: int, mu: int
) -> tuple[tuple[str, ...], tuple[np.generic, ...]]:
    """Return a kernel's options and its further arguments."""
    values = constants(p, mu)
    return tuple(definitions(text, dtype, shape, values)), tuple(arguments(text, values))


def _nanoseconds(event: Any) -> int:
    nanoseconds: int = event.profile.end - event.profile.start
    return nanoseconds


@dataclass(frozen=True)
class Kernel:
    """The implementation kernels/NAME.cl on one device; a logmap_cy._contract.Compute that returns its Times.

    Attributes
    ----------
    verified: whether each program is tried on known answers when it is built: options from outside, such as
        -cl-unsafe-math-optimizations in PYOPENCL_BUILD_OPTIONS, make kernels wrong that round on purpose.

    """

    name: str
    device: Device
    verified: bool = False

    def __call__(self, x: Array, out: Array, num: int, p: int, mu: int, threads: int, /) -> Times:  # noqa: ARG002
        """Write num steps of the map on x to out. The host's memory is left alone once this has returned or raised.

        Raises
        ------
        RuntimeError: the driver does not build the kernel, or builds one that computes wrong answers.

        """
        session = _session(self.device)
        text = source(f"{self.name}.cl")
        options, further = prepared(text, x.dtype, session.shape, p, mu)
        program = session.program(self.name, text, *options)
        width = math.prod(session.shape) if "LANES" in text else 1
        key = (self.name, *options)
        job = _Job(self, session, key, program, width, num, further)
        if self.verified and key not in session.verified:
            job.verify(x.dtype, p, mu)
            session.verified.add(key)
        return job.run(x, out)


@dataclass(frozen=True)
class _Job:
    """A program with all its arguments but the arrays."""

    kernel: Kernel
    session: _Session
    key: tuple[str, ...]
    program: Any
    width: int  # elements of a work-item
    num: int
    further: tuple[np.generic, ...]

    def run(self, x: Array, out: Array) -> Times:
        """Write the answers for x to out."""
        return (self._in_place if self.kernel.device.shares_memory else self._by_transfer)(x, out)

    def _enqueue(self, queue: Any, source: Any, target: Any, length: int) -> Any:
        items = -(-length // self.width)
        padded = -(-items // self.session.group) * self.session.group
        kernel = self.session.kernel(self.key, self.program, self.further)
        return kernel(queue, (padded,), (self.session.group,), source, target, length, self.num, *self.further)

    def _in_place(self, x: Array, out: Array) -> Times:
        """Let the device read and write the host's arrays."""
        session, cl, flags, queue = self.session, self.session.cl, self.session.cl.mem_flags, self.session.queues[0]
        same = x.ctypes.data == out.ctypes.data
        target = cl.Buffer(session.context, flags.READ_WRITE | flags.USE_HOST_PTR, hostbuf=out)
        source = target if same else cl.Buffer(session.context, flags.READ_ONLY | flags.USE_HOST_PTR, hostbuf=x)
        try:
            run = self._enqueue(queue, source, target, len(x))
            view, _ = cl.enqueue_map_buffer(queue, target, cl.map_flags.READ, 0, len(out), out.dtype, wait_for=[run])
            view.base.release(queue)
        finally:
            queue.finish()
            target.release()
            if not same:
                source.release()
        return Times(0, _nanoseconds(run), 0)

    def _by_transfer(self, x: Array, out: Array) -> Times:
        """Move pieces to the device and back, over two queues: one computes while the other moves."""
        session, cl = self.session, self.session.cl
        most = session.piece // x.itemsize
        starts = range(0, len(x), most)
        size = min(len(x), most) * x.itemsize
        buffers = [cl.Buffer(session.context, cl.mem_flags.READ_WRITE, size=size) for _ in starts[:2]]
        events: list[tuple[Any, Any, Any]] = []
        try:
            for index, start in enumerate(starts):
                queue, buffer = session.queues[index % 2], buffers[index % 2]
                source, target = x[start : start + most], out[start : start + most]
                write = cl.enqueue_copy(queue, buffer, source, is_blocking=False)
                run = self._enqueue(queue, buffer, buffer, len(source))
                events.append((write, run, cl.enqueue_copy(queue, target, buffer, is_blocking=False)))
                queue.flush()
        finally:
            for queue in session.queues:
                queue.finish()
            for buffer in buffers:
                buffer.release()
        return Times(*(sum(map(_nanoseconds, kind)) for kind in zip(*events, strict=True)))

    def verify(self, dtype: np.dtype[Any], p: int, mu: int) -> None:
        """Raise RuntimeError where the answers for a few values are not the right ones."""
        info = np.iinfo(dtype)
        edges = [info.min, info.max, p - 1, p, p // 2, p // 2 + 1, -p, 2**31 - 1, *range(-9, 200)]
        values = [value for value in edges if info.min <= value <= info.max]
        x, out, steps = np.array(values, dtype), np.zeros(len(values), dtype), 11
        dataclasses.replace(self, num=steps).run(x, out)
        for _ in range(steps):
            values = [mu * value * (value + 1) % p for value in values]
        if out.tolist() != values:
            kernel, options = self.kernel, os.environ.get("PYOPENCL_BUILD_OPTIONS", "")
            raise RuntimeError(
                f"kernels/{kernel.name}.cl computes wrong answers on {kernel.device.name}: does "
                f'PYOPENCL_BUILD_OPTIONS="{options}" relax floating-point arithmetic? Remove such options'
            )
