"""Many networks in one call, networks on disk, slopes, importance by permutation."""

from __future__ import annotations

import numpy as np
import pytest

import glassgpu as gg
from glassgpu.evaluate import pearson, permutation_importance
from glassgpu.models import GraphNetwork, MLPRegressor, fit_together, load_network, save_network


def rows(seed: int, n: int = 150, targets: int = 4):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 6))
    return x, np.column_stack([np.tanh(x[:, k]) + 0.5 * x[:, k + 1] for k in range(targets)])


def small(**changes) -> MLPRegressor:
    return MLPRegressor(**{"hidden": (8, 8), "epochs": 6, "batch": 40, "learning_rate": 0.01, "progress": False, **changes})


def test_together_is_as_alone():
    """Different depths, numbers of columns and widths in one call; up to rounding each is what it would be alone."""
    x, y = rows(0)
    unseen, other = rows(1), rows(2)
    kinds = (dict(hidden=(8,)), dict(hidden=(8, 8), alpha=0.1), dict(hidden=(24, 24)), dict(hidden=(8, 8, 8)))
    columns = (6, 4, 6, 6)
    told: list[float] = []
    models = fit_together(
        [small(**k) for k in kinds], x, y, validation=unseen, watch={"other": other}, columns=columns, progress=told.append
    )
    for k, (model, kind, width) in enumerate(zip(models, kinds, columns, strict=True)):
        alone = small(**kind).fit(x[:, :width], y[:, k], validation=(unseen[0][:, :width], unseen[1][:, k]))
        assert model.n_features_in_ == width and [w.shape for w in model.coefs_] == [w.shape for w in alone.coefs_]
        np.testing.assert_allclose(model.predict(x[:, :width]), alone.predict(x[:, :width]), atol=2e-4)
        np.testing.assert_allclose(model.validation_curve_, alone.validation_curve_, rtol=1e-3)
        found = pearson(other[1][:, k], model.predict(other[0][:, :width]))
        assert found == pytest.approx(model.pearson_curves_["other"][model.chosen_], abs=1e-3)
    assert told == sorted(told) and told[-1] == pytest.approx(1.0)


def test_company_decides_nothing():
    """Networks that are finished at different epochs, with dropout: each ends as it would alone."""
    x, y = rows(7, 120)
    unseen = rows(8, 60)
    kinds = [dict(dropout=0.3, hidden=h, learning_rate=r) for h in ((8,), (8, 8)) for r in (0.1, 0.003)]
    settings = dict(epochs=40, patience=3)
    together = fit_together([small(**k, **settings) for k in kinds], x, y, validation=unseen, progress=False)
    assert len({m.n_iter_ for m in together}) > 1
    for k, (model, kind) in enumerate(zip(together, kinds, strict=True)):
        alone = small(**kind, **settings).fit(x, y[:, k], validation=(unseen[0], unseen[1][:, k]))
        assert (model.n_iter_, model.chosen_) == (alone.n_iter_, alone.chosen_)
        assert len(model.loss_curve_) == len(model.validation_curve_) == model.n_iter_
        np.testing.assert_allclose(model.predict(x), alone.predict(x), atol=1e-4)


def test_an_error_that_ceases_to_be_a_number_is_told():
    x, y = rows(9)
    with pytest.raises(gg.errors.NotConverged, match="of validation"):
        small(learning_rate=1e30, epochs=1, batch=1000).fit(x, y, validation=(x, y))


def test_training_goes_on_where_it_stopped(tmp_path):
    x, y = rows(3)
    path = tmp_path / "grid.npz"

    def fit(**how):
        return fit_together([small(dropout=0.2), small(hidden=(20,))], x, y[:, :2], validation=(x, y[:, :2]), **how)

    expected = [m.predict(x) for m in fit(progress=False)]

    class Stopped(Exception):
        pass

    def stop(fraction):
        if fraction > 0.7:  # in the second group
            raise Stopped

    with pytest.raises(Stopped):
        fit(progress=stop, checkpoint=path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["grid-0.npz", "grid-1.npz"]
    seen: list[float] = []
    assert all(np.array_equal(a, m.predict(x)) for a, m in zip(expected, fit(progress=seen.append, checkpoint=path), strict=True))
    assert 0 < len(seen) < 6
    with pytest.raises(gg.errors.CheckpointMismatch, match="epochs was 6 and is now 7"):
        fit_together(
            [small(dropout=0.2, epochs=7), small(hidden=(20,))], x, y[:, :2], validation=(x, y[:, :2]), checkpoint=path, progress=False
        )


def test_a_saved_network_is_the_same(tmp_path):
    x, y = rows(4)
    for target in (y[:, 0], y):
        model = small().fit(x, target)
        path = save_network(model, tmp_path / "network.npz")
        again = load_network(path)
        assert np.array_equal(again.predict(x), model.predict(x)) and again.n_parameters_ == model.n_parameters_
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(gg.errors.FileFormatError, match="no network of save_network"):
        load_network(path)
    np.savez(path, about=np.array('{"format": 1, "model": "GraphNetwork", "parameters": {"layers": "many"}, "facts": {}}'))
    with pytest.raises(gg.errors.FileFormatError, match="no network of save_network"):
        load_network(path)


def test_slopes():
    """Against differences of predictions."""
    x, y = rows(5)
    model = small(hidden=(8, 5)).fit(x, y[:, :2])
    found = model.gradients(x[:9])
    assert found.shape == (9, 2, 6)
    for k in range(6):
        step = np.zeros(6)
        step[k] = 1e-6
        np.testing.assert_allclose(found[..., k], (model.predict(x[:9] + step) - model.predict(x[:9] - step)) / 2e-6, atol=1e-6)
    assert small().fit(x, y[:, 0]).gradients(x).shape == x.shape

    snapshot = gg.systems.kob_andersen(n=120).random_snapshot(1)
    random = np.random.default_rng(0)
    columns = random.normal(size=(120, 3)) * [1.0, 10.0, 0.1]
    graph = GraphNetwork(cutoff=1.5, layers=2, epochs=30, batch=1, learning_rate=5e-3, progress=False)
    graph.fit(snapshot, columns.sum(axis=1)[None], columns)
    slopes = graph.gradients(snapshot, [3, 119], columns)
    assert slopes.shape == (2, 120, 3)
    for p, i in enumerate((3, 119)):
        for j in (i, int(np.argsort(np.abs(slopes[p, :, 0]))[-2])):
            for k, width in enumerate((1.0, 10.0, 0.1)):
                ends = []
                for sign in (1, -1):
                    moved = columns.copy()
                    moved[j, k] += sign * 1e-2 * width
                    ends.append(graph.predict(snapshot, moved)[i])
                largest = float(np.abs(slopes[p, j] * [1.0, 10.0, 0.1]).max())
                assert abs(slopes[p, j, k] * width - (ends[0] - ends[1]) / 2e-2) < 0.05 * largest
    with pytest.raises(gg.errors.InvalidInput, match="particles=120"):
        graph.gradients(snapshot, [120], columns)


def test_permutation_importance():
    """Of y = 2 a + b, exactly: without a the Pearson coefficient is 1 / sqrt(5), without b 2 / sqrt(5), without c still 1."""
    random = np.random.default_rng(0)
    columns = [random.normal(size=(4000, 4)) for _ in range(2)]
    for x in columns:
        x[:, 3] = x[:, 0]  # a twin, whose half of the weight is lost with it
    targets = [2 * x[:, 0] + x[:, 1] for x in columns]
    groups = {"a": [0, 3], "b": [1], "c": [2], "half of a": [3]}
    found = permutation_importance(lambda c, x: x[:, 0] + x[:, 3] + x[:, 1], columns, targets, groups, repeats=3, seed=1)
    assert found["a"].shape == (3, 2)
    expected = {"a": 1 - 1 / 5, "b": 1 - 4 / 5, "c": 0.0, "half of a": 1 - (2 + 1) / np.sqrt(5 * 3)}
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=0.03)
    labels = [np.arange(4000)] * 2  # nobody to change places with
    for fall in permutation_importance(lambda c, x: x[:, 0], columns, targets, groups, labels).values():
        np.testing.assert_allclose(fall, 0, atol=1e-12)
    some = [np.where(np.arange(4000) < 2000, t, np.nan) for t in targets]
    found = permutation_importance(lambda c, x: 2 * x[:, 0] + x[:, 1], columns, some, {"a": [0]}, repeats=8)
    np.testing.assert_allclose(found["a"].mean(axis=0), 0.8, atol=0.03)
    with pytest.raises(gg.errors.InvalidInput, match="give one of each"):
        permutation_importance(lambda c, x: x[:, 0], columns, targets[:1], groups)
    with pytest.raises(gg.errors.InvalidInput, match="repeats"):
        permutation_importance(lambda c, x: x[:, 0], columns, targets, groups, repeats=0)


def test_bad_input():
    x, y = rows(6)
    for call, message in (
        (lambda: fit_together([], x, y), "nothing"),
        (lambda: fit_together([GraphNetwork()], x, y[:, :1]), "GraphNetwork"),
        (lambda: fit_together([small(), small(), small()], x, y), "expected 3 targets"),
        (lambda: fit_together([small()] * 4, x, y), "more than once"),
        (lambda: small(seed=2**32).fit(x, y), "seed=4294967296"),
        (lambda: fit_together([small()], x, y[:, :1], columns=[7]), "columns=7"),
        (lambda: fit_together([small()], x, y[:, :1], columns=[2, 3]), "columns has 2 numbers for 1 estimators"),
        (lambda: fit_together([small()], x, y[:, :1], watch={"test": (x[:, :2], y[:, :1])}), "test has 2 features; expected 6"),
        (lambda: fit_together([small()], x, y[:, :1], watch={"test": x}), "test: give a pair"),
        (lambda: fit_together([small()], x, y[:, :1], watch={"validation": (x, y[:, :1])}), "called 'validation' decide"),
        (lambda: fit_together([small(patience=2)], x, y[:, :1]), "patience=2 needs validation rows"),
        (lambda: small(dropout=(0.1,)).fit(x, y), "dropout=.0.1,.: give one number, or one for each of 2"),
        (lambda: small(dropout=1.0).fit(x, y), "dropout=1.0"),
        (lambda: small(alpha=-1.0).fit(x, y), "alpha=-1.0"),
        (lambda: small(select="best").fit(x, y), "select='best'"),
    ):  # fmt: skip
        with pytest.raises(gg.errors.InvalidInput, match=message):
            call()
