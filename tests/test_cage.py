"""Motion relative to the cage, and broken bonds: by hand, slow forms, SciPy's tree, invariances."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

import glassgpu as gg
from glassgpu import dynamics, structure

SYSTEM = gg.systems.ternary_2d(n=300)
S, M, L = range(3)
RING = np.array([[np.cos(a), np.sin(a)] for a in np.pi / 3 * np.arange(6)])


def cluster(at=(0.0, 0.0), spin=0.0):
    """A centre (particle 0) and six M neighbours at distance 1, where 1.4 sigma is 1.2555 and 1.8 sigma 1.6142."""
    positions = turn(np.concatenate([[[0, 0]], RING]), spin) + at
    return gg.Snapshot(positions, np.full(7, M), [20.0, 20.0])


def turn(vectors, angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.asarray(vectors) @ np.array([[c, s], [-s, c]])


def slow(system, snapshot, moved, reach=1.4, broken=1.8):
    """Both labels of one frame by looking at every pair."""
    start, later, box = snapshot.positions, snapshot.positions + moved, snapshot.box

    def distances(x, i):
        apart = x - x[i]
        return np.linalg.norm(apart - box * np.rint(apart / box), axis=1)

    relative, whole = np.array(moved, float), np.ones(snapshot.n)
    for i in range(snapshot.n):
        sigma = system.sigma[snapshot.types[i], snapshot.types]
        near = [j for j in np.flatnonzero(distances(start, i) < reach * sigma) if j != i]
        if near:
            relative[i] -= np.mean([moved[j] for j in near], axis=0)
            whole[i] = np.mean([distances(later, i)[j] < broken * sigma[j] for j in near])
    return relative, whole


@pytest.fixture(params=["film", "liquid"])
def moving(request):
    """A liquid whose particles rattle, some of which hop; two replicas at three times."""
    system, snapshot = request.getfixturevalue(request.param)
    random = np.random.default_rng(5)
    moved = random.normal(0, 0.08, (2, 3, *snapshot.positions.shape))
    hop = random.random(moved.shape[:-1]) < 0.1
    moved[hop] += random.normal(0, 0.7, (hop.sum(), system.dimension))
    return system, snapshot, moved


def test_slow_forms(moving):
    system, snapshot, moved = moving
    relative = dynamics.cage_relative(system, snapshot, moved)
    whole = dynamics.bond_breaking(system, snapshot, snapshot.positions + moved)
    assert relative.shape == moved.shape and whole.shape == moved.shape[:-1]
    assert 0.05 < np.mean(whole < 1) < 0.9
    for frame in ((0, 0), (1, 2)):
        expected = slow(system, snapshot, moved[frame])
        np.testing.assert_allclose(relative[frame], expected[0], rtol=0, atol=1e-14)
        assert np.array_equal(whole[frame], expected[1])
    other = (
        dynamics.cage_relative(system, snapshot, moved[0, 0], reach=1.1),
        dynamics.bond_breaking(system, snapshot, snapshot.positions + moved[0, 0], reach=1.1, broken=1.3),
    )
    expected = slow(system, snapshot, moved[0, 0], 1.1, 1.3)
    np.testing.assert_allclose(other[0], expected[0], rtol=0, atol=1e-14)
    assert np.array_equal(other[1], expected[1])


@pytest.mark.parametrize("which", ["film", "liquid"])
def test_initial_neighbors_against_a_tree(which, request):
    system, snapshot = request.getfixturevalue(which)
    found = dynamics.initial_neighbors(system, snapshot)
    inside = snapshot.positions % snapshot.box % snapshot.box
    pairs = cKDTree(inside, boxsize=snapshot.box).query_pairs(1.4 * system.sigma.max(), output_type="ndarray")
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    apart = snapshot.positions[pairs[:, 1]] - snapshot.positions[pairs[:, 0]]
    apart -= snapshot.box * np.rint(apart / snapshot.box)
    of = snapshot.types[pairs]
    pairs = pairs[np.linalg.norm(apart, axis=1) < 1.4 * system.sigma[of[:, 0], of[:, 1]]]
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    assert np.array_equal(np.stack([found.owner, found.index], axis=1), pairs)
    assert np.array_equal(np.diff(found.begin), np.bincount(pairs[:, 0], minlength=snapshot.n))
    assert (found.begin.dtype, found.index.dtype) == (np.int32, np.int32)
    assert not found.begin.flags.writeable and not found.index.flags.writeable


def test_neighbors_within_a_table(film):
    """A table of one length is that length; with a table of its own each pair is judged by its own."""
    system, snapshot = film
    one, same = structure.neighbors(snapshot, 1.3), structure.neighbors(snapshot, np.full((3, 3), 1.3))
    for name in ("count", "index", "distance", "vector"):
        assert np.array_equal(getattr(one, name), getattr(same, name))
    near = structure.neighbors(snapshot, 1.5 * system.sigma)
    distance = snapshot.positions - snapshot.positions[:, None]
    distance = np.linalg.norm(distance - snapshot.box * np.rint(distance / snapshot.box), axis=2)
    within = distance < 1.5 * system.sigma[snapshot.types[:, None], snapshot.types]
    np.fill_diagonal(within, False)
    assert np.array_equal(near.count, within.sum(axis=1))
    for i in range(snapshot.n):
        row = near.index[i, : near.count[i]]
        assert set(row) == set(np.flatnonzero(within[i]))
        np.testing.assert_allclose(near.distance[i, : near.count[i]], distance[i, row], rtol=1e-12)
        assert (near.index[i, near.count[i] :] == i).all() and np.isinf(near.distance[i, near.count[i] :]).all()
        assert not near.vector[i, near.count[i] :].any()


@pytest.mark.parametrize("which", ["film", "liquid"])
def test_moving_together_is_no_motion(which, request):
    system, snapshot = request.getfixturevalue(which)
    shift = np.array([0.37, -21.4, 3.3])[: system.dimension]
    moved = np.broadcast_to(shift, snapshot.positions.shape)
    assert abs(dynamics.cage_relative(system, snapshot, moved)).max() < 1e-13
    assert (dynamics.bond_breaking(system, snapshot, snapshot.positions + shift) == 1).all()


@pytest.mark.parametrize("spin", [0.0, 0.3, np.pi / 2, 2.0])
@pytest.mark.parametrize("at", [(0.0, 0.0), (10.0, -10.0), (3.1, 9.6)])
def test_a_hop_by_hand(at, spin):
    """The centre hops by 1/2: it stands for one of the three neighbours of every other particle.
    Then particle 1 hops outwards by 0.7: its bond to the centre becomes 1.7 long and breaks, those
    to its two neighbours become sqrt(1.2^2 + 3/4) = 1.48 and do not. In some of the cases the
    cluster lies across the faces of the box."""
    start = cluster(at, spin)
    hop = turn([[0.5, 0.0]], spin)[0]
    moved = np.zeros((2, 7, 2))
    moved[0, 0] = hop
    relative = dynamics.cage_relative(SYSTEM, start, moved)
    np.testing.assert_allclose(relative[0, 0], hop, atol=1e-15)
    np.testing.assert_allclose(relative[0, 1:], np.tile(-hop / 3, (6, 1)), atol=1e-15)
    assert not relative[1].any()
    propensity = np.linalg.norm(relative, axis=-1).mean(axis=0)  # of two replicas, in one of which nothing moves
    np.testing.assert_allclose(propensity, [0.25, *[1 / 12] * 6], atol=1e-15)

    positions = np.stack([start.positions, start.positions])
    positions[1, 1] += turn([[0.7, 0.0]], spin)[0]
    whole = dynamics.bond_breaking(SYSTEM, start, positions)
    assert whole[0].tolist() == [1] * 7
    assert whole[1].tolist() == pytest.approx([5 / 6, 2 / 3, 1, 1, 1, 1, 1], abs=1e-15)
    assert whole.mean(axis=0).tolist() == pytest.approx([11 / 12, 5 / 6, 1, 1, 1, 1, 1], abs=1e-15)


def test_a_hop_in_a_noisy_cluster_that_drifts():
    """By hand but for the noise, which is small: hop, drift and rattling of a replica add up."""
    start = cluster((9.9, -9.7), 0.4)
    hop, drift = np.array([0.3, 0.4]), np.array([5.0, -17.0])
    noise = np.random.default_rng(1).uniform(-1e-3, 1e-3, (7, 2))
    moved = drift + noise
    moved[0] += hop
    relative = dynamics.cage_relative(SYSTEM, start, moved)
    np.testing.assert_allclose(relative, slow(SYSTEM, start, moved)[0], atol=1e-13)
    np.testing.assert_allclose(np.linalg.norm(relative, axis=1), [0.5, *[1 / 6] * 6], atol=3e-3)
    moved[2] += 2.0 * turn([RING[1]], 0.4)[0]  # far from all of its three neighbours
    whole = dynamics.bond_breaking(SYSTEM, start, start.positions + moved)
    assert np.array_equal(whole, slow(SYSTEM, start, moved)[1])
    assert whole[[2, 5]].tolist() == [0, 1]


def test_who_is_a_neighbour_is_decided_at_the_start():
    """A particle that comes near later neither carries the cage with it nor makes a bond."""
    start = gg.Snapshot([[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]], [M, M, M], [20.0, 20.0])
    later = np.array([[0.0, 0.0], [5.0, 1.0], [1.0, 0.0]])
    assert dynamics.bond_breaking(SYSTEM, start, later).tolist() == [0, 0, 1]
    relative = dynamics.cage_relative(SYSTEM, start, later - start.positions)
    assert relative.tolist() == [[-4, -1], [4, 1], [-4, 0]]
    assert dynamics.bond_breaking(SYSTEM, start, np.stack([later, start.positions])).tolist() == [[0, 0, 1], [1, 1, 1]]


def test_no_neighbours():
    start = gg.Snapshot([[-5.0, 0.0], [5.0, 0.0]], [S, L], [20.0, 20.0])
    near = dynamics.initial_neighbors(SYSTEM, start)
    assert near.begin.tolist() == [0, 0, 0] and near.index.size == 0
    moved = np.array([[1.0, 2.0], [-3.0, 4.0]])
    assert np.array_equal(dynamics.cage_relative(SYSTEM, start, moved), moved)
    assert dynamics.bond_breaking(SYSTEM, start, start.positions + 3 * moved).tolist() == [1, 1]


def test_at_exactly_the_distance():
    """sigma_SL is 1: at 1.4 there is no neighbour, at 1.8 no bond; the next number below is inside."""
    below = np.nextafter(1.4, 0)
    for apart, expected in ((1.4, 0), (below, 2)):
        start = gg.Snapshot([[0.0, 0.0], [apart, 0.0]], [S, L], [20.0, 20.0])
        assert len(dynamics.initial_neighbors(SYSTEM, start).index) == expected
    positions = np.zeros((2, 2, 2))
    positions[:, 1, 1] = 1.8, np.nextafter(1.8, 0)
    assert dynamics.bond_breaking(SYSTEM, start, positions).tolist() == [[0, 0], [1, 1]]


def test_each_pair_has_its_own_distance():
    """At 1.3 S and L are neighbours (1.4 sigma_SL = 1.4), S and M are not (1.133), L and L are (1.646)."""
    for a, b, expected in ((S, L, 2), (S, M, 0), (L, L, 2), (S, S, 0)):
        start = gg.Snapshot([[0.0, 0.0], [0.0, 1.3]], [a, b], [20.0, 20.0])
        assert len(dynamics.initial_neighbors(SYSTEM, start).index) == expected


def test_wrapped_or_not(moving):
    """A particle that leaves through a face is the one that comes in on the other side, and counts once."""
    system, snapshot, moved = moving
    unwrapped = snapshot.positions + moved + 0.49 * snapshot.box
    wrapped = (unwrapped + snapshot.box / 2) % snapshot.box - snapshot.box / 2
    assert (abs(wrapped - unwrapped) > 1).any()
    boxes = np.random.default_rng(3).integers(-4, 5, unwrapped.shape) * snapshot.box
    found = [dynamics.bond_breaking(system, snapshot, x) for x in (unwrapped, wrapped, unwrapped + boxes)]
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])


def test_invariances(moving):
    """Order of the particles, periodic images and quarter turns change nothing but what they should."""
    system, snapshot, moved = moving
    d = system.dimension
    order = np.random.default_rng(0).permutation(snapshot.n)
    quarter = np.eye(d)[[1, 0, *range(2, d)]] * np.where(np.arange(d) == 0, -1, 1)  # (x, y) to (y, -x)
    assert np.linalg.det(quarter) == pytest.approx(1)
    before = dynamics.cage_relative(system, snapshot, moved), dynamics.bond_breaking(system, snapshot, snapshot.positions + moved)
    changes = {
        "order": (gg.Snapshot(snapshot.positions[order], snapshot.types[order], snapshot.box), moved[..., order, :], order, np.eye(d)),
        "image": (gg.Snapshot(snapshot.positions + 3.21, snapshot.types, snapshot.box), moved, slice(None), np.eye(d)),
        "turn": (gg.Snapshot(snapshot.positions @ quarter, snapshot.types, snapshot.box), moved @ quarter, slice(None), quarter),
    }
    for name, (other, move, kept, rotation) in changes.items():
        relative = dynamics.cage_relative(system, other, move)
        np.testing.assert_allclose(relative, before[0][..., kept, :] @ rotation, atol=1e-13, err_msg=name)
        whole = dynamics.bond_breaking(system, other, other.positions + move)
        assert np.array_equal(whole, before[1][..., kept]), name


def test_a_sequence_of_snapshots(film):
    system, one = film
    two = gg.Snapshot(-one.positions, one.types, one.box)
    moved = np.random.default_rng(0).normal(0, 0.4, (2, 3, one.n, 2))
    relative = dynamics.cage_relative(system, [one, two], moved)
    whole = dynamics.bond_breaking(system, [one, two], np.stack([one.positions + moved[0], two.positions + moved[1]]))
    for c, snapshot in enumerate((one, two)):
        assert np.array_equal(relative[c], dynamics.cage_relative(system, snapshot, moved[c]))
        assert np.array_equal(whole[c], dynamics.bond_breaking(system, snapshot, snapshot.positions + moved[c]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, x: dynamics.cage_relative(s, x, np.zeros((x.n, 3))), r"moved has shape \(300, 3\); expected \('...', 300, 2\)"),
        (lambda s, x: dynamics.cage_relative(s, x, np.zeros(2)), "moved has shape"),
        (lambda s, x: dynamics.cage_relative(s, x, np.full((x.n, 2), np.nan)), "NaN"),
        (lambda s, x: dynamics.cage_relative(s, x, "far"), "not an array"),
        (lambda s, x: dynamics.cage_relative(s, x, np.zeros((x.n, 2)), reach=0), "reach=0: must be above 0"),
        (lambda s, x: dynamics.cage_relative(s, [x, x], np.zeros((3, x.n, 2))), "hold the 2 configurations"),
        (lambda s, x: dynamics.cage_relative(s, [x, x], np.zeros((x.n, 2))), "hold the 2 configurations"),
        (lambda s, x: dynamics.cage_relative(x, s, np.zeros((x.n, 2))), "order of arguments"),
        (lambda s, x: dynamics.initial_neighbors(x, s), "order of arguments"),
        (lambda s, x: dynamics.initial_neighbors(gg.systems.kob_andersen(), x), "3 dimensions, the snapshot has 2"),
        (lambda s, x: dynamics.initial_neighbors(s, x, reach=20), "neighbors reaches 23.5"),
        (lambda s, x: dynamics.bond_breaking(s, x, x.positions[:5]), "positions has shape"),
        (lambda s, x: dynamics.bond_breaking(s, x, x.positions, broken=1.3), "broken=1.3: must be at least 1.4"),
        (lambda s, x: dynamics.bond_breaking(s, x, x.positions, broken=9), "bond_breaking reaches 10.5"),
        (lambda s, x: dynamics.bond_breaking(s, x, x.positions, reach="near"), "not a number"),
        (lambda s, x: structure.neighbors(x, np.ones((2, 3))), "a positive number for each two species"),
        (lambda s, x: structure.neighbors(x, [[1.0]]), "table for 1 species"),
    ],
)  # fmt: skip
def test_bad_input(film, call, message):
    with pytest.raises(gg.errors.InvalidInput, match=message):
        call(*film)


def test_unknown_species(film):
    system, snapshot = film
    with pytest.raises(gg.errors.UnknownSpecies):
        dynamics.initial_neighbors(system, gg.Snapshot(snapshot.positions, snapshot.types + 1, snapshot.box))
