"""Displacements and the propensity from stored positions."""

from __future__ import annotations

import numpy as np

from glassgpu.dynamics.reliability import ensemble_moments
from glassgpu.errors import InvalidInput


def displacements(initial: np.ndarray, positions: np.ndarray, box: np.ndarray | None = None, mass: np.ndarray | None = None) -> np.ndarray:
    """r_i(t) - r_i(0) without the drift of the centre of mass.

    Args:
        initial: (N, d) float64 at time 0 [length].
        positions: (..., N, d) float64 at later times, unwrapped, or wrapped when ``box`` is given [length].
        box: (d,) sides: take the minimum image, for displacements below half a box [length].
        mass: (N,) masses, in any units; equal by default.

    Returns:
        (..., N, d) float64 [length].

    Raises:
        InvalidInput: ``positions`` do not end in the shape of ``initial``.

    Source: project notes, section 2.
    """
    initial, positions = np.asarray(initial, float), np.asarray(positions, float)
    if positions.shape[-2:] != initial.shape:
        raise InvalidInput(f"positions {positions.shape} do not end in the shape of initial {initial.shape}")
    moved = positions - initial
    if box is not None:
        moved -= box * np.rint(moved / box)
    weight = np.ones(len(initial)) if mass is None else np.asarray(mass, float)
    return moved - np.einsum("...nd,n->...d", moved, weight / weight.sum())[..., None, :]


def propensity(
    initial: np.ndarray, positions: np.ndarray, box: np.ndarray | None = None, mass: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Propensity <|r_i(t) - r_i(0)|> over replicas, and the variance of that mean.

    Args:
        initial: (N, d) [length].
        positions: (replica, ..., N, d), at least two replicas [length].
        box, mass: as for ``displacements``.

    Returns:
        Two arrays (..., N) float64: mean [length] and variance of the mean [length^2].

    Raises:
        As ``displacements``; InvalidInput: fewer than two replicas.

    Source: Widmer-Cooper, Harrowell, Fynewever, PRL 93, 135701 (2004); CMP equation 1.

    Example:
        >>> initial = np.zeros((2, 3))
        >>> later = np.array([[[1.0, 0, 0], [-1, 0, 0]], [[3.0, 0, 0], [-3, 0, 0]]])  # two replicas
        >>> mean, variance = gg.dynamics.propensity(initial, later)
        >>> mean.tolist(), variance.tolist()
        ([2.0, 2.0], [1.0, 1.0])
    """
    distance = np.linalg.norm(displacements(initial, positions, box, mass), axis=-1)
    return ensemble_moments(len(distance), distance.sum(axis=0), (distance**2).sum(axis=0))
