"""ShellExpansion beside a sparse SciPy form, in alternating rounds.

    python -m benchmarks.descriptor_rate --out benchmarks/results/descriptor_rate.json

354 columns in 3 generations of Kob-Andersen, N = 4096, rho = 1.2, neighbour search included. Each
does what it can: ours uses all cores, SciPy's sparse products one. Processor seconds, less
disturbed by what else the machine does, stand beside wall times. The columns of both are compared,
so that nobody is fast by being wrong.
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

import numpy as np

import glassgpu as gg
from benchmarks.peers import sparse_shells

N, GENERATIONS = 4096, 3


def start() -> gg.Snapshot:
    """A published configuration where the data are, else a random one."""
    folder = os.environ.get("GLASSGPU_DATA")
    if folder:
        found = gg.io.read_botan(Path(folder) / "botan" / "isoconfig_N4096T0.44_1_tc07.npz").snapshot
        assert isinstance(found, gg.Snapshot)
        return found
    return gg.systems.kob_andersen(n=N).random_snapshot(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("descriptor_rate.json"))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    snapshot = start()
    describe = gg.descriptors.ShellExpansion(generations=GENERATIONS, backend="cpu")
    codes: dict[str, Callable[[], np.ndarray]] = {
        "glassgpu": lambda: describe.compute(snapshot),
        "SciPy sparse": lambda: sparse_shells.columns(snapshot, GENERATIONS),
    }
    describe.compute(snapshot)  # compiles
    wall: dict[str, list[float]] = {name: [] for name in codes}
    processor: dict[str, list[float]] = {name: [] for name in codes}
    columns = {}
    for _ in range(options.rounds):
        for name, run in codes.items():
            began, used = time.perf_counter(), time.process_time()
            columns[name] = run()
            wall[name].append(time.perf_counter() - began)
            processor[name].append(time.process_time() - used)
    ours, theirs = columns["glassgpu"], columns["SciPy sparse"]
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()),
        "cores": len(os.sched_getaffinity(0)),
        "particles": snapshot.n,
        "columns": ours.shape[1],
        "seconds": {name: {"median": statistics.median(s), "rounds": s} for name, s in wall.items()},
        "processor_seconds": {name: {"median": statistics.median(s), "rounds": s} for name, s in processor.items()},
        "ratio": statistics.median(wall["SciPy sparse"]) / statistics.median(wall["glassgpu"]),
        "ratio_of_processor_seconds": statistics.median(processor["SciPy sparse"]) / statistics.median(processor["glassgpu"]),
        "largest_relative_difference": float((np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-9)).max()),
    }
    options.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
