"""Softness and fluidity: what tells, before it happens, who will rearrange. Obadiya's thesis, chapters 1 and 2."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats
from glassgpu.experiments import softness_stages as stages
from glassgpu.experiments.softness_report import write
from glassgpu.experiments.watched_liquids import Options, Watched, opened, watched
from sklearn.metrics import balanced_accuracy_score

from glassgpu import landscape, validate
from glassgpu.descriptors import Softness as SoftnessColumns
from glassgpu.dynamics import events
from glassgpu.report.page import Page
from glassgpu.study import Result, Study


@dataclass(frozen=True)
class Scale:
    """How much is computed.

    Attributes:
        hot: temperatures above the onset at which fluidity is learned.
        lead, late: frames before a rearrangement at which structure is taken: the thesis', and one that leaks nothing.
        spell: least quiet spell, unless two relaxation times are less [time].
        limits: of p_hop in quiet spells, from which the smallest that suffices is taken.
        share: of all values, in each tail of p_hop.
        most: examples of each class.
        curve: examples of each class in the learning curve.
        every: frames between those of which S is taken: at the coldest temperature, at others, and at those above the onset.
        bins, least: of S, and events that a point of a fit must have.
        resamples: of bootstraps.
        colder: temperature below which barriers are fitted again (TH section 2.4).
    """

    hot: tuple[float, ...]
    lead: int
    late: int
    spell: float
    limits: tuple[float, ...]
    share: float
    most: int
    curve: tuple[int, ...]
    every: tuple[int, int, int]
    bins: int
    least: int
    resamples: int
    colder: float


GRID = tuple(events.QUIET_GRID.tolist())
SCALES = {
    "smoke": Scale((1.2, 2.0), 1, 3, 0.8, (0.005, 0.01, 0.02, 0.04, 0.08), 0.01, 200, (50, 100), (4, 4, 4), 5, 10, 20, 1.0),
    "laptop": Scale((1.2, 2.0), 2, 6, 120.0, GRID, 0.00033, 3800, (125, 250, 500, 1000, 1500), (2, 2, 8), 9, 100, 200, 0.8),
    "paper": Scale(
        (1.0, 1.2, 1.4, 1.8, 2.0), 2, 6, 120.0, GRID, 0.00033, 5200, (250, 500, 1000, 2000, 3000), (10, 10, 10), 12, 100, 500, 0.8
    ),
}
QUANTILES = (0.03, 0.97)  # of S at the lowest temperature, between which bins are equally wide


@dataclass(frozen=True)
class Softness(Options):
    """Who will rearrange: a classifier of frozen structure, its energy barriers, and one learned far above the onset."""

    out: Path = Path("out/softness")
    """folder for the report"""


def run(options: Softness) -> Path:
    """Run the stages that have not been run yet, and write the report; returns its path."""
    wanted = SCALES[validate.choice("scale", options.scale, tuple(SCALES))]
    page = Page("Soft spots: who is about to move", options.out)
    data = watched(options, inherent=True)
    assert data.inherent is not None
    study = Study(options.out, options, stages=stage_names(data, wanted))
    cold = data.temperatures[0]
    common: dict[str, Any] = {"species": list(data.system.species), "backend": options.backend}

    examples = {
        "cold": study.stage(
            "examples-cold", stages.cold_examples, frames=data.frames[cold], inherent=data.inherent, hops=data.hops, lead=wanted.lead,
            late=wanted.late, spell=wanted.spell, limits=list(wanted.limits), wavenumber=data.system.wavenumber, most=wanted.most, seed=options.seed,
        )
    }  # fmt: skip
    columns: dict[str, Result] = {}
    trained: dict[str, Result] = {}
    for name, of, frames in (("thermal", "thermal", data.frames[cold]), ("inherent", "inherent", data.inherent)):
        columns[name] = study.stage(f"columns-{name}", stages.described, frames=frames, examples=examples["cold"], of=of, **common)
        trained[name] = study.stage(
            f"classifiers-{name}",
            stages.classified,
            columns=columns[name],
            examples=examples["cold"],
            curve=list(wanted.curve),
            seed=options.seed,
            version=2,
        )
    for t in wanted.hot:
        key = f"{t:g}"
        examples[key] = study.stage(
            f"examples-{key}", stages.hot_examples, frames=data.frames[t], lead=wanted.lead, share=wanted.share, seed=options.seed
        )
        columns[key] = study.stage(f"columns-{key}", stages.described, frames=data.frames[t], examples=examples[key], **common)
        trained[key] = study.stage(
            f"classifiers-{key}", stages.classified, columns=columns[key], examples=examples[key], curve=[], seed=options.seed, version=2
        )

    soft = trained["thermal"]["thermal"]["plane"]
    planes = {"softness": soft, "softness late": trained["thermal"]["thermal late"]["plane"]}
    planes |= {f"fluidity {t:g}": trained[f"{t:g}"]["both tails"]["plane"] for t in wanted.hot}
    planes["random"] = dict(study.stage("random", _random, frames=data.frames[cold], plane=soft, seed=options.seed, **common))
    unseen = {
        cold: {"softness": trained["thermal"]["thermal"]["of_others"], "softness late": trained["thermal"]["thermal late"]["of_others"]}
    }
    unseen |= {t: {f"fluidity {t:g}": trained[f"{t:g}"]["both tails"]["of_others"]} for t in wanted.hot}
    scores = {
        f"{t:g}": study.stage(
            f"scores-{t:g}", stages.scored, frames=data.frames[t], planes=planes, hops=data.hops, lead=wanted.lead,
            every=wanted.every[2 if t in wanted.hot else t != cold], wavenumber=data.system.wavenumber, of_others=unseen.get(t), **common,
        )
        for t in data.temperatures
    }  # fmt: skip
    below_onset = [t for t in data.temperatures if t not in wanted.hot]
    given: dict[str, Any] = {
        "scores": {f"{t:g}": scores[f"{t:g}"] for t in below_onset}, "temperatures": below_onset, "low": QUANTILES[0], "high": QUANTILES[1],
        "bins": wanted.bins, "least": wanted.least, "resamples": wanted.resamples, "seed": options.seed,
    }  # fmt: skip
    maps = {name: study.stage(f"landscape-{name.replace(' ', '-')}", stages.mapped, plane=name, **given) for name in planes}
    maps["shuffled"] = study.stage("landscape-shuffled", stages.mapped, plane="softness", shuffle=True, **given)
    for name in ("softness", *(f"fluidity {t:g}" for t in wanted.hot)):
        maps[f"{name} below"] = study.stage(
            f"landscape-{name.replace(' ', '-')}-below", stages.mapped, plane=name, below=wanted.colder, **given
        )
    transfer = study.stage("transfer", _transferred, columns=columns, examples=examples, trained=trained, hot=list(wanted.hot))
    write(page, options.scale, wanted, data, examples, trained, scores, maps, transfer)
    return page.write({"scale": options.scale, **data.facts, **study.provenance()})


def stage_names(data: Watched, wanted: Scale) -> list[str]:
    """The stages to come, for ``glassgpu status``."""
    hot = [f"{t:g}" for t in wanted.hot]
    names = ["examples-cold", *(f"{kind}-{k}" for k in ("thermal", "inherent") for kind in ("columns", "classifiers"))]
    names += [f"{kind}-{t}" for t in hot for kind in ("examples", "columns", "classifiers")]
    names += ["random", *(f"scores-{t:g}" for t in data.temperatures), "transfer"]
    fluid = [f"fluidity-{t}" for t in hot]
    return names + [
        f"landscape-{k}"
        for k in ("softness", "softness-late", *fluid, "random", "shuffled", "softness-below", *(f"{f}-below" for f in fluid))
    ]


def _random(frames: Result, plane: dict[str, Any], seed: int, species: list[str], backend: str) -> dict[str, Any]:
    """A hyperplane that nothing was learned for, without the part of it that goes with softness."""
    store = opened(frames)
    describe, soft = SoftnessColumns(species, angular=False, backend=backend), stages.plane_of(plane)
    rows = []
    for run, (kept, _) in enumerate(stages.of_a(store)):
        rows.append(describe(store.snapshots(run, [0, store.frames // 2])).values[:, kept].reshape(-1, len(soft.weights)))
    x = np.concatenate(rows)
    weights = landscape.random_hyperplane((x - soft.mean) / soft.deviation, seed, uncorrelated_with=soft.projection(x))
    return {"mean": soft.mean, "deviation": soft.deviation, "weights": weights, "bias": 0.0}


def _transferred(columns: dict[str, Result], examples: dict[str, Result], trained: dict[str, Result], hot: list[float]) -> dict[str, Any]:
    """How well fluidity tells the cold examples apart, the bias from one half of the configurations and the accuracy on the
    other, and the other way round; and how well softness tells the extremes above the onset apart."""
    table, x = examples["cold"]["sets"]["thermal"], columns["thermal"]["columns"]["thermal"][:, : stages.RADIAL]
    soft = stages.plane_of(trained["thermal"]["thermal"]["plane"])
    on_cold: dict[str, Any] = {}
    on_hot: dict[str, Any] = {}
    for t in (f"{t:g}" for t in hot):
        for name, found in trained[t].items():
            projection = stages.plane_of(found["plane"]).projection(x)
            accuracy, low = by_halves(projection, table["label"], table["run"])
            scan = landscape.bias_scan(projection, table["label"])
            on_cold[f"{t} {name}"] = {"accuracy": accuracy, "low": low, **_scan(scan)}
        extremes = soft.projection(columns[t]["columns"]["both tails"][:, : stages.RADIAL])
        on_hot[t] = _scan(landscape.bias_scan(extremes, examples[t]["sets"]["both tails"]["label"]))
    return {"cold": on_cold, "hot": on_hot}


def _scan(scan: landscape.BiasScan) -> dict[str, Any]:
    return {"bias": scan.bias, "scan": scan.accuracy, "best_bias": scan.best_bias, "best_accuracy": scan.best_accuracy}


def by_halves(projection: np.ndarray, y: np.ndarray, run: np.ndarray) -> tuple[np.ndarray, float]:
    """Balanced accuracy on each configuration with the best bias of the other half of them, and the lower end of the 95 % interval of its mean."""
    names = np.unique(run)
    accuracy = []
    for half in (names[::2], names[1::2]):
        inside = np.isin(run, half)
        bias = landscape.bias_scan(projection[~inside], y[~inside]).best_bias
        accuracy += [balanced_accuracy_score(y[run == k], projection[run == k] > bias) for k in half]
    values = np.array(accuracy)
    low = values.mean() - scipy.stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return values, float(low)
