"""Radical Voronoi cells in two dimensions: the place that belongs to each particle, whatever its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glassgpu import validate
from glassgpu.errors import InvalidInput
from glassgpu.systems.system import System, as_system, require_apart
from glassgpu.types import Snapshot, as_snapshots

MARGIN = 4.0  # of images around the box, in units of the mean spacing: a first guess


@dataclass(frozen=True, eq=False)
class VoronoiCells:
    """Cells of all particles. A sequence of snapshots adds a leading configuration axis.

    Attributes:
        perimeter: (N,) float64 [length], 0 of an empty cell.
        area: (N,) float64 [length^2]; they sum to the box.
        empty: () int64: particles without a cell, which larger ones beside them have taken.
        outside: () int64: particles that stand outside their own cell, empty ones among them.
    """

    perimeter: np.ndarray
    area: np.ndarray
    empty: np.ndarray
    outside: np.ndarray


def radical_voronoi(system: System, snapshot: Snapshot | Sequence[Snapshot], radius_scale: float = 0.5) -> VoronoiCells:
    """Cells of points x with |x - x_i|^2 - R_i^2 <= |x - x_j|^2 - R_j^2 for all j, R_i = ``radius_scale`` sigma_aa.

    Args:
        system: gives sigma_aa.
        snapshot: two dimensions.
        radius_scale: 0.5, so that particles in touch have touching discs; 0: ordinary Voronoi cells. LIN's words
            (R = sigma_aa) are 1, with which small particles can stand outside their own cells.

    Raises:
        InvalidInput: another dimension.
        UnknownSpecies, ParticlesOverlap

    Source: LIN section III.D; Gellatly and Finney, J. Non-Cryst. Solids 50, 313 (1982). The cells are the
    faces of a convex hull, by Qhull: of the points (x, y, x^2 + y^2 - R^2) (Aurenhammer, SIAM J. Comput. 16, 78 (1987)).
    """
    validate.number("radius_scale", radius_scale, least=0)
    snapshots, many = as_snapshots(snapshot)
    parts = [_cells(as_system(system), s, radius_scale) for s in snapshots]
    return VoronoiCells(*(np.stack(x) if many else x[0] for x in zip(*parts, strict=True)))


def _cells(system: System, snapshot: Snapshot, radius_scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The fields of ``VoronoiCells`` for one snapshot."""
    system.check_species(snapshot)
    if snapshot.dimension != 2:
        raise InvalidInput("radical Voronoi cells are made in two dimensions here; for three take pyvoro-rimoli or freud")
    require_apart(snapshot)
    radius = radius_scale * np.diag(system.sigma)[snapshot.types]
    margin = MARGIN / np.sqrt(snapshot.density)
    while True:
        x, owner = _with_images(snapshot, margin)
        corner, triangle, beside = _triangulation(x, radius[owner])
        needed = _reach_of(x, radius[owner], corner, triangle, snapshot.n)
        if needed <= margin:
            break
        margin = max(2 * margin, needed) if np.isfinite(needed) else 2 * margin
    perimeter, area = np.zeros(snapshot.n), np.zeros(snapshot.n)
    outside = np.zeros(snapshot.n, bool)
    # Every edge of a cell lies between two triangles, that of `corner` to the left of the way from a to b
    # and that of `other` to the right.
    for k in range(3):
        a, b, there = triangle[:, (k + 1) % 3], triangle[:, (k + 2) % 3], beside[:, k]
        inner = (there >= 0) & (a < snapshot.n)
        a, b, left, right = a[inner], b[inner], corner[inner], corner[there[inner]]
        edge = left - right
        from_a = right - x[a]
        twice = from_a[:, 0] * edge[:, 1] - from_a[:, 1] * edge[:, 0]
        area += np.bincount(a, 0.5 * twice, snapshot.n)
        perimeter += np.bincount(a, np.hypot(edge[:, 0], edge[:, 1]), snapshot.n)
        # The wall between a and b is where |x - x_a|^2 - R_a^2 = |x - x_b|^2 - R_b^2.
        outside[a[((x[b] - x[a]) ** 2).sum(axis=1) + radius[owner[a]] ** 2 < radius[owner[b]] ** 2]] = True
    empty = ~np.isin(np.arange(snapshot.n), triangle)
    return perimeter, area, np.array(empty.sum()), np.array((outside | empty).sum())


def _with_images(snapshot: Snapshot, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Places of the particles, then of their images within ``margin`` of the box, and whose they are."""
    x, box = snapshot.positions, snapshot.box
    times = np.ceil(margin / box).astype(int)
    shifts = [np.array([i, j]) for i in range(-times[0], times[0] + 1) for j in range(-times[1], times[1] + 1) if i or j]
    places, owners = [x], [np.arange(snapshot.n)]
    for shift in shifts:
        image = x + shift * box
        near = (np.abs(image) <= box / 2 + margin).all(axis=1)
        places.append(image[near])
        owners.append(np.flatnonzero(near))
    return np.concatenate(places), np.concatenate(owners)


def _triangulation(x: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The regular triangulation: corners of the cells (T, 2), counter-clockwise triangles (T, 3), and the triangle
    across from each of their particles, -1 where there is none."""
    from scipy.spatial import ConvexHull

    hull = ConvexHull(np.column_stack([x, (x**2).sum(axis=1) - radius**2]), qhull_options="Qt")
    below = hull.equations[:, 2] < 0
    number = np.where(below, np.cumsum(below) - 1, -1)
    triangle, beside = hull.simplices[below].astype(np.int64), number[hull.neighbors[below]]
    first, u, v = (x[triangle[:, k]] for k in range(3))
    u, v = u - first, v - first
    twice = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    # The corner c solves 2 (x_j - x_i) . (c - x_i) = |x_j - x_i|^2 - R_j^2 + R_i^2 for both others j.
    square = radius[triangle] ** 2
    p, q = (0.5 * ((w**2).sum(axis=1) - square[:, k] + square[:, 0]) for k, w in ((1, u), (2, v)))
    with np.errstate(divide="ignore", invalid="ignore"):  # slivers at the outer rim
        corner = first + np.stack([p * v[:, 1] - q * u[:, 1], q * u[:, 0] - p * v[:, 0]], axis=1) / twice[:, None]
    turn = np.where((twice < 0)[:, None], [0, 2, 1], [0, 1, 2])
    return corner, np.take_along_axis(triangle, turn, axis=1), np.take_along_axis(beside, turn, axis=1)


def _reach_of(x: np.ndarray, radius: np.ndarray, corner: np.ndarray, triangle: np.ndarray, n: int) -> float:
    """How far from the box a particle can stand and still have a say in the cells of the first n."""
    ours, which = np.nonzero(triangle < n)
    i = triangle[ours, which]
    square = ((corner[ours] - x[i]) ** 2).sum(axis=1)
    return float((np.sqrt(square) + np.sqrt(np.maximum(square - radius[i] ** 2 + radius.max() ** 2, 0))).max())
