"""Crystals in what should be a liquid."""

from __future__ import annotations

import numpy as np

from glassgpu import validate
from glassgpu.errors import InvalidInput
from glassgpu.structure.neighbors import neighbors
from glassgpu.types import Snapshot


def largest_crystalline_cluster(snapshot: Snapshot, r_max: float = 1.4, coherence: float = 0.7, bonds: int = 8) -> float:
    """Share of the particles in the largest crystalline cluster, by the coherence of l = 6 bond order.

    Two neighbours (within ``r_max``) are bonded when the normalised scalar product of their
    q_6m is above ``coherence``; a particle with at least ``bonds`` such bonds is crystalline; clusters
    are crystalline particles connected by bonds.

    Args:
        snapshot: three dimensions.
        r_max: the first minimum of g(r) of the majority species [length].
        coherence, bonds: thresholds.

    Returns:
        Share in [0, 1].

    Raises:
        InvalidInput: another dimension.

    Source: ten Wolde, Ruiz-Montero, Frenkel, J. Chem. Phys. 104, 9932 (1996).
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.special import sph_harm_y

    if snapshot.dimension != 3:
        raise InvalidInput("l = 6 bond order is defined in three dimensions")
    validate.number("coherence", coherence, least=-1, most=1)
    near = neighbors(snapshot, r_max)
    inside = np.isfinite(near.distance)
    i, k = np.nonzero(inside)
    j, v, r = near.index[i, k], near.vector[i, k], near.distance[i, k]
    polar, azimuth = np.arccos(np.clip(v[:, 2] / r, -1, 1)), np.arctan2(v[:, 1], v[:, 0])
    q = np.zeros((snapshot.n, 13), complex)
    for m in range(-6, 7):
        np.add.at(q[:, m + 6], i, sph_harm_y(6, m, polar, azimuth))
    length = np.linalg.norm(q, axis=1, keepdims=True)
    q = np.divide(q, length, out=np.zeros_like(q), where=length > 0)
    bonded = (q[i] * q[j].conj()).sum(axis=1).real > coherence
    solid = np.bincount(i[bonded], minlength=snapshot.n) >= bonds
    if not solid.any():
        return 0.0
    link = bonded & solid[i] & solid[j]
    graph = coo_array((np.ones(link.sum()), (i[link], j[link])), shape=(snapshot.n, snapshot.n))
    _, cluster = connected_components(graph, directed=False)
    return float(np.bincount(cluster[solid]).max() / snapshot.n)
