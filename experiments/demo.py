"""The main job in one go: liquid -> isoconfigurational ensemble -> descriptors -> ridge -> report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from glassgpu.experiments.liquids import equilibrated

import glassgpu as gg
from glassgpu import validate
from glassgpu.descriptors.shell_expansion import RADIAL
from glassgpu.engines.options import DT
from glassgpu.evaluate import pearson, ridge_over_parts
from glassgpu.report import figures
from glassgpu.report.page import Page
from glassgpu.study import Result, Study

ALPHAS = 10.0 ** np.arange(-3, 3.1, 0.5)  # ridge penalties per sample, chosen inside the training set
SPECIES = ("A", "B")
SHELLS = RADIAL[:2]  # radial shells to 3.0 only, so that a small box suffices


@dataclass(frozen=True)
class Demo:
    """A Kob-Andersen liquid: does structure tell where particles will move?"""

    out: Path = Path("demo")
    """folder for report.html, its pictures and numbers"""
    n: int = 800
    """particles per configuration (at least 330: the demo's descriptors reach 3.25)"""
    temperature: float = 0.6
    """reduced temperature"""
    configurations: int = 4
    """independent liquids; each is predicted by a model of the others (at least 3)"""
    replicas: int = 16
    """runs with fresh velocities from each"""
    longest: float = 50.0
    """last time; the first is four decades earlier"""
    equilibration: float = 60.0
    """length of the run before the ensemble [time]"""
    generations: int = 2
    """generations of descriptors, 1 to 3"""
    seed: int = 1
    """equal seeds give equal numbers"""
    backend: str = "auto"
    """auto, cuda or cpu"""


def run(options: Demo) -> Path:
    """Run the stages that have not been run yet, and write the report; returns its path."""
    validate.whole("configurations", options.configurations, least=3)
    page = Page("Does structure tell where particles will move?", options.out)
    system = gg.systems.kob_andersen(n=options.n, cutoff="per_pair")
    describe = gg.descriptors.ShellExpansion(generations=options.generations, radial=SHELLS)
    gg.systems.system.require_box(system.box, describe.reach, system.density, "ShellExpansion")
    study = Study(options.out, options, stages=("liquids", "ensemble", "descriptors", "fit"))
    engine = {"system": system, "temperature": options.temperature, "precision": "single", "backend": options.backend}
    liquids = study.stage(
        "liquids",
        equilibrated,
        duration=options.equilibration,
        configurations=options.configurations,
        seed=options.seed,
        **engine,
    )
    shortest = options.longest / 10_000
    dt = min(DT, shortest)
    times = dt * np.unique(np.round(shortest / dt * 10.0 ** np.linspace(0, 4, 13)).astype(int))
    ensemble = study.stage(
        "ensemble", _released, liquids=liquids, times=times, dt=dt, replicas=options.replicas, seed=options.seed, **engine
    )
    columns = study.stage("descriptors", _described, liquids=liquids, describe=describe)
    fit = study.stage("fit", _learn, liquids=liquids, columns=columns, ensemble=ensemble, alphas=ALPHAS)
    _write(page, options, liquids["snapshots"], ensemble["ensemble"], fit["predictions"], fit["scores"])
    return page.write({**ensemble["ensemble"].attrs, **study.provenance()})


def _released(liquids: Result, checkpoint: Path, **given: Any) -> dict[str, Any]:
    return {"ensemble": gg.isoconfigurational(snapshot=liquids["snapshots"], checkpoint=checkpoint, **given)}


def _described(liquids: Result, describe: gg.descriptors.ShellExpansion) -> dict[str, Any]:
    return {"columns": describe(liquids["snapshots"]).values}


def _learn(liquids: Result, columns: Result, ensemble: Result, alphas: np.ndarray) -> dict[str, Any]:
    """Predictions (configuration, time, particle), and Pearson (configuration, time) by species:
    every configuration by a model of the others, one model per species and time."""
    truth = ensemble["ensemble"].propensity.values
    predictions = np.full_like(truth, np.nan)
    scores = {}
    for s, name in enumerate(SPECIES):
        rows = [snapshot.types == s for snapshot in liquids["snapshots"]]
        folds = ridge_over_parts(
            [c[r] for c, r in zip(columns["columns"], rows, strict=True)],
            [y[:, r].T for y, r in zip(truth, rows, strict=True)],
            alphas,
        )
        scores[name] = np.array(
            [[pearson(y[k, r], p[:, k]) for k in range(truth.shape[1])] for y, r, p in zip(truth, rows, folds.prediction, strict=True)]
        )
        for c, r in enumerate(rows):
            predictions[c][:, r] = folds.prediction[c].T
    return {"predictions": predictions, "scores": scores}


def _write(
    page: Page,
    options: Demo,
    snapshots: Sequence[gg.Snapshot],
    ensemble: gg.Ensemble,
    predictions: np.ndarray,
    scores: dict[str, np.ndarray],
) -> None:
    times, truth = ensemble.times, ensemble.propensity.values
    types = np.stack([s.types for s in snapshots])
    mean = {s: np.array([truth[:, k][types == n].mean() for k in range(len(times))]) for n, s in enumerate(SPECIES)}
    score, spread = ({s: getattr(v, how)(axis=0) for s, v in scores.items()} for how in ("mean", "std"))
    ceiling = {s: np.nanmean(ensemble.noise_ceiling.values[:, :, n], axis=0) for n, s in enumerate(SPECIES)}
    k = int(np.argmax(score["A"][len(times) // 2 :])) + len(times) // 2  # once cages are felt
    page.numbers = {
        "times": times, "mean_displacement": mean, "pearson": scores, "noise_ceiling": ceiling,
        "shown_time": times[k], "potential_energy_per_particle": ensemble.energy.values if ensemble.energy is not None else None,
    }  # fmt: skip
    page.text(
        "A liquid that is cooled fast enough does not crystallise: it becomes sluggish and finally stops flowing, although a snapshot of it looks "
        "as disordered as before. Yet not all particles are equally stuck. If one and the same snapshot is released again and again, each time "
        "with fresh random velocities, some particles move far in nearly every run and others hardly ever do. That average distance is the "
        "propensity of a particle. It belongs to the snapshot alone, so something in the structure must decide it.",
        f"Here {len(snapshots)} snapshots of {snapshots[0].n} particles at temperature {options.temperature:g} were each released "
        f"{options.replicas} times. A linear model then tried to tell the propensity of every particle from nothing but the arrangement "
        "of its neighbours. Each snapshot was predicted by a model that had only seen the others.",
    )
    page.heading("Who will move: measured and predicted")
    show = {"measured propensity": truth[0, k], "predicted from structure": predictions[0, k]}
    page.figure(
        figures.maps(snapshots[0], show, "propensity  [$\\sigma$]"),
        "maps",
        f"A slice of the first liquid. Left: average distance moved by time {times[k]:.3g}. Right: the model's prediction from the neighbours' positions.",
    )
    a, c = score["A"][k], ceiling["A"][k]
    page.text(
        f"At time {times[k]:.3g} prediction and measurement agree with a correlation of {a:.2f} for the larger particles (species A). "
        f"No model could be expected to pass {c:.2f}: with only {options.replicas} runs the measured propensity is itself a little noisy."
    )
    page.heading("When structure tells most")
    curves = {f"{s}, ridge": score[s] for s in SPECIES} | {f"{s}, ceiling from {options.replicas} runs": ceiling[s] for s in SPECIES}
    page.figure(
        figures.against_time(
            curves,
            times,
            "Pearson coefficient",
            dashed=[c for c in curves if "ceiling" in c],
            errors={f"{s}, ridge": spread[s] for s in SPECIES},
        ),
        "pearson",
        "How well structure predicts the propensity, against time. Bars: spread over the liquids. Dashed: the most that could be reached with this many runs.",
    )
    page.heading("How far particles move")
    page.figure(
        figures.against_time(mean, times, "mean displacement  [$\\sigma$]", log=True),
        "displacement",
        "First particles fly freely, then their neighbours hold them in a cage (the flatter part), and at last they escape.",
    )
    page.heading("The numbers")
    page.table(
        ["time", "mean displacement A", "Pearson A", "spread", "ceiling A", "Pearson B", "ceiling B"],
        [
            [f"{t:.4g}", *(float(v[i]) for v in (mean["A"], score["A"], spread["A"], ceiling["A"], score["B"], ceiling["B"]))]
            for i, t in enumerate(times)
        ],
    )
