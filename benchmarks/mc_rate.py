"""Batched Monte Carlo beside a plain C++ loop, both with as many busy threads or processes as cores, and with one.

    python -m benchmarks.mc_rate --out benchmarks/results/mc_rate.json

The ternary mixture, N = 4000, density 1.024, T = 0.30, step 0.12. The skin of each code is the
best of a short scan. Rounds of all codes alternate, so that all meet the same noise of the
machine; ratios are of medians. List builds count; starting and compiling do not. Eight replicas of
300 sweeps by each code show the same acceptance and energy, so that nobody is fast by being wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import glassgpu as gg
from benchmarks.peers import plain_mc

N, T, STEP = 4000, 0.30, 0.12
SKINS = (0.5, 0.6, 0.7, 0.8)
SCAN, SAME, REPLICAS = 300, 300, 8  # sweeps of a run of the scan and of the comparison of energies, replicas of the latter
CORES = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Timed:
    """Trials per second of all replicas together; share accepted and final energy per particle of each."""

    rate: float
    acceptance: np.ndarray
    energy: np.ndarray


Code = Callable[[int, int, float], Timed]  # of replicas, sweeps and skin


def start() -> tuple[gg.System, gg.Snapshot]:
    """A liquid at T = 0.45 by swap Monte Carlo, then 3000 sweeps of it at T = 0.30."""
    system = gg.systems.ternary_2d(n=N)
    made = None
    for temperature in (0.45, T):
        made = gg.equilibrate(system, temperature, 3000, seed=1, start=made, accept=None, backend="cpu", progress=False)
    assert isinstance(made, gg.Snapshot)
    return system, made


def ours(system: gg.System, snapshot: gg.Snapshot, precision: str, exchanges: bool) -> Code:
    """One replica per thread; a call of few sweeps, which pays for starting too, is taken off."""
    simulate = gg.simulate.swap_mc if exchanges else gg.simulate.mc

    def timed(replicas: int, sweeps: int, skin: float) -> Timed:
        def call(length: int) -> tuple[float, gg.simulate.Trajectory]:
            began = time.perf_counter()
            out = simulate(
                system, snapshot, temperature=T, duration=length, step=STEP, replicas=replicas, seed=1, precision=precision, skin=skin,
                backend="cpu", threads=min(replicas, CORES), progress=False,
            )  # fmt: skip
            return time.perf_counter() - began, out

        call(1)
        starting, _ = call(1)
        whole, out = call(sweeps + 1)
        finals = [out.final] if isinstance(out.final, gg.Snapshot) else out.final
        return Timed(replicas * N * sweeps / (whole - starting), out.acceptance, energies_of(system, finals))

    return timed


def theirs(system: gg.System, snapshot: gg.Snapshot, precision: str) -> Code:
    """One process per replica, all at once; each keeps its own time from its first list build on."""
    plain_mc.program(precision)  # compiled before any thread asks for it

    def timed(replicas: int, sweeps: int, skin: float) -> Timed:
        with ThreadPoolExecutor(replicas) as pool:
            runs = list(
                pool.map(
                    lambda seed: plain_mc.run(system, snapshot, T, sweeps, skin=skin, seed=seed, precision=precision, step=STEP),
                    range(replicas),
                )
            )
        finals = [gg.Snapshot(r.positions, snapshot.types, snapshot.box) for r in runs]
        return Timed(sum(r.rate for r in runs), np.array([r.acceptance for r in runs]), energies_of(system, finals))

    return timed


def energies_of(system: gg.System, snapshots: list[gg.Snapshot]) -> np.ndarray:
    """(snapshot,) potential energy per particle, by the same code for all."""
    return gg.energy(system, snapshots, backend="cpu").potential / N


def mean_and_error(values: np.ndarray) -> list[float]:
    """Of independent values."""
    return [float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("mc_rate.json"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each timed run")
    options = parser.parse_args()
    system, snapshot = start()
    codes: dict[str, Code] = {
        "glassgpu single": ours(system, snapshot, "single", False),
        "glassgpu double": ours(system, snapshot, "double", False),
        "glassgpu single, a fifth exchanges": ours(system, snapshot, "single", True),
        "plain C++ single": theirs(system, snapshot, "single"),
        "plain C++ double": theirs(system, snapshot, "double"),
    }
    skins, sweeps = {}, {}
    for name, code in codes.items():
        scan = {skin: code(CORES, SCAN, skin).rate for skin in SKINS}
        skins[name] = max(scan, key=lambda skin: scan[skin])
        sweeps[name] = round(options.seconds * scan[skins[name]] / CORES / N)
    counts = sorted({1, CORES})
    rounds: dict[str, dict[int, list[Timed]]] = {name: {count: [] for count in counts} for name in codes}
    for _ in range(options.rounds):
        for count in counts:
            for name, code in codes.items():
                rounds[name][count].append(code(count, sweeps[name], skins[name]))
    medians = {name: {count: statistics.median(t.rate for t in r[count]) for count in counts} for name, r in rounds.items()}
    same = {name: code(REPLICAS, SAME, skins[name]) for name, code in codes.items() if "exchanges" not in name}
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()),
        "cores": CORES,
        "trials_per_second": {
            name: {
                "skin": skins[name],
                "sweeps": sweeps[name],
                "replicas": {
                    count: {"median": medians[name][count], "best": max(t.rate for t in r[count]), "rounds": [t.rate for t in r[count]]}
                    for count in counts
                },
            }
            for name, r in rounds.items()
        },
        "ratio_to_plain": {
            precision: {count: medians[f"glassgpu {precision}"][count] / medians[f"plain C++ {precision}"][count] for count in counts}
            for precision in ("single", "double")
        },
        "published": {
            "plain C++ per core, Zen 5, density 1.2, single, without list builds": 4.5e6,
            "the same in double precision": 3.0e6,
        },
        f"after_{SAME}_sweeps": {
            name: {"acceptance": mean_and_error(t.acceptance), "energy_per_particle": mean_and_error(t.energy)} for name, t in same.items()
        },
    }
    options.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
