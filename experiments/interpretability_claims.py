"""What LIN claims, computed from the stages of ``interpretability``."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats
from glassgpu.experiments.described import RADII
from glassgpu.experiments.interpretability_fits import ALPHAS, NET_BETAS, RIDGE
from glassgpu.experiments.labelled_liquids import Labelled

from glassgpu.evaluate import pearson
from glassgpu.study import Result

BP, SLO, JBB = "BehlerParrinello", "SLO", "JBB 0.5"


def judged(
    data: Labelled, columns: Result, found: dict[str, dict[str, Result]], fields: Result, rely: np.ndarray, alike: float
) -> dict[str, Any]:
    """Numbers by name of claim, for ``evaluate.claims_table``."""
    p = data.labels["propensity"][-1]
    return {
        "reliability": float(rely.min()), "species_alike": alike, **_single(p, columns, found), **_weights(found), **_conditions(found),
        **_nets(found), **_components(found, fields), **_models(data, found, p),
    }  # fmt: skip


def _of(names: list[str], field: str) -> np.ndarray:
    return np.array([n.startswith(f"{field}(") for n in names])


def _single(p: np.ndarray, columns: Result, found: dict[str, dict[str, Result]]) -> dict[str, Any]:
    """LIN figures 1, 13 and 14."""
    slo = columns[SLO]
    names = slo.feature.values.tolist()
    pooled = found[SLO]["collinearity"]["pearson"]
    error = found[SLO]["collinearity"]["pearson_error"]

    def strongest(field: str) -> tuple[float, float]:
        where = np.flatnonzero(_of(names, field))
        k = where[np.abs(pooled[where]).argmax()]
        return float(pooled[k]), float(error[k])

    lengths = np.array([float(n.partition("=")[2].rstrip(")")) for n in names])[_of(names, "Theta")]
    theta, theta_error = pooled[_of(names, "Theta")], error[_of(names, "Theta")]
    two = int(np.flatnonzero(lengths == 2.0)[0])
    perimeter = []
    for radius in RADII:
        jbb = columns[f"JBB {radius:g}"]
        some = np.array([n.startswith("pi(") for n in jbb.feature.values])
        values = np.array([[pearson(y, x) for x in given.T[some]] for y, given in zip(p, jbb.values, strict=True)]).mean(axis=1)
        perimeter.append((values.mean(), values.std(ddof=1) / np.sqrt(len(values))))
    bp_names, bp = list(found[BP]["collinearity"]["names"]), np.abs(found[BP]["collinearity"]["pearson"])
    strong = _of(bp_names, "Psi_SS") | _of(bp_names, "Psi_LL")
    angular = np.array([n.startswith("Psi") for n in bp_names])
    at = {n: slo.values[:, :, names.index(f"{n}(l=1.5)")].ravel() for n in ("rho", "phi")}
    return {
        "theta_positive": (float(theta.min()), float(theta_error[theta.argmin()])),
        "theta_peak": float(lengths[theta.argmax()]),
        "theta_rises_and_falls": [float(theta[two] - theta[0]), float(theta[two] - theta[-1])],
        "theta_at_2": (float(theta[two]), float(theta_error[two])),
        "phi_negative": strongest("phi"), "z_negative": strongest("z"), "rho_positive": strongest("rho"),
        "psi6_poor": float(np.abs(pooled[_of(names, "Psi6")]).max() / np.abs(theta).max()),
        "perimeter_negative": ([v for v, _ in perimeter], [e for _, e in perimeter]),
        "bp_modest": float(bp.max()),
        "ss_and_ll": float(bp[strong].max() / bp[angular & ~strong].max()),
        "rho_against_phi": pearson(at["rho"], at["phi"]),
    }  # fmt: skip


def _row(runs: Result, name: str) -> int:
    return int(list(runs["models"]).index(name))


def changes_of_sign(weights: np.ndarray) -> int:
    """How often successive weights have opposite signs."""
    return int((weights[1:] * weights[:-1] < 0).sum())


def _weights(found: dict[str, dict[str, Result]]) -> dict[str, Any]:
    """LIN figures 3 to 5."""
    runs, names = found[BP]["inherent"], list(found[BP]["collinearity"]["names"])
    angular = np.array([n.startswith("Psi") for n in names])
    mean, deviation = runs["weights_mean"], runs["weights_deviation"]
    ols, ridge = mean[_row(runs, "ridge 0")], mean[_row(runs, f"ridge {RIDGE:g}")]
    largest = np.argsort(-np.abs(ols))[:10]
    block = np.flatnonzero(_of(names, "Psi_SS"))

    def order(a: float, b: float) -> float:
        return float(scipy.stats.spearmanr(*(mean[_row(runs, f"ridge {x:g}")][block] for x in (a, b))).statistic)

    path = runs["random"][[_row(runs, f"ridge {a:g}") for a in ALPHAS]].mean(axis=1)
    at = {a: float(runs["random"][_row(runs, f"ridge {a:g}")].mean()) for a in (RIDGE, 100)}
    return {
        "weights_explode": float(np.abs(ols[angular]).max() / np.abs(ridge[angular]).max()),
        "weights_oscillate": changes_of_sign(ols[angular]) / max(1, changes_of_sign(ridge[angular])),
        "oscillations_are_not_noise": float(np.median(deviation[_row(runs, "ridge 0")][largest] / np.abs(ols[largest]))),
        "accuracy_is_flat": at[RIDGE] / float(path.max()),
        "accuracy_falls_beyond": at[RIDGE] - at[100],
        "traces_settle": order(RIDGE, 1.0) - order(1e-6, RIDGE),
    }


def _conditions(found: dict[str, dict[str, Result]]) -> dict[str, Any]:
    """LIN figure 6 and section V.B."""
    spectra = {n: found[n]["collinearity"] for n in (BP, JBB, SLO)}
    largest, kappa = float(spectra[BP]["eigenvalues"][0]), float(spectra[BP]["kappa"][np.argmin(np.abs(ALPHAS - RIDGE))])
    return {
        "singular": [float(np.log10(s["kappa"][0])) for s in spectra.values()],
        "kappa_ridge": kappa / (largest / RIDGE), "kappa_thousand": kappa, "lambda_max": largest,
        "inflation": min(float((s["inflation"] > 10).mean()) for s in spectra.values()),
    }  # fmt: skip


def _nets(found: dict[str, dict[str, Result]]) -> dict[str, Any]:
    """LIN figure 7 and table II, means over halves."""
    nets, matrix = found[BP]["nets"], found[BP]["collinearity"]["correlation"]
    count, score = nets["count"], nets["pearson"]

    def best(columns: int, only_lasso: bool = False) -> float:
        fits = (count == columns) & (NET_BETAS == 1.0)[None, :, None] if only_lasso else count == columns
        values = [s[f].max() for s, f in zip(score, fits, strict=True) if f.any()]
        return float(np.mean(values)) if values else float("nan")

    rows = {columns: best(columns) for columns in range(1, 11)}
    lasso = [best(k, True) >= rows[k] - 1e-3 for k in range(2, 11) if np.isfinite(rows[k])]
    first = np.where(count[0] == 5, score[0], -np.inf)
    kept: Any = np.flatnonzero(nets["kept"][np.unravel_index(first.argmax(), first.shape)]) if np.isfinite(first.max()) else []
    among = np.abs(matrix[np.ix_(kept, kept)] - np.eye(len(kept)))
    ends = [rows[1], rows[5], rows[10]]
    return {
        "net_accuracy": None if np.isnan(ends).any() else ends,
        "net_grows": None if np.isnan([rows[10], rows[1]]).any() else rows[10] - rows[1],
        "net_is_lasso": float(np.mean(lasso)),
        "net_redundant": float(among.max()) if len(kept) else None,
    }


def _components(found: dict[str, dict[str, Result]], fields: Result) -> dict[str, Any]:
    """LIN figures 8 to 12, tables III and IV, criteria."""
    spectra = {n: found[n]["collinearity"] for n in (BP, JBB, SLO)}
    r = np.abs(spectra[BP]["component_pearson"])
    few = np.sort(r)[::-1]
    slo = fields["columns"]

    def with_components(name: str) -> np.ndarray:
        field = slo.sel(feature=f"{name}(l=1.5)").values.ravel()
        return np.abs([pearson(c, field) for c in spectra[BP]["component_fields"].T])

    def accuracy(count: int) -> list[float]:
        best = [np.sort(np.abs(s["component_pearson"]))[::-1] for s in spectra.values()]
        return [float(np.sqrt((b[:count] ** 2).sum())) for b in best]

    two = accuracy(2)
    kept, values = spectra[BP]["criteria_columns"], spectra[BP]["criteria"]
    return {
        "first_component": float(r[0] / r.max()),
        "few_components": float(np.sqrt((few[:5] ** 2).sum() / (few**2).sum())),
        "components_accuracy_5": accuracy(5), "components_accuracy_2": two,
        "slo_needs_two": [two[2] - two[0], two[2] - two[1]],
        "a_component_is_density": float(with_components("rho").max()), "component_density": float(with_components("rho")[1]),
        "no_component_is_theta": float(with_components("Theta").max()),
        "slo_order": float(np.abs(spectra[SLO]["component_pearson"]).argmax() + 1),
        "criteria_keep_all": [float(kept[v.argmin()] / len(spectra[BP]["names"])) for v in values],
    }  # fmt: skip


def _models(data: Labelled, found: dict[str, dict[str, Result]], p: np.ndarray) -> dict[str, Any]:
    """LIN table IV and figure 10."""
    from glassgpu.experiments.interpretability_report import coarse

    def score(name: str, model: str, state: str = "inherent", split: str = "random") -> tuple[float, float]:
        values = found[name][state][split][_row(found[name][state], model)]
        return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))

    ridge = {n: score(n, f"ridge {RIDGE:g}")[0] for n in (BP, JBB, SLO)}
    honest = {n: score(n, f"ridge {RIDGE:g}", split="configuration")[0] for n in (BP, JBB, SLO)}
    runs = found[BP]["inherent"]
    guess = runs["prediction"][_row(runs, "components 5")]
    smooth = [pearson(coarse(a, s), coarse(b, s)) for a, b, s in zip(p, guess, data.thermal["snapshots"], strict=True)]
    plain = [pearson(a, b) for a, b in zip(p, guess, strict=True)]
    return {
        "ols_accurate": score(BP, "ridge 0"), "ridge_accurate": list(ridge.values()), "jbb_overfits": score(JBB, "ridge 0"),
        "descriptors_alike": max(ridge.values()) - min(ridge.values()),
        "random_halves_leak": [ridge[n] - honest[n] for n in ridge],
        "coarse_fields_agree": float(np.mean(smooth) - np.mean(plain)),
        "thermal_wants_columns": score(BP, f"ridge {RIDGE:g}", "thermal")[0] - score(SLO, f"ridge {RIDGE:g}", "thermal")[0],
    }  # fmt: skip
