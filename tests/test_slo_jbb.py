"""SLO and JBB against slow forms, invariances, counts; the single functions they are made of."""

from __future__ import annotations

import freud
import numpy as np
import pytest
from references import all_pairs
from test_steric_order import slow_steric_order
from test_voronoi import radii, slow_cell

import glassgpu as gg
from glassgpu import launch, structure
from glassgpu.descriptors import JBB, SLO, local_density, volume_fraction

LENGTHS = 0.5 * np.arange(1, 11)
REACH = 8.0  # the film is 17 wide


@pytest.fixture(scope="module", params=["thermal", "inherent"])
def state(request, film):
    system, snapshot = film
    return system, snapshot if request.param == "thermal" else structure.inherent_structure(system, snapshot, progress=False)


def distances(snapshot, i):
    d = snapshot.positions - snapshot.positions[i]
    d -= snapshot.box * np.rint(d / snapshot.box)
    return d, np.linalg.norm(d, axis=1)


def slow_neighbors(system, snapshot, i):
    d, r = distances(snapshot, i)
    return d[(near := (np.arange(snapshot.n) != i) & (r < 1.5 * system.sigma[snapshot.types[i], snapshot.types]))], near.sum()


def slow_average(snapshot, i, x, length, members):
    """sum_j x_j w_j / sum_j w_j and sum_j w_j over the members within reach, by a loop."""
    _, r = distances(snapshot, i)
    weights = [(np.exp(-r[j] / length), x[j]) for j in range(snapshot.n) if members[j] and r[j] < REACH]
    total = sum(w for w, _ in weights)
    return sum(w * y for w, y in weights) / total, total


def test_slo_equals_a_slow_form(state):
    system, snapshot = state
    columns = SLO(system, r_max=REACH)(snapshot)
    assert columns.shape == (300, 60)
    u = all_pairs(system, snapshot.positions, snapshot.types, snapshot.box)[0]
    bonds = [slow_neighbors(system, snapshot, i) for i in range(snapshot.n)]
    z = [count for _, count in bonds]
    psi = [abs(np.exp(6j * np.arctan2(d[:, 1], d[:, 0])).mean()) if count else 0 for d, count in bonds]
    theta = slow_steric_order(system, snapshot, 1.5)
    everybody = np.ones(snapshot.n, bool)
    for i in (0, int(np.abs(snapshot.positions).min(axis=1).argmax())):
        sigma = system.sigma[snapshot.types[i], snapshot.types]
        expected = [[slow_average(snapshot, i, everybody, l, everybody)[1] for l in LENGTHS]]
        expected.append([np.prod(slow_average(snapshot, i, sigma**2, l, everybody)) for l in LENGTHS])
        expected += [[slow_average(snapshot, i, x, l, everybody)[0] for l in LENGTHS] for x in (u, z, psi, theta)]
        np.testing.assert_allclose(columns.values[i], np.ravel(expected), rtol=1e-9)


def test_jbb_equals_a_slow_form(state):
    system, snapshot = state
    columns = JBB(system, r_max=REACH)(snapshot)
    assert columns.shape == (300, 120)
    u = all_pairs(system, snapshot.positions, snapshot.types, snapshot.box)[0]
    cells = structure.radical_voronoi(system, snapshot)
    for i in (3, 150):
        assert cells.perimeter[i] == pytest.approx(slow_cell(snapshot, radii(system, snapshot, 0.5), i)[0], rel=1e-9)
    for i in (0, 299):
        expected = [
            [slow_average(snapshot, i, x, l, snapshot.types == s if s is not None else np.ones(300, bool))[0 if k else 1] for l in LENGTHS]
            for k, x in enumerate((u, u, cells.perimeter))
            for s in (None, 0, 1, 2)
        ]
        np.testing.assert_allclose(columns.values[i], np.ravel(expected), rtol=1e-9)


def test_names_and_counts(film):
    system, _ = film
    slo, jbb = SLO(system).columns, JBB(system).columns
    assert len(slo) == len(set(slo)) == 60 and len(jbb) == len(set(jbb)) == 120
    assert slo[::10] == [f"{f}(l=0.5)" for f in ("rho", "phi", "u", "z", "Psi6", "Theta")]
    assert slo[53] == "Theta(l=2)" and slo[59] == "Theta(l=5)"
    assert jbb[::10] == [f"{f}{s}(l=0.5)" for f in ("rho", "u", "pi") for s in ("", "_S", "_M", "_L")]


@pytest.mark.parametrize("cls", [SLO, JBB])
def test_invariances(film, cls):
    system, snapshot = film
    describe = cls(system, r_max=REACH)
    columns = describe.compute(snapshot)
    random = np.random.default_rng(0)
    order, x, box = random.permutation(snapshot.n), snapshot.positions, snapshot.box
    turned = gg.Snapshot(np.stack([-x[:, 1], x[:, 0]], axis=1), snapshot.types, box[::-1])
    for other, expected in (
        (gg.Snapshot(x + [5.0, -0.4], snapshot.types, box), columns),
        (gg.Snapshot(x + box * random.integers(-3, 4, x.shape), snapshot.types, box), columns),
        (gg.Snapshot(x[order], snapshot.types[order], box), columns[order]),
        (gg.Snapshot(x * [1, -1], snapshot.types, box), columns),
        (turned, columns),
    ):
        np.testing.assert_allclose(describe.compute(other), expected, rtol=1e-8)


@pytest.mark.parametrize("cls", [SLO, JBB])
def test_neither_batch_nor_threads_nor_order_reach_a_column(film, cls):
    system, snapshot = film
    other = gg.Snapshot(1.01 * snapshot.positions[::-1], snapshot.types[::-1], 1.01 * snapshot.box)
    together = cls(system, r_max=REACH, threads=3).compute_all([snapshot, other])
    for one, expected in zip((snapshot, other), together, strict=True):
        assert np.array_equal(cls(system, r_max=REACH, threads=1).compute(one), expected)


def test_chunks_reach_no_column(film, monkeypatch):
    system, snapshot = film
    many = [gg.Snapshot(s * snapshot.positions, snapshot.types, s * snapshot.box) for s in (1.0, 1.01, 1.02)]
    whole = SLO(system, r_max=REACH)(many)
    monkeypatch.setattr("glassgpu.descriptors.descriptor.CHUNK_BYTES", 7 * 2 * 300 * 60 * 8)
    assert np.array_equal(SLO(system, r_max=REACH)(many), whole)
    assert whole.dims == ("configuration", "particle", "feature") and whole.shape == (3, 300, 60)


def test_single_functions(film):
    system, snapshot = film
    columns = SLO(system, r_max=REACH)(snapshot)
    rho = local_density(snapshot, LENGTHS, REACH)
    np.testing.assert_allclose(rho, columns.values[:, :10], rtol=1e-13)
    np.testing.assert_allclose(volume_fraction(system, snapshot, LENGTHS, REACH), columns.values[:, 10:20], rtol=1e-13)
    assert local_density([snapshot] * 2, 1.0, REACH).shape == (2, 300, 1)
    assert volume_fraction(system, [snapshot] * 2, [1.0, 2.0], REACH).shape == (2, 300, 2)
    z = structure.coordination_number(system, snapshot)
    assert [int(slow_neighbors(system, snapshot, i)[1]) for i in range(0, 300, 25)] == z[::25].tolist()
    assert np.array_equal(structure.coordination_number(system, [snapshot] * 2, 1.5)[1], z)


def test_hexatic_order_equals_freud():
    """Equal neighbours, so that a cut-off of one length serves both."""
    one = gg.System("one", ("A",), (400,), 0.9, 2, np.eye(1), np.eye(1), 2.5 * np.eye(1), "shifted", 2 * np.eye(1), np.ones(1))
    snapshot = one.random_snapshot(2)
    points = np.column_stack([snapshot.positions, np.zeros(400)]).astype(np.float32)
    theirs = freud.order.Hexatic(k=6).compute(
        (freud.box.Box.square(float(snapshot.box[0])), points), neighbors={"r_max": 1.5, "exclude_ii": True}
    )
    # Averaged over a length so short that nobody else counts: the value of the particle itself.
    ours = SLO(one, lengths=[0.02], r_max=6.0)(snapshot).sel(feature="Psi6(l=0.02)")
    np.testing.assert_allclose(ours, abs(theirs.particle_order), atol=1e-5)


@pytest.mark.parametrize("cls", [SLO, JBB])
def test_bad_input(film, liquid, cls):
    system, snapshot = film
    for change, message in (
        ({"lengths": []}, "give at least one"),
        ({"lengths": [1.0, -1.0]}, "all positive"),
        ({"r_max": 0}, "r_max=0: must be above 0"),
        ({"backend": "tpu"}, "backend"),
    ):
        with pytest.raises(gg.errors.InvalidInput, match=message):
            cls(system, **change)
    with pytest.raises(gg.errors.BoxTooSmall, match=r"reaches 20.*take N >= 1639, or give (SLO|JBB) a smaller r_max"):
        cls(system)(snapshot)
    with pytest.raises(gg.errors.InvalidInput, match="defined in two dimensions, Kob-Andersen has 3"):
        cls(liquid[0], r_max=3.0)
    assert cls(system, r_max=1.0).reach == system.cutoff.max()
    with pytest.raises(gg.errors.InvalidInput, match="dimensions"):
        volume_fraction(system, liquid[1], [1.0], 3.0)
    with pytest.raises(gg.errors.InvalidInput, match="call it"):
        cls(gg.systems.ternary_2d)


def test_other_targets_give_the_same(film):
    system, snapshot = film
    for cls in (SLO, JBB):
        describe = cls(system, r_max=REACH, backend="cpu")
        plain = describe.compute(snapshot)
        assert np.array_equal(describe.compute_on(launch.Cpu(1, shuffled=True), [snapshot])[0], plain)
        np.testing.assert_allclose(describe.compute_on(launch.Cpu(1, strict=True), [snapshot])[0], plain, rtol=1e-11)
