"""Ridge: closed form, scikit-learn, its estimator checks, paths, additive moments."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.linear_model
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import glassgpu as gg
from glassgpu.models import Moments, Ridge, ridge_path, ridge_paths


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 12)) @ random.normal(size=(12, 12)) + 5
    y = x @ random.normal(size=(12, 3)) + random.normal(size=(300, 3)) + [1, 2, 3]
    return x, y


@parametrize_with_checks([Ridge()])
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("alpha", [0.0, 1e-12, 1e-3, 1.0, 100.0])
@pytest.mark.parametrize("intercept", [True, False])
def test_equals_scikit_learn(rows, alpha, intercept):
    x, y = rows
    ours = Ridge(alpha=alpha, fit_intercept=intercept).fit(x, y)
    theirs = sklearn.linear_model.Ridge(alpha=alpha * len(x), fit_intercept=intercept, solver="svd").fit(x, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=1e-7)


def test_alpha_is_per_sample(rows):
    """Doubling the rows changes nothing: the condition that scikit-learn's alpha does not meet."""
    x, y = rows
    once, twice = Ridge(0.3).fit(x, y), Ridge(0.3).fit(np.tile(x, (2, 1)), np.tile(y, (2, 1)))
    np.testing.assert_allclose(once.coef_, twice.coef_, rtol=1e-9)


def test_one_factorisation_serves_every_alpha(rows):
    x, y = rows
    alphas = [1e-2, 1.0, 30.0]
    weights, intercept = ridge_path(x, y, alphas)
    for k, alpha in enumerate(alphas):
        single = Ridge(alpha).fit(x, y)
        np.testing.assert_allclose(weights[k].T, single.coef_, rtol=1e-9)
        np.testing.assert_allclose(intercept[k], single.intercept_, rtol=1e-9)


def test_ill_conditioned_columns_take_the_other_route():
    """A nearly repeated column at alpha = 0: the Gram matrix alone would lose it."""
    random = np.random.default_rng(1)
    x = random.normal(size=(200, 4))
    x = np.concatenate([x, x[:, :1] + 1e-6 * random.normal(size=(200, 1))], axis=1)
    w = np.array([1.0, -2.0, 0.5, 3.0, 1.0])
    fit = Ridge(0.0).fit(x, x @ w)
    np.testing.assert_allclose(fit.coef_, w, rtol=1e-6)


def test_moments_add(rows):
    x, y = rows
    a, b = Moments.of(x[:100], y[:100]), Moments.of(x[100:], y[100:], chunk=37)
    whole = Moments.of(x, y)
    assert np.array_equal(whole.high[:12], x.max(axis=0))
    np.testing.assert_allclose((a + b).covariance, np.cov(np.hstack([x, y]).T, bias=True), rtol=1e-10)
    np.testing.assert_allclose((a + b).scatter, whole.scatter, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose((a + b).mean, np.hstack([x, y]).mean(axis=0))
    with pytest.raises(gg.errors.InvalidInput, match="columns"):
        a + Moments.of(x[:, :3], y)


def test_standardised_path_equals_a_pipeline(rows):
    x, y = rows
    x = x * np.logspace(-11, 3, x.shape[1])  # columns of very unequal and tiny spread
    weights, intercept = Moments.of(x, y).ridge_path([0.1], standardize=True)
    pipeline = make_pipeline(StandardScaler(), Ridge(0.1)).fit(x, y)
    np.testing.assert_allclose(x @ weights[0] + intercept[0], pipeline.predict(x), rtol=1e-8)
    weights, _ = Moments.of(x, y).ridge_path([0.1], standardize=True, fit_intercept=False)
    assert np.isfinite(weights).all()


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
def test_paths_of_many_sets_equal_single_fits(rows, intercept, standardize):
    """Each set by itself, by rows: a set is never given the weights of another."""
    x, y = rows
    x = x * np.logspace(-11, 1, x.shape[1]) if standardize else x
    alphas = [0.3, 1e-2, 5.0]
    cuts = [slice(0, 90), slice(90, 200), slice(30, 300)]
    weights, intercepts = ridge_paths([Moments.of(x[c], y[c]) for c in cuts], alphas, standardize, intercept)
    assert weights.shape == (3, 3, 12, 3)
    assert intercepts.shape == (3, 3, 3)
    for s, cut in enumerate(cuts):
        scale = np.sqrt(((x[cut] - intercept * x[cut].mean(axis=0)) ** 2).mean(axis=0)) if standardize else np.ones(12)
        for a, alpha in enumerate(alphas):
            model = sklearn.linear_model.Ridge(alpha * len(x[cut]), fit_intercept=intercept, solver="svd").fit(x[cut] / scale, y[cut])
            np.testing.assert_allclose(weights[s, a] * scale[:, None], model.coef_.T, rtol=1e-7, atol=1e-9)
            np.testing.assert_allclose(intercepts[s, a], model.intercept_, rtol=1e-7, atol=1e-9)


def test_neither_order_of_sets_nor_threads_reach_the_weights(rows, monkeypatch):
    x, y = rows
    sets = [Moments.of(x[k : k + 40], y[k : k + 40]) for k in range(0, 260, 20)]
    weights, intercepts = ridge_paths(sets, [0.1, 2.0])
    back = ridge_paths(sets[::-1], [0.1, 2.0])
    assert np.array_equal(back[0][::-1], weights)
    assert np.array_equal(back[1][::-1], intercepts)
    for k, one in enumerate(sets):
        assert np.array_equal(one.ridge_path([0.1, 2.0])[0], weights[k])
    monkeypatch.setattr("glassgpu.models.ridge.threads_available", lambda: 5)
    assert np.array_equal(ridge_paths(sets, [0.1, 2.0])[0], weights)


def test_both_forms_agree(columns, monkeypatch):
    """What a GPU is given, here on the CPU, on columns nearly parallel."""
    x, y = columns

    def fit():
        sets = [Moments.of(x[k::3, ::4], y[k::3], chunk=150) for k in range(3)]
        return sets[0].scatter, sets[0].mean, *ridge_paths(sets, [1e-3, 1.0], standardize=True)

    here = fit()
    for module in ("moments", "ridge"):
        monkeypatch.setattr(f"glassgpu.models.{module}.jax_on_gpu", lambda: True)
    for one, other in zip(here, fit(), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-8, atol=1e-9)


def test_bad_input(rows):
    x, y = rows
    with pytest.raises(gg.errors.InvalidInput, match="alpha"):
        Ridge(-1.0).fit(x, y)
    with pytest.raises(gg.errors.InvalidInput, match="alpha='a' is not a number"):
        Ridge(alpha="a").fit(x, y)
    for arguments, message in (
        ((x, y, "a"), "alphas is not an array of real numbers"),
        ((x, y, []), "at least one"),
        ((x, y, [0.1, -1]), "at least 0"),
        ((x, y[:9], [0.1]), r"y \(9, 3\)"),
        ((x[0], y, [0.1]), "expected \\(rows, features\\)"),
        ((x.tolist(), "text", [0.1]), "arrays of numbers"),
        ((np.where(x > 9, np.nan, x), y, [0.1]), "NaN"),
    ):
        with pytest.raises(gg.errors.InvalidInput, match=message):
            ridge_path(*arguments)
    assert np.array_equal(ridge_path(x.tolist(), y[:, 0], 0.1)[0], ridge_path(x, y[:, :1], [0.1])[0])
    with pytest.raises(gg.errors.InvalidInput, match="largest eigenvalue"):
        Moments.of(x, y).ridge_path([1e-12], standardize=True)
    fine, wide = Moments.of(x, y), Moments.of(1e3 * x, y)
    assert np.isfinite(ridge_paths([fine], [1e-5])[0]).all()
    with pytest.raises(gg.errors.InvalidInput, match="largest eigenvalue"):
        ridge_paths([fine, wide], [1e-5])
    for sets in ([], [fine, Moments.of(x[:, :3], y)], [fine, Moments.of(x, y[:, :2])]):
        with pytest.raises(gg.errors.InvalidInput, match="at least one set of rows, all of the same columns"):
            ridge_paths(sets, [0.1])
    with pytest.raises(gg.errors.InvalidInput, match="at least 0"):
        ridge_paths([fine], [-0.1])
    with pytest.raises(ValueError, match="NaN"):
        Ridge().fit(np.full((5, 2), np.nan), np.zeros(5))


def test_takes_labelled_arrays(liquid):
    """The five lines of the front page, small."""
    system, start = liquid
    ensemble = gg.isoconfigurational(system, start, temperature=0.8, times=[0.1], replicas=4, seed=2, backend="cpu", progress=False)
    x = gg.descriptors.ShellExpansion(radial=((0.9, 2.0, 5, 0.1),), angular=(1.0, 2.0, 3, 0.1))(start)
    model = Ridge(alpha=0.1).fit(x, ensemble.propensity.sel(time=0.1))
    assert model.predict(x).shape == (500,)


def test_constant_columns_get_weight_zero(rows):
    x, y = rows
    constant = np.column_stack([x, np.full(len(x), 0.1)])
    weights, intercept = Moments.of(constant, y).ridge_path([0.1], standardize=True)
    without, other = Moments.of(x, y).ridge_path([0.1], standardize=True)
    assert (weights[0, -1] == 0).all()
    np.testing.assert_allclose(weights[0, :-1], without[0], rtol=1e-8)
    np.testing.assert_allclose(intercept, other, rtol=1e-8)
    assert (Ridge(0.0).fit(np.ones((9, 2)), np.arange(9.0)).coef_ == 0).all()
