"""HOOMD-blue as a peer: the simulation that ``backend="hoomd"`` runs, timed as it stands, on one core or on MPI ranks.

Published figures it is held against: 351 steps/s at N = 4096 on one core of the machine that the performance notes were
measured on, and 0.72 M particle-steps/s per core of a Threadripper 3960X (performance notes, S14).

As a program (``python -m benchmarks.peers.hoomd_md START.gsd ...``, alone or under ``mpirun``) it prints its particle-steps/s
and energies as JSON, so that ranks of MPI can be started for it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import glassgpu as gg
from glassgpu.engines.hoomd import Hoomd, Simulator, hoomd_place

WARM_UP = 100  # steps


def available() -> str | None:
    """None, or why HOOMD-blue cannot be used."""
    try:
        hoomd_place()
    except gg.errors.DeviceMissing as error:
        return str(error)
    return None


def rate(
    place: Hoomd, system: gg.System, start: gg.Snapshot, thermostat: str | None, temperature: float, dt: float, skin: float, steps: int
) -> dict[str, Any]:
    """Particle-steps/s of one run from a snapshot with velocities, its energy per particle before and after, its places and list builds."""
    assert start.velocities is not None
    order = np.arange(start.n)
    simulator = Simulator(place, system, start, order, skin, thermostat, dt)
    simulator.begin(start.positions.T, start.velocities.T, np.zeros(Simulator.BATH), (temperature, temperature))
    simulator.run(WARM_UP)
    before = simulator.totals()[[0, 1, 3]].sum() / start.n
    began = time.perf_counter()
    builds = simulator.run(steps)
    took = time.perf_counter() - began
    after = simulator.totals()[[0, 1, 3]].sum() / start.n
    place_at_end = simulator.state()["place"].T
    return {
        "rate": start.n * steps / took, "before": float(before), "after": float(after), "builds": builds / steps, "places": place_at_end,
    }  # fmt: skip


def launcher(ranks: int) -> list[str] | None:
    """The words that start so many ranks of the MPI that HOOMD-blue was built with, or None."""
    probe = [sys.executable, "-c", "import hoomd; print(hoomd.communicator.Communicator().num_ranks)"]
    for name in ("mpirun", "mpirun.openmpi", "mpirun.mpich"):
        for more in ([], ["--allow-run-as-root", "--oversubscribe"]):
            if shutil.which(name):
                command = [name, *more, "-n", str(ranks)]
                done = subprocess.run([*command, *probe], capture_output=True, text=True, timeout=60, env=clean_environment())
                if done.stdout.split() == [str(ranks)] * ranks:
                    return command
    return None


def clean_environment() -> dict[str, str]:
    """Without what MPI, once started in this process, has left for its children."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("OMPI_", "PMIX_", "PMI_"))}


def side_by_side(commands: list[list[str]]) -> list[dict[str, Any]]:
    """What programs print that are started together."""
    started = [subprocess.Popen(c, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment()) for c in commands]
    out = []
    for process in started:
        said, wrong = process.communicate(timeout=1800)
        if process.returncode:
            raise RuntimeError(wrong)
        out.append(json.loads(said.strip().splitlines()[-1]))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("start", type=Path)
    parser.add_argument("--cutoff", default="per_pair")
    parser.add_argument("--thermostat", default=None)
    parser.add_argument("--temperature", type=float, required=True)
    parser.add_argument("--dt", type=float, required=True)
    parser.add_argument("--skin", type=float, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--gate", type=float, default=0.0, help="time.time() at which all processes begin")
    options = parser.parse_args()
    system = gg.systems.kob_andersen(cutoff=options.cutoff)
    start = gg.io.read_gsd(options.start, species=system.species)
    assert isinstance(start, gg.Snapshot)
    place = hoomd_place()
    time.sleep(max(0.0, options.gate - time.time()))
    found = rate(place, system, start, options.thermostat, options.temperature, options.dt, options.skin, options.steps)
    found["places"] = found["places"].tolist()
    if place.rank == 0:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
