"""Columns of the liquids of ``labelled_liquids``: what is described in two dimensions, and what in three."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import glassgpu as gg
from glassgpu.descriptors import JBB, SLO, BehlerParrinello, coarse_grain, local_density, volume_fraction
from glassgpu.descriptors.slo import LENGTHS
from glassgpu.structure import coordination_number

COARSE = 1.5  # length over which LIN averages the columns of Behler-Parrinello
RADII = (0.5, 1.0)  # of the discs of Voronoi cells, in units of sigma_aa
R_MAX = 20.0  # where sums end, if the box allows
CUTOFF = 5.0
FEW_LENGTHS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0)  # of energy and densities, whose sums end at CUTOFF


def r_max_of(snapshots: Sequence[gg.Snapshot]) -> float:
    """Where sums end: at 20, or half the shortest side."""
    return float(min(R_MAX, *(s.box.min() / 2 for s in snapshots)))


def catalogue(system: gg.System, snapshots: Sequence[gg.Snapshot], backend: str) -> dict[str, Any]:
    """Columns by name of the descriptor, each (configuration, particle, feature): Behler-Parrinello, SLO and JBB in the
    plane; in space, where Theta and perimeters are not defined, Behler-Parrinello and ``local``."""
    r_max = r_max_of(snapshots)
    bp = BehlerParrinello(system.species, coarse_graining=COARSE, cutoff=min(CUTOFF, r_max), r_max=r_max, backend=backend)
    if system.dimension == 3:
        return {"BehlerParrinello": bp(snapshots), "local": local(system, snapshots, backend)}
    found = {"BehlerParrinello": bp(snapshots), "SLO": SLO(system, r_max=r_max, backend=backend)(snapshots)}
    return found | {f"JBB {radius:g}": JBB(system, r_max=r_max, radius_scale=radius, backend=backend)(snapshots) for radius in RADII}


def physical(system: gg.System, snapshots: Sequence[gg.Snapshot], backend: str) -> Any:
    """SLO in the plane, ``local`` in space, (configuration, particle, feature)."""
    if system.dimension == 3:
        return local(system, snapshots, backend)
    return SLO(system, r_max=r_max_of(snapshots), backend=backend)(snapshots)


def local(system: gg.System, snapshots: Sequence[gg.Snapshot], backend: str) -> Any:
    """The columns of SLO that have a meaning in three dimensions: rho, phi, u and z over ten lengths."""
    import xarray

    r_max, snapshots = r_max_of(snapshots), list(snapshots)
    fields = np.stack([gg.energy(system, snapshots, backend=backend).per_particle, coordination_number(system, snapshots)], axis=2)
    average = coarse_grain(fields, snapshots, LENGTHS, r_max, backend=backend)[1][:, :, 0]
    density = local_density(snapshots, LENGTHS, r_max, backend=backend)
    fraction = volume_fraction(system, snapshots, LENGTHS, r_max, backend=backend)
    columns = np.concatenate([density, fraction, average[..., 0], average[..., 1]], axis=2)
    names = [f"{field}(l={l:g})" for field in ("rho", "phi", "u", "z") for l in LENGTHS]
    return xarray.DataArray(columns, dims=("configuration", "particle", "feature"), coords={"feature": names}, name="local")


def energy_and_densities(system: gg.System, snapshot: gg.Snapshot, lengths: Sequence[float], r_max: float, backend: str) -> np.ndarray:
    """Energy of each particle, and it and the density over several lengths: all particles, then species by species, (N, feature)."""
    energy = gg.energy(system, snapshot, backend=backend).per_particle[:, None]
    density, average = coarse_grain(energy, snapshot, lengths, r_max, species=len(system.species))
    return np.concatenate([energy, density.reshape(snapshot.n, -1), average.reshape(snapshot.n, -1)], axis=1)
