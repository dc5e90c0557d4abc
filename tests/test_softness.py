"""Softness against slow forms, invariances, freud."""

from __future__ import annotations

import re

import freud
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from scipy.special import sph_harm_y

import glassgpu as gg
from glassgpu import compile as compiling
from glassgpu import launch
from glassgpu.descriptors import Softness, descriptor, softness
from glassgpu.structure import neighbors

CENTRES, DELTA = np.arange(50) * 0.1, 0.2
R_MIN, WIDTH = np.arange(5) * 0.5 + 1.0, 0.5
CLOSE = {"rtol": 1e-9, "atol": 1e-14}


@pytest.fixture(scope="module")
def states():
    """A liquid of N = 2000 at T = 0.8, and near its inherent state."""
    system = gg.systems.kob_andersen(n=2000, cutoff="per_pair")
    thermal = gg.equilibrate(system, temperature=0.8, duration=1.0, seed=7, accept=None, backend="cpu", progress=False)
    return [thermal, gg.structure.inherent_structure(system, thermal, force_tolerance=1e-2, backend="cpu", progress=False)]


@pytest.fixture(scope="module")
def columns(states):
    return Softness(generations=3)(states)


def apart(snapshot, i):
    d = snapshot.positions - snapshot.positions[i]
    d -= snapshot.box * np.rint(d / snapshot.box)
    return d, np.linalg.norm(d, axis=1)


def slow_row(snapshot, i, species=2, centres=CENTRES, delta=DELTA, r_min=R_MIN, width=WIDTH):
    """One particle's columns by loops, with SciPy's spherical harmonics."""
    d, r = apart(snapshot, i)
    other = np.arange(snapshot.n) != i
    out = []
    for s in range(species):
        for c in centres:
            of = other & (snapshot.types == s) & (r < c + 5 * delta)
            out.append(np.exp(-((r[of] - c) ** 2) / (2 * delta**2)).sum())
    theta, phi = np.arccos(d[:, 2] / np.where(r > 0, r, 1)), np.arctan2(d[:, 1], d[:, 0])
    for l in range(2, 15, 2):
        for a in r_min:
            of = other & (a < r) & (r < a + width)
            q = [sph_harm_y(l, m, theta[of], phi[of]).mean() if of.any() else 0.0 for m in range(-l, l + 1)]
            out.append(np.sqrt(4 * np.pi / (2 * l + 1) * (np.abs(q) ** 2).sum()))
    return np.array(out)


@pytest.mark.parametrize("state", [0, 1], ids=["thermal", "inherent"])
def test_every_column_equals_a_slow_form(states, columns, state):
    snapshot = states[state]
    at_boundary = int(np.abs(snapshot.positions).max(axis=1).argmax())
    for i in (0, 7, at_boundary, snapshot.n - 1):
        np.testing.assert_allclose(columns.values[state, i, :135], slow_row(snapshot, i), **CLOSE)


def test_generations_equal_a_slow_average(states, columns):
    for snapshot, x in zip(states, columns.values, strict=True):
        for n in (1, 2):
            for i in (3, 1990):
                _, r = apart(snapshot, i)
                weight = np.where(r < 2.1, np.exp(-r / 2.1), 0.0)  # i itself at r = 0 with weight 1
                expected = weight @ x[:, 135 * (n - 1) : 135 * n] / weight.sum()
                np.testing.assert_allclose(x[i, 135 * n : 135 * (n + 1)], expected, **CLOSE)


@pytest.mark.parametrize("box", [(15.0, 15.0, 15.0), (12.0, 15.5, 19.0)], ids=["five cells", "few cells in one direction"])
def test_other_boxes(box):
    """As many images of a particle are near a cell as its box is narrow."""
    random = np.random.default_rng(3)
    snapshot = gg.Snapshot(random.uniform(-0.5, 0.5, (1500, 3)) * box, random.integers(0, 2, 1500), box)
    ours = Softness().compute(snapshot)
    for i in (1, int(snapshot.positions[:, 0].argmax()), int(snapshot.positions[:, 2].argmin())):
        np.testing.assert_allclose(ours[i], slow_row(snapshot, i), **CLOSE)


def test_other_parameters():
    """Three species, narrower Gaussians, overlapping shells; one Gaussian alone; two as far apart as they may be."""
    random = np.random.default_rng(5)
    snapshot = gg.Snapshot(random.uniform(-4, 4, (500, 3)), random.integers(0, 3, 500), [8, 8, 8])
    ours = Softness(("S", "M", "L"), radial=(0.4, 3.1, 28, 0.1), shells=(0.8, 2.0, 4, 0.7)).compute(snapshot)
    one = Softness(("S", "M", "L"), angular=False, radial=(1.5, 1.5, 1, 0.3)).compute(snapshot)
    two = Softness(("S", "M", "L"), angular=False, radial=(0.0, 3.4, 2, 0.1)).compute(snapshot)
    for i in (0, 499):
        how = {"centres": np.linspace(0.4, 3.1, 28), "delta": 0.1, "r_min": np.linspace(0.8, 2.0, 4), "width": 0.7}
        np.testing.assert_allclose(ours[i], slow_row(snapshot, i, 3, **how), **CLOSE)
        np.testing.assert_allclose(one[i], slow_row(snapshot, i, 3, centres=[1.5], delta=0.3)[:3], **CLOSE)
        np.testing.assert_allclose(two[i], slow_row(snapshot, i, 3, centres=[0.0, 3.4], delta=0.1)[:6], **CLOSE)


def test_names_and_order(columns):
    names = list(columns.feature.values)
    assert len(names) == len(set(names)) == 405
    assert [names[k] for k in (0, 49, 50, 100, 104, 105, 134, 135)] == [
        "G_A(0.000)", "G_A(4.900)", "G_B(0.000)", "Q_2(1.00)", "Q_2(3.00)", "Q_4(1.00)", "Q_14(3.00)", "G_A(0.000)[1]",
    ]  # fmt: skip
    assert columns.dims == ("configuration", "particle", "feature")
    assert len(Softness().columns) == 135
    assert Softness(angular=False).columns == names[:100]
    assert Softness().reach == pytest.approx(5.9)


def test_radial_columns_alone(states, columns):
    assert np.array_equal(Softness(angular=False)(states[0]).values, columns.values[0, :, :100])


def test_a_pair_by_hand():
    """Gaussians from one neighbour down to e^-180, all Q_l = 1 in its shell and 0 in empty ones."""
    pair = gg.Snapshot([[0, 0, 0], [0.63, 0.84, 0]], [0, 1], [20, 20, 20])
    x = Softness()(pair)
    expected = np.where(CENTRES + 1.0 > 1.05, np.exp(-((1.05 - CENTRES) ** 2) / 0.08), 0.0)
    np.testing.assert_allclose(x.values[0, 50:100], expected, rtol=1e-11)
    np.testing.assert_allclose(x.values[1, :50], expected, rtol=1e-11)
    assert not x.values[0, :50].any()
    order = x.values[:, 100:].reshape(2, 7, 5)
    np.testing.assert_allclose(order[:, :, 0], 1.0, rtol=1e-13)
    assert not order[:, :, 1:].any()


@pytest.mark.filterwarnings("ignore:no particle is of species")  # which is meant
def test_ends_of_shells_are_left_out():
    """Neighbours at exactly r = 1.5, between two shells of bonds, and at the cut of the shell at 0.5."""
    pair = gg.Snapshot([[0, 0, 0], [1.5, 0, 0]], [0, 0], [20, 20, 20])
    x = Softness()(pair)
    assert not x.values[:, 100:].any()
    assert float(x.sel(feature="G_A(0.500)")[0]) == 0
    assert float(x.sel(feature="G_A(0.600)")[0]) == pytest.approx(np.exp(-(0.9**2) / 0.08), rel=1e-11)


def test_invariances(states, columns):
    snapshot = states[1]
    random = np.random.default_rng(1)
    box, x = snapshot.box, snapshot.positions
    first = columns.values[1, :, :135]
    rotation = np.array([[0, -1, 0], [0, 0, 1], [-1, 0, 0]])  # a proper rotation of the cube
    for positions in (x + [3.3, -1.2, 9.9], x @ rotation.T, -x, x + box * random.integers(-2, 3, x.shape)):
        again = Softness().compute(gg.Snapshot(positions, snapshot.types, box))
        np.testing.assert_allclose(again, first, rtol=1e-8, atol=1e-12)
    order = random.permutation(snapshot.n)
    again = Softness().compute(gg.Snapshot(x[order], snapshot.types[order], box))
    np.testing.assert_allclose(again, first[order], **CLOSE)


def test_rotation_by_any_angle():
    """A cluster in a large box, turned by an arbitrary rotation."""
    random = np.random.default_rng(4)
    x = random.normal(size=(120, 3)) * 1.8
    types = random.integers(0, 2, 120)
    one, two = (Softness().compute(gg.Snapshot(p, types, [40, 40, 40])) for p in (x, Rotation.random(rng=5).apply(x)))
    np.testing.assert_allclose(one, two, **CLOSE)


def test_equals_freud_steinhardt(states, columns):
    """freud's q_l of the bonds of each shell; it works in single precision."""
    snapshot = states[0]
    near = neighbors(snapshot, 3.5)
    inside = np.isfinite(near.distance)
    i, r = np.repeat(np.arange(snapshot.n), near.count), near.distance[inside]
    system = (freud.box.Box(*snapshot.box), snapshot.positions.astype(np.float32))
    for k, a in enumerate(R_MIN):
        of = (a < r) & (r < a + WIDTH)
        counts = (
            snapshot.n,
            snapshot.n,
            i[of],
            near.index[inside][of],
            near.vector[inside][of].astype(np.float32),
            np.ones(of.sum(), np.float32),
        )
        bonds = freud.locality.NeighborList.from_arrays(*counts)
        for l in (2, 6, 10, 14):
            order = np.nan_to_num(freud.order.Steinhardt(l).compute(system, neighbors=bonds).particle_order)
            np.testing.assert_allclose(columns.values[0, :, 100 + 5 * (l // 2 - 1) + k], order, rtol=5e-4, atol=2e-5)


def test_no_order_reaches_a_column(states):
    """Threads, the order within phases, company and the boxes of others change no bit."""
    some = [*states, gg.systems.kob_andersen(n=2000, density=1.0).random_snapshot(2)]
    alone = [Softness(generations=2, backend="cpu", threads=1).compute(s) for s in some]
    together = Softness(generations=2, backend="cpu", threads=3).compute_all(some)
    assert np.array_equal(together, alone)
    shuffled = Softness(generations=2).compute_on(launch.Cpu(2, shuffled=True), some[:1])
    assert np.array_equal(shuffled[0], alone[0])


@pytest.mark.parametrize("generations", [1, 2])
def test_rows_of_chosen_particles(states, columns, generations, monkeypatch):
    random = np.random.default_rng(3)
    configuration, particle = random.integers(0, 2, 40), random.integers(0, 2000, 40)  # some of them twice
    rows = Softness(generations=generations).rows(states, configuration, particle)
    np.testing.assert_array_equal(rows, columns.values[configuration, particle][:, : 135 * generations])
    monkeypatch.setattr(descriptor, "CHUNK_BYTES", 1)  # one snapshot after the other
    np.testing.assert_array_equal(Softness(generations=generations).rows(states, configuration, particle), rows)
    assert Softness().rows(states, configuration[:0], particle[:0]).shape == (0, 135)
    for wrong, message in (
        (([2], [0]), "configuration holds 2 to 2; there are 2"),
        (([0], [-1]), "particle holds -1"),
        (([0, 1], [0]), "particle"),
    ):
        with pytest.raises(gg.errors.InvalidInput, match=message):
            Softness().rows(states, *map(np.array, wrong))


def test_one_lane_equals_many(states, columns):
    """The form that a GPU runs, on the CPU."""
    strict = Softness().compute_on(launch.Cpu(2, strict=True), states[:1])
    np.testing.assert_allclose(strict[0], columns.values[0, :, :135], **CLOSE)


def test_sizes_are_those_of_the_kernels():
    """Scratch is allocated in Python: it must be what the kernels write."""
    text = "".join(compiling.sources()[f] for f in ("run_softness.cu", "even_harmonics.cuh", "equal_shells.cuh"))
    for name in ("L_MAX", "BANDS", "SPARE"):
        assert re.findall(rf"constexpr int {name} = (\d+);", text) == [str(getattr(softness, name))]
    assert "enum { X, Y, Z, COSINE, SINE, BOND };" in text and softness.BOND == 5
    assert softness.SUMS == 119


def test_bad_input(states):
    with pytest.raises(gg.errors.BoxTooSmall, match=r"Softness reaches 5\.9.*N >= 1972, or give Softness smaller shells"):
        Softness()(gg.systems.kob_andersen(n=1900).random_snapshot(1))
    with pytest.raises(gg.errors.UnknownSpecies):
        Softness(species=("A",))(states[0])
    with pytest.raises(gg.errors.InvalidInput, match="dimensions"):
        Softness()(gg.systems.ternary_2d(n=500).random_snapshot(1))
    for name, value, message in (
        ("angular", 3, "angular=3: choose one of True, False"), ("generations", 0, "generations"), ("radial", (0.0, 4.9, 50), "first, last, number, delta"),
        ("radial", (0.0, 4.9, 0, 0.2), "radial number"), ("radial", (0.0, 4.9, 50, 0.05), "too narrow .* give at least 0.1,"),
        ("radial", (0.0, 4.9, 2, 0.1), "too narrow"), ("shells", (1.0, 3.0, 5, -0.5), "shells delta"), ("r_c", np.nan, "r_c"), ("backend", "tpu", "backend"),
    ):  # fmt: skip
        with pytest.raises(gg.errors.InvalidInput, match=message):
            Softness(**{name: value})
