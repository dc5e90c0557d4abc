"""Probabilities of rearrangement from counts: in how many of R runs of one configuration a particle rearranged."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.errors import InvalidInput

QUADRATURE = 15  # nodes, about each particle's most likely logit
NEWTON = 30
NARROW = 1e-3  # deviation of the logit below which it counts as 0


def logit(count: ArrayLike, replicas: ArrayLike) -> np.ndarray:
    """ln((k + 1/2) / (R - k + 1/2)): the log-odds of p_r from counts, finite also for k = 0 and k = R.

    Args:
        count: any shape, whole numbers k, 0 to R.
        replicas: R, at least 1, one number or of a shape that goes with ``count``.

    Returns:
        float64. Its bias is of second order in 1 / (R p) and 1 / (R (1 - p)).

    Raises:
        InvalidInput: counts that are not whole numbers between 0 and R.

    Source: spec section 2; Haldane, Ann. Hum. Genet. 20, 309 (1956); TH 3.4 states the logit of p itself.
    """
    k, r = _counts(count, replicas)
    return np.log((k + 0.5) / (r - k + 0.5))


def logit_variance(count: ArrayLike, replicas: ArrayLike) -> np.ndarray:
    """v = 1 / (k + 1/2) + 1 / (R - k + 1/2): the variance that finite R leaves in ``logit``.

    Same arguments and shape. Source: spec section 2; Gart and Zweifel, Biometrika 54, 181 (1967).
    """
    k, r = _counts(count, replicas)
    return 1 / (k + 0.5) + 1 / (r - k + 0.5)


def probability_interval(count: ArrayLike, replicas: ArrayLike, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval of a probability: those p from which k lies less than z sqrt(R p (1 - p)) away.

    It says nothing of events that depend on one another: those need the scatter between blocks.

    Args:
        count, replicas: as in ``logit``.
        level: share of such intervals that hold p, 0 to 1.

    Returns:
        Lower and upper end, float64.

    Raises:
        InvalidInput: counts that are not whole numbers between 0 and R; a level outside (0, 1).

    Source: Wilson, J. Am. Stat. Assoc. 22, 209 (1927).
    """
    from scipy.special import ndtri

    k, r = _counts(count, replicas)
    if not 0 < validate.number("level", level) < 1:
        raise InvalidInput(f"level={level!r}: must lie between 0 and 1")
    z2 = ndtri(0.5 + level / 2) ** 2
    middle = (k + z2 / 2) / (r + z2)
    half = np.sqrt(z2) / (r + z2) * np.sqrt(k * (r - k) / r + z2 / 4)
    return np.where(k == 0, 0.0, middle - half), np.where(k == r, 1.0, middle + half)  # else -1e-18 by rounding


def structural_variance(count: ArrayLike, replicas: ArrayLike) -> np.ndarray:
    """Var(logit p) - <v>: the variance of the logit over particles that is not the noise of finite R.

    Args:
        count: (..., N) whole numbers k, of particles of one species.
        replicas: as in ``logit``.

    Returns:
        (...) float64. Where it is not positive, no structural variance is left. NaN for fewer than two particles.
        With few events a particle the 1/2 in ``logit`` pulls the logits together and v is too large: at logits of -6
            +- 0.7 this is 0.94 of the true variance for 10 events a particle, 0.33 for 3, and negative for 0.5.
            ``logit_normal`` is better there.

    Raises:
        InvalidInput

    Source: spec section 2.
    """
    spread, noise = _spread_and_noise(count, replicas)
    return spread - noise


def logit_reliability(count: ArrayLike, replicas: ArrayLike) -> np.ndarray:
    """1 - <v> / Var(logit p): the share of the variance of the logit over particles that is not the noise of finite R.

    Its square root is the largest Pearson coefficient of any function of the structure with the logit. Same arguments
    and shape as ``structural_variance``; not positive where no structural variance is left, NaN where all logits are equal.
    """
    spread, noise = _spread_and_noise(count, replicas)
    return 1 - noise / np.where(spread > 0, spread, np.nan)


def logit_normal(count: ArrayLike, replicas: ArrayLike) -> tuple[float, float]:
    """Mean and variance of logit p over particles, without the noise of finite R, if logit p is normal.

    The maximum of the likelihood of the counts themselves, integrated over each particle's p; right also where most
    particles have no event at all.

    Args:
        count: (N,) whole numbers k, of particles of one species.
        replicas: as in ``logit``.

    Returns:
        Mean and variance; the variance is 0 where counts vary no more than those of one p.

    Raises:
        InvalidInput: also where the events are none, or all, of the runs.

    Source: Pinheiro and Bates, J. Comput. Graph. Stat. 4, 12 (1995), for the quadrature.
    """
    from scipy.optimize import minimize
    from scipy.special import expit, logsumexp

    k, r = _counts(count, replicas)
    if k.ndim != 1 or not 0 < k.sum() < r.sum():
        raise InvalidInput(f"count has shape {k.shape}; expected (N,), with events in some of the runs and not in all")
    pairs, times = np.unique(np.stack([k, r]), axis=1, return_counts=True)
    events, runs = pairs.astype(float)
    nodes, weights = np.polynomial.hermite.hermgauss(QUADRATURE)

    def minus_log_likelihood(parameters: np.ndarray) -> float:
        mean, deviation = parameters[0], np.exp(parameters[1])
        at = (logit(*pairs) / logit_variance(*pairs) + mean / deviation**2) / (1 / logit_variance(*pairs) + 1 / deviation**2)
        for _ in range(NEWTON):  # to the most likely logit of each particle
            p = expit(at)
            at = at + np.clip((events - runs * p - (at - mean) / deviation**2) / (runs * p * (1 - p) + deviation**-2), -1, 1)
        p = expit(at)
        width = np.sqrt(2 / (runs * p * (1 - p) + deviation**-2))
        y = at[:, None] + width[:, None] * nodes
        log = events[:, None] * y - runs[:, None] * np.logaddexp(0, y) - ((y - mean) / deviation) ** 2 / 2 + nodes**2
        return -float(times @ (logsumexp(log, axis=1, b=weights) + np.log(width / deviation))) / len(k)

    total = k.sum() / r.sum()
    start = np.array([np.log(total / (1 - total)), 0.0])
    found = minimize(minus_log_likelihood, start, method="L-BFGS-B", bounds=[(None, None), (np.log(NARROW), np.log(30.0))])
    return float(found.x[0]), float(np.exp(2 * found.x[1])) if found.x[1] > np.log(1.01 * NARROW) else 0.0


def _spread_and_noise(count: ArrayLike, replicas: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Var_i(logit) and <v>."""
    y, v = logit(count, replicas), logit_variance(count, replicas)
    if y.ndim == 0:
        raise InvalidInput("count is one number; expected the counts of several particles along the last axis")
    if y.shape[-1] < 2:
        return np.full(y.shape[:-1], np.nan), np.full(y.shape[:-1], np.nan)
    return y.var(axis=-1, ddof=1), v.mean(axis=-1)


def _counts(count: ArrayLike, replicas: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    k = validate.array("count", count, np.int64, (...,))
    r = validate.array("replicas", replicas, np.int64, (...,))
    try:
        r = np.broadcast_to(r, k.shape)
    except ValueError:
        raise InvalidInput(f"replicas has shape {r.shape}, which does not go with count {k.shape}") from None
    if (r < 1).any():
        raise InvalidInput(f"replicas holds {int(r.min())}: must be at least 1")
    if ((k < 0) | (k > r)).any():
        raise InvalidInput(f"count holds {int(((k < 0) | (k > r)).sum())} values that do not lie between 0 and replicas")
    return k, r
