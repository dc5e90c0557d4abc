"""Ordinary least squares that knows how little it knows."""

from __future__ import annotations

import numpy as np

from glassgpu import validate
from glassgpu.models.factor import Factor, default_rcond
from glassgpu.models.linear_model import LinearModel


class LeastSquares(LinearModel):
    """Linear regression without a penalty: minimises |y - X w - b|^2, and of all such w takes the shortest.

    Args:
        fit_intercept: whether b is fitted.
        rcond: singular values of the centred columns below this share of the largest count as zero; None:
            machine precision times the larger of rows and features, as of ``numpy.linalg.lstsq``.

    Attributes:
        coef_: (features,) or (targets, features), in units of y over those of each column.
        intercept_: () or (targets,), in units of y.
        rank_: number of singular values kept.
        singular_: (k,) singular values of the centred columns over sqrt(n), descending, in the units of the columns.

    Source: LIN equation 20, by singular values of an R factor in place of C^-1.
    """

    def __init__(self, fit_intercept: bool = True, rcond: float | None = None):
        self.fit_intercept = fit_intercept
        self.rcond = rcond

    def fit(self, X, y):
        """Fit to rows.

        Args:
            X, y: as for ``Ridge.fit``.

        Raises:
            InvalidInput: ``rcond`` outside [0, 1].
            ValueError: as ``Ridge.fit``.
        """
        rcond = None if self.rcond is None else validate.number("rcond", self.rcond, least=0, most=1)
        X, y = self._rows(X, y)
        factor = Factor.of(X, y)
        found = factor.spectrum(fit_intercept=self.fit_intercept)
        kept = found.kept(default_rcond(factor) if rcond is None else rcond)
        weights, intercept = found.fit(np.where(kept, 1 / np.where(kept, found.singular, 1.0), 0.0))
        self._keep(weights, intercept)
        self.rank_ = int(kept.sum())
        self.singular_ = found.singular
        return self
