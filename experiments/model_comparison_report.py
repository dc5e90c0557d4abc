"""The report of ``model_comparison``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from glassgpu.experiments import model_comparison_figures as pictures
from glassgpu.experiments.model_comparison_data import Data
from glassgpu.experiments.model_comparison_fits import rows_of, targets_of
from glassgpu.experiments.model_comparison_numbers import MODELS, Numbers, claims, numbers

from glassgpu.evaluate import Verdicts
from glassgpu.report import figures
from glassgpu.report.page import Page

ROWS = (
    "row 1: one layer", "row 2: three layers", "row 3: two layers, alpha = 1", "row 4: three layers, dropout", "row 5: three layers, dropout, alpha = 0.01",
)  # fmt: skip
VARIANTS = {
    1: "row 1: distances, 1 generation",
    2: "row 2: distances, 3 generations",
    3: "row 3: vectors",
    4: "row 4: vectors, rate x 10",
    5: "row 5: species together",
    6: "row 6: together, 3 layers",
}
PAPER = {"ridge": "3 min, laptop CPU", "network": "24 h, RTX 2080 Ti, a row", "graph network": "6.5 h, RTX 2080 Ti, a row"}
UNITS = {"md": "LJ time", "edmd": "$\\tau$", "mc": "sweeps"}


def write(page: Page, scale: str, wanted: Any, liquids: Any, data: Data, found: Any) -> None:
    """Text, pictures, numbers and verdicts."""
    n = numbers(data, found, wanted.graph["layers"])
    species, unit = data.species, UNITS[data.system.dynamics]
    plain = unit.replace("$\\tau$", "tau")
    say = Verdicts("model_comparison", claims(n, found) if data.system.dynamics == "edmd" else None, scale)
    last = len(n.times) - 1
    train, validation, test = (len(part) for part in (found.fold.train, found.fold.validation, found.fold.test))
    told, first = found.attribution, next(iter(data.states))
    spheres = liquids.packing is not None
    state = f"at a packing of {liquids.packing:g}" if spheres else f"T = {liquids.temperature:g}"
    page.numbers = {
        "times": n.times, "noise_ceiling": n.ceiling, "ridge": n.ridge, "ridge_standard_error": n.ridge_error, "table_one": n.table_one, "networks": n.networks,
        "table_two": {f"row {r}, species {species[k]}": v for (r, k), v in n.table_two.items()},
        "best": _named(n.best, species), "per_configuration": _named(n.chosen, species), "pooled": _named(n.pooled, species),
        "layers": n.layers, "training_configurations": n.sizes, "learning_curve": n.curve, "states": {f"{s}, {m}": v for (s, m), v in n.states.items()},
        "flattery": n.flattery, "flattery_of_every_choice": n.all_flattery, "scatter_of_seeds": n.scatter, "importance": dict(zip(told["groups"], np.asarray(told["importance"]), strict=True)), "cosines": told["cosines"],
    }  # fmt: skip
    page.text(
        "Three ways to guess, from a snapshot, how far each particle will go: a line (ridge regression), a network of neurons, and a graph network, in which "
        "particles tell their neighbours what they know. A paper of 2022 found that the three guess equally well, and that the line is there first. "
        f"Here they meet again, on {train + validation + test} liquids of {data.system.name.replace('_', ' ')}: N = {data.system.n}, {state}, {liquids.runs} runs of each"
        + (" (the paper: a packing of 0.58, 100 liquids, 50 runs)." if spheres else "."),
        "Words. Propensity is how far a particle goes in a given time, averaged over many runs from one snapshot with other velocities. All are "
        "told columns: how dense it is at each distance and what angles the neighbours make (one generation), averages of these over neighbours "
        "(two generations), and over theirs (three). The score is Pearson's coefficient between guess and truth on liquids that were not learned from; the "
        "noise ceiling is what a perfect guess would score, since the truth itself was measured in few runs. CMP is the paper, by Alkemade, Boattini, Filion "
        "and Smallenburg (J. Chem. Phys. 156, 204503 (2022)).",
        f"{train} liquids are learned from, {validation} decide (how strongly a line is penalised, after which epoch a network stops, which row of a table is best), {test} judge. Each "
        "species and time has its own line and network"
        + (" and graph network." if wanted.each_time else "; a graph network here learns all times at once, which is compared below with one for each."),
    )  # fmt: skip
    if scale == "smoke":
        page.text("This is the smoke scale: a test of the machinery, not a result.")

    page.heading("Three guesses")
    page.figure(
        pictures.compared(n, species, unit), "comparison",
        "Each method at its best: generations, rows of the tables and penalties chosen on the validation liquids. Mean over the test liquids; bands: from the worst to the best of them. Compare CMP, figure 8.",
    )  # fmt: skip
    page.table(
        ["species", "model", *(f"{t:g} {plain}" for t in n.times), "pooled, last"],
        [[species[k], m, *map(float, n.best[m, k]), float(n.pooled[m, k][last])] for k in range(len(species)) for m in MODELS]
        + [[species[k], "noise ceiling", *map(float, n.ceiling[k]), ""] for k in range(len(species))],
    )
    among = (
        f"The {test} test liquids differ among themselves: the error of a score is about {n.ridge_error.mean():.3f}. " if test > 1 else ""
    )
    page.text(
        f'{among}"Pooled" takes all particles of the test liquids as one set. Trained again from other seeds, the mean over times of one network scatters by '
        f"{n.scatter['network']:.3f}, of one graph network by {n.scatter['graph network']:.3f}; these are the errors of the claims."
    )
    say.show(page, "networks_agree", "graphs_agree", "below_ceiling")

    page.heading("The line")
    page.figure(
        pictures.by_generation(n, n.ridge, species, unit), "ridge",
        "Ridge regression with one, two and three generations of columns. Compare CMP, figure 4.",
    )  # fmt: skip
    say.show(page, "generations_late", "generations_early")

    page.heading("The network")
    page.figure(
        pictures.by_row(n, species, unit, ROWS), "networks",
        "The five networks of CMP's table I with all generations. Compare CMP, figure 5.",
    )  # fmt: skip
    page.figure(
        pictures.by_generation(n, n.networks, species, unit), "networks_generations",
        "Networks with one, two and three generations; at each time the row of table I that the validation liquids prefer. Compare CMP, figure 6.",
    )  # fmt: skip
    page.text(
        f"All {n.table_one[0].size} networks of a species are trained in one call, those of one number of generations side by side, since they read the same rows: {_training(wanted.network)}. "
        f"The epoch with the best validation score is kept: in the middle epoch {np.median(found.networks[first, 0]['chosen']) + 1:.0f}. CMP trained for about 500 epochs of 80 liquids."
    )
    page.table(
        ["table I, mean over times", *(f"species {a}" for a in species)],
        [[name, *(float(n.table_one[k, r, -1].mean()) for k in range(len(species)))] for r, name in enumerate(ROWS)],
    )
    say.show(page, "one_layer")

    page.heading("The graph network")
    page.figure(
        pictures.by_variant(n, species, unit, VARIANTS), "graph_networks",
        f"Variations of the graph network, CMP's table II, trained with {_training(wanted.graph)}. Compare CMP, figure 7.",
    )  # fmt: skip
    page.table(
        ["table II, mean over times", *(f"species {a}" for a in species), "best epoch of so many"],
        [
            [VARIANTS[r], *(float(n.table_two[r, k].mean()) for k in range(len(species))), _epochs(found, r)]
            for r in sorted({r for r, _ in n.table_two})
        ],
    )
    if found.alone:
        both = [f"{n.times[t]:g} {plain}: {n.table_whole[t]:.3f}, alone {r['pearson-0'].mean():.3f}" for (_, t), r in found.alone.items()]
        page.text(f"Row 1 for all times at once, and for one time alone (species {species[0]}): {'; '.join(both)}.")
    none = n.layers.get(0)
    if none is not None:
        page.text(
            f"Without any graph layer (left below) it scores {none.mean():.3f} in the mean over times, with {n.most_layers} {n.table_whole.mean():.3f}; ridge on the same one generation {n.ridge[0, 0].mean():.3f}."
        )
    say.show(page, "variants_agree", "together", "all_times")
    page.figure(
        pictures.deeper_and_longer(n, plain), "layers_and_sizes",
        f"Left: graph networks of row 1 with so many graph layers; with none they know a particle's own columns only. Right: against the number of liquids learned from, at the last time. Species {species[0]}.",
    )  # fmt: skip

    page.heading("Before or behind the rattling")
    page.figure(
        pictures.in_states(n, unit), "states",
        f"The same from the positions as they are (thermal) and from other states: averaged over the rattling in the cage, in {liquids.cage[1]} runs of {liquids.cage[0]:g}{'' if data.system.dynamics == 'edmd' else ', and at the bottom of the nearest valley of the energy (inherent)'}. Species {species[0]}; ridge and network with all generations (row 5), graph network of row 1.",
    )  # fmt: skip

    page.heading("What they use")
    page.figure(
        pictures.importance(told), "importance",
        f"How much worse each model of species {species[0]} guesses at the last time when groups of columns are exchanged among particles. The graph network is told one generation; with its own columns those of all its neighbours are exchanged, so its bars are longer for that alone. Error bars: over permutations.",
    )  # fmt: skip
    names = list(told["directions"])
    cosines = np.asarray(told["cosines"])
    page.table(["direction in the space of columns", *names], [[a, *map(float, cosines[i])] for i, a in enumerate(names)])
    page.text(
        "Cosines between directions, in standardised columns: the weights of ridge regression, the mean slope of the network (row 5), and the normal of the "
        "plane between the fastest and the slowest tenth (a softness of propensity, by a linear support vector classifier). Columns tell much the same as their neighbours, "
        "so different directions can give the same guesses."
    )
    page.figure(
        pictures.reach(told), "reach",
        "How strongly a guess of the graph network answers to the columns of a particle at a distance (root mean square of the slope), relative to the particle's own.",
    )  # fmt: skip

    page.heading("How long, and how honest")
    nets, rows = n.table_one.size, len(found.graphs)
    page.table(
        ["method", "trained", "seconds here", "in CMP, for one row and all times"],
        [
            ["ridge", f"{n.ridge.size} lines, each at {_penalties()} penalties", f"{n.seconds['ridge']:.3g}", PAPER["ridge"]],
            ["network", f"{nets} networks: table I, all times and generations, both species", f"{n.seconds['network']:.3g} ({n.seconds['network'] / n.table_one.shape[1]:.3g} a row)", PAPER["network"]],
            ["graph network", "row 1, both species" + ("" if wanted.each_time else ", all times at once"), f"{n.seconds['graph network']:.3g}", PAPER["graph network"]],
            ["graph network", f"all of {rows} trainings of table II", f"{n.seconds['all graph networks']:.3g}", ""],
        ],
    )  # fmt: skip
    say.show(page, "line_is_fast")
    page.text(
        "CMP chose the epoch of networks, and the rows of its tables, by the score on the test set. How much that flatters: the score with the choice made on the test "
        "liquids less the score with the choice made on the validation liquids; first for the epoch (of ridge, the penalty) alone, then for rows and generations too."
    )
    page.table(
        ["method", "epoch or penalty", "and rows and generations"], [[m, float(n.flattery[m]), float(n.all_flattery[m])] for m in MODELS]
    )
    say.show(page, "flattery")
    say.show_rest(page)

    page.heading("What it looks like")
    page.figure(_map(data, found), "map", _map_words(data, n))


def _epochs(found: Any, row: int) -> str:
    """Epochs kept, of those run, by training."""
    return ", ".join(f"{r['chosen'] + 1} of {r['epochs']}" for (k, _), results in found.graphs.items() if k == row for r in results[:1])


def _map_words(data: Data, n: Numbers) -> str:
    return (
        f"A slice through a test liquid: propensity of species {data.species[0]} at the last time ({n.times[-1]:g}), measured and guessed by each model; other "
        "species grey."
    )


def _named(values: Mapping[tuple[str, int], np.ndarray], species: Sequence[str]) -> dict[str, np.ndarray]:
    return {f"{model}, species {species[k]}": v for (model, k), v in values.items()}


def _training(settings: Mapping[str, Any]) -> str:
    waits = f", ended after {settings['patience']} epochs without a better validation score" if "patience" in settings else ""
    return f"learning rate {settings['learning_rate']:g}, batches of {settings['batch']}, at most {settings['epochs']} epochs{waits}"


def _penalties() -> int:
    from glassgpu.experiments.model_comparison_fits import ALPHAS

    return len(ALPHAS)


def _map(data: Data, found: Any) -> Any:
    thermal = next(iter(data.states))
    c = found.fold.test[0]
    snapshot = data.states[thermal]["snapshots"][c]
    rows = rows_of(data.states[thermal], 0)
    targets = targets_of(data.ensemble, rows)[..., -1]
    learned = targets[list(found.fold.train)]  # in whose mean and deviation networks predict
    fields = {
        "measured": targets[c],
        "ridge": found.linear[thermal, 0, data.generations]["prediction"][0, :, -1],
        "network": found.networks[thermal, 0]["prediction"][-1, -1, -1, 0, 0] * learned.std() + learned.mean(),
        "graph network": found.whole["prediction-0"][0, :, -1],
    }
    shown = {}
    for name, values in fields.items():
        shown[name] = np.full(snapshot.n, np.nan)
        shown[name][rows[c]] = values
    return figures.maps(snapshot, shown, "propensity  [$\\sigma$]", slab=1.0, diameters=np.diag(data.system.sigma).tolist())
