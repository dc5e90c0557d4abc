"""What a simulation returns: a ``Trajectory``, shaped from the arrays of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgpu.dynamics.contact import contact_values
from glassgpu.dynamics.observables import observables_dataset
from glassgpu.engines.edmd import EdmdRun
from glassgpu.engines.mc import McRun
from glassgpu.engines.md import MdRun
from glassgpu.engines.options import provenance
from glassgpu.engines.runs import Run
from glassgpu.types import Snapshot, listed

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What a simulation returns. A sequence of snapshots adds a leading configuration axis.

    Attributes:
        times: (time,) float64, as asked for, in units of ``attrs["time_unit"]``; empty without ``times``.
        positions: (replica, time, N, d) float64 unwrapped [length], or None.
        final: Snapshot with images, and with velocities after molecular dynamics, for one replica, else
            a list over replicas.
        potential: (replica, time) float64, of the whole system [energy].
        pressure: (replica, time) float64, kinetic and virial part [energy / length^d]; Monte Carlo takes the kinetic part
            from its temperature; of hard spheres the mean since the time before, from their collisions.
        status: (replica,) int32, 0: a run that fails raises instead of returning.
        rebuilds: neighbour-list builds per step or sweep, for tuning ``skin``.
        kinetic: (replica, time) float64 of the whole system [energy]; molecular dynamics.
        conserved: (replica, time) float64 [energy]: total energy, with the bath's part under a Nose-Hoover chain. Nothing is conserved
            where a protocol changes the bath's temperature, or under a Langevin bath, where it is the total energy. Molecular dynamics.
        acceptance: (replica,) float64, share of the displacements that were accepted [1], NaN
            when none was tried; Monte Carlo.
        exchanges: (replica, species, species, 2) int64, exchanges tried and accepted by pair of species,
            symmetric; swap Monte Carlo.
        collisions: (replica,) int64 in the whole run; event-driven dynamics.
        contact_values: (replica, species, species) float64 g_ab at contact [1], from the collisions of the whole run
            (``dynamics.contact_values``); event-driven dynamics.
        types: (replica, time, N) int32 species beside ``positions``; swap Monte Carlo.
        observables: Dataset over (configuration, replica, time, species), when ``observe`` asked
            for it (``dynamics.observables.observables_dataset``), mean squared displacements [length^2], van Hove function
            [1 / length], the rest [1]; always with a configuration axis.
        scores: Dataset over (configuration, replica, time, group), in the units of the score, when ``score`` asked for it
            (``dynamics.Scores.dataset``); always with a configuration axis.
        attrs: provenance, as of an ``Ensemble``.
    """

    times: np.ndarray
    positions: np.ndarray | None
    final: Snapshot | list
    potential: np.ndarray
    pressure: np.ndarray
    status: np.ndarray
    rebuilds: float
    kinetic: np.ndarray | None = None
    conserved: np.ndarray | None = None
    acceptance: np.ndarray | None = None
    exchanges: np.ndarray | None = None
    collisions: np.ndarray | None = None
    contact_values: np.ndarray | None = None
    types: np.ndarray | None = None
    observables: xarray.Dataset | None = None
    scores: xarray.Dataset | None = None
    attrs: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        kept = "".join(f", {name}" for name in ("positions", "observables", "scores") if getattr(self, name) is not None)
        shape = " x ".join(map(str, self.status.shape))
        return f"Trajectory({self.attrs.get('system')}, runs={shape}, T={self.attrs.get('temperature')}, times={listed(self.times)}{kept})"


def trajectory_of(run: Run, many: bool, times: np.ndarray) -> Trajectory:
    """The results of a run that has ended; ``many``: a sequence of snapshots was given."""
    system, snapshots, plan, records = run.problem.system, run.snapshots, run.plan, run.records
    c, replicas = len(snapshots), plan.replicas

    def shaped(rows: np.ndarray) -> np.ndarray:
        out = rows.reshape(c, replicas, *rows.shape[1:])
        return out if many else out[0]

    potential, kinetic, virial, bath = (records.log[:, :, k] for k in range(4))
    volume = np.repeat([s.box.prod() for s in snapshots], replicas)[:, None]
    more: dict[str, np.ndarray] = {}
    if isinstance(run, MdRun):
        more = {"kinetic": shaped(kinetic), "conserved": shaped(potential + kinetic + bath)}
    elif isinstance(run, EdmdRun):
        drift = _energy_of_drift(run)  # which presses on nobody
        more = {"kinetic": shaped(kinetic), "conserved": shaped(kinetic), "contact_values": shaped(_contact_values(run, drift))}
        more["collisions"] = shaped(run.counts["meetings"].sum(axis=(1, 2)))
        virial = np.diff(virial, prepend=0.0) / (plan.dt * np.diff(records.steps, prepend=0))
        kinetic = kinetic - drift[:, None]
    elif isinstance(run, McRun):
        kinetic = 0.5 * system.dimension * run.problem.n * plan.temperature_at(records.steps)
        tried, accepted = run.counts["displacements"].T
        more = {"acceptance": shaped(np.where(tried > 0, accepted / np.maximum(tried, 1), np.nan))}
        if plan.exchange is not None:
            pairs = run.counts["exchanges"]  # the lesser species first
            more["exchanges"] = shaped(pairs + pairs.transpose(0, 2, 1, 3))
        if records.species is not None:
            more["types"] = shaped(records.species)
    finals = [[_final(run, k, k // replicas) for k in range(i * replicas, (i + 1) * replicas)] for i in range(c)]
    per_configuration: list = [f[0] if replicas == 1 else f for f in finals]
    return Trajectory(
        times=times,
        positions=None if records.positions is None else shaped(records.positions),
        final=per_configuration if many else per_configuration[0],
        potential=shaped(potential),
        pressure=shaped((2 * kinetic + virial) / (system.dimension * volume)),
        status=np.zeros((c, replicas) if many else replicas, np.int32),
        rebuilds=run.rebuilds / max(1.0, float(run.rows) * plan.steps),
        observables=observables_of(run, times) if plan.observe else None,
        scores=None
        if records.scores is None
        else plan.score.dataset(records.scores.reshape(c, replicas, *records.scores.shape[1:]), times),
        attrs=provenance(system, snapshots, plan, run.ran_on),
        **more,
    )


def _energy_of_drift(run: EdmdRun) -> np.ndarray:
    """(row,) kinetic energy of the centre of mass, which drifts only where a snapshot's own velocities say so."""
    mass = np.stack([run.problem.system.mass[run.snapshots[row // run.plan.replicas].types] for row in range(run.rows)])
    momentum = np.einsum("rn,rnd->rd", mass, run.final["velocities"])
    return (momentum**2).sum(axis=1) / (2 * mass.sum(axis=1))


def _contact_values(run: EdmdRun, drift: np.ndarray) -> np.ndarray:
    """(row, S, S), each row by the temperature of its own velocities less those of the drift of all, whose energy is given."""
    system, out = run.problem.system, []
    for row, meetings in enumerate(run.counts["meetings"]):
        snapshot = run.snapshots[row // run.plan.replicas]
        square = system.mass[snapshot.types] @ (run.final["velocities"][row] ** 2).sum(axis=1) - 2 * drift[row]
        counts = np.bincount(snapshot.types, minlength=len(system.species))
        temperature = max(square / (system.dimension * (snapshot.n - 1)), np.finfo(float).tiny)
        out.append(contact_values(system, counts, float(snapshot.box.prod()), meetings, run.plan.steps * run.plan.dt, temperature))
    return np.stack(out)


def _final(run: Run, row: int, configuration: int) -> Snapshot:
    start = run.snapshots[configuration]
    places = run.final["places"][row]
    images = np.zeros(places.shape, np.int32) if start.images is None else start.images
    velocities = run.final["velocities"][row] if "velocities" in run.final else None
    types = run.final["types"][row] if "types" in run.final else start.types
    return Snapshot(places, types, start.box, velocities, images)  # which adds what it subtracts from the unwrapped places


def observables_of(run: Run, times: np.ndarray) -> xarray.Dataset:
    """What a run has summed about itself, as averages over particles."""
    snapshots, records = run.snapshots, run.records
    system = run.problem.system
    assert run.plan.observe is not None and records.observable is not None
    counts = np.bincount(snapshots[0].types, minlength=len(system.species))  # of all: engines/runs.py has checked it
    sums = records.observable.reshape(len(snapshots), run.plan.replicas, *records.observable.shape[1:])
    return observables_dataset(run.plan.observe, sums, records.histogram, counts, times, system.species, system.dimension)
