"""Lasso and elastic net: scikit-learn, a slow coordinate descent, duality gaps, readers of the kernel."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.linear_model
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_linear_models import PROBLEMS, close, problem

import glassgpu as gg
from glassgpu import launch
from glassgpu.models import ElasticNet, Lasso, Moments, elastic_net_path


def objective(x, y, w, b, alpha, ratio):
    rest = y - x @ w - b
    return rest @ rest / 2 / len(y) + alpha * (ratio * np.abs(w).sum() + (1 - ratio) / 2 * w @ w)


def slow_descent(x, y, alpha, ratio, rounds=20_000):
    """Coordinate descent on the rows, written out."""
    x, y = x - x.mean(axis=0), y - y.mean()
    w, n = np.zeros(x.shape[1]), len(y)
    for _ in range(rounds):
        before = w.copy()
        for k in range(len(w)):
            pull = x[:, k] @ (y - x @ w + x[:, k] * w[k]) / n
            w[k] = np.sign(pull) * max(abs(pull) - alpha * ratio, 0) / (x[:, k] @ x[:, k] / n + alpha * (1 - ratio))
        if np.abs(w - before).max() < 1e-13 * np.abs(w).max():
            break
    return w


@pytest.mark.parametrize(("alpha", "ratio"), [(0.3, 1.0), (0.01, 1.0), (0.1, 0.3), (0.05, 0.0)])
def test_equals_a_slow_descent(alpha, ratio):
    x, y = problem(0, rows=50, columns=6, targets=1, condition=30)
    np.testing.assert_allclose(
        ElasticNet(alpha, l1_ratio=ratio).fit(x, y[:, 0]).coef_, slow_descent(x, y[:, 0], alpha, ratio), rtol=1e-8, atol=1e-12
    )


@pytest.mark.parametrize("ratio", [0.1, 0.6, 1.0])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # at the last digits
def test_coefficients_equal_scikit_learn(ratio, intercept):
    for seed in range(PROBLEMS):
        x, y = problem(seed, targets=1, condition=10.0 ** (seed % 7))
        y = y[:, 0]
        for alpha in (1e-3, 0.1):
            ours = ElasticNet(alpha, l1_ratio=ratio, fit_intercept=intercept, tol=1e-12).fit(x, y)
            theirs = sklearn.linear_model.ElasticNet(alpha=alpha, l1_ratio=ratio, fit_intercept=intercept, tol=1e-14, max_iter=10**6).fit(
                x, y
            )
            close(ours.coef_, theirs.coef_)
            assert np.array_equal(ours.coef_ == 0, theirs.coef_ == 0)
            values = [objective(x, y, m.coef_, m.intercept_, alpha, ratio) for m in (ours, theirs)]
            assert values[0] <= (1 + 1e-12) * values[1]


def test_real_columns(columns):
    """Where coordinate descent ends, the same objective; where it does not, a lower one; the gap is its proof."""
    x, y = columns
    alphas = np.array([1.0, 0.1, 1e-2, 1e-4, 1e-5])
    found = elastic_net_path(Moments.of(x, y), alphas, [0.0, 0.1, 1.0], tolerance=1e-10)
    assert found.gap.max() <= 1e-10  # of half the target's variance
    assert elastic_net_path(Moments.of(x, y), 1e-6, [0.0, 0.1, 1.0]).gap.max() <= 1e-8  # 1e-8 of the largest eigenvalue
    for b, ratio in enumerate((0.0, 0.1, 1.0)):
        for a, alpha in enumerate(alphas):
            ours = objective(x, y, found.weights[0, b, a, :, 0], found.intercept[0, b, a, 0], alpha, ratio)
            if ratio == 0:
                model = sklearn.linear_model.Ridge(alpha=alpha * len(x), solver="svd").fit(x, y)
            elif alpha >= 1e-2:
                model = sklearn.linear_model.ElasticNet(alpha=alpha, l1_ratio=ratio, tol=1e-9, max_iter=10**5).fit(x, y)
            else:
                continue
            theirs = objective(x, y, model.coef_, model.intercept_, alpha, ratio)
            assert ours <= (1 + 1e-10) * theirs
            assert ours >= (1 - (1e-10 if ratio == 0 else 1e-7)) * theirs


def test_the_gap_bounds_the_distance_to_the_minimum(columns):
    """A tolerance that stops early leaves an objective that much above the best, at most."""
    x, y = columns
    moments = Moments.of(x, y)
    best, early = (elastic_net_path(moments, 0.01, 0.7, tolerance=t) for t in (1e-12, 1e-2))
    values = [objective(x, y, p.weights[0, 0, 0, :, 0], p.intercept[0, 0, 0, 0], 0.01, 0.7) for p in (best, early)]
    assert values[0] < values[1] <= values[0] + early.gap[0, 0, 0, 0] * y.var() / 2
    assert early.rounds[0, 0, 0, 0] < best.rounds[0, 0, 0, 0]


def test_paths_equal_single_fits():
    """Sets of rows, ratios and targets side by side, alphas in any order, standardised as in a pipeline."""
    x, y = problem(2, rows=200, columns=12, targets=3, condition=1e3)
    x *= np.logspace(-11, 3, 12)
    halves = [slice(0, 90), slice(90, 200)]
    alphas, ratios = [0.02, 0.5, 0.1], [0.2, 1.0]
    found = elastic_net_path([Moments.of(x[h], y[h]) for h in halves], alphas, ratios, standardize=True, tolerance=1e-12)
    assert found.weights.shape == (2, 2, 3, 12, 3)
    assert found.gap.shape == found.rounds.shape == (2, 2, 3, 3)
    for s, rows in enumerate(halves):
        for r, ratio in enumerate(ratios):
            for a, alpha in enumerate(alphas):
                model = make_pipeline(StandardScaler(), ElasticNet(alpha, l1_ratio=ratio, tol=1e-12)).fit(x[rows], y[rows])
                np.testing.assert_allclose(x @ found.weights[s, r, a] + found.intercept[s, r, a], model.predict(x), rtol=1e-6, atol=1e-8)


def test_order_of_columns_and_repeated_rows_do_not_matter():
    x, y = problem(3, targets=1)
    y = y[:, 0]
    turn = np.random.default_rng(0).permutation(8)
    once = Lasso(0.05, tol=1e-13).fit(x, y).coef_
    np.testing.assert_allclose(Lasso(0.05, tol=1e-13).fit(x[:, turn], y).coef_, once[turn], rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(Lasso(0.05, tol=1e-13).fit(np.tile(x, (3, 1)), np.tile(y, 3)).coef_, once, rtol=1e-7, atol=1e-10)


def test_readers_and_threads_agree(columns, monkeypatch):
    """Shuffled phases and any number of threads: the same bits. A strict build: the same minimum."""
    x, y = columns
    moments = Moments.of(x[:, ::5], y)

    def solve(place):
        monkeypatch.setattr("glassgpu.models.elastic_net.target", lambda *_: place)
        return elastic_net_path(moments, [0.5, 0.05, 1e-3], [0.0, 0.5, 1.0], tolerance=1e-12)

    one = solve(launch.Cpu(1))
    for place in (launch.Cpu(2), launch.Cpu(1, shuffled=True)):
        other = solve(place)
        assert np.array_equal(one.weights, other.weights)
        assert np.array_equal(one.rounds, other.rounds)
    np.testing.assert_allclose(solve(launch.Cpu(1, strict=True)).weights, one.weights, rtol=1e-6, atol=1e-9)


def test_columns_that_say_nothing_or_the_same():
    x, y = problem(4, targets=1)
    y = y[:, 0]
    doubled = np.column_stack([x, x[:, 0], np.full(len(x), 0.1)])
    assert Lasso(0.05).fit(doubled, y).coef_[-1] == 0
    one, two = (ElasticNet(0.05, l1_ratio=0.5, tol=1e-13).fit(m, y) for m in (x, doubled))
    assert two.coef_[0] == pytest.approx(two.coef_[-2], rel=1e-6)  # the square shares the weight between equals
    assert abs(two.coef_[0]) > 0.01
    lasso, again = Lasso(0.05, tol=1e-13).fit(x, y), Lasso(0.05, tol=1e-13).fit(doubled, y)
    np.testing.assert_allclose(again.predict(doubled), lasso.predict(x), rtol=1e-8)
    assert (elastic_net_path(Moments.of(doubled, y), 0.1, standardize=True).weights[..., -1, :] == 0).all()
    still = Lasso(1.0).fit(x, np.full(len(x), 2.0))  # a target that does not vary
    assert (still.coef_ == 0).all() and still.intercept_ == pytest.approx(2.0) and still.dual_gap_ == 0
    assert one.n_iter_ > 0


def test_says_when_it_did_not_converge(columns):
    x, y = columns
    with pytest.warns(ConvergenceWarning, match="1 of 1 solutions are up to"):
        elastic_net_path(Moments.of(x, y), 1e-3, 1.0, most_rounds=5)


def test_bad_input():
    x, y = problem(5)
    moments = Moments.of(x, y)
    for arguments, message in (
        ((moments, []), "at least one"),
        ((moments, [0.1, 0.0]), "each above 0"),
        ((moments, [1e-12]), "largest eigenvalue"),
        (([], [0.1]), "at least one set of rows"),
        ((moments, [0.1], []), "at least one"),
        ((moments, [0.1], [1.5]), "from 0"),
        (([moments, Moments.of(x[:, :3], y)], [0.1]), "different columns"),
    ):
        with pytest.raises(gg.errors.InvalidInput, match=message):
            elastic_net_path(*arguments)
