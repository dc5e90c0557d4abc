"""Networks: their size, seeds, early stopping, scikit-learn's network on the same data."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import sklearn.neural_network
from sklearn.utils.estimator_checks import parametrize_with_checks

import glassgpu as gg
from glassgpu.models import MLPRegressor, hidden_width, mlp


@parametrize_with_checks([MLPRegressor(hidden=(20,), epochs=60, learning_rate=0.02, progress=False)])
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_estimator_checks(estimator, check):
    check(estimator)


def rows(seed: int, n: int = 600):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 4))
    y = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.2 * random.normal(size=n)
    return x, (y - y.mean()) / y.std()


def small(**changes):
    return MLPRegressor(**{"hidden": (16, 16), "epochs": 5, "learning_rate": 0.01, "progress": False, **changes})


def test_hidden_width_counts_the_parameters_of_the_network():
    def count(sizes):
        return sum((a + 1) * b for a, b in itertools.pairwise(sizes))

    for wanted, layers, targets in ((1, 1, 1), (60, 1, 3), (500, 5, 1), (900, 2, 2), (40_000, 5, 1)):
        away = {width: abs(count([4, *[width] * layers, targets]) - wanted) for width in range(1, 200)}
        assert hidden_width(wanted, 4, layers, targets) == min(away, key=away.get)
    x, y = rows(0, 50)
    model = small(parameters=500, layers=5, epochs=1).fit(x, y)
    width = hidden_width(500, 4)
    assert [w.shape for w in model.coefs_] == [(4, width)] + [(width, width)] * 4 + [(width, 1)]
    assert model.n_parameters_ == count([4, *[width] * 5, 1]) == sum(a.size for a in (*model.coefs_, *model.intercepts_))
    assert hidden_width(3800, 100) == pytest.approx(20, abs=2)
    for wrong in (dict(parameters=0), dict(inputs=0), dict(layers=1.5), dict(outputs="1")):
        with pytest.raises(gg.errors.InvalidInput, match=next(iter(wrong))):
            hidden_width(**{"parameters": 100, "inputs": 3, **wrong})


def test_predictions_are_the_layers():
    x, y = rows(1)
    model = small().fit(x, np.column_stack([y, -y]))
    hidden = x
    for weight, bias in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        hidden = np.maximum(hidden @ weight + bias, 0)
    np.testing.assert_allclose(model.predict(x), hidden @ model.coefs_[-1] + model.intercepts_[-1], rtol=1e-10, atol=1e-12)
    assert model.predict(x).shape == (600, 2) and len(model.loss_curve_) == model.n_iter_ == 5


def test_seeds_chunks_and_the_gpu_form(monkeypatch):
    x, y = rows(2)
    first, again, other = (small(seed=seed).fit(x, y).predict(x) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert np.abs(first - other).max() > 0.01
    model = small(seed=1).fit(x, y)
    monkeypatch.setattr(mlp, "CHUNK", 100)
    np.testing.assert_allclose(model.predict(x), first, rtol=1e-10, atol=1e-12)
    monkeypatch.setattr(mlp, "jax_on_gpu", lambda: True)
    np.testing.assert_allclose(model.predict(x), first, rtol=1e-10, atol=1e-12)


def test_first_step_of_adam():
    """A network without hidden layers and one batch: Adam's first step is the learning rate times the sign of the slope."""
    x, y = rows(3, 100)
    model = small(hidden=(), epochs=1, batch=100, learning_rate=0.01).fit(x, y)
    later = small(hidden=(), epochs=2, batch=100, learning_rate=0.01).fit(x, y)
    w, b = model.coefs_[0][:, 0], model.intercepts_[0][0]
    assert abs(b) == pytest.approx(0.01, rel=1e-3)  # it began at the mean of y, 0
    slope = 2 * x.T @ (x @ w + b - y) / 100
    assert np.array_equal(np.sign(later.coefs_[0][:, 0] - w), -np.sign(slope))
    np.testing.assert_allclose(np.abs(later.coefs_[0][:, 0] - w), 0.01, rtol=0.3)
    assert later.loss_curve_[1] == pytest.approx(np.mean((x @ w + b - y) ** 2), rel=1e-5)
    shrunk = small(hidden=(), epochs=1, batch=100, learning_rate=0.01, weight_decay=5.0).fit(x, y)
    before = (w - shrunk.coefs_[0][:, 0]) / (0.01 * 5)  # the first weights, to which the decay is proportional
    np.testing.assert_allclose(np.abs(w - before), 0.01, rtol=1e-3)
    assert shrunk.intercepts_[0][0] == pytest.approx(b, abs=1e-7)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_as_good_as_scikit_learn():
    x, y = rows(4, 1200)
    (x, y), (unseen, target) = (x[:800], y[:800]), (x[800:], y[800:])
    settings = dict(learning_rate=0.005, batch=100, epochs=60)
    ours, theirs = [], []
    for seed in range(5):
        model = small(hidden=(32, 32), seed=seed, **settings).fit(x, y)
        ours.append(model.score(unseen, target))
        theirs.append(
            sklearn.neural_network.MLPRegressor(
                hidden_layer_sizes=(32, 32), learning_rate_init=0.005, batch_size=100, max_iter=60, alpha=0.0, random_state=seed, n_iter_no_change=1000, tol=0.0
            )
            .fit(x, y)
            .score(unseen, target)
        )  # fmt: skip
        assert model.loss_curve_[-1] < 0.3 * model.loss_curve_[0]
    noise = np.hypot(np.std(ours), np.std(theirs))
    assert np.mean(ours) > np.mean(theirs) - 2 * noise, (ours, theirs)
    assert np.mean(ours) > 0.7


def test_validation_rows_end_the_training():
    x, y = rows(5, 120)
    unseen = rows(6, 300)
    told: list[float] = []
    model = small(hidden=(64, 64), epochs=200, patience=8, progress=told.append).fit(x, y, validation=unseen)
    assert model.n_iter_ < 200 and len(model.validation_curve_) == model.n_iter_
    assert model.n_iter_ - 1 - np.argmin(model.validation_curve_) == 8
    assert told == pytest.approx(np.arange(1, len(told) + 1) / 200)
    kept = np.mean((model.predict(unseen[0]) - unseen[1]) ** 2)
    assert kept == pytest.approx(model.validation_curve_.min(), rel=1e-5)


def test_rows_that_no_batch_divides():
    """Every row is learned: 7 rows in batches of at most 3, and a batch larger than all."""
    x, y = rows(7, 7)
    for batch in (3, 50):
        model = small(hidden=(64,), epochs=400, batch=batch).fit(x, y)
        np.testing.assert_allclose(model.predict(x), y, atol=0.1)


def test_bad_input():
    x, y = rows(8, 60)
    for model, message in (
        (small(hidden=(0,)), "hidden=0: must be at least 1"),
        (small(hidden=20), r"hidden=20: give the width of each layer"),
        (small(parameters=0), "parameters"),
        (small(parameters=100, layers=0), "layers"),
        (small(learning_rate=0.0), "learning_rate=0.0: must be above 0"),
        (small(epochs=0), "epochs"),
        (small(batch=0), "batch"),
        (small(weight_decay=-1.0), "weight_decay"),
        (small(seed=-1), "seed"),
        (small(patience=3), "patience=3 needs validation rows"),
    ):
        with pytest.raises(gg.errors.InvalidInput, match=message):
            model.fit(x, y)
    for wrong, message in ((x, "give a pair"), ((x, y[:5]), "expected 1 targets a row")):
        with pytest.raises(gg.errors.InvalidInput, match=message):
            small().fit(x, y, validation=wrong)
    with pytest.raises(ValueError, match="NaN"):
        small().fit(x, np.full(60, np.nan))
    with pytest.raises(gg.errors.NotConverged, match="standardise columns and targets, or lower learning_rate"):
        small(epochs=50).fit(x * 1e15, y * 1e25)
