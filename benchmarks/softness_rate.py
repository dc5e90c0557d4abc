"""Softness beside Numba, in alternating rounds on the same cores, and Numba's harmonics beside freud's.

    python -m benchmarks.softness_rate --out benchmarks/results/softness_rate.json

135 columns of Kob-Andersen, N = 4096, rho = 1.2, neighbour search included: about 1030 neighbours up to 5.9 and 210 bonds. The
columns of both are compared, so that nobody is fast by being wrong. Processor seconds, less disturbed by what else the machine
does, stand beside wall times. freud computes all seven Q_l of each shell from the same bonds as the peer, on one core each:
a peer slower than that would be no peer.
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

import freud
import numba
import numpy as np

import glassgpu as gg
from benchmarks.descriptor_rate import start
from benchmarks.peers import softness_numba as peer
from glassgpu.descriptors import Softness
from glassgpu.structure import neighbors

Timed = tuple[np.ndarray, float, float]  # result, processor seconds, wall seconds


def timed(run: Callable[[], np.ndarray]) -> Timed:
    wall, processor = time.perf_counter(), time.process_time()
    out = run()
    return out, time.process_time() - processor, time.perf_counter() - wall


def against_freud(snapshot: gg.Snapshot, rounds: int) -> dict[str, Any]:
    """Processor seconds of all shells and l, one core each, given the bonds."""
    near = neighbors(snapshot, peer.R_MIN + peer.SHELLS * peer.WIDTH)
    inside = np.isfinite(near.distance)
    i, j, r, bond = np.repeat(np.arange(snapshot.n), near.count), near.index[inside], near.distance[inside], near.vector[inside]
    system = (freud.box.Box(*snapshot.box), snapshot.positions.astype(np.float32))
    seconds: dict[str, list[float]] = {"freud": [], "Numba": []}
    difference = 0.0
    freud.parallel.set_num_threads(1)
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    for each in range(rounds + 1):
        total = {"freud": 0.0, "Numba": 0.0}
        for a in np.arange(peer.SHELLS) * peer.WIDTH + peer.R_MIN:
            of = (a < r) & (r < a + peer.WIDTH)
            listed = freud.locality.NeighborList.from_arrays(
                snapshot.n, snapshot.n, i[of], j[of], bond[of].astype(np.float32), np.ones(of.sum(), np.float32)
            )
            order = freud.order.Steinhardt(list(range(2, peer.L_MAX + 1, 2)))
            theirs, used, _ = timed(lambda order=order, listed=listed: order.compute(system, neighbors=listed).particle_order)  # type: ignore[misc]
            total["freud"] += used
            unit, begin = (bond[of] / r[of, None]).T.copy(), np.searchsorted(i[of], np.arange(snapshot.n + 1))
            ours, used, _ = timed(lambda unit=unit, begin=begin: peer.orders(unit, begin))  # type: ignore[misc]
            total["Numba"] += used
            difference = max(difference, float(np.abs(ours - np.nan_to_num(theirs)).max()))
        if each:  # the first compiles
            for name, spent in total.items():
                seconds[name].append(spent)
    numba.set_num_threads(before)
    return {
        "processor_microseconds_per_particle": {name: statistics.median(s) / snapshot.n * 1e6 for name, s in seconds.items()},
        "Numba_over_freud": statistics.median(seconds["freud"]) / statistics.median(seconds["Numba"]),
        "largest_difference": difference,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("softness_rate.json"))
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    snapshot = start()
    cores = len(os.sched_getaffinity(0))
    numba.set_num_threads(min(cores, numba.config.NUMBA_NUM_THREADS))
    every, radial = Softness(backend="cpu", threads=cores), Softness(backend="cpu", threads=cores, angular=False)
    codes: dict[str, Callable[[], np.ndarray]] = {
        "glassgpu": lambda: every.compute(snapshot),
        "Numba": lambda: peer.columns(snapshot),
        "glassgpu, radial": lambda: radial.compute(snapshot),
        "Numba, radial": lambda: peer.columns(snapshot, angular=False),
    }
    columns = {name: run() for name, run in codes.items()}  # compiles
    processor: dict[str, list[float]] = {name: [] for name in codes}
    wall: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(options.rounds):
        for name, run in codes.items():
            _, used, passed = timed(run)
            processor[name].append(used)
            wall[name].append(passed)
    ours, theirs = columns["glassgpu"], columns["Numba"]
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()),
        "cores": cores,
        "particles": snapshot.n,
        "columns": ours.shape[1],
        "particles_per_second_on_all_cores": {name: snapshot.n / statistics.median(s) for name, s in wall.items()},
        "processor_microseconds_per_particle": {name: statistics.median(s) / snapshot.n * 1e6 for name, s in processor.items()},
        "seconds": {name: {"median": statistics.median(s), "rounds": s} for name, s in wall.items()},
        "processor_seconds": {name: {"median": statistics.median(s), "rounds": s} for name, s in processor.items()},
        "ratio": statistics.median(wall["Numba"]) / statistics.median(wall["glassgpu"]),
        "ratio_of_processor_seconds": statistics.median(processor["Numba"]) / statistics.median(processor["glassgpu"]),
        "largest_relative_difference": float((np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-9)).max()),
        "harmonics_given_bonds": against_freud(snapshot, 3),
    }
    options.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
