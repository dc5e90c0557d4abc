"""Training of networks beside scikit-learn and, where it is installed, PyTorch, in alternating rounds.

    python -m benchmarks.networks_rate --out benchmarks/results/networks_rate.json

The grid of CMP: five networks (table I) x 8 times x 3 generations of 354 columns, 9600 rows (16 liquids of 600 large spheres), batches of
50, for ten epochs: in one call of ``fit_together``, and one after another: by ``MLPRegressor`` (the same kernel), by the same training loop in JAX
without the kernel, by scikit-learn, and by PyTorch as CMP did. A peer trains one network of each row and number of generations, and the
seconds are those for all 120: a time is like another.

The graph network of row 1 of CMP's table II: one step on a liquid of 2000 hard spheres at a packing of 0.56, by the kernel, by JAX without
it, and by PyTorch.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from glassgpu.experiments.model_comparison import NETWORKS
from sklearn.neural_network import MLPRegressor as Peer

import glassgpu as gg
from benchmarks.peers import torch_networks
from glassgpu.models import GraphNetwork, MLPRegressor, fit_together, messages, together, training
from glassgpu.models.graphs import graphs_of

ROWS, COLUMNS, TIMES, GENERATIONS, BATCH, EPOCHS = 9600, 354, 8, 3, 50, 10
LIQUIDS = 8  # of an epoch of the graph network


def seconds(function: Any) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


@contextlib.contextmanager
def without_kernels() -> Iterator[None]:
    """JAX alone; what was compiled is forgotten."""
    training._compiled.cache_clear()
    with (
        mock.patch.object(together, "kernel_serves", return_value=False),
        mock.patch.object(messages, "_kernel_serves", return_value=False),
    ):
        yield
    training._compiled.cache_clear()


def steps() -> int:
    return EPOCHS * -(-ROWS // BATCH)


def grid(x: np.ndarray, y: np.ndarray, rounds: int) -> dict[str, Any]:
    """Seconds of the whole grid by each way."""
    settings = [(row, g) for g in range(1, GENERATIONS + 1) for row in NETWORKS]
    share = len(settings) * TIMES / len(settings)  # every network that is timed alone stands for all times

    def new(row: dict[str, Any]) -> MLPRegressor:
        return MLPRegressor(**row, batch=BATCH, learning_rate=1e-4, epochs=EPOCHS, progress=False)

    def at_once() -> None:
        models = [new(row) for row, _ in settings for _ in range(TIMES)]
        at = [t for _ in settings for t in range(TIMES)]
        fit_together(models, x, y[:, at], columns=[g * COLUMNS for _, g in settings for _ in range(TIMES)], progress=False)

    def alone() -> None:
        for row, g in settings:
            new(row).fit(x[:, : g * COLUMNS], y[:, 0])

    def peer() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for row, g in settings:
                Peer(
                    hidden_layer_sizes=row["hidden"], alpha=row.get("alpha", 0.0), batch_size=BATCH, max_iter=EPOCHS, learning_rate_init=1e-4,
                    n_iter_no_change=EPOCHS + 1, tol=0.0,
                ).fit(x[:, : g * COLUMNS].astype(np.float32), y[:, 0].astype(np.float32))  # fmt: skip

    def torch() -> float:
        spent = 0.0
        for row, g in settings:
            dropout = row.get("dropout", (0.0,) * len(row["hidden"]))
            spent += 300 * torch_networks.step_seconds(
                x[:, : g * COLUMNS].astype(np.float32),
                y[:, 0].astype(np.float32),
                row["hidden"],
                dropout,
                row.get("alpha", 0.0),
                BATCH,
                300,
            )
        return spent * steps() / 300

    found: dict[str, list[float]] = {
        "one call": [],
        "one after another": [],
        "one after another, JAX": [],
        "one after another, scikit-learn": [],
    }
    for _ in range(rounds):
        at_once()  # compiles
        found["one call"].append(seconds(at_once))
        alone()
        found["one after another"].append(share * seconds(alone))
        with without_kernels():
            alone()
            found["one after another, JAX"].append(share * seconds(alone))
        found["one after another, scikit-learn"].append(share * seconds(peer))
        try:
            found.setdefault("one after another, PyTorch", []).append(share * torch())
        except ImportError:
            found.pop("one after another, PyTorch", None)
    out: dict[str, Any] = {name: {"median": statistics.median(s), "rounds": s} for name, s in found.items()}
    networks = len(settings) * TIMES
    out["microseconds_of_a_step_of_a_network"] = {name: 1e6 * out[name]["median"] / networks / steps() for name in found}
    out["ratio"] = {name: out[name]["median"] / out["one call"]["median"] for name in found if name != "one call"}
    return out


def graph(rounds: int) -> dict[str, Any]:
    """Milliseconds of a step of a graph network on one configuration."""
    snapshot = gg.systems.hard_spheres(n=2000, packing_fraction=0.56).random_snapshot(1)
    random = np.random.default_rng(0)
    x, y = random.normal(size=(1, snapshot.n, COLUMNS)), random.normal(size=(1, snapshot.n))

    def fit(epochs: int) -> None:
        GraphNetwork(epochs=epochs, batch=1, progress=False).fit([snapshot] * LIQUIDS, y.repeat(LIQUIDS, axis=0), x.repeat(LIQUIDS, axis=0))

    def ours(many: int) -> float:
        fit(1)
        return (seconds(lambda: fit(1 + many)) - seconds(lambda: fit(1))) / many / LIQUIDS

    graphs = graphs_of([snapshot], 2.1)
    i, k = np.nonzero(graphs.there[0])
    pairs, between = np.stack([i, graphs.neighbour[0, i, k]]), graphs.distance[0, i, k, None].astype(np.float32)
    found: dict[str, list[float]] = {"kernel": [], "JAX": []}
    for _ in range(rounds):
        found["kernel"].append(ours(10))
        with without_kernels():
            found["JAX"].append(ours(3))
        try:
            found.setdefault("PyTorch", []).append(
                torch_networks.graph_seconds(x[0].astype(np.float32), between, pairs, y[0].astype(np.float32), 4, 10)
            )
        except ImportError:
            found.pop("PyTorch", None)
    out: dict[str, Any] = {name: {"median_ms": 1e3 * statistics.median(s), "rounds": s} for name, s in found.items()}
    return {
        "edges": len(i),
        **out,
        "ratio": {name: out[name]["median_ms"] / out["kernel"]["median_ms"] for name in found if name != "kernel"},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("networks_rate.json"))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, GENERATIONS * COLUMNS))
    y = x @ random.normal(size=(GENERATIONS * COLUMNS, TIMES)) / 30 + random.normal(size=(ROWS, TIMES))
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    result: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()),
        "cores": len(os.sched_getaffinity(0)), "load_before": os.getloadavg()[0],
        "grid": grid(x, y, options.rounds), "graph": graph(options.rounds),
    }  # fmt: skip
    result["load_after"] = os.getloadavg()[0]
    options.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
