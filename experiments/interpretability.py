"""What linear models of glassy dynamics can and cannot tell: paper LIN, figures 1 to 16, tables II to IV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from glassgpu.experiments import interpretability_fits as fits
from glassgpu.experiments.described import RADII, catalogue, physical
from glassgpu.experiments.interpretability_report import write
from glassgpu.experiments.labelled_liquids import Options, labelled

import glassgpu as gg
from glassgpu import structure, validate
from glassgpu.report.page import Page
from glassgpu.study import Result, Study

# Random halves, resamplings of configurations, and halves of the grid of elastic nets.
SCALES = {"smoke": (2, 2, 1), "laptop": (10, 20, 5), "paper": (100, 50, 10)}


@dataclass(frozen=True)
class Interpretability(Options):
    """Which features of a frozen arrangement tell who will move in it, and which model of them to keep."""

    out: Path = Path("out/interpretability")
    """folder for the report"""


def run(options: Interpretability) -> Path:
    """Run the stages that have not been run yet, and write the report; returns its path."""
    halves, bootstraps, net_halves = SCALES[validate.choice("scale", options.scale, tuple(SCALES))]
    page = Page("What tells who will move, and how far to believe it", options.out)
    data = labelled(options)
    names = ["BehlerParrinello", "local"] if data.system.dimension == 3 else ["BehlerParrinello", "SLO", "JBB 0.5", "JBB 1"]
    models = [name for name in names if name != f"JBB {RADII[1]:g}"]
    steps = [f"columns-{state}" for state in ("inherent", "thermal")]
    steps += [f"{kind}-{_slug(name)}" for name in models for kind in ("collinearity", "nets", "inherent", "thermal")]
    study = Study(options.out, options, stages=[*steps, "fields"])
    columns = {
        state: study.stage(f"columns-{state}", _columns, state=result, system=data.system, backend=options.backend)
        for state, result in (("inherent", data.inherent), ("thermal", data.thermal))
    }
    found: dict[str, dict[str, Result]] = {}
    for name in models:
        given: dict[str, Any] = {"labels": data.labels, "name": name}
        found[name] = {
            "collinearity": study.stage(f"collinearity-{_slug(name)}", _collinearity, columns=columns["inherent"], **given),
            "nets": study.stage(f"nets-{_slug(name)}", _nets, columns=columns["inherent"], halves=net_halves, seed=options.seed, **given),
        }
        for state in ("inherent", "thermal"):
            found[name][state] = study.stage(
                f"{state}-{_slug(name)}", _repeated, columns=columns[state], halves=halves, bootstraps=bootstraps, seed=options.seed, **given
            )  # fmt: skip
    fields = study.stage("fields", _fields, inherent=data.inherent, liquids=data.thermal, system=data.system, backend=options.backend)
    write(page, options.scale, data, columns["inherent"], found, fields)
    return page.write({"scale": options.scale, "system": options.system, **data.facts, **study.provenance()})


def _slug(name: str) -> str:
    return name.replace(" ", "-")


def rows_of(system: gg.System, snapshots: Any) -> np.ndarray:
    """Which particles models are made of, (configuration, rows): all in the plane, where p hardly depends on the species
    (LIN III.F); the majority species in space."""
    if system.dimension == 2:
        return np.tile(np.arange(system.n), (len(snapshots), 1))
    return np.stack([np.flatnonzero(s.types == 0) for s in snapshots])


def _columns(state: Result, system: gg.System, backend: str) -> dict[str, Any]:
    snapshots = list(state["snapshots"])
    found: dict[str, Any] = catalogue(system, snapshots, backend)
    if system.dimension == 2:
        cells = [structure.radical_voronoi(system, snapshots, radius) for radius in RADII]
        found |= {"empty": np.array([c.empty.mean() for c in cells]), "outside": np.array([c.outside.mean() for c in cells])}
    return {**found, "rows": rows_of(system, snapshots)}


def _fields(inherent: Result, liquids: Result, system: gg.System, backend: str) -> dict[str, Any]:
    """Physical columns, for the meaning of components."""
    return {"columns": physical(system, list(inherent["snapshots"]), backend), "rows": rows_of(system, list(liquids["snapshots"]))}


def chosen(columns: Result, labels: Result, name: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Columns that vary, (configuration, rows, feature), propensity at the last time, (configuration, rows), and their names."""
    rows = columns["rows"]
    x = np.take_along_axis(columns[name].values, rows[:, :, None], axis=1)
    varies = x.max(axis=(0, 1)) > x.min(axis=(0, 1))
    return x[:, :, varies], np.take_along_axis(labels["propensity"][-1], rows, axis=1), columns[name].feature.values[varies].tolist()


def _collinearity(columns: Result, labels: Result, name: str) -> dict[str, Any]:
    x, p, names = chosen(columns, labels, name)
    return {"names": names, **fits.collinearity(x, p)}


def _nets(columns: Result, labels: Result, name: str, **given: int) -> dict[str, Any]:
    x, p, _ = chosen(columns, labels, name)
    return fits.elastic_nets(x, p, **given)


def _repeated(columns: Result, labels: Result, name: str, checkpoint: Path, **given: int) -> dict[str, Any]:
    x, p, _ = chosen(columns, labels, name)
    return fits.repeated(x, p, checkpoint=checkpoint, **given)
