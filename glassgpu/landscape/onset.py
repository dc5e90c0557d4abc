"""The onset temperature: where the lines of all scores would meet, and structure would say nothing of dynamics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glassgpu import validate
from glassgpu.landscape.barriers import FORMS, Barriers, fit_points, too_few_lines, usable
from glassgpu.landscape.probability import LEAST_EVENTS, RearrangementProbability

SIGNIFICANT = 3.0  # standard errors
DIRECTIONS = 720


@dataclass(frozen=True, eq=False)
class Onset:
    """The common crossing of the lines of all bins.

    Attributes:
        temperature: T0 [energy, k_B = 1]; NaN when ``reason`` says why there is none.
        standard_error: half the width of the middle 68 % of the bootstrap.
        low, high: ends of its middle 95 %; ``high`` is infinite where more than 2.5 % of it cross at no positive temperature.
        log_probability: ln P where the lines meet.
        chi2: how far the lines are from one point there, squared, over their errors. spare: lines less two.
        linear: e1 / s1, the same from Delta E and Sigma as linear functions of the score.
        resampled: (resamples,) float64, T0 of the bootstrap samples [energy, k_B = 1]; infinite without a crossing at a positive
            temperature.
        resampled_linear: (resamples, 4) float64, e0, e1, s0, s1 of the bootstrap samples, in the units of ``LinearBarriers``.
        barriers: the lines.
        reason: empty when T0 exists.
    """

    temperature: float
    standard_error: float
    low: float
    high: float
    log_probability: float
    chi2: float
    spare: int
    linear: float
    resampled: np.ndarray
    resampled_linear: np.ndarray
    barriers: Barriers
    reason: str = ""


def onset_temperature(
    probability: RearrangementProbability,
    form: str = "kramers",
    *,
    below: float | None = None,
    least_events: int = LEAST_EVENTS,
    errors: str = "pooled",
    resamples: int = 200,
    seed: int = 0,
) -> Onset:
    """The temperature at which the extrapolated lines ln P of all bins lie closest together, in units of their errors.

    This is the weighted least squares fit of lines through one point. A straight line through (Sigma, Delta E) of the
    bins has the slope d Delta E / d Sigma = T0 too, but its errors in both, which go together, pull it towards the
    temperatures of the data.

    Args:
        probability, form, below, least_events, errors: as in ``fit_barriers``.
        resamples: bootstrap samples. In each, blocks are drawn with replacement at every temperature, and P, the lines
            and their crossing computed anew, for the same points and weights.
        seed: of the bootstrap.

    Returns:
        Onset, with temperature NaN and a reason where fewer than two lines could be fitted, where they are parallel or the
        same within 3 standard errors, or where they would meet at no positive temperature.

    Raises:
        As ``fit_barriers``; InvalidInput: resamples or a seed below 0.

    Source: TH sections 1.6.2 and 2.4; Schoenholz, Cubuk, Sussman, Kaxiras, Liu, Nature Physics 12, 469 (2016); project notes, section 4.
    """
    validate.choice("form", form, FORMS)
    validate.whole("resamples", resamples, least=0)
    random = np.random.default_rng(validate.whole("seed", seed, least=0))
    used, error = usable(probability, below, least_events, errors)
    barriers = fit_points(probability, form, used, error)
    samples = [fit_points(probability.resampled(random), form, used, error) for _ in range(resamples)]
    linear = np.array([[b.linear.e0, b.linear.e1, b.linear.s0, b.linear.s1] for b in samples]).reshape(-1, 4)
    lines = int(np.isfinite(barriers.energy).sum())

    def without(reason: str) -> Onset:
        nan = float("nan")
        return Onset(nan, nan, nan, nan, nan, nan, max(lines - 2, 0), barriers.linear.onset, np.zeros(0), linear, barriers, reason)

    if lines < 2:
        return without(too_few_lines(lines, least_events))
    beta, chi2, parallel = _crossing(barriers)
    if parallel - chi2 < SIGNIFICANT**2:
        return without(f"Delta E does not depend on the score within {SIGNIFICANT:g} standard errors")
    if beta <= 0:
        return without("the lines meet at no positive temperature")
    drawn = np.array([_crossing(b)[0] for b in samples])
    resampled = np.where(drawn > 0, 1 / np.where(drawn > 0, drawn, 1), np.inf)
    ends = [_quantile(resampled, q) for q in (0.16, 0.84, 0.025, 0.975)]
    temperature = 1 / beta
    common, weight = _along(barriers, np.ones(1), np.array([beta]))
    meeting = float(np.average(common[0], weights=weight[0]))
    return Onset(
        temperature,
        (ends[1] - ends[0]) / 2,
        ends[2],
        ends[3],
        meeting - (float(np.log(temperature)) if form == "kramers" else 0),
        chi2,
        lines - 2,
        barriers.linear.onset,
        resampled,
        linear,
        barriers,
    )


def _crossing(barriers: Barriers) -> tuple[float, float, float]:
    """1 / T0, chi^2 of the lines about their common point there, and chi^2 about the best parallels.

    All directions of (1, 1 / T0) are looked at: parallel lines meet at an infinite one. The minimum may be anywhere, and
    there may be two; the best of a grid is refined between its neighbours.
    """
    from scipy.optimize import minimize_scalar

    def spread(angle: float) -> float:
        return float(_spread(barriers, np.array([angle]))[0])

    step = np.pi / DIRECTIONS
    angles = step * np.arange(DIRECTIONS) - np.pi / 2
    best = angles[_spread(barriers, angles).argmin()]
    found = minimize_scalar(spread, bounds=(best - step, best + step), method="bounded", options={"xatol": 1e-12})
    return float(np.tan(found.x)), float(found.fun), spread(np.pi / 2)


def _spread(barriers: Barriers, angles: np.ndarray) -> np.ndarray:
    """Weighted sum of squares of cos(angle) Sigma - sin(angle) Delta E over bins, about its mean, for each angle."""
    value, weight = _along(barriers, np.cos(angles), np.sin(angles))
    middle = (weight * value).sum(axis=1) / weight.sum(axis=1)
    return (weight * (value - middle[:, None]) ** 2).sum(axis=1)


def _along(barriers: Barriers, along_entropy: np.ndarray, along_energy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a Sigma - b Delta E of the bins that have them, and their weights, both (direction, bin)."""
    at = np.isfinite(barriers.energy)
    direction = np.stack([-along_energy, along_entropy], axis=1)
    value = direction @ np.stack([barriers.energy, barriers.entropy])[:, at]
    return value, 1 / np.einsum("ai,bij,aj->ab", direction, barriers.covariance[at], direction)


def _quantile(values: np.ndarray, share: float) -> float:
    """A quantile of values of which some may be infinite; NaN of none."""
    return float(np.sort(values)[round(share * (len(values) - 1))]) if len(values) else float("nan")
