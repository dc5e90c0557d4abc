"""Symmetry functions against a slow form, hand-solved cases, invariances and DScribe."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest
from in_this_process import InThisProcess

import glassgpu as gg
from benchmarks.peers.dscribe_acsf import Acsf
from glassgpu import launch, structure
from glassgpu.descriptors import BehlerParrinello, coarse_grain
from glassgpu.descriptors.behler_parrinello import ANGULAR

TINY = 1e-12  # below which "relative" means nothing; columns of the ternary mixture reach 50


def fade(r, cutoff):
    return np.where(r <= cutoff, 0.5 * (np.cos(np.pi * r / cutoff) + 1), 0.0)


def slow_row(snapshot, i, species, cutoff=5.0, angular=ANGULAR):
    """One particle's columns by loops over neighbours and ordered pairs of them."""
    d = snapshot.positions - snapshot.positions[i]
    d -= snapshot.box * np.rint(d / snapshot.box)
    r = np.linalg.norm(d, axis=1)
    others = [j for j in range(snapshot.n) if j != i and r[j] < cutoff]
    out = []
    for a in range(species):
        for mu in 0.3 + 0.1 * np.arange(48):
            out.append(sum(np.exp(-((r[j] - mu) ** 2) / 0.1**2) * fade(r[j], cutoff) for j in others if snapshot.types[j] == a))
    for a, b in combinations_with_replacement(range(species), 2):
        total = np.zeros(len(angular))
        for j in others:
            for k in others:
                if j == k or snapshot.types[j] != a or snapshot.types[k] != b:
                    continue
                across = np.linalg.norm(d[j] - d[k])
                if across > cutoff:
                    continue
                cosine = d[j] @ d[k] / (r[j] * r[k])
                common = fade(r[j], cutoff) * fade(r[k], cutoff) * fade(across, cutoff)
                for s, (xi, zeta, sign) in enumerate(angular):
                    bell = np.exp(-(r[j] ** 2 + r[k] ** 2 + across**2) / xi**2)
                    total[s] += 2.0 ** (1 - zeta) * bell * (1 + sign * cosine) ** zeta * common
        out.extend(total)
    return np.array(out)


@pytest.fixture(scope="module", params=["thermal", "inherent"])
def state(request, film):
    system, snapshot = film
    return snapshot if request.param == "thermal" else structure.inherent_structure(system, snapshot, progress=False)


def test_every_column_equals_a_slow_form(state):
    describe = BehlerParrinello()
    columns = describe(state)
    assert columns.shape == (300, 276)
    at_corner = int(np.abs(state.positions).min(axis=1).argmax())
    for i in (0, *(int(np.flatnonzero(state.types == s)[0]) for s in (1, 2)), at_corner):
        np.testing.assert_allclose(columns.values[i], slow_row(state, i, 3), rtol=1e-9, atol=TINY)
    assert columns.std("particle").min() > 0


def test_three_dimensions_and_other_species(liquid):
    snapshot = liquid[1]
    angular = ((2.0, 3, -1), (1.5, 5, 1), (2.0, 3, 1))
    describe = BehlerParrinello(species=("A", "B"), cutoff=3.7, angular=angular)
    columns = describe.compute(snapshot)
    assert columns.shape == (500, 2 * 48 + 3 * 3)
    for i in (0, 450):
        np.testing.assert_allclose(columns[i], slow_row(snapshot, i, 2, 3.7, angular), rtol=1e-9, atol=TINY)


def test_names_and_counts():
    names = BehlerParrinello().columns
    assert len(names) == len(set(names)) == 276
    assert names[11] == "G_S(11)" and names[48] == "G_M(0)" and names[96] == "G_L(0)"
    assert [names[144 + 22 * k] for k in range(6)] == [f"Psi_{p}(0)" for p in ("SS", "SM", "SL", "MM", "ML", "LL")]
    assert names[-1] == "Psi_LL(21)"
    assert repr(BehlerParrinello(r_max=8.0)) == repr(BehlerParrinello()) != repr(BehlerParrinello(coarse_graining=1.5))


def cluster(*points, types=None):
    return gg.Snapshot(np.array(points, float), [0] * len(points) if types is None else types, [30.0] * len(points[0]))


@pytest.mark.filterwarnings("ignore:no particle is of species")  # which is meant
def test_two_particles_by_hand():
    """G(k) = e^(-(1 - mu)^2 / 0.01) (cos(pi / 5) + 1) / 2 at distance 1; no angle anywhere."""
    columns = BehlerParrinello().compute(cluster((0, 0), (0.6, 0.8), types=[0, 2]))
    fades = (np.cos(np.pi / 5) + 1) / 2
    expected = np.exp(-((1 - 0.3 - 0.1 * np.arange(48)) ** 2) / 0.01) * fades
    np.testing.assert_allclose(columns[0, 96:144], expected, rtol=1e-12, atol=1e-300)  # the L seen from the S
    np.testing.assert_allclose(columns[1, :48], expected, rtol=1e-12, atol=1e-300)
    assert columns[0, :96].max() == columns[1, 48:].max() == columns[0, 144:].max() == 0


@pytest.mark.filterwarnings("ignore:no particle is of species")  # which is meant
@pytest.mark.parametrize("like", [True, False])
def test_a_triangle_by_hand(like):
    """Sides 0.9, 1.2 and 1.5: cos = 0 at the right angle, 0.6 and 0.8 at the others. Like neighbours count twice."""
    points = ((0, 0), (0.9, 0), (0, 1.2))
    types = [0, 1, 1] if like else [0, 1, 2]
    columns = BehlerParrinello().compute(cluster(*points, types=types))
    common = np.prod([(np.cos(np.pi * r / 5) + 1) / 2 for r in (0.9, 1.2, 1.5)])
    squares = 0.9**2 + 1.2**2 + 1.5**2

    def by_hand(cosine):
        return np.array([2.0 ** (1 - z) * np.exp(-squares / xi**2) * (1 + s * cosine) ** z * common for xi, z, s in ANGULAR])

    pair = 3 if like else 4  # MM or ML
    block = columns[0, 144 + 22 * pair : 144 + 22 * (pair + 1)]
    np.testing.assert_allclose(block, (2 if like else 1) * by_hand(0.0), rtol=1e-12)
    others = np.delete(columns[0, 144:].reshape(6, 22), pair, axis=0)
    assert others.max() == 0
    # Seen from the second particle: S at its right, at cos = 0.6, with the other one.
    seen = columns[1, 144:].reshape(6, 22)[1 if like else 2]
    np.testing.assert_allclose(seen, by_hand(0.6), rtol=1e-12)


@pytest.mark.filterwarnings("ignore:no particle is of species")  # which is meant
def test_nothing_reaches_beyond_the_cutoff():
    """A pair further apart than R_c makes no triple, though both are within it of the centre."""
    columns = BehlerParrinello().compute(cluster((0, 0), (-2.6, 0), (2.6, 0)))
    assert columns[0, 144:].max() == 0 and columns[0, :48].max() > 0
    columns = BehlerParrinello().compute(cluster((0, 0), (5.0001, 0)))
    assert columns.max() == 0


def test_invariances(film):
    _, snapshot = film
    describe = BehlerParrinello(coarse_graining=1.5, r_max=8.0)
    columns = describe.compute(snapshot)
    random = np.random.default_rng(0)
    order = random.permutation(snapshot.n)
    x, box = snapshot.positions, snapshot.box
    turned = gg.Snapshot(np.stack([-x[:, 1], x[:, 0]], axis=1), snapshot.types, box[::-1])
    for other, expected in (
        (gg.Snapshot(x + [1.3, -4.1], snapshot.types, box), columns),
        (gg.Snapshot(x + box * random.integers(-3, 4, x.shape), snapshot.types, box), columns),
        (gg.Snapshot(x[order], snapshot.types[order], box), columns[order]),
        (gg.Snapshot(x * [-1, 1], snapshot.types, box), columns),
        (turned, columns),
    ):
        np.testing.assert_allclose(describe.compute(other), expected, rtol=1e-9, atol=TINY)


def test_any_rotation_of_a_cluster():
    random = np.random.default_rng(1)
    for d in (2, 3):
        grid = np.stack(np.meshgrid(*[np.arange(3.0)] * d), axis=-1).reshape(-1, d)
        x = grid + random.uniform(-0.3, 0.3, grid.shape)
        turn, _ = np.linalg.qr(random.normal(size=(d, d)))
        types = random.integers(0, 3, len(x))
        before, after = (BehlerParrinello().compute(cluster(*y, types=types)) for y in (x, x @ turn))
        np.testing.assert_allclose(after, before, rtol=1e-9, atol=TINY)


def test_coarse_graining_averages_every_column(film):
    _, snapshot = film
    fine = BehlerParrinello().compute(snapshot)
    _, average = coarse_grain(fine, snapshot, 1.5, 8.0)
    np.testing.assert_allclose(BehlerParrinello(coarse_graining=1.5, r_max=8.0).compute(snapshot), average[:, 0, 0], rtol=1e-12)


def test_equals_dscribe(liquid, film):
    """ACSF: G2 and G4, of two species in space and of three in the plane."""
    _, snapshot = liquid
    describe = BehlerParrinello(species=("A", "B"), radial=(0.3, 2.9, 27, 0.1), cutoff=3.0)
    some = np.array([0, 1, 250, 499])
    theirs = Acsf(describe).columns(snapshot, some)
    np.testing.assert_allclose(describe.compute(snapshot)[some], theirs, rtol=1e-6, atol=1e-10)
    plane, describe = film[1], BehlerParrinello()
    some = np.arange(0, 300, 50)
    np.testing.assert_allclose(describe.compute(plane)[some], Acsf(describe).columns(plane, some), rtol=1e-6, atol=1e-10)


def test_neither_batch_nor_threads_nor_order_reach_a_column(film):
    _, snapshot = film
    other = gg.Snapshot(1.01 * snapshot.positions[::-1], snapshot.types[::-1], 1.01 * snapshot.box)
    describe = BehlerParrinello(coarse_graining=1.5, r_max=8.0, threads=3)
    together = describe.compute_all([snapshot, other])
    for one, expected in zip((snapshot, other), together, strict=True):
        alone = BehlerParrinello(coarse_graining=1.5, r_max=8.0, threads=1).compute(one)
        assert np.array_equal(alone, expected)
    shuffled = describe.compute_on(launch.Cpu(2, shuffled=True), [snapshot])
    assert np.array_equal(shuffled[0], together[0])
    strict = describe.compute_on(launch.Cpu(2, strict=True), [snapshot])  # one lane, 32 partial sums as a warp has them
    np.testing.assert_allclose(strict[0], together[0], rtol=1e-11, atol=TINY)


def test_one_compilation_for_ten_configurations(film):
    _, snapshot = film
    describe = BehlerParrinello(coarse_graining=1.5, r_max=8.0)
    describe.compute(snapshot)
    before = launch._host_entry.cache_info().misses
    for k in range(10):
        describe.compute(gg.Snapshot((1 + 0.002 * k) * snapshot.positions, snapshot.types, (1 + 0.002 * k) * snapshot.box))
    assert launch._host_entry.cache_info().misses == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"angular": ()}, "give at least one"),
        ({"angular": ((1.0, 2),)}, r"angular\[0\] is \(xi, zeta, lambda\)"),
        ({"angular": ((1.0, 2, 1), (1.0, 2.5, 1))}, r"angular\[1\] zeta=2.5: give a whole number"),
        ({"angular": ((1.0, 100, 1),)}, "at most 64"),
        ({"angular": ((1.0, 2, 0.5),)}, "choose one of 1, -1"),
        ({"angular": ((0.0, 2, 1),)}, "above 0"),
        ({"radial": (0.3, 5.0, 48)}, "a group of shells"),
        ({"cutoff": -5}, "above 0"),
        ({"coarse_graining": 0}, "above 0"),
        ({"backend": "tpu"}, "backend"),
    ],
)
def test_bad_parameters(change, message):
    with pytest.raises(gg.errors.InvalidInput, match=message):
        BehlerParrinello(**change)


def test_bad_snapshots(film):
    _, snapshot = film
    with pytest.raises(gg.errors.BoxTooSmall, match=r"take N >= 1639.*smaller cutoff or r_max"):
        BehlerParrinello(coarse_graining=1.5)(snapshot)
    with pytest.raises(gg.errors.UnknownSpecies, match="name every species"):
        BehlerParrinello(species=("S", "M"))(snapshot)
    twice = gg.Snapshot(np.concatenate([snapshot.positions[:1], snapshot.positions[:-1]]), snapshot.types, snapshot.box)
    with pytest.raises(gg.errors.ParticlesOverlap, match=r"configuration 1: particles 0 and 1 stand at the same place"):
        BehlerParrinello()([snapshot, twice])
    for species in ((), ("S", "S", "L")):
        with pytest.raises(gg.errors.InvalidInput, match="a name for each species"):
            BehlerParrinello(species=species)


def test_a_species_that_is_not_there():
    """Of a file with two species the third is noted, not only found in a weight that is always 0."""
    system = gg.systems.kob_andersen(n=1300)
    with pytest.warns(
        gg.errors.SuspiciousInput, match=r"no particle is of species L; the types 0, 1, \.\.\. are taken for \('S', 'M', 'L'\)"
    ):
        BehlerParrinello()(system.random_snapshot(seed=1))
    mixed = system.random_snapshot(seed=1)
    one = gg.Snapshot(mixed.positions, np.zeros(1300, int), mixed.box)
    BehlerParrinello(species=system.species)([mixed, one], executor=InThisProcess())  # it is somewhere
