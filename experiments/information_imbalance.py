"""Which few quantities tell who will move, without assuming how: paper II, figures 2 and 4 to 10."""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from glassgpu.experiments.described import physical
from glassgpu.experiments.information_imbalance_report import ELIMINATION, FREE, LASSO, RANDOM, REDUNDANCY, SHOWN, SUPERVISED, write
from glassgpu.experiments.labelled_liquids import Options, labelled

import glassgpu as gg
from glassgpu import validate
from glassgpu.evaluate import pearson
from glassgpu.models import Factor
from glassgpu.report.page import Page
from glassgpu.selection import (
    added_noise,
    greedy_selection,
    information_imbalance,
    lasso_selection,
    minimum_redundancy,
    random_selection,
    recursive_elimination,
)
from glassgpu.study import Pieces, Result, Study

# Columns chosen, and random selections of each number of columns.
SCALES = {"smoke": (15, 5), "laptop": (15, 200), "paper": (15, 1000)}
DRAWS = 20  # of added noise


@dataclass(frozen=True)
class InformationImbalance(Options):
    """Which few quantities of an arrangement are close where the motion is close."""

    out: Path = Path("out/information_imbalance")
    """folder for the report"""


def run(options: InformationImbalance) -> Path:
    """Run the stages that have not been run yet, and write the report; returns its path."""
    most, draws = SCALES[validate.choice("scale", options.scale, tuple(SCALES))]
    page = Page("Which few quantities tell who will move", options.out)
    data = labelled(options)
    times = data.labels["times"]
    names = ["alpha", "beta"][: len(times)]
    steps = [f"{kind}-{name}" for name in names for kind in ("singles", "supervised", "scores")]
    study = Study(options.out, options, stages=["columns", "unsupervised", *steps])
    columns = study.stage("columns", _columns, liquids=data.thermal, system=data.system, backend=options.backend)
    free = study.stage("unsupervised", _unsupervised, columns=columns, most=most, backend=options.backend)
    found = {}
    for name, time in zip(names, (len(times) - 1, 0), strict=False):
        given: dict[str, Any] = {"columns": columns, "labels": data.labels, "time": time}
        seed = options.seed + time
        found[name] = {
            "singles": study.stage(f"singles-{name}", _singles, backend=options.backend, **given),
            "supervised": study.stage(f"supervised-{name}", _supervised, most=most, seed=seed, backend=options.backend, **given),
        }
        found[name]["scores"] = study.stage(
            f"scores-{name}", _scores, supervised=found[name]["supervised"], unsupervised=free, draws=draws, seed=seed, **given
        )
    write(page, options.scale, data, columns, free, found)
    return page.write({"scale": options.scale, "system": options.system, **data.facts, **study.provenance()})


def _columns(liquids: Result, system: gg.System, backend: str) -> dict[str, Any]:
    """Columns of thermal states, of all particles in the plane, of the majority species in space; standardised for each
    configuration by itself, as in II."""
    snapshots = list(liquids["snapshots"])
    found = physical(system, snapshots, backend)
    rows = np.stack([np.arange(s.n) if system.dimension == 2 else np.flatnonzero(s.types == 0) for s in snapshots])
    x = np.take_along_axis(found.values, rows[:, :, None], axis=1)
    varies = (x.max(axis=1) > x.min(axis=1)).all(axis=0)
    x = x[:, :, varies]
    x = x - x.mean(axis=1, keepdims=True)
    types = np.take_along_axis(np.stack([s.types for s in snapshots]), rows, axis=1)
    return {"x": x / x.std(axis=1, keepdims=True), "rows": rows, "types": types, "names": found.feature.values[varies].tolist()}


def targets(columns: Result, labels: Result, time: int, name: str = "propensity") -> np.ndarray:
    """A label of the rows described, (configuration, rows)."""
    return np.take_along_axis(labels[name][time], columns["rows"], axis=1)


def _singles(columns: Result, labels: Result, time: int, backend: str) -> dict[str, Any]:
    """II figure 4: every column alone, (configuration, columns); and p against q."""
    p = targets(columns, labels, time)
    both = np.array([[information_imbalance(x, y, backend=backend) for x in given.T] for given, y in zip(columns["x"], p, strict=True)])
    one_by_one = np.array([[pearson(x, y) for x in given.T] for given, y in zip(columns["x"], p, strict=True)])
    found: dict[str, Any] = {"pearson": one_by_one, "to_p": both[..., 0], "from_p": both[..., 1]}
    if "bond_breaking" in labels:
        q = targets(columns, labels, time, "bond_breaking")
        found["q"] = np.array([information_imbalance(a, b, backend=backend) for a, b in zip(q, p, strict=True)])
    return found


def _selected(x: np.ndarray, p: np.ndarray | None, most: int, backend: str, checkpoint: Path) -> dict[str, np.ndarray]:
    """Columns chosen for each configuration, one piece of the stage after another."""

    def of(c: int) -> dict[str, Any]:
        chosen: Any = greedy_selection(x[c], None if p is None else p[c], most, backend=backend)
        return {"features": np.array(chosen.features), "imbalance": chosen.imbalance}

    piece = Pieces(checkpoint)
    found = [piece(f"selection {c}", functools.partial(of, c)) for c in range(len(x))]
    return {name: np.stack([f[name] for f in found]) for name in ("features", "imbalance")}


def _supervised(columns: Result, labels: Result, time: int, most: int, seed: int, backend: str, checkpoint: Path) -> dict[str, Any]:
    """II figure 5: columns chosen for each configuration, what they tell, and what noise does to it."""
    x, p = columns["x"], targets(columns, labels, time)
    found = _selected(x, p, most, backend, checkpoint)
    noise = [
        added_noise(a, chosen, b, DRAWS, seed=seed + k, backend=backend)
        for k, (a, chosen, b) in enumerate(zip(x, found["features"], p, strict=True))
    ]
    return {**found, "noise_before": np.array([before for before, _ in noise]), "noise_after": np.stack([after for _, after in noise])}


def _unsupervised(columns: Result, most: int, backend: str, checkpoint: Path) -> dict[str, Any]:
    """II figure 6."""
    return {**_selected(columns["x"], None, most, backend, checkpoint)}


def _scores(
    columns: Result, labels: Result, supervised: Result, unsupervised: Result, time: int, draws: int, seed: int, checkpoint: Path
) -> dict[str, Any]:
    """II figures 7, 9 and 10: columns chosen in one configuration, a linear fit of these to all others, asked about that one.

    Returns:
        By method (d, configuration) Pearson coefficients of all particles, ``by_species`` of the supervised selection (d,
        configuration, species), and its ``prediction`` at the largest d (configuration, rows).
    """
    x, p, types = columns["x"], targets(columns, labels, time), columns["types"]
    many, _, width = x.shape
    most, species = supervised["features"].shape[1], int(types.max()) + 1
    factors = [Factor.of(a, b) for a, b in zip(x, p, strict=True)]

    def of(c: int) -> dict[str, Any]:
        others = functools.reduce(operator.add, [f for k, f in enumerate(factors) if k != c])
        score, by_species = {method: np.zeros(most) for method in SHOWN}, np.full((most, species), np.nan)
        prediction = np.zeros(p.shape[1])
        # Every selection looks at the configuration that is asked about, as in II; the fit does not.
        redundancy, elimination = minimum_redundancy(x[c], p[c], most), recursive_elimination(x[c], p[c], most)
        for d in range(1, most + 1):
            chosen: dict[str, Any] = {
                SUPERVISED: [supervised["features"][c, :d]], LASSO: [lasso_selection(x[c], p[c], d).features],
                FREE: [unsupervised["features"][c, :d]], RANDOM: random_selection(width, d, draws, seed + c),
                REDUNDANCY: [redundancy[:d]], ELIMINATION: [elimination[:d]],
            }  # fmt: skip
            for method, several in chosen.items():
                guesses = [_guess(others, x[c], np.asarray(some)) for some in several]
                score[method][d - 1] = np.mean([pearson(p[c], g) for g in guesses])
                if method == SUPERVISED:
                    prediction = guesses[0]
                    by_species[d - 1] = [
                        pearson(p[c][types[c] == s], prediction[types[c] == s]) if (types[c] == s).any() else np.nan for s in range(species)
                    ]
        return {**score, "by_species": by_species, "prediction": prediction}

    piece = Pieces(checkpoint)
    found = [piece(f"scores {c}", functools.partial(of, c)) for c in range(many)]
    together = {name: np.stack([f[name] for f in found], axis=1) for name in (*SHOWN, "by_species")}
    return {**together, "prediction": np.stack([f["prediction"] for f in found])}


def _guess(factor: Factor, x: np.ndarray, features: np.ndarray) -> np.ndarray:
    """A least-squares fit of some columns to the rows of a factor, asked about rows x."""
    weights, intercept = factor.columns(features).ridge_path([0.0])
    return x[:, features] @ weights[0, :, 0] + intercept[0, 0]
