"""Sums from which linear models are fitted: they add over parts of the data.

Rows never have to be in memory together, folds are sums over the parts they keep (parts are never
subtracted: a column that lives in the part left out would cancel to noise), and every alpha of a
ridge path comes from one factorisation.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.device import in_double, jax_on_gpu
from glassgpu.errors import InvalidInput

# Below this share of the largest eigenvalue a Gram matrix no longer knows its eigenvalues.
GRAM_LIMIT = 1e-8


def rows_of(x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """X (n, features) and Y (n, targets) in float64 without a copy where they are; y (n,) is one target.

    Raises:
        InvalidInput: not numbers, or shapes that do not belong together.
    """
    try:
        a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"x and y must be arrays of numbers ({error})") from None
    b = b[:, None] if b.ndim == 1 else b
    if a.ndim != 2 or b.ndim != 2 or len(a) != len(b) or not len(a):
        raise InvalidInput(f"x has shape {np.shape(x)} and y {np.shape(y)}; expected (rows, features) and (rows, targets) or (rows,)")
    return a, b


def finite_means(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Means of the columns of [X, Y].

    Raises:
        InvalidInput: NaN or infinity, with the columns that hold them.
    """
    mean = np.concatenate([x.mean(axis=0), y.mean(axis=0)])
    if not np.isfinite(mean).all():
        raise InvalidInput(f"columns {np.flatnonzero(~np.isfinite(mean)).tolist()} of [X, Y] hold NaN or infinity; leave their rows out")
    return mean


def penalties_of(alphas: ArrayLike) -> np.ndarray:
    """Candidates for alpha, (alphas,) float64: one number or several, each at least 0.

    Raises:
        InvalidInput
    """
    out = validate.array("alphas", [alphas] if isinstance(alphas, (str, int, float)) else alphas, np.float64, (None,))
    if not len(out) or out.min() < 0:
        raise InvalidInput(f"alphas={out.tolist()}: give at least one, each at least 0")
    return out


@functools.cache
def _gram():
    import jax
    import jax.numpy as jnp

    @jax.jit
    def gram(a, shift):
        a = a - shift
        return a.sum(axis=0), jnp.einsum("ni,nj->ij", a, a, precision="highest")

    return gram


def _sums(rows: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums (width,) and sums of products (width, width) of rows less a shift: on the CPU by BLAS, which does half of a
    symmetric product and twice as fast as XLA."""
    if jax_on_gpu():
        return in_double(_gram(), rows, shift)
    rows = rows - shift
    return rows.sum(axis=0), rows.T @ rows


@dataclass(frozen=True, eq=False)
class Products:
    """Products per row of the columns of a fit.

    Attributes:
        gram: (features, features) X'X / n, in units of the scaled columns squared.
        product: (features, targets) X'y / n, in units of the scaled columns times those of y.
        square: (targets,) y'y / n, in units of y squared.
        scale: (features,) by which the columns were divided, in the units of these or [1]; infinite for one that does not vary.
        mean_x, mean_y: (features,) and (targets,) what was subtracted, in the units of the columns of X and of Y.
    """

    gram: np.ndarray
    product: np.ndarray
    square: np.ndarray
    scale: np.ndarray
    mean_x: np.ndarray
    mean_y: np.ndarray


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, means and scatter of [X, Y]; parts add.

    Each part is centred on its own mean, and parts are combined by the formula of Chan, Golub and
    LeVeque (1979), in which nothing cancels: columns may be of any size, and tiny in some parts.

    Attributes:
        count: rows.
        mean: (features + targets,) float64, in the units of each column.
        scatter: (features + targets, features + targets) float64, sums of products about the mean, in the units of both columns.
        features: how many of the columns are X.
        low, high: (features + targets,) smallest and largest value of each column, in its units.
    """

    count: int
    mean: np.ndarray
    scatter: np.ndarray
    features: int
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, chunk: int = 8192) -> Moments:
        """Moments of rows, accumulated in chunks in float64.

        Args:
            x: X, (n, features), each column in any units.
            y: Y, (n, targets), or (n,) for one target, in any units.
            chunk: rows at a time.

        Raises:
            InvalidInput: NaN, infinity, or shapes that do not belong together.
        """
        x, y = rows_of(x, y)
        mean = finite_means(x, y)
        total, scatter = np.zeros(len(mean)), np.zeros((len(mean), len(mean)))
        for first in range(0, len(x), chunk):
            rows = np.concatenate([x[first : first + chunk], y[first : first + chunk]], axis=1)
            part_total, part_scatter = _sums(rows, mean)
            total += part_total
            scatter += part_scatter
        rest = total / len(x)  # what rounding left of the mean
        low, high = (np.concatenate([getattr(a, end)(axis=0) for a in (x, y)]) for end in ("min", "max"))
        return cls(len(x), mean + rest, scatter - len(x) * np.outer(rest, rest), x.shape[1], low, high)

    def __add__(self, other: Moments) -> Moments:
        """The moments of both parts together."""
        if self.features != other.features or self.mean.shape != other.mean.shape:
            raise InvalidInput("moments of different columns do not add")
        count = self.count + other.count
        apart = other.mean - self.mean
        return Moments(
            count,
            self.mean + apart * (other.count / count),
            self.scatter + other.scatter + np.outer(apart, apart) * (self.count * other.count / count),
            self.features,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )

    @staticmethod
    def resampled(parts: Sequence[Moments], counts: ArrayLike) -> list[Moments]:
        """Moments of folds and resamplings: sets of rows in which part k stands ``counts[set, k]`` times.

        Args:
            parts: moments of whole configurations or blocks, of the same columns.
            counts: (sets, parts) whole numbers from 0 on, some part in every set.

        Raises:
            InvalidInput
        """
        times = validate.array("counts", counts, np.float64, (None, len(parts)))
        if (times < 0).any() or (times != np.round(times)).any() or not (times.sum(axis=1) > 0).all():
            raise InvalidInput("counts: give how often each part is taken, whole numbers from 0 on, not all of a set 0")
        rows = times * np.array([p.count for p in parts], float)
        count = rows.sum(axis=1)
        means = np.stack([p.mean for p in parts])
        mean = rows @ means / count[:, None]
        scatter = np.tensordot(times, np.stack([p.scatter for p in parts]), axes=1)
        for k, apart in enumerate(means - mean[:, None]):
            scatter[k] += (rows[k][:, None] * apart).T @ apart
        low, high = (np.stack([getattr(p, end) for p in parts]) for end in ("low", "high"))
        return [
            Moments(int(n), m, s, parts[0].features, low[some > 0].min(axis=0), high[some > 0].max(axis=0))
            for n, m, s, some in zip(count, mean, scatter, times, strict=True)
        ]

    @property
    def covariance(self) -> np.ndarray:
        """(features + targets, features + targets) float64, the scatter divided by the count, in the units of both columns."""
        return self.scatter / self.count

    def products(self, standardize: bool, fit_intercept: bool) -> Products:
        """What a penalised fit needs of the sums: products per row of centred, scaled columns.

        Args:
            standardize: columns scaled to variance 1; one with equal smallest and largest value says
                nothing, and becomes 0.
            fit_intercept: columns less their means.
        """
        f = self.features
        mean = self.mean if fit_intercept else np.zeros_like(self.mean)
        covariance = self.covariance if fit_intercept else self.covariance + np.outer(self.mean, self.mean)
        scale = np.ones(f)
        if standardize:
            varies = (self.high > self.low)[:f]
            scale = np.where(varies, np.sqrt(np.maximum(np.diag(covariance)[:f], np.finfo(float).tiny)), np.inf)
        return Products(
            covariance[:f, :f] / np.outer(scale, scale),
            covariance[:f, f:] / scale[:, None],
            np.diag(covariance)[f:],
            scale,
            mean[:f],
            mean[f:],
        )

    def pearson(self, weights: ArrayLike) -> np.ndarray:
        """How well weights predict these rows, which need not be there for it.

        Args:
            weights: (..., features, targets) of linear models, such as those of ``ridge_path`` of other rows [units of y over
                those of each column].

        Returns:
            (..., targets) float64 Pearson coefficients of X w and y [1]; NaN where one of them does not vary.

        Raises:
            InvalidInput
        """
        f = self.features
        w = validate.array("weights", weights, np.float64, (..., f, len(self.mean) - f))
        of_x, with_y, of_y = self.scatter[:f, :f], self.scatter[:f, f:], np.diag(self.scatter)[f:]
        varies = (self.high > self.low)[f:] & ((w != 0) & (self.high > self.low)[:f, None]).any(axis=-2)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(varies, (w * with_y).sum(axis=-2) / np.sqrt((w * (of_x @ w)).sum(axis=-2) * of_y), np.nan)

    def ridge_path(self, alphas: ArrayLike, standardize: bool = False, fit_intercept: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Minimise |y - X w - b|^2 / n + alpha |w|^2 for every alpha by one eigendecomposition: ``ridge_paths`` of one set.

        Args:
            alphas, standardize, fit_intercept: as for ``models.ridge_paths``.

        Returns:
            Weights (alphas, features, targets), in units of y over those of each column, and intercepts (alphas, targets), in units of y.

        Raises:
            InvalidInput: an alpha too small for the Gram matrix.

        Source: LIN equation 23.
        """
        from glassgpu.models.ridge import ridge_paths

        weights, intercept = ridge_paths([self], alphas, standardize, fit_intercept)
        return weights[0], intercept[0]
