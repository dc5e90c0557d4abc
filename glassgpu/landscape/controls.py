"""Scores that must not show barriers: what a score that does is held against."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.errors import InvalidInput


def shuffled(score: ArrayLike, frame: ArrayLike, seed: int) -> np.ndarray:
    """Scores dealt out anew among the particles of each frame: the distribution stays, and what it says of a particle goes.

    Args:
        score: (rows,) float64, in any units.
        frame: (rows,) int, which frame each row belongs to.
        seed: equal seeds give equal permutations.

    Returns:
        (rows,) float64, in the units of the score.

    Raises:
        InvalidInput

    Source: project notes, section 4 (controls of the onset).
    """
    s = validate.array("score", score, np.float64, (None,))
    of = validate.array("frame", frame, np.int64, s.shape)
    key = np.random.default_rng(validate.whole("seed", seed, least=0)).random(len(s))
    out = np.empty_like(s)
    out[np.lexsort((key, of))] = s[np.argsort(of, kind="stable")]
    return out


def random_hyperplane(x: np.ndarray, seed: int, *, uncorrelated_with: ArrayLike | None = None) -> np.ndarray:
    """The unit normal of a hyperplane that nothing was learned for.

    Columns that go together share much of any output: that of a random normal may correlate with a learned one by some
    tenths, and then shows barriers of its own. ``uncorrelated_with`` takes that part away.

    Args:
        x: (rows, columns) float64, standardised [1].
        seed: equal seeds give equal normals.
        uncorrelated_with: (rows,) float64, a score, in any units; the output over these rows then has no covariance with it.

    Returns:
        (columns,) float64 of length 1 [1].

    Raises:
        InvalidInput: a score that is a constant or no combination of the columns' variation.

    Source: project notes, section 4 (controls of the onset).
    """
    x = validate.array("x", x, np.float64, (None, None))
    normal = np.random.default_rng(validate.whole("seed", seed, least=0)).normal(size=x.shape[1])
    if uncorrelated_with is not None:
        score = validate.array("uncorrelated_with", uncorrelated_with, np.float64, (len(x),))
        along = x.T @ (score - score.mean())
        if not along.any() or x.shape[1] < 2:
            raise InvalidInput("uncorrelated_with has no covariance with any column, or there is but one; leave it out")
        normal -= along * (normal @ along) / (along @ along)
    return np.asarray(normal / np.linalg.norm(normal))
