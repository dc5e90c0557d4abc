"""Everything that wants a GPU, in one command; its CPU half runs in the tests.

    python -m benchmarks.gpu_check --out benchmarks/results/gpu.json [--parts correctness,md_rate]

Each part runs in a process of its own with its own time limit, and the JSON is written after
each, the most valuable first. ``--backend cpu`` compares the host reader with the shuffled one
at small sizes, so that the checks themselves are tested where there is no GPU.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import glassgpu as gg
from benchmarks.gpu_correctness import correctness, hard_spheres, liquids, md, target_of
from glassgpu.engines.mc import McPlan, McRun
from glassgpu.engines.md import MdPlan, MdRun
from glassgpu.engines.quench import METHODS
from glassgpu.engines.quench_run import QuenchRun
from glassgpu.launch import Cpu, Cuda
from glassgpu.models import (
    GraphNetwork,
    KernelSVR,
    LinearSVC,
    LinearSVR,
    MLPRegressor,
    Moments,
    elastic_net_path,
    fit_together,
    ridge_paths,
)
from glassgpu.selection import greedy_selection


def md_rate(backend: str) -> dict[str, Any]:
    """Particle-steps per second of batched NVT, chunks of the engine's own length."""
    out: dict[str, Any] = {}
    sizes = [(4096, 264), (4096, 1056), (1000, 264), (1000, 1056)] if backend == "cuda" else [(500, 4)]
    place = Cuda() if backend == "cuda" else Cpu()
    for n, replicas in sizes:
        system, starts = liquids(n, 1)
        for precision in ("single", "double") if replicas == sizes[0][1] else ("single",):
            steps = 2000 if backend == "cuda" else 100
            plan = MdPlan(
                temperature=0.6, steps=steps, samples=(), replicas=replicas, seed=1, dt=0.004, precision=precision, skin=0.4, labels=False
            )
            run = MdRun(system, starts, plan, place, progress=False, chunk=steps // 4)
            run._start_batch()
            run._run_chunk(steps // 4)  # warm up: compilation, allocation
            began = time.perf_counter()
            for _ in range(3):
                run._run_chunk(steps // 4)
            seconds = time.perf_counter() - began
            out[f"N={n} replicas={replicas} {precision}, particle-steps/s"] = n * replicas * 3 * (steps // 4) / seconds
    return out


def mc_rate(backend: str) -> dict[str, Any]:
    """Trials per second of batched Monte Carlo, the ternary mixture at T = 0.3."""
    out: dict[str, Any] = {}
    n, counts = (4000, (300, 1056)) if backend == "cuda" else (300, (4,))
    place = Cuda() if backend == "cuda" else Cpu()
    system = gg.systems.ternary_2d(n=n)
    start = gg.equilibrate(system, 0.3, 2000.0 if backend == "cuda" else 50.0, seed=3, accept=None, backend="cpu", progress=False)
    assert isinstance(start, gg.Snapshot)
    for replicas in counts:
        for exchange in (None, 0.2):
            sweeps = 400 if backend == "cuda" else 20
            plan = McPlan(
                temperature=0.3, steps=4 * sweeps, samples=(), replicas=replicas, seed=1, skin=0.75, labels=False, exchange=exchange
            )
            run = McRun(system, [start], plan, place, progress=False)
            run._start_batch()
            run._run_chunk(sweeps)  # warm up: compilation, allocation
            began = time.perf_counter()
            for _ in range(3):
                run._run_chunk(sweeps)
            name = "swap mc" if exchange else "mc"
            out[f"{name}, N={n} replicas={replicas}, trials/s"] = 3 * sweeps * n * replicas / (time.perf_counter() - began)
    return out


def quench(backend: str) -> dict[str, Any]:
    """Inherent structures: strict builds bit for bit, minima, and the rate in particle-steps/s."""
    out: dict[str, Any] = {}
    system, starts = liquids(*((4096, 264) if backend == "cuda" else (300, 2)))

    def run(place: Cpu | Cuda, count: int, steps: int, method: str = "lbfgs", precision: str = "double") -> QuenchRun:
        tolerance = 1e-8 if precision == "double" else 1e-2
        made = QuenchRun(system, starts[:count], place, tolerance, steps, method=method, precision=precision, progress=False)
        made.run()
        return made

    kinds = [*((method, "double") for method in METHODS), ("lbfgs", "single")]
    pairs = [[run(place, 2, 20_000, *kind) for place in (Cpu(2, strict=True), target_of(backend, strict=True))] for kind in kinds]
    out["strict bit for bit"] = all(np.array_equal(here.places, there.places) for here, there in pairs)
    out["largest force below the tolerance"] = all(bool(there.largest_force.max() < there.tolerance) for _, there in pairs)
    for precision in ("double", "single") if backend == "cuda" else ():
        place = Cuda()
        run(place, 2, 20_000, precision=precision)  # compiled
        began = time.perf_counter()
        every = run(place, len(starts), 20_000, precision=precision)
        seconds = time.perf_counter() - began
        out[f"{precision}: {len(starts)} configurations of N=4096, accepted particle-steps/s"] = float(every.steps.sum() * 4096 / seconds)
        out[f"{precision}: quenches/s"] = len(starts) / seconds
    return out


def physics(backend: str) -> dict[str, Any]:
    """Drift at constant energy; the published configuration and its propensities where data are."""
    out: dict[str, Any] = {}
    place = Cuda() if backend == "cuda" else Cpu()
    _, starts = liquids(1000 if backend == "cuda" else 300, 8 if backend == "cuda" else 2, 0.5)
    smooth = gg.systems.kob_andersen(n=starts[0].n, law="smooth")
    steps = 100_000 if backend == "cuda" else 400
    samples = tuple(range(50, steps + 1, 50))
    for precision in ("double", "single"):
        how: dict[str, Any] = {"steps": steps, "samples": samples, "replicas": 1, "dt": 0.002, "draw_velocities": False}
        run = md(smooth, starts, place, thermostat=None, precision=precision, labels=False, **how)
        energy = run["log"][:, :, :2].sum(axis=2) / starts[0].n
        slope = np.polyfit(np.arange(len(samples)), energy.T, 1)[0] * len(samples)
        out[f"drift per particle over {steps} steps, {precision}"] = float(slope.mean())
        out[f"drift below 1e-5, {precision}"] = bool(abs(slope.mean()) < 1e-5) if backend == "cuda" else "needs 1e5 steps"
    folder = os.environ.get("GLASSGPU_DATA")
    if folder and backend == "cuda":
        bapst = gg.io.read_bapst(Path(folder) / "ka_t044_bapst.pickle")
        assert isinstance(bapst.snapshot, gg.Snapshot)
        liquid, a = gg.systems.kob_andersen(cutoff="per_pair"), bapst.snapshot.types == 0
        for precision in ("double", "single"):
            value = gg.energy(liquid, bapst.snapshot, precision=precision, backend=backend).potential / 4096
            out[f"energy of the Bapst configuration, {precision}"] = float(value)
        run_as: dict[str, Any] = {"temperature": 0.44, "replicas": 264, "seed": 5, "dt": 0.003, "thermostat": None, "backend": backend}
        own = gg.isoconfigurational(liquid, bapst.snapshot, times=[0.132, 0.435, 288.426], **run_as)
        out["Pearson at t = 0.132, A, at least 0.922"] = bool(
            gg.evaluate.pearson(own.propensity.values[0, a], bapst.propensity.values[0, a]) >= 0.922
        )
        out["Pearson at t = 0.132, A"] = gg.evaluate.pearson(own.propensity.values[0, a], bapst.propensity.values[0, a])
        out["mean propensity of A"] = own.propensity.values[:, a].mean(axis=1).tolist()
    return out


def descriptors(backend: str) -> dict[str, Any]:
    """Rates of whole descriptors, and of the angular functions alone (goal in two dimensions: 2e7 atoms/s), second call."""
    many = backend == "cuda"
    solid = [gg.systems.kob_andersen(n=4096 if many else 1200).random_snapshot(1)]
    system = gg.systems.ternary_2d(n=4000 if many else 400)
    films = [system.random_snapshot(seed) for seed in range(64 if many else 2)]
    place, r_max = target_of(backend), 20.0 if many else 9.0
    angular = gg.descriptors.BehlerParrinello(radial=(1.0, 1.0, 1, 0.1))
    cases: dict[str, tuple[Any, list[gg.Snapshot]]] = {
        "ShellExpansion": (gg.descriptors.ShellExpansion(generations=3 if many else 1), solid),
        "Softness": (gg.descriptors.Softness(radial=(0.0, 4.9, 50, 0.2) if many else (0.0, 3.9, 40, 0.2)), solid * (8 if many else 1)),
        "Behler-Parrinello, angular functions": (angular, films),
        "Behler-Parrinello": (gg.descriptors.BehlerParrinello(), films),
        "Behler-Parrinello, coarse-grained": (gg.descriptors.BehlerParrinello(coarse_graining=1.5, r_max=r_max), films),
        "SLO": (gg.descriptors.SLO(system, r_max=r_max), films),
        "JBB": (gg.descriptors.JBB(system, r_max=r_max), films),
    }
    out = {}
    for name, (describe, snapshots) in cases.items():
        for _ in range(2):
            began = time.perf_counter()
            describe.compute_on(place, snapshots)
            seconds = time.perf_counter() - began
        out[f"{name}, particles/s"] = len(snapshots) * snapshots[0].n / seconds
    return out


def selection(backend: str) -> dict[str, Any]:
    """Greedy selection of 15 from 60 columns by information imbalance, N = 4000, second call."""
    n, many, chosen = (4000, 60, 15) if backend == "cuda" else (300, 12, 3)
    random = np.random.default_rng(2)
    x = random.normal(size=(n, many))
    y = x[:, :5].sum(axis=1) + random.normal(size=n)
    out: dict[str, Any] = {}
    for name, target in (("supervised", y), ("unsupervised", None)):
        for _ in range(2):
            began = time.perf_counter()
            greedy_selection(x, target, chosen, backend=backend, progress=False)
            seconds = time.perf_counter() - began
        out[f"{name}, seconds"] = seconds
    return out


def models(backend: str) -> dict[str, Any]:
    """Elastic nets and ridge regression of many sets of rows, support vectors: the results of the CPU; seconds of the second call."""
    f, count = (276, 50) if backend == "cuda" else (20, 3)
    random, place = np.random.default_rng(0), target_of(backend)
    x = random.normal(size=(count, 4 * f, f)) * np.geomspace(1, 1e-2, f) @ np.linalg.qr(random.normal(size=(f, f)))[0]
    y = x[..., ::5].sum(axis=-1, keepdims=True) + 0.1 * random.normal(size=(count, 4 * f, 1))
    sets = [Moments.of(*rows) for rows in zip(x, y, strict=True)]
    alphas = np.geomspace(0.1, 1e-4, 10)
    nets: Any = {"alphas": alphas, "l1_ratios": [0.0, 0.5, 1.0], "tolerance": 1e-12}
    out: dict[str, Any] = {}
    rows, target = x[0], y[0, :, 0]
    classes, switches = target > np.median(target), ("interior_point", "squared_losses", "settled_rows", "kernel_svr", "mlp")
    jax_on: tuple[str, ...] = tuple(f"{module}.jax_on_gpu" for module in switches)
    yes, no = (lambda: True), (lambda: False)
    cases: dict[str, tuple[Callable[[], np.ndarray], tuple[str, ...], Any, Any]] = {
        "elastic nets": (lambda: elastic_net_path(sets, **nets).weights, ("elastic_net.target",), lambda *_: place, lambda *_: Cpu()),
        "ridge": (lambda: ridge_paths(sets, alphas)[0], ("ridge.jax_on_gpu",), yes, no),
        "LinearSVC, hinge": (lambda: LinearSVC(C=0.01, loss="hinge").fit(rows, classes).decision_function(rows), jax_on, yes, no),
        "LinearSVC, squared hinge": (lambda: LinearSVC(C=0.01).fit(rows, classes).decision_function(rows), jax_on, yes, no),
        "LinearSVR": (lambda: LinearSVR(C=0.01, epsilon=0.1).fit(rows, target).predict(rows), jax_on, yes, no),
        "KernelSVR": (lambda: KernelSVR(C=1.0).fit(rows, target).predict(rows), jax_on, yes, no),
    }
    for name, (fit, where, there, here) in cases.items():
        with contextlib.ExitStack() as patches:
            for switch in where:
                patches.enter_context(mock.patch(f"glassgpu.models.{switch}", here))
            expected = fit()
        with contextlib.ExitStack() as patches:
            for switch in where:
                patches.enter_context(mock.patch(f"glassgpu.models.{switch}", there))
            for _ in range(2):
                began = time.perf_counter()
                found = fit()
                out[f"{name}, s"] = time.perf_counter() - began
        near = 1e-9 if name in ("elastic nets", "ridge") else 1e-6 * np.abs(expected).max()  # support vectors end at a duality gap of 1e-9
        out[f"{name} agree"] = bool(np.allclose(found, expected, rtol=1e-6, atol=near))
    began = time.perf_counter()
    network = MLPRegressor(parameters=max(1000, len(rows)), epochs=20, seed=1, progress=False).fit(rows, target)
    out["network, s"] = time.perf_counter() - began
    out["network learns"] = bool(network.loss_curve_[-1] < network.loss_curve_[0])
    return out


def networks(backend: str) -> dict[str, Any]:
    """Networks side by side and a graph network: that they learn, that a graph network is the CPU's, seconds of an epoch of each."""
    import jax

    big = backend == "cuda"
    random = np.random.default_rng(0)
    rows, columns, times = (48_000, 1062, 15) if big else (600, 40, 2)
    x = random.normal(size=(rows, columns))
    y = np.tanh(x[:, :times]) + 0.1 * random.normal(size=(rows, times))
    settings = ({"hidden": (16,)}, {"hidden": (16, 16, 16), "dropout": (0.0, 0.25, 0.0)}, {"hidden": (16, 16), "alpha": 0.01})
    out: dict[str, Any] = {}

    def fit(epochs: int) -> list[Any]:
        models = [MLPRegressor(**row, batch=50, epochs=epochs, progress=False) for row in settings for _ in range(times)]
        return fit_together(models, x, y[:, [t for _ in settings for t in range(times)]], progress=False)

    fit(1)
    began = time.perf_counter()
    models = fit(3)
    out["networks side by side"], out["seconds of an epoch"] = len(models), (time.perf_counter() - began) / 3
    out["networks learn"] = bool(all(m.loss_curve_[-1] < m.loss_curve_[0] for m in models))
    size, liquids_ = (2000, 10) if big else (200, 2)
    system = gg.systems.hard_spheres(n=size, packing_fraction=0.5)
    snapshots = [system.random_snapshot(k) for k in range(liquids_)]
    inputs, wanted = random.normal(size=(liquids_, size, 354 if big else 8)), random.normal(size=(liquids_, size))

    def graph(epochs: int) -> GraphNetwork:
        return GraphNetwork(cutoff=2.1, epochs=epochs, batch=1, learning_rate=1e-3, progress=False).fit(snapshots, wanted, inputs)

    graph(1)
    began = time.perf_counter()
    model = graph(4)
    out["seconds of a step of a graph network"] = (time.perf_counter() - began) / 4 / liquids_
    out["graph networks learn"] = bool(model.loss_curve_[-1] < model.loss_curve_[0])
    found = model.predict(snapshots[:1], inputs[:1])
    with jax.default_device(jax.devices("cpu")[0]):
        expected = model.predict(snapshots[:1], inputs[:1])
    out["graph network agrees"] = bool(np.allclose(found, expected, atol=1e-3 * np.abs(expected).max()))
    return out


def tests(backend: str) -> dict[str, Any]:
    """The test suite on a machine with a GPU."""
    if backend != "cuda":
        return {"skipped": "the CPU half runs inside the test suite"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "tests/test_kernels.py", "tests/test_energy.py"], capture_output=True, text=True
    )
    return {"exit": done.returncode, "tail": done.stdout[-1500:]}


# name -> (function, seconds), the most valuable first
PARTS = {
    "correctness": (correctness, 300),
    "md_rate": (md_rate, 120),
    "mc_rate": (mc_rate, 120),
    "hard_spheres": (hard_spheres, 150),
    "quench": (quench, 120),
    "physics": (physics, 200),
    "descriptors": (descriptors, 90),
    "selection": (selection, 60),
    "models": (models, 90),
    "networks": (networks, 120),
    "tests": (tests, 120),
}


def environment(backend: str) -> dict[str, Any]:
    """What the figures were measured on."""
    facts = {"glassgpu": gg.__version__, "date": time.strftime("%Y-%m-%d"), "python": platform.python_version(), "backend": backend}
    if backend == "cuda":
        gpu = Cuda()
        facts["device"] = gpu.xp.cuda.runtime.getDeviceProperties(gpu.device.id)["name"].decode()
    else:
        lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
        facts["device"] = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
    return facts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("gpu_check.json"))
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--backend", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # a part, run in this process
    options = parser.parse_args()
    if options.one:
        print(json.dumps({"environment": environment(options.backend), "figures": PARTS[options.one][0](options.backend)}))
        return 0
    wrong = 0
    result: dict[str, Any] = {}
    for name in options.parts.split(","):
        limit = PARTS[name][1]
        command = [sys.executable, "-m", "benchmarks.gpu_check", "--one", name, "--backend", options.backend]
        began = time.monotonic()
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
            part: dict[str, Any] = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {"error": done.stderr[-3000:]}
        except subprocess.TimeoutExpired:
            part = {"error": f"longer than {limit} s"}
        result["environment"] = part.pop("environment", result.get("environment"))
        result[name] = {**part, "seconds": round(time.monotonic() - began, 1)}
        wrong += "error" in part or any(value is False for value in part.get("figures", {}).values())
        options.out.write_text(json.dumps(result, indent=1))
        print(name, json.dumps(result[name], indent=1), flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
