"""Steric bond order in two dimensions: how far the angles of a cage are from those of particles in touch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from glassgpu import validate
from glassgpu.errors import InvalidInput
from glassgpu.structure.bond_order import bonds_in_plane
from glassgpu.structure.neighbors import Neighbors
from glassgpu.systems.system import System
from glassgpu.types import Snapshot, as_snapshots


def steric_order(system: System, snapshot: Snapshot | Sequence[Snapshot], reach: float = 1.5) -> np.ndarray:
    """Theta of each particle: the mean of |theta_jk - theta_jk^ref| over the gaps between its neighbours.

    The z neighbours of i, in the order of their angles, leave z gaps around it. theta_jk, in [0, pi],
    is the angle between r_ij and r_ik for the two neighbours beside a gap, theta_jk^ref what it would
    be if i, j and k were all in touch, at distances sigma_ab. 0 is perfect packing; two neighbours have
    two gaps of the same angle. Of neighbours at exactly the same angle the nearer comes first.

    Args:
        system: gives sigma_ab.
        snapshot: two dimensions.
        reach: neighbours stand within ``reach`` sigma_ab (strictly).

    Returns:
        (N,) float64 [radian], 0 with fewer than two neighbours; a leading configuration axis for a sequence.

    Raises:
        InvalidInput: another dimension, or three species whose sigma_ab are no sides of a triangle.
        UnknownSpecies, BoxTooSmall, ParticlesOverlap

    Source: II equation 7; Tong and Tanaka, Phys. Rev. X 8, 011041 (2018) and Phys. Rev. Lett. 124, 225501 (2020).
    """
    validate.number("reach", reach, above=0)
    snapshots, many = as_snapshots(snapshot)
    values = np.stack([steric_order_of(system, s.types, bonds_in_plane(system, s, reach)) for s in snapshots])
    return values if many else values[0]


def steric_order_of(system: System, types: np.ndarray, near: Neighbors) -> np.ndarray:
    """Theta of each particle of one snapshot, (N,), from its bonds."""
    angle = np.arctan2(near.vector[..., 1], near.vector[..., 0])
    angle[~np.isfinite(near.distance)] = 2 * np.pi  # beyond all angles, so that padding stays at the end
    order = np.argsort(angle, axis=1, kind="stable")
    angle = np.take_along_axis(angle, order, axis=1)
    species = types[np.take_along_axis(near.index, order, axis=1)]
    count, column = near.count[:, None], np.arange(angle.shape[1])
    following = np.where(column + 1 < count, column + 1, 0)  # after the last comes the first
    apart = abs(np.take_along_axis(angle, following, axis=1) - angle)
    theta = np.minimum(apart, 2 * np.pi - apart)
    reference = _angles_in_touch(system)[types[:, None], species, np.take_along_axis(species, following, axis=1)]
    gap = (column < count) & (count > 1)
    return np.sum(abs(theta - reference), axis=1, where=gap) / np.maximum(near.count, 1)


def _angles_in_touch(system: System) -> np.ndarray:
    """(S, S, S) angle at the first of three species that are all in touch, by the cosine rule."""
    sigma = system.sigma
    ab, ac, bc = sigma[:, :, None], sigma[:, None, :], sigma[None]
    cosine = (ab**2 + ac**2 - bc**2) / (2 * ab * ac)
    for triple in np.argwhere(abs(cosine) > 1)[:1]:
        a, b, c = (system.species[k] for k in triple)
        sides = ", ".join(f"{side:g}" for side in sigma[triple, np.roll(triple, -1)])
        raise InvalidInput(
            f"sigma of {a}{b}, {b}{c} and {c}{a} are {sides}: no sides of a triangle, so that these three cannot all be in touch; "
            "give lengths of which none is longer than the other two together"
        )
    return np.arccos(cosine)
