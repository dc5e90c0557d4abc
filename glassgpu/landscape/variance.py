"""How much of the true variance of logit p_r a model explains, and how much its own predictions have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.errors import InvalidInput

NOTHING_LEFT = "no structural variance left"


@dataclass(frozen=True)
class VarianceShare:
    """A share of the variance of Y.

    Attributes:
        value: of the variance without noise; NaN when ``reason`` says why.
        standard_error: by bootstrap over configurations; NaN without them, infinite where a bootstrap sample has no
            structural variance left.
        measured: of the variance as measured, noise included: what the thesis prints. It cannot exceed ``ceiling``.
        ceiling: the reliability of Y, 1 - <v> / Var(Y), or ``variance`` / Var(Y).
        variance: of Y, without noise.
        reason: empty when the value exists.
    """

    value: float
    standard_error: float
    measured: float
    ceiling: float
    variance: float
    reason: str = ""


def explained_variance(
    x: ArrayLike,
    y: ArrayLike,
    v: ArrayLike | None = None,
    *,
    bins: int = 40,
    block: ArrayLike | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> VarianceShare:
    """Var(<Y | X>) / Var(Y) by the law of total variance, in bins of X that hold equally many rows each.

    Two corrections: means of bins scatter because bins are finite, by sum_b s_b^2 (1 - n_b / n) / n, which is taken off
    the variance between bins; and Y = logit p_r scatters because replicas are finite, by <v>, which is taken off Var(Y).

    Logits and <v> need some ten events a particle: with three <v> is so much too large that shares above 1 come out. There
    ``eta`` of an output calibrated by ``models.binomial.binomial_fit`` is the better measure: with ``variance`` by
    ``dynamics.logit_normal`` it is the share that the output explains linearly.

    Args:
        x: (rows,) float64, a model's output in any units. Any increasing function of it gives the same.
        y: (rows,) float64, such as ``dynamics.logit(count, replicas)`` [1].
        v: (rows,) float64, variances of the noise of y, such as ``dynamics.logit_variance(count, replicas)`` [1]; None: 0.
        bins: how many; at least two rows must fall into each.
        block: (rows,) int, configurations: the bootstrap draws these, with bins fixed. None: no error.
        resamples: bootstrap samples. seed: of the bootstrap.

    Returns:
        VarianceShare: value NaN, with a reason, where Var(Y) - <v> is not positive.

    Raises:
        InvalidInput: unequal lengths, NaN, fewer rows than twice the bins.

    Source: TH section 3.3.2, figure 3.4; project notes, section 4.
    """
    score, target, noise = _rows(x, y, v)
    count = validate.whole("bins", bins, least=1)
    if len(score) < 2 * count:
        raise InvalidInput(f"{len(score)} rows for bins={count}: at least two are needed in each")
    # Rows of equal score stand together in one bin, else the order of rows would reach the result.
    first = np.sort(score)[np.arange(1, count) * len(score) // count]
    which = np.searchsorted(first, score, side="right")
    terms = np.stack([np.ones(len(target)), target, target**2, noise])
    return _share(terms, which, count, None, block, resamples, seed, _between)


def eta(
    predicted: ArrayLike,
    y: ArrayLike,
    v: ArrayLike | None = None,
    *,
    variance: float | None = None,
    block: ArrayLike | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> VarianceShare:
    """Var(logit p_model) / Var(logit p_true): how wide predictions spread, beside the true variance without noise.

    It says nothing of whether they are right; predictions of a penalised model are too narrow.

    Args:
        predicted: (rows,) float64, logits predicted [1]; they carry no binomial noise.
        y, v, block, resamples, seed: as in ``explained_variance``.
        variance: of y without noise where it is known better than as Var(Y) - <v>: ``dynamics.logit_normal(count, replicas)[1]``
            where events are few. Taken as exact in the error.

    Raises:
        InvalidInput: unequal lengths, NaN, fewer than two rows.

    Source: TH section 3.4, figure 3.5c.
    """
    output, target, noise = _rows(predicted, y, v)
    if len(target) < 2:
        raise InvalidInput("a variance needs at least two rows")
    output = output - output.mean()
    terms = np.stack([np.ones(len(target)), target, target**2, noise, output, output**2])
    return _share(terms, np.zeros(len(target), int), 1, variance, block, resamples, seed, _of_predictions)


def _rows(x: ArrayLike, y: ArrayLike, v: ArrayLike | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Output, target about its mean, and variances of the target's noise."""
    output = validate.array("x", x, np.float64, (None,))
    target = validate.array("y", y, np.float64, output.shape)
    noise = np.zeros(len(output)) if v is None else validate.array("v", v, np.float64, output.shape)
    if (noise < 0).any():
        raise InvalidInput("v holds negative numbers; expected variances")
    return output, target - (target.mean() if len(target) else 0), noise


def _share(
    terms: np.ndarray,
    which: np.ndarray,
    bins: int,
    variance: float | None,
    block: ArrayLike | None,
    resamples: int,
    seed: int,
    numerator: Callable[[np.ndarray], float],
) -> VarianceShare:
    """All follows from sums of the terms (1, y, y^2, v, ...) over the rows of each block and bin."""
    names, row_block = np.zeros(1), np.zeros(len(which), int)
    if block is not None:
        names, row_block = np.unique(validate.array("block", block, np.int64, which.shape), return_inverse=True)
    size = len(names) * bins
    cell = row_block * bins + which
    sums = np.stack([np.bincount(cell, t, size).reshape(len(names), bins) for t in terms])
    random = np.random.default_rng(validate.whole("seed", seed, least=0))
    drawn = random.multinomial(len(names), np.full(len(names), 1 / len(names)), validate.whole("resamples", resamples, least=0))

    if variance is not None:
        validate.number("variance", variance, least=0)

    def share(of: np.ndarray) -> tuple[float, float, float]:
        """The numerator, Var(y) with its noise, and without."""
        n, total, squares, noise = map(float, of[:4].sum(axis=1))
        spread = (squares - total**2 / n) / (n - 1)
        return numerator(of), spread, spread - noise / n if variance is None else variance

    top, spread, left = share(sums.sum(axis=1))
    nan = float("nan")
    ceiling, measured = (left / spread, top / spread) if spread > 0 else (nan, nan)
    if not left > 0:
        return VarianceShare(nan, nan, measured, ceiling, left, NOTHING_LEFT)
    error = nan
    if len(names) > 1 and resamples > 1:
        each = [share(np.tensordot(sums, weights, (1, 0))) for weights in drawn]
        wide = np.sqrt(len(names) / (len(names) - 1))  # the bootstrap of m blocks has (m - 1) / m of the variance
        sound = all(without > 0 for _, _, without in each)
        error = float(wide * np.std([t / without for t, _, without in each], ddof=1)) if sound else float("inf")
    return VarianceShare(top / left, error, measured, ceiling, left)


def _between(of: np.ndarray) -> float:
    """Var(<Y | X>), without what the scatter within bins adds to it."""
    n, total, squares = (t[of[0] > 0] for t in of[:3])
    mean, rows = total / n, n.sum()
    inside = squares - n * mean**2
    each = np.where(n > 1, inside / np.maximum(n - 1, 1), inside.sum() / max((n - 1).sum(), 1))
    between = (n * (mean - total.sum() / rows) ** 2).sum() - (each * (1 - n / rows)).sum()
    return float(between / rows)


def _of_predictions(of: np.ndarray) -> float:
    n, total, squares = of[0].sum(), of[4].sum(), of[5].sum()
    return float((squares - total**2 / n) / (n - 1))
