"""Text, pictures, numbers and verdicts of ``interpretability``."""

from __future__ import annotations

from typing import Any

import numpy as np
from glassgpu.experiments import interpretability_figures as draw
from glassgpu.experiments.described import COARSE, RADII
from glassgpu.experiments.interpretability_claims import judged
from glassgpu.experiments.interpretability_fits import ALPHAS, NET_ALPHAS, NET_BETAS, RIDGE
from glassgpu.experiments.labelled_liquids import Labelled

from glassgpu import dynamics
from glassgpu.descriptors import coarse_grain
from glassgpu.evaluate import Verdicts, pearson
from glassgpu.report import figures
from glassgpu.report.page import Page
from glassgpu.study import Result

BP = "BehlerParrinello"
KEEP = {
    "ridge 0": "least squares, all columns",
    f"ridge {RIDGE:g}": f"ridge, alpha = {RIDGE:g}, all columns",
    "components 5": "five principal components",
    "components 2": "two principal components",
    "lasso 5": "five columns chosen by the lasso",
    "redundancy 5": "five columns, little redundant",
}


def reliability(data: Labelled) -> np.ndarray:
    """Reliability of the propensity at the last time by species, the particles of all liquids pooled."""
    p, error = data.labels["propensity"][-1], data.labels["standard_error"][-1]
    types = np.concatenate([s.types for s in data.thermal["snapshots"]])
    return dynamics.reliability(p.ravel(), error.ravel() ** 2, types, len(data.system.species))


def envelope(nets: Result, most: int = 40) -> np.ndarray:
    """Largest Pearson coefficient of the elastic nets that keep P columns, mean over halves; (most,), NaN where none does."""
    out = np.full((len(nets["count"]), most), np.nan)
    for half, (count, score) in enumerate(zip(nets["count"], nets["pearson"], strict=True)):
        for columns in range(1, most + 1):
            fitting = score[count == columns]
            out[half, columns - 1] = np.nan if not len(fitting) else np.nanmax(fitting)
    some = np.isfinite(out).any(axis=0)
    return np.where(some, np.nanmean(np.where(some, out, 0.0), axis=0), np.nan)


def best_net(nets: Result, columns: int) -> tuple[int, int] | None:
    """(beta, alpha) of the best elastic net of the first half that keeps so many columns."""
    fitting = np.where(nets["count"][0] == columns, nets["pearson"][0], -np.inf)
    where = np.unravel_index(int(fitting.argmax()), fitting.shape)
    return (int(where[0]), int(where[1])) if np.isfinite(fitting[where]) else None


def model(found: Result, name: str) -> int:
    """Which row of the scores a model has."""
    return int(list(found["models"]).index(name))


def write(page: Page, scale: str, data: Labelled, columns: Result, found: dict[str, dict[str, Result]], fields: Result) -> None:
    """Everything on the page."""
    p = np.take_along_axis(data.labels["propensity"][-1], columns["rows"], axis=1)
    alike, rely = _species_share(data), reliability(data)
    names = {name: list(given["collinearity"]["names"]) for name, given in found.items()}
    pooled = {name: given["collinearity"]["pearson"] for name, given in found.items()}
    error = {name: given["collinearity"]["pearson_error"] for name, given in found.items()}
    page.numbers = {
        "reliability": rely, "species_share": alike, "columns": names, "pearson": pooled, "standard_error": error, "alphas": ALPHAS,
        "models": list(found[BP]["inherent"]["models"]),
        **{key: {n: g["inherent"][key] for n, g in found.items()} for key in ("random", "configuration", "stability")},
        "thermal": {n: g["thermal"]["random"] for n, g in found.items()},
        **{key: {n: g["collinearity"][key] for n, g in found.items()} for key in ("eigenvalues", "kappa", "inflation", "component_pearson")},
        "elastic_net_envelope": {n: envelope(g["nets"]) for n, g in found.items()},
    }  # fmt: skip
    about_this = data.system.dimension == 2  # the paper speaks of the ternary mixture
    verdicts = Verdicts("interpretability", judged(data, columns, found, fields, rely, alike) if about_this else None, scale)
    best = int(np.abs(pooled[BP]).argmax())
    page.text(
        "Imagine a photograph of a dense crowd, and beside it a list of who had walked furthest an hour later. Could the photograph have told? Here the crowd is "
        f"a liquid about to become a glass, {len(p)} photographs of {data.system.n} particles; how far each goes on average over many repeated hours is its "
        f"propensity p. From the photographs come hundreds of numbers about everybody's surroundings. An equation that adds them up, each with its own weight, "
        "guesses p well. This page asks the harder question: what do the weights mean, and which equation should one keep?",
        f"What can be known at all: of the variance of p a share of {', '.join(f'{r:.2f} ({s})' for r, s in zip(rely, data.system.species, strict=True))} is "
        "reproducible; the rest is the luck of finitely many runs.",
    )
    verdicts.show(page, "reliability", "species_alike")
    page.heading("One feature at a time")
    page.figure(
        draw.bars(names[BP], {"Pearson coefficient with p": (pooled[BP], error[BP])}), "behler_parrinello",
        f"Behler-Parrinello columns, coarse-grained over {COARSE:g}, inherent states; bars: standard error from the scatter of configurations. Compare LIN, figure 1.",
    )  # fmt: skip
    page.text(
        f"No single one of {len(names[BP])} columns tells much: the best, {names[BP][best]}, has {pooled[BP][best]:.2f}; half of them stay below "
        f"{np.median(np.abs(pooled[BP])):.2f}."
    )
    verdicts.show(page, "bp_modest", "ss_and_ll")
    for name, figure in (("SLO", 13), ("JBB 0.5", 14), ("local", 13)):
        if name in found:
            page.figure(
                draw.bars(names[name], {"Pearson coefficient with p": (pooled[name], error[name])}), name.split()[0].lower(),
                f"{name}: lengths grow from left to right in each block. Compare LIN, figure {figure}.",
            )  # fmt: skip
    verdicts.show(
        page,
        "theta_positive",
        "theta_peak",
        "theta_rises_and_falls",
        "theta_at_2",
        "phi_negative",
        "z_negative",
        "rho_positive",
        "psi6_poor",
    )
    if f"JBB {RADII[1]:g}" in columns:
        empty, outside = columns["empty"], columns["outside"]
        page.text(
            f"The perimeter in JBB depends on how large the discs of the Voronoi cells are taken. With radius sigma / 2 {outside[0]:.0f} of {data.system.n} discs "
            f"stand outside their own cells and {empty[0]:.0f} have none; with radius sigma, LIN's words, {outside[1]:.0f} and {empty[1]:.0f}. Models here use sigma / 2."
        )
    verdicts.show(page, "perimeter_negative")
    page.heading("The features repeat one another")
    page.figure(
        draw.matrices({name: (names[name], found[name]["collinearity"]["correlation"]) for name in found}), "correlations",
        "Pearson coefficients between columns. Compare LIN, figures 2, 15 and 16.",
    )  # fmt: skip
    verdicts.show(page, "rho_against_phi")
    _collinearity(page, names, found, verdicts)
    _reduction(page, names, found, fields, verdicts)
    _look(page, data, columns, found[BP]["inherent"], p)
    verdicts.show(page, "coarse_fields_agree")
    _choose(page, found)
    verdicts.show_rest(page)


def _species_share(data: Labelled) -> float:
    """Share of the variance of p that lies between the means of species."""
    p, types = data.labels["propensity"][-1].ravel(), np.concatenate([s.types for s in data.thermal["snapshots"]])
    means = np.array([p[types == k].mean() for k in range(len(data.system.species))])[types]
    return float(means.var() / p.var())


def _collinearity(page: Page, names: dict[str, list[str]], found: dict[str, dict[str, Result]], verdicts: Verdicts) -> None:
    """LIN figures 3 to 6: weights, traces, performance, condition."""
    runs = found[BP]["inherent"]
    ols, ridge = model(runs, "ridge 0"), model(runs, f"ridge {RIDGE:g}")
    mean, deviation = runs["weights_mean"], runs["weights_deviation"]
    page.heading("Weights that shout, and weights that whisper")
    page.figure(
        draw.bars(
            names[BP], {"weight, least squares": (mean[ols], deviation[ols]), f"weight, ridge {RIDGE:g}": (mean[ridge], deviation[ridge])}
        ),
        "weights", "Weights of standardised columns; bars: deviation over random halves. Compare LIN, figure 3.",
    )  # fmt: skip
    page.text(
        f"Least squares guesses best on the face of it, R = {runs['random'][ols].mean():.2f}, with weights of up to {np.abs(mean[ols]).max():.2g} that cancel one another: "
        f"two columns that say nearly the same are played off against each other. A small penalty on large weights (ridge, alpha = {RIDGE:g}) leaves "
        f"{np.abs(mean[ridge]).max():.2g} at most, and R = {runs['random'][ridge].mean():.2f}."
    )
    verdicts.show(page, "weights_explode", "weights_oscillate", "oscillations_are_not_noise")
    path = [model(runs, f"ridge {alpha:g}") for alpha in ALPHAS[1:]]
    blocks = {b: [k for k, n in enumerate(names[BP]) if draw.block_of(n) == b] for b in dict.fromkeys(map(draw.block_of, names[BP]))}
    shown = [next(iter(blocks)), next(b for b in blocks if b.startswith("Psi"))]
    limit = len(names[BP]) * np.finfo(float).eps * found[BP]["collinearity"]["eigenvalues"][0]
    page.figure(
        draw.traces(ALPHAS[1:], {b: (mean[np.ix_(path, blocks[b])], deviation[np.ix_(path, blocks[b])]) for b in shown}, max(limit, ALPHAS[1])), "traces",
        "Weights of two blocks against the penalty. Grey: nothing but rounding. Dashed: LIN's choice. Compare LIN, figure 4.",
    )  # fmt: skip
    verdicts.show(page, "traces_settle")
    page.figure(
        draw.performance(
            ALPHAS[1:],
            {
                "other half": (runs["random"][path].mean(axis=1), "-"), "half fitted": (runs["random_train"][path].mean(axis=1), "--"),
                "whole configurations left out": (runs["configuration"][path].mean(axis=1), "-."),
            },
            {"other half": (runs["random_r2"][path].mean(axis=1), "-"), "half fitted": (runs["random_r2_train"][path].mean(axis=1), "--")},
        ),
        "performance", "How well ridge regression guesses. Compare LIN, figure 5, which has random halves only.",
    )  # fmt: skip
    verdicts.show(page, "ols_accurate", "accuracy_is_flat", "accuracy_falls_beyond")
    page.figure(
        draw.condition(
            ALPHAS[1:], {n: g["collinearity"]["kappa"][1:] for n, g in found.items()}, {n: g["collinearity"]["eigenvalues"][0] for n, g in found.items()}
        ),
        "condition", "Condition number against the penalty; dashed: lambda_max / alpha; arrows: lambda_max. Compare LIN, figure 6.",
    )  # fmt: skip
    inflated = {n: float((g["collinearity"]["inflation"] > 10).mean()) for n, g in found.items()}
    kappas = ", ".join(f"{g['collinearity']['kappa'][0]:.1e} ({n})" for n, g in found.items())
    page.text(
        f"The trouble has a number: how many times an error of the data may grow on its way into the weights, {kappas} without a penalty. Beyond 1e15 a computer "
        f"cannot tell it from infinity. Variance inflation says the same column by column: {', '.join(f'{share:.0%} of {n}' for n, share in inflated.items())} exceed 10."
    )
    verdicts.show(page, "singular", "kappa_ridge", "kappa_thousand", "lambda_max", "inflation")


def _reduction(page: Page, names: dict[str, list[str]], found: dict[str, dict[str, Result]], fields: Result, verdicts: Verdicts) -> None:
    """LIN figures 7 to 9, 11 and 12, tables II and III, AIC and BIC."""
    given = found[BP]
    nets, spectrum = given["nets"], given["collinearity"]
    best = {n: envelope(g["nets"]) for n, g in found.items()}
    page.heading("A short list of columns")
    page.figure(
        draw.net(nets["count"][0], nets["pearson"][0], best[BP], NET_BETAS, NET_ALPHAS), "elastic_net",
        "Elastic nets of Behler-Parrinello. Compare LIN, figure 7.",
    )  # fmt: skip
    rows = []
    for count in (1, 2, 3, 5, 8, 10):
        at = best_net(nets, count)
        if at:
            kept = np.flatnonzero(nets["kept"][at])
            rows.append(
                [
                    count,
                    float(nets["pearson"][0][at]),
                    f"{NET_ALPHAS[at[1]]:.3g}",
                    f"{NET_BETAS[at[0]]:.3g}",
                    ", ".join(names[BP][k] for k in kept),
                ]
            )
    page.table(("columns", "Pearson", "alpha", "beta", "which (LIN, table II)"), rows)
    verdicts.show(page, "net_accuracy", "net_grows", "net_is_lasso", "net_redundant")
    page.heading("New coordinates instead of old columns")
    page.figure(
        draw.components(spectrum["component_eigenvalues"], spectrum["component_pearson"]), "components",
        "Principal components of Behler-Parrinello; the five that go with p most are marked. Compare LIN, figure 8.",
    )  # fmt: skip
    verdicts.show(page, "first_component", "few_components")
    at_length = physical_at(fields)
    header = ["component", "p", *at_length]
    page.table(
        header,
        [
            [
                str(k + 1),
                float(spectrum["component_pearson"][k]),
                *(pearson(spectrum["component_fields"][:, k], x) for x in at_length.values()),
            ]
            for k in range(spectrum["component_fields"].shape[1])
        ],
    )
    page.text(
        "Pearson coefficients of the first components with p and with simple quantities averaged over the same length (LIN, table III)."
    )
    page.figure(
        draw.reduction({n: (g["collinearity"]["component_pearson"], best[n]) for n, g in found.items()}), "reduction",
        "How far one comes with a few components, or a few columns. Compare LIN, figures 9 and 11.",
    )  # fmt: skip
    verdicts.show(page, "components_accuracy_5", "components_accuracy_2", "slo_needs_two")
    other = next(n for n in ("SLO", "local") if n in found)
    r = found[other]["collinearity"]["component_pearson"]
    leading = list(dict.fromkeys([0, *np.argsort(-np.abs(r[:10]))[:2].tolist()]))
    page.figure(
        draw.bars(names[other], {f"u({k + 1}), R = {r[k]:.2f}": (found[other]["collinearity"]["components"][k], None) for k in leading}), "eigenvectors",
        f"What the first component of {other} and the two that go with p most are made of. Compare LIN, figure 12.",
    )  # fmt: skip
    verdicts.show(page, "slo_order")
    kept, values = spectrum["criteria_columns"], spectrum["criteria"]
    page.figure(
        draw.criteria(kept, values),
        "criteria",
        "Akaike's and the Bayesian information criterion along the lasso. Compare LIN, section VII.",
    )
    page.text(
        f"Two classical rules, which weigh accuracy against the number of columns, prefer {kept[values[0].argmin()]} (AIC) and {kept[values[1].argmin()]} (BIC) of "
        f"{len(names[BP])} columns: with so many particles they hardly mind a column more. They give no guidance here."
    )
    verdicts.show(page, "criteria_keep_all")


def physical_at(fields: Result, length: float = COARSE) -> dict[str, np.ndarray]:
    """Physical columns coarse-grained over one length, by name: values of the rows of models, pooled."""
    every = fields["columns"]
    suffix = f"(l={length:g})"
    names = [n for n in every.feature.values.tolist() if n.endswith(suffix)]
    return {n.removesuffix(suffix): np.take_along_axis(every.sel(feature=n).values, fields["rows"], axis=1).ravel() for n in names}


def rescaled(guess: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """A prediction with the mean and the variance of the truth (LIN, figure 10)."""
    return (guess - guess.mean()) / guess.std() * truth.std() + truth.mean()


def coarse(field: np.ndarray, snapshot: Any, length: float = COARSE) -> np.ndarray:
    """A field averaged over its surroundings, (N,)."""
    return coarse_grain(field[:, None], snapshot, [length], float(min(20.0, snapshot.box.min() / 2)))[1][:, 0, 0, 0]


def _look(page: Page, data: Labelled, columns: Result, runs: Result, p: np.ndarray) -> None:
    """LIN figure 10, of a configuration that the models have not seen."""
    chosen = {"least squares": "ridge 0", "five components": "components 5", "two components": "components 2"}
    guesses = {title: runs["prediction"][model(runs, name)] for title, name in chosen.items()}
    page.heading("What the guesses look like")
    snapshot = data.thermal["snapshots"][0]
    if data.system.dimension == 2:
        diameters = tuple(np.diag(data.system.sigma))
        maps = {"propensity": p[0], **{title: rescaled(g[0], p[0]) for title, g in guesses.items()}}
        page.figure(
            figures.maps(snapshot, maps, "$p$, and guesses of the same mean and variance", diameters=diameters), "maps",
            "One configuration, guessed by models of the others. Compare LIN, figure 10, top.",
        )  # fmt: skip
        smooth = {title: coarse(field, snapshot) for title, field in maps.items()}
        page.figure(
            figures.maps(snapshot, {t: (f > f.mean()).astype(float) for t, f in smooth.items()}, "above the average", diameters=diameters), "coarse_maps",
            f"The same, averaged over {COARSE:g}: above and below the mean. Compare LIN, figure 10, middle.",
        )  # fmt: skip
    page.figure(
        draw.densities(p.ravel(), {title: rescaled(g, p).ravel() for title, g in guesses.items()}), "densities",
        "All configurations, each guessed by models of the others. Compare LIN, figure 10, bottom.",
    )  # fmt: skip


def _choose(page: Page, found: dict[str, dict[str, Result]]) -> None:
    """LIN table IV with honest splits beside, and the question that the papers leave to the reader."""
    page.heading("Which model would you keep?")
    rows, best = [], ("", "", -1.0)
    for name, given in found.items():
        runs, thermal, spectrum = given["inherent"], given["thermal"], given["collinearity"]
        width = len(spectrum["names"])
        for key, words in KEEP.items():
            if key not in list(runs["models"]):
                continue
            k = model(runs, key)
            few = int(key.split()[1]) if not key.startswith("ridge") else width
            kappa = {"ridge 0": spectrum["kappa"][0], f"ridge {RIDGE:g}": spectrum["kappa"][np.searchsorted(ALPHAS, RIDGE * 0.99)]}.get(key)
            apart = runs["configuration"][k]
            rows.append(
                [
                    name, words, few, f"{runs['random'][k].mean():.3f} ± {runs['random'][k].std():.3f}", f"{apart.mean():.3f} ± {apart.std():.3f}",
                    f"{thermal['random'][model(thermal, key)].mean():.3f}", float(runs["stability"][k]), "-" if kappa is None else f"{kappa:.1e}",
                ]
            )  # fmt: skip
            if few <= 5 and apart.mean() > best[2]:
                best = (name, words, float(apart.mean()))
    header = (
        "descriptor",
        "model",
        "numbers in it",
        "R, random halves",
        "R, unseen configurations",
        "R, thermal, random halves",
        "stability of weights",
        "condition",
    )
    page.table(header, rows)
    full = max(given["inherent"]["configuration"].mean(axis=1).max() for given in found.values())
    page.text(
        "Stability is the mean cosine between the weights of models fitted to resampled configurations: 1 if the story never changes. Random halves mix particles of one "
        "configuration into training and test; whole configurations left out are the honest question.",
        f"LIN's rule of a handful asks for no more than about five numbers. Of such models {best[1]} of {best[0]} guesses unseen configurations best, R = {best[2]:.2f}; all "
        f"columns together reach {full:.2f}. We would keep it where one wants to understand, and ridge with all columns where one wants to guess.",
    )
