"""Log-odds of counts, their noise, intervals, and the likelihood fit, against SciPy, scikit-learn and simulations."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.linear_model
from scipy.stats import binom, binomtest

import glassgpu as gg
from glassgpu.dynamics import (
    logit,
    logit_ceiling,
    logit_normal,
    logit_reliability,
    logit_variance,
    probability_interval,
    structural_variance,
)
from glassgpu.models.binomial import binomial_fit


def test_logit_by_hand():
    np.testing.assert_allclose(logit([0, 1, 2, 4], 4), np.log([0.5 / 4.5, 1.5 / 3.5, 1.0, 4.5 / 0.5]))
    np.testing.assert_allclose(logit_variance([0, 2, 4], 4), [2 + 1 / 4.5, 0.8, 2 + 1 / 4.5])
    count, replicas = np.array([[0, 3], [5, 7]]), np.array([10, 7])
    np.testing.assert_allclose(logit(count, replicas), -logit(replicas - count, replicas))  # odd
    np.testing.assert_allclose(logit_variance(count, replicas), logit_variance(replicas - count, replicas))
    assert logit(3, 10).shape == ()


@pytest.mark.parametrize("p", [0.05, 0.3, 0.5])
def test_logit_and_its_variance_are_those_of_a_binomial(p):
    """Exact means over all counts: the bias is of second order, and v is the variance to 3 %, from ten events on."""
    for replicas in (200, 800):
        k = np.arange(replicas + 1)
        weight = binom.pmf(k, replicas, p)
        mean = weight @ logit(k, replicas)
        assert abs(mean - np.log(p / (1 - p))) < 1 / (replicas * p) ** 2
        spread = weight @ (logit(k, replicas) - mean) ** 2
        assert weight @ logit_variance(k, replicas) == pytest.approx(spread, rel=0.03 if replicas == 800 else 0.12)


def test_interval_equals_scipy():
    for level in (0.5, 0.6827, 0.95):
        for k, r in ((0, 1), (1, 1), (0, 30), (7, 30), (30, 30), (3, 100000)):
            low, high = probability_interval(k, r, level)
            expected = binomtest(k, r).proportion_ci(level, method="wilson")
            assert low == pytest.approx(expected.low, abs=1e-15)
            assert high == pytest.approx(expected.high, abs=1e-15)
    low, high = probability_interval(np.arange(5), 4)
    np.testing.assert_allclose(low, 1 - high[::-1], atol=1e-15)
    assert low[0] == 0 and high[-1] == 1


@pytest.mark.parametrize("p", [0.01, 0.1, 0.5])
def test_interval_covers(p):
    k = np.arange(1001)
    low, high = probability_interval(k, 1000, 0.95)
    assert binom.pmf(k, 1000, p) @ ((low <= p) & (p <= high)) == pytest.approx(0.95, abs=0.02)


def test_reliability_of_known_logits():
    """Normal logits of known variance; two ensembles of the same particles correlate at the reliability."""
    random = np.random.default_rng(0)
    true = random.normal(-2, 0.7, (3, 20000))
    p = 1 / (1 + np.exp(-true))
    print()
    for replicas, near in ((50, 0.05), (200, 0.02), (2000, 0.02)):
        one, two = random.binomial(replicas, p), random.binomial(replicas, p)
        found = logit_reliability(one, replicas)
        assert found.shape == (3,)
        np.testing.assert_allclose(structural_variance(one, replicas), 0.49, rtol=0.15 if replicas == 50 else 0.04)
        for row in range(3):
            together = np.corrcoef(logit(one[row], replicas), logit(two[row], replicas))[0, 1]
            print(f"R = {replicas}: reliability {found[row]:.4f}, of two ensembles {together:.4f}")
            assert found[row] == pytest.approx(together, abs=near)
    spread = logit(one[0], 2000).var(ddof=1)
    assert found[0] == pytest.approx(1 - logit_variance(one[0], 2000).mean() / spread)
    assert structural_variance(one[0], 2000) == pytest.approx(found[0] * spread)


def test_rare_events_hide_structural_variance():
    """Below some ten events a particle the 1/2 pulls logits together: the docstring's warning, in numbers. The likelihood sees them."""
    random = np.random.default_rng(1)
    true = random.normal(-6, 0.7, 50000)
    p = 1 / (1 + np.exp(-true))
    found = {}
    print()
    for events in (0.5, 3, 10, 100):
        replicas = round(events / p.mean())
        count = random.binomial(replicas, p)
        found[events] = structural_variance(count, replicas) / 0.49
        mean, variance = logit_normal(count, replicas)
        print(f"{events} events a particle: {found[events]:.2f} of the true variance, by likelihood {variance / 0.49:.3f}, mean {mean:.3f}")
        assert mean == pytest.approx(-6, abs=0.03)
        assert variance == pytest.approx(0.49, rel=0.05)
    assert found[0.5] < 0.5
    assert found[10] == pytest.approx(1, abs=0.15)
    assert found[100] == pytest.approx(1, abs=0.03)


def test_likelihood_of_normal_logits_equals_a_sum():
    """The maximum over a grid of the likelihood integrated by a plain sum, with different numbers of runs."""
    random = np.random.default_rng(6)
    replicas = random.integers(1, 40, 300)
    count = random.binomial(replicas, 1 / (1 + np.exp(-random.normal(-1, 1, 300))))
    y = np.linspace(-12, 10, 1500)
    each = binom.pmf(count[:, None], replicas[:, None], 1 / (1 + np.exp(-y)))

    def log_likelihood(mean, variance):
        prior = np.exp(-((y - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
        return np.log(each @ prior * (y[1] - y[0])).sum()

    mean, variance = logit_normal(count, replicas)
    best = log_likelihood(mean, variance)
    for step in (0.02, 0.1):
        for other in ((mean + step, variance), (mean - step, variance), (mean, variance + step), (mean, variance - step)):
            assert log_likelihood(*other) < best


@pytest.mark.parametrize(("mean", "replicas"), [(-4.0, 100), (-1.0, 400)])
def test_ceiling_of_a_guess_that_knows_the_truth(mean, replicas):
    """By sums over all counts and latents; with few events the simple reliability says that nothing is left to guess."""
    random = np.random.default_rng(4)
    p = 1 / (1 + np.exp(-random.normal(mean, 0.4, 20000)))
    count = random.binomial(replicas, p)
    latent = np.linspace(mean - 2.4, mean + 2.4, 201)
    weight = np.exp(-(((latent - mean) / 0.4) ** 2) / 2)
    weight /= weight.sum()
    k = np.arange(replicas + 1)
    chance = binom.pmf(k, replicas, 1 / (1 + np.exp(-latent[:, None])))
    y = logit(k, replicas)
    told = chance @ y
    spread = weight @ chance @ y**2 - (weight @ told) ** 2
    exact = np.sqrt((weight @ told**2 - (weight @ told) ** 2) / spread)
    assert logit_ceiling(count, replicas) == pytest.approx(exact, abs=0.02)
    assert gg.evaluate.pearson(logit(count, replicas), np.interp(np.log(p / (1 - p)), latent, told)) == pytest.approx(exact, abs=0.02)
    if mean < -2:
        assert logit_reliability(count, replicas) < 0 < 0.4 < exact
    else:
        assert np.sqrt(logit_reliability(count, replicas)) == pytest.approx(exact, abs=0.02)
    assert logit_ceiling([1, 1, 1, 1], 4) == 0.0


def test_no_structural_variance_left():
    random = np.random.default_rng(2)
    same = random.binomial(100, 0.3, 2000)
    assert abs(logit_reliability(same, 100)) < 0.1
    assert structural_variance(np.array([30, 31, 30, 29]), 100) < 0
    assert logit_normal(same, 100)[1] < 0.005
    mean, variance = logit_normal([30, 31, 30, 29], 100)
    assert (variance, mean) == (0, pytest.approx(np.log(3 / 7), abs=1e-3))
    assert np.isnan(logit_reliability([30, 30, 30], 100))
    assert np.isnan(structural_variance(np.array([30]), 100))


@pytest.mark.parametrize("alpha", [0.0, 1e-4, 0.1, 10.0])
@pytest.mark.parametrize("seed", range(3))
def test_fit_equals_scikit_learn(alpha, seed):
    """Each row twice, as events and as non-events, weighted by their counts."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(150, 4)) @ random.normal(size=(4, 4)) + 3
    replicas = random.integers(1, 60, 150)
    count = random.binomial(replicas, 1 / (1 + np.exp(-(0.3 * x[:, 0] - 0.2 * x[:, 1] - 1))))
    found = binomial_fit(x, count, replicas, alpha)
    theirs = sklearn.linear_model.LogisticRegression(
        C=np.inf if alpha == 0 else 1 / (alpha * 150), solver="newton-cholesky", tol=1e-12, max_iter=1000
    ).fit(np.concatenate([x, x]), np.repeat([1, 0], 150), sample_weight=np.concatenate([count, replicas - count]))
    np.testing.assert_allclose(found.weights, theirs.coef_[0], rtol=1e-6, atol=1e-8)
    assert found.intercept == pytest.approx(theirs.intercept_[0], rel=1e-6)
    np.testing.assert_allclose(found(x), theirs.decision_function(x), rtol=1e-6, atol=1e-8)
    p = 1 / (1 + np.exp(-found(x)))
    best = np.where(count > 0, count / replicas, 0.5), np.where(count < replicas, 1 - count / replicas, 0.5)
    deviance = 2 * sum(
        (k * np.log(b / q) if k else 0) + ((r - k) * np.log(c / (1 - q)) if r - k else 0)
        for k, r, q, b, c in zip(count, replicas, p, *best, strict=True)
    )
    assert found.deviance == pytest.approx(deviance, rel=1e-9)


def test_fit_is_at_the_minimum_and_invariant():
    random = np.random.default_rng(3)
    x = random.normal(size=(300, 3))
    count = random.binomial(40, 1 / (1 + np.exp(4 - x[:, 0])))
    found = binomial_fit(x, count, 40, 0.01)
    p = 1 / (1 + np.exp(-found(x)))
    np.testing.assert_allclose(x.T @ (count - 40 * p) / 300, 0.01 * found.weights, atol=1e-8)
    assert (40 * p).sum() == pytest.approx(count.sum(), rel=1e-8)
    order = random.permutation(300)
    np.testing.assert_allclose(binomial_fit(x[order], count[order], 40, 0.01).weights, found.weights, rtol=1e-9)
    np.testing.assert_allclose(binomial_fit(x + 1e3, count, 40, 0.01).weights, found.weights, rtol=1e-6)
    np.testing.assert_allclose(binomial_fit(x, 40 - count, 40, 0.01).weights, -found.weights, rtol=1e-6)
    doubled = binomial_fit(np.column_stack([x, x[:, 0]]), count, 40)  # columns that depend on one another share
    np.testing.assert_allclose(doubled(x[:, [0, 1, 2, 0]]), binomial_fit(x, count, 40)(x), rtol=1e-6)


def test_fit_of_rare_events_is_less_biased_than_logits():
    """With one event a particle logits with 1/2 flatten the slope; the likelihood does not. The deviance is that of noise."""
    random = np.random.default_rng(4)
    x = random.normal(size=(40000, 2))
    p = 1 / (1 + np.exp(5 - 0.8 * x[:, 0]))
    few = random.binomial(100, p)
    found = binomial_fit(x, few, 100).weights
    by_logit = np.linalg.lstsq(np.column_stack([x, np.ones(40000)]), logit(few, 100), rcond=None)[0]
    print(f"\nslope 0.8: likelihood {found[0]:.3f}, least squares of logits {by_logit[0]:.3f}")
    np.testing.assert_allclose(found, [0.8, 0], atol=0.02)
    assert by_logit[0] < 0.6
    many = random.binomial(100000, p)
    assert binomial_fit(x, many, 100000).deviance == pytest.approx(40000, rel=0.03)


def test_bad_input():
    for call in (logit, logit_variance, probability_interval, structural_variance, logit_reliability):
        for count, replicas, message in (
            ([1, 5], 4, "between 0 and replicas"),
            ([-1, 2], 4, "between 0 and replicas"),
            ([0.5, 2], 4, "whole numbers"),
            ([0, 0], 0, "at least 1"),
            ([1, 2], [4, 4, 4], "shape|broadcast"),
            (["a"], 4, "numbers"),
        ):
            with pytest.raises(gg.errors.InvalidInput, match=message):
                call(count, replicas)
    with pytest.raises(gg.errors.InvalidInput, match="one number"):
        logit_reliability(3, 4)
    for count in ([0, 0], [4, 4], [[1, 2]]):
        with pytest.raises(gg.errors.InvalidInput, match="some of the runs and not in all"):
            logit_normal(count, 4)
    with pytest.raises(gg.errors.InvalidInput, match="replicas"):
        logit_ceiling([1, 2], [4, 4])
    for level in (0.0, 1.0, "x"):
        with pytest.raises(gg.errors.InvalidInput, match="level"):
            probability_interval(1, 4, level)
    x = np.random.default_rng(5).normal(size=(20, 2))
    k = np.arange(20) % 3
    for args, message in (
        ((x, k[:5], 4), "shape"),
        ((x, k, 1), "between 0 and replicas"),
        ((x, k, np.full(5, 4)), "replicas has shape"),
        ((x, np.zeros(20), 4), "none of the runs"),
        ((x, np.full(20, 4), 4), "all of the runs"),
        ((x, k, 4, -1.0), "alpha"),
        ((np.full((20, 2), np.nan), k, 4), "NaN"),
    ):
        with pytest.raises(gg.errors.InvalidInput, match=message):
            binomial_fit(*args)
    apart = (x[:, 0] > 0).astype(int)
    with pytest.raises(gg.errors.NotConverged, match="alpha above 0"):
        binomial_fit(x, apart, 1)
    assert np.isfinite(binomial_fit(x, apart, 1, 1e-3).weights).all()
