"""Linear models of log-odds, fitted to counts by their likelihood: particles of few events weigh what they say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.errors import InvalidInput, NotConverged

STEPS = 100
TOLERANCE = 1e-14  # what a step still promises, of the loss
CERTAIN = 30.0  # log-odds beyond which a double cannot tell p from 0 or 1


@dataclass(frozen=True, eq=False)
class BinomialFit:
    """logit p = w.x + b.

    Attributes:
        weights: w, (features,) float64, in units of one over those of the columns.
        intercept: b [1].
        deviance: twice what the log-likelihood lacks of that of p = k / R for each row; about rows - features - 1 where
            the model holds and events are many.
    """

    weights: np.ndarray
    intercept: float
    deviance: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """logit p of rows: (n, features) in the units of the fitted columns -> (n,) float64 [1]."""
        return np.asarray(x, float) @ self.weights + self.intercept


def binomial_fit(x: np.ndarray, count: ArrayLike, replicas: ArrayLike, alpha: float = 0.0) -> BinomialFit:
    """Maximum of the binomial likelihood of k_i of R_i events with logit p_i = w.x_i + b, by Newton's method.

    The loss is -(1/n) sum_i [k_i ln p_i + (R_i - k_i) ln(1 - p_i)] + (alpha / 2) |w|^2, alpha per sample; scikit-learn's
    C is 1 / (n alpha). Logits of counts, (k + 1/2) / (R - k + 1/2), pull rare events together; this does not.

    Args:
        x: (n, features) float64, standardised [1]: one alpha holds for all columns.
        count: (n,) whole numbers k, 0 to R.
        replicas: R, one whole number or (n,) of them.
        alpha: see above.

    Returns:
        BinomialFit.

    Raises:
        InvalidInput: NaN, counts that do not lie between 0 and R, all of them 0 or all R.
        NotConverged: without a penalty there is no maximum where columns tell apart all rows with and without events.

    Source: McCullagh, Nelder, Generalized Linear Models (1989), chapter 4; project notes, section 2.
    """
    from scipy.special import expit, xlogy

    x = validate.array("x", x, np.float64, (None, None))
    k = validate.array("count", count, np.int64, (len(x),)).astype(float)
    r = validate.array("replicas", replicas, np.int64, (...,)).astype(float)
    validate.number("alpha", alpha, least=0)
    if r.shape not in ((), k.shape):
        raise InvalidInput(f"replicas has shape {r.shape}; expected one number or {k.shape}")
    r = np.broadcast_to(r, k.shape)
    if len(x) == 0 or (r < 1).any() or (k < 0).any() or (k > r).any():
        raise InvalidInput("count must hold whole numbers between 0 and replicas, and replicas be at least 1, of at least one row")
    total = k.sum() / r.sum()
    if total in (0.0, 1.0):
        raise InvalidInput(f"the events are {'none' if total == 0 else 'all'} of the runs; no finite log-odds fit that")

    mean = x.mean(axis=0)
    z = np.column_stack([x - mean, np.ones(len(x))])  # centred: the intercept then hardly depends on the weights
    penalty = np.append(np.full(x.shape[1], float(alpha)), 0.0)

    def loss(u: np.ndarray) -> float:
        eta = z @ u
        return float((r * np.logaddexp(0, eta) - k * eta).mean() + (penalty * u**2).sum() / 2)

    u = np.zeros(z.shape[1])
    u[-1] = np.log(total / (1 - total))
    now = loss(u)
    for _ in range(STEPS):
        p = expit(z @ u)
        gradient = z.T @ (r * p - k) / len(x) + penalty * u
        curvature = (z.T * (r * p * (1 - p))) @ z / len(x) + np.diag(penalty)
        step = np.linalg.lstsq(curvature, gradient, rcond=None)[0]  # of columns that depend on one another the shortest
        promise, size = gradient @ step, 1.0
        while promise * size > TOLERANCE * abs(now) and loss(u - size * step) > now:
            size /= 2
        u = u - size * step
        now = loss(u)
        if alpha == 0 and np.abs(z @ u).max() > CERTAIN:
            raise NotConverged("some rows are certain at weights that grow without end; give alpha above 0, fewer columns or more rows")
        if promise <= TOLERANCE * abs(now):
            break
    else:
        raise NotConverged(f"the likelihood still rises after {STEPS} steps; standardise the columns, or give a larger alpha")
    p = expit(z @ u)
    deviance = 2 * (xlogy(k, k / (r * p)) + xlogy(r - k, (r - k) / (r * (1 - p)))).sum()
    return BinomialFit(u[:-1], float(u[-1] - mean @ u[:-1]), float(deviance))
