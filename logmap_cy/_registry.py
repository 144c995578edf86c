"""The table of implementations. To add one: its source, a row in ROWS, and a line in meson.build."""

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
from logmap_cy.vector.plan import plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from logmap_cy._contract import Compute

Kind: TypeAlias = Literal["python", "objects", "pool", "numpy", "cython", "peer", "opencl", "hybrid"]

# How to install what an implementation lacks.
INSTALL = {
    "numba": 'pip install "logmap-cy[peers]"',
    "cupy": "pip install cupy-cuda13x, or the one for this machine's CUDA",
}
# What a device of OpenCL lacks, by the precision of a row.
LACKS = {
    "double": "no OpenCL device here computes in double precision; opencl_uint needs none",
    "single": "no OpenCL device here has fused multiply-add in single precision; opencl_uint needs none",
}
DISABLE = "LOGMAP_CY_DISABLE_CPU_FEATURES"


@dataclass(frozen=True)
class Domain:
    """The parameters that an implementation is exact for, in words and as a predicate of p and mu in [0, p)."""

    text: str
    contains: Callable[[int, int], bool]


ANY = Domain("every p", lambda _p, _mu: True)
P_27_BITS = Domain("p <= 2**27", lambda p, _mu: p <= 2**27)
P_32_BITS = Domain("p <= 2**32", lambda p, _mu: p <= 2**32)
P_45_BITS = Domain("p <= 2**45", lambda p, _mu: p <= 2**45)
ODD_25_BITS = Domain(
    "odd p < 2**25 that shares no factor with mu", lambda p, mu: p < 2**25 and p % 2 == 1 and math.gcd(p, mu) == 1
)
ODD_31_BITS = Domain(
    "odd p < 2**31 that shares no factor with mu", lambda p, mu: p < 2**31 and p % 2 == 1 and math.gcd(p, mu) == 1
)
SINGLE = Domain(
    "p <= 2**21 that shares no factor with mu, and beyond it where the bound of single precision closes",
    lambda p, mu: p <= 2**24 and plan(p, mu).floats is not None,
)
PRODUCT_63_BITS = Domain(
    "p < 2**63 and (mu % p) * (p - 1) * p < 2**63", lambda p, mu: p < 2**63 and mu * (p - 1) * p < 2**63
)


@functools.cache
def cpu_features() -> frozenset[str]:
    """Return the instruction sets that may be used: those of the processor that the environment does not disable."""
    disabled = set(os.environ.get(DISABLE, "").replace(",", " ").split())
    known = {row.cpu for row in ROWS if row.cpu}
    unknown = disabled - known
    if unknown:
        warnings.warn(
            f"{DISABLE} names {', '.join(sorted(unknown))}, which is not known; choose from {', '.join(sorted(known))}",
            RuntimeWarning,
            stacklevel=2,
        )
    return cpu.supported() - disabled


@dataclass(frozen=True)
class Implementation:
    """One way to compute the map: a row of the table.

    Attributes
    ----------
    name : str
        What to call it. Also the name of its source, unless `source` says otherwise: logmap_cy/rows/NAME.py or .pyx, or
        for kind "opencl" kernels/NAME.cl.
    summary : str
        One line that describes it.
    kind : str
        What it is made of. "objects": compiled, over Python's integers; "pool": worker processes; "peer": another
        compiler.
    domain : Domain
        The parameters that it is exact for.
    steps_per_call : int
        Elements times steps that one call may do, so that Ctrl-C takes effect within a second. By default 45 ms of
        64-bit divisions, or below 1 s where a division takes 100 cycles.
    steps_per_thread : int or None
        Elements times steps that each thread should have, at least; None for one thread always.
    cpu : str or None
        The instruction set that it needs, one of those that `logmap_cy.vector.cpu.supported` knows.
    precision : str or None
        For OpenCL, that of its floating-point numbers: "double" needs a device that has it, "single" one with fused
        multiply-add.
    source : str or None
        Its module within logmap_cy, if that is not "rows.NAME", and its function, if that is not compute:
        "rows.pool:python".
    known_wrong : str or None
        Why its answers are wrong. It is kept to show that the check rejects it, and `logmap` refuses it.

    """

    name: str
    summary: str
    kind: Kind
    domain: Domain = P_32_BITS
    steps_per_call: int = 2**24
    steps_per_thread: int | None = None
    cpu: str | None = None
    precision: Literal["single", "double"] | None = None
    source: str | None = None
    known_wrong: str | None = None

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    @property
    def unavailable(self) -> str | None:
        """Why it cannot run here and what to do about it, or None."""
        if self.kind == "hybrid" and opencl.discover().reason:
            return f"it shares the work with OpenCL devices: {opencl.discover().reason}"
        if self.kind == "opencl":
            return opencl.discover().reason or (None if self.devices else LACKS[self.precision or "double"])
        if self.cpu and self.cpu not in cpu_features():
            disabled = f"{DISABLE} disables {self.cpu}"
            return disabled if self.cpu in cpu.supported() else f"this processor or system has no {self.cpu}"
        try:
            self.module()
        except ImportError as error:
            return f"{error}; {INSTALL.get(self.name, 'reinstall logmap-cy, or add it to meson.build')}"
        return None

    @property
    def devices(self) -> tuple[opencl.Device, ...]:
        """The OpenCL devices that it can run on; empty for what runs on the host."""
        devices = opencl.discover().devices if self.kind == "opencl" else ()
        return tuple(device for device in devices if self.runs_on(device))

    def runs_on(self, device: opencl.Device) -> bool:
        """Return whether an OpenCL device has the precision that it needs."""
        return {"double": device.double, "single": device.fma, None: True}[self.precision]

    def load(self, device: opencl.Device | None = None) -> Compute:
        """Return its function; for kind "opencl" on `device`, or on the first of `devices`.

        Raises
        ------
        ImportError
            A package that it needs is not installed.
        RuntimeError
            There is no OpenCL device, or its driver does not build the kernel.

        """
        if self.kind == "opencl":
            device = device or next(iter(self.devices), None) or opencl.first_device()
            return Kernel(self.name, device, verified=self.precision is not None)
        compute: Compute = getattr(self.module(), self.place[1])
        return compute

    def module(self) -> Any:
        """Return the module of its function."""
        return importlib.import_module(f"logmap_cy.{self.place[0]}")

    @functools.cached_property
    def place(self) -> tuple[str, str]:
        """The name of its module within logmap_cy, and of its function."""
        module, _, function = (self.source or f"rows.{self.name}").partition(":")
        return module, function or "compute"


# Families of rows, with what they have in common.
#
# A worker process should have 1 ms of steps: asking it takes 0.2 ms.
python_pool = functools.partial(Implementation, kind="pool", domain=ANY, steps_per_call=2**22, steps_per_thread=2**13)
# 0.3 ms on one core. Threads cost 5 us on a quiet machine, but a time slice of 8 ms was seen where another process held
# the second core.
DIVISIONS = 2**17
list_pool = functools.partial(Implementation, kind="pool", steps_per_thread=DIVISIONS)
numpy_article = functools.partial(Implementation, kind="numpy", domain=PRODUCT_63_BITS, steps_per_call=10 * 2**25)
# A call takes less than 0.3 s everywhere, and a thread's share 0.1 to 0.4 ms.
vector = functools.partial(Implementation, kind="cython", steps_per_call=2**29, steps_per_thread=2**20)
vector_float = functools.partial(vector, domain=SINGLE)
kernel = functools.partial(Implementation, kind="opencl", steps_per_call=2**25)
floating = functools.partial(Implementation, kind="opencl", steps_per_call=2**29)

# Why the answers of two rows are wrong.
COUNT = "its range(1, 10, 1) are nine steps, not ten; use numpy_article"
OVERFLOW = "computes in 32-bit int, and 22*x*(x+1) overflows from x = 9880 on; use opencl_loop"

ROWS = (
    Implementation("python", "unbounded integers in a loop; the oracle", "python", ANY),
    Implementation("python_inlined", "ten steps written out, in Python", "python", ANY),
    python_pool("python_pool", "python, over worker processes", source="rows.pool:python"),
    python_pool("python_inlined_pool", "python_inlined, over worker processes", source="rows.pool:python_inlined"),
    Implementation("scalar", "a compiled call for each element", "objects", source="rows.objects:compute_scalar"),
    Implementation("list", "compiled, from a list to a list", "objects", source="rows.objects:compute_list"),
    list_pool("list_pool", "list, over worker processes", source="rows.pool:whole_lists"),
    list_pool("list_window", "list_pool, in chunks of 1 ms", source="rows.pool:windows"),
    Implementation("buffer", "compiled, over the buffer protocol", "cython"),
    numpy_article("numpy_article_nine", "the article's own lines, its list and its nine steps", known_wrong=COUNT),
    numpy_article("numpy_article", "whole-array ufuncs, as in the article; 32 more bytes an element: 1 GiB for 2^25"),
    Implementation("numpy", "ufuncs in place over blocks in the cache", "numpy"),
    Implementation("memoryview", "typed memoryview, one thread", "cython"),
    Implementation("unrolled", "ten inlined steps written out, one thread", "cython"),
    Implementation("prange", "nogil prange, all threads", "cython", steps_per_thread=DIVISIONS),
    vector("vector_baseline", "vectors of what every processor has", domain=P_27_BITS, source="vector.baseline"),
    vector("vector_avx2", "vectors of 4 doubles, AVX2 and FMA", domain=P_45_BITS, cpu="avx2", source="vector.avx2"),
    vector("vector_avx512", "vectors of 8 doubles, AVX-512", domain=P_45_BITS, cpu="avx512", source="vector.avx512"),
    vector_float("vector_float_neon", "vectors of 4 floats, NEON", cpu="neon", source="vector.float_neon"),
    vector_float("vector_float_avx2", "vectors of 8 floats, AVX2 and FMA", cpu="avx2", source="vector.float_avx2"),
    vector_float("vector_float_avx512", "vectors of 16 floats, AVX-512", cpu="avx512", source="vector.float_avx512"),
    vector("vector_ifma", "vectors of 8 integers, AVX-512 IFMA", domain=ODD_25_BITS, cpu="ifma", source="vector.ifma"),
    Implementation("numba", "the plain loop, compiled by LLVM, all threads", "peer", steps_per_thread=DIVISIONS),
    Implementation("cupy", "the plain loop as an elementwise CUDA kernel", "peer", steps_per_call=2**29),
    kernel("opencl_loop", "64-bit kernel, a loop over the steps"),
    kernel("opencl_unrolled", "64-bit kernel, ten steps written out"),
    floating("opencl_double", "vectors of doubles, ten steps written out", domain=P_45_BITS, precision="double"),
    floating("opencl_float", "vectors of floats, ten steps written out", domain=SINGLE, precision="single"),
    kernel("opencl_uint", "32-bit integers, ten steps written out", domain=ODD_31_BITS),
    kernel("opencl_article", "the articles' 32-bit kernel", known_wrong=OVERFLOW),
    vector("hybrid", "processor and OpenCL devices at once", kind="hybrid", source="hybrid.call"),
)

# On one core of an Intel Xeon, 1000 steps in single precision take 1.1 times as long as by IFMA. Of their seven
# instructions three are additions, which on AMD's processors compete with no multiplication.
WIDEST = ("vector_ifma", "vector_float_avx512")
# What "auto" tries, the fastest first. The oracle is exact for every p.
AUTO = (
    *(reversed(WIDEST) if cpu.adds_beside() else WIDEST),
    "vector_avx512",
    "vector_float_avx2",
    "vector_avx2",
    "vector_float_neon",
    "vector_baseline",
    "prange",
    "python",
)


def implementations() -> tuple[Implementation, ...]:
    """Return every implementation of the map, including those that cannot run here and those known to be wrong.

    Examples
    --------
    >>> from logmap_cy import implementations
    >>> [row.name for row in implementations() if row.known_wrong]
    ['numpy_article_nine', 'opencl_article']

    """
    return ROWS


def widest() -> Any:
    """Return the module of the widest vectors of doubles that may be used here, for its `multiply_adds`."""
    rows = {row.name: row for row in ROWS}
    doubles = (rows[name] for name in ("vector_avx512", "vector_avx2", "vector_baseline"))
    return next(row for row in doubles if not row.unavailable).module()
