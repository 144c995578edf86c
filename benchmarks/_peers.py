"""The peers: the same map in what people would use instead, one row of PEERS each.

Each is at its best as far as a few plain lines go: compiled once, with p and mu as constants where its compiler can use
that, and on all threads where it has them.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from _harness import MU, P

if TYPE_CHECKING:
    from collections.abc import Callable

    from logmap_cy._contract import Array

    Run: TypeAlias = Callable[[Array, Array, int], object]

# What each compilation defines: the type of the numbers, p and mu.
C_LOOP = """
#include <stdint.h>
#define STEPS(name, element) \\
    void name(const element *x, element *out, int64_t n, int64_t num, NUMBER p, NUMBER mu, int threads) { \\
        _Pragma("omp parallel for num_threads(threads)") \\
        for (int64_t i = 0; i < n; i++) { \\
            NUMBER u = x[i]; \\
            for (int64_t k = 0; k < num; k++) \\
                u = (MU) * u * (u + 1) % (P); \\
            out[i] = (element)u; \\
        } \\
    }
STEPS(steps_int32, int32_t)
STEPS(steps_int64, int64_t)
"""
OPTIMISED = ("-O3", "-march=native")


class Unavailable(Exception):
    """What a peer lacks here."""


@dataclass(frozen=True)
class Peer:
    """One other way to compute the map for x >= 0, p = P and mu = MU.

    Attributes
    ----------
    name : str
        What to call it.
    load : callable
        Returns its run(x, out, num) for so many threads. Raises ImportError or Unavailable where something is missing.
    dtypes : tuple of str, optional
        The dtypes of x and out that it can compute.
    own_threads : bool, optional
        Whether it takes all threads, whatever it is told.
    ahead : bool, optional
        Whether it is compiled before Python loads it, so that its instructions can be counted.
    theory : float, optional
        The instructions that a step of one element needs at least, if that is known.

    """

    name: str
    load: Callable[[int], Run]
    dtypes: tuple[str, ...] = ("int64", "int32")
    own_threads: bool = False
    ahead: bool = False
    theory: float | None = None


def numba_loop(kind: type[np.integer[Any]], threads: int) -> Run:
    import numba

    p, mu, one = kind(P), kind(MU), kind(1)

    @numba.njit(parallel=True)
    def run(x: Any, out: Any, num: Any) -> None:
        for i in numba.prange(x.size):
            u = kind(x[i])
            for _ in range(num):
                u = mu * u * (u + one) % p
            out[i] = u

    def steps(x: Array, out: Array, num: int) -> None:
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        run(x, out, num)

    return steps


def numexpr_loop(_: int) -> Run:
    import numexpr

    def steps(x: Array, out: Array, num: int) -> None:
        u = x
        for _ in range(num):
            numexpr.evaluate("mu * u * (u + 1) % p", {"u": u, "mu": np.int64(MU), "p": np.int64(P)}, out=out)
            u = out

    return steps


def jax_loop(_: int) -> Run:
    import jax

    jax.config.update("jax_enable_x64", val=True)
    jax.config.update("jax_platforms", "cpu")

    def step(_: Any, u: Any) -> Any:
        return MU * u * (u + 1) % P

    def steps(x: Any, num: int) -> Any:
        return jax.lax.fori_loop(0, num, step, x.astype("int64")).astype(x.dtype)

    run = jax.jit(steps, static_argnums=1)
    return lambda x, out, num: np.copyto(out, np.asarray(run(x, num).block_until_ready()))


def torch_loop(_: int) -> Run:
    import torch

    def steps(x: Array, out: Array, num: int) -> None:
        u = torch.from_numpy(x).long()
        for _ in range(num):
            u = (u * (u + 1)).mul_(MU).remainder_(P)
        torch.from_numpy(out).copy_(u)

    return steps


def build(source: str, library: Path, *options: str) -> None:
    """Have the C compiler here, or that in CC, make a library of a source; raise Unavailable."""
    name = os.environ.get("CC", "cc")
    compiler = shutil.which(name)
    if compiler is None:
        raise Unavailable(f"there is no C compiler {name!r}")
    path = library.with_suffix(".c")
    path.write_text(source, "utf-8")
    command = [compiler, *options, "-shared", "-fPIC", str(path), "-o", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{name} {' '.join(options)}: {done.stderr.strip().partition(chr(10))[0]}")


def c_loop(threads: int, *options: str) -> Run:
    """Compile the plain loop for this machine."""
    with tempfile.TemporaryDirectory(prefix="limits-") as folder:
        path = Path(folder, "loop.so")
        build(C_LOOP, path, *OPTIMISED, *options)
        library = ctypes.CDLL(str(path))
    functions = {"int32": library.steps_int32, "int64": library.steps_int64}
    for function in functions.values():
        function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 4, ctypes.c_int]

    def steps(x: Array, out: Array, num: int) -> None:
        functions[x.dtype.name](x.ctypes.data, out.ctypes.data, len(x), num, P, MU, threads)

    return steps


def plain_c(_: int) -> Run:
    return c_loop(1, "-DNUMBER=int64_t", "-DP=p", "-DMU=mu")


def best_c(threads: int) -> Run:
    return c_loop(threads, "-DNUMBER=uint64_t", f"-DP={P}u", f"-DMU={MU}u", "-fopenmp")


# An addition, two multiplications, a division.
PLAIN_STEP = 4
PEERS = (
    Peer("numba signed", functools.partial(numba_loop, np.int64)),
    Peer("numba unsigned", functools.partial(numba_loop, np.uint64)),
    Peer("numexpr", numexpr_loop, ("int64",), own_threads=True),
    Peer("jax", jax_loop, own_threads=True),
    Peer("torch", torch_loop, own_threads=True),
    Peer("C loop", plain_c, ahead=True, theory=PLAIN_STEP),
    Peer("C loop, constant p, unsigned, OpenMP", best_c, ahead=True),
)
