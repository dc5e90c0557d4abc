"""Outputs of different models on one axis, and the bias at which a classifier is best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.errors import InvalidInput

CHAPTER_2 = "x = (w.F - b_best) / sigma_train"
CHAPTER_3 = "x = w.F / sigma_train"


@dataclass(frozen=True, eq=False)
class ZScore:
    """Outputs in units of their deviation.

    Attributes:
        values: (...) float64, of the shape of the outputs [1].
        convention: which of the thesis' two this is, for the axis of a picture.
    """

    values: np.ndarray
    convention: str


def z_score(output: ArrayLike, sigma: float, best_bias: float | None = None) -> ZScore:
    """x = (w.F - b_best) / sigma_train (TH section 2.4) with a bias, x = w.F / sigma_train (TH section 3.3.2) without.

    Args:
        output: (...) float64, w.F without bias; or any model's prediction, such as ln p_r; in any units.
        sigma: deviation of the output at the temperature of training, in the units of the output.
        best_bias: the bias of the best class-balanced accuracy on the common test set, by ``bias_scan`` of the same output.

    Raises:
        InvalidInput: NaN, or a deviation that is not above 0.

    Source: TH sections 2.4 and 3.3.2.
    """
    values = validate.array("output", output, np.float64, (...,))
    validate.number("sigma", sigma, above=0)
    if best_bias is None:
        return ZScore(values / sigma, CHAPTER_3)
    return ZScore((values - validate.number("best_bias", best_bias)) / sigma, CHAPTER_2)


@dataclass(frozen=True, eq=False)
class BiasScan:
    """Class-balanced accuracy against bias.

    Attributes:
        bias: (k,) float64, ascending, in the units of the output: one below all outputs, one between each two neighbours, the largest
            output.
        accuracy: (k,) float64, mean of the shares of both classes that are told right when output > bias means +1 [1].
        best_bias: the middle one of those of the best accuracy. best_accuracy.
    """

    bias: np.ndarray
    accuracy: np.ndarray
    best_bias: float
    best_accuracy: float


def bias_scan(output: ArrayLike, label: ArrayLike) -> BiasScan:
    """Accuracy at every bias that tells the rows apart differently.

    Args:
        output: (rows,) float64, w.F, in any units.
        label: (rows,) bool, or whole numbers above 0 for rearranging and at most 0 for not.

    Raises:
        InvalidInput: NaN, unequal lengths, one class only.

    Source: TH section 2.3, figures 2.1 and 2.2.
    """
    out = validate.array("output", output, np.float64, (None,))
    positive = validate.array("label", label, np.int64, out.shape) > 0
    all_positive, all_negative = int(positive.sum()), int((~positive).sum())
    if not (all_positive and all_negative):
        raise InvalidInput("label holds one class only; accuracy against bias needs both")
    values, which = np.unique(out, return_inverse=True)
    # Of those at or below each value, hence on the lower side when the bias lies just above it.
    lower_positive = np.concatenate([[0], np.bincount(which, positive).cumsum()]).astype(np.int64)
    lower_negative = np.concatenate([[0], np.bincount(which, ~positive).cumsum()]).astype(np.int64)
    # Whole numbers, so that equals are equal.
    right = (all_positive - lower_positive) * all_negative + lower_negative * all_positive
    lower, upper = values[:-1], values[1:]
    middle = lower / 2 + upper / 2
    between = np.where((lower <= middle) & (middle < upper), middle, lower)  # rounding may put the middle on the upper or below
    bias = np.concatenate([[np.nextafter(values[0], -np.inf)], between, values[-1:]])
    accuracy = right / (2 * all_positive * all_negative)
    best = np.flatnonzero(right == right.max())
    chosen = best[(len(best) - 1) // 2]
    return BiasScan(bias, accuracy, float(bias[chosen]), float(accuracy[chosen]))
