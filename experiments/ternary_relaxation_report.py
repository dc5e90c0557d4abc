"""What ``ternary_relaxation`` reads off its runs, and how it tells it."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

import glassgpu as gg
from glassgpu import dynamics
from glassgpu.errors import NotConverged
from glassgpu.evaluate import claims_table, pearson
from glassgpu.report import figures
from glassgpu.report.page import Page
from glassgpu.study import Result

WAVENUMBER = 6.3
CAGE = "cage_relative_self_intermediate_scattering"
PLAIN = "self_intermediate_scattering"


def scattering(observables: Any, name: str = CAGE) -> np.ndarray:
    """F_s of all particles, mean over the runs of each configuration: (configuration, time)."""
    share = np.array(observables.attrs["counts"])
    return (observables[name].mean("replica").values * share / share.sum()).sum(axis=-1)


def relaxation_time(observables: Any, name: str = CAGE) -> tuple[float, float]:
    """tau_alpha of F_s, and its standard error from the scatter of the configurations."""
    f, times = scattering(observables, name), observables.time.values
    each = dynamics.relaxation_time(times, f)
    spread = each.std(ddof=1) / np.sqrt(len(each)) if len(each) > 1 else np.nan  # NaN where one has not relaxed
    return float(dynamics.relaxation_time(times, f.mean(axis=0))), float(spread)


def write(page: Page, scale: str, system: gg.System, runs: dict[float, Result], liquids: Result, fields: Result, compared: Result) -> None:
    """Text, pictures, numbers and verdicts."""
    temperatures = np.array(list(runs))
    tau, error = np.array([relaxation_time(r["observables"]) for r in runs.values()]).T
    plain = np.array([relaxation_time(r["observables"], PLAIN)[0] for r in runs.values()])
    energy = np.array([float(r["energy"]) for r in runs.values()])
    acceptance = {t: float(r["acceptance"]) for t, r in runs.items() if "acceptance" in r}
    coldest = temperatures[-1]
    p, q, theta, ceilings = fields["p"], fields["q"], fields["theta"], fields["ceilings"]
    pq, p_theta = fields["pearson_p_q"], np.array([pearson(a, b) for a, b in zip(p, theta, strict=True)])
    pq_of_ceiling = pq / ceilings.prod(axis=0)
    product = compared["ceiling_mc"] * compared["ceiling_md"]
    alike = compared["pearson"] / product
    page.numbers = {
        "temperature": temperatures, "tau_alpha": tau, "standard_error": error, "tau_of_plain_displacements": plain,
        "energy_per_particle": energy, "acceptance": acceptance, "pearson_p_q": pq, "pearson_p_theta": p_theta, "ceilings_p_q": ceilings,
        "time_of_p_q": fields["time"], "pearson_mc_md": compared["pearson"], "product_of_ceilings_mc_md": product,
        "tau_mc": compared["tau_mc"], "tau_md": compared["tau_md"],
    }  # fmt: skip
    page.text(
        f"Three kinds of discs, small, medium and large, are crowded into a plane. In every step of the simulation one of them, picked at random, "
        f"tries to hop by a twentieth of its size; whether it may is decided by the energy and a throw of dice. {system.n} tries are one sweep, and "
        "sweeps are the clock.",
        f"The colder it gets, the longer the discs remember where they stood: {_times(tau[0])} sweeps at T = {temperatures[0]:g}, "
        f"{_times(tau[-1])} at T = {coldest:g}. The curve below falls ever later, and on its way it halts: at first a disc only rattles between its "
        "neighbours, and much later the cage opens.",
    )
    page.heading("Memory fades later and later")
    page.figure(
        _scattering_figure(runs), "self_intermediate_scattering",
        f"F_s^CR(k, t) at k = {WAVENUMBER:g}, all particles: what is left of the first arrangement, motion together with the neighbours taken out. "
        "Dashed: 1/e, which defines the relaxation time. Compare II, figure 1.",
    )  # fmt: skip
    fits = _fits(temperatures, tau, error)
    page.figure(
        _tau_figure(temperatures, tau, error, fits), "relaxation_time", "Relaxation time against inverse temperature, with two laws."
    )
    if fits:
        page.numbers |= {name: vars(law) for name, law in fits.items()}
        straight = fits["arrhenius"]
        page.text(
            f"One barrier that is the same at every temperature (Arrhenius, fitted to the hotter half, E = {straight.energy:.2f}) would give "
            f"{straight(coldest):.3g} sweeps at T = {coldest:g}, measured are {_times(tau[-1])}."
            + (
                f" The law of Vogel, Fulcher and Tammann has its T_0 at {fits['vft'].t_0:.3f} ± {fits['vft'].errors[2]:.3f}."
                if "vft" in fits
                else ""
            )
        )
    page.text(
        f"In a plane, waves as long as the whole box carry discs to and fro together with all their neighbours. Without taking that motion out, "
        f"memory seems lost {tau[-1] / plain[-1]:.1f} times earlier at T = {coldest:g}, though no cage has opened."
    )
    page.heading("The same discs move, whatever the dice")
    page.figure(
        figures.maps(
            liquids["snapshots"][0],
            {"p: how far they go": p[0], "1 - q: which neighbours leave": 1 - q[0], f"$\\Theta$, averaged over {2.0:g}": theta[0]},
            None, diameters=np.diag(system.sigma).tolist(),
        ), "maps",
        f"One arrangement at T = {coldest:g}, run {_runs(runs[coldest])} times with other dice for {fields['time']:.3g} sweeps. p: mean distance moved, "
        "relative to the neighbours. q: share of the first neighbours that are still near. Theta: how far the neighbours are from fitting closely, "
        "from the arrangement alone. Compare II, figure 2.",
    )  # fmt: skip
    page.text(
        f"The arrangement decides where motion begins: p and q, averaged over runs with other dice, show one map: where discs go far, "
        f"bonds break (p of one half of the runs and q of the other: Pearson {_listed(pq)} by configuration; so few runs allow no more than {_listed(-ceilings.prod(axis=0))}). Where the discs fit badly, motion is more likely: Theta and "
        f"p go together at {_listed(p_theta)}."
    )
    page.heading("Do the dice matter?")
    t_mc, t_md = compared["tau_mc"][0], compared["tau_md"][0]
    page.figure(
        figures.scatter(compared["p_mc"][0], compared["p_md"][0], "propensity, Monte Carlo  [$\\sigma$]", "propensity, molecular dynamics  [$\\sigma$]"),
        "dynamics", "Every disc of one arrangement: how far it goes by Monte Carlo and by Newton's laws, each at its own relaxation time.",
    )  # fmt: skip
    page.text(
        f"The same arrangements were also run by Newton's laws. Monte Carlo needs {_times(t_mc)} sweeps to forget, Newton {t_md:.3g} units of time. "
        f"The distances that each disc goes correlate at {_listed(compared['pearson'])}; two perfect copies of one experiment could reach "
        f"{_listed(product)}. "
        + (
            "That is nearly all there is: which discs move is written in the arrangement, not in the dynamics."
            if alike.mean() >= 0.9
            else f"That is {alike.mean():.2f} of what could be: the dynamics matters to this extent."
        )
    )
    page.heading("The numbers")
    page.table(
        ["T", "tau_alpha [sweeps]", "standard error", "tau of plain displacements", "energy per particle", "acceptance"],
        [
            [f"{t:g}", float(a), float(e), float(b), float(u), acceptance.get(t, "-")]
            for t, a, e, b, u in zip(temperatures, tau, error, plain, energy, strict=True)
        ],
    )
    if scale != "smoke":
        at = {f"{t:.2f}": k for k, t in enumerate(temperatures)}
        with_error = {t: (float(tau[k]), float(error[k])) for t, k in at.items()}
        found = {
            "tau_alpha_050": with_error["0.50"],
            "tau_alpha_040": with_error["0.40"],
            "tau_alpha_030": with_error.get("0.30"),
            "acceptance": [acceptance[0.5], float(runs[0.4]["acceptance"])],
            "energy_050": float(energy[at["0.50"]]),
            "plain_relaxes_earlier": float(tau[-1] / plain[-1]),
            "p_and_q": float(pq_of_ceiling.mean()),
            "dynamics_does_not_matter": float(alike.mean()),
        }
        page.table(*claims_table("ternary_relaxation", found, scale))


def _times(sweeps: float) -> str:
    return (
        f"{sweeps:.2g}"
        if sweeps >= 1e5
        else f"{round(float(f'{sweeps:.2g}')):,}".replace(",", " ")
        if np.isfinite(sweeps)
        else "more than measured"
    )


def _listed(values: np.ndarray) -> str:
    return ", ".join(f"{v:.2f}" for v in values)


def _runs(result: Result) -> int:
    return int(result["observables"].sizes["replica"])


def _fits(temperatures: np.ndarray, tau: np.ndarray, error: np.ndarray) -> dict[str, Any]:
    good = np.isfinite(tau)
    if good.sum() < 4:
        return {}
    t, x, relative = temperatures[good], tau[good], np.nan_to_num(np.maximum(error[good] / tau[good], 0.02), nan=0.1)
    hot = slice(0, max(2, len(t) // 2))
    found: dict[str, Any] = {"arrhenius": dynamics.fit_arrhenius(t[hot], x[hot], relative[hot])}
    with contextlib.suppress(NotConverged):  # a mild slowing down has no divergence to be found
        found["vft"] = dynamics.fit_vogel_fulcher_tammann(t, x, relative)
    return found


def _scattering_figure(runs: dict[float, Result]) -> Any:
    figure, (axis,) = figures.new_figure(1, 6.4, 4.2)
    for (t, result), colour in zip(runs.items(), figures.cold_to_hot(len(runs)), strict=True):
        f = scattering(result["observables"])
        times = result["observables"].time.values
        axis.plot(times, f.mean(axis=0), "o-", ms=2.5, color=colour, label=f"T = {t:g}")
    axis.axhline(np.exp(-1), ls="--", color="#444", lw=1)
    axis.set(xscale="log", xlabel="time  [sweeps]", ylabel="$F_s^{CR}(k, t)$", ylim=(-0.02, 1.02))
    axis.legend(frameon=False)
    return figure


def _tau_figure(temperatures: np.ndarray, tau: np.ndarray, error: np.ndarray, fits: dict[str, Any]) -> Any:
    return figures.against_inverse_temperature(
        temperatures,
        tau,
        error,
        {"Arrhenius, hot half": fits.get("arrhenius"), "Vogel-Fulcher-Tammann": fits.get("vft")},
        "$\\tau_\\alpha$  [sweeps]",
    )
