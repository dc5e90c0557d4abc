"""Behler-Parrinello beside DScribe, in alternating rounds, one core each; seconds of SLO and JBB.

    python -m benchmarks.symmetry_rate --out benchmarks/results/symmetry_rate.json

276 columns of the ternary mixture in two dimensions, N = 4000, R_c = 5, as table I of LIN: about 80
neighbours. Ours are of all particles, neighbour search included; DScribe's of a part of them, in atoms per
processor second. The columns of both are compared, so that nobody is fast by being wrong. DScribe also computes
22 angular functions of two species in three dimensions at 79 neighbours, whose rate performance.md states as
1200 to 1500 atoms/s on one core of a Zen 5 server.
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
from benchmarks.peers.dscribe_acsf import Acsf
from glassgpu.descriptors import JBB, SLO, BehlerParrinello
from glassgpu.descriptors.behler_parrinello import ANGULAR

PART = 300  # particles that DScribe describes


def used(run: Callable[[], np.ndarray]) -> tuple[np.ndarray, float, float]:
    """A result, and the processor and wall seconds it took."""
    wall, processor = time.perf_counter(), time.process_time()
    out = run()
    return out, time.process_time() - processor, time.perf_counter() - wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("symmetry_rate.json"))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    system = gg.systems.ternary_2d()
    snapshot = system.random_snapshot(1)
    part = np.arange(0, snapshot.n, snapshot.n // PART)[:PART]
    one_core = {"backend": "cpu", "threads": 1}
    describe: Any = BehlerParrinello(**one_core)
    peer = Acsf(describe)
    averaged: Any = BehlerParrinello(coarse_graining=1.5, **one_core)
    wide = {cls.__name__: cls(system, backend="cpu") for cls in (SLO, JBB)}  # on all cores
    for first in (describe, averaged, *wide.values()):
        first.compute(snapshot)  # compiles
    solid = gg.systems.kob_andersen(n=4096).random_snapshot(1)
    three: Any = Acsf(BehlerParrinello(species=("A", "B"), radial=(0.3, 0.3, 1, 0.1), angular=ANGULAR, cutoff=2.5))
    rates: dict[str, list[float]] = {"glassgpu": [], "glassgpu, coarse-grained": [], "DScribe": [], "DScribe in three dimensions": []}
    seconds: dict[str, list[float]] = {name: [] for name in wide}
    difference = 0.0
    for _ in range(options.rounds):
        ours, processor, _ = used(lambda: describe.compute(snapshot))
        rates["glassgpu"].append(snapshot.n / processor)
        theirs, processor, _ = used(lambda: peer.columns(snapshot, part))
        rates["DScribe"].append(PART / processor)
        difference = max(difference, float((np.abs(ours[part] - theirs) / np.maximum(np.abs(theirs), 1e-6)).max()))
        rates["glassgpu, coarse-grained"].append(snapshot.n / used(lambda: averaged.compute(snapshot))[1])
        rates["DScribe in three dimensions"].append(PART / used(lambda: three.columns(solid, np.arange(PART)))[1])
        for name, both in wide.items():
            seconds[name].append(used(lambda both=both: both.compute(snapshot))[2])  # type: ignore[misc]
    median = {name: statistics.median(values) for name, values in rates.items()}
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()),
        "cores": len(os.sched_getaffinity(0)),
        "atoms_per_second_of_one_core": {name: {"median": median[name], "rounds": values} for name, values in rates.items()},
        "ratio": median["glassgpu"] / median["DScribe"],
        "published": {"DScribe in three dimensions": [1200, 1500]},
        "largest_relative_difference": difference,
        "seconds_of_a_configuration_on_all_cores": {n: {"median": statistics.median(s), "rounds": s} for n, s in seconds.items()},
    }
    options.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
