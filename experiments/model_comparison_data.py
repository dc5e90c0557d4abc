"""What ``model_comparison`` learns from: liquids of any system, how far their particles move, and what stands around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from glassgpu.experiments.described import CUTOFF, FEW_LENGTHS, energy_and_densities
from glassgpu.experiments.liquids import equilibrated, settled

import glassgpu as gg
from glassgpu import structure
from glassgpu.descriptors import BehlerParrinello, ShellExpansion, shell_average
from glassgpu.descriptors.descriptor import Descriptor
from glassgpu.errors import InvalidInput
from glassgpu.study import Result, Study

NEAR = 2.1  # of the graph and of averages over neighbours, CMP section I.C
FEW_SHELLS: dict[str, Any] = {"radial": ((0.9, 2.0, 8, 0.1),), "angular": (1.0, 1.5, 2, 0.1)}  # for boxes of a few hundred particles


@dataclass(frozen=True)
class Liquids:
    """Which liquids.

    Attributes:
        n, configurations, runs: particles, liquids, and runs of each.
        duration: least length of the equilibration [the system's time].
        times: of the propensity [the system's time].
        temperature: of the bath, 1 for hard spheres.
        packing: of hard spheres.
        accept: ``"test"``, or None: no test of equilibrium.
        cage: length of the runs that cage states are averaged over [time of the particles' own motion], runs, samples.
    """

    n: int
    configurations: int
    runs: int
    duration: float
    times: tuple[float, ...]
    temperature: float = 1.0
    packing: float | None = None
    accept: str | None = "test"
    cage: tuple[float, int, int] = (1.0, 8, 8)


@dataclass(frozen=True)
class Data:
    """What every model is given.

    Attributes:
        system, species: what it is; names by number.
        ensemble: propensity, its standard error and ceiling, (configuration, time, ...).
        states: by name, a stored stage with ``snapshots``; the first is the thermal one.
        columns: by name of the state, a stored stage with ``columns`` (configuration, particle, feature) float32.
        generations: how many the columns have.
        coarse: columns of energy and densities, where they were asked for.
    """

    system: gg.System
    species: tuple[str, ...]
    ensemble: Result
    states: dict[str, Result]
    columns: dict[str, Result]
    generations: int
    coarse: Result | None = None


def simulated(study: Study, name: str, wanted: Liquids, generations: int, seed: int, backend: str) -> Data:
    """Liquids of ``gg.systems.<name>``, run by their own dynamics."""
    more = {} if wanted.packing is None else {"packing_fraction": wanted.packing}
    system = getattr(gg.systems, name)(n=wanted.n, **more)
    engine = {"system": system, "temperature": wanted.temperature, "backend": backend}
    liquids = study.stage(
        "liquids", equilibrated, duration=wanted.duration, configurations=wanted.configurations, accept=wanted.accept, seed=seed, **engine
    )
    ensemble = study.stage("ensemble", _released, liquids=liquids, times=list(wanted.times), replicas=wanted.runs, seed=seed + 1, **engine)
    return _described(study, system, liquids, ensemble, wanted, generations, seed + 2, backend)


def public(study: Study, folder: Path | None, files: int, generations: int, seed: int, backend: str) -> Data:
    """The public configurations of BOTAN, which we did not make.

    Raises:
        InvalidInput: not enough files.
    """
    found = sorted((folder / "botan").glob("isoconfig_N4096T0.44_*_tc07.npz"))[:files] if folder else []
    if len(found) < 3:
        raise InvalidInput(
            f"{folder}/botan holds {len(found)} files isoconfig_N4096T0.44_*_tc07.npz (github.com/h3-Open-BDEC/pyg_botan); "
            "at least 3 are needed: give their folder by --data DIR"
        )
    system = gg.systems.kob_andersen(n=4096, cutoff="per_pair")
    read = study.stage("public", _read, files=found)
    wanted = Liquids(4096, len(found), 32, 0.0, (), temperature=0.44, cage=(5.0, 16, 16))
    data = _described(study, system, read, read, wanted, generations, seed, backend)
    coarse = study.stage("coarse", _coarse_grained, state=data.states["inherent"], system=system, backend=backend)
    return Data(data.system, data.species, data.ensemble, data.states, data.columns, data.generations, coarse)


def _described(
    study: Study, system: gg.System, liquids: Result, ensemble: Result, wanted: Liquids, generations: int, seed: int, backend: str
) -> Data:
    states = {"thermal": liquids}
    if system.dynamics != "edmd":  # hard spheres have no energy to fall to
        states["inherent"] = study.stage("inherent", settled, liquids=liquids, system=system, backend=backend)
    duration, replicas, samples = wanted.cage
    states["cage"] = study.stage(
        "cage", _caged, liquids=liquids, system=system, temperature=wanted.temperature, duration=duration, replicas=replicas, samples=samples,
        seed=seed, backend=backend,
    )  # fmt: skip
    describe = _descriptor(system, list(liquids["snapshots"]), backend)
    columns = {
        name: study.stage(f"columns-{name}", _columns, state=state, describe=describe, generations=generations)
        for name, state in states.items()
    }
    return Data(system, system.species, ensemble, states, columns, generations)


def _descriptor(system: gg.System, snapshots: Sequence[gg.Snapshot], backend: str) -> Descriptor:
    """One generation of CMP's columns; in the plane Behler-Parrinello's."""
    half = float(min(s.box.min() for s in snapshots) / 2)
    if system.dimension == 2:
        reach = min(5.0, half)
        return BehlerParrinello(system.species, cutoff=reach, r_max=reach, backend=backend)
    whole = ShellExpansion(species=system.species, backend=backend)
    return whole if whole.reach <= half else ShellExpansion(species=system.species, backend=backend, **FEW_SHELLS)


# ---------------------------------------------------------------- stages


def _released(liquids: Result, system: gg.System, checkpoint: Path, **given: Any) -> dict[str, Any]:
    runs = gg.isoconfigurational(system, list(liquids["snapshots"]), checkpoint=checkpoint, **given)
    return _labels(runs)


def _labels(runs: gg.Ensemble) -> dict[str, Any]:
    return {
        "propensity": runs.propensity.values,
        "standard_error": runs.standard_error.values,
        "noise_ceiling": runs.noise_ceiling.values,
        "times": runs.propensity.time.values,
    }


def _read(files: Sequence[Path]) -> dict[str, Any]:
    runs = gg.io.read_botan(files)
    return {"snapshots": runs.snapshot, **_labels(runs)}


def _caged(liquids: Result, system: gg.System, checkpoint: Path, **given: Any) -> dict[str, Any]:
    return {"snapshots": structure.cage_state(system, list(liquids["snapshots"]), checkpoint=checkpoint, **given)}


def _columns(state: Result, describe: Descriptor, generations: int) -> dict[str, Any]:
    """Columns, and their averages over neighbours, generation after generation (CMP equation 6)."""
    out = []
    for snapshot in state["snapshots"]:
        found = [describe(snapshot).values]
        for _ in range(generations - 1):
            found.append(shell_average(found[-1], snapshot, NEAR))
        out.append(np.concatenate(found, axis=1).astype(np.float32))
    return {"columns": np.stack(out), "names": list(describe.columns)}


def _coarse_grained(state: Result, system: gg.System, backend: str) -> dict[str, Any]:
    """The best linear model of ``public_data``."""
    columns = [energy_and_densities(system, snapshot, FEW_LENGTHS, CUTOFF, backend) for snapshot in state["snapshots"]]
    return {"columns": np.stack(columns).astype(np.float32)}
