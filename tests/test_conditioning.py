"""Collinearity measures against NumPy, SciPy and scikit-learn, and LIN's identities of two features."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.linear_model
from test_linear_models import problem

import glassgpu as gg
from glassgpu.selection import (
    TwoFeatures,
    condition_number,
    correlation_matrix,
    effective_thresholds,
    eigenvalues,
    information_criteria,
    pearson_vector,
    ridge_pearson,
    ridge_trace,
    variance_inflation,
)

EPS = np.finfo(float).eps


def standard(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


def singular_values(x):
    """Of standardised columns, over sqrt(n): their squares are the eigenvalues of C."""
    return np.linalg.svd(standard(x), compute_uv=False) / np.sqrt(len(x))


def with_correlations(matrix, rows=60, seed=0):
    """Rows whose columns have just these Pearson coefficients, off the origin and of different sizes."""
    free = np.random.default_rng(seed).normal(size=(rows, len(matrix)))
    turned = np.linalg.qr(free - free.mean(axis=0))[0]
    return turned @ np.linalg.cholesky(matrix).T * np.geomspace(0.1, 30, len(matrix)) + 2


@pytest.mark.parametrize("seed", range(5))
def test_correlations_equal_numpy(seed):
    """Also of columns of a cold state, 1e-22, and of columns far from the origin, whose squares would cancel."""
    x, y = problem(seed, condition=100)
    x[:, 1] *= 1e-22
    x[:, 2] += 1e6 * x[:, 2].std()
    x[:, 3] -= 1e6 * x[:, 3].std()
    y[:, 1] *= 1e9
    whole = np.corrcoef(np.concatenate([x, y], axis=1).T)
    np.testing.assert_allclose(correlation_matrix(x), whole[:8, :8], rtol=0, atol=1e-11)
    np.testing.assert_allclose(np.diag(correlation_matrix(x)), 1, rtol=1e-14)
    np.testing.assert_allclose(pearson_vector(x, y), whole[:8, 8:], rtol=0, atol=1e-11)
    np.testing.assert_allclose(pearson_vector(x, y[:, 1]), whole[:8, 9], rtol=0, atol=1e-11)
    # Squares of this column are below the smallest double; NumPy cannot do it.
    smaller = x * np.where(np.arange(8) == 4, 2.0**-600, 1)
    np.testing.assert_allclose(correlation_matrix(smaller), correlation_matrix(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("condition", [1e4, 1e6, 1e8, 1e10])
def test_spectra_equal_singular_values(condition):
    """To ten digits of the smallest eigenvalue: those of C itself, at 1e-10 of the largest, have six at best."""
    x, _ = problem(int(np.log10(condition)), rows=400, condition=condition)
    s = singular_values(x)
    assert s[0] ** 2 / s[-1] ** 2 > condition**0.5  # the scale of the columns took some of it
    np.testing.assert_allclose(eigenvalues(x), s**2, rtol=1e-9)
    assert eigenvalues(x).sum() == pytest.approx(8, rel=1e-12)
    np.testing.assert_allclose(condition_number(x), (s[0] / s[-1]) ** 2, rtol=1e-9)
    alphas = np.array([0.0, 1e-9, 0.1, 5.0])
    np.testing.assert_allclose(condition_number(x, alphas), (s[0] ** 2 + alphas) / (s[-1] ** 2 + alphas), rtol=1e-9)
    assert condition_number(x).shape == ()


def test_real_columns_are_singular(columns):
    """LIN section V: without a penalty the matrix is singular in double precision, alpha = 0.1 makes it harmless."""
    x, _ = columns
    assert condition_number(x) > 1e15
    values = np.linalg.eigvalsh(np.corrcoef(x.T))
    np.testing.assert_allclose(condition_number(x, 0.1), (values[-1] + 0.1) / (values[0] + 0.1), rtol=1e-6)
    np.testing.assert_allclose(eigenvalues(x), values[::-1], atol=1e-12 * values[-1])


def test_fewer_rows_than_columns_are_singular():
    x, _ = problem(0, rows=5)
    assert condition_number(x) == np.inf
    values = eigenvalues(x)
    assert values.shape == (8,)
    np.testing.assert_allclose(values[:4], singular_values(x)[:4] ** 2, rtol=1e-10)
    assert (values[4:] == 0).all()
    assert condition_number(x, 0.1) == pytest.approx((values[0] + 0.1) / 0.1, rel=1e-12)


def regressed(x, k):
    """1 / (1 - R^2) of column k on the others."""
    z = standard(x)
    others = np.delete(z, k, axis=1)
    rest = z[:, k] - others @ np.linalg.lstsq(others, z[:, k], rcond=None)[0]
    return len(z) / (rest @ rest)


def test_variance_inflation():
    for condition in (1, 1e3, 1e6):
        x, _ = problem(3, rows=200, condition=condition)
        found = variance_inflation(x)
        np.testing.assert_allclose(found, [regressed(x, k) for k in range(8)], rtol=1e-8)
        np.testing.assert_allclose(found, np.diag(np.linalg.inv(np.corrcoef(x.T))), rtol=1e-6)
    turned = with_correlations(np.eye(5))
    np.testing.assert_allclose(variance_inflation(turned), 1, rtol=1e-12)


def test_variance_inflation_of_dependent_columns():
    """Infinite for those that depend on one another, and for no other."""
    x, _ = problem(4, rows=200, condition=30)
    doubled = np.column_stack([x, -3 * x[:, 2] + 1])
    found = variance_inflation(doubled)
    assert np.flatnonzero(np.isinf(found)).tolist() == [2, 8]
    np.testing.assert_allclose(np.delete(found, [2, 8]), np.delete(variance_inflation(x), 2), rtol=1e-8)
    summed = np.column_stack([x, x[:, 0] + 0.5 * x[:, 5]])
    assert np.flatnonzero(np.isinf(variance_inflation(summed))).tolist() == [0, 5, 8]
    short, _ = problem(4, rows=6)
    assert np.isinf(variance_inflation(short)).all()  # any column is a combination of the others


@pytest.mark.parametrize("targets", [1, 3])
def test_ridge_trace_equals_scikit_learn(targets):
    x, y = problem(6, rows=150, targets=targets, condition=1e4)
    x = x * np.geomspace(1e-20, 1e3, 8)
    given = y[:, 0] if targets == 1 else y
    alphas = [3.0, 0.0, 1e-20, 1e-3]
    found = ridge_trace(x, given, alphas)
    assert found.weights.shape == ((4, 8) if targets == 1 else (4, 8, targets))
    for alpha, weights in zip(alphas, found.weights, strict=True):
        theirs = sklearn.linear_model.Ridge(alpha * len(x), solver="svd").fit(standard(x), standard(given))
        np.testing.assert_allclose(weights, theirs.coef_.T, rtol=1e-7, atol=1e-9)
    assert found.alphas.tolist() == alphas
    assert found.resolved.tolist() == [True, False, False, True]
    limit = 8 * EPS * eigenvalues(x)[0]
    assert ridge_trace(x, given, [0.99 * limit, 1.01 * limit]).resolved.tolist() == [False, True]


def test_effective_thresholds():
    np.testing.assert_allclose(effective_thresholds([4.0, 1.0, 0.0], 1.0), [0.8, 0.5, 0.0])
    assert effective_thresholds([4.0, 1e-30, 0.0], 0.0).tolist() == [1.0, 1.0, 0.0]  # no penalty: all of it, of nothing nothing


def test_ridge_pearson_of_components():
    """LIN equation D5 against the fit itself, by components written out."""
    x, y = problem(7, rows=300, targets=1, condition=1e3)
    z, target = standard(x), standard(y[:, 0])
    u, s, _ = np.linalg.svd(z, full_matrices=False)
    components, values = u * np.sqrt(len(z)), s**2 / len(z)
    correlation = components.T @ target / len(z)
    for alpha in (0.0, 1e-3, 0.5):
        fit = sklearn.linear_model.Ridge(alpha * len(z), solver="svd").fit(z, target).predict(z)
        assert ridge_pearson(correlation, values, alpha) == pytest.approx(np.corrcoef(fit, target)[0, 1], abs=1e-10)
    assert ridge_pearson(correlation, values, 0.0) == pytest.approx(np.sqrt((correlation**2).sum()), rel=1e-12)


def test_information_criteria():
    aic, bic = information_criteria([0.5, 0.4], 100, [1, 3])
    np.testing.assert_allclose(aic, [100 * np.log(0.5) + 2, 100 * np.log(0.4) + 6], rtol=1e-14)
    np.testing.assert_allclose(bic, [100 * np.log(0.5) + np.log(100), 100 * np.log(0.4) + 3 * np.log(100)], rtol=1e-14)
    for rows in (7, 8):  # e^2 = 7.39
        one, two = (information_criteria(0.5, rows, k) for k in (1, 2))
        assert ((two[1] - one[1]) > (two[0] - one[0])) == (rows > 7)
    random = np.random.default_rng(0)  # both find the columns that there are, and BIC no more than AIC
    x = random.normal(size=(500, 8))
    y = x[:, :3] @ [1.0, -1.0, 0.5] + random.normal(size=500)
    error = [np.mean((y - x[:, :k] @ np.linalg.lstsq(x[:, :k], y, rcond=None)[0]) ** 2) for k in range(1, 9)]
    aic, bic = information_criteria(error, 500, np.arange(1, 9))
    assert bic.argmin() + 1 == 3
    assert aic.argmin() >= bic.argmin()
    for wrong in (0.0, -1.0, np.nan):
        with pytest.raises(gg.errors.InvalidInput, match="must be positive"):
            information_criteria([0.5, wrong], 100, [1, 2])
    with pytest.raises(gg.errors.InvalidInput, match="rows"):
        information_criteria([0.5], 1, [1])


@pytest.mark.parametrize("r", [-0.999, -0.4, 0.0, 0.3, 0.9, 0.9999])
def test_two_features(r):
    """LIN equations 28 to 31, D8, D9 against fits of rows with just these correlations."""
    along = 0.6 * np.sqrt((1 + abs(r)) / 2)  # what both see; the rest is small where they are nearly the same
    r1, r2 = along + 0.1 * np.sqrt(1 - abs(r)), np.copysign(along, r) - 0.05 * np.sqrt(1 - abs(r))
    rows = with_correlations(np.array([[1, r, r1], [r, 1, r2], [r1, r2, 1]]))
    x, y = rows[:, :2], rows[:, 2]
    np.testing.assert_allclose(np.corrcoef(rows.T)[[0, 0, 1], [1, 2, 2]], [r, r1, r2], atol=1e-12)
    two = TwoFeatures(r, r1, r2)
    for alpha in (0.0, 1e-3, 0.1, 10.0):
        expected = gg.models.Ridge(alpha).fit(standard(x), standard(y)).coef_
        np.testing.assert_allclose(two.weights(alpha), expected, rtol=1e-8, atol=1e-12)
        assert two.condition_number(alpha) == pytest.approx(condition_number(x, alpha), rel=1e-8)


def test_bad_input():
    x, y = problem(0)
    constant, broken = x.copy(), x.copy()
    constant[:, 3] = 0.1
    broken[7, 2] = np.nan
    for call in (
        correlation_matrix,
        eigenvalues,
        condition_number,
        variance_inflation,
        lambda a: pearson_vector(a, y),
        lambda a: ridge_trace(a, y, 0.1),
    ):
        for given, message in ((constant, r"columns \[3\]"), (broken, "NaN"), ("text", "not an array of real numbers"), (x[:, 0], "shape")):
            with pytest.raises(gg.errors.InvalidInput, match=message):
                call(given)
    for target, message in (
        (np.ones(120), r"columns \[8\]"),
        (np.where(y > 3, np.nan, y), "NaN"),
        (y[:9], r"y \(9, 2\)"),
        ("text", "numbers"),
    ):
        for call in (lambda a: pearson_vector(x, a), lambda a: ridge_trace(x, a, 0.1)):
            with pytest.raises(gg.errors.InvalidInput, match=message):
                call(target)
    for call in (lambda a: condition_number(x, a), lambda a: ridge_trace(x, y, a)):
        for alpha in (-0.1, "text", np.nan):
            with pytest.raises(gg.errors.InvalidInput, match="alpha"):
                call(alpha)
    for alpha in (-0.1, "text"):
        with pytest.raises(gg.errors.InvalidInput, match="alpha"):
            effective_thresholds([1.0], alpha)
    for r in (1.0, -1.0, 2.0, np.nan):
        with pytest.raises(gg.errors.InvalidInput, match="between -1 and 1"):
            TwoFeatures(r, 0.1, 0.2)
