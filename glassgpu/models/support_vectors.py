"""Linear support vector machines: the classifier of softness and fluidity, and linear regression with a tube."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from glassgpu import validate
from glassgpu.errors import InvalidInput
from glassgpu.models import settled_rows, squared_losses
from glassgpu.models.linear_model import LinearModel
from glassgpu.models.margins import Margins, with_intercept

TOLERANCE = 1e-9
MOST_ROUNDS = 200


def _fit(
    x: np.ndarray, problems: list[Margins], cost: float, squared: bool, penalize: bool, tolerance: float, most_rounds: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Weights (problems, features), intercepts and relative duality gaps (problems,), and the most rounds, of rows x (n, features).

    The gap of squared losses is 0: their minimum is exact.
    """
    rows, counted, shift = with_intercept(x, penalize)
    found, gaps, rounds = [], [], []
    for margins in problems:
        if squared:
            u, taken = squared_losses.solve(rows, counted, margins, cost, most_rounds)
            gap = 0.0
        else:
            solution = settled_rows.solve(rows, counted, margins, cost, tolerance, most_rounds)
            u, gap, taken = solution.u, solution.gap, solution.rounds
        found.append(u)
        gaps.append(gap)
        rounds.append(taken)
    weights = np.stack(found)
    return weights[:, :-1], weights[:, -1] - weights[:, :-1] @ shift, np.array(gaps), max(rounds)


class LinearSVC(ClassifierMixin, BaseEstimator):
    """The plane that parts two classes: minimises |w|^2 / 2 + C sum max(0, 1 - y (w x + b))^p, with y = 1 or -1.

    Softness is w x + b of the hinge loss with C = 0.01. Several classes: one plane for each against all others.
    It does not standardise: put a ``StandardScaler`` before it in a pipeline, fitted on training rows only.

    Args:
        C: weight of the losses, above 0; a sum over rows, as in scikit-learn.
        loss: ``"hinge"`` (p = 1) or ``"squared_hinge"`` (p = 2).
        penalize_intercept: False: the objective of libsvm's ``SVC(kernel="linear")``, which papers on softness
            use; True: b^2 / 2 is added, as liblinear does.
        tol: of the duality gap over the objective, for the hinge loss; the other's minimum is exact.
        max_iter: steps of Newton's method.

    Attributes:
        classes_: (classes,) sorted, in the units of y, if it has any.
        coef_: (1, features) for two classes, the second of which is the positive one, else (classes, features), in units of one over
            those of the columns.
        intercept_: (1,) or (classes,) [1].
        duality_gap_: (1,) or (classes,) how far at most the objective is above its minimum, over the objective [1].
        n_iter_: number of steps, of the slowest class.

    Raises:
        InvalidInput: a parameter out of range, fewer than two classes.
        NotConverged: the minimum was not found; nothing else is returned in its place.

    Source: TH sections 1.4 and 2.2.3; Schoenholz, Cubuk, Sussman, Kaxiras and Liu, Nat. Phys. 12, 469 (2016).
    """

    def __init__(
        self,
        C: float = 1.0,
        loss: str = "squared_hinge",
        penalize_intercept: bool = False,
        tol: float = TOLERANCE,
        max_iter: int = MOST_ROUNDS,
    ):
        self.C = C
        self.loss = loss
        self.penalize_intercept = penalize_intercept
        self.tol = tol
        self.max_iter = max_iter

    def fit(self, X, y):
        """Fit to rows.

        Args:
            X: (n, features) float64, each column in any units.
            y: (n,) labels of any kind that can be sorted: whole numbers, bool, names.

        Raises:
            InvalidInput: a parameter out of range, fewer than two classes.
            NotConverged
            ValueError: as ``Ridge.fit``.
        """
        cost, tolerance, most = _checked(self)
        squared = validate.choice("loss", self.loss, ("hinge", "squared_hinge")) == "squared_hinge"
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, which = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InvalidInput(f"y holds one class only, {self.classes_[0]!r}; give rows of at least two classes")
        positive = [1] if len(self.classes_) == 2 else range(len(self.classes_))
        problems = [Margins.of_classes(which == k) for k in positive]
        self.coef_, self.intercept_, self.duality_gap_, self.n_iter_ = _fit(
            X, problems, cost, squared, bool(self.penalize_intercept), tolerance, most
        )
        return self

    def decision_function(self, X):
        """w x + b.

        Args:
            X: (n, features) float64, in the units of the fitted columns.

        Returns:
            (n,) for two classes, else (n, classes), float64 [1].
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        found = X @ self.coef_.T + self.intercept_
        return found[:, 0] if len(self.classes_) == 2 else found

    def predict(self, X):
        """The class of each row.

        Args:
            X: as for ``decision_function``.

        Returns:
            (n,) of ``classes_``, in the units of y, if it has any.
        """
        found = self.decision_function(X)
        return self.classes_[(found > 0).astype(int) if found.ndim == 1 else found.argmax(axis=1)]


class LinearSVR(LinearModel):
    """Linear regression that forgives errors up to epsilon: minimises |w|^2 / 2 + C sum max(0, |y - w x - b| - epsilon)^p.

    It does not standardise: put a ``StandardScaler`` before it in a pipeline, fitted on training rows only.

    Args:
        C: weight of the losses, above 0; a sum over rows, as in scikit-learn.
        epsilon: half the width of the tube, in units of y, at least 0.
        loss: ``"epsilon_insensitive"`` (p = 1) or ``"squared_epsilon_insensitive"`` (p = 2).
        penalize_intercept: False: the objective of libsvm's ``SVR(kernel="linear")``; True: b^2 / 2 is added,
            as liblinear does.
        tol: of the duality gap over the objective, for the first loss; the other's minimum is exact.
        max_iter: steps of Newton's method.

    Attributes:
        coef_: (features,) or (targets, features), in units of y over those of each column.
        intercept_: () or (targets,), in units of y.
        duality_gap_: () or (targets,), how far at most the objective is above its minimum, over the objective [1].
        n_iter_: number of steps, of the slowest target.

    Raises:
        InvalidInput, NotConverged: as of ``LinearSVC``.

    Source: TH section 3.2; Smola and Schoelkopf, Stat. Comput. 14, 199 (2004).
    """

    def __init__(
        self, C: float = 1.0, epsilon: float = 0.0, loss: str = "epsilon_insensitive", penalize_intercept: bool = False,
        tol: float = TOLERANCE, max_iter: int = MOST_ROUNDS,
    ):  # fmt: skip
        self.C = C
        self.epsilon = epsilon
        self.loss = loss
        self.penalize_intercept = penalize_intercept
        self.tol = tol
        self.max_iter = max_iter

    def fit(self, X, y):
        """Fit to rows.

        Args:
            X, y: as for ``Ridge.fit``.

        Raises:
            InvalidInput: a parameter out of range.
            NotConverged
            ValueError: as ``Ridge.fit``.
        """
        cost, tolerance, most = _checked(self)
        epsilon = validate.number("epsilon", self.epsilon, least=0)
        losses = ("epsilon_insensitive", "squared_epsilon_insensitive")
        squared, penalize = validate.choice("loss", self.loss, losses) == losses[1], bool(self.penalize_intercept)
        X, y = self._rows(X, y)
        shift = np.zeros(y.shape[1]) if penalize else y.mean(axis=0)  # where b is free, y may start anywhere
        problems = [Margins.of_targets(target, epsilon) for target in (y - shift).T]
        weights, intercepts, gaps, self.n_iter_ = _fit(X, problems, cost, squared, penalize, tolerance, most)
        self._keep(weights.T, intercepts + shift)
        self.duality_gap_ = self._shaped(gaps)
        return self


def _checked(model: LinearSVC | LinearSVR) -> tuple[float, float, int]:
    """C, tolerance and the most rounds, or ``InvalidInput``."""
    return (
        validate.number("C", model.C, above=0),
        validate.number("tol", model.tol, least=1e-12),
        validate.whole("max_iter", model.max_iter, least=1),
    )
