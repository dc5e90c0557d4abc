"""What is simulated: species, composition and pair law, apart from any configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassgpu import validate
from glassgpu.errors import BoxTooSmall, InvalidInput, ParticlesOverlap, SuspiciousInput, UnknownSpecies, warn_user
from glassgpu.types import Snapshot

UNLIKE_DENSITY, UNLIKE_COMPOSITION = 0.15, 0.10  # relative; share of the particles. Public data are within 0.01
LAWS = ("shifted", "smooth", "hard")
DYNAMICS = ("md", "mc", "edmd")


@dataclass(frozen=True, eq=False)
class System:
    """A mixture of particles, Lennard-Jones or hard, in reduced units (k_B = 1).

    A new system is one file beside this one that returns a ``System``, and one row in
    ``systems/__init__.py``.

    Attributes:
        name: for reports.
        species: names, in the order of the type numbers.
        counts: particles of each species in ``random_snapshot``.
        density: number density [length^-d].
        dimension: 2 or 3.
        sigma, epsilon: (S, S) pair lengths [length] and energies [energy], symmetric.
        cutoff: (S, S) where each pair's potential ends [length].
        law: ``"shifted"`` (4 eps [(s/r)^12 - (s/r)^6] less its value at the cut-off), ``"smooth"`` (twice
            continuously differentiable at the cut-off: kernels/pair_lj.cuh), or ``"hard"`` (spheres of diameters
            sigma_aa, which event-driven dynamics alone can run).
        inner: (S, S) where the quartic of the smooth law begins [length].
        mass: (S,) masses [mass].
        length_unit, energy_unit: which sigma and epsilon are 1, for the units of labels.
        wavenumber: of the first peak of the structure factor, at which F_s is looked at [1 / length].
        dynamics: ``"md"``, ``"mc"`` or ``"edmd"``: how it moves unless asked otherwise, and so the unit of its times.

    Raises:
        InvalidInput: tables that are not symmetric and positive, counts or names that do not go with them, hard spheres that are not
            additive or not in three dimensions.
    """

    name: str
    species: tuple[str, ...]
    counts: tuple[int, ...]
    density: float
    dimension: int
    sigma: np.ndarray
    epsilon: np.ndarray
    cutoff: np.ndarray
    law: str
    inner: np.ndarray
    mass: np.ndarray
    length_unit: str = "sigma"
    energy_unit: str = "epsilon"
    wavenumber: float = 7.2
    dynamics: str = "md"

    def __post_init__(self) -> None:
        s = len(self.species)
        validate.choice("dimension", self.dimension, (2, 3))
        validate.choice("law", self.law, LAWS)
        validate.choice("dynamics", self.dynamics, DYNAMICS)
        validate.number("density", self.density, above=0)
        if len(self.counts) != s or sum(self.counts) < 2 or min(self.counts) < 0:
            raise InvalidInput(f"counts={self.counts}: give {s} numbers of particles, at least 2 in all")
        for name in ("sigma", "epsilon", "cutoff", "inner"):
            table = validate.array(name, getattr(self, name), np.float64, (s, s))
            if not np.array_equal(table, table.T) or not (table > 0).all():
                raise InvalidInput(f"{name} must be symmetric and positive, got {table.tolist()}")
            object.__setattr__(self, name, table)
        object.__setattr__(self, "mass", validate.array("mass", self.mass, np.float64, (s,)))
        if not (self.mass > 0).all():
            raise InvalidInput(f"mass={self.mass.tolist()}: every mass must be positive")
        if self.law == "smooth" and not (self.inner < self.cutoff).all():
            raise InvalidInput("inner must be below cutoff for every pair")
        if self.law == "hard":  # the law ends where spheres touch, whatever was said
            object.__setattr__(self, "cutoff", self.sigma)
            object.__setattr__(self, "inner", self.sigma)
        if self.law == "hard" and self.dimension != 3:
            raise InvalidInput("hard spheres live in three dimensions; hard discs are not there yet")
        own = np.diag(self.sigma)
        if self.law == "hard" and not np.allclose(self.sigma, (own[:, None] + own) / 2, rtol=1e-12, atol=0):
            raise InvalidInput(f"sigma={self.sigma.tolist()}: diameters of hard spheres are additive, sigma_ab = (sigma_aa + sigma_bb) / 2")

    @property
    def n(self) -> int:
        """Number of particles of ``random_snapshot``."""
        return sum(self.counts)

    @property
    def box(self) -> np.ndarray:
        """(d,) float64 sides of the cubic or square box of ``random_snapshot`` [length]."""
        return np.full(self.dimension, (self.n / self.density) ** (1 / self.dimension))

    def physics(self) -> dict[str, Any]:
        """What fixes its forces and motion, for fingerprints of runs."""
        return {
            "law": (self.law, self.species),
            "dimension": self.dimension,
            "tables": np.stack([self.sigma, self.epsilon, self.cutoff, self.inner]),
            "mass": self.mass,
        }

    def check(self, snapshot: Snapshot) -> None:
        """Raise unless the snapshot can hold this system.

        Raises:
            InvalidInput: other dimension.
            UnknownSpecies: a type number without a species.
            BoxTooSmall: a side shorter than twice the longest cut-off.
        """
        self.check_species(snapshot)
        require_box(snapshot.box, self.cutoff.max(), snapshot.density, f"the pair law of {self.name}", self._check_units(snapshot))

    def check_species(self, snapshot: Snapshot) -> None:
        """Raise unless its particles are this system's, in whatever box.

        Raises:
            InvalidInput: other dimension.
            UnknownSpecies: a type number without a species.
        """
        if snapshot.dimension != self.dimension:
            raise InvalidInput(f"{self.name} is a system in {self.dimension} dimensions, the snapshot has {snapshot.dimension}")
        if snapshot.types.max() >= len(self.species):
            raise UnknownSpecies(
                f"the snapshot holds type {snapshot.types.max()}, but {self.name} has the species "
                + ", ".join(f"{k} = {name}" for k, name in enumerate(self.species))
                + "; number species from 0"
            )

    def _check_units(self, snapshot: Snapshot) -> str:
        """Advice when the density is far from the system's, else nothing."""
        if abs(snapshot.density / self.density - 1) <= UNLIKE_DENSITY:
            return ""
        return f"; the density of {self.name} is {self.density:g}: check the units of positions and box"

    def warn_if_unlike(self, snapshots: Sequence[Snapshot]) -> None:
        """Warn of the first snapshot that looks like one in other units or of another mixture.

        Warns:
            SuspiciousInput: a density 15 % off the system's, or 10 % of the particles of another
                species than in its composition.
        """
        expected = np.array(self.counts) / self.n
        for snapshot in snapshots:
            advice = self._check_units(snapshot)
            if advice:
                text = f"the snapshot has the density {snapshot.density:.4g}{advice}, or give the system this density"
                return warn_user(text, SuspiciousInput)
            share = np.bincount(snapshot.types, minlength=len(self.species)) / snapshot.n
            if np.abs(share - expected).max() > UNLIKE_COMPOSITION:
                found, wanted = (" : ".join(f"{100 * s:.0f}" for s in shares) for shares in (share, expected))
                text = (
                    f"the snapshot holds {' : '.join(self.species)} = {found}, the composition of {self.name} is {wanted}: "
                    "check how its types are numbered, or give the system these counts"
                )
                return warn_user(text, SuspiciousInput)

    def random_snapshot(self, seed: int) -> Snapshot:
        """A random configuration in which no two particles overlap (``systems/starts.py``)."""
        from glassgpu.systems.starts import random_snapshot

        return random_snapshot(self, seed)


def as_system(value: Any) -> System:
    """The value, if it is a System.

    Raises:
        InvalidInput: that says what was taken for one.
    """
    if isinstance(value, System):
        return value
    if isinstance(value, Snapshot):
        raise InvalidInput("system= is a Snapshot: the order of arguments is (system, snapshot)")
    if callable(value):
        name = getattr(value, "__name__", repr(value))
        raise InvalidInput(f"system= is the function {name}, not what it returns: call it, as in {name}(n=1000)")
    raise InvalidInput(f"system={value!r} is not a System: give one, such as glassgpu.systems.kob_andersen(n=1000)")


def require_box(box: np.ndarray, reach: float, density: float, what: str, advice: str = "") -> None:
    """Raise ``BoxTooSmall`` unless every side is at least twice ``reach``; ``advice`` ends the message."""
    if box.min() < 2 * reach * (1 - 1e-12):  # N = 1200 gives a side of 10 but for rounding
        smallest = int(np.ceil(density * (2 * reach) ** len(box) * (1 - 1e-9)))
        raise BoxTooSmall(
            f"{what} reaches {reach:g}, so every side of the box must be at least {2 * reach:g}, "
            f"but the shortest is {box.min():.6g}; at density {density:.4g} take N >= {smallest}{advice}"
        )


def require_apart(snapshot: Snapshot) -> None:
    """Raise ``ParticlesOverlap`` if two particles stand at exactly one place, so that their bond has no direction."""
    if len(np.unique(snapshot.positions[:, 0])) == snapshot.n:  # so it is nearly always, and quickly known
        return
    _, first = np.unique(snapshot.positions, axis=0, return_index=True)
    for i in np.setdiff1d(np.arange(snapshot.n), first)[:1]:
        j = int(np.flatnonzero((snapshot.positions == snapshot.positions[i]).all(axis=1))[0])
        raise ParticlesOverlap(f"particles {j} and {i} stand at the same place, so that their bond has no direction; move one")


def smooth_coefficients(sigma: float, epsilon: float, inner: float, cutoff: float) -> np.ndarray:
    """The twice differentiable law: [constant, a0, a1, a2, a3, a4].

    U = 4 eps [(s/r)^12 - (s/r)^6] + constant below ``inner``, a0 + a1 x + ... + a4 x^4 with
    x = r - inner up to ``cutoff``. U, U', U'' are continuous at both (project notes, section 1; after
    Barbot et al., Phys. Rev. E 97, 033001 (2018)).
    """
    six = (sigma / inner) ** 6
    lj = 4 * epsilon * (six * six - six)
    a1 = 4 * epsilon * (6 * six - 12 * six * six) / inner
    a2 = 4 * epsilon * (156 * six * six - 42 * six) / inner**2 / 2
    w = cutoff - inner
    a3, a4 = np.linalg.solve([[3 * w**2, 4 * w**3], [6 * w, 12 * w**2]], [-a1 - 2 * a2 * w, -2 * a2])
    a0 = -(a1 * w + a2 * w**2 + a3 * w**3 + a4 * w**4)
    return np.array([a0 - lj, a0, a1, a2, a3, a4])
