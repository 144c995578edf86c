"""What --cl-check changes in pyopencl: Oclgrind's record of which memory was written is wrong at times.

- Its record for an address outlives a buffer there. A later buffer that is larger was reported as uninitialised,
  depending on the order of tests, and a use of what was never written was not. So buffers are kept, and no address is
  used twice.
- It takes what is filled for uninitialised.
- It takes all that kernels read from images for uninitialised, and so what is computed from that.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

# All together. Oclgrind has 2**16 addresses in a context.
MOST_BYTES = 2**30
MOST_BUFFERS = 2**15
MESSAGES = re.compile(r"\n\s*\n(?=\S)")


class Kept:
    """The buffers and images of each context, which stay allocated while anything else uses the context."""

    def __init__(self) -> None:
        self._buffers: dict[int, list[Any]] = {}
        self._bytes = self._count = 0

    def add(self, buffer: Any) -> None:
        """Keep what a pyopencl.Buffer or Image stands for, even if that is released."""
        if self._bytes + buffer.size <= MOST_BYTES and self._count < MOST_BUFFERS:
            self._bytes, self._count = self._bytes + buffer.size, self._count + 1
            kept = type(buffer).from_int_ptr(buffer.int_ptr, retain=True)
            self._buffers.setdefault(buffer.context.int_ptr, []).append(kept)

    def release_unused(self) -> None:
        """Release the buffers of contexts that nothing else uses."""
        for key, buffers in [*self._buffers.items()]:
            # Each buffer counts, and the context that is asked.
            if buffers[0].context.reference_count <= len(buffers) + 1:
                self._count -= len(buffers)
                self._bytes -= sum(buffer.size for buffer in buffers)
                del self._buffers[key]

    def release(self) -> None:
        """Release all of them."""
        self._buffers.clear()


class ImageKernels:
    """The names of the kernels with images among their arguments that were launched."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def add(self, kernel: Any) -> None:
        """Look at a pyopencl.Kernel that is launched."""
        import pyopencl as cl

        # A program that was made from a binary may not tell.
        with suppress(cl.Error):
            types = (kernel.get_arg_info(place, cl.kernel_arg_info.TYPE_NAME) for place in range(kernel.num_args))
            if any(name.startswith("image") for name in types):
                self._names.add(kernel.function_name)

    def without_false_reports(self, log: str) -> str:
        """Return a log without reports of uninitialised values by these kernels, and by all that follow them."""
        kept, doubtful = [], False
        for message in MESSAGES.split(log):
            if "uninitialized" in message.casefold() and "FATAL" not in message:
                kernel = re.search(r"^\s*Kernel: +(\w+)", message, re.MULTILINE)
                doubtful = doubtful or (kernel is not None and kernel[1] in self._names)
                if doubtful:
                    continue
            kept.append(message)
        return "\n\n".join(kept)


def patch_pyopencl(patch: Any, kept: Kept, image_kernels: ImageKernels) -> None:
    """Make pyopencl keep buffers, note kernels that read images, and fill by a copy, until the patch is undone."""
    import pyopencl as cl

    launch = cl.enqueue_nd_range_kernel

    def keeping(original: Any) -> Any:
        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            original.__init__(self, *args, **kwargs)
            kept.add(self)

        # A subclass: pyopencl's own would be made without its __init__.
        return type(original.__name__, (original,), {"__init__": init, "__module__": cl.__name__})

    def enqueue_nd_range_kernel(queue: Any, kernel: Any, *args: Any, **kwargs: Any) -> Any:
        image_kernels.add(kernel)
        return launch(queue, kernel, *args, **kwargs)

    patch.setattr(cl, "Buffer", keeping(cl.Buffer))
    patch.setattr(cl, "Image", keeping(cl.Image))
    # Kernels are called through the one, code that enqueues by itself uses the other.
    patch.setattr("pyopencl._cl.enqueue_nd_range_kernel", enqueue_nd_range_kernel)
    patch.setattr(cl, "enqueue_nd_range_kernel", enqueue_nd_range_kernel)
    patch.setattr(cl, "enqueue_fill_buffer", _fill_buffer)


def _fill_buffer(queue: Any, mem: Any, pattern: Any, offset: int, size: int, wait_for: Any = None) -> Any:
    """Do what pyopencl.enqueue_fill_buffer does, by a copy."""
    import numpy as np
    import pyopencl as cl

    content = np.resize(np.frombuffer(pattern, np.uint8), size)
    return cl.enqueue_copy(queue, mem, content, dst_offset=offset, is_blocking=False, wait_for=wait_for)
