"""The pipeline on configurations that we did not make: BOTAN and Bapst et al., thermal states.

Leave one configuration out, with the two leaky splits beside it, so that the leak is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import glassgpu as gg
from glassgpu.dynamics import noise_ceiling
from glassgpu.errors import InvalidInput
from glassgpu.evaluate import claims_table, pearson, ridge_over_parts, split
from glassgpu.report import figures
from glassgpu.report.page import Page
from glassgpu.study import Result, Study

ALPHAS = 10.0 ** np.arange(-3, 3.1, 0.5)
SCALES = {"smoke": (3, 1), "laptop": (8, 3), "paper": (8, 3)}  # configurations, generations
WAYS = {
    "by_configuration": "unseen configuration",
    "spatial_blocks": "other slab of the same configurations (leaks)",
    "random_particles": "random particles (leaks)",
}
BLOCKS = 5


@dataclass(frozen=True)
class PublicData:
    """Predict propensities on public configurations, honestly and not."""

    data: Path
    """folder with botan/ and ka_t044_bapst.pickle"""
    out: Path = Path("out/public_data")
    """folder for the report"""
    scale: str = "laptop"
    """smoke (3 configurations, 1 generation), laptop or paper (all, 3 generations)"""


def run(options: PublicData) -> Path:
    """Run the stages that have not been run yet, and write the report; returns its path."""
    if options.scale not in SCALES:
        raise InvalidInput(f"scale={options.scale!r}: choose one of {', '.join(SCALES)}")
    count, generations = SCALES[options.scale]
    files = sorted((options.data / "botan").glob("isoconfig_N4096T0.44_*_tc07.npz"))[:count]
    if len(files) < 3:
        raise InvalidInput(f"{options.data}/botan holds {len(files)} files isoconfig_N4096T0.44_*_tc07.npz; at least 3 are needed")
    page = Page("Public glass data: what structure tells, and what a leak pretends", options.out)
    describe = gg.descriptors.ShellExpansion(generations=generations)
    transferred = options.scale != "smoke"
    every = [(way, g) for g in range(1, generations + 1) for way in WAYS]
    described = [f"descriptors-{k + 1}" for k in range(len(files))] + ["descriptors-bapst"] * transferred
    fitted = [f"fit-{way}-{g}" for way, g in every] + [f"transfer-{g}" for g in range(1, generations + 1)] * transferred
    study = Study(options.out, options, stages=["botan", "bapst", *described, *fitted])

    botan = study.stage("botan", _read_botan, files=files)
    bapst = study.stage("bapst", _read_bapst, file=options.data / "ka_t044_bapst.pickle")
    columns = [
        study.stage(f"descriptors-{k + 1}", _described, snapshot=snapshot, species=0, describe=describe)
        for k, snapshot in enumerate(_snapshots(botan))
    ]
    width = len(describe.columns) // generations
    scores: dict[str, dict[int, np.ndarray]] = {way: {} for way in WAYS}
    for way, g in every:
        fit = study.stage(f"fit-{way}-{g}", _scores, way=way, columns=columns, width=g * width, ensemble=botan, species=0, alphas=ALPHAS)
        scores[way][g] = fit["pearson"]
        print(f"generations {g}, {way}: {scores[way][g].mean():.3f}", flush=True)
    transfer: dict[int, np.ndarray] = {}
    if transferred:
        own = study.stage("descriptors-bapst", _described, snapshot=bapst["ensemble"].snapshot, species=0, describe=describe)
        for g in range(1, generations + 1):
            model = study.stage(
                f"transfer-{g}", _transfer, columns=columns, own=own, width=g * width, botan=botan, bapst=bapst, species=0, alphas=ALPHAS
            )
            transfer[g] = model["pearson"]
    _write(page, options.scale, botan["ensemble"], bapst["ensemble"], scores, transfer)
    return page.write({"scale": options.scale, "configurations": len(files), **study.provenance()})


def _read_botan(files: Sequence[Path]) -> dict[str, Any]:
    return {"ensemble": gg.io.read_botan(files)}


def _read_bapst(file: Path) -> dict[str, Any]:
    return {"ensemble": gg.io.read_bapst(file)}


def _snapshots(ensemble: Result) -> list[gg.Snapshot]:
    found = ensemble["ensemble"].snapshot
    return [found] if isinstance(found, gg.Snapshot) else found


def _targets(ensemble: Result, species: int) -> list[np.ndarray]:
    """The propensity of one species in each configuration at the first time."""
    return [p[0, s.types == species] for p, s in zip(ensemble["ensemble"].propensity.values, _snapshots(ensemble), strict=True)]


def _described(snapshot: gg.Snapshot, species: int, describe: gg.descriptors.ShellExpansion) -> dict[str, Any]:
    """Columns of one species: A only, as the data sets' own scores."""
    return {"columns": describe(snapshot).values[snapshot.types == species]}


def _scores(way: str, columns: Sequence[Result], width: int, ensemble: Result, species: int, alphas: np.ndarray) -> dict[str, Any]:
    """Pearson in each configuration by models that have not seen the test rows, from the first
    ``width`` columns.

    The leaky ways cut the rows of all configurations into folds: a test row's neighbours, whose
    averages it shares, are then among the training rows.
    """
    x, y, snapshots = [c["columns"][:, :width] for c in columns], _targets(ensemble, species), _snapshots(ensemble)
    if way == "by_configuration":
        folds = ridge_over_parts(x, [t[:, None] for t in y], alphas)
        return {"pearson": np.array([pearson(t, p[:, 0]) for t, p in zip(y, folds.prediction, strict=True)])}
    configuration = np.repeat(np.arange(len(x)), [len(t) for t in y])
    positions = np.concatenate([s.positions[s.types == species] for s in snapshots])
    all_x, all_y = np.concatenate(x), np.concatenate(y)
    tests = [test for _, test in split(configuration, way, folds=BLOCKS, positions=positions, box=snapshots[0].box, margin=0.0)]
    folds = ridge_over_parts([all_x[t] for t in tests], [all_y[t][:, None] for t in tests], alphas)
    prediction = np.empty_like(all_y)
    for test, part in zip(tests, folds.prediction, strict=True):
        prediction[test] = part[:, 0]
    return {"pearson": np.array([pearson(all_y[configuration == c], prediction[configuration == c]) for c in range(len(x))])}


def _transfer(
    columns: Sequence[Result], own: Result, width: int, botan: Result, bapst: Result, species: int, alphas: np.ndarray
) -> dict[str, Any]:
    """A model of all BOTAN configurations, asked about the Bapst configuration: Pearson with its
    propensity at each of its times. alpha is the one chosen inside the BOTAN configurations."""
    x, y = [c["columns"][:, :width] for c in columns], _targets(botan, species)
    chosen = ridge_over_parts(x, [t[:, None] for t in y], alphas).alpha
    moments = gg.models.Moments.of(np.concatenate(x), np.concatenate(y))
    weights, intercept = moments.ridge_path(np.array([np.median(chosen)]), standardize=True)
    prediction = own["columns"][:, :width] @ weights[0, :, 0] + intercept[0, 0]
    (snapshot,) = _snapshots(bapst)
    return {"pearson": np.array([pearson(p[snapshot.types == species], prediction) for p in bapst["ensemble"].propensity.values])}


def _write(
    page: Page,
    scale: str,
    botan: gg.Ensemble,
    bapst: gg.Ensemble,
    scores: dict[str, dict[int, np.ndarray]],
    transfer: dict[int, np.ndarray],
) -> None:
    ceiling = botan.noise_ceiling.values[:, 0, 0]
    generations = sorted(scores["by_configuration"])
    last = generations[-1]
    honest, leaky = scores["by_configuration"][last].mean(), scores["random_particles"][last].mean()
    page.numbers = {"pearson_A": scores, "noise_ceiling_A": ceiling, "transfer_to_bapst": transfer, "bapst_times": bapst.times}
    page.text(
        "Two groups have published simulations of the same glass-forming liquid (Kob-Andersen, T = 0.44): snapshots, and how far every particle "
        "moves from them on average over some thirty runs. Can a linear model read that distance off the arrangement of a particle's neighbours?",
        f"The honest question is asked about a snapshot that the model has never seen. The answer here is a correlation of {honest:.2f} on average "
        f"over {len(ceiling)} snapshots of the BOTAN set at its relaxation time. The dashed line shows how much noise alone leaves open.",
        f"Split the particles at random instead, and the same model seems to reach {leaky:.2f}. Nothing has been learned in addition: neighbours "
        "share their surroundings, so a test particle's neighbours among the training particles give its answer away.",
    )
    page.heading("Every configuration")
    figure, (axis,) = figures.new_figure(1, 8.2, 4.2)
    at = np.arange(len(ceiling))
    for k, (way, name) in enumerate(WAYS.items()):
        axis.bar(at + 0.26 * (k - 1), scores[way][last], 0.24, color=figures.COLOURS[k], label=name)
    axis.step(
        np.append(at - 0.45, at[-1] + 0.45),
        np.append(ceiling, ceiling[-1]),
        "--",
        where="post",
        color="#444",
        lw=1.2,
        label="noise ceiling (32 runs)",
    )
    axis.set(xticks=at, xticklabels=at + 1, xlabel="BOTAN configuration", ylabel="Pearson coefficient, species A", ylim=(0, 1.25))
    axis.legend(frameon=False, ncols=2, loc="upper right")
    page.figure(
        figure,
        "configurations",
        f"{last} generation(s) of descriptors, ridge, alpha chosen inside the training parts. Three ways to split the same particles.",
    )
    page.heading("Generations of descriptors")
    page.table(
        ["split", *(f"{g} generation(s)" for g in generations)],
        [[WAYS[w], *(f"{scores[w][g].mean():.3f} ± {scores[w][g].std(ddof=1):.3f}" for g in generations)] for w in WAYS],
    )
    page.table(
        ["configuration", "noise ceiling", *(f"unseen, {g} gen." for g in generations), "blocks", "random"],
        [
            [
                str(c + 1),
                ceiling[c],
                *(scores["by_configuration"][g][c] for g in generations),
                scores["spatial_blocks"][last][c],
                scores["random_particles"][last][c],
            ]
            for c in at
        ],
    )
    page.heading("Stated before and found")
    thermal = [scores["by_configuration"][g].mean() for g in generations]
    found: dict[str, Any] = {"thermal_pearson_mean": thermal, "noise_ceiling": ceiling, "noise_ceiling_pooled": _pooled_ceiling(botan)}
    found |= {"inherent_pearson": None, "inherent_pearson_goal": None}  # these states are not computed here
    page.table(*claims_table("public_data", found, scale))
    if transfer:
        page.heading("The same model in another laboratory's data")
        page.text(
            "The model trained on all BOTAN snapshots at their relaxation time is asked about the Bapst snapshot, which was made at another "
            "density and is measured at ten times. It knows nothing of short times; near the relaxation time it should carry over."
        )
        curves = {f"{g} generation(s)": r for g, r in transfer.items()}
        page.figure(
            figures.against_time(curves, bapst.times, "Pearson coefficient, species A"),
            "transfer",
            "A model of the BOTAN set on the Bapst configuration.",
        )
    assert isinstance(botan.snapshot, list)
    show = botan.snapshot[0]
    page.heading("What it looks like")
    moved = np.where(show.types == 0, botan.propensity.values[0, 0], np.nan)
    page.figure(
        figures.maps(show, {"BOTAN configuration 1": moved}, "propensity  [$\\sigma$]", slab=1.0),
        "map",
        "A slice; colour: average distance moved at the relaxation time (species A; B grey).",
    )


def _pooled_ceiling(botan: gg.Ensemble) -> float:
    """The noise ceiling of species A over the particles of all configurations together."""
    assert isinstance(botan.snapshot, list)
    types = np.concatenate([s.types for s in botan.snapshot])
    return float(noise_ceiling(botan.propensity.values[:, 0].ravel(), botan.standard_error.values[:, 0].ravel() ** 2, types)[0])
