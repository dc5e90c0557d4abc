"""The binary mixture of hard spheres of paper CMP (Marin-Aguilar et al., Phys. Rev. Lett. 124, 208005 (2020))."""

from __future__ import annotations

import numpy as np

from glassgpu import validate
from glassgpu.errors import InvalidInput
from glassgpu.systems.system import System

DENSEST = 0.68  # random starts cannot be grown further, nor is anything fluid there


def hard_spheres(n: int = 2000, packing_fraction: float = 0.58, size_ratio: float = 0.85, large: float = 0.3) -> System:
    """A mixture of large and small hard spheres in three dimensions, which nothing but collisions moves.

    Args:
        n: number of particles.
        packing_fraction: share of the volume that they fill.
        size_ratio: sigma_S / sigma_L.
        large: share of the particles that are large.

    Returns:
        System of species L and S with sigma_L = 1, equal masses, additive diameters. Energies are in units of
        k_B T and times in tau = sqrt(m sigma_L^2 / k_B T), which are 1 for ``temperature=1``.

    Raises:
        InvalidInput

    Source: CMP section II.A; Marin-Aguilar et al., Phys. Rev. Lett. 124, 208005 (2020).

    Example:
        >>> spheres = gg.systems.hard_spheres(n=1000, packing_fraction=0.5)
        >>> spheres.counts, round(spheres.density, 4), spheres.dynamics
        ((300, 700), 1.3083, 'edmd')
    """
    n = validate.whole("n", n, least=2)
    packing_fraction = validate.number("packing_fraction", packing_fraction, above=0)
    if packing_fraction >= DENSEST:
        raise InvalidInput(
            f"packing_fraction={packing_fraction:g}: random packings of spheres end at about 0.64, the mixture is a glass from 0.58 on; give a share of the volume below {DENSEST:g}"
        )
    ratio = validate.number("size_ratio", size_ratio, above=0, most=1)
    number = round(validate.number("large", large, least=0, most=1) * n)
    sigma = np.array([1.0, ratio])
    diameters = (sigma[:, None] + sigma) / 2
    volume = np.pi / 6 * (number + (n - number) * ratio**3) / n
    return System(
        name="hard spheres",
        species=("L", "S"),
        counts=(number, n - number),
        density=packing_fraction / volume,
        dimension=3,
        sigma=diameters,
        epsilon=np.ones((2, 2)),
        cutoff=diameters,
        law="hard",
        inner=diameters,
        mass=np.ones(2),
        length_unit="sigma_L",
        energy_unit="k_B T",
        wavenumber=8.1,
        dynamics="edmd",
    )
