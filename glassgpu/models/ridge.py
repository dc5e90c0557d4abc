"""Ridge regression with alpha per sample, and its whole path."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from glassgpu import validate
from glassgpu.models.moments import GRAM_LIMIT, Moments, penalties_of, rows_of


def ridge_path(x: np.ndarray, y: np.ndarray, alphas: ArrayLike, fit_intercept: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Minimise |y - X w - b|^2 / n + alpha |w|^2 for every alpha by one factorisation.

    The Gram matrix serves alpha >= 1e-8 of its largest eigenvalue; below, singular values of X
    itself, which keep twice as many digits.

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
    scatter = moments.covariance[: x.shape[1], : x.shape[1]]
    largest = np.trace(scatter)  # at least the largest eigenvalue
    if fit_intercept and largest > 0 and penalties.min() >= GRAM_LIMIT * largest:
        return moments.ridge_path(penalties)
    mean_x, mean_y = (x.mean(axis=0), y.mean(axis=0)) if fit_intercept else (np.zeros(x.shape[1]), np.zeros(y.shape[1]))
    # The R factor holds all of [X, Y] that a least-squares fit needs, in at most f + t rows.
    r = scipy.linalg.qr(np.concatenate([x - mean_x, y - mean_y], axis=1), mode="r")[0]
    r = r[: min(len(x), x.shape[1] + y.shape[1])]
    u, s, vt = scipy.linalg.svd(r[:, : x.shape[1]], full_matrices=False)
    kept = s > max(s[0] * np.finfo(float).eps * max(x.shape), np.finfo(float).tiny)
    u, s, vt = u[:, kept], s[kept], vt[kept]
    shrink = s / (s**2 + len(x) * penalties[:, None])
    weights = np.einsum("kf,ak,kt->aft", vt, shrink, u.T @ r[:, x.shape[1] :])
    return weights, mean_y - np.einsum("f,aft->at", mean_x, weights)


class Ridge(MultiOutputMixin, RegressorMixin, BaseEstimator):
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
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        weights, intercept = ridge_path(X, y.reshape(len(X), -1), [alpha], self.fit_intercept)
        self.coef_ = weights[0, :, 0] if y.ndim == 1 else weights[0].T
        self.intercept_ = intercept[0, 0] if y.ndim == 1 else intercept[0]
        return self

    def predict(self, X):
        """(n,) or (n, targets)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return X @ self.coef_.T + self.intercept_
