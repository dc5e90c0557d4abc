"""Groups of Gaussian shells, as users give them and as kernels/shells.cuh wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glassgpu import validate
from glassgpu.errors import InvalidInput

TILE = 16  # of kernels/shells.cuh


def shell_group(name: str, group: tuple[float, float, int, float]) -> tuple[float, float, int, float]:
    """A group of shells (first centre, last centre, number, delta), checked.

    Raises:
        InvalidInput
    """
    if not isinstance(group, Sequence) or len(group) != 4:
        raise InvalidInput(f"{name}: a group of shells is (first, last, number, delta), got {group!r}")
    first, last, count, delta = group
    first = validate.number(f"{name} first", first, least=0)
    last = validate.number(f"{name} last", last, least=first)
    return first, last, validate.whole(f"{name} number", count, least=1), validate.number(f"{name} delta", delta, above=0)


def shell_table(groups: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], xp: Any) -> dict[str, Any]:
    """The ``Shells`` of kernels/shells.cuh: one slot per centre, each group padded to whole tiles.

    Args:
        groups: of each, centres c and edges of its shells [length] and their n in exp(-n (r - c)^2).
        xp: NumPy or CuPy.
    """
    parts = []
    count = 0
    for centre, edge, narrow in groups:
        rows = np.stack([centre, edge, narrow, count + np.arange(len(centre))])
        padding = np.repeat([[0.0], [-1.0], [0.0], [-1.0]], -len(centre) % TILE, axis=1)
        parts.append(np.concatenate([rows, padding], axis=1))
        count += len(centre)
    centre, edge, narrow, column = np.concatenate(parts, axis=1)
    return {
        "slots": len(edge),
        "count": count,
        "reach": edge.max(),
        "centre": xp.asarray(centre),
        "edge": xp.asarray(edge),
        "narrow": xp.asarray(narrow),
        "column": xp.asarray(column.astype(np.int32)),
    }
