"""Graph networks: what they do not see, a target that only a graph tells, saved models, bad input."""

from __future__ import annotations

import numpy as np
import pytest

import glassgpu as gg
from glassgpu.evaluate import pearson
from glassgpu.models import GraphNetwork, load_network, save_network
from glassgpu.models.graphs import graphs_of

CUTOFF = 1.6


def snapshots(number: int, n: int = 180, first: int = 0) -> list[gg.Snapshot]:
    system = gg.systems.kob_andersen(n=n)
    return [system.random_snapshot(first + k) for k in range(number)]


def small(**changes) -> GraphNetwork:
    settings = {"cutoff": CUTOFF, "layers": 2, "node_encoder": (12,), "epochs": 2, "batch": 1, "learning_rate": 3e-3, "progress": False}
    return GraphNetwork(**{**settings, **changes})


def told_by_the_graph(configurations: list[gg.Snapshot]) -> np.ndarray:
    """The share of a particle's neighbours that are crowded: two steps along the graph, and not linear in anything."""
    graphs = graphs_of(configurations, CUTOFF)
    number = np.maximum(graphs.count, 1)
    near = np.where(graphs.there, np.exp(-((graphs.distance - 1.1) ** 2) / 0.1), 0).sum(axis=2) / number
    crowded = np.tanh((near - near.mean()) / near.std())
    around = np.stack([np.where(t, c[j], 0).sum(axis=1) for t, c, j in zip(graphs.there, crowded, graphs.neighbour, strict=True)])
    return around / number


def test_graphs_are_symmetric_and_complete():
    configurations = snapshots(2)
    graphs = graphs_of(configurations, CUTOFF)
    for s, neighbour, count, reverse in zip(configurations, graphs.neighbour, graphs.count, graphs.reverse, strict=True):
        apart = s.positions[:, None] - s.positions
        apart -= s.box * np.rint(apart / s.box)
        near = (np.linalg.norm(apart, axis=2) < CUTOFF) & ~np.eye(s.n, dtype=bool)
        assert np.array_equal(count, near.sum(axis=1))
        k = neighbour.shape[1]
        for i in range(s.n):
            row = neighbour[i, : count[i]]
            assert np.array_equal(np.sort(row), np.flatnonzero(near[i]))
            other, place = np.divmod(reverse[i, : count[i]], k)
            assert np.array_equal(other, row) and (neighbour[other, place] == i).all()
        assert np.array_equal(reverse[0, count[0] :], np.arange(count[0], k))


@pytest.mark.parametrize("edges", ["distance", "vector"])
def test_what_a_network_does_not_see(edges):
    configurations = snapshots(3)
    random = np.random.default_rng(0)
    columns = random.normal(size=(3, 180, 4))
    model = small(edges=edges).fit(configurations[:2], random.normal(size=(2, 180)), columns[:2])
    s, x = configurations[2], columns[2]
    found = model.predict(s, x)
    assert found.shape == (180,) and found.std() > 1e-3
    order = np.concatenate([random.permutation(np.flatnonzero(s.types == kind)) for kind in (0, 1)])
    swapped = gg.Snapshot(s.positions[order], s.types[order], s.box)
    np.testing.assert_allclose(model.predict(swapped, x[order]), found[order], rtol=1e-4, atol=1e-5)
    moved = gg.Snapshot(s.positions + 0.3 * s.box, s.types, s.box)  # another image of many
    np.testing.assert_allclose(model.predict(moved, x), found, rtol=1e-4, atol=1e-4)
    quarter = gg.Snapshot(s.positions[:, [1, 0, 2]] * [1, -1, 1], s.types, s.box)
    other = model.predict(quarter, x)
    same = np.abs(other - found).max() < 1e-4
    assert same if edges == "distance" else not same


def test_learns_what_only_the_graph_tells():
    configurations = snapshots(9, 400)
    y = told_by_the_graph(configurations)
    settings = dict(epochs=400, learning_rate=5e-3, node_encoder=(8,), seed=2)
    model = small(**settings).fit(configurations[:7], y[:7], validation=(configurations[7:8], y[7:8]))
    assert pearson(y[8], model.predict(configurations[8])) > 0.99
    random = np.random.default_rng(0)
    shuffled = np.stack([random.permutation(row) for row in y])
    model = small(**{**settings, "epochs": 20}).fit(configurations[:7], shuffled[:7])
    assert abs(pearson(y[8], model.predict(configurations[8]))) < 0.3
    assert abs(pearson(shuffled[8], model.predict(configurations[8]))) < 0.1


def test_a_saved_network_is_the_same(tmp_path):
    configurations = snapshots(3)
    y = told_by_the_graph(configurations)
    describe = gg.descriptors.ShellExpansion(radial=((0.9, 1.5, 4, 0.05),), angular=(1.0, 1.4, 3, 0.1), backend="cpu")
    for model in (small(descriptor=describe, species=0), small(layers=0), small(edges="vector", latent=20, layers=1)):
        model.fit(configurations[:2], np.stack([y, -y], axis=2)[:2])
        path = save_network(model, tmp_path / "network.npz")
        again = load_network(path, descriptor=model.descriptor)
        expected = model.predict(configurations[2])
        assert expected.shape == (180, 2) and np.array_equal(again.predict(configurations[2]), expected, equal_nan=True)
        assert np.isnan(expected[configurations[2].types == 1]).all() == (model.species == 0)
    with pytest.raises(gg.errors.InvalidInput, match="give load_network the same"):
        load_network(save_network(small(descriptor=describe).fit(configurations[:1], y[:1]), path))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(gg.errors.FileFormatError, match="damaged"):
        load_network(path)
    with pytest.raises(gg.errors.InvalidInput, match="give a fitted"):
        save_network(small(), path)


def test_seeds_validation_and_continuation(tmp_path, monkeypatch):
    configurations = snapshots(4)
    y = told_by_the_graph(configurations)
    settings = dict(edges="vector", epochs=6, batch=2, validation=(configurations[3:], y[3:]))

    def fit(**changes):
        given = {**settings, **changes}
        validation = given.pop("validation")
        return small(**given).fit(configurations[:3], y[:3], validation=validation, watch={"again": (configurations[3:], y[3:])})

    first, again, other = fit(), fit(), fit(seed=1)
    found = first.predict(configurations[3])
    assert np.array_equal(found, again.predict(configurations[3]))
    assert np.abs(found - other.predict(configurations[3])).max() > 1e-3
    assert first.chosen_ == np.argmin(first.validation_curve_)
    np.testing.assert_array_equal(first.pearson_curves_["again"], first.pearson_curves_["validation"])
    assert pearson(y[3], found) == pytest.approx(
        first.pearson_curves_["validation"][first.chosen_], abs=0.05
    )  # there by species in units of its own
    best = fit(select="pearson")
    assert best.chosen_ == np.argmax(best.pearson_curves_["validation"])

    path = tmp_path / "training.npz"

    class Stopped(Exception):
        pass

    def stop(fraction):
        if fraction > 0.4:
            raise Stopped

    with pytest.raises(Stopped):
        fit(checkpoint=path, progress=stop)
    seen = []
    assert np.array_equal(fit(checkpoint=path, progress=seen.append).predict(configurations[3]), found)
    assert len(seen) == 3
    with pytest.raises(gg.errors.CheckpointMismatch, match="latent was 10 and is now 9"):
        fit(checkpoint=path, latent=9)


def test_bad_input():
    configurations = snapshots(2)
    y = told_by_the_graph(configurations)
    for changes, message in (
        (dict(layers=-1), "layers=-1"), (dict(edges="angle"), "edges='angle': choose one of 'distance', 'vector'"), (dict(cutoff=0.0), "cutoff"),
        (dict(edge_hidden=(16,)), "give two widths"), (dict(node_hidden=(0,)), "node_hidden"), (dict(latent=0), "latent"),
        (dict(epochs=0), "epochs"), (dict(batch=0), "batch"), (dict(learning_rate=-1), "learning_rate"), (dict(select="best"), "select"),
        (dict(patience=3), "patience=3 needs validation"),
    ):  # fmt: skip
        with pytest.raises(gg.errors.InvalidInput, match=message):
            small(**changes).fit(configurations, y)
    for targets, message in (
        (y[:1], r"targets has shape \(1, 180\)"),
        (np.full_like(y, np.nan), "no target is a number"),
        (y * np.inf, "finite or NaN"),
    ):
        with pytest.raises(gg.errors.InvalidInput, match=message):
            small().fit(configurations, targets)
    with pytest.raises(gg.errors.UnknownSpecies, match="species=5"):
        small(species=5).fit(configurations, y)
    with pytest.raises(gg.errors.BoxTooSmall):
        small(cutoff=4.0).fit(configurations, y)
    with pytest.raises(gg.errors.InvalidInput, match="different shapes"):
        small().fit([configurations[0], *snapshots(1, 90)], y)
    with pytest.raises(gg.errors.InvalidInput, match="columns"):
        small().fit(configurations, y, np.zeros((2, 10, 3)))
    with pytest.raises(gg.errors.InvalidInput, match=r"validation: give \(snapshots, targets\)"):
        small().fit(configurations, y, validation=configurations)
    with pytest.raises(gg.errors.InvalidInput, match="called 'validation' decide"):
        small().fit(configurations, y, watch={"validation": (configurations, y)})
    half = np.where(np.stack([c.types for c in configurations]) == 0, y, np.nan)  # nobody tells of species 1
    assert np.isnan(small(epochs=1).fit(configurations, half).predict(configurations[0])[configurations[0].types == 1]).all()
    alone = small(epochs=1, species=0).fit(configurations[0], y[0])
    assert alone.predict(configurations[0]).shape == (180,)
    with pytest.raises(gg.errors.InvalidInput, match=r"fitted to species \[0\] only"):
        alone.gradients(configurations[0], [int(np.flatnonzero(configurations[0].types == 1)[0])])
    model = small(epochs=1).fit(configurations, y, np.random.default_rng(0).normal(size=(2, 180, 3)))
    with pytest.raises(gg.errors.InvalidInput, match="fitted with 3 columns"):
        model.predict(configurations)
    other = gg.Snapshot(configurations[0].positions, configurations[0].types + 1, configurations[0].box)
    with pytest.raises(gg.errors.UnknownSpecies, match=r"hold types \[2\]; the network was fitted to types \[0, 1\]"):
        model.predict(other, np.zeros((1, 180, 3)))
