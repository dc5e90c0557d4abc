"""Controls, z-scores, bias scans, divergences and shares of variance against loops, other packages and known answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import norm
from sklearn.metrics import balanced_accuracy_score

import glassgpu as gg
from glassgpu.landscape import bias_scan, eta, explained_variance, jensen_shannon, random_hyperplane, shuffled, z_score


def test_shuffled_stays_in_its_frame():
    random = np.random.default_rng(0)
    frame, score = random.integers(0, 7, 3000), random.normal(size=3000)
    score += 10 * frame
    found = shuffled(score, frame, 1)
    for f in range(7):
        np.testing.assert_array_equal(np.sort(found[frame == f]), np.sort(score[frame == f]))
        assert abs(np.corrcoef(found[frame == f], score[frame == f])[0, 1]) < 0.2
        assert (found[frame == f] != score[frame == f]).mean() > 0.9
    np.testing.assert_array_equal(shuffled(score, frame, 1), found)
    assert not np.array_equal(shuffled(score, frame, 2), found)
    counts = np.zeros((4, 4))  # every place is as likely as any other
    for seed in range(2000):
        counts[np.arange(4), shuffled(np.arange(4.0), np.zeros(4, int), seed).astype(int)] += 1
    assert np.abs(counts - 500).max() < 5 * np.sqrt(500 * 0.75)


def test_random_hyperplanes():
    x = np.random.default_rng(1).normal(size=(500, 6)) @ np.random.default_rng(2).normal(size=(6, 6))
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    every = np.array([random_hyperplane(x, seed) for seed in range(2000)])
    np.testing.assert_allclose(np.linalg.norm(every, axis=1), 1)
    np.testing.assert_allclose(every.T @ every / 2000, np.eye(6) / 6, atol=0.02)  # no direction is preferred
    score = x @ [1.0, 0, 0, 2, 0, 0] + 3
    along = [np.corrcoef(x @ w, score)[0, 1] for w in every[:200]]
    assert np.std(along) > 0.2  # columns that go together: a random normal is no control by itself
    apart = random_hyperplane(x, 3, uncorrelated_with=score)
    assert abs(np.corrcoef(x @ apart, score)[0, 1]) < 1e-12
    assert np.linalg.norm(apart) == pytest.approx(1)


def test_z_scores_by_hand():
    output = np.array([[1.0, 2.0], [3.0, 5.0]])
    two, three = z_score(output, 2.0, 1.0), z_score(output, 2.0)
    np.testing.assert_array_equal(two.values, [[0, 0.5], [1, 2]])
    np.testing.assert_array_equal(three.values, [[0.5, 1], [1.5, 2.5]])
    assert two.convention == "x = (w.F - b_best) / sigma_train"
    assert three.convention == "x = w.F / sigma_train"


def test_bias_scan_equals_a_loop():
    random = np.random.default_rng(3)
    label = random.random(300) < 0.2
    output = (random.normal(size=300) + label).round(1)  # many ties
    found = bias_scan(output, label)
    assert len(found.bias) == len(np.unique(output)) + 1
    assert (np.diff(found.bias) > 0).all()
    for bias, accuracy in zip(found.bias, found.accuracy, strict=True):
        assert accuracy == pytest.approx(balanced_accuracy_score(label, output > bias), abs=1e-12)
    finest = [balanced_accuracy_score(label, output > b) for b in np.linspace(-3.95, 4.95, 90)]  # between the outputs, which are tenths
    assert found.best_accuracy == pytest.approx(max(finest), abs=1e-12)
    assert found.accuracy[[0, -1]].tolist() == [0.5, 0.5]
    order = random.permutation(300)
    assert bias_scan(output[order], np.where(label[order], 1, -1)).best_bias == found.best_bias
    assert bias_scan(3 * output + 1, label).best_bias == pytest.approx(3 * found.best_bias + 1)


def test_bias_scan_by_hand():
    found = bias_scan([0.0, 1.0, 1.0, 3.0], [0, 0, 1, 1])
    np.testing.assert_allclose(found.bias, [0.0, 0.5, 2.0, 3.0], atol=1e-300)
    assert found.accuracy.tolist() == [0.5, 0.75, 0.75, 0.5]
    assert found.best_bias == 0.5  # of two the lower one in the middle
    apart = bias_scan([-2.0, -1.0, 4.0], [0, 0, 1])
    assert (apart.best_bias, apart.best_accuracy) == (1.5, 1.0)
    close = bias_scan([1.0, np.nextafter(1.0, 2)], [0, 1])  # no double between them
    assert close.best_accuracy == 1 and close.best_bias == 1.0
    wide = bias_scan([-1.5e308, 1.5e308], [0, 1])
    assert wide.best_accuracy == 1
    tiny = bias_scan([5e-324, 1e-323], [0, 1])
    assert tiny.best_accuracy == 1 and tiny.best_bias == 5e-324


def test_best_bias_of_two_gaussians():
    """Of equal widths: half way, with accuracy Phi(d / 2 sigma)."""
    random = np.random.default_rng(4)
    output = np.concatenate([random.normal(0, 1, 20000), random.normal(2, 1, 60000)])
    found = bias_scan(output, np.arange(80000) >= 20000)
    assert found.best_bias == pytest.approx(1, abs=0.15)
    assert found.best_accuracy == pytest.approx(norm.cdf(1), abs=0.01)


def test_divergence_equals_scipy():
    random = np.random.default_rng(5)
    a, b, edges = random.normal(size=400), random.normal(0.5, 2, 700), np.linspace(-3, 3, 21)
    wide = np.concatenate([[-np.inf], edges, [np.inf]])
    p, q = (np.histogram(v, wide)[0] / len(v) for v in (a, b))
    expected = jensenshannon(p, q, base=2) ** 2
    assert jensen_shannon(a, b, edges, corrected=False) == pytest.approx(expected, rel=1e-12)
    assert jensen_shannon(b, a, edges, corrected=False) == pytest.approx(expected, rel=1e-12)
    assert jensen_shannon(a, a[::-1], edges, corrected=False) == 0
    assert jensen_shannon(a, a + 100, [50.0], corrected=False) == 1
    assert jensen_shannon(a, a + 100, [50.0]) == 1  # the halves lie in one bin and have no divergence
    assert jensen_shannon([0.0, 0.0], [0.0, 1.0], [0.5], corrected=False) == pytest.approx(
        0.5 * np.log2(4 / 3) + 0.25 * np.log2(2 / 3) + 0.25 * np.log2(2)  # (1, 0) and (1/2, 1/2) about (3/4, 1/4)
    )


def test_correction_of_the_divergence():
    """Finite samples of one distribution show (K - 1)(1/n + 1/m) / 8 ln 2, which the correction takes off; true ones stay."""
    edges = np.linspace(-2, 2, 19)  # 20 bins
    raw, left, apart = [], [], []
    for seed in range(150):
        random = np.random.default_rng(seed)
        a, b = random.normal(size=200), random.normal(size=400)
        raw.append(jensen_shannon(a, b, edges, corrected=False))
        left.append(jensen_shannon(a, b, edges, seed=seed))
        apart.append(jensen_shannon(a, b + 0.5, edges, seed=seed))
    expected = 19 * (1 / 200 + 1 / 400) / (8 * np.log(2))
    limits = norm.cdf(np.concatenate([[-np.inf], edges, [np.inf]])), norm.cdf(np.concatenate([[-np.inf], edges, [np.inf]]) - 0.5)
    truth = jensenshannon(*(np.diff(cut) for cut in limits), base=2) ** 2
    print(f"\nof one distribution {np.mean(raw):.5f} (expected {expected:.5f}), corrected {np.mean(left):.5f}")
    print(f"of two {np.mean(apart):.4f} (true {truth:.4f})")
    assert np.mean(raw) == pytest.approx(expected, rel=0.15)
    assert np.mean(left) < 0.3 * expected
    assert np.mean(apart) == pytest.approx(truth, rel=0.1)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.8])
def test_explained_variance_of_gaussian_pairs(rho):
    """rho^2, whatever noise of known variance is added to y, and whichever increasing function of x is given."""
    random = np.random.default_rng(6)
    rows = 20000
    x = random.normal(size=rows)
    true = rho * x + np.sqrt(1 - rho**2) * random.normal(size=rows)
    v = random.uniform(0.5, 1.5, rows)
    y = true + np.sqrt(v) * random.normal(size=rows)
    block = np.arange(rows) % 20
    clean, noisy = explained_variance(x, true, block=block), explained_variance(x, y, v, block=block)
    print(f"\nrho^2 {rho**2:.3f}: {clean.value:.4f} +- {clean.standard_error:.4f}, noisy {noisy.value:.4f} +- {noisy.standard_error:.4f}")
    for found, near in ((clean, 0.01), (noisy, 0.03)):
        assert found.value == pytest.approx(rho**2, abs=near)
        assert 0 < found.standard_error < near
    assert clean.ceiling == 1 and clean.measured == pytest.approx(clean.value)
    assert noisy.ceiling == pytest.approx(0.5, abs=0.02)
    assert noisy.measured == pytest.approx(noisy.value * noisy.ceiling, rel=1e-9)
    assert noisy.variance == pytest.approx(1, abs=0.05)
    assert explained_variance(np.exp(3 * x), y, v).value == pytest.approx(noisy.value, rel=1e-9)
    order = random.permutation(rows)
    shuffled_rows = explained_variance(x[order].round(2), y[order], v[order], block=block[order])
    assert shuffled_rows.value == pytest.approx(explained_variance(x.round(2), y, v).value, rel=1e-9)


def test_explained_variance_equals_a_loop():
    random = np.random.default_rng(7)
    x, y, v = random.normal(size=1000), random.normal(size=1000), random.uniform(0, 0.3, 1000)
    y += x**2
    within, between = 0.0, 0.0
    for rows in np.array_split(np.argsort(x), 40):
        between += len(rows) / 1000 * (y[rows].mean() - y.mean()) ** 2
        within += y[rows].var(ddof=1) * (1 - len(rows) / 1000) / 1000
    found = explained_variance(x, y, v)
    assert found.value == pytest.approx((between - within) / (y.var(ddof=1) - v.mean()), rel=1e-9)
    assert within / between > 0.02  # what finite bins add


def test_small_bins_add_nothing():
    """Unrelated x: without its correction the share of 40 bins of 25 rows would be 0.04."""
    found = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        found.append(explained_variance(random.normal(size=1000), random.normal(size=1000)).value)
    assert abs(np.mean(found)) < 0.005


def test_error_of_explained_variance_covers():
    """Configurations that differ in level: the bootstrap over them sees it."""
    off = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        block = np.repeat(np.arange(25), 80)
        shared = random.normal(size=25)[block]
        x = 0.7 * shared + random.normal(size=2000)
        y = x + random.normal(size=2000) + 0.7 * random.normal(size=25)[block]
        f = explained_variance(x, y, block=block, resamples=100, seed=seed)
        off.append((f.value - 1.49 / 2.98, f.standard_error))
    off = np.array(off)
    ratio = off[:, 0].std() / np.sqrt((off[:, 1] ** 2).mean())
    print(f"\nscatter / error {ratio:.2f}, mean deviation {off[:, 0].mean():.3f}")
    assert ratio == pytest.approx(1, abs=0.3)


def test_no_structural_variance_left():
    random = np.random.default_rng(8)
    count = random.binomial(100, 0.3, 4000)
    y, v = gg.dynamics.logit(count, 100), gg.dynamics.logit_variance(count, 100)
    x = random.normal(size=4000)
    for found in (explained_variance(x, y, 1.1 * v), eta(x, y, 1.1 * v)):
        assert np.isnan(found.value) and found.reason == "no structural variance left"
        assert np.isfinite(found.measured) and found.ceiling < 0 and found.variance < 0
    barely = explained_variance(x, y, v * y.var(ddof=1) / v.mean() * 0.999, block=np.arange(4000) % 10)
    assert barely.reason == "" and barely.standard_error == np.inf


def test_eta():
    random = np.random.default_rng(9)
    true = random.normal(0, 0.8, 30000)
    count = random.binomial(300, 1 / (1 + np.exp(2 - true)))
    y, v = gg.dynamics.logit(count, 300), gg.dynamics.logit_variance(count, 300)
    found = eta(0.5 * true + 7, y, v, block=np.arange(30000) % 15)
    assert found.value == pytest.approx(0.25, abs=0.01)
    assert 0 < found.standard_error < 0.01
    assert found.measured == pytest.approx(found.value * found.ceiling)
    assert found.ceiling == pytest.approx(gg.dynamics.logit_reliability(count, 300), rel=1e-9)
    assert found.variance == pytest.approx(gg.dynamics.structural_variance(count, 300), rel=1e-9)
    assert np.isnan(eta(true, y, v).standard_error)
    assert eta(0.5 * true, y, v, variance=0.5).value == pytest.approx(0.25 * true.var(ddof=1) / 0.5)


def test_bad_input():
    s = np.linspace(0, 1, 50)
    for call, message in (
        (lambda: shuffled(s, np.arange(4), 0), "frame has shape"),
        (lambda: shuffled(s, np.arange(50), -1), "seed"),
        (lambda: random_hyperplane(s, 0), "x has shape"),
        (lambda: random_hyperplane(np.eye(3), 0, uncorrelated_with=np.ones(3)), "no covariance"),
        (lambda: random_hyperplane(np.ones((3, 1)), 0, uncorrelated_with=np.arange(3.0)), "but one"),
        (lambda: z_score(s, 0.0), "sigma"),
        (lambda: z_score(s, 1.0, np.nan), "best_bias"),
        (lambda: z_score([np.nan], 1.0), "NaN"),
        (lambda: bias_scan(s, np.ones(50)), "one class only"),
        (lambda: bias_scan(s, np.ones(4)), "label has shape"),
        (lambda: jensen_shannon(s, s, [1.0, 0.0]), "edges that rise"),
        (lambda: jensen_shannon([1.0], s, [0.0]), "at least two"),
        (lambda: jensen_shannon(s, s, [0.0], splits=0), "splits"),
        (lambda: explained_variance(s, s), "50 rows for bins=40"),
        (lambda: explained_variance(s, s[:4], bins=2), "y has shape"),
        (lambda: explained_variance(s, s, -s, bins=2), "negative"),
        (lambda: explained_variance(s, s, bins=2, block=[1]), "block has shape"),
        (lambda: explained_variance(s, s, bins=0), "bins"),
        (lambda: eta([1.0], [1.0]), "two rows"),
        (lambda: eta(s, s, variance=-1.0), "variance"),
    ):
        with pytest.raises(gg.errors.InvalidInput, match=message):
            call()
    assert "rearrangement_probability" in gg.landscape.__all__
    with pytest.raises(AttributeError, match="did you mean onset_temperature"):
        gg.landscape.onset_temperatur  # noqa: B018
