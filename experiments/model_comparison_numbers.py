"""What ``model_comparison`` reads off its fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from glassgpu.experiments.model_comparison_data import Data


@dataclass(frozen=True, eq=False)
class Numbers:
    """Pearson coefficients on the test configurations, unless said otherwise; T times, C test configurations, S species.

    Attributes:
        times, ceiling: (T,), (S, T), the ceiling a mean over the test configurations.
        ridge: (S, generations, T).
        ridge_error: (T,) between configurations, of the first species at the last generation.
        table_one: (S, rows, generations, T).
        networks: (S, generations, T), of the row with the best validation score at each time.
        table_two: by row and species, (T,).
        best: by model and species, (T,): generations, row, or row of table II of the best validation score at each time.
        chosen: by model and species, (C, T): the same, by configuration.
        pooled: by model and species, (T,): over the particles of all test configurations.
        table_whole: (T,), row 1 of the first species, one network for all times.
        layers: by number, (T,); ``most_layers``: those of row 1.
        curve: by model, (sizes, T), with ``sizes``.
        states: by state and model, (T,), first species.
        flattery: by model, mean of the score with the epoch (of ridge, the penalty) chosen on the test configurations less that chosen on the
            validation configurations.
        all_flattery: the same with rows and generations chosen on the test configurations too.
        scatter: by model, standard deviation between seeds of the mean over times, first species.
        seconds: by model.
    """

    times: np.ndarray
    ceiling: np.ndarray
    ridge: np.ndarray
    ridge_error: np.ndarray
    table_one: np.ndarray
    networks: np.ndarray
    table_two: dict[tuple[int, int], np.ndarray]
    table_whole: np.ndarray
    best: dict[tuple[str, int], np.ndarray]
    chosen: dict[tuple[str, int], np.ndarray]
    pooled: dict[tuple[str, int], np.ndarray]
    layers: dict[int, np.ndarray]
    most_layers: int
    sizes: list[int]
    curve: dict[str, np.ndarray]
    states: dict[tuple[str, str], np.ndarray]
    flattery: dict[str, float]
    all_flattery: dict[str, float]
    scatter: dict[str, float]
    seconds: dict[str, float]


MODELS = ("ridge", "network", "graph network")


def _of_graphs(results: list[Any], name: str) -> np.ndarray:
    """Of one network for all times, or one for each, by time."""
    return np.concatenate([r[name] for r in results], axis=-1 if name.startswith("prediction") else 0)


def numbers(data: Data, found: Any, most_layers: int) -> Numbers:
    """Everything the report says."""
    from glassgpu.experiments.model_comparison_fits import pooled_pearson, rows_of, targets_of

    thermal = next(iter(data.states))
    kinds, generations = range(len(data.species)), range(1, data.generations + 1)
    test = list(found.fold.test)
    times = data.ensemble["times"]
    ceiling = data.ensemble["noise_ceiling"][test].mean(axis=0).T
    at = np.arange(len(times))

    lines = {k: [found.linear[thermal, k, g] for g in generations] for k in kinds}
    ridge = np.array([[r["pearson"].mean(axis=1) for r in lines[k]] for k in kinds])
    nets = {k: found.networks[thermal, k] for k in kinds}
    table_one = np.array([nets[k]["pearson"].mean(axis=(3, 4)) for k in kinds])
    best: dict[tuple[str, int], np.ndarray] = {}
    chosen: dict[tuple[str, int], np.ndarray] = {}
    pooled: dict[tuple[str, int], np.ndarray] = {}
    by_row = []
    table_two = {
        (row, k): _of_graphs(results, f"pearson-{k}").mean(axis=1)
        for (row, who), results in found.graphs.items()
        for k in (kinds if who is None else [who])
    }
    for k in kinds:
        y = targets_of(data.ensemble, rows_of(data.states[thermal], k))[test]
        pick = np.argmax([r["validation"] for r in lines[k]], axis=0)
        best["ridge", k] = ridge[k, pick, at]
        chosen["ridge", k] = np.stack([lines[k][g]["pearson"][t] for t, g in enumerate(pick)], axis=1)
        pooled["ridge", k] = np.array([lines[k][g]["pooled"][t] for t, g in enumerate(pick)])
        judged = nets[k]["validation"][..., 0]
        row = judged.argmax(axis=0)
        by_row.append([[table_one[k, row[g, t], g, t] for t in at] for g in range(len(generations))])
        s, g = np.unravel_index(judged.reshape(-1, len(at)).argmax(axis=0), judged.shape[:2])
        best["network", k] = table_one[k, s, g, at]
        chosen["network", k] = nets[k]["pearson"][s, g, at, 0].T
        pooled["network", k] = nets[k]["pooled"][s, g, at, 0]
        every = {r: results for (r, who), results in found.graphs.items() if who in (k, None)}
        rows = [list(every)[w] for w in np.argmax([_of_graphs(results, f"validation-{k}") for results in every.values()], axis=0)]
        scores = {r: _of_graphs(results, f"pearson-{k}") for r, results in every.items()}
        predicted = {r: _of_graphs(results, f"prediction-{k}") for r, results in every.items()}
        best["graph network", k] = np.array([scores[r][t].mean() for t, r in enumerate(rows)])
        chosen["graph network", k] = np.stack([scores[r][t] for t, r in enumerate(rows)], axis=1)
        pooled["graph network", k] = pooled_pearson(y, np.stack([predicted[r][..., t] for t, r in enumerate(rows)], axis=2))
    sizes = [*sorted({size for size, _ in found.curve}), len(found.fold.train)]
    whole = {
        "ridge": found.linear[thermal, 0, data.generations]["pearson"].mean(axis=1),
        "network": table_one[0, -1, -1],
        "graph network": found.whole["pearson-0"].mean(axis=1),
    }
    curve = {}
    for model in MODELS:
        parts = []
        for size in sizes[:-1]:
            result = found.curve[size, model]
            score = {"ridge": "pearson", "network": "pearson", "graph network": "pearson-0"}[model]
            parts.append(result[score][0, 0, :, 0].mean(axis=1) if model == "network" else result[score].mean(axis=1))
        curve[model] = np.array([*parts, whole[model]])
    states = {(thermal, model): whole[model] for model in MODELS}
    for state in list(data.states)[1:]:
        states[state, "ridge"] = found.linear[state, 0, data.generations]["pearson"].mean(axis=1)
        states[state, "network"] = found.networks[state, 0]["pearson"][0, 0, :, 0].mean(axis=1)
        states[state, "graph network"] = found.states[state, 0]["pearson-0"].mean(axis=1)
    rows_of_graphs = [r for results in found.graphs.values() for r in results]
    epoch = {
        "ridge": np.mean([r["flattered"] - r["pearson"].mean(axis=1) for k in kinds for r in lines[k]]),
        "network": np.mean([n["flattered"] - n["pooled"] for n in nets.values()]),
        "graph network": np.mean([r["flattered"] - r["pooled"] for r in rows_of_graphs]),
    }
    everything = {
        "ridge": np.mean([np.max([r["flattered"] for r in lines[k]], axis=0) - best["ridge", k] for k in kinds]),
        "network": np.mean([nets[k]["flattered"][..., 0].reshape(-1, len(at)).max(axis=0) - pooled["network", k] for k in kinds]),
        "graph network": epoch["graph network"]
        + np.mean([np.max([v for (_, who), v in table_two.items() if who == k], axis=0) - best["graph network", k] for k in kinds]),
    }
    scatter = {
        "network": _scatter([whole["network"], *np.moveaxis(found.again["network"][0]["pearson"][0, 0].mean(axis=2), 1, 0)]),
        "graph network": _scatter([whole["graph network"], *(r["pearson-0"].mean(axis=1) for r in found.again["graph network"])]),
    }
    seconds = {
        "ridge": sum(r["seconds"] for k in kinds for r in lines[k]),
        "ridge, one generation": sum(lines[k][0]["seconds"] for k in kinds),
        "network": sum(n["seconds"] for n in nets.values()),
        "graph network": sum(r["seconds"] for k in kinds for r in found.graphs[1, k]),
        "all graph networks": sum(r["seconds"] for r in rows_of_graphs),
    }
    last = found.linear[thermal, 0, data.generations]["pearson"]
    return Numbers(
        times, ceiling, ridge, last.std(axis=1, ddof=1) / np.sqrt(last.shape[1]) if last.shape[1] > 1 else np.full(len(at), np.nan),
        table_one, np.array(by_row), table_two, whole["graph network"], best, chosen, pooled, {k: r["pearson-0"].mean(axis=1) for k, r in found.layers.items()}, most_layers,
        sizes, curve, states, epoch, everything, scatter, seconds,
    )  # fmt: skip


def _scatter(curves: list[np.ndarray]) -> float:
    """Standard deviation of the mean over times between seeds."""
    return float(np.std(np.mean(curves, axis=1), ddof=1))


def claims(n: Numbers, found: Any) -> dict[str, Any]:
    """By name of the claim."""
    species = range(len(n.ridge))
    late = slice(len(n.times) // 2, None)
    gain = n.ridge[:, -1] - n.ridge[:, 0]

    def less_ridge(model: str) -> tuple[float, float]:
        """Mean over times and species, and the scatter of seeds."""
        return float(np.mean([n.best[model, k] - n.best["ridge", k] for k in species])), n.scatter[model]

    two = np.sqrt(2) * n.scatter["graph network"]  # of the difference of two trainings
    rows = n.table_one[0, :, -1].mean(axis=1)
    apart = [n.table_two[row, 0].mean() for row in (1, 2, 3) if (row, 0) in n.table_two]
    tried = [n.table_whole[t] - r["pearson-0"].mean() for (_, t), r in found.alone.items()]
    return {
        "generations_late": float(gain[:, late].mean()),
        "generations_early": float(gain[:, 0].mean()),
        "networks_agree": less_ridge("network"),
        "graphs_agree": less_ridge("graph network"),
        "one_layer": (float(rows[0] - rows[1:].max()), np.sqrt(2) * n.scatter["network"]),
        "variants_agree": (float(np.ptp(apart)), two) if len(apart) == 3 else None,
        "together": (float(np.mean([n.table_two[5, k] - n.table_two[1, k] for k in species])), two) if (5, 0) in n.table_two else None,
        "all_times": (float(np.mean(tried)), two) if tried else None,
        "below_ceiling": float(max((score / n.ceiling[k]).max() for (_, k), score in n.best.items())),
        "flattery": n.flattery["network"],
        "line_is_fast": min(
            n.seconds["network"] / n.table_one.shape[1] / n.seconds["ridge"],
            n.seconds["graph network"] / n.seconds["ridge, one generation"],
        ),
    }
