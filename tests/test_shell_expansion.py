"""ShellExpansion and neighbours against slow forms, invariances, freud."""

from __future__ import annotations

import re

import freud
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import sph_harm_y

import glassgpu as gg
from benchmarks.peers import sparse_shells
from glassgpu import compile as compiling
from glassgpu import launch
from glassgpu.descriptors import ShellExpansion, shell_average
from glassgpu.structure import neighbors

SHELLS = ((np.linspace(0.86, 2.0, 46), 0.025), (np.linspace(2.05, 3.0, 20), 0.05), (np.linspace(3.1, 4.5, 15), 0.1))


@pytest.fixture(scope="module")
def snapshot():
    return gg.systems.kob_andersen(n=1250).random_snapshot(2)


@pytest.fixture(scope="module")
def columns(snapshot):
    return ShellExpansion(generations=2)(snapshot)


def apart(snapshot, i):
    d = snapshot.positions - snapshot.positions[i]
    d -= snapshot.box * np.rint(d / snapshot.box)
    return d, np.linalg.norm(d, axis=1)


def slow_row(snapshot, i):
    """One particle's 354 columns by loops, with SciPy's spherical harmonics."""
    d, r = apart(snapshot, i)
    other = np.arange(snapshot.n) != i
    out = []
    for s in (0, 1):
        for centres, delta in SHELLS:
            for c in centres:
                of = other & (snapshot.types == s) & (r < c + 5 * delta)
                out.append(np.exp(-((r[of] - c) ** 2) / (2 * delta**2)).sum())
    theta, phi = np.arccos(d[:, 2] / np.where(r > 0, r, 1)), np.arctan2(d[:, 1], d[:, 0])
    for l in range(1, 13):
        for c in np.linspace(1.0, 2.5, 16):
            of = other & (r < c + 0.5)
            w = np.exp(-((r[of] - c) ** 2) / (2 * 0.1**2))
            q = [(w * sph_harm_y(l, m, theta[of], phi[of])).sum() / w.sum() if w.sum() > 0 else 0 for m in range(-l, l + 1)]
            out.append(np.sqrt(4 * np.pi / (2 * l + 1) * (np.abs(q) ** 2).sum()))
    return np.array(out)


def test_every_column_equals_a_slow_form(snapshot, columns):
    for i in (0, 5, int(np.abs(snapshot.positions).max(axis=1).argmax())):  # the last sits at the boundary
        np.testing.assert_allclose(columns.values[i, :354], slow_row(snapshot, i), rtol=1e-5, atol=1e-12)


def test_generations_equal_a_slow_average(snapshot, columns):
    first = columns.values[:, :354]
    for i in (3, 700):
        _, r = apart(snapshot, i)
        weight = np.where(r < 2.1, np.exp(-r / 2.1), 0.0)  # i itself at r = 0 with weight 1
        np.testing.assert_allclose(columns.values[i, 354:], weight @ first / weight.sum(), rtol=1e-10, atol=1e-14)


def test_all_columns_equal_an_independent_form():
    """The peer of benchmarks/descriptor_rate.py: SciPy's k-d tree, sparse products, spherical harmonics."""
    some = gg.systems.kob_andersen(n=1300).random_snapshot(3)
    ours, theirs = ShellExpansion(generations=3).compute(some), sparse_shells.columns(some, 3)
    assert ours.shape == (1300, 1062)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-12)


def test_names_and_order(columns):
    names = list(columns.feature.values)
    assert len(names) == len(set(names)) == 708
    assert names[0] == "G_A(0.860)"
    assert names[81] == "G_B(0.860)"
    assert names[162] == "q_1(1.00)"
    assert names[353] == "q_12(2.50)"
    assert names[354] == "G_A(0.860)[1]"
    assert len(ShellExpansion(generations=3).columns) == 1062
    assert columns.dims == ("particle", "feature")


def test_hand_solved():
    """Two particles at distance 1.1: the radial value by hand, every q_l = 1."""
    pair = gg.Snapshot([[0, 0, 0], [0.66, 0.88, 0]], [0, 1], [20, 20, 20])
    x = ShellExpansion()(pair)
    assert float(x.sel(feature="G_B(1.113)")[0]) == pytest.approx(np.exp(-((1.1 - (0.86 + 10 * 1.14 / 45)) ** 2) / (2 * 0.025**2)))
    assert float(x.sel(feature="G_A(1.113)")[0]) == 0
    np.testing.assert_allclose([float(x.sel(feature=f"q_{l}(1.10)")[0]) for l in range(1, 13)], 1.0)


def test_invariances(snapshot, columns):
    random = np.random.default_rng(1)
    box, x = snapshot.box, snapshot.positions
    rotation = np.array([[0, -1, 0], [0, 0, 1], [-1, 0, 0]])  # a proper rotation of the cube
    for positions in (x + [3.3, -1.2, 9.9], x @ rotation.T, -x, x + box * random.integers(-2, 3, x.shape)):
        again = ShellExpansion(generations=2)(gg.Snapshot(positions, snapshot.types, box))
        np.testing.assert_allclose(again.values, columns.values, rtol=1e-5, atol=1e-9)
    order = random.permutation(snapshot.n)
    again = ShellExpansion(generations=2)(gg.Snapshot(x[order], snapshot.types[order], box))
    np.testing.assert_allclose(again.values, columns.values[order], rtol=1e-5, atol=1e-9)


def test_rotation_by_any_angle():
    """A cluster in a large box, turned by an arbitrary rotation."""
    from scipy.spatial.transform import Rotation

    random = np.random.default_rng(4)
    x = random.normal(size=(60, 3)) * 1.6
    types = random.integers(0, 2, 60)
    one, two = (ShellExpansion()(gg.Snapshot(p, types, [40, 40, 40])) for p in (x, Rotation.random(rng=5).apply(x)))
    np.testing.assert_allclose(one.values, two.values, rtol=1e-6, atol=1e-9)


def test_equals_freud_steinhardt(snapshot):
    """One wide shell is freud's q_l with weights: equal neighbours, weights from the Gaussian."""
    centre, delta = 1.3, 0.1
    near = neighbors(snapshot, centre + 5 * delta)
    i = np.repeat(np.arange(snapshot.n), near.count)
    inside = np.isfinite(near.distance)
    r = near.distance[inside]
    bonds = freud.locality.NeighborList.from_arrays(
        snapshot.n,
        snapshot.n,
        i,
        near.index[inside],
        near.vector[inside].astype(np.float32),
        np.exp(-((r - centre) ** 2) / (2 * delta**2)).astype(np.float32),
    )
    system = (freud.box.Box(*snapshot.box), snapshot.positions.astype(np.float32))
    for l in (2, 4, 6):
        order = freud.order.Steinhardt(l, weighted=True).compute(system, neighbors=bonds).particle_order
        ours = ShellExpansion(angular=(centre, 1.5, 2, delta)).compute(snapshot)[:, 162 + 2 * (l - 1)]
        np.testing.assert_allclose(ours, order, rtol=2e-4, atol=2e-5)


def test_neighbours_equal_all_pairs(snapshot):
    for s, r_max in ((snapshot, 1.7), (gg.systems.ternary_2d(n=200).random_snapshot(1), 2.2)):
        images = np.stack(np.meshgrid(*[[-1, 0, 1]] * s.dimension, indexing="ij"), -1).reshape(-1, s.dimension) * s.box
        distance = np.min([cdist(s.positions, s.positions + shift) for shift in images], axis=0)
        np.fill_diagonal(distance, np.inf)
        near = neighbors(s, r_max)
        assert np.array_equal(near.count, (distance < r_max).sum(axis=1))
        for i in (0, s.n // 2):
            k = near.count[i]
            assert set(near.index[i, :k]) == set(np.flatnonzero(distance[i] < r_max))
            np.testing.assert_allclose(near.distance[i, :k], np.sort(distance[i])[:k], atol=1e-6)
            assert np.isinf(near.distance[i, k:]).all()


def test_sizes_are_those_of_the_kernels():
    """Scratch is allocated in Python: it must be what the kernels write."""
    from glassgpu.descriptors import shell_expansion as python
    from glassgpu.structure import cells

    text = "".join(compiling.sources()[f] for f in ("run_shells.cu", "harmonics.cuh", "cells.cuh"))
    assert [int(t) for t in re.findall(r"constexpr int CHUNK = (\d+);", text)] == [python.CHUNK["cuda"], python.CHUNK["cpu"]]
    assert all(python.PADDING % int(t) == 0 for t in re.findall(r"constexpr int TILE = (\d+);", text))
    assert f"constexpr int L_MAX = {python.L_MAX};" in text
    assert f"constexpr int REACH = {cells.REACH};" in text


def test_no_order_reaches_a_column():
    """Threads, the order within phases, company and the boxes of others change no bit; all share one library."""
    system = gg.systems.kob_andersen(n=1210)
    some = [system.random_snapshot(seed) for seed in range(2)] + [gg.systems.kob_andersen(n=1210, density=1.0).random_snapshot(2)]
    alone = [ShellExpansion(generations=2, backend="cpu", threads=1).compute(s) for s in some]
    libraries = launch._host_entry.cache_info().misses
    together = ShellExpansion(generations=2, backend="cpu", threads=3).compute_all(some)
    assert np.array_equal(together, alone)
    assert launch._host_entry.cache_info().misses == libraries
    shuffled = ShellExpansion(generations=2).compute_on(launch.Cpu(2, shuffled=True), some[:1])
    assert np.array_equal(shuffled[0], alone[0])


def test_two_dimensions_average():
    """The average alone works in two dimensions, and in a box with few cells."""
    film = gg.systems.ternary_2d(n=200).random_snapshot(1)
    x = np.random.default_rng(1).normal(size=(200, 70))
    for r_c in (1.2, float(film.box.min() / 2)):
        ours = shell_average(x, film, r_c)
        for i in (0, 150):
            _, r = apart(film, i)
            weight = np.where(r < r_c, np.exp(-r / r_c), 0.0)
            np.testing.assert_allclose(ours[i], weight @ x / weight.sum(), rtol=1e-10, atol=1e-13)


def test_bad_input(snapshot):
    with pytest.raises(gg.errors.BoxTooSmall, match=r"ShellExpansion reaches 5.*N >= 1200, or give ShellExpansion smaller shells"):
        ShellExpansion()(gg.systems.kob_andersen(n=1000).random_snapshot(1))
    with pytest.raises(gg.errors.UnknownSpecies):
        ShellExpansion(species=("A",))(snapshot)
    with pytest.raises(gg.errors.InvalidInput, match="dimensions"):
        ShellExpansion()(gg.systems.ternary_2d(n=500).random_snapshot(1))
    with pytest.raises(gg.errors.InvalidInput, match="generations"):
        ShellExpansion(generations=0)
    with pytest.raises(gg.errors.InvalidInput, match="radial delta"):
        ShellExpansion(radial=((0.9, 2.0, 10, 0.0),))
    with pytest.raises(gg.errors.InvalidInput, match="angular number"):
        ShellExpansion(angular=(1.0, 2.0, 0, 0.1))
    with pytest.raises(gg.errors.InvalidInput, match="first, last, number, delta"):
        ShellExpansion(angular=(1.0, 2.0))
    with pytest.raises(gg.errors.InvalidInput, match="backend"):
        ShellExpansion(backend="tpu")
    with pytest.raises(gg.errors.InvalidInput, match="r_c"):
        shell_average(np.zeros((snapshot.n, 2)), snapshot, r_c=-1)
    with pytest.raises(gg.errors.BoxTooSmall, match="shell_average"):
        shell_average(np.zeros((snapshot.n, 2)), snapshot, r_c=6)
    with pytest.raises(gg.errors.InvalidInput, match="x"):
        shell_average(np.full((snapshot.n, 2), np.nan), snapshot)
    with pytest.raises(gg.errors.InvalidInput, match="rows"):
        shell_average(np.zeros((3, 2)), snapshot)


def test_a_sequence_gains_an_axis(snapshot, columns):
    both = ShellExpansion(generations=2)([snapshot, snapshot])
    assert both.dims == ("configuration", "particle", "feature")
    assert np.array_equal(both.values[1], columns.values)
