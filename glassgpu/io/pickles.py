"""Pickles of plain values and NumPy arrays, read without ``pickle``, which runs what a file says.

A pickle is a program for a small machine. Here is a smaller one: the standard library takes the file apart
(``pickletools.genops``), and only the instructions that build plain values are carried out. Three names are
understood, by what they stand for and not by looking them up: an array, its dtype, and NumPy's word for making one.
So there is nothing to call, nothing of NumPy's own is handed a state from the file, and an array is as large as the
bytes that the file holds for it.
"""

from __future__ import annotations

import math
import os
import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from glassgpu.errors import FileFormatError, ForbiddenPickle
from glassgpu.npz import ZIP

DEPTH = 12  # of lists in lists
LARGEST = 10**6  # values in all, however often lists are shared
INSTRUCTIONS = 200_000  # a file of that data set takes some thousand
_ARRAY, _DTYPE, _MAKE = "numpy ndarray", "numpy dtype", "_reconstruct"
_NAMES = {"numpy ndarray": _ARRAY, "numpy dtype": _DTYPE} | {f"numpy.{c}.multiarray _reconstruct": _MAKE for c in ("core", "_core")}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = {
    "BINBYTES", "BINBYTES8", "BINFLOAT", "BININT", "BININT1", "BININT2", "BINSTRING", "BINUNICODE", "BINUNICODE8", "FLOAT", "INT", "LONG",
    "LONG1", "LONG4", "SHORT_BINBYTES", "SHORT_BINSTRING", "SHORT_BINUNICODE", "STRING", "UNICODE",
}  # fmt: skip
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()


class _Name(str):
    """One of the names that are understood; a text of the file is never one."""


class _Dtype:
    """What ``numpy.dtype`` was asked for, and perhaps another order of bytes."""

    def __init__(self, arguments: Any):
        if not isinstance(arguments, tuple) or not arguments or type(arguments[0]) is not str:
            raise FileFormatError("a dtype is not named")
        dtype = np.dtype(arguments[0])
        if dtype.kind == "O":
            raise ForbiddenPickle("it holds an array of Python objects; only arrays of numbers are allowed")
        if dtype.kind not in "biufSU" or dtype.itemsize == 0:
            raise FileFormatError(f"it holds an array of {dtype}; only arrays of numbers and text are allowed")
        self.dtype = dtype

    def set_state(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", ">", "|", "=") or state[2:5] != (None, None, None):
            raise FileFormatError("a dtype has parts, which those of numbers have not")
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """An array, once its state is known."""

    value: np.ndarray | None = None

    def set_state(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise FileFormatError("the state of an array is damaged")
        _, shape, kind, fortran, data = state
        if not isinstance(kind, _Dtype) or type(data) not in (bytes, str) or not isinstance(shape, tuple):
            raise FileFormatError("the state of an array is damaged")
        if not all(type(extent) is int and extent >= 0 for extent in shape) or len(shape) > 8:
            raise FileFormatError(f"an array has the shape {str(shape)[:100]}")
        raw = data.encode("latin1") if isinstance(data, str) else data  # as Python 2 wrote bytes
        if math.prod(shape) * kind.dtype.itemsize != len(raw):
            raise FileFormatError(f"an array of shape {shape} of {kind.dtype} has {len(raw)} bytes")
        self.value = np.frombuffer(raw, kind.dtype).reshape(shape, order="F" if fortran else "C")


def load_pickle(path: str | os.PathLike) -> Any:
    """Plain containers, numbers and NumPy arrays from a pickle.

    Raises:
        ForbiddenPickle: it holds, or asks for, anything else.
        FileFormatError: it is missing, truncated or no pickle.
    """
    try:
        data = Path(path).read_bytes()
        if data.startswith(ZIP):
            raise FileFormatError("it is an npz file, not a pickle; read_botan reads those of the BOTAN data set")
        return _resolved(_run(data))
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read ({error.strerror})") from error
    except FileFormatError as error:
        raise type(error)(f"{path}: {error}") from None
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise FileFormatError(f"{path} is not a complete pickle ({type(error).__name__}: {error}); fetch it again") from error


def _run(data: bytes) -> Any:
    """What the machine is left with."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    argument: Any
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        name = opcode.name
        if count > INSTRUCTIONS:
            raise FileFormatError(f"the pickle has more than {INSTRUCTIONS:,} instructions, which arrays do not need")
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            stack[-_TUPLES[name] :] = [tuple(_top(stack, _TUPLES[name]))]
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("TUPLE", "LIST", "DICT"):
            items = _since_mark(stack)
            stack.append(tuple(items) if name == "TUPLE" else items if name == "LIST" else _put({}, items))
        elif name in ("APPEND", "APPENDS", "SETITEM", "SETITEMS"):
            items = _since_mark(stack) if name.endswith("S") else [stack.pop() for _ in range(1 + (name == "SETITEM"))][::-1]
            _fill(stack[-1], items, name)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            asked = argument if name == "GLOBAL" else " ".join(map(str, [stack.pop() for _ in range(2)][::-1]))
            stack.append(_understood(asked))
        elif name in ("REDUCE", "BUILD"):
            state, target = stack.pop(), stack.pop()
            stack.append(_made(target, state) if name == "REDUCE" else _built(target, state))
        elif name == "STOP":
            break
        elif name not in ("PROTO", "FRAME"):
            raise ForbiddenPickle(f"the pickle uses the instruction {name}, which arrays do not need, so it was not loaded")
    (out,) = stack
    return out


def _top(stack: list[Any], count: int) -> list[Any]:
    if len(stack) < count or any(item is _MARK for item in stack[-count:]):
        raise FileFormatError("the pickle is damaged: too little is on its stack")
    return stack[-count:]


def _since_mark(stack: list[Any]) -> list[Any]:
    items = []
    while (item := stack.pop()) is not _MARK:
        items.append(item)
    return items[::-1]


def _fill(target: Any, items: list[Any], name: str) -> None:
    if name.startswith("APPEND") and type(target) is list:
        target.extend(items)
    elif name.startswith("SET") and type(target) is dict:
        _put(target, items)
    else:
        raise FileFormatError(f"the pickle is damaged: {name} for a {type(target).__name__}")


def _put(target: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
    for key, value in zip(items[::2], items[1::2], strict=True):
        if type(key) not in (str, int):
            raise FileFormatError(f"a dictionary has a {type(key).__name__} as a key; only text and whole numbers are allowed")
        target[key] = value
    return target


def _understood(asked: str) -> _Name:
    if asked not in _NAMES:
        raise ForbiddenPickle(
            f"the pickle asks for {'.'.join(asked.split(' '))[:200]}; only NumPy arrays are allowed, so it was not loaded"
        )
    return _Name(_NAMES[asked])


def _made(function: Any, arguments: Any) -> Any:
    if isinstance(function, _Name) and function == _DTYPE:
        return _Dtype(arguments)
    of = arguments[0] if isinstance(arguments, tuple) and arguments else None
    if isinstance(function, _Name) and function == _MAKE and isinstance(of, _Name) and of == _ARRAY:
        return _Array()
    raise ForbiddenPickle("the pickle calls something; only the making of NumPy arrays is allowed, so it was not loaded")


def _built(target: Any, state: Any) -> Any:
    if not isinstance(target, (_Dtype, _Array)):
        raise ForbiddenPickle(f"the pickle sets the state of a {type(target).__name__}; only NumPy arrays have one, so it was not loaded")
    target.set_state(state)
    return target


def _resolved(value: Any) -> Any:
    """The value with its arrays in their places.

    Raises:
        FileFormatError: too deep, or a few bytes that stand for too many values.
    """
    left = LARGEST

    def resolve(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if depth > DEPTH or left < 0:
            raise FileFormatError(f"lists more than {DEPTH} deep, or more than {LARGEST:,} values")
        if isinstance(value, _Array) and value.value is not None:
            return value.value
        if type(value) in (list, tuple):
            return type(value)(resolve(item, depth + 1) for item in value)
        if type(value) is dict:
            return {key: resolve(item, depth + 1) for key, item in value.items()}
        if type(value) in (type(None), bool, int, float, str, bytes):
            return value
        raise FileFormatError("the pickle is damaged: it holds a part of an array")

    return resolve(value, 0)
