"""Whether every kernel gives on a GPU what it gives on the CPU: known answers, strict builds bit for bit, how the work is cut.

Part of ``gpu_check``.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

import glassgpu as gg
from glassgpu.dynamics import Hops
from glassgpu.engines.edmd import EdmdPlan, EdmdRun, usual_skin
from glassgpu.engines.mc import McPlan, McRun
from glassgpu.engines.md import MdPlan, MdRun
from glassgpu.engines.problem import Problem
from glassgpu.launch import Cpu, Cuda, element_dtype, fill
from glassgpu.selection.imbalance import RankSums
from glassgpu.systems.starts import closest_pair

PHILOX_COUNTER, PHILOX_KEY = [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], 0x299F31D0A4093822
PHILOX_WORDS = [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]  # Random123, kat_vectors


HOPS = Hops(interval=1.0, half_window=3, threshold=1e-4, squared_displacement=1e-4)  # in short runs too some are above
WATCH: dict[str, Any] = {"hops": HOPS, "hop_every": 4, "hop_samples": (4, 7)}


def target_of(backend: str, strict: bool = False) -> Cpu | Cuda:
    """The target under test: the GPU, or its stand-in on the CPU."""
    return Cuda(strict=strict) if backend == "cuda" else Cpu(2, strict=strict, shuffled=True)


def liquids(n: int, count: int, temperature: float = 0.6) -> tuple[gg.System, list[gg.Snapshot]]:
    """Roughly equilibrated starts with velocities, from the CPU."""
    system = gg.systems.kob_andersen(n=n, cutoff="per_pair")
    made = gg.equilibrate(system, temperature, 2.0, seed=3, configurations=max(count, 2), accept=None, backend="cpu", progress=False)
    return system, list(made)[:count]


def md(system: gg.System, starts: list[gg.Snapshot], target: Cpu | Cuda, how: dict[str, Any] | None = None, **plan: Any):
    """One run; ``plan`` overrides the defaults below, ``how`` says how the work is cut."""
    settings = {
        "temperature": 0.6,
        "steps": 40,
        "samples": (5, 40),
        "replicas": 2,
        "seed": 1,
        "dt": 0.004,
        "keep_final": True,
        **WATCH,
        **plan,
    }
    return MdRun(system, starts, MdPlan(**settings), target, progress=False, **(how or {})).run().results()


def mc(system: gg.System, starts: list[gg.Snapshot], target: Cpu | Cuda, how: dict[str, Any] | None = None, **plan: Any):
    """The same of Monte Carlo, with labels relative to the cage and broken bonds."""
    settings = {
        "temperature": 0.6, "steps": 40, "samples": (5, 40), "replicas": 2, "seed": 1, "keep_final": True, "skin": 0.5, "cage_relative": True,
        "bond_breaking": True, "observe": gg.dynamics.Observe(wavenumber=6.3, bins=20), **WATCH, **plan,
    }  # fmt: skip
    return McRun(system, starts, McPlan(**settings), target, progress=False, **(how or {})).run().results()


def _scores(system: gg.System, starts: list[gg.Snapshot]) -> gg.dynamics.Scores:
    """A function of distance that oscillates, and three groups."""
    r2 = np.linspace(0, 1, 502) * (reach := 3.0) ** 2
    table = np.stack([np.cos(3 * np.sqrt(r2) + s) for s in range(len(system.species))])
    table[:, r2 < 0.04] = table[:, -2:] = 0
    return gg.dynamics.Scores(system.species, reach, table, 0.5, np.arange(starts[0].n) % 4 - 1)


def same(a: Any, b: Any) -> bool:
    """Whether two runs agree bit for bit in everything they leave behind."""
    return all(np.array_equal(a[name], b[name]) for name in a)


def correctness(backend: str) -> dict[str, Any]:
    """Known answers; strict builds bit for bit; how the work is cut; overflows."""
    out: dict[str, Any] = {}
    place = target_of(backend)
    constants = place.compile_constants(1, {"DIMENSION": 3, "SPECIES": 1, "LAW": 0, "DOUBLE": 0})
    word = place.xp.zeros((1, 4), np.uint32)
    key, counter = place.xp.asarray(np.array([PHILOX_KEY], np.uint64)), place.xp.asarray(np.array([PHILOX_COUNTER], np.uint32))
    arguments = fill("PhiloxArguments", constants, {"replicas": 1, "key": key, "counter": counter, "word": word})
    place.run("check_philox", "PhiloxArguments", constants, arguments, 1, 1)
    out["philox"] = place.to_numpy(word)[0].tolist() == PHILOX_WORDS
    systems = {"3d shifted": liquids(500, 2), "3d smooth": (gg.systems.kob_andersen(n=500, law="smooth"), liquids(500, 2)[1])}
    film = gg.systems.ternary_2d(n=400)
    systems["2d smooth"] = (
        film,
        list(gg.equilibrate(film, 0.6, 2.0, seed=3, configurations=2, dynamics="md", accept=None, backend="cpu", progress=False)),
    )
    # The stand-in on the CPU compiles every build anew: two cases show that the checks work.
    cases = (
        [(n, p) for n in systems for p in ("single", "double")]
        if backend == "cuda"
        else [("3d shifted", "single"), ("2d smooth", "double")]
    )
    for name, precision in cases:
        system, starts = systems[name]
        label = f"{name} {precision}"
        score = _scores(system, starts)
        fixed: dict[str, Any] = {"draw_velocities": False, "thermostat": None, "precision": precision, "replicas": 1, "score": score}
        reference = md(system, starts, Cpu(2, strict=True), **fixed)
        strict = md(system, starts, target_of(backend, strict=True), **fixed)
        out[f"strict bit for bit, {label}"] = same(reference, strict)
        out[f"strict largest difference, {label}"] = float(np.abs(reference["places"] - strict["places"]).max())
        plain = md(system, starts, place, precision=precision, replicas=5)
        ways: dict[str, dict[str, Any]] = {"batch": {"batch": 3}, "chunk": {"chunk": 7}, "overflow": {"capacity": 40}}
        for way, how in ways.items():
            out[f"{way} changes nothing, {label}"] = same(plain, md(system, starts, place, how, precision=precision, replicas=5))
        noisy: dict[str, Any] = {
            "thermostat": "langevin",
            "protocol": ((10, 0.6, 0.6), (30, 0.6, 0.9)),
            "score": score,
            "precision": precision,
        }
        there, here = (md(system, starts, p, replicas=5, **noisy) for p in (place, Cpu(2)))
        out[f"chunk changes nothing of noise, {label}"] = same(there, md(system, starts, place, {"chunk": 7}, replicas=5, **noisy))
        out[f"noise, a protocol and scores agree, {label}"] = bool(np.allclose(there["scores"], here["scores"], rtol=1e-3, atol=1e-2))
        host = md(system, starts, Cpu(2), precision=precision, replicas=5)
        out[f"NVT largest difference of displacement sums, {label}"] = float(
            np.abs(host["sums"][:, 0, 0] - plain["sums"][:, 0, 0]).max() / 2**30
        )
        out[f"energies agree, {label}"] = bool(
            np.allclose(_energy(system, starts, place, precision), _energy(system, starts, Cpu(2), precision), rtol=1e-6)
        )
    out |= _monte_carlo(backend, *systems["2d smooth"])
    big = {"no shared positions": 20_000, "wide index": 66_000} if backend == "cuda" else {}
    for label, n in big.items():
        system = gg.systems.kob_andersen(n=n, cutoff="per_pair")
        snapshots = [system.random_snapshot(1)]
        there, here = (_energy(system, snapshots, p, "single") for p in (place, Cpu()))
        out[f"energies agree, {label}, N={n}"] = bool(np.allclose(there, here, rtol=1e-6))
    system, starts = systems["3d shifted"]
    many = 5000 if backend == "cuda" else 7  # more replicas than resident blocks or threads
    alone = md(system, starts[:1], place, replicas=3)
    crowd = md(system, starts[:1], place, replicas=many)
    out["several replicas per block"] = bool(np.array_equal(alone["places"], crowd["places"][:3]))
    solids = [gg.systems.kob_andersen(n=1200).random_snapshot(seed) for seed in (1, 2)]
    plane, films = systems["2d smooth"]
    for describe, snapshots in (
        (gg.descriptors.ShellExpansion(generations=2), solids),
        (gg.descriptors.Softness(generations=2, radial=(0.0, 3.9, 40, 0.2)), solids),
        (gg.descriptors.BehlerParrinello(coarse_graining=1.5, r_max=9.0), films),
        (gg.descriptors.BehlerParrinello(species=("A", "B"), cutoff=3.0), solids),
        (gg.descriptors.SLO(plane, r_max=9.0), films),
        (gg.descriptors.JBB(plane, r_max=9.0), films),
    ):
        there, here = (p.to_numpy(describe.compute_on(p, snapshots)) for p in (place, Cpu()))
        name = f"{type(describe).__name__} in {snapshots[0].dimension} dimensions"
        out[f"largest difference of {name}"] = float(np.abs(there - here).max())
        out[f"{name} agrees"] = bool(np.allclose(there, here, rtol=1e-9, atol=1e-12))
    out |= _imbalance(place)
    return out


def edmd(
    system: gg.System, start: gg.Snapshot, target: Cpu | Cuda, steps: int = 100, how: dict[str, Any] | None = None, **plan: Any
) -> EdmdRun:
    """One run of hard spheres that goes on with the velocities of its start."""
    settings = {
        "temperature": 1.0, "steps": steps, "samples": (steps,), "replicas": 1, "seed": 1, "precision": "double", "skin": 0.5, "keep_final": True,
        "draw_velocities": False, **plan,
    }  # fmt: skip
    run = EdmdRun(system, [start], EdmdPlan(**settings), target, progress=False, **(how or {}))
    run.run()
    return run


def hard_spheres(backend: str) -> dict[str, Any]:
    """Event-driven dynamics: strict builds event by event, how the work is cut, conservation, collisions per second."""
    out: dict[str, Any] = {}
    place = target_of(backend)
    system = gg.systems.hard_spheres(n=500, packing_fraction=0.55)
    start = gg.simulate.edmd(system, system.random_snapshot(1), temperature=1.0, duration=2.0, seed=1, backend="cpu", progress=False).final
    assert isinstance(start, gg.Snapshot)
    here, there = (edmd(system, start, t, seen=20_000, how={"chunk": 100}) for t in (Cpu(1, strict=True), target_of(backend, strict=True)))
    events = [r.target.to_numpy(r.history[0]) for r in (here, there)]
    out["strict events alike"] = bool(np.array_equal(events[0], events[1]))
    out["events compared"] = int((events[0][0, :, 0] > 0).sum())
    out["strict bit for bit"] = same(here.final, there.final)
    drawn: dict[str, Any] = {"replicas": 5, "draw_velocities": True, "hops": HOPS, "hop_every": 10, "hop_samples": (4, 7)}
    plain = edmd(system, start, place, **drawn).results()
    for way, how in {"batch": {"batch": 3}, "chunk": {"chunk": 7}, "overflow": {"capacity": 40}}.items():
        out[f"{way} changes nothing"] = same(plain, edmd(system, start, place, how=how, **drawn).results())
    long = edmd(system, start, place, steps=1000 if backend == "cuda" else 200)
    square = [float((v**2).sum()) for v in (start.velocities, long.final["velocities"][0])]
    out["energy change"] = abs(square[1] / square[0] - 1)
    out["energy conserved"] = out["energy change"] < 1e-12
    out["nothing overlaps"] = closest_pair(system, gg.Snapshot(long.final["places"][0], start.types, start.box), 1 - 1e-9) is None
    sizes = [(2000, 300), (2000, 5000)] if backend == "cuda" else [(500, 2)]
    for n, replicas in sizes:
        dense = gg.systems.hard_spheres(n=n, packing_fraction=0.58)
        packed, steps = dense.random_snapshot(1), 20 if backend == "cuda" else 5
        plan = EdmdPlan(
            temperature=1.0, steps=4 * steps, samples=(), replicas=replicas, seed=1, precision="double", skin=usual_skin(dense, [packed]), labels=False
        )  # fmt: skip
        run = EdmdRun(dense, [packed], plan, place if backend == "cuda" else Cpu(), progress=False)
        run._start_batch()
        run._run_chunk(steps)  # warm up: compilation, allocation
        before, began = run.counts["meetings"].sum(), time.perf_counter()
        for _ in range(3):
            run._run_chunk(steps)
        met = int(run.counts["meetings"].sum() - before)
        out[f"N={n} replicas={replicas} packing 0.58, collisions/s"] = met / (time.perf_counter() - began)
    return out


def _imbalance(place: Cpu | Cuda) -> dict[str, Any]:
    """Information imbalance bit for bit, with and without ties, and of more points than 65535 have numbers for."""
    out: dict[str, Any] = {}
    random = np.random.default_rng(1)
    kinds = {"normal": random.normal(size=(500, 24)), "tied": random.integers(0, 4, (500, 24)) * 0.1}
    for label, x in kinds.items():
        for chosen in (0, 3):
            there, here = (RankSums(p, x[:, 20:])(x[:, :chosen], x[:, chosen:20], both=True) for p in (place, Cpu()))
            out[f"imbalance bit for bit, {label}, {chosen} columns chosen"] = bool(np.array_equal(there, here))
    if isinstance(place, Cuda):
        x = random.normal(size=(70_000, 3))
        there, here = (RankSums(p, x[:, 2:])(x[:, :2]) for p in (place, Cpu()))
        out["imbalance bit for bit, N=70000"] = bool(np.array_equal(there, here))
    return out


def _monte_carlo(backend: str, system: gg.System, starts: list[gg.Snapshot]) -> dict[str, Any]:
    """Moves, and moves mixed with exchanges: strict builds bit for bit; how the work is cut."""
    out: dict[str, Any] = {}
    place = target_of(backend)
    for name, exchange in (("mc", None), ("swap mc", 0.3)):
        for precision in ("single", "double") if backend == "cuda" else ("single",):
            label = f"{name} {precision}"
            fixed: dict[str, Any] = {"exchange": exchange, "precision": precision}
            reference, strict = (mc(system, starts, p, **fixed) for p in (Cpu(2, strict=True), target_of(backend, strict=True)))
            out[f"strict places bit for bit, {label}"] = bool(np.array_equal(reference["places"], strict["places"]))
            out[f"strict counts agree, {label}"] = all(
                np.array_equal(reference[n], strict[n]) for n in ("displacements", "exchanges", "bonds")
            )
            out[f"largest difference of observables, {label}"] = float(np.abs(reference["observable"] - strict["observable"]).max())
            plain = mc(system, starts, place, replicas=5, **fixed)
            ways: dict[str, dict[str, Any]] = {"batch": {"batch": 3}, "chunk": {"chunk": 7}, "overflow": {"capacity": 40}}
            for way, how in ways.items():
                out[f"{way} changes nothing, {label}"] = same(plain, mc(system, starts, place, how, replicas=5, **fixed))
    return out


def _energy(system: gg.System, snapshots: list[gg.Snapshot], place: Cpu | Cuda, precision: str) -> np.ndarray:
    """Total energies by a given target."""
    problem = Problem(system, snapshots, place, precision, skin=0.0)
    c, n, d, xp = len(snapshots), problem.n, problem.d, place.xp
    real, packed = (element_dtype("EnergyArguments", f, problem.constants) for f in ("energy", "reference"))
    total, status = xp.zeros((c, 2)), xp.zeros(c, np.int32)
    problem.run(
        "run_energy", "EnergyArguments", place.slots(c, "run_energy", problem.constants, n), replicas=c, place=xp.asarray(problem.places),
        reference=xp.zeros((c, d, n), packed), energy=xp.zeros((c, n), real), force=xp.zeros((c, d, n), real), total=total, status=status,
    )  # fmt: skip
    return place.to_numpy(total)[:, 0]
