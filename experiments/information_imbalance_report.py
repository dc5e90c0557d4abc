"""Text, pictures, numbers and verdicts of ``information_imbalance``."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import scipy.stats
from glassgpu.experiments.interpretability_figures import block_of, written
from glassgpu.experiments.interpretability_report import coarse, reliability, rescaled
from glassgpu.experiments.labelled_liquids import Labelled

from glassgpu import structure
from glassgpu.evaluate import Verdicts
from glassgpu.report import figures
from glassgpu.report.page import Page
from glassgpu.study import Result

SUPERVISED, LASSO, FREE, RANDOM, REDUNDANCY, ELIMINATION = (
    "supervised imbalance", "lasso selection", "unsupervised imbalance", "random selection", "minimum redundancy", "elimination",
)  # fmt: skip
SHOWN = (SUPERVISED, LASSO, FREE, RANDOM, REDUNDANCY, ELIMINATION)


def write(page: Page, scale: str, data: Labelled, columns: Result, free: Result, found: dict[str, dict[str, Result]]) -> None:
    """Everything on the page."""
    names, rely = list(columns["names"]), reliability(data)
    alpha = found["alpha"]
    singles, supervised, scores = alpha["singles"], alpha["supervised"], alpha["scores"]
    page.numbers = {
        "names": names, "times": data.labels["times"], "reliability": rely,
        **{key: singles[key] for key in ("pearson", "to_p", "from_p")},
        "q": singles.get("q"),
        "supervised": [[names[k] for k in row] for row in supervised["features"]], "supervised_imbalance": supervised["imbalance"],
        "noise_before": supervised["noise_before"], "noise_after": supervised["noise_after"],
        "unsupervised": [[names[k] for k in row] for row in free["features"]], "unsupervised_imbalance": free["imbalance"],
        "scores": {when: {method: part["scores"][method] for method in SHOWN} for when, part in found.items()},
        "by_species": {when: part["scores"]["by_species"] for when, part in found.items()},
    }  # fmt: skip
    about_this = data.system.dimension == 2  # the paper speaks of the ternary mixture
    verdicts = Verdicts("information_imbalance", judged(names, rely, free, found) if about_this else None, scale)
    page.text(
        "Suppose you sort all people of a crowd by how much room each has, and find that neighbours in this order walk nearly equally far. Then room tells something about "
        "walking, whatever the law that links the two. Information imbalance is this idea as a number: Delta(A -> B) is near 0 if points that are close in A are close in B, "
        "near 1 if closeness in A says nothing about B. No straight lines, no model.",
        f"A is here one or several of {len(names)} columns that describe the surroundings of a particle as it stands; B is its propensity p, how far it goes on average over "
        f"repeated runs, in {len(columns['x'])} configurations. Of the variance of p a share of "
        f"{', '.join(f'{r:.2f} ({s})' for r, s in zip(rely, data.system.species, strict=True))} is reproducible.",
    )
    verdicts.show(page, "reliability")
    page.heading("One column at a time")
    page.figure(_singles(names, singles), "singles", "Every column alone, means over configurations. Compare II, figure 4.")
    gap = np.abs((singles["to_p"] - singles["from_p"]).mean(axis=0))
    best = int(singles["to_p"].mean(axis=0).argmin())
    page.text(
        f"{names[best]} tells most, Delta = {singles['to_p'].mean(axis=0)[best]:.2f}. No single column tells more about p than p tells about it: the largest difference is "
        f"{gap.max():.3f}, for {names[int(gap.argmax())]}."
    )
    if "q" in singles:
        q = singles["q"].mean(axis=0)
        page.text(f"For comparison, broken bonds q, another measure of motion: Delta(q -> p) = {q[0]:.2f}, Delta(p -> q) = {q[1]:.2f}.")
    verdicts.show(
        page, "theta_best", "theta_pearson", "theta_length", "same_trend", "on_the_diagonal", "psi6_independent", "theta_informs",
        "theta_informs_some", "p_and_q", "p_and_q_share",
    )  # fmt: skip
    page.heading("Several columns together, chosen with p in sight")
    page.figure(
        _path(supervised),
        "supervised",
        "Columns added one by one, each the one that helps most. Bars: deviation over configurations. Triangle: one column of noise more. Compare II, figure 5.",
    )
    rows = _lineup(names, supervised["features"])
    page.table(("place", "chosen most often", "times", "others"), rows)
    rise = supervised["noise_after"] - supervised["noise_before"][:, None]
    page.text(
        f"Several columns tell more about p than p about them. A column of pure noise does not help, unlike in most fits: Delta rises by {rise.mean():.4f} on average over "
        f"{rise.size} draws (standard error {_rise(rise)[1]:.4f})."
    )
    verdicts.show(page, "supervised_saturates", "nothing_gained_backwards", "many_tell_more", "noise_hurts", "theta_first", "rho_second")
    page.heading("The same without looking at p")
    page.figure(_free(free), "unsupervised", "Columns that stand for all columns. Compare II, figure 6.")
    page.table(("place", "chosen most often", "times", "others"), _lineup(names, free["features"]))
    verdicts.show(page, "unsupervised_asymmetric", "unsupervised_converges")
    page.heading("How well a few columns guess")
    page.figure(
        _scores(found),
        "scores",
        "Pearson coefficient of p and a linear fit of the columns chosen, fitted to the other configurations. Compare II, figures 7 and 10.",
    )
    page.table(
        ("columns", *SHOWN),
        [
            [d, *(f"{scores[m][d - 1].mean():.3f} ± {scores[m][d - 1].std():.3f}" for m in SHOWN)]
            for d in (1, 2, 3, 5, 10, 15)
            if d <= len(scores[SUPERVISED])
        ],
    )
    page.text(
        "Selections look at the configuration that is then guessed, as in II; the fits do not. Minimum redundancy and elimination, which II does not have, choose by "
        "correlations alone and cost next to nothing."
    )
    verdicts.show(
        page, "two_suffice", "two_columns", "fifteen_columns", "unsupervised_slower", "unsupervised_joins", "random_later", "beta_lower",
        "beta_one_column", "beta_shorter", "beta_random_first",
    )  # fmt: skip
    _by_species(page, data, columns, found)
    _maps(page, data, columns, scores)
    verdicts.show_rest(page)


def _singles(names: list[str], singles: Result) -> Any:
    """II figure 4."""
    figure, axes = figures.new_figure(4, 3.7, 3.4)
    blocks = list(dict.fromkeys(block_of(n) for n in names))
    length = np.array([float(n.partition("=")[2].rstrip(")")) for n in names])
    panels = {
        r"$|\rho_{X,p}|$": np.abs(singles["pearson"]).mean(axis=0),
        r"$1 / \Delta(X \to p)$": 1 / singles["to_p"].mean(axis=0),
        r"$1 / \Delta(p \to X)$": 1 / singles["from_p"].mean(axis=0),
    }
    for number, b in enumerate(blocks):
        where = np.flatnonzero([block_of(n) == b for n in names])
        style: dict[str, Any] = {"color": figures.COLOURS[number], "label": written(b)}
        for axis, (label, values) in zip((axes[0], axes[2], axes[3]), panels.items(), strict=True):
            axis.plot(length[where], values[where], "o-", ms=3, **style)
            axis.set(xlabel=r"$\ell$", ylabel=label)
        axes[1].plot(singles["to_p"].mean(axis=0)[where], singles["from_p"].mean(axis=0)[where], "o", ms=3, **style)
    axes[1].plot([0, 1.05], [0, 1.05], "--", color="#999999", lw=0.8)
    if "q" in singles:
        axes[1].plot(*singles["q"].mean(axis=0), "*", color="#222222", ms=8, label="$q$")
    axes[1].set(xlabel=r"$\Delta(X \to p)$", ylabel=r"$\Delta(p \to X)$", xlim=(0, 1.05), ylim=(0, 1.05))
    axes[1].legend(frameon=False, fontsize=7)
    return figure


def _path(supervised: Result) -> Any:
    """II figure 5."""
    figure, left = _curves(supervised["imbalance"], (r"$\Delta(X_d \to p)$", r"$\Delta(p \to X_d)$"))
    after = supervised["noise_after"].mean(axis=1)
    left.errorbar([supervised["imbalance"].shape[1] + 1], [after.mean()], [after.std()], fmt="^", color=figures.COLOURS[0], capsize=2)
    left.legend(frameon=False)
    return figure


def _free(free: Result) -> Any:
    """II figure 6."""
    both = free["imbalance"]
    figure, left = _curves(both, (r"$\Delta(X_d \to X_{\rm Full})$", r"$\Delta(X_{\rm Full} \to X_d)$"))
    mean = both.sum(axis=2).mean(axis=0) / np.sqrt(2)
    left.plot(np.arange(1, len(mean) + 1), mean, "s-", ms=3, color=figures.COLOURS[2], label=r"$\overline{\Delta}$")
    left.set(yscale="log")
    left.legend(frameon=False)
    return figure


def _curves(both: np.ndarray, labels: tuple[str, str]) -> tuple[Any, Any]:
    """Both directions (configuration, d, 2) against d, and in the plane of the two; the figure and its left axis."""
    figure, (left, right) = figures.new_figure(2, 4.8, 3.6)
    d = np.arange(1, both.shape[1] + 1)
    for k, label in enumerate(labels):
        left.errorbar(
            d, both[..., k].mean(axis=0), both[..., k].std(axis=0), fmt="o-", ms=3, capsize=2, color=figures.COLOURS[k], label=label
        )
    left.set(xlabel="number of columns, $d$", ylabel="information imbalance")
    _plane(right, both.mean(axis=0), *labels)
    return figure, left


def _plane(axis: Any, points: np.ndarray, xlabel: str, ylabel: str) -> None:
    """The information imbalance plane, points numbered."""
    axis.plot([0, 1], [0, 1], "--", color="#999999", lw=0.8)
    axis.plot(points[:, 0], points[:, 1], "o-", ms=3, color=figures.COLOURS[0], lw=0.8)
    for k in sorted({0, 1, 2, 4, 9, len(points) - 1} & set(range(len(points)))):
        axis.annotate(f"{k + 1}", points[k], textcoords="offset points", xytext=(4, 3), fontsize=8)
    axis.set(xlabel=xlabel, ylabel=ylabel, xlim=(0, 1.05), ylim=(0, 1.05))


def _lineup(names: list[str], features: np.ndarray, places: int = 10) -> list[list[Any]]:
    """Which columns stand at each place, over configurations."""
    rows = []
    for place in range(min(places, features.shape[1])):
        (first, times), *others = Counter(names[k] for k in features[:, place]).most_common()
        rows.append([str(place + 1), first, f"{times} of {len(features)}", ", ".join(n for n, _ in others)])
    return rows


def _scores(found: dict[str, dict[str, Result]]) -> Any:
    """II figures 7 and 10."""
    figure, axes = figures.new_figure(len(found), 5.0, 3.8, sharey=True)
    for axis, (when, part) in zip(axes, found.items(), strict=True):
        for number, method in enumerate(SHOWN):
            values = part["scores"][method]
            axis.errorbar(
                np.arange(1, len(values) + 1) + 0.06 * number, values.mean(axis=1), values.std(axis=1), fmt="o-" if number < 4 else ".--", ms=3, capsize=2,
                lw=1, color=figures.COLOURS[number], label=method,
            )  # fmt: skip
        axis.set(xlabel="number of columns, $d$", title=f"p at the {when} time")
    axes[0].set(ylabel="Pearson coefficient")
    axes[0].legend(frameon=False, fontsize=7)
    return figure


def _by_species(page: Page, data: Labelled, columns: Result, found: dict[str, dict[str, Result]]) -> None:
    """II figures 8 and 9."""
    scores = found["alpha"]["scores"]
    values = scores["by_species"]
    present = [s for s in range(values.shape[2]) if np.isfinite(values[..., s]).all()]
    figure, (axis,) = figures.new_figure(1, 5.0, 3.6)
    for s in present:
        axis.errorbar(
            np.arange(1, len(values) + 1), values[..., s].mean(axis=1), values[..., s].std(axis=1), fmt="o-", ms=3, capsize=2, color=figures.COLOURS[s],
            label=data.system.species[s],
        )  # fmt: skip
    axis.set(xlabel="number of columns, $d$", ylabel="Pearson coefficient")
    axis.legend(frameon=False)
    page.figure(figure, "by_species", "Supervised selection, scored species by species. Compare II, figure 9.")
    p = np.take_along_axis(data.labels["propensity"][-1], columns["rows"], axis=1)
    figure, axes = figures.new_figure(1 + len(present), 3.4, 3.3)
    for axis, (title, some) in zip(
        axes, {"all": np.ones_like(p, bool), **{data.system.species[s]: columns["types"] == s for s in present}}.items(), strict=True
    ):
        truth, guess = p[some], scores["prediction"][some]
        axis.hexbin(truth, guess, gridsize=40, mincnt=1, cmap="viridis", bins="log", linewidths=0)
        ends = [min(truth.min(), guess.min()), max(truth.max(), guess.max())]
        axis.plot(ends, ends, "--", color="#d1495b", lw=1)
        axis.set(xlabel="$p$", ylabel="guess", title=title)
    page.figure(figure, "scatter", "Guesses against p, all configurations, each guessed by a fit to the others. Compare II, figure 8.")


def _maps(page: Page, data: Labelled, columns: Result, scores: Result) -> None:
    """II figure 2."""
    if data.system.dimension != 2:
        return
    snapshot = data.thermal["snapshots"][0]
    p = data.labels["propensity"][-1, 0]
    fields = {
        "p": p,
        "q": data.labels["bond_breaking"][-1, 0],
        "Theta, l = 2": coarse(structure.steric_order(data.system, snapshot), snapshot, 2.0),
    }
    fields["guess of p"] = rescaled(scores["prediction"][0], p)
    page.figure(
        figures.maps(snapshot, fields, None, diameters=tuple(np.diag(data.system.sigma))), "maps",
        "One configuration: propensity, broken bonds, misfit of neighbours, and the guess by a model that has not seen it. Compare II, figure 2.",
    )  # fmt: skip


def _rise(rise: np.ndarray) -> tuple[float, float]:
    """Mean over draws and configurations, and its standard error; draws of one configuration share their start."""
    each = rise.mean(axis=1)
    inside = rise.std(axis=1, ddof=1) / np.sqrt(rise.shape[1])
    return float(each.mean()), float(np.sqrt((inside**2).sum()) / len(each))


def judged(names: list[str], rely: np.ndarray, free: Result, found: dict[str, dict[str, Result]]) -> dict[str, Any]:
    """Numbers by name of claim, for ``evaluate.claims_table``."""
    alpha, beta = found["alpha"], found["beta"]
    singles, supervised, scores = alpha["singles"], alpha["supervised"], alpha["scores"]
    blocks = np.array([block_of(n) for n in names])
    length = np.array([float(n.partition("=")[2].rstrip(")")) for n in names])
    pearsons, to_p, from_p = np.abs(singles["pearson"]).mean(axis=0), singles["to_p"].mean(axis=0), singles["from_p"].mean(axis=0)
    theta = blocks == "Theta"
    path, rest = supervised["imbalance"].mean(axis=0), free["imbalance"].mean(axis=0)
    mean = {m: scores[m].mean(axis=1) for m in SHOWN}
    later, free_later, drawn_later = (beta["scores"][m].mean(axis=1) for m in (SUPERVISED, FREE, RANDOM))
    q = singles["q"].mean(axis=0).tolist()
    rise, error = _rise(supervised["noise_after"] - supervised["noise_before"][:, None])
    first = {when: blocks[part["supervised"]["features"][:, 0]] for when, part in found.items()}
    lengths = {
        when: np.median(length[part["supervised"]["features"][:, 0]][first[when] == "Theta"])
        for when, part in found.items() if (first[when] == "Theta").any()
    }  # fmt: skip
    species = scores["by_species"][-1].mean(axis=0)
    return {
        "reliability": float(rely.min()),
        "theta_best": float(pearsons[theta].max() - pearsons[~theta].max()), "theta_pearson": float(pearsons[theta].max()),
        "theta_length": float(length[theta][pearsons[theta].argmax()]),
        "same_trend": float(scipy.stats.spearmanr(pearsons, 1 / to_p).statistic),
        "on_the_diagonal": float(np.abs(to_p - from_p).max()), "psi6_independent": float(to_p[blocks == "Psi6"].mean()),
        "theta_informs": float(to_p[theta].min()), "theta_informs_some": float(to_p[theta].min()), "p_and_q": q, "p_and_q_share": q,
        "supervised_saturates": float((path[9, 0] - path[14, 0]) / (path[0, 0] - path[14, 0])),
        "nothing_gained_backwards": float(abs(path[14, 1] - path[0, 1])), "many_tell_more": float(path[9, 1] - path[9, 0]),
        "noise_hurts": rise / error, "theta_first": float((first["alpha"] == "Theta").mean()),
        "rho_second": float((blocks[supervised["features"][:, 1]] == "rho").mean()),
        "unsupervised_asymmetric": float(rest[0, 0] - rest[0, 1]), "unsupervised_converges": rest[14, ::-1].tolist(),
        "two_suffice": [float(mean[m][1] / mean[m][14]) for m in (LASSO, SUPERVISED)],
        "two_columns": float(mean[SUPERVISED][1]), "fifteen_columns": float(mean[SUPERVISED][14]),
        "unsupervised_slower": float(mean[SUPERVISED][1] - mean[FREE][1]), "unsupervised_joins": float(mean[FREE][9] / mean[SUPERVISED][9]),
        "random_later": float(mean[FREE][9] - mean[RANDOM][9]), "small_particles_best": (species[:-1] - species[1:]).tolist(),
        "beta_lower": float(mean[SUPERVISED][14] - later[14]), "beta_one_column": float(later[0] / later[14]),
        "beta_random_first": [float(sign * (free_later - drawn_later)[d - 1]) for sign, d in ((-1, 5), (1, 12))],
        "beta_shorter": float(lengths["alpha"] - lengths["beta"]) if len(lengths) == 2 else None,
    }  # fmt: skip
