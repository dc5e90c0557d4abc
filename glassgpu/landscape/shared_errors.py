"""Are the lines straight? chi^2 where blocks move all bins of a temperature together."""

from __future__ import annotations

import numpy as np

from glassgpu.errors import InvalidInput
from glassgpu.landscape.barriers import Barriers
from glassgpu.landscape.probability import RearrangementProbability


def shared_chi2(probability: RearrangementProbability, barriers: Barriers) -> tuple[float, int]:
    """chi^2 of the lines of all bins together, when the errors of ln P are taken apart into a shift that all bins of a
    temperature share and what is left to each.

    A liquid that happens to be slow is slow in every bin of the score: its deviation is then counted once for every bin in
    ``Barriers.reduced_chi2``, and once for all of them here. Both parts come from the jackknife over blocks; that of each bin
    is its binomial error times one factor for each temperature.

    Args:
        probability: as was fitted, with at least three blocks at each temperature that was used.
        barriers: by ``fit_barriers``, which says what points were used.

    Returns:
        chi^2 of the best lines under these errors [1], and the points to spare.

    Raises:
        InvalidInput: fewer than three blocks at a temperature; no point to spare.

    Source: generalised least squares, Aitken, Proc. R. Soc. Edinburgh 55, 42 (1936).
    """
    used = barriers.used & (probability.events > 0)
    used = used & (used.sum(axis=0) > 1)
    spare = int(used.sum() - 2 * used.any(axis=0).sum())
    if spare < 1:
        raise InvalidInput("no point is to spare; give more temperatures")
    p, t = probability.probability, probability.temperatures
    total, size = 0.0, np.flatnonzero(used.any(axis=0))
    where = {int(b): k for k, b in enumerate(size)}
    normal, product = np.zeros((2 * len(size), 2 * len(size))), np.zeros(2 * len(size))
    for level in range(len(t)):
        at = np.flatnonzero(used[level])
        if not len(at):
            continue
        covariance = _covariance(probability, level, at)
        y = np.log(p[level, at]) + (np.log(t[level]) if barriers.form == "kramers" else 0.0)
        design = np.zeros((len(at), 2 * len(size)))
        for row, b in enumerate(at):
            design[row, 2 * where[int(b)]], design[row, 2 * where[int(b)] + 1] = 1.0, -1 / t[level]
        solved = np.linalg.solve(covariance, np.column_stack([design, y]))
        normal += design.T @ solved[:, :-1]
        product += design.T @ solved[:, -1]
        total += float(y @ solved[:, -1])
    return total - float(product @ np.linalg.solve(normal, product)), spare


def _covariance(probability: RearrangementProbability, level: int, at: np.ndarray) -> np.ndarray:
    """Of ln P in the bins ``at`` of one temperature."""
    of = np.flatnonzero(probability.level == level)
    m = len(of)
    if m < 3:
        raise InvalidInput(f"T = {probability.temperatures[level]:g} has {m} blocks; what they share can be told from three on")
    events, samples = probability.block_events[of][:, at], probability.block_samples[of][:, at]
    all_events, all_samples = events.sum(axis=0), samples.sum(axis=0)
    p = all_events / all_samples
    binomial = (1 - p) / all_events  # variance of ln P
    # How ln P moves when a block is left out; to first order, since a block may hold all events of a bin.
    moved = -(events - p * samples) / all_events
    shift = moved @ (1 / binomial) / (1 / binomial).sum()
    left = moved - shift[:, None]
    factor = m / (m - 1) * float(np.mean((left**2).sum(axis=0) / binomial)) * len(at) / max(len(at) - 1, 1)
    own = max(factor, 1.0) * binomial  # blocks never scatter less than chance
    shared = m / (m - 1) * float(shift @ shift) - 1 / float((1 / own).sum())
    return np.diag(own) + max(shared, 0.0)
