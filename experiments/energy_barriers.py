"""Do other models see the same barriers? Obadiya's thesis, chapter 3."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glassgpu.experiments import energy_barriers_stages as stages
from glassgpu.experiments import softness_stages
from glassgpu.experiments.energy_barriers_report import write
from glassgpu.experiments.liquids import equilibrated
from glassgpu.experiments.softness import GRID, QUANTILES
from glassgpu.experiments.watched_liquids import Options, watched

import glassgpu as gg
from glassgpu import validate
from glassgpu.report.page import Page
from glassgpu.study import Result, Study

WARM_REPLICAS = 10_000  # TH section 3.2.1: at T >= 0.6, where rearrangements are not rare
WARM = 0.6
WARMEST = 0.95  # at which barriers are looked for: below the onset


@dataclass(frozen=True)
class Cooled:
    """The comparison of propensity between inherent and between thermal states.

    Attributes:
        temperature, n, liquids, replicas: of the runs.
        ways: temperatures and least lengths on the way there.
        times: at which particles are looked at. at: which of these the model is trained at.
    """

    temperature: float
    n: int
    liquids: int
    replicas: int
    ways: tuple[tuple[float, float], ...]
    times: tuple[float, ...]
    at: int


@dataclass(frozen=True)
class Scale:
    """How much is computed.

    Attributes:
        train: temperature at which models are trained.
        coldest: temperature at which barriers are looked for.
        take: snapshots released, by temperature; the training temperature first.
        replicas, time: runs of each, and when particles are looked at [time].
        lead, spell, limits, most: of the examples of the classifier, as in ``softness``.
        frames: of each liquid, in which barriers are looked for.
        bins, least, resamples: of S, events of a point, bootstraps.
        epochs: of networks.
        cooled: see there.
        noises, seeds: of the calibration on traps.
    """

    train: float
    coldest: float
    take: dict[float, int]
    replicas: int
    time: float
    lead: int
    spell: float
    limits: tuple[float, ...]
    most: int
    frames: int
    bins: int
    least: int
    resamples: int
    epochs: int
    cooled: Cooled
    noises: tuple[float, ...]
    seeds: int

    def replicas_at(self, temperature: float) -> int:
        """Runs of each snapshot: fewer where it is warm."""
        return min(self.replicas, WARM_REPLICAS) if temperature >= WARM else self.replicas


LAPTOP_TIMES = (0.1, 0.5, 2.0, 5.0, 10.0, 25.0, 40.0, 65.0, 95.0, 135.0)
PAPER_TIMES = (0.1, 0.5, 2.0, 5.0, 10.0, 25.0, 40.0, 65.0, 95.0, 140.0)
SCALES = {
    "smoke": Scale(
        0.6, 0.6, {0.6: 2, 0.9: 1}, 24, 1.0, 1, 0.6, (0.005, 0.01, 0.02, 0.04, 0.08), 200, 2, 5, 10, 10, 2,
        Cooled(0.6, 600, 2, 4, ((1.2, 1), (0.6, 1)), (0.1, 0.4), 1), (0.0,), 1,
    ),
    "laptop": Scale(
        0.60, 0.55, {0.60: 2, 0.65: 1, 0.70: 1}, 100, 25.0, 2, 120.0, GRID, 3800, 12, 9, 100, 100, 60,
        Cooled(0.56, 600, 2, 32, ((1.2, 20), (0.7, 40), (0.56, 150)), LAPTOP_TIMES, 5), (0.0, 0.25, 0.5, 0.75, 1.0), 3,
    ),
    "paper": Scale(
        0.45, 0.45, {0.45: 5, 0.47: 3, 0.50: 3, 0.56: 3, 0.60: 3, 0.70: 3, 0.80: 3, 0.86: 3}, 1_000_000, 25.0, 2, 120.0, GRID, 3800, 60, 12, 100, 200,
        200, Cooled(0.56, 4096, 10, 32, ((1.2, 50), (0.7, 100), (0.56, 1000)), PAPER_TIMES, 5), (0.0, 0.25, 0.5, 0.75, 1.0, 1.5), 10,
    ),
}  # fmt: skip
MAPPED = ("SVC", "SVR", "ridge", "RBF SVR", "MLP", "MLP half", "MLP double", "higher orders", "label csd")  # whose barriers are sought


@dataclass(frozen=True)
class EnergyBarriers(Options):
    """Regressions and classifiers, linear and not: which barriers do they see, and how much of the truth?"""

    out: Path = Path("out/energy_barriers")
    """folder for the report"""
    scale: str = "laptop"
    """smoke, laptop (2 cores, trained at T = 0.60) or paper (one GPU, trained at T = 0.45)"""


def run(options: EnergyBarriers) -> Path:
    """Run the stages that have not been run yet, and write the report; returns its path."""
    wanted = SCALES[validate.choice("scale", options.scale, tuple(SCALES))]
    page = Page("How high are the barriers, and who can tell", options.out)
    data = watched(options, between=(wanted.coldest, WARMEST))
    cold = data.temperatures
    few = [f"{m} columns" for m in stages.FEWER]
    study = Study(options.out, options, stages=[
        *(f"{kind}-{t:g}" for t in wanted.take for kind in ("released", "structure", "explained")), "examples", "columns", "classifier", "fits",
        *(f"outputs-{t:g}" for t in cold), *(f"landscape-{_slug(n)}" for n in (*MAPPED, *few)), *(f"cooled-{t:g}" for t, _ in wanted.cooled.ways), "kept", "propensities", "transfer", "calibration",
    ])  # fmt: skip
    species = list(data.system.species)
    described: dict[str, Any] = {"species": species, "backend": options.backend}
    engine: dict[str, Any] = {"system": data.system, "backend": options.backend}

    runs: dict[float, Result] = {}
    structure: dict[float, Result] = {}
    for t, take in wanted.take.items():
        replicas = wanted.replicas_at(t)
        runs[t] = study.stage(
            f"released-{t:g}", stages.released, liquids=data.liquids[t], take=take, temperature=t, time=wanted.time, replicas=replicas, hops=data.hops,
            seed=options.seed + 1, **engine,
        )  # fmt: skip
        structure[t] = study.stage(f"structure-{t:g}", stages.structure_of, runs=runs[t], **described)
    examples = study.stage(
        "examples", softness_stages.thermal_examples, frames=data.frames[wanted.train], hops=data.hops, lead=wanted.lead, spell=wanted.spell,
        limits=list(wanted.limits), wavenumber=data.system.wavenumber, most=wanted.most, seed=options.seed,
    )  # fmt: skip
    columns = study.stage("columns", softness_stages.described, frames=data.frames[wanted.train], examples=examples, **described)
    classifier = study.stage("classifier", stages.with_classifier, columns=columns, examples=examples, structure=structure[wanted.train])
    fits = study.stage(
        "fits", stages.regressed, runs=runs[wanted.train], columns=structure[wanted.train], replicas=wanted.replicas_at(wanted.train),
        epochs=wanted.epochs, seed=options.seed,
    )  # fmt: skip
    explained = {
        t: study.stage(
            f"explained-{t:g}", stages.explained, runs=runs[t], columns=structure[t], classifier=classifier, fits=fits,
            replicas=wanted.replicas_at(t), training=t == wanted.train,
        )
        for t in wanted.take
    }  # fmt: skip
    outputs = {
        f"{t:g}": study.stage(
            f"outputs-{t:g}", stages.outputs, frames=data.frames[t], classifier=classifier, fits=fits, hops=data.hops, lead=wanted.lead,
            count=frames_at(wanted, t, data.temperatures[0]), training=t == wanted.train, wavenumber=data.system.wavenumber, **described,
        )
        for t in cold
    }  # fmt: skip
    maps = {
        name: study.stage(
            f"landscape-{_slug(name)}", softness_stages.mapped, scores=outputs, temperatures=cold, plane=name, low=QUANTILES[0], high=QUANTILES[1],
            bins=wanted.bins, least=wanted.least, resamples=wanted.resamples, seed=options.seed, label="csd" if name == "label csd" else "rearranges",
        )
        for name in (*MAPPED, *few)
    }  # fmt: skip

    far = wanted.cooled
    alike: dict[str, Any] = {"system": gg.systems.kob_andersen(n=far.n), "backend": options.backend}
    cooler: Result | None = None
    for temperature, duration in far.ways:
        cooler = study.stage(
            f"cooled-{temperature:g}", equilibrated, before=cooler, temperature=temperature, duration=duration, configurations=far.liquids, seed=options.seed,
            accept=None if options.scale == "smoke" else "test", **alike,
        )  # fmt: skip
    assert cooler is not None
    moved = study.stage(
        "kept", stages.kept_runs, liquids=cooler, temperature=far.temperature, times=list(far.times), replicas=far.replicas, seed=options.seed + 2, **alike,
    )  # fmt: skip
    found = study.stage("propensities", stages.propensities, liquids=cooler, runs=moved, **alike)
    transfer = study.stage("transfer", stages.transferred, liquids=cooler, found=found, at=far.at, **described)
    calibration = study.stage("calibration", stages.calibrated, noises=list(wanted.noises), seeds=wanted.seeds)
    write(page, options.scale, wanted, data, runs, fits, classifier, explained, outputs, maps, transfer, calibration)
    return page.write({"scale": options.scale, **data.facts, **study.provenance()})


def frames_at(wanted: Scale, temperature: float, coldest: float) -> int:
    """Frames of each liquid: more where rearrangements are rare."""
    return wanted.frames * (4 if temperature == coldest else 1)


def _slug(name: str) -> str:
    return name.replace(" ", "-")
