"""The two-dimensional ternary mixture of papers II and LIN (after Barbot et al. 2018)."""

from __future__ import annotations

import math

import numpy as np

from glassgpu import validate
from glassgpu.systems.system import System

_SS, _LL = 2 * math.sin(math.pi / 10), 2 * math.sin(math.pi / 5)
# Rows and columns: S, M, L.
SIGMA = np.array([[_SS, 0.80902, 1.0], [0.80902, 0.89680, 1.08779], [1.0, 1.08779, _LL]])
EPSILON = np.array([[0.5, 0.75, 1.0], [0.75, 0.5, 0.75], [1.0, 0.75, 0.5]])


def ternary_2d(n: int = 4000, density: float = 1.024, inner: float = 2.0) -> System:
    """The ternary Lennard-Jones mixture S : M : L = 0.44 : 0.20 : 0.36 in two dimensions.

    Args:
        n: number of particles.
        density: number density [sigma_LS^-2].
        inner: where the smoothing quartic begins, in units of sigma_ab.

    Raises:
        InvalidInput

    Source: II section II.A; LIN section III; after Barbot et al., Phys. Rev. E 97, 033001 (2018).

    Example:
        >>> film = gg.systems.ternary_2d(n=1000)
        >>> film.species, film.dimension, film.dynamics
        (('S', 'M', 'L'), 2, 'mc')
    """
    n = validate.whole("n", n, least=3)
    validate.number("inner", inner, above=0, most=2.49)
    small, medium = round(0.44 * n), round(0.20 * n)
    return System(
        name="ternary 2D",
        species=("S", "M", "L"),
        counts=(small, medium, n - small - medium),
        density=density,
        dimension=2,
        sigma=SIGMA,
        epsilon=EPSILON,
        cutoff=2.5 * SIGMA,
        law="smooth",
        inner=inner * SIGMA,
        mass=np.ones(3),
        length_unit="sigma_LS",
        energy_unit="epsilon_LS",
        wavenumber=6.3,
        dynamics="mc",
    )
