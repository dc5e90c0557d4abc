"""Docstrings of the public names: the shape and the unit of every array, and the errors that a function raises itself.

The grammar, for a function, a method, a property, or a class by its fields and its constructor:

- Every array taken has an entry under ``Args:`` (fields: ``Attributes:``), ``name: text`` or ``name, other: text``; a line that
  is indented further goes on with it. ``others: as for ``f``.`` stands for all that have no entry. An array handed back is described
  under ``Returns:``, or, where there is none, before the first section. A function of one kind of array may have both in a line:
  ``(..., N, d) displacements [length] -> (...) float64 [length^2]``.
- The text says the **shape**: a tuple of axes, ``(N, d)``, ``(row, feature)``, ``(time,)``, ``([configuration,] time, particle)``, of the
  names in ``AXES`` and single letters, numbers, ``...`` and sums or products of these; or ``dims (time)``; or one of the words of
  ``SHAPE_WORDS``: "scalar", "a number", "same shape as", "an array of any shape" ...
- The text says the **unit**: a dimension in brackets of the words in ``DIMENSIONS``, ``[length]``, ``[1 / time]``, ``[length^-d]``,
  ``[sweeps]``, ``[1]`` for none; or "units of ...", "in any units", "in the units of ..."; or that what is held has none: an integer
  or boolean dtype, counts, indices, numbers of something.
- Or the text refers to another entry, ``as for ``f``", which is looked up: a function, a method, or another argument of the same one.
- What raises an error of the package or checks its input, itself or by a private function of its module, has a section ``Raises:``
  which names that error or one that it derives from, or refers to others: ``As ``f``.``

An array is whatever is annotated as one or as a sequence of floats; in methods, an argument or a result without any annotation, which is
scikit-learn's way; of a class also what a fit leaves behind (``coef_``), and every attribute that states a shape.
"""

from __future__ import annotations

import functools
import inspect
import re
import textwrap
from typing import Any

# fmt: off
AXES = [
    "alpha", "axis", "bin", "block", "bond", "class", "column", "component", "configuration", "dim", "distance", "draw", "edge", "epoch",
    "event", "example", "feature", "field", "first", "fold", "frame", "group", "hop_time", "input", "l1_ratio", "label", "length",
    "limit", "member", "network", "output", "pair", "part", "particle", "point", "repeat", "replica", "resample", "row", "run", "sample",
    "second", "set", "size", "species", "spell", "sum", "target", "temperature", "term", "time", "type", "vector", "wavenumber",
]
# fmt: on
ITEM = rf"(?:[A-Za-z]|(?:{'|'.join(AXES)})(?:e?s)?|\d+|\.\.\.)"
ITEM = rf"{ITEM}(?: ?[-+*x/] ?{ITEM})*"
TUPLE = re.compile(rf"\((?:\[{ITEM},\] )?{ITEM}, ?(?:{ITEM},? ?)*\)|\(\[{ITEM},\] {ITEM}\)|\(\.\.\.\)|\(\)|dims? \({ITEM}\)")
SHAPE_WORDS = re.compile(
    r"\bscalars?\b|\b(?:a|one) (?:single )?number\b|\bnumber of\b|\b(?:same|any|whatever) (?:shape|dims)\b|\bshape of\b"
)
WORDS = r"length|time|energy|mass|pressure|temperature|sweeps?|frames?|steps?|radian|seconds?|k_B T?|[a-z]+_[A-Z]{1,2}|1|k_B = 1"
DIMENSION = rf"(?:{WORDS})(?:\^(?:-?\d+|-?d))?"
UNIT = re.compile(
    rf"\[{DIMENSION}(?:(?:,? or |, | ?/ ?| ){DIMENSION})*\]"
    r"|\bunits? (?:of|as|its own|that|named)\b|\b(?:any|its|their) units?\b|\bpure numbers?\b|\bdimensionless\b"
    r"|\b(?:u?int\d*|bool(?:ean)?)\b|\b(?:counts?|ind(?:ex|ices)|whole numbers?|numbers? of|how many)\b"
)
REFERENCE = re.compile(r"\b[Aa]s (?:for |in |of |that of |those of )?``([\w.]+)``")
SECTION = re.compile(r"(Args|Attributes|Returns|Yields|Raises|Warns|Source|Example|Examples|Raises, Warns):(?: (.*))?$")
ENTRY = re.compile(r"((?:\*{0,2}\w+)(?:, \*{0,2}\w+)*): (.*)", re.S)


class Doc:
    """The sections of a docstring, and the entries of its arguments."""

    def __init__(self, text: str | None):
        self.missing = not text
        self.sections: dict[str, list[str]] = {"": []}
        at = ""
        for line in inspect.cleandoc(text or "").splitlines():
            header = SECTION.match(line)
            if header:
                at = header[1]
                self.sections.setdefault(at, [])
                line = header[2] or ""
            self.sections[at].append(line)
        self.entries: dict[str, str] = {}
        for name in ("Args", "Attributes"):
            for entry in _items(self.sections.get(name, [])):
                parts = ENTRY.match(entry)
                self.entries |= {n.strip(" *"): parts[2] for n in parts[1].split(",")} if parts else {}

    def result(self) -> str:
        """What it says of what is handed back."""
        described = " ".join(line.strip() for name in ("Returns", "Yields") for line in self.sections.get(name, []))
        return described or " ".join(self.sections[""]).split(" -> ")[-1]

    def argument(self, name: str) -> str | None:
        """What it says of an argument."""
        before, arrow, _ = " ".join(self.sections[""]).partition(" -> ")
        return self.entries.get(name, self.entries.get("others", before if arrow and "Args" not in self.sections else None))

    def raises(self) -> str | None:
        lines = [line for name in ("Raises", "Raises, Warns") for line in self.sections.get(name, [])]
        return " ".join(lines) if lines else None


def _items(lines: list[str]) -> list[str]:
    """Entries of a section, each with the lines that go on with it."""
    out: list[str] = []
    for line in textwrap.dedent("\n".join(lines)).strip("\n").splitlines():
        if line.startswith(" ") and out:
            out[-1] += " " + line.strip()
        elif line:
            out.append(line)
    return out


@functools.cache
def doc_of(value: Any) -> Doc:
    return Doc(inspect.getdoc(value))


def _words(text: str) -> str:
    """Without code: names such as ``count``, or ``f()``, say nothing."""
    return re.sub(r"``.*?``", "code", text)


def states_a_shape(text: str) -> bool:
    return bool(TUPLE.search(_words(text)))


def lacks(text: str) -> list[str]:
    """What an entry does not say of an array."""
    words = _words(text)
    shape = TUPLE.search(words) or SHAPE_WORDS.search(words)
    return [word for word, said in (("shape", shape), ("unit", UNIT.search(words))) if not said]
