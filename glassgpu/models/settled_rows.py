"""Linear support vectors of very many rows: most are far from the kink of their loss, and only on which side matters.

A loss whose kink is rounded, which Newton's method fits in a few passes, says which rows are near the kink. The
others are settled: their loss is linear, or none. The problem of the near rows is solved, and its answer is that of all
rows if every settled row is on its side; if not, those that are not join the near ones. What is returned has
its duality gap among all rows, so that nothing rests on the guess but the time.
"""

from __future__ import annotations

import numpy as np

from glassgpu.device import jax_on_gpu
from glassgpu.models import interior_point, squared_losses
from glassgpu.models.dense_algebra import single_threaded
from glassgpu.models.interior_point import Linear, Solution
from glassgpu.models.margins import Margins

FEW = 10_000  # rows that are not worth parting
WIDTH = 0.05  # of the rounded kink, of the mean size of a threshold
NEAR = 3.0  # widths
LEAST = 1000  # near rows


def solve(rows: np.ndarray, counted: np.ndarray, margins: Margins, cost: float, tolerance: float, most_rounds: int) -> Solution:
    """Minimise R / 2 + cost times the sum of max(0, threshold - sign f) of linear models.

    Args:
        rows: (n, features + 1), the last column of ones.
        counted: (features + 1,) 1 for weights that count in R, else 0.
        margins: terms of the loss.
        cost: C, above 0.
        tolerance: of the duality gap over the objective.
        most_rounds: steps of Newton's method for each part.

    Returns:
        Solution; its rounds are those of all parts.

    Raises:
        NotConverged
    """
    width = WIDTH * float(np.abs(margins.thresholds).mean())
    if len(rows) <= FEW or width == 0 or jax_on_gpu():  # a GPU would compile for every number of rows
        given = rows, counted, np.zeros(rows.shape[1]), np.float64(0)
        return interior_point.solve(Linear, given, margins, cost, tolerance, most_rounds)
    u, rounds = squared_losses.solve(rows, counted, margins, cost / (2 * width), most_rounds, width)
    beyond = _beyond(rows, margins, u) - width / 2
    distance = np.abs(beyond).min(axis=0)
    near = distance <= max(NEAR * width, np.partition(distance, LEAST)[LEAST])
    while True:
        inside = (beyond > 0) & ~near
        with single_threaded():
            settled = cost * (rows.T @ (margins.signs * inside).sum(axis=0))
        given = rows[near], counted, settled, np.float64(cost * margins.thresholds[inside].sum())
        some = Margins(margins.signs[:, near], margins.thresholds[:, near])
        found = interior_point.solve(Linear, given, some, cost, tolerance / 2, most_rounds)
        rounds += found.rounds
        beyond = _beyond(rows, margins, found.u)
        objective = float((counted * found.u**2).sum() / 2 + cost * np.maximum(beyond, 0).sum())
        # The multipliers of the near rows, C of settled rows inside and 0 outside are allowed ones of all rows.
        gap = (objective - found.objective * (1 - found.gap)) / objective if objective else 0.0
        if near.all() or gap <= tolerance:
            return Solution(found.u, objective, gap, rounds)
        more = near | ((beyond > 0) != inside).any(axis=0) | (np.abs(beyond) < NEAR * width).any(axis=0)
        near = more if more.sum() > near.sum() else np.ones_like(near)  # so that it ends, whatever rounding does


def _beyond(rows: np.ndarray, margins: Margins, u: np.ndarray) -> np.ndarray:
    """How far each term is beyond its margin, (terms of a row, n)."""
    with single_threaded():
        return margins.thresholds - margins.signs * (rows @ u)
