"""Greedy selection by information imbalance beside NumPy, on all cores; wall and processor seconds of the whole.

    python -m benchmarks.imbalance_rate --out benchmarks/results/imbalance_rate.json

15 of the 60 SLO columns of the ternary mixture, N = 4000, as in II: for a target of one column (Delta(X_d -> y) of
795 candidates, both directions of the 15 chosen), and without (both directions of every candidate). NumPy
needs no sort per candidate either, which is its best form; it makes the whole selection once, ours is the median of
rounds before and after it. Both must choose the same columns with the same imbalances to the last digit. For information
also one candidate with a full sort per row, one of DADApy where it is installed, and a selection of ours from
normal random numbers, of which more have to be looked at. performance.md states 1.64 s per candidate of DADApy on one core of
a Zen 5 server, both directions, and 0.02 to 0.03 s in plain NumPy.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import glassgpu as gg
from benchmarks.peers.imbalance_numpy import Greedy, sorted_candidate
from glassgpu.selection import greedy_selection
from glassgpu.selection.greedy import prepared

CHOSEN = 15


def timed(run: Callable[[], Any]) -> tuple[Any, np.ndarray]:
    """A result, and the wall and processor seconds it took."""
    wall, processor = time.perf_counter(), time.process_time()
    out = run()
    return out, np.array([time.perf_counter() - wall, time.process_time() - processor])


def dadapy_candidate(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Seconds of DADApy for one candidate, both directions, ranks in the target given."""
    try:
        from dadapy import MetricComparisons
    except Exception as error:
        return {"not importable": str(error)}
    target, columns = (MetricComparisons(a, maxk=len(a) - 1, n_jobs=1) for a in (y, x))
    target.compute_distances()
    found, seconds = timed(lambda: columns.return_inf_imb_target_selected_coords(target.dist_indices, [list(range(x.shape[1]))]))
    return {"seconds of a candidate on one core": seconds[0], "Delta(y -> X), Delta(X -> y), rounded": found.ravel().tolist()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("imbalance_rate.json"))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    system = gg.systems.ternary_2d()
    columns = gg.descriptors.SLO(system, backend="cpu")(system.random_snapshot(1))
    x = prepared(columns.values, list(columns.feature.values), True)
    n, many = x.shape
    random = np.random.default_rng(0)
    y = x[:, [12, 3, 44, 25, 31]] @ [1, 0.8, 0.6, 0.4, 0.2] + 0.5 * random.normal(size=n)
    normal = random.normal(size=x.shape)
    cores = len(os.sched_getaffinity(0))

    def ours(x: np.ndarray, y: np.ndarray | None) -> Any:
        return greedy_selection(x, y, CHOSEN, standardize=False, backend="cpu", progress=False)

    ours(x[:200], None)  # compiles
    candidates = sum(range(many, many - CHOSEN, -1))
    results: dict[str, Any] = {}
    for name, target in (("supervised", y), ("unsupervised", None)):
        seconds = [timed(lambda target=target: ours(x, target))[1] for _ in range(options.rounds)]  # type: ignore[misc]
        peer, prepare = timed(lambda target=target: Greedy(x, x if target is None else target[:, None], cores))  # type: ignore[misc]
        (features, path), loop = timed(lambda target=target, peer=peer: peer.select(CHOSEN, target is None))  # type: ignore[misc]
        for _ in range(options.rounds):
            found, one = timed(lambda target=target: ours(x, target))  # type: ignore[misc]
            seconds.append(one)
        assert list(found.features) == features and np.array_equal(found.imbalance, path)
        median, theirs = np.median(seconds, axis=0), prepare + loop
        results[name] = {
            "glassgpu, wall and processor seconds": {"median": median.tolist(), "rounds": np.array(seconds).tolist()},
            "NumPy, wall and processor seconds": {"ranks of the target": prepare.tolist(), "selection": loop.tolist()},
            "NumPy, wall seconds of a candidate": loop[0] / candidates,
            "ratio of wall seconds": theirs[0] / median[0],
            "ratio of processor seconds": theirs[1] / median[1],
            "glassgpu from normal random columns, wall and processor seconds": timed(lambda target=target: ours(normal, target))[
                1
            ].tolist(),  # type: ignore[misc]
            "features": [str(columns.feature.values[f]) for f in features],
        }
    peer = Greedy(x, y[:, None], cores)
    of_three, sort_seconds = timed(lambda: sorted_candidate(x[:, :3], peer.ranks, peer.nearest))
    deltas = gg.selection.information_imbalance(x[:, :3], y, backend="cpu")
    assert tuple(2 * s / n**2 for s in of_three) == deltas
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()),
        "cores": cores,
        "points": n,
        "columns": many,
        "chosen": CHOSEN,
        "candidates": candidates,
        **results,
        "three columns, both directions": {
            "glassgpu, seconds on all cores": timed(lambda: gg.selection.information_imbalance(x[:, :3], y, backend="cpu"))[1][0],
            "NumPy with sorts, seconds on one core": sort_seconds[1],
            "DADApy": dadapy_candidate(x[:, :3], y[:, None]),
            "Delta(X -> y), Delta(y -> X)": deltas,
        },
        "published": {"DADApy, seconds of a candidate on one core": 1.64, "NumPy, seconds of a candidate": [0.02, 0.03]},
    }
    options.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
