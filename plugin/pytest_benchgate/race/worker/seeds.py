"""Equal random numbers on both sides of a launch: a generator without a seed gets one that both sides share.

Covered are `random` and NumPy: the global generators, generators that are made without a seed (random.Random(),
numpy.random.default_rng(), RandomState(), SeedSequence()), seed() without an argument, `random` in forked children, and
Hypothesis.
os.urandom is not changed, and neither are `secrets`, `uuid` and the names of temporary files: those must differ.

A test that seeds from the clock or from its process id still gives the sides different numbers. That is not prevented,
but detected: both sides send a fingerprint of what was drawn and seeded before the benchmark.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import sys
from types import MethodType
from typing import Any

# Libraries that create generators for others.
WRAPPERS = frozenset({"random", "numpy"})
# Libraries whose generators name files, possibly in a folder that both sides share.
UNIQUE = frozenset({"tempfile"})


class Seeds:
    """Seeds that depend on the launch's seed, on what is running, and on the calling code."""

    def __init__(self) -> None:
        self.seed: int | None = None
        self._scope = ""
        self._counts: dict[str, int] = {}
        self._given = hashlib.sha256()

    def number(self, *what: object, bits: int = 32) -> int:
        """Return a number of that many bits for a purpose."""
        size = -(-bits // 8)
        digest = hashlib.shake_256(repr((self.seed, *what)).encode("utf-8", "surrogatepass")).digest(size)
        return int.from_bytes(digest) >> (8 * size - bits)

    def seed_for(self, scope: str) -> None:
        """Seed the global generators, and those that are made without a seed from here on, for a test or a file."""
        self._scope = scope
        self._counts.clear()
        self._given = hashlib.sha256()
        number = self.number(scope)
        random.seed(number)
        if seed := getattr(sys.modules.get("numpy.random"), "seed", None):
            seed(number)

    def fresh(self, bits: int = 256) -> int:
        """Return a seed for a generator without one: by the calling code, so that other code does not change it."""
        frame = sys._getframe(1)  # noqa: SLF001  # documented as the way to the caller
        while frame.f_back and _package(frame) in WRAPPERS | {__name__.partition(".")[0]}:
            frame = frame.f_back
        if _package(frame) in UNIQUE:
            return int.from_bytes(os.urandom(-(-bits // 8))) >> (-bits % 8)
        place = f"{frame.f_globals.get('__name__')}:{frame.f_code.co_qualname}"
        self._counts[place] = count = self._counts.get(place, 0) + 1
        return self.number(self._scope, place, count, bits=bits)

    def given(self, seed: object) -> None:
        """Add a seed that was given explicitly to the fingerprint."""
        if isinstance(seed, int | float | str | bytes | bytearray):
            self._given.update(repr(seed).encode("utf-8", "surrogatepass"))

    def fingerprint(self) -> str:
        """Return a hash of the global generators' states, and of the seeds given since `seed_for`."""
        digest = self._given.copy()
        digest.update(repr(random.getstate()).encode())
        if get_state := getattr(sys.modules.get("numpy.random"), "get_state", None):
            name, keys, *position = get_state()
            digest.update(repr((name, *position)).encode() + keys.tobytes())
        return digest.hexdigest()

    def fork(self) -> None:
        """Count a child; each child gets numbers of its own."""
        self._counts["fork"] = self._counts.get("fork", 0) + 1

    def seed_child(self) -> None:
        """Seed `random` in a forked child, which Python has just seeded from the system."""
        random.seed(self.number(self._scope, "fork", self._counts["fork"]))


SEEDS = Seeds()


def install(seed: int) -> None:
    """Seed this process for a launch: from here on, nothing that `Seeds` covers draws from the system."""
    if SEEDS.seed is None:
        _patch_random()
        if numpy_random := sys.modules.get("numpy.random"):
            _patch_numpy(numpy_random)
        else:
            sys.meta_path.insert(0, _NumpyFinder())
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=SEEDS.fork, after_in_child=SEEDS.seed_child)
    SEEDS.seed = seed
    SEEDS.seed_for("")


def seed_plugins(option: Any) -> None:
    """Give plugins that have a seed of their own the launch's, unless the suite's options name one."""
    number = SEEDS.number("plugins")
    # Of pytest-randomly.
    if getattr(option, "randomly_seed", 0) in {None, "default", "last"}:
        option.randomly_seed = number
    # Of pytest-random-order.
    if str(getattr(option, "random_order_seed", "")).startswith("default:"):
        option.random_order_seed = f"default:{number}"


def _package(frame: Any) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]


def _patch_random() -> None:
    original = random.Random.seed

    @functools.wraps(original)
    def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        if a is None:
            a = SEEDS.fresh()
        else:
            SEEDS.given(a)
        original(self, a, version)

    random.Random.seed = seed  # type: ignore[method-assign]
    # The module's function is a method that was bound before.
    random.seed = MethodType(seed, random.seed.__self__)  # type: ignore[attr-defined]


def _patch_numpy(numpy_random: Any) -> None:
    """Seed numpy.random, and replace the source of SeedSequence, on which everything else there is based."""
    numpy_random.bit_generator.randbits = SEEDS.fresh
    original = numpy_random.default_rng

    @functools.wraps(original)
    def default_rng(*args: Any, **kwargs: Any) -> Any:
        SEEDS.given(args[0] if args else kwargs.get("seed"))
        return original(*args, **kwargs)

    numpy_random.default_rng = default_rng
    numpy_random.seed(SEEDS.number(""))


class _NumpyFinder(importlib.abc.MetaPathFinder):
    """Patches numpy.random as soon as it is imported, for modules that draw from it at import."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:  # noqa: ARG002
        """Find numpy.random, with a loader that patches it afterwards."""
        if fullname != "numpy.random":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_and_patch(module: Any) -> None:
                run(module)
                _patch_numpy(module)

            spec.loader.exec_module = run_and_patch  # type: ignore[method-assign]
        return spec
