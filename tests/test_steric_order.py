"""Steric bond order: cages in touch, angles by hand, a slow form, invariances, liquids."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

import glassgpu as gg
from glassgpu import structure

SYSTEM = gg.systems.ternary_2d(n=300)
S, M, L = range(3)
# sigma_SS = 2 sin 18, sigma_LL = 2 sin 36 and sigma_LS = 1 make whole angles [degree]: at the first of three in touch.
IN_TOUCH = {"SSS": 60, "SLL": 72, "SLS": 72, "SSL": 72, "MMM": 60, "LLL": 60, "LSS": 36, "LLS": 54, "LSL": 54}


def steric_degrees(snapshot, reach=1.5):
    return np.degrees(structure.steric_order(SYSTEM, snapshot, reach))


def cage(centre, ring, spin=0.0, at=(9.8, 9.9), stretch=1.0):
    """A centre (particle 0) and its ring, one after another by the angles in touch, in shuffled order across the corner of
    the box; and the gap that is left at the end [degree]."""
    angles = np.cumsum([0] + [IN_TOUCH[centre + pair] for pair in map("".join, itertools.pairwise(ring))])
    types = np.array(["SML".index(name) for name in ring])
    radius = stretch * SYSTEM.sigma["SML".index(centre), types]
    turned = np.radians(angles) + spin
    positions = radius[:, None] * np.stack([np.cos(turned), np.sin(turned)], axis=1)
    order = np.random.default_rng(0).permutation(len(ring))
    everything = np.concatenate([[[0, 0]], positions[order]]) + at
    return gg.Snapshot(everything, ["SML".index(centre), *types[order]], [20, 20]), 360 - angles[-1]


def in_touch(ij, ik, jk):
    """The angle at i [radian] of a triangle of these sides."""
    return np.arccos((ij * ij + ik * ik - jk * jk) / (2 * ij * ik))


def slow_steric_order(system, snapshot, reach):
    out = np.zeros(snapshot.n)
    for i in range(snapshot.n):
        bonds, species = [], []
        for j in range(snapshot.n):
            apart = snapshot.positions[j] - snapshot.positions[i]
            apart -= snapshot.box * np.rint(apart / snapshot.box)
            if j != i and np.hypot(*apart) < reach * system.sigma[snapshot.types[i], snapshot.types[j]]:
                bonds.append(complex(*apart))
                species.append(snapshot.types[j])
        differences = []
        for j, bond in enumerate(bonds):
            others = [k for k in range(len(bonds)) if k != j]
            if others:
                k = min(others, key=lambda k: np.angle(bonds[k] / bond) % (2 * np.pi))  # the next anticlockwise
                ij, ik = system.sigma[snapshot.types[i], [species[j], species[k]]]
                reference = in_touch(ij, ik, system.sigma[species[j], species[k]])
                differences.append(abs(abs(np.angle(bonds[k] / bond)) - reference))
        out[i] = np.mean(differences) if differences else 0
    return out


@pytest.fixture(params=["thermal", "inherent"])
def state(request, film):
    system, snapshot = film
    return system, snapshot if request.param == "thermal" else structure.inherent_structure(system, snapshot, progress=False)


@pytest.mark.parametrize("reach", [1.5, 1.1, 2.2])
def test_slow_form(state, reach):
    found = structure.steric_order(*state, reach)
    assert found.dtype == np.float64 and found.shape == (300,)
    assert reach > 1.4 or 0 < np.mean(found == 0) < 0.5  # some have fewer than two neighbours
    np.testing.assert_allclose(found, slow_steric_order(*state, reach), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("centre", "ring"),
    [
        ("M", "MMMMMM"),
        ("S", "SSSSSS"),
        ("S", "LLLLL"),
        ("S", "LSLSL"),
        ("L", "SSSSSSSSSS"),
        ("L", "LSSSSSSSS"),
        ("L", "LLLLSSS"),
    ],
)
def test_cages_in_touch(centre, ring):
    """Rings that close exactly; stretched to 1.4 sigma they keep their angles."""
    for spin, stretch in ((0, 1), (1.234, 1), (-0.3, 1.4)):
        snapshot, left = cage(centre, ring, spin, stretch=stretch)
        assert left == IN_TOUCH[centre + ring[-1] + ring[0]]
        assert steric_degrees(snapshot)[0] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("centre", "ring", "expected"),
    [
        ("L", "LLLLL", 60 / 5),  # the last gap is 120 instead of 60
        ("S", "LLLL", 72 / 4),
        ("L", "LLSSS", (360 - 60 - 54 - 36 - 36 - 54) / 5),
        ("L", "LSSSL", (180 - 60) / 5),  # exactly half a turn is left
        ("L", "LSS", (90 - 54) / 3),  # 270 are left: the angle between the two is 90
    ],
)
def test_one_gap_is_wrong(centre, ring, expected):
    for spin in (0, 1.234):
        assert steric_degrees(cage(centre, ring, spin)[0])[0] == pytest.approx(expected, abs=1e-12)


def test_a_mixed_chain_of_all_species():
    """S, L, L, M, S, S one after another round M; what is left stands between two S."""
    turn, places = 0.0, []
    ring = [S, L, L, M, S, S]
    for j, k in zip(ring, [*ring[1:], None], strict=True):
        places.append(SYSTEM.sigma[M, j] * np.array([np.cos(turn), np.sin(turn)]))
        turn += 0 if k is None else in_touch(SYSTEM.sigma[M, j], SYSTEM.sigma[M, k], SYSTEM.sigma[j, k])
    expected = abs(2 * np.pi - turn - in_touch(0.80902, 0.80902, 0.618034)) / 6
    assert expected > 0.05
    snapshot = gg.Snapshot([[0, 0], *places], [M, *ring], [20, 20])
    assert structure.steric_order(SYSTEM, snapshot)[0] == pytest.approx(expected, abs=1e-6)


def test_triangles_by_hand():
    """Two neighbours: two gaps with the same angle."""
    right = [[9.5, 9.5], [10.5, 9.5], [9.5, 10.5]]  # 90, 45 and 45 degrees
    for types, expected in (
        ([L, L, L], [30, 15, 15]),
        ([S, L, L], [90 - 72, 54 - 45, 54 - 45]),
        ([M, M, M], [30, 0, 0]),  # the far side is 1.414, beyond 1.5 sigma_MM = 1.345: one neighbour
    ):
        np.testing.assert_allclose(steric_degrees(gg.Snapshot(right, types, [20, 20])), expected, atol=1e-12)
    for degrees in (0.5, 45, 60, 180, 300):
        turn = np.radians(degrees)
        pair = [[0, 0], [0, -0.8], [1.2 * np.sin(turn), -1.2 * np.cos(turn)]]
        expected = abs(min(degrees, 360 - degrees) - 60)
        assert steric_degrees(gg.Snapshot(pair, [M] * 3, [20, 20]))[0] == pytest.approx(expected, abs=1e-10)


def test_neighbours_behind_one_another():
    """S before L at angle 0, then M and S: gaps S-L of 0, L-M, M-S, S-S."""
    snapshot = gg.Snapshot([[0, 0], [1.3, 0], [0.7, 0], [0, 1], [-1, 0]], [M, L, S, M, S], [20, 20])
    gaps = ((0, S, L), (np.pi / 2, L, M), (np.pi / 2, M, S), (np.pi, S, S))
    sigma = SYSTEM.sigma
    expected = np.mean([abs(theta - in_touch(sigma[M, j], sigma[M, k], sigma[j, k])) for theta, j, k in gaps])
    assert structure.steric_order(SYSTEM, snapshot)[0] == pytest.approx(expected)


def test_fewer_than_two_neighbours():
    snapshot = gg.Snapshot([[0, 0], [1, 0], [5, 5]], [M, M, M], [20, 20])
    assert structure.steric_order(SYSTEM, snapshot).tolist() == [0, 0, 0]


def test_neighbours_strictly_within_reach():
    for apart, expected in ((1.5, 0), (np.nextafter(1.5, 0), 90 - 36)):  # sigma_SL is 1
        snapshot = gg.Snapshot([[0, 0], [apart, 0], [0, apart]], [L, S, S], [20, 20])
        np.testing.assert_allclose(steric_degrees(snapshot), [expected, 0, 0], atol=1e-12)


def test_invariances(state):
    system, snapshot = state
    x, types, box = snapshot.positions, snapshot.types, snapshot.box
    before = structure.steric_order(system, snapshot)
    order = np.random.default_rng(0).permutation(snapshot.n)
    images = np.random.default_rng(1).integers(-2, 3, x.shape) * box
    for positions in (x + [3.3, -40.0], x @ [[0, 1], [-1, 0]], x * [-1, 1], x[:, ::-1], x + images):
        moved = gg.Snapshot(positions[order], types[order], box)
        np.testing.assert_allclose(structure.steric_order(system, moved), before[order], rtol=0, atol=1e-12)
    both = structure.steric_order(system, [snapshot, moved])
    assert both.shape == (2, snapshot.n) and np.array_equal(both[0], before)
    assert np.array_equal(both[1], structure.steric_order(system, moved))


def test_inherent_structures_are_better_packed(film):
    system, snapshot = film
    thermal = structure.steric_order(system, snapshot)
    inherent = structure.steric_order(system, structure.inherent_structure(system, snapshot, progress=False))
    assert 0 < inherent.mean() < 0.9 * thermal.mean()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, x: structure.steric_order(s, x, reach=0), "reach=0: must be above 0"),
        (lambda s, x: structure.steric_order(s, x, reach="far"), "not a number"),
        (lambda s, x: structure.steric_order(s, x, reach=9), "neighbors reaches 10.5"),
        (lambda s, x: structure.steric_order(x, s), "order of arguments"),
        (lambda s, x: structure.steric_order(s, []), "at least one Snapshot"),
        (lambda s, x: structure.steric_order(s, gg.Snapshot(x.positions, x.types + 3, x.box)), "number species from 0"),
        (lambda s, x: structure.steric_order(gg.systems.kob_andersen(), x), "the snapshot has 2"),
    ],
)
def test_bad_input(film, call, message):
    with pytest.raises(gg.errors.InvalidInput, match=message):
        call(*film)


def test_lengths_without_a_triangle():
    sigma = np.array(SYSTEM.sigma)
    sigma[L, L] = 2.1
    far = dataclasses.replace(SYSTEM, sigma=sigma)
    with pytest.raises(gg.errors.InvalidInput, match=r"sigma of SL, LL and LS are 1, 2\.1, 1: no sides of a triangle"):
        structure.steric_order(far, cage("S", "LLLLL")[0])


def test_a_bond_without_length():
    snapshot = gg.Snapshot([[0, 0], [3, 3], [3, 3]], [M, M, M], [20, 20])
    with pytest.raises(gg.errors.ParticlesOverlap, match="particles 1 and 2 stand at the same place"):
        structure.steric_order(SYSTEM, snapshot)


def test_three_dimensions(liquid):
    with pytest.raises(gg.errors.InvalidInput, match="defined in two dimensions"):
        structure.steric_order(*liquid)
