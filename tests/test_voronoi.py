"""Radical Voronoi cells: hand-solved cases, slow half-plane cutting, Voro++, invariances."""

from __future__ import annotations

import numpy as np
import pytest
import pyvoro

import glassgpu as gg
from glassgpu import structure


def slow_cell(snapshot, radius, i):
    """Perimeter and area of cell i: a large square, cut by the half-plane of every image of every particle."""
    box, x = snapshot.box, snapshot.positions
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * 2 * box.max()
    for a in range(-2, 3):
        for b in range(-2, 3):
            for j in range(snapshot.n):
                d = x[j] + [a, b] * box - x[i]
                if (d**2).sum() == 0 or len(corners) == 0:
                    continue
                # Keep y with |y|^2 - R_i^2 <= |y - d|^2 - R_j^2.
                room = 0.5 * ((d**2).sum() - radius[j] ** 2 + radius[i] ** 2) - corners @ d
                kept = []
                for k in range(len(corners)):
                    m = (k + 1) % len(corners)
                    if room[k] >= 0:
                        kept.append(corners[k])
                    if (room[k] >= 0) != (room[m] >= 0):
                        kept.append(corners[k] + (corners[m] - corners[k]) * room[k] / (room[k] - room[m]))
                corners = np.array(kept).reshape(-1, 2)
    following = np.roll(corners, -1, axis=0)
    twice = corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]
    return np.linalg.norm(following - corners, axis=1).sum(), 0.5 * twice.sum()


def radii(system, snapshot, scale):
    return scale * np.diag(system.sigma)[snapshot.types]


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0])
def test_slow_form(film, scale):
    """Places at random: large discs leave some particles without a cell."""
    system, _ = film
    random = np.random.default_rng(4)
    snapshot = gg.Snapshot(random.uniform(-3, 3, (40, 2)), random.integers(0, 3, 40), [6.0, 6.5])
    cells = structure.radical_voronoi(system, snapshot, scale)
    slow = np.array([slow_cell(snapshot, radii(system, snapshot, scale), i) for i in range(40)])
    np.testing.assert_allclose(np.column_stack([cells.perimeter, cells.area]), slow, rtol=1e-9, atol=1e-9)
    assert abs(cells.area.sum() / snapshot.box.prod() - 1) < 1e-12
    assert cells.empty == (slow[:, 1] == 0).sum()
    apart = snapshot.positions[:, None] - snapshot.positions
    images = [apart + snapshot.box * [a, b] for a in (-1, 0, 1) for b in (-1, 0, 1)]
    power = np.stack([(d**2).sum(axis=2) - radii(system, snapshot, scale) ** 2 for d in images]).min(axis=0)  # of each place and centre
    assert cells.outside == (power.argmin(axis=1) != np.arange(40)).sum()  # places that are another's
    assert (scale == 0) == (cells.empty == 0)


@pytest.mark.parametrize("inherent", [False, True])
def test_equals_voro(film, inherent):
    system, snapshot = film
    if inherent:
        snapshot = structure.inherent_structure(system, snapshot, progress=False)
    cells = structure.radical_voronoi(system, snapshot)
    low = snapshot.positions + snapshot.box / 2
    theirs = pyvoro.compute_2d_voronoi(
        low, [[0, side] for side in snapshot.box], 2.0, radii=list(radii(system, snapshot, 0.5)), periodic=[True, True]
    )
    perimeter = [np.linalg.norm(np.roll(v := np.array(c["vertices"]), -1, axis=0) - v, axis=1).sum() for c in theirs]
    np.testing.assert_allclose(cells.perimeter, perimeter, rtol=1e-10)
    np.testing.assert_allclose(cells.area, [c["volume"] for c in theirs], rtol=1e-10)
    assert abs(cells.area.sum() / snapshot.box.prod() - 1) < 1e-12
    assert cells.empty == cells.outside == 0


def test_lattices_by_hand(film):
    """Squares and hexagons, whose corners touch four and three cells."""
    system, _ = film
    grid = np.stack(np.meshgrid(*[np.arange(6.0)] * 2), axis=-1).reshape(-1, 2)
    square = structure.radical_voronoi(system, gg.Snapshot(grid, np.zeros(36), [6.0, 6.0]))
    np.testing.assert_allclose(square.perimeter, 4, rtol=1e-12)
    np.testing.assert_allclose(square.area, 1, rtol=1e-12)
    shifted = structure.radical_voronoi(system, gg.Snapshot(grid + 0.1, np.zeros(36), [6.0, 6.0]))
    assert shifted.outside == shifted.empty == 0  # walls of no length decide nothing
    height = np.sqrt(3) / 2
    x = np.array([[i + 0.5 * (j % 2), j * height] for i in range(6) for j in range(6)])
    hexagon = structure.radical_voronoi(system, gg.Snapshot(x, np.zeros(36), [6.0, 6 * height]))
    np.testing.assert_allclose(hexagon.perimeter, 6 / np.sqrt(3), rtol=1e-12)
    np.testing.assert_allclose(hexagon.area, height, rtol=1e-12)


def test_two_sizes_by_hand(film):
    """Two particles in turn along x: the wall between stands at (d^2 + R_1^2 - R_2^2) / 2d from the first."""
    system, _ = film
    snapshot = gg.Snapshot([[-0.5, 0], [0.5, 0]], [0, 2], [2.0, 3.0])
    first, second = radii(system, snapshot, 0.5)
    cells = structure.radical_voronoi(system, snapshot)
    width = 1 + first**2 - second**2
    np.testing.assert_allclose(cells.area, [3 * width, 3 * (2 - width)], rtol=1e-12)
    np.testing.assert_allclose(cells.perimeter, [2 * (3 + width), 2 * (3 + 2 - width)], rtol=1e-12)


def test_invariances(film):
    system, snapshot = film
    cells = structure.radical_voronoi(system, snapshot)
    random = np.random.default_rng(0)
    order, x, box = random.permutation(snapshot.n), snapshot.positions, snapshot.box
    turned = gg.Snapshot(np.stack([-x[:, 1], x[:, 0]], axis=1), snapshot.types, box[::-1])
    for other, which in (
        (gg.Snapshot(x + [2.2, 0.7], snapshot.types, box), slice(None)),
        (gg.Snapshot(x + box * random.integers(-2, 3, x.shape), snapshot.types, box), slice(None)),
        (gg.Snapshot(x[order], snapshot.types[order], box), order),
        (gg.Snapshot(x * [1, -1], snapshot.types, box), slice(None)),
        (turned, slice(None)),
    ):
        found = structure.radical_voronoi(system, other)
        np.testing.assert_allclose(found.perimeter, cells.perimeter[which], rtol=1e-10)
        np.testing.assert_allclose(found.area, cells.area[which], rtol=1e-10)
    both = structure.radical_voronoi(system, [snapshot, turned])
    assert both.area.shape == (2, snapshot.n) and both.empty.shape == (2,)
    assert np.array_equal(both.perimeter[0], cells.perimeter)


def test_bad_input(film, liquid):
    system, snapshot = film
    with pytest.raises(gg.errors.InvalidInput, match="two dimensions"):
        structure.radical_voronoi(*liquid)
    with pytest.raises(gg.errors.InvalidInput, match="radius_scale=-1: must be at least 0"):
        structure.radical_voronoi(system, snapshot, -1)
    twice = gg.Snapshot(np.concatenate([snapshot.positions[:1], snapshot.positions[:-1]]), snapshot.types, snapshot.box)
    with pytest.raises(gg.errors.ParticlesOverlap, match="stand at the same place"):
        structure.radical_voronoi(system, twice)
