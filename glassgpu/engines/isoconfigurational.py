"""The isoconfigurational ensemble: many runs from one configuration, reduced as they go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgpu import validate
from glassgpu.dynamics.observables import Observe
from glassgpu.dynamics.reliability import ensemble_moments, noise_ceiling
from glassgpu.engines.checkpoint import checkpoint_path
from glassgpu.engines.md import LENGTH_UNIT, MdRun, square_unit
from glassgpu.progress import Progress
from glassgpu.simulate import DT, SKIN, choose_target, observables_of, plan_of, provenance, steps_of
from glassgpu.systems.system import System
from glassgpu.types import Ensemble, Snapshot, as_snapshots

if TYPE_CHECKING:
    import xarray


def isoconfigurational(
    system: System,
    snapshot: Snapshot | Sequence[Snapshot],
    *,
    temperature: float,
    times: Sequence[float],
    replicas: int,
    seed: int,
    dt: float = DT,
    thermostat: str | None = "nose_hoover",
    thermostat_time: float = 0.5,
    precision: str = "single",
    skin: float = SKIN,
    labels: Sequence[str] = ("propensity",),
    observe: Observe | None = None,
    checkpoint: str | Path | None = None,
    progress: Progress = True,
    backend: str = "auto",
    threads: int | None = None,
    batch: int | None = None,
    chunk: int | None = None,
) -> Ensemble:
    """Runs with fresh Maxwell-Boltzmann velocities from each snapshot, reduced to labels.

    Memory does not grow with times x replicas x particles: |dr| and |dr|^2 are summed over
    replicas inside the kernel, in 64-bit fixed point, so that no order changes a bit.

    Args:
        system, snapshot: as for ``simulate.md``.
        temperature: of the velocities and of the bath.
        times: ascending, each at least ``dt``, no two on one step [time].
        replicas: runs per snapshot, 2 to 2^20.
        seed: replica r of configuration c gets the same numbers whatever else is run.
        thermostat: ``"nose_hoover"``, or None for constant energy.
        labels: ``"propensity"`` always; ``"mean_displacement"``, <dr_i>, when named.
        observe: observables of every replica, summed inside the run.
        checkpoint: file to save to every half minute and to continue from after an interruption; of a
            finished run it holds the result, and the same call returns at once.
        dt, thermostat_time, precision, skin, progress, backend, threads, batch, chunk: as there.

    Returns:
        Ensemble. A sequence of snapshots gives a leading ``configuration`` axis.

    Raises:
        InvalidInput, BoxTooSmall, UnknownSpecies, ParticlesOverlap: before anything is run.
        SimulationFailed, Interrupted: with the checkpoint kept.

    Warns:
        SuspiciousInput: density or composition unlike the system's (other units, other types).

    Source: Widmer-Cooper, Harrowell, Fynewever, PRL 93, 135701 (2004); CMP section I.B.
    """
    validate.number("temperature", temperature, above=0)
    dt = validate.number("dt", dt, above=0, most=0.1)
    labels = validate.names("labels", labels, ("propensity", "mean_displacement"))
    snapshots, many = as_snapshots(snapshot)
    steps = steps_of(times, dt)
    plan = plan_of(
        temperature=temperature, dt=dt, thermostat=thermostat, thermostat_time=thermostat_time, precision=precision, skin=skin, replicas=replicas,
        seed=seed, steps=int(steps[-1]), samples=steps, least_replicas=2,
        mean_displacements="mean_displacement" in labels, observe=observe,
    )  # fmt: skip
    place = choose_target(backend, replicas * len(snapshots), threads)
    run = MdRun(system, snapshots, plan, place, batch=batch, chunk=chunk, checkpoint=checkpoint_path(checkpoint), progress=progress)
    system.warn_if_unlike(snapshots)
    result = run.run()
    mean, variance = ensemble_moments(replicas, result.sums[:, :, 0] / LENGTH_UNIT, result.sums[:, :, 1] / square_unit(replicas))
    energy = result.log[:, :, 0].reshape(len(snapshots), replicas, -1).mean(axis=1) / snapshots[0].n
    attrs = provenance(system, snapshots, plan, place)
    out = make_ensemble(snapshots, many, np.asarray(times, float), mean, variance, system.species, attrs, steps, energy)
    if result.drift is not None:
        out = replace(out, mean_displacement=_mean_displacement(result.drift / (LENGTH_UNIT * replicas), many, out))
    if observe:
        observables = observables_of(system, snapshots, plan, result, np.atleast_1d(np.asarray(times, float)))
        out = replace(out, observables=observables.assign_coords(step=("time", steps)))
    return out


def _mean_displacement(drift: np.ndarray, many: bool, ensemble: Ensemble) -> xarray.DataArray:
    """<dr_i> over the runs, from (configuration, time, dim, particle)."""
    import xarray

    dims = ("configuration", "time", "particle", "dim")
    coords = {name: ensemble.propensity.coords[name] for name in ("time", "step")}
    data = xarray.DataArray(drift.transpose(0, 1, 3, 2), coords, dims, name="mean_displacement", attrs=ensemble.propensity.attrs)
    return data if many else data.isel(configuration=0)


def make_ensemble(
    snapshots: list[Snapshot],
    many: bool,
    times: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    species: Sequence[str],
    attrs: dict[str, Any],
    steps: np.ndarray | None = None,
    energy: np.ndarray | None = None,
) -> Ensemble:
    """An ``Ensemble`` from propensities and the variance of that mean, (configuration, time, N)."""
    import xarray

    coordinates: dict[str, Any] = {"time": np.atleast_1d(times)}
    if steps is not None:
        coordinates["step"] = ("time", steps)
    ceiling = np.stack([noise_ceiling(m, v, s.types, len(species)) for m, v, s in zip(mean, variance, snapshots, strict=True)])
    named = np.array([species[s] for s in range(ceiling.shape[-1])])

    length = attrs.get("length_unit", "sigma_AA")  # the public data sets are Kob-Andersen mixtures

    def labelled(values: np.ndarray, last: str | None, name: str, units: str) -> xarray.DataArray:
        dims = ["configuration", "time"] + ([last] if last else [])
        coords = {**coordinates, **({"species": named} if last == "species" else {})}
        data = xarray.DataArray(values, dims=dims, coords=coords, name=name, attrs={**attrs, "units": units})
        return data if many else data.isel(configuration=0)

    return Ensemble(
        snapshot=snapshots if many else snapshots[0],
        propensity=labelled(mean, "particle", "propensity", length),
        standard_error=labelled(np.sqrt(variance), "particle", "standard_error", length),
        noise_ceiling=labelled(ceiling, "species", "noise_ceiling", "1"),
        energy=None if energy is None else labelled(energy, None, "energy", attrs.get("energy_unit", "epsilon_AA")),
        attrs=attrs,
    )
