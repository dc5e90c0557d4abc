"""Neighbours of every particle: pairs found by freud, distances in float64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glassgpu import validate
from glassgpu.errors import InvalidInput, UnknownSpecies
from glassgpu.systems.system import System, as_system, require_box
from glassgpu.types import Snapshot, as_snapshots

PAD = 32  # neighbour axes are padded to multiples, so that few shapes are ever compiled


@dataclass(frozen=True, eq=False)
class Neighbors:
    """Neighbours j != i with r_ij < r_max, those of each i by ascending
    distance (to single precision).

    Attributes:
        count: (N,) int64.
        index: (N, K) int32, padded with i itself; K is a multiple of 32.
        distance: (N, K) float64, padded with infinity [length].
        vector: (N, K, d) float64, r_j - r_i, padded with 0 [length].
    """

    count: np.ndarray
    index: np.ndarray
    distance: np.ndarray
    vector: np.ndarray


def padded(count: int) -> int:
    """The next multiple of 32, at least 32."""
    return max(PAD, -(-count // PAD) * PAD)


def neighbors(snapshot: Snapshot, r_max: float | np.ndarray) -> Neighbors:
    """All neighbours within ``r_max`` (strictly), minimum image.

    Args:
        snapshot: N particles in 2 or 3 dimensions.
        r_max: [length], or a table (S, S) that holds one for each two species, such as
            ``1.4 * system.sigma``; at most half the shortest side.

    Raises:
        InvalidInput: ``r_max`` is not positive, or no square table.
        UnknownSpecies: a type number beyond the table.
        BoxTooSmall: names the smallest N at the snapshot's density.
    """
    import freud

    within = _table(snapshot, r_max)
    furthest = float(within.max())
    require_box(snapshot.box, furthest, snapshot.density, "neighbors")
    n, d, box = snapshot.n, snapshot.dimension, snapshot.box
    half = float(box.min() / 2)
    points = np.zeros((n, 3), np.float32)
    points[:, :d] = snapshot.positions
    # freud works in single precision: ask for a little more and decide in double.
    reach = min(furthest * (1 + 1e-5) + 1e-4, np.nextafter(np.float32(half), np.float32(0)))
    sides = [*box, 0.0] if d == 2 else list(box)
    query = freud.locality.AABBQuery(freud.box.Box(*sides, is2D=d == 2), points)
    found = query.query(points, {"r_max": float(reach), "exclude_ii": True}).toNeighborList(sort_by_distance=True)
    count = np.asarray(found.neighbor_counts, np.int64)
    # Row by row into padded arrays: pair k of particle i goes to column k - first[i].
    width = padded(int(count.max(initial=0)))
    filled = np.arange(width) < count[:, None]
    index = np.repeat(np.arange(n, dtype=np.int32)[:, None], width, axis=1)
    index[filled] = found.point_indices
    vector = snapshot.positions[index] - snapshot.positions[:, None]
    vector -= box * np.rint(vector / box)
    distance = np.sqrt(np.einsum("nkd,nkd->nk", vector, vector))
    distance[~filled | (distance >= within[snapshot.types[:, None], snapshot.types[index]])] = np.inf
    beyond = ~np.isfinite(distance)
    if beyond[filled].any():
        # What freud gave beyond r_max moves to the end of its row.
        order = np.argsort(distance, axis=1, kind="stable")
        index, distance, vector = (
            np.take_along_axis(a, order if a.ndim == 2 else order[..., None], axis=1) for a in (index, distance, vector)
        )
        beyond = ~np.isfinite(distance)
        index = np.where(beyond, np.arange(n, dtype=np.int32)[:, None], index)
        vector[beyond] = 0
        count = (~beyond).sum(axis=1)
    return Neighbors(count, index, distance, vector)


def coordination_number(system: System, snapshot: Snapshot | Sequence[Snapshot], reach: float = 1.5) -> np.ndarray:
    """z of each particle: how many neighbours stand within ``reach`` sigma_ab (strictly).

    Args:
        system: gives sigma_ab.
        snapshot: two or three dimensions.
        reach: in units of sigma_ab.

    Returns:
        (N,) int64; a leading configuration axis for a sequence.

    Raises:
        InvalidInput, UnknownSpecies, BoxTooSmall

    Source: II section II.B.
    """
    within = validate.number("reach", reach, above=0) * as_system(system).sigma
    snapshots, many = as_snapshots(snapshot)
    for s in snapshots:
        system.check_species(s)
    counts = np.stack([neighbors(s, within).count for s in snapshots])
    return counts if many else counts[0]


def _table(snapshot: Snapshot, r_max: float | np.ndarray) -> np.ndarray:
    """(S, S) cut-off of each two species."""
    if not isinstance(r_max, (list, tuple)) and not getattr(r_max, "ndim", 0):
        species = int(snapshot.types.max()) + 1
        return np.full((species, species), validate.number("r_max", r_max, above=0))
    table = validate.array("r_max", r_max, np.float64, (None, None))
    if table.shape[0] != table.shape[1] or not (table > 0).all():
        raise InvalidInput(f"r_max={table.tolist()}: give a positive number for each two species")
    if snapshot.types.max() >= len(table):
        raise UnknownSpecies(
            f"the snapshot holds type {snapshot.types.max()}, but r_max is a table for {len(table)} species; give it a row and a column for each"
        )
    return table
