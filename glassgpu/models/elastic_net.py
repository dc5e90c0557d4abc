"""Lasso and elastic net: whole grids of penalties from sums of products, one problem per thread or block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning

from glassgpu import validate
from glassgpu.errors import InvalidInput, warn_user
from glassgpu.launch import element_dtype, fill, target
from glassgpu.models.linear_model import LinearModel
from glassgpu.models.moments import GRAM_LIMIT, Moments, penalties_of

VECTOR = 8  # the longest vector of doubles in kernels/lanes.cuh
MOST_ROUNDS = 10_000
TOLERANCE = 1e-8
STEP = 3.2  # from one alpha to the next, at most


@dataclass(frozen=True, eq=False)
class ElasticNetPath:
    """Solutions of a grid of penalties for several sets of rows.

    Attributes:
        weights: (sets, l1_ratios, alphas, features, targets) float64, in units of the target over those of each column.
        intercept: (sets, l1_ratios, alphas, targets) float64, in units of the target.
        gap: (sets, l1_ratios, alphas, targets) float64, duality gap over half the target's variance [1]: how far at most
            the objective is from its minimum.
        rounds: the same shape, int32.
    """

    weights: np.ndarray
    intercept: np.ndarray
    gap: np.ndarray
    rounds: np.ndarray


def elastic_net_path(
    moments: Moments | Sequence[Moments],
    alphas: ArrayLike,
    l1_ratios: ArrayLike = 1.0,
    *,
    standardize: bool = False,
    fit_intercept: bool = True,
    tolerance: float = TOLERANCE,
    most_rounds: int = MOST_ROUNDS,
    backend: str = "auto",
    threads: int | None = None,
) -> ElasticNetPath:
    """Minimise |y - X w - b|^2 / 2n + alpha (r |w|_1 + (1 - r) |w|^2 / 2) for every alpha, every r and every set of rows.

    Along alpha each solution is begun at the last, from the largest alpha on. All else runs side by side.

    Args:
        moments: of the rows; several sets of rows (folds, resamplings) of the same columns.
        alphas: (alphas,) each at least 1e-8 of the largest eigenvalue of the covariance, in any order [1]: the objective takes
            columns and targets for pure numbers.
        l1_ratios: r, (l1_ratios,) each from 0 (ridge) to 1 (lasso) [1].
        standardize: penalise the weights of columns scaled to variance 1; the weights returned belong to
            the raw columns. A column with equal smallest and largest value gets weight 0.
        fit_intercept: else b = 0.
        tolerance: of the duality gap, in units of half the target's variance.
        most_rounds: for each solution.
        backend: ``"auto"``, ``"cuda"`` or ``"cpu"``.
        threads: CPU threads; they do not reach the result.

    Returns:
        ElasticNetPath.

    Raises:
        InvalidInput, DeviceMissing, CompilerMissing

    Warns:
        sklearn.exceptions.ConvergenceWarning: solutions whose gap stayed above the tolerance.

    Source: LIN equation 32 with alpha = a + b and beta = r = a / (a + b); Zou and Hastie (2005). Gap: Friedman,
    Hastie, Tibshirani, J. Stat. Softw. 33, 1 (2010), as in scikit-learn, whose objective this is.
    """
    sets = [moments] if isinstance(moments, Moments) else list(moments)
    penalties, ratios = penalties_of(alphas), validate.array("l1_ratios", np.atleast_1d(l1_ratios), np.float64, (None,))
    if not sets or penalties.min() <= 0:
        raise InvalidInput(
            f"alphas={penalties.tolist()}: each above 0 (LeastSquares is the model without a penalty), of at least one set of rows"
        )
    if not len(ratios) or ratios.min() < 0 or ratios.max() > 1:
        raise InvalidInput(f"l1_ratios={ratios.tolist()}: give at least one, each from 0 (ridge) to 1 (lasso)")
    validate.number("tolerance", tolerance, least=0)
    validate.whole("most_rounds", most_rounds, least=1)
    prepared = [m.products(standardize, fit_intercept) for m in sets]
    f, t = prepared[0].gram.shape[0], prepared[0].product.shape[1]
    if any(p.product.shape != (f, t) for p in prepared):
        raise InvalidInput("the sets of rows have different columns")
    largest = max(float(np.trace(p.gram)) for p in prepared)  # at least the largest eigenvalue, which is seldom needed
    if penalties.min() < GRAM_LIMIT * largest:
        largest = max(float(np.linalg.eigvalsh(p.gram)[-1]) for p in prepared)
    if penalties.min() < GRAM_LIMIT * largest:
        raise InvalidInput(
            f"alpha={penalties.min():g} is below {GRAM_LIMIT:g} of the largest eigenvalue {largest:g}; LeastSquares has no penalty"
        )
    way = _way_down(penalties, max(float(np.abs(p.product).max()) for p in prepared))
    weights, gap, rounds = _solve(
        np.stack([p.gram for p in prepared]), np.stack([p.product for p in prepared]), np.stack([p.square for p in prepared]),
        way, ratios, tolerance, most_rounds, backend, threads,
    )  # fmt: skip
    asked = np.searchsorted(-way, -penalties)
    weights, gap, rounds = weights[:, :, asked], gap[:, :, asked], rounds[:, :, asked]
    if (gap > tolerance).any():
        warn_user(
            f"{int((gap > tolerance).sum())} of {gap.size} solutions are up to {gap.max():.1e} of half the target's variance above the minimum "
            f"(tolerance={tolerance:g}); columns are nearly parallel: raise the smallest alpha or tolerance=, or lower l1_ratio",
            ConvergenceWarning,
        )
    weights = weights / np.stack([p.scale for p in prepared])[:, None, None, :, None]
    intercept = np.stack([p.mean_y for p in prepared])[:, None, None] - np.einsum(
        "sf,sbaft->sbat", np.stack([p.mean_x for p in prepared]), weights
    )
    return ElasticNetPath(weights, intercept, gap, rounds)


def _way_down(alphas: np.ndarray, largest: float) -> np.ndarray:
    """The alphas in falling order, and others between where they are more than ``STEP`` apart: a solution that is begun
    at a near one keeps its digits."""
    falling = np.unique(alphas)[::-1]
    way: list[float] = []
    above = max(largest, falling[0])
    for alpha in falling:
        between = int(np.ceil(np.log(above / alpha) / np.log(STEP) - 1e-9)) - 1
        way += [alpha * (above / alpha) ** (1 - k / (between + 1)) for k in range(1, between + 1)] + [alpha]
        above = alpha
    return np.array(way)


def _solve(
    gram: np.ndarray, product: np.ndarray, square: np.ndarray, alphas: np.ndarray, ratios: np.ndarray, tolerance: float, most_rounds: int,
    backend: str, threads: int | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Weights (sets, ratios, alphas, f, targets), gaps and rounds without f, of gram (sets, f, f), product (sets, f, targets)
    and square (sets, targets); paths run over sets, ratios and targets."""
    place = target(backend, threads)
    xp = place.xp
    sets, f, targets = product.shape
    shape = (sets, len(ratios), targets)
    paths, row = int(np.prod(shape)), -(-f // VECTOR) * VECTOR
    constants = place.compile_constants(1, {"DIMENSION": 1, "DOUBLE": 1, "LONG_VECTORS": 1})
    slots = place.slots(paths, "run_elastic_net", constants, 1)
    padded = np.zeros((sets, f, row))
    padded[:, :, :f] = gram
    products = np.zeros((*shape, row))
    products[..., :f] = np.moveaxis(product, 1, 2)[:, None]
    of = np.broadcast_to(np.arange(sets, dtype=np.int32)[:, None, None], shape)
    l1 = np.broadcast_to((ratios[:, None] * alphas)[None, :, None], (*shape, len(alphas)))
    l2 = np.broadcast_to(((1 - ratios[:, None]) * alphas)[None, :, None], (*shape, len(alphas)))

    def scratch(field: str, *sizes: int):
        return xp.empty((slots, *sizes), element_dtype("ElasticNetArguments", field, constants))

    weight, gap, rounds = (xp.empty((*shape, len(alphas), *more), kind) for more, kind in (((f,), "f8"), ((), "f8"), ((), "i4")))
    given = {
        name: xp.asarray(np.ascontiguousarray(a))
        for name, a in (
            ("gram", padded), ("matrix", of), ("product", products), ("square", np.broadcast_to(square[:, None], shape)), ("l1", l1), ("l2", l2),
        )
    }  # fmt: skip
    work = {name: scratch(name, row) for name in ("w", "sign", "slope", "move")}
    work |= {"inverse": scratch("inverse", f, row), "member": scratch("member", f)}
    arguments = fill(
        "ElasticNetArguments", constants,
        {"replicas": paths, "columns": f, "row": row, "steps": len(alphas), "most_rounds": most_rounds, "tolerance": tolerance, **given,
         "weight": weight, "gap": gap, "rounds": rounds, **work},
    )  # fmt: skip
    place.run("run_elastic_net", "ElasticNetArguments", constants, arguments, slots, 1)
    weight, gap, rounds = (place.to_numpy(a) for a in (weight, gap, rounds))
    return np.moveaxis(weight, 2, 4), np.moveaxis(gap, 2, 3), np.moveaxis(rounds, 2, 3)


class ElasticNet(LinearModel):
    """Linear regression that also selects: minimises |y - X w - b|^2 / 2n + alpha (r |w|_1 + (1 - r) |w|^2 / 2).

    It does not standardise: put a ``StandardScaler`` before it in a pipeline, fitted on training rows only.

    Args:
        alpha: strength, above 0 (LIN's alpha).
        l1_ratio: r, from 0 (ridge of alpha) to 1 (lasso) (LIN's beta).
        fit_intercept: whether b is fitted.
        tol: of the duality gap, in units of half the target's variance.
        max_iter: rounds for each alpha on the way, in which one weight at a time enters or leaves.

    Attributes:
        coef_: (features,) or (targets, features), in units of y over those of each column.
        intercept_: () or (targets,), in units of y.
        dual_gap_: () or (targets,), in units of half the target's variance.
        n_iter_: number of rounds of the slowest target, in which one weight at a time enters or leaves.

    Source: LIN equation 32; scikit-learn's objective.
    """

    def __init__(
        self, alpha: float = 1.0, l1_ratio: float = 0.5, fit_intercept: bool = True, tol: float = TOLERANCE, max_iter: int = MOST_ROUNDS
    ):
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter

    def fit(self, X, y):
        """Fit to rows.

        Args:
            X, y: as for ``Ridge.fit``.

        Raises:
            InvalidInput: a parameter out of range, an alpha too small for the Gram matrix.
            ValueError: as ``Ridge.fit``.

        Warns:
            sklearn.exceptions.ConvergenceWarning: the duality gap stayed above ``tol``.
        """
        alpha = validate.number("alpha", self.alpha, above=0)
        X, y = self._rows(X, y)
        found = elastic_net_path(
            Moments.of(X, y), alpha, self._ratio(), fit_intercept=self.fit_intercept, tolerance=self.tol, most_rounds=self.max_iter
        )  # fmt: skip
        self._keep(found.weights[0, 0, 0], found.intercept[0, 0, 0])
        self.dual_gap_ = self._shaped(found.gap[0, 0, 0])
        self.n_iter_ = int(found.rounds.max())
        return self

    def _ratio(self) -> float:
        return self.l1_ratio


class Lasso(ElasticNet):
    """Linear regression that selects: minimises |y - X w - b|^2 / 2n + alpha |w|_1.

    It does not standardise: put a ``StandardScaler`` before it in a pipeline, fitted on training rows only.

    Args:
        alpha: strength, above 0.
        fit_intercept: whether b is fitted.
        tol: of the duality gap, in units of half the target's variance.
        max_iter: rounds for each alpha on the way, in which one weight at a time enters or leaves.

    Attributes:
        coef_, intercept_, dual_gap_, n_iter_: as of ``ElasticNet``.

    Source: Tibshirani (1996); scikit-learn's objective. The loss of II section III.D is this with half its alpha.
    """

    def __init__(self, alpha: float = 1.0, fit_intercept: bool = True, tol: float = TOLERANCE, max_iter: int = MOST_ROUNDS):
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter

    def _ratio(self) -> float:
        return 1.0
