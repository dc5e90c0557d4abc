"""Docstrings of the public names give the shape and the unit of every array, and name the errors that a function raises itself.

The grammar stands at the top of ``docstring_grammar.py``; here is what it is held against.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import inspect
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FunctionType, GenericAlias, SimpleNamespace, UnionType
from typing import Any

import numpy as np
import pytest
from docstring_grammar import REFERENCE, Doc, doc_of, lacks, states_a_shape

import glassgpu as gg
from glassgpu import errors, validate

ARRAY = re.compile(r"\b(ndarray|NDArray|ArrayLike|DataArray|Dataset|Sequence\[float\]|list\[float\])")
PACKAGE_ERRORS = {n: e for n, e in vars(errors).items() if inspect.isclass(e) and issubclass(e, errors.GlassGPUError)}


# What is public


def modules() -> list[Any]:
    names = [*gg._MODULES, "study", "device"]
    return [gg, *(importlib.import_module(f"glassgpu.{name}") for name in names)]


def public_names(module: Any) -> list[str]:
    """``__all__``, or else what is defined there and has no underscore."""
    own = [n for n, v in vars(module).items() if not n.startswith("_") and getattr(v, "__module__", None) == module.__name__]
    return list(getattr(module, "__all__", own))


@functools.cache
def public() -> dict[str, Any]:
    """Functions and classes by qualified name, each once, and the classes of the package that they hand out."""
    found: dict[int, tuple[str, Any]] = {}
    waiting = [v for m in modules() for v in (getattr(m, n) for n in public_names(m)) if inspect.isclass(v) or isinstance(v, FunctionType)]
    while waiting:
        value = waiting.pop()
        if id(value) in found or not value.__module__.startswith("glassgpu") or value.__module__ == errors.__name__:
            continue
        found[id(value)] = (f"{value.__module__}.{value.__qualname__}", value)
        functions = [value] if isinstance(value, FunctionType) else [f for _, f in members(value)]
        for function in functions:
            handed = [function.__annotations__.get("return", "")]
            for name in re.findall(r"\w+", " ".join(map(str, handed))):
                named = vars(sys.modules[function.__module__]).get(name)
                if inspect.isclass(named) and not name.startswith("_"):
                    waiting.append(named)
    return dict(sorted(found.values(), key=lambda pair: pair[0]))


def members(cls: type) -> Iterator[tuple[str, FunctionType]]:
    """Public methods and properties that this package defines, of the class or inherited."""
    for name in dir(cls):
        if name.startswith("_") and name != "__call__":
            continue
        value = inspect.getattr_static(cls, name)
        value = value.fget if isinstance(value, property | functools.cached_property) and hasattr(value, "fget") else value
        value = value.__func__ if isinstance(value, classmethod | staticmethod) else getattr(value, "func", value)
        if isinstance(value, FunctionType) and of_one_package(value, cls):
            yield name, value


def of_one_package(function: FunctionType, cls: type) -> bool:
    """Not so of what scikit-learn or ``typing`` put there."""
    return function.__module__.split(".")[0] == cls.__module__.split(".")[0]


# What it has to say


def looked_up(path: str, near: Any, owner: type | None) -> Any:
    """What ``path`` names, seen from a function or class."""
    first, *rest = path.removeprefix("glassgpu.").split(".")
    places = [owner, SimpleNamespace(**vars(sys.modules[near.__module__])), gg, *modules()]
    for place in places:
        try:
            return functools.reduce(getattr, rest, getattr(place, first))
        except AttributeError:
            continue
    return None


def faults_of_array(name: str, doc: Doc, near: Any, owner: type | None, seen: tuple = ()) -> list[str]:
    """What is missing of an argument, a field, or of what is handed back (``return``)."""
    text = doc.result() if name == "return" else doc.argument(name)
    if text is None:
        return ["entry"]
    missing = lacks(text)
    reference = REFERENCE.search(text)
    if not missing or not reference or reference[1] in seen:
        return missing
    if reference[1] in doc.entries:
        return faults_of_array(reference[1], doc, near, owner, (*seen, reference[1]))
    other = looked_up(reference[1], near, owner)
    if other is None:
        return [f"``{reference[1]}``, which is nowhere to be found"]
    return faults_of_array(name, doc_of(other), other, owner if other in vars(owner or object).values() else None, (*seen, reference[1]))


def is_array(annotation: Any, module: str) -> bool:
    """Whether an annotation names an array, itself or by an alias of its module."""
    names = re.findall(r"\w+", str(annotation))
    aliases = [str(v) for v in (vars(sys.modules[module]).get(n) for n in names) if isinstance(v, GenericAlias | UnionType)]
    return bool(ARRAY.search(" ".join((str(annotation), *aliases))))


def arrays_of(function: Any, method: bool) -> list[str]:
    """Arguments that are arrays, and ``return`` where one is handed back."""
    out = []
    for name, parameter in list(inspect.signature(function).parameters.items())[method:]:
        bare = parameter.annotation is parameter.empty
        if (bare and method) or is_array(parameter.annotation, function.__module__):
            out.append(name)
    bare = "return" not in function.__annotations__ and method and function.__name__ != "__init__" and not returns_itself(function)
    if bare or is_array(function.__annotations__.get("return"), function.__module__):
        out.append("return")
    return out


def returns_itself(function: FunctionType) -> bool:
    """Whether all that a method hands back is its object, as ``fit`` does."""
    back = [node.value for node in ast.walk(syntax(function)) if isinstance(node, ast.Return)]
    return bool(back) and all(isinstance(value, ast.Name) and value.id == "self" for value in back)


@functools.cache
def syntax(function: FunctionType) -> ast.AST:
    return ast.parse(textwrap.dedent(inspect.getsource(function)))


def faults_of_function(function: FunctionType, owner: type | None = None) -> list[str]:
    doc = doc_of(function)
    static = owner is not None and isinstance(inspect.getattr_static(owner, function.__name__, None), staticmethod)
    arrays = arrays_of(function, owner is not None and not static)
    if arrays and doc.missing:
        return ["has no docstring"]
    wrong = [(name, faults_of_array(name, doc, function, owner)) for name in arrays]
    return [f"{name}: lacks {' and '.join(missing)}" for name, missing in wrong if missing]


def faults_of_class(cls: type) -> list[str]:
    """Of fields, of the constructor's arguments and of what a fit leaves behind, all of which the class describes."""
    doc = doc_of(cls)
    if dataclasses.is_dataclass(cls) or hasattr(cls, "_fields"):
        arrays = [
            n for c in cls.__mro__ for n, said in inspect.get_annotations(c).items() if ARRAY.search(str(said)) and not n.startswith("_")
        ]
    else:
        maker: Any = cls.__init__  # type: ignore[misc]
        arrays = arrays_of(maker, True) if isinstance(maker, FunctionType) and of_one_package(maker, cls) else []
    # What a fit leaves behind has no annotation; nor has what ``__init__`` sets.
    fitted = [n for n, text in doc.entries.items() if (n.endswith("_") and not text.startswith(("a ``", "an ``"))) or states_a_shape(text)]
    wrong = [(n, faults_of_array(n, doc, cls, cls)) for n in (*dict.fromkeys(arrays), *fitted)]
    return [f"{name}: lacks {' and '.join(missing)}" for name, missing in wrong if missing]


# What it can raise


@functools.cache
def raised(function: FunctionType) -> frozenset[str]:
    """Names of the package's errors that a function raises, itself or by private functions of its module."""
    return frozenset(_raised(function, set()))


def _raised(function: FunctionType, seen: set[Any]) -> set[str]:
    if function in seen or not isinstance(function, FunctionType):
        return set()
    seen.add(function)
    found: set[str] = set()
    known = vars(sys.modules[function.__module__])
    for node in ast.walk(syntax(function)):
        if isinstance(node, ast.Raise) and node.exc is not None:
            made = [n.func for n in ast.walk(node.exc) if isinstance(n, ast.Call)]
            found |= {getattr(f, "attr", getattr(f, "id", None)) for f in made} & set(PACKAGE_ERRORS)
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "validate":
                found.add("InvalidInput")
            if isinstance(called, ast.Name) and called.id.startswith("_"):
                found |= _raised(known.get(called.id), seen)
    return found


def faults_of_raises(function: FunctionType, doc: Doc) -> list[str]:
    can = raised(function)
    said = doc.raises()
    if not can or (said is not None and REFERENCE.search(said)):
        return []
    if said is None:
        return [f"raises {', '.join(sorted(can))}, but has no section Raises"]
    named = tuple(PACKAGE_ERRORS[n] for n in re.findall(r"\w+", said) if n in PACKAGE_ERRORS)
    unsaid = sorted(n for n in can if not issubclass(PACKAGE_ERRORS[n], named))
    return [f"Raises does not name {', '.join(unsaid)}"] if unsaid else []


# The tests


def parts_of(value: Any) -> Iterator[tuple[Any, list[str], list[str]]]:
    """A public function, or a class with its methods: (it, what is missing of arrays, what is missing of errors)."""
    if isinstance(value, FunctionType):
        yield value, faults_of_function(value), faults_of_raises(value, doc_of(value))
        return
    makers = [m for m in (vars(value).get("__init__"), vars(value).get("__post_init__")) if isinstance(m, FunctionType) and is_written(m)]
    yield value, faults_of_class(value), [fault for m in makers for fault in faults_of_raises(m, doc_of(value))]
    for _, function in members(value):
        if function.__qualname__.startswith(f"{value.__qualname__}."):  # what is inherited is seen where it stands
            yield function, faults_of_function(function, value), faults_of_raises(function, doc_of(function))


def is_written(function: FunctionType) -> bool:
    """Not so of what ``dataclass`` makes."""
    return Path(function.__code__.co_filename).is_file()


def place(value: Any) -> str:
    """file:line, from the root of the repository."""
    source, line = inspect.getsourcefile(value) or "?", inspect.getsourcelines(value)[1]
    return f"{os.path.relpath(source, Path(gg.__file__).parents[1])}:{line}"


def offenders(values: Iterable[Any], errors_too: bool) -> list[str]:
    """One line for everything that is missing."""
    found = [(part, fault) for value in values for part, *faults in parts_of(value) for fault in faults[errors_too]]
    return sorted({f"{place(part)}: {part.__qualname__}: {fault}" for part, fault in found})


def test_docstrings_give_shapes_and_units_of_arrays():
    found = offenders(public().values(), errors_too=False)
    assert not found, f"{len(found)} arrays; the grammar stands at the top of tests/docstring_grammar.py:\n" + "\n".join(found)


def test_docstrings_name_the_errors_that_are_raised():
    found = offenders(public().values(), errors_too=True)
    assert not found, f"{len(found)} docstrings:\n" + "\n".join(found)


def test_every_public_module_is_looked_at():
    names = public()
    assert {n.split(".")[1] for n in names} >= {*gg._MODULES, "study", "types", "engines", "device"} - {"errors"}
    assert {"glassgpu.types.Snapshot", "glassgpu.engines.energy.Energy", "glassgpu.models.moments.Products"} <= set(names)
    assert sum(len(arrays_of(f, False)) for f in names.values() if isinstance(f, FunctionType)) > 200


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("(N, d) float64 [length].", []),
        ("(rows,) float64, in any units.", []),
        ("dims ([configuration,] time, particle) [1 / time].", []),
        ("(features + targets, 2 h + 1) of each column, in its units.", []),
        ("a number, or (...) [energy / length^d].", []),
        ("(N,) int32, species numbered from 0.", []),
        ("(N,) bool.", []),
        ("positions [length].", ["shape"]),
        ("an array of floats [length].", ["shape"]),
        ("(N, d) float64.", ["unit"]),
        ("(N, d) displacements.", ["unit"]),
        ("(N,) as long as ``count`` is.", ["unit"]),
        ("(N) [length].", ["shape"]),
        ("(see above, somewhere) [length].", ["shape"]),
        ("(softness, fluidity) [1].", ["shape"]),
        ("(N,) [citation].", ["unit"]),
        ("(N,), see equation [12].", ["unit"]),
        ("where things are.", ["shape", "unit"]),
        ("", ["shape", "unit"]),
    ],
)
def test_the_grammar_tells_what_an_entry_lacks(text, missing):
    assert lacks(text) == missing


def bare(x: np.ndarray) -> np.ndarray:
    return x


def short(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Both.

    Args:
        x: (N,) [length].

    Returns:
        The sum.
    """
    return x + y


def referring(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> None:
    """Nothing.

    Args:
        x: as for ``short``.
        y: as for ``short``.
        z: as for ``nobody``.
    """


def circular(x: np.ndarray, y: np.ndarray) -> None:
    """Nothing.

    Args:
        x: as for ``y``.
        y: as for ``x``.
    """


def silent(x: float) -> float:
    """Nothing is said of errors."""
    return validate.number("x", x)


def deep(x: float) -> float:
    """Nothing is said of what a private function raises."""
    return _refuse(x)


def wrong(x: float) -> float:
    """Another error.

    Raises:
        BoxTooSmall
    """
    return _refuse(x)


def _refuse(x: float) -> float:
    raise errors.FileFormatError(f"{x}") if x < 0 else errors.LeakySplit(f"{x}")


def sound(x: float) -> float:
    """Errors by their own name, and by that of what they derive from.

    Raises:
        InvalidInput, FileFormatError
    """
    return _refuse(x)


@dataclasses.dataclass
class Fields:
    """Two of them.

    Attributes:
        first: (N,) int64.
        fitted_: (N,) float64.
    """

    first: np.ndarray
    second: np.ndarray | None = None

    def method(self, x):
        """(N,) float64 [1]."""
        return x

    def itself(self):
        """Hands back no array."""
        return self


@pytest.mark.parametrize(
    ("planted", "missing"),
    [
        (bare, ["bare: has no docstring"]),
        (short, ["short: return: lacks shape and unit", "short: y: lacks entry"]),
        (referring, ["referring: y: lacks entry", "referring: z: lacks ``nobody``, which is nowhere to be found"]),
        (circular, ["circular: x: lacks shape and unit", "circular: y: lacks shape and unit"]),
        (Fields, ["Fields.method: x: lacks entry", "Fields: fitted_: lacks unit", "Fields: second: lacks entry"]),
    ],
)
def test_planted_gaps_of_arrays_are_found(planted, missing):
    found = offenders([planted], errors_too=False)
    assert sorted(line.split(": ", 1)[1] for line in found) == missing
    assert all(re.search(r"test_docstrings\.py:\d+: ", line) for line in found)


@pytest.mark.parametrize(
    ("planted", "missing"),
    [
        (silent, ["silent: raises InvalidInput, but has no section Raises"]),
        (deep, ["deep: raises FileFormatError, LeakySplit, but has no section Raises"]),
        (wrong, ["wrong: Raises does not name FileFormatError, LeakySplit"]),
        (sound, []),
    ],
)
def test_planted_gaps_of_errors_are_found(planted, missing):
    assert [line.split(": ", 1)[1] for line in offenders([planted], errors_too=True)] == missing
