"""A network of fully connected layers: the regressor that linear models are measured against."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from glassgpu import validate
from glassgpu.device import in_double, jax_on_gpu
from glassgpu.errors import InvalidInput
from glassgpu.models.dense_algebra import Blas, Jax
from glassgpu.models.together import Settings, fit_side_by_side, rows_to_watch
from glassgpu.models.training import plan_of, rates_of
from glassgpu.progress import Progress

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
        alpha: times the weights, not biases, is added to the slope that Adam is told: ``weight_decay`` of PyTorch's Adam.
        dropout: share of a hidden layer's values that is set to zero at random in training (the rest is scaled up), one number for every
            hidden layer, or one for each [1].
        patience: epochs without a better score of the validation rows after which training ends; None: never before
            ``epochs``. Needs ``validation`` of ``fit``.
        select: the score that chooses the epoch whose weights are kept: the least ``"error"`` of the validation rows, or their largest
            ``"pearson"`` coefficient.
        seed: of the first weights, of the order of rows and of dropout.
        progress: True, False, or a function that is told the fraction done.
        checkpoint: file in which training is kept three times a minute; the same call goes on from it.

    Attributes:
        coefs_: weights of each layer, (inputs, outputs) float64, from the units of the columns to those of y.
        intercepts_: biases of each layer, (outputs,) float64, in the units of y in the last.
        n_parameters_: number of weights and biases in all.
        loss_curve_: (epochs,) mean squared error of the batches of each epoch, while they are learned, in units of y squared.
        validation_curve_: (epochs,) mean squared error of the validation rows after each epoch, if there are any, in units of y squared.
        pearson_curves_: by name of the rows that were watched, ``"validation"`` first, (epochs,) their Pearson coefficient [1].
        n_iter_: number of epochs run.
        seconds_: number of seconds that the epochs took, of all networks of a call together.
        chosen_: number of the epoch, from 0, whose weights were kept.

    Raises:
        InvalidInput: a parameter out of range, patience without validation rows.
        NotConverged: the error ceased to be a number.
        CheckpointMismatch: ``checkpoint`` belongs to another training.

    Source: TH section A.0.3; CMP section II.B. Kingma and Ba, ICLR (2015).
    """

    def __init__(
        self, hidden: Sequence[int] = (100,), parameters: int | None = None, layers: int = 5, learning_rate: float = 1e-3, epochs: int = 200,
        batch: int = 200, weight_decay: float = 0.0, alpha: float = 0.0, dropout: float | Sequence[float] = 0.0, patience: int | None = None,
        select: str = "error", seed: int = 0, progress: Progress = True, checkpoint: str | Path | None = None,
    ):  # fmt: skip
        self.hidden = hidden
        self.parameters = parameters
        self.layers = layers
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch = batch
        self.weight_decay = weight_decay
        self.alpha = alpha
        self.dropout = dropout
        self.patience = patience
        self.select = select
        self.seed = seed
        self.progress = progress
        self.checkpoint = checkpoint

    def fit(self, X, y, validation=None):
        """Fit to rows.

        No rows are put aside at random: neighbours in one configuration share what they know. With validation
        rows the weights after the epoch of their best score are kept.

        Args:
            X: (n, features) float64, standardised [1].
            y: (n,) or (n, targets) float64, in units of its own deviation or so.
            validation: a pair like X and y, (m, features) and (m,) or (m, targets) in their units, of other configurations.

        Raises:
            InvalidInput: a parameter out of range, rows that do not belong together.
            NotConverged
            CheckpointMismatch, FileFormatError, OutputNotWritable: of the checkpoint.
            ValueError: as ``Ridge.fit``.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        self._one_target = y.ndim == 1
        y = y.reshape(len(X), 1, -1)
        watch = {} if validation is None else {"validation": rows_to_watch("validation", validation, X.shape[1], y.shape[1:])}
        settings = self.settings(X.shape[1], y.shape[2], validation is not None)
        fit_side_by_side([self], [settings], X, y, watch, self.progress, self.checkpoint)
        return self

    def settings(self, inputs: int, outputs: int, validated: bool) -> Settings:
        """What was asked for, checked, for so many columns and targets.

        Raises:
            InvalidInput
        """
        hidden = tuple(self._hidden(inputs, outputs))
        dropout = [self.dropout] * len(hidden) if isinstance(self.dropout, (int, float)) else list(self.dropout)
        if len(dropout) != len(hidden):
            raise InvalidInput(f"dropout={self.dropout!r}: give one number, or one for each of {len(hidden)} hidden layers")
        shares = tuple(validate.number("dropout", share, least=0, most=0.99) for share in dropout)
        return Settings(hidden, shares, rates_of(self), plan_of(self, validated))

    def _hidden(self, inputs: int, outputs: int) -> list[int]:
        """Width of each hidden layer."""
        if self.parameters is None:
            if not isinstance(self.hidden, Sequence) or isinstance(self.hidden, str):
                raise InvalidInput(f"hidden={self.hidden!r}: give the width of each layer, such as (100, 100)")
            return [validate.whole("hidden", width, least=1) for width in self.hidden]
        width = hidden_width(self.parameters, inputs, self.layers, outputs)
        return [width] * self.layers

    def predict(self, X):
        """Of rows.

        Args:
            X: (n, features) float64, in the units of the fitted columns.

        Returns:
            (n,) or (n, targets) float64, in units of y.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        parts = [X[first : first + CHUNK] for first in range(0, len(X), CHUNK)]
        if jax_on_gpu():
            found = np.concatenate([in_double(_on_gpu(), part, *self.coefs_, *self.intercepts_) for part in parts])
        else:
            found = np.concatenate([_predict(Blas(), part, self.coefs_, self.intercepts_) for part in parts])
        return found[:, 0] if self._one_target else found

    def gradients(self, X):
        """How predictions answer to columns, d prediction / d column.

        Args:
            X: (n, features) float64, in the units of the fitted columns.

        Returns:
            (n, features), or (n, targets, features), float64, in units of y over those of each column.
        """
        check_is_fitted(self)
        hidden = [validate_data(self, X, dtype=np.float64, reset=False)]
        for weight, bias in zip(self.coefs_[:-1], self.intercepts_[:-1], strict=True):
            hidden.append(np.maximum(hidden[-1] @ weight + bias, 0))
        slope = np.broadcast_to(self.coefs_[-1].T, (len(hidden[0]), *self.coefs_[-1].T.shape))
        for weight, values in zip(self.coefs_[-2::-1], hidden[:0:-1], strict=True):
            slope = (slope * (values > 0)[:, None]) @ weight.T
        return slope[:, 0] if self._one_target else slope

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """What ``save_network`` keeps."""
        layers = {f"{kind} {k}": a for kind, many in (("weights", self.coefs_), ("biases", self.intercepts_)) for k, a in enumerate(many)}
        return layers, {"layers": len(self.coefs_), "one_target": bool(self._one_target)}

    def _restore(self, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
        number = validate.whole("layers", facts["layers"], least=1, most=len(arrays) // 2)
        self.coefs_ = [np.asarray(arrays[f"weights {k}"], np.float64) for k in range(number)]
        self.intercepts_ = [np.asarray(arrays[f"biases {k}"], np.float64) for k in range(number)]
        widths = [w.shape for w in self.coefs_]
        if any(len(shape) != 2 for shape in widths):
            raise ValueError(f"weights of shapes {widths}")
        if any(a[1] != b[0] for a, b in itertools.pairwise(widths)) or [(w[1],) for w in widths] != [b.shape for b in self.intercepts_]:
            raise ValueError(f"layers of shapes {widths} do not follow one another")
        if (facts["one_target"] is True) > (widths[-1][1] == 1) or type(facts["one_target"]) is not bool:
            raise ValueError(f"one_target={facts['one_target']!r} of {widths[-1][1]} targets")
        self.n_features_in_, self._one_target = widths[0][0], bool(facts["one_target"])
        self.n_parameters_ = sum(a.size for a in (*self.coefs_, *self.intercepts_))
