"""The page of the experiment ``energy_barriers``, in words for readers from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from glassgpu.experiments import energy_barriers_figures as draw
from glassgpu.experiments import softness_figures
from glassgpu.experiments.energy_barriers_claims import REGRESSIONS, cosine, deviation, divergence, judged, log_probability, slope
from glassgpu.experiments.energy_barriers_stages import BINS, FEWER
from glassgpu.experiments.softness_claims import of_plane
from glassgpu.experiments.softness_report import warn_of_smoke, words
from glassgpu.experiments.watched_liquids import Watched

import glassgpu as gg
from glassgpu import dynamics
from glassgpu.descriptors.softness import RADIAL
from glassgpu.evaluate import Verdicts
from glassgpu.report.page import Page
from glassgpu.study import Result

CHAPTER_3 = "$x = w \\cdot F / \\sigma_{train}$, from its mean there  (TH chapter 3)"
MODELS = ("SVC", *REGRESSIONS)


def write(
    page: Page, scale: str, wanted: Any, data: Watched, runs: dict[float, Result], fits: Result, classifier: Result, explained: dict[float, Result],
    outputs: dict[str, Result], maps: dict[str, Result], transfer: Result, calibration: Result,
) -> None:  # fmt: skip
    """Everything on the page."""
    train = wanted.train
    verdicts = Verdicts("energy_barriers", judged(train, data, fits, classifier, explained, outputs, maps, transfer, calibration), scale)
    page.numbers = {
        "explained": {f"{t:g}": dict(found["models"]) for t, found in explained.items()},
        "reliability": {f"{t:g}": found["reliability"] for t, found in explained.items()},
        "ceiling": {f"{t:g}": (found["ceiling"], found["ceiling_error"]) for t, found in explained.items()},
        "structural_variance": {f"{t:g}": found["structural_variance"] for t, found in explained.items()},
        "mean_p": {f"{t:g}": found["mean_p"] for t, found in explained.items()},
        "chosen": {name: found["chosen"] for name, found in fits["models"].items()},
        "landscape": {name: {key: found[key] for key in ("linear", "onset", "reduced_chi2", "bin_score", "energy", "energy_error", "entropy")} for name, found in maps.items()},
        "transfer": {name: values for name, values in transfer["pearson"].items()}, "transfer_times": transfer["times"], "transfer_ceiling": transfer["ceiling"],
        "calibration": calibration["rows"],
    }  # fmt: skip
    warn_of_smoke(page, scale)
    times = " or ".join(f"{replicas:,}" for replicas in sorted({wanted.replicas_at(t) for t in runs}))
    page.text(
        f"Release the same crowd from the same photograph {times} times, each time with fresh whims, and count in how many of these replays each person squeezes past a "
        f"neighbour at one moment, {wanted.time:g} tau later. That share, p_r, is as much as can ever be known about a person from the photograph. Here the crowd is a liquid close to becoming a glass, and five kinds of model "
        "guess p_r from how many neighbours everybody has at every distance and in which directions: a classifier, two linear regressions, and two that may bend.",
        "Then each model's guess is read as the height of a barrier. If they were seeing different things, they would find different barriers.",
    )
    words(page, data)
    page.text(
        "Models. SVC: the classifier of softness, trained anew at this temperature. SVR and ridge: linear regressions of logit p_r. RBF SVR: a regression by Gaussians about the training examples. MLP: a "
        "network of five hidden layers with as many parameters as examples, half, or twice as many. Other labels: csd, a large cumulative squared displacement; bonds, the share of first neighbours that "
        "stay; propensity, the mean displacement. Eta: the spread of the predictions over the true one. x is a model's output less its mean, over its deviation, at the training temperature."
    )
    _probability(page, verdicts, wanted, runs, explained)
    _regressions(page, verdicts, train, fits, classifier, explained, outputs)
    _barriers(page, verdicts, train, outputs, maps)
    _explained(page, verdicts, explained)
    _columns(page, verdicts, train, explained, outputs, maps)
    _labels(page, verdicts, train, runs, explained, outputs, maps, transfer, wanted)
    _traps(page, verdicts, calibration)
    verdicts.show_rest(page)


def _probability(page: Page, verdicts: Verdicts, wanted: Any, runs: dict[float, Result], explained: dict[float, Result]) -> None:
    page.heading("The same photograph, many replays")
    replicas = {t: wanted.replicas_at(t) for t in runs}
    page.figure(
        draw.counts({t: r["counts"]["p_hop"] for t, r in runs.items()}, replicas), "counts",
        f"In how many runs a particle has p_hop above the threshold at t = {wanted.time:g}; dashed: what equal particles would show by chance.",
    )  # fmt: skip
    rows = []
    for t, r in runs.items():
        for label in ("p_hop", "any", "csd"):
            k = r["counts"][label]
            left = float(np.mean(dynamics.structural_variance(k, replicas[t])))
            rely = float(np.mean(dynamics.logit_reliability(k, replicas[t])))
            low, high = dynamics.probability_interval(np.array([round(k.mean())]), replicas[t])
            word = f"{left:.3f}" if left > 0 else "no structural variance left"
            latent = f"{dynamics.logit_normal(k.ravel(), replicas[t])[1]:.3f}" if k.any() else "-"
            rows.append(
                [f"{t:g}", len(k), label, f"{k.mean() / replicas[t]:.4f}", f"{low[0]:.4f} to {high[0]:.4f}", f"{rely:.2f}", word, latent]
            )
    page.table(
        (
            "T",
            "snapshots",
            "label",
            "mean p_r",
            "95 % interval for a particle with the mean count",
            "reliability of logit p_r",
            "its variance without noise",
            "the same by likelihood",
        ),
        rows,
    )
    more = ", ".join(f"{found['csd_over_p_hop']:.2f} (T = {t:g})" for t, found in explained.items())
    page.text(
        "Reliability is the share of the differences between particles that would show again in new runs. It and the variance without noise are simple estimates: from the scatter of logit p_r "
        "they subtract the variance that counting adds, which with fewer than some ten hops a particle is itself known badly and taken too large. So reliability may fall below 0 and no structural variance "
        "be left where the last column, from the likelihood of the counts, which subtracts nothing, still finds some: where the two differ much, hops are few, and the last is the better. The labels count a hop at that instant (p_hop), at any instant up to it (any), or a large "
        f"cumulative squared displacement (csd); the last counts {more} times as many as the first.",
    )


def _regressions(
    page: Page,
    verdicts: Verdicts,
    train: float,
    fits: Result,
    classifier: Result,
    explained: dict[float, Result],
    outputs: dict[str, Result],
) -> None:
    page.heading("Guessing it from the photograph")
    here = explained[train]["models"]
    rows = []
    for name in ("SVC", *fits["models"]):
        chosen = "C = 0.01" if name == "SVC" else fits["models"][name]["chosen"]
        own = here[name]["pearson"]
        elsewhere = [f"{np.mean(found['models'][name]['pearson']):.3f}" for t, found in explained.items() if t != train]
        rows.append([name, chosen, f"{np.mean(own):.3f}", *elsewhere])
    page.table(
        ("model", "chosen", f"Pearson with logit p_r, T = {train:g}, snapshots left out", *(f"T = {t:g}" for t in explained if t != train)),
        rows,
    )
    best = ", ".join(f"{found['ceiling']:.2f} ± {found['ceiling_error']:.2f} at T = {t:g}" for t, found in explained.items())
    page.text(
        f"The best that any model could reach with so many runs is estimated at {best}. Parameters of models were chosen by snapshots "
        "left out at the training temperature; other temperatures had no say.",
    )
    verdicts.show(page, "pearson", "alike", "nonlinear")
    temperatures = sorted(float(t) for t in outputs)
    soft, guess = of_plane(outputs, "SVC", train).ravel(), log_probability(of_plane(outputs, "SVR", train)).ravel()
    page.figure(
        draw.predictions({t: log_probability(of_plane(outputs, "SVR", t)).ravel() for t in temperatures}, soft, guess), "predictions",
        f"Left: what SVR, trained at T = {train:g}, says at every temperature. Right: SVR against softness, Pearson {gg.evaluate.pearson(soft, guess):.2f}. Compare TH, figure 3.1.",
    )  # fmt: skip
    table = [
        [
            name,
            "1" if name == "SVC" else f"{cosine(classifier, fits, 'SVC', name):.3f}" if name in ("SVR", "ridge") else "-",
            f"{deviation(outputs, name, train):.3f}",
            f"{divergence(outputs, name, train):.4f}",
        ]
        for name in MODELS
    ]
    page.table(("model", "cosine to softness", "deviation of ln p_r (softness: of w.F)", "Jensen-Shannon divergence from softness"), table)
    page.text(
        f"The cosine between softness and SVR is {cosine(classifier, fits, 'SVC', 'SVR'):.2f}, while what the two say correlates at {gg.evaluate.pearson(soft, guess):.2f}: columns go together, so different directions may say nearly the same."
    )
    verdicts.show(page, "cosines", "not_orthogonal", "sigma", "gaussian", "divergence")
    mean = {name: np.array([of_plane(outputs, name, t).mean(dtype=float) for t in temperatures]) for name in MODELS}
    spread = {name: of_plane(outputs, name, train).astype(float).std() for name in MODELS}
    at = temperatures.index(train)
    page.figure(
        draw.means(temperatures, {n: (m - m[at]) / spread[n] for n, m in mean.items()}),
        "means",
        "Mean outputs against temperature. Compare TH, figure A.1.",
    )
    verdicts.show(page, "monotone")


def curve(outputs: dict[str, Result], maps: dict[str, Result], name: str, train: float) -> tuple[np.ndarray, ...]:
    """Barriers and entropic parts against the z-score, from its mean at the training temperature."""
    values, found = of_plane(outputs, name, train).astype(float), maps[name]
    return (
        (found["bin_score"] - values.mean()) / values.std(),
        *(found[key] for key in ("energy", "energy_error", "entropy", "entropy_error")),
    )


def _curves(
    page: Page, outputs: dict[str, Result], maps: dict[str, Result], names: Sequence[str], train: float, file: str, caption: str
) -> None:
    found: dict[str, Any] = {name: curve(outputs, maps, name, train) for name in names}
    page.figure(softness_figures.barriers(found, CHAPTER_3), file, caption)


def _barriers(page: Page, verdicts: Verdicts, train: float, outputs: dict[str, Result], maps: dict[str, Result]) -> None:
    page.heading("Whose barriers?")
    page.figure(
        softness_figures.kramers({"SVR": maps["SVR"], "RBF SVR": maps["RBF SVR"]}), "kramers",
        "Share of the particles in each bin of a model's output that rearrange soon after, times T, against 1 / T. Compare TH, figure 3.2.",
    )  # fmt: skip
    _curves(
        page,
        outputs,
        maps,
        MODELS,
        train,
        "barriers",
        "Barriers and entropic parts seen by five models, against each model's z-score. Compare TH, figure 3.3.",
    )
    rows = []
    for name in maps:
        line, onset = maps[name]["linear"], maps[name]["onset"]
        sigma = of_plane(outputs, name, train).astype(float).std()
        rows.append(
            [
                name,
                f"{slope(maps, outputs, name, train):.3f} ± {line['errors'][1] * sigma:.3f}",
                f"{maps[name]['reduced_chi2']:.2f}",
                f"{onset['temperature']:.3f} ± {onset['error']:.3f}" if np.isfinite(onset["temperature"]) else onset["reason"],
            ]
        )
    page.table(("model", "fall of Delta E per training deviation", "reduced chi²", "onset, or why none"), rows)
    verdicts.show(page, "collapse")
    _curves(
        page,
        outputs,
        maps,
        ("MLP half", "MLP", "MLP double"),
        train,
        "networks",
        "Networks with half, as many and twice as many parameters as examples. Compare TH, figure A.2.",
    )
    verdicts.show(page, "networks")


def _explained(page: Page, verdicts: Verdicts, explained: dict[float, Result]) -> None:
    page.heading("How much of the truth is that?")
    temperatures = sorted(explained)
    values = {
        name: [(explained[t]["models"][name]["explained"], explained[t]["models"][name]["error"]) for t in temperatures] for name in MODELS
    }
    measured = {name: [explained[t]["models"][name]["measured"] for t in temperatures] for name in MODELS}
    ceiling = [(explained[t]["ceiling_share"], explained[t]["ceiling_share_error"]) for t in temperatures]
    page.figure(
        draw.explained(temperatures, values, measured, ceiling), "explained",
        f"Share of the differences in logit p_r between particles that models explain, in {BINS} bins. The thesis shows the left one, without its ceiling; dotted: half. Compare TH, figure 3.4.",
    )  # fmt: skip
    reasons = [f"T = {t:g}: {found['models']['SVR']['reason']}" for t, found in explained.items() if found["models"]["SVR"]["reason"]]
    page.text(
        "Finite runs scatter, and no model can explain chance; the dashed line is the most that could be explained. In the right picture chance is taken out by the likelihood of the counts themselves "
        "(landscape.explained_by_likelihood): with few events for each particle the simpler correction of log-odds is badly wrong.",
        "Where the bars span the picture, so few runs leave no difference between particles to explain: there the share says nothing.",
        *reasons,
    )
    verdicts.show(page, "explained")


def _columns(
    page: Page, verdicts: Verdicts, train: float, explained: dict[float, Result], outputs: dict[str, Result], maps: dict[str, Result]
) -> None:
    page.heading("Fewer columns, and more")
    names = [*(f"{m} columns" for m in FEWER), "SVR"]
    sigma = [of_plane(outputs, n, train).astype(float).std() for n in names]
    here = explained[train]["models"]
    page.figure(
        draw.elimination(
            [*FEWER, 135], [slope(maps, outputs, n, train) for n in names], [maps[n]["linear"]["errors"][1] * s for n, s in zip(names, sigma, strict=True)],
            {"spread of the predictions (eta)": [here[n]["eta"] for n in names], "explained": [here[n]["explained"] for n in names]},
        ),
        "elimination", "SVR with fewer and fewer columns, by recursive elimination. Compare TH, figure 3.5.",
    )  # fmt: skip
    verdicts.show(page, "few_columns", "more_columns")
    _curves(
        page,
        outputs,
        maps,
        ("SVR", "higher orders"),
        train,
        "higher_orders",
        "SVR with 135 columns, and with averages over neighbours (405). Compare TH, figure 3.6.",
    )
    page.table(
        ("T", "explained, 135 columns", "explained, 405 columns"),
        [
            [
                f"{t:g}",
                *(f"{found['models'][name]['explained']:.2f} ± {found['models'][name]['error']:.2f}" for name in ("SVR", "higher orders")),
            ]
            for t, found in explained.items()
        ],
    )
    verdicts.show(page, "higher_orders_flatter", "higher_orders_no_gain")


def _labels(
    page: Page, verdicts: Verdicts, train: float, runs: dict[float, Result], explained: dict[float, Result], outputs: dict[str, Result], maps: dict[str, Result],
    transfer: Result, wanted: Any,
) -> None:  # fmt: skip
    page.heading("Other ways to say who moved")
    _curves(
        page,
        outputs,
        maps,
        ("SVR", "label csd"),
        train,
        "labels",
        "SVR trained and tested on p_hop, and on cumulative squared displacements. Compare TH, figure 3.7.",
    )
    verdicts.show(page, "labels")
    far = wanted.cooled
    page.figure(
        draw.transfer(transfer["times"], transfer["pearson"], transfer["ceiling"], far.times[far.at]), "transfer",
        f"Liquids of {far.n} particles at T = {far.temperature:g}, {far.replicas} runs each: how well the propensity between inherent structures is guessed on liquids left out. Dotted: the time at which the thermal model is trained. "
        "Compare TH, figure 3.8, which used other people's data.",
    )  # fmt: skip
    page.text(
        f"In so small a box columns reach {transfer['reach']:.2g} diameters instead of {RADIAL[1]:g}: {transfer['columns']} of them. "
        if transfer["reach"] < RADIAL[1]
        else "",
        f"With {transfer['pearson']['thermal model'].shape[1]} liquids, each model learns from {transfer['pearson']['thermal model'].shape[1] - 1} and is tested on what is left; shades span the liquids.",
    )
    verdicts.show(page, "inherent_propensity")


def _traps(page: Page, verdicts: Verdicts, calibration: Result) -> None:
    page.heading("Would we know if we were wrong?")
    page.figure(
        draw.calibration(calibration["rows"]), "calibration",
        "Made-up particles whose barriers are known, treated in the same way. Right: the variance of the barriers found, over the true one.",
    )  # fmt: skip
    page.text(
        "Particles are invented whose barriers are a known function of a few of their columns. The whole chain, from hops to barriers, is then asked to find them again. Where nothing but the columns "
        "decides, it does. Where barriers also depend on things that no column holds, it finds the mean slope, a little too small where noise is strong, and misses the rest: the true landscape is rougher than what the model shows, which is "
        "the worry of the thesis' reference 92.",
    )
    verdicts.show(page, "traps_slope", "traps_underestimated")
