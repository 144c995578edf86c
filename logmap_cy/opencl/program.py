"""OpenCL programs: a kernel's text, what p and mu come to in it, and the program, built once for each device."""

from __future__ import annotations

import functools
import math
import os
import re
import threading
import warnings
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from logmap_cy._state import on_release
from logmap_cy.opencl.device import discover
from logmap_cy.vector.plan import P_WIDE, plan

if TYPE_CHECKING:
    from logmap_cy.opencl.device import Device

# Programs that are kept for each device; the least recently used one goes first.
PROGRAMS = 64
# Bytes that are moved to a device and back at a time.
PIECE = 2**25
# Work-items in a group; 64 to 4096 measured alike on PoCL, 1 ten times slower.
GROUP = 256
# Build options that let a driver round otherwise than the kernel says.
RELAXED = re.compile(r"-cl-(fast-relaxed-math|unsafe-math-optimizations|mad-enable)")
# Types of OpenCL C -> NumPy's, and the kinds of an array's elements -> OpenCL C.
SCALARS: dict[str, type[np.generic]] = {
    "double": np.float64,
    "float": np.float32,
    "int": np.int32,
    "uint": np.uint32,
    "ulong": np.uint64,
}
ELEMENTS = {"i4": "int", "u4": "uint", "i8": "long", "u8": "ulong"}


@functools.cache
def source(name: str) -> str:
    """Return the text of kernels/NAME with the text of what it includes.

    Not by an include path: the package may lie in an archive, and paths with spaces break drivers.
    """
    # Takes 5 ms, which only those who use OpenCL need to spend.
    from importlib import resources

    text = resources.files("logmap_cy").joinpath("kernels", name).read_text("utf-8")
    return re.sub(r'^#include "(\w+\.h)"$', lambda include: source(include[1]), text, flags=re.MULTILINE)


class Session:
    """The context, the queues and the programs of one device, from its first use until `release`."""

    def __init__(self, device: Device) -> None:
        import pyopencl as cl

        self.cl = cl
        # Lanes and vectors of a work-item. PoCL, 2^25 x 10: (4, 1) 92 ms, (4, 8) 43, (4, 12) 40, (4, 16) 49. Wider
        # vectors give wrong answers on PoCL 3.0, which breaks their calling convention.
        # An H200, 2^26 x 10, int64, int32: (2, 1) 0.298, 0.287 ms, (2, 2) 0.270, 0.247, (4, 2) 0.742, 0.239.
        self.shape = (4, 12) if device.kind == "cpu" else (2, 2)
        # Floats, in vectors of the same width. PoCL, 2^20 x 10: (8, 8) 0.91 ms, (8, 12) 0.93, (8, 16) 0.89.
        self.float_shape = (8, 16) if device.kind == "cpu" else (4, 1)
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
        """Return the program of kernels/NAME.cl's text, a kept one if it was built with these options before."""
        key = (name, *options)
        relaxed = RELAXED.search(os.environ.get("PYOPENCL_BUILD_OPTIONS", ""))
        if relaxed and "FP_CONTRACT OFF" in text:
            raise RuntimeError(
                f"kernels/{name}.cl depends on exact rounding; remove {relaxed[0]} from PYOPENCL_BUILD_OPTIONS"
            )
        with self.lock:
            if key not in self.programs:
                try:
                    # NVIDIA's compiler prints something of each kernel, -w or not. Filters are the process's.
                    with _building, warnings.catch_warnings():
                        warnings.simplefilter("ignore", self.cl.CompilerWarning)
                        self.programs[key] = self.cl.Program(self.context, text).build(["-w", *options])
                except self.cl.Error as error:
                    raise RuntimeError(f"kernels/{name}.cl was not built for this device: {error}") from error
                if len(self.programs) > PROGRAMS:
                    self.programs.popitem(last=False)
            self.programs.move_to_end(key)
            return self.programs[key]

    def kernel(self, key: tuple[str, ...], program: Any, further: tuple[np.generic, ...]) -> Any:
        """Return the program's kernel for this thread: threads must not share its arguments. A new one takes 0.1 ms."""
        kernels: dict[Any, Any] = self.kernels.__dict__
        if kernels.get(name := " ".join(key), (None,))[0] is not program:
            if len(kernels) >= PROGRAMS:
                kernels.clear()
            kernel = self.cl.Kernel(program, "logmap")
            kernel.set_scalar_arg_dtypes([None, None, np.uint64, np.uint64, *map(type, further)])
            kernels[name] = program, kernel
        return kernels[name][1]


_sessions: dict[Device, Session] = {}
_building = threading.Lock()
# A signal handler may call `release` while it interrupts `open_session`.
_lock = threading.RLock()


def open_session(device: Device) -> Session:
    """Return the device's session, a new one where there is none; RuntimeError in a forked child."""
    if reason := discover().reason:
        raise RuntimeError(reason)
    with _lock:
        session = _sessions.get(device) or Session(device)
        _sessions[device] = session
        return session


def current_session(device: Device) -> Session | None:
    """Return the device's session, None where there is none or `release` has ended it."""
    return _sessions.get(device)


@on_release
def release() -> None:
    """Release every OpenCL context, queue and program. Calls under way keep theirs; a later call makes new ones.

    Examples
    --------
    >>> from logmap_cy import release_opencl
    >>> release_opencl()

    """
    with _lock:
        _sessions.clear()


def constants(p: int, mu: int) -> dict[str, float]:
    """Return the constants that the kernels derive from p and mu, by their names there."""
    values: dict[str, float] = {"P": p, "MU": mu, "ONE_REMAINDER": mu * (p - 1) * p < 2**64, "p": p, "inverse": 1 / p}
    if p <= P_WIDE:
        derived = plan(p, mu)
        values |= derived.integers
        if floats := derived.floats:
            values |= {f"factor{i}": factor for i, factor in enumerate(floats.factors)}
            values |= {f"ratio{i}": ratio for i, ratio in enumerate(floats.ratios)}
            values |= {f"float_{name}": getattr(floats, name) for name in ("half", "half_ratio", "c", "back", "offset")}
            values |= {"linear": floats.linear, "SQUARE": floats.linear == 0, "direct_bits": floats.direct_bits}
    if p % 2 and p < 2**31 and math.gcd(mu, p) == 1:
        r, half, back = 2**32, mu * pow(2, -1, p), pow(mu, -1, p)
        values |= {
            "minus_inverse": -pow(p, -1, r) % r,
            "low_factor": mu * r**2 % p,
            "high_factor": mu * r**3 % p,
            "offset": half * r % p,
            "negative_correction": -(2**64) * mu * r % p,
            "montgomery_c": (half - half * half) * r % p,
            "montgomery_back": back,
            "montgomery_shift": -half * back % p,
        }
    return values


def definitions(text: str, dtype: np.dtype[Any], shape: tuple[int, int], values: dict[str, float]) -> list[str]:
    """Return the build options that define the capital names in a kernel's text."""
    defined = {"ELEMENT": ELEMENTS[dtype.str[1:]], "LANES": str(shape[0]), "VECTORS": str(shape[1])}
    defined |= {name: f"{int(values[name])}UL" for name in ("P", "MU")}
    defined |= {name: str(int(values[name])) for name in ("ONE_REMAINDER", "FORM", "SQUARE") if name in values}
    return [f"-D{name}={value}" for name, value in defined.items() if re.search(rf"\b{name}\b", text)]


def arguments(text: str, values: dict[str, float]) -> list[np.generic]:
    """Return the arguments of a kernel after x, out, n and num, which its parameters name."""
    parameters = re.findall(r"__kernel void logmap\((.*?)\)", text, re.DOTALL)[0].split(",")[4:]
    pairs = [parameter.split() for parameter in parameters]
    return [SCALARS[kind](values[name]) for kind, name in pairs]


@functools.lru_cache(maxsize=1024)
def prepared(
    text: str, dtype: np.dtype[Any], shape: tuple[int, int], p: int, mu: int
) -> tuple[tuple[str, ...], tuple[np.generic, ...]]:
    """Return the build options of a kernel and its arguments after x, out, n and num."""
    values = constants(p, mu)
    return tuple(definitions(text, dtype, shape, values)), tuple(arguments(text, values))
