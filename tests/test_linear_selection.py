"""Selections with a linear model in mind, against scikit-learn and slow loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import sklearn.linear_model
from sklearn.feature_selection import RFE
from test_conditioning import standard
from test_linear_models import problem

import glassgpu as gg
from glassgpu.selection import lasso_selection, minimum_redundancy, random_selection, recursive_elimination


def planted(seed, rows=300, columns=12, noise=0.3):
    """Columns of unequal sizes off the origin, of which 2, 5 and 9 make the target."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, columns)) + 0.3 * random.normal(size=(rows, 1))
    y = x[:, [2, 5, 9]] @ [1.0, -0.8, 0.6] + noise * random.normal(size=rows)
    return x * np.geomspace(1e-9, 1e3, columns) + 5, y + 2


@pytest.mark.parametrize("seed", range(3))
def test_lasso_selection_equals_scikit_learn(seed):
    """The support at the penalty returned, in the order of its weights; at a penalty a little above there are fewer."""
    x, y = planted(seed, columns=10)
    z, target = standard(x), standard(y)
    for wanted in range(1, 11):
        found = lasso_selection(x, y, wanted)
        weights = sklearn.linear_model.Lasso(found.alpha, tol=1e-12, max_iter=10**5).fit(z, target).coef_
        assert found.exact
        assert found.features == tuple(np.argsort(-np.abs(weights))[:wanted].tolist())
        assert (weights != 0).sum() == wanted


def test_lasso_selection_finds_what_was_planted():
    for seed in range(10):
        x, y = planted(seed)
        assert set(lasso_selection(x, y, 3).features) == {2, 5, 9}


def test_lasso_selection_of_columns_that_enter_together():
    """Where no penalty gives the number asked for the search ends, gives that number, and says so."""
    pattern = np.array(list(itertools.product([-1.0, 1.0], repeat=4)))  # orthogonal, of equal size
    target = pattern[:, 0] + pattern[:, 1] + 0.3 * pattern[:, 2] + 0.5 * pattern[:, 3] * pattern[:, 2]
    for order in ([0, 1, 2], [2, 1, 0]):
        one = lasso_selection(pattern[:, order], target, 1)
        assert len(one.features) == 1
        assert not one.exact
        assert order[one.features[0]] in (0, 1)
        two = lasso_selection(pattern[:, order], target, 2)
        assert two.exact
        assert {order[k] for k in two.features} == {0, 1}


def test_lasso_selection_of_repeated_columns():
    """A copy adds nothing: only one of the two enters, and the others as if it were not there."""
    x, y = planted(3)
    doubled = np.column_stack([x, x[:, 2], x[:, 5]])
    original = np.array([*range(12), 2, 5])
    for wanted in range(1, 13):
        found, expected = lasso_selection(doubled, y, wanted), lasso_selection(x, y, wanted)
        assert found.exact
        assert tuple(original[list(found.features)].tolist()) == expected.features
    with pytest.raises(gg.errors.InvalidInput, match="n_features=13: at most 12"):
        lasso_selection(doubled, y, 13)


def test_lasso_selection_on_real_columns(columns):
    """276 nearly parallel columns: every number from 1 to 15, in the order of weights that scikit-learn finds as well."""
    x, y = columns
    last = 0.0
    for wanted in range(1, 16):
        found = lasso_selection(x, y, wanted)
        assert found.exact
        assert len(set(found.features)) == wanted
        fit = gg.models.LeastSquares().fit(x[:, found.features], y).score(x[:, found.features], y)
        assert fit > last - 0.02  # columns may leave as others enter
        last = fit
        if wanted in (1, 4, 10):
            weights = sklearn.linear_model.Lasso(found.alpha, tol=1e-9, max_iter=10**5).fit(x, y).coef_
            assert set(np.flatnonzero(np.abs(weights) > 1e-6)) == set(found.features)
    assert last > 0.3


def test_lasso_selection_of_more_than_ever_enter():
    """As many as there are rows at most."""
    x, y = planted(0, rows=9)
    with pytest.raises(gg.errors.InvalidInput, match=r"n_features=12: at most .* columns enter"):
        lasso_selection(x, y, 12)


@pytest.mark.parametrize("alpha", [1e-3, 0.1, 10.0])
def test_recursive_elimination_equals_scikit_learn(alpha):
    for seed in range(5):
        x, y = problem(seed, columns=12, targets=1, condition=1e4)
        y = y[:, 0]
        model = sklearn.linear_model.Ridge(alpha * len(x), solver="cholesky")
        theirs = RFE(model, n_features_to_select=1).fit(standard(x), standard(y))
        expected = np.argsort(theirs.ranking_).tolist()
        for wanted in (1, 4, 12):
            assert recursive_elimination(x, y, wanted, alpha) == tuple(expected[:wanted])
        some = RFE(model, n_features_to_select=4).fit(standard(x), standard(y))
        assert set(recursive_elimination(x, y, 4, alpha)) == set(np.flatnonzero(some.support_))
    assert recursive_elimination(x, y, 5) == recursive_elimination(x, y, 5, 0.1)


def slow_redundancy(x, y, wanted, scheme):
    matrix = np.abs(np.corrcoef(np.column_stack([x, y]).T))
    chosen = []
    for _ in range(wanted):
        scores = {}
        for k in range(x.shape[1]):
            if k in chosen:
                continue
            redundancy = sum(matrix[k, j] for j in chosen) / len(chosen) if chosen else 1.0
            relevance = matrix[k, -1]
            scores[k] = relevance - redundancy if scheme == "difference" else relevance / redundancy
        chosen.append(max(scores, key=scores.__getitem__))
    return tuple(chosen)


@pytest.mark.parametrize("scheme", ["difference", "quotient"])
def test_minimum_redundancy_equals_a_slow_loop(scheme, columns):
    for seed in range(10):
        x, y = problem(seed, columns=9, targets=1, condition=1e3)
        for wanted in (1, 5, 9):
            assert minimum_redundancy(x, y[:, 0], wanted, scheme) == slow_redundancy(x, y[:, 0], wanted, scheme)
    x, y = columns[0][:, ::6], columns[1]
    assert minimum_redundancy(x, y, 10, scheme) == slow_redundancy(x, y, 10, scheme)


def test_minimum_redundancy_passes_over_a_repeated_column():
    """The best column and its copy: the copy says nothing new, and is not taken second."""
    for seed in range(10):
        x, y = planted(seed)
        doubled = np.column_stack([x, x[:, 2] * 3])
        first, second = minimum_redundancy(doubled, y, 2)
        assert first in (2, 12)
        assert second in (5, 9)
        assert sorted(minimum_redundancy(doubled, y, 13)) == list(range(13))


def test_random_selection():
    draws = random_selection(12, 5, 4000, seed=3)
    assert draws.shape == (4000, 5)
    assert draws.dtype == np.int64
    assert (np.diff(np.sort(draws, axis=1), axis=1) > 0).all()  # none twice
    assert (draws >= 0).all() and (draws < 12).all()
    for chance, count in ((5 / 12, np.bincount(draws.ravel(), minlength=12)), (1 / 12, np.bincount(draws[:, 0], minlength=12))):
        assert (np.abs(count - 4000 * chance) < 4 * np.sqrt(4000 * chance * (1 - chance))).all()
    assert np.array_equal(draws, random_selection(12, 5, 4000, seed=3))
    assert not np.array_equal(draws, random_selection(12, 5, 4000, seed=4))
    assert sorted(random_selection(7, 7, 1)[0]) == list(range(7))


def test_bad_input():
    x, y = planted(0, columns=10)
    constant, broken = x.copy(), x.copy()
    constant[:, 3] = 0.1
    broken[7, 2] = np.nan
    for select in (lasso_selection, recursive_elimination, minimum_redundancy):
        for arguments, message in (
            ((constant, y, 2), r"columns \[3\]"),
            ((x, np.ones(300), 2), r"columns \[10\]"),
            ((broken, y, 2), "NaN"),
            ((x, np.where(y > 2, np.nan, y), 2), "NaN"),
            (("text", y, 2), "not an array of real numbers"),
            ((x, "text", 2), "expected"),
            ((x, np.column_stack([y, y]), 2), r"y has shape \(300, 2\)"),
            ((x, y[:9], 2), r"y \(9, 1\)|y \(9,\)"),
            ((x, y, 0), "n_features"),
            ((x, y, 11), "n_features"),
            ((x, y, 2.5), "n_features"),
        ):
            with pytest.raises(gg.errors.InvalidInput, match=message):
                select(*arguments)
    for alpha in (0.0, -1.0, "text"):
        with pytest.raises(gg.errors.InvalidInput, match="alpha"):
            recursive_elimination(x, y, 2, alpha)
    with pytest.raises(gg.errors.InvalidInput, match="scheme"):
        minimum_redundancy(x, y, 2, "product")
    for arguments, message in (
        ((0, 1), "columns"),
        ((5, 6), "n_features"),
        ((5, 0), "n_features"),
        ((5, 2, 0), "draws"),
        ((5, 2, 3, -1), "seed"),
    ):
        with pytest.raises(gg.errors.InvalidInput, match=message):
            random_selection(*arguments)
