"""What every linear model has in common: checked rows, weights in scikit-learn's shapes, predictions."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data


class LinearModel(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """A regressor whose prediction is X w + b."""

    def _rows(self, X, y) -> tuple[np.ndarray, np.ndarray]:
        """X (n, features) and y (n, targets) in float64, checked as scikit-learn checks them."""
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        self._one_target = y.ndim == 1
        return X, y.reshape(len(X), -1)

    def _shaped(self, per_target: np.ndarray) -> np.ndarray:
        """Of (..., targets): the only target's, if y was one vector, else targets first."""
        return per_target[..., 0] if self._one_target else np.moveaxis(per_target, -1, 0)

    def _keep(self, weights: np.ndarray, intercept: np.ndarray) -> None:
        """Store weights (features, targets) and intercepts (targets,)."""
        self.coef_ = self._shaped(weights)
        self.intercept_ = self._shaped(intercept)

    def predict(self, X):
        """X w + b.

        Args:
            X: (n, features) float64, in the units of the fitted columns.

        Returns:
            (n,) or (n, targets) float64, in units of y.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return X @ self.coef_.T + self.intercept_
