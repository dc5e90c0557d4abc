"""A network of fully connected layers: the regressor that linear models are measured against."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from glassgpu import validate
from glassgpu.device import in_double, jax_on_gpu
from glassgpu.errors import InvalidInput, NotConverged
from glassgpu.models.dense_algebra import Blas, Jax
from glassgpu.progress import Progress, bar

CHUNK = 65_536  # rows of a prediction whose layers are in memory at once


def hidden_width(parameters: int, inputs: int, layers: int = 5, outputs: int = 1) -> int:
    """The width, at least 1, for which equal hidden layers have a total number of weights and biases nearest to ``parameters``.

    Args:
        parameters: wanted; TH takes half, as many as and twice the number of training examples.
        inputs: columns.
        layers: hidden ones.
        outputs: targets.

    Raises:
        InvalidInput

    Source: TH section A.0.3.
    """
    wanted, inputs = validate.whole("parameters", parameters, least=1), validate.whole("inputs", inputs, least=1)
    layers, outputs = validate.whole("layers", layers, least=1), validate.whole("outputs", outputs, least=1)

    def total(width: int) -> int:
        return (inputs + 1) * width + (layers - 1) * (width + 1) * width + (width + 1) * outputs

    square, linear = layers - 1, inputs + layers + outputs
    missing = max(0, wanted - outputs)
    root = 2 * missing / (linear + math.sqrt(linear**2 + 4 * square * missing))
    return min((max(1, math.floor(root)), max(1, math.ceil(root))), key=lambda width: abs(total(width) - wanted))


def _predict(algebra: Any, x: Any, weights: Sequence[Any], biases: Sequence[Any]) -> Any:
    """Outputs (n, targets) of rows (n, features)."""
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        x = algebra.xp.maximum(algebra.product(x, weight) + bias, 0)
    return algebra.product(x, weights[-1]) + biases[-1]


@functools.cache
def _on_gpu():
    import jax

    algebra = Jax()
    return jax.jit(lambda x, *layers: _predict(algebra, x, layers[: len(layers) // 2], layers[len(layers) // 2 :]))


def _built(sizes: Sequence[int], mean: np.ndarray, random: np.random.Generator) -> list[Any]:
    """Layers of ``equinox.nn.Linear`` with weights as of Glorot and Bengio (2010); the output starts at ``mean``."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    layers = []
    for k, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        last = k == len(sizes) - 2
        empty = eqx.filter_eval_shape(eqx.nn.Linear, inputs, outputs, key=jax.random.key(0))
        weight = random.uniform(-1, 1, (outputs, inputs)) * (6 / (inputs + outputs)) ** 0.5
        filled = tuple(jnp.asarray(a, jnp.float32) for a in (weight, mean if last else np.zeros(outputs)))
        layers.append(eqx.tree_at(lambda found: (found.weight, found.bias), empty, filled))
    return layers


def _order(rows: int, batch: int, random: np.random.Generator) -> np.ndarray:
    """Rows in a new order, (batches, rows of a batch), at most ``batch`` in each; some of the first come again to fill the last."""
    batches = -(-rows // batch)
    size = -(-rows // batches)
    order = random.permutation(rows)
    return np.concatenate([order, order[: batches * size - rows]]).astype(np.int32).reshape(batches, size)


@functools.cache
def _training(learning_rate: float, weight_decay: float):
    """Three compiled functions: the memory of the optimiser of a network, an epoch, and the mean squared error of given rows."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import optax

    algebra = Jax()
    optimizer = optax.adamw(learning_rate, weight_decay=weight_decay, mask=lambda tree: jax.tree.map(lambda a: a.ndim == 2, tree))

    def loss(network, x, y):
        found = _predict(algebra, x, [layer.weight.T for layer in network], [layer.bias for layer in network])
        return jnp.mean((found - y) ** 2)

    def epoch(network, memory, x, y, order):
        """One step for each row of ``order``: network, memory, mean loss."""

        def step(state, rows):
            network, memory = state
            value, slope = eqx.filter_value_and_grad(loss)(network, x[rows], y[rows])
            updates, memory = optimizer.update(slope, memory, network)
            return (eqx.apply_updates(network, updates), memory), value

        (network, memory), losses = jax.lax.scan(step, (network, memory), order)
        return network, memory, losses.mean()

    return eqx.filter_jit(optimizer.init), eqx.filter_jit(epoch), eqx.filter_jit(loss)


class MLPRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Hidden layers of max(0, W x + b) and a linear output, fitted to least squares by Adam.

    Training runs in single precision and on the device, which is told the order of rows of each epoch; predictions in double precision, so that they do
    not depend on how rows are batched. The same seed gives the same numbers on the same machine. It does not
    standardise: put a ``StandardScaler`` before it in a pipeline, fitted on training rows only, and scale the target.

    Args:
        hidden: width of each hidden layer.
        parameters: if given, ``hidden`` is not used: ``layers`` layers of ``hidden_width(parameters, features, layers)``.
        layers: hidden ones, with ``parameters``.
        learning_rate: of Adam, above 0.
        epochs: passes over the rows.
        batch: rows of a step at most; all batches of an epoch have the same size, for which a few rows may come twice.
        weight_decay: by which weights, not biases, shrink in units of ``learning_rate`` a step (AdamW).
        patience: epochs without a smaller error of the validation rows after which training ends; None: never before
            ``epochs``. Needs ``validation`` of ``fit``.
        seed: of the first weights and of the order of rows.
        progress: True, False, or a function that is told the fraction done.

    Attributes:
        coefs_: weights of each layer, (inputs, outputs) float64.
        intercepts_: biases of each layer, (outputs,) float64.
        n_parameters_: weights and biases in all.
        loss_curve_: (epochs,) mean squared error of the batches of each epoch, while they are learned.
        validation_curve_: (epochs,) mean squared error of the validation rows after each epoch, if there are any.
        n_iter_: epochs run.

    Raises:
        InvalidInput: a parameter out of range, patience without validation rows.
        NotConverged: the error ceased to be a number.

    Source: TH section A.0.3; CMP section II.B. Kingma and Ba, ICLR (2015).
    """

    def __init__(
        self, hidden: Sequence[int] = (100,), parameters: int | None = None, layers: int = 5, learning_rate: float = 1e-3, epochs: int = 200,
        batch: int = 200, weight_decay: float = 0.0, patience: int | None = None, seed: int = 0, progress: Progress = True,
    ):  # fmt: skip
        self.hidden = hidden
        self.parameters = parameters
        self.layers = layers
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch = batch
        self.weight_decay = weight_decay
        self.patience = patience
        self.seed = seed
        self.progress = progress

    def fit(self, X, y, validation=None):
        """X (n, features), y (n,) or (n, targets); ``validation``, if given, is such a pair, of other configurations.

        No rows are put aside at random: neighbours in one configuration share what they know. With validation
        rows the weights after the epoch of their least error are kept.
        """
        import jax.numpy as jnp

        epochs, batch = validate.whole("epochs", self.epochs, least=1), validate.whole("batch", self.batch, least=1)
        rate, decay = (
            validate.number("learning_rate", self.learning_rate, above=0),
            validate.number("weight_decay", self.weight_decay, least=0),
        )
        patience = epochs if self.patience is None else validate.whole("patience", self.patience, least=1)
        if self.patience is not None and validation is None:
            raise InvalidInput(f"patience={self.patience} needs validation rows: fit(X, y, validation=(X, y) of other configurations)")
        seed = validate.whole("seed", self.seed, least=0)
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        self._one_target = y.ndim == 1
        y = y.reshape(len(X), -1)
        sizes = [X.shape[1], *self._hidden(X.shape[1], y.shape[1]), y.shape[1]]
        unseen = None if validation is None else self._unseen(validation, y.shape[1])
        random = np.random.default_rng(seed)
        begin, epoch, error = _training(rate, decay)
        network = best = _built(sizes, y.mean(axis=0), random)
        memory = begin(network)
        x, y = jnp.asarray(X, jnp.float32), jnp.asarray(y, jnp.float32)
        losses: list[float] = []
        errors: list[float] = []
        with bar(epochs, "epoch", self.progress) as advance:
            for k in range(epochs):
                network, memory, loss = epoch(network, memory, x, y, _order(len(X), batch, random))
                losses.append(float(loss))
                if not math.isfinite(losses[-1]):
                    raise NotConverged(
                        f"the error is {losses[-1]} in epoch {k + 1} of {epochs}: standardise columns and targets, or lower learning_rate={rate:g}"
                    )
                advance(1)
                if unseen is None:
                    continue
                errors.append(float(error(network, *unseen)))
                if errors[-1] == min(errors):
                    best = network
                if k - int(np.argmin(errors)) >= patience:
                    break
        kept = network if unseen is None else best
        self.coefs_ = [np.asarray(layer.weight.T, np.float64) for layer in kept]
        self.intercepts_ = [np.asarray(layer.bias, np.float64) for layer in kept]
        self.n_parameters_ = sum(a.size for a in (*self.coefs_, *self.intercepts_))
        self.loss_curve_, self.n_iter_ = np.array(losses), len(losses)
        if unseen is not None:
            self.validation_curve_ = np.array(errors)
        return self

    def _hidden(self, inputs: int, outputs: int) -> list[int]:
        """Width of each hidden layer."""
        if self.parameters is None:
            if not isinstance(self.hidden, Sequence) or isinstance(self.hidden, str):
                raise InvalidInput(f"hidden={self.hidden!r}: give the width of each layer, such as (100, 100)")
            return [validate.whole("hidden", width, least=1) for width in self.hidden]
        width = hidden_width(self.parameters, inputs, self.layers, outputs)
        return [width] * self.layers

    def _unseen(self, validation: Any, targets: int) -> tuple[Any, Any]:
        """Validation rows on the device."""
        import jax.numpy as jnp

        try:
            x, y = validation
        except (TypeError, ValueError):
            raise InvalidInput("validation: give a pair (X, y)") from None
        x = validate_data(self, x, dtype=np.float64, reset=False)
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y of validation")
        if y.size != len(x) * targets:
            raise InvalidInput(f"validation has {len(x)} rows and a target of shape {y.shape}; expected {targets} targets a row")
        return jnp.asarray(x, jnp.float32), jnp.asarray(y.reshape(len(x), targets), jnp.float32)

    def predict(self, X):
        """(n,) or (n, targets)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        parts = [X[first : first + CHUNK] for first in range(0, len(X), CHUNK)]
        if jax_on_gpu():
            found = np.concatenate([in_double(_on_gpu(), part, *self.coefs_, *self.intercepts_) for part in parts])
        else:
            found = np.concatenate([_predict(Blas(), part, self.coefs_, self.intercepts_) for part in parts])
        return found[:, 0] if self._one_target else found
