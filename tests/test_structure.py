"""Inherent and cage states, g(r), S(k), crystals: slow forms, freud, known answers."""

from __future__ import annotations

import freud
import numpy as np
import pytest

import glassgpu as gg
from glassgpu import structure


def turned(snapshot, order, shift):
    return gg.Snapshot((snapshot.positions + shift)[order], snapshot.types[order], snapshot.box)


@pytest.mark.parametrize("which", ["liquid", "film"])
def test_radial_distribution_slow_form(which, request):
    system, snapshot = request.getfixturevalue(which)
    bins, r_max = 30, 3.0
    found = structure.radial_distribution([snapshot, turned(snapshot, np.arange(snapshot.n)[::-1], 0.7)], r_max, bins, system.species)
    width = r_max / bins
    for a in range(len(system.species)):
        for b in range(len(system.species)):
            counts = np.zeros(bins)
            of_b = np.flatnonzero(snapshot.types == b)
            for i in np.flatnonzero(snapshot.types == a):
                apart = snapshot.positions[of_b[of_b != i]] - snapshot.positions[i]
                apart -= snapshot.box * np.rint(apart / snapshot.box)
                counts += np.histogram(np.linalg.norm(apart, axis=1), bins, (0, r_max))[0]
            n_a, n_b = (snapshot.types == a).sum(), (snapshot.types == b).sum()
            edges = np.arange(bins + 1) * width
            shell = np.diff(edges**2) * np.pi if system.dimension == 2 else np.diff(edges**3) * 4 / 3 * np.pi
            pairs = n_a * n_b - (n_a if a == b else 0)
            np.testing.assert_allclose(found[a, b], counts / pairs * snapshot.box.prod() / shell, rtol=1e-9)
    assert found.dims == ("first", "second", "distance")


def test_radial_distribution_against_freud(liquid):
    _, snapshot = liquid
    a = snapshot.positions[snapshot.types == 0]
    theirs = freud.density.RDF(bins=50, r_max=3.5, normalization_mode="finite_size")
    theirs.compute((freud.box.Box(*snapshot.box), a.astype(np.float32)))
    found = structure.radial_distribution(snapshot, 3.5, 50).sel(first="A", second="A")
    # freud's positions are float32: a pair at an edge may change its bin.
    np.testing.assert_allclose(found, theirs.rdf, atol=0.02)
    assert found.max() > 2


def test_an_ideal_gas_has_no_correlations():
    random = np.random.default_rng(0)
    gas = [gg.Snapshot(random.uniform(-5, 5, (1500, 3)), np.zeros(1500, int), np.full(3, 10.0)) for _ in range(4)]
    g = structure.radial_distribution(gas, 5.0, 20, ["A"])[0, 0]
    np.testing.assert_allclose(g[4:], 1, atol=0.03)
    s = structure.structure_factor(gas, 8.0, 20, ["A"])[0, 0]
    assert float(s[5:].mean()) == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("which", ["liquid", "film"])
def test_structure_factor_slow_form(which, request):
    system, snapshot = request.getfixturevalue(which)
    found = structure.structure_factor(snapshot, 3.0, 6, system.species, per_bin=10_000)
    unit, most = 2 * np.pi / snapshot.box[0], int(3.0 / (2 * np.pi / snapshot.box[0])) + 1
    sums, many = np.zeros((len(system.species),) * 2 + (6,)), np.zeros(6)
    for n in np.ndindex(*[2 * most + 1] * system.dimension):  # both halves of reciprocal space
        k = (np.array(n) - most) * unit
        if not 0 < np.linalg.norm(k) < 3.0:
            continue
        rho = [sum(np.exp(1j * (k @ x)) for x in snapshot.positions[snapshot.types == s]) for s in range(len(system.species))]
        bin_of = int(np.linalg.norm(k) * 2)
        many[bin_of] += 1
        sums[:, :, bin_of] += [[(a * np.conj(b)).real / snapshot.n for b in rho] for a in rho]
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(found, sums / many, rtol=1e-8, atol=1e-9)


def test_structure_factor_against_freud(liquid):
    """freud takes one octant of reciprocal space, ours half of it: all mirror images are averaged.
    Vectors with a zero component then count more often, which is felt where there are few."""
    _, snapshot = liquid
    theirs = []
    for mirror in np.ndindex(2, 2):
        x = snapshot.positions * [1, *(1 - 2 * np.array(mirror))]
        one = freud.diffraction.StaticStructureFactorDirect(bins=12, k_max=12.0, k_min=0)
        one.compute((freud.box.Box(*snapshot.box), x.astype(np.float32)))
        theirs.append(one.S_k)
    ours = structure.structure_factor(snapshot, 12.0, 12, per_bin=10**6).sum(["first", "second"], skipna=False)
    np.testing.assert_allclose(ours.values[4:], np.mean(theirs, axis=0)[4:], rtol=0.1)
    assert np.nanargmax(ours.values) == np.argmax(np.mean(theirs, axis=0)[1:]) + 1 == 7  # the first peak, k = 7.2


@pytest.mark.parametrize("function", [structure.radial_distribution, structure.structure_factor])
def test_correlations_are_invariant(function, liquid):
    _, snapshot = liquid
    other = turned(snapshot, np.random.default_rng(0).permutation(snapshot.n), np.array([0.3, -7.0, 2.0]))
    np.testing.assert_allclose(function(snapshot, 3.0, 20), function(other, 3.0, 20), rtol=1e-8, atol=1e-12)


def fcc(cells, jiggle):
    base = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    corners = np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    x = (corners + base).reshape(-1, 3) * 1.5
    x += np.random.default_rng(0).normal(0, jiggle, x.shape)
    return gg.Snapshot(x, np.zeros(len(x), int), np.full(3, cells * 1.5))


def test_crystals_are_seen_and_liquids_are_not(liquid):
    assert structure.largest_crystalline_cluster(fcc(5, 0.03)) > 0.95
    assert structure.largest_crystalline_cluster(liquid[1]) < 0.02
    # A crystal in one half of the box, a gas-like rest.
    snapshot = fcc(6, 0.03)
    x = snapshot.positions.copy()
    right = x[:, 0] > 0
    x[right] += np.random.default_rng(2).normal(0, 0.35, (right.sum(), 3))
    assert 0.25 < structure.largest_crystalline_cluster(gg.Snapshot(x, snapshot.types, snapshot.box)) < 0.6
    with pytest.raises(gg.errors.InvalidInput, match="three dimensions"):
        structure.largest_crystalline_cluster(gg.Snapshot(x[:, :2], snapshot.types, snapshot.box[:2]))


def test_crystals_against_freud():
    snapshot = fcc(6, 0.11)  # half molten
    query = {"r_max": 1.4, "exclude_ii": True}
    points = (freud.box.Box(*snapshot.box), snapshot.positions.astype(np.float32))
    theirs = freud.order.SolidLiquid(l=6, q_threshold=0.7, solid_threshold=8)
    theirs.compute(points, query)
    share = structure.largest_crystalline_cluster(snapshot)
    assert 0.05 < share < 0.99
    assert share == pytest.approx(theirs.largest_cluster_size / snapshot.n, abs=2e-3)


def test_inherent_structure_of_a_sequence(film):
    system, snapshot = film
    one = structure.inherent_structure(system, snapshot, backend="cpu", progress=False)
    two = structure.inherent_structure(system, [snapshot, snapshot], backend="cpu", progress=False)
    assert np.array_equal(one.positions, two[1].positions)
    assert np.array_equal(one.types, snapshot.types)


def test_cage_state_of_hard_spheres():
    """By their own dynamics: the mean over runs and times of stored positions; rattling is gone."""
    system = gg.systems.hard_spheres(n=200, packing_fraction=0.55)
    snapshot = system.random_snapshot(1)
    options = {"temperature": 1.0, "duration": 0.8, "replicas": 8, "samples": 4, "backend": "cpu", "progress": False}
    cage = structure.cage_state(system, snapshot, seed=1, **options)
    run = gg.simulate.edmd(
        system,
        snapshot,
        temperature=1.0,
        times=[0.5, 0.6, 0.7, 0.8],
        replicas=8,
        seed=1,
        keep_positions=True,
        backend="cpu",
        progress=False,
    )
    apart = cage.positions - snapshot.positions - gg.dynamics.displacements(snapshot.positions, run.positions).mean(axis=(0, 1))
    assert abs(apart - snapshot.box * np.rint(apart / snapshot.box)).max() < 1e-7
    assert spread(cage, structure.cage_state(system, snapshot, seed=2, **options)) < 0.6 * spread(cage, snapshot)


@pytest.mark.parametrize("which", ["liquid", "film"])
def test_cage_state(which, request):
    system, snapshot = request.getfixturevalue(which)
    options = {"temperature": 0.3, "duration": 0.8, "replicas": 8, "samples": 4, "backend": "cpu", "progress": False}
    cage = structure.cage_state(system, snapshot, seed=1, **options)
    # By hand: the mean over runs and times of stored positions.
    times = [0.5, 0.6, 0.7, 0.8]
    run = gg.simulate.md(
        system, snapshot, temperature=0.3, times=times, replicas=8, seed=1, keep_positions=True, backend="cpu", progress=False
    )
    mean = gg.dynamics.displacements(snapshot.positions, run.positions).mean(axis=(0, 1))
    apart = cage.positions - snapshot.positions - mean
    assert abs(apart - snapshot.box * np.rint(apart / snapshot.box)).max() < 1e-8
    # Vibrations are gone: two disjoint ensembles agree better than one agrees with the snapshot.
    other = structure.cage_state(system, snapshot, seed=2, **options)
    assert spread(cage, other) < 0.5 * spread(cage, snapshot)
    both = structure.cage_state(system, [snapshot, snapshot], seed=1, **options)
    assert np.array_equal(both[0].positions, cage.positions)
    with pytest.raises(gg.errors.InvalidInput, match="duration"):
        structure.cage_state(system, snapshot, temperature=0.3, duration=0.01)


def spread(a, b):
    apart = a.positions - b.positions
    apart -= a.box * np.rint(apart / a.box)
    return float(np.sqrt((apart**2).sum(axis=1).mean()))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: structure.radial_distribution(s, 100.0), "half the shortest side"),
        (lambda s: structure.radial_distribution(s, 2.0, species=["A"]), "name every species"),
        (lambda s: structure.radial_distribution([], 2.0), "no snapshot"),
        (lambda s: structure.structure_factor(s, -1.0), "k_max"),
        (lambda s: structure.largest_crystalline_cluster(s, coherence=3), "coherence"),
    ],
)
def test_bad_input(liquid, call, message):
    with pytest.raises(gg.errors.InvalidInput, match=message):
        call(liquid[1])
