"""Ridge regression with alpha per sample, and its whole path."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.models.factor import Factor
from glassgpu.models.linear_model import LinearModel
from glassgpu.models.moments import GRAM_LIMIT, Moments, penalties_of, rows_of


def ridge_path(x: np.ndarray, y: np.ndarray, alphas: ArrayLike, fit_intercept: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Minimise |y - X w - b|^2 / n + alpha |w|^2 for every alpha by one factorisation.

    The Gram matrix serves alpha >= 1e-8 of its largest eigenvalue; below, the singular
    values of a triangular factor (``Factor``), which keep twice as many digits.

    Args:
        x: (n, features) float64.
        y: (n, targets) float64.
        alphas: (alphas,), each at least 0.
        fit_intercept: else b = 0.

    Returns:
        Weights (alphas, features, targets) and intercepts (alphas, targets).

    Raises:
        InvalidInput

    Source: LIN equation 23. scikit-learn's alpha is n times this one.
    """
    penalties = penalties_of(alphas)
    x, y = rows_of(x, y)
    moments = Moments.of(x, y)
    largest = np.trace(moments.covariance[: x.shape[1], : x.shape[1]])  # at least the largest eigenvalue
    if fit_intercept and largest > 0 and penalties.min() >= GRAM_LIMIT * largest:
        return moments.ridge_path(penalties)
    return Factor.of(x, y).ridge_path(penalties, fit_intercept=fit_intercept)


class Ridge(LinearModel):
    """Linear regression with an L2 penalty: minimises |y - X w - b|^2 / n + alpha |w|^2.

    It does not standardise: put a ``StandardScaler`` before it in a pipeline, fitted on training
    rows only.

    Args:
        alpha: per sample, independent of the number of rows (scikit-learn's is n times ours).
        fit_intercept: whether b is fitted.

    Attributes:
        coef_: (features,) or (targets, features).
        intercept_: () or (targets,).

    Source: LIN equation 23; CMP section II.A.
    """

    def __init__(self, alpha: float = 1.0, fit_intercept: bool = True):
        self.alpha = alpha
        self.fit_intercept = fit_intercept

    def fit(self, X, y):
        """X (n, features), y (n,) or (n, targets)."""
        alpha = validate.number("alpha", self.alpha, least=0)
        X, y = self._rows(X, y)
        weights, intercept = ridge_path(X, y, [alpha], self.fit_intercept)
        self._keep(weights[0], intercept[0])
        return self
