"""Ten steps of the logistic map on an OpenCL device."""

from pathlib import Path

import pyopencl as cl

SOURCE = Path(__file__).with_name("logistic.cl").read_text("utf-8")


class Logistic:
    """The kernel on a queue's device; a call writes ten steps of x to out, and returns the kernel's event."""

    def __init__(self, queue):
        self.queue = queue
        self.kernel = cl.Program(queue.context, SOURCE).build().logistic

    def __call__(self, x, out):
        flags = cl.mem_flags
        source = cl.Buffer(self.queue.context, flags.READ_ONLY | flags.COPY_HOST_PTR, hostbuf=x)
        target = cl.Buffer(self.queue.context, flags.WRITE_ONLY, out.nbytes)
        event = self.kernel(self.queue, x.shape, None, source, target)
        cl.enqueue_copy(self.queue, out, target)
        return event
