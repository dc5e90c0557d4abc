"""Density, energy and Voronoi perimeters around each particle, species by species (papers LIN and Jung 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.descriptors.coarse_grain import checked_lengths, coarse_grain_on
from glassgpu.descriptors.descriptor import Descriptor
from glassgpu.descriptors.slo import LENGTHS, R_MAX, in_plane
from glassgpu.engines.energy import energy
from glassgpu.launch import Cpu, Cuda
from glassgpu.structure.voronoi import radical_voronoi
from glassgpu.systems.system import System
from glassgpu.types import Snapshot


class JBB(Descriptor):
    """120 columns for three species: (rho, u, pi) x (all, S, M, L), each at lengths l = 0.5, 1.0 ... 5.0.

    The number density rho_i(l) (``local_density``), and averages with weights e^(-r / l) (``coarse_grain``) of the
    potential energy u and of the perimeter pi of the radical Voronoi cell, over all particles around i and
    over those of each species alone, among which i counts if it is one; 0 where none of it stands within r_max.
    Two dimensions. rho is a pure number, u [energy], pi [length].

    Args:
        system: gives species, sigma_ab and pair law.
        lengths: (L,) coarse-graining lengths l [length].
        r_max: where sums end [length].
        radius_scale: of ``structure.radical_voronoi``.
        backend: ``"auto"``, ``"cuda"`` or ``"cpu"``.
        threads: CPU threads; they do not reach the result.

    Raises:
        InvalidInput: a system in another dimension, or a parameter out of range.

    Source: Jung, Biroli, Berthier, Phys. Rev. Lett. 130, 238202 (2023), without the variance of the energy,
    as LIN section III.D, equations 6 and 7.
    """

    dimensions = (2,)
    smaller = "a smaller r_max"
    fields = ("rho", "u", "pi")

    def __init__(
        self,
        system: System,
        lengths: ArrayLike = LENGTHS,
        r_max: float = R_MAX,
        radius_scale: float = 0.5,
        backend: str = "auto",
        threads: int | None = None,
    ):
        self.system = in_plane(system, "JBB")
        super().__init__(self.system.species, backend, threads)
        self.lengths = checked_lengths(lengths)
        self.r_max = validate.number("r_max", r_max, above=0)
        self.radius_scale = validate.number("radius_scale", radius_scale, least=0)

    def __repr__(self) -> str:
        return f"JBB({self.system.name}, lengths={self.lengths.tolist()}, r_max={self.r_max}, radius_scale={self.radius_scale})"

    @property
    def reach(self) -> float:
        return max(self.r_max, float(self.system.cutoff.max()))

    @property
    def columns(self) -> list[str]:
        groups = ["", *(f"_{s}" for s in self.species)]
        return [f"{field}{group}(l={l:g})" for field in self.fields for group in groups for l in self.lengths]

    def compute_on(self, place: Cpu | Cuda, snapshots: Sequence[Snapshot]) -> Any:
        u = energy(self.system, snapshots, backend=place.name, threads=self.threads).per_particle
        pi = radical_voronoi(self.system, snapshots, self.radius_scale).perimeter
        fields = np.stack([u, pi], axis=2)
        density, average = coarse_grain_on(place, fields, snapshots, self.lengths, self.r_max, len(self.species))
        parts = [a.reshape(*fields.shape[:2], -1) for a in (density, average[..., 0], average[..., 1])]
        return place.xp.concatenate(parts, axis=2)
