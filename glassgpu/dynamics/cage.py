"""Motion out of the cage: displacements relative to the neighbours, and bonds that break."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from glassgpu import validate
from glassgpu.errors import InvalidInput
from glassgpu.systems.system import System, as_system, require_box
from glassgpu.types import Snapshot, as_snapshots

REACH, BROKEN = 1.4, 1.8  # in units of sigma_ab: first neighbours, and where a bond to one is broken


@dataclass(frozen=True, eq=False)
class InitialNeighbors:
    """Who stands around each particle at t = 0: the neighbours of particle i are ``index[begin[i]:begin[i + 1]]``.

    Attributes:
        begin: (N + 1,) int32.
        index: (E,) int32, ascending within a particle. Every bond stands here twice, once from each end.
    """

    begin: np.ndarray
    index: np.ndarray

    @property
    def count(self) -> np.ndarray:
        """(N,) int32, neighbours of each particle."""
        return np.diff(self.begin)

    @property
    def owner(self) -> np.ndarray:
        """(E,) int32, the particle whose neighbour each is."""
        return np.repeat(np.arange(len(self.begin) - 1, dtype=np.int32), self.count)


def initial_neighbors(system: System, snapshot: Snapshot, reach: float = REACH) -> InitialNeighbors:
    """The particles j != i with r_ij < ``reach`` sigma_ab (minimum image, float64).

    Args:
        system: gives sigma_ab.
        snapshot: N particles of it.
        reach: in units of sigma_ab.

    Raises:
        InvalidInput: ``reach`` is not positive; the snapshot is not one of this system.
        UnknownSpecies
        BoxTooSmall: a side shorter than twice the longest reach.

    Source: II, section II.A.
    """
    from scipy.spatial import cKDTree

    as_system(system).check(snapshot)
    reaches = validate.number("reach", reach, above=0) * system.sigma
    box, x, types = snapshot.box, snapshot.positions, snapshot.types
    require_box(box, float(reaches.max()), snapshot.density, "initial_neighbors")
    tree = cKDTree(np.mod(x, box) % box, boxsize=box)
    pairs = tree.query_pairs(float(reaches.max()) * (1 + 1e-9), output_type="ndarray")
    apart = x[pairs[:, 0]] - x[pairs[:, 1]]
    apart -= box * np.rint(apart / box)
    near = pairs[np.sqrt((apart**2).sum(axis=1)) < reaches[types[pairs[:, 0]], types[pairs[:, 1]]]]
    i, j = np.concatenate([near, near[:, ::-1]]).T
    begin = np.concatenate([[0], np.cumsum(np.bincount(i, minlength=snapshot.n))]).astype(np.int32)
    index = j[np.lexsort((j, i))].astype(np.int32)
    for part in (begin, index):
        part.setflags(write=False)
    return InitialNeighbors(begin, index)


def cage_relative(system: System, snapshot: Snapshot | Sequence[Snapshot], moved: np.ndarray, reach: float = REACH) -> np.ndarray:
    """Displacements less the mean displacement of each particle's initial neighbours.

    In two dimensions waves as long as the box move particles far without any of them leaving its
    cage; this takes them out. A particle without neighbours keeps its displacement.

    Args:
        system: gives sigma_ab.
        snapshot: where the displacements begin.
        moved: (..., N, d) displacements since then, such as those of ``displacements`` [length].
        reach: neighbours stand within ``reach`` sigma_ab, the particle itself excluded.

    Returns:
        (..., N, d) float64 [length]. For a sequence of snapshots both ``moved`` and the result have
        a leading configuration axis.

    Raises:
        As ``initial_neighbors``; InvalidInput: ``moved`` has another shape or is not finite.

    Source: II equation 2.
    """

    def one(start: Snapshot, moved: np.ndarray) -> np.ndarray:
        return less_neighbors(initial_neighbors(system, start, reach), moved)

    return _each(one, snapshot, "moved", moved)


def less_neighbors(near: InitialNeighbors, moved: np.ndarray) -> np.ndarray:
    """Displacements (..., N, d) less the mean displacement of the neighbours given."""
    from scipy.sparse import csr_array

    n = len(near.count)
    total = csr_array((np.ones(len(near.index)), near.index, near.begin), shape=(n, n))
    count = np.maximum(near.count, 1)[:, None]
    out = np.empty_like(moved)
    for frame in np.ndindex(moved.shape[:-2]):
        out[frame] = moved[frame] - total @ moved[frame] / count
    return out


def bond_breaking(
    system: System, snapshot: Snapshot | Sequence[Snapshot], positions: np.ndarray, reach: float = REACH, broken: float = BROKEN
) -> np.ndarray:
    """n_i(t) / n_i(0), the share of each particle's initial neighbours that are still near.

    Only the positions at each time count: a bond that broke is whole again when the two meet again. A
    particle that had no neighbours has 1: no bond of it can break.

    Args:
        system: gives sigma_ab.
        snapshot: the configuration at t = 0, whose types hold at all times.
        positions: (..., N, d) at later times, wrapped or not: the minimum image is taken [length].
        reach: initial neighbours stand within ``reach`` sigma_ab (strictly).
        broken: a bond is whole within ``broken`` sigma_ab (strictly), at least ``reach``.

    Returns:
        (..., N) float64 from 0 to 1 [1]. For a sequence of snapshots both ``positions`` and the result have
        a leading configuration axis.

    Raises:
        As ``initial_neighbors``; InvalidInput: ``positions`` has another shape or is not finite.

    Source: II equation 4.
    """
    validate.number("reach", reach, above=0)
    validate.number("broken", broken, least=reach)

    def one(start: Snapshot, positions: np.ndarray) -> np.ndarray:
        near = initial_neighbors(system, start, reach)
        require_box(start.box, broken * system.sigma.max(), start.density, "bond_breaking")
        whole = unbroken_bonds(system, start, near, positions, broken)
        return np.where(near.count > 0, whole / np.maximum(near.count, 1), 1.0)

    return _each(one, snapshot, "positions", positions)


def unbroken_bonds(system: System, start: Snapshot, near: InitialNeighbors, positions: np.ndarray, broken: float = BROKEN) -> np.ndarray:
    """How many of the neighbours given are within ``broken`` sigma_ab at later positions (..., N, d): (..., N) int64."""
    i, j = near.owner, near.index
    limit = broken * system.sigma[start.types[i], start.types[j]]
    out = np.zeros(positions.shape[:-1], np.int64)
    for frame in np.ndindex(positions.shape[:-2]):
        apart = positions[frame][j] - positions[frame][i]
        apart -= start.box * np.rint(apart / start.box)
        whole = np.sqrt(np.einsum("ed,ed->e", apart, apart)) < limit
        out[frame] = np.bincount(i[whole], minlength=start.n)
    return out


def _each(
    one: Callable[[Snapshot, np.ndarray], np.ndarray], snapshot: Snapshot | Sequence[Snapshot], name: str, value: np.ndarray
) -> np.ndarray:
    """``one(snapshot, value)``, or that of each configuration."""
    snapshots, many = as_snapshots(snapshot)
    frames = validate.array(name, value, np.float64, (..., *snapshots[0].positions.shape))
    if not many:
        return one(snapshots[0], frames)
    if frames.shape[:-2][:1] != (len(snapshots),):
        raise InvalidInput(f"{name} has shape {frames.shape}; its first axis must hold the {len(snapshots)} configurations")
    return np.stack([one(s, f) for s, f in zip(snapshots, frames, strict=True)])
