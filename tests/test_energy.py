"""Energy, forces and pressure against slow forms, invariances, published figures and LAMMPS."""

from __future__ import annotations

import os

import numpy as np
import pytest
from references import all_pairs, pair_energy

import glassgpu as gg
from benchmarks.peers import lammps_md


def systems():
    return {
        "KA per pair": gg.systems.kob_andersen(n=300, cutoff="per_pair"),
        "KA sigma_AA": gg.systems.kob_andersen(n=300),
        "KA smooth": gg.systems.kob_andersen(n=300, law="smooth"),
        "ternary": gg.systems.ternary_2d(n=200),
    }


BACKEND = os.environ.get("GLASSGPU_TEST_BACKEND", "cpu")  # benchmarks/gpu_check.py says "cuda"


def energy(system, snapshot, precision="double"):
    return gg.energy(system, snapshot, precision=precision, backend=BACKEND)


def moved(snapshot, positions):
    return gg.Snapshot(positions, snapshot.types, snapshot.box)


@pytest.mark.parametrize("name", list(systems()))
@pytest.mark.parametrize("side", [1.001, 1.16, 1.24])  # of 5: just above 2 r_c, 2.9 and 3.1 cells of 2 r_c / 2
def test_equals_all_pairs(name, side, lattice):
    system = systems()[name]
    d = system.dimension
    reach = system.cutoff.max()
    length = {1.001: 2 * reach * 1.001, 1.16: 2.9 * reach, 1.24: 3.1 * reach}[side]
    snapshot = lattice(round(length / 1.05), length, d, len(system.species), jiggle=0.2)
    slow_energy, slow_force, slow_virial = all_pairs(system, snapshot.positions, snapshot.types, snapshot.box)
    fast = energy(system, snapshot)
    np.testing.assert_allclose(fast.per_particle, slow_energy, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(fast.forces, slow_force, rtol=1e-9, atol=1e-8)
    assert fast.potential == pytest.approx(slow_energy.sum(), rel=1e-12)
    assert fast.pressure == pytest.approx(slow_virial / d / snapshot.box.prod(), rel=1e-11)
    single = energy(system, snapshot, "single")
    assert single.potential == pytest.approx(slow_energy.sum(), rel=1e-6)
    np.testing.assert_allclose(single.forces, slow_force, rtol=2e-4, atol=2e-3)


@pytest.mark.parametrize("name", list(systems()))
def test_force_is_minus_gradient_and_momentum_is_conserved(name):
    system = systems()[name]
    snapshot = system.random_snapshot(3)
    forces = energy(system, snapshot).forces
    scale = np.abs(forces).max()
    assert np.abs(forces.sum(axis=0)).max() < 1e-12 * scale * snapshot.n
    h = 1e-6
    for i in (0, 7, snapshot.n - 1):
        for k in range(system.dimension):
            ends = []
            for sign in (1, -1):
                x = snapshot.positions.copy()
                x[i, k] += sign * h
                ends.append(energy(system, moved(snapshot, x)).potential)
            assert forces[i, k] == pytest.approx(-(ends[0] - ends[1]) / (2 * h), rel=1e-5, abs=1e-6 * scale)


@pytest.mark.parametrize("name", ["KA smooth", "ternary"])
def test_pressure_is_minus_the_volume_derivative(name):
    system = systems()[name]
    snapshot = system.random_snapshot(4)
    h, d = 1e-6, system.dimension
    ends = []
    for sign in (1, -1):
        factor = 1 + sign * h
        ends.append(energy(system, gg.Snapshot(snapshot.positions * factor, snapshot.types, snapshot.box * factor)).potential)
    volume = snapshot.box.prod()
    assert energy(system, snapshot).pressure == pytest.approx(-(ends[0] - ends[1]) / (2 * h * d * volume), rel=1e-6)


@pytest.mark.parametrize("precision", ["double", "single"])
def test_invariances(precision):
    system = gg.systems.kob_andersen(n=400)
    snapshot = system.random_snapshot(5)
    random = np.random.default_rng(0)
    before = energy(system, snapshot, precision)
    tolerance = {"double": 1e-10, "single": 3e-4}[precision] * np.abs(before.per_particle).max()
    shift = moved(snapshot, snapshot.positions + np.array([1.234, -5.6, 20.0]))
    np.testing.assert_allclose(energy(system, shift, precision).per_particle, before.per_particle, atol=tolerance)
    images = moved(snapshot, snapshot.positions + snapshot.box * random.integers(-3, 4, snapshot.positions.shape))
    np.testing.assert_allclose(energy(system, images, precision).per_particle, before.per_particle, atol=tolerance)
    turned = energy(system, moved(snapshot, snapshot.positions[:, [1, 2, 0]] * [1, -1, 1]), precision)
    np.testing.assert_allclose(turned.per_particle, before.per_particle, atol=tolerance)
    order = random.permutation(snapshot.n)
    permuted = energy(system, gg.Snapshot(snapshot.positions[order], snapshot.types[order], snapshot.box), precision)
    np.testing.assert_allclose(permuted.per_particle, before.per_particle[order], atol=tolerance)
    np.testing.assert_allclose(permuted.forces, before.forces[order], atol=100 * tolerance)


@pytest.mark.parametrize("name", ["ternary", "KA smooth"])
def test_smooth_law_is_twice_differentiable(name):
    system = systems()[name]
    s = len(system.species)
    for a in range(s):
        for b in range(s):
            for radius in (system.inner[a, b], system.cutoff[a, b]):
                h = 1e-3
                left, right = ([pair_energy(system, a, b, np.array([radius + side * k * h]))[0] for k in range(1, 5)] for side in (-1, 1))
                # Extrapolate value, slope and curvature to the radius from either side.
                points = np.vander(h * np.arange(1, 5), 4, increasing=True)
                from_left, from_right = np.linalg.solve(points, left), np.linalg.solve(points, right)
                assert abs(from_left[0] - from_right[0]) < 1e-9
                assert abs(from_left[1] + from_right[1]) < 1e-6
                assert abs(from_left[2] - from_right[2]) < 2e-3


@pytest.mark.parametrize(("cutoff", "expected"), [("per_pair", -7.043863138681), ("sigma_AA", -7.205197744483)])
def test_published_configuration_bapst(bapst, cutoff, expected):
    system = gg.systems.kob_andersen(cutoff=cutoff)
    assert energy(system, bapst.snapshot).potential / 4096 == pytest.approx(expected, abs=1e-10)
    assert energy(system, bapst.snapshot, "single").potential / 4096 == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("cutoff", "expected"), [("per_pair", -7.007894491392), ("sigma_AA", -7.168579219738)])
def test_published_configuration_botan(data, cutoff, expected):
    snapshot = gg.io.read_botan(data / "botan" / "isoconfig_N4096T0.44_1_tc07.npz").snapshot
    assert energy(gg.systems.kob_andersen(cutoff=cutoff), snapshot).potential / 4096 == pytest.approx(expected, abs=1e-10)


def test_equals_lammps(liquid):
    if lammps_md.available():
        pytest.skip(lammps_md.available())
    system, snapshot = liquid
    peer = lammps_md.Lammps(system, snapshot, dt=0.005, skin=0.3)
    own = energy(system, snapshot)
    assert own.potential == pytest.approx(peer.thermo("pe"), rel=1e-12)
    kinetic = 2 * peer.thermo("ke") / 3 / snapshot.box.prod()
    assert own.pressure == pytest.approx(peer.thermo("press") - kinetic, rel=1e-9)


def test_a_batch_equals_its_members():
    system = gg.systems.kob_andersen(n=300)
    snapshots = [system.random_snapshot(k) for k in range(3)]
    together = energy(system, snapshots)
    for k, snapshot in enumerate(snapshots):
        assert np.array_equal(together.forces[k], energy(system, snapshot).forces)


@pytest.mark.parametrize("cells", [(1, 3, 4), (5, 1, 3), (4, 5, 6), (6, 4, 1)])
def test_boxes_of_unequal_sides_in_one_batch(cells):
    """One to six cells of the list radius along each direction, two boxes in one call."""
    system = gg.systems.kob_andersen(n=10, cutoff="per_pair")
    random = np.random.default_rng(sum(cells))
    snapshots = []
    for stretch in (2.05, 2.45):
        box = np.array([stretch if c == 1 else c + 0.02 * stretch for c in cells]) * np.where(np.array(cells) == 1, 2.5, 2.5)
        grid = np.stack(np.meshgrid(*[np.arange(int(np.ceil(side / 1.3))) for side in (15.5, 15.5, 15.5)], indexing="ij"), -1).reshape(
            -1, 3
        )
        x = (grid[random.permutation(len(grid))[:700]] + random.uniform(0.3, 0.7, (700, 3))) * box / np.ceil(15.5 / 1.3)
        snapshots.append(gg.Snapshot(x, random.integers(0, 2, 700), box))
    both = energy(system, snapshots)
    for k, snapshot in enumerate(snapshots):
        slow, force, _ = all_pairs(system, snapshot.positions, snapshot.types, snapshot.box)
        np.testing.assert_allclose(both.per_particle[k], slow, rtol=1e-10)
        np.testing.assert_allclose(both.forces[k], force, rtol=1e-8, atol=1e-9 * np.abs(force).max())


def test_coincident_particles_are_refused():
    system = gg.systems.kob_andersen(n=300)
    snapshot = system.random_snapshot(1)
    x = snapshot.positions.copy()
    x[5] = x[9]
    with pytest.raises(gg.errors.ParticlesOverlap, match="particles 5 and 9"):
        energy(system, moved(snapshot, x))
