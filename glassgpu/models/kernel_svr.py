"""Support vector regression with a Gaussian kernel: what a model that is not linear adds."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from glassgpu import validate
from glassgpu.device import in_double, jax_on_gpu
from glassgpu.errors import InvalidInput
from glassgpu.models import interior_point
from glassgpu.models.dense_algebra import Jax
from glassgpu.models.margins import Margins
from glassgpu.models.support_vectors import MOST_ROUNDS, TOLERANCE

CHUNK = 4_000_000  # values of the kernel that are in memory at once in a prediction: 32 MB
MATRICES = 3  # n x n, that a fit holds: the kernel, the matrix of a step and its factor


@functools.cache
def _on_gpu():
    import jax
    import jax.numpy as jnp

    def gaussians(a: Any, b: Any, gamma: Any) -> Any:
        squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * Jax().product(a, b.T)
        return jnp.exp(-gamma * jnp.maximum(squares, 0))

    return jax.jit(gaussians)


def _chunks(a: np.ndarray, b: np.ndarray, gamma: float) -> Iterator[np.ndarray]:
    """The kernel between rows a and b, (some rows of a, rows of b) at a time."""
    rows = max(1, CHUNK // len(b))
    parts = (a[first : first + rows] for first in range(0, len(a), rows))
    if jax_on_gpu():
        kernel = functools.partial(in_double, _on_gpu())
        yield from (kernel(part, b, np.float64(gamma)) for part in parts)
        return
    columns, squares = 2 * gamma * b.T, gamma * (b * b).sum(axis=1)
    for part in parts:  # in one array: each pass over another would take half as long as the product
        out = part @ columns
        out -= squares
        out -= gamma * (part * part).sum(axis=1)[:, None]
        yield np.exp(out, out=out)


class KernelSVR(RegressorMixin, BaseEstimator):
    """Regression by Gaussians about the training rows, with errors up to epsilon forgiven.

    Minimises |w|^2 / 2 + C sum max(0, |y - f| - epsilon), f(x) = b + sum_i beta_i exp(-gamma |x - x_i|^2), |w|^2 = beta' K beta.
    Time grows with the cube and memory with the square of the number of rows. It does not standardise: put a
    ``StandardScaler`` before it in a pipeline, fitted on training rows only.

    Args:
        C: weight of the losses, above 0; a sum over rows, as in scikit-learn.
        epsilon: half the width of the tube, in units of y, at least 0.
        gamma: above 0, or ``"scale"``: 1 / (features x variance of X).
        tol: of the duality gap over the objective.
        max_iter: steps of Newton's method.
        memory_gb: the most that the matrices of a fit may take [10^9 bytes]; more rows are refused.

    Attributes:
        dual_coef_: (n,) beta, from -C to C, in units of y; about 0 for rows inside the tube.
        intercept_: () b, in units of y.
        gamma_: a number, that was used, in units of one over the squares of the columns.
        duality_gap_: a number, how far at most the objective is above its minimum, over the objective [1].
        n_iter_: number of steps.

    Raises:
        InvalidInput: a parameter out of range, more rows than the memory allows.
        NotConverged: the minimum was not found; nothing else is returned in its place.

    Source: TH section 3.2; Smola and Schoelkopf, Stat. Comput. 14, 199 (2004).
    """

    def __init__(
        self, C: float = 1.0, epsilon: float = 0.1, gamma: float | str = "scale", tol: float = TOLERANCE, max_iter: int = MOST_ROUNDS,
        memory_gb: float = 4.0,
    ):  # fmt: skip
        self.C = C
        self.epsilon = epsilon
        self.gamma = gamma
        self.tol = tol
        self.max_iter = max_iter
        self.memory_gb = memory_gb

    def fit(self, X, y):
        """Fit to rows.

        Args:
            X: (n, features) float64, all columns of one scale, in any units.
            y: (n,) float64, in any units.

        Raises:
            InvalidInput: a parameter out of range, more rows than ``memory_gb`` holds.
            NotConverged
            ValueError: as ``Ridge.fit``.
        """
        cost, epsilon = validate.number("C", self.C, above=0), validate.number("epsilon", self.epsilon, least=0)
        tolerance, most = validate.number("tol", self.tol, least=1e-12), validate.whole("max_iter", self.max_iter, least=1)
        memory = validate.number("memory_gb", self.memory_gb, above=0) * 1e9
        if isinstance(self.gamma, str):
            validate.choice("gamma", self.gamma, ("scale",))
        else:
            validate.number("gamma", self.gamma, above=0)
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        if MATRICES * 8 * len(X) ** 2 > memory:
            raise InvalidInput(
                f"{len(X)} rows need {MATRICES * 8 * len(X) ** 2 / 1e9:.1f} GB for {MATRICES} matrices of n x n, above memory_gb={self.memory_gb:g}: "
                f"take at most {int((memory / (MATRICES * 8)) ** 0.5)} rows, or raise memory_gb"
            )
        variance = X.var()
        self.gamma_ = float(self.gamma) if not isinstance(self.gamma, str) else 1 / (X.shape[1] * variance) if variance > 0 else 1.0
        shift, mean = y.mean(), X.mean(axis=0)  # neither reaches the minimum; distances keep more digits about the mean
        self._rows = X - mean
        kernel = np.concatenate(list(_chunks(self._rows, self._rows, self.gamma_)))
        found = interior_point.solve(interior_point.Kernel, (kernel,), Margins.of_targets(y - shift, epsilon), cost, tolerance, most)
        self._mean = mean
        self.dual_coef_, self.intercept_ = found.u[:-1], float(found.u[-1] + shift)
        self.duality_gap_, self.n_iter_ = found.gap, found.rounds
        return self

    def predict(self, X):
        """Of rows; no array of (rows of X) x (training rows) is made, but a part of 64 MB.

        Args:
            X: (n, features) float64, in the units of the fitted columns.

        Returns:
            (n,) float64, in units of y.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        parts = _chunks(X - self._mean, self._rows, self.gamma_)
        return np.concatenate([part @ self.dual_coef_ for part in parts]) + self.intercept_
