"""Averages of per-particle columns over neighbours: the recursion of paper CMP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glassgpu import validate
from glassgpu.descriptors.coarse_grain import fading_sums
from glassgpu.errors import InvalidInput
from glassgpu.launch import Cpu, Cuda, target
from glassgpu.structure.cells import Cells
from glassgpu.systems.system import require_box
from glassgpu.types import Snapshot


def shell_average(x: np.ndarray, snapshot: Snapshot, r_c: float = 2.1, backend: str = "auto", threads: int | None = None) -> np.ndarray:
    """x_i' = sum_j x_j e^(-r_ij / r_c) / sum_j e^(-r_ij / r_c) over r_ij < r_c, i itself included.

    Args:
        x: (N, columns) float64, any units.
        snapshot: where the particles are.
        r_c: [length]; at most half the shortest side.
        backend: ``"auto"``, ``"cuda"`` or ``"cpu"``.
        threads: CPU threads; they do not reach the result.

    Returns:
        (N, columns) float64, in the units of x.

    Raises:
        InvalidInput, BoxTooSmall, DeviceMissing, CompilerMissing

    Source: CMP equation 6 (all species, i itself with weight 1).
    """
    x = validate.array("x", x, np.float64, (None, None))
    if len(x) != snapshot.n:
        raise InvalidInput(f"x has {len(x)} rows, the snapshot {snapshot.n} particles")
    validate.number("r_c", r_c, above=0)
    require_box(snapshot.box, r_c, snapshot.density, "shell_average")
    place = target(backend, threads)
    cells = Cells([snapshot], r_c, int(snapshot.types.max()) + 1, place, LONG_VECTORS=1)
    given, out = place.xp.asarray(x)[None], place.xp.empty((1, *x.shape))
    average(cells, given, out, x.shape[1], 0, 0, r_c, r_c)
    return place.to_numpy(out)[0]


def average(cells: Cells, x: Any, out: Any, columns: int, first: int, out_first: int, r_max: float, length: float) -> None:
    """Averages ``columns`` columns of x, from ``first`` on, with weights e^(-r / length) up to ``r_max``, into those of out
    from ``out_first`` on.

    Args:
        cells: made for ``r_max``, with ``LONG_VECTORS``.
        x, out: (configuration, particle, row) on the target; they may be the same array.
    """
    weights = fading_sums(cells, x, out, columns, first, out_first, r_max, np.array([length]))
    out[:, :, out_first : out_first + columns] /= weights[:, :, :, 0]


def add_generations(
    place: Cpu | Cuda, snapshots: Sequence[Snapshot], out: Any, width: int, generations: int, r_c: float, species: int
) -> None:
    """Fills the later generations of ``out``, (configuration, particle, generations * width), each an average of the one before."""
    if generations == 1:
        return
    cells = Cells(snapshots, r_c, species, place, LONG_VECTORS=1)
    for n in range(1, generations):
        average(cells, out, out, width, (n - 1) * width, n * width, r_c, r_c)
