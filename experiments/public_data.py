"""The pipeline on configurations that we did not make: BOTAN and Bapst et al.

Thermal, inherent and cage states of the same configurations; sets of columns against each other,
each judged on configurations it has not seen; two leaky splits beside, so that the leak is seen;
and what an ensemble of our own, at another temperature, adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from glassgpu.experiments.described import CUTOFF, FEW_LENGTHS, energy_and_densities
from glassgpu.experiments.liquids import equilibrated
from glassgpu.experiments.public_data_report import write_report

import glassgpu as gg
from glassgpu import validate
from glassgpu.descriptors import ShellExpansion
from glassgpu.descriptors.coarse_grain import coarse_names
from glassgpu.errors import InvalidInput
from glassgpu.evaluate import learning_curve, pearson, ridge_over_parts, split
from glassgpu.report.page import Page
from glassgpu.structure import cage_state
from glassgpu.study import Pieces, Result, Study

ALPHAS = 10.0 ** np.arange(-5, 3.1, 0.5)
REACH = 5.0  # of the shells
BLOCKS = 5
WAYS = ("by_configuration", "spatial_blocks", "random_particles")
SPECIES = 0  # A only, as the data sets' own scores
TEMPERATURE = 0.44


@dataclass(frozen=True)
class Scale:
    """What a run of one scale takes."""

    configurations: int
    generations: int
    combined: int  # generations of each of two states put together, 0: not done
    force_tolerance: float
    cage: dict[str, Any]  # length of the runs, runs, times averaged over
    own: dict[str, Any]  # n, configurations, replicas, temperature, relaxation time; empty: neither this nor the transfer


SCALES = {
    "smoke": Scale(3, 1, 0, 1e-2, {"duration": 0.4, "replicas": 2, "samples": 4}, {}),
    "laptop": Scale(
        8, 3, 2, 1e-8, {"duration": 5.0, "replicas": 16, "samples": 16},
        {"n": 1500, "configurations": 4, "replicas": 16, "temperature": 0.55, "tau": 35.0},
    ),
    "paper": Scale(
        8, 3, 2, 1e-8, {"duration": 5.0, "replicas": 64, "samples": 16},
        {"n": 4096, "configurations": 16, "replicas": 32, "temperature": 0.5, "tau": 100.0},
    ),
}  # fmt: skip


@dataclass(frozen=True)
class PublicData:
    """Predict propensities on public configurations, honestly and not."""

    data: Path
    """folder with botan/ (files of github.com/h3-Open-BDEC/pyg_botan) and ka_t044_bapst.pickle (glassy_dynamics of deepmind-research)"""
    out: Path = Path("out/public_data")
    """folder for the report"""
    scale: str = "laptop"
    """smoke (3 configurations, 1 generation), laptop (all, 3 generations) or paper (a larger ensemble of our own)"""
    backend: str = "auto"
    """auto, cuda or cpu"""


def run(options: PublicData) -> Path:
    """Run the stages that have not been run yet, and write the report; returns its path."""
    scale = SCALES[validate.choice("scale", options.scale, tuple(SCALES))]
    files = sorted((options.data / "botan").glob("isoconfig_N4096T0.44_*_tc07.npz"))[: scale.configurations]
    if len(files) < 3:
        raise InvalidInput(
            f"{options.data}/botan holds {len(files)} files isoconfig_N4096T0.44_*_tc07.npz; at least 3 are needed (--data DIR; see --help)"
        )
    page = Page("Public glass data: what structure tells, and what a leak pretends", options.out)
    sets = _sets(scale)
    study = Study(options.out, options, stages=["botan", "bapst", "inherent", "cage", *(f"fit-{_slug(name)}" for name in sets)])
    system = gg.systems.kob_andersen(n=4096, cutoff="per_pair")
    botan = study.stage("botan", _read_botan, files=files)
    bapst = study.stage("bapst", _read_bapst, file=options.data / "ka_t044_bapst.pickle")
    engine = {"system": system, "backend": options.backend}
    states = {"thermal": botan}
    states["inherent"] = study.stage("inherent", _quenched, ensemble=botan, force_tolerance=scale.force_tolerance, **engine)
    states["cage"] = study.stage("cage", _caged, ensemble=botan, temperature=TEMPERATURE, seed=1, **scale.cage, **engine)
    describe = ShellExpansion(generations=scale.generations)
    columns = {
        name: study.stage(f"shells-{name}", _described, state=state, ensemble=botan, describe=describe) for name, state in states.items()
    }
    columns["coarse"] = study.stage(
        "coarse", _coarse_grained, state=states["inherent"], ensemble=botan, lengths=FEW_LENGTHS, r_max=CUTOFF, **engine
    )

    width = len(describe.columns) // scale.generations
    fits = {
        name: study.stage(f"fit-{_slug(name)}", _fitted, ensemble=botan, alphas=ALPHAS, **_chosen(columns, parts, width))
        for name, parts in sets.items()
    }
    leaks = {
        way: study.stage(
            f"leak-{way}", _leaky, way=way, ensemble=botan, alphas=ALPHAS, **_chosen(columns, [("thermal", scale.generations)], width)
        )
        for way in WAYS[1:]
    }
    transfer = None
    if scale.own:
        transfer = study.stage(
            "transfer", _transferred, botan=botan, bapst=bapst, columns=columns["thermal"], describe=describe, alphas=ALPHAS
        )
    curves = {}
    for name in (_inherent(scale.generations), "energy and density, coarse-grained"):
        curves[name] = study.stage(f"curve-{_slug(name)}", _curve, ensemble=botan, alphas=ALPHAS, **_chosen(columns, sets[name], width))
    own = _own_data(study, scale, columns["coarse"], botan, options.backend) if scale.own else None
    write_report(page, options.scale, botan["ensemble"], bapst["ensemble"], states, fits, leaks, transfer, curves, own)
    return page.write({"scale": options.scale, "configurations": len(files), **study.provenance()})


def _inherent(generations: int) -> str:
    return f"inherent, {generations} generation{'s' if generations > 1 else ''}"


def _sets(scale: Scale) -> dict[str, list[tuple[str, int]]]:
    """Sets of columns by name: (state, generations) of each part, 0 where that has no meaning."""
    two = scale.combined
    sets = {
        _inherent(g).replace("inherent", state): [(state, g)] for state in ("thermal", "inherent") for g in range(1, scale.generations + 1)
    }
    sets[_inherent(scale.generations).replace("inherent", "cage")] = [("cage", scale.generations)]
    if two:
        sets[_inherent(two).replace("inherent", "thermal and inherent")] = [("thermal", two), ("inherent", two)]
        sets[_inherent(two).replace("inherent", "inherent and cage")] = [("inherent", two), ("cage", two)]
    sets["energy and density, coarse-grained"] = [("coarse", 0)]
    sets["energy and density, coarse-grained, and inherent, 1 generation"] = [("coarse", 0), ("inherent", 1)]
    return sets


def _slug(name: str) -> str:
    return name.replace(",", "").replace(" ", "-")


def _chosen(columns: dict[str, Result], parts: Sequence[tuple[str, int]], width: int) -> dict[str, Any]:
    return {"columns": [columns[state] for state, _ in parts], "widths": [g * width for _, g in parts]}


# ---------------------------------------------------------------- stages


def _read_botan(files: Sequence[Path]) -> dict[str, Any]:
    ensemble = gg.io.read_botan(files)
    return {"ensemble": ensemble, "snapshots": ensemble.snapshot}


def _read_bapst(file: Path) -> dict[str, Any]:
    return {"ensemble": gg.io.read_bapst(file)}


def _quenched(ensemble: Result, system: gg.System, checkpoint: Path, **given: Any) -> dict[str, Any]:
    quench = gg.simulate.quench(system, list(ensemble["snapshots"]), checkpoint=checkpoint, **given)
    return {
        "snapshots": quench.final,
        "potential_per_particle": quench.potential / system.n,
        "largest_force": quench.largest_force,
        "steps": quench.steps,
    }


def _caged(ensemble: Result, system: gg.System, checkpoint: Path, **given: Any) -> dict[str, Any]:
    return {"snapshots": cage_state(system, list(ensemble["snapshots"]), checkpoint=checkpoint, **given)}


def _rows(ensemble: Result) -> list[np.ndarray]:
    return [s.types == SPECIES for s in ensemble["snapshots"]]


def _targets(ensemble: Result) -> list[np.ndarray]:
    """The propensity at the last time, (rows, 1) of each configuration."""
    return [p[-1, r, None] for p, r in zip(ensemble["ensemble"].propensity.values, _rows(ensemble), strict=True)]


def _described(state: Result, ensemble: Result, describe: ShellExpansion) -> dict[str, Any]:
    return {"columns": np.stack([describe(s).values[r] for s, r in zip(state["snapshots"], _rows(ensemble), strict=True)])}


def _coarse_grained(
    state: Result, ensemble: Result, system: gg.System, backend: str, lengths: Sequence[float], r_max: float
) -> dict[str, Any]:
    """Inherent energy of each particle, and it and the densities coarse-grained over all, A, B."""
    found = zip(state["snapshots"], _rows(ensemble), strict=True)
    out = [energy_and_densities(system, snapshot, lengths, r_max, backend)[rows] for snapshot, rows in found]
    return {"columns": np.stack(out), "names": ["u", *coarse_names(["u"], lengths, ["all", *system.species])]}


def _joined(columns: Sequence[Result], widths: Sequence[int]) -> list[np.ndarray]:
    """The first so many columns of each (0: all), side by side, per configuration."""
    return list(np.concatenate([c["columns"][..., : w or None] for c, w in zip(columns, widths, strict=True)], axis=-1))


def _fitted(columns: Sequence[Result], widths: Sequence[int], ensemble: Result, alphas: np.ndarray) -> dict[str, Any]:
    """Nested: alpha of every fold is chosen inside its training configurations."""
    folds = ridge_over_parts(_joined(columns, widths), _targets(ensemble), alphas)
    return {
        "pearson": folds.pearson[:, 0],
        "alpha": folds.alpha[:, 0],
        "inner": folds.inner[:, 0],
        "best_alpha_pearson": folds.path[:, :, 0].mean(axis=1).max(),
        "pooled": pearson(np.concatenate(_targets(ensemble))[:, 0], np.concatenate(folds.prediction)[:, 0]),
        "prediction": np.stack(folds.prediction)[:, :, 0],
    }


def _leaky(way: str, columns: Sequence[Result], widths: Sequence[int], ensemble: Result, alphas: np.ndarray) -> dict[str, Any]:
    """The rows of all configurations cut into folds: a test row's neighbours, whose averages it
    shares, are then among the training rows."""
    x, y, rows = _joined(columns, widths), _targets(ensemble), _rows(ensemble)
    configuration = np.repeat(np.arange(len(x)), [len(t) for t in y])
    positions = np.concatenate([s.positions[r] for s, r in zip(ensemble["snapshots"], rows, strict=True)])
    all_x, all_y = np.concatenate(x), np.concatenate(y)
    tests = [t for _, t in split(configuration, way, folds=BLOCKS, positions=positions, box=ensemble["snapshots"][0].box, margin=0.0)]
    folds = ridge_over_parts([all_x[t] for t in tests], [all_y[t] for t in tests], alphas)
    prediction = np.empty_like(all_y)
    for test, part in zip(tests, folds.prediction, strict=True):
        prediction[test] = part
    return {"pearson": np.array([pearson(all_y[configuration == c, 0], prediction[configuration == c, 0]) for c in range(len(x))])}


def _transferred(botan: Result, bapst: Result, columns: Result, describe: ShellExpansion, alphas: np.ndarray) -> dict[str, Any]:
    """A model of all BOTAN configurations, asked about the Bapst configuration: Pearson with its
    propensity at each of its times. alpha is the one chosen inside the BOTAN configurations."""
    x, y, snapshot = list(columns["columns"]), _targets(botan), bapst["ensemble"].snapshot
    chosen = ridge_over_parts(x, y, alphas).alpha
    weights, intercept = gg.models.Moments.of(np.concatenate(x), np.concatenate(y)).ridge_path(
        np.array([np.median(chosen)]), standardize=True
    )
    own = snapshot.types == SPECIES
    prediction = describe(snapshot).values[own] @ weights[0, :, 0] + intercept[0, 0]
    return {"pearson": np.array([pearson(p[own], prediction) for p in bapst["ensemble"].propensity.values])}


def _curve(
    columns: Sequence[Result], widths: Sequence[int], ensemble: Result, alphas: np.ndarray, checkpoint: Path | None
) -> dict[str, Any]:
    x, y, piece = _joined(columns, widths), _targets(ensemble), Pieces(checkpoint)
    halves = [(s.positions[r, 0] >= 0).astype(int) for s, r in zip(ensemble["snapshots"], _rows(ensemble), strict=True)]
    sizes = list(range(1, len(x)))

    def learned(size: int) -> dict[str, Any]:
        return {"pearson": learning_curve(x, y, alphas, [size], halves)[0, :, 0]}

    found = [piece(f"{size} learned from", partial(learned, size)) for size in sizes]
    return {"sizes": np.array(sizes), "pearson": np.stack([one["pearson"] for one in found])}


# ---------------------------------------------------------------- an ensemble of our own


def _own_data(study: Study, scale: Scale, columns: Result, botan: Result, backend: str) -> Result:
    """What configurations of our own, at a temperature that a laptop can reach, add to the training set."""
    size, tau, temperature = int(scale.own["n"]), scale.own["tau"], scale.own["temperature"]
    system = gg.systems.kob_andersen(n=size, cutoff="per_pair")
    engine = {"system": system, "backend": backend}
    liquids = study.stage(
        "own-liquids",
        equilibrated,
        temperature=temperature,
        duration=6 * tau,
        seed=7,
        configurations=int(scale.own["configurations"]),
        **engine,
    )
    runs = study.stage(
        "own-runs", _released, liquids=liquids, temperature=temperature, times=[tau], replicas=int(scale.own["replicas"]), seed=8, **engine
    )
    inherent = study.stage("own-inherent", _quenched, ensemble=liquids, force_tolerance=scale.force_tolerance, **engine)
    coarse = study.stage("own-coarse", _coarse_grained, state=inherent, ensemble=liquids, lengths=FEW_LENGTHS, r_max=CUTOFF, **engine)
    return study.stage("own-fit", _merged, theirs=columns, ours=coarse, botan=botan, runs=runs, temperature=temperature, alphas=ALPHAS)


def _released(liquids: Result, checkpoint: Path, **given: Any) -> dict[str, Any]:
    ensemble = gg.isoconfigurational(snapshot=list(liquids["snapshots"]), checkpoint=checkpoint, **given)
    return {"ensemble": ensemble, "snapshots": ensemble.snapshot}


def _centred(x: np.ndarray) -> np.ndarray:
    """Without the mean of its configuration, in units of its spread: temperatures differ in both."""
    return (x - x.mean(axis=0)) / x.std(axis=0)


def _merged(theirs: Result, ours: Result, botan: Result, runs: Result, temperature: float, alphas: np.ndarray) -> dict[str, Any]:
    x, y = ([_centred(a) for a in part] for part in (theirs["columns"], _targets(botan)))
    own_x, own_y = ([_centred(a) for a in part] for part in (ours["columns"], _targets(runs)))
    own = (own_x, own_y)
    alone, both = ridge_over_parts(x, y, alphas), ridge_over_parts(x, y, alphas, also=own)
    # A model of our own liquids alone: alpha from leaving out one of them after another.
    chosen = ridge_over_parts(own_x, own_y, alphas).alpha
    weights, intercept = gg.models.Moments.of(np.concatenate(own_x), np.concatenate(own_y)).ridge_path(
        np.array([np.median(chosen)]), standardize=True
    )
    only = np.array([pearson(b[:, 0], a @ weights[0, :, 0] + intercept[0, 0]) for a, b in zip(x, y, strict=True)])
    few = [[k for k in range(len(x)) if k != test][:3] for test in range(len(x))]
    small = [_one_fold(x, y, test, train, alphas, ((), ())) for test, train in enumerate(few)]
    helped = [_one_fold(x, y, test, train, alphas, own) for test, train in enumerate(few)]
    return {
        "temperature": temperature, "ceiling": runs["ensemble"].noise_ceiling.values[:, -1, SPECIES], "theirs": alone.pearson[:, 0],
        "both": both.pearson[:, 0], "ours": only, "three": np.array(small), "three_and_ours": np.array(helped),
    }  # fmt: skip


def _one_fold(x: list, y: list, test: int, train: list[int], alphas: np.ndarray, also: Any) -> float:
    """Pearson on one configuration of a model of three others, and of further parts."""
    inner = ridge_over_parts([x[k] for k in train], [y[k] for k in train], alphas, also=also)
    parts_x, parts_y = ([*(part[k] for k in train), *more] for part, more in zip((x, y), also, strict=True))
    moments = gg.models.Moments.of(np.concatenate(parts_x), np.concatenate(parts_y))
    weights, intercept = moments.ridge_path(np.array([np.median(inner.alpha)]), standardize=True)
    return pearson(y[test][:, 0], x[test] @ weights[0, :, 0] + intercept[0, 0])
