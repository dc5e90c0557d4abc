"""What a module says of a name that it does not have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

VERBS = ({"get", "load", "open", "read"}, {"dump", "save", "store", "write"})


def missing(module: str, name: str, names: Iterable[str]) -> AttributeError:
    """The error for a name that a module does not have: it lists what there is."""
    import difflib

    known = sorted(names)
    near = [other for other in known if _means_the_same(name, other)] or difflib.get_close_matches(name, known, 1)
    return AttributeError(f"{module} has no {name!r}; it has {', '.join(known)}" + (f"; did you mean {near[0]}?" if near else ""))


def _means_the_same(name: str, other: str) -> bool:
    """Whether two names differ only in how they say to read or to write."""
    (verb, _, what), (other_verb, _, other_what) = name.partition("_"), other.partition("_")
    return bool(what) and what == other_what and any({verb, other_verb} <= verbs for verbs in VERBS)


def explain_missing(namespace: dict[str, Any]) -> None:
    """Make a module (its ``globals()``) list its ``__all__`` when asked for another name.

    Set from here and not by a definition in the module, which would keep type checkers from
    seeing misspelt names.
    """

    def refuse(name: str) -> NoReturn:
        raise missing(namespace["__name__"], name, namespace["__all__"])

    namespace["__getattr__"] = refuse
