"""Support vectors by scikit-learn: liblinear (Fan et al., J. Mach. Learn. Res. 9, 1871 (2008)) and libsvm (Chang and Lin (2011))."""

from __future__ import annotations

import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVR, LinearSVC
from threadpoolctl import threadpool_limits


def linear_svc(
    x: np.ndarray, positive: np.ndarray, C: float, loss: str, tolerance: float, passes: int
) -> tuple[np.ndarray, float, bool, float]:
    """Weights (features,), intercept, whether it converged, and the seconds of ``fit`` alone.

    ``dual="auto"`` is its faster form: the primal for the squared hinge of more rows than columns. BLAS has one thread, as is
    fastest: it is asked for products of vectors.
    """
    model = LinearSVC(C=C, loss=loss, tol=tolerance, max_iter=passes, dual="auto", random_state=0)
    with warnings.catch_warnings(record=True) as told, threadpool_limits(1, "blas"):
        warnings.simplefilter("always", ConvergenceWarning)
        began = time.perf_counter()
        model.fit(x, positive)
        seconds = time.perf_counter() - began
    return model.coef_[0], float(model.intercept_[0]), not told, seconds


def kernel_svr(
    x: np.ndarray, y: np.ndarray, C: float, epsilon: float, gamma: float, tolerance: float = 1e-3
) -> tuple[np.ndarray, float, float]:
    """Multipliers of all rows (n,), intercept, and the seconds of ``fit`` alone."""
    model = SVR(C=C, epsilon=epsilon, gamma=gamma, tol=tolerance, cache_size=1000)
    began = time.perf_counter()
    model.fit(x, y)
    seconds = time.perf_counter() - began
    beta = np.zeros(len(x))
    beta[model.support_] = model.dual_coef_[0]
    return beta, float(model.intercept_[0]), seconds
