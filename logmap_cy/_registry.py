"""The table of implementations. To add one: a source file and a row in ROWS."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from logmap_cy import _opencl

if TYPE_CHECKING:
    from collections.abc import Callable

    from logmap_cy._contract import Compute

Kind: TypeAlias = Literal["python", "numpy", "cython", "opencl"]


@dataclass(frozen=True)
class Domain:
    """The parameters that an implementation is exact for, in words and as a predicate of p and mu in [0, p)."""

    text: str
    contains: Callable[[int, int], bool]


ANY = Domain("every p", lambda p, mu: True)  # noqa: ARG005
P_32_BITS = Domain("p <= 2**32", lambda p, mu: p <= 2**32)  # noqa: ARG005
PRODUCT_63_BITS = Domain("(mu % p) * (p - 1) * p < 2**63", lambda p, mu: mu * (p - 1) * p < 2**63)


@dataclass(frozen=True)
class Implementation:
    """One way to compute the map.

    Attributes
    ----------
    name: also the name of its source, logmap_cy/_NAME.py or .pyx, or kernels/NAME.cl.
    kind: how it is loaded.
    summary: one line for people.
    domain: the parameters that it is exact for; it raises ValueError beyond.
    steps_per_call: elements times steps that one call may take on, so that Ctrl-C is answered in time.
    known_wrong: why its answers are wrong, or None. Kept to show that the check rejects it; `logmap` refuses it.

    """

    name: str
    kind: Kind
    summary: str
    domain: Domain = P_32_BITS
    steps_per_call: int = 2**24  # 45 ms of 64-bit divisions; below 1 s even at 100 cycles a division
    known_wrong: str | None = None

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    @property
    def unavailable(self) -> str | None:
        """The reason why it cannot run here and what to do about it, or None."""
        if self.kind == "opencl":
            return _opencl.discover().reason
        try:
            self.load()
        except ImportError as error:
            return f"{error}; reinstall logmap-cy"
        return None

    @property
    def devices(self) -> tuple[_opencl.Device, ...]:
        """The OpenCL devices that it can run on; empty for what runs on the host."""
        return _opencl.discover().devices if self.kind == "opencl" else ()

    def load(self, device: _opencl.Device | None = None) -> Compute:
        """Return its function; for kind "opencl" on `device`, or on the first of `devices`.

        Raises
        ------
        RuntimeError: there is no OpenCL device, or its driver does not build the kernel.

        """
        if self.kind == "opencl":
            return _opencl.Kernel(self.name, device or _opencl.first_device())
        compute: Compute = importlib.import_module(f"logmap_cy._{self.name}").compute
        return compute


ROWS = (
    Implementation("python", "python", "unbounded integers in a loop; the oracle", ANY),
    Implementation("numpy_article", "numpy", "whole-array ufuncs, as in the article", PRODUCT_63_BITS, 10 * 2**25),
    Implementation("numpy", "numpy", "ufuncs in place over blocks in the cache"),
    Implementation("memoryview", "cython", "typed memoryview, one thread"),
    Implementation("unrolled", "cython", "ten inlined steps written out, one thread"),
    Implementation("prange", "cython", "nogil prange, all threads"),
    Implementation("opencl_loop", "opencl", "64-bit kernel, a loop over the steps", steps_per_call=2**25),
    Implementation("opencl_unrolled", "opencl", "64-bit kernel, ten steps written out", steps_per_call=2**25),
    Implementation(
        "opencl_article",
        "opencl",
        "the articles' 32-bit kernel",
        steps_per_call=2**25,
        known_wrong="computes in 32-bit int, and 22*x*(x+1) overflows from x = 9880 on",
    ),
)


def implementations() -> tuple[Implementation, ...]:
    """Return every implementation of the map, those that cannot run here and the known wrong one included."""
    return ROWS
