"""The main job in one go: liquid -> isoconfigurational ensemble -> descriptors -> ridge -> report."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import glassgpu as gg
from glassgpu import validate
from glassgpu.descriptors.shell_expansion import RADIAL
from glassgpu.engines.checkpoint import fingerprint, load, save, writable
from glassgpu.evaluate import pearson, ridge_over_parts
from glassgpu.report import figures
from glassgpu.report.page import Page

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
    """Run what has not been run yet, and write the report; returns its path."""
    validate.whole("configurations", options.configurations, least=3)
    page = Page("Does structure tell where particles will move?", options.out)
    system = gg.systems.kob_andersen(n=options.n, cutoff="per_pair")
    describe = gg.descriptors.ShellExpansion(generations=options.generations, radial=SHELLS)
    gg.systems.system.require_box(system.box, describe.reach, system.density, "ShellExpansion")
    started = time.monotonic()

    snapshots = _equilibrated(system, options)
    print(f"equilibrated {len(snapshots)} liquids ({time.monotonic() - started:.0f} s)", flush=True)
    shortest = options.longest / 10_000
    dt = min(gg.simulate.DT, shortest)
    ensemble = gg.isoconfigurational(
        system,
        snapshots,
        temperature=options.temperature,
        times=dt * np.unique(np.round(shortest / dt * 10.0 ** np.linspace(0, 4, 13)).astype(int)),
        replicas=options.replicas,
        seed=options.seed,
        dt=dt,
        backend=options.backend,
        checkpoint=options.out / "ensemble.checkpoint.npz",
    )
    print(f"ran {options.replicas} replicas of each ({time.monotonic() - started:.0f} s)", flush=True)
    columns = describe(snapshots).values
    print(f"described {columns.shape[-1]} columns per particle ({time.monotonic() - started:.0f} s)", flush=True)
    predictions, scores = _learn(snapshots, columns, ensemble)
    _write(page, options, snapshots, ensemble, predictions, scores)
    facts = {**ensemble.attrs, "temperature": options.temperature, "seconds": round(time.monotonic() - started)}
    return page.write(facts)


def _equilibrated(system: gg.System, options: Demo) -> list[gg.Snapshot]:
    """The liquids, kept in the folder once made."""
    path = writable(options.out / "configurations.npz")
    key = fingerprint(
        options=(options.n, options.temperature, options.configurations, options.equilibration, options.seed), version=gg.__version__
    )
    found = None
    if path.exists():
        try:
            found = load(path, key)
        except gg.errors.GlassGPUError:
            path.unlink()
    if found is None:
        made = gg.equilibrate(
            system, options.temperature, options.equilibration, options.seed, configurations=options.configurations,
            backend=options.backend, checkpoint=options.out / "equilibration.checkpoint.npz",
        )  # fmt: skip
        assert isinstance(made, list)
        found = {"positions": np.stack([s.positions for s in made]), "types": np.stack([s.types for s in made]), "box": made[0].box}
        save(path, key, found)
    return [gg.Snapshot(x, t, found["box"]) for x, t in zip(found["positions"], found["types"], strict=True)]


def _learn(snapshots: list[gg.Snapshot], columns: np.ndarray, ensemble: gg.Ensemble) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Predictions (configuration, time, particle), and Pearson (configuration, time) by species:
    every configuration by a model of the others, one model per species and time."""
    truth = ensemble.propensity.values
    predictions = np.full_like(truth, np.nan)
    scores = {}
    for s, name in enumerate(SPECIES):
        rows = [snapshot.types == s for snapshot in snapshots]
        folds = ridge_over_parts(
            [c[r] for c, r in zip(columns, rows, strict=True)], [y[:, r].T for y, r in zip(truth, rows, strict=True)], ALPHAS
        )
        scores[name] = np.array(
            [[pearson(y[k, r], p[:, k]) for k in range(truth.shape[1])] for y, r, p in zip(truth, rows, folds.prediction, strict=True)]
        )
        for c, r in enumerate(rows):
            predictions[c][:, r] = folds.prediction[c].T
    return predictions, scores


def _write(
    page: Page, options: Demo, snapshots: list[gg.Snapshot], ensemble: gg.Ensemble, predictions: np.ndarray, scores: dict[str, np.ndarray]
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
