"""Arrays and what can be read as one (buffers, tensors, scalars), element by element.

Shapes and kinds must agree (an array of integers never equals one of floats), widths and byte order need not.
"""

from __future__ import annotations

import array
import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_benchgate.comparison import scalars
from pytest_benchgate.comparison.core import Comparison, Mismatch, Tolerance, attribute, both, counted, has, is_of, text

if TYPE_CHECKING:
    from collections.abc import Sequence

# Elements that are compared at once.
PART = 2**20
PROTOCOLS = ("__array__", "__array_interface__", "__dlpack__", "__cuda_array_interface__")
BUFFERS = (memoryview, array.array, ctypes.Array, ctypes.Structure, ctypes._SimpleCData)  # noqa: SLF001
# Attributes of foreign arrays that say more about their numbers; they are compared, too.
METADATA = ("unit", "units", "dims", "coords", "index", "columns", "names", "mask", "crs", "categories", "column_names")
# Those that a plain array lacks, though its numbers may be meant so: of a picture.
COMMON = ("mode",)


def is_array(value: Any) -> bool:
    """Return whether value can be read as an array; NumPy's scalars can."""
    if isinstance(value, (np.ndarray, np.generic, *BUFFERS)):
        return True
    if isinstance(value, type | str | bytes | bytearray):
        return False
    if is_of(value, "pyopencl.array", "Array"):
        return True
    return any(has(value, name) for name in PROTOCOLS) or has_buffer(value)


def has_buffer(value: Any) -> bool:
    """Return whether value has the buffer protocol, as Cython's memoryviews do."""
    try:
        memoryview(value)
    except (TypeError, ValueError, BufferError):
        return False
    return True


def recognises(value: Any) -> bool:
    """Return whether value is an array or a number."""
    return isinstance(value, scalars.PLAIN) or is_array(value)


def compare(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the first difference of two values, at least one of which is an array or a number."""
    arrayed = [is_array(value) and not _is_scalar(value) for value in (got, expected)]
    left, right = _read(got, beside_array=arrayed[1]), _read(expected, beside_array=arrayed[0])
    if left is NEITHER or right is NEITHER:
        boxed = left if right is NEITHER else right
        if not isinstance(boxed, np.ndarray) or boxed.ndim or boxed.dtype.kind != "O":
            return comparison.kinds(got, expected, where)
        return comparison(boxed[()], expected, where) if right is NEITHER else comparison(got, boxed[()], where)
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return _metadata(got, expected, comparison, where) or arrays(left, right, comparison, where)
    left, right = both(lambda one: one[()] if isinstance(one, np.ndarray) and one.ndim == 0 else one, left, right)
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return comparison.kinds(got, expected, where)
    if _is_scalar(left) and _is_scalar(right):
        return _metadata(got, expected, comparison, where) or scalars.compare(left, right, comparison, where)
    if any(isinstance(one, np.generic) and not _is_scalar(one) for one in (left, right)):
        return comparison.kinds(got, expected, where)
    # The content of a zero-dimensional array of objects.
    return comparison(left, right, where)


NEITHER = object()


def _is_scalar(value: Any) -> bool:
    return scalars.kind(value) not in {"", "V"}


def _read(value: Any, *, beside_array: bool) -> Any:
    """Return value as a scalar or a plain array; NEITHER if it is not one."""
    if _is_scalar(value) and not (beside_array and isinstance(value, bytes)):
        return value
    if isinstance(value, bytes | bytearray):
        return np.frombuffer(value, np.uint8) if beside_array else NEITHER
    return read(value) if is_array(value) else NEITHER


def is_masked(value: Any) -> bool:
    """Return whether value is a masked array; NumPy imports numpy.ma only where somebody uses it."""
    return is_of(value, "numpy.ma", "MaskedArray")


def read(value: Any) -> Any:
    """Return value as an array of NumPy's own class, masked if value is."""
    if is_masked(value):
        return value if type(value) is np.ma.MaskedArray else value.view(np.ma.MaskedArray)
    if isinstance(value, np.ndarray):
        return value.view(np.ndarray)
    if isinstance(value, array.array) and value.typecode in "uw":
        return np.array([*value.tounicode()])
    for way in (_to_host, memoryview, np.from_dlpack):
        try:
            found = np.asarray(way(value))
        except Exception:  # noqa: S112
            continue
        if found.dtype.kind != "O" or found.ndim or found[()] is not value:
            return found
    raise TypeError(f"a {type(value).__name__} cannot be read as an array")


def _to_host(value: Any) -> Any:
    """Return something that NumPy can read: a tensor without its gradient, or data of a device on the host."""
    # PyTorch.
    for name in ("detach", "resolve_conj", "resolve_neg", "cpu"):
        if callable(method := getattr(value, name, None)):
            value = method()
    if str(attribute(value, "dtype")) == "torch.bfloat16":
        value = value.float()
    on_device = hasattr(value, "__cuda_array_interface__") or is_of(value, "pyopencl.array", "Array")
    if on_device and callable(method := getattr(value, "get", None)):
        # CuPy, PyOpenCL.
        value = method()
    return value


def _metadata(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of two arrays' metadata: foreign types may have units or labels."""
    left, right = _attributes(got), _attributes(expected)
    for name in sorted(left.keys() | right.keys()):
        if name in COMMON and not (name in left and name in right):
            continue
        if name not in left or name not in right:
            value = left.get(name, right.get(name))
            with_it, without = f"with .{name} {text(value)}", f"without .{name}"
            words = (with_it, without) if name in left else (without, with_it)
            return comparison.words(f"an array {words[0]}", f"an array {words[1]}", got, where)
        mismatch = comparison(left[name], right[name], f"{where}.{name}")
        if mismatch:
            return mismatch
    return None


def _attributes(value: Any) -> dict[str, Any]:
    """Return what a foreign array says of its numbers."""
    if type(value).__module__.partition(".")[0] in {"numpy", "builtins", "array", "ctypes"}:
        return {}
    # A mask of NumPy's is compared with the elements.
    found = {name: attribute(value, name) for name in METADATA + COMMON if name != "mask" or not is_masked(value)}
    if isinstance(value, np.ndarray):
        found |= {name: item for name, item in vars(value).items() if not name.startswith("_")}
    return {name: item for name, item in found.items() if not _is_empty(item)}


def _is_empty(item: Any) -> bool:
    # What astropy keeps of a column beside its unit: how it is shown, and the table that it is in.
    if is_of(item, "astropy.utils.data_info", "DataInfo"):
        return True
    return item is None or (isinstance(item, tuple) and all(part is None for part in item))


def arrays(left: Any, right: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the first difference of two NumPy arrays."""
    kinds = both(lambda one: scalars.letter(one.dtype), left, right)
    if left.shape != right.shape or kinds[0] != kinds[1]:
        return Mismatch(
            1, 1, where, text(left), text(right), str(left.dtype), str(left.shape), comparison.tolerance
        )  # fmt: skip
    if left.dtype.names is not None or right.dtype.names is not None:
        return _structured(left, right, comparison, where)
    if left.dtype.kind == "O":
        return _objects(left, right, comparison, where)
    count, first = _wrong(left, right, comparison.tolerance)
    if not count:
        return None
    index = np.unravel_index(first, left.shape)
    return Mismatch(
        count, left.size, f"{where}{_index(index)}", text(left[index]), text(right[index]), str(left.dtype),
        str(left.shape), comparison.tolerance,
    )  # fmt: skip


def _wrong(left: Any, right: Any, tolerance: Tolerance) -> tuple[int, int]:
    """Return how many elements differ, and the position of the first one in C order.

    Part by part: a comparison takes several arrays of the size of its own.
    """
    if left.size > PART and len(left) == 1:
        return _wrong(left[0], right[0], tolerance)
    if left.size > PART:
        half = len(left) // 2
        found = [_wrong(left[part], right[part], tolerance) for part in (slice(half), slice(half, None))]
        counts = [count for count, _ in found]
        return sum(counts), found[0][1] if counts[0] else found[1][1] + left[:half].size
    wrong = np.asarray(~_equal(left, right, tolerance))
    return int(np.count_nonzero(wrong)), int(np.argmax(wrong)) if wrong.size else 0


def _equal(left: Any, right: Any, tolerance: Tolerance) -> Any:
    """Return where two arrays of one shape and kind are equal; a masked element equals only a masked one."""
    if is_masked(left) or is_masked(right):
        masks = np.ma.getmaskarray(left), np.ma.getmaskarray(right)
        values = _equal(np.ma.getdata(left), np.ma.getdata(right), tolerance)
        return (masks[0] == masks[1]) & (masks[0] | values)
    left, right = both(lambda one: one.astype(scalars.widened(one.dtype), copy=False), left, right)
    kind = scalars.letter(left.dtype)
    if kind == "c":
        return _complex(left, right, tolerance)
    if kind == "f":
        return _floats(left, right, tolerance)
    if kind == "U":
        return _texts(left, right, tolerance)
    if kind in "mM":
        return _times(left, right, tolerance)
    if kind == "V":
        raw = [np.ascontiguousarray(one).view((np.uint8, one.dtype.itemsize)) for one in (left, right)]
        same = left.dtype.itemsize == right.dtype.itemsize
        return (raw[0] == raw[1]).all(axis=-1) if same else np.zeros(left.shape, bool)
    if left.dtype.kind in "iu" and left.dtype.kind != right.dtype.kind:
        # int64 beside uint64: NumPy before 2 compares them as floats. Negative is never equal to unsigned.
        signed = left if left.dtype.kind == "i" else right
        return (left.astype(np.uint64) == right.astype(np.uint64)) & (signed >= 0)
    return np.asarray(left == right)


def _texts(left: Any, right: Any, tolerance: Tolerance) -> Any:
    """Return where texts are equal; a missing one equals a missing one, unless it is marked by NaN."""
    equal = np.asarray(left == right)
    if left.dtype.kind == right.dtype.kind == "T":
        marked = isinstance(getattr(left.dtype, "na_object", None), float)
        equal |= np.isnan(left) & np.isnan(right) & (tolerance.equal_nan or not marked)
    return equal


def _floats(left: Any, right: Any, tolerance: Tolerance) -> Any:
    equal = np.asarray(left == right)
    if tolerance.equal_nan:
        equal = equal | (np.isnan(left) & np.isnan(right))
    if tolerance.exact:
        return equal
    # A narrow float, or its tolerance, may overflow to infinity.
    wide = np.result_type(left, right, np.float64)
    left, right = left.astype(wide, copy=False), right.astype(wide, copy=False)
    distance = abs(left - right)
    return equal | (np.isfinite(distance) & (distance <= tolerance.atol + tolerance.rtol * abs(right)))


def _complex(left: Any, right: Any, tolerance: Tolerance) -> Any:
    """Return where complex numbers are equal; the parts of those that have a NaN are compared one by one."""
    equal = np.asarray(_floats(left, right, Tolerance(tolerance.rtol, tolerance.atol)))
    if not tolerance.equal_nan:
        return equal
    nan = np.isnan(left) | np.isnan(right)
    parts = _floats(left.real, right.real, tolerance) & _floats(left.imag, right.imag, tolerance)
    return np.where(nan, parts, equal)


def _times(left: Any, right: Any, tolerance: Tolerance) -> Any:
    """Return where times are equal, in any units: they are compared in the finer one, which both must fit."""
    nat = np.isnat(left) & np.isnat(right) if tolerance.equal_nan else np.zeros(left.shape, bool)
    units = [np.datetime_data(one.dtype)[0] for one in (left, right)]
    if units[0] != units[1] and "generic" in units:
        return nat
    try:
        common = np.promote_types(left.dtype, right.dtype)
    # Months are not a number of days.
    except TypeError:
        return nat
    try:
        fine = [one.astype(common) for one in (left, right)]
    # NumPy 2.5 raises this; earlier versions wrap around, which `fits` finds.
    except OverflowError:
        if left.size == 1:
            return nat
        pairs = zip(left.reshape(-1, 1), right.reshape(-1, 1), strict=True)
        return np.concatenate([_times(*pair, tolerance) for pair in pairs]).reshape(left.shape)
    fits = [np.asarray(wide.astype(one.dtype) == one) for wide, one in zip(fine, (left, right), strict=True)]
    return nat | (np.asarray(fine[0] == fine[1]) & fits[0] & fits[1])


def _structured(left: Any, right: Any, comparison: Comparison, where: str) -> Mismatch | None:
    if left.dtype.names != right.dtype.names:
        return Mismatch(
            1, 1, where, text(left), text(right), str(left.dtype), str(left.shape), comparison.tolerance
        )  # fmt: skip
    for name in left.dtype.names:
        mismatch = arrays(left[name], right[name], comparison, f"{where}[{name!r}]")
        if mismatch:
            return mismatch
    return None


def _objects(left: Any, right: Any, comparison: Comparison, where: str) -> Mismatch | None:
    if is_masked(left) or is_masked(right):
        masks = np.ma.getmaskarray(left), np.ma.getmaskarray(right)
        mismatch = arrays(masks[0], masks[1], comparison, f"{where}.mask")
        if mismatch:
            return mismatch
        left, right = (np.where(masks[0], np.array(None), np.ma.getdata(one)) for one in (left, right))
    items = zip(np.ndindex(left.shape), left.flat, right.flat, strict=True)
    return counted(items, lambda index: f"{where}{_index(index)}", left.size, left, comparison)


def _index(index: Sequence[Any]) -> str:
    """Return an index as an expression; that of an array without dimensions is empty."""
    return f"[{', '.join(map(str, index))}]" if index else ""
