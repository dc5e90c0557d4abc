"""How much of a label is structure and how much is the noise of a finite ensemble."""

from __future__ import annotations

import numpy as np

from glassgpu import validate
from glassgpu.errors import InvalidInput


def reliability(values: np.ndarray, variance_of_mean: np.ndarray, types: np.ndarray, species: int | None = None) -> np.ndarray:
    """rel = 1 - <s_i^2 / R> / Var_i(p_i), the share of the variance that is not noise.

    Args:
        values: (..., N) float64, a label averaged over R runs, such as the propensity, in any units.
        variance_of_mean: (..., N) float64, s_i^2 / R with s_i^2 the unbiased variance over runs, in units of ``values`` squared.
        types: (N,) int32.
        species: how many there are; by default the largest type and one.

    Returns:
        (..., species) float64 [1]. Two independent ensembles correlate at the geometric mean of
        their reliabilities. Negative when noise explains all; NaN for a species with fewer than
        two particles.

    Raises:
        InvalidInput: shapes that do not belong together.

    Source: project notes, section 2; classical test theory (Spearman 1904).
    """
    values, variance_of_mean = np.asarray(values, float), np.asarray(variance_of_mean, float)
    types = np.asarray(types)
    if values.shape != variance_of_mean.shape or values.shape[-1:] != types.shape:
        raise InvalidInput(
            f"values {values.shape}, variance_of_mean {variance_of_mean.shape} and types {types.shape} do not belong together"
        )
    out = np.full((*values.shape[:-1], species or int(types.max()) + 1), np.nan)
    for s in range(out.shape[-1]):
        of = types == s
        if of.sum() > 1:
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                spread = values[..., of].var(axis=-1, ddof=1)
                out[..., s] = 1 - variance_of_mean[..., of].mean(axis=-1) / spread
    return out


def noise_ceiling(values: np.ndarray, variance_of_mean: np.ndarray, types: np.ndarray, species: int | None = None) -> np.ndarray:
    """sqrt of ``reliability``: the largest Pearson coefficient between a label and any function of the structure.

    Args:
        values, variance_of_mean, types, species: as for ``reliability``.

    Returns:
        (..., species) float64 [1]; 0 where the reliability is negative.

    Raises:
        As ``reliability``.

    Source: project notes, section 2.

    Example:
        >>> random = np.random.default_rng(0)
        >>> truth = random.normal(size=5000)
        >>> label = truth + 0.5 * random.normal(size=5000)  # a mean over runs, with the variance 0.25
        >>> ceiling = gg.dynamics.noise_ceiling(label, np.full(5000, 0.25), np.zeros(5000, int))
        >>> bool(abs(ceiling[0] - gg.evaluate.pearson(label, truth)) < 0.01)
        True
    """
    return np.sqrt(np.maximum(reliability(values, variance_of_mean, types, species), 0.0))


def ensemble_moments(count: int, sums: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of a label over runs, and the unbiased variance of that mean, from sums over the runs.

    Args:
        count: runs, at least 2.
        sums, squares: float64 of any shape, sums of the label and of its square, in any units.

    Returns:
        Two float64 arrays of the same shape: the mean in the units of the label, its variance in those squared.

    Raises:
        InvalidInput: fewer than two runs.

    Source: project notes, section 2.
    """
    validate.whole("replicas", count, least=2)
    mean = sums / count
    variance = np.maximum(squares / count - mean**2, 0) * count / (count - 1)
    return mean, variance / count
