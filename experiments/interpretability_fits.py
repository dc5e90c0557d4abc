"""The calculations of ``interpretability``: linear models of one descriptor, fitted over and over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from glassgpu.evaluate import pearson, r2
from glassgpu.models import Factor, Moments, PrincipalComponentRegression, elastic_net_path
from glassgpu.selection import (
    condition_number,
    correlation_matrix,
    eigenvalues,
    information_criteria,
    lasso_selection,
    minimum_redundancy,
    pearson_vector,
    variance_inflation,
)
from glassgpu.study import Pieces

ALPHAS = np.concatenate([[0.0], 10.0 ** np.arange(-14, 3.1, 0.5)])
RIDGE = 0.1  # LIN's choice
FEW = (2, 5)  # LIN's handful
NET_ALPHAS = np.geomspace(1.0, 1e-3, 50)
NET_BETAS = np.linspace(0.05, 1.0, 20)
LASSO_ALPHAS = np.geomspace(1.0, 1e-4, 51)


def standardized(x: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and variance 1; the squares of tiny ones would vanish."""
    x = x - x.mean(axis=0)
    x = x / np.abs(x).max(axis=0)
    return x / x.std(axis=0)


def models_of(x: np.ndarray, y: np.ndarray) -> dict[str, tuple[np.ndarray, float]]:
    """Weights of all columns, (columns,), and intercept of every model, by name; columns that do not vary have none."""
    varies = x.max(axis=0) > x.min(axis=0)
    if not varies.all():
        found = models_of(x[:, varies], y)
        wide = {name: np.zeros(x.shape[1]) for name in found}
        for name, (w, _) in found.items():
            wide[name][varies] = w
        return {name: (wide[name], b) for name, (_, b) in found.items()}
    factor = Factor.of(x, y)
    weights, intercept = factor.ridge_path(ALPHAS, standardize=True)
    found = {f"ridge {alpha:g}": (weights[k, :, 0], float(intercept[k, 0])) for k, alpha in enumerate(ALPHAS)}
    spectrum = factor.spectrum(standardize=True)
    # Components whose variance is rounding are no components.
    correlation = np.where(spectrum.kept(1e-12), spectrum.projected[:, 0], 0.0) / np.sqrt(spectrum.variance_y)
    for count in FEW:
        shrink = np.zeros(len(correlation))
        best = np.argsort(-np.abs(correlation), kind="stable")[:count]
        shrink[best] = 1 / spectrum.singular[best]
        w, b = spectrum.fit(shrink)
        found[f"components {count}"] = (w[:, 0], float(b[0]))
    count = min(FEW[-1], x.shape[1])
    for name, chosen in (("lasso", lasso_selection(x, y, count).features), ("redundancy", minimum_redundancy(x, y, count))):
        kept = list(chosen)
        w, b = Factor.of(x[:, kept], y).ridge_path([0.0], standardize=True)
        found[f"{name} {count}"] = (np.zeros(x.shape[1]), float(b[0, 0]))
        found[f"{name} {count}"][0][kept] = w[0, :, 0]
    return found


def repeated(columns: np.ndarray, p: np.ndarray, halves: int, bootstraps: int, seed: int, checkpoint: Path | None = None) -> dict[str, Any]:
    """Every model on random halves (LIN section III.E), with whole configurations left out, and on resampled configurations.

    Args:
        columns: (configuration, rows, columns).
        p: (configuration, rows).
        checkpoint: of the stage; what is fitted is kept beside it.

    Returns:
        By name of array: ``models``; Pearson and R2 on test and training rows, (model, set), of halves
        and of configurations left out; ``weights_mean``, ``weights_deviation`` over halves, in units of standardised
        columns, (model, columns); ``stability`` (model,), mean cosine between the weights of resampled configurations.
    """
    many, rows, width = columns.shape
    x, y = standardized(columns.reshape(-1, width)), p.ravel()
    y = (y - y.mean()) / y.std()
    of = np.repeat(np.arange(many), rows)
    random = np.random.default_rng(seed)
    scores: dict[str, list[list[float]]] = {"random": [], "random_train": [], "random_r2": [], "random_r2_train": [], "configuration": []}
    weights = []
    names: list[str] = []
    piece = Pieces(checkpoint)

    def fitted(what: str, rows: np.ndarray) -> dict[str, tuple[np.ndarray, float]]:
        return dict(piece(what, lambda: models_of(x[rows], y[rows])))

    for k in range(halves):
        order = random.permutation(len(y))
        train, test = order[: len(y) // 2], order[len(y) // 2 :]
        found = fitted(f"half {k}", train)
        names = list(found)
        guess = {name: x @ w + b for name, (w, b) in found.items()}
        for name, score, some in (
            ("random", pearson, test), ("random_train", pearson, train), ("random_r2", r2, test), ("random_r2_train", r2, train),
        ):  # fmt: skip
            scores[name].append([score(y[some], g[some]) for g in guess.values()])
        weights.append([w for w, _ in found.values()])
    prediction = np.zeros((len(names), len(y)))
    for c in range(many if many > 1 else 0):
        train, test = of != c, of == c
        for k, (w, b) in enumerate(fitted(f"without {c}", train).values()):
            prediction[k, test] = x[test] @ w + b
        scores["configuration"].append([pearson(y[test], g[test]) for g in prediction])
    resampled = []
    for k in range(bootstraps if many > 1 else 0):
        taken = random.integers(many, size=(many,))
        drawn = np.concatenate([np.flatnonzero(of == c) for c in taken])
        resampled.append([w for w, _ in fitted(f"resampled {k}", drawn).values()])
    return {
        "models": names,
        **{name: np.array(values).T for name, values in scores.items()},
        "weights_mean": np.mean(weights, axis=0),
        "weights_deviation": np.std(weights, axis=0, ddof=1),
        "stability": _mean_cosine(np.array(resampled)),
        "prediction": prediction.reshape(len(names), many, rows),
    }


def _mean_cosine(weights: np.ndarray) -> np.ndarray:
    """Mean over all pairs of draws of the cosine between weights (draw, model, columns): 1 where they never change."""
    if len(weights) < 2:
        return np.full(0, np.nan)
    unit = weights / np.linalg.norm(weights, axis=2, keepdims=True)
    draws = len(unit)
    return (np.einsum("amc,bmc->m", unit, unit) - draws) / (draws * (draws - 1))


def collinearity(columns: np.ndarray, p: np.ndarray) -> dict[str, Any]:
    """What can be said without a test set: correlations, condition numbers, components and criteria, all rows pooled."""
    width = columns.shape[2]
    x, y = standardized(columns.reshape(-1, width)), p.ravel()
    components = PrincipalComponentRegression().fit(x, y)
    values = eigenvalues(x)
    moments = Moments.of(x, (y - y.mean()) / y.std())
    lasso = elastic_net_path(moments, LASSO_ALPHAS * np.abs(pearson_vector(x, y)).max(), tolerance=1e-6).weights[0, 0, :, :, 0]
    full = Factor.of(x, (y - y.mean()) / y.std()).ridge_path([0.0])[0][0, :, 0]
    every = np.concatenate([lasso, full[None]])
    error = 1 - 2 * every @ moments.covariance[:width, width] + np.einsum("kf,fg,kg->k", every, moments.covariance[:width, :width], every)
    kept = (every != 0).sum(axis=1)
    return {
        "pearson": pearson_vector(x, y),
        "pearson_error": _error_of_mean(columns, p),
        "correlation": correlation_matrix(x),
        "eigenvalues": values,
        "kappa": condition_number(x, ALPHAS),
        "inflation": variance_inflation(x),
        "component_pearson": components.correlation_,
        "component_eigenvalues": components.eigenvalues_,
        "components": components.components_[:10],
        "component_fields": components.principal_components(x)[:, :5],
        "criteria_columns": kept,
        "criteria": np.stack(information_criteria(np.maximum(error, 1e-300), len(y), kept)),
    }


def _error_of_mean(columns: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Standard errors of the Pearson coefficients, from their scatter over configurations, (columns,)."""
    each = np.array([[pearson(y, x) for x in given.T] for y, given in zip(p, columns, strict=True)])
    return each.std(axis=0, ddof=1) / np.sqrt(len(each))


def elastic_nets(columns: np.ndarray, p: np.ndarray, halves: int, seed: int) -> dict[str, Any]:
    """Elastic nets over the whole grid of alpha and beta, on random halves.

    Returns:
        ``count``, ``pearson`` (half, beta, alpha): columns kept, and Pearson coefficient on the other half;
        ``kept`` (beta, alpha, columns) bool of the first half.
    """
    width = columns.shape[2]
    x, y = standardized(columns.reshape(-1, width)), p.ravel()
    y = (y - y.mean()) / y.std()
    random = np.random.default_rng(seed)
    order = [random.permutation(len(y)) for _ in range(halves)]
    middle = len(y) // 2
    found = elastic_net_path([Moments.of(x[o[:middle]], y[o[:middle]]) for o in order], NET_ALPHAS, NET_BETAS, tolerance=1e-6)
    score = np.full(found.weights.shape[:3], np.nan)
    for half, o in enumerate(order):
        w = found.weights[half, ..., 0].reshape(-1, width)
        some = np.flatnonzero((w != 0).any(axis=1))
        guess = x[o[middle:]] @ w[some].T
        guess -= guess.mean(axis=0)
        truth = y[o[middle:]] - y[o[middle:]].mean()
        score[half].flat[some] = truth @ guess / np.sqrt((guess**2).sum(axis=0) * (truth @ truth))
    kept = found.weights[..., 0] != 0
    return {"count": kept.sum(axis=3), "pearson": score, "kept": kept[0]}
