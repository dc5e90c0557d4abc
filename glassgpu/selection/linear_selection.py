"""A few of many columns, chosen with a linear model in mind; all from the matrix of correlations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glassgpu import validate
from glassgpu.errors import InvalidInput
from glassgpu.models.elastic_net import elastic_net_path
from glassgpu.models.moments import Moments
from glassgpu.selection.conditioning import correlations

COARSE = 30  # penalties of a path
LEAST = (0.1, 1e-2, 1e-3, 1e-5)  # penalty at the end of the path, of the largest
HALVINGS = 40
TOLERANCE = 1e-10


@dataclass(frozen=True)
class LassoSelection:
    """Columns that the lasso keeps.

    Attributes:
        features: column numbers, by falling magnitude of their weights.
        alpha: penalty, of columns and target scaled to variance 1.
        exact: whether the lasso keeps just these at alpha; else two or more columns enter at one penalty,
            and those of the smallest weights were left out.
    """

    features: tuple[int, ...]
    alpha: float
    exact: bool


def lasso_selection(x: np.ndarray, y: np.ndarray, n_features: int) -> LassoSelection:
    """The columns to which the lasso gives weight at the largest penalty at which there are ``n_features`` of them.

    Columns and target are scaled to variance 1. Weights are then to be fitted afresh (``LeastSquares``), since the
    lasso's own are too small. The search is a path and bisections of the penalty; it ends also where no
    penalty gives the number asked for.

    Args:
        x: (n, features) float64, each column in any units.
        y: (n,) float64, in any units.
        n_features: how many.

    Returns:
        LassoSelection.

    Raises:
        InvalidInput: NaN, a column that does not vary, a number out of range, or more columns than ever enter.

    Source: II section III.D (whose alpha is twice this one).
    """
    moments, correlation = _standard(x, y)
    wanted = validate.whole("n_features", n_features, least=1, most=moments.features)

    def weights(alphas: np.ndarray) -> np.ndarray:
        found = elastic_net_path(moments, alphas, tolerance=TOLERANCE, backend="cpu", threads=1)
        return found.weights[0, 0, :, :, 0]

    largest = float(np.abs(correlation).max())
    for least in LEAST:  # no further down than needed, where columns nearly parallel cost time
        alphas = largest * np.geomspace(1, least, COARSE)
        found = weights(alphas)
        count = (found != 0).sum(axis=1)
        if count.max() >= wanted:
            break
    else:
        raise InvalidInput(f"n_features={wanted}: at most {count.max()} columns enter at any penalty; ask for fewer")
    first = int(np.flatnonzero(count >= wanted)[0])
    high, low, at_low = alphas[max(first - 1, 0)], alphas[first], found[first]
    for _ in range(HALVINGS):
        if (at_low != 0).sum() == wanted:
            break
        middle = np.sqrt(high * low)
        between = weights(np.array([high, middle]))[1]
        if (between != 0).sum() < wanted:
            high = middle
        else:
            low, at_low = middle, between
    order = np.argsort(-np.abs(at_low), kind="stable")[:wanted]
    return LassoSelection(tuple(order.tolist()), float(low), bool((at_low != 0).sum() == wanted))


def recursive_elimination(x: np.ndarray, y: np.ndarray, n_features: int, alpha: float = 0.1) -> tuple[int, ...]:
    """Fit by ridge regression, leave out the column of the smallest weight, and again, until ``n_features`` are left.

    Args:
        x: (n, features) float64, each column in any units; columns and target are scaled to variance 1.
        y: (n,) float64, in any units.
        n_features: how many.
        alpha: per sample; without a penalty collinear columns have large weights.

    Returns:
        Column numbers, the one that would be left out last first.

    Raises:
        InvalidInput: NaN, a column that does not vary, a number out of range.

    Source: Guyon, Weston, Barnhill, Vapnik, Mach. Learn. 46, 389 (2002); scikit-learn's RFE.
    """
    moments, correlation = _standard(x, y)
    wanted = validate.whole("n_features", n_features, least=1, most=moments.features)
    validate.number("alpha", alpha, above=0)
    matrix = moments.covariance[: moments.features, : moments.features]
    left, gone = np.arange(moments.features), []
    while len(left) > 1:
        weights = np.linalg.solve(matrix[np.ix_(left, left)] + alpha * np.eye(len(left)), correlation[left])
        weakest = int(np.abs(weights).argmin())
        gone.append(int(left[weakest]))
        left = np.delete(left, weakest)
    return tuple([int(left[0]), *gone[::-1]][:wanted])


def minimum_redundancy(x: np.ndarray, y: np.ndarray, n_features: int, scheme: str = "difference") -> tuple[int, ...]:
    """Minimum redundancy, maximum relevance: columns that go with the target and not with one another.

    One after another the column with the largest |R[X, Y]| less (``"difference"``), or over (``"quotient"``), its mean
    |R| with those chosen before; of equals the first.

    Args:
        x: (n, features) float64, each column in any units.
        y: (n,) float64, in any units.
        n_features: how many.
        scheme: see above.

    Returns:
        Column numbers, in the order of their choice.

    Raises:
        InvalidInput: NaN, a column that does not vary, a number out of range.

    Source: Peng, Long, Ding, IEEE Trans. PAMI 27, 1226 (2005), with Pearson coefficients in place of mutual
    information, as Ding and Peng (2005) do for continuous variables; proposed in LIN section VI.A.
    """
    moments, correlation = _standard(x, y)
    validate.choice("scheme", scheme, ("difference", "quotient"))
    wanted = validate.whole("n_features", n_features, least=1, most=moments.features)
    relevance, among = np.abs(correlation), np.abs(moments.covariance[: moments.features, : moments.features])
    chosen = [int(relevance.argmax())]
    while len(chosen) < wanted:
        redundancy = among[:, chosen].mean(axis=1)
        score = relevance - redundancy if scheme == "difference" else relevance / np.maximum(redundancy, np.finfo(float).tiny)
        score[chosen] = -np.inf
        chosen.append(int(score.argmax()))
    return tuple(chosen)


def random_selection(columns: int, n_features: int, draws: int = 1000, seed: int = 0) -> np.ndarray:
    """Columns drawn without looking, none twice in a draw: what a choice must beat.

    Args:
        columns: to choose from.
        n_features: how many.
        draws: how often.
        seed: equal seeds give equal draws.

    Returns:
        (draws, features) int64, numbers of columns.

    Raises:
        InvalidInput: a number out of range.

    Source: II section III.D.
    """
    of = validate.whole("columns", columns, least=1)
    wanted = validate.whole("n_features", n_features, least=1, most=of)
    random = np.random.default_rng(validate.whole("seed", seed, least=0))
    return random.permuted(np.tile(np.arange(of), (validate.whole("draws", draws, least=1), 1)), axis=1)[:, :wanted]


def _standard(x: np.ndarray, y: np.ndarray) -> tuple[Moments, np.ndarray]:
    """Moments of columns and target scaled to variance 1, and the Pearson coefficients of each column with the target."""
    if np.ndim(y) != 1:
        raise InvalidInput(f"y has shape {np.shape(y)}; expected (rows,)")
    matrix = correlations(x, y)
    n, f = np.shape(x)
    ends = np.ones(f + 1)
    return Moments(n, np.zeros(f + 1), n * matrix, f, -ends, ends), matrix[:f, f]
