"""Potential energy, forces and pressure of configurations as they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glassgpu import validate
from glassgpu.engines.hoomd import Hoomd, Simulator, place_of
from glassgpu.engines.problem import COINCIDENT, Problem
from glassgpu.launch import element_dtype
from glassgpu.systems.system import System
from glassgpu.types import Snapshot, as_snapshots

HOOMD_SKIN = 0.1  # of lists that are used once


@dataclass(frozen=True, eq=False)
class Energy:
    """What ``energy`` returns. A sequence of snapshots adds a leading configuration axis.

    Attributes:
        potential: () float64, total potential energy [energy].
        per_particle: (N,) float64, half of every pair's energy to each of its particles [energy].
        forces: (N, d) float64 [energy / length].
        pressure: () float64, the virial part -dU/dV of the pressure [energy / length^d];
            add density x temperature for the pressure of the liquid.
    """

    potential: np.ndarray
    per_particle: np.ndarray
    forces: np.ndarray
    pressure: np.ndarray


def energy(
    system: System,
    snapshot: Snapshot | Sequence[Snapshot],
    precision: str = "double",
    backend: str = "auto",
    threads: int | None = None,
) -> Energy:
    """Energy of a snapshot by the same lists and pair loop as the dynamics.

    Args:
        system: pair laws; species and box come from the snapshot.
        snapshot: one, or a sequence of one System.
        precision: ``"double"`` or ``"single"``.
        backend: ``"auto"``, ``"cuda"``, ``"cpu"``, or ``"hoomd"``: the same by HOOMD-blue.
        threads: CPU threads.

    Returns:
        Energy. A sequence of snapshots gives its arrays a leading configuration axis.

    Raises:
        InvalidInput, BoxTooSmall, UnknownSpecies, ParticlesOverlap, DeviceMissing, CompilerMissing

    Source: project notes, sections 1 and 6.

    Example:
        >>> system = gg.systems.kob_andersen(n=400, cutoff="per_pair")
        >>> liquid = gg.equilibrate(system, temperature=1.0, duration=1, seed=1, accept=None, progress=False)
        >>> found = gg.energy(system, liquid)
        >>> found.forces.shape, bool(np.isclose(found.per_particle.sum(), found.potential))
        ((400, 3), True)
    """
    validate.choice("precision", precision, ("single", "double"))
    snapshots, many = as_snapshots(snapshot)
    place = place_of(backend, threads)
    if isinstance(place, Hoomd):
        place.require_precision(precision)
    problem = Problem(system, snapshots, place, precision, skin=0.0, least=COINCIDENT)
    totals, per_particle, forces = _by_hoomd(place, problem, snapshots) if isinstance(place, Hoomd) else _by_kernel(problem)
    out = Energy(
        potential=totals[:, 0],
        per_particle=per_particle,
        forces=forces.transpose(0, 2, 1),
        pressure=totals[:, 1] / (problem.d * problem.boxes.prod(axis=1)),
    )
    return out if many else Energy(*(getattr(out, f)[0] for f in ("potential", "per_particle", "forces", "pressure")))


def _by_kernel(problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Potential energy and virial (configuration, 2), energy of each particle (configuration, N) and forces (configuration, d, N)."""
    place = problem.target
    c, n, d, xp = problem.configurations, problem.n, problem.d, place.xp
    real, packed = (element_dtype("EnergyArguments", f, problem.constants) for f in ("energy", "reference"))
    per_particle, force = xp.zeros((c, n), real), xp.zeros((c, d, n), real)
    reference = xp.zeros((c, d, n), packed)
    total, status = xp.zeros((c, 2)), xp.zeros(c, np.int32)
    places = xp.asarray(problem.places)
    while True:
        problem.run(
            "run_energy", "EnergyArguments", problem.slots(c, "run_energy"),
            replicas=c, place=places, reference=reference, energy=per_particle, force=force, total=total, status=status,
        )  # fmt: skip
        if not place.to_numpy(status).any():
            break
        problem.grow_lists()
        status[:] = 0
    rows = np.arange(c)
    return (
        place.to_numpy(total),
        problem.original_order(place.to_numpy(per_particle), rows).astype(np.float64),
        problem.original_order(place.to_numpy(force), rows).astype(np.float64),
    )


def _by_hoomd(place: Hoomd, problem: Problem, snapshots: Sequence[Snapshot]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As ``_by_kernel``."""
    found = []
    for snapshot in snapshots:
        simulator = Simulator(place, problem.system, snapshot, np.arange(snapshot.n), HOOMD_SKIN)
        found.append((simulator.totals()[[0, 2]], *simulator.each()))
    totals, energies, forces = (np.stack(part) for part in zip(*found, strict=True))
    return totals, energies, forces
