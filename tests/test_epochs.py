"""Training by the kernel: plain NumPy in double precision, JAX, threads, dropout."""

from __future__ import annotations

import numpy as np
import pytest

from glassgpu.models import MLPRegressor, epochs, fit_together, together


def rows(n: int = 130, features: int = 37, targets: int = 6):
    random = np.random.default_rng(0)
    x = random.normal(size=(n, features))
    return x, np.tanh(x[:, :targets]) + x[:, 1:2] * x[:, 2:3] + 0.1 * random.normal(size=(n, targets))


SETTINGS = (
    {"hidden": (16,)},
    {"hidden": (16, 16, 16), "weight_decay": 0.3},
    {"hidden": (16, 16), "alpha": 0.5},
    {"hidden": (16, 16, 16), "learning_rate": 3e-3, "seed": 4},
    {"hidden": (16, 16), "seed": 2},
    {"hidden": (16, 16, 16), "alpha": 0.01},
)


def networks(**changes) -> list[MLPRegressor]:
    return [MLPRegressor(**{"epochs": 3, "batch": 32, "learning_rate": 1e-2, "progress": False, **s, **changes}) for s in SETTINGS]


def adam(model: MLPRegressor, weights: list, biases: list, x: np.ndarray, y: np.ndarray, orders) -> tuple[list, list, list]:
    """Kingma and Ba (2015), algorithm 1, with AdamW's decay and PyTorch's alpha."""
    numbers = [*weights, *biases]
    first, second, step, losses = [np.zeros_like(a) for a in numbers], [np.zeros_like(a) for a in numbers], 0, []
    for order in orders:
        lost = []
        for chosen in order:
            values = [x[chosen]]
            for w, b in zip(numbers[: len(weights) - 1], numbers[len(weights) : -1], strict=True):
                values.append(np.maximum(values[-1] @ w + b, 0))
            wrong = values[-1] @ numbers[len(weights) - 1] + numbers[-1] - y[chosen]
            lost.append(np.mean(wrong**2))
            slope = 2 * wrong / wrong.size
            slopes = [np.zeros(0)] * len(numbers)
            for k in range(len(weights) - 1, -1, -1):
                slopes[k], slopes[len(weights) + k] = values[k].T @ slope + model.alpha * numbers[k], slope.sum(axis=0)
                slope = (slope @ numbers[k].T) * (values[k] > 0)
            step += 1
            for k, g in enumerate(slopes):
                first[k] = 0.9 * first[k] + 0.1 * g
                second[k] = 0.999 * second[k] + 0.001 * g**2
                change = first[k] / (1 - 0.9**step) / (np.sqrt(second[k] / (1 - 0.999**step)) + 1e-8)
                numbers[k] = numbers[k] - model.learning_rate * (change + model.weight_decay * numbers[k] * (k < len(weights)))
        losses.append(np.mean(lost))
    return numbers[: len(weights)], numbers[len(weights) :], losses


def test_the_kernel_is_adam():
    """Every network of a call with several depths, against a plain loop in double precision, for as long as rounding stays small."""
    from glassgpu.models.networks import new_layers
    from glassgpu.models.training import _order

    x, y = rows()
    for count in (1, 2):
        models = fit_together(networks(epochs=count), x, y)
        orders = [_order(len(x), 32, np.random.default_rng([0, k]), False)[:, 0] for k in range(count)]
        for k, model in enumerate(models):
            start = new_layers([37, *model.hidden, 1], np.random.default_rng(model.seed), y[:, k].mean())
            given = [np.asarray(w, float) for w in start.weights], [np.asarray(b, float) for b in start.biases]
            weights, biases, losses = adam(model, *given, x, y[:, k : k + 1], orders)
            for a, b in zip([*model.coefs_, *model.intercepts_], [*weights, *biases], strict=True):
                np.testing.assert_allclose(a, b, atol=2e-5 * count)
            np.testing.assert_allclose(model.loss_curve_, losses, rtol=1e-4)


@pytest.mark.parametrize("outputs", [1, 3])
def test_as_jax_does_it(outputs, monkeypatch):
    x, y = rows()
    y = y[:, :outputs]
    settings = dict(hidden=(7, 11), epochs=3, batch=33, learning_rate=3e-3, progress=False)
    kernel = MLPRegressor(**settings).fit(x, y)
    monkeypatch.setattr(together, "kernel_serves", lambda hidden, outputs: False)
    plain = MLPRegressor(**settings).fit(x, y)
    np.testing.assert_allclose(kernel.predict(x), plain.predict(x), atol=1e-4)
    np.testing.assert_allclose(kernel.loss_curve_, plain.loss_curve_, rtol=1e-4)


def test_threads_and_company_do_not_reach_the_result(monkeypatch):
    x, y = rows()
    found = []
    for threads in (1, 3):
        epochs.epoch_by_kernel.cache_clear()
        monkeypatch.setattr(epochs, "threads_available", lambda threads=threads: threads)
        found.append([m.predict(x) for m in fit_together(networks(dropout=0.25), x, y)])
    epochs.epoch_by_kernel.cache_clear()
    assert np.array_equal(found[0], found[1])
    alone = networks()[4]
    together_ = fit_together([networks(seed=2)[k] for k in (4, 0, 1)], x, y[:, [4, 0, 1]])[0]
    assert np.array_equal(alone.fit(x, y[:, 4]).predict(x), together_.predict(x))


def test_dropout_forgets_as_many_as_asked():
    """With weights that stand still, the mean error of many steps is that of masks drawn by NumPy."""
    x, y = rows(targets=1)
    model = MLPRegressor(hidden=(16, 16), dropout=(0.0, 0.4), epochs=200, batch=65, learning_rate=1e-12, progress=False).fit(x, y[:, 0])
    random = np.random.default_rng(1)
    hidden = np.maximum(np.maximum(x @ model.coefs_[0] + model.intercepts_[0], 0) @ model.coefs_[1] + model.intercepts_[1], 0)
    errors = []
    for _ in range(200):
        kept = hidden * (random.random(hidden.shape) >= 0.4) / 0.6
        errors.append(np.mean((kept @ model.coefs_[2] + model.intercepts_[2] - y) ** 2))
    noise = np.hypot(np.std(errors), np.std(model.loss_curve_)) / np.sqrt(200)
    assert abs(np.mean(model.loss_curve_) - np.mean(errors)) < 4 * noise
    plain = np.mean((model.predict(x) - y[:, 0]) ** 2)
    assert np.mean(errors) > plain + 20 * noise


def test_what_the_kernel_does_not_serve():
    assert epochs.kernel_serves((16, 3), 16)
    assert not epochs.kernel_serves((17,), 1) and not epochs.kernel_serves((), 1) and not epochs.kernel_serves((4,), 17)
