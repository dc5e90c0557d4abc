"""Order in two dimensions: by hand, slow forms, freud, crystals, quasi-crystals, demixing, liquids."""

from __future__ import annotations

import importlib

import freud
import numpy as np
import pytest

import glassgpu as gg
from glassgpu import structure

SYSTEM = gg.systems.ternary_2d(n=300)
S, M, L = range(3)
REACH = 1.5 * SYSTEM.sigma[M, M]  # 1.345


def of_one_species(positions, box):
    return gg.Snapshot(positions, np.full(len(positions), M), np.broadcast_to(box, 2))


def jiggled(snapshot, amplitude, seed=0):
    noise = np.random.default_rng(seed).normal(0, amplitude, snapshot.positions.shape)
    return gg.Snapshot(snapshot.positions + noise, snapshot.types, snapshot.box)


def tiled(cell, sides, times):
    """Copies of a unit cell, whose particles are given in units of its sides."""
    corners = np.stack(np.meshgrid(*[np.arange(k) for k in times], indexing="ij"), -1).reshape(-1, 1, 2)
    return of_one_species(((corners + np.array(cell)) * sides).reshape(-1, 2), np.array(sides) * times)


def hexagonal(times):
    return tiled([[0, 0], [0.5, 0.5]], [1, np.sqrt(3)], times)


def square(times):
    return tiled([[0, 0]], [1, 1], (times, times))


def snub_square(times):
    """3^2.4.3.4: an approximant of the dodecagonal quasi-crystal, all edges 1, in twelve directions."""
    u = (np.sqrt(3) - 1) / 4
    return tiled([[u, u + 0.5], [-u, 0.5 - u], [0.5 - u, u], [u + 0.5, -u]], [np.sqrt(2 + np.sqrt(3))] * 2, (times, times))


def penrose(radius, edge=1.2):
    """A patch of the Penrose tiling by rhombs, from de Bruijn's five grids, in a box with a margin."""
    e = np.exp(2j * np.pi * np.arange(5) / 5)
    shift = np.array([0.31, -0.17, 0.23, 0.11, -0.48])  # of sum 0
    found = set()
    for j in range(5):
        for k in range(j):
            both = np.array([[e[j].real, e[j].imag], [e[k].real, e[k].imag]])
            for a in range(-30, 31):
                for b in range(-30, 31):
                    z = complex(*np.linalg.solve(both, [a - shift[j], b - shift[k]]))
                    height = np.ceil((z * e.conj()).real + shift).astype(int)
                    for height[j], height[k] in ((a, b), (a + 1, b), (a, b + 1), (a + 1, b + 1)):
                        if abs(height @ e) < radius:
                            found.add(tuple(height.tolist()))
    z = np.array(sorted(found)) @ e * edge
    return of_one_species(np.stack([z.real, z.imag], axis=1), 2 * radius * edge + 3)


def slow_bond_order(system, snapshot, order, reach):
    out = np.zeros(snapshot.n, complex)
    for i in range(snapshot.n):
        angles = []
        for j in range(snapshot.n):
            apart = snapshot.positions[j] - snapshot.positions[i]
            apart -= snapshot.box * np.rint(apart / snapshot.box)
            if j != i and np.hypot(*apart) < reach * system.sigma[snapshot.types[i], snapshot.types[j]]:
                angles.append(np.arctan2(apart[1], apart[0]))
        if angles:
            out[i] = np.mean([np.cos(order * a) + 1j * np.sin(order * a) for a in angles])
    return out


@pytest.mark.parametrize(("order", "reach"), [(5, 1.5), (6, 1.5), (12, 1.2)])
def test_slow_form(film, order, reach):
    system, snapshot = film
    found = structure.bond_order(system, snapshot, order, reach)
    assert found.dtype == np.complex128
    np.testing.assert_allclose(found, slow_bond_order(system, snapshot, order, reach), atol=1e-12)


@pytest.mark.parametrize("order", [5, 6, 10])
def test_against_freud(film, order):
    """freud's complex order parameter over the same neighbours."""
    system, snapshot = film
    near = structure.neighbors(snapshot, 1.5 * system.sigma)
    i, k = np.nonzero(np.isfinite(near.distance))
    vector = np.column_stack([near.vector[i, k], np.zeros(len(i))])
    pairs = freud.locality.NeighborList.from_arrays(snapshot.n, snapshot.n, i, near.index[i, k], vector)
    points = np.column_stack([snapshot.positions, np.zeros(snapshot.n)]).astype(np.float32)
    theirs = freud.order.Hexatic(k=order).compute((freud.box.Box.square(snapshot.box[0]), points), neighbors=pairs)
    np.testing.assert_allclose(structure.bond_order(system, snapshot, order), theirs.particle_order, atol=2e-5)


def test_one_bond_by_hand():
    """A bond at 20 degrees, seen from both ends: exp(i n theta), and (-1)^n times that."""
    theta = np.pi / 9
    pair = of_one_species([[9.9, 9.9], [9.9 + np.cos(theta), 9.9 + np.sin(theta)]], 20)  # across the corner of the box
    for order in (1, 5, 6, 9):
        expected = np.exp(1j * order * theta) * np.array([1, (-1) ** order])
        np.testing.assert_allclose(structure.bond_order(SYSTEM, pair, order), expected, atol=1e-14)
    # A right angle: exp(i n 0) and exp(i n pi / 2), halved.
    corner = of_one_species([[0, 0], [1, 0], [0, 1]], 20)
    assert structure.bond_order(SYSTEM, corner, 6)[0] == pytest.approx(0, abs=1e-15)
    assert structure.bond_order(SYSTEM, corner, 8)[0] == pytest.approx(1)
    assert structure.bond_order(SYSTEM, corner, 5)[0] == pytest.approx((1 + 1j) / 2)


def test_neighbours_strictly_within_reach():
    for apart, expected in ((1.5, 0), (np.nextafter(1.5, 0), 1)):  # sigma_SL is 1
        pair = gg.Snapshot([[0, 0], [apart, 0]], [S, L], [20, 20])
        assert structure.bond_order(SYSTEM, pair, 6).tolist() == [expected] * 2


def test_lattices():
    for snapshot, order, other in ((hexagonal((12, 7)), 6, 8), (square(10), 8, 6), (snub_square(4), 12, 8)):
        assert abs(structure.bond_order(SYSTEM, snapshot, order)) == pytest.approx(1, abs=1e-9)
        assert abs(structure.bond_order(SYSTEM, snapshot, other)).max() < 0.7
    # Each particle of a snub square has its 5 bonds along 5 of the 12 directions of its neighbourhood.
    assert set(structure.neighbors(snub_square(4), REACH).count) == {5}


def test_invariances(film):
    """Order and images change nothing; a turn by phi turns psi_n by n phi."""
    system, snapshot = film
    order = np.random.default_rng(0).permutation(snapshot.n)
    for n in (5, 6):
        before = structure.bond_order(system, snapshot, n)
        moved = gg.Snapshot((snapshot.positions + [3.3, -40.0])[order], snapshot.types[order], snapshot.box)
        np.testing.assert_allclose(structure.bond_order(system, moved, n), before[order], atol=1e-12)
        turned = gg.Snapshot(snapshot.positions @ [[0, 1], [-1, 0]], snapshot.types, snapshot.box)  # by a quarter
        np.testing.assert_allclose(structure.bond_order(system, turned, n), before * 1j**n, atol=1e-12)
    one, two = structure.long_range_order(system, snapshot), structure.long_range_order(system, turned)
    three = structure.long_range_order(system, moved)
    for name, (value, limit) in one.figures.items():
        assert two.figures[name] == (pytest.approx(value, rel=1e-9, abs=1e-9), limit)
        assert three.figures[name] == (pytest.approx(value, rel=1e-9, abs=1e-9), limit)
    both = structure.bond_order(system, [snapshot, turned], 6)
    assert both.shape == (2, snapshot.n) and np.array_equal(both[1], structure.bond_order(system, turned, 6))


@pytest.mark.parametrize("which", ["film", "gas"])
def test_figures_by_their_definitions(which, request):
    """The gas stands in a longer box, which has two shells below k = 2; the liquid's has one."""
    if which == "film":
        system, snapshot = request.getfixturevalue("film")
    else:
        random = np.random.default_rng(6)
        box = np.array([25.0, 32.0])
        system, snapshot = SYSTEM, gg.Snapshot(random.random((400, 2)) * box, random.choice(3, 400, p=[0.1, 0.3, 0.6]), box)
    found = structure.long_range_order(system, snapshot)
    n, x, types = snapshot.n, snapshot.positions, snapshot.types
    for order in (5, 6, 8, 10, 12):
        psi = structure.bond_order(system, snapshot, order)
        assert found.bond_order[order] == pytest.approx(abs(sum(psi)) / np.sqrt(n))
        assert found.local_bond_order[order] == pytest.approx(np.mean(abs(psi)))
    unit = 2 * np.pi / snapshot.box
    vectors = [unit * (np.array(m) - 100) for m in np.ndindex(201, 201)]  # all directions, both halves
    vectors = [k for k in vectors if 0 < np.linalg.norm(k) <= 15]
    assert max(np.linalg.norm(vectors, axis=1)) > 14.9
    assert found.peak == pytest.approx(max(abs(np.exp(1j * (x @ k)).sum()) ** 2 for k in vectors) / n)
    width = 3 * max(unit)
    shells = [[k for k in vectors if int(np.linalg.norm(k) / width + 1e-6) == s] for s in range(int(2 / width))]
    assert len(shells) == {"film": 1, "gas": 2}[which]
    assert which == "gas" or len(shells[0]) == 24  # 12 wave vectors and their opposites
    means = []
    for species in range(3):
        share = np.mean(types == species)
        for shell in shells:
            c = [sum(((types == species) - share) * np.exp(1j * (x @ k))) for k in shell]
            means.append(np.mean(np.abs(c) ** 2) / (n * share * (1 - share)))
    assert found.demixing == pytest.approx(max(means))


def test_peaks_are_looked_for_up_to_15():
    """The first peaks of a square lattice lie at 2 pi / a: 14.96 and 15.14."""
    for a, expected in ((0.42, 1600), (0.415, 0)):
        lattice = tiled([[0, 0]], [a, a], (40, 40))
        assert structure.long_range_order(SYSTEM, lattice).peak == pytest.approx(expected, abs=1e-6)


def test_particles_in_parts(film, monkeypatch):
    """Of a large system only some phases are in memory at once: their sum is the same."""
    whole = structure.long_range_order(*film)
    monkeypatch.setattr(importlib.import_module("glassgpu.structure.bond_order"), "CHUNK", 70)
    assert structure.long_range_order(*film).peak == pytest.approx(whole.peak, rel=1e-12)


def test_demixing_is_measured_in_random_mixtures():
    """Of two species both fluctuate alike, so that the figure of one shell is their common one: 1 when they are drawn at
    random, wherever the particles stand."""
    random = np.random.default_rng(1)
    box = np.full(2, 17.0)
    for positions in (random.uniform(0, 17, (300, 2)), np.floor(random.permutation(400)[:300, None] / [20, 1]) % 20 * 0.85):
        figures = []
        for _ in range(200):
            types = random.permutation(np.repeat([S, L], [120, 180]))
            figures.append(structure.long_range_order(SYSTEM, gg.Snapshot(positions, types, box)).demixing)
        assert np.mean(figures) == pytest.approx(1, abs=4 * np.std(figures) / np.sqrt(200))
        assert np.std(figures) == pytest.approx(1 / np.sqrt(12), rel=0.2)
        assert max(figures) < 3


def test_a_liquid_passes(film):
    found = structure.long_range_order(*film)
    assert not found.ordered and found.excess < 0.75
    assert "NOT" not in str(found)
    assert "global |<psi_6>| sqrt(N)" in str(found) and "below 3" in str(found) and "largest S(k)" in str(found)


def broken(snapshot):
    """The names of the limits that a configuration breaks."""
    found = structure.long_range_order(SYSTEM, snapshot)
    names = {name for name, (value, limit) in found.figures.items() if value >= limit}
    assert found.ordered == bool(names)
    assert str(found).count("NOT below") == len(names)
    return names


def psi(n):
    return f"global |<psi_{n}>| sqrt(N)"


@pytest.mark.parametrize("noise", [0.0, 0.06])
def test_crystals_are_seen(noise):
    crystal = jiggled(hexagonal((24, 14)), noise)
    assert broken(crystal) >= {psi(6), "largest S(k)"}
    if not noise:
        found = structure.long_range_order(SYSTEM, crystal)
        assert found.peak == pytest.approx(crystal.n)
        assert found.bond_order[6] == pytest.approx(np.sqrt(crystal.n))
        assert found.local_bond_order[6] == pytest.approx(1)
    assert broken(jiggled(square(20), noise)) >= {psi(8), "largest S(k)"}


@pytest.mark.parametrize("noise", [0.0, 0.06])
def test_quasi_crystals_are_seen(noise):
    decagonal, dodecagonal = jiggled(penrose(10), noise), jiggled(snub_square(8), noise)
    assert decagonal.n > 300 and dodecagonal.n == 256
    seen = broken(decagonal)
    assert psi(10) in seen and psi(6) not in seen and psi(12) not in seen
    seen = broken(dodecagonal)
    assert psi(12) in seen and psi(6) not in seen and psi(10) not in seen


def test_grains_that_cancel():
    """Two halves turned by 30 degrees: psi_6 of one is minus that of the other, but not psi_12, and the peaks stay."""
    one = hexagonal((60, 35)).positions
    other = one @ [[np.sqrt(3) / 2, 0.5], [-0.5, np.sqrt(3) / 2]]
    inside = [x[(abs(x) < 14.5).all(axis=1) & side(x[:, 0])] for x, side in ((one, lambda u: u < -0.5), (other, lambda u: u > 0.5))]
    seen = broken(of_one_species(np.concatenate(inside), 30))
    assert {psi(12), "largest S(k)"} <= seen and psi(6) not in seen


@pytest.mark.parametrize("how", ["slabs", "drop", "half", "domains"])
def test_demixing_is_seen(film, how):
    """The species of a liquid exchanged so that they part: into slabs, around a drop, half of the way, into domains
    3 particles wide. Neither bond order nor Bragg peaks know."""
    snapshot = film[1]
    x, random = snapshot.positions, np.random.default_rng(2)
    waves = 2 * np.pi / snapshot.box * np.rint(random.normal(0, 1, (200, 2)) * snapshot.box / 3 / 2.5)
    key = {
        "slabs": x[:, 0],
        "drop": np.linalg.norm(x, axis=1),
        "half": np.sign(x[:, 1]) + random.normal(size=len(x)),
        "domains": np.cos(x @ waves.T + random.uniform(0, 2 * np.pi, 200)).sum(axis=1),
    }[how]
    types = np.empty_like(snapshot.types)
    types[np.argsort(key)] = np.sort(snapshot.types)
    assert broken(gg.Snapshot(x, types, snapshot.box)) == {"composition fluctuation over that of random mixing"}


def test_one_species_cannot_demix():
    gas = of_one_species(np.random.default_rng(0).uniform(0, 18, (300, 2)), 18)
    assert structure.long_range_order(SYSTEM, gas).demixing == 0
    assert not broken(gas)


def test_boxes_need_not_be_square():
    """A liquid beside itself: every wave vector of the small box is one of the large one, with twice the intensity."""
    random = np.random.default_rng(4)
    x, types = random.uniform(0, 15, (200, 2)), random.integers(0, 3, 200)
    one = structure.long_range_order(SYSTEM, gg.Snapshot(x, types, [15, 15]))
    two = structure.long_range_order(SYSTEM, gg.Snapshot(np.concatenate([x, x + [15, 0]]), np.tile(types, 2), [30, 15]))
    assert two.peak == pytest.approx(2 * one.peak)
    assert two.bond_order[6] == pytest.approx(np.sqrt(2) * one.bond_order[6])
    assert two.local_bond_order[6] == pytest.approx(one.local_bond_order[6])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, x: structure.bond_order(s, x, 0), "order=0: must be at least 1"),
        (lambda s, x: structure.bond_order(s, x, 6.0), "order=6.0: give a whole number"),
        (lambda s, x: structure.bond_order(s, x, 6, reach=-1), "reach=-1: must be above 0"),
        (lambda s, x: structure.bond_order(s, x, 6, reach=9), "neighbors reaches 10.5"),
        (lambda s, x: structure.bond_order(x, s, 6), "order of arguments"),
        (lambda s, x: structure.bond_order(s, gg.Snapshot(x.positions, x.types + 3, x.box), 6), "number species from 0"),
        (lambda s, x: structure.long_range_order(x, s), "order of arguments"),
        (lambda s, x: structure.long_range_order(s, x, reach="far"), "not a number"),
        (lambda s, x: structure.long_range_order(gg.systems.kob_andersen(), x), "the snapshot has 2"),
    ],
)
def test_bad_input(film, call, message):
    with pytest.raises(gg.errors.InvalidInput, match=message):
        call(*film)


def test_a_bond_without_length():
    pair = of_one_species([[0, 0], [3, 3], [3, 3]], 20)
    with pytest.raises(gg.errors.ParticlesOverlap, match="particles 1 and 2 stand at the same place"):
        structure.bond_order(SYSTEM, pair, 6)


def test_three_dimensions(liquid):
    for call in (structure.long_range_order, lambda s, x: structure.bond_order(s, x, 6)):
        with pytest.raises(gg.errors.InvalidInput, match="largest_crystalline_cluster is for three"):
            call(*liquid)
