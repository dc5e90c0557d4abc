"""Support vectors with losses that have a kink, by an interior-point method on the dual problem.

Minimise R(u) / 2 + C sum max(0, threshold - sign f(u)). Each term has a multiplier z between 0 and C; the dual
is to maximise sum threshold z - R / 2 of the weights that the multipliers make, and the difference of both values
bounds how far either is from the minimum. Newton's method follows the products z s = mu and (C - z) slack = mu
to 0, with s - slack = sign f - threshold; each of its steps is one positive linear system, as large as a row for
linear models and as large as the number of rows for kernels.

Source: Mehrotra, SIAM J. Optim. 2, 575 (1992); Ferris and Munson, SIAM J. Optim. 13, 783 (2002) for the small
system of linear models.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from glassgpu.device import in_double, jax_on_gpu
from glassgpu.errors import NotConverged
from glassgpu.models.dense_algebra import Blas, Jax, single_threaded
from glassgpu.models.margins import Margins

NEARLY = 0.995  # of the way to the next bound
LEAST_START = 1e-3  # of C / 2, for multipliers of a class that is much larger than the other
ROUNDING = 1e-14  # of the objective at weights 0: nothing below can be told from 0


class Linear:
    """f = rows u; R is the squared length of the weights that count. Rows settled beyond their margin are not among the
    rows: their loss is constant - settled u."""

    def __init__(self, algebra: Any, rows: Any, counted: Any, settled: Any, constant: Any):
        self.algebra, self.rows, self.counted, self.settled, self.constant = algebra, rows, counted, settled, constant

    def nothing(self) -> Any:
        """u of a model that predicts 0."""
        return self.algebra.xp.zeros_like(self.counted)

    def values(self, u: Any) -> Any:
        """f, (n,)."""
        return self.algebra.product(self.rows, u)

    def pull(self, pulls: Any) -> Any:
        """The gradient of sum pulls f, (n,) -> as u."""
        return self.algebra.product(self.rows.T, pulls)

    def pull_of_all(self, pulls: Any) -> Any:
        """The same with the settled rows; at the minimum it is ``kept(u)``."""
        return self.pull(pulls) + self.settled

    def settled_loss(self, u: Any) -> Any:
        """Of the settled rows."""
        return self.constant - self.settled @ u

    def kept(self, u: Any) -> Any:
        """u less what does not count in R."""
        return self.counted * u

    def square(self, u: Any) -> Any:
        """R."""
        return (self.counted * u * u).sum()

    def solver(self, stiffness: Any) -> Any:
        """Solves (R'' / 2 + rows' stiffness rows) du = t, scaled to a diagonal of ones."""
        xp = self.algebra.xp
        matrix = self.algebra.gram(self.rows, stiffness) + xp.diag(self.counted)
        scale = 1 / xp.sqrt(xp.diagonal(matrix))
        solve = self.algebra.solver(matrix * scale[:, None] * scale)
        return lambda t: scale * solve(scale * t)


class Kernel:
    """f = K beta + b of u = (beta, b); R = beta' K beta. Gradients are given without their factor K."""

    def __init__(self, algebra: Any, kernel: Any):
        self.algebra, self.kernel = algebra, kernel

    def nothing(self) -> Any:
        return self.algebra.xp.zeros(self.kernel.shape[0] + 1)

    def values(self, u: Any) -> Any:
        return self.algebra.product(self.kernel, u[:-1]) + u[-1]

    def pull(self, pulls: Any) -> Any:
        return self.algebra.xp.concatenate([pulls, pulls.sum()[None]])

    pull_of_all = pull

    def settled_loss(self, u: Any) -> Any:
        return 0.0

    def kept(self, u: Any) -> Any:
        return self.algebra.xp.concatenate([u[:-1], self.algebra.xp.zeros(1)])

    def square(self, u: Any) -> Any:
        return u[:-1] @ self.algebra.product(self.kernel, u[:-1])

    def solver(self, stiffness: Any) -> Any:
        """By the factor of 1 + S K S, S^2 the stiffness, none of whose eigenvalues is below 1."""
        xp = self.algebra.xp
        s = xp.sqrt(stiffness)
        solve = self.algebra.solver(self.kernel * s[:, None] * s + xp.eye(len(s)))
        of_b = s * solve(s)

        def both(t: Any) -> Any:
            alone = s * solve(t[:-1] / s)
            b = (alone.sum() - (t[:-1].sum() - t[-1])) / of_b.sum()
            return xp.concatenate([alone - b * of_b, b[None]])

        return both


class _State(NamedTuple):
    u: Any
    z: Any  # multipliers, and how far they are below C
    room: Any
    s: Any  # how far each term is inside its margin, and how far beyond, both above 0
    slack: Any
    beyond: Any  # threshold - sign f of u, and the gradient that z pulls with
    pulled: Any
    objective: Any
    gap: Any  # relative
    rounds: Any


@dataclass(frozen=True, eq=False)
class Solution:
    """What was found.

    Attributes:
        u: weights and intercept, (features + 1,), or beta and intercept, (n + 1,).
        objective: R / 2 + C times the sum of the losses.
        gap: how far at most the objective is above its minimum, over the objective.
        rounds: steps of Newton's method.
    """

    u: np.ndarray
    objective: float
    gap: float
    rounds: int


def _solve(algebra: Any, system: Any, signs: Any, thresholds: Any, cost: Any, tolerance: Any, most_rounds: Any) -> _State:
    """The loop; pure, so that JAX can trace it."""
    xp = algebra.xp

    def measured(u: Any, z: Any, room: Any, s: Any, slack: Any, beyond: Any, rounds: Any) -> _State:
        objective = system.square(u) / 2 + cost * xp.maximum(beyond, 0).sum() + system.settled_loss(u)
        pulled = system.pull_of_all((signs * z).sum(axis=0))
        dual = (thresholds * z).sum() + system.settled_loss(system.nothing()) - system.square(system.kept(pulled)) / 2
        # What is left of the intercept's condition, at the intercept's price.
        left = xp.abs((system.kept(u) - u)[-1] * (pulled - system.kept(pulled))[-1])
        gap = xp.where(objective == 0, 0.0, (objective - dual + left) / xp.maximum(objective, least))
        return _State(u, z, room, s, slack, beyond, pulled, objective, gap, rounds)

    def step(state: _State) -> _State:
        u, z, room, s, slack = state[:5]
        stiffness = 1 / (slack / room + s / z)
        solve = system.solver(stiffness.sum(axis=0))
        wrong = system.kept(u) - state.pulled
        apart = slack - s - state.beyond

        def direction(of_s: Any, of_slack: Any) -> Any:
            """Changes of all six, from those that the products z s and room slack shall have."""
            q = of_s / z - of_slack / room - apart
            du = solve(system.pull((signs * stiffness * q).sum(axis=0)) - wrong)
            df = signs * system.values(du)
            dz = stiffness * (q - df)
            return du, dz, -dz, (of_s - s * dz) / z, (of_slack + slack * dz) / room, -df

        def longest(change: Any) -> Any:
            """The longest step, at most 1, that leaves everything above 0."""
            ends = [xp.where(d < 0, -a / xp.where(d < 0, d, 1), xp.inf).min() for a, d in zip(state[1:5], change[1:5], strict=True)]
            return xp.minimum(1.0, NEARLY * functools.reduce(xp.minimum, ends))

        mu = ((z * s).sum() + (room * slack).sum()) / (2 * z.size)
        guess = direction(-z * s, -room * slack)
        t = longest(guess)
        reached = (((z + t * guess[1]) * (s + t * guess[3])).sum() + ((room + t * guess[2]) * (slack + t * guess[4])).sum()) / (2 * z.size)
        aim = mu * (reached / mu) ** 3
        change = direction(aim - z * s - guess[1] * guess[3], aim - room * slack - guess[2] * guess[4])
        t = longest(change)
        u, z, room, s, slack, beyond = (a + t * d for a, d in zip(state[:6], change, strict=True))
        return measured(u, z, room, s, slack, beyond, state.rounds + 1)

    def unfinished(state: _State) -> Any:
        return (state.gap > tolerance) & (state.rounds < most_rounds)

    u = system.nothing()
    least = xp.maximum(ROUNDING * (cost * xp.maximum(thresholds, 0).sum() + system.settled_loss(u)), np.finfo(float).tiny)
    width = xp.maximum(xp.abs(thresholds).mean(), np.finfo(float).tiny)
    # Multipliers that pull about as much one way as the other.
    more = (signs > 0).sum() / (signs < 0).sum()
    z = cost / 2 * xp.clip(xp.where(signs > 0, 1 / more, more), LEAST_START, 1.0)
    state = measured(u, z, cost - z, xp.maximum(-thresholds, 0) + width, xp.maximum(thresholds, 0) + width, thresholds, 0)
    return algebra.repeat(unfinished, step, state)


@functools.cache
def _on_gpu(system: type):
    import jax

    algebra = Jax()
    return jax.jit(lambda *all: _solve(algebra, system(algebra, *all[:-5]), *all[-5:]))


def solve(system: type, given: tuple[Any, ...], margins: Margins, cost: float, tolerance: float, most_rounds: int) -> Solution:
    """Minimise R / 2 + cost times the sum of max(0, threshold - sign f).

    Args:
        system: ``Linear`` or ``Kernel``.
        given: its arrays: rows (n, features + 1), which weights count (features + 1,), settled (features + 1,) and
            constant (); or the kernel (n, n).
        margins: terms of the loss.
        cost: C, above 0.
        tolerance: of the duality gap over the objective.
        most_rounds: steps of Newton's method.

    Returns:
        Solution.

    Raises:
        NotConverged: the gap stayed above the tolerance.
    """
    rest = (margins.signs, margins.thresholds, np.float64(cost), np.float64(tolerance), np.int64(most_rounds))
    if jax_on_gpu():
        state = in_double(_on_gpu(system), *given, *rest)
    else:
        with single_threaded(), np.errstate(all="ignore"):  # what comes of it is told by the gap
            algebra = Blas()
            state = _solve(algebra, system(algebra, *given), *rest)
    if not state.gap <= tolerance:
        raise NotConverged(
            f"the duality gap is {float(state.gap):.1e} of the objective after {int(state.rounds)} of at most {most_rounds} rounds "
            f"(tol={tolerance:g}): standardise the columns, lower C, or raise tol or max_iter"
        )
    return Solution(state.u, float(state.objective), max(0.0, float(state.gap)), int(state.rounds))
