"""The report of ``public_data``: words, pictures and tables from stored stages only."""

from __future__ import annotations

from typing import Any

import numpy as np

import glassgpu as gg
from glassgpu.dynamics import noise_ceiling
from glassgpu.evaluate import claims_table
from glassgpu.report import figures
from glassgpu.report.page import Page
from glassgpu.study import Result

LEAKS = {"spatial_blocks": "other slab of the same configurations (leaks)", "random_particles": "random particles (leaks)"}


def write_report(
    page: Page, scale: str, botan: gg.Ensemble, bapst: gg.Ensemble, states: dict[str, Result], fits: dict[str, Result], leaks: dict[str, Result],
    transfer: Result | None, curves: dict[str, Result], own: Result | None,
) -> None:  # fmt: skip
    """Everything from the stages' results; nothing is computed here but means."""
    assert isinstance(botan.snapshot, list)
    ceiling = botan.noise_ceiling.values[:, -1, 0]
    pearson = {name: f["pearson"] for name, f in fits.items()}
    nested = _nested_choice(fits)
    thermal = [name for name in fits if name.startswith("thermal, ")]
    inherent = [name for name in fits if name.startswith("inherent, ")]
    best = max(fits, key=lambda name: fits[name]["inner"].mean())  # by the inner scores, which know no test configuration
    page.numbers = {
        "pearson_A": pearson,
        "pooled_A": {name: f["pooled"] for name, f in fits.items()},
        "best_alpha_A": {name: f["best_alpha_pearson"] for name, f in fits.items()},
        "alpha": {name: f["alpha"] for name, f in fits.items()},
        "leaky_A": {way: r["pearson"] for way, r in leaks.items()},
        "set_chosen_inside": nested,
        "noise_ceiling_A": ceiling,
        "noise_ceiling_A_pooled": _pooled_ceiling(botan),
        "transfer_to_bapst": transfer["pearson"] if transfer else None,
        "bapst_times": bapst.times,
        "inherent_energy_per_particle": states["inherent"]["potential_per_particle"],
        "largest_force": states["inherent"]["largest_force"],
        "learning_curve": {name: {"sizes": c["sizes"], "pearson": c["pearson"]} for name, c in curves.items()},
        "own_data": dict(own) if own else None,
    }
    honest, leaky = pearson[thermal[-1]].mean(), leaks["random_particles"]["pearson"].mean()
    page.text(
        "Two groups have published simulations of the same glass-forming liquid (Kob-Andersen, T = 0.44): snapshots, and how far every particle "
        "moves from them on average over some thirty runs. Can a linear model read that distance off the arrangement of a particle's neighbours?",
        f"The honest question is asked about a snapshot that the model has never seen. From the snapshot as it is, with all its vibrations, the answer is "
        f"a correlation of {honest:.2f}, the mean over {len(ceiling)} snapshots of the BOTAN set at its relaxation time. Let the vibrations come to rest first, in "
        f"the nearest minimum of the energy, and the same model reaches {pearson[inherent[-1]].mean():.2f}. With the best columns tried ({best}) it is "
        f"{pearson[best].mean():.2f}. Noise alone leaves open {ceiling.mean():.2f}.",
        f"Split the particles at random instead, and the model of the snapshot as it is seems to reach {leaky:.2f}. Nothing has been learned in addition: "
        "neighbours share their surroundings, so a test particle's neighbours among the training particles give its answer away.",
    )
    page.heading("Every configuration")
    shown = {thermal[-1]: pearson[thermal[-1]], inherent[-1]: pearson[inherent[-1]], best: pearson[best]}
    shown[f"{thermal[-1]}; random particles (leaks)"] = leaks["random_particles"]["pearson"]
    page.figure(
        figures.scores_and_ceiling(shown, ceiling, "BOTAN configuration", "Pearson coefficient, species A"), "configurations",
        "Ridge models, alpha chosen inside the training configurations; the last bars are split at random and leak. Dashed: noise ceiling of 32 runs.",
    )  # fmt: skip
    page.heading("Step by step")
    page.text(
        "Each line is one set of columns, scored on configurations left out. The gain is over the line above. The pooled score takes all particles of all "
        "configurations together. 'Best alpha' is what a choice of alpha with knowledge of the answers would have given: it is not a result, it shows how "
        "little the honest choice loses. The last column is the mean share of each configuration's ceiling."
    )
    page.table(*_steps(fits, ceiling))
    page.text(
        "Sets of columns were compared on these configurations; a choice between them by the inner scores of each training set alone gives "
        f"{nested['pearson'].mean():.3f}."
    )
    page.heading("The leak")
    page.table(
        ["split of the thermal model's rows", "mean Pearson"],
        [["unseen configuration", honest], *([LEAKS[way], r["pearson"].mean()] for way, r in leaks.items())],
    )
    page.heading("Every fold")
    page.table(
        ["configuration", "noise ceiling", *fits],
        [[str(c + 1), ceiling[c], *(p[c] for p in pearson.values())] for c in range(len(ceiling))],
    )
    page.heading("How many configurations it takes")
    page.figure(
        _learning(curves, float(ceiling.mean())), "learning_curve",
        "Mean score on unseen configurations against the number of training configurations; bars: standard error over the tests.",
    )  # fmt: skip
    if own:
        _own(page, own)
    page.heading("Stated before and found")
    found: dict[str, Any] = {
        "thermal_pearson_mean": [pearson[name].mean() for name in thermal],
        "noise_ceiling": ceiling,
        "noise_ceiling_pooled": page.numbers["noise_ceiling_A_pooled"],
        "inherent_pearson": pearson[inherent[-1]].mean(),
        "inherent_pearson_each": pearson[inherent[-1]],
        "best_pearson": nested["pearson"].mean(),
    }
    page.table(*claims_table("public_data", found, scale))
    if transfer:
        page.heading("The thermal model in another laboratory's data")
        page.text(
            "The model trained on all BOTAN snapshots at their relaxation time is asked about the Bapst snapshot, which was made at another "
            "density and is measured at ten times. It knows nothing of short times; near the relaxation time it should carry over."
        )
        page.figure(
            figures.against_time({thermal[-1]: transfer["pearson"]}, bapst.times, "Pearson coefficient, species A"), "transfer",
            "A model of the BOTAN set on the Bapst configuration.",
        )  # fmt: skip
    snapshot = botan.snapshot[0]
    page.heading("What it looks like")
    fields = {"measured": botan.propensity.values[0, -1], "predicted": fits[best]["prediction"][0]}
    shown_fields = {}
    for title, values in fields.items():
        shown_fields[title] = np.full(snapshot.n, np.nan)
        shown_fields[title][snapshot.types == 0] = values[snapshot.types == 0] if len(values) == snapshot.n else values
    page.figure(
        figures.maps(snapshot, shown_fields, "propensity  [$\\sigma$]", slab=1.0), "map",
        "BOTAN configuration 1, a slice; colour: average distance moved at the relaxation time (species A; B grey), measured and predicted by a model "
        f"of the other configurations ({best}).",
    )  # fmt: skip


def _nested_choice(fits: dict[str, Result]) -> dict[str, Any]:
    """For each configuration the set of columns whose inner score, on its training set, was best."""
    names = list(fits)
    which = np.argmax([fits[name]["inner"] for name in names], axis=0)
    return {"sets": [names[w] for w in which], "pearson": np.array([fits[names[w]]["pearson"][c] for c, w in enumerate(which)])}


def _steps(fits: dict[str, Result], ceiling: np.ndarray) -> tuple[list[str], list[list[Any]]]:
    rows, before = [], None
    for name, fit in fits.items():
        mean = float(fit["pearson"].mean())
        gain = "" if before is None else f"{mean - before:+.3f}"
        error = fit["pearson"].std(ddof=1) / np.sqrt(len(ceiling))
        share = float((fit["pearson"] / ceiling).mean())
        rows.append([name, f"{mean:.3f} ± {error:.3f}", gain, float(fit["pooled"]), float(fit["best_alpha_pearson"]), share])
        before = mean
    return ["columns", "per configuration", "gain", "pooled", "best alpha", "of the ceiling"], rows


def _pooled_ceiling(botan: gg.Ensemble) -> float:
    """The noise ceiling of species A over the particles of all configurations together."""
    assert isinstance(botan.snapshot, list)
    types = np.concatenate([s.types for s in botan.snapshot])
    return float(noise_ceiling(botan.propensity.values[:, -1].ravel(), botan.standard_error.values[:, -1].ravel() ** 2, types)[0])


def _learning(curves: dict[str, Result], ceiling: float) -> Any:
    figure, (axis,) = figures.new_figure(1, 6.4, 4.2)
    for k, (name, curve) in enumerate(curves.items()):
        p = curve["pearson"]
        axis.errorbar(
            curve["sizes"],
            p.mean(axis=1),
            p.std(axis=1, ddof=1) / np.sqrt(p.shape[1]),
            fmt="o-",
            capsize=2,
            color=figures.COLOURS[k],
            label=name,
        )
    axis.axhline(ceiling, ls="--", color="#444", lw=1, label="mean noise ceiling")
    axis.set(xlabel="training configurations", ylabel="Pearson coefficient, species A")
    axis.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0.93))
    return figure


def _own(page: Page, own: Result) -> None:
    page.heading("An ensemble of our own")
    page.text(
        f"We made liquids ourselves, at T = {own['temperature']:g}, which a laptop can equilibrate, and ran each until its relaxation time. Columns (energy and "
        "density, coarse-grained, of the inherent states) and targets are taken relative to the mean and spread of their configuration, so that two temperatures "
        "can be put together."
    )
    rows = [
        ["all others of BOTAN", own["theirs"]],
        ["all others of BOTAN and our own", own["both"]],
        ["three of BOTAN", own["three"]],
        ["three of BOTAN and our own", own["three_and_ours"]],
        ["our own only", own["ours"]],
    ]
    page.table(
        ["training set", "mean Pearson on unseen BOTAN configurations", "standard error"],
        [[name, float(p.mean()), float(p.std(ddof=1) / np.sqrt(len(p)))] for name, p in rows],
    )
