"""Answers that were there before the call: none of them counts, and what is expected is as it was before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pytest_benchgate import Tolerance, compare, snapshot
from pytest_benchgate.inputs import MOST_COPIES, Input

if TYPE_CHECKING:
    from conftest import Suite

PRELUDE = """
import array, collections, ctypes, dataclasses, enum, functools, io, itertools, mmap, operator, struct, threading, types, unittest.mock, xml.etree.ElementTree
import numpy as np
import pytest
from numpy.polynomial import Polynomial

X = np.arange(100.0)
DOUBLE = 2 * X

class Tensor:
    def __init__(self, values): self.values = values
    def __array__(self, dtype=None, copy=None): return self.values.copy() if copy else self.values
    def __setitem__(self, key, value):
        if isinstance(value, np.ndarray): raise TypeError("can't assign a numpy.ndarray")
        self.values[key] = value.values
    def fill(self, value): self.values.fill(value)

@dataclasses.dataclass
class Fit: value: object

class Pointer(ctypes.Structure): _fields_ = [("p", ctypes.c_void_p)]

class Packed(ctypes.Structure): _pack_, _fields_ = 1, [("c", ctypes.c_char), ("n", ctypes.c_int)]

class File(io.BytesIO): pass

class Marker: pass

class Empty: __slots__ = ()

class Linked: __slots__ = ("n", "__weakref__", "__dict__")

class Tree:
    def __init__(self, key, left=None, right=None): self.key, self.left, self.right = key, left, right
    def find(self, key): return self if key == self.key else (self.left if key < self.key else self.right).find(key)

class Config(dict): pass

class Ordered(collections.OrderedDict): pass

class Rows(list):
    def __iter__(self): return iter(())

class Names(set): pass

Pair = collections.namedtuple("Pair", "a b")

class Table(collections.abc.MutableMapping):
    def __init__(self): self.rows = {}
    def __getitem__(self, key): return self.rows[key]
    def __setitem__(self, key, value): self.rows[key] = value
    def __delitem__(self, key): del self.rows[key]
    def __iter__(self): return iter(self.rows)
    def __len__(self): return len(self.rows)

class Slots:
    __slots__ = "n"
    def __init__(self, n): self.n = n

class Locked:
    def __init__(self, n=1): self.n, self.lock = n, threading.Lock()

class Uncopied(Locked):
    def __eq__(self, other): return self.n == other.n
    def __reduce_ex__(self, protocol): raise TypeError("no copies")

class Grid:
    def __init__(self, values):
        self.u, self.n, self.kid = values, 1, Kid(self)
        self.inner = self.u[1:-1]

class Kid:
    def __init__(self, parent): self.parent = parent

class Solver:
    def __init__(self, values): self.grid, self.lock = Grid(values), threading.Lock()

@dataclasses.dataclass(frozen=True)
class Frozen: u: object

class Colour(enum.Enum): RED = 1

class Bits:
    __hash__ = None
    def __init__(self, *bits): self.bits = [*bits]
    def __eq__(self, other): return self.bits == other.bits
    def count(self):
        self.seen, count = True, sum(self.bits)
        return count

class Fussy(Bits):
    def __eq__(self, other): return self is other
    __hash__ = None

class Miscopied(Bits):
    def __deepcopy__(self, memo): return Miscopied(*self.bits, 0)

class Fields(dict):
    def __getitem__(self, key): return super().__getitem__(key)[0]
    def __setitem__(self, key, value): super().__setitem__(key, [value])

class Handle(Table):
    __hash__ = object.__hash__
    def __deepcopy__(self, memo): raise TypeError("no copies")

class Unhashed(Bits):
    def __hash__(self): return hash(self.bits)

@dataclasses.dataclass
class Cached:
    values: list
    total: object = dataclasses.field(default=None, compare=False)
    @functools.cached_property
    def most(self): return max(self.values)
    def sum(self):
        self.total = self.total or sum(self.values)
        return self.total + self.most

def test_good(benchmark): benchmark(lambda: 1)

"""
WRONG = {
    "fills out and hands it back in its first call only": """
        def f(values, out):
            for i, value in enumerate(values): out[i] = value
            return out
        gate(f, iter([1.0, 2.0]), out=np.zeros(2), expect=np.array([1.0, 2.0]))""",
    "the same by position, and in pedantic": """
        def f(values, out):
            for value in values: out.append(value)
            return out
        gate.pedantic(f, (iter([1, 2]), []), rounds=3, expect=[1, 2])""",
    "expect is the argument, changed in place": """
        x = np.arange(5.0)
        gate(lambda x: np.add(x, 1, out=x), x, expect=x)""",
    "expect is a view of the argument": """
        x = np.arange(6.0)
        gate(lambda x: np.add(x, 1, out=x)[::2], x, expect=x[::2])""",
    "expect is a memoryview of the argument": """
        x = np.arange(5.0)
        gate(lambda x: memoryview(np.add(x, 1, out=x)), x, expect=memoryview(x))""",
    "expect is a field of the argument": """
        x = np.zeros(3, [("a", "f8"), ("b", "f8")])
        def f(x):
            x["a"] += 1
            return x["a"]
        gate(f, x, expect=x["a"])""",
    "expect is a record of the argument": """
        x = np.zeros(3, [("a", "f8"), ("b", "f8", (2,))])
        def f(x):
            x["b"] += 1
            return x[0]
        gate(f, x, expect=x[0])""",
    "expect holds a list that is changed": """
        x = {"a": [1, 2]}
        gate(lambda x: x["a"].append(3) or x, x, expect=x)""",
    "expect is an object that is changed": """
        class Box: n = 0
        box = Box()
        box.n = 1
        def f(box):
            box.n += 1
            return box
        gate(f, box, expect=box)""",
    "expect is within an object array": """
        x = np.empty(1, object)
        x[0] = [1]
        gate(lambda x: x[0].append(2) or x, x, expect=x)""",
    "expect is within a dataclass": """
        fit = Fit(memoryview(bytearray(b"abc")))
        def f(fit):
            fit.value[0] += 1
            return fit
        gate(f, fit, expect=fit)""",
    "expect is within an object that is within a dataclass": """
        fit = Fit(Slots(1))
        def f(fit):
            fit.value.n += 1
            return fit
        gate(f, fit, expect=fit)""",
    "expect is an object with a lock": """
        box = Locked()
        def f(box):
            box.n += 1
            return box
        gate(f, box, expect=box)""",
    "expect is in a dictionary's values by default": """
        boxes = collections.defaultdict(Locked)
        def f(boxes):
            boxes["x"].n += 1
            return boxes
        boxes["x"].n = 1
        gate(f, boxes, expect=boxes)""",
    "expect is a view of a dictionary": """
        x = {"a": 1}
        gate(lambda: x.update(a=2) or x.items(), expect=x.items())""",
    "expect has several values of a key, and a further one is changed": """
        x = Fields(a=[1, 2])
        gate(lambda: dict.__getitem__(x, "a").append(3) or x, expect=x)""",
    "expect is a proxy of a dictionary": """
        x = {"a": [1]}
        proxy = types.MappingProxyType(x)
        gate(lambda: x["a"].append(2) or proxy, expect=proxy)""",
    "expect was computed into the buffer": """
        out = np.empty(100)
        gate(lambda x, out: None, X, out, expect=np.multiply(X, 2, out=out), written=1)""",
    "the buffer held the answer": "gate(lambda x, out: None, X, DOUBLE.copy(), expect=DOUBLE, written=1)",
    "one of two buffers held the answer": """
        def f(x, one, two): one[:] = 2 * x
        gate(f, X, np.empty(100), 3 * X, expect=(DOUBLE, 3 * X), written=(1, 2))""",
    "half of it is written": """
        def f(x, out): out[:50] = 2 * x[:50]
        gate(f, X, DOUBLE.copy(), expect=DOUBLE, written=1)""",
    "setup hands out the buffer": """
        out = DOUBLE.copy()
        gate(lambda x, out: None, setup=lambda: ((X, out), {}), expect=DOUBLE, written=1)""",
    "setup hands out the buffer, which the first call filled": """
        out, calls = np.empty(100), []
        def f(x, out):
            calls.append(1)
            if len(calls) == 1: out[:] = 2 * x
        gate(f, setup=lambda: ((X, out), {}), expect=DOUBLE, written=1)""",
    "in pedantic": "gate.pedantic(lambda x, out: None, (X, DOUBLE.copy()), expect=DOUBLE, written=1, rounds=5)",
    "by a judge": """
        gate(lambda x, out: None, X, DOUBLE.copy(), expect=lambda out: (out == DOUBLE).all(), written=1)""",
    "two of them, by a judge": """
        gate(lambda a, b: None, DOUBLE.copy(), DOUBLE.copy(), expect=lambda both: all((x == DOUBLE).all() for x in both),
             written=(0, 1))""",
    "handed back, unnamed": "gate(lambda x, out: out, X, DOUBLE.copy(), expect=DOUBLE)",
    "handed back as a view": "gate(lambda x, out: out[:], X, DOUBLE.copy(), expect=DOUBLE)",
    "handed back, by keyword, to a judge": """
        gate(lambda x, out: out, 1, out=DOUBLE.copy(), expect=lambda out: bool((out == DOUBLE).all()))""",
    "handed back, a list": "gate(lambda x, out: out, [1], [2], expect=[2])",
    "handed back by position, alone": "gate(lambda out, n: out, DOUBLE.copy(), 2, expect=DOUBLE)",
    "handed back in a tuple": "gate(lambda x, out: (out, 3), X, DOUBLE.copy(), expect=(DOUBLE, 3))",
    "handed back in a tuple, in one round": """
        gate.pedantic(lambda x, out: (out, 3), (X, DOUBLE.copy()), expect=(DOUBLE, 3))""",
    "handed back in a dictionary": "gate(lambda x, out: {'r': out}, X, out=DOUBLE.copy(), expect={'r': DOUBLE})",
    "handed back in a list, to a judge": """
        gate(lambda x, out: [out[:]], X, DOUBLE.copy(), expect=lambda outs: bool((outs[0] == DOUBLE).all()))""",
    "handed back in a tuple, from setup": """
        out = DOUBLE.copy()
        gate(lambda x, out: (out, 3), setup=lambda: ((X, out), {}), expect=(DOUBLE, 3))""",
    "handed back in a tuple, filled in the first call only": """
        def f(x, out, calls=[]):
            if not calls: out[:] = 2 * x
            calls.append(1)
            return out, 3
        gate(f, X, np.zeros(100), expect=(DOUBLE, 3))""",
    "handed back in a tuple, filled in the first two calls only": """
        def f(x, out, calls=[]):
            if len(calls) < 2: out[:] = 2 * x
            calls.append(1)
            return out, 3
        gate(f, X, np.zeros(100), expect=(DOUBLE, 3))""",
    "one of two handed back held the answer": """
        def f(x, out, out2):
            out[:] = 2 * x
            return out, out2
        gate(f, X, np.zeros(100), [3], expect=(DOUBLE, [3]))""",
    "one of two handed back held the answer, the other is filled in the first call only": """
        def f(x, out, out2, calls=[]):
            if not calls: out[:] = 2 * x
            calls.append(1)
            out2[0] = 3
            return out, out2
        gate(f, X, np.zeros(100), [3], expect=(DOUBLE, [3]))""",
    "handed back, an array.array": "gate(lambda x, out: out, X, array.array('d', DOUBLE), expect=DOUBLE)",
    "handed back, an array of ctypes": "gate(lambda x, out: out, X, (ctypes.c_double * 100)(*DOUBLE), expect=DOUBLE)",
    "handed back, a structure of ctypes": """
        gate(lambda x, out: out, X, Packed(b"a", 1), expect=lambda out: out.n == 1)""",
    "handed back, a tensor": "gate(lambda x, out: out, X, Tensor(DOUBLE.copy()), expect=DOUBLE)",
    "handed back, a dictionary": "gate(lambda x, out: out, X, {'a': 1}, expect={'a': 1})",
    "handed back, unnamed, an array.array": "gate(lambda x, y: y, X, array.array('d', DOUBLE), expect=DOUBLE)",
    "sorts its argument, and returns the right median": """
        def f(x):
            x.sort()
            return x[50]
        gate(f, X[::-1].copy(), expect=50.0)""",
    "changes the last of its argument's elements, which are not in a row": """
        def f(x):
            x[-1, -1] += 1
            return 1
        gate(f, np.zeros((2000, 2000))[::2, ::3], expect=1)""",
    "empties the buffer that it reads": "gate(lambda b: len(b) and not b.clear(), bytearray(b'a'), expect=True)",
    "changes an array.array, by keyword": """
        gate(lambda a: a.__setitem__(0, 2) or 1, a=array.array("d", [1]), expect=1)""",
    "appends to a list in a dictionary in a tuple": "gate(lambda x: x[0]['a'].append(1) or 1, ({'a': []},), expect=1)",
    "replaces an integer by its equal": "gate(lambda x: x.__setitem__(0, 1.0) or 1, [1], expect=1)",
    "changes a list in an array of objects": "gate(lambda x: x[0].append(1) or 1, np.array([[], 1], object), expect=1)",
    "changes a value of a type that has its own ==": "gate(lambda x: x.bits.append(0) or x.count(), Bits(1, 0), expect=1)",
    "the same, in a list": "gate(lambda x: x[0].bits.append(0) or x[0].count(), [Bits(1, 0)], expect=1)",
    "changes an array of ctypes": "gate(lambda x: x.__setitem__(0, 2) or 1, (ctypes.c_double * 3)(), expect=1)",
    "changes a structure of ctypes": "gate(lambda x: setattr(x, 'n', 2) or 1, Packed(), expect=1)",
    "changes a map of memory": "gate(lambda x: x.__setitem__(0, 2) or 1, mmap.mmap(-1, 3), expect=1)",
    "changes a map of a file": """
        m = np.memmap("mapped", dtype="f8", mode="w+", shape=3)
        gate(lambda x: x.__setitem__(0, 2) or 1, m, expect=1)""",
    "changes each second element of a memoryview": """
        gate(lambda x: x.__setitem__(1, 2) or 1, memoryview(bytearray(9))[::2], expect=1)""",
    "changes an array in a named tuple": "gate(lambda x: x.a.sort() or 1, Pair(np.array([2, 1]), 1), expect=1)",
    "changes a list in a dataclass": "gate(lambda x: x.value.sort() or 1, Fit([2, 1]), expect=1)",
    "changes an array in a frozen dataclass, in a list": "gate(lambda x: x[0].u.sort() or 1, [Frozen(np.array([2, 1]))], expect=1)",
    "replaces a field of a dataclass": "gate(lambda x: setattr(x, 'value', 1) or 1, Fit(2), expect=1)",
    "changes a field of objects in a structured array": """
        gate(lambda x: x["a"].sort() or 1, np.array([(2, 0), (1, 0)], [("a", "O"), ("n", "i4")]), expect=1)""",
    "changes a field beside one of objects": """
        gate(lambda x: x["n"].sort() or 1, np.array([(1, 2), (1, 1)], [("a", "O"), ("n", "i4")]), expect=1)""",
    "changes an array of NumPy's own texts": """
        gate(lambda x: x.sort() or 1, np.array(["b", "a"], getattr(np.dtypes, "StringDType", lambda: object)()), expect=1)""",
    "changes a value that has no hash, though its type has one": """
        gate(lambda x: x.bits.append(0) or x.count(), Unhashed(1, 0), expect=1)""",
    "expect is a mapping whose hash is that of its identity, and is no copy": """
        m = Handle()
        gate(lambda: m.update(a=1) or m, expect=m)""",
    "changes a list in a subclass of dict": "gate(lambda x: x['a'].sort() or 1, Config(a=[2, 1]), expect=1)",
    "changes a subclass of dict": "gate(lambda x: x.update(b=1) or 1, Config(a=1), expect=1)",
    "changes a further value in a subclass of dict": """
        gate(lambda x: dict.__getitem__(x, "a").append(2) or 1, Fields(a=[1]), expect=1)""",
    "moves a key of a subclass of OrderedDict": "gate(lambda x: x.move_to_end('a') or 1, Ordered(a=1, b=2), expect=1)",
    "changes a subclass of list": "gate(lambda x: x.sort() or 1, Rows([2, 1]), expect=1)",
    "changes a subclass of set": "gate(lambda x: x.add(1) or 1, Names(), expect=1)",
    "changes a UserList": "gate(lambda x: x.sort() or 1, collections.UserList([2, 1]), expect=1)",
    "changes a UserDict": "gate(lambda x: x.update(a=1) or 1, collections.UserDict(), expect=1)",
    "changes a ChainMap": "gate(lambda x: x[0].update(a=1) or 1, [collections.ChainMap()], expect=1)",
    "changes a mapping of its own": "gate(lambda x: x.update(a=1) or 1, Table(), expect=1)",
    "masks an element": "gate(lambda x: x.__setitem__(0, np.ma.masked) or 1, np.ma.zeros(2), expect=1)",
    "adds a default": "gate(lambda x: x['b'] or 1, collections.defaultdict(int, a=1), expect=1)",
    "moves a key": "gate(lambda x: x.move_to_end('a') or 1, collections.OrderedDict(a=1, b=2), expect=1)",
    "renames a key": "gate(lambda x: x.__setitem__('b', x.pop('a')) or 1, {'a': 1}, expect=1)",
    "changes an argument besides the one that it fills": """
        def f(x, y): y[:], x[0] = 2 * X, -1
        gate(f, X.copy(), np.empty(100), expect=DOUBLE, written=-1)""",
    "changes its argument only after the first round": """
        def f(x, calls=[]):
            calls.append(1)
            x[0] = len(calls) // 9
            return 1
        gate(f, np.zeros(3), expect=1, check_every=5)""",
    "a list": "gate(lambda x, out: None, [1, 2], [2, 4], expect=[2, 4], written=1)",
    "a list of arrays": "gate(lambda outs: None, [DOUBLE.copy(), X.copy()], expect=[DOUBLE, X], written=0)",
    "a tuple of arrays": "gate(lambda outs: None, (DOUBLE.copy(), X.copy()), expect=(DOUBLE, X), written=0)",
    "an object in a list": "gate(lambda out: None, [Slots(1)], expect=lambda out: out[0].n == 1, written=0)",
    "a tuple in a list": "gate(lambda out: None, [(1, 2)], expect=[(1, 2)], written=0)",
    "an object with an array": "gate(lambda g: None, Grid(X.copy()), expect=lambda g: (g.u == X).all(), written=0)",
    "an object in an object": "gate(lambda s: None, Solver(X.copy()), expect=lambda s: (s.grid.u == X).all(), written=0)",
    "a parent of its child": "gate(lambda k: None, Grid(X.copy()).kid, expect=lambda k: (k.parent.u == X).all(), written=0)",
    "a frozen dataclass": "gate(lambda d: None, Frozen(X.copy()), expect=lambda d: (d.u == X).all(), written=0)",
    "an array and a view of it, of which the border is written": """
        u = np.arange(9)
        def f(d): d["u"][0], d["u"][-1] = 0, 8
        gate(f, {"u": u, "inner": u[1:-1]}, expect=lambda d: (d["u"] == range(9)).all(), written=0)""",
    "a bytearray": "gate(lambda out: None, bytearray(b'ab'), expect=bytearray(b'ab'), written=0)",
    "an array.array": "gate(lambda out: None, array.array('d', [1, 2]), expect=array.array('d', [1, 2]), written=0)",
    "a memoryview": "gate(lambda out: None, memoryview(bytearray(b'ab')), expect=memoryview(b'ab'), written=0)",
    "a tensor": "gate(lambda out: None, Tensor(X.copy()), expect=X, written=0)",
    "a dictionary": "gate(lambda out: None, {'a': 1, 'b': [2]}, expect={'a': 1, 'b': [2]}, written=0)",
    "a set": "gate(lambda out: None, {1, 2}, expect={1, 2}, written=0)",
    "a deque": "gate(lambda out: None, collections.deque([1]), expect=collections.deque([1]), written=0)",
    "integers": "gate(lambda out: None, np.arange(3), expect=np.arange(3), written=0)",
    "booleans": "gate(lambda out: None, np.ones(3, bool), expect=np.ones(3, bool), written=0)",
    "strings": "gate(lambda out: None, np.array(['x', 'y']), expect=np.array(['x', 'y']), written=0)",
    "times": "gate(lambda out: None, np.zeros(2, 'M8[s]'), expect=np.zeros(2, 'M8[s]'), written=0)",
    "NaN": "gate(lambda out: None, np.array([np.nan]), expect=np.array([np.nan]), written=0, equal_nan=True)",
    "within a great tolerance": "gate(lambda out: None, X.copy(), expect=X, written=0, atol=1e9)",
    "objects": "gate(lambda out: None, np.array([1, 'x', None], object), expect=np.array([1, 'x', None], object), written=0)",
    "records": """
        records = np.zeros(2, [("a", "i4"), ("b", "f8", (2,)), ("c", "U3")])
        gate(lambda out: None, records.copy(), expect=records, written=0)""",
    "masked": "gate(lambda out: None, np.ma.masked_equal([1, 2], 2), expect=np.ma.masked_equal([1, 2], 2), written=0)",
    "all masked": "gate(lambda out: None, np.ma.masked_all(2), expect=np.ma.masked_all(2), written=0)",
    "no dimension": "gate(lambda out: None, np.array(1.0), expect=np.array(1.0), written=0)",
    "read-only": """
        out = X.copy()
        out.flags.writeable = False
        gate(lambda out: None, out, expect=X, written=0)""",
    "a dictionary that held the answer, and whose list is only replaced by an equal one": """
        calls = itertools.count()
        def f(out):
            if not next(calls): out["a"] = [1]
            return out
        gate(f, {"a": [1]}, expect={"a": [1]})""",
    "an item becomes a narrower one that is equal": """
        def f(items): items[0] = items[0].astype(np.float32)
        gate(f, [X], expect=None)""",
    "numbers of a tuple become floats": """
        def f(items): items[0] = (1.0, 2.0)
        gate(f, [(1, 2)], expect=None)""",
    "an item becomes one that contains itself": """
        def cycle():
            made = []
            made.append(made)
            return made
        def f(items): items[0] = cycle()
        gate(f, [cycle()], expect=None)""",
    "an item of a class whose equality says nothing becomes another one": """
        class Lenient:
            def __init__(self, value): self.value = value
            def __eq__(self, other): return True
            __hash__ = None
        def f(items): items[0] = Lenient(2)
        gate(f, [Lenient(1)], expect=None)""",
    "another column of the array that it fills": """
        table = np.zeros((4, 2))
        def f(x, y):
            x += 1
            y[:] = 5
        gate(f, table[:, 0], table[:, 1], expect=np.full(4, 5.0), written=1)""",
    "an element of a set becomes another one": """
        def f(items): items.add(items.pop() + 1)
        gate(f, {1, 2}, expect=None)""",
    "a node of the tree that it hands back changes": """
        tree = Tree(2, Tree(1, Tree(0)), Tree(3))
        def f():
            tree.left.left.key -= 1
            return tree
        gate(f, expect=tree)""",
    "another node takes the place of one": """
        tree = Tree(2, Tree(1), Tree(3))
        def f():
            tree.left = Tree(1)
            return tree
        gate(f, expect=tree)""",
    "an argument of the exception that it hands back": """
        error = KeyError(1)
        def f():
            error.args = (2,)
            return error
        gate(f, expect=error)""",
    "an object of no items, whose attribute held the answer": """
        class Box(Slots):
            def __len__(self): return 0
        gate(lambda out: None, Box(1), expect=lambda out: out.n == 1, written=0)""",
    "a partial changes that an object holds": """
        tree = Tree(functools.partial(int, base=2))
        def f():
            tree.key.keywords["base"] += 1
            return tree
        gate(f, expect=tree)""",
    "another node of the tree": """
        tree = Tree(2, Tree(1), Tree(1))
        gate(lambda: [tree.right], expect=[tree.left])""",
    "what a node holds more than Python shows changes": """
        tree = Tree(2, Tree(io.BytesIO()))
        def f():
            tree.left.key.write(b"x")
            return tree
        gate(f, expect=tree)""",
    "what a node holds that cannot be copied changes": """
        tree = Tree(1, Tree(memoryview(bytearray(1))))
        def f():
            tree.left.key[0] += 1
            return tree
        gate(f, expect=tree)""",
    "a node far away changes, in a list": """
        tree = near = Tree(0)
        for _ in range(9_999): tree = Tree(0, tree)
        trees = [tree]
        def f():
            near.key += 1
            return trees
        gate(f, expect=trees)""",
    "a node far away changes": """
        tree = near = Tree(0)
        for _ in range(9_999): tree = Tree(0, tree)
        def f():
            near.key += 1
            return tree
        gate(f, expect=tree)""",
    "it fills out in its first call only, beside a setup that returns None": """
        done = []
        def f(x, out):
            if not done: np.multiply(x, 2, out=out); done.append(1)
            return out
        gate(f, np.arange(3.0), np.zeros(3), setup=lambda: None, expect=2 * np.arange(3.0))""",
    "it changes what a setup that returns None leaves as it is": """
        def f(x): x.sort(); return x[0]
        gate(f, [3, 1, 2], setup=lambda: None, expect=1)""",
    "an object in a set changes": """
        one = Tree(0)
        def f(): one.key += 1; return {one}
        gate(f, expect={one})""",
    "an object in a tuple that is a key changes": """
        one = Tree(0)
        def f(): one.key += 1; return {(one, 1): 2}
        gate(f, expect={(one, 1): 2})""",
    "an object changes in one that has its own ==": """
        one = Bits(1)
        one.tree = Tree(0)
        def f(): one.tree.key += 1; return one
        gate(f, expect=one)""",
    "the object of a bound method changes": """
        one = Tree(0)
        def f(): one.key += 1; return [one.find]
        gate(f, expect=[one.find])""",
    "a bound method of another object": "gate(lambda: [Tree(0).find], expect=[Tree(0).find])",
    "wrong in every seventh call": """
        count = itertools.count(1)
        gate(lambda: next(count) % 7 != 0, expect=True, check_every=1)""",
    "wrong in every seventh call of pedantic": """
        count = itertools.count(1)
        gate.pedantic(lambda: next(count) % 7 != 0, expect=True, check_every=2, rounds=200, iterations=6)""",
    "wrong in every seventh call, with setup": """
        count = itertools.count(1)
        gate.pedantic(lambda out: out.append(next(count) % 7 != 0), setup=lambda: (([],), {}), expect=[True], written=0,
                      check_every=2, rounds=200)""",
}  # fmt: skip
RIGHT = {
    "a list of out_columns is read, and handed back in a dictionary": """
        def f(rows, out_columns): return {'columns': out_columns, 'rows': [2 * row for row in rows]}
        gate(f, [1, 2], ['a', 'b'], expect={'columns': ['a', 'b'], 'rows': [2, 4]})""",
    "what does not change, though it is not written in Python": """
        one = [operator.itemgetter(1), struct.Struct('i'), functools.partial(len)]
        gate(lambda: one, expect=one)""",
    "what it fills is called out, or handed back": """
        def f(x, out_of_it, y):
            out_of_it[0] = y[0] = x[0] + len(y)
            return [x[0], y[:1]]
        gate(f, X, [0], np.zeros(3), expect=[0.0, np.full(1, 3.0)])""",
    "it fills a view of another argument": """
        x = np.zeros(9)
        def f(x, inner): inner[:] = 1
        gate(f, x, x[1:-1], expect=np.ones(7), written=1)""",
    "it changes what setup gives": "gate(lambda x: x.pop(), setup=lambda: (([1],), {}), expect=1)",
    "it changes what a setup that returns None fills anew": """
        x, ended = [], []
        def f(x): x.sort(); return x[0]
        def setup(): assert len(ended) == begun.pop(); begun.append(len(ended) + 1); x[:] = 3, 1, 2
        begun = [0]
        gate(f, x, setup=setup, teardown=ended.append, expect=1)""",
    "it adds to an out that a setup fills anew, and returns None": """
        out = np.zeros(3)
        def f(x, out): out += x; return out
        gate(f, np.arange(3.0), out, setup=lambda: out.fill(0), expect=np.arange(3.0))""",
    "it changes what a setup that returns None changes, too": """
        x = [3, 1, 2]
        def f(x): x.sort(); return x[0]
        gate(f, x, setup=x.reverse, expect=1)""",
    "it reads what a setup that returns None has shuffled, and fills another": """
        x, out = [3, 1, 2], [0]
        def f(x, out): out[0] = min(x)
        gate(f, x, out, setup=x.reverse, expect=[1], written=1)""",
    "it changes what its arguments remember": """
        def f(x, box): box.n = x[0].n = 2; return 1
        gate(f, [Slots(1)], Locked(), expect=1)""",
    "it reads what cannot be changed, contains itself, or is NaN": """
        x = [float("nan"), memoryview(b"a"), {"b"}]
        x.append(x)
        gate(len, x, expect=4)""",
    "it changes what == does not see, or what no copy is equal to": """
        def f(x, y):
            y.bits.append(1)
            return x.count()
        gate(f, Bits(1, 0), Fussy(1), expect=1)""",
    "it reads many values of a type that has its own ==": "gate(len, [Bits(n) for n in range(5_000)], expect=5_000)",
    "it reads a million integers, or a list nested more deeply than Python recurses": """
        deep = []
        for _ in range(10_000): deep = [deep]
        gate(lambda x, y: len(x) + len(y), [*range(10**6)], deep, expect=10**6 + 1)""",
    "it reads containers and buffers of other kinds, and a map of a large file": """
        m = mmap.mmap(-1, 2**29)
        given = [(ctypes.c_int * 3)(1), Packed(), mmap.mmap(-1, 3), m, Pair([1], 2), Rows([1]), Ordered(a=1), Table()]
        def f(given):
            m[0] = 1
            return len(given)
        gate(f, [*given, collections.UserList([1])], expect=9)""",
    "it reads what holds the answer": "gate(lambda x, y: x.copy(), X, X.copy(), expect=X)",
    "what is expected is copied with each value of a key": "gate(lambda: Fields(a=[1, 2]), expect=Fields(a=[1, 2]))",
    "the argument itself is copied": "gate(np.copyto, np.empty(100), X, expect=X, written=0)",
    "what is returned is what is expected": "gate(lambda: DOUBLE, expect=DOUBLE)",
    "a record of one array": """
        x = np.zeros(2, [("v", "f8", (3,))])
        gate(lambda: x["v"][0], expect=x["v"][0])""",
    "overlapping slices": """
        x = np.arange(10.0)
        gate(np.copyto, x[:4], X[5:9], expect=X[5:9], written=0)""",
    "the same": "gate(lambda x: x, X, expect=X)",
    "a view": "gate(np.transpose, X.reshape(10, 10), expect=X.reshape(10, 10).T)",
    "a buffer that held the answer": "gate(np.multiply, X, 2, DOUBLE.copy(), expect=DOUBLE, written=2)",
    "a buffer that held the answer and is handed back": "gate(np.multiply, X, 2, out=DOUBLE.copy(), expect=DOUBLE)",
    "setup hands out the buffer": """
        out = DOUBLE.copy()
        gate(np.multiply, setup=lambda: ((X, 2, out), {}), expect=DOUBLE, written=2)""",
    "a buffer that held the answer and is handed back in a tuple": """
        def f(x, out, out_n): return np.multiply(x, 2, out=out), out_n
        gate(f, X, DOUBLE.copy(), 3, expect=(DOUBLE, 3))""",
    "outputs of many kinds that are handed back": """
        def f(x, out, out_2, out_3):
            out[:], out_2[:] = DOUBLE, array.array("d", DOUBLE)
            out_3.update(a=1)
            return {"out": out, "2": [out_2, out_3]}
        expect = {"out": DOUBLE, "2": [array.array("d", DOUBLE), {"a": 1}]}
        gate(f, X, (ctypes.c_double * 100)(*DOUBLE), array.array("d", X), {}, expect=expect)""",
    "a dataclass with a cache, in fields that do not count": "gate(Cached.sum, Cached([1, 2]), expect=5)",
    "a dataclass whose list is handed back": "gate(lambda x: x.value.sort() or x.value, Fit([2, 1]), expect=[1, 2])",
    "a structured array with objects": """
        gate(lambda x: x["n"].sum(), np.array([([], 2), (None, 1)], [("a", "O"), ("n", "i4")]), expect=3)""",
    "inputs that are handed back in a tuple": "gate(lambda x, y: (y, x), [1], [2], expect=([2], [1]))",
    "the border stays as it is, handed back in a tuple": """
        def f(x, out):
            out[1:-1] = x[1:-1] * 2
            return out, 3
        gate(f, X, np.zeros(100), expect=(np.concatenate([[0], DOUBLE[1:-1], [0]]), 3))""",
    "adding into zeros": """
        def f(index, out): np.add.at(out, index, 1)
        gate(f, setup=lambda: (([1, 1, 3], np.zeros(5)), {}), expect=np.array([0.0, 2, 0, 1, 0]), written=1)""",
    "the border stays as it is": """
        def f(x, out): out[1:-1] = x[1:-1] * 2
        gate(f, X, np.zeros(100), expect=np.concatenate([[0], DOUBLE[1:-1], [0]]), written=1)""",
    "in place, with setup": "gate(np.ndarray.sort, setup=lambda: ((X[::-1].copy(),), {}), expect=X, written=0)",
    "in place, and the same the second time": "gate(lambda x: np.clip(x, 0, 9, out=x) and None if 0 else np.clip(x, 0, 9, out=x), X.copy(), expect=np.clip(X, 0, 9), written=0)",
    "in place and handed back, with setup": "gate(lambda x, y: np.add(x, y, out=x), setup=lambda: ((X.copy(), X), {}), expect=DOUBLE)",
    "a list": """
        def f(x, out): out[:] = [2 * item for item in x]
        gate(f, [1, 2], [2, 4], expect=[2, 4], written=1)""",
    "a list of arrays that are held elsewhere": """
        one, two = DOUBLE.copy(), X.copy()
        def f(outs): one[:], two[:] = DOUBLE, X
        gate(f, [one, two], expect=[DOUBLE, X], written=0)""",
    "a list of lists": """
        def f(out): out[0].append(1)
        gate.pedantic(f, ([[]],), expect=[[1]], written=0)""",
    "a bytearray": """
        def f(out): out[:] = b"ab"
        gate(f, bytearray(b"ab"), expect=bytearray(b"ab"), written=0)""",
    "an array.array": """
        def f(out): out[0] = 1
        gate(f, array.array("d", [1]), expect=array.array("d", [1]), written=0)""",
    "a memoryview": """
        def f(out): out[0] = 97
        gate(f, memoryview(bytearray(b"a")), expect=memoryview(b"a"), written=0)""",
    "a dictionary": """
        def f(out): out.update(a=1)
        gate(f, {"a": 1}, expect={"a": 1}, written=0)""",
    "a tensor that held the answer": "gate(Tensor.fill, Tensor(np.ones(3)), 1, expect=np.ones(3), written=0)",
    "a tensor with an object, of which two are equal by their values": """
        class Named(Tensor):
            __hash__ = None
            def __init__(self, values): self.values, self.tree = values, Tree(1)
            def __eq__(self, other): return (self.values == other.values).all().item()
            def __setitem__(self, key, value): self.values[key] = getattr(value, "values", value)
        gate(Named.fill, Named(np.ones(3)), 1, expect=np.ones(3), written=0)""",
    "a set": """
        def f(out): out |= {1}
        gate(f, {1}, expect={1}, written=0)""",
    "the greatest integers of their types": """
        values = [np.int8(127), np.uint64(2**64 - 1), 2**70]
        bytes, numbers = bytearray(b"\\xff"), array.array("b", [127])
        def f(*out): out[0][:], out[1][:], out[2][:] = values, b"\\xff", array.array("b", [127])
        gate(f, values[:], bytes, numbers, expect=(values[:], bytes, numbers), written=(0, 1, 2))""",
    "objects in a list, whose state is put back": """
        def f(out): out[0].n = 5
        boxes = [Locked(), Slots(0)]
        gate(f, boxes, expect=lambda out: out is boxes and out[0].n == 5, written=0)
        assert type(boxes[0]) is Locked""",
    "an object in a list that held the answer": """
        def f(out): out[0].n = 5
        gate(f, [Slots(5)], expect=lambda out: out[0].n == 5, written=0)""",
    "objects that cannot be copied": """
        one = Uncopied()
        gate(lambda: [Uncopied()], expect=[one])""",
    "what contains objects that are equal only to themselves": """
        one = Locked()
        gate(lambda: (Fit(one), collections.deque([one])), expect=(Fit(one), collections.deque([one])))""",
    "proxies and views of dictionaries": """
        gate(lambda: [types.MappingProxyType({1: 2}), {1: 2}.keys()], expect=[types.MappingProxyType({1: 2}), {1: 2}.keys()])""",
    "tolerances of other types": """
        from decimal import Decimal
        gate(lambda: np.ones(2), expect=np.full(2, 1.001), rtol=np.float32(0.01), atol=Decimal("0.1"))""",
    "a position from NumPy": "gate(np.multiply, X, 2, np.empty(100), expect=DOUBLE, written=np.int64(2))",
    "positions from NumPy": "gate(np.multiply, X, 2, np.empty(100), expect=(DOUBLE,), written=(np.int64(2),))",
    "a packed structure": """
        def f(out): out.n = 5
        gate(f, Packed(), expect=lambda out: out.n == 5, written=0)""",
    "a mask that only grows": """
        def f(out):
            assert out.hardmask
            out[0] = np.ma.masked
        out, expect = (np.ma.array([1.0, 2.0], mask=[mask, False], hard_mask=True) for mask in (False, True))
        gate(f, out, expect=expect, written=0)""",
    "a masked array without a mask": """
        def f(out):
            assert out.mask is np.ma.nomask
            out.data[:] = X
        gate(f, np.ma.zeros(100), expect=np.ma.array(X), written=0)""",
    "an object in an object": """
        def f(s): s.grid.u[:] = X
        solver = Solver(np.zeros(100))
        grid = solver.grid
        gate(f, solver, expect=lambda s: (s.grid.u == X).all(), written=0)
        assert solver.grid is grid""",
    "an object in an object, in a round": """
        def f(s): s.grid.u[:] = X
        gate.pedantic(f, (Solver(np.zeros(100)),), rounds=1, expect=lambda s: (s.grid.u == X).all(), written=0)""",
    "an object in an object that held the answer": """
        def f(s): s.grid.u[:] = X
        gate(f, Solver(X.copy()), expect=lambda s: (s.grid.u == X).all(), written=0)""",
    "setup hands out an object": """
        def f(s): s.grid.u[:] = X
        solver = Solver(np.zeros(100))
        gate(f, setup=lambda: ((solver,), {}), expect=lambda s: (s.grid.u == X).all(), written=0)""",
    "a parent and its child": """
        def f(g): g.kid.parent.u[:] = X
        gate(f, Grid(np.zeros(100)), expect=lambda g: (g.u == X).all() and g.kid.parent is g, written=0)""",
    "an object with a view of its own array": """
        def f(g): g.inner[:] = X[1:-1]
        gate(f, Grid(np.zeros(100)), expect=lambda g: (g.u[1:-1] == X[1:-1]).all(), written=0)""",
    "an object whose memory is held elsewhere": """
        grid = Grid(np.zeros(100))
        view = memoryview(grid.u)
        def f(g): np.asarray(view)[:] = X
        gate(f, grid, expect=lambda g: (g.u == X).all(), written=0)""",
    "a bound method in an object": """
        grid = Grid(np.zeros(100))
        grid.calls = [functools.partial(np.copyto, grid.u, X), grid.u.sort]
        def f(g): [call() for call in g.calls]
        gate(f, grid, expect=lambda g: (g.u == X).all(), written=0)""",
    "a namespace whose array is held elsewhere": """
        space = types.SimpleNamespace(u=np.zeros(100))
        u = space.u
        def f(s): u[:] = X
        gate(f, space, expect=lambda s: (s.u == X).all(), written=0)""",
    "a frozen dataclass": """
        def f(d): d.u[:] = X
        gate(f, Frozen(np.zeros(100)), expect=lambda d: (d.u == X).all(), written=0)""",
    "a dictionary with an array and a view of it": """
        u = np.zeros(100)
        def f(d): d["inner"][:] = X[1:-1]
        gate(f, {"u": u, "inner": u[1:-1]}, expect=lambda d: (d["u"][1:-1] == X[1:-1]).all(), written=0)""",
    "a list whose array is replaced by an input": """
        x = X.copy()
        def f(out): out[0] = x
        gate(f, [np.zeros(100)], expect=[X], written=0)
        assert (x == X).all()""",
    "a member of an enumeration": """
        def f(out): out[0] = Colour.RED
        gate(f, [Colour.RED], expect=lambda out: out[0] is Colour.RED, written=0)
        assert Colour.RED.value == 1""",
    "an object with constants": """
        grid = Grid(np.zeros(100))
        grid.constant, grid.marker = np.broadcast_to(1.0, 3), object()
        marker = grid.marker
        def f(g): g.u[:] = X
        gate(f, grid, expect=lambda g: (g.u == X).all() and g.marker is marker, written=0)""",
    "nothing to write": "gate(lambda out: None, np.empty(0), expect=np.empty(0), written=0)",
    "only itself is equal to it": """
        one = object()
        gate(lambda: one, expect=one)
        """,
    "objects without any state, and what is its own copy": """
        class Kept(Linked):
            def __reduce__(self): return Kept, ()
        given = [Marker(), Empty(), Linked(), Kept(), Marker, property(len), KeyError(1), threading.current_thread]
        gate(lambda: [*given], expect=given)""",
    "nodes of a tree": """
        tree = Tree(2, Tree(1, Tree(0)), Tree(3))
        gate(tree.find, 1, expect=tree.left)""",
    "all nodes of a tree that know their parent, and of a ring": """
        tree = Tree(0)
        tree.kids = [Tree(n, tree) for n in range(300)]
        ring = Tree(0)
        ring.left = Tree(1, ring)
        gate(lambda: (ring, *tree.kids), expect=(ring, *tree.kids))""",
    "parts that are shared again and again, of which one by one there are 2 ** 60": """
        made = [[1], {0: 1, 1: 1}, (1,), Fit(1), Tree(1)]
        for _ in range(60):
            made = [[made[0]] * 2, {0: made[1], 1: made[1]}, (made[2], made[2]), Fit((made[3], made[3])), Tree(made[4], made[4])]
        gate(lambda x: made, made, expect=made)""",
    "a billion numbers that are no objects in memory": """
        gate(lambda: range(10**12), expect=range(10**12))""",
    "objects in a set and in keys, bound methods, and NaN in an attribute": """
        one, two = Tree(float("nan")), Bits(1)
        two.tree = one
        made = {one, Marker}, frozenset([(one, 1)]), {one: 2}, collections.OrderedDict({(one, Tree(2)): 1}), two, [one.find]
        gate(lambda: (*made[:-1], [one.find]), expect=made)""",
    "nodes that refer to each other and cannot be copied": """
        one, two = Tree(1), Tree(2)
        one.kids, two.kids, one.lock, two.lock = [two], [one], threading.Lock(), threading.Lock()
        gate(lambda: one, expect=one)""",
    "members and modules": """
        gate(lambda: [Colour.RED, np, int, None, ...], expect=[Colour.RED, np, int, None, ...])""",
    "a list that contains itself": """
        x = [1]
        x.append(x)
        gate(lambda: 1, expect=lambda answer: answer == 1)""",
    "out is what it reads, and what it hands back": """
        gate(lambda low, out: np.maximum(out, low, out=out), 0.0, out=np.array([-1.0, 2.0]), expect=np.array([0.0, 2.0]))""",
    "no more calls than the rounds want": "gate.pedantic(next, (iter([1] * 9),), rounds=2, expect=1)",
    "items that are replaced by equal ones": """
        def f(items): items[:] = [(1, 2), [3], float("nan"), X.copy()]
        gate(f, [(1, 2), [3], float("nan"), X.copy()], expect=None)""",
    "a set in another order than before": """
        def f(items):
            items.update(range(100, 120))
            items.difference_update(range(100, 120))
        items = {8, 1, 16, 3}
        before = [*items]
        gate(f, items, expect=None)
        assert [*items] != before""",
    "sampled": "gate(np.multiply, X, 2, out=np.empty(100), expect=DOUBLE, written='out', check_every=np.int64(3))",
    "sampled, with setup and teardown": """
        gate(np.ndarray.sort, setup=lambda: ((X[::-1].copy(),), {}), teardown=lambda x: None, expect=X, written=0, check_every=2)""",
    "sampled, in pedantic": "gate.pedantic(np.sum, (X,), expect=4950.0, rounds=20, iterations=3, check_every=5)",
    "judged by NumPy's bool": "gate(lambda: DOUBLE, expect=lambda answer: np.all(answer == DOUBLE))",
    "judged by a partial": "gate(lambda: DOUBLE, expect=functools.partial(np.array_equal, DOUBLE))",
    "judged by a method": "gate(lambda: 'ab', expect='ab'.__eq__)",
    "judged by a ufunc": "gate(lambda: 1.0, expect=np.isfinite)",
    "judged by a cached function": "gate(lambda: 1.0, expect=functools.lru_cache(lambda answer: answer == 1))",
}  # fmt: skip
JUDGES = {
    "None": "expect returned None; a function must return True or False, or raise",
    "(False, 'words')": "expect returned a tuple; a function must",
    "0": "expect returned 0 (int); ",
    "1e-9": "expect returned 1e-09 (float); ",
    "np.float64(0)": "expect returned 0.0 (float64); ",
    "'yes'": "expect returned yes (str); ",
    "NotImplemented": "expect returned NotImplemented; ",
    "np.array(True)": "expect returned an array (ndarray, shape ()): reduce it, as in bool(verdict.all()); ",
    "np.ones(3, bool)": "expect returned an array (ndarray, shape (3,)): reduce it",
    "[]": "expect returned a list; ",
    "(x for x in [1])": "expect returned a generator; ",
    "coroutine()": "expect returned a coroutine, which is not awaited; ",
}
CALLABLE = {
    "Polynomial([9, 9])": "a Polynomial",
    "np.poly1d([1])": "a poly1d",
    "int": "the class int",
    "functools.partial(int)": "a partial",
    "unittest.mock.Mock(return_value=True)": "a Mock",
    "unittest.mock.Mock(spec=len, return_value=True)": "a Mock",
    "np.vectorize(len)": "a vectorize",
    "operator.itemgetter(0)": "a itemgetter",
}


def as_tests(prefix: str, cases: dict[str, str]) -> str:
    """Return a test function for each of the cases, with a number in its name."""
    return "\n".join(
        f"def test_{prefix}_{number}(gate):  # {case}\n    {source.strip() if chr(10) not in source else ''}{source if chr(10) in source else ''}"
        for number, (case, source) in enumerate(cases.items())
    ).replace("\n        ", "\n    ")


def test_no_answer_from_before_the_call_counts(suite: Suite) -> None:
    run = suite(PRELUDE + as_tests("wrong", WRONG), "--tb=line", "-W", "error")
    timed = {name: case for number, case in enumerate(WRONG) if (name := f"test_wrong_{number}") in run.timed()}
    assert not timed
    run.result.assert_outcomes(passed=1, failed=len(WRONG))
    errors = [entry for entry in run.data["benchgate"]["withheld"] if "WrongAnswer" not in entry["message"]]
    assert [entry["name"] for entry in errors] == [f"test_wrong_{[*WRONG].index('read-only')}"]
    assert "cannot be overwritten" in errors[0]["message"]
    (said,) = [
        entry["message"]
        for entry in run.data["benchgate"]["withheld"]
        if entry["name"] == f"test_wrong_{[*WRONG].index('the buffer held the answer')}"
    ]
    assert "before this call, argument 1 held the expected answer already, and was overwritten" in said


# How each is made, and filled.
TABLES = {
    "pandas": """
        (lambda values: pandas.Series(values), lambda out, values: out.iloc.__setitem__(slice(None), values)),
        (lambda values: pandas.DataFrame({"a": values}), lambda out, values: out.iloc.__setitem__(slice(None), values[:, None])),
    """,
    "xarray": """
        (lambda values: xarray.DataArray(values), lambda out, values: out.__setitem__(slice(None), values)),
        (lambda values: xarray.Dataset({"a": ("x", values)}), lambda out, values: out["a"].__setitem__(slice(None), values)),
    """,
}


@pytest.mark.parametrize("library", TABLES)
def test_tables_that_are_handed_back(suite: Suite, library: str) -> None:
    pytest.importorskip(library)
    run = suite(f"""
        import numpy as np
        import pytest
        import {library}

        RIGHT = np.array([2.0, 4.0])

        @pytest.fixture(params=[{TABLES[library].strip()}])
        def table(request): return request.param

        @pytest.fixture
        def make(table): return table[0]

        @pytest.fixture
        def fill(table): return lambda out: (table[1](out, RIGHT), out)[1]

        def test_right(gate, make, fill): gate(fill, make(0 * RIGHT), expect=make(RIGHT))

        def test_right_stale(gate, make, fill): gate(fill, make(RIGHT.copy()), expect=make(RIGHT))

        def test_right_within(gate, make, fill): gate(lambda x, out: (fill(out), x), 3, make(RIGHT.copy()), expect=(make(RIGHT), 3))

        def test_wrong(gate, make): gate(lambda x, out: out, 3, make(RIGHT.copy()), expect=make(RIGHT))

        def test_wrong_within(gate, make): gate(lambda x, out: (out, 3), 3, make(RIGHT.copy()), expect=(make(RIGHT), 3))
    """)
    run.result.assert_outcomes(passed=6, failed=4)
    assert {name.partition("[")[0] for name in run.timed()} == {"test_right", "test_right_stale", "test_right_within"}


def test_objects_in_tables_are_copied(suite: Suite) -> None:
    pytest.importorskip("pandas")
    run = suite("""
        import pandas as pd
        import pytest

        class Box:
            def __init__(self): self.n = 0

        def frame(): return pd.DataFrame({"a": [[1], {"b": [1]}, Box()], "n": [1, 2, 3]}, index=list("xyz")).set_axis(["a"] * 2, axis=1)

        @pytest.mark.parametrize("made", [frame(), frame().iloc[:, 0], frame().iloc[:1]])
        @pytest.mark.parametrize("row", range(4))
        def test_it(gate, made, row):
            def f():
                cell = made.iloc[row % len(made)] if made.ndim == 1 else made.iloc[row % len(made), 0]
                if row < 3: cell.append(2) if type(cell) is list else cell["b"].append(2) if type(cell) is dict else setattr(cell, "n", 1)
                return made
            gate(f, expect=made)

        def test_texts(gate):
            made = [pd.Series(["a", None, "b"], dtype=object), pd.DataFrame({"a": ["a", "b"]}, dtype=object)]
            gate(lambda: [one.copy() for one in made], expect=made)
    """)
    run.result.assert_outcomes(passed=4, failed=9)
    assert [name for name in run.timed() if "[3-" not in name] == ["test_texts"]


@pytest.mark.parametrize("made", ["Series", "DataFrame"])
def test_a_change_of_objects_in_tables_is_noticed(made: str) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    cell = [2, 1]
    held = Input(getattr(pandas, made)({"a": [cell, None]}))
    assert not held.changed()
    cell.sort()
    assert held.changed()


@pytest.mark.parametrize("library", ["pydantic", "msgspec"])
def test_a_change_of_fields_is_noticed_beside_an_array(library: str) -> None:
    module = pytest.importorskip(library, reason=f"{library} is not installed")
    given: dict[str, Any] = {"__annotations__": {"n": int, "values": Any}}
    base = module.BaseModel if library == "pydantic" else module.Struct
    made = type(base)("Made", (base,), given)
    for change in (lambda one: setattr(one, "n", 2), lambda one: one.values.sort()):
        one = made(n=1, values=np.array([2.0, 1.0]))
        held = Input([one])
        assert not held.changed()
        change(one)
        assert held.changed()


def test_memory_of_cffi_is_not_compared_by_its_address() -> None:
    cffi = pytest.importorskip("cffi", reason="cffi is not installed")
    ffi = cffi.FFI()
    memory = ffi.new("int[]", 2)
    numbers = [ffi.NULL, ffi.cast("int", 3)]
    expected = snapshot.expected([memory, ffi.cast("int *", memory), numbers])
    memory[0] = 1
    for got, held in zip([memory, ffi.cast("int *", memory)], expected, strict=False):
        assert "cannot be copied and compared" in str(compare([got], [held], Tolerance()))
    assert compare(numbers, expected[2], Tolerance()) is None


def test_what_was_overwritten_is_put_back_if_the_call_fails(suite: Suite) -> None:
    """Other tests may share it."""
    run = suite(f"""{PRELUDE}
SHARED, WORDS = np.arange(3.0), ["a", "b"]

def fails(out): raise OSError

@pytest.mark.parametrize("out", [SHARED, SHARED[:2], WORDS])
@pytest.mark.parametrize("function", [lambda out: None, fails])
def test_wrong(gate, function, out): gate(function, out, expect=out, written=0)

def test_right(gate): gate(lambda: (SHARED, WORDS), expect=(np.arange(3.0), ["a", "b"]))
    """)
    run.result.assert_outcomes(passed=2, failed=6)


def test_right_answers_pass_whatever_shares_memory(suite: Suite) -> None:
    run = suite(PRELUDE + as_tests("right", RIGHT), "--tb=short", "-W", "error")
    refused = {case: number for number, case in enumerate(RIGHT) if f"test_right_{number}" not in run.timed()}
    assert not refused, run.text
    sampled = [bench["extra_info"]["benchgate"]["sampled"] for bench in run.data["benchmarks"][1:]]
    assert sum(map(bool, sampled)) == 3
    assert sampled[-6] >= 20 // 5


@pytest.mark.parametrize("name", ["judges", "callable values"])
def test_a_verdict_is_a_bool_and_a_judge_a_function(suite: Suite, name: str) -> None:
    if name == "judges":
        cases = {judge: f"gate(lambda: 1, expect=lambda answer: {judge})" for judge in JUDGES}
        words = JUDGES
    else:
        cases = {value: f"gate(lambda: 1, expect={value})" for value in CALLABLE}
        words = {value: f"expect is {kind}, which is callable, but not a function" for value, kind in CALLABLE.items()}
    run = suite(f"{PRELUDE}\nasync def coroutine(): return True\n\n{as_tests('it', cases)}", "-W", "error")
    run.result.assert_outcomes(passed=1, failed=len(cases))
    assert run.timed() == ["test_good"]
    for text in words.values():
        assert f"TypeError: {text}" in run.text


MISUSE = {
    "gate(len, [], expect=0, check_every=0)": "check_every=0 is not a number of rounds; pass an integer of at least 1",
    "gate(len, [], expect=0, check_every=True)": "check_every=True is not a number of rounds",
    "gate(len, [], expect=0, check_every=1.5)": "check_every=1.5 is not a number of rounds",
    "gate(lambda: 1, expect=(x for x in [1]))": "expect is a lazy value (generator); pass its result, or a list of its elements",
    "gate(Pointer, expect=Pointer())": "the gate cannot compare them",
    "gate(lambda: 1, expect=map(len, []))": "expect is a lazy value (map)",
    "gate(lambda: 1, expect=coroutine())": "expect is a lazy value (coroutine)",
    "gate(lambda x: None, (1, 2), expect=1, written=0)": "wrong answer on the first call",
    "one = Miscopied(1); gate(lambda: one, expect=[one][0])": "copy.deepcopy makes a Miscopied that is not equal to it",
    "x = {'a': 1}; v = x.values(); gate(lambda: x.update(a=2) or v, expect=v)": "a dict_values cannot be copied and compared, so that",
    "one = io.BytesIO(); gate(lambda: one.write(b'x') and one, expect=one)": "a BytesIO cannot be copied and compared, so that a change",
    "one = File(); gate(lambda: one.write(b'x') and one, expect=[one][0])": "a File cannot be copied and compared, so that a change",
    "one = [np.random.default_rng(1)]; gate(lambda: one[0].random() and one, expect=one)": "a Generator cannot be copied and compared",
    "one = threading.Lock(); gate(lambda: one, expect=one)": "a lock cannot be copied and compared, so that a change",
    "gate(lambda out: None, xml.etree.ElementTree.Element('a', n='1'), expect=lambda out: out.get('n') == '1', written=0)": "a Element, holds the expected answer before the call and cannot be overwritten",
    "one = Uncopied(); gate(lambda: one, expect=one)": "a Uncopied cannot be copied and compared, so that a change of it would go unnoticed",
}


def test_misuse_says_what_to_do(suite: Suite) -> None:
    source = (
        f"{PRELUDE}\nasync def coroutine(): return True\n\n{as_tests('it', dict(zip(MISUSE, MISUSE, strict=True)))}"
    )
    run = suite(source, "-W", "error")
    run.result.assert_outcomes(passed=1, failed=len(MISUSE))
    for text in MISUSE.values():
        assert text in run.text


def test_of_a_large_argument_so_many_values_are_copied_and_no_more() -> None:
    copied = 0

    class Costly:
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Costly)

        def __deepcopy__(self, memo: object) -> Costly:
            nonlocal copied
            copied += 1
            return Costly()

    held = Input([Costly() for _ in range(2 * MOST_COPIES)])
    assert copied == MOST_COPIES
    assert not held.changed()
