"""What the thesis' chapters 1 and 2 claim, computed from the stages of ``softness``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.stats
from glassgpu.experiments.softness_stages import plane_of
from glassgpu.experiments.watched_liquids import Watched

from glassgpu.models import cosine
from glassgpu.study import Result

COLD_RANGE = (0.50, 0.70)  # within which P(R | S) must have events enough
BINS_NEEDED = 7


def judged(
    hot: tuple[float, ...], data: Watched, examples: Mapping[str, Result], trained: Mapping[str, Result], scores: Mapping[str, Result],
    maps: Mapping[str, Result], transfer: Result,
) -> dict[str, Any]:  # fmt: skip
    """Numbers by name of claim, for ``evaluate.claims_table``."""
    cold = examples["cold"]
    thermal, inherent = trained["thermal"]["thermal"], trained["inherent"]["inherent"]
    tails = [f"{t:g}" for t in hot]
    fluid = [f"fluidity {t}" for t in tails]
    shape = moments(scores, "softness", [t for t in data.temperatures if t not in hot])
    soft = maps["softness"]
    within = (soft["temperatures"] >= COLD_RANGE[0] - 1e-9) & (soft["temperatures"] <= COLD_RANGE[1] + 1e-9)
    ranked = np.sort(soft["events"][within], axis=1)[:, ::-1]
    mean_accuracy = {name: float(np.mean(found["accuracy"])) for name, found in transfer["cold"].items()}
    differences = [(soft["onset"], maps[name]["onset"]) for name in fluid]
    slopes = {name: slope_in_z(maps, scores, data, name) for name in ("softness", *fluid)}
    return {
        "shares": _at(data, (0.50, 0.60, 0.70), "share_hopping"), "median_p_hop": _at(data, (0.50, 0.60), "median_p_hop"),
        "thesis_quiet_empty": cold["thesis_quiet_spells"],
        "examples": [int(cold["sets"][name]["label"].sum()) for name in ("thermal", "inherent")],
        "accuracy_inherent": _mean(inherent["accuracy"]), "accuracy_thermal": _mean(thermal["accuracy"]),
        "shuffled_labels": float(np.mean(thermal["shuffled"])),
        "events_per_bin": ranked[:, min(BINS_NEEDED, ranked.shape[1]) - 1].tolist(),
        "kramers": _number(soft["reduced_chi2"]),
        "kramers_shared": _number(soft["shared_chi2"]),
        "skewness": float(np.abs(shape["skewness"]).max()), "kurtosis": float(np.abs(shape["kurtosis"]).max()),
        "barriers_fall": _significance(soft), "controls_do_not": _known([_significance(maps[name]) for name in ("shuffled", "random")]),
        "onset": _onset(soft), "onset_of_fluidity": _difference(differences),
        "transfer": [transfer["cold"][f"{t} both tails"]["low"] for t in tails],
        "both_tails": [mean_accuracy[f"{t} both tails"] - max(mean_accuracy[f"{t} high tail"], mean_accuracy[f"{t} low tail"]) for t in tails],
        "softness_above_onset": [transfer["hot"][t]["best_accuracy"] / trained[t]["both tails"]["best_accuracy"] for t in tails],
        "cosines": [cosine(plane_of(trained[t]["both tails"]["plane"]), plane_of(thermal["plane"])) for t in tails],
        "sigma": [deviation(scores, "softness", data.temperatures[0]), *(deviation(scores, f"fluidity {t:g}", t) for t in hot)],
        "monotone": [float(np.diff(moments(scores, name, data.temperatures)["mean"]).min()) for name in ("softness", *fluid)],
        "collapse": [slopes[name] / slopes["softness"] for name in fluid],
        "colder_alone": maps["softness below"]["linear"]["e1"] / soft["linear"]["e1"],
    }  # fmt: skip


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _mean(values: np.ndarray) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def _at(data: Watched, temperatures: tuple[float, ...], what: str) -> list[float] | None:
    near = [[t for t in data.temperatures if abs(t - wanted) < 1e-9] for wanted in temperatures]
    return [float(data.frames[found[0]][what]) for found in near] if all(near) else None


def _significance(found: Mapping[str, Any]) -> float | None:
    """How far Delta E falls with S, in standard errors."""
    line = found["linear"]
    ratio = line["e1"] / line["errors"][1]
    return float(ratio) if np.isfinite(ratio) else None


def _known(values: list[float | None]) -> list[float] | None:
    return None if any(v is None for v in values) else [float(v) for v in values if v is not None]


def _onset(found: Mapping[str, Any]) -> tuple[float, float] | None:
    onset = found["onset"]
    good = np.isfinite(onset["temperature"]) and np.isfinite(onset["error"])
    return (onset["temperature"], onset["error"]) if good else None


def _difference(pairs: list[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> tuple[list[float], list[float]] | None:
    if not all(np.isfinite([a["temperature"], b["temperature"], a["error"], b["error"]]).all() for a, b in pairs):
        return None
    return [b["temperature"] - a["temperature"] for a, b in pairs], [float(np.hypot(a["error"], b["error"])) for a, b in pairs]


def of_plane(scores: Mapping[str, Result], name: str, temperature: float) -> np.ndarray:
    """w.F of a hyperplane, (run, frame, A) float32."""
    result = scores[f"{temperature:g}"]
    return result["projection"][list(result["names"]).index(name)]


def moments(scores: Mapping[str, Result], name: str, temperatures: Any) -> dict[str, np.ndarray]:
    """Mean, deviation, skewness and excess kurtosis of w.F by temperature."""
    values = [of_plane(scores, name, t).ravel().astype(float) for t in temperatures]
    return {
        "mean": np.array([v.mean() for v in values]), "deviation": np.array([v.std() for v in values]),
        "skewness": np.array([scipy.stats.skew(v) for v in values]), "kurtosis": np.array([scipy.stats.kurtosis(v) for v in values]),
    }  # fmt: skip


def deviation(scores: Mapping[str, Result], name: str, temperature: float) -> float:
    """Of w.F over all A particles."""
    return float(of_plane(scores, name, temperature).astype(float).std())


def training_temperature(name: str, data: Watched) -> float:
    """At which a hyperplane was learned."""
    return float(name.split()[1]) if name.startswith("fluidity") else data.temperatures[0]


def slope_in_z(maps: Mapping[str, Result], scores: Mapping[str, Result], data: Watched, name: str) -> float:
    """Slope of Delta E against the z-score x, per unit of x."""
    return float(maps[name]["linear"]["e1"] * deviation(scores, name, training_temperature(name, data)))
