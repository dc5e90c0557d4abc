"""Batched molecular dynamics beside LAMMPS, both with as many busy processes or threads as cores.

    python -m benchmarks.md_rate --out benchmarks/results/md_rate.json

Kob-Andersen, N = 4096, rho = 1.2, T = 0.44, cut-offs 2.5 sigma_ab, shifted, NVE, dt = 0.005. The
skin of each code is the best of a short scan. Rounds of both alternate, so that both meet the
same noise of the machine; ratios are of medians. The timed runs' energy drift and g(r) are
printed, so that nobody is fast by being wrong.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import glassgpu as gg
from benchmarks.peers import lammps_md
from glassgpu.engines.md import MdPlan, MdRun
from glassgpu.launch import Cpu

N, T, DT, STEPS = 4096, 0.44, 0.005, 600
SKINS = (0.2, 0.3, 0.4, 0.5)


def start() -> tuple[gg.System, gg.Snapshot]:
    """A published configuration where the data are, else a short equilibration, with velocities."""
    system = gg.systems.kob_andersen(n=N, cutoff="per_pair")
    folder = os.environ.get("GLASSGPU_DATA")
    if folder:
        found = gg.io.read_botan(Path(folder) / "botan" / "isoconfig_N4096T0.44_1_tc07.npz").snapshot
        assert isinstance(found, gg.Snapshot)
        return system, _with_velocities(system, found)
    made = gg.equilibrate(system, T, 20.0, seed=1, accept=None, backend="cpu")
    assert isinstance(made, gg.Snapshot)
    return system, made


def _with_velocities(system: gg.System, snapshot: gg.Snapshot) -> gg.Snapshot:
    final = gg.simulate.md(system, snapshot, temperature=T, duration=2.0, dt=DT, seed=1, backend="cpu", progress=False).final
    assert isinstance(final, gg.Snapshot)
    return final


def ours(system: gg.System, snapshot: gg.Snapshot, precision: str, skin: float, cores: int, steps: int) -> tuple[float, MdRun]:
    """Particle-steps/s of one replica per core."""
    plan = MdPlan(
        temperature=T, steps=2 * steps, samples=(1, 2 * steps), replicas=cores, seed=1, dt=DT, thermostat=None, precision=precision, skin=skin,
        draw_velocities=False, labels=False, keep_final=True,
    )  # fmt: skip
    run = MdRun(system, [snapshot], plan, Cpu(cores), progress=False)
    run._start_batch()
    run._run_chunk(steps)  # warm up
    began = time.perf_counter()
    run._run_chunk(steps)
    return cores * N * steps / (time.perf_counter() - began), run


def _lammps_rate(
    system: gg.System, snapshot: gg.Snapshot, skin: float, suffix: str, steps: int, gate: float
) -> tuple[float, float, float, np.ndarray]:
    run = lammps_md.Lammps(system, snapshot, DT, skin, suffix)
    run.run(steps)
    before = run.thermo("etotal") / N
    time.sleep(max(0.0, gate - time.time()))  # all processes start together
    began = time.perf_counter()
    run.run(steps)
    return N * steps / (time.perf_counter() - began), before, run.thermo("etotal") / N, run.positions()


def theirs(
    pool: ProcessPoolExecutor, system: gg.System, snapshot: gg.Snapshot, skin: float, suffix: str, cores: int, steps: int
) -> tuple[float, Any]:
    """Particle-steps/s of one LAMMPS process per core, together."""
    gate = time.time() + 3.0 + 8 * steps / 600
    runs = [pool.submit(_lammps_rate, system, snapshot, skin, suffix, steps, gate) for _ in range(cores)]
    results = [r.result() for r in runs]
    return sum(r[0] for r in results), results[0]


def radial_distribution(positions: np.ndarray, snapshot: gg.Snapshot) -> np.ndarray:
    """g_AA(r) in 40 bins to 3, by freud: enough to see a wrong liquid."""
    import freud

    points = positions[snapshot.types == 0]
    points = points - snapshot.box * np.rint(points / snapshot.box)
    return freud.density.RDF(40, 3.0).compute((freud.box.Box(*snapshot.box), points.astype(np.float32))).rdf


def machine() -> dict[str, str]:
    """When and where."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
    return {"date": time.strftime("%Y-%m-%d"), "machine": name}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("md_rate.json"))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    system, snapshot = start()
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        codes = {"glassgpu single": "single", "glassgpu double": "double"}
        peers = {"LAMMPS lj/cut": "", "LAMMPS lj/cut/opt": "opt"} if lammps_md.available() is None else {}
        skins = {name: max(SKINS, key=lambda s, p=p: ours(system, snapshot, p, s, cores, 200)[0]) for name, p in codes.items()}
        skins |= {name: max(SKINS, key=lambda s, x=x: theirs(pool, system, snapshot, s, x, cores, 200)[0]) for name, x in peers.items()}
        rates: dict[str, list[float]] = {name: [] for name in (*codes, *peers)}
        drift, rdf = {}, {}
        for _ in range(options.rounds):
            for name, precision in codes.items():
                rate, run = ours(system, snapshot, precision, skins[name], cores, STEPS)
                rates[name].append(rate)
                energy = run.records.log[0, :, :2].sum(axis=1) / N
                drift[name] = float(energy[1] - energy[0])
                run._finish_batch()
                rdf[name] = radial_distribution(run.final["places"][0], snapshot)
            for name, suffix in peers.items():
                rate, (_, before, after, positions) = theirs(pool, system, snapshot, skins[name], suffix, cores, STEPS)
                rates[name].append(rate)
                drift[name] = after - before
                rdf[name] = radial_distribution(positions, snapshot)
    medians = {name: statistics.median(r) for name, r in rates.items()}
    result = {
        **machine(),
        "cores": cores,
        "particle_steps_per_second": {name: {"median": medians[name], "rounds": r, "skin": skins[name]} for name, r in rates.items()},
        "ratio_single_to_lammps": medians["glassgpu single"] / medians["LAMMPS lj/cut"] if peers else None,
        "ratio_double_to_lammps": medians["glassgpu double"] / medians["LAMMPS lj/cut"] if peers else None,
        "ratio_single_to_lammps_opt": medians["glassgpu single"] / medians["LAMMPS lj/cut/opt"] if peers else None,
        "published": {"LAMMPS lj/cut per core, Zen 5": 2.5e6, "LAMMPS LJ benchmark per core, Xeon 2016": 1.41e6},
        "energy_change_per_particle": drift,
        "largest_difference_of_g_AA": {name: float(np.abs(g - rdf["glassgpu double"]).max()) for name, g in rdf.items()},
        "first_peak_of_g_AA": {name: float(g.max()) for name, g in rdf.items()},
    }
    options.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
