"""What it costs to follow softness while a run goes, one look per unit of time, and what noise in place of a chain costs.

    python -m benchmarks.scores_rate --out benchmarks/results/scores_rate.json

Kob-Andersen, rho = 1.2, T = 0.6, N = 2048 and 4096, two replicas, dt = 0.005: the same run without scores, with them, and with
Langevin's bath, in alternating rounds; processor seconds. Beside it the way without: positions kept in memory, and softness of them from
the columns, ours (``descriptors.Softness``) and those of the peer in Numba (benchmarks/peers/softness_numba.py, which
``softness_rate`` compares with freud). Means of all three are compared, so that nobody is fast by being wrong.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

import glassgpu as gg
from benchmarks.md_rate import machine
from benchmarks.peers import softness_numba as peer
from glassgpu.descriptors import Softness
from glassgpu.landscape import groups_by_score, scores_along
from glassgpu.models import Hyperplane

SIZES, TEMPERATURE, DURATION, REPLICAS, GROUPS = (2048, 4096), 0.6, 10.0, 2, 8


def timed(run: Any) -> tuple[Any, float]:
    """What a call returns, and its processor seconds."""
    begun = time.process_time()
    out = run()
    return out, time.process_time() - begun


def measured(n: int, rounds: int) -> dict[str, Any]:
    """Seconds by name, medians and rounds, of systems of one size."""
    system, describe = gg.systems.kob_andersen(n=n), Softness(angular=False, backend="cpu")
    start = gg.equilibrate(system, temperature=TEMPERATURE, duration=5, seed=1, accept=None, backend="cpu", progress=False)
    assert isinstance(start, gg.Snapshot)
    mine, x = start.types == 0, describe.compute(start)
    deviation = np.where(np.ptp(x[mine], axis=0) > 0, x[mine].std(axis=0), 1.0)
    weights = np.random.default_rng(0).normal(size=x.shape[1])
    weights /= ((x[mine] - x[mine].mean(axis=0)) / deviation @ weights).std()
    plane = Hyperplane(x[mine].mean(axis=0), deviation, weights, 0.0)
    group = groups_by_score(plane, describe, start, groups=GROUPS)
    score = scores_along(plane, describe, group)
    times = np.arange(1, DURATION + 0.5).tolist()

    def run(**how: Any) -> Any:
        return gg.simulate.md(
            system, start, temperature=TEMPERATURE, times=times, replicas=REPLICAS, seed=1, backend="cpu", progress=False, **how
        )

    ways: dict[str, dict[str, Any]] = {"without": {}, "scores": {"score": score}, "langevin": {"thermostat": "langevin"}}
    run(score=score), run(thermostat="langevin")  # compiles
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, how in ways.items():
            seconds[name].append(timed(lambda how=how: run(**how))[1])  # type: ignore[misc]
    followed, kept = run(score=score).scores["mean"].values[0], run(keep_positions=True).positions
    frames = [gg.Snapshot(p, start.types, start.box) for p in kept.reshape(-1, n, 3)]
    means = {}
    for name, columns in (("columns", describe.compute), ("columns by Numba", lambda s: peer.columns(s, angular=False))):
        columns(frames[0])
        rows, seconds[f"{name}, afterwards"] = [], []
        for frame in frames:
            found, used = timed(lambda frame=frame, columns=columns: plane.score(columns(frame)))  # type: ignore[misc]
            seconds[f"{name}, afterwards"].append(used)
            rows.append([found[group == k].mean() for k in range(GROUPS)])
        means[name] = np.array(rows).reshape(followed.shape)
    plain, looks = statistics.median(seconds["without"]), REPLICAS * len(times)
    extra = [(b - a) / a for a, b in zip(seconds["without"], seconds["scores"], strict=True)]
    each = (statistics.median(seconds["scores"]) - plain) / looks
    after = {name: statistics.median(seconds[f"{name}, afterwards"]) for name in means}
    return {
        "processor_seconds": {name: {"median": statistics.median(s), "rounds": s} for name, s in seconds.items()},
        "scores_over_the_run": {"median": statistics.median(extra), "rounds": extra},
        "seconds_of_a_look": each,
        "ratio_to_columns": after["columns"] / each,
        "ratio_to_columns_by_Numba": after["columns by Numba"] / each,
        "langevin_over_nose_hoover": statistics.median(seconds["langevin"]) / plain,
        "largest_difference_of_a_mean": {name: float(np.abs(found - followed).max()) for name, found in means.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("scores_rate.json"))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    result = {
        **machine(),
        "temperature": TEMPERATURE,
        "duration": DURATION,
        "replicas": REPLICAS,
        **{f"N={n}": measured(n, options.rounds) for n in SIZES},
    }
    options.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
