"""Ridge regression over folds of whole parts, with alpha chosen inside each training set."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from glassgpu.errors import InvalidInput, LeakySplit
from glassgpu.evaluate.scores import pearson
from glassgpu.models.moments import Moments, penalties_of, rows_of


@dataclass(frozen=True, eq=False)
class RidgeFolds:
    """What ``ridge_over_parts`` returns.

    Attributes:
        prediction: for each part, (rows, targets), by the model that has not seen the part.
        alpha: (parts, targets) chosen inside the training parts.
    """

    prediction: list[np.ndarray]
    alpha: np.ndarray


def ridge_over_parts(x: Sequence[np.ndarray], y: Sequence[np.ndarray], alphas: ArrayLike) -> RidgeFolds:
    """Leave one part out: train on the others, standardised on training rows, and predict it.

    alpha is chosen by leaving out, one after another, each part of the training set (mean
    Pearson over these), so that no test row has a say in it. The parts' moments are taken once;
    every fold is a sum of the parts it keeps, and every alpha comes from one factorisation.

    Args:
        x: per part, (rows, features) float64: whole configurations, or blocks.
        y: per part, (rows, targets) float64, or (rows,) for one target.
        alphas: candidates, per sample; one number for no choice.

    Raises:
        LeakySplit: fewer than three parts leave nothing to choose alpha on.
        InvalidInput: parts of x and y that do not belong together, no alpha.
    """
    if len(x) != len(y):
        raise InvalidInput(f"x has {len(x)} parts and y {len(y)}; give both for every part")
    if len(x) < 3:
        raise LeakySplit(f"{len(x)} parts: alpha is chosen inside the training set, which takes at least 3")
    parts = [rows_of(a, b) for a, b in zip(x, y, strict=True)]
    x, y = [a for a, _ in parts], [b for _, b in parts]
    penalties = penalties_of(alphas)
    moments = [Moments.of(a, b) for a, b in parts]

    def without(*out: int) -> Moments:
        kept = [m for k, m in enumerate(moments) if k not in out]
        return functools.reduce(operator.add, kept)

    targets = y[0].shape[1]
    chosen = np.zeros((len(x), targets))
    prediction = []
    inner: dict[tuple[int, int], np.ndarray] = {}  # score of a pair of parts left out, on each
    for a in range(len(x)):
        for b in range(a + 1, len(x)):
            weights, intercept = without(a, b).ridge_path(penalties, standardize=True)
            for held, other in ((a, b), (b, a)):
                inner[other, held] = np.array(
                    [
                        [pearson(y[held][:, t], x[held] @ w[:, t] + c[t]) for t in range(targets)]
                        for w, c in zip(weights, intercept, strict=True)
                    ]
                )
    for a in range(len(x)):
        score = np.mean([inner[a, b] for b in range(len(x)) if b != a], axis=0)  # (alphas, targets)
        best = np.nan_to_num(score, nan=-np.inf).argmax(axis=0)
        chosen[a] = penalties[best]
        weights, intercept = without(a).ridge_path(penalties, standardize=True)
        prediction.append(np.stack([x[a] @ weights[k, :, t] + intercept[k, t] for t, k in enumerate(best)], axis=1))
    return RidgeFolds(prediction, chosen)
