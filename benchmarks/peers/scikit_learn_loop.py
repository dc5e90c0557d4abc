"""Ridge regression and elastic nets with scikit-learn (Pedregosa et al., J. Mach. Learn. Res. 12, 2825 (2011)), one fit after another."""

from __future__ import annotations

import time
import warnings

import numpy as np
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, Ridge, enet_path
from threadpoolctl import threadpool_limits

MOST = 1000  # passes over the columns, scikit-learn's default


def ridge(x: np.ndarray, y: np.ndarray, alpha: float, threads: int) -> tuple[np.ndarray, float]:
    """Weights (features,) of rows x (n, features), y (n,) at alpha per sample, and the seconds of ``fit`` alone."""
    model = Ridge(alpha * len(x), solver="cholesky")
    with threadpool_limits(threads, "blas"):
        began = time.perf_counter()
        model.fit(x, y)
        return model.coef_, time.perf_counter() - began


def elastic_net(x: np.ndarray, y: np.ndarray, alpha: float, ratio: float, tolerance: float) -> tuple[np.ndarray, bool, float]:
    """Weights (features,), whether they converged, and the seconds of ``fit`` alone.

    BLAS has one thread: two would wait for one another at every dot product of a column, and take longer.
    """
    model = ElasticNet(alpha=alpha, l1_ratio=ratio, tol=tolerance, max_iter=MOST)
    with warnings.catch_warnings(record=True) as told, threadpool_limits(1, "blas"):
        warnings.simplefilter("always", ConvergenceWarning)
        began = time.perf_counter()
        model.fit(x, y)
        seconds = time.perf_counter() - began
    return model.coef_, not told, seconds


def elastic_net_paths(
    x: np.ndarray, y: np.ndarray, alphas: np.ndarray, ratios: np.ndarray, tolerance: float, cores: int
) -> tuple[np.ndarray, np.ndarray]:
    """Its best form: one Gram matrix, each solution begun at the last, ratios over threads (coordinate descent leaves Python's lock).

    Args:
        x: (n, features), each column of mean 0, in Fortran order.
        y: (n,) of mean 0.
        alphas: (alphas,) falling.
        ratios: (ratios,).
        tolerance: of the duality gap over y'y.
        cores: how many ratios side by side.

    Returns:
        Weights (ratios, alphas, features), and whether they converged, (ratios, alphas).
    """
    gram, product = x.T @ x, x.T @ y

    def path(ratio: float) -> tuple[np.ndarray, np.ndarray]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            _, weights, gaps, _ = enet_path(
                x, y, l1_ratio=ratio, alphas=alphas, precompute=gram, Xy=product, check_input=False, tol=tolerance, max_iter=MOST,
                return_n_iter=True,
            )  # fmt: skip
        return weights.T, gaps * len(x) <= tolerance * (y @ y)

    with threadpool_limits(1, "blas"):
        found = Parallel(n_jobs=cores, prefer="threads")(delayed(path)(ratio) for ratio in ratios)
    return np.stack([weights for weights, _ in found]), np.stack([converged for _, converged in found])
