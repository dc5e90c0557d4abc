"""Density, packing and order around each particle over a range of lengths (papers II and LIN)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.descriptors.coarse_grain import checked_lengths, sums_on
from glassgpu.descriptors.descriptor import Descriptor
from glassgpu.descriptors.local_density import fraction_of
from glassgpu.engines.energy import energy
from glassgpu.errors import InvalidInput
from glassgpu.launch import Cpu, Cuda
from glassgpu.structure.bond_order import bonds_in_plane, orders_of
from glassgpu.structure.steric_order import steric_order_of
from glassgpu.systems.system import System, as_system
from glassgpu.types import Snapshot

LENGTHS = tuple(0.5 * k for k in range(1, 11))  # II section II.B, in units of sigma_LS
R_MAX = 20.0  # R_N of II


class SLO(Descriptor):
    """60 columns: (rho, phi, u, z, Psi6, Theta), each at lengths l = 0.5, 1.0 ... 5.0.

    The number density rho_i(l) and volume fraction phi_i(l) are sums over surroundings (``local_density``,
    ``volume_fraction``); the potential energy u, coordination number z, hexatic order |psi_6| and steric order
    Theta of single particles are averages over them with weights e^(-r / l) (``coarse_grain``). Neighbours
    stand within ``reach_of_bonds`` sigma_ab. Two dimensions. rho, z and Psi6 are pure numbers, phi [length^2],
    u [energy], Theta [radian].

    Args:
        system: gives species, sigma_ab and pair law.
        lengths: (L,) coarse-graining lengths l [length].
        r_max: where sums end [length].
        reach_of_bonds: of neighbours, in units of sigma_ab.
        backend: ``"auto"``, ``"cuda"`` or ``"cpu"``.
        threads: CPU threads; they do not reach the result.

    Raises:
        InvalidInput: a system in another dimension, or a parameter out of range.

    Source: Sharma, Liu, Ozawa (2024), II section II.B, equations 5 to 10; LIN section III.D.

    Example:
        >>> film = gg.systems.ternary_2d(n=300)
        >>> X = gg.descriptors.SLO(film, r_max=8.0)(film.random_snapshot(seed=1))
        >>> X.shape, X.feature.values[0].item()
        ((300, 60), 'rho(l=0.5)')
    """

    dimensions = (2,)
    smaller = "a smaller r_max"
    fields = ("rho", "phi", "u", "z", "Psi6", "Theta")

    def __init__(
        self,
        system: System,
        lengths: ArrayLike = LENGTHS,
        r_max: float = R_MAX,
        reach_of_bonds: float = 1.5,
        backend: str = "auto",
        threads: int | None = None,
    ):
        self.system = in_plane(system, "SLO")
        super().__init__(self.system.species, backend, threads)
        self.lengths = checked_lengths(lengths)
        self.r_max = validate.number("r_max", r_max, above=0)
        self.reach_of_bonds = validate.number("reach_of_bonds", reach_of_bonds, above=0)

    def __repr__(self) -> str:
        return f"SLO({self.system.name}, lengths={self.lengths.tolist()}, r_max={self.r_max}, reach_of_bonds={self.reach_of_bonds})"

    @property
    def reach(self) -> float:
        return max(self.r_max, float(self.system.cutoff.max()), self.reach_of_bonds * float(self.system.sigma.max()))

    @property
    def columns(self) -> list[str]:
        return [f"{field}(l={l:g})" for field in self.fields for l in self.lengths]

    def compute_on(self, place: Cpu | Cuda, snapshots: Sequence[Snapshot]) -> Any:
        xp, species = place.xp, len(self.species)
        local = np.stack([self._local(s) for s in snapshots])
        local[:, :, 0] = energy(self.system, snapshots, backend=place.name, threads=self.threads).per_particle
        of_species, total = sums_on(place, local, snapshots, self.lengths, self.r_max, species)
        density = of_species.sum(axis=2)
        average = xp.moveaxis(total.sum(axis=2) / density[..., None], 3, 2)  # fields before lengths
        first = xp.stack([density, fraction_of(xp, self.system, snapshots, of_species)], axis=2)
        return xp.concatenate([first, average], axis=2).reshape(*local.shape[:2], -1)

    def _local(self, snapshot: Snapshot) -> np.ndarray:
        """(N, 4): room for the energy, then z, |psi_6| and Theta."""
        bonds = bonds_in_plane(self.system, snapshot, self.reach_of_bonds)
        theta = steric_order_of(self.system, snapshot.types, bonds)
        return np.column_stack([np.zeros(snapshot.n), bonds.count, abs(orders_of(bonds, (6,))[0]), theta])


def in_plane(system: System, name: str) -> System:
    """The system of a descriptor that is defined in two dimensions only."""
    if as_system(system).dimension != 2:
        raise InvalidInput(f"{name} is defined in two dimensions, {system.name} has {system.dimension}")
    return system
