"""Hard spheres crowd and slow down: propensity, F_s, relaxation time and equation of state (CMP, figure 1)."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from glassgpu.experiments.hard_sphere_relaxation_report import write

import glassgpu as gg
from glassgpu import dynamics, structure, validate
from glassgpu.launch import Cpu, target
from glassgpu.report.page import Page
from glassgpu.study import Result, Study
from glassgpu.study.status import stage_status

SHORTEST, PER_DECADE = 1e-3, 8  # times of propensities [tau]
TOLD = 20.0  # tau in which pressures and contact values are measured
TRIED = 0.05  # tau that a run is tried for before its hours are told
SPECIES = ("L", "S")


@dataclass(frozen=True)
class Scale:
    """How much is computed.

    Attributes:
        n, configurations, runs: spheres, liquids of each packing, runs of each liquid.
        fluid: by packing fraction, least length of the equilibration, accepted by the test of ageing, and length of
            the runs [tau].
        thin: packing fractions at which only the equation of state is measured.
        glass: packing fraction at which equilibrium may be out of reach.
        aged: how long it is left alone before [tau].
        glass_longest: of the runs there.
        equilibrium: whether ``aged`` is long enough for an equilibrium.
    """

    n: int
    configurations: int
    runs: int
    fluid: dict[float, tuple[float, float]]
    thin: tuple[float, ...]
    glass: float
    aged: float
    glass_longest: float
    equilibrium: bool


SCALES = {
    "smoke": Scale(300, 2, 3, {0.45: (20.0, 4.0), 0.50: (30.0, 4.0)}, (0.3,), 0.55, 5.0, 2.0, False),
    "laptop": Scale(
        2000, 4, 16, {0.45: (40.0, 20.0), 0.50: (80.0, 100.0), 0.53: (80.0, 100.0), 0.55: (160.0, 100.0)}, (0.2, 0.3, 0.4), 0.58, 400.0, 30.0, False
    ),
    "gpu": Scale(
        2000, 20, 50, {0.45: (40.0, 20.0), 0.50: (80.0, 100.0), 0.53: (200.0, 300.0), 0.55: (400.0, 300.0)}, (0.2, 0.3, 0.4), 0.58, 2e4, 1e3, False
    ),
    "paper": Scale(
        2000, 100, 50, {0.45: (40.0, 20.0), 0.50: (80.0, 100.0), 0.53: (200.0, 300.0), 0.55: (400.0, 1e3), 0.56: (2000.0, 3e3)}, (0.2, 0.3, 0.4), 0.58, 1e5,
        1e5, True,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class HardSphereRelaxation:
    """A mixture of hard spheres, from a fluid to a glass, by event-driven dynamics."""

    out: Path = Path("out/hard_sphere_relaxation")
    """folder for the report"""
    scale: str = "laptop"
    """smoke, laptop (2 cores), gpu (packing 0.58 to 1e3 tau) or paper (to 1e5 tau)"""
    seed: int = 1
    """equal seeds give equal numbers"""
    backend: str = "auto"
    """auto, cuda or cpu"""


def run(options: HardSphereRelaxation) -> Path:
    """Run the stages that have not been run yet, and write the report; returns its path."""
    wanted = SCALES[validate.choice("scale", options.scale, tuple(SCALES))]
    page = Page("A crowd that cannot overlap", options.out)
    every = [*wanted.fluid, wanted.glass]
    names = [f"{kind}-{p:g}" for p in every for kind in ("liquids", "pairs", "pressure", "ensemble")]
    study = Study(options.out, options, stages=[*names, *(f"pressure-{p:g}" for p in wanted.thin)])

    def engine(name: str, packing: float) -> dict[str, Any]:
        """What every stage is given; a seed of its own, so that no two share their random numbers."""
        seed = int(np.random.SeedSequence([options.seed, *name.encode()]).generate_state(1)[0])
        return {"system": gg.systems.hard_spheres(n=wanted.n, packing_fraction=packing), "seed": seed, "backend": options.backend}

    if options.scale not in ("smoke", "laptop"):
        _tell_hours(options, wanted, {stage.name for stage in stage_status(options.out) if stage.state == "done"})
    liquids, pairs, pressures, runs = {}, {}, {}, {}
    for p in wanted.thin:
        pressures[p] = study.stage(
            f"pressure-{p:g}", _compressed, liquids=None, configurations=wanted.configurations, **engine(f"pressure-{p:g}", p)
        )
    for p in every:
        glass = p == wanted.glass
        longest = wanted.glass_longest if glass else wanted.fluid[p][1]
        how = engine(f"ensemble-{p:g}", p)
        liquids[p] = study.stage(
            f"liquids-{p:g}", _equilibrated, duration=wanted.aged if glass else wanted.fluid[p][0], configurations=wanted.configurations,
            accept=None if glass or options.scale == "smoke" else "test", **engine(f"liquids-{p:g}", p),
        )  # fmt: skip
        pairs[p] = study.stage(f"pairs-{p:g}", _correlated, liquids=liquids[p])
        pressures[p] = study.stage(
            f"pressure-{p:g}", _compressed, liquids=liquids[p], configurations=wanted.configurations, **engine(f"pressure-{p:g}", p)
        )
        runs[p] = study.stage(f"ensemble-{p:g}", _ensemble, liquids=liquids[p], longest=longest, replicas=wanted.runs, **how)
    write(page, options.scale, wanted, liquids, pairs, pressures, runs)
    return page.write(
        {"scale": options.scale, "n": wanted.n, "configurations": wanted.configurations, "runs": wanted.runs, **study.provenance()}
    )


def times_to(longest: float) -> list[float]:
    """Log-spaced whole multiples of ``SHORTEST``, the last of them ``longest`` [tau]."""
    number = round(PER_DECADE * np.log10(longest / SHORTEST)) + 1
    steps = np.unique(np.round(np.geomspace(1, longest / SHORTEST, number)).astype(np.int64))
    return (steps * SHORTEST).tolist()


def _equilibrated(checkpoint: Path, **given: Any) -> dict[str, Any]:
    found = gg.equilibrate(temperature=1.0, checkpoint=checkpoint, **given)
    return {"snapshots": found if isinstance(found, list) else [found]}


def _correlated(liquids: Result) -> dict[str, Any]:
    snapshots = list(liquids["snapshots"])
    reach = min(4.0, float(snapshots[0].box.min() / 2))
    return {
        "radial_distribution": structure.radial_distribution(snapshots, reach, 300, species=SPECIES),
        "structure_factor": structure.structure_factor(snapshots, 12.0, 96, species=SPECIES),
        "crystalline": np.array([structure.largest_crystalline_cluster(s) for s in snapshots]),
    }


def _compressed(
    liquids: Result | None, system: gg.System, configurations: int, seed: int, checkpoint: Path, **given: Any
) -> dict[str, Any]:
    """p / (rho k_B T), contact values and collisions of a particle in a unit of time, each (configuration,)."""
    starts = [system.random_snapshot(seed + k) for k in range(configurations)] if liquids is None else list(liquids["snapshots"])
    run = gg.simulate.edmd(system, starts, temperature=1.0, times=[TOLD, 2 * TOLD], seed=seed, checkpoint=checkpoint, **given)
    temperature = 2 * run.kinetic[:, 0, 1] / (3 * (system.n - 1))
    return {
        "compressibility": run.pressure[:, 0, 1] / (system.density * temperature),
        "contact_values": run.contact_values[:, 0],
        "collisions": 2 * run.collisions[:, 0] / (system.n * 2 * TOLD * np.sqrt(temperature)),
    }


def _ensemble(liquids: Result, system: gg.System, longest: float, checkpoint: Path, **given: Any) -> dict[str, Any]:
    runs = gg.isoconfigurational(
        system, list(liquids["snapshots"]), temperature=1.0, times=times_to(longest), dt=SHORTEST, checkpoint=checkpoint,
        observe=dynamics.Observe(wavenumber=system.wavenumber), **given,
    )  # fmt: skip
    return {"observables": runs.observables, "propensity": runs.propensity, "noise_ceiling": runs.noise_ceiling}


def _tell_hours(options: HardSphereRelaxation, wanted: Scale, done: set[str]) -> None:
    """Say what the runs that are not done will take, before they begin, from a short run of each on this machine."""
    rows = wanted.configurations * wanted.runs
    busy = min(rows, 2 if isinstance(target(options.backend, None), Cpu) else 1000)
    whole = 0.0
    for p in (*wanted.fluid, wanted.glass):
        if f"ensemble-{p:g}" in done:
            continue
        longest = wanted.glass_longest + wanted.aged / wanted.runs if p == wanted.glass else wanted.fluid[p][1]
        system = gg.systems.hard_spheres(n=wanted.n, packing_fraction=p)
        start = system.random_snapshot(options.seed)
        for _ in range(2):  # the first compiles
            begun = time.monotonic()
            gg.simulate.edmd(system, start, temperature=1.0, duration=TRIED, replicas=busy, seed=0, progress=False, backend=options.backend)
            taken = time.monotonic() - begun
        hours = taken / TRIED / busy * rows * longest / 3600
        whole += hours
        print(f"packing {p:g}: {rows} runs of {longest:g} tau, about {hours:.3g} hours", file=sys.stderr)
    if whole:
        print(f"about {whole:.3g} hours in all; stopped at any time, the same command goes on", file=sys.stderr)
