"""What a call's answer is and must be; an answer that was there before the call does not count."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import sys
from collections.abc import MutableMapping, MutableSequence, MutableSet
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from pytest_benchgate import judge, snapshot, written
from pytest_benchgate.comparison import Tolerance, WrongAnswer, are_equal, compare, text
from pytest_benchgate.contents import Contents
from pytest_benchgate.inputs import Input, is_read, places
from pytest_benchgate.lazy import leaves
from pytest_benchgate.written import Arguments, Key, argument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

OVERWRITTEN = (
    "; before this call, {keys} held the expected answer already, and was overwritten. If the function changes its "
    "argument in place, pass data that is not its own answer"
)
CHANGED = (
    "argument {key!r} ({kind}) was changed {when}, and written= does not name it: the next call would get other data. "
    "If the function fills it, pass written={key!r}; if it may change it, let setup= return a new one for each round"
)
# Beside buffers, what an argument may be that is called out, output or outputs, and is filled.
OUT = re.compile(r"out(puts?)?\d*")
CONTAINERS = (MutableMapping, MutableSequence, MutableSet)


@dataclass(frozen=True)
class Before:
    """What was found, and done, in the arguments before a call.

    Attributes
    ----------
    holding : tuple of Key
        The arguments that held the expected answer, and are not named as written.
    words : str
        For the message of a wrong answer: which arguments were overwritten.
    kept : list of Contents
        What was overwritten.
    inputs : dict
        What the arguments held that the call only reads, by their keys.
    outputs : dict
        What the arguments held that are called out, if none are named as written.
    renew : callable, optional
        Begins another round, where its setup may make the same arguments new.

    """

    holding: tuple[Key, ...] = ()
    words: str = ""
    kept: list[Contents] = field(default_factory=list)
    inputs: dict[Key, Input] = field(default_factory=dict)
    outputs: dict[Key, Input] = field(default_factory=dict)
    renew: Callable[[], Any] | None = None

    def refuse_changes(self, result: Any, when: str) -> None:
        """Raise WrongAnswer if the call changed an argument that it only reads, and that is not in its result."""
        __tracebackhide__ = True
        changed = [(key, one) for key, one in self.inputs.items() if one.changed()]
        if changed and self.renew is not None:
            left = [Input(one.place) for _, one in changed]
            self.renew()
            changed = [pair for pair, now in zip(changed, left, strict=True) if not now.changed()]
        parts = [*leaves(result)] if changed else []
        for key, one in changed:
            if not any(written.shared(part, place) for place in one.places() for part in parts):
                raise WrongAnswer(CHANGED.format(key=key, kind=type(one.place).__name__, when=when))

    @contextmanager
    def restoring(self) -> Iterator[None]:
        """Put back what was overwritten if the call fails: other tests may share the data."""
        __tracebackhide__ = True
        try:
            yield
        except BaseException:
            for contents in self.kept:
                with suppress(Exception):
                    contents.restore()
            raise


@dataclass(frozen=True)
class Check:
    """What the answer must be.

    Attributes
    ----------
    expect
        A value, as it was before the first call, or a function that returns whether the answer is right.
    judged : bool
        Whether `expect` is such a function.
    tolerance : Tolerance
        Of floats.
    written : tuple of Key, optional
        The arguments that are the answer after the call, by position or keyword.
    single : bool
        Whether `written` is one argument, which is the answer itself, not a tuple of one.
    returned : tuple of Key
        The arguments that the function hands back in its answer, and that held it before a call.

    """

    expect: Any
    judged: bool
    tolerance: Tolerance
    written: tuple[Key, ...] | None
    single: bool
    returned: tuple[Key, ...] = ()

    def answer(self, result: Any, arguments: Arguments) -> Any:
        """Return what is to be compared after a call."""
        if self.written is None:
            return result
        found = [argument(key, arguments) for key in self.written]
        if self.single:
            return found[0]
        # The gate makes a sequence of several itself, so that a list which is expected is not of another kind.
        return found if isinstance(self.expect, list) else tuple(found)

    def verify(self, result: Any, arguments: Arguments, when: str, before: Before = Before()) -> None:
        """Raise WrongAnswer if the answer is not right, or if the call changed what it only reads."""
        __tracebackhide__ = True
        self._verify(self.answer(result, arguments), when, before)
        before.refuse_changes(result, when)

    def _verify(self, answer: Any, when: str, before: Before) -> None:
        __tracebackhide__ = True
        if self.judged:
            if not judge.passes(self.expect, answer):
                raise WrongAnswer(f"wrong answer {when}: expect returned False\ngot {text(answer, 300)}{before.words}")
            return
        mismatch = compare(answer, self.expect, self.tolerance)
        if mismatch:
            hint = "" if answer is not None else "\nThe function returned None: written= names the arguments it fills."
            raise WrongAnswer(f"wrong answer {when}: {mismatch}{hint}{before.words}")

    def contents(self, arguments: Arguments) -> list[Contents]:
        """Return what the written arguments hold now."""
        return [Contents(argument(key, arguments), key) for key in self.written or ()]

    def prepare(self, arguments: Arguments, function: Callable[..., Any], *, fresh: bool) -> Before:
        """Overwrite each argument that the call must fill and that holds the right answer already.

        Otherwise an answer that an earlier call or test left there would count as this call's. Unless the arguments are
        fresh, later calls get the same, and those that the function only reads must stay as they are.
        """
        overwritten = [*self.returned] or self._stale(arguments)
        kept = [Contents(argument(key, arguments), key) for key in overwritten]
        for contents in kept:
            with Before(kept=kept).restoring():
                if not contents.overwrite() or contents.key in self._stale(arguments):
                    raise TypeError(
                        f"argument {contents.key!r}, a {type(contents.place).__name__}, holds the expected "
                        "answer before the call and cannot be overwritten, so that a call that writes nothing would "
                        "pass; return a fresh one from setup="
                    )
        words = OVERWRITTEN.format(keys=", ".join(f"argument {key!r}" for key in overwritten)) if overwritten else ""
        inputs = {} if fresh else self._inputs(function, arguments)
        if self.written or self.returned:
            return Before((), words, kept, inputs)
        outputs = {key: Input(value) for key, value in _outputs(function, arguments).items()}
        return Before(self._holding(arguments, [*outputs]), words, kept, inputs, outputs)

    def handed_back(self, result: Any, arguments: Arguments, before: Before) -> tuple[Key, ...]:
        """Return the arguments that held the answer before the call, and whose memory the result uses.

        One that is called out may be a part of the result, and held the answer if the call has not changed it. A view
        of the only array among the arguments is otherwise taken for a view, not for a buffer that was filled.
        """
        keys = [key for key in before.holding if written.shared(result, argument(key, arguments))]
        several = sum(map(written.is_buffer, (*arguments[0], *arguments[1].values()))) > 1
        named = [key for key, one in before.outputs.items()
                 if is_part(one.place, result) and (key in keys or not one.changed())]  # fmt: skip
        return tuple(dict.fromkeys([*named, *(keys if several else ())]))

    def outputs(self, function: Callable[..., Any], arguments: Arguments) -> list[Contents]:
        """Return what the arguments called out hold, if none are named as written.

        A function may fill them and hand them back in its first call only.
        """
        return [] if self.written else [Contents(value, key) for key, value in _outputs(function, arguments).items()]

    def returning(self, keys: tuple[Key, ...]) -> Check:
        """Return the same check for a function that fills these arguments and hands them back."""
        return dataclasses.replace(self, returned=keys)

    def _inputs(self, function: Callable[..., Any], arguments: Arguments) -> dict[Key, Input]:
        """Return what the arguments hold that a function neither fills nor hands back."""
        filled = {*(self.written or ()), *self.returned, *_named_out(function, arguments)}
        # A negative position.
        filled |= {key + len(arguments[0]) for key in filled if isinstance(key, int)}
        given: dict[Key, Any] = dict(enumerate(arguments[0]))
        given.update(arguments[1])
        targets = [place for key in filled & given.keys() for place in places(given[key])]
        inputs = {key: Input(value) for key, value in given.items() if key not in filled and is_read(value)}
        # A view of what it fills changes with it.
        return {
            key: one for key, one in inputs.items()
            if not any(written.shared(place, target) for place in one.places() for target in targets)
        }  # fmt: skip

    def _stale(self, arguments: Arguments) -> list[Key]:
        """Return the arguments that the call must fill and that hold what is expected there."""
        keys = self.written or self.returned
        if self.written is None or self.single:
            return [key for key in keys if self._holds(argument(key, arguments), self.expect)]
        found = self.answer(None, arguments)
        if self.judged or not isinstance(self.expect, list | tuple) or len(self.expect) != len(keys):
            return [*keys] if self._holds(found, self.expect) else []
        return [key for key, value, expect in zip(keys, found, self.expect, strict=True) if self._holds(value, expect)]

    def _holds(self, value: Any, expect: Any) -> bool:
        """Return whether value is the expected answer."""
        if written.is_empty(value):
            return False
        try:
            if self.judged:
                return judge.passes(expect, value)
            return are_equal(value, expect, self.tolerance)
        # A judge may raise if the answer is wrong.
        except Exception:  # noqa: BLE001
            return False

    def _holding(self, arguments: Arguments, named: list[Key]) -> tuple[Key, ...]:
        """Return the arguments that hold the expected answer; a judge is asked only about those that are called out."""
        keys = named if self.judged else [*range(len(arguments[0])), *arguments[1]]
        given = ((key, argument(key, arguments)) for key in keys)
        return tuple(key for key, value in given if written.is_buffer(value) and self._holds(value, self.expect))


def is_part(place: Any, result: Any) -> bool:
    """Return whether a result is, or contains, place or a view of it."""
    return any(written.shared(leaf, place) for leaf in leaves(result))


def _named_out(function: Callable[..., Any], arguments: Arguments) -> dict[Key, str]:
    """Return the names of the arguments that are called out, or out and something else."""
    args, kwargs = arguments
    names: list[str] = []
    # Not every built-in function has a signature, and a callable object may raise anything when it is asked.
    with suppress(Exception):
        names = [*inspect.signature(function).parameters] if args else []
    given: list[tuple[Key, str]] = [*enumerate(names[: len(args)]), *((key, key) for key in kwargs)]
    return {key: name for key, name in given if name.startswith("out")}


def _outputs(function: Callable[..., Any], arguments: Arguments) -> dict[Key, Any]:
    """Return the arguments called out that can be filled, by their keys; a list of out_columns, say, is read."""
    found: dict[Key, Any] = {}
    for key, name in _named_out(function, arguments).items():
        value = argument(key, arguments)
        if OUT.fullmatch(name) if isinstance(value, CONTAINERS) else written.is_buffer(value):
            found[key] = value
    return found


def make_check(expect: Any, written: Any, *, rtol: float, atol: float, equal_nan: bool) -> Check:
    """Return the check that these arguments of the gate ask for; ValueError if a tolerance is invalid."""
    tolerance = Tolerance(_tolerance("rtol", rtol), _tolerance("atol", atol), equal_nan)
    judged = judge.is_judge(expect)
    single = not isinstance(written, tuple | list)
    keys = None if written is None else _keys(written, [written] if single else written)
    return Check(expect if judged else snapshot.expected(expect), judged, tolerance, keys, single)


def _keys(given: Any, names: Sequence[Any]) -> tuple[Key, ...]:
    """Return the names of arguments in what is given as `written`: positions, NumPy's too, and keywords."""
    positions = [isinstance(name, Integral) and not isinstance(name, bool) for name in names]
    if not names or not all(is_one or isinstance(name, str) for is_one, name in zip(positions, names, strict=True)):
        raise TypeError(f"written={text(given)} names no arguments; pass a position, a keyword, or a tuple of these")
    return tuple(int(name) if is_one else name for is_one, name in zip(positions, names, strict=True))


def _tolerance(name: str, value: Any) -> float:
    try:
        number = float(value) if isinstance(value, Real | Decimal) and not isinstance(value, bool) else math.nan
    except OverflowError:
        number = math.inf
    if not 0 <= number <= sys.float_info.max:
        raise ValueError(f"{name}={text(value)} is not a tolerance; pass a number of 0 or more")
    return number
