"""Energy barriers and entropic parts from the temperature dependence of P(R | S)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.errors import InvalidInput
from glassgpu.landscape.probability import LEAST_EVENTS, RearrangementProbability

FORMS = ("kramers", "arrhenius")
ERRORS = ("blocks", "pooled")

# P cannot exceed 1: above this it bends towards 1 whatever the score, and lines through such points meet near the onset
# temperature even when the score means nothing there.
SATURATED = 0.2


@dataclass(frozen=True, eq=False)
class LinearBarriers:
    """Delta E = e0 - e1 S and Sigma = s0 - s1 S, fitted to all points together, each at the mean score of its own samples.

    Attributes:
        e0, e1: [energy] and [energy per unit of S]. s0, s1: of Sigma.
        covariance: (4, 4) float64, of e0, e1, s0, s1, in the units of these. NaN, as these are, with fewer than two temperatures or scores.
        chi2: sum of squared residuals over their errors. spare: points less the four parameters.
    """

    e0: float
    e1: float
    s0: float
    s1: float
    covariance: np.ndarray
    chi2: float
    spare: int

    @property
    def errors(self) -> np.ndarray:
        """(4,) float64 standard errors of e0, e1, s0, s1, in the units of these."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def onset(self) -> float:
        """e1 / s1, where probabilities do not depend on S; NaN where that is no positive temperature."""
        return self.e1 / self.s1 if self.e1 * self.s1 > 0 else float("nan")


@dataclass(frozen=True, eq=False)
class Barriers:
    """Delta E and Sigma of each bin of the score.

    Attributes:
        form: ``"kramers"`` or ``"arrhenius"``.
        score: (bin,) float64, mean score of the points used, weighted as they are, in the units of the score.
        energy: (bin,) float64, Delta E [energy]; NaN in bins with fewer than two points.
        entropy: (bin,) float64, Sigma [1]; NaN likewise.
        covariance: (bin, 2, 2) float64, of Delta E and Sigma, in the units of these, from the errors of the points alone.
        chi2: (bin,) float64 [1].
        spare: (bin,) int64, points less two.
        used: (temperature, bin) bool, the points used.
        linear: both as linear functions of the score.
        reason: of ``fit_barriers``: empty when a bin has a line, else why all are NaN.
    """

    form: str
    score: np.ndarray
    energy: np.ndarray
    entropy: np.ndarray
    covariance: np.ndarray
    chi2: np.ndarray
    spare: np.ndarray
    used: np.ndarray
    linear: LinearBarriers
    reason: str = ""

    @property
    def energy_error(self) -> np.ndarray:
        """(bin,) float64 standard errors of Delta E [energy]."""
        return np.sqrt(self.covariance[:, 0, 0])

    @property
    def entropy_error(self) -> np.ndarray:
        """(bin,) float64 standard errors of Sigma [1]."""
        return np.sqrt(self.covariance[:, 1, 1])

    @property
    def reduced_chi2(self) -> float:
        """Of all bins together; NaN when no point is to spare."""
        spare = self.spare.sum()
        return float(np.nansum(self.chi2) / spare) if spare > 0 else float("nan")

    def free_energy(self, temperature: float) -> np.ndarray:
        """Delta F = Delta E - T Sigma, (bin,) float64 [energy].

        Raises:
            InvalidInput: a temperature that is not above 0.

        Source: TH section 1.6.2.
        """
        return self.energy - validate.number("temperature", temperature, above=0) * self.entropy

    def log_probability(self, temperature: ArrayLike) -> np.ndarray:
        """ln P of the fitted lines: temperatures (...) [energy, k_B = 1] -> (..., bin) float64 [1]."""
        t = np.asarray(temperature, float)[..., None]
        line = self.entropy - self.energy / t
        return line - np.log(t) if self.form == "kramers" else line


def fit_barriers(
    probability: RearrangementProbability,
    form: str = "kramers",
    *,
    below: float | None = None,
    least_events: int = LEAST_EVENTS,
    errors: str = "pooled",
) -> Barriers:
    """Weighted least squares of ln P against 1 / T in each bin of the score.

    ``"kramers"``: P = (1/T) exp(Sigma - Delta E / T); ``"arrhenius"``: P = exp(Sigma - Delta E / T). Points with
    P > 0.2 are never used: P cannot exceed 1, and this alone makes all lines meet near the onset temperature,
    whatever the score means. Nor are points with too few events, where ln P is neither Gaussian nor unbiased.

    Args:
        probability: of at least two temperatures.
        form: see above.
        below: only temperatures below this one [energy].
        least_events: that a point must have.
        errors: ``"pooled"``: binomial errors times one factor for each temperature, which says by how much blocks scatter
            more. ``"blocks"``: the jackknife over blocks of each point by itself. With m blocks its weights are so
            uncertain that chi^2 comes out too large by (m - 1) / (m - 3), and Delta E and Sigma further from the truth.

    The errors are those of points independent of one another. What blocks share moves all bins of a temperature
    together: e0 and s0 are then less certain than they say, and ``Onset.resampled_linear`` tells how much.

    Returns:
        Barriers: NaN in bins without a line, with a ``reason`` where no bin has one.

    Raises:
        InvalidInput: an unknown form; fewer than two temperatures left; a single block at a temperature.

    Source: TH equations 1.5 and 2.4; project notes, section 4.

    Example:
        >>> traps = gg.landscape.TrapModel()  # barriers e0 - e1 S with e1 = 1, known
        >>> parts = [gg.landscape.trap_ensemble(traps, t, configurations=10, particles=5000, replicas=10, seed=k) for k, t in enumerate((0.5, 0.6, 0.7))]
        >>> edges = np.linspace(-2, 2, 9)
        >>> counted = gg.landscape.joined(
        ...     [
        ...         gg.landscape.rearrangement_probability(p.score, p.count, edges, temperature=p.temperature, block=p.configuration, replicas=10)
        ...         for p in parts
        ...     ]
        ... )
        >>> line = gg.landscape.fit_barriers(counted).linear
        >>> abs(line.e1 - 1.0) < 0.1
        True
    """
    validate.choice("form", form, FORMS)
    used, error = usable(probability, below, least_events, errors)
    found = fit_points(probability, form, used, error)
    if np.isfinite(found.energy).any():
        return found
    return replace(found, reason=f"{too_few_lines(0, least_events)}; give more events to each point, or a smaller least_events")


def too_few_lines(lines: int, least_events: int) -> str:
    """Why so few bins have a line."""
    return f"{lines} bins have two temperatures with P of at most {SATURATED:g} and {least_events} events"


def usable(probability: RearrangementProbability, below: float | None, least_events: int, errors: str) -> tuple[np.ndarray, np.ndarray]:
    """Which points a fit may use, and the standard errors of their ln P, both (temperature, bin)."""
    validate.choice("errors", errors, ERRORS)
    cold = np.ones(len(probability.temperatures), bool)
    if below is not None:
        cold = probability.temperatures < validate.number("below", below, above=0)
    if cold.sum() < 2:
        raise InvalidInput(f"{cold.sum()} temperatures{'' if below is None else f' below {below:g}'}; a fit needs at least two")
    if (np.bincount(probability.level)[cold] < 2).any():
        raise InvalidInput("one temperature has a single block and no error; give blocks of time, or more configurations")
    p = probability.probability
    with np.errstate(divide="ignore", invalid="ignore"):
        error = (probability.standard_error if errors == "blocks" else probability.pooled_error) / p
    used = cold[:, None] & probability.enough(least_events) & (p <= SATURATED) & (error > 0) & np.isfinite(error)
    return used, error


def fit_points(probability: RearrangementProbability, form: str, used: np.ndarray, error: np.ndarray) -> Barriers:
    """The fit to points named, with errors of ln P given, both (temperature, bin); a point without events is left out."""
    used = used & (probability.events > 0)
    used = used & (used.sum(axis=0) > 1)
    t = np.broadcast_to(probability.temperatures[:, None], used.shape)
    y = np.log(np.where(used, probability.probability, 1)) + (np.log(t) if form == "kramers" else 0)
    score, weight = np.where(used, probability.score, 0), np.where(used, error, np.inf) ** -2.0
    x = -1 / t
    with np.errstate(divide="ignore", invalid="ignore"):  # bins without points
        total = weight.sum(axis=0)
        mean_x, mean_y, mean_score = ((weight * z).sum(axis=0) / total for z in (x, y, score))
        about = (weight * (x - mean_x) ** 2).sum(axis=0)
        energy = (weight * (x - mean_x) * (y - mean_y)).sum(axis=0) / about
        entropy = mean_y - energy * mean_x
        variances = [1 / about, -mean_x / about, -mean_x / about, 1 / total + mean_x**2 / about]
    covariance = np.stack(variances, axis=1).reshape(-1, 2, 2)
    chi2 = (weight * (y - entropy - energy * x) ** 2).sum(axis=0)
    spare = np.maximum(used.sum(axis=0) - 2, 0)
    return Barriers(form, mean_score, energy, entropy, covariance, chi2, spare, used, _linear(score[used], x[used], y[used], error[used]))


def _linear(score: np.ndarray, x: np.ndarray, y: np.ndarray, error: np.ndarray) -> LinearBarriers:
    """Least squares of y = s0 - s1 S + (e0 - e1 S) x, x = -1 / T; NaN where the points do not fix the four."""
    design = np.stack([x, -score * x, np.ones(len(x)), -score], axis=1) / error[:, None]
    if len(x) < 4 or np.linalg.matrix_rank(design) < 4:
        nan = float("nan")
        return LinearBarriers(nan, nan, nan, nan, np.full((4, 4), nan), nan, 0)
    q, r = np.linalg.qr(design)
    inverse = np.linalg.inv(r)
    e0, e1, s0, s1 = found = inverse @ (q.T @ (y / error))
    left = y / error - design @ found
    return LinearBarriers(float(e0), float(e1), float(s0), float(s1), inverse @ inverse.T, float(left @ left), len(x) - 4)
