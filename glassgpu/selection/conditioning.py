"""How far a linear model of many columns can be believed: collinearity, and what a penalty does about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.errors import InvalidInput
from glassgpu.models.factor import Factor, default_rcond
from glassgpu.models.moments import Moments, finite_means, penalties_of, rows_of


def standardized(x: np.ndarray, y: np.ndarray | None = None) -> Factor:
    """The R factor of columns that all vary.

    Args:
        x: (n, features) float64.
        y: (n,) or (n, targets) float64; None: none.

    Raises:
        InvalidInput: NaN, a column that does not vary, fewer than two rows.
    """
    x = validate.array("x", x, np.float64, (None, None))
    factor = Factor.of(x, np.zeros((len(x), 0)) if y is None else y)
    _refuse_constant(factor.low, factor.high)
    return factor


def _refuse_constant(low: np.ndarray, high: np.ndarray) -> None:
    constant = np.flatnonzero(~(high > low))
    if len(constant):
        raise InvalidInput(f"columns {constant.tolist()} of [x, y] have one value only and no correlation with anything; leave them out")


def correlations(x: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
    """Pearson coefficients of all pairs of the columns of [x, y], square, float64.

    Args:
        x: (n, features) float64.
        y: (n,) or (n, targets) float64; None: none.

    Raises:
        InvalidInput: NaN, a column that does not vary.
    """
    x = validate.array("x", x, np.float64, (None, None))
    every = np.concatenate(rows_of(x, np.zeros((len(x), 0)) if y is None else y), axis=1)
    finite_means(every, every[:, :0])
    _refuse_constant(every.min(axis=0), every.max(axis=0))
    every = every - every.mean(axis=0)
    every /= np.abs(every).max(axis=0)  # the squares of tiny columns would vanish
    covariance = Moments.of(every, every[:, :0]).covariance
    length = np.sqrt(np.diag(covariance))
    return covariance / np.outer(length, length)


def correlation_matrix(x: np.ndarray) -> np.ndarray:
    """C, the Pearson coefficients of all pairs of columns, (features, features) float64 [1].

    Args:
        x: (n, features) float64, each column in any units.

    Raises:
        InvalidInput: NaN, a column that does not vary.

    Source: LIN equation 15.
    """
    return correlations(x)


def pearson_vector(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """R[X, Y], the Pearson coefficients of every column with y, (features,) or (features, targets) float64 [1].

    Args:
        x: (n, features) float64, each column in any units.
        y: (n,) or (n, targets) float64, in any units.

    Raises:
        InvalidInput: NaN, a column that does not vary.

    Source: LIN equation 14.
    """
    matrix = correlations(x, y)
    f = np.shape(x)[1]
    found = matrix[:f, f:]
    return found[:, 0] if np.ndim(y) == 1 else found


def eigenvalues(x: np.ndarray) -> np.ndarray:
    """Eigenvalues of the correlation matrix, (features,) float64, descending [1].

    They are squares of singular values of an R factor: small ones keep twice the digits that C has.

    Args:
        x: (n, features) float64, each column in any units.

    Raises:
        InvalidInput: NaN, a column that does not vary.

    Source: LIN section V.A, by singular values (project notes, section 4).
    """
    factor = standardized(x)
    found = np.zeros(factor.features)
    rank = min(factor.count - 1, factor.features)  # of centred rows; what lies beyond is rounding
    found[:rank] = factor.spectrum(standardize=True).singular[:rank] ** 2
    return found


def condition_number(x: np.ndarray, alpha: ArrayLike = 0.0) -> np.ndarray:
    """kappa(C + alpha I) = (lambda_max + alpha) / (lambda_min + alpha) of the correlation matrix C.

    Below 100 collinearity does no harm, above 1000 it does (Montgomery, Peck, Vining). Above about 1e30 only rounding is left
    of lambda_min, and the number says no more than "singular"; fewer rows than columns are singular: infinite.

    Args:
        x: (n, features) float64, each column in any units.
        alpha: penalties of ridge regression, per sample, one number or (alphas,) [1].

    Returns:
        float64 of the shape of alpha [1].

    Raises:
        InvalidInput: NaN, a column that does not vary, a negative alpha.

    Source: LIN equations 26 and 31, from singular values (project notes, section 4).
    """
    found, penalties = eigenvalues(x), penalties_of(np.atleast_1d(alpha))
    with np.errstate(divide="ignore"):
        return ((found[0] + penalties) / (found[-1] + penalties)).reshape(np.shape(alpha))


def variance_inflation(x: np.ndarray) -> np.ndarray:
    """VIF of each column, (features,) float64 [1]: the diagonal of C^-1, by which the variance of its weight grows.

    1: independent of all others; above 10: a poorly known weight. A column that is a combination of others,
    as far as rounding tells, has infinity.

    Args:
        x: (n, features) float64, each column in any units.

    Raises:
        InvalidInput: NaN, a column that does not vary.

    Source: Montgomery, Peck, Vining, section 9.4; LIN section V.B.
    """
    factor = standardized(x)
    found = factor.spectrum(standardize=True)
    kept = found.kept(default_rcond(factor))
    lost = (found.vectors[~kept] ** 2).sum(axis=0) + 1 - (found.vectors**2).sum(axis=0)  # share in directions without variance
    inflation = ((found.vectors[kept] / found.singular[kept, None]) ** 2).sum(axis=0)
    return np.where(lost > np.sqrt(np.finfo(float).eps), np.inf, inflation)


@dataclass(frozen=True, eq=False)
class RidgeTrace:
    """Weights of standardised columns against alpha.

    Attributes:
        alphas: (alphas,) [1].
        weights: (alphas, features) or (alphas, features, targets) [1].
        resolved: (alphas,) bool: alpha is above features x machine precision x lambda_max; below, what differs between
            weights is rounding.
    """

    alphas: np.ndarray
    weights: np.ndarray
    resolved: np.ndarray


def ridge_trace(x: np.ndarray, y: np.ndarray, alphas: ArrayLike) -> RidgeTrace:
    """Weights of ridge regression for a range of alpha, columns and y scaled to variance 1 (LIN figure 4).

    Args:
        x: (n, features) float64, each column in any units.
        y: (n,) or (n, targets) float64, in any units.
        alphas: (alphas,) per sample, each from 0 on [1].

    Returns:
        RidgeTrace.

    Raises:
        InvalidInput: NaN, a column that does not vary, a negative alpha.

    Source: Marquardt and Snee (1975); LIN section IV.B.
    """
    factor, penalties = standardized(x, y), penalties_of(alphas)
    found = factor.spectrum(standardize=True)
    weights, _ = factor.ridge_path(penalties, standardize=True)
    weights = weights * found.scale[:, None] / np.sqrt(found.variance_y)
    limit = factor.features * np.finfo(float).eps * found.singular[0] ** 2
    return RidgeTrace(penalties, weights[..., 0] if np.ndim(y) == 1 else weights, penalties > limit)


def effective_thresholds(values: np.ndarray, alpha: float) -> np.ndarray:
    """lambda / (lambda + alpha) of each eigenvalue: how much of a principal component ridge lets through.

    Args:
        values: (k,) eigenvalues lambda, in any units.
        alpha: per sample, in the units of these.

    Returns:
        (k,) float64 from 0 to 1 [1].

    Raises:
        InvalidInput: an alpha below 0.

    Source: LIN appendix D.2.
    """
    values, alpha = np.asarray(values, float), validate.number("alpha", alpha, least=0)
    with np.errstate(invalid="ignore"):
        return np.where(values > 0, values / (values + alpha), 0.0)


def ridge_pearson(correlation: np.ndarray, values: np.ndarray, alpha: float) -> float:
    """Pearson coefficient of y and a ridge fit on the rows that it was fitted on, from the principal components.

    Args:
        correlation: (k,) Pearson coefficients of y with the components [1].
        values: (k,) eigenvalues, in any units.
        alpha: per sample, in the units of these; 0 gives sqrt(sum R^2) (LIN equation 39).

    Raises:
        As ``effective_thresholds``.

    Source: LIN equation D5.
    """
    let = effective_thresholds(values, alpha)
    r2 = np.asarray(correlation, float) ** 2
    return float((r2 * let).sum() / np.sqrt((r2 * let**2).sum()))


def information_criteria(residual: ArrayLike, rows: int, parameters: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Akaike's and the Bayesian information criterion of Gaussian models; the smallest is preferred.

    AIC = n ln(MSE) + 2 k, BIC = n ln(MSE) + k ln n, less what all models of the same rows share.

    Args:
        residual: an array of any shape, mean squared error of each model on the rows that it was fitted on, in any units.
        rows: n. Rows that repeat one another (particles whose surroundings overlap) count as if independent.
        parameters: k of each model, numbers of parameters, of the same shape, the intercept not counted.

    Returns:
        Two float64 arrays of the shape of ``residual`` [1].

    Raises:
        InvalidInput: an error that is not positive.

    Source: Akaike (1974), Schwarz (1978); LIN section VII.
    """
    error, k = np.asarray(residual, float), np.asarray(parameters, float)
    n = validate.whole("rows", rows, least=2)
    if not (error > 0).all():
        raise InvalidInput("residual: mean squared errors must be positive; a model without error has no likelihood")
    likelihood = n * np.log(error)
    return likelihood + 2 * k, likelihood + k * np.log(n)


@dataclass(frozen=True)
class TwoFeatures:
    """Two standardised columns with correlation r: LIN's model of collinearity, in closed form.

    Attributes:
        r: Pearson coefficient of the columns, -1 < r < 1.
        r1, r2: of each with the target.

    Raises:
        InvalidInput: columns that are one and the same.

    Source: LIN equations 28 to 31, appendix D.
    """

    r: float
    r1: float
    r2: float

    def __post_init__(self) -> None:
        if not abs(self.r) < 1:
            raise InvalidInput(f"r={self.r!r}: must be between -1 and 1; at the ends the two columns are one")

    def condition_number(self, alpha: float = 0.0) -> float:
        """(1 + |r| + alpha) / (1 - |r| + alpha) (LIN equations 28 and 31)."""
        return (1 + abs(self.r) + alpha) / (1 - abs(self.r) + alpha)

    def weights(self, alpha: float = 0.0) -> tuple[float, float]:
        """Weights of ridge regression (LIN equations 29, 30, D8, D9)."""
        together, apart = (self.r1 + self.r2) / (2 * (1 + self.r + alpha)), (self.r1 - self.r2) / (2 * (1 - self.r + alpha))
        return together + apart, together - apart
