"""Ridge regression with alpha per sample, and whole paths of many sets of rows."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.device import in_double, jax_on_gpu
from glassgpu.errors import InvalidInput
from glassgpu.launch import threads_available
from glassgpu.models.dense_algebra import single_threaded
from glassgpu.models.factor import Factor
from glassgpu.models.linear_model import LinearModel
from glassgpu.models.moments import GRAM_LIMIT, Moments, penalties_of, rows_of


def ridge_path(x: np.ndarray, y: np.ndarray, alphas: ArrayLike, fit_intercept: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Minimise |y - X w - b|^2 / n + alpha |w|^2 for every alpha by one factorisation.

    The Gram matrix serves alpha >= 1e-8 of its largest eigenvalue; below, the singular
    values of a triangular factor (``Factor``), which keep twice as many digits.

    Args:
        x: (n, features) float64, each column in any units.
        y: (n, targets) float64, or (n,) for one target, in any units.
        alphas: (alphas,), each at least 0, in units of the columns squared.
        fit_intercept: else b = 0.

    Returns:
        Weights (alphas, features, targets), in units of y over those of each column, and intercepts (alphas, targets), in units of y.

    Raises:
        InvalidInput

    Source: LIN equation 23. scikit-learn's alpha is n times this one.
    """
    penalties = penalties_of(alphas)
    x, y = rows_of(x, y)
    moments = Moments.of(x, y)
    largest = np.trace(moments.covariance[: x.shape[1], : x.shape[1]])  # at least the largest eigenvalue
    if fit_intercept and largest > 0 and penalties.min() >= GRAM_LIMIT * largest:
        return moments.ridge_path(penalties)
    return Factor.of(x, y).ridge_path(penalties, fit_intercept=fit_intercept)


def ridge_paths(
    moments: Sequence[Moments], alphas: ArrayLike, standardize: bool = False, fit_intercept: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise |y - X w - b|^2 / n + alpha |w|^2 for every alpha and every set of rows, by one eigendecomposition of each set.

    Args:
        moments: of several sets of rows (folds, resamplings) of the same columns.
        alphas: (alphas,) per sample (LIN equation 23), each at least 1e-8 of the largest eigenvalue of
            the covariance of any set, in units of the (scaled) columns squared.
        standardize: penalise the weights of columns scaled to variance 1 (the weights returned still
            belong to the raw columns). A column with equal smallest and largest value says nothing and
            gets weight 0.
        fit_intercept: else b = 0.

    Returns:
        Weights (sets, alphas, features, targets), in units of y over those of each column, and intercepts (sets, alphas, targets), in
        units of y, float64.

    Raises:
        InvalidInput: an alpha too small for a Gram matrix, no sets, or sets of different columns.

    Source: LIN equation 23.
    """
    sets, penalties = list(moments), penalties_of(alphas)
    prepared = [m.products(standardize, fit_intercept) for m in sets]
    if not sets or any(p.product.shape != prepared[0].product.shape for p in prepared):
        raise InvalidInput("moments: give those of at least one set of rows, all of the same columns")
    grams, products = np.stack([p.gram for p in prepared]), np.stack([p.product for p in prepared])
    many = len(sets) > 1  # a single matrix is not worth compiling for
    weights, largest = (_solve_on_gpu if many and jax_on_gpu() else _solve)(grams, products, penalties)
    if penalties.min() < GRAM_LIMIT * largest.max():
        raise InvalidInput(f"alpha={penalties.min():g} is below {GRAM_LIMIT:g} of the largest eigenvalue {largest.max():g}")
    weights = weights / np.stack([p.scale for p in prepared])[:, None, :, None]
    mean_x, mean_y = np.stack([p.mean_x for p in prepared]), np.stack([p.mean_y for p in prepared])
    return weights, mean_y[:, None] - np.einsum("sf,saft->sat", mean_x, weights)


def _solve(gram: np.ndarray, product: np.ndarray, penalties: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (sets, alphas, f, targets) and largest eigenvalues (sets,) of gram (sets, f, f) and product (sets, f, targets).

    One set per thread, in which BLAS has one thread: with more, they wait for one another at each of the
    many small steps of an eigendecomposition, a hundred times as long where other work runs on the machine.
    """
    f, targets = product.shape[1:]

    def solve(g: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.floating]:
        values, vectors = scipy.linalg.eigh(g, driver="evd")
        shrunk = (vectors.T @ b)[:, None] / (values[:, None] + penalties)[:, :, None]  # (f, alphas, targets)
        weights = vectors @ shrunk.reshape(f, -1)
        return weights.reshape(f, len(penalties), targets).transpose(1, 0, 2), values[-1]

    with single_threaded(), ThreadPoolExecutor(min(threads_available(), len(gram))) as pool:
        weights, largest = zip(*pool.map(solve, gram, product), strict=True)
    return np.stack(weights), np.array(largest)


@functools.cache
def _batched():
    import jax
    import jax.numpy as jnp

    @jax.jit
    def solve(gram, product, penalties):
        values, vectors = jnp.linalg.eigh(gram)
        turned = jnp.einsum("sfk,sft->skt", vectors, product, precision="highest")
        shrunk = turned[:, None] / (values[:, None] + penalties[:, None])[..., None]
        return jnp.einsum("sfk,sakt->saft", vectors, shrunk, precision="highest"), values[:, -1]

    return solve


def _solve_on_gpu(gram: np.ndarray, product: np.ndarray, penalties: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same, all sets at once."""
    return in_double(_batched(), gram, product, penalties)


class Ridge(LinearModel):
    """Linear regression with an L2 penalty: minimises |y - X w - b|^2 / n + alpha |w|^2.

    It does not standardise: put a ``StandardScaler`` before it in a pipeline, fitted on training
    rows only.

    Args:
        alpha: per sample, independent of the number of rows (scikit-learn's is n times ours).
        fit_intercept: whether b is fitted.

    Attributes:
        coef_: (features,) or (targets, features), in units of y over those of each column.
        intercept_: () or (targets,), in units of y.

    Source: LIN equation 23; CMP section II.A.

    Example:
        >>> random = np.random.default_rng(0)
        >>> X = random.normal(size=(500, 4))
        >>> y = 2 * X[:, 0] - X[:, 1] + 0.1 * random.normal(size=500)
        >>> gg.models.Ridge(alpha=1e-3).fit(X, y).coef_.round(1).tolist()[:2]
        [2.0, -1.0]
    """

    def __init__(self, alpha: float = 1.0, fit_intercept: bool = True):
        self.alpha = alpha
        self.fit_intercept = fit_intercept

    def fit(self, X, y):
        """Fit to rows.

        Args:
            X: (n, features) float64, each column in any units.
            y: (n,) or (n, targets) float64, in any units.

        Raises:
            InvalidInput: ``alpha`` below 0.
            ValueError: what scikit-learn refuses: NaN, infinity, unequal lengths.
        """
        alpha = validate.number("alpha", self.alpha, least=0)
        X, y = self._rows(X, y)
        weights, intercept = ridge_path(X, y, [alpha], self.fit_intercept)
        self._keep(weights[0], intercept[0])
        return self
