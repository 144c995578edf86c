"""Calls of OpenCL kernels: launches, and transfers that are timed separately."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from logmap_cy._reentry import ReentryGuard
from logmap_cy.opencl.program import open_session, prepared, source

if TYPE_CHECKING:
    from logmap_cy._contract import Array
    from logmap_cy.opencl.device import Device
    from logmap_cy.opencl.program import Session


@dataclass(frozen=True)
class Times:
    """What one call spent on the device, from profiling events, in nanoseconds."""

    write_ns: int
    kernel_ns: int
    read_ns: int


# A call sets the arguments of its thread's kernel one by one, and holds locks of pyopencl's.
_guard = ReentryGuard("an OpenCL implementation")


def _nanoseconds(event: Any) -> int:
    nanoseconds: int = event.profile.end - event.profile.start
    return nanoseconds


@dataclass(frozen=True)
class Kernel:
    """The implementation kernels/NAME.cl on one device: a `Compute` that returns its Times.

    Attributes
    ----------
    name : str
        NAME.
    device : Device
        Where it runs.
    verified : bool
        Whether each program is checked on known answers when it is built: options from outside, such as
        -cl-unsafe-math-optimizations in PYOPENCL_BUILD_OPTIONS, break kernels that depend on rounding.

    """

    name: str
    device: Device
    verified: bool = False

    def __call__(self, x: Array, out: Array, num: int, p: int, mu: int, _threads: int, /) -> Times:
        """Write num steps of the map on x to out. The device is done with both arrays when this returns or raises.

        Raises
        ------
        RuntimeError
            The driver does not build the kernel, or builds one that computes wrong answers; or it was called by a
            signal handler that interrupted such a call.

        """
        return _guard.run(functools.partial(self._run, x, out, num, p, mu))

    def _run(self, x: Array, out: Array, num: int, p: int, mu: int) -> Times:
        session = open_session(self.device)
        text = source(f"{self.name}.cl")
        shape = session.float_shape if "float p" in text else session.shape
        options, further = prepared(text, x.dtype, shape, p, mu)
        program = session.program(self.name, text, *options)
        width = math.prod(count for name, count in zip(("LANES", "VECTORS"), shape, strict=True) if name in text)
        key = (self.name, *options)
        job = _Job(self, session, key, program, width, num, further)
        if self.verified and key not in session.verified:
            job.verify(x.dtype, p, mu)
            session.verified.add(key)
        return job.run(x, out)


@dataclass(frozen=True)
class _Job:
    """A program with all its arguments but the arrays. A work-item computes `width` elements."""

    kernel: Kernel
    session: Session
    key: tuple[str, ...]
    program: Any
    width: int
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
        """Raise RuntimeError if the answers for a few values are wrong."""
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
