"""Our molecular dynamics beside HOOMD-blue: the same machine, potential, step and list rule; one run and many.

    python -m benchmarks.engines_rate --out benchmarks/results/engines_rate.json

Kob-Andersen, N = 4096, rho = 1.2, T = 0.44, cut-offs 2.5 sigma_ab, shifted, dt = 0.005, at constant energy and with a
Nose-Hoover thermostat. Both check in every step whether a particle has moved half the skin, and then make lists anew; the
skin of each is the best of the same scan. Rounds of all alternate, so that all meet the same noise of the machine;
ratios are of medians. Energy drift, list builds and g(r) of the timed runs are kept, so that nobody is fast by being wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import glassgpu as gg
from benchmarks.md_rate import DT, N, T, machine, radial_distribution, start
from benchmarks.peers import hoomd_md
from glassgpu.engines.md import MdPlan, MdRun
from glassgpu.launch import Cpu

STEPS, SCAN_STEPS = 600, 200
SKINS = (0.2, 0.3, 0.4, 0.5)
ENSEMBLES = {"NVE": None, "NVT": "nose_hoover"}
PUBLISHED = {"HOOMD-blue, N = 4096, one core of the notes' machine": 351 * 4096, "HOOMD-blue 3.2 per core, Threadripper 3960X": 0.72e6}


def ours(
    system: gg.System, snapshot: gg.Snapshot, thermostat: str | None, precision: str, skin: float, replicas: int, threads: int, steps: int
) -> dict[str, Any]:
    """Particle-steps/s of all replicas together."""
    warm = hoomd_md.WARM_UP
    plan = MdPlan(
        temperature=T, steps=warm + steps, samples=(warm, warm + steps), replicas=replicas, seed=1, dt=DT, thermostat=thermostat,
        precision=precision, skin=skin, draw_velocities=False, labels=False, keep_final=True,
    )  # fmt: skip
    run = MdRun(system, [snapshot], plan, Cpu(threads), batch=replicas, progress=False)
    run._start_batch()
    run._run_chunk(warm)
    built = run.rebuilds
    began = time.perf_counter()
    run._run_chunk(steps)
    took = time.perf_counter() - began
    built = run.rebuilds - built
    energy = run.records.log[0][:, [0, 1, 3]].sum(axis=1) / N
    run._finish_batch()
    return {
        "rate": replicas * N * steps / took, "before": float(energy[0]), "after": float(energy[1]), "builds": built / (replicas * steps),
        "places": run.final["places"][0],
    }  # fmt: skip


def theirs(file: Path, thermostat: str | None, skin: float, processes: int, launch: list[str], steps: int) -> dict[str, Any]:
    """Particle-steps/s of so many HOOMD processes together, or of one on the ranks that ``launch`` starts."""
    how = ["--temperature", str(T), "--dt", str(DT), "--skin", str(skin), "--steps", str(steps), "--gate", str(time.time() + 4.0)]
    program = [*launch, sys.executable, "-m", "benchmarks.peers.hoomd_md", str(file), *how]
    found = hoomd_md.side_by_side([program + (["--thermostat", thermostat] if thermostat else [])] * processes)
    return {**found[0], "rate": sum(f["rate"] for f in found), "places": np.array(found[0]["places"])}


def contests(
    system: gg.System, snapshot: gg.Snapshot, file: Path, cores: int, replicas: int
) -> dict[str, Callable[[str | None, float, int], dict[str, Any]]]:
    """Who is measured, by name: functions of thermostat, skin and steps."""
    out: dict[str, Callable[[str | None, float, int], dict[str, Any]]] = {}
    for precision in ("single", "double"):
        out[f"glassgpu {precision}, one run"] = lambda bath, skin, steps, p=precision: ours(system, snapshot, bath, p, skin, 1, 1, steps)
        out[f"glassgpu {precision}, many"] = lambda bath, skin, steps, p=precision: ours(
            system, snapshot, bath, p, skin, replicas, cores, steps
        )
    if reason := hoomd_md.available():
        print(reason, file=sys.stderr)
        return out
    out["HOOMD-blue, one run"] = lambda bath, skin, steps: theirs(file, bath, skin, 1, [], steps)
    out["HOOMD-blue, many"] = lambda bath, skin, steps: theirs(file, bath, skin, cores, [], steps)
    if launch := hoomd_md.launcher(2):
        out["HOOMD-blue, one run on 2 ranks"] = lambda bath, skin, steps: theirs(file, bath, skin, 1, launch, steps)
    return out


def ratios(medians: dict[str, float]) -> dict[str, float]:
    """Ours to theirs, of the same kind."""
    pairs = {
        f"{precision} to HOOMD-blue, {kind}": (f"glassgpu {precision}, {kind}", f"HOOMD-blue, {kind}")
        for precision in ("single", "double")
        for kind in ("one run", "many")
    }
    return {name: medians[a] / medians[b] for name, (a, b) in pairs.items() if b in medians}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("engines_rate.json"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--replicas", type=int, default=8, help="of 'many'; HOOMD-blue runs one process a core")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    system, snapshot = start()
    result: dict[str, Any] = {
        **machine(), "cores": cores, "replicas": options.replicas, "published_particle_steps_per_second": PUBLISHED, "ensembles": {},
    }  # fmt: skip
    if not hoomd_md.available():
        place = hoomd_md.hoomd_place()
        result["hoomd"] = {
            **place.about, "precision": place.precision, "device": type(place.device).__name__, "build": place.hoomd.version.compile_flags,
        }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "start.gsd"
        gg.io.write_gsd(file, snapshot, species=system.species)
        who = contests(system, snapshot, file, cores, options.replicas)
        for ensemble, bath in ENSEMBLES.items():
            skins = {
                name: max(SKINS, key=lambda skin, f=f: f(bath, skin, min(SCAN_STEPS, options.steps))["rate"]) for name, f in who.items()
            }
            rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in who}
            for _ in range(options.rounds):
                for name, function in who.items():
                    rounds[name].append(function(bath, skins[name], options.steps))
            medians = {name: statistics.median(r["rate"] for r in rs) for name, rs in rounds.items()}
            result["ensembles"][ensemble] = {
                "particle_steps_per_second": {
                    name: {
                        "median": medians[name],
                        "rounds": [r["rate"] for r in rs],
                        "skin": skins[name],
                        "builds_per_step": rs[0]["builds"],
                    }
                    for name, rs in rounds.items()
                },
                "ratios": ratios(medians),
                "change_of_conserved_energy_per_particle": {name: rs[0]["after"] - rs[0]["before"] for name, rs in rounds.items()},
                "first_peak_of_g_AA": {name: float(radial_distribution(rs[0]["places"], snapshot).max()) for name, rs in rounds.items()},
            }
    options.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
