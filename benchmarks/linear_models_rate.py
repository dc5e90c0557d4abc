"""Many linear fits of the same rows beside loops of scikit-learn, in alternating rounds, on all cores.

    python -m benchmarks.linear_models_rate --out benchmarks/results/linear_models_rate.json

276 coarse-grained columns of LIN's table I of 10 configurations of the ternary mixture, N = 4000, melted from
random places; the target is a sum of a few of them and noise; all have variance 1. Sums of products are
part of our time.

Ridge regression: 5 folds x 10 resamplings of the configurations outside the fold x 20 alphas. Of
scikit-learn's 1000 fits some are timed, spread over all, ``fit`` alone, with as many threads of BLAS as are
fastest, and the mean taken for the rest.

Elastic nets: 50 alphas x 20 ratios. scikit-learn once in its best form (one Gram matrix, warm starts, ratios
over the cores), once as a loop of ``ElasticNet.fit`` on one core, of which some are timed. Its tolerance is its
default; how far its objectives are above ours is told, and ours are never above its.

Weights and objectives are compared, so that nobody is fast by being wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import glassgpu as gg
from benchmarks.peers import scikit_learn_loop as peer
from glassgpu.models import Moments, elastic_net_path, ridge_paths

FOLDS, RESAMPLINGS = 5, 10
RIDGE_ALPHAS = np.geomspace(100, 1e-3, 20)
ALPHAS, RATIOS = np.geomspace(1, 1e-3, 50), np.linspace(0.05, 1, 20)
TOLERANCE = 1e-4  # of scikit-learn's duality gap over y'y
PUBLISHED = {"Ridge 40000 x 400 fp32, one core of a Zen 5 server, s": 0.10, "ElasticNet, one alpha, the same, s": 0.05}


def rows_of_liquids(configurations: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns (configurations, n, 276) and target (configurations, n), over all rows of mean 0 and variance 1."""
    system = gg.systems.ternary_2d(n=n)
    melts = [
        gg.simulate.md(system, system.random_snapshot(s), temperature=0.6, duration=1.0, seed=s, backend="cpu", progress=False).final
        for s in range(configurations)
    ]
    x = gg.descriptors.BehlerParrinello(coarse_graining=1.5, r_max=min(20.0, system.box.min() / 2), backend="cpu")(melts).values
    x = (x - x.mean(axis=(0, 1))) / x.std(axis=(0, 1))
    y = x[..., ::40].sum(axis=-1) + 3 * np.random.default_rng(0).normal(size=x.shape[:2])
    return x, (y - y.mean()) / y.std()


def training_counts(configurations: int) -> np.ndarray:
    """How often each configuration stands in each training set, (folds x resamplings, configurations)."""
    random = np.random.default_rng(1)
    out = np.zeros((FOLDS * RESAMPLINGS, configurations), int)
    for s, counts in enumerate(out):
        others = np.flatnonzero(np.arange(configurations) % FOLDS != s // RESAMPLINGS)
        np.add.at(counts, random.choice(others, len(others)), 1)
    return out


def timed(run: Callable[[], Any]) -> tuple[Any, float]:
    """A result and the wall seconds it took."""
    began = time.perf_counter()
    out = run()
    return out, time.perf_counter() - began


def ridge(x: np.ndarray, y: np.ndarray, rounds: int, sample: int) -> dict[str, Any]:
    """Folds x resamplings x alphas; ``sample`` of scikit-learn's fits a round."""
    counts = training_counts(len(x))
    fits = len(counts) * len(RIDGE_ALPHAS)

    def all_of_them() -> np.ndarray:
        parts = [Moments.of(a, b) for a, b in zip(x, y, strict=True)]
        return ridge_paths(Moments.resampled(parts, counts), RIDGE_ALPHAS)[0][..., 0]

    _, first = timed(all_of_them)
    ours, apart = [], 0.0
    theirs: dict[int, list[float]] = {threads: [] for threads in range(1, len(os.sched_getaffinity(0)) + 1)}
    for turn in range(rounds):
        weights, seconds = timed(all_of_them)
        ours.append(seconds)
        for k in np.linspace(turn, fits - 1 - turn, sample).astype(int):
            s, a = divmod(int(k), len(RIDGE_ALPHAS))
            rows = np.repeat(np.arange(len(x)), counts[s])
            for threads, seconds_of in theirs.items():
                expected, seconds = peer.ridge(x[rows].reshape(-1, x.shape[-1]), y[rows].ravel(), RIDGE_ALPHAS[a], threads)
                seconds_of.append(seconds)
            apart = max(apart, float(np.linalg.norm(weights[s, a] - expected) / np.linalg.norm(expected)))
    assert apart < 1e-6, f"weights differ by {apart:.1e} of their length"
    extrapolated = fits * min(statistics.mean(seconds) for seconds in theirs.values())
    return {
        "fits": fits,
        "glassgpu_seconds": {"median": statistics.median(ours), "first_call": first, "rounds": ours},
        "scikit_learn_seconds_a_fit_by_threads_of_blas": {n: {"mean": statistics.mean(s), "fits": s} for n, s in theirs.items()},
        "scikit_learn_seconds_extrapolated": extrapolated,
        "ratio": extrapolated / statistics.median(ours),
        "largest_relative_difference_of_weights": apart,
    }


def objectives(moments: Moments, weights: np.ndarray) -> np.ndarray:
    """What an elastic net minimises, (ratios, alphas), of weights (ratios, alphas, features)."""
    p = moments.products(standardize=False, fit_intercept=True)
    rest = p.square[0] - 2 * weights @ p.product[:, 0] + ((weights @ p.gram) * weights).sum(axis=-1)
    one, two = np.abs(weights).sum(axis=-1), (weights**2).sum(axis=-1)
    return rest / 2 + ALPHAS * (RATIOS[:, None] * one + (1 - RATIOS[:, None]) / 2 * two)


def elastic_nets(x: np.ndarray, y: np.ndarray, rounds: int, sample: int) -> dict[str, Any]:
    """A grid of alphas and ratios, beside the best form and a loop of ``sample`` fits."""
    cores = len(os.sched_getaffinity(0))
    x, y = x.reshape(-1, x.shape[-1]), y.ravel()
    in_columns = np.asfortranarray(x)  # as scikit-learn wants it, not part of its time

    def grid() -> np.ndarray:
        return elastic_net_path(Moments.of(x, y), ALPHAS, RATIOS, backend="cpu").weights[0, ..., 0]

    _, first = timed(grid)
    ours, theirs = [], []
    for _ in range(rounds):
        weights, seconds = timed(grid)
        ours.append(seconds)
        (found, converged), seconds = timed(lambda: peer.elastic_net_paths(in_columns, y, ALPHAS, RATIOS, TOLERANCE, cores))
        theirs.append(seconds)
    moments = Moments.of(x, y)
    least, best = objectives(moments, weights), objectives(moments, found)
    assert (least <= best + 1e-12).all(), f"an objective is {(least - best).max():.1e} above scikit-learn's"
    alone, missed, excess = [], 0, 0.0
    for k in np.linspace(0, least.size - 1, sample).astype(int):
        r, a = divmod(int(k), len(ALPHAS))
        one, reached, seconds = peer.elastic_net(in_columns, y, ALPHAS[a], RATIOS[r], TOLERANCE)
        alone.append(seconds)
        missed += not reached
        other = np.array(weights)
        other[r, a] = one
        excess = max(excess, float(objectives(moments, other)[r, a] / least[r, a] - 1))
    loop = least.size * statistics.mean(alone)
    return {
        "solutions": least.size,
        "glassgpu_seconds": {"median": statistics.median(ours), "first_call": first, "rounds": ours},
        "best_form_seconds": {"median": statistics.median(theirs), "rounds": theirs},
        "best_form_not_converged": int((~converged).sum()),
        "best_form_largest_relative_excess": float((best / least - 1).max()),
        "ratio_to_best_form": statistics.median(theirs) / statistics.median(ours),
        "scikit_learn_tolerance": TOLERANCE,
        "loop_seconds_a_fit": {"mean": statistics.mean(alone), "fits": alone},
        "loop_not_converged": missed,
        "loop_largest_relative_excess": excess,
        "loop_seconds_extrapolated": loop,
        "ratio_to_loop": loop / statistics.median(ours),
    }


def table(result: dict[str, Any]) -> str:
    """The figures as lines of text."""
    lines = []
    for name, theirs, ratio in (
        ("ridge", "scikit_learn_seconds_extrapolated", "ratio"),
        ("elastic_net", "best_form_seconds", "ratio_to_best_form"),
        ("elastic_net", "loop_seconds_extrapolated", "ratio_to_loop"),
    ):
        part = result[name]
        seconds = part[theirs]["median"] if isinstance(part[theirs], dict) else part[theirs]
        lines.append(
            f"{name:12s} ours {part['glassgpu_seconds']['median']:8.3f} s   {theirs:34s} {seconds:9.2f} s   ratio {part[ratio]:8.1f}"
        )
    return "\n".join(lines + [f"published: {name} {seconds}" for name, seconds in PUBLISHED.items()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("linear_models_rate.json"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sample", type=int, default=12, help="fits of scikit-learn's loops that are timed")
    parser.add_argument("--small", action="store_true", help="400 rows of each configuration: whether it runs at all")
    options = parser.parse_args()
    x, y = rows_of_liquids(10, 400 if options.small else 4000)
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": os.getloadavg()[0],
        "rows": x.shape[0] * x.shape[1],
        "columns": x.shape[2],
        "ridge": ridge(x, y, options.rounds, options.sample),
        "elastic_net": elastic_nets(x, y, options.rounds, options.sample),
        "published": PUBLISHED,
    }
    options.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))
    print(table(result))


if __name__ == "__main__":
    main()
