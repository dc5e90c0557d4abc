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


@dataclass(frozen=True, eq=False, repr=False)
class RidgeFolds:
    """What ``ridge_over_parts`` returns.

    Attributes:
        prediction: for each part, (rows, targets) float64, by the model that has not seen the part, in the units of y.
        alpha: (parts, targets) chosen inside the training parts [1].
        pearson: (parts, targets) of the predictions [1].
        inner: (parts, targets) mean Pearson of the chosen alpha inside the training parts [1]: what a
            choice between sets of columns may look at.
        path: (alphas, parts, targets) Pearson on each part left out, for every alpha [1]: to look at,
            not to choose from. Its largest mean is the score that a choice with knowledge of the
            answers would have reached.
    """

    prediction: list[np.ndarray]
    alpha: np.ndarray
    pearson: np.ndarray
    inner: np.ndarray
    path: np.ndarray

    def __repr__(self) -> str:
        found = ", ".join(f"{value:.3g}" for value in self.pearson.mean(axis=0)[:8])
        return f"RidgeFolds(parts={len(self.prediction)}, targets={self.pearson.shape[1]}, mean pearson={found})"


def ridge_over_parts(
    x: Sequence[np.ndarray],
    y: Sequence[np.ndarray],
    alphas: ArrayLike,
    also: tuple[Sequence[np.ndarray], Sequence[np.ndarray]] | None = None,
) -> RidgeFolds:
    """Leave one part out: train on the others, standardised on training rows, and predict it.

    alpha is chosen by leaving out, one after another, each part of the training set (mean
    Pearson over these), so that no test row has a say in it. The parts' moments are taken once;
    every fold is a sum of the parts it keeps, and every alpha comes from one factorisation.

    Args:
        x: per part, (rows, features) float64, each column in any units: whole configurations, or blocks.
        y: per part, (rows, targets) float64, or (rows,) for one target, in any units.
        alphas: (alphas,) candidates, per sample, of standardised columns [1]; one number for no choice.
        also: further parts, a pair like x and y, (rows, features) and (rows, targets) in their units, which are in every training
            set and never predicted.

    Raises:
        LeakySplit: fewer than three parts leave nothing to choose alpha on.
        InvalidInput: parts of x and y that do not belong together, no alpha.

    Source: LIN equation 23; project notes, section 4 (honest splits).

    Example:
        >>> random = np.random.default_rng(0)
        >>> x = [random.normal(size=(200, 5)) for _ in range(4)]  # of four liquids
        >>> y = [part[:, 0] + 0.5 * random.normal(size=200) for part in x]
        >>> folds = gg.evaluate.ridge_over_parts(x, y, alphas=[0.01, 0.1, 1.0])
        >>> folds.pearson.shape, bool(folds.pearson.min() > 0.8)  # of each liquid by a model of the others
        ((4, 1), True)
    """
    if len(x) < 3:
        raise LeakySplit(f"{len(x)} parts: alpha is chosen inside the training set, which takes at least 3")
    x, y = _parts(x, y)
    penalties = penalties_of(alphas)
    moments = _moments(x, y)
    always = _moments(*_parts(*also)) if also else []
    each = range(len(x))

    @functools.cache  # leaving out a and b serves the choice for both
    def path(*out: int) -> tuple[np.ndarray, np.ndarray]:
        return _total([m for k, m in enumerate(moments) if k not in out] + always).ridge_path(penalties, standardize=True)

    def score(part: int, *out: int) -> np.ndarray:
        return _scores(*path(*sorted((part, *out))), x[part], y[part])

    chosen, prediction, tested, inner = [], [], [], []
    for a in each:
        inside = np.mean([score(b, a) for b in each if b != a], axis=0)
        best = _best(inside)
        inner.append(inside[best, np.arange(len(best))])
        weights, intercept = path(a)
        chosen.append(penalties[best])
        prediction.append(np.stack([x[a] @ weights[k, :, t] + intercept[k, t] for t, k in enumerate(best)], axis=1))
        tested.append(_scores(weights, intercept, x[a], y[a]))
    found = np.array([[pearson(t, p) for t, p in zip(b.T, c.T, strict=True)] for b, c in zip(y, prediction, strict=True)])
    return RidgeFolds(prediction, np.array(chosen), found, np.array(inner), np.stack(tested, axis=1))


def learning_curve(
    x: Sequence[np.ndarray], y: Sequence[np.ndarray], alphas: ArrayLike, sizes: Sequence[int], blocks: Sequence[np.ndarray] | None = None
) -> np.ndarray:
    """Pearson on each part of models trained on 1, 2, 3 ... others.

    Part k is predicted by a model of the next ``size`` parts, counted round; alpha is chosen by
    leaving out one after another of these, or, of a single part, one block after another.

    Args:
        x, y, alphas: as for ``ridge_over_parts``.
        sizes: numbers of training parts, up to one less than there are.
        blocks: per part, (rows,) int, which block a row belongs to, such as the octant a particle
            stands in; only size 1 needs it.

    Returns:
        (sizes, parts, targets) float64 [1].

    Raises:
        InvalidInput: a size out of range, parts of x and y that do not belong together, no alpha.

    Source: LIN equation 23; project notes, section 4 (honest splits).
    """
    parts = len(x)
    least = 1 if blocks is not None else 2
    if not all(least <= size < parts for size in sizes):
        raise InvalidInput(f"sizes={list(sizes)}: with {parts} parts give numbers from {least} to {parts - 1}; size 1 needs blocks=")
    x, y = _parts(x, y)
    moments, penalties = _moments(x, y), penalties_of(alphas)
    out = np.zeros((len(sizes), parts, y[0].shape[1]))
    for s, size in enumerate(sizes):
        for part in range(parts):
            train = [(part + 1 + k) % parts for k in range(size)]
            groups = [(x[k], y[k], moments[k]) for k in train]
            if size == 1:
                assert blocks is not None
                inside = [blocks[train[0]] == b for b in np.unique(blocks[train[0]])]
                groups = [(x[train[0]][i], y[train[0]][i], Moments.of(x[train[0]][i], y[train[0]][i])) for i in inside]
            inner = [
                _scores(*_total([m for j, (_, _, m) in enumerate(groups) if j != k]).ridge_path(penalties, standardize=True), a, b)
                for k, (a, b, _) in enumerate(groups)
            ]
            best = _best(np.mean(inner, axis=0))
            weights, intercept = _total([m for _, _, m in groups]).ridge_path(penalties, standardize=True)
            tested = _scores(weights, intercept, x[part], y[part])
            out[s, part] = tested[best, np.arange(tested.shape[1])]
    return out


def _parts(x: Sequence[np.ndarray], y: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Plain float64 arrays, (rows, features) and (rows, targets), of every part."""
    if len(x) != len(y):
        raise InvalidInput(f"x has {len(x)} parts and y {len(y)}; give both for every part")
    parts = [rows_of(a, b) for a, b in zip(x, y, strict=True)]
    return [a for a, _ in parts], [b for _, b in parts]


def _moments(x: Sequence[np.ndarray], y: Sequence[np.ndarray]) -> list[Moments]:
    return [Moments.of(a, b) for a, b in zip(x, y, strict=True)]


def _total(moments: list[Moments]) -> Moments:
    return functools.reduce(operator.add, moments)


def _best(score: np.ndarray) -> np.ndarray:
    """Which alpha has the highest score for each target, from (alphas, targets)."""
    return np.nan_to_num(score, nan=-np.inf).argmax(axis=0)


def _scores(weights: np.ndarray, intercept: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson of every alpha and target, (alphas, targets)."""
    return np.array([[pearson(y[:, t], x @ w[:, t] + c[t]) for t in range(y.shape[1])] for w, c in zip(weights, intercept, strict=True)])
