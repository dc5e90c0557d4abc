"""On public configurations, each left out once: does any network beat the best line by more than its seeds scatter?"""

from __future__ import annotations

from typing import Any

import numpy as np
from glassgpu.experiments import model_comparison_fits as fits
from glassgpu.experiments.model_comparison_data import Data

from glassgpu.evaluate import Verdicts, pearson
from glassgpu.report import figures
from glassgpu.report.page import Page
from glassgpu.study import Result, Study

SPECIES = 0  # A, as the data's own scores
ENERGY = "energy and density"
NETWORK = {"hidden": (16, 16, 16), "dropout": (0.0, 0.25, 0.0), "alpha": 0.01}  # CMP table I, row 5


def compare_on_public_data(page: Page, study: Study, data: Data, scale: str, wanted: Any) -> None:
    """Fit every model to every fold, and write."""
    folds = fits.leave_one_out(len(data.ensemble["propensity"]))
    liquids = data.states["thermal"]
    given = {"liquids": liquids, "labels": data.ensemble, "species": SPECIES}
    one = data.columns["inherent"]["columns"].shape[2] // data.generations
    every = one * data.generations
    inherent, cage, coarse = data.columns["inherent"], data.columns["cage"], data.coarse
    assert coarse is not None
    sets: dict[str, tuple[list[Result], list[int]]] = {
        "inherent state, all generations": ([inherent], [every]),
        "cage state, all generations": ([cage], [every]),
        ENERGY: ([coarse], [0]),
        f"{ENERGY}, and inherent state, 1 generation": ([coarse, inherent], [0, one]),
    }
    lines = {
        name: [
            study.stage(f"linear-{k}-{f}", fits.linear, columns=c, widths=w, fold=fold, refitted=True, **given)
            for f, fold in enumerate(folds)
        ]
        for k, (name, (c, w)) in enumerate(sets.items())
    }
    seeds = list(range(1, wanted.seeds + 1))
    networks = {
        name: [
            study.stage(
                f"networks-{k}-{f}", fits.networks, columns=c, widths=[w], fold=fold, settings=[NETWORK], seeds=seeds, training=wanted.network, **given
            )
            for f, fold in enumerate(folds)
        ]
        for k, (name, (c, w)) in enumerate(sets.items())
    }  # fmt: skip
    told = {
        f"graph of distances: {ENERGY}": ({"edges": "distance"}, [coarse], [0]),
        f"graph of vectors, turned: {ENERGY}, and inherent state, 1 generation": ({"edges": "vector"}, [coarse, inherent], [0, one]),
    }
    graphs = {
        name: [
            [
                study.stage(
                    f"graph-{k}-{f}-{seed}", fits.graph, state=data.states["inherent"], columns=c, widths=w, times=[0], fold=fold,
                    settings={**wanted.public_graph, **more, "cutoff": 2.1, "seed": seed}, **given,
                )
                for seed in seeds
            ]
            for f, fold in enumerate(folds)
        ]
        for k, (name, (more, c, w)) in enumerate(told.items())
    }  # fmt: skip
    truth = [fits.targets_of(data.ensemble, fits.rows_of(liquids, SPECIES))[fold.test[0], :, 0] for fold in folds]
    predictions = {f"line: {name}": [[r["prediction"][0, :, 0]] for r in found] for name, found in lines.items()}
    predictions |= {f"network: {name}": list(_seeds(found)) for name, found in networks.items()}
    predictions |= {name: [[r["prediction-0"][0, :, 0] for r in by_seed] for by_seed in found] for name, found in graphs.items()}
    _write(page, data, scale, truth, predictions, len(seeds))


def _seeds(found: list[Result]) -> list[list[np.ndarray]]:
    """By fold and seed."""
    return [list(r["prediction"][0, 0, 0, :, 0]) for r in found]


def _standard(x: np.ndarray) -> np.ndarray:
    return (x - x.mean()) / x.std()


def _write(page: Page, data: Data, scale: str, truth: list[np.ndarray], predictions: dict[str, list[list[np.ndarray]]], seeds: int) -> None:
    # (model): (fold, seed)
    score = {
        name: np.array([[pearson(y, p) for p in by_seed] for y, by_seed in zip(truth, found, strict=True)])
        for name, found in predictions.items()
    }
    lines = {name: s for name, s in score.items() if name.startswith("line")}
    best = max(lines, key=lambda name: lines[name].mean())
    line = score[best][:, 0]
    ceiling = data.ensemble["noise_ceiling"][:, 0, SPECIES]
    rows, gains, means = [], {}, {}
    for name, s in score.items():
        alone = s.mean(axis=0)  # of each seed
        together = np.array(
            [pearson(y, np.mean([_standard(p) for p in by_seed], axis=0)) for y, by_seed in zip(truth, predictions[name], strict=True)]
        )
        means[name] = together
        gain = together - line
        seeds_alone = alone.std(ddof=1) / np.sqrt(len(alone)) if len(alone) > 1 else 0.0
        gains[name] = (gain.mean(), np.hypot(gain.std(ddof=1) / np.sqrt(len(gain)), seeds_alone))
        noise = f"{alone.std(ddof=1):.3f}" if len(alone) > 1 else ""
        rows.append(
            [
                name,
                f"{alone.mean():.3f}",
                noise,
                f"{together.mean():.3f}",
                f"{together.min():.3f}",
                f"{gains[name][0]:+.3f} ± {gains[name][1]:.3f}",
            ]
        )
    networks = [name for name in score if name not in lines]
    winner = max(networks, key=lambda name: gains[name][0])
    mixed = [
        pearson(y, _standard(a[0]) + np.mean([_standard(p) for p in b], axis=0))
        for y, a, b in zip(truth, predictions[best], predictions[winner], strict=True)
    ]
    page.numbers = {
        "noise_ceiling": ceiling, "pearson": {name: s for name, s in score.items()}, "best_line": best, "best_network": winner,
        "gain": {name: g for name, g in gains.items()}, "line_and_network": mixed,
    }  # fmt: skip
    page.text(
        f"{len(truth)} configurations of a glass-forming liquid (Kob-Andersen, N = 4096, T = 0.44) that others simulated (BOTAN), with the distances "
        f"that each particle covers in 32 runs to the relaxation time. Each configuration is left out once: the next one decides when a network has learned enough, and how strongly a line "
        f"is penalised, the other {len(truth) - 2} are learned from; once its penalty is known a line learns from these {len(truth) - 1}, which a network, that has to be stopped, cannot. Networks are trained from {seeds} seed{'s' if seeds > 1 else ''}; the mean of their predictions counts against the "
        f"line. The noise ceilings lie between {ceiling.min():.2f} and {ceiling.max():.2f}; species A only."
    )
    if scale == "smoke":
        page.text("This is the smoke scale: a test of the machinery, not a result.")
    page.heading("Line, network, graph")
    page.table(["model", "Pearson, mean", "scatter of seeds", "mean of seeds", "worst configuration", "gain over the best line"], rows)
    page.figure(
        figures.scores_and_ceiling({name: means[name] for name in (best, winner)}, ceiling, "configuration", "Pearson coefficient, species A"), "public", f"Pearson coefficient of each configuration, left out: best line ({best}), best network ({winner}); dashed: noise ceiling.",
    )  # fmt: skip
    gain, error = gains[winner]
    word = "beats" if gain > 3 * error else ("is beaten by" if gain < -3 * error else "cannot be told from")
    page.text(
        f"The best network ({winner}) {word} the best line ({best}): {gain:+.3f} ± {error:.3f}, the error that between configurations and between seeds (three errors decide). Line and network together "
        f"reach {np.mean(mixed):.3f}. Which line and which network are best was looked up on the configurations that judge, for both alike."
    )
    page.heading("Stated before and found")
    found = {"best": float(max(line.mean(), *(gains[n][0] + line.mean() for n in networks))), "gain": (float(gain), float(error))}
    Verdicts("model_comparison_public", found, scale).show_rest(page)
