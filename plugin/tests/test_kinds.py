"""What an answer is: shapes, labels, units, kinds and missing values count, in every library that has some."""

from __future__ import annotations

import array
import collections
import ctypes
import dataclasses
import datetime as dt
import enum
import fractions
import functools
import http.cookies
import importlib
import mmap
import types
import warnings
import zoneinfo
from decimal import Decimal
from typing import Any, Self, TypeAlias

import numpy as np
import pytest
from pytest_benchgate import Tolerance, compare, comparison

Table: TypeAlias = "dict[str, list[tuple[str, ...]]]"
USED = {"array": array, "ctypes": ctypes, "dt": dt, "fractions": fractions, "Decimal": Decimal, "types": types}
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
NAN = float("nan")


@dataclasses.dataclass
class Fit:
    x: Any
    n: int = 0
    note: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass(eq=False)
class Handle:
    x: int


@dataclasses.dataclass
class Loose:
    x: float

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Tensor:
    """Reads as an array, as a tensor does, and has no length where it has no dimension."""

    def __init__(self, values: Any, **said: Any) -> None:
        self._values = np.asarray(values)
        vars(self).update(said)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self._values

    def __len__(self) -> int:
        if not self._values.ndim:
            raise TypeError("len() of a 0-d tensor")
        return len(self._values)


class Lenient(np.ndarray):
    def __eq__(self, other: object) -> Any:
        return np.ones(self.shape, bool)

    __hash__ = None


class LenientInt(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class LenientStr(str):
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class LenientList(list):  # type: ignore[type-arg]
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None


class Masked(np.ma.MaskedArray):
    """A subclass of NumPy's masked arrays, of another module."""


class Info(np.ndarray):
    """Carries a word about its numbers, as NumPy's documentation shows it."""

    @classmethod
    def of(cls, values: Any, info: str) -> Any:
        made = np.asarray(values).view(cls)
        made.info = info  # type: ignore[attr-defined]
        return made


class Owns:
    """Has an equality of two wholes."""

    def __init__(self, x: int) -> None:
        self.x = x

    def identical(self, other: Any) -> bool:
        return bool(self.x == other.x)


class Vague(Owns):
    def identical(self, other: Any) -> Any:  # noqa: ARG002
        return None


class Months(dt.timedelta):
    """Is a span of 30 days, or of a month, as pendulum's intervals are."""

    def __new__(cls, months: int, days: int = 0) -> Self:
        return super().__new__(cls, 30 * months + days)

    def __init__(self, months: int, days: int = 0) -> None:
        self.parts = months, days

    def __reduce__(self) -> Any:
        return Months, self.parts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Months) and self.parts == other.parts

    __hash__ = None  # type: ignore[assignment]


class Bits:
    """Shows a buffer of whole bytes, as bitarray does, and only its own equality counts bits."""

    def __init__(self, bits: str) -> None:
        self.bits = bits
        self.packed = int(bits.ljust(8, "0"), 2).to_bytes(1, "big")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.frombuffer(self.packed, np.uint8)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bits) and self.bits == other.bits

    __hash__ = None  # type: ignore[assignment]


class Histogram(Tensor):
    """Reads as the array of its counts, and compares its axis, too."""

    def __init__(self, counts: Any, axis: str) -> None:
        super().__init__(counts)
        self.axis = axis

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self.axis == other.axis and np.array_equal(self, other)

    __hash__ = None  # type: ignore[assignment]


class Shape:
    """Has an equality of form, and a stricter one of each corner, as shapely's geometries have."""

    def __init__(self, *corners: int) -> None:
        self.corners = corners

    def equals(self, other: Any) -> bool:
        return {*self.corners} == {*other.corners}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shape) and self.corners == other.corners

    __hash__ = None  # type: ignore[assignment]


class Fields(dict):  # type: ignore[type-arg]
    """Has several values for a key, and shows the first, as werkzeug's MultiDict does."""

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(key)[0]

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, [value])

    def items(self) -> Any:
        return ((key, self[key]) for key in self)


class Headers(collections.abc.Mapping):  # type: ignore[type-arg]
    """Has several values for a key among its items, as multidict's MultiDict does."""

    def __init__(self, *pairs: Any) -> None:
        self.pairs = pairs

    def __getitem__(self, key: Any) -> Any:
        return next(value for name, value in self.pairs if name == key)

    def __iter__(self) -> Any:
        return iter(dict(self.pairs))

    def __len__(self) -> int:
        return len(dict(self.pairs))

    def items(self) -> Any:
        return self.pairs


class AttrDict(dict):  # type: ignore[type-arg]
    """Looks attributes up among its keys, and raises KeyError for others."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


class GetDict(dict):  # type: ignore[type-arg]
    """Has a None for every attribute."""

    __getattr__ = dict.get


class Grows(AttrDict):
    """Adds a key for every attribute that is looked up, as one that extends defaultdict does."""

    def __missing__(self, key: Any) -> Any:
        return self.setdefault(key, Grows())


class Slotted:
    """Has attributes that are not set, and raises KeyError for them."""

    __slots__ = ("x", "y")

    def __init__(self, x: int) -> None:
        self.x = x

    def __getattr__(self, name: str) -> Any:
        raise KeyError(name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slotted) and self.x == other.x

    __hash__ = None  # type: ignore[assignment]


class Breaks:
    def __eq__(self, other: object) -> bool:
        raise OSError("no comparison")

    def __repr__(self) -> str:
        raise OSError("no repr")

    __hash__ = None  # type: ignore[assignment]


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


Point = collections.namedtuple("Point", "x y")  # noqa: PYI024
Pair = collections.namedtuple("Pair", "x z")  # noqa: PYI024
ONE = object()


def ring(value: Any) -> list[Any]:
    """Return a list that contains itself."""
    made: list[Any] = [value]
    made.append(made)
    return made


def morsel(value: str) -> Any:
    """Return a part of a cookie: a dictionary of its attributes, which its value is not one of."""
    made = http.cookies.Morsel[str]()
    made.set("name", value, value)
    return made


def cut(bits: Any) -> Any:
    """Return the same bits, in a buffer whose further bits are set."""
    made = bits + type(bits)("11111")
    del made[len(bits) :]
    return made


def texts(*values: Any) -> Any:
    """Return an array of texts of any length, in which the last value marks a missing one."""
    if not hasattr(np.dtypes, "StringDType"):
        pytest.skip("NumPy 2 has StringDType")
    return np.array(values, np.dtypes.StringDType(na_object=values[-1]))


def arrow(values: Any, kind: str) -> Any:
    """Return a column of pandas that Arrow holds."""
    pa, pd = importlib.import_module("pyarrow"), importlib.import_module("pandas")
    kinds = {"list": pa.list_(pa.float64()), "timestamp": pa.timestamp("us")}
    return pd.Series(values, dtype=pd.ArrowDtype(kinds.get(kind) or pa.type_for_alias(kind)))


@functools.cache
def caseless() -> Any:
    """Return a class of attrs that compares a text without its case."""
    attr = importlib.import_module("attr")
    return attr.make_class("Caseless", {"text": attr.ib(eq=str.lower), "x": attr.ib(default=1.0)})


def deep(value: Any) -> Any:
    """Return a list that is nested more deeply than Python recurses."""
    for _ in range(10_000):
        value = [value]
    return value


def mapped(content: bytes) -> Any:
    made = mmap.mmap(-1, len(content))
    made.write(content)
    return made


CLOSE, NANS = "rtol=1e-9", "equal_nan=True"
HISTOGRAM = "boost_histogram.Histogram(boost_histogram.axis.Regular(2, 0, {})).fill([0.1, {}])"
RECORD = "np.array([(1, (2.0, 3.0))], [('a', 'i4'), ('v', 'f8', (2,))])"
EQUAL: Table = {
    "numpy": [
        # buffers: what a Cython function gives that is declared to return double[::1]
        ("memoryview(np.ones(3))", "np.ones(3)"),
        ("np.ones(3)", "memoryview(np.ones(3))"),
        ("array.array('d', [1, 1])", "np.ones(2)"),
        ("memoryview(np.zeros((2, 3)))", "np.zeros((2, 3))"),
        ("memoryview(np.zeros((2, 3)))", "memoryview(np.zeros((2, 3), '>f4'))"),
        ("(ctypes.c_double * 2)(1, 2)", "np.array([1.0, 2])"),
        ("ctypes.c_double(1)", "1.0"),
        ("b'ab'", "np.array([97, 98], np.uint8)"),
        ("bytearray(b'ab')", "memoryview(b'ab')"),
        ("mapped(b'ab')", "b'ab'"),
        ("collections.UserString('ab')", "collections.UserString('ab')"),
        ("array.array('u', 'ab')", "array.array('u', 'ab')"),
        # NULs at the end, which NumPy drops where it can
        ("np.bytes_(b'a\\0')", "b'a\\0'"),
        ("np.str_('a\\0')", "'a\\0'"),
        # no dimension
        ("Tensor(6.0)", "6.0"),
        ("np.array(6.0)", "6.0"),
        ("6.0", "np.array(6.0)"),
        ("np.array(3)", "3"),
        ("np.float64(6)", "np.array(6.0)"),
        ("np.array('x')", "'x'"),
        ("np.array({'a': 1}, object)", "{'a': 1}"),
        ("np.ma.masked", "np.ma.masked"),
        ("np.ma.array(3)", "3"),
        # times: units convert
        ("np.timedelta64(1000, 'ns')", "np.timedelta64(1, 'us')"),
        ("np.datetime64('2020-01-01')", "np.datetime64('2020-01-01T00:00:00', 'ns')"),
        ("np.datetime64('2020-01')", "np.datetime64('2020-01-01')"),
        ("np.array([1], 'm8[s]')", "np.array([1000], 'm8[ms]')"),
        ("dt.datetime(2020, 1, 1)", "np.datetime64('2020-01-01', 'ns')"),
        ("np.timedelta64(1, 'D')", "dt.timedelta(days=1)"),
        ("dt.date(2020, 1, 1)", "dt.date(2020, 1, 1)"),
        ("dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)", "dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)"),
        ("dt.time(1, tzinfo=dt.timezone.utc)", "dt.time(1, tzinfo=dt.timezone.utc)"),
        ("dt.time(1, tzinfo=BERLIN)", "dt.time(1, tzinfo=BERLIN)"),
        ("[dt.time(1)]", "[dt.time(1)]"),
        ("np.datetime64('NaT')", "np.datetime64('NaT', 's')", NANS),
        ("np.array(['NaT', 1], 'M8[s]')", "np.array(['NaT', 1], 'M8[s]')", NANS),
        # numbers
        ("np.longdouble(1)", "np.longdouble(1) * (1 + 1e-12)", CLOSE),
        ("np.array([np.longdouble(1)])", "np.array([np.longdouble(1) * (1 + 1e-12)])", CLOSE),
        ("np.longdouble(1)", "1.0"),
        ("np.clongdouble(1)", "1.0 + 1e-12j", "atol=1e-9"),
        ("np.float16(1)", "1"),
        ("complex(NAN, 1)", "complex(NAN, 1)", NANS),
        ("np.array([complex(NAN, 1)])", "np.array([complex(NAN, 1)])", NANS),
        ("np.array([complex(NAN, 1)])", "np.array([complex(NAN, 1 + 1e-12)])", "equal_nan=True, rtol=1e-9"),
        ("np.array([complex(NAN, float('inf'))])", "np.array([complex(NAN, float('inf'))])", NANS),
        ("LenientInt(3)", "3"),
        # text in which some may be missing
        ("texts('a', NAN)", "texts('a', NAN)", NANS),
        ("texts('a', None)", "texts('a', None)"),
        ("texts('a', NAN)[:1]", "np.array(['a'])"),
        ("Decimal('1.5')", "Decimal('1.50')"),
        ("Decimal('1')", "Decimal('1.0000000000001')", CLOSE),
        ("fractions.Fraction(1, 3)", "fractions.Fraction(1, 3)"),
        ("10**400", "10**400"),
        # records, and dtypes within
        (RECORD, RECORD),
        (f"{RECORD}[0]", f"{RECORD}[0]"),
        (f"{RECORD}.view(np.recarray)", RECORD),
        ("np.zeros(2, 'V5')", "np.zeros(2, 'V5')"),
        ("np.array([(1, 2)], 'i4,i4')", "np.array([(1, 2)], [('f0', '>i8'), ('f1', 'i2')])"),
        ("np.ma.array(['a', [1]], mask=[0, 1], dtype=object)", "np.ma.array(['a', [2]], mask=[0, 1], dtype=object)"),
        ("np.eye(1).view(np.matrix)", "np.eye(1)"),
        ("Masked([1, 2], mask=[0, 1])", "np.ma.array([1, 3], mask=[0, 1])"),
        ("np.ma.array([1, 3], mask=[0, 1])", "Masked([1, 2], mask=[0, 1])"),
        ("np.ones(3).view(Lenient)", "np.ones(3)"),
        ("Info.of([1.0], 'm')", "Info.of([1.0], 'm')"),
        ("Tensor([1, 2])", "np.array([1, 2])"),
        ("Tensor([1, 2], units='m')", "Tensor([1, 2], units='m')"),
        ("Tensor([1, 2], names=(None,))", "np.array([1, 2])"),
        # containers
        ("Fit(np.arange(3), 3)", "Fit(np.arange(3), 3)"),
        ("Fit(1.0 + 1e-12, note='a')", "Fit(1.0, note='b')", CLOSE),
        ("Fit(NAN)", "Fit(NAN)", NANS),
        ("Loose(1)", "Loose(2)"),
        ("AttrDict(a=1, units='m')", "{'a': 1, 'units': 'm'}"),
        ("{'a': 1}", "AttrDict(a=1)"),
        ("GetDict(a=1)", "{'a': 1}"),
        ("Slotted(1)", "Slotted(1)"),
        ("Point(np.arange(2), 1)", "Point(np.arange(2), 1)"),
        ("collections.OrderedDict(a=1, b=2)", "{'b': 2, 'a': 1}"),
        ("{1, (2, 3), 'a'}", "{'a', (2, 3), 1}"),
        ("frozenset([1.0])", "frozenset([1.0 + 1e-12])", CLOSE),
        ("{NAN}", "{float('nan')}", NANS),
        ("{frozenset({1, 2})}", "{frozenset({2, 1})}"),
        ("collections.deque([np.arange(2)])", "collections.deque([np.arange(2)])"),
        ("range(3)", "range(3)"),
        ("{'a': 1}.keys()", "{'a': 2}.keys()"),
        ("ring(1)", "ring(1)"),
        ("[ONE, None, ..., Colour.RED, np, int, len]", "[ONE, None, ..., Colour.RED, np, int, len]"),
        ("Owns(1)", "Owns(1)"),
        ("[LenientStr('a')]", "['a']"),
        ("1 + 1e-9", "pytest.approx(1)"),
        ("np.array([1 + 1e-9])", "pytest.approx(np.array([1.0]))"),
        ("{'a': 1 + 1e-9}", "pytest.approx({'a': 1})"),
        ("np.random.default_rng(1).bit_generator.state", "np.random.default_rng(1).bit_generator.state"),
        ("np.dtype('i4')", "np.dtype('i4')"),
        ("slice(1, 2)", "slice(1, 2)"),
        ("types.SimpleNamespace(a=1.0, b=2)", "types.SimpleNamespace(b=2, a=1.0 + 1e-12)", CLOSE),
        ("Months(1, 2)", "Months(1, 2)"),
        ("types.SimpleNamespace(a=NAN)", "types.SimpleNamespace(a=float('nan'))", NANS),
        ("Point(1, 2)", "(1, 2)"),
        ("[ValueError('a', 1)]", "[ValueError('a', 1)]"),
        ("OSError(2, 'no', 'a')", "OSError(2, 'no', 'a')"),
        # an equality of its own
        ("Bits('101')", "Bits('101')"),
        ("Bits('1010')", "np.array([0b10100000], np.uint8)"),
        ("Histogram([1.0], 'x')", "Histogram([1.0 + 1e-12], 'x')", CLOSE),
        ("Histogram([NAN], 'x')", "Histogram([float('nan')], 'x')", NANS),
        ("Shape(1, 2)", "Shape(1, 2)"),
        ("morsel('a')", "morsel('a')"),
        ("Fields(a=[1, 2])", "Fields(a=[1, 2])"),
        ("Fields(a=[1, 2.0])", "Fields(a=[1, 2.0 + 1e-12])", CLOSE),
        ("Headers(('a', 1), ('a', 2))", "Headers(('a', 1), ('a', 2))"),
        ("Headers(('a', 1), ('b', 2))", "{'b': 2, 'a': 1}"),
        ("LenientList([ONE])", "LenientList([ONE])"),
    ],
    "pandas": [
        ("pd.Index([], dtype='int64')", "pd.RangeIndex(0)"),
        ("pd.Series([1.0, 2])", "pd.Series([1.0, 2])"),
        ("pd.Series([1.0, 2], index=['x', 'y'], name='n')", "pd.Series([1.0, 2], index=['x', 'y'], name='n')"),
        ("pd.Series([1.0])", "pd.Series([1 + 1e-12])", CLOSE),
        ("pd.Series([NAN])", "pd.Series([NAN])", NANS),
        ("pd.Series([1.0, 2])", "np.array([1.0, 2])"),
        ("pd.Series([1], dtype='i4')", "pd.Series([1])"),
        ("pd.Series([1, None], dtype='Int64')", "pd.Series([1, None], dtype='Int32')"),
        ("pd.Series([1], dtype='Int64')", "pd.Series([1])"),
        ("pd.Series([1.0, None], dtype='Float64')", "pd.Series([1 + 1e-12, None], dtype='Float64')", CLOSE),
        ("pd.Series([True, None], dtype='boolean')", "pd.Series([True, None], dtype='boolean')"),
        ("pd.Series(['a', None])", "pd.Series(['a', None])"),
        ("pd.Series(['a'], dtype=object)", "pd.Series(['a'], dtype='string')"),
        ("pd.Series(['a', 'b', None], dtype='category')", "pd.Series(['a', 'b', None], dtype='category')"),
        ("pd.Series(pd.to_datetime(['2020-01-01']))", "pd.Series(np.array(['2020-01-01'], 'M8[ns]'))"),
        ("pd.Series(pd.to_datetime(['2020-01-01'])).dt.tz_localize('UTC')",
         "pd.Series(pd.to_datetime(['2020-01-01'])).dt.tz_localize('UTC')"),
        ("pd.Series([[1, 2], {'a': np.arange(2)}])", "pd.Series([[1, 2], {'a': np.arange(2)}])"),
        ("pd.DataFrame({'a': [1], 'b': ['x']})", "pd.DataFrame({'a': [1], 'b': ['x']})"),
        ("pd.DataFrame([[1, 2]], columns=['a', 'a'])", "pd.DataFrame([[1, 2]], columns=['a', 'a'])"),
        ("pd.DataFrame({'a': [1]}, index=pd.MultiIndex.from_tuples([(1, 'x')], names=['i', 'j']))",
         "pd.DataFrame({'a': [1]}, index=pd.MultiIndex.from_tuples([(1, 'x')], names=['i', 'j']))"),
        ("pd.Index([1, 2], name='n')", "pd.Index([1, 2], name='n')"),
        ("pd.RangeIndex(3)", "pd.Index([0, 1, 2])"),
        ("pd.Categorical(['a', 'b'])", "pd.Categorical(['a', 'b'])"),
        ("pd.Timestamp('2020-01-01')", "np.datetime64('2020-01-01')"),
        ("pd.Timestamp('2020-01-01', tz='UTC')", "pd.Timestamp('2020-01-01', tz='UTC')"),
        ("pd.Timedelta('1us')", "np.timedelta64(1000, 'ns')"),
        ("pd.NaT", "pd.NaT", NANS),
        ("pd.NaT", "np.datetime64('NaT')", NANS),
        ("pd.NA", "pd.NA"),
        ("pd.Period('2020-01')", "pd.Period('2020-01')"),
        ("pd.Interval(0, 1)", "pd.Interval(0, 1)"),
        ("pd.Series(pd.period_range('2020', periods=2, freq='M'))", "pd.Series(pd.period_range('2020', periods=2, freq='M'))"),
        ("{'a': pd.DataFrame({'x': [1.0]})}", "{'a': pd.DataFrame({'x': [1.0]})}"),
        ("pd.Series([1.0]).sum()", "1.0"),
        ("pd.DataFrame()", "pd.DataFrame()"),
        ("pd.DataFrame({'a': [1]})[[]]", "pd.DataFrame(index=[0])"),
        ("pd.Index([1], dtype=object)", "pd.Index([1], dtype='Int64')"),
        ("pd.Index(['a', None], dtype=object)", "pd.Index(['a', None], dtype='string')"),
        ("pd.Series([1.0], index=[1 + 1e-12])", "pd.Series([1.0], index=[1.0])", CLOSE),
        ("pd.Series([1], index=[NAN])", "pd.Series([1], index=[NAN])"),
        ("pd.Series([1], name=np.int64(0))", "pd.Series([1], name=0)"),
        ("pd.Index([1], name=0)", "pd.Index([1], name=np.int64(0))"),
        ("pd.Series([1], name=(1, 'a'))", "pd.Series([1], name=(1, 'a'))"),
        ("pd.Categorical(['a', 'b'], categories=['a', 'b'])", "pd.Categorical(['a', 'b'], categories=['b', 'a'])"),
        ("pd.Categorical(pd.Index(['a'], dtype=object))", "pd.Categorical(pd.Index(['a'], dtype='string'))"),
        ("pd.Series(pd.arrays.SparseArray([0, 1 + 1e-12]))", "pd.Series(pd.arrays.SparseArray([0, 1.0]))", CLOSE),
        ("pd.arrays.SparseArray([NAN, 1])", "pd.arrays.SparseArray([NAN, 1])", NANS),
        ("pd.Interval(0, 1 + 1e-12)", "pd.Interval(0, 1.0)", CLOSE),
        ("pd.IntervalIndex.from_breaks([0, 1 + 1e-12])", "pd.IntervalIndex.from_breaks([0, 1.0])", CLOSE),
        ("pd.Series(pd.IntervalIndex.from_breaks([0, 1 + 1e-12]))", "pd.Series(pd.IntervalIndex.from_breaks([0, 1.0]))", CLOSE),
        ("pd.Series([[1 + 1e-12]])", "pd.Series([[1.0]])", CLOSE),
    ],
    "polars": [
        ("pl.Series('a', [1, 2, None])", "pl.Series('a', [1, 2, None])"),
        ("pl.Series('a', [1], dtype=pl.Int8)", "pl.Series('a', [1])"),
        ("pl.Series([1.0])", "pl.Series([1 + 1e-12])", CLOSE),
        ("pl.Series([NAN, None])", "pl.Series([NAN, None])", NANS),
        ("pl.Series([1.0])", "np.array([1.0])"),
        ("pl.DataFrame({'a': [1], 'b': ['x'], 'c': [[1, 2]]})", "pl.DataFrame({'a': [1], 'b': ['x'], 'c': [[1, 2]]})"),
        ("pl.Series([dt.datetime(2020, 1, 1)], dtype=pl.Datetime('ns'))",
         "pl.Series([dt.datetime(2020, 1, 1)], dtype=pl.Datetime('ms'))"),
        ("pl.Series(['a', 'b'], dtype=pl.Categorical)", "pl.Series(['a', 'b'], dtype=pl.Categorical)"),
        ("pl.Series([Decimal('1.5')])", "pl.Series([Decimal('1.5')])"),
        ("pl.Series([{'a': 1}])", "pl.Series([{'a': 1}])"),
        ("pl.Series([{'a': [1.0], 'b': 'x'}, None])", "pl.Series([{'a': [1 + 1e-12], 'b': 'x'}, None])", CLOSE),
        ("pl.Series([[1], [], None])", "pl.Series([[1], [], None])"),
        ("pl.Series([[1.0, 2]], dtype=pl.Array(pl.Float64, 2))", "pl.Series([[1, 2 + 1e-12]], dtype=pl.Array(pl.Float64, 2))", CLOSE),
        ("pl.DataFrame()", "pl.DataFrame()"),
        ("pl.Series([2**70, None], dtype=pl.Int128)", "pl.Series([2**70, None], dtype=pl.Int128)"),
        ("pl.Series([2], dtype=pl.Int128)", "pl.Series([2])"),
        ("pl.Series([dt.time(1), None])", "pl.Series([dt.time(1), None])"),
    ],
    "xarray": [
        ("xr.DataArray(np.arange(4.0), dims='x').sum()", "6.0"),
        ("6.0", "xr.DataArray(6.0)"),
        ("xr.DataArray([1.0], dims='x')", "np.array([1.0])"),
        ("xr.DataArray([1.0], dims='x', coords={'x': [3]})", "xr.DataArray([1.0], dims='x', coords={'x': [3]})"),
        ("xr.DataArray([1.0], dims='x', name='a')", "xr.DataArray([1 + 1e-12], dims='x')", CLOSE),
        ("xr.DataArray([NAN], coords={'x': [NAN]}, dims='x')", "xr.DataArray([NAN], coords={'x': [NAN]}, dims='x')", NANS),
        ("xr.DataArray([1.0], attrs={'units': 'm'})", "xr.DataArray([1.0], attrs={'units': 'm', 'by': 'me'})"),
        ("xr.Dataset({'a': ('x', [1])})", "xr.Dataset({'a': ('x', [1])})"),
        ("xr.Variable('x', [1])", "xr.Variable('x', [1])"),
    ],
    "sparse": [
        ("sparse.COO(np.eye(3))", "sparse.COO(np.eye(3) * (1 + 1e-12))", CLOSE),
        ("sparse.GCXS(np.eye(3))", "sparse.COO(np.eye(3))"),
        ("sparse.COO(np.ones(3), fill_value=1.0)", "sparse.COO(np.ones(3), fill_value=1.0)"),
    ],
    "scipy.sparse": [
        ("sp.csr_array(np.eye(3))", "sp.csr_array(np.eye(3))"),
        ("sp.csr_matrix(np.eye(3))", "sp.csc_array(np.eye(3))"),
        ("sp.csr_array(np.eye(3) * (1 + 1e-12))", "sp.csr_array(np.eye(3))", CLOSE),
        ("sp.coo_array(([1, 1], ([0, 0], [0, 0])), (1, 1))", "sp.coo_array(([2], ([0], [0])), (1, 1))"),
        ("sp.csr_array(([0.0], ([0], [1])), (2, 2))", "sp.csr_array((2, 2))"),
        ("sp.csr_array((0, 3))", "sp.csr_array((0, 3))"),
        ("sp.csr_array(([1e-12], ([0], [1])), (2, 2))", "sp.csr_array((2, 2))", "atol=1e-9"),
        ("sp.csr_array([[NAN]])", "sp.csr_array([[NAN]])", NANS),
        ("sp.coo_array(([1.0], ([10**9], [1])), (10**10, 10**10))", "sp.coo_array(([1.0], ([10**9], [1])), (10**10, 10**10))"),
    ],
    "pint": [
        ("Q(1000, 'mm')", "Q(1, 'm')"),
        ("Q(np.array([1000.0]), 'mm')", "Q(np.array([1.0]), 'm')"),
        ("Q(np.array([1000]), 'mm')", "Q(np.array([1]), 'm')"),
        ("Q(2.54, 'cm')", "Q(1.0, 'inch')"),
        ("Q(0.3, 'm')", "Q(0.1 * 3, 'm')", CLOSE),
        ("Q(0, 'degC')", "Q(273.15, 'K')"),
        ("Q(50, 'percent')", "0.5"),
        ("Q(1.0, '')", "1.0"),
        ("Q(NAN, 'm')", "Q(NAN, 'm')", NANS),
        ("[Q(1, 'm')]", "[Q(100, 'cm')]"),
    ],
    "astropy.units": [
        ("1000 * u.mm", "1 * u.m"),
        ("np.array([1000, 2000]) * u.mm", "np.array([1.0, 2]) * u.m"),
        ("1 * u.one", "1.0"),
        ("2 * u.km / (1 * u.m)", "2000.0"),
        ("NAN * u.m", "NAN * u.m", NANS),
        ("table(a=[1, 2])", "table(a=[1, 2])"),
        ("table(a=[1, 2] * u.m)['a']", "table(a=[1, 2] * u.m)['a']"),
    ],
    "awkward": [
        ("ak.Array([[1.0], [], [2, 3]])", "ak.Array([[1.0], [], [2, 3]])"),
        ("ak.Array([[1.0]])", "ak.Array([[1 + 1e-12]])", CLOSE),
        ("ak.Array([{'a': 1}])", "ak.Array([{'a': np.int8(1)}])"),
    ],
    "PIL.Image": [
        ("Image.new('L', (2, 2))", "Image.new('L', (2, 2))"),
        ("Image.new('L', (2, 2))", "np.zeros((2, 2), np.uint8)"),
    ],
    "pyarrow": [
        ("pa.array([1, None])", "pa.array([1, None])"),
        ("pa.table({'a': [1]})", "pa.table({'a': [1]})"),
        ("pa.array([NAN])", "pa.array([NAN])", NANS),
        ("pa.array([1 + 1e-12, None])", "pa.array([1.0, None])", CLOSE),
        ("pa.table({'a': [1, None], 'x': [1 + 1e-12, 2]})", "pa.table({'a': [1, None], 'x': [1.0, 2]})", CLOSE),
        ("pa.table({'a': [1]})", "pa.record_batch({'a': [1]})"),
        ("pa.chunked_array([[1], [2, None]])", "pa.array([1, 2, None])"),
        ("pa.chunked_array([], pa.list_(pa.int8()))", "pa.array([], pa.list_(pa.int8()))"),
        ("pa.array([1], pa.int8())", "pa.array([1], pa.uint64())"),
        ("pa.array([1], pa.timestamp('s', 'UTC'))", "pa.array([1000], pa.timestamp('ms', 'UTC'))"),
        ("pa.array(['a', None])", "pa.array(['a', None], pa.large_string())"),
        ("pa.array([Decimal('1.5')])", "pa.array([Decimal('1.50')])"),
        ("pa.array([[1 + 1e-12], None, []])", "pa.array([[1.0], None, []])", CLOSE),
        ("pa.array([[1 + 1e-12]], pa.list_(pa.float64(), 1))", "pa.array([[1.0]], pa.list_(pa.float64(), 1))", CLOSE),
        ("pa.array([{'a': 1.0, 'b': 'x'}, None])", "pa.array([{'a': 1 + 1e-12, 'b': 'x'}, None])", CLOSE),
        ("pa.array(['a', None]).dictionary_encode()", "pa.array(['a', None]).dictionary_encode()"),
        ("pa.array([[(1, 2.0)]], pa.map_(pa.int8(), pa.float64()))", "pa.array([[(1, 2.0)]], pa.map_(pa.int8(), pa.float64()))"),
        ("pa.array([[(1, 2.0)]], pa.map_(pa.int8(), pa.float64()))",
         "pa.array([[(1, 2.1)]], pa.map_(pa.int8(), pa.float64()))", "rtol=0.1"),
        ("pa.array(['a', 'b', 'a']).dictionary_encode()", "np.array(['a', 'b', 'a'], object)"),
        ("pa.array([1], pa.time64('ns'))", "pa.array([1], pa.time64('ns'))"),
        ("pa.scalar(1.0)", "pa.scalar(1 + 1e-12)", CLOSE),
        ("pa.scalar([1.0])", "pa.scalar([1 + 1e-12])", CLOSE),
        ("pa.NA", "pa.NA"),
        ("pa.array([1, 2])", "np.array([1, 2])"),
        ("np.array([1, 2])", "pa.array([1, 2])"),
        ("pa.schema([('a', pa.int8())])", "pa.schema([('a', pa.int8())])"),
        ("arrow([[1 + 1e-12], None], 'list')", "arrow([[1.0], None], 'list')", CLOSE),
        ("arrow(['a', None], 'string')", "pd.Series(['a', None])"),
        ("arrow([1], 'int64')", "pd.Series([1])"),
        ("pa.py_buffer(b'a')", "pa.py_buffer(b'a')"),
    ],
    "ml_dtypes": [
        ("np.array([1], ml_dtypes.int4)", "np.array([1])"),
        ("np.array([1], ml_dtypes.uint4)[0]", "1"),
        ("np.ones(2, ml_dtypes.bfloat16)", "np.ones(2)"),
        ("np.ones(2, ml_dtypes.bfloat16).sum()", "2.0 + 1e-12", CLOSE),
        ("1.0", "ml_dtypes.float8_e5m2(1)"),
        ("np.array([NAN], ml_dtypes.bfloat16)", "np.array([NAN])", NANS),
    ],
    "attr": [
        ("caseless()('a')", "caseless()('A')"),
        ("caseless()('a', 1 + 1e-12)", "caseless()('A', 1.0)", CLOSE),
    ],
    "multidict": [
        ("multidict.MultiDict([('a', 1), ('a', 2)])", "multidict.MultiDict([('a', 1), ('a', 2 + 1e-12)])", CLOSE),
        ("multidict.CIMultiDict(A=1)", "multidict.CIMultiDict(A=1)"),
    ],
    "bitarray": [
        ("bitarray.bitarray('101')", "bitarray.bitarray('101')"),
        ("cut(bitarray.bitarray('101'))", "bitarray.bitarray('101')"),
    ],
    "boost_histogram": [(HISTOGRAM.format(1, 0), HISTOGRAM.format(1, 0))],
    "shapely": [("shapely.Point(1, 2)", "shapely.Point(1, 2)")],
    "gmpy2": [
        ("gmpy2.mpfr(1.5)", "gmpy2.mpfr(1.5)"),
        ("gmpy2.mpfr(1)", "gmpy2.mpfr(1 + 1e-12)", CLOSE),
        ("gmpy2.mpfr('nan')", "gmpy2.mpfr('nan')", NANS),
    ],
    "mpmath": [
        ("mpmath.mpf(1)", "mpmath.mpf(1 + 1e-12)", CLOSE),
        ("mpmath.mpc(1, 1)", "mpmath.mpc(1, 1 + 1e-12)", CLOSE),
        ("mpmath.mpf('nan')", "mpmath.mpf('nan')", NANS),
        ("mpmath.mpf('inf')", "mpmath.mpf('inf')", CLOSE),
    ],
    "sympy": [
        ("sympy.Float(1)", "sympy.Float(1 + 1e-12)", CLOSE),
        ("sympy.Integer(3)", "sympy.Integer(3)"),
        ("sympy.pi / 2", "sympy.pi / 2"),
    ],
    "torch": [
        ("torch.arange(3)", "np.arange(3)"),
        ("torch.ones(2, requires_grad=True)", "torch.ones(2)"),
        ("torch.tensor(6.0)", "6.0"),
        ("torch.ones(2, dtype=torch.bfloat16)", "torch.ones(2, dtype=torch.bfloat16)"),
        ("torch.tensor([1j]).conj()", "torch.tensor([-1j])"),
    ],
    "jax.numpy": [
        ("jnp.arange(3)", "np.arange(3)"),
        ("jnp.float32(6)", "6.0"),
        ("jnp.ones(2, jnp.bfloat16)", "jnp.ones(2, jnp.bfloat16)"),
    ],
}  # fmt: skip
UNEQUAL: Table = {
    "numpy": [
        ("[1.0, 2.0]", "[1.0, float('inf')]", "rtol=0.5"),
        ("[1.0, float('-inf')]", "[1.0, float('inf')]", "rtol=0.5"),
        ("memoryview(np.zeros((2, 3)))", "memoryview(np.zeros((3, 2)))"),
        ("memoryview(np.zeros(2))", "memoryview(np.zeros(2, int))"),
        ("memoryview(np.zeros(2))", "np.ones(2)"),
        ("array.array('i', [1])", "np.ones(1)"),
        ("b'ab'", "np.array([97, 99], np.uint8)"),
        ("b'ab'", "'ab'"),
        ("bytearray(b'ab')", "[97, 98]"),
        ("array.array('u', 'ab')", "array.array('u', 'ac')"),
        ("np.bytes_(b'a\\0')", "b'a'"),
        ("b'a'", "np.bytes_(b'a\\0')"),
        ("np.str_('a\\0')", "'a'"),
        ("{'k': np.str_('a\\0')}", "{'k': 'a'}"),
        ("np.array([np.str_('a\\0')], object)", "np.array(['a'], object)"),
        ("np.void(b'ab')", "'ab'"),
        ("np.void(b'ab')", "1"),
        ("np.float64(6)", "np.array([6.0])"),
        ("Tensor(6.0)", "7.0"),
        ("Tensor(6.0)", "[6.0]"),
        ("np.array(True)", "1"),
        ("np.array(3.0)", "np.array(3)"),
        ("np.array('3')", "3"),
        ("np.ma.masked", "0.0"),
        ("np.ma.array(3, mask=True)", "3"),
        ("Masked([1, 2], mask=[0, 1])", "np.ma.array([1, 2])"),
        ("Masked([1, 2], mask=[0, 1])", "np.ma.array([2, 2], mask=[0, 1])"),
        ("np.timedelta64(5, 'ps')", "np.timedelta64(5, 'ns')"),
        ("np.datetime64(5, 'ns')", "5"),
        ("np.datetime64(5, 'ns')", "np.timedelta64(5, 'ns')"),
        ("np.timedelta64(5)", "np.timedelta64(5, 'ns')"),
        ("np.timedelta64(1, 'M')", "np.timedelta64(30, 'D')"),
        ("np.timedelta64(2**62, 's')", "np.timedelta64(0, 'ns')"),
        ("np.array([2**62], 'm8[s]')", "np.array([0], 'm8[ns]')"),
        ("np.array([[3, 2**62]], 'm8[s]')", "np.array([[3 * 10**9, 0]], 'm8[ns]')"),
        ("np.datetime64('NaT')", "np.datetime64('NaT')"),
        ("np.datetime64('NaT')", "np.timedelta64('NaT')", NANS),
        ("np.datetime64('NaT')", "np.datetime64(0, 's')", NANS),
        ("dt.datetime(2020, 1, 1)", "dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)"),
        ("dt.datetime(2020, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))", "dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)"),
        ("dt.datetime(2020, 10, 25, 2, tzinfo=BERLIN)", "dt.datetime(2020, 10, 25, 2, fold=1, tzinfo=BERLIN)"),
        ("dt.time(1, tzinfo=dt.timezone(dt.timedelta(hours=1)))", "dt.time(0, tzinfo=dt.timezone.utc)"),
        ("dt.time(1, tzinfo=BERLIN)", "dt.time(1, tzinfo=zoneinfo.ZoneInfo('Asia/Tokyo'))"),
        ("dt.time(1)", "dt.time(1, tzinfo=dt.timezone.utc)"),
        ("dt.time(1)", "dt.time(2)"),
        ("dt.time(0)", "np.zeros(2)"),
        ("dt.timedelta(seconds=1)", "1.0"),
        ("np.longdouble(1)", "np.longdouble(1) + np.finfo(np.longdouble).eps"),
        ("np.longdouble(1)", "np.longdouble(1.1)", CLOSE),
        ("complex(NAN, 1)", "complex(NAN, 2)", NANS),
        ("np.array([complex(NAN, 1)])", "np.array([complex(NAN, 2)])", NANS),
        ("np.array([complex(1, NAN)])", "np.array([complex(NAN, 1)])", NANS),
        ("np.array([complex(NAN, 1)])", "np.array([complex(NAN, 1)])"),
        ("np.array([complex(NAN, 1)])", "np.array([complex(NAN, 2)])", "equal_nan=True, rtol=1e-9"),
        ("10**400", "1.0", CLOSE),
        ("2**53 + 1", "2.0**53"),
        ("LenientInt(3)", "4"),
        ("3", "LenientInt(4)"),
        ("LenientStr('a')", "'b'"),
        ("LenientList([1])", "[2]"),
        ("np.zeros(3).view(Lenient)", "np.ones(3)"),
        ("np.ones(3)", "np.zeros(3).view(Lenient)"),
        ("Info.of([1.0], 'm')", "Info.of([1.0], 's')"),
        ("Info.of([1.0], 'm')", "np.array([1.0])"),
        ("Tensor([1, 2], units='m')", "Tensor([1, 2], units='s')"),
        ("Tensor([1, 2], units='m')", "np.array([1, 2])"),
        ("Tensor(1.0, unit='m')", "1.0"),
        ("True", "pytest.approx(1)"),
        ("[True]", "pytest.approx([1])"),
        ("np.array([True])", "pytest.approx(np.array([1]))"),
        ("collections.UserString('a')", "collections.UserString('b')"),
        ("Decimal('1')", "1"),
        ("Decimal('NaN')", "Decimal('NaN')"),
        ("Decimal('1')", "Decimal('1.1')", CLOSE),
        (f"{RECORD}[0]", f"{RECORD.replace('3.0', '4.0')}[0]"),
        (f"{RECORD}[0]", "(1, (2.0, 3.0))"),
        ("np.zeros(2, 'V5')", "np.zeros(2, 'V6')"),
        ("np.array([(1, 2)], 'i4,i4')", "np.array([(1, 2)], 'i4,f4')"),
        ("np.array([(1, 2)], 'i4,i4')", "np.zeros(1, 'V8')"),
        ("np.ma.array(['a', [1]], mask=[0, 1], dtype=object)", "np.ma.array(['a', [1]], mask=[0, 0], dtype=object)"),
        ("np.array(['a'])", "np.array([b'a'])"),
        ("texts('a', NAN)", "texts('a', NAN)"),
        ("texts('a', NAN)", "np.array(['a', 'nan'])", NANS),
        ("AttrDict(a=1)", "{'a': 2}"),
        ("AttrDict(a=1)", "dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)"),
        ("GetDict(a=1)", "np.ones(1)"),
        ("Slotted(1)", "Slotted(2)"),
        ("Slotted(1)", "1"),
        ("Fit(np.arange(3), 3)", "Fit(np.array([0, 1, 3]), 3)"),
        ("Fit(1)", "Point(1, 0)"),
        ("{1, 2}", "{1, 3}"),
        ("{1, 2}", "{1}"),
        ("{True}", "{1}"),
        ("{1}", "frozenset({1})"),
        ("{(1, True)}", "{(1, 1)}"),
        ("{1.0, 2.0}", "{1.0 + 1e-12, 3.0}", CLOSE),
        ("{NAN}", "{float('nan')}"),
        ("{True: 1}", "{1: 1}"),
        ("{(True, 2): 1}", "{(1, 2): 1}"),
        ("collections.OrderedDict(a=1, b=2)", "collections.OrderedDict(b=2, a=1)"),
        ("collections.deque([1])", "collections.deque([2])"),
        ("collections.deque([1])", "[1]"),
        ("range(3)", "[0, 1, 2]"),
        ("ring(1)", "ring(2)"),
        ("Colour.RED", "Colour.BLUE"),
        ("Colour.RED", "1"),
        ("Owns(1)", "Owns(2)"),
        ("1.1", "pytest.approx(1)"),
        ("np.timedelta64(1, 's')", "pytest.approx(1)"),
        ("Loose(1)", "Fit(1)"),
        ("None", "NAN", NANS),
        ("int", "float"),
        ("np.dtype('i4')", "np.dtype('i8')"),
        ("Months(1)", "Months(0, 30)"),
        ("types.SimpleNamespace(a=True)", "types.SimpleNamespace(a=1)"),
        ("types.SimpleNamespace(a=1)", "types.SimpleNamespace(a=1, b=2)"),
        ("types.SimpleNamespace(a=1, b=2)", "types.SimpleNamespace(a=1)"),
        ("Point(1, 2)", "Pair(1, 2)"),
        ("dt.date(2020, 1, 1)", "dt.datetime(2020, 1, 1)"),
        ("dt.datetime(2020, 1, 1)", "dt.date(2020, 1, 1)"),
        ("ValueError('a')", "ValueError('b')"),
        ("ValueError('a')", "KeyError('a')"),
        ("[OSError(2, 'no', 'a')]", "[OSError(2, 'no', 'b')]"),
        ("Bits('101')", "Bits('1010')"),
        ("[Bits('101')]", "[Bits('1010')]"),
        ("Bits('101')", "Bits('1010')", "atol=0.1"),
        ("Histogram([1.0], 'x')", "Histogram([1.0], 'y')"),
        ("Shape(1, 2)", "Shape(2, 1)"),
        ("morsel('a')", "morsel('b')"),
        ("http.cookies.SimpleCookie('a=1')", "http.cookies.SimpleCookie('a=2')"),
        ("Fields(a=[1, 2])", "Fields(a=[1])"),
        ("Fields(a=[1, 2])", "Fields(a=[1, 3])", CLOSE),
        ("Headers(('a', 1))", "Headers(('a', 1), ('a', 2))"),
        ("Headers(('a', 1), ('a', 3))", "Headers(('a', 1), ('a', 2))"),
        ("Headers(('a', 1), ('a', 2))", "{'a': 1}"),
    ],
    "pandas": [
        ("pd.MultiIndex.from_tuples([(1, 2), (1, 3)], names=[1, 2])",
         "pd.MultiIndex.from_tuples([(1, 2), (1, 99)], names=[1, 2])"),
        ("pd.Index([True, 'a'])", "pd.Index([1, 'a'])"),
        ("pd.Series([1.0, 2], index=['x', 'y'])", "pd.Series([1.0, 2], index=['y', 'x'])"),
        ("pd.Series([1.0], name='a')", "pd.Series([1.0], name='b')"),
        ("pd.Series([1.0])", "pd.Series([2.0])"),
        ("pd.Series([1.0])", "pd.Series([1])"),
        ("pd.Series([1.0], index=['x'])", "np.array([1.0])"),
        ("np.array([1.0])", "pd.Series([1.0])"),
        ("pd.Series([NAN])", "pd.Series([NAN])"),
        ("pd.Series([1, None], dtype='Int64')", "pd.Series([1, 2], dtype='Int64')"),
        ("pd.Series([1], dtype='Int64')", "pd.Series([1], dtype='Float64')"),
        ("pd.Series([1], dtype='Int64')", "pd.Series([True], dtype='boolean')"),
        ("pd.Series(['a'])", "pd.Series(['b'])"),
        ("pd.Series(['1'])", "pd.Series([1])"),
        ("pd.Series(['a'], dtype='category')", "pd.Series(['a'])"),
        ("pd.Series(pd.Categorical(['a'], categories=['a', 'b']))", "pd.Series(pd.Categorical(['a'], categories=['a', 'c']))"),
        ("pd.Series(pd.Categorical(['a'], ordered=True))", "pd.Series(pd.Categorical(['a']))"),
        ("pd.Series(pd.Categorical(['a', 'b']))", "pd.Series(pd.Categorical(['b', 'a']))"),
        ("pd.Series(pd.to_datetime(['2020-01-01']))", "pd.Series(pd.to_datetime(['2020-01-01'])).dt.tz_localize('UTC')"),
        ("pd.Series(pd.to_datetime(['2020-01-01'])).dt.tz_localize('Asia/Tokyo')",
         "pd.Series(pd.to_datetime(['2020-01-01'])).dt.tz_localize('UTC')"),
        ("pd.DataFrame({'a': [1]})", "pd.DataFrame({'b': [1]})"),
        ("pd.DataFrame({'a': [1], 'b': [2]})", "pd.DataFrame({'b': [2], 'a': [1]})"),
        ("pd.DataFrame({'a': [1]}, index=[1])", "pd.DataFrame({'a': [1]})"),
        ("pd.DataFrame({'a': [1, 2]})", "pd.DataFrame({'a': [1]})"),
        ("pd.DataFrame({'a': [1]}, index=pd.Index([0], name='i'))", "pd.DataFrame({'a': [1]})"),
        ("pd.DataFrame({'a': [1]}).rename_axis(columns='c')", "pd.DataFrame({'a': [1]})"),
        ("pd.DataFrame([[1]])", "np.array([[1]])"),
        ("pd.DataFrame({'a': [1]})", "pd.Series([1], name='a')"),
        ("pd.DataFrame({'a': [1]})", "{'a': [1]}"),
        ("pd.Index([1], name='n')", "pd.Index([1])"),
        ("pd.Index([True, False])", "pd.Index([1, 0])"),
        ("pd.Index([1, 2])", "pd.Index([1.0, 2.0])"),
        ("pd.Index([1, 'a', True])", "pd.Index([1, 'a', 1])"),
        ("pd.Index([dt.date(2020, 1, 1)])", "pd.DatetimeIndex(['2020-01-01'])"),
        ("pd.DatetimeIndex([])", "pd.RangeIndex(0)"),
        ("pd.MultiIndex.from_tuples([(1, 'x')])", "pd.MultiIndex.from_tuples([(1.0, 'x')])"),
        ("pd.MultiIndex.from_tuples([(1, True)])", "pd.MultiIndex.from_tuples([(1, 1)])"),
        ("pd.MultiIndex.from_tuples([(1, 'x')])", "pd.Index([1])"),
        ("pd.DataFrame({True: [1]})", "pd.DataFrame({1: [1]})"),
        ("pd.Series([1], index=[True])", "pd.Series([1], index=[1])"),
        ("pd.Series([1], name=0)", "pd.Series([1], name=0.0)"),
        ("pd.Series([1], name=1)", "pd.Series([1], name=True)"),
        ("pd.Index([1], name=1)", "pd.Index([1], name=True)"),
        ("pd.Categorical([True])", "pd.Categorical([1])"),
        ("pd.Categorical([True, 'a'])", "pd.Categorical([1, 'a'])"),
        ("pd.Categorical([1.0])", "pd.Categorical([1 + 1e-12])"),
        ("pd.arrays.SparseArray([0, 1])", "pd.arrays.SparseArray([0, 1.0])", CLOSE),
        ("pd.arrays.SparseArray([0, 1.0])", "pd.arrays.SparseArray([0, 1.0], fill_value=0.0)"),
        ("pd.Interval(0, 1)", "pd.Interval(0, 1, 'left')", CLOSE),
        ("pd.IntervalIndex.from_breaks([0, 1])", "pd.IntervalIndex.from_breaks([0, 1.0])"),
        ("pd.arrays.IntervalArray.from_tuples([(0, 1), None])", "pd.arrays.IntervalArray.from_tuples([(0, 1), (1, 2)])"),
        ("pd.DatetimeIndex(['2020'], tz='UTC')", "pd.DatetimeIndex(['2020'])"),
        ("pd.Timestamp('2020-01-01', tz='UTC')", "np.datetime64('2020-01-01')"),
        ("pd.Timedelta('1us')", "np.timedelta64(1001, 'ns')"),
        ("pd.NaT", "pd.NaT"),
        ("pd.NaT", "None", NANS),
        ("pd.NA", "NAN", NANS),
        ("pd.Period('2020-01')", "pd.Period('2020-02')"),
        ("pd.Series(pd.period_range('2020', periods=2, freq='M'))", "pd.Series(pd.period_range('2021', periods=2, freq='M'))"),
    ],
    "polars": [
        ("pl.Series('a', [1])", "pl.Series('b', [1])"),
        ("pl.Series('a', [1])", "pl.Series('a', [1.0])"),
        ("pl.Series('a', [1, None])", "pl.Series('a', [1, 2])"),
        ("pl.Series([NAN])", "pl.Series([NAN])"),
        ("pl.Series([NAN])", "pl.Series([None], dtype=pl.Float64)", NANS),
        ("pl.DataFrame({'a': [1], 'b': [2]})", "pl.DataFrame({'b': [2], 'a': [1]})"),
        ("pl.DataFrame({'a': [1]})", "pl.DataFrame({'a': [1, 1]})"),
        ("pl.DataFrame(height=3)", "pl.DataFrame(height=2)"),
        ("pl.Series([[1]], dtype=pl.List(pl.Datetime('ns')))", "pl.Series([[2]], dtype=pl.List(pl.Datetime('ns')))"),
        ("pl.Series([{'a': 1}], dtype=pl.Struct({'a': pl.Time}))", "pl.Series([{'a': 2}], dtype=pl.Struct({'a': pl.Time}))"),
        ("pl.Series([[1], []])", "pl.Series([[], [1]])"),
        ("pl.Series([[None], [1]])", "pl.Series([[], [1]])"),
        ("pl.Series([None, {'a': 1}])", "pl.Series([{'a': None}, {'a': 1}])"),
        ("pl.Series([2**70], dtype=pl.Int128)", "pl.Series([2**70 + 1], dtype=pl.Int128)"),
        ("pl.Series([2], dtype=pl.Int128)", "pl.Series([2.0])"),
        ("pl.Series([1], dtype=pl.Time)", "pl.Series([2], dtype=pl.Time)"),
        ("pl.DataFrame({'a': ['x']})", "pl.DataFrame({'a': ['y']})"),
        ("pl.Series('a', [1.0])", "np.array([1.0])"),
        ("pl.Series([dt.datetime(2020, 1, 1)])", "pl.Series([dt.datetime(2020, 1, 1)]).dt.replace_time_zone('UTC')"),
        ("pl.Series([1])", "[1]"),
    ],
    "xarray": [
        ("xr.DataArray(np.zeros((2, 2)), dims=('x', 'y'))", "xr.DataArray(np.zeros((2, 2)), dims=('y', 'x'))"),
        ("xr.DataArray([1.0], dims='x', coords={'x': [3]})", "xr.DataArray([1.0], dims='x', coords={'x': [4]})"),
        ("xr.DataArray([1.0], dims='x', coords={'x': [3]})", "xr.DataArray([1.0], dims='x')"),
        ("xr.DataArray([1.0], dims='x', coords={'x': [3]})", "np.array([1.0])"),
        ("xr.DataArray([1.0], dims='x', coords={'x': [3]})[0]", "1.0"),
        ("np.array([1.0])", "xr.DataArray([1.0], dims='x')"),
        ("xr.DataArray([1.0])", "xr.DataArray([2.0])"),
        ("xr.DataArray([1.0], attrs={'units': 'm'})", "xr.DataArray([1.0], attrs={'units': 's'})"),
        ("xr.DataArray(1.0, attrs={'units': 'm'})", "1.0"),
        ("xr.Dataset({'a': ('x', [1])})", "xr.Dataset({'b': ('x', [1])})"),
        ("xr.Dataset({'a': ('x', [1])}, coords={'x': [1]})", "xr.Dataset({'a': ('x', [1])}, coords={'x': [2]})"),
        ("xr.Dataset({'a': ('x', [1])})", "xr.DataArray([1], dims='x', name='a')"),
        ("xr.Variable('x', [1])", "xr.Variable('y', [1])"),
        ("xr.DataArray([1.0])", "pd.Series([1.0])"),
    ],
    "sparse": [
        ("sparse.COO(np.eye(3))", "sparse.COO(np.ones((3, 3)))"),
        ("sparse.COO(np.ones(3), fill_value=1.0)", "sparse.COO(np.zeros(3))"),
        ("sparse.COO(np.eye(3))", "np.eye(3)"),
        ("sparse.COO(np.zeros((2, 2)))", "sparse.COO(np.zeros((2, 3)))"),
    ],
    "scipy.sparse": [
        ("sp.csr_array(np.eye(3))", "sp.csr_array(2 * np.eye(3))"),
        ("sp.csr_array(np.eye(3))", "sp.csr_array(np.eye(4))"),
        ("sp.csr_array(np.eye(3))", "sp.csr_array(np.eye(3, dtype=int))"),
        ("sp.csr_array([[1.0, 0]])", "sp.csr_array([[0, 1.0]])"),
        ("sp.csr_array(np.eye(3))", "np.eye(3)"),
        ("sp.csr_array([[NAN]])", "sp.csr_array([[NAN]])"),
    ],
    "pint": [
        ("Q(1, 's')", "Q(1, 'm')"),
        ("Q(1, 'mm')", "Q(1, 'm')"),
        ("Q(1, 'm')", "1"),
        ("1", "Q(1, 'm')"),
        ("Q(np.ones(2), 'm')", "np.ones(2)"),
        ("Q(1 + 1e-12, 'm')", "Q(1.0, 'm')"),
        ("Q(1, 'degC')", "Q(1, 'K')"),
        ("Q(NAN, 'm')", "Q(NAN, 'm')"),
        ("[Q(1, 'm')]", "[Q(1, 'cm')]"),
    ],
    "astropy.units": [
        ("1 * u.s", "1 * u.m"),
        ("1 * u.mm", "1 * u.m"),
        ("np.ones(2) * u.m", "np.ones(2)"),
        ("np.ones(2)", "np.ones(2) * u.m"),
        ("1 * u.m", "1.0"),
        ("table(a=[1, 2])", "table(a=[1, 3])"),
        ("table(a=[1, 2])", "table(b=[1, 2])"),
        ("table(a=[1, 2] * u.m)", "table(a=[1, 2] * u.km)"),
    ],
    "awkward": [
        ("ak.Array([[1.0], []])", "ak.Array([[1.0], [2.0]])"),
        ("ak.Array([[1.0], [2.0]])", "ak.Array([[1.0, 2.0], []])"),
        ("ak.Array([[1]])", "ak.Array([[1.0]])"),
        ("ak.Array([[1.0]])", "[[1.0]]"),
    ],
    "PIL.Image": [
        ("Image.new('P', (2, 2))", "Image.new('L', (2, 2))"),
        ("Image.new('HSV', (2, 2))", "Image.new('RGB', (2, 2))"),
        ("Image.new('L', (2, 2))", "np.ones((2, 2), np.uint8)"),
    ],
    "pyarrow": [
        ("pa.array([1])", "pa.array([2])"),
        ("pa.table({'a': [1]})", "pa.table({'b': [1]})"),
        ("pa.array([1.0, None])", "pa.array([1.0, NAN])", NANS),
        ("pa.array([1, None])", "pa.array([1.0, NAN])", NANS),
        ("pa.array([1])", "pa.array([1.0])", CLOSE),
        ("pa.array([True])", "pa.array([1])"),
        ("pa.array([1000001, None])", "pa.array([1000000, None])", "rtol=1e-3, equal_nan=True"),
        ("pa.table({'a': [1000001], 'x': [1.0]})", "pa.table({'a': [1000000], 'x': [1.0]})", "rtol=1e-3"),
        ("pa.table({'a': [1, None]})", "pa.table({'a': [1, 2]})"),
        ("pa.table({'a': [1, 2]}).select([])", "pa.table({'a': [1]}).select([])"),
        ("pa.table({'a': [1]})", "np.array([[1]])"),
        ("pa.array([1], pa.timestamp('us', 'UTC'))", "pa.array([1], pa.timestamp('us'))", CLOSE),
        ("pa.array([1], pa.timestamp('us', 'UTC'))", "np.array([1], 'M8[us]')"),
        ("pa.array([1], pa.date32())", "pa.array([86_400], pa.timestamp('s'))"),
        ("pa.array([1], pa.time64('ns'))", "pa.array([2], pa.time64('ns'))", CLOSE),
        ("pa.array(['a'])", "pa.array([b'a'])"),
        ("pa.array(['a']).dictionary_encode()", "pa.array(['a'])", CLOSE),
        ("pa.array([[1.0]])", "pa.array([[1.0]], pa.list_(pa.float64(), 1))", CLOSE),
        ("pa.array([[1.0], [2, 3]])", "pa.array([[1.0, 2], [3]])", CLOSE),
        ("pa.array([[1.0, None]])", "pa.array([[1.0, NAN]])", NANS),
        ("pa.array([{'a': None}], pa.struct([('a', pa.int8())]))", "pa.array([None], pa.struct([('a', pa.int8())]))"),
        ("pa.array([[1]], pa.list_(pa.time64('ns')))", "pa.array([[2]], pa.list_(pa.time64('ns')))"),
        ("pa.array([[(1, 2.0)]], pa.map_(pa.int8(), pa.float64()))", "pa.array([[(1, 3.0)]], pa.map_(pa.int8(), pa.float64()))"),
        ("pa.array([1, None])", "np.array([1, NAN])", NANS),
        ("pa.array([1])", "[1]"),
        ("pa.scalar(1)", "pa.scalar(1.0)", CLOSE),
        ("pa.scalar(None, pa.float64())", "pa.scalar(NAN)", NANS),
        ("pa.scalar(1)", "pa.array([1])"),
        ("pa.py_buffer(b'a')", "pa.py_buffer(b'b')", CLOSE),
        ("arrow([[1.0], None], 'list')", "arrow([[1.0], [2.0]], 'list')", CLOSE),
        ("arrow([1], 'timestamp')", "arrow([2], 'timestamp')"),
    ],
    "ml_dtypes": [
        ("np.array([1], ml_dtypes.int4)", "np.array([1.0])"),
        ("np.array([1], ml_dtypes.int4)", "np.array([1], ml_dtypes.bfloat16)"),
        ("np.array([1], ml_dtypes.int4)[0]", "True"),
        ("ml_dtypes.bfloat16(1)", "1.5"),
        ("np.array([NAN], ml_dtypes.bfloat16)", "np.array([NAN])"),
    ],
    "attr": [("caseless()('a')", "caseless()('b')"), ("caseless()('a', 1.0)", "caseless()('A', 2.0)")],
    "multidict": [
        ("multidict.MultiDict(a=1)", "multidict.MultiDict([('a', 1), ('a', 2)])"),
        ("multidict.MultiDict([('a', 1), ('a', 3)])", "multidict.MultiDict([('a', 1), ('a', 2)])", CLOSE),
        ("multidict.MultiDict([('a', 1), ('a', 2)])", "{'a': 1}"),
        ("multidict.CIMultiDict(A=1)", "multidict.CIMultiDict([('A', 1), ('a', 2)])"),
    ],
    "bitarray": [
        ("bitarray.bitarray('101')", "bitarray.bitarray('1010')"),
        ("cut(bitarray.bitarray('101'))", "bitarray.bitarray('100')"),
    ],
    "boost_histogram": [
        (HISTOGRAM.format(1, 0), HISTOGRAM.format(2, 0)),
        (HISTOGRAM.format(1, 0), HISTOGRAM.format(1, 9)),
    ],
    "shapely": [
        ("shapely.Point(1, 2, 3)", "shapely.Point(1, 2)"),
        ("shapely.LineString([(1, 1), (0, 0)])", "shapely.LineString([(0, 0), (1, 1)])"),
    ],
    "gmpy2": [
        ("gmpy2.mpfr(1)", "gmpy2.mpfr(1 + 1e-12)"),
        ("gmpy2.mpfr('inf')", "gmpy2.mpfr(1)", "rtol=1"),
    ],
    "mpmath": [
        ("mpmath.mpf(1)", "mpmath.mpf(1 + 1e-12)"),
        ("mpmath.mpf('inf')", "mpmath.mpf(1)", "rtol=1"),
        ("mpmath.mpc(1, 1)", "mpmath.mpc(1, 2)", CLOSE),
    ],
    "sympy": [
        ("sympy.Float(1)", "sympy.Float(1 + 1e-12)"),
        ("sympy.Float('0.1', 30)", "sympy.Float(0.1)"),
        ("sympy.Integer(10)", "sympy.Integer(11)", "rtol=1"),
    ],
    "torch": [
        ("torch.arange(3)", "torch.arange(3.0)"),
        ("torch.tensor(6.0)", "7.0"),
    ],
    "jax.numpy": [
        ("jnp.arange(3)", "np.arange(3.0)"),
    ],
}  # fmt: skip
UNJUDGED: Table = {
    "numpy": [
        ("Handle(1)", "Handle(1)", "Handle has no equality of its own"),
        ("object()", "object()", "object has no equality of its own"),
        ("Breaks()", "Breaks()", "OSError: no comparison"),
        ("[Breaks()]", "[Breaks()]", "got a Breaks, whose repr failed: OSError (Breaks), expected"),
        ("Vague(1)", "Vague(1)", "returns neither True nor False, but a NoneType"),
        ("deep(1)", "deep(1)", "nested too deeply"),
    ],
    "pint": [("pint.UnitRegistry().Quantity(1, 'mm')", "Q(1, 'm')", "ValueError: ")],
}
NAMES = {"numpy": "np", "pandas": "pd", "polars": "pl", "xarray": "xr", "scipy.sparse": "sp", "astropy.units": "u", "awkward": "ak",
         "pyarrow": "pa", "sparse": "sparse", "PIL.Image": "Image", "torch": "torch", "jax.numpy": "jnp", "pint": "pint"}  # fmt: skip


def values(library: str, *expressions: str) -> list[Any]:
    module = pytest.importorskip(library, reason=f"{library} is not installed")
    scope = {**globals(), **USED, NAMES.get(library, library): module}
    if library == "pint":
        scope["Q"] = module.get_application_registry().Quantity
    if library == "astropy.units":
        scope["table"] = lambda **columns: importlib.import_module("astropy.table").QTable(columns)
    if library in {"xarray", "pyarrow"}:
        scope["pd"] = pytest.importorskip("pandas", reason="pandas is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # NumPy's of times without a unit
        return [eval(expression, scope) for expression in expressions]  # noqa: S307  # written above


def tolerance(words: str) -> Tolerance:
    made: Tolerance = eval(f"Tolerance({words})")  # noqa: S307  # written above
    return made


def cases(table: Table, width: int) -> list[Any]:
    rows = [(library, *(*row, "", "")[:width]) for library, rows in table.items() for row in rows]
    return [pytest.param(*row, id=" | ".join(filter(None, row))) for row in rows]


@pytest.mark.parametrize(("library", "got", "expected", "words"), cases(EQUAL, 3))
def test_equal(library: str, got: str, expected: str, words: str) -> None:
    left, right = values(library, got, expected)
    assert compare(left, right, tolerance(words)) is None


@pytest.mark.parametrize(("library", "got", "expected", "words"), cases(UNEQUAL, 3))
def test_unequal(library: str, got: str, expected: str, words: str) -> None:
    left, right = values(library, got, expected)
    mismatch = compare(left, right, tolerance(words))
    assert mismatch is not None
    assert not mismatch.unjudged
    assert " differ, " in str(mismatch)


def test_a_message_names_no_tolerance_that_was_not_applied() -> None:
    assert "tolerance: exact" in str(compare(Owns(1), Owns(2), Tolerance(rtol=1e-9)))
    assert "tolerance: rtol=1e-09" in str(compare(1.0, 2.0, Tolerance(rtol=1e-9)))


def test_classes_whose_metaclass_makes_them_equal_are_told_apart() -> None:
    class Alike(type):  # noqa: PLW1641  # without a hash, as it has an equality
        def __eq__(cls, other: object) -> bool:
            return isinstance(other, Alike)

    class Wide(metaclass=Alike):
        __slots__ = ("height", "width")

        def __init__(self, width: int, height: int) -> None:
            self.width, self.height = width, height

    class Named(metaclass=Alike):
        __slots__ = ("name",)

        def __init__(self, name: str) -> None:
            self.name = name

    assert comparison.attributes(Wide(1, 2)) == {"width": 1, "height": 2}
    assert comparison.attributes(Named("a")) == {"name": "a"}


def test_what_was_found_equal_within_two_values_that_differ_is_compared_again() -> None:
    @dataclasses.dataclass
    class Kin:
        kin: list[Any]
        n: int
        __hash__ = object.__hash__

    def made(*numbers: int) -> tuple[set[Kin], list[Any]]:
        kin = [Kin([], n) for n in numbers]
        for one in kin:
            one.kin.append(one)
        return {*kin}, kin[0].kin

    assert compare(made(1, 2), made(1, 2), Tolerance()) is None
    for _ in range(20):
        assert "got 1, expected 2" in str(compare(made(1, 2), made(2, 1), Tolerance()))


def test_a_comparison_adds_no_keys_to_its_values() -> None:
    got, expected = Grows(a=1), Grows(a=2)
    assert "['a']: got 1, expected 2" in str(compare(got, expected, Tolerance()))
    assert compare(got, 1.0, Tolerance()) is not None
    assert got == {"a": 1}
    assert expected == {"a": 2}


@pytest.mark.parametrize(("library", "got", "expected", "words"), cases(UNJUDGED, 3))
def test_values_that_cannot_be_compared_need_a_function(library: str, got: str, expected: str, words: str) -> None:
    left, right = values(library, got, expected)
    text = str(compare(left, right, Tolerance()))
    assert "the gate cannot compare them" in text
    assert "pass a function as expect, which gets the answer and returns whether it is right" in text
    assert words in text
