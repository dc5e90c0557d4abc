"""Support vector regression with a Gaussian kernel: by hand, libsvm, chunks, memory."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.svm
from sklearn.utils.estimator_checks import parametrize_with_checks

import glassgpu as gg
from glassgpu.models import KernelSVR, interior_point, kernel_svr


@parametrize_with_checks([KernelSVR()])
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_estimator_checks(estimator, check):
    check(estimator)


def rows(seed: int, n: int = 200):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 3)) + 10
    return x, np.sin(2 * x[:, 0]) + x[:, 1] ** 2 / 5 + 0.3 * random.normal(size=n)


def kernel(a, b, gamma):
    return np.exp(-gamma * ((a[:, None] - b[None]) ** 2).sum(axis=-1))


def objective(k, beta, b, y, C, epsilon):
    return beta @ k @ beta / 2 + C * np.maximum(np.abs(y - k @ beta - b) - epsilon, 0).sum()


def test_two_points_by_hand():
    """Targets 5 and 7, each forgiven 0.25: f differs from 6 by 0.75 at either, which beta (1 - k) makes."""
    model = KernelSVR(C=10.0, epsilon=0.25, gamma=0.5).fit([[0.0], [1.0]], [5.0, 7.0])
    beta = 0.75 / (1 - np.exp(-0.5))
    np.testing.assert_allclose(model.dual_coef_, [-beta, beta], rtol=1e-6)
    np.testing.assert_allclose(model.predict([[0.0], [1.0], [0.5], [50.0]]), [5.25, 6.75, 6, 6], rtol=1e-6)
    np.testing.assert_allclose(KernelSVR(C=0.1, epsilon=0.25, gamma=0.5).fit([[0.0], [1.0]], [5.0, 7.0]).dual_coef_, [-0.1, 0.1], rtol=1e-6)


@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_objective_and_predictions_of_libsvm(C, epsilon):
    for seed, gamma in ((0, "scale"), (1, 0.3)):
        x, y = rows(seed)
        ours = KernelSVR(C, epsilon, gamma).fit(x, y)
        theirs = sklearn.svm.SVR(C=C, epsilon=epsilon, gamma=gamma, tol=1e-8).fit(x, y)
        k = kernel(x, x, ours.gamma_)
        beta = np.zeros(len(x))
        beta[theirs.support_] = theirs.dual_coef_[0]
        found = [objective(k, a, b, y, C, epsilon) for a, b in ((ours.dual_coef_, ours.intercept_), (beta, theirs.intercept_[0]))]
        assert found[0] <= found[1] * (1 + 1e-6)
        assert found[1] <= found[0] * (1 + 1e-4)
        assert 0 <= ours.duality_gap_ <= 1e-9
        assert np.abs(ours.dual_coef_).max() <= C * (1 + 1e-9)
        assert ours.dual_coef_.sum() == pytest.approx(0, abs=1e-9 * C * len(x))
        # |w - w*|^2 / 2 is at most what an objective is above the minimum, and |phi(x)| = 1.
        far = np.sqrt(2 * (found[1] - found[0] * (1 - 1e-9))) + np.sqrt(2e-9 * found[0])
        apart = ours.predict(x) - theirs.predict(x)
        np.testing.assert_allclose(apart - apart.mean(), 0, atol=2 * far)


def test_real_columns(data):
    ensemble = gg.io.read_bapst(data / "ka_t044_bapst.pickle")
    values = gg.descriptors.ShellExpansion(backend="cpu")(ensemble.snapshot).values
    some = np.flatnonzero(ensemble.snapshot.types == 0)[::5][:500]
    x = values[some][:, values[some].std(axis=0) > 0]
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    y = ensemble.propensity.values.reshape(-1, ensemble.snapshot.n)[-1, some]
    y = (y - y.mean()) / y.std()
    k = None
    for C in (0.01, 1.0):
        ours, theirs = KernelSVR(C).fit(x, y), sklearn.svm.SVR(C=C, tol=1e-8).fit(x, y)
        k = kernel(x, x, ours.gamma_) if k is None else k
        beta = np.zeros(len(x))
        beta[theirs.support_] = theirs.dual_coef_[0]
        assert objective(k, ours.dual_coef_, ours.intercept_, y, C, 0.1) <= objective(k, beta, theirs.intercept_[0], y, C, 0.1) * (1 + 1e-6)


def test_invariances():
    x, y = rows(4)
    order = np.random.default_rng(0).permutation(len(x))
    model = KernelSVR().fit(x, y)
    expected = model.predict(x)
    np.testing.assert_allclose(KernelSVR().fit(x[order], y[order]).predict(x), expected, atol=1e-6)
    np.testing.assert_allclose(KernelSVR().fit(x[:, ::-1], y).predict(x[:, ::-1]), expected, atol=1e-6)
    np.testing.assert_allclose(KernelSVR().fit(x, -y).predict(x), -expected, atol=1e-6)
    np.testing.assert_allclose(KernelSVR().fit(x - 3, y + 4).predict(x - 3), expected + 4, atol=1e-6)
    repeated = KernelSVR(C=0.5).fit(np.repeat(x, 2, axis=0), np.repeat(y, 2))  # a kernel without an inverse
    np.testing.assert_allclose(repeated.predict(x), expected, atol=1e-6)


def test_chunks_and_the_gpu_form(monkeypatch):
    x, y = rows(5)
    model = KernelSVR().fit(x, y)
    expected = model.predict(x)
    np.testing.assert_allclose(kernel(x, x, model.gamma_) @ model.dual_coef_ + model.intercept_, expected, atol=1e-9)
    monkeypatch.setattr(kernel_svr, "CHUNK", 7 * len(x))
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-12)
    monkeypatch.undo()
    for module in (interior_point, kernel_svr):
        monkeypatch.setattr(module, "jax_on_gpu", lambda: True)
    np.testing.assert_allclose(KernelSVR().fit(x, y).predict(x), expected, atol=1e-7)


def test_bad_input():
    x, y = rows(6)
    for model, message in (
        (KernelSVR(C=-1.0), "C=-1.0: must be above 0"),
        (KernelSVR(epsilon=-1.0), "epsilon"),
        (KernelSVR(gamma="auto"), "gamma='auto': choose one of 'scale'"),
        (KernelSVR(gamma=0.0), "gamma=0.0: must be above 0"),
        (KernelSVR(memory_gb=1e-4), "200 rows need .*take at most 64 rows, or raise memory_gb"),
        (KernelSVR(memory_gb=0.0), "memory_gb"),
    ):
        with pytest.raises(gg.errors.InvalidInput, match=message):
            model.fit(x, y)
    with pytest.raises(ValueError, match="NaN"):
        KernelSVR().fit(np.full((4, 2), np.nan), np.zeros(4))
    with pytest.raises(gg.errors.NotConverged, match="duality gap"):
        KernelSVR(max_iter=2).fit(x, y)
