"""The Kob-Andersen mixture (Kob and Andersen, Phys. Rev. E 51, 4626 (1995))."""

from __future__ import annotations

import numpy as np

from glassgpu import validate
from glassgpu.systems.system import System

SIGMA = np.array([[1.0, 0.8], [0.8, 0.88]])
EPSILON = np.array([[1.0, 1.5], [1.5, 0.5]])


def kob_andersen(n: int = 4096, density: float = 1.2, cutoff: str = "sigma_AA", law: str = "shifted") -> System:
    """The 80:20 Kob-Andersen mixture in three dimensions.

    Args:
        n: number of particles, A and B together.
        density: number density [sigma_AA^-3].
        cutoff: ``"sigma_AA"``: 2.5 sigma_AA for every pair (Obadiya's thesis); ``"per_pair"``:
            2.5 sigma_ab (what the public data sets used).
        law: ``"shifted"``, or ``"smooth"``: twice differentiable at a cut-off of 2.5 sigma_ab.

    Raises:
        InvalidInput

    Source: Kob and Andersen, Phys. Rev. E 51, 4626 (1995); TH for the cut-off.

    Example:
        >>> system = gg.systems.kob_andersen(n=1000)
        >>> system.species, system.counts, system.box.round(2).tolist()
        (('A', 'B'), (800, 200), [9.41, 9.41, 9.41])
    """
    n = validate.whole("n", n, least=2)
    validate.choice("cutoff", cutoff, ("sigma_AA", "per_pair"))
    validate.choice("law", law, ("shifted", "smooth"))
    b = round(0.2 * n)
    per_pair = cutoff == "per_pair" or law == "smooth"
    return System(
        name="Kob-Andersen",
        species=("A", "B"),
        counts=(n - b, b),
        density=density,
        dimension=3,
        sigma=SIGMA,
        epsilon=EPSILON,
        cutoff=2.5 * SIGMA if per_pair else np.full((2, 2), 2.5),
        law=law,
        inner=2.0 * SIGMA,
        mass=np.ones(2),
        length_unit="sigma_AA",
        energy_unit="epsilon_AA",
    )
