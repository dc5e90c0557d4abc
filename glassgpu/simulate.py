"""Simulations that users start: molecular dynamics of any number of replicas."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgpu import __version__, validate
from glassgpu.dynamics.observables import Observe, observables_dataset
from glassgpu.engines.checkpoint import checkpoint_path, fingerprint
from glassgpu.engines.md import MdResult, MdRun, Plan
from glassgpu.engines.quench import Quench, quench
from glassgpu.errors import InvalidInput
from glassgpu.launch import Cpu, Cuda, target
from glassgpu.names import explain_missing
from glassgpu.progress import Progress
from glassgpu.systems.system import System
from glassgpu.types import Snapshot, as_snapshots, listed

if TYPE_CHECKING:
    import xarray

__all__ = ["Quench", "Trajectory", "md", "quench"]
explain_missing(globals())

TIME_UNIT = "sqrt(m sigma^2 / epsilon)"
DT = 0.005
SKIN = 0.5  # the fastest of 0.3 to 0.7 for N = 800 at T = 0.6 and N = 4096 at T = 0.44 on a CPU
MOVED = 0.01  # a time may be moved by so much of itself to fall on a whole step
MOST_STEPS = 2**53
THERMOSTATS = ("nose_hoover", None)


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What ``md`` returns. A sequence of snapshots adds a leading configuration axis.

    Attributes:
        times: (time,) float64, as asked for; empty without ``times``.
        positions: (replica, time, N, d) float64 unwrapped [length], or None.
        final: Snapshot with velocities and images for one replica, else a list over replicas.
        potential, kinetic: (replica, time) float64, of the whole system [energy].
        conserved: (replica, time) float64: total energy, with the bath's part under a thermostat.
        pressure: (replica, time) float64, kinetic and virial part.
        status: (replica,) int32, 0: a run that fails raises instead of returning.
        rebuilds: neighbour-list builds per step, for tuning ``skin``.
        observables: Dataset over (configuration, replica, time, species), when ``observe`` asked
            for it (``dynamics.observables.observables_dataset``); always with a configuration axis.
        attrs: provenance, as of an ``Ensemble``.
    """

    times: np.ndarray
    positions: np.ndarray | None
    final: Snapshot | list
    potential: np.ndarray
    kinetic: np.ndarray
    conserved: np.ndarray
    pressure: np.ndarray
    status: np.ndarray
    rebuilds: float
    observables: xarray.Dataset | None = None
    attrs: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        kept = "".join(f", {name}" for name in ("positions", "observables") if getattr(self, name) is not None)
        shape = " x ".join(map(str, self.status.shape))
        return f"Trajectory({self.attrs.get('system')}, runs={shape}, T={self.attrs.get('temperature')}, times={listed(self.times)}{kept})"


def steps_of(times: Sequence[float] | np.ndarray, dt: float) -> np.ndarray:
    """The whole steps nearest to the times, (time,) int64, ascending and all different.

    Raises:
        InvalidInput: not ascending, shorter than one step, more than 1 % off a whole step, two times
            on one step, or more steps than can be counted.
    """
    asked = validate.array("times", [times] if isinstance(times, (int, float)) else times, np.float64, (None,))
    if not len(asked) or asked.min() <= 0:
        raise InvalidInput(f"times={asked.tolist()}: give at least one time, each above 0")
    validate.number("the last of times, in steps", asked.max() / dt, most=MOST_STEPS)
    steps = np.rint(asked / dt).astype(np.int64)
    moved = np.flatnonzero((np.abs(steps * dt - asked) > MOVED * asked) | (asked < (1 - MOVED) * dt))
    if len(moved):
        k = int(moved[0])
        raise InvalidInput(
            f"time {asked[k]:g} is no whole number of steps dt={dt:g}: the nearest, step {max(1, steps[k])}, is at "
            f"{max(1, steps[k]) * dt:g}; {_fitting_step(asked, dt)}"
        )
    clash = np.flatnonzero(np.diff(steps) <= 0)
    if len(clash):
        k = int(clash[0])
        raise InvalidInput(
            f"times {asked[k]:g} and {asked[k + 1]:g} fall on steps {steps[k]} and {steps[k + 1]} (dt={dt:g}); "
            "give ascending times that are at least one step apart"
        )
    return steps


def _fitting_step(times: np.ndarray, dt: float) -> str:
    """Advice: the largest step, not above ``dt``, on whose multiples all the times fall."""
    first = times.min()
    for k in range(int(np.ceil(first / dt * (1 - 1e-9))), int(np.ceil(first / dt)) + 1000):
        steps = np.rint(times * k / first)
        if (np.abs(steps * first / k - times) <= MOVED * times).all() and (np.diff(steps) > 0).all():
            return f"take dt={first / k:.6g}, or multiples of dt"
    return "take multiples of dt"


def choose_target(backend: str, rows: int, threads: int | None) -> Cpu | Cuda:
    """``launch.target``, with a warning when a GPU is given too few replicas to be busy."""
    place = target(backend, threads)
    if isinstance(place, Cuda) and rows < place.multiprocessors():
        warnings.warn(
            f"{rows} replicas keep {rows} of {place.multiprocessors()} multiprocessors busy: ask for all configurations and "
            "replicas in one call, or run a single large system with HOOMD-blue",
            stacklevel=3,
        )
    return place


def plan_of(
    *,
    temperature: float | None,
    dt: float,
    thermostat: str | None,
    thermostat_time: float,
    precision: str,
    skin: float,
    replicas: int,
    seed: int,
    steps: int,
    samples: np.ndarray,
    least_replicas: int = 1,
    **more: Any,
) -> Plan:
    """A checked plan from what users give; ``more`` are switches of ``Plan``.

    Raises:
        InvalidInput
    """
    if temperature is not None:
        validate.number("temperature", temperature, above=0)
    validate.choice("thermostat", thermostat, THERMOSTATS)
    validate.choice("precision", precision, ("single", "double"))
    return Plan(
        temperature=1.0 if temperature is None else float(temperature),
        steps=steps,
        samples=tuple(samples.tolist()),
        replicas=validate.whole("replicas", replicas, least=least_replicas, most=2**20),
        seed=validate.whole("seed", seed, least=0),
        dt=dt,
        thermostat=thermostat is not None,
        thermostat_time=validate.number("thermostat_time", thermostat_time, above=0),
        precision=precision,
        skin=validate.number("skin", skin, above=0, most=5),
        **more,
    )


def provenance(system: System, snapshots: Sequence[Snapshot], plan: Plan, place: Cpu | Cuda) -> dict[str, Any]:
    """What has to be known of a run to repeat it: numbers and texts, which every file format holds.

    ``temperature`` is NaN where the run went on with given velocities; ``density`` is the mean of
    the snapshots'; ``physics`` is a hash of everything that fixes forces and motion.
    """
    return {
        "system": system.name,
        "law": system.law,
        "physics": hashlib.sha256(fingerprint(**system.physics()).encode()).hexdigest()[:12],
        "density": float(np.mean([s.density for s in snapshots])),
        "temperature": plan.temperature if plan.draw_velocities else float("nan"),
        "thermostat": "nose_hoover" if plan.thermostat else "None",
        "thermostat_time": plan.thermostat_time,
        "dt": plan.dt,
        "skin": plan.skin,
        "replicas": plan.replicas,
        "seed": plan.seed,
        "precision": plan.precision,
        "backend": place.name,
        "version": __version__,
        "time_unit": TIME_UNIT,
        "length_unit": system.length_unit,
        "energy_unit": system.energy_unit,
    }


def md(
    system: System,
    snapshot: Snapshot | Sequence[Snapshot],
    *,
    temperature: float | None = None,
    duration: float | None = None,
    times: Sequence[float] | None = None,
    dt: float = DT,
    thermostat: str | None = "nose_hoover",
    thermostat_time: float = 0.5,
    replicas: int = 1,
    seed: int = 0,
    precision: str = "single",
    skin: float = SKIN,
    keep_positions: bool = False,
    observe: Observe | None = None,
    checkpoint: str | Path | None = None,
    progress: Progress = True,
    backend: str = "auto",
    threads: int | None = None,
    batch: int | None = None,
    chunk: int | None = None,
) -> Trajectory:
    """Molecular dynamics at constant energy or temperature.

    Velocity Verlet; ``"nose_hoover"`` is a Nose-Hoover chain of three (kernels/thermostat.cuh).

    Args:
        system: pair laws and masses.
        snapshot: start, or a sequence of starts of one System, run side by side.
        temperature: fresh Maxwell-Boltzmann velocities are drawn at it, total momentum zero.
            None continues with the snapshot's own velocities (constant energy only).
        duration: length of the run [time]; by default the last of ``times``.
        times: when to record, ascending, each at least ``dt``.
        dt: time step.
        thermostat: ``"nose_hoover"`` or None (constant energy).
        thermostat_time: period parameter of the thermostat [time].
        replicas: runs from each snapshot.
        seed: replica r of configuration c gets the same numbers whatever else is run.
        precision: ``"single"`` or ``"double"``.
        skin: of the neighbour lists [length]; changes speed, not physics.
        keep_positions: keep unwrapped positions at ``times``.
        observe: mean squared displacement, F_s, overlap and the rest, summed inside the run.
        checkpoint: file to save to every half minute and to continue from; of a finished run it holds
            the result, and the same call returns at once.
        progress: a bar (True), nothing (False), or a function told the fraction done.
        backend: ``"auto"``, ``"cuda"`` or ``"cpu"``.
        threads, batch, chunk: how the work is cut; no result depends on them, bit for bit.

    Raises:
        InvalidInput, BoxTooSmall, UnknownSpecies, ParticlesOverlap: before anything is run.
        SimulationFailed, Interrupted: with the checkpoint kept.

    Warns:
        SuspiciousInput: density or composition unlike the system's (other units, other types).
    """
    dt = validate.number("dt", dt, above=0, most=0.1)
    snapshots, many = as_snapshots(snapshot)
    if temperature is None:
        if thermostat is not None:
            raise InvalidInput("thermostat='nose_hoover' needs temperature=")
        if any(s.velocities is None for s in snapshots):
            raise InvalidInput("temperature=None continues with the snapshot's velocities, but it has none; give temperature=")
    if duration is None and times is None:
        raise InvalidInput("give duration= or times=")
    samples = steps_of(times, dt) if times is not None else np.zeros(0, np.int64)
    steps = int(samples[-1]) if duration is None else max(1, round(validate.number("duration", duration, above=0) / dt))
    if observe and not len(samples):
        raise InvalidInput("observe= sums observables at times=, so give times")
    if len(samples) and samples[-1] > steps:
        raise InvalidInput(f"the last of times is beyond duration={duration}")
    plan = plan_of(
        temperature=temperature, dt=dt, thermostat=thermostat, thermostat_time=thermostat_time, precision=precision, skin=skin, replicas=replicas,
        seed=seed, steps=steps, samples=samples, draw_velocities=temperature is not None, labels=False, observe=observe,
        keep_positions=keep_positions, keep_final=True,
    )  # fmt: skip
    place = choose_target(backend, replicas * len(snapshots), threads)
    run = MdRun(system, snapshots, plan, place, batch=batch, chunk=chunk, checkpoint=checkpoint_path(checkpoint), progress=progress)
    system.warn_if_unlike(snapshots)
    result = run.run()
    assert result.places is not None and result.velocities is not None

    def shaped(rows: np.ndarray) -> np.ndarray:
        out = rows.reshape(len(snapshots), replicas, *rows.shape[1:])
        return out if many else out[0]

    finals = [
        [_final(snapshots[c], result.places[k], result.velocities[k]) for k in range(c * replicas, (c + 1) * replicas)]
        for c in range(len(snapshots))
    ]
    per_configuration: list = [f[0] if replicas == 1 else f for f in finals]
    potential, kinetic, virial, bath = (result.log[:, :, k] for k in range(4))
    volume = np.repeat([s.box.prod() for s in snapshots], replicas)[:, None]
    out = Trajectory(
        times=np.atleast_1d(np.asarray(times, float)) if times is not None else np.zeros(0),
        positions=None if result.positions is None else shaped(result.positions),
        final=per_configuration if many else per_configuration[0],
        potential=shaped(potential),
        kinetic=shaped(kinetic),
        conserved=shaped(potential + kinetic + bath),
        pressure=shaped((2 * kinetic + virial) / (system.dimension * volume)),
        status=np.zeros((len(snapshots), replicas) if many else replicas, np.int32),
        rebuilds=result.rebuilds,
        observables=observables_of(system, snapshots, plan, result, np.atleast_1d(np.asarray(times, float))) if observe else None,
        attrs=provenance(system, snapshots, plan, place),
    )
    return out


def observables_of(system: System, snapshots: list[Snapshot], plan: Plan, result: MdResult, times: np.ndarray) -> xarray.Dataset:
    """What a run of ``plan`` has summed about itself, as averages over particles."""
    assert plan.observe is not None and result.observable is not None
    counts = np.array([np.bincount(s.types, minlength=len(system.species)) for s in snapshots])
    if (counts != counts[0]).any():
        raise InvalidInput("observables are averages over species, so all snapshots must have the same composition")
    sums = result.observable.reshape(len(snapshots), plan.replicas, *result.observable.shape[1:])
    return observables_dataset(plan.observe, sums, result.histogram, counts[0], times, system.species, system.dimension)


def _final(start: Snapshot, places: np.ndarray, velocities: np.ndarray) -> Snapshot:
    images = np.zeros(places.shape, np.int32) if start.images is None else start.images
    return Snapshot(places, start.types, start.box, velocities, images)  # which adds what it subtracts from the unwrapped places
