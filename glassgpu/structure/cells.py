"""Snapshots sorted into cells, as kernels/cells.cuh wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glassgpu.launch import Cpu, Cuda, element_dtype, fill
from glassgpu.types import Snapshot

REACH = 2  # of kernels/cells.cuh: a cell is at least half the cut-off wide
PADDING = 8  # candidates are read in vectors of at most so many
MOST_CELLS = 64  # along one direction


class Cells:
    """The ``Cells`` part of an argument struct, and the launch of kernels that take one.

    Args:
        snapshots: of one shape; boxes may differ.
        reach: cut-off [length]; at most half the shortest side.
        species: number of species.
        target: where kernels run.
        constants: of the kernels, beside dimension and precision.

    Attributes:
        order: (configuration, N) int32 on the target: which particle stands at each place in the order of the cells.
        capacity: most candidates of any cell, in whole vectors.
        few: most directions of any configuration in which every particle is a candidate.
    """

    def __init__(self, snapshots: Sequence[Snapshot], reach: float, species: int, target: Cpu | Cuda, **constants: Any):
        self.target = target
        self.n, d = snapshots[0].positions.shape
        # One particle: these kernels keep no positions in shared memory and no lists.
        self.constants = target.compile_constants(1, {"DIMENSION": d, "DOUBLE": 1, **constants})
        boxes = np.stack([s.box for s in snapshots])
        grids = np.clip(np.floor(boxes * REACH / reach * (1 - 1e-9)), 1, MOST_CELLS).astype(np.int32)
        self.bins = int(species * grids.prod(axis=1).max())
        self.few = int((grids < 2 * REACH + 1).sum(axis=1).max())
        begin = np.zeros((len(snapshots), self.bins + 1), np.int32)
        order = np.empty((len(snapshots), self.n), np.int32)
        most = 1
        where = []
        for c, (snapshot, grid) in enumerate(zip(snapshots, grids, strict=True)):
            cell = cell_of(snapshot, grid)
            bins = snapshot.types * grid.prod() + cell
            order[c] = np.argsort(bins, kind="stable")
            begin[c, 1:] = np.cumsum(np.bincount(bins, minlength=self.bins))
            occupied = np.bincount(cell, minlength=grid.prod())
            most = max(most, int(most_around(occupied, grid)))
            where += [(c, k) for k in np.flatnonzero(occupied)]
        self.capacity = -(-most // PADDING) * PADDING
        self.order = target.xp.asarray(order)
        self.replicas = len(where)
        self.slots = target.slots(self.replicas, "", self.constants, 1)
        xp = target.xp
        sorted_positions = np.stack([s.positions[o].T for s, o in zip(snapshots, order, strict=True)])
        shapes = {
            "candidate": (self.slots, d, self.capacity),
            "number": (self.slots, self.capacity),
            "species_end": (self.slots, species),
            "mark": (self.slots, self.capacity + 1),
        }
        self._values = {
            "particles": self.n,
            "species": species,
            "bins": self.bins,
            "capacity": self.capacity,
            "box": xp.asarray(boxes),
            "grid": xp.asarray(grids),
            "begin": xp.asarray(begin),
            "order": self.order,
            "sorted": xp.asarray(np.ascontiguousarray(sorted_positions)),
            "cell": xp.asarray(np.array(where, np.int32)),
            **{k: xp.empty(shape, element_dtype("Cells", k, self.constants)) for k, shape in shapes.items()},
        }

    def scratch(self, struct: str, **shapes: tuple[int, ...]) -> dict[str, Any]:
        """Arrays of the given shapes for every slot."""
        return {k: self.target.xp.empty((self.slots, *shape), element_dtype(struct, k, self.constants)) for k, shape in shapes.items()}

    def run(self, kernel: str, struct: str, **values: Any) -> None:
        """Fill an argument struct and run a kernel to its end."""
        arguments = fill(struct, self.constants, {"cells": self._values, "replicas": self.replicas, **values})
        self.target.run(kernel, struct, self.constants, arguments, self.slots, 1)


def cell_of(snapshot: Snapshot, grid: np.ndarray) -> np.ndarray:
    """(N,) number of each particle's cell, x fastest."""
    at = np.floor((snapshot.positions / snapshot.box + 0.5) * grid).astype(np.int64)
    at = np.clip(at, 0, grid - 1)
    return np.ravel_multi_index(tuple(at.T[::-1]), tuple(grid[::-1]))


def most_around(occupied: np.ndarray, grid: np.ndarray) -> np.int64:
    """The largest number of particles within REACH cells of any cell."""
    count = occupied.reshape(grid[::-1])
    for axis, cells in enumerate(grid[::-1]):
        if cells < 2 * REACH + 1:
            count = np.broadcast_to(count.sum(axis=axis, keepdims=True), count.shape)
        else:
            count = np.sum([np.roll(count, shift, axis) for shift in range(-REACH, REACH + 1)], axis=0)
    return count.max()
