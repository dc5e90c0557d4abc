"""What the thesis' chapter 3 claims, computed from the stages of ``energy_barriers``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.stats
from glassgpu.experiments.energy_barriers_stages import FEWER
from glassgpu.experiments.softness_claims import of_plane
from glassgpu.experiments.watched_liquids import Watched

from glassgpu import landscape
from glassgpu.study import Result

REGRESSIONS = ("SVR", "ridge", "RBF SVR", "MLP")
EDGES = np.linspace(-5, 5, 41)  # of z-scored outputs
TOLD = 0.3  # error of a share of the variance beyond which it tells nothing
LATE = 5.0  # time from which on inherent propensities are compared


def judged(
    train: float, data: Watched, fits: Result, classifier: Result, explained: Mapping[float, Result], outputs: Mapping[str, Result],
    maps: Mapping[str, Result], transfer: Result, calibration: Result,
) -> dict[str, Any]:  # fmt: skip
    """Numbers by name of claim, for ``evaluate.claims_table``."""
    here = explained[train]["models"]
    pearson = {name: float(np.mean(here[name]["pearson"])) for name in here}
    temperatures = sorted(float(t) for t in outputs)
    slopes = {name: slope(maps, outputs, name, train) for name in maps}
    others = [found["models"] for t, found in explained.items() if t != train]
    measured = [m["measured"] for found in explained.values() for m in found["models"].values() if np.isfinite(m["measured"])]
    rows = calibration["rows"]
    noises = np.unique(rows[:, 0])
    shares = np.array([rows[rows[:, 0] == noise, 4].mean() for noise in noises])
    late = transfer["times"] >= LATE
    compared = {name: transfer["pearson"][name][late].mean() for name in ("thermal model", "inherent model")} if late.any() else None
    best = max(pearson["SVR"], pearson["ridge"])
    few = [slopes[f"{m} columns"] for m in FEWER if m <= 16]
    gains = [
        m["higher orders"]["explained"] - m["SVR"]["explained"]
        for m in others
        if max(m["higher orders"]["error"], m["SVR"]["error"]) < TOLD
    ]
    return {
        "pearson": [pearson["SVR"], pearson["ridge"]], "alike": pearson["ridge"] - pearson["SVR"],
        "nonlinear": [pearson[name] - best for name in ("RBF SVR", "MLP")], "explained": float(np.max(measured)) if measured else None,
        "cosines": [cosine(classifier, fits, *pair) for pair in (("SVC", "SVR"), ("SVC", "ridge"), ("SVR", "ridge"))],
        "not_orthogonal": cosine(classifier, fits, "SVC", "ridge"), "sigma": [deviation(outputs, name, train) for name in REGRESSIONS],
        "gaussian": float(max(abs(scipy.stats.skew(log_probability(of_plane(outputs, "SVR", t)).ravel())) for t in temperatures)),
        "monotone": [float(np.diff([of_plane(outputs, name, t).mean(dtype=float) for t in temperatures]).min()) for name in ("SVR", "SVC")],
        "divergence": [divergence(outputs, name, train) for name in ("SVR", "ridge")],
        "collapse": _finite([slopes[name] / slopes["SVC"] for name in REGRESSIONS]),
        "networks": _finite([slopes[name] / slopes["MLP"] for name in ("MLP half", "MLP double")]),
        "few_columns": _one(max(few) / min(few)) if np.isfinite(few).all() and min(few) > 0 else None,
        "more_columns": _one(here["SVR"]["eta"] - here["16 columns"]["eta"]),
        "higher_orders_flatter": _one(slopes["higher orders"] / slopes["SVR"]),
        "higher_orders_no_gain": _finite(gains), "labels": _one(slopes["label csd"] / slopes["SVR"]),
        "inherent_propensity": None if compared is None else float(compared["thermal model"] / compared["inherent model"]),
        "traps_slope": rows[rows[:, 0] == 0, 3].tolist(), "traps_underestimated": float((-np.diff(shares)).min()) if len(shares) > 1 else None,
    }  # fmt: skip


def _one(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _finite(values: list[float]) -> list[float] | None:
    return [float(v) for v in values] if len(values) and np.isfinite(values).all() else None


def log_probability(logit: np.ndarray) -> np.ndarray:
    """ln p of log-odds."""
    return -np.logaddexp(0.0, -np.asarray(logit, float))


def deviation(outputs: Mapping[str, Result], name: str, temperature: float) -> float:
    """Of a model's output, which for regressions is ln p_r, over A particles at a temperature."""
    values = of_plane(outputs, name, temperature).astype(float)
    return float((values if name == "SVC" else log_probability(values)).std())


def slope(maps: Mapping[str, Result], outputs: Mapping[str, Result], name: str, train: float) -> float:
    """Fall of Delta E for each training deviation of a model's output."""
    return float(maps[name]["linear"]["e1"] * of_plane(outputs, name, train).astype(float).std())


def divergence(outputs: Mapping[str, Result], name: str, train: float) -> float:
    """Jensen-Shannon divergence of z-scored outputs from softness."""
    a, b = (of_plane(outputs, n, train).ravel().astype(float) for n in ("SVC", name))
    b = b if name == "SVC" else log_probability(b)
    return landscape.jensen_shannon((a - a.mean()) / a.std(), (b - b.mean()) / b.std(), EDGES)


def weights(classifier: Result, fits: Result, name: str) -> np.ndarray:
    """Of standardised columns."""
    found = classifier if name == "SVC" else fits["models"][name]
    return np.ravel(found["kept"]["fitted"]["coef_"])


def cosine(classifier: Result, fits: Result, a: str, b: str) -> float:
    """Between two models' weights, each of its own standardised columns."""
    u, v = weights(classifier, fits, a), weights(classifier, fits, b)
    return float(u @ v / np.sqrt((u @ u) * (v @ v)))
