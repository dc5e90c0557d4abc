"""What it costs to watch every particle while a run goes: the same run with and without frames, in alternating rounds.

    python -m benchmarks.hops_rate --out benchmarks/results/hops_rate.json

Kob-Andersen, N = 2048, T = 0.6, a frame per unit of time with positions, p_hop and the cumulative squared displacement,
written to a store; processor and wall seconds. Beside it the way without: positions kept in memory, and p_hop of them by
NumPy (``dynamics.p_hop``). Memory: the peak of processes that watch for one and for four lengths of time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import glassgpu as gg
from glassgpu import dynamics

N, TEMPERATURE, CONFIGURATIONS = 2048, 0.6, 2
PEAK = """
import resource, sys
import glassgpu as gg
start = gg.io.read_gsd(sys.argv[1])
system = gg.systems.kob_andersen(n=start.n)
gg.simulate.md(system, start, temperature=0.6, duration=float(sys.argv[2]), seed=1, frames=sys.argv[3], backend="cpu", progress=False)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def timed(start: list[gg.Snapshot], duration: float, **how: Any) -> tuple[Any, np.ndarray]:
    """A run, and the processor and wall seconds it took."""
    system = gg.systems.kob_andersen(n=N)
    processor, wall = time.process_time(), time.perf_counter()
    out = gg.simulate.md(system, start, temperature=TEMPERATURE, duration=duration, seed=1, backend="cpu", progress=False, **how)
    return out, np.array([time.process_time() - processor, time.perf_counter() - wall])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("hops_rate.json"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=float, default=30.0)
    options = parser.parse_args()
    system = gg.systems.kob_andersen(n=N)
    start = gg.equilibrate(system, temperature=TEMPERATURE, duration=10, seed=1, configurations=CONFIGURATIONS, accept=None, progress=False)
    assert isinstance(start, list)
    seconds: dict[str, list[np.ndarray]] = {"without": [], "watched": []}
    with TemporaryDirectory() as folder:
        timed(start, 0.1)  # compiles
        for k in range(options.rounds):
            seconds["without"].append(timed(start, options.duration)[1])
            seconds["watched"].append(timed(start, options.duration, frames=Path(folder, f"{k}.zarr"))[1])
        frames = np.arange(1, options.duration + 0.5)
        kept, _ = timed(start, options.duration, times=frames.tolist(), keep_positions=True)
        begun = time.process_time()
        wanted = [dynamics.p_hop(np.concatenate([s.positions[None], x[0]])) for s, x in zip(start, kept.positions, strict=True)]
        by_numpy = time.process_time() - begun
        store = gg.io.open_frames(Path(folder, "0.zarr"))
        for run, p_hop in enumerate(wanted):
            np.testing.assert_allclose(store.p_hop(run), p_hop, rtol=1e-5, atol=1e-9)
        gg.io.write_gsd(Path(folder, "start.gsd"), start[0])
        peak = {}
        for length in (options.duration, 4 * options.duration):
            words = [sys.executable, "-c", PEAK, str(Path(folder, "start.gsd")), str(length), str(Path(folder, f"peak{length:g}.zarr"))]
            peak[f"{length:g}"] = float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    extra = [b[0] / a[0] - 1 for a, b in zip(seconds["without"], seconds["watched"], strict=True)]
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()),
        "cores": len(os.sched_getaffinity(0)),
        "particles": N,
        "configurations": CONFIGURATIONS,
        "frames": int(options.duration),
        "processor and wall seconds": {name: np.array(values).tolist() for name, values in seconds.items()},
        "labels over simulation, processor seconds": {"median": statistics.median(extra), "rounds": extra},
        "NumPy p_hop of kept positions, processor seconds": by_numpy,
        "peak memory by length of the run, MB": peak,
    }
    options.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
