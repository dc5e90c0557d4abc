"""How many particles, and how much of them, stand around each particle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from glassgpu.descriptors.coarse_grain import coarse_grain
from glassgpu.systems.system import System, as_system
from glassgpu.types import Snapshot, as_snapshots


def local_density(
    snapshot: Snapshot | Sequence[Snapshot], lengths: ArrayLike, r_max: float, backend: str = "auto", threads: int | None = None
) -> np.ndarray:
    """rho_i(l) = sum_j e^(-r_ij / l) over r_ij < r_max, i itself included.

    Args:
        snapshot: where the particles are.
        lengths: (L,) coarse-graining lengths l [length].
        r_max: where the sums end, at most half the shortest side [length].
        backend, threads: as for ``coarse_grain``.

    Returns:
        (N, L) float64, numbers of particles; a leading configuration axis for a sequence.

    Raises:
        BoxTooSmall, InvalidInput, DeviceMissing, CompilerMissing

    Source: II equation 8; LIN section III.D.
    """
    return _densities(snapshot, lengths, r_max, None, backend, threads)[..., 0, :]


def volume_fraction(
    system: System,
    snapshot: Snapshot | Sequence[Snapshot],
    lengths: ArrayLike,
    r_max: float,
    backend: str = "auto",
    threads: int | None = None,
) -> np.ndarray:
    """phi_i(l) = sum_j sigma_ij^d e^(-r_ij / l) over r_ij < r_max, i itself included, in d dimensions.

    Args:
        system: gives sigma_ab.
        snapshot, lengths, r_max, backend, threads: as for ``local_density``.

    Returns:
        (N, L) float64 [length^d]; a leading configuration axis for a sequence.

    Raises:
        BoxTooSmall, InvalidInput, UnknownSpecies, DeviceMissing, CompilerMissing

    Source: II equation 9, for two dimensions; LIN section III.D.
    """
    system = as_system(system)
    for s in as_snapshots(snapshot)[0]:
        system.check_species(s)
    density = _densities(snapshot, lengths, r_max, len(system.species), backend, threads)
    snapshots, many = as_snapshots(snapshot)
    fraction = fraction_of(np, system, snapshots, (density if many else density[None])[:, :, 1:])
    return fraction if many else fraction[0]


def _densities(
    snapshot: Snapshot | Sequence[Snapshot], lengths: ArrayLike, r_max: float, species: int | None, backend: str, threads: int | None
) -> np.ndarray:
    """The densities of ``coarse_grain``, of no field."""
    snapshots, many = as_snapshots(snapshot)
    nothing = np.empty((len(snapshots), snapshots[0].n, 0))
    return coarse_grain(nothing if many else nothing[0], snapshot, lengths, r_max, species, backend, threads)[0]


def fraction_of(xp: Any, system: System, snapshots: Sequence[Snapshot], density: Any) -> Any:
    """Volume fractions (configuration, N, L) from the densities of each species, (configuration, N, species, L)."""
    share = np.stack([system.sigma[s.types] ** s.dimension for s in snapshots])  # of each species around each particle
    return (xp.asarray(share)[..., None] * density).sum(axis=2)
