"""Least squares, principal components and the triangular factor: scikit-learn, SciPy, LIN's identities."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import sklearn.linear_model
from sklearn.decomposition import PCA
from sklearn.utils.estimator_checks import parametrize_with_checks

import glassgpu as gg
from glassgpu.models import ElasticNet, Factor, Lasso, LeastSquares, Moments, PrincipalComponentRegression, Ridge, ridge_path

PROBLEMS = 50


def problem(seed: int, rows: int = 120, columns: int = 8, targets: int = 2, condition: float = 1e7):
    """Random rows whose correlation matrix has about this condition number, off the origin."""
    random = np.random.default_rng(seed)
    turn = np.linalg.qr(random.normal(size=(columns, columns)))[0]
    x = random.normal(size=(rows, columns)) * np.geomspace(1, condition**-0.5, columns) @ turn + random.normal(size=columns)
    return x, x @ random.normal(size=(columns, targets)) + random.normal(size=(rows, targets)) + 3


@parametrize_with_checks([LeastSquares(), Lasso(), ElasticNet(), PrincipalComponentRegression(8, order="correlation")])
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_estimator_checks(estimator, check):
    check(estimator)


def close(ours, theirs, tolerance=1e-6):
    assert np.linalg.norm(ours - theirs) <= tolerance * np.linalg.norm(theirs)


@pytest.mark.parametrize("intercept", [True, False])
def test_coefficients_equal_scikit_learn(intercept):
    for seed in range(PROBLEMS):
        x, y = problem(seed)
        ours, theirs = (
            LeastSquares(fit_intercept=intercept).fit(x, y),
            sklearn.linear_model.LinearRegression(fit_intercept=intercept).fit(x, y),
        )
        close(ours.coef_, theirs.coef_)
        np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=1e-6, atol=1e-9)
        assert ours.rank_ == x.shape[1]
        for alpha in (0.0, 1e-9, 1e-3, 1.0):
            theirs = sklearn.linear_model.Ridge(alpha=alpha * len(x), fit_intercept=intercept, solver="svd").fit(x, y)
            close(Ridge(alpha, fit_intercept=intercept).fit(x, y).coef_, theirs.coef_)
        theirs = PCA(3).fit(x) if intercept else None
        if theirs is not None:
            components = theirs.transform(x)
            expected = sklearn.linear_model.LinearRegression().fit(components, y).predict(components)
            np.testing.assert_allclose(PrincipalComponentRegression(3).fit(x, y).predict(x), expected, rtol=1e-6, atol=1e-8)


def ridge_objective(x, y, w, b, alpha):
    rest = y - x @ w - b
    return rest @ rest / len(y) + alpha * w @ w


def test_ridge_on_real_columns(columns):
    x, y = columns
    for alpha in 10.0 ** np.arange(-8, 3):
        ours, theirs = Ridge(alpha).fit(x, y), sklearn.linear_model.Ridge(alpha=alpha * len(x), solver="svd").fit(x, y)
        values = [ridge_objective(x, y, m.coef_, m.intercept_, alpha) for m in (ours, theirs)]
        assert abs(values[0] - values[1]) <= 1e-10 * values[1]


def test_least_squares_on_real_columns(columns):
    x, y = columns
    for rcond in (1e-4, 1e-7, 1e-10, 1e-12):
        w = scipy.linalg.lstsq(x, y, cond=rcond)[0]
        np.testing.assert_allclose(LeastSquares(rcond=rcond).fit(x, y).predict(x), x @ w, atol=1e-6 * np.abs(y).max())


@pytest.mark.parametrize("chunk", [1, 37, 10**6])
def test_factors_add_and_do_not_depend_on_chunks(chunk):
    x, y = problem(1, rows=200)
    x[:, 3] *= 1e-22  # a column of a cold state
    whole, parts = Factor.of(x, y), [Factor.of(x[some], y[some], chunk=chunk) for some in (slice(0, 3), slice(3, 90), slice(90, None))]
    total = parts[0] + parts[1] + parts[2]
    both = np.concatenate([x, y], axis=1)
    for found in (whole, total):
        scatter = np.cov(both.T, bias=True) * len(x)
        scale = np.sqrt(np.diag(scatter))
        np.testing.assert_allclose(found.r.T @ found.r / np.outer(scale, scale), scatter / np.outer(scale, scale), atol=1e-12)
        np.testing.assert_allclose(found.mean, both.mean(axis=0), rtol=1e-12)
        assert found.count == 200
        assert np.array_equal(found.low, both.min(axis=0))
    a, b = (found.spectrum(standardize=True).singular for found in (whole, total))
    np.testing.assert_allclose(a, b, rtol=1e-9)
    weights, intercept = total.ridge_path([0.0, 0.1], standardize=True)
    np.testing.assert_allclose(
        x @ weights[0] + intercept[0], LeastSquares(rcond=0.0).fit(x / x.std(axis=0), y).predict(x / x.std(axis=0)), rtol=1e-7
    )
    expected, other = Moments.of(x, y).ridge_path([0.1], standardize=True)
    np.testing.assert_allclose(x @ weights[1] + intercept[1], x @ expected[0] + other[0], rtol=1e-9)
    with pytest.raises(gg.errors.InvalidInput, match="different columns"):
        whole + Factor.of(x[:, :3], y)


def test_the_factor_keeps_what_the_scatter_loses():
    """Two columns that differ by 1e-10 of themselves: their products have forgotten it."""
    random = np.random.default_rng(0)
    x = random.normal(size=(5000, 3))
    x = np.column_stack([x, x[:, 0] + 1e-10 * random.normal(size=5000)])
    w = np.array([1.0, 2.0, -1.0, 5.0])
    np.testing.assert_allclose(LeastSquares().fit(x, x @ w).coef_, w, rtol=1e-4)
    singular = Factor.of(x, np.zeros((5000, 0))).spectrum().singular
    np.testing.assert_allclose(singular, np.linalg.svd(x - x.mean(axis=0), compute_uv=False) / np.sqrt(5000), rtol=1e-5)


def test_resampled_moments_equal_repeated_rows():
    x, y = problem(3, rows=90)
    cuts = [slice(0, 20), slice(20, 50), slice(50, 90)]
    parts = [Moments.of(x[c], y[c]) for c in cuts]
    counts = np.array([[1, 0, 1], [2, 3, 0], [0, 0, 1]])
    for times, found in zip(counts, Moments.resampled(parts, counts), strict=True):
        rows = np.concatenate([np.tile(np.arange(90)[c], t) for c, t in zip(cuts, times, strict=True)]).astype(int)
        expected = Moments.of(x[rows], y[rows])
        np.testing.assert_allclose(found.scatter, expected.scatter, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-12)
        assert found.count == expected.count
        assert np.array_equal(found.high, expected.high)
    for wrong in ([[0, 0, 0]], [[1, -1, 1]], [[0.5, 1, 1]], [[1, 1]]):
        with pytest.raises(gg.errors.InvalidInput):
            Moments.resampled(parts, wrong)


def test_principal_components():
    x, y = problem(4, rows=300, columns=6, condition=100)
    y = y[:, 0]
    theirs = PCA().fit(x)
    ours = PrincipalComponentRegression().fit(x, y)
    np.testing.assert_allclose(ours.eigenvalues_, theirs.explained_variance_ * 299 / 300, rtol=1e-9)
    np.testing.assert_allclose(np.abs((ours.components_ * theirs.components_).sum(axis=1)), 1, rtol=1e-9)
    scores = ours.principal_components(x)
    np.testing.assert_allclose(np.cov(scores.T, bias=True), np.eye(6), atol=1e-10)
    np.testing.assert_allclose(ours.correlation_, [gg.evaluate.pearson(s, y) for s in scores.T], atol=1e-10)
    close(ours.coef_, LeastSquares().fit(x, y).coef_)  # all components: nothing is left out
    best = PrincipalComponentRegression(2, order="correlation").fit(x, y)
    assert set(best.used_) == set(np.argsort(-np.abs(ours.correlation_))[:2])
    first = PrincipalComponentRegression(2).fit(x, y)
    assert first.used_.tolist() == [0, 1]
    for model in (best, first):  # LIN equation 39: R adds geometrically
        expected = np.sqrt((ours.correlation_[model.used_] ** 2).sum())
        assert gg.evaluate.pearson(model.predict(x), y) == pytest.approx(expected, abs=1e-9)
    assert PrincipalComponentRegression(9).fit(x, np.column_stack([y, -y, y])).used_.shape == (3, 6)


def test_rows_fewer_than_columns():
    """A documented answer: of all weights that fit, the shortest."""
    x, y = problem(5, rows=6, columns=9)
    fit = LeastSquares().fit(x, y)
    np.testing.assert_allclose(fit.predict(x), y, rtol=1e-6)
    assert fit.rank_ == 5
    np.testing.assert_allclose(fit.coef_, sklearn.linear_model.LinearRegression().fit(x, y).coef_, rtol=1e-6)
    repeated = np.column_stack([x, x[:, 0]])
    again = LeastSquares().fit(repeated, y)
    np.testing.assert_allclose(again.coef_[:, 0], again.coef_[:, -1], rtol=1e-6)  # a duplicate shares the weight


def test_bad_input():
    x, y = problem(6)
    for model, message in (
        (LeastSquares(rcond=-1.0), "rcond"),
        (PrincipalComponentRegression(0), "n_components"),
        (PrincipalComponentRegression(2, order="size"), "order"),
        (Lasso(alpha=0.0), "alpha=0.0: must be above 0"),
        (ElasticNet(l1_ratio=2.0), "l1_ratio"),
        (ElasticNet(alpha=1e-12), "largest eigenvalue"),
        (ElasticNet(tol="a"), "tolerance"),
        (ElasticNet(max_iter=0), "most_rounds"),
    ):
        with pytest.raises(gg.errors.InvalidInput, match=message):
            model.fit(x, y)
    with pytest.raises(gg.errors.InvalidInput, match="NaN"):
        Factor.of(np.full((5, 2), np.nan), np.zeros((5, 1)))
    with pytest.raises(ValueError, match="NaN"):
        LeastSquares().fit(np.full((5, 2), np.nan), np.zeros(5))


def test_ridge_identities(columns):
    """LIN's identities on the rows fitted: weights = (C + alpha)^-1 R (24), equations 31, 39, D5, D6."""
    x, y = columns
    select = gg.selection
    for some, alphas in ((x[:, ::14], (0.0, 1e-4, 0.1, 10.0)), (x, (1e-4, 0.1))):
        c, r = select.correlation_matrix(some), select.pearson_vector(some, y)
        values = select.eigenvalues(some)
        everything = PrincipalComponentRegression().fit(some, y)
        well = values[-1] > 1e-9
        for alpha in alphas:
            weights = ridge_path(some, y, [alpha])[0][0, :, 0]
            close(weights, np.linalg.solve(c + alpha * np.eye(len(c)), r), 1e-8)
            expected = select.ridge_pearson(everything.correlation_, everything.eigenvalues_, alpha)
            assert gg.evaluate.pearson(some @ weights, y) == pytest.approx(expected, abs=1e-8)
            if alpha or well:
                eigen = np.linalg.eigvalsh(c + alpha * np.eye(len(c)))
                assert select.condition_number(some, alpha) == pytest.approx(eigen[-1] / eigen[0], rel=1e-8)
        if well:
            assert gg.evaluate.pearson(LeastSquares().fit(some, y).predict(some), y) == pytest.approx(
                np.sqrt((everything.correlation_**2).sum()), abs=1e-8
            )
    assert x[:, ::14].shape[1] == 20


def test_columns_of_a_factor(columns):
    """A fit of some columns needs no more than the triangle of all."""
    x, y = columns
    some = [7, 3, 200]
    weights, intercept = Factor.of(x, y[:, None]).columns(some).ridge_path([0.0])
    expected = LeastSquares().fit(x[:, some], y)
    np.testing.assert_allclose(weights[0, :, 0], expected.coef_, rtol=1e-9)
    np.testing.assert_allclose(intercept[0, 0], expected.intercept_, atol=1e-12)
    for wrong in ([], [276], [-1]):
        with pytest.raises(gg.errors.InvalidInput, match="numbers of columns"):
            Factor.of(x, y[:, None]).columns(wrong)
