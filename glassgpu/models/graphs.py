"""Configurations as graphs: who stands near whom, and how far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glassgpu.structure.neighbors import Neighbors, neighbors
from glassgpu.types import Snapshot

ROWS = 16  # places for neighbours come in multiples


@dataclass(frozen=True, eq=False)
class Graphs:
    """Graphs of configurations with the same number of particles.

    Attributes:
        neighbour: (C, N, K) int32, particles j of the edges i -> j, padded with i itself; K is a multiple of 16.
        count: (C, N) int32.
        reverse: (C, N, K) int32, where j -> i stands among all N K places, padded with the place itself.
        vector: (C, N, K, d) float32, r_j - r_i, padded with 0 [length].
        types: (C, N) int32.
    """

    neighbour: np.ndarray
    count: np.ndarray
    reverse: np.ndarray
    vector: np.ndarray
    types: np.ndarray

    @property
    def distance(self) -> np.ndarray:
        """(C, N, K) float32, padded with 0 [length]."""
        return np.sqrt(np.einsum("cnkd,cnkd->cnk", self.vector, self.vector))

    @property
    def there(self) -> np.ndarray:
        """(C, N, K) bool, which places hold an edge."""
        return np.arange(self.neighbour.shape[2]) < self.count[:, :, None]


def graphs_of(snapshots: Sequence[Snapshot], cutoff: float) -> Graphs:
    """An edge, in both directions, between particles nearer than ``cutoff``.

    Args:
        snapshots: of one system (``types.as_snapshots``).
        cutoff: at most half the shortest side [length].

    Raises:
        BoxTooSmall
    """
    n = snapshots[0].n
    found = [neighbors(s, cutoff) for s in snapshots]
    wide = max(ROWS, -(-max(int(f.count.max()) for f in found) // ROWS) * ROWS)
    neighbour = np.repeat(np.arange(n, dtype=np.int32)[:, None], wide, axis=1)[None].repeat(len(found), axis=0)
    vector = np.zeros((len(found), n, wide, snapshots[0].dimension), np.float32)
    for c, f in enumerate(found):
        some = min(wide, f.index.shape[1])
        neighbour[c, :, :some], vector[c, :, :some] = f.index[:, :some], f.vector[:, :some]
    reverse = np.stack([_opposite(f, n, wide) for f in found])
    return Graphs(neighbour, np.stack([f.count for f in found]).astype(np.int32), reverse, vector, np.stack([s.types for s in snapshots]))


def _opposite(found: Neighbors, n: int, wide: int) -> np.ndarray:
    """The place of j -> i for that of i -> j: sorted by (i, j), the edges are those sorted by (j, i), turned round."""
    place = np.arange(n * wide, dtype=np.int32).reshape(n, wide)
    there = np.arange(found.index.shape[1]) < found.count[:, None]
    i, k = np.nonzero(there)
    j = found.index[i, k].astype(np.int64)
    out = place.copy()
    out[i[np.lexsort((j, i))], k[np.lexsort((j, i))]] = place[i, k][np.lexsort((i, j))]
    return out
