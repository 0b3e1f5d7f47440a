"""Pickles from strangers: arrays of numbers and plain containers, and nothing is ever run.

A pickle is a program for a small stack machine. The machine of this file knows only the instructions that arrays,
numbers, text, lists, tuples and dictionaries need. A name in a pickle stays a name here; a few of them stand for ways
to make an array, and any other ends the reading.
"""

from __future__ import annotations

import math
import pickletools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pose_tools.errors import BadInput

MOST_STEPS = 200_000  # instructions; an official checkpoint has some ten thousand
LARGEST_SIDE = 1 << 40  # of an array
NUMBERS = re.compile(r"[iu][1248]|f[248]|b1")
GIVEN = frozenset(  # instructions whose value stands in the pickle itself
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING BINBYTES "
    "SHORT_BINBYTES BINBYTES8 BYTEARRAY8 UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8".split()
)
FIXED: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
UNREADABLE = (EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, MemoryError)


def read_pickle(path: Path, limit: int) -> Any:
    """What a pickle of at most `limit` bytes holds; its arrays come as PickledArray, an OrderedDict as dict.

    BadInput, in one sentence, where it is larger, broken, or asks for anything but arrays and plain containers.
    """
    size = path.stat().st_size
    if size > limit:
        raise BadInput(f"{path.name} is too large: {size >> 20} MB where {limit >> 20} MB are allowed.")
    try:
        with open(path, "rb") as file:
            return _run(pickletools.genops(_Bounded(file, size)), size, path.name)
    except BadInput:
        raise
    except UNREADABLE as error:
        raise BadInput(f"{path.name} is not a readable pickle of arrays.") from error


class PickledArray:
    """An array out of a pickle: `array` is None until the pickle has told what is in it."""

    def __init__(self):
        self.array: np.ndarray | None = None

    def build(self, state: tuple) -> None:
        """state: version, shape, kind, whether in Fortran's order, bytes; as numpy.ndarray.__reduce__ gives them."""
        _version, shape, kind, fortran, data = state
        self.array = _array(data, kind, shape, "F" if fortran is True else "C")


class _Kind:
    """A numpy.dtype of plain numbers."""

    def __init__(self, code: str, *_: Any):
        if not NUMBERS.fullmatch(code):
            raise ValueError("not plain numbers")
        self.dtype = np.dtype(code)

    def build(self, state: tuple) -> None:
        """state: version, byte order, and three that are None for plain numbers; as numpy.dtype.__reduce__."""
        _version, order, *parts = state
        if any(part is not None for part in parts[:3]):
            raise ValueError("not plain numbers")
        self.dtype = self.dtype.newbyteorder(order)


class _Name:
    """A name that was asked for. Nothing is imported for it."""

    def __init__(self, module: str, name: str):
        self.key = module, name


def _array(data: Any, kind: _Kind, shape: tuple[int, ...], order: str) -> np.ndarray:
    """Bytes as an array; ValueError where they are not as many as the shape says."""
    if not isinstance(data, bytes | bytearray):
        raise ValueError("no bytes")
    if len(shape) > 8 or not all(type(side) is int and 0 <= side < LARGEST_SIDE for side in shape):
        raise ValueError("not a shape")
    if math.prod(shape) * kind.dtype.itemsize != len(data):
        raise ValueError("another number of bytes")
    return np.frombuffer(data, kind.dtype).reshape(shape, order="F" if order == "F" else "C")


def _filled(data: Any, kind: _Kind, shape: tuple[int, ...], order: str) -> PickledArray:
    made = PickledArray()
    made.array = _array(data, kind, shape, order)
    return made


def _bytes(text: str, coding: str) -> bytes:
    if coding not in ("latin1", "latin-1"):
        raise ValueError("not the coding of bytes")
    return text.encode("latin1")


MAKERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): _Kind,
    ("collections", "OrderedDict"): lambda: {},
    ("_codecs", "encode"): _bytes,  # bytes in pickles of the old protocols
    ("__builtin__", "bytes"): lambda: b"",  # and no bytes
}
for _core in ("numpy.core", "numpy._core"):  # up to numpy 1, and since
    MAKERS |= {
        (f"{_core}.multiarray", "_reconstruct"): lambda _kind, _shape, _code: PickledArray(),
        (f"{_core}.multiarray", "scalar"): lambda kind, data: _array(data, kind, (), "C").item(),
        (f"{_core}.numeric", "_frombuffer"): _filled,
    }
NAMES = MAKERS.keys() | {("numpy", "ndarray")}  # which is only handed to _reconstruct


def _run(steps: Iterator[tuple[Any, Any, int | None]], size: int, file: str) -> Any:
    """Runs the instructions of a pickle of `size` bytes; returns the value on which it stops."""
    made = 0  # bytes out of text, which could be the same text over and over
    stack: list[Any] = []
    marks: list[list[Any]] = []  # the stacks below the marks
    memo: dict[int, Any] = {}
    for count, (instruction, given, _) in enumerate(steps):
        step = instruction.name
        if count > MOST_STEPS:
            raise BadInput(f"{file} has far more parts than the weights of a network.")
        if step in ("PROTO", "FRAME"):
            continue
        if step == "STOP":
            return stack.pop()
        if step in GIVEN:
            stack.append(given)
        elif step in FIXED:
            stack.append(FIXED[step]())
        elif step == "MARK":
            marks.append(stack)
            stack = []
        elif step in ("TUPLE", "LIST", "DICT", "APPENDS", "SETITEMS"):
            items, stack = stack, marks.pop()
            if step in ("TUPLE", "LIST"):
                stack.append(tuple(items) if step == "TUPLE" else items)
            elif step == "APPENDS":
                list.extend(stack[-1], items)
            else:
                if step == "DICT":
                    stack.append({})
                for key, value in zip(items[::2], items[1::2], strict=True):
                    _set(stack[-1], key, value)
        elif step in ("TUPLE1", "TUPLE2", "TUPLE3"):
            items = [stack.pop() for _ in range(int(step[-1]))]
            stack.append(tuple(items[::-1]))
        elif step == "APPEND":
            item = stack.pop()
            list.append(stack[-1], item)
        elif step == "SETITEM":
            value, key = stack.pop(), stack.pop()
            _set(stack[-1], key, value)
        elif step in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[given] = stack[-1]
        elif step == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif step in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[given])
        elif step in ("GLOBAL", "STACK_GLOBAL"):
            name, module = (stack.pop(), stack.pop()) if step == "STACK_GLOBAL" else given.split(" ", 1)[::-1]
            if not isinstance(module, str) or not isinstance(name, str) or (module, name) not in NAMES:
                asked = f"{module!s}.{name!s}" if isinstance(module, str) and isinstance(name, str) else "no name"
                raise BadInput(f"{file} holds more than arrays: it asks for {plain(asked)}, and nothing in it was run.")
            stack.append(_Name(module, name))
        elif step == "REDUCE":
            arguments, name = stack.pop(), stack.pop()
            stack.append(MAKERS[name.key](*tuple.__iter__(arguments)))
            made += len(stack[-1]) if isinstance(stack[-1], bytes) else 0
            if made > size:
                raise ValueError("more bytes than the pickle has")
        elif step == "BUILD":
            state = stack.pop()
            if not isinstance(stack[-1], PickledArray | _Kind) or not isinstance(state, tuple):
                raise ValueError("only arrays are filled")
            stack[-1].build(state)
        else:
            raise BadInput(f"{file} holds more than arrays and plain containers, and nothing in it was run.")
    raise EOFError("no end")


def _set(target: dict, key: Any, value: Any) -> None:
    # other keys might be tuples within tuples, whose hash takes for ever
    if type(key) not in (str, int):
        raise ValueError("a key that is neither text nor a number")
    dict.__setitem__(target, key, value)


def plain(text: str) -> str:
    """Text from a stranger as one short line of ASCII."""
    return text[:80].encode("unicode_escape").decode()


class _Bounded:
    """A file of which nobody asks for more bytes than it has (Python sets them aside before it reads)."""

    def __init__(self, file: BinaryIO, size: int):
        self.file, self.size = file, size
        self.readline, self.tell = file.readline, file.tell

    def read(self, count: int) -> bytes:
        if count > self.size:
            raise EOFError("more than the file has")
        return self.file.read(count)
