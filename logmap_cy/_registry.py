"""The table of implementations. To add one: a source file and a row in ROWS."""

from __future__ import annotations

import functools
import importlib
import math
import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from logmap_cy.opencl import device as opencl
from logmap_cy.opencl.job import Kernel
from logmap_cy.vector import cpu

if TYPE_CHECKING:
    from collections.abc import Callable

    from logmap_cy._contract import Compute

Kind: TypeAlias = Literal["python", "objects", "pool", "numpy", "cython", "peer", "opencl", "hybrid"]


@dataclass(frozen=True)
class Domain:
    """The parameters that an implementation is exact for, in words and as a predicate of p and mu in [0, p)."""

    text: str
    contains: Callable[[int, int], bool]


ANY = Domain("every p", lambda p, mu: True)  # noqa: ARG005
P_32_BITS = Domain("p <= 2**32", lambda p, mu: p <= 2**32)  # noqa: ARG005
P_27_BITS = Domain("p <= 2**27", lambda p, mu: p <= 2**27)  # noqa: ARG005
P_45_BITS = Domain("p <= 2**45", lambda p, mu: p <= 2**45)  # noqa: ARG005
ODD_25_BITS = Domain(
    "odd p < 2**25 that shares no factor with mu", lambda p, mu: p < 2**25 and p % 2 == 1 and math.gcd(p, mu) == 1
)
ODD_31_BITS = Domain(
    "odd p < 2**31 that shares no factor with mu", lambda p, mu: p < 2**31 and p % 2 == 1 and math.gcd(p, mu) == 1
)
PRODUCT_63_BITS = Domain("(mu % p) * (p - 1) * p < 2**63", lambda p, mu: mu * (p - 1) * p < 2**63)


INSTALL = {
    "numba": 'pip install "logmap-cy[peers]"',
    "cupy": "pip install cupy-cuda13x, or the one for this machine's CUDA",
}
DISABLE = "LOGMAP_CY_DISABLE_CPU_FEATURES"


@functools.cache
def cpu_features() -> frozenset[str]:
    """Return the instruction sets that may be used: the processor's, but for those that the environment disables."""
    disabled = set(os.environ.get(DISABLE, "").replace(",", " ").split())
    unknown = disabled - {row.cpu for row in ROWS}
    if unknown:
        warnings.warn(f"{DISABLE} names {', '.join(sorted(unknown))}, which is not known", RuntimeWarning, stacklevel=2)
    return cpu.supported() - disabled


@dataclass(frozen=True)
class Implementation:
    """One way to compute the map.

    Attributes
    ----------
    name: also the name of its source, logmap_cy/rows/NAME.py or .pyx, or kernels/NAME.cl, unless `source` differs.
    kind: what it is made of. "objects": compiled, over Python's integers; "pool": processes; "peer": another compiler.
    summary: one line for people.
    domain: the parameters that it is exact for; it raises ValueError beyond.
    steps_per_call: elements times steps that one call may take on, so that Ctrl-C is answered in time.
    steps_per_thread: elements times steps that each further thread should have to itself; None for one thread always.
    cpu: the instruction set that it needs, of those that `cpu.supported` knows.
    double: for OpenCL, whether it needs a device that computes in double precision.
    source: module and function within logmap_cy, where these are not those of the name: "rows.pool.python".
    known_wrong: why its answers are wrong, or None. Kept to show that the check rejects it; `logmap` refuses it.

    """

    name: str
    kind: Kind
    summary: str
    domain: Domain = P_32_BITS
    steps_per_call: int = 2**24  # 45 ms of 64-bit divisions; below 1 s even at 100 cycles a division
    steps_per_thread: int | None = None
    cpu: str | None = None
    double: bool = False
    source: str | None = None
    known_wrong: str | None = None

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    @property
    def unavailable(self) -> str | None:
        """The reason why it cannot run here and what to do about it, or None."""
        if self.kind == "hybrid" and opencl.discover().reason:
            return f"it shares the work with OpenCL devices: {opencl.discover().reason}"
        if self.kind == "opencl":
            lacks_double = "no OpenCL device here computes in double precision; opencl_uint needs none"
            return opencl.discover().reason or (None if self.devices else lacks_double)
        if self.cpu and self.cpu not in cpu_features():
            switched_off = f"{DISABLE} switches {self.cpu} off"
            return switched_off if self.cpu in cpu.supported() else f"this processor or system has no {self.cpu}"
        try:
            self.load()
        except ImportError as error:
            return f"{error}; {INSTALL.get(self.name, 'reinstall logmap-cy')}"
        return None

    @property
    def devices(self) -> tuple[opencl.Device, ...]:
        """The OpenCL devices that it can run on; empty for what runs on the host."""
        found = opencl.discover().devices if self.kind == "opencl" else ()
        return tuple(device for device in found if device.double or not self.double)

    def load(self, device: opencl.Device | None = None) -> Compute:
        """Return its function; for kind "opencl" on `device`, or on the first of `devices`.

        Raises
        ------
        RuntimeError: there is no OpenCL device, or its driver does not build the kernel.

        """
        if self.kind == "opencl":
            device = device or next(iter(self.devices), None) or opencl.first_device()
            return Kernel(self.name, device, verified=self.double)
        compute: Compute = getattr(self.module(), self._place[1])
        return compute

    def module(self) -> Any:
        """Return the module of its function; ImportError where it lacks a package."""
        return importlib.import_module(f"logmap_cy.{self._place[0]}")

    @property
    def _place(self) -> tuple[str, str]:
        module, _, function = (self.source or f"rows.{self.name}.compute").rpartition(".")
        return module, function


VECTOR = (2**29, 2**20)  # steps a call: below 0.3 s everywhere; steps a thread: 0.1 to 0.4 ms

PYTHON = 2**13  # steps that a worker process should have to itself: 1 ms; asking it takes 0.2 ms
WRONG_KERNEL = "computes in 32-bit int, and 22*x*(x+1) overflows from x = 9880 on; use opencl_loop"
WRONG_COUNT = "its range(1, 10, 1) are nine steps, not ten; use numpy_article"

ROWS = (
    Implementation("python", "python", "unbounded integers in a loop; the oracle", ANY),
    Implementation("python_inlined", "python", "ten steps written out, in Python", ANY),
    Implementation(
        "python_pool", "pool", "python, over worker processes", ANY, 2**22, PYTHON, source="rows.pool.python"
    ),
    Implementation(
        "python_inlined_pool",
        "pool",
        "python_inlined, over worker processes",
        ANY,
        2**22,
        PYTHON,
        source="rows.pool.python_inlined",
    ),
    Implementation("scalar", "objects", "a compiled call for each element", source="rows.objects.compute_scalar"),
    Implementation("list", "objects", "compiled, from a list to a list", source="rows.objects.compute_list"),
    Implementation(
        "list_pool", "pool", "list, over worker processes", steps_per_thread=2**17, source="rows.pool.whole_lists"
    ),
    Implementation(
        "list_window", "pool", "list_pool, in chunks of 1 ms", steps_per_thread=2**17, source="rows.pool.windows"
    ),
    Implementation("buffer", "cython", "compiled, over the buffer protocol"),
    Implementation(
        "numpy_article_nine",
        "numpy",
        "the article's own lines, its list and its nine steps",
        PRODUCT_63_BITS,
        10 * 2**25,
        known_wrong=WRONG_COUNT,
    ),
    Implementation("numpy_article", "numpy", "whole-array ufuncs, as in the article", PRODUCT_63_BITS, 10 * 2**25),
    Implementation("numpy", "numpy", "ufuncs in place over blocks in the cache"),
    Implementation("memoryview", "cython", "typed memoryview, one thread"),
    Implementation("unrolled", "cython", "ten inlined steps written out, one thread"),
    # 2**17 divisions take 0.3 ms on one core. Sharing them out costs 5 us on a quiet machine, but a time slice of 8 ms
    # was seen where another process held the second core.
    Implementation("prange", "cython", "nogil prange, all threads", steps_per_thread=2**17),
    Implementation(
        "vector_baseline",
        "cython",
        "vectors of what every processor has",
        P_27_BITS,
        *VECTOR,
        source="vector.baseline.compute",
    ),
    Implementation(
        "vector_avx2",
        "cython",
        "vectors of 4 doubles, AVX2 and FMA",
        P_45_BITS,
        *VECTOR,
        "avx2",
        source="vector.avx2.compute",
    ),
    Implementation(
        "vector_avx512",
        "cython",
        "vectors of 8 doubles, AVX-512",
        P_45_BITS,
        *VECTOR,
        "avx512",
        source="vector.avx512.compute",
    ),
    Implementation(
        "vector_ifma",
        "cython",
        "vectors of 8 integers, AVX-512 IFMA",
        ODD_25_BITS,
        *VECTOR,
        "ifma",
        source="vector.ifma.compute",
    ),
    Implementation("numba", "peer", "the plain loop, compiled by LLVM, all threads", steps_per_thread=2**17),
    Implementation("cupy", "peer", "the plain loop as an elementwise CUDA kernel", steps_per_call=2**29),
    Implementation("opencl_loop", "opencl", "64-bit kernel, a loop over the steps", steps_per_call=2**25),
    Implementation("opencl_unrolled", "opencl", "64-bit kernel, ten steps written out", steps_per_call=2**25),
    Implementation(
        "opencl_double", "opencl", "vectors of doubles, ten steps written out", P_45_BITS, 2**29, double=True
    ),
    Implementation("opencl_uint", "opencl", "32-bit integers, ten steps written out", ODD_31_BITS, 2**25),
    Implementation(
        "opencl_article",
        "opencl",
        "the articles' 32-bit kernel",
        steps_per_call=2**25,
        known_wrong=WRONG_KERNEL,
    ),
    Implementation(
        "hybrid", "hybrid", "processor and OpenCL devices at once", P_32_BITS, *VECTOR, source="hybrid.call.compute"
    ),
)

# What "auto" tries, the fastest first. The oracle is exact for every p.
AUTO = ("vector_ifma", "vector_avx512", "vector_avx2", "vector_baseline", "prange", "python")


def implementations() -> tuple[Implementation, ...]:
    """Return every implementation of the map, those that cannot run here and the known wrong one included."""
    return ROWS


def widest() -> Any:
    """Return the module of the widest vectors of doubles that may be used here, for its `multiply_adds`."""
    rows = [row for row in ROWS if row.name.startswith("vector_") and row.cpu != "ifma" and not row.unavailable]
    return rows[-1].module()
