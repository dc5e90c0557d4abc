"""Probabilities of rearrangement from counts: in how many of R runs of one configuration a particle rearranged."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.errors import InvalidInput, NotConverged

QUADRATURE = 30  # nodes, about each likely logit; at a deviation of 2 the variance is then right to 1e-4
NEWTON = 30
NARROW = 1e-3  # deviation of the logit below which it counts as 0
WIDE = 30.0  # the largest
STEPS = 100
TOLERANCE = 1e-14  # what a step still promises, of the log-likelihood
TINY = 1e-300


DRAWN = 200_000  # particles: the square of a ceiling is right to 2e-3


def logit(count: ArrayLike, replicas: ArrayLike) -> np.ndarray:
    """ln((k + 1/2) / (R - k + 1/2)): the log-odds of p_r from counts, finite also for k = 0 and k = R.

    Args:
        count: any shape, whole numbers k, 0 to R.
        replicas: R, whole numbers of at least 1, scalar or of a shape that goes with ``count``.

    Returns:
        (...) float64, the shape of ``count`` [1]. Its bias is of second order in 1 / (R p) and 1 / (R (1 - p)).

    Raises:
        InvalidInput: counts that are not whole numbers between 0 and R.

    Source: project notes, section 2; Haldane, Ann. Hum. Genet. 20, 309 (1956); TH 3.4 states the logit of p itself.
    """
    k, r = whole_counts(count, replicas)
    return np.log((k + 0.5) / (r - k + 0.5))


def logit_variance(count: ArrayLike, replicas: ArrayLike) -> np.ndarray:
    """v = 1 / (k + 1/2) + 1 / (R - k + 1/2): the variance that finite R leaves in ``logit``.

    Args:
        count, replicas: as for ``logit``.

    Returns:
        (...) float64, the shape of ``count`` [1].

    Raises:
        As ``logit``.

    Source: project notes, section 2; Gart and Zweifel, Biometrika 54, 181 (1967).
    """
    k, r = whole_counts(count, replicas)
    return 1 / (k + 0.5) + 1 / (r - k + 0.5)


def probability_interval(count: ArrayLike, replicas: ArrayLike, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval of a probability: those p from which k lies less than z sqrt(R p (1 - p)) away.

    It says nothing of events that depend on one another: those need the scatter between blocks.

    Args:
        count, replicas: as in ``logit``.
        level: share of such intervals that hold p, 0 to 1.

    Returns:
        Lower and upper end, each float64 of the shape of ``count`` [1].

    Raises:
        InvalidInput: counts that are not whole numbers between 0 and R; a level outside (0, 1).

    Source: Wilson, J. Am. Stat. Assoc. 22, 209 (1927).
    """
    from scipy.special import ndtri

    k, r = whole_counts(count, replicas)
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
        (...) float64 [1]. Where it is not positive, no structural variance is left. NaN for fewer than two particles.
        With few events a particle the 1/2 in ``logit`` pulls the logits together and v is too large: at logits of -6
        +- 0.7 this is 0.94 of the true variance for 10 events a particle, 0.33 for 3, and negative for 0.5.
        ``logit_normal`` is better there.

    Raises:
        InvalidInput

    Source: project notes, section 2.
    """
    spread, noise = _spread_and_noise(count, replicas)
    return spread - noise


def logit_reliability(count: ArrayLike, replicas: ArrayLike) -> np.ndarray:
    """1 - <v> / Var(logit p): the share of the variance of the logit over particles that is not the noise of finite R.

    Its square root is the largest Pearson coefficient of any function of the structure with the logit, where each particle
    has some ten events or more (else ``logit_ceiling``).

    Args:
        count, replicas: as for ``structural_variance``.

    Returns:
        (...) float64 [1]; not positive where no structural variance is left, NaN where all logits are equal.

    Raises:
        As ``structural_variance``.

    Source: project notes, section 2.
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
        NotConverged

    Source: Pinheiro and Bates, J. Comput. Graph. Stat. 4, 12 (1995), for the quadrature.
    """
    k, r = whole_counts(count, replicas)
    if k.ndim != 1 or not 0 < k.sum() < r.sum():
        raise InvalidInput(f"count has shape {k.shape}; expected (N,), with events in some of the runs and not in all")
    (events, runs), times = np.unique(np.stack([k, r]), axis=1, return_counts=True)
    found = normal_logits(events, runs, np.zeros(len(events), int), times)
    return float(found.mean[0]), found.variance


def logit_ceiling(count: ArrayLike, replicas: int) -> float:
    """The largest Pearson coefficient that any function of the structure can have with ``logit(count)``.

    That of two ensembles with each other, under the root, if logit p is normal with ``logit_normal``'s mean and variance:
    drawn, two hundred thousand particles twice. Right also with few events a particle, where ``logit_reliability`` is not.

    Args:
        count: (N,) whole numbers k, of particles of one species.
        replicas: R.

    Returns:
        0 where counts vary no more than those of one p.

    Raises:
        As ``logit_normal``.

    Source: project notes, section 2 (a ceiling beside every coefficient).
    """
    validate.whole("replicas", replicas, least=1)
    mean, variance = logit_normal(count, replicas)
    if variance == 0:
        return 0.0
    random = np.random.default_rng([replicas, 19])
    p = 1 / (1 + np.exp(-random.normal(mean, np.sqrt(variance), DRAWN)))
    one, other = (logit(random.binomial(replicas, p), replicas) for _ in range(2))
    return float(np.sqrt(max(np.corrcoef(one, other)[0, 1], 0.0)))


@dataclass(frozen=True, eq=False)
class NormalLogits:
    """Normal logits in groups: a mean for each group, and one variance within all of them.

    Attributes:
        mean: (groups,) float64.
        variance: 0 where counts vary no more than those of one p in each group.
        covariance: (groups + 1, groups + 1) float64, of the means and, last, the variance: the inverse of the information
            observed. Infinite for the variance, and of the means at the variance found, where that has no maximum.
        widest: whether the variance is the largest allowed: counts then do not determine it.
    """

    mean: np.ndarray
    variance: float
    covariance: np.ndarray
    widest: bool


def normal_logits(
    events: np.ndarray, runs: np.ndarray, group: np.ndarray, times: np.ndarray, start: NormalLogits | None = None
) -> NormalLogits:
    """Maximum of the likelihood of counts, integrated over logits, by Newton's method with exact derivatives.

    Args:
        events, runs: (kinds,) k and R of each kind of row.
        group: (kinds,) int, 0 to groups - 1, each of them with events in some of its runs and not in all.
        times: (kinds,) how many rows are of each kind.
        start: where to begin; else at the logit of each group's events and a deviation of 1.

    Raises:
        NotConverged

    Source: Pinheiro and Bates, J. Comput. Graph. Stat. 4, 12 (1995), for the quadrature; Louis, J. R. Stat. Soc. B 44,
        226 (1982), for the second derivatives.
    """
    size = int(group.max()) + 1

    def add(of: np.ndarray) -> np.ndarray:
        return np.bincount(group, times * of, size)

    total = add(events), add(runs)
    mean, log_deviation = (logit(*total), 0.0) if start is None else (start.mean, np.log(max(start.variance**0.5, NARROW)))
    narrowest, widest = np.log(NARROW), np.log(WIDE)
    now = _integrated(events, runs, mean[group], np.exp(log_deviation))
    for _ in range(STEPS):
        _, z, zz, var_z, cov, var_zz = now
        deviation = np.exp(log_deviation)
        slope, slope_deviation = add(z) / deviation, times @ (zz - 1)
        own, mixed, last = add(1 - var_z) / deviation**2, add(2 * z - cov) / deviation, times @ (2 * zz - var_zz)
        # The likelihood is concave in the means, but not in the deviation: the sign of its curvature is left out.
        curvature = abs(last - mixed @ (mixed / own))
        step = np.clip((slope_deviation - mixed @ (slope / own)) / max(curvature, TINY), -1, 1)
        step = np.clip(log_deviation + step, narrowest, widest) - log_deviation
        steps = (slope - mixed * step) / own
        promise, part = slope @ steps + slope_deviation * step, 1.0
        least = times @ now[0]
        enough = TOLERANCE * abs(least)
        while True:
            new = _integrated(events, runs, (mean + part * steps)[group], np.exp(log_deviation + part * step))
            if times @ new[0] >= least or promise * part <= enough:
                break
            part /= 2
        mean, log_deviation, now = mean + part * steps, log_deviation + part * step, new
        if promise * part <= enough:
            break
    else:
        raise NotConverged(f"the likelihood of normal logits still rises after {STEPS} steps")

    _, z, zz, var_z, cov, var_zz = now
    variance = np.exp(2 * log_deviation)
    own, mixed = add(1 - var_z) / variance, add(2 * z - cov) / (2 * variance**1.5)
    # By the variance itself, not the logarithm of the deviation: regular also where the variance is 0.
    left = (times @ (2 * zz - var_zz) + 2 * times @ (zz - 1)) / (4 * variance**2) - mixed @ (mixed / own)
    covariance = np.diag(np.append(1 / own, np.inf))
    if left > 0:
        along = np.append(-mixed / own, 1.0)
        covariance[-1, -1] = 0
        covariance = covariance + np.outer(along, along) / left
    edge = np.log(1.01)
    return NormalLogits(mean, float(variance) if log_deviation > narrowest + edge else 0.0, covariance, log_deviation > widest - edge)


@functools.cache
def _quadrature() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.hermite.hermgauss(QUADRATURE)


def _integrated(events: np.ndarray, runs: np.ndarray, mean: np.ndarray, deviation: float) -> tuple[np.ndarray, ...]:
    """ln of the integral of p^k (1 - p)^(R - k) over a normal logit y, and moments of z = (y - mean) / deviation given k.

    The moments are <z>, <z^2>, Var z, Cov(z, z^2) and Var z^2. All are (kinds,).
    """
    from scipy.special import expit, logsumexp

    nodes, weights = _quadrature()
    precise, prior = 1 / logit_variance(events, runs), deviation**-2
    at = (logit(events, runs) * precise + mean * prior) / (precise + prior)
    for _ in range(NEWTON):  # to the most likely logit of each kind
        p = expit(at)
        step = np.clip((events - runs * p - (at - mean) * prior) / (runs * p * (1 - p) + prior), -1, 1)
        at = at + step
        if np.abs(step).max() < 1e-12:
            break
    p = expit(at)
    width = np.sqrt(2 / (runs * p * (1 - p) + prior))
    y = at[:, None] + width[:, None] * nodes
    z = (y - mean[:, None]) / deviation
    log = events[:, None] * y - runs[:, None] * np.logaddexp(0, y) - z**2 / 2 + nodes**2
    whole = logsumexp(log, axis=1, b=weights)
    chance = weights * np.exp(log - whole[:, None])
    first, second = (chance * z).sum(axis=1), (chance * z**2).sum(axis=1)
    away, away2 = z - first[:, None], z**2 - second[:, None]
    spread = [(chance * each).sum(axis=1) for each in (away**2, away * away2, away2**2)]
    return whole + np.log(width / deviation), first, second, *spread


def _spread_and_noise(count: ArrayLike, replicas: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Var_i(logit) and <v>."""
    y, v = logit(count, replicas), logit_variance(count, replicas)
    if y.ndim == 0:
        raise InvalidInput("count is one number; expected the counts of several particles along the last axis")
    if y.shape[-1] < 2:
        return np.full(y.shape[:-1], np.nan), np.full(y.shape[:-1], np.nan)
    return y.var(axis=-1, ddof=1), v.mean(axis=-1)


def whole_counts(count: ArrayLike, replicas: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """k and R, int64 of one shape, or ``InvalidInput``."""
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
