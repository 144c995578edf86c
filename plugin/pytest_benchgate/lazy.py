"""Results whose work is not done when the function returns: lazy values are refused, devices are waited for."""

from __future__ import annotations

import concurrent.futures
import functools
import inspect
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_benchgate.comparison import SIMPLE, attributes, fields, is_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ON_FILE = (("zarr", "Array"), ("h5py", "Dataset"), ("netCDF4", "Variable"))
# How far lazy values are looked for within containers.
DEPTH, WIDTH = 4, 100


class Lazy(NamedTuple):
    """A kind of value that is computed later.

    Attributes
    ----------
    recognises : callable
        Whether a value is of this kind.
    remedy : str
        What the function must do, so that the work is timed.
    compute : callable, optional
        Does that; None if it cannot be done twice.

    """

    recognises: Callable[[Any], bool]
    remedy: str
    compute: Callable[[Any], Any] | None = None


def _is_dask(value: Any) -> bool:
    # A wrapper, such as pint's quantity, has the method for what it may contain; without Dask it raises.
    if sys.modules.get("dask") is None or not hasattr(type(value), "__dask_graph__"):
        return False
    try:
        return value.__dask_graph__() is not None
    except Exception:  # noqa: BLE001
        return False


def _is_on_file(value: Any) -> bool:
    """Return whether xarray has yet to read a part of value."""
    if is_of(value, "xarray", "Dataset"):
        parts = [*value.variables.values()]
    elif is_of(value, "xarray", "DataArray"):
        parts = [value.variable]
    else:
        return False
    return any(
        type(getattr(part, "_data", None)).__module__.startswith("xarray.") and not getattr(part, "_in_memory", True)
        for part in parts
    )


def _is_iterator(value: Any) -> bool:
    # Not a file, which is open and not read.
    return isinstance(value, Iterator) and not hasattr(type(value), "readline")


def _is_async_iterator(value: Any) -> bool:
    return isinstance(value, AsyncIterator) and not hasattr(type(value), "readline")


def _is_undecoded(value: Any) -> bool:
    """Return whether Pillow has read no more of a picture than its header."""
    if not is_of(value, "PIL.ImageFile", "ImageFile"):
        return False
    return bool(getattr(value, "tile", None)) or vars(value).get("_im", vars(value).get("im")) is None


def _is_started(value: Any) -> bool:
    if is_of(value, "subprocess", "Popen"):
        return value.returncode is None
    return isinstance(value, threading.Thread) or is_of(value, "multiprocessing.process", "BaseProcess")


KINDS = (
    Lazy(_is_dask, "call .compute() within the function", lambda value: value.compute()),
    Lazy(inspect.isawaitable, "run it to its end within the function, as asyncio.run does"),
    Lazy(_is_async_iterator, "run it to its end within the function, as asyncio.run does"),
    Lazy(_is_on_file, "call .load() within the function", lambda value: value.compute()),
    Lazy(
        lambda value: any(is_of(value, *of) for of in ON_FILE),
        "read it within the function: [...]",
        lambda value: value[...],
    ),
    Lazy(
        lambda value: is_of(value, "tensorstore", "TensorStore"),
        "call .read().result() within the function",
        lambda value: value.read().result(),
    ),
    Lazy(
        lambda value: is_of(value, "polars", "LazyFrame"),
        "call .collect() within the function",
        lambda value: value.collect(),
    ),
    Lazy(
        lambda value: is_of(value, "duckdb", "DuckDBPyRelation") or is_of(value, "ibis", "Expr"),
        "fetch it within the function: .fetchall(), .execute()",
    ),
    Lazy(
        lambda value: (
            isinstance(value, concurrent.futures.Future)
            or is_of(value, "multiprocessing.pool", "AsyncResult")
            or is_of(value, "distributed", "Future")
        ),
        "wait for its result within the function",
    ),
    Lazy(_is_started, "wait for its end within the function"),
    Lazy(
        lambda value: isinstance(value, np.memmap) and value.mode == "r",
        "read it within the function: numpy.array(...)",
        np.array,
    ),
    Lazy(
        lambda value: is_of(value, "numpy.lib.npyio", "NpzFile"),
        "read it within the function: dict(...)",
        dict,
    ),
    Lazy(_is_undecoded, "call .load() within the function", lambda value: value.copy()),
    Lazy(
        lambda value: is_of(value, "pyarrow.dataset", "Dataset", "Scanner"),
        "call .to_table() within the function",
        lambda value: value.to_table(),
    ),
    Lazy(_is_iterator, "read it to its end within the function: list(...)"),
)


def leaves(value: Any, depth: int = DEPTH) -> Iterable[Any]:
    """Return value, and what it contains, as far as lazy values are looked for."""
    yield value
    for item in islice(_parts(value), WIDTH if depth else 0):
        # There may be a million numbers.
        if type(item) not in SIMPLE:
            yield from leaves(item, depth - 1)


def _parts(value: Any) -> Iterable[Any]:
    """Return what a container, a dataclass or an array of objects contains."""
    if isinstance(value, Mapping):
        return value.values()
    if isinstance(value, list | tuple | AbstractSet | deque):
        return value
    if type(value) is np.ndarray:
        return value.flat if value.dtype.kind == "O" else ()
    stored = attributes(value)
    return (stored[name] for name in fields(value) if name in stored)


def unfinished(value: Any) -> str:
    """Return what is lazy, value or something in it, and what to do about it; "" if nothing is."""
    for leaf in leaves(value):
        if (kind := _kind(leaf)) is not None:
            _close(leaf)
            return f"a lazy value ({_name(leaf)}); {kind.remedy}"
    return ""


def is_lazy(value: Any) -> bool:
    """Return whether value has still to be computed."""
    return _kind(value) is not None


def _kind(value: Any) -> Lazy | None:
    return next((kind for kind in KINDS if not isinstance(value, type) and kind.recognises(value)), None)


def _close(value: Any) -> None:
    """Keep a coroutine from warning that it was never awaited."""
    if inspect.iscoroutine(value):
        value.close()


def _name(value: Any) -> str:
    """Return the type of value, after its library."""
    library = type(value).__module__.partition(".")[0]
    return type(value).__name__ if library == "builtins" else f"{library}'s {type(value).__name__}"


def computed(value: Any) -> Any:
    """Return an expected value, computed if it is lazy.

    Raises
    ------
    TypeError
        If it can be computed only once, or not here.

    """
    kind = _kind(value)
    if kind is None:
        return value
    if kind.compute is None:
        _close(value)
        raise TypeError(f"expect is a lazy value ({_name(value)}); pass its result, or a list of its elements")
    return kind.compute(value)


class Device(NamedTuple):
    """A library that computes asynchronously: which values are on its devices, and how to wait for them."""

    library: str
    holds: Callable[[Any], bool]
    wait: Callable[[Any, Any], Any]


def _is_own(value: Any, library: str, name: str) -> bool:
    """Return whether value is of a library's own class: a stand-in for the library may have NumPy's in its place."""
    if not is_of(value, library, name):
        return False
    return str(getattr(sys.modules[library], name).__module__).startswith(library.partition(".")[0])


def _torch_wait(torch: Any, result: Any) -> None:  # noqa: ARG001
    for name in ("cuda", "mps", "xpu"):
        backend = getattr(torch, name, None)
        if backend is not None and backend.is_available():
            backend.synchronize()


def _is_of_opencl(value: Any) -> bool:
    return _is_own(value, "pyopencl.array", "Array") and value.queue is not None


DEVICES = (
    Device("jax", lambda value: _is_own(value, "jax", "Array"), lambda jax, result: jax.block_until_ready(result)),
    Device("torch", lambda value: _is_own(value, "torch", "Tensor") and value.device.type != "cpu", _torch_wait),
    Device(
        "cupy",
        lambda value: _is_own(value, "cupy", "ndarray"),
        lambda cupy, result: cupy.cuda.Device().synchronize(),
    ),
    Device(
        "numba.cuda",
        lambda value: type(value).__module__.startswith("numba") and hasattr(value, "__cuda_array_interface__"),
        lambda cuda, result: cuda.synchronize(),
    ),
    Device(
        "pyopencl.array",
        _is_of_opencl,
        lambda array, result: [leaf.queue.finish() for leaf in leaves(result) if _is_of_opencl(leaf)],
    ),
    Device("mlx.core", lambda value: _is_own(value, "mlx.core", "array"), lambda mlx, result: mlx.eval(result)),
    Device(
        "tensorflow",
        lambda value: _is_own(value, "tensorflow", "Tensor") and "CPU" not in value.device,
        lambda tf, result: tf.test.experimental.sync_devices(),
    ),
)


def waits(result: Any, arguments: Any) -> Callable[[Any], None] | None:
    """Return a function that gets a result and waits for its devices; None if result and arguments are on none."""
    held = [*leaves((result, arguments))]
    found = [
        (module, device)
        for device in DEVICES
        if (module := sys.modules.get(device.library)) is not None and any(map(device.holds, held))
    ]
    if not found:
        return None

    def wait(result: Any) -> None:
        for module, device in found:
            device.wait(module, (result, arguments) if device.library == "pyopencl.array" else result)

    return wait


def waiting(function: Callable[..., Any], wait: Callable[[Any], None]) -> Callable[..., Any]:
    """Return function, followed by the wait for its devices."""

    def call(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        wait(result)
        return result

    # A callable object may raise anything when it is asked for the other attributes of a function.
    return functools.update_wrapper(call, function, assigned=(), updated=())
