"""A hyperplane in the space of columns: softness, fluidity, and linear regressions seen as directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from glassgpu import validate
from glassgpu.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class Hyperplane:
    """S = w.F - b, where F are columns less the mean of the training rows, over their deviation.

    Mean and deviation belong to the model: they are applied unchanged at every temperature.

    Attributes:
        mean, deviation: (columns,) float64 of the training rows, in the units of each column; one that did not vary there has deviation 1.
        weights: (columns,) float64, of standardised columns, in the units of S.
        bias: b, in the units of S.

    Source: TH section 2.2.3.
    """

    mean: np.ndarray
    deviation: np.ndarray
    weights: np.ndarray
    bias: float

    @classmethod
    def fitted(cls, model: Any, x: np.ndarray, y: np.ndarray) -> Hyperplane:
        """Standardise the rows, fit a linear model to them, and keep both.

        Args:
            model: with ``fit``, ``coef_`` and ``intercept_``, such as ``LinearSVC`` or ``Ridge``; fitted here.
            x: (rows, columns) float64, each column in any units.
            y: (rows,), two classes, of which the larger is on the side S > 0 (S is then a pure number), or numbers in any units, which
                are those of S.

        Raises:
            InvalidInput: NaN, or more than two classes.
            As the model's ``fit``.
        """
        x = validate.array("x", x, np.float64, (None, None))
        low, high = x.min(axis=0), x.max(axis=0)
        deviation = np.where(high > low, x.std(axis=0), 1.0)
        mean = np.where(high > low, x.mean(axis=0), low)
        model.fit((x - mean) / deviation, y)
        weights = np.asarray(model.coef_, float)
        if weights.size != x.shape[1]:
            raise InvalidInput(f"the model has weights of shape {weights.shape}; a hyperplane is fitted to two classes or one target")
        return cls(mean, deviation, weights.reshape(-1), -float(np.ravel(model.intercept_)[0]))

    def score(self, x: np.ndarray) -> np.ndarray:
        """S of rows: x (..., columns) in the units of the fitted columns -> (...) float64 in the units of S.

        Raises:
            InvalidInput: another number of columns than the hyperplane was fitted to.
        """
        return self.projection(x) - self.bias

    def projection(self, x: np.ndarray) -> np.ndarray:
        """w.F, without the bias: x (..., columns) in the units of the fitted columns -> (...) float64 in the units of S.

        Raises:
            InvalidInput: another number of columns than the hyperplane was fitted to.
        """
        x = np.asarray(x, float)
        if x.shape[-1:] != self.weights.shape:
            raise InvalidInput(f"x has shape {x.shape}; expected (..., {len(self.weights)}), the columns that the hyperplane was fitted to")
        weights = self.weights / self.deviation  # one product with the raw columns, of which no standardised copy is made
        return x @ weights - float(self.mean @ weights)

    def normal(self, space: str = "standardised") -> np.ndarray:
        """(columns,) float64, of length 1 [1]: in ``"standardised"`` columns, whose units are this model's own, or in ``"raw"`` ones.

        Raises:
            InvalidInput: another space, or weights that are all 0.
        """
        validate.choice("space", space, ("standardised", "raw"))
        along = self.weights if space == "standardised" else self.weights / self.deviation
        length = float(np.linalg.norm(along))
        if length == 0:
            raise InvalidInput("all weights are 0: the hyperplane has no direction")
        return along / length


def cosine(a: Hyperplane, b: Hyperplane, space: str = "standardised") -> float:
    """Between the normals of two hyperplanes: 1 parallel, 0 orthogonal.

    ``"standardised"`` compares weights each in its own training deviations, as the tables of TH do; ``"raw"`` compares
    directions in one space.

    Raises:
        As ``Hyperplane.normal``.

    Source: TH tables 2.1 and 3.1.
    """
    return float(a.normal(space) @ b.normal(space))
