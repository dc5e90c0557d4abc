"""How should single precision store positions? Rates and drift of three formats on one loop.

    python -m benchmarks.position_formats --out benchmarks/results/position_formats.json

Compiles peers/position_formats.cpp with the kernels' own flags and alternates the formats.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import glassgpu as gg
from glassgpu import compile as compiling
from glassgpu.engines.problem import morton_order

FORMATS = {"double": 0, "fixed point": 1, "float with remainder": 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("position_formats.json"))
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--n", type=int, default=1000)
    options = parser.parse_args()
    command = compiling.compiler()
    flags = [f for f in (*compiling.HOST_FLAGS, *compiling._gather_flags(command)) if f not in ("-shared", "-fPIC", "-fvisibility=hidden")]
    source = Path(__file__).parent / "peers" / "position_formats.cpp"
    with tempfile.TemporaryDirectory() as folder:
        programs = {}
        for name, number in FORMATS.items():
            programs[name] = Path(folder) / f"format{number}"
            subprocess.run([*command, *flags, f"-DFORMAT={number}", str(source), "-o", str(programs[name])], check=True)

        def write(n: int, temperature: float, seed: int) -> tuple[str, int]:
            system = gg.systems.kob_andersen(n=n, cutoff="per_pair")
            liquid = gg.equilibrate(system, temperature, 5.0, seed, accept=None, backend="cpu", progress=False)
            assert isinstance(liquid, gg.Snapshot)
            order = morton_order(liquid.positions, liquid.box)
            order = order[np.argsort(liquid.types[order], kind="stable")]
            path = Path(folder) / f"start{n}-{seed}"
            np.concatenate([liquid.box[:1], (liquid.positions[order]).ravel()]).tofile(path)
            return str(path), int((liquid.types == 0).sum())

        large, large_a = write(4096, 0.5, 1)
        rates: dict[str, list[float]] = {name: [] for name in FORMATS}
        for _ in range(7):
            for name, program in programs.items():
                out = subprocess.run(
                    [str(program), large, "4096", str(large_a), "0", "1"], capture_output=True, text=True, check=True
                ).stdout
                rates[name].append(float(out.split()[0]) * 4096)
        drift: dict[str, list[float]] = {name: [] for name in FORMATS}
        for seed in range(4):
            small, small_a = write(options.n, 0.5, seed)
            for name, program in programs.items():
                out = subprocess.run(
                    [str(program), small, str(options.n), str(small_a), str(options.steps), str(seed + 1)],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
                drift[name].append(float(out.split()[1]))
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), ""),
        "cores": len(os.sched_getaffinity(0)),
        "force_loop_particle_steps_per_second": {name: {"median": statistics.median(r), "best": max(r)} for name, r in rates.items()},
        "drift_per_particle": {name: {"mean_abs": float(np.mean(np.abs(d))), "each": d} for name, d in drift.items()},
        "steps": options.steps,
        "n": options.n,
    }
    options.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
