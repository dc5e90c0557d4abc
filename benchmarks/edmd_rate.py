"""Batched event-driven dynamics of hard spheres beside a plain C++ program, on one core and on all.

    python -m benchmarks.edmd_rate --out benchmarks/results/edmd_rate.json

The mixture of paper CMP, N = 2000 at packing fractions 0.50 and 0.58, and the state of the published figure, 4000 equal
spheres at 0.49. The skin of each code is the best of a short scan. Rounds alternate, so that both meet the same noise of the
machine; ratios are of medians. List builds count; starting and compiling do not. The impulse of a collision, from which the
pressure comes, is printed of both, so that nobody is fast by being wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import glassgpu as gg
from benchmarks.peers import plain_edmd

SKINS = (0.3, 0.4, 0.5, 0.6, 0.75)
CORES = len(os.sched_getaffinity(0))
STATES: dict[str, dict[str, Any]] = {
    "N = 2000, packing 0.58": {"n": 2000, "packing_fraction": 0.58},
    "N = 2000, packing 0.50": {"n": 2000, "packing_fraction": 0.50},
    "N = 4000 equal spheres, packing 0.49": {"n": 4000, "packing_fraction": 0.49, "large": 1.0},
}
SETTLED = 20.0  # tau before anything is timed
SCANNED = 1.0  # tau of a run of the scan


def ours(system: gg.System, start: gg.Snapshot, duration: float, skin: float, copies: int) -> tuple[float, float]:
    """Collisions a second of all copies together, one on each thread, and the mean of r . dp; a call that only starts is taken off."""

    def call(length: float) -> tuple[float, gg.simulate.Trajectory]:
        began = time.perf_counter()
        run = gg.simulate.edmd(
            system, start, duration=length, times=[length], replicas=copies, skin=skin, threads=copies, backend="cpu", progress=False
        )  # fmt: skip
        return time.perf_counter() - began, run

    starting, _ = call(0.01)
    whole, run = call(duration)
    count = float(run.collisions.sum())
    volume = float(start.box.prod())
    virial = (3 * volume * run.pressure[:, 0] - 2 * run.kinetic[:, 0]) * duration
    return count / (whole - starting), float(virial.sum() / count)


def theirs(system: gg.System, start: gg.Snapshot, duration: float, skin: float, copies: int) -> tuple[float, float]:
    """The same of as many processes of the peer."""
    with ThreadPoolExecutor(copies) as pool:
        runs = list(pool.map(lambda _: plain_edmd.run(system, start, duration, skin=skin), range(copies)))
    return sum(r.collisions / r.seconds for r in runs), sum(r.impulse for r in runs) / sum(r.collisions for r in runs)


def compared(state: dict[str, Any], rounds: int, seconds: float) -> dict[str, Any]:
    """Rates of both codes at one state."""
    system = gg.systems.hard_spheres(**state)
    start = gg.simulate.edmd(
        system, system.random_snapshot(1), temperature=1.0, duration=SETTLED, seed=1, progress=False, backend="cpu"
    ).final
    codes = {"glassgpu": ours, "plain C++": theirs}
    out: dict[str, Any] = {}
    length = {}
    for name, code in codes.items():
        code(system, start, SCANNED, 0.5, 1)  # which compiles
        scan = {skin: code(system, start, SCANNED, skin, 1)[0] for skin in SKINS}
        skin = max(scan, key=lambda s: scan[s])
        per_time = gg.simulate.edmd(system, start, duration=1.0, progress=False, backend="cpu").collisions.sum()
        length[name] = round(max(1.0, seconds * scan[skin] / float(per_time)), 2)
        out[name] = {"skin": skin, "one core": [], "all cores": []}
    impulse: dict[str, float] = {}
    for _ in range(rounds):
        for name, code in codes.items():
            for where, copies in (("one core", 1), ("all cores", CORES)):
                rate, impulse[name] = code(system, start, length[name], out[name]["skin"], copies)
                out[name][where].append(rate)
    for name in codes:
        out[name] |= {f"median, {where}": statistics.median(out[name][where]) for where in ("one core", "all cores")}
        out[name]["mean of r . dp"] = impulse[name]
    out["ratio, one core"] = out["glassgpu"]["median, one core"] / out["plain C++"]["median, one core"]
    out["ratio, all cores"] = out["glassgpu"]["median, all cores"] / out["plain C++"]["median, all cores"]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("edmd_rate.json"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each timed run")
    options = parser.parse_args()
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()),
        "cores": CORES,
        "collisions_per_second": {name: compared(state, options.rounds, options.seconds) for name, state in STATES.items()},
        "published": {"Smallenburg's program, N = 4000 equal spheres, packing 0.49, one core": 1.42e6},
    }
    options.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
