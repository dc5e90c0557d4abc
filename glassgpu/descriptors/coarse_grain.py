"""Averages of per-particle fields over a range of lengths: what a particle's wider surroundings are like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.errors import BoxTooSmall, InvalidInput
from glassgpu.types import Snapshot

ROWS = 128  # particles whose distances to all others are in memory at once


def coarse_grain(
    x: ArrayLike, snapshot: Snapshot, lengths: ArrayLike, r_max: float, species: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """rho_i(l) = sum_j e^(-r_ij / l) and x_i(l) = sum_j x_j e^(-r_ij / l) / rho_i(l) over r_ij < r_max, i itself included.

    Args:
        x: (N, fields) float64, any units.
        snapshot: where the particles are.
        lengths: (L,) coarse-graining lengths l [length].
        r_max: where the sums end, at most half the shortest side [length].
        species: also the sums over each of so many species alone, in which a particle contains
            itself if it is of that species.

    Returns:
        Two float64 arrays, (N, sums, L) and (N, sums, L, fields): densities and averages, with 1 + ``species``
        sums, the first over all particles. An average over nobody is 0.

    Raises:
        BoxTooSmall, InvalidInput

    Source: LIN equations 6 and 7 (Sharma, Liu, Ozawa 2024; Jung, Biroli, Berthier, Phys. Rev. Lett. 130, 238202 (2023)).
    """
    from scipy.sparse import csr_array

    x = validate.array("x", x, np.float64, (None, None))
    lengths = validate.array("lengths", np.atleast_1d(lengths), np.float64, (None,))
    n, fields = x.shape
    if n != snapshot.n:
        raise InvalidInput(f"x has {n} rows, the snapshot {snapshot.n} particles")
    if not len(lengths) or not (lengths > 0).all():
        raise InvalidInput(f"lengths={lengths.tolist()}: give at least one, all positive")
    validate.number("r_max", r_max, above=0)
    if r_max > snapshot.box.min() / 2 * (1 + 1e-12):
        raise BoxTooSmall(
            f"r_max={r_max:g} is more than half the shortest side {snapshot.box.min():.6g} of the box; take a smaller r_max or a larger box"
        )
    member = np.ones((1, n)) if species is None else np.stack([np.ones(n), *(snapshot.types == s for s in range(species))])
    # One product with the weights gives sums and densities of all species: columns (sum, 1 + field).
    carried = (member.T[:, :, None] * np.concatenate([np.ones((n, 1)), x], axis=1)[:, None]).reshape(n, -1)
    density = np.empty((n, len(member), len(lengths)))
    average = np.empty((n, len(member), len(lengths), fields))
    for first in range(0, n, ROWS):
        rows = slice(first, first + ROWS)
        distance = _distances(snapshot, rows)
        near = distance < r_max
        inside, columns, begin = distance[near], np.nonzero(near)[1], np.append(0, np.cumsum(near.sum(axis=1)))
        for k, length in enumerate(lengths):
            weight = csr_array((np.exp(-inside / length), columns, begin), shape=near.shape)
            total = (weight @ carried).reshape(-1, len(member), 1 + fields)
            density[rows, :, k] = total[:, :, 0]
            average[rows, :, k] = np.divide(total[:, :, 1:], total[:, :, :1], out=np.zeros_like(total[:, :, 1:]), where=total[:, :, :1] > 0)
    return density, average


def _distances(snapshot: Snapshot, rows: slice) -> np.ndarray:
    """(rows, N) minimum-image distances."""
    square = np.zeros((len(snapshot.positions[rows]), snapshot.n))
    for d, side in enumerate(snapshot.box):
        apart = snapshot.positions[rows, d, None] - snapshot.positions[:, d]
        apart -= side * np.rint(apart / side)
        square += apart**2
    return np.sqrt(square)


def coarse_names(fields: Sequence[str], lengths: ArrayLike, sums: Sequence[str]) -> list[str]:
    """Names of the columns of both arrays of ``coarse_grain``, each flattened, densities first."""
    lengths = np.atleast_1d(lengths)
    return [f"rho_{s}({l:g})" for s in sums for l in lengths] + [f"{f}_{s}({l:g})" for s in sums for l in lengths for f in fields]
