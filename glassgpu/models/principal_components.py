"""Regression on a few principal components."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from glassgpu import validate
from glassgpu.models.factor import Factor, default_rcond
from glassgpu.models.linear_model import LinearModel

ORDERS = ("eigenvalue", "correlation")


class PrincipalComponentRegression(LinearModel):
    """Least squares on some of the principal components of the columns.

    It does not standardise: put a ``StandardScaler`` before it in a pipeline for the components of the
    correlation matrix, as in LIN.

    Args:
        n_components: how many are used, from 1 on; None, or more than there are: all.
        order: ``"eigenvalue"``: those of the largest variance; ``"correlation"``: those whose Pearson
            coefficient with the target is largest in magnitude, for each target by itself.
        fit_intercept: whether columns and targets are centred.

    Attributes:
        coef_: (features,) or (targets, features), of the columns, in units of y over those of each.
        intercept_: () or (targets,), in units of y.
        mean_: (features,) what is subtracted, in the units of the columns.
        components_: (k, features) vectors u of length 1 of LIN equation 33 [1], by falling eigenvalue; those whose
            variance is rounding are left out.
        eigenvalues_: (k,) their variances, in the units of the columns squared.
        correlation_: (k,) or (targets, k) Pearson coefficients R of target and component [1] (LIN figure 8b).
        used_: (p,) or (targets, p) indices of the components that are used, in order.

    Source: LIN equations 33 to 40.
    """

    def __init__(self, n_components: int | None = None, order: str = "eigenvalue", fit_intercept: bool = True):
        self.n_components = n_components
        self.order = order
        self.fit_intercept = fit_intercept

    def fit(self, X, y):
        """Fit to rows.

        Args:
            X, y: as for ``Ridge.fit``.

        Raises:
            InvalidInput: a parameter out of range.
            ValueError: as ``Ridge.fit``.
        """
        validate.choice("order", self.order, ORDERS)
        asked = None if self.n_components is None else validate.whole("n_components", self.n_components, least=1)
        X, y = self._rows(X, y)
        factor = Factor.of(X, y)
        found = factor.spectrum(fit_intercept=self.fit_intercept)
        kept = found.kept(default_rcond(factor))
        with np.errstate(divide="ignore", invalid="ignore"):
            correlation = np.nan_to_num(found.projected[kept] / np.sqrt(found.variance_y))  # a constant target goes with nothing
        rank = int(kept.sum())
        count = min(asked or rank, rank)
        if self.order == "eigenvalue":
            used = np.tile(np.arange(count), (correlation.shape[1], 1))
        else:
            used = np.argsort(-np.abs(correlation), axis=0, kind="stable")[:count].T
        shrink = np.zeros((1, len(found.singular), correlation.shape[1]))
        for target, which in enumerate(used):
            shrink[0, which, target] = 1 / found.singular[which]
        weights, intercept = (a[0] for a in found.fit(shrink))
        self._keep(weights, intercept)
        self.mean_ = found.mean_x
        self.components_ = found.vectors[kept]
        self.eigenvalues_ = found.singular[kept] ** 2
        self.correlation_ = self._shaped(correlation)
        self.used_ = self._shaped(used.T)
        return self

    def principal_components(self, X):
        """Principal components of rows, each scaled to variance 1 on the training rows.

        Args:
            X: (n, features) float64, in the units of the fitted columns.

        Returns:
            (n, k) float64 [1].

        Source: LIN equation 36.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return (X - self.mean_) @ self.components_.T / np.sqrt(self.eigenvalues_)
