"""Random configurations without overlap: random places, then short-ranged repulsion alone, or growth of hard spheres."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from glassgpu import validate
from glassgpu.errors import ParticlesOverlap
from glassgpu.systems.system import System
from glassgpu.types import Snapshot

CLOSEST = 0.75  # in units of sigma_ab: what the first steps of dynamics can bear
CONTACT = 0.90  # the range of the repulsion, in units of sigma_ab
SWEEPS = 500


def random_snapshot(system: System, seed: int) -> Snapshot:
    """Species in random order at random places, then pushed apart.

    Particles closer than 0.9 sigma_ab repel harmonically until no pair is closer than 0.75
    sigma_ab, which ``equilibrate`` can start from. Hard spheres grow, until they fill their share of the volume
    (``engines/growth.py``).

    Args:
        system: gives N, composition, box and lengths.
        seed: equal seeds give equal snapshots.

    Raises:
        InvalidInput: a seed that is not a whole number.
        ParticlesOverlap: the density is too high for it.
    """
    if system.law == "hard":
        from glassgpu.engines.growth import grown

        return grown(system, validate.whole("seed", seed, least=0))
    random = np.random.default_rng(np.random.SeedSequence([validate.whole("seed", seed, least=0), 0]))
    box, d = system.box, system.dimension
    types = random.permutation(np.repeat(np.arange(len(system.counts)), system.counts)).astype(np.int32)
    x = random.random((system.n, d)) * box
    for _ in range(SWEEPS):
        pairs = cKDTree(x % box % box, boxsize=box).query_pairs(CONTACT * system.sigma.max(), output_type="ndarray")
        apart = x[pairs[:, 0]] - x[pairs[:, 1]]
        apart -= box * np.rint(apart / box)
        r = np.linalg.norm(apart, axis=1)
        sigma = system.sigma[types[pairs[:, 0]], types[pairs[:, 1]]]
        if (r > CLOSEST * sigma).all():
            return Snapshot(x, types, box)
        overlap = np.maximum(CONTACT * sigma - r, 0)
        push = (0.4 * overlap / np.maximum(r, 1e-9))[:, None] * apart
        for k in range(d):
            x[:, k] += np.bincount(pairs[:, 0], push[:, k], system.n) - np.bincount(pairs[:, 1], push[:, k], system.n)
    raise ParticlesOverlap(
        f"at density {system.density:g} no start without overlap was found for {system.name}; lower the density and compress"
    )


def closest_pair(system: System, snapshot: Snapshot, below: float) -> tuple[int, int, float] | None:
    """The pair with the smallest r / sigma_ab, if that is less than ``below``: (i, j, ratio)."""
    box = snapshot.box
    tree = cKDTree(np.mod(snapshot.positions, box) % box, boxsize=box)
    pairs = tree.query_pairs(below * system.sigma.max(), output_type="ndarray")
    if not len(pairs):
        return None
    apart = snapshot.positions[pairs[:, 0]] - snapshot.positions[pairs[:, 1]]
    apart -= box * np.rint(apart / box)
    ratio = np.linalg.norm(apart, axis=1) / system.sigma[snapshot.types[pairs[:, 0]], snapshot.types[pairs[:, 1]]]
    best = int(ratio.argmin())
    return (int(pairs[best, 0]), int(pairs[best, 1]), float(ratio[best])) if ratio[best] < below else None
