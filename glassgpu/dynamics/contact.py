"""How many stand at contact: of hard spheres as their collisions tell, and in theory."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from glassgpu import validate
from glassgpu.errors import InvalidInput
from glassgpu.systems.system import System, as_system


class MixtureTheory(NamedTuple):
    """The equation of state of a mixture of additive hard spheres.

    Attributes:
        contact: (S, S) float64 g_ab at contact [1].
        compressibility: p / (rho k_B T) [1].
    """

    contact: np.ndarray
    compressibility: float


def mixture_theory(system: System) -> MixtureTheory:
    """Contact values and pressure of a fluid of hard spheres, good to about 1 % up to packing fractions of 0.5.

    g_ab = 1 / (1 - z3) + 3 z2 / (1 - z3)^2 s + 2 z2^2 / (1 - z3)^3 s^2, s = s_a s_b / (s_a + s_b), with the moments
    zk = pi / 6 rho sum_a x_a s_a^k; then p / (rho k_B T) = 1 + 2 pi / 3 rho sum_ab x_a x_b s_ab^3 g_ab.

    Raises:
        InvalidInput: not a system of hard spheres.

    Source: Boublik, J. Chem. Phys. 53, 471 (1970); Mansoori, Carnahan, Starling and Leland, J. Chem. Phys. 54, 1523 (1971).
    """
    if as_system(system).law != "hard":
        raise InvalidInput(f"{system.name} is no system of hard spheres, whose equation of state this is")
    diameter, share = np.diag(system.sigma), np.array(system.counts) / system.n
    z2, z3 = (np.pi / 6 * system.density * (share * diameter**k).sum() for k in (2, 3))
    reduced = np.outer(diameter, diameter) / (diameter[:, None] + diameter)
    contact = 1 / (1 - z3) + 3 * z2 / (1 - z3) ** 2 * reduced + 2 * z2**2 / (1 - z3) ** 3 * reduced**2
    more = 2 * np.pi / 3 * system.density * (np.outer(share, share) * system.sigma**3 * contact).sum()
    return MixtureTheory(contact, float(1 + more))


def contact_values(
    system: System, counts: np.ndarray, volume: float, meetings: np.ndarray, duration: float, temperature: float
) -> np.ndarray:
    """g_ab at contact from how often spheres collide.

    Pairs of a and b meet pairs sigma_ab^2 g_ab sqrt(8 pi k_B T / mu_ab) / V times in a unit of time, mu_ab their
    reduced mass and pairs their number: of N_a (N_a - 1) / 2 or N_a N_b.

    Args:
        system: of hard spheres; gives diameters and masses.
        counts: (S,) numbers of particles of each species.
        volume: of the box [length^3].
        meetings: (..., S, S) numbers of collisions, those of unlike spheres counted once, above or below the diagonal.
        duration: in which they happened [time].
        temperature: of the velocities, 2 K / (d (N - 1)) where the centre of mass is at rest [energy].

    Returns:
        (..., S, S) float64, symmetric [1]; NaN for pairs that do not exist.

    Raises:
        InvalidInput: a volume, a duration or a temperature that is not positive.

    Source: Enskog's theory, whose collision rate defines the contact value (Chapman and Cowling, chapter 16).
    """
    counts, meetings = np.asarray(counts, float), np.asarray(meetings, float)
    for name, value in (("volume", volume), ("duration", duration), ("temperature", temperature)):
        validate.number(name, value, above=0)
    pairs = np.outer(counts, counts)
    np.fill_diagonal(pairs, counts * (counts - 1) / 2)
    both = meetings + meetings.swapaxes(-1, -2)
    one = np.arange(len(counts))
    both[..., one, one] /= 2
    reduced_mass = np.outer(system.mass, system.mass) / (system.mass[:, None] + system.mass)
    rate = pairs * system.sigma**2 * np.sqrt(8 * np.pi * temperature / reduced_mass) / volume
    return np.divide(both, duration * rate, out=np.full(both.shape, np.nan), where=np.broadcast_to(rate > 0, both.shape))
