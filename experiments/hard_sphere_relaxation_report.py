"""What ``hard_sphere_relaxation`` reads off its runs, and how it tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from glassgpu.experiments.ternary_relaxation_report import PLAIN, relaxation_time, scattering

import glassgpu as gg
from glassgpu import dynamics
from glassgpu.errors import NotConverged
from glassgpu.evaluate import claims_table
from glassgpu.report import figures
from glassgpu.report.page import Page
from glassgpu.study import Result

TOLD, TOLD_AT = 1e4, 0.58  # tau_alpha in CMP, and at which packing fraction
DRAWS = 100  # of relaxation times within their errors, for that of an extrapolation
CLAIMED = {"smoke": "smoke", "laptop": "laptop", "gpu": "laptop", "paper": "paper"}
TIME = "time  [$\\tau$]"


def mean_propensity(result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Times, and the mean over all particles and configurations at each."""
    p = result["propensity"]
    return p.time.values, p.mean(("configuration", "particle")).values


def slopes(result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Times between, and the slope of ln <dr> against ln t there."""
    t, x = mean_propensity(result)
    return np.sqrt(t[1:] * t[:-1]), np.diff(np.log(x)) / np.diff(np.log(t))


def extrapolated(packings: np.ndarray, tau: np.ndarray, error: np.ndarray, to: float) -> tuple[float, float, Any] | None:
    """Relaxation time at a packing fraction by the law of Vogel, Fulcher and Tammann in 1 / packing, the factor by which it is
    uncertain, and the law; None where it cannot be fitted."""
    good = np.isfinite(tau) & np.isfinite(error)
    if good.sum() < 4:
        return None
    x, y, relative = 1 / packings[good], tau[good], np.maximum(error[good] / tau[good], 0.02)
    try:
        law = dynamics.fit_vogel_fulcher_tammann(x, y, relative)
    except NotConverged:
        return None
    random, drawn = np.random.default_rng(0), []
    for _ in range(DRAWS):
        try:
            drawn.append(np.log(dynamics.fit_vogel_fulcher_tammann(x, y * np.exp(relative * random.normal(size=len(x))), relative)(1 / to)))
        except NotConverged:
            continue
    finite = np.array(drawn)[np.isfinite(drawn)]
    return float(law(1 / to)), float(np.exp(np.std(finite))) if len(finite) > DRAWS / 2 else float("nan"), law


def peak(pairs: Result) -> float:
    """Where S(k) is highest, by a parabola through seven bins about the top."""
    total = pairs["structure_factor"].sum(("first", "second"))
    k, s = total.wavenumber.values, total.values
    top = int(np.clip(np.nanargmax(np.where(k > 4, s, -1)), 3, len(k) - 4))
    near = slice(top - 3, top + 4)
    a, b, _ = np.polyfit(k[near], s[near], 2)
    return float(-b / (2 * a))


def write(
    page: Page, scale: str, wanted: Any, liquids: Mapping[float, Result], pairs: Mapping[float, Result], pressures: Mapping[float, Result],
    runs: Mapping[float, Result],
) -> None:  # fmt: skip
    """Text, pictures, numbers and verdicts."""
    fluid, glass = list(wanted.fluid), wanted.glass
    packings = np.array([p for p in runs if p != glass or wanted.equilibrium])
    tau, error = np.array([relaxation_time(runs[p]["observables"], PLAIN) for p in packings]).T
    law = extrapolated(packings, tau, error, glass)
    theory = {p: dynamics.mixture_theory(gg.systems.hard_spheres(n=wanted.n, packing_fraction=p)) for p in pressures}
    found = {p: float(r["compressibility"].mean()) for p, r in pressures.items()}
    scatter = {p: float(r["compressibility"].std(ddof=1) / np.sqrt(len(r["compressibility"]))) for p, r in pressures.items()}
    collisions = {p: float(r["collisions"].mean()) for p, r in pressures.items()}
    contact = {p: r["contact_values"].mean(axis=0) for p, r in pressures.items()}
    peaks = {p: peak(r) for p, r in pairs.items()}
    crystalline = max(float(r["crystalline"].max()) for r in pairs.values())
    ballistic = [float(mean_propensity(r)[1][0] / (mean_propensity(r)[0][0] * np.sqrt(8 / np.pi))) for r in runs.values()]
    steps = {p: slopes(r) for p, r in runs.items()}
    last = {p: float(s[t > 0.3 * t[-1]].mean()) for p, (t, s) in steps.items()}
    page.numbers = {
        "packing": packings, "tau_alpha": tau, "standard_error": error, "compressibility": found, "error_of_compressibility": scatter,
        "mixture_equation": {p: t.compressibility for p, t in theory.items()}, "collisions": collisions, "contact_values": contact,
        "contact_values_in_theory": {p: t.contact for p, t in theory.items()}, "first_peak": peaks, "crystalline": crystalline,
        "ballistic": ballistic, "smallest_slope": {p: float(s.min()) for p, (_, s) in steps.items()}, "last_slope": last,
        "wavenumber": gg.systems.hard_spheres(n=wanted.n).wavenumber,
        "extrapolated": None if law is None else {"packing": glass, "tau_alpha": law[0], "uncertain_by_a_factor": law[1], "packing_of_divergence": float(1 / law[2].t_0)},
    }  # fmt: skip
    waiting = "" if wanted.equilibrium else f" (not equilibrated: left alone for {wanted.aged:g} tau)"
    page.text(
        f"Fill a box with hard balls, three in ten of them large and the others smaller by a seventh, and let them fly. They do nothing but "
        f"collide; there is no temperature that could be lowered, only room that becomes scarce. At a packing fraction of {fluid[0]:g} a ball is hit "
        f"{collisions[fluid[0]]:.0f} times in a unit of time, in which it could fly 1.6 diameters, at {glass:g} {collisions[glass]:.0f} times, and by then it hardly gets anywhere.",
        "Words. The packing fraction is the share of the volume that the balls fill. Lengths are in diameters of a large ball, sigma_L; the unit of time "
        "is tau = sqrt(m sigma_L^2 / k_B T). Propensity is how far a ball goes in a given time, averaged over many runs from one arrangement with other "
        "velocities. F_s(k, t) is what is left of the first arrangement, seen with the wave number k; when it has fallen to 1/e the relaxation time "
        "tau_alpha has passed. CMP is the paper by Alkemade, Boattini, Filion and Smallenburg (Comparing machine learning techniques for predicting "
        "glassy dynamics, J. Chem. Phys. 156, 204503 (2022)), whose figure 1 is made again here.",
    )
    if scale == "smoke":
        page.text("This is the smoke scale: a test of the machinery on a few hundred balls, not a result.")
    page.heading("Three ways to move")
    page.figure(
        _propensity_figure(runs, glass, waiting), "propensity",
        "Left: mean propensity against time; dashed: flight without collisions, t sqrt(8 / pi). Right: the slope of those curves, both axes logarithmic: 1 in flight, near 0 in a cage, "
        f"1/2 (dotted) in diffusion. Grey: {glass:g}{waiting}. Compare CMP, figure 1.",
    )  # fmt: skip
    page.text(
        f"At first every ball flies freely, then it rattles between its neighbours, and at last it squeezes out. At {fluid[0]:g} the cage is hardly "
        f"noticed, and the slope never falls below {steps[fluid[0]][1].min():.2f}; at {glass:g}{waiting} it falls to {steps[glass][1].min():.2f}."
    )
    page.heading("Memory")
    page.figure(
        _scattering_figure(runs, glass, waiting), "self_intermediate_scattering",
        f"F_s(k, t) of all balls at k = {page.numbers['wavenumber']:g} / sigma_L, near the first peak of S(k) (measured: {peaks[fluid[-1]]:.2f} at {fluid[-1]:g}, {peaks[glass]:.2f} at {glass:g}). Dashed: 1/e.",
    )  # fmt: skip
    page.figure(
        _tau_figure(packings, tau, error, law, glass),
        "relaxation_time",
        "Relaxation time against packing fraction, and the law that is extended.",
    )
    if law is not None:
        page.text(
            f"The law of Vogel, Fulcher and Tammann in the inverse packing fraction, through the relaxation times up to {packings[-1]:g}, gives "
            f"{law[0]:.2g} tau at {glass:g}, uncertain by a factor of {law[1]:.2g}, and a divergence at {1 / law[2].t_0:.3f}. CMP names a relaxation "
            f"time of the order of {TOLD:.0e} tau. An extension over so many decades is a picture, not a measurement, and no verdict rests on it."
        )
    page.heading("Pressure")
    page.figure(
        _pressure_figure(found, scatter, theory, glass), "pressure",
        "p / (rho k_B T) from the momentum that collisions carry; line: the equation of Boublik, Mansoori, Carnahan, Starling and Leland. Right: measured over that "
        "(for equal spheres the known virial coefficients put the truth 0.26 % above it at 0.3 and 0.28 % at 0.4).",
    )  # fmt: skip
    page.heading("Who moves")
    first = liquids[fluid[-1]]["snapshots"][0]
    at, field = _at_relaxation(runs[fluid[-1]], tau[list(packings).index(fluid[-1])])
    system = gg.systems.hard_spheres(n=wanted.n, packing_fraction=fluid[-1])
    page.figure(
        figures.maps(first, {f"packing {fluid[-1]:g}": field}, "propensity  [$\\sigma_L$]", diameters=np.diag(system.sigma).tolist()), "map",
        f"A slice of one liquid; colour: how far each ball goes in {at:.3g} tau, the sample nearest to the relaxation time, the mean of {wanted.runs} runs.",
    )  # fmt: skip
    page.heading("The numbers")
    page.text(
        "Errors are standard errors from the scatter of the configurations. A dash stands where no relaxation was looked for, or where it is too slow. Contact values "
        "g are those of collisions; the equation's own stand in brackets."
    )
    page.table(
        ["packing", "tau_alpha [tau]", "standard error", "collisions of a ball per tau", "p / (rho k_B T)", "mixture equation", "g at contact LL, LS, SS"],
        [
            [
                f"{p:g}" + ("" if p != glass or wanted.equilibrium else " (not equilibrated)"),
                *([float(tau[list(packings).index(p)]), float(error[list(packings).index(p)])] if p in packings else ["-", "-"]),
                collisions[p], found[p], theory[p].compressibility, ", ".join(f"{contact[p][a, b]:.2f} ({theory[p].contact[a, b]:.2f})" for a, b in ((0, 0), (0, 1), (1, 1))),
            ]
            for p in sorted(pressures)
        ],
    )  # fmt: skip
    if scale == "smoke":
        return
    low = [p for p in pressures if p <= 0.5]
    page.table(
        *claims_table(
            "hard_sphere_relaxation",
            {
                "collisions_050": collisions[0.5], "collisions_058": collisions[0.58],
                "pressure": max(abs(found[p] / theory[p].compressibility - 1) for p in low),
                "contact": float(max(np.abs(contact[p] / theory[p].contact - 1).max() for p in low)),
                "ballistic": ballistic, "caging": float(steps[glass][1].min()), "diffusive": last[0.5], "crystalline": crystalline,
            },
            CLAIMED[scale],
        )
    )  # fmt: skip


def _at_relaxation(result: Result, tau: float) -> tuple[float, np.ndarray]:
    """The sample nearest to tau_alpha, or the last, and the propensities of the first configuration then."""
    p = result["propensity"]
    times = p.time.values
    at = int(np.abs(np.log(times / (tau if np.isfinite(tau) else times[-1]))).argmin())
    return float(times[at]), p.values[0, at]


def _coloured(runs: Mapping[float, Result], glass: float, waiting: str) -> list[tuple[float, Result, Any, str]]:
    colours = [*figures.cold_to_hot(len(runs) - 1)[::-1], "#888888"]
    return [
        (p, r, c, f"{p:g}" + (waiting and " (not equilibrated)" if p == glass else ""))
        for (p, r), c in zip(runs.items(), colours, strict=True)
    ]


def _propensity_figure(runs: Mapping[float, Result], glass: float, waiting: str) -> Any:
    figure, (left, right) = figures.new_figure(2, 5.6, 4.2)
    for _, result, colour, label in _coloured(runs, glass, waiting):
        left.plot(*mean_propensity(result), "o-", ms=2.5, color=colour, label=label)
        right.plot(*slopes(result), "o-", ms=2.5, color=colour)
    grid = np.geomspace(1e-3, 0.3, 20)
    left.plot(grid, grid * np.sqrt(8 / np.pi), "--", color="#444", lw=1)
    left.set(xscale="log", yscale="log", xlabel=TIME, ylabel="$\\langle|\\Delta r|\\rangle$  [$\\sigma_L$]")
    left.legend(frameon=False, title="packing")
    right.axhline(0.5, ls=":", color="#444", lw=1)
    right.set(xscale="log", xlabel=TIME, ylabel="slope", ylim=(0, 1.05))
    return figure


def _scattering_figure(runs: Mapping[float, Result], glass: float, waiting: str) -> Any:
    figure, (axis,) = figures.new_figure(1, 6.4, 4.2)
    for _, result, colour, label in _coloured(runs, glass, waiting):
        axis.plot(
            result["observables"].time.values,
            scattering(result["observables"], PLAIN).mean(axis=0),
            "o-",
            ms=2.5,
            color=colour,
            label=label,
        )
    axis.axhline(np.exp(-1), ls="--", color="#444", lw=1)
    axis.set(xscale="log", xlabel=TIME, ylabel="$F_s(k, t)$", ylim=(-0.02, 1.02))
    axis.legend(frameon=False, title="packing")
    return figure


def _tau_figure(packings: np.ndarray, tau: np.ndarray, error: np.ndarray, law: tuple[float, float, Any] | None, glass: float) -> Any:
    figure, (axis,) = figures.new_figure(1, 6.0, 4.2)
    axis.errorbar(packings, tau, error, fmt="o", color=figures.COLOURS[0], capsize=2, label="measured", zorder=3)
    if law is not None:
        grid = np.linspace(packings[0], glass, 100)
        axis.plot(grid, law[2](1 / grid), color="#999999", lw=1.4, label="Vogel-Fulcher-Tammann")
        axis.errorbar(
            glass,
            law[0],
            [[law[0] - law[0] / law[1]], [law[0] * law[1] - law[0]]],
            fmt="s",
            mfc="none",
            color="#999999",
            capsize=3,
            label="extended",
        )
    if glass == TOLD_AT:
        axis.plot(glass, TOLD, "*", color=figures.COLOURS[1], ms=11, label="CMP, order of magnitude")
    axis.set(yscale="log", xlabel="packing fraction", ylabel="$\\tau_\\alpha$  [$\\tau$]")
    axis.legend(frameon=False)
    return figure


def _pressure_figure(found: Mapping[float, float], scatter: Mapping[float, float], theory: Mapping[float, Any], glass: float) -> Any:
    figure, (left, right) = figures.new_figure(2, 5.2, 4.0)
    p = np.array(sorted(found))
    value, error, line = (np.array([x[k] for k in p]) for x in (found, scatter, {k: t.compressibility for k, t in theory.items()}))
    grid = np.linspace(p[0], p[-1], 100)
    smooth = [dynamics.mixture_theory(gg.systems.hard_spheres(n=2000, packing_fraction=float(x))).compressibility for x in grid]
    left.plot(grid, smooth, color="#999999", lw=1.4, label="mixture equation")
    left.errorbar(p, value, error, fmt="o", color=figures.COLOURS[0], capsize=2, label="measured")
    left.set(yscale="log", xlabel="packing fraction", ylabel="$p / \\rho k_B T$")
    left.legend(frameon=False)
    right.errorbar(p, value / line, error / line, fmt="o", color=figures.COLOURS[0], capsize=2)
    right.axhline(1, color="#999999", lw=1.4)
    right.set(xlabel="packing fraction", ylabel="measured / equation")
    return figure
