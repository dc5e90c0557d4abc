"""The triangular factor of centred rows: what a least-squares fit needs where products have lost half the digits."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from glassgpu.device import in_double
from glassgpu.errors import InvalidInput
from glassgpu.models.moments import finite_means, penalties_of, rows_of


@functools.cache
def _triangle():
    import jax
    import jax.numpy as jnp

    return jax.jit(lambda rows: jnp.linalg.qr(rows, mode="r"))


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Singular values of the centred, scaled columns, and what goes with them.

    Attributes:
        singular: (k,) float64, descending: of X / sqrt(n), so that their squares are the eigenvalues of the covariance; in the units
            of the scaled columns.
        vectors: (k, features) right singular vectors, the principal directions, of length 1 [1].
        projected: (k, targets) u'y / sqrt(n): the covariance of y and of each principal component scaled to variance 1; in the units
            of y.
        scale: (features,) by which the columns were divided, in the units of these or [1]; infinite for one that does not vary.
        mean_x, mean_y: (features,) and (targets,) what was subtracted, in the units of the columns of X and of Y.
        variance_y: (targets,) in the units of Y squared.
    """

    singular: np.ndarray
    vectors: np.ndarray
    projected: np.ndarray
    scale: np.ndarray
    mean_x: np.ndarray
    mean_y: np.ndarray
    variance_y: np.ndarray

    def kept(self, rcond: float) -> np.ndarray:
        """Which singular values are above ``rcond`` of the largest, (k,) bool."""
        return self.singular > max(rcond * self.singular[0], np.finfo(float).tiny) if len(self.singular) else np.zeros(0, bool)

    def fit(self, shrink: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights of the raw columns and intercepts, from factors on the components of the least-squares solution.

        Args:
            shrink: (..., k) or (..., k, targets), divided by the singular values, so in units of one over these.

        Returns:
            Weights (..., features, targets) in units of y over those of each column, and intercepts (..., targets) in units of y.
        """
        shrink = shrink[..., None] if shrink.ndim < 3 else shrink
        weights = np.einsum("kf,...kt->...ft", self.vectors, shrink * self.projected) / self.scale[:, None]
        return weights, self.mean_y - np.einsum("f,...ft->...t", self.mean_x, weights)


@dataclass(frozen=True, eq=False)
class Factor:
    """Count, means and the R factor of a QR decomposition of the centred [X, Y]; parts add.

    R'R is the scatter of ``Moments``, but R keeps singular values down to 1e-16 of the largest, of which the
    scatter keeps those above 1e-8. Rows are taken in chunks and never sit in memory together.

    Attributes:
        count: rows.
        mean: (features + targets,) float64, in the units of each column.
        r: (rows, features + targets) float64, upper triangular as long as no columns are taken out, in the units of each column.
        features: how many of the columns are X.
        low, high: (features + targets,) smallest and largest value of each column, in its units.

    Source: project notes, section 4; Demmel, Grigori, Hoemmen, Langou, SIAM J. Sci. Comput. 34, A206 (2012).
    """

    count: int
    mean: np.ndarray
    r: np.ndarray
    features: int
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, chunk: int = 8192) -> Factor:
        """The factor of rows, taken in chunks, in float64.

        Args:
            x: X, (n, features), each column in any units.
            y: Y, (n, targets), or (n,) for one target, in any units.
            chunk: rows at a time.

        Raises:
            InvalidInput: NaN, infinity, or shapes that do not belong together.
        """
        x, y = rows_of(x, y)
        mean = finite_means(x, y)
        width = len(mean)
        chunk = max(chunk, 2 * width)
        r = np.zeros((width, width))
        size = min(chunk, len(x))  # one shape for every chunk; rows of zeros change nothing
        for first in range(0, len(x), size):
            rows = np.zeros((width + size, width))
            rows[:width] = r
            part = np.concatenate([x[first : first + size], y[first : first + size]], axis=1) - mean
            rows[width : width + len(part)] = part
            r = in_double(_triangle(), rows)
        low, high = (np.concatenate([getattr(a, end)(axis=0) for a in (x, y)]) for end in ("min", "max"))
        return cls(len(x), mean, r, x.shape[1], low, high)

    def __add__(self, other: Factor) -> Factor:
        """The factor of both parts together."""
        if self.features != other.features or self.mean.shape != other.mean.shape:
            raise InvalidInput("factors of different columns do not add")
        count = self.count + other.count
        apart = other.mean - self.mean
        rows = np.concatenate([self.r, other.r, np.sqrt(self.count * other.count / count) * apart[None]])
        return Factor(
            count, self.mean + apart * (other.count / count), in_double(_triangle(), rows), self.features,
            np.minimum(self.low, other.low), np.maximum(self.high, other.high),
        )  # fmt: skip

    def columns(self, features: ArrayLike) -> Factor:
        """The factor of some columns of X, by number, and all of Y: a fit of these needs no more than a smaller triangle.

        Args:
            features: (k,) indices of columns.

        Raises:
            InvalidInput: none, or one that is not there.
        """
        chosen = np.asarray(features, int).reshape(-1)
        if not len(chosen) or chosen.min() < 0 or chosen.max() >= self.features:
            raise InvalidInput(f"features={chosen.tolist()}: give numbers of columns from 0 to {self.features - 1}")
        kept = np.concatenate([chosen, np.arange(self.features, len(self.mean))])
        return Factor(self.count, self.mean[kept], self.r[:, kept], len(chosen), self.low[kept], self.high[kept])

    def spectrum(self, standardize: bool = False, fit_intercept: bool = True) -> Spectrum:
        """Singular values of the columns of X, centred, and scaled to variance 1 if asked.

        A column with equal smallest and largest value is no direction: it has weight 0 everywhere.
        """
        f = self.features
        r, mean = self.r, self.mean
        if not fit_intercept:
            r, mean = in_double(_triangle(), np.concatenate([r, np.sqrt(self.count) * mean[None]])), np.zeros_like(mean)
        scale = np.ones(f)
        if standardize:
            largest = np.abs(r[:, :f]).max(axis=0, initial=np.finfo(float).tiny)  # squares of tiny columns would vanish
            spread = largest * np.sqrt(((r[:, :f] / largest) ** 2).sum(axis=0) / self.count)
            scale = np.where(self.high[:f] > self.low[:f], np.maximum(spread, np.finfo(float).tiny), np.inf)
        u, s, vectors = scipy.linalg.svd(r[:, :f] / scale, full_matrices=False)
        root = np.sqrt(self.count)
        return Spectrum(s / root, vectors, u.T @ r[:, f:] / root, scale, mean[:f], mean[f:], (r[:, f:] ** 2).sum(axis=0) / self.count)

    def ridge_path(self, alphas: ArrayLike, standardize: bool = False, fit_intercept: bool = True, rcond: float | None = None):
        """``Moments.ridge_path`` for any alpha from 0 on.

        Args:
            alphas, standardize, fit_intercept: as for ``Moments.ridge_path``.
            rcond: singular values below this share of the largest count as zero; by default
                machine precision times the larger of rows and features.

        Returns:
            As ``Moments.ridge_path``.

        Raises:
            InvalidInput: no alpha, or one below 0.
        """
        found = self.spectrum(standardize, fit_intercept)
        s, kept = found.singular, found.kept(default_rcond(self) if rcond is None else rcond)
        shrink = np.where(kept, s, 0.0) / np.where(kept, s**2 + penalties_of(alphas)[:, None], 1.0)
        return found.fit(shrink)


def default_rcond(factor: Factor) -> float:
    """Below this share of the largest singular value lies only rounding: as of ``numpy.linalg.lstsq``."""
    return float(np.finfo(float).eps) * max(factor.count, factor.features)
