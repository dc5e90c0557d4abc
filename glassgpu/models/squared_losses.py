"""Support vectors with squared losses, by Newton's method.

Minimise R(u) / 2 + C sum max(0, threshold - sign f(u))^2 over linear models; a ``width`` makes the loss linear, with the
same slope, where threshold - sign f is above it (a hinge whose kink is rounded). Between kinks of the slope this is a parabola, whose minimum one step of Newton's method finds; an exact line search decides how far to go when rows
enter or leave the loss on the way. When none does, the minimum is that of its parabola: it ends exactly.

Source: Mangasarian, Optim. Methods Softw. 17, 913 (2002); Keerthi and DeCoste, J. Mach. Learn. Res. 6, 341 (2005).
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from glassgpu.device import in_double, jax_on_gpu
from glassgpu.errors import NotConverged
from glassgpu.models.dense_algebra import Blas, Jax, single_threaded
from glassgpu.models.margins import Margins

ROUNDING = 1e-15  # of the objective: what a step can still win and rounding hides


class _State(NamedTuple):
    u: Any
    values: Any  # f of every row
    inside: Any  # 1 for terms where the loss is curved, else 0
    curvature: Any  # sums of products of the rows of these terms
    finished: Any
    rounds: Any


def _step_length(slope: Any, curvature: Any, beyond: Any, speed: Any, gains: Any, xp: Any) -> Any:
    """Where a convex function of t > 0 with the second derivative curvature + gains of the terms above 0 is least.

    Args:
        slope: at 0, below 0.
        curvature: of all that does not change on the way.
        beyond: (terms,) at t = 0.
        speed: (terms,) by which it falls.
        gains: (terms,) second derivative of each while it is above 0.
        xp: NumPy or its like.
    """
    counted = (beyond > 0) | ((beyond == 0) & (speed < 0))
    moving = speed != 0
    at = xp.where(moving, beyond / xp.where(moving, speed, 1), 0)
    kink = moving & (at > 0)
    order = xp.argsort(xp.where(kink, at, 0))
    at = xp.concatenate([xp.zeros(1), xp.where(kink, at, 0)[order]])
    change = xp.where(kink, xp.where(speed > 0, -gains, gains), 0)[order]
    curved = curvature + xp.where(counted, gains, 0).sum() + xp.concatenate([xp.zeros(1), xp.cumsum(change)])
    slopes = slope + xp.concatenate([xp.zeros(1), xp.cumsum(curved[:-1] * xp.diff(at))])
    k = xp.maximum((slopes < 0).sum() - 1, 0)
    bent = curved[k] > 0  # not where the gradient is exactly 0 and nothing moves
    return at[k] - xp.where(bent, slopes[k] / xp.where(bent, curved[k], 1), 0)


def _solve(algebra: Any, rows: Any, counted: Any, signs: Any, thresholds: Any, cost: Any, most_rounds: Any, width: Any = None) -> _State:
    """The loop; pure, so that JAX can trace it."""
    xp = algebra.xp

    def inside_of(values: Any) -> Any:
        beyond = thresholds - signs * values
        return 1.0 * ((beyond > 0) if width is None else (beyond > 0) & (beyond < width))

    def step(state: _State) -> _State:
        u, values = state.u, state.values
        beyond = thresholds - signs * values
        pull = xp.maximum(beyond, 0) if width is None else xp.clip(beyond, 0, width)
        gradient = counted * u - 2 * cost * algebra.product(rows.T, (signs * pull).sum(axis=0))
        matrix = xp.diag(counted) + 2 * cost * state.curvature
        alone = xp.diagonal(matrix)
        scale = 1 / xp.sqrt(xp.where(alone > 0, alone, 1))
        # An intercept that no row inside holds moves by its slope alone.
        solve = algebra.solver(matrix * scale[:, None] * scale + xp.diag(1.0 * (alone == 0)))
        du = -scale * solve(scale * gradient)
        moved = algebra.product(rows, du)
        slope = (gradient * du).sum()
        # Over C, so that what is added up is of the size of the rows.
        speed = (signs * moved).ravel()
        terms, gains = beyond.ravel(), 2 * speed**2
        if width is not None:  # what is above the width no longer curves
            terms, speed, gains = xp.concatenate([terms, terms - width]), xp.concatenate([speed, speed]), xp.concatenate([gains, -gains])
        t = _step_length(slope / cost, (counted * du * du).sum() / cost, terms, speed, gains, xp)
        after = values + t * moved
        inside = inside_of(after)
        objective = (counted * u * u).sum() / 2 + cost * (pull * (2 * xp.maximum(beyond, 0) - pull)).sum()
        still = ((inside == state.inside).all() & (alone > 0).all()) | (-slope <= ROUNDING * objective)
        curvature = state.curvature + algebra.gram(rows, (inside - state.inside).sum(axis=0))
        return _State(u + t * du, after, inside, curvature, still, state.rounds + 1)

    def unfinished(state: _State) -> Any:
        return ~state.finished & (state.rounds < most_rounds)

    values = xp.zeros(rows.shape[0])
    inside = inside_of(values)
    state = _State(xp.zeros_like(counted), values, inside, algebra.gram(rows, inside.sum(axis=0)), (thresholds <= 0).all(), 0)
    return algebra.repeat(unfinished, step, state)


@functools.cache
def _on_gpu():
    import jax

    algebra = Jax()
    return jax.jit(lambda *given: _solve(algebra, *given))


def solve(
    rows: np.ndarray, counted: np.ndarray, margins: Margins, cost: float, most_rounds: int, width: float | None = None
) -> tuple[np.ndarray, int]:
    """Minimise R / 2 + cost times the sum of max(0, threshold - sign f)^2, or of what goes on linearly beyond ``width``.

    Args:
        rows: (n, features + 1), the last column of ones.
        counted: (features + 1,) 1 for weights that count in R, else 0.
        margins: terms of the loss.
        cost: C, above 0.
        most_rounds: steps of Newton's method.
        width: beyond which losses are linear; None: nowhere.

    Returns:
        Weights and intercept, (features + 1,), and the steps taken.

    Raises:
        NotConverged: rows still entered or left the loss.
    """
    given = [rows, counted, margins.signs, margins.thresholds, np.float64(cost), np.int64(most_rounds)]
    if width is not None:
        given.append(np.float64(width))
    if jax_on_gpu():
        state = in_double(_on_gpu(), *given)
    else:
        with single_threaded(), np.errstate(all="ignore"):  # what comes of it is looked at below
            state = _solve(Blas(), *given)
    if not state.finished or not np.isfinite(state.u).all():
        raise NotConverged(
            f"rows still entered or left the loss after {int(state.rounds)} of at most {most_rounds} rounds: "
            f"standardise the columns, lower C, or raise max_iter"
        )
    return state.u, int(state.rounds)
