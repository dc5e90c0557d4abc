"""Splits, scores, noise ceilings and the fold machinery."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import glassgpu as gg
from glassgpu.dynamics import displacements, ensemble_moments, noise_ceiling, propensity, reliability
from glassgpu.evaluate import learning_curve, pearson, r2, report, ridge_over_parts, split
from glassgpu.models import Ridge

CONFIGURATION = np.repeat(np.arange(5), 40)


def test_by_configuration_never_shares_a_configuration():
    folds = split(CONFIGURATION)
    assert len(folds) == 5
    for train, test in folds:
        assert not set(CONFIGURATION[train]) & set(CONFIGURATION[test])
    assert np.array_equal(np.sort(np.concatenate([t for _, t in folds])), np.arange(200))
    assert len(split(CONFIGURATION, folds=2)) == 2
    with pytest.raises(gg.errors.LeakySplit, match="spatial_blocks"):
        split(np.zeros(10, int))
    with pytest.raises(gg.errors.LeakySplit):
        split(CONFIGURATION, folds=6)


def test_spatial_blocks_keep_their_distance():
    random = np.random.default_rng(0)
    box, margin = np.array([10.0, 8.0, 8.0]), 1.0
    positions = random.uniform(-5, 5, (300, 3))
    for train, test in split(np.zeros(300, int), "spatial_blocks", folds=4, positions=positions, box=box, margin=margin):
        gap = np.abs(positions[train, None, 0] - positions[None, test, 0])
        assert np.minimum(gap, 10 - gap).min() >= margin
        assert len(test) > 40
    with pytest.raises(gg.errors.InvalidInput, match="margin"):
        split(np.zeros(300, int), "spatial_blocks", folds=4, positions=positions, box=box, margin=5.0)
    with pytest.raises(gg.errors.InvalidInput, match="margin= "):
        split(np.zeros(300, int), "spatial_blocks", positions=positions, box=box)


def test_random_particles():
    folds = split(CONFIGURATION, "random_particles", folds=4, seed=1)
    assert np.array_equal(np.sort(np.concatenate([t for _, t in folds])), np.arange(200))
    assert not np.array_equal(folds[0][1], split(CONFIGURATION, "random_particles", folds=4, seed=2)[0][1])
    with pytest.raises(gg.errors.InvalidInput, match="choose one of"):
        split(CONFIGURATION, "random")


def test_scores_equal_other_packages():
    random = np.random.default_rng(2)
    a, b = random.normal(size=(2, 100))
    assert pearson(a, b) == pytest.approx(pearsonr(a, b)[0])
    assert r2(a, b) == pytest.approx(r2_score(a, b))
    assert np.isnan(pearson(a, np.ones(100)))
    types, configuration = np.arange(100) % 2, np.arange(100) // 50
    out = report(a, b, types, configuration, ("A", "B"), ceiling=np.full((2, 2), 0.9))
    assert out["A"]["pooled"] == pytest.approx(pearsonr(a[::2], b[::2])[0])
    assert out["B"]["per_configuration"][1] == pytest.approx(pearsonr(a[51::2], b[51::2])[0])
    assert out["A"]["ceiling"] == [0.9, 0.9]


def test_noise_ceiling_against_split_halves():
    """A label of known signal and noise: reliability, and the Spearman-Brown step from halves."""
    random = np.random.default_rng(3)
    n, runs = 4000, 20
    signal = random.normal(1.0, 0.3, n)
    values = signal + random.normal(0, 1.0, (runs, n))
    types = np.arange(n) % 2
    mean, variance = ensemble_moments(runs, values.sum(axis=0), (values**2).sum(axis=0))
    rel = reliability(mean, variance, types)
    assert rel == pytest.approx(0.09 / (0.09 + 1 / runs), abs=0.04)
    for s in (0, 1):
        of = types == s
        halves = pearson(values[:10, of].mean(axis=0), values[10:, of].mean(axis=0))
        assert rel[s] == pytest.approx(2 * halves / (1 + halves), abs=0.06)
        assert noise_ceiling(mean, variance, types)[s] == pytest.approx(pearson(mean[of], signal[of]), abs=0.03)
    noise = values - signal
    mean, variance = ensemble_moments(runs, noise.sum(axis=0), (noise**2).sum(axis=0))
    assert (noise_ceiling(mean, variance, types) < 0.3).all()  # near 0 where nothing but noise is there
    with pytest.raises(gg.errors.InvalidInput):
        reliability(mean, variance[:5], types)


def test_displacements():
    random = np.random.default_rng(4)
    box = np.array([6.0, 7.0])
    start = random.uniform(0, 6, (50, 2))
    true = random.normal(0, 0.4, (3, 50, 2))
    true -= true.mean(axis=1, keepdims=True)
    drift = random.normal(0, 0.2, (3, 1, 2))
    np.testing.assert_allclose(displacements(start, start + true + drift), true, atol=1e-12)
    wrapped = (start + true + drift) % box
    np.testing.assert_allclose(displacements(start, wrapped, box), true, atol=1e-12)
    mass = random.uniform(1, 2, 50)
    moved = displacements(start, start + true + drift, mass=mass)
    np.testing.assert_allclose(np.einsum("rnd,n->rd", moved, mass), 0, atol=1e-12)
    mean, variance = propensity(start, start + true)
    np.testing.assert_allclose(mean, np.linalg.norm(true, axis=-1).mean(axis=0))
    np.testing.assert_allclose(variance, np.linalg.norm(true, axis=-1).var(axis=0, ddof=1) / 3)


def test_folds_equal_explicit_refits():
    """Every prediction equals a pipeline fitted on the other parts, with alpha found the long way."""
    random = np.random.default_rng(5)
    w = random.normal(size=(6, 2))
    x = [random.normal(size=(k, 6)) * [1, 2, 3, 1e-9, 5, 6] for k in (40, 50, 60, 45)]
    y = [a / [1, 2, 3, 1e-9, 5, 6] @ w + random.normal(size=(len(a), 2)) for a in x]
    alphas = [1e-3, 0.1, 1.0, 10.0]

    def fitted(parts, alpha):
        return make_pipeline(StandardScaler(), Ridge(alpha)).fit(
            np.concatenate([x[p] for p in parts]), np.concatenate([y[p] for p in parts])
        )

    folds = ridge_over_parts(x, y, alphas)
    assert repr(folds).startswith(f"RidgeFolds(parts={len(x)}, targets=") and len(repr(folds)) < 200
    for out in range(4):
        inside = [p for p in range(4) if p != out]
        for t in range(2):
            score = [
                np.mean([pearson(y[p][:, t], fitted([q for q in inside if q != p], a).predict(x[p])[:, t]) for p in inside]) for a in alphas
            ]
            alpha = alphas[int(np.argmax(score))]
            assert folds.alpha[out, t] == alpha
            np.testing.assert_allclose(folds.prediction[out][:, t], fitted(inside, alpha).predict(x[out])[:, t], rtol=1e-7, atol=1e-9)
            path = [pearson(y[out][:, t], fitted(inside, a).predict(x[out])[:, t]) for a in alphas]
            np.testing.assert_allclose(folds.path[:, out, t], path, rtol=1e-7)
            assert folds.inner[out, t] == pytest.approx(max(score))
            assert folds.pearson[out, t] == pytest.approx(path[int(np.argmax(score))])
    with pytest.raises(gg.errors.LeakySplit, match="at least 3"):
        ridge_over_parts(x[:2], y[:2], alphas)


def test_folds_take_what_users_have():
    """One target as a vector, one alpha as a number, labelled arrays: the same folds."""
    import xarray

    random = np.random.default_rng(9)
    x = [random.normal(size=(30, 4)) for _ in range(3)]
    y = [a @ [1, 2, 3, 4] + random.normal(size=30) for a in x]
    plain = ridge_over_parts(x, [b[:, None] for b in y], [0.1])
    for given in (ridge_over_parts(x, y, 0.1), ridge_over_parts([xarray.DataArray(a) for a in x], [xarray.DataArray(b) for b in y], [0.1])):
        assert all(np.array_equal(a, b) for a, b in zip(given.prediction, plain.prediction, strict=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y: ridge_over_parts(x, y, []), "at least one"),
        (lambda x, y: ridge_over_parts(x, y[:2], [0.1]), "x has 3 parts and y 2"),
        (lambda x, y: ridge_over_parts(x, [b[:-1] for b in y], [0.1]), r"y \(4,\)"),
        (lambda x, y: ridge_over_parts([], [], [0.1]), "0 parts"),
        (lambda x, y: r2(y[0], y[0][:-1]), "one shape"),
        (lambda x, y: report(y[0], y[0], np.zeros(4), np.zeros(5), ("A",)), "one shape"),
        (lambda x, y: report(x[0], x[0], np.zeros(5), np.zeros(5), ("A",)), "one shape"),
        (lambda x, y: split(np.zeros(5), "spatial_blocks", positions=x[0][:4], box=[9, 9], margin=0.1), "positions has shape"),
        (lambda x, y: split(np.zeros(5), "spatial_blocks", positions=x[0], box=[9, 9, 9], margin=0.1), "box has shape"),
        (lambda x, y: split(np.zeros(5), "random_particles", seed=1.5), "seed"),
    ],
)
def test_what_does_not_belong_together(call, message):
    random = np.random.default_rng(9)
    with pytest.raises(gg.errors.InvalidInput, match=message):
        call(random.normal(size=(3, 5, 2)), random.normal(size=(3, 5)))


def test_further_parts_are_always_in_training():
    random = np.random.default_rng(9)
    x = [random.normal(size=(40, 3)) for _ in range(5)]
    y = [a @ [[1.0], [2.0], [0.0]] + random.normal(size=(40, 1)) for a in x]
    folds = ridge_over_parts(x[:3], y[:3], [0.1], also=(x[3:], y[3:]))
    model = make_pipeline(StandardScaler(), Ridge(0.1)).fit(np.concatenate(x[1:]), np.concatenate(y[1:]))
    np.testing.assert_allclose(folds.prediction[0], model.predict(x[0]).reshape(-1, 1), rtol=1e-7)
    assert len(folds.prediction) == 3


def test_learning_curve_equals_explicit_refits():
    random = np.random.default_rng(10)
    x = [random.normal(size=(30, 8)) for _ in range(5)]
    y = [a[:, :1] - a[:, 1:2] + 2 * random.normal(size=(30, 1)) for a in x]
    alphas = [1e-2, 1.0]
    curve = learning_curve(x, y, alphas, [2, 4])
    assert curve.shape == (2, 5, 1)

    def score(train, test, alpha):
        model = make_pipeline(StandardScaler(), Ridge(alpha)).fit(
            np.concatenate([x[k] for k in train]), np.concatenate([y[k] for k in train])
        )
        return pearson(y[test][:, 0], model.predict(x[test]).ravel())

    for s, size in enumerate((2, 4)):
        for part in range(5):
            train = [(part + 1 + k) % 5 for k in range(size)]
            inner = [np.mean([score([k for k in train if k != h], h, a) for h in train]) for a in alphas]
            assert curve[s, part, 0] == pytest.approx(score(train, part, alphas[int(np.argmax(inner))]), rel=1e-9)
    assert curve[1].mean() > curve[0].mean()
    blocks = [np.arange(30) // 10] * 5
    (one,) = learning_curve(x, y, alphas, [1], blocks)
    for part in range(5):
        a, b = x[(part + 1) % 5], y[(part + 1) % 5]
        inner = []
        for alpha in alphas:
            pipes = [make_pipeline(StandardScaler(), Ridge(alpha)).fit(a[blocks[0] != k], b[blocks[0] != k]) for k in range(3)]
            inner.append(np.mean([pearson(b[blocks[0] == k][:, 0], m.predict(a[blocks[0] == k]).ravel()) for k, m in enumerate(pipes)]))
        assert one[part, 0] == pytest.approx(score([(part + 1) % 5], part, alphas[int(np.argmax(inner))]), rel=1e-9)
    with pytest.raises(gg.errors.InvalidInput, match="sizes"):
        learning_curve(x, y, alphas, [1])


def test_a_leak_is_seen():
    """Columns that carry each configuration's neighbourhood but nothing general: a random split
    scores high, a split by configuration near zero."""
    random = np.random.default_rng(6)
    groups, each = 60, 5
    x, y = [], []
    for _ in range(4):
        names = random.normal(size=(groups, 150))
        x.append(np.repeat(names, each, axis=0) + 0.01 * random.normal(size=(groups * each, 150)))
        y.append(np.repeat(random.normal(size=groups), each)[:, None])
    honest = ridge_over_parts(x, y, [1e-2, 1.0])
    assert np.mean([pearson(a, b) for a, b in zip(y, honest.prediction, strict=True)]) < 0.3
    all_x, all_y = np.concatenate(x), np.concatenate(y)
    tests = [t for _, t in split(np.repeat(np.arange(4), groups * each), "random_particles", folds=5)]
    leaky = ridge_over_parts([all_x[t] for t in tests], [all_y[t] for t in tests], [1e-2, 1.0])
    assert np.mean([pearson(all_y[t], p) for t, p in zip(tests, leaky.prediction, strict=True)]) > 0.5


def test_a_column_that_lives_in_one_part():
    """Rare columns, large in one part and nearly or wholly constant elsewhere, as descriptors of
    cold states are: predictions equal refits that drop what is constant in training."""
    random = np.random.default_rng(7)
    for small in (1e-9, 0.0):
        x = [random.normal(size=(50, 4)) for _ in range(4)]
        for k, part in enumerate(x):
            part[:, 3] = random.normal(size=50) if k == 2 else small * random.normal(size=50)
        y = [part[:, :1] + 0.1 * random.normal(size=(50, 1)) for part in x]
        folds = ridge_over_parts(x, y, [0.1])
        for out in range(4):
            inside = [p for p in range(4) if p != out]
            train = np.concatenate([x[p] for p in inside])
            keep = np.ptp(train, axis=0) > 0
            model = make_pipeline(StandardScaler(), Ridge(0.1)).fit(train[:, keep], np.concatenate([y[p] for p in inside]))
            np.testing.assert_allclose(folds.prediction[out], model.predict(x[out][:, keep]), rtol=1e-6, atol=1e-8)


def test_an_ensemble_may_lack_a_species():
    values = np.random.default_rng(8).normal(size=(2, 10))
    assert np.isnan(reliability(values, np.ones((2, 10)), np.zeros(10, int), 2)[:, 1]).all()
