"""Hyperplanes: what belongs to the model, and angles between them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from glassgpu.errors import InvalidInput
from glassgpu.models import Ridge
from glassgpu.models.hyperplane import Hyperplane, cosine


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 5)) * [1, 10, 0.1, 3, 0] + [0, 5, -2, 1, 7]
    y = (x[:, 0] + 0.1 * x[:, 1] + 0.3 * random.normal(size=400) > 0.5).astype(int)
    return x, y


def test_scores_are_the_decision_function_of_standardised_rows(rows):
    x, y = rows
    model = LinearSVC(C=0.1)
    plane = Hyperplane.fitted(model, x[:200], y[:200])
    mean, deviation = x[:200].mean(axis=0), x[:200].std(axis=0)
    deviation[4] = 1
    new = x[200:] * 2 + 1  # another temperature: mean and deviation stay those of training
    np.testing.assert_allclose(plane.score(new), model.decision_function((new - mean) / deviation), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(plane.score(new), plane.projection(new) - plane.bias, rtol=1e-12)
    assert ((plane.score(x[:200]) > 0) == y[:200]).mean() > 0.9
    batch = plane.score(new.reshape(4, 50, 5))
    np.testing.assert_allclose(batch.ravel(), plane.score(new), rtol=1e-12)


def test_units_of_columns_do_not_matter(rows):
    x = rows[0]
    scale, shift = np.array([2.0, 0.1, 30.0, 1.0, 5.0]), np.array([1.0, -2.0, 0.0, 4.0, 3.0])
    plain, other = (Hyperplane.fitted(Ridge(alpha=0.1), z, x[:, 0] - 0.3 * x[:, 3]) for z in (x, x * scale + shift))
    np.testing.assert_allclose(plain.weights, other.weights, atol=1e-10)
    np.testing.assert_allclose(plain.score(x), other.score(x * scale + shift), atol=1e-9)
    assert cosine(plain, other) == pytest.approx(1)


def test_cosines():
    along, across = (Hyperplane(np.zeros(2), np.array([1.0, 4.0]), np.array(w), 0.0) for w in ([3.0, 4.0], [4.0, -3.0]))
    assert cosine(along, across) == pytest.approx(0) and cosine(along, along, "raw") == pytest.approx(1)
    raw = np.array([3.0, 1.0]) @ [4.0, -0.75] / np.sqrt(10 * (16 + 0.5625))
    assert cosine(along, across, "raw") == pytest.approx(raw)
    assert cosine(along, Hyperplane(along.mean, along.deviation, -2 * along.weights, 5.0)) == pytest.approx(-1)


def test_bad_input(rows):
    x, y = rows
    with pytest.raises(InvalidInput, match="two classes or one target"):
        Hyperplane.fitted(LinearSVC(), x, np.arange(400) % 3)
    with pytest.raises(InvalidInput, match="NaN"):
        Hyperplane.fitted(LinearSVC(), np.where(x > 8, np.nan, x), y)
    with pytest.raises(InvalidInput, match="no direction"):
        Hyperplane(np.zeros(2), np.ones(2), np.zeros(2), 0.0).normal()
    for wrong in (x[:, :4], np.ones((3, 7)), x[0, :1], 2.0):
        with pytest.raises(InvalidInput, match=r"expected \(..., 5\), the columns"):
            Hyperplane.fitted(Ridge(), x, y).score(wrong)
    with pytest.raises(InvalidInput, match="space"):
        Hyperplane(np.zeros(2), np.ones(2), np.ones(2), 0.0).normal("curved")
