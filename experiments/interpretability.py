"""What of the arrangement goes with motion: every column of three descriptors against the propensity (LIN, figures 1, 13 and 14)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import glassgpu as gg
from glassgpu import dynamics, structure, validate
from glassgpu.descriptors import JBB, SLO, BehlerParrinello
from glassgpu.evaluate import claims_table, pearson
from glassgpu.report import figures
from glassgpu.report.page import Page
from glassgpu.study import Result, Study

COARSE = 1.5  # length over which LIN averages the columns of Behler-Parrinello
RADII = (0.5, 1.0)  # of the discs of Voronoi cells, in units of sigma_aa


@dataclass(frozen=True)
class Scale:
    """What one scale computes.

    Attributes:
        n, configurations, temperature: independent liquids.
        tau: expected relaxation time [sweeps], at which the propensity is taken.
        equilibration: sweeps of swap Monte Carlo.
        runs: of each liquid.
        r_max: where the sums of the descriptors end; 20 in the papers.
    """

    n: int
    configurations: int
    temperature: float
    tau: int
    equilibration: float
    runs: int
    r_max: float = 20.0


SCALES = {
    "smoke": Scale(300, 2, 1.0, 500, 2e3, 8, 8.0),
    "laptop": Scale(1700, 4, 0.40, 25_000, 6e4, 24),
    "paper": Scale(4000, 10, 0.30, 4_000_000, 2.4e6, 30),
}


@dataclass(frozen=True)
class Interpretability:
    """Which features of a frozen arrangement tell who will move in it."""

    out: Path = Path("out/interpretability")
    """folder for the report"""
    scale: str = "laptop"
    """smoke, laptop (2 cores, T = 0.40) or paper (one GPU, T = 0.30)"""
    seed: int = 1
    """equal seeds give equal numbers"""
    backend: str = "auto"
    """auto, cuda or cpu"""


def run(options: Interpretability) -> Path:
    """Run the stages that have not been run yet, and write the report; returns its path."""
    validate.choice("scale", options.scale, tuple(SCALES))
    scale = SCALES[options.scale]
    page = Page("What tells who will move", options.out)
    system = gg.systems.ternary_2d(n=scale.n)
    study = Study(options.out, options, stages=["liquids", "ensemble", "inherent", "columns"])
    engine: dict[str, Any] = {"system": system, "backend": options.backend}
    liquids = study.stage(
        "liquids", _equilibrated, temperature=scale.temperature, duration=scale.equilibration, configurations=scale.configurations,
        seed=options.seed, **engine,
    )  # fmt: skip
    ensemble = study.stage(
        "ensemble", _ensemble, liquids=liquids, temperature=scale.temperature, tau=scale.tau, replicas=scale.runs, seed=options.seed + 1,
        **engine,
    )  # fmt: skip
    inherent = study.stage("inherent", _inherent, liquids=liquids, **engine)
    columns = study.stage("columns", _columns, inherent=inherent, r_max=scale.r_max, **engine)
    _write(page, options.scale, ensemble, columns)
    return page.write({**vars(scale), "scale": options.scale, **study.provenance()})


def _equilibrated(checkpoint: Path, **given: Any) -> dict[str, Any]:
    return {"snapshots": gg.equilibrate(checkpoint=checkpoint, **given)}


def _ensemble(liquids: Result, system: gg.System, tau: int, checkpoint: Path, **given: Any) -> dict[str, Any]:
    runs = gg.isoconfigurational(
        system, list(liquids["snapshots"]), dynamics="mc", times=[max(1, tau // 80), tau], checkpoint=checkpoint, **given
    )
    p, error = runs.propensity.values[:, -1], runs.standard_error.values[:, -1]
    everyone = np.zeros(system.n, np.int32)
    ceiling = [dynamics.noise_ceiling(v, e**2, everyone)[0] for v, e in zip(p, error, strict=True)]
    return {"propensity": p, "ceiling": np.array(ceiling), "time": float(runs.propensity.time[-1])}


def _inherent(liquids: Result, system: gg.System, backend: str) -> dict[str, Any]:
    return {"snapshots": structure.inherent_structure(system, list(liquids["snapshots"]), backend=backend)}


def _columns(inherent: Result, system: gg.System, r_max: float, backend: str) -> dict[str, Any]:
    """Columns of the inherent states by descriptor, (configuration, particle, feature), and of their Voronoi cells."""
    snapshots = list(inherent["snapshots"])
    found = {
        "BehlerParrinello": BehlerParrinello(coarse_graining=COARSE, r_max=r_max, backend=backend),
        "SLO": SLO(system, r_max=r_max, backend=backend),
        **{f"JBB {radius:g}": JBB(system, r_max=r_max, radius_scale=radius, backend=backend) for radius in RADII},
    }
    cells = [structure.radical_voronoi(system, snapshots, radius) for radius in RADII]
    return {
        **{name: describe(snapshots) for name, describe in found.items()},
        "empty": np.array([c.empty.mean() for c in cells]),
        "outside": np.array([c.outside.mean() for c in cells]),
    }


def correlations(p: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pearson coefficients of p (configuration, N) with columns (configuration, N, feature), all configurations pooled as in LIN
    equation 13, (feature,), and of each by itself, (configuration, feature)."""
    pooled = np.array([pearson(p.ravel(), x.ravel()) for x in np.moveaxis(columns, 2, 0)])
    return pooled, np.array([[pearson(y, x) for x in given.T] for y, given in zip(p, columns, strict=True)])


def _write(page: Page, scale: str, ensemble: Result, columns: Result) -> None:
    """Text, pictures, numbers and verdicts."""
    p, ceiling = ensemble["propensity"], ensemble["ceiling"]
    names = {name: columns[name].feature.values.astype(str).tolist() for name in ("BehlerParrinello", "SLO", "JBB 0.5", "JBB 1")}
    found = {name: correlations(p, columns[name].values) for name in names}
    pooled, each = ({name: both[k] for name, both in found.items()} for k in (0, 1))
    error = {name: r.std(axis=0, ddof=1) / np.sqrt(len(r)) for name, r in each.items()}

    def of(field: str, name: str = "SLO") -> np.ndarray:
        return np.array([n.startswith(f"{field}(") for n in names[name]])

    def strongest(field: str, name: str = "SLO") -> tuple[float, float]:
        where = np.flatnonzero(of(field, name))
        k = where[np.abs(pooled[name][where]).argmax()]
        return float(pooled[name][k]), float(error[name][k])

    lengths = np.array([float(n.partition("=")[2].rstrip(")")) for n in np.array(names["SLO"])[of("Theta")]])
    theta, theta_error = pooled["SLO"][of("Theta")], error["SLO"][of("Theta")]
    two = int(np.flatnonzero(lengths == 2.0)[0])
    page.numbers = {
        "time": ensemble["time"], "noise_ceiling": ceiling, "columns": names, "pearson": pooled, "standard_error": error,
        "pearson_of_each_configuration": each, "empty_cells": columns["empty"], "particles_outside_their_cells": columns["outside"],
    }  # fmt: skip
    page.text(
        "Freeze a crowd of discs, let every one of them settle into the nearest dent, and look: can you tell who will have walked away an hour later? "
        f"Here every feature that three catalogues know is held against what happened in many runs from {len(p)} arrangements: p, the mean distance that "
        "a disc moved. A coefficient of 1 would mean that the feature tells everything, 0 nothing, -1 everything upside down. No feature of the "
        f"arrangement can reach more than about {ceiling.mean():.2f}, for so few runs leave p itself uncertain.",
        _best(names, pooled),
        _told_of_theta(lengths, theta),
    )
    page.heading("Six simple quantities, each over ten lengths")
    page.figure(
        _blocks(names["SLO"], pooled["SLO"], error["SLO"]), "slo",
        "SLO: density, volume fraction, energy, coordination, hexatic and steric order, l = 0.5 ... 5 from left to right in each block; all "
        "arrangements pooled. Bars: standard error from their scatter. Compare LIN, figure 13.",
    )  # fmt: skip
    page.text(
        f"Where the discs cover more of the plane, motion is {_sign(strongest('phi')[0])} (phi, {strongest('phi')[0]:.2f}); with more neighbours in touch it is "
        f"{_sign(strongest('z')[0])} (z, {strongest('z')[0]:.2f}); where there are more discs, of whatever size, it is {_sign(strongest('rho')[0])} "
        f"(rho, {strongest('rho')[0]:.2f}). Hexagons, the order of equal discs, have {strongest('Psi6')[0]:.2f}."
    )
    page.heading("The same, told apart by size")
    page.figure(
        _blocks(names["JBB 0.5"], pooled["JBB 0.5"], error["JBB 0.5"]), "jbb",
        "JBB: density, energy and perimeter of the Voronoi cell, over all neighbours and over those of one species. Compare LIN, figure 14.",
    )  # fmt: skip
    perimeter = {radius: pooled[f"JBB {radius:g}"][of("pi", "JBB 0.5")].mean() for radius in RADII}
    scatter = {radius: each[f"JBB {radius:g}"][:, of("pi", "JBB 0.5")].mean(axis=1).std(ddof=1) / np.sqrt(len(p)) for radius in RADII}
    page.text(
        f"The perimeter of a disc's cell depends on how large one takes the discs to be. With radius sigma / 2, so that discs in touch have touching rims, its "
        f"coefficient is {perimeter[0.5]:.2f} on average over lengths. LIN's words say radius sigma: then it is {perimeter[1.0]:.2f}, and of {p.shape[1]} discs "
        f"{columns['outside'][1]:.0f} stand outside their own cells, {columns['empty'][1]:.0f} of them have none "
        f"({columns['outside'][0]:.0f} and {columns['empty'][0]:.0f} with sigma / 2)."
    )
    page.heading("276 numbers that nobody chose by hand")
    page.figure(
        _blocks(names["BehlerParrinello"], pooled["BehlerParrinello"], None), "behler_parrinello",
        f"Behler-Parrinello, coarse-grained over {COARSE:g}: 48 distances for each species, 22 angular functions for each two. Compare LIN, figure 1.",
    )  # fmt: skip
    best = int(np.abs(pooled["BehlerParrinello"]).argmax())
    page.text(
        f"The one that tells most is {names['BehlerParrinello'][best]} with {pooled['BehlerParrinello'][best]:.2f}; half of them stay below "
        f"{np.median(np.abs(pooled['BehlerParrinello'])):.2f} in magnitude. Together they may say more; which of them matter is then hard to tell, for "
        "neighbours in this list repeat one another."
    )
    if scale != "smoke":
        judged = {
            "theta_positive": (float(theta.min()), float(theta_error[theta.argmin()])),
            "theta_peak": float(lengths[theta.argmax()]),
            "theta_rises_and_falls": [float(theta[two] - theta[0]), float(theta[two] - theta[-1])],
            "theta_at_2": (float(theta[two]), float(theta_error[two])),
            "phi_negative": strongest("phi"),
            "z_negative": strongest("z"),
            "rho_positive": strongest("rho"),
            "psi6_poor": float(np.abs(pooled["SLO"][of("Psi6")]).max() / np.abs(theta).max()),
            "perimeter_negative": ([float(x) for x in perimeter.values()], [float(x) for x in scatter.values()]),
            "bp_modest": float(np.abs(pooled["BehlerParrinello"]).max()),
        }
        page.heading("What was expected")
        page.table(*claims_table("interpretability", judged, scale))


def _best(names: dict[str, list[str]], pooled: dict[str, np.ndarray]) -> str:
    """Which single feature of SLO tells most, in words."""
    k = int(np.abs(pooled["SLO"]).argmax())
    return f"Of the sixty simplest features, {names['SLO'][k]} goes with motion most closely: {pooled['SLO'][k]:.2f}."


def _told_of_theta(lengths: np.ndarray, theta: np.ndarray) -> str:
    """Whether Theta is best averaged over a patch of intermediate size, in words."""
    peak = int(theta.argmax())
    told = (
        f"How badly the neighbours of a disc fit around it (Theta) has {theta[peak]:.2f} when averaged over a length of {lengths[peak]:g}"
    )
    if 0 < peak < len(theta) - 1:
        return f"{told}. Less of its surroundings says less ({theta[0]:.2f} at {lengths[0]:g}), and so does more ({theta[-1]:.2f} at {lengths[-1]:g})."
    return f"{told}, {'the shortest' if peak == 0 else 'the longest'} of all: no length between is best here."


def _sign(r: float) -> str:
    return "less likely" if r < 0 else "more likely"


def _blocks(names: list[str], values: np.ndarray, error: np.ndarray | None) -> Any:
    """One bar for each column, in blocks of one colour."""
    figure, (axis,) = figures.new_figure(1, 9.0, 3.4)
    blocks = [n.partition("(")[0] for n in names]
    order = list(dict.fromkeys(blocks))
    colours = [figures.COLOURS[order.index(b) % len(figures.COLOURS)] for b in blocks]
    axis.bar(np.arange(len(names)), values, width=0.85, color=colours, yerr=error, error_kw={"elinewidth": 0.7, "ecolor": "#333333"})
    axis.axhline(0, color="#222222", lw=0.8)
    for b in order:
        where = np.flatnonzero([x == b for x in blocks])
        axis.axvline(where[-1] + 0.5, color="#dddddd", lw=0.7, zorder=0)
        axis.text(where.mean(), 1.02, _written(b), ha="center", va="bottom", fontsize=8, transform=axis.get_xaxis_transform())
    axis.set(xlabel="column", ylabel="Pearson coefficient with p", xlim=(-1, len(names)))
    return figure


def _written(block: str) -> str:
    """The name of a block of columns as the papers print it."""
    symbol, _, species = block.partition("_")
    greek = {"rho": r"\rho", "phi": r"\varphi", "Psi6": r"\Psi_6", "Psi": r"\Psi", "Theta": r"\Theta", "pi": r"\pi"}.get(symbol, symbol)
    return f"${greek}^{{{species}}}$" if species else f"${greek}$"
