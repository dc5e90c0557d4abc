"""Does a network see more than a line? Ridge regression, networks and graph networks on the same data (CMP)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glassgpu.experiments import model_comparison_fits as fits
from glassgpu.experiments.model_comparison_data import Data, Liquids, public, simulated
from glassgpu.experiments.model_comparison_public import compare_on_public_data
from glassgpu.experiments.model_comparison_report import write

from glassgpu import validate
from glassgpu.report.page import Page
from glassgpu.study import Result, Study

SYSTEMS = ("hard_spheres", "kob_andersen", "ternary_2d", "public")
# CMP table I. Rows 4 and 5 name three hidden layers and print two widths.
NETWORKS: tuple[dict[str, Any], ...] = (
    {"hidden": (16,)},
    {"hidden": (16, 16, 16)},
    {"hidden": (16, 16), "alpha": 1.0},
    {"hidden": (16, 16, 16), "dropout": (0.0, 0.25, 0.0)},
    {"hidden": (16, 16, 16), "dropout": (0.0, 0.25, 0.0), "alpha": 0.01},
)
# CMP table II, as changes of row 1: generations, species together, settings, rates relative to row 1.
GRAPHS: tuple[dict[str, Any], ...] = (
    {},
    {"generations": 3},
    {"edges": "vector"},
    {"edges": "vector", "rate": 10.0},
    {"together": True},
    {"together": True, "layers": 3, "fewer": True},
)


@dataclass(frozen=True)
class Scale:
    """How much is computed.

    Attributes:
        liquids: by system.
        generations: of the columns.
        network: how networks are trained; ``graph``: how graph networks are.
        fewer: configurations of a step in row 6 of table II.
        each_time: whether graph networks are trained for each time by itself, as in CMP; else one network predicts all times, and only
            row 1 is trained both ways.
        alone: numbers of the times at which it is.
        rows: of table II, from 1.
        layers: numbers of graph layers that are compared with row 1.
        sizes: training configurations of the learning curve, besides all.
        again: further seeds of one network and one graph network.
        particles, repeats: of the attribution.
        files, seeds: public configurations, and seeds of each network there.
    """

    liquids: dict[str, Liquids]
    generations: int
    network: dict[str, Any]
    graph: dict[str, Any]
    fewer: int
    each_time: bool
    alone: tuple[int, ...]
    rows: tuple[int, ...]
    layers: tuple[int, ...]
    sizes: tuple[int, ...]
    again: int = 2
    particles: int = 40
    repeats: int = 4
    files: int = 8
    seeds: int = 3
    public_graph: dict[str, Any] = field(default_factory=dict)


HARD_TIMES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 20.0)
PAPER_TIMES = tuple(round(10 ** (k / 2), 2) for k in range(-4, 11))
SCALES = {
    "smoke": Scale(
        {
            "hard_spheres": Liquids(300, 5, 4, 5.0, (0.05, 1.0), packing=0.5, accept=None, cage=(0.5, 2, 4)),
            "kob_andersen": Liquids(300, 5, 4, 2.0, (0.05, 1.0), 1.2, accept=None, cage=(0.4, 2, 4)),
            "ternary_2d": Liquids(300, 5, 4, 500.0, (10.0, 200.0), 1.0, accept=None, cage=(0.4, 2, 4)),
        },
        2, {"epochs": 3, "learning_rate": 1e-3, "batch": 50, "patience": 3}, {"epochs": 2, "learning_rate": 1e-3, "batch": 1, "layers": 1, "patience": 2}, 1, False, (), (1,), (0,), (2,),
        again=1, particles=3, repeats=2, files=3, seeds=1, public_graph={"epochs": 1, "learning_rate": 1e-3, "batch": 1, "layers": 1},
    ),
    "laptop": Scale(
        {
            "hard_spheres": Liquids(2000, 20, 16, 150.0, HARD_TIMES, packing=0.56, cage=(1.0, 8, 8)),
            "kob_andersen": Liquids(2000, 20, 16, 100.0, (0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0, 30.0), 0.6, cage=(3.0, 8, 8)),
            "ternary_2d": Liquids(2000, 20, 16, 2e4, (3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4), 0.5, cage=(3.0, 8, 8)),
        },
        3, {"epochs": 40, "learning_rate": 1e-4, "batch": 50, "patience": 15, "select": "pearson"}, {"epochs": 60, "learning_rate": 1e-3, "batch": 2, "patience": 8, "layers": 4, "select": "pearson"}, 1, False,
        (1, 4, 7), (1, 2, 3, 4, 5, 6), (0, 1, 2, 3), (2, 4, 8),
        public_graph={"epochs": 40, "learning_rate": 5e-4, "batch": 1, "patience": 6, "layers": 3},
    ),
    "paper": Scale(
        {
            "hard_spheres": Liquids(2000, 100, 50, 1e5, PAPER_TIMES, packing=0.58, accept=None, cage=(5.0, 50, 16)),
            "kob_andersen": Liquids(4096, 100, 50, 2e4, (0.05, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3), 0.45, cage=(5.0, 50, 16)),
            "ternary_2d": Liquids(4000, 100, 30, 2.4e6, (1e2, 1e3, 1e4, 5e4, 1e5, 1e6, 4e6), 0.30, cage=(5.0, 50, 16)),
        },
        3, {"epochs": 500, "learning_rate": 1e-4, "batch": 50, "select": "pearson"}, {"epochs": 500, "learning_rate": 1e-4, "batch": 5, "patience": 50, "layers": 4, "select": "pearson"}, 3, True, (), (1, 2, 3, 4, 5, 6),
        (0, 1, 2, 3), (5, 10, 20, 40), particles=200, repeats=10, seeds=5,
        public_graph={"epochs": 200, "learning_rate": 3e-4, "batch": 1, "patience": 20, "layers": 4},
    ),
}  # fmt: skip


@dataclass(frozen=True)
class ModelComparison:
    """A line, a network and a graph network learn the same propensities."""

    out: Path = Path("out/model_comparison")
    """folder for the report"""
    scale: str = "laptop"
    """smoke, laptop (2 cores) or paper (one GPU)"""
    system: str = "hard_spheres"
    """hard_spheres, kob_andersen, ternary_2d, or public (configurations from elsewhere, in --data)"""
    data: Path | None = None
    """folder with botan/, for --system public"""
    seed: int = 1
    """equal seeds give equal numbers"""
    backend: str = "auto"
    """auto, cuda or cpu"""


def run(options: ModelComparison) -> Path:
    """Run the stages that have not been run yet, and write the report; returns its path."""
    scale = SCALES[validate.choice("scale", options.scale, tuple(SCALES))]
    validate.choice("system", options.system, SYSTEMS)
    page = Page("Does a network see more than a line?", options.out)
    study = Study(options.out, options)
    if options.system == "public":
        data = public(study, options.data, scale.files, scale.generations, options.seed, options.backend)
        compare_on_public_data(page, study, data, options.scale, scale)
    else:
        data = simulated(study, options.system, scale.liquids[options.system], scale.generations, options.seed, options.backend)
        found = compare(study, data, scale, options.seed)
        write(page, options.scale, scale, scale.liquids[options.system], data, found)
    facts = {"scale": options.scale, "system": options.system, "n": data.system.n, "configurations": len(data.ensemble["propensity"])}
    return page.write({**facts, **study.provenance()})


@dataclass(frozen=True)
class Found:
    """Results by what they are of. Species are numbers.

    Attributes:
        fold: who learned, chose and judged.
        linear: (state, species, generations).
        networks: (state, species): table I at all generations for the thermal state, row 5 at the last for others.
        graphs: (row of table II, species or None), thermal state: one for all times, or one for each.
        whole: row 1 of the first species for all times at once: what those that follow are compared with.
        alone: (species, time): row 1 for one time by itself.
        states: (state, species): row 1 for other states.
        layers: by number of graph layers.
        curve: (training configurations, model), with as many steps as for all configurations.
        again: by model, the same from other seeds: row 5 of table I, and row 1 of table II, first species.
        attribution: of the first species.
    """

    fold: fits.Fold
    linear: dict[tuple[str, int, int], Result]
    networks: dict[tuple[str, int], Result]
    graphs: dict[tuple[int, int | None], list[Result]]
    whole: Result
    alone: dict[tuple[int, int], Result]
    states: dict[tuple[str, int], Result]
    layers: dict[int, Result]
    curve: dict[tuple[int, str], Result]
    again: dict[str, list[Result]]
    attribution: Result


def compare(study: Study, data: Data, scale: Scale, seed: int) -> Found:
    """Every model on the same configurations."""
    configurations, times = data.ensemble["propensity"].shape[:2]
    fold = fits.one_fold(configurations)
    thermal, *others = data.states
    liquids = data.states[thermal]
    generations = data.generations
    given = {"liquids": liquids, "labels": data.ensemble}
    width = data.columns[thermal]["columns"].shape[2] // generations
    both = range(len(data.species))

    def linear(state: str, species: int, g: int, learned: int | None = None) -> Result:
        name = f"linear-{state}-{data.species[species]}-{g}" + ("" if learned is None else f"-of-{learned}")
        return study.stage(
            name,
            fits.linear,
            columns=[data.columns[state]],
            widths=[g * width],
            species=species,
            fold=fits.one_fold(configurations, learned),
            **given,
        )

    def longer(training: dict[str, Any], learned: int | None) -> dict[str, Any]:
        """As many steps on few configurations as on all."""
        more = 1.0 if learned is None else len(fold.train) / learned
        return {**training, **{name: round(more * training[name]) for name in ("epochs", "patience") if name in training}}

    def networks(
        state: str, species: int, rows: tuple[dict[str, Any], ...], every: bool, learned: int | None = None, seeds: list[int] | None = None
    ) -> Result:
        name = (
            f"networks-{state}-{data.species[species]}"
            + ("" if learned is None else f"-of-{learned}")
            + ("" if seeds is None else "-again")
        )
        widths = [[g * width] for g in (range(1, generations + 1) if every else [generations])]
        return study.stage(
            name, fits.networks, columns=[data.columns[state]], widths=widths, species=species, fold=fits.one_fold(configurations, learned), settings=list(rows),
            seeds=seeds or [seed], training=longer(scale.network, learned), **given,
        )  # fmt: skip

    def graph(
        name: str, row: int, species: int | None, at: list[int], state: str = thermal, layers: int | None = None, learned: int | None = None,
        other_seed: int = 0,
    ) -> Result:  # fmt: skip
        asked = GRAPHS[row - 1]
        settings = {**longer(scale.graph, learned), "cutoff": 2.1, "seed": seed + other_seed, "edges": asked.get("edges", "distance")}
        settings["learning_rate"] *= asked.get("rate", 1.0)
        settings["layers"] = asked.get("layers", settings["layers"]) if layers is None else layers
        settings["batch"] = scale.fewer if asked.get("fewer") else settings["batch"]
        g = min(generations, asked.get("generations", 1))
        return study.stage(
            f"graph-{name}", fits.graph, state=data.states[state], columns=[data.columns[state]], widths=[g * width], species=species, times=at,
            fold=fits.one_fold(configurations, learned), settings=settings, **given,
        )  # fmt: skip

    every = list(range(times))
    found_linear = {
        (s, k, g): linear(s, k, g)
        for s in data.states
        for k in both
        for g in (range(1, generations + 1) if s == thermal else [generations])
    }
    found_networks = {(thermal, k): networks(thermal, k, NETWORKS, True) for k in both}
    found_networks |= {(s, k): networks(s, k, NETWORKS[4:], False) for s in others for k in both}
    graphs: dict[tuple[int, int | None], list[Result]] = {}
    for row in scale.rows:
        for species in (None,) if GRAPHS[row - 1].get("together") else both:
            who = "all" if species is None else data.species[species]
            split = [[t] for t in every] if scale.each_time else [every]
            graphs[row, species] = [graph(f"{row}-{who}" + (f"-{at[0]}" if scale.each_time else ""), row, species, at) for at in split]
    whole = graphs[1, 0][0] if not scale.each_time else graph(f"1-{data.species[0]}", 1, 0, every)
    alone = {(0, t): graph(f"alone-{data.species[0]}-{t}", 1, 0, [t]) for t in scale.alone}
    states = {(s, 0): graph(f"{s}-{data.species[0]}", 1, 0, every, state=s) for s in others}
    layers = {number: graph(f"layers-{number}", 1, 0, every, layers=number) for number in scale.layers}
    curve: dict[tuple[int, str], Result] = {}
    for size in scale.sizes:
        curve[size, "ridge"] = linear(thermal, 0, generations, size)
        curve[size, "network"] = networks(thermal, 0, NETWORKS[4:], False, size)
        curve[size, "graph network"] = graph(f"of-{size}", 1, 0, every, learned=size)
    again = {
        "network": [networks(thermal, 0, NETWORKS[4:], False, seeds=[seed + k for k in range(1, scale.again + 1)])],
        "graph network": [graph(f"again-{k}", 1, 0, every, other_seed=k) for k in range(1, scale.again + 1)],
    }
    told = study.stage(
        "attribution", fits.attribution, version=2, columns=[data.columns[thermal]], widths=[generations * width], state=data.states[thermal], species=0, fold=fold,
        ridge=found_linear[thermal, 0, generations], network=found_networks[thermal, 0], which=f"{len(NETWORKS) - 1}-{generations - 1}.npz",
        graph_network=whole, graph_width=width, particles=scale.particles, repeats=scale.repeats, seed=seed, **given,
    )  # fmt: skip
    return Found(fold, found_linear, found_networks, graphs, whole, alone, states, layers, curve, again, told)
