"""The isoconfigurational ensemble: many runs from one configuration, reduced as they go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgpu import validate
from glassgpu.dynamics.cage import initial_neighbors
from glassgpu.dynamics.hops import Hops
from glassgpu.dynamics.observables import Observe
from glassgpu.dynamics.reliability import ensemble_moments, noise_ceiling
from glassgpu.engines.calls import Cut
from glassgpu.engines.edmd import EdmdRun
from glassgpu.engines.hop_records import LABELS as HOP_LABELS
from glassgpu.engines.mc import McRun
from glassgpu.engines.md import MdRun
from glassgpu.engines.options import (
    DT,
    EDMD_DT,
    MC_SKIN,
    SKIN,
    STEP,
    edmd_plan,
    hop_definition,
    hops_of,
    mc_plan,
    md_plan,
    precision_of,
    provenance,
    steps_of,
    sweeps_of,
)
from glassgpu.engines.plan import Plan
from glassgpu.engines.records import LENGTH_UNIT, square_unit
from glassgpu.engines.runs import Run
from glassgpu.engines.trajectory import observables_of
from glassgpu.errors import InvalidInput
from glassgpu.executors import Executor
from glassgpu.progress import Progress
from glassgpu.protocols import Temperature
from glassgpu.systems.system import System, as_system
from glassgpu.types import Ensemble, Snapshot, as_snapshots

if TYPE_CHECKING:
    import xarray

ENGINES: dict[str, type[Run]] = {"md": MdRun, "mc": McRun, "edmd": EdmdRun}
BELONGS = {"md": ("dt", "thermostat", "thermostat_time"), "mc": ("step",), "edmd": ("dt",)}  # which options are whose
LABELS = ("propensity", "mean_displacement", "bond_breaking", "rearrangement")


def isoconfigurational(
    system: System,
    snapshot: Snapshot | Sequence[Snapshot],
    *,
    temperature: Temperature,
    times: Sequence[float],
    replicas: int,
    seed: int,
    dynamics: str | None = None,
    dt: float | None = None,
    thermostat: str | None = "default",
    thermostat_time: float | None = None,
    step: float | None = None,
    precision: str | None = None,
    skin: float | None = None,
    labels: Sequence[str] = ("propensity",),
    observe: Observe | None = None,
    cage_relative: bool | None = None,
    hops: Hops | None = None,
    checkpoint: str | Path | None = None,
    progress: Progress = True,
    backend: str = "auto",
    threads: int | None = None,
    batch: int | None = None,
    chunk: int | None = None,
    executor: Executor | None = None,
) -> Ensemble:
    """Runs from each snapshot with fresh velocities or random numbers, reduced to labels.

    Memory does not grow with times x replicas x particles: |dr| and |dr|^2 are summed over
    replicas inside the kernel, in 64-bit fixed point, so that no order changes a bit.

    Args:
        system, snapshot: as for ``simulate.md``.
        temperature: of the velocities and of the bath, or of the Metropolis rule; or a list of ``protocols.Segment``.
        times: (time,) ascending, no two on one step: each at least ``dt``, or whole sweeps [time, or sweeps].
        replicas: runs per snapshot, 2 to 2^20.
        seed: replica r of configuration c gets the same numbers whatever else is run.
        dynamics: ``"md"`` or ``"edmd"``: fresh Maxwell-Boltzmann velocities; ``"mc"``: Metropolis dynamics with
            fresh random numbers. By default the system's own.
        dt: molecular dynamics and event-driven dynamics, as for ``simulate.md`` and ``simulate.edmd``.
        thermostat, thermostat_time: molecular dynamics, as for ``simulate.md``, whose defaults they have.
        step: Monte Carlo, as for ``simulate.mc``.
        labels: ``"propensity"``, <|dr_i|>, always; ``"mean_displacement"``, <dr_i>,
            ``"bond_breaking"``, <n_i(t) / n_i(0)>, and ``"rearrangement"``, in how many runs a particle rearranges
            (TH section 3.2.1), when named.
        observe: observables of every replica, summed inside the run.
        cage_relative: displacements of propensity, cage-relative observables and van Hove function are
            less the mean displacement of the initial neighbours (``dynamics.cage_relative``); None: in
            two dimensions.
        hops: when a particle rearranges; by default ``dynamics.Hops()``. Replicas are counted at those
            ``times`` that fall on its frames and have a window before them; runs go on for the window after.
        checkpoint: file to save to every half minute and to continue from after an interruption; of a
            finished run it holds the result, and the same call returns at once.
        precision: ``"single"`` or ``"double"``; by default single, but double for event-driven dynamics.
        skin, progress, backend, threads, batch, chunk, executor: as there.

    Returns:
        Ensemble. A sequence of snapshots gives a leading ``configuration`` axis.

    Raises:
        InvalidInput, BoxTooSmall, UnknownSpecies, ParticlesOverlap, DeviceMissing, CompilerMissing: before anything is run.
        CheckpointMismatch, FileFormatError, OutputNotWritable: of the checkpoint, likewise.
        SimulationFailed, Interrupted: with the checkpoint kept.

    Warns:
        SuspiciousInput: density or composition unlike the system's (other units, other types).

    Source: Widmer-Cooper, Harrowell, Fynewever, PRL 93, 135701 (2004); CMP section I.B; II equations 2 to 4.

    Example:
        >>> system = gg.systems.kob_andersen(n=400, cutoff="per_pair")
        >>> liquid = gg.equilibrate(system, temperature=1.0, duration=1, seed=1, accept=None, progress=False)
        >>> runs = gg.isoconfigurational(system, liquid, temperature=1.0, times=[0.1, 1.0], replicas=8, seed=2, progress=False)
        >>> runs.propensity.dims, runs.propensity.shape
        (('time', 'particle'), (2, 400))
        >>> runs.noise_ceiling.sel(time=1.0, species="A").item() < 1
        True
    """
    labels = validate.names("labels", labels, LABELS)
    system = as_system(system)
    dynamics = validate.choice("dynamics", system.dynamics if dynamics is None else dynamics, tuple(ENGINES))
    given = {
        "dt": dt is not None, "thermostat": thermostat != "default", "thermostat_time": thermostat_time is not None, "step": step is not None,
    }  # fmt: skip
    foreign = [name for name, is_given in given.items() if is_given and name not in BELONGS[dynamics]]
    if foreign:
        name = foreign[0]
        raise InvalidInput(
            f"{name}= does not belong to dynamics={dynamics!r}, by which {system.name} is run; leave it out or give dynamics="
        )
    snapshots, many = as_snapshots(snapshot)
    usual, longest = {"md": (DT, 0.1), "mc": (1.0, 1.0), "edmd": (EDMD_DT, 1.0)}[dynamics]
    dt = validate.number("dt", usual if dt is None else dt, above=0, most=longest)
    steps = sweeps_of(times) if dynamics == "mc" else steps_of(times, dt)
    watched = _watched(hops, labels, steps, dt)
    common: dict[str, Any] = {
        "temperature": temperature, "precision": precision_of(dynamics, precision, backend), "replicas": replicas, "seed": seed, "samples": steps, **watched,
        "least_replicas": 2, "mean_displacements": "mean_displacement" in labels, "bond_breaking": "bond_breaking" in labels,
        "observe": observe, "cage_relative": cage_relative,
    }  # fmt: skip
    plan: Plan
    if dynamics == "mc":
        plan = mc_plan(system, step=STEP if step is None else step, skin=MC_SKIN if skin is None else skin, **common)
    elif dynamics == "edmd":
        plan = edmd_plan(system, snapshots, dt=dt, skin=skin, **common)
    else:
        plan = md_plan(
            system, dt=dt, thermostat="nose_hoover" if thermostat == "default" else thermostat,
            thermostat_time=0.5 if thermostat_time is None else thermostat_time, skin=SKIN if skin is None else skin, **common,
        )  # fmt: skip
    run = Cut(batch, chunk, checkpoint, progress, backend, threads, executor).run_of(ENGINES[dynamics], system, snapshots, plan)
    return _ensemble_of(run.run(), many, np.atleast_1d(np.asarray(times, float)))


def _watched(hops: Hops | None, labels: Sequence[str], steps: np.ndarray, dt: float) -> dict[str, Any]:
    """What a plan is told of rearrangements, and how many steps there are in all."""
    if "rearrangement" not in labels:
        if hops is not None:
            raise InvalidInput("hops= says when a particle rearranges, so name 'rearrangement' in labels, or leave it out")
        return {"steps": int(steps[-1])}
    wanted, every = hops_of(hops, dt)
    frames = steps[(steps % every == 0) & (steps // every >= wanted.half_window)] // every
    if not len(frames):
        raise InvalidInput(
            f"none of times is a whole multiple of interval={wanted.interval:g} and at least {wanted.half_window * wanted.interval:g}, "
            "from where on p_hop can be told; add one to times"
        )
    if wanted.since is not None and round(wanted.since / wanted.interval) > frames[-1]:
        raise InvalidInput(
            f"since={wanted.since:g} is after {frames[-1] * wanted.interval:g}, the last of times at which rearrangements are counted, so that "
            "label 'any' would count none; give a smaller since, or add a later time to times"
        )
    last = max(int(steps[-1]), int(frames[-1] + wanted.half_window) * every)
    return {"steps": last, "hops": wanted, "hop_every": every, "hop_samples": tuple(frames.tolist())}


def _ensemble_of(run: Run, many: bool, times: np.ndarray) -> Ensemble:
    """What the runs have summed, as averages over replicas."""
    system, snapshots, records, replicas = run.problem.system, list(run.snapshots), run.records, run.plan.replicas
    assert records.sums is not None
    mean, variance = ensemble_moments(replicas, records.sums[:, :, 0] / LENGTH_UNIT, records.sums[:, :, 1] / square_unit(replicas))
    energy = records.log[:, :, 0].reshape(len(snapshots), replicas, -1).mean(axis=1) / snapshots[0].n
    attrs = provenance(system, snapshots, run.plan, run.ran_on)
    out = make_ensemble(snapshots, many, times, mean, variance, system.species, attrs, records.steps, energy)
    if records.drift is not None:
        out = replace(out, mean_displacement=_mean_displacement(records.drift / (LENGTH_UNIT * replicas), many, out))
    if records.bonds is not None:
        first = np.stack([initial_neighbors(system, s).count for s in snapshots])[:, None]
        all_bonds = np.stack([first, first**2], axis=2)
        share = np.where(all_bonds == 0, replicas, records.bonds / all_bonds.clip(1))  # where there is none, none can break
        unbroken, spread = ensemble_moments(replicas, share[:, :, 0], share[:, :, 1])
        like = out.propensity if many else out.propensity.expand_dims("configuration")
        labels = [
            like.copy(data=x).assign_attrs(units="1").rename(n)
            for x, n in ((unbroken, "bond_breaking"), (np.sqrt(spread), "bond_breaking_error"))
        ]
        bonds, error = labels if many else (label.isel(configuration=0) for label in labels)
        out = replace(out, bond_breaking=bonds, bond_breaking_error=error)
    if run.hops.count is not None:
        out = replace(out, rearrangements=_rearrangements(run, many))
    if run.plan.observe:
        out = replace(out, observables=observables_of(run, times).assign_coords(step=("time", records.steps)))
    return out


def _mean_displacement(drift: np.ndarray, many: bool, ensemble: Ensemble) -> xarray.DataArray:
    """<dr_i> over the runs, from (configuration, time, dim, particle)."""
    import xarray

    dims = ("configuration", "time", "particle", "dim")
    coords = {name: ensemble.propensity.coords[name] for name in ("time", "step")}
    data = xarray.DataArray(drift.transpose(0, 1, 3, 2), coords, dims, name="mean_displacement", attrs=ensemble.propensity.attrs)
    return data if many else data.isel(configuration=0)


def _rearrangements(run: Run, many: bool) -> xarray.DataArray:
    """How many runs rearrange each particle, by label."""
    import xarray

    assert run.hops.hops is not None and run.hops.count is not None
    data = xarray.DataArray(
        run.hops.count.transpose(0, 2, 1, 3), dims=("configuration", "label", "hop_time", "particle"), name="rearrangements",
        coords={"label": list(HOP_LABELS), "hop_time": run.hops.hops.interval * np.array(run.hops.samples)},
        attrs={"units": "1", "replicas": run.plan.replicas, **hop_definition(run.plan.hops)},
    )  # fmt: skip
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
