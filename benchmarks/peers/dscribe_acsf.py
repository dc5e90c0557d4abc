"""DScribe's atom-centred symmetry functions (Himanen et al., Comput. Phys. Commun. 247, 106949 (2020)) of a snapshot."""

from __future__ import annotations

import numpy as np

import glassgpu as gg
from glassgpu.descriptors import BehlerParrinello

ELEMENTS = ("H", "He", "Li", "Be")  # any will do: a species needs a name


class Acsf:
    """The columns of a ``BehlerParrinello``, by DScribe."""

    def __init__(self, describe: BehlerParrinello):
        from dscribe.descriptors import ACSF

        first, last, number, delta = describe.radial
        self.species, self.radial, self.angular = len(describe.species), number, len(describe.angular)
        self.made = ACSF(
            species=list(ELEMENTS[: self.species]), r_cut=describe.cutoff, periodic=True,
            g2_params=[(delta**-2, mu) for mu in np.linspace(first, last, number)],
            g4_params=[(xi**-2, zeta, sign) for xi, zeta, sign in describe.angular],
        )  # fmt: skip

    def columns(self, snapshot: gg.Snapshot, particles: np.ndarray) -> np.ndarray:
        """(particles, columns) in our order and normalisation: DScribe takes two like neighbours once, and has the
        cut-off function itself as first radial column, and orders pairs (a, b) by b, then a. Two dimensions become a plane in three."""
        from ase import Atoms

        d = snapshot.dimension
        x, box = np.zeros((snapshot.n, 3)), np.full(3, 4 * float(self.made.r_cut))
        x[:, :d], box[:d] = snapshot.positions, snapshot.box
        atoms = Atoms(np.array(ELEMENTS)[snapshot.types], x, cell=box, pbc=[True, True, d == 3])
        found = self.made.create(atoms, centers=particles.tolist())
        split = self.species * (self.radial + 1)
        radial = found[:, :split].reshape(len(particles), self.species, -1)[:, :, 1:]
        a, b = np.triu_indices(self.species)
        angular = found[:, split:].reshape(len(particles), len(a), -1)[:, b * (b + 1) // 2 + a] * np.where(a == b, 2, 1)[:, None]
        return np.concatenate([radial.reshape(len(particles), -1), angular.reshape(len(particles), -1)], axis=1)
