"""Linear support vectors: problems solved by hand, slow minimisers, liblinear, libsvm, invariances."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import sklearn.svm
from sklearn.utils.estimator_checks import parametrize_with_checks

import glassgpu as gg
from glassgpu.models import LinearSVC, LinearSVR, interior_point, settled_rows, squared_losses
from glassgpu.models.dense_algebra import Blas, Jax
from glassgpu.models.margins import Margins

BOTH = [False, True]
CLASSIFIER, REGRESSOR = ("hinge", "squared_hinge"), ("epsilon_insensitive", "squared_epsilon_insensitive")


@parametrize_with_checks(
    [LinearSVC(), LinearSVC(loss="hinge", penalize_intercept=True), LinearSVR(), LinearSVR(loss="squared_epsilon_insensitive", epsilon=0.1)]
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_estimator_checks(estimator, check):
    check(estimator)


def rows(seed: int, n: int = 150, columns: int = 5):
    """Collinear columns off the origin, a noisy target, and classes of unequal size."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, columns)) @ random.normal(size=(columns, columns)) + random.normal(size=columns)
    y = x @ random.normal(size=columns) + 2 * random.normal(size=n) + 1
    return x, y, y > np.quantile(y, 0.6)


def objective(x, w, b, C, loss, penalize, target, epsilon=0.0):
    """What is minimised, of a boolean or a real target."""
    f = x @ w + b
    short = 1 - np.where(target, 1, -1) * f if "hinge" in loss else np.abs(target - f) - epsilon
    return (w @ w + penalize * b**2) / 2 + C * (np.maximum(short, 0) ** (2 if "squared" in loss else 1)).sum()


def of_model(model, x, target, theirs=None):
    """The objective of our model, at its weights or at ``theirs``."""
    m = theirs or model
    return objective(
        x, np.ravel(m.coef_), float(np.ravel(m.intercept_)[0]), model.C, model.loss, model.penalize_intercept, target, getattr(model, "epsilon", 0.0)
    )  # fmt: skip


def test_two_points_by_hand():
    """At x = 1 and x = 3: the widest margin is w = 1, b = -2; with little C both multipliers are C, so that w = 2 C."""
    x, y = np.array([[1.0], [3.0]]), np.array(["left", "right"])
    wide = LinearSVC(C=10.0, loss="hinge").fit(x, y)
    np.testing.assert_allclose([wide.coef_[0, 0], wide.intercept_[0]], [1, -2], rtol=1e-6)
    np.testing.assert_allclose(LinearSVC(C=0.1, loss="hinge").fit(x, y).coef_, [[0.2]], rtol=1e-6)
    # w / 2 = 2 C (1 - w): each point is 1 from the middle.
    soft = LinearSVC(C=0.1).fit(x, y)
    np.testing.assert_allclose([soft.coef_[0, 0], soft.intercept_[0]], [0.4 / 1.4, -0.8 / 1.4], rtol=1e-12)
    assert soft.predict([[1.9], [2.1]]).tolist() == ["left", "right"]
    # The same line through two targets, each forgiven 0.25: slope 1 less 0.25, through the middle.
    line = LinearSVR(C=10.0, epsilon=0.25).fit(x, [5.0, 7.0])
    np.testing.assert_allclose([line.coef_[0], line.intercept_], [0.75, 4.5], rtol=1e-6)
    np.testing.assert_allclose(LinearSVR(C=10.0, epsilon=0.25).fit(x, [5.0, 5.3]).coef_, 0, atol=1e-6)


def minimum(x, target, C, loss, penalize, epsilon):
    """By a general minimiser: of the weights where the loss is smooth, else of weights and slacks under constraints."""
    n, f = x.shape
    wide = np.column_stack([x, np.ones(n)])
    counted = np.r_[np.ones(f), float(penalize)]
    if "squared" in loss:
        run = scipy.optimize.minimize(
            lambda u: objective(x, u[:-1], u[-1], C, loss, penalize, target, epsilon),
            np.zeros(f + 1),
            method="BFGS",
            options={"gtol": 1e-7},
        )
        return run.fun
    margins = Margins.of_classes(target) if "hinge" in loss else Margins.of_targets(target, epsilon)
    a = np.concatenate([s[:, None] * wide for s in margins.signs])
    a = np.column_stack([a, np.concatenate([np.eye(n)] * len(margins.signs))])
    run = scipy.optimize.minimize(
        lambda v: counted @ v[: f + 1] ** 2 / (2 * C) + v[f + 1 :].sum(),
        np.r_[np.zeros(f + 1), np.full(n, 10.0)],
        jac=lambda v: np.r_[counted * v[: f + 1] / C, np.ones(n)],
        constraints={"type": "ineq", "fun": lambda v: a @ v - margins.thresholds.ravel(), "jac": lambda v: a},
        bounds=[(None, None)] * (f + 1) + [(0, None)] * n, method="SLSQP", options={"maxiter": 500, "ftol": 1e-12},
    )  # fmt: skip
    return objective(x, run.x[:f], run.x[f], C, loss, penalize, target, epsilon)


@pytest.mark.parametrize("penalize", BOTH)
@pytest.mark.parametrize("C", [0.03, 1.0, 30.0])
def test_a_general_minimiser_finds_the_same(penalize, C):
    for seed in range(3):
        x, y, classes = rows(seed, n=14, columns=2)
        for model, target, epsilon in (
            *((LinearSVC(C, loss, penalize), classes, 0.0) for loss in CLASSIFIER),
            *((LinearSVR(C, epsilon, loss, penalize), y, epsilon) for loss in REGRESSOR for epsilon in (0.0, 0.3)),
        ):
            ours = of_model(model.fit(x, target), x, target)
            assert ours == pytest.approx(minimum(x, target, C, model.loss, penalize, epsilon), rel=1e-6), model
            assert 0 <= np.max(model.duality_gap_) <= 1e-9


def never_above(x, y, classes, costs, rounds, epsilons):
    """Objectives at most 1e-6 above those of liblinear and libsvm, which come near ours."""
    for C in costs:
        for penalize in BOTH:
            pairs = [(LinearSVC(C, loss, penalize), classes) for loss in CLASSIFIER]
            pairs += [(LinearSVR(C, e, loss, penalize), y) for loss in REGRESSOR for e in epsilons]
            for model, target in pairs:
                kind = "SVC" if target is classes else "SVR"
                tube = {"epsilon": model.epsilon} if kind == "SVR" else {}
                if penalize:
                    given = dict(C=C, loss=model.loss, tol=1e-8, max_iter=rounds, dual="squared" not in model.loss, **tube)
                    theirs = getattr(sklearn.svm, f"Linear{kind}")(**given)
                elif "squared" not in model.loss:
                    theirs = getattr(sklearn.svm, kind)(kernel="linear", C=C, tol=1e-6, max_iter=rounds * 100, **tube)
                else:
                    continue  # neither library has it
                ours, other = (of_model(model, x, target, m) for m in (model.fit(x, target), theirs.fit(x, target)))
                assert ours <= other * (1 + 1e-6), model
                if theirs.n_iter_ < rounds:
                    assert other <= ours * (1 + 1e-4), model


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_objectives_of_liblinear_and_libsvm():
    for seed in range(3):
        never_above(*rows(seed), costs=(0.01, 1.0), rounds=20_000, epsilons=(0.0, 0.2))


@pytest.fixture(scope="module")
def softness_columns(data):
    """135 columns of shells about 700 A particles of the public configuration, standardised, and their propensity."""
    ensemble = gg.io.read_bapst(data / "ka_t044_bapst.pickle")
    values = gg.descriptors.ShellExpansion(backend="cpu")(ensemble.snapshot).values
    some = np.flatnonzero(ensemble.snapshot.types == 0)[::4][:700]
    x = values[some][:, np.flatnonzero(values[some].std(axis=0) > 0)]
    x = x[:, np.linspace(0, x.shape[1] - 1, 135).astype(int)]
    y = ensemble.propensity.values.reshape(-1, ensemble.snapshot.n)[-1, some]
    return (x - x.mean(axis=0)) / x.std(axis=0), (y - y.mean()) / y.std(), y > np.median(y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_objectives_on_real_columns(softness_columns):
    never_above(*softness_columns, costs=(0.01, 1.0), rounds=1000, epsilons=(0.1,))


@pytest.mark.parametrize("make", [
    *(lambda C, p, loss=loss: LinearSVC(C, loss, p) for loss in CLASSIFIER),
    *(lambda C, p, loss=loss: LinearSVR(C, 0.2, loss, p) for loss in REGRESSOR),
])  # fmt: skip
@pytest.mark.parametrize("penalize", BOTH)
def test_invariances(make, penalize):
    x, y, classes = rows(7)
    model = make(0.5, penalize)
    target = classes if isinstance(model, LinearSVC) else y
    w, b = (np.ravel(a) for a in (model.fit(x, target).coef_, model.intercept_))

    def again(a, t):
        m = make(0.5, penalize).fit(a, t)
        return np.ravel(m.coef_), np.ravel(m.intercept_)

    order, turn = np.random.default_rng(0).permutation(len(x)), np.array([3, 0, 4, 1, 2])
    for found in (again(x[order], target[order]), (lambda a: (a[0][np.argsort(turn)], a[1]))(again(x[:, turn], target))):
        np.testing.assert_allclose(np.r_[found], np.r_[w, b], rtol=1e-5, atol=1e-6)
    found = again(x, ~target if target is classes else -target)
    np.testing.assert_allclose(np.r_[found], -np.r_[w, b], rtol=1e-5, atol=1e-6)
    twice = again(np.repeat(x, 2, axis=0), np.repeat(target, 2))  # each row twice at C is each once at 2 C
    expected = make(1.0, penalize).fit(x, target)
    np.testing.assert_allclose(np.r_[twice], np.r_[np.ravel(expected.coef_), np.ravel(expected.intercept_)], rtol=1e-5, atol=1e-6)
    if not penalize:  # where the origin lies is the intercept's affair
        moved = again(x + 5.0, target)
        np.testing.assert_allclose(np.r_[moved], np.r_[w, b - 5 * w.sum()], rtol=1e-5, atol=1e-5)


def test_several_classes_and_targets():
    x, y, _ = rows(3)
    labels = np.array(["slow", "middle", "fast"])[np.digitize(y, np.quantile(y, [0.3, 0.7]))]
    model = LinearSVC(0.3, "hinge").fit(x, labels)
    assert model.classes_.tolist() == ["fast", "middle", "slow"]
    assert model.coef_.shape == (3, 5) and model.decision_function(x).shape == (150, 3)
    for k, name in enumerate(model.classes_):
        one = LinearSVC(0.3, "hinge").fit(x, labels == name)
        np.testing.assert_allclose(model.coef_[k], one.coef_[0], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(model.decision_function(x)[:, k], one.decision_function(x), rtol=1e-6, atol=1e-8)
    two = LinearSVR(0.3, 0.1).fit(x, np.column_stack([y, -2 * y]))
    assert two.coef_.shape == (2, 5) and two.duality_gap_.shape == (2,)
    np.testing.assert_allclose(two.coef_[0], LinearSVR(0.3, 0.1).fit(x, y).coef_, rtol=1e-6)


@pytest.mark.parametrize("penalize", BOTH)
def test_targets_inside_the_tube(penalize):
    """Nothing to learn: weights 0, and no gap relative to an objective of 0."""
    x, y, _ = rows(2)
    for target in (np.zeros(150), np.clip(y, -0.1, 0.02)):
        for loss in REGRESSOR:
            model = LinearSVR(1.0, 0.2, loss, penalize).fit(x, target)
            np.testing.assert_allclose(model.coef_, 0, atol=1e-6)
            assert (np.abs(target - model.predict(x)) < 0.2 + 1e-6).all()


def test_the_gpu_form_says_the_same(monkeypatch):
    """What JAX would do on a GPU, on the CPU."""
    x, y, classes = rows(5)
    models = [LinearSVC(0.5, loss) for loss in CLASSIFIER] + [LinearSVR(0.5, 0.2, loss) for loss in REGRESSOR]
    targets = [classes] * 2 + [y] * 2
    ours = [m.fit(x, t).coef_.ravel() for m, t in zip(models, targets, strict=True)]
    for module in (interior_point, squared_losses):
        monkeypatch.setattr(module, "jax_on_gpu", lambda: True)
    for m, t, w in zip(models, targets, ours, strict=True):
        np.testing.assert_allclose(m.fit(x, t).coef_.ravel(), w, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("guess", [(0.05, 3.0), (1e-4, 1.0), (5.0, 3.0)])
def test_settled_rows_change_nothing(guess, monkeypatch):
    """However wrong the guess is which rows are far from the kink."""
    x, y, classes = rows(6, n=2000)
    for C in (0.003, 1.0):
        for model, target in (
            *((LinearSVC(C, "hinge", p), t) for p in BOTH for t in (classes, y > np.quantile(y, 0.99))),
            *((LinearSVR(C, e, penalize_intercept=p), y) for p in BOTH for e in (0.0, 0.5, 50.0)),
        ):
            with monkeypatch.context() as patch:
                expected = of_model(model.fit(x, target), x, target)
                for name, value in zip(("WIDTH", "NEAR", "FEW", "LEAST"), (*guess, 100, 30), strict=True):
                    patch.setattr(settled_rows, name, value)
                assert of_model(model.fit(x, target), x, target) == pytest.approx(expected, rel=2e-9, abs=1e-9)
                assert -1e-12 <= np.max(model.duality_gap_) <= 1e-9


def test_rounded_kinks():
    """Squared losses that go on linearly: the minimum of a general minimiser."""
    x, _, classes = rows(9)
    wide, margins = np.column_stack([x, np.ones(len(x))]), Margins.of_classes(classes)
    for width in (0.05, 0.5, 5.0):

        def value(u, width=width):
            beyond = np.maximum(1 - margins.signs[0] * (wide @ u), 0)
            return u[:-1] @ u[:-1] / 2 + 0.3 * np.where(beyond < width, beyond**2, width * (2 * beyond - width)).sum()

        u, _ = squared_losses.solve(wide, np.r_[np.ones(5), 0.0], margins, 0.3, 100, width)
        least = scipy.optimize.minimize(value, u + 0.1, method="BFGS").fun
        assert value(u) <= least * (1 + 1e-9) and least <= value(u) * (1 + 1e-6)


def test_products_do_not_depend_on_threads(monkeypatch):
    random = np.random.default_rng(0)
    x, weights = random.normal(size=(20_000, 7)), random.normal(size=20_000) * (random.uniform(size=20_000) < 0.9)
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("GLASSGPU_THREADS", threads)
        found.append(Blas().gram(x, weights))
    assert np.array_equal(*found)
    np.testing.assert_allclose(found[0], (x.T * weights) @ x, rtol=1e-10, atol=1e-8)
    np.testing.assert_allclose(Jax().gram(x[:50], weights[:50]), Blas().gram(x[:50], weights[:50]), rtol=1e-3, atol=1e-3)


def test_bad_input():
    x, y, classes = rows(1)
    for model, target, message in (
        (LinearSVC(C=0.0), classes, "C=0.0: must be above 0"),
        (LinearSVC(C=float("nan")), classes, "C=nan"),
        (LinearSVC(loss="log"), classes, "loss='log': choose one of 'hinge'"),
        (LinearSVC(), np.ones(150, int), "one class only"),
        (LinearSVC(tol=0.0), classes, "tol=0.0"),
        (LinearSVC(max_iter=0), classes, "max_iter"),
        (LinearSVR(C="1"), y, "C='1' is not a number"),
        (LinearSVR(epsilon=-0.1), y, "epsilon=-0.1: must be at least 0"),
        (LinearSVR(loss="hinge"), y, "loss='hinge'"),
    ):
        with pytest.raises(gg.errors.InvalidInput, match=message):
            model.fit(x, target)
    with pytest.raises(ValueError, match="NaN"):
        LinearSVC().fit(np.full((4, 2), np.nan), [0, 1, 0, 1])
    with pytest.raises(ValueError, match="features"):
        LinearSVC().fit(x, classes).predict(x[:, :3])
    for model, target in ((LinearSVC(loss="hinge", max_iter=2), classes), (LinearSVC(max_iter=1), classes), (LinearSVR(max_iter=2), y)):
        with pytest.raises(gg.errors.NotConverged, match="max_iter"):
            model.fit(x, target)


def test_a_step_from_the_exact_minimum_goes_nowhere():
    """There gradient, direction and curvature are exactly zero: on some processors rounding ends there."""
    nothing = np.zeros(3)
    assert squared_losses._step_length(0.0, 0.0, np.array([1.0, 0.0, -1.0]), nothing, nothing, np) == 0
