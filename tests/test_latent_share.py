"""Shares of the variance of logits by the likelihood of counts, against known shares and a plain maximum of the full likelihood."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import binom, norm

import glassgpu as gg
from glassgpu.dynamics import logit, logit_normal, logit_variance
from glassgpu.dynamics.rearrangement import normal_logits
from glassgpu.landscape import explained_by_likelihood, explained_variance

LEVEL, VARIANCE = -5.0, 0.49
NEAR = {0.5: 0.08, 3: 0.03, 10: 0.02, 100: 0.02}  # by events a particle, of 40000: about three standard errors, and 0.005


def pairs(share, events, rows, seed):
    """x, counts and R: normal x and logits of which x explains the share, linearly."""
    random = np.random.default_rng(seed)
    x = random.normal(size=rows)
    p = 1 / (1 + np.exp(-LEVEL - np.sqrt(VARIANCE) * (np.sqrt(share) * x + np.sqrt(1 - share) * random.normal(size=rows))))
    replicas = max(2, round(events / p.mean()))
    return x, random.binomial(replicas, p), replicas


def seen(bins):
    """What bins of equal counts see of the variance of a normal x."""
    return bins * (np.diff(norm.pdf(norm.ppf(np.linspace(0, 1, bins + 1)))) ** 2).sum()


@pytest.mark.parametrize("events", NEAR)
@pytest.mark.parametrize(("share", "bins"), [(0.0, 10), (0.3, 10), (0.63, 10), (0.63, 40), (0.9, 40)])
def test_shares_of_gaussian_pairs(share, bins, events):
    x, count, replicas = pairs(share, events, 40000, 1)
    found, expected = explained_by_likelihood(x, count, replicas, bins=bins), share * seen(bins)
    by_moments = explained_variance(x, logit(count, replicas), logit_variance(count, replicas)).value
    print(
        f"\nshare {share}, {events} events, {bins} bins: {found.value:.3f} +- {found.standard_error:.3f}, "
        f"expected {expected:.3f}; by moments {by_moments:.3f}"
    )
    assert found.value == pytest.approx(expected, abs=NEAR[events])
    assert found.between + found.within == pytest.approx(VARIANCE, rel=0.1 if events < 1 else 0.04)
    assert found.value == found.between / (found.between + found.within)
    assert 0 < found.standard_error < NEAR[events] / 2
    assert abs(found.value - expected) < 4 * found.standard_error + 0.005
    if (share, events) == (0.63, 3):
        assert by_moments > 0.9  # what this function is for


def test_what_few_bins_miss():
    """The docstring's figures: outer bins are wide, and s2 is theirs where they hold the events."""
    assert (seen(10), seen(40)) == (pytest.approx(0.959, abs=5e-4), pytest.approx(0.993, abs=5e-4))
    x, count, replicas = pairs(0.9, 3, 40000, 1)
    ten, forty = (explained_by_likelihood(x, count, replicas, bins=bins).value for bins in (10, 40))
    assert (ten, forty) == (pytest.approx(0.82, abs=0.01), pytest.approx(0.87, abs=0.01))
    x, count, replicas = pairs(0.9, 30, 40000, 2)
    assert explained_by_likelihood(x, count, replicas, bins=40).value == pytest.approx(0.9 * seen(40), abs=0.01)


def test_relation_need_not_be_linear():
    """Ten values of x whose logits rise and fall, equally many rows each."""
    random = np.random.default_rng(3)
    mean = np.array([0.0, 1, -1, 0.5, 0.5, -1, 1, 0, -0.5, -0.5])
    x = random.permutation(np.repeat(np.arange(10), 3000))
    p = 1 / (1 + np.exp(4 - mean[x] - 0.6 * random.normal(size=30000)))
    found = explained_by_likelihood(x, random.binomial(150, p), 150)
    assert found.value == pytest.approx(mean.var() / (mean.var() + 0.36), abs=0.02)
    assert found.between == pytest.approx(mean.var(), rel=0.05)
    assert found.within == pytest.approx(0.36, rel=0.05)


def test_equals_a_plain_maximum_of_the_full_likelihood():
    """Rows one by one, the integral a sum over 300 logits, SciPy's simplex, second derivatives by differences."""
    random = np.random.default_rng(4)
    x = random.normal(size=240)
    replicas = random.integers(5, 40, 240)
    count = random.binomial(replicas, 1 / (1 + np.exp(1 - x - random.normal(size=240))))
    y = np.linspace(-10, 8, 300)
    each = binom.pmf(count[:, None], replicas[:, None], 1 / (1 + np.exp(-y)))
    bin_of = np.empty(240, int)
    bin_of[np.argsort(x)] = np.repeat(np.arange(3), 80)

    def minus(u):
        prior = norm.pdf(y, u[bin_of, None], np.sqrt(u[3]))
        return -np.log((each * prior).sum(axis=1) * (y[1] - y[0])).sum()

    u = minimize(minus, [-1.5, -1, -0.5, 1], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9, "maxiter": 2000}).x
    h, unit = 1e-3, np.eye(4)
    information = [
        [sum(a * b * minus(u + h * (a * unit[i] + b * unit[j])) for a in (-1, 1) for b in (-1, 1)) / (4 * h**2) for j in range(4)]
        for i in range(4)
    ]
    c = np.linalg.inv(information)
    centre = np.eye(3) - 1 / 3
    between = u[:3].var() - np.trace(centre @ c[:3, :3]) / 3
    found = explained_by_likelihood(x, count, replicas, bins=3)
    assert found.within == pytest.approx(u[3], rel=1e-3)
    assert found.between == pytest.approx(between, rel=1e-3)
    assert found.value == pytest.approx(between / (between + u[3]), rel=1e-3)
    # the error: the share of many draws of the parameters, and of x
    drawn = random.multivariate_normal(u, c, 50000)
    v, s2 = drawn[:, :3].var(axis=1), drawn[:, 3]
    slope = u[3] / (u[3] + between) ** 2
    away2 = (u[:3] - u[:3].mean()) ** 2
    error = np.sqrt((v / (v + s2)).var() + slope**2 * away2.var() / 240)
    assert found.standard_error == pytest.approx(error, rel=0.1)


def test_invariance():
    x, count, replicas = pairs(0.5, 3, 3000, 5)
    found = explained_by_likelihood(x, count, replicas)
    order = np.random.default_rng(6).permutation(3000)
    assert explained_by_likelihood(x[order], count[order], np.full(3000, replicas)) == found
    assert explained_by_likelihood(np.exp(3 * x), count, replicas) == found
    assert explained_by_likelihood(7 * x - 2, count, replicas) == found
    for other in (explained_by_likelihood(-x, count, replicas), explained_by_likelihood(x, replicas - count, replicas)):
        assert other.value == pytest.approx(found.value, rel=1e-6)
        assert other.standard_error == pytest.approx(found.standard_error, rel=1e-4)
    tied = x.round(1)  # ties: the order of rows must not decide who shares a bin
    assert explained_by_likelihood(tied[order], count[order], replicas) == explained_by_likelihood(tied, count, replicas)
    block = np.arange(3000) % 12
    first, second, other = (
        explained_by_likelihood(x[o], count[o], replicas, block=block[o], resamples=20, seed=s)
        for o, s in ((slice(None), 1), (order, 1), (order, 2))
    )
    assert first == second
    assert first.value == other.value == found.value and first.standard_error != other.standard_error


def test_one_bin_is_logit_normal_and_explains_nothing():
    _, count, replicas = pairs(0.5, 3, 3000, 7)
    variance = logit_normal(count, replicas)[1]
    for found in (
        explained_by_likelihood(np.arange(3000), count, replicas, bins=1),
        explained_by_likelihood(np.zeros(3000), count, replicas),  # no two bins to tell apart
    ):
        assert found.within == pytest.approx(variance, rel=1e-9)
        assert (found.value, found.standard_error) == (pytest.approx(0, abs=1e-12), pytest.approx(0, abs=1e-12))


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_errors_cover(share):
    """The scatter of shares of many samples is the error told, and unrelated x has a share of 0 on average."""
    off = np.array(
        [
            (f.value - share * seen(10), f.standard_error)
            for f in (explained_by_likelihood(*pairs(share, 5, 1500, seed)) for seed in range(40))
        ]
    )
    ratio = off[:, 0].std() / np.sqrt((off[:, 1] ** 2).mean())
    print(f"\nshare {share}: scatter / error {ratio:.2f}, mean deviation {off[:, 0].mean():.4f} +- {off[:, 0].std() / 40**0.5:.4f}")
    assert ratio == pytest.approx(1, abs=0.3)
    assert abs(off[:, 0].mean()) < 3 * off[:, 0].std() / np.sqrt(40) + 0.005


def test_error_knows_that_x_was_drawn():
    """A tenth of the rows far from the others: how many they are scatters more than all else."""
    found = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        x = (random.random(300) < 0.1).astype(float)
        p = 1 / (1 + np.exp(2 - 3 * x - np.sqrt(0.5) * random.normal(size=300)))
        found.append(explained_by_likelihood(x, random.binomial(300, p), 300, bins=40))
    value, error = np.array([(f.value, f.standard_error) for f in found]).T
    print(f"\nscatter {value.std():.4f}, error {np.sqrt((error**2).mean()):.4f}, mean {value.mean():.3f} of {0.81 / 1.31:.3f}")
    assert value.std() == pytest.approx(np.sqrt((error**2).mean()), rel=0.3)


def test_covariance_where_the_variance_is_zero():
    """Second derivatives at the edge by one-sided differences of a plain sum over logits."""
    count, replicas = np.array([6, 8, 10, 11, 14, 11]), 30
    found = normal_logits(count, np.full(6, replicas), np.zeros(6, int), np.ones(6, int))
    assert found.variance == 0 and not found.widest
    y = np.linspace(-1, 1, 4001)

    def likelihood(mean, variance):
        at = mean + np.sqrt(variance) * 8 * y  # at variance 0 all of them one
        weight = norm.pdf(8 * y)
        return np.log(binom.pmf(count[:, None], replicas, 1 / (1 + np.exp(-at))) @ weight / weight.sum()).sum()

    m, h = found.mean[0], 2e-3
    along = [[likelihood(m + a * h, b * h) for b in range(4)] for a in (-1, 0, 1)]
    mean = -(along[0][0] - 2 * along[1][0] + along[2][0]) / h**2
    last = -(2 * along[1][0] - 5 * along[1][1] + 4 * along[1][2] - along[1][3]) / h**2
    slopes = [(-3 * row[0] + 4 * row[1] - row[2]) / (2 * h) for row in along]
    mixed = -(slopes[2] - slopes[0]) / (2 * h)
    information = np.array([[mean, mixed], [mixed, last]])
    assert m == pytest.approx(np.log(1 / 2), abs=1e-4)
    np.testing.assert_allclose(found.covariance, np.linalg.inv(information), rtol=0.03)
    far = normal_logits(np.array([8, 9, 10, 11, 12, 10]), np.full(6, replicas), np.zeros(6, int), np.ones(6, int))
    assert far.covariance[-1, -1] == np.inf  # so far from a maximum that the likelihood is curved the other way


def test_bootstrap_sees_blocks():
    """Independent rows: as by the delta method. Configurations that differ in level: more."""
    x, count, replicas = pairs(0.5, 5, 4000, 8)
    block = np.arange(4000) % 40
    plain = explained_by_likelihood(x, count, replicas, bins=5)
    drawn = explained_by_likelihood(x, count, replicas, bins=5, block=block, resamples=60)
    assert drawn.value == plain.value
    assert drawn.standard_error == pytest.approx(plain.standard_error, rel=0.35)
    random = np.random.default_rng(9)
    level = random.normal(size=40)[block] + random.normal(size=40)[np.argsort(random.random(40))][block]
    p = 1 / (1 + np.exp(4 - 0.7 * level - 0.5 * random.normal(size=4000)))
    count, score = random.binomial(200, p), level + 0.3 * random.normal(size=4000)
    plain, drawn = (explained_by_likelihood(score, count, 200, bins=5, block=b, resamples=40) for b in (None, block))
    assert drawn.standard_error > 2 * plain.standard_error
    assert np.isnan(explained_by_likelihood(x, count, 200, block=np.zeros(4000, int)).standard_error)
    assert np.isnan(explained_by_likelihood(x, count, 200, block=block, resamples=0).standard_error)


def test_reasons_where_there_is_no_share():
    random = np.random.default_rng(10)
    x = random.normal(size=2000)
    empty = explained_by_likelihood(x, np.where(x < -1, 0, 1 + random.binomial(5, 0.5, 2000)), 10)
    assert np.isnan(empty.value) and "no events" in empty.reason
    for count, replicas in ((random.binomial(1, 0.3, 2000), 1), (7 * random.binomial(1, 0.3, 2000), 7)):
        found = explained_by_likelihood(x, count, replicas)
        assert np.isnan(found.value) and "do not determine" in found.reason
    same = explained_by_likelihood(x, np.full(2000, 30), 100)
    assert np.isnan(same.value) and same.reason == "no structural variance left" and same.within == 0
    all_seen = explained_by_likelihood(np.arange(2000), np.repeat([20, 80], 1000), 100, bins=2)
    assert (all_seen.value, all_seen.within, all_seen.reason) == (1, 0, "")
    lonely = np.where(np.arange(2000) % 10 == 0, 3, 0)  # events in one block only: samples without it have none
    assert explained_by_likelihood(x, lonely, 10, block=np.arange(2000) % 10, resamples=30).standard_error == np.inf


def test_bad_input():
    x, k = np.linspace(0, 1, 50), np.arange(50) % 4
    for call, message in (
        (lambda: explained_by_likelihood(x[:4], k, 5), "count has shape"),
        (lambda: explained_by_likelihood(np.append(x[1:], np.nan), k, 5), "x holds 1 values that are NaN"),
        (lambda: explained_by_likelihood(x[:, None], k, 5), "x has shape"),
        (lambda: explained_by_likelihood(x, k, 2), "between 0 and replicas"),
        (lambda: explained_by_likelihood(x, k - 1, 5), "between 0 and replicas"),
        (lambda: explained_by_likelihood(x, k + 0.5, 5), "whole numbers"),
        (lambda: explained_by_likelihood(x, k, [5, 6]), "replicas has shape"),
        (lambda: explained_by_likelihood(x, k, 0), "at least 1"),
        (lambda: explained_by_likelihood(x, 0 * k, 5), "some of the runs and not in all"),
        (lambda: explained_by_likelihood(x, 0 * k + 5, 5), "some of the runs and not in all"),
        (lambda: explained_by_likelihood(x, k, 5, bins=26), "50 rows for bins=26"),
        (lambda: explained_by_likelihood(x, k, 5, bins=0), "bins"),
        (lambda: explained_by_likelihood(x, k, 5, block=[1]), "block has shape"),
        (lambda: explained_by_likelihood(x, k, 5, resamples=-1), "resamples"),
        (lambda: explained_by_likelihood(x, k, 5, seed=-1), "seed"),
    ):
        with pytest.raises(gg.errors.InvalidInput, match=message):
            call()
    assert {"LatentShare", "explained_by_likelihood"} <= set(gg.landscape.__all__)
    assert {"BinomialFit", "binomial_fit"} <= set(gg.models.__all__)
