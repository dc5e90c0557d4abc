"""The problem of support vectors in one form: R / 2 + C times a sum over max(0, threshold - sign f)^p.

f is the prediction of a row, R the squared length of the weights. A classifier has one such term per row,
threshold 1 and sign y. A regressor has two: y - epsilon with sign 1, and -y - epsilon with sign -1. Powers
1 and 2 are hinge and squared hinge, epsilon-insensitive and squared epsilon-insensitive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Margins:
    """Terms of the loss.

    Attributes:
        signs: (terms of a row, n) float64, each 1 or -1.
        thresholds: (terms of a row, n) float64.
    """

    signs: np.ndarray
    thresholds: np.ndarray

    @classmethod
    def of_classes(cls, positive: np.ndarray) -> Margins:
        """Of a classifier, from which rows are of the positive class, (n,) bool."""
        signs = np.where(positive, 1.0, -1.0)[None]
        return cls(signs, np.ones_like(signs))

    @classmethod
    def of_targets(cls, y: np.ndarray, epsilon: float) -> Margins:
        """Of a regressor, from targets (n,) and half the width of the tube."""
        signs = np.stack([np.ones_like(y), -np.ones_like(y)])
        return cls(signs, signs * y - epsilon)


def with_intercept(x: np.ndarray, penalize: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows with a column of ones, (n, features + 1), which of their weights count in R, (features + 1,), and the shift of X.

    Where the intercept does not count, columns lose their mean: the minimum stays, and the ones are
    perpendicular to every column.
    """
    shift = np.zeros(x.shape[1]) if penalize else x.mean(axis=0)
    counted = np.ones(x.shape[1] + 1)
    counted[-1] = float(penalize)
    return np.column_stack([x - shift, np.ones(len(x))]), counted, shift
