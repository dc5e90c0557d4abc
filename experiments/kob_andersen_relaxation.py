"""How the Kob-Andersen liquid slows down: g(r), F_s and tau_alpha(T) (Obadiya's thesis, figures 1.1 to 1.4)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from glassgpu.experiments.liquids import equilibrated

import glassgpu as gg
from glassgpu import dynamics, structure, validate
from glassgpu.engines.options import DT
from glassgpu.evaluate import claims_table
from glassgpu.report import figures
from glassgpu.report.page import Page
from glassgpu.study import Result, Study

WAVENUMBER = 7.2  # first peak of the structure factor of species A
SAMPLES = 60

# n, configurations, replicas of each, and for every temperature the expected relaxation time: runs
# last 8 of them, and a liquid is tested over 6.
SCALES: dict[str, tuple[int, int, int, dict[float, float]]] = {
    "smoke": (300, 2, 2, {1.5: 0.5, 1.0: 1.0}),
    "laptop": (1000, 4, 2, {1.0: 1.0, 0.8: 2.5, 0.7: 5.0, 0.6: 13.0, 0.55: 35.0, 0.5: 100.0}),
    "paper": (4096, 8, 16, {1.0: 1.0, 0.8: 2.5, 0.7: 5.0, 0.6: 13.0, 0.55: 35.0, 0.5: 100.0, 0.475: 300.0, 0.45: 2000.0}),
}


@dataclass(frozen=True)
class KobAndersenRelaxation:
    """Structure hardly changes on cooling, relaxation slows down by orders of magnitude."""

    out: Path = Path("out/kob_andersen_relaxation")
    """folder for the report"""
    scale: str = "laptop"
    """smoke, laptop (2 cores, T from 1.0 to 0.5) or paper (one GPU, to 0.45)"""
    seed: int = 1
    """equal seeds give equal numbers"""
    backend: str = "auto"
    """auto, cuda or cpu"""


def run(options: KobAndersenRelaxation) -> Path:
    """Run the stages that have not been run yet, and write the report; returns its path."""
    validate.choice("scale", options.scale, tuple(SCALES))
    n, configurations, replicas, expected = SCALES[options.scale]
    page = Page("A liquid that stops flowing", options.out)
    system = gg.systems.kob_andersen(n=n)
    names = [f"{kind}-{t:g}" for t in expected for kind in ("liquids", "relaxation", "pairs")]
    study = Study(options.out, options, stages=[*names, "snapshot"])
    engine = {"system": system, "seed": options.seed, "backend": options.backend}
    liquids: Result | None = None
    runs, pairs = {}, {}
    for temperature, tau in expected.items():  # each liquid is cooled from the one before
        liquids = study.stage(
            f"liquids-{temperature:g}", equilibrated, before=liquids, temperature=temperature, duration=6 * tau,
            configurations=configurations, **engine,
        )  # fmt: skip
        runs[temperature] = study.stage(
            f"relaxation-{temperature:g}",
            _relaxed,
            version=2,
            liquids=liquids,
            temperature=temperature,
            longest=8 * tau,
            replicas=replicas,
            **engine,
        )
        pairs[temperature] = study.stage(f"pairs-{temperature:g}", _correlated, liquids=liquids, r_max=min(5.0, system.box[0] / 2))
    coldest, tau = list(expected.items())[-1]
    moved = study.stage("snapshot", _moved, liquids=liquids, temperature=coldest, duration=tau, **engine)
    _write(page, options.scale, runs, pairs, moved, coldest, tau)
    return page.write({"scale": options.scale, "n": n, "configurations": configurations, "replicas": replicas, **study.provenance()})


def _relaxed(liquids: Result, system: gg.System, longest: float, checkpoint: Path, **given: Any) -> dict[str, Any]:
    dt = DT
    steps = np.unique(np.round(np.geomspace(4, longest / dt, SAMPLES)).astype(int))
    observe = dynamics.Observe(wavenumber=WAVENUMBER, bins=150, bin_width=0.02)
    trajectory = gg.simulate.md(
        system, list(liquids["snapshots"]), times=(dt * steps).tolist(), observe=observe, checkpoint=checkpoint, **given
    )
    return {"observables": trajectory.observables, "energy": trajectory.potential.mean(axis=(0, 1)) / system.n}


def _correlated(liquids: Result, r_max: float) -> dict[str, Any]:
    snapshots = list(liquids["snapshots"])
    return {
        "radial_distribution": structure.radial_distribution(snapshots, r_max, 250),
        "structure_factor": structure.structure_factor(snapshots, 20.0, 80),
    }


def _moved(liquids: Result, system: gg.System, duration: float, checkpoint: Path, **given: Any) -> dict[str, Any]:
    start = liquids["snapshots"][0]
    trajectory = gg.simulate.md(system, start, times=[duration], keep_positions=True, checkpoint=checkpoint, **given)
    assert trajectory.positions is not None
    return {"start": start, "distance": np.linalg.norm(dynamics.displacements(start.positions, trajectory.positions[0, 0]), axis=1)}


def _relaxation_time(result: Result) -> tuple[float, float]:
    """tau_alpha of species A and its standard error from the scatter of the configurations."""
    f = result["observables"].self_intermediate_scattering.sel(species="A").mean("replica")
    each = dynamics.relaxation_time(f.time.values, f.values)
    whole = float(dynamics.relaxation_time(f.time.values, f.values.mean(axis=0)))
    return whole, float(np.nanstd(each, ddof=1) / np.sqrt(np.isfinite(each).sum()))


def _write(
    page: Page, scale: str, runs: dict[float, Result], pairs: dict[float, Result], moved: Result, coldest: float, tau_shown: float
) -> None:
    temperatures = np.array(list(runs))
    tau, error = np.array([_relaxation_time(r) for r in runs.values()]).T
    energy = np.array([r["energy"].mean() for r in runs.values()])
    page.numbers = {
        "temperature": temperatures, "tau_alpha": tau, "standard_error": error, "potential_energy_per_particle": energy, "wavenumber": WAVENUMBER,
    }  # fmt: skip
    slower = tau[-1] / tau[0]
    page.text(
        f"Cool a liquid of two kinds of particles from temperature {temperatures[0]:g} to {coldest:g}, and a snapshot of it looks the same. The "
        "distances at which neighbours are found, drawn below, hardly change. What changes is time: a particle needs "
        f"{slower:.0f} times longer to leave the place where it stood.",
        "On its way it does two things. At first it rattles in the cage of its neighbours; much later the cage opens. The curve of how much of the "
        "first arrangement is remembered therefore falls in two steps, and the colder the liquid, the longer the shelf between them.",
    )
    page.heading("Structure hardly changes")
    page.figure(_pair_figure(pairs), "radial_distribution", "How often species A is found at a distance r from A, against chance.")
    page.heading("Relaxation slows down")
    page.figure(
        _scattering_figure(runs), "self_intermediate_scattering",
        f"F_s(k, t) of species A at k = {WAVENUMBER:g}: what is left of the first arrangement. Dashed: 1/e, which defines the relaxation time.",
    )  # fmt: skip
    fits = _fits(temperatures, tau, error)
    page.figure(
        _tau_figure(temperatures, tau, error, fits), "relaxation_time", "Relaxation time against inverse temperature, with two laws."
    )
    if "vft" in fits:
        law, straight = fits["vft"], fits["arrhenius"]
        page.numbers |= {"vogel_fulcher_tammann": vars(law), "arrhenius": vars(straight)}
        page.text(
            f"A law with one fixed barrier (Arrhenius, fitted to the hot half: E = {straight.energy:.2f}) falls behind on cooling: at T = {coldest:g} it "
            f"gives {straight(coldest):.3g} instead of {tau[-1]:.3g}. The law of Vogel, Fulcher and Tammann follows, with T_0 = {law.t_0:.3f} ± "
            f"{law.errors[2]:.3f}."
        )
    page.heading("Not everywhere alike")
    page.figure(
        figures.maps(moved["start"], {f"T = {coldest:g}, one run": moved["distance"]}, "distance moved  [$\\sigma$]"), "map",
        f"A slice of the coldest liquid; colour: how far each particle moved within {tau_shown:g} time units. Some regions move, others do not.",
    )  # fmt: skip
    page.figure(
        _dynamics_figure(runs), "dynamics", "Mean squared displacement, non-Gaussian parameter and chi_4 of the overlap, species A."
    )
    page.heading("The numbers")
    page.table(
        ["T", "tau_alpha", "standard error", "energy per particle"],
        [[f"{t:g}", float(a), float(e), float(u)] for t, a, e, u in zip(temperatures, tau, error, energy, strict=True)],
    )
    if scale != "smoke":
        at = dict(zip(temperatures.tolist(), zip(tau.tolist(), error.tolist(), strict=True), strict=True))
        page.table(*claims_table("kob_andersen_relaxation", {"tau_alpha_060": at[0.6], "tau_alpha_050": at[0.5]}, scale))


def _fits(temperatures: np.ndarray, tau: np.ndarray, error: np.ndarray) -> dict[str, Any]:
    good = np.isfinite(tau)
    if good.sum() < 4:
        return {}
    t, x, relative = temperatures[good], tau[good], np.maximum(error[good] / tau[good], 0.01)
    hot = slice(0, max(2, len(t) // 2))
    return {"arrhenius": dynamics.fit_arrhenius(t[hot], x[hot], relative[hot]), "vft": dynamics.fit_vogel_fulcher_tammann(t, x, relative)}


def _pair_figure(pairs: dict[float, Result]) -> Any:
    figure, (axis,) = figures.new_figure(1, 6.4, 4.0)
    for (t, result), colour in zip(pairs.items(), figures.cold_to_hot(len(pairs)), strict=True):
        g = result["radial_distribution"].sel(first="A", second="A")
        axis.plot(g.distance, g, color=colour, label=f"T = {t:g}")
    axis.axhline(1, color="#999", lw=0.8)
    axis.set(xlabel="r  [$\\sigma_{AA}$]", ylabel="$g_{AA}(r)$", xlim=(0.7, None))
    axis.legend(frameon=False)
    return figure


def _scattering_figure(runs: dict[float, Result]) -> Any:
    figure, (axis,) = figures.new_figure(1, 6.4, 4.2)
    for (t, result), colour in zip(runs.items(), figures.cold_to_hot(len(runs)), strict=True):
        f = result["observables"].self_intermediate_scattering.sel(species="A").mean(["configuration", "replica"])
        axis.plot(f.time, f, "o-", ms=2.5, color=colour, label=f"T = {t:g}")
    axis.axhline(np.exp(-1), ls="--", color="#444", lw=1)
    axis.set(xscale="log", xlabel="time  [$\\sqrt{m\\sigma^2/\\epsilon}$]", ylabel="$F_s(k, t)$", ylim=(-0.02, 1.02))
    axis.legend(frameon=False)
    return figure


def _tau_figure(temperatures: np.ndarray, tau: np.ndarray, error: np.ndarray, fits: dict[str, Any]) -> Any:
    return figures.against_inverse_temperature(
        temperatures, tau, error, {"Arrhenius, hot half": fits.get("arrhenius"), "Vogel-Fulcher-Tammann": fits.get("vft")},
        "$\\tau_\\alpha$  [$\\sqrt{m\\sigma^2/\\epsilon}$]",
    )  # fmt: skip


def _dynamics_figure(runs: dict[float, Result]) -> Any:
    figure, axes = figures.new_figure(3, 4.2, 3.8)
    for (t, result), colour in zip(runs.items(), figures.cold_to_hot(len(runs)), strict=True):
        found = result["observables"].sel(species="A")
        mean = found.mean(["configuration", "replica"])
        for axis, values in zip(axes, (mean.mean_squared_displacement, mean.non_gaussian, found.chi4_of_all_runs), strict=True):
            axis.plot(found.time, values, "-", color=colour, label=f"T = {t:g}")
    for axis, label in zip(axes, ("mean squared displacement  [$\\sigma^2$]", "$\\alpha_2$", "$\\chi_4$ of the overlap"), strict=True):
        axis.set(xscale="log", xlabel="time  [$\\sqrt{m\\sigma^2/\\epsilon}$]", ylabel=label)
    axes[0].set_yscale("log")
    axes[0].legend(frameon=False, fontsize=8)
    return figure
