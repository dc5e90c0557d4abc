"""Monte Carlo dynamics of the ternary mixture slows down: F_s^CR, tau_alpha(T), maps of p, q and Theta (II, figures 1 and 2)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from glassgpu.experiments.liquids import equilibrated
from glassgpu.experiments.ternary_relaxation_report import WAVENUMBER, relaxation_time, write

import glassgpu as gg
from glassgpu import dynamics, structure, validate
from glassgpu.descriptors import coarse_grain
from glassgpu.evaluate import pearson
from glassgpu.report.page import Page
from glassgpu.study import Result, Study

SAMPLES = 40
COARSE = 2.0  # length over which Theta is averaged in II figure 2


@dataclass(frozen=True)
class Scale:
    """What one scale computes.

    Attributes:
        n, configurations: independent liquids of each temperature.
        tau: expected relaxation time by temperature [sweeps]; each liquid is cooled from the one before.
        replicas: of each liquid above the coldest temperature, which run ``longest`` relaxation times.
        runs: of each liquid of the isoconfigurational ensembles, at the coldest temperature and in the
            comparison of dynamics.
        compared: temperature of that comparison; its relaxation time by molecular dynamics [time]; and
            the number of configurations.
    """

    n: int
    configurations: int
    tau: dict[float, float]
    replicas: int
    runs: int
    compared: tuple[float, float, int]
    longest: float = 4.0
    ensemble_longest: float = 1.5


SCALES = {
    "smoke": Scale(300, 2, {1.0: 700.0, 0.7: 1500.0}, 2, 12, (0.7, 4.0, 1), 3.0),
    "laptop": Scale(1000, 4, {1.0: 500.0, 0.6: 1900.0, 0.5: 4000.0, 0.45: 8000.0, 0.4: 2e4}, 4, 30, (0.45, 15.0, 2)),
    "paper": Scale(
        4000,
        10,
        {1.0: 500.0, 0.6: 1900.0, 0.5: 4000.0, 0.45: 8000.0, 0.4: 2e4, 0.35: 2e5, 0.32: 1e6, 0.3: 4e6},
        30,
        30,
        (0.45, 15.0, 10),
        2.0,
    ),
}


@dataclass(frozen=True)
class TernaryRelaxation:
    """A two-dimensional mixture under Metropolis dynamics, and who moves in it."""

    out: Path = Path("out/ternary_relaxation")
    """folder for the report"""
    scale: str = "laptop"
    """smoke, laptop (2 cores, T from 1.0 to 0.4) or paper (one GPU, to 0.3)"""
    seed: int = 1
    """equal seeds give equal numbers"""
    backend: str = "auto"
    """auto, cuda or cpu"""


def run(options: TernaryRelaxation) -> Path:
    """Run the stages that have not been run yet, and write the report; returns its path."""
    validate.choice("scale", options.scale, tuple(SCALES))
    scale = SCALES[options.scale]
    page = Page("Who moves in a crowd that hardly does", options.out)
    system = gg.systems.ternary_2d(n=scale.n)
    coldest = min(scale.tau)
    hot = [t for t in scale.tau if t > coldest]
    names = [
        *(f"{kind}-{t:g}" for t in hot for kind in ("liquids", "relaxation")),
        f"liquids-{coldest:g}",
        "ensemble",
        "fields",
        "compared",
    ]
    study = Study(options.out, options, stages=names)

    def engine(name: str) -> dict[str, Any]:
        """What every stage is given; a seed of its own, so that no two share their random numbers."""
        seed = int(np.random.SeedSequence([options.seed, *name.encode()]).generate_state(1)[0])
        return {"system": system, "seed": seed, "backend": options.backend}

    liquids: dict[float, Result] = {}
    warmer: Result | None = None
    runs: dict[float, Result] = {}
    for t, tau in scale.tau.items():
        name = f"liquids-{t:g}"
        warmer = liquids[t] = study.stage(
            name,
            equilibrated,
            before=warmer,
            temperature=t,
            duration=_swap_duration(tau),
            configurations=scale.configurations,
            **engine(name),
        )
        if t > coldest:
            name = f"relaxation-{t:g}"
            runs[t] = study.stage(
                name, _relaxed, liquids=liquids[t], temperature=t, longest=scale.longest * tau, replicas=scale.replicas, **engine(name)
            )
    longest = scale.ensemble_longest * scale.tau[coldest]
    runs[coldest] = study.stage(
        "ensemble", _ensemble, liquids=liquids[coldest], temperature=coldest, longest=longest, replicas=scale.runs, **engine("ensemble")
    )
    fields = study.stage("fields", _fields, liquids=liquids[coldest], ensemble=runs[coldest], system=system)
    t, tau_md, count = scale.compared
    compared = study.stage(
        "compared", _compared, liquids=liquids[t], temperature=t, tau_mc=scale.tau[t], tau_md=tau_md, configurations=count, replicas=scale.runs,
        **engine("compared"),
    )  # fmt: skip
    write(page, options.scale, system, runs, liquids[coldest], fields, compared)
    return page.write(
        {"scale": options.scale, "n": scale.n, "configurations": scale.configurations, "runs": scale.runs, **study.provenance()}
    )


def _swap_duration(tau: float) -> float:
    """Sweeps of swap Monte Carlo that suffice for an equilibration: swaps relax the liquid 3 times faster than plain
    moves at T = 0.4, 35 times at 0.3, and ``equilibrate`` tests the result."""
    return min(3 * tau, max(6e4, 0.6 * tau))


def _sweeps(longest: float) -> list[float]:
    return np.unique(np.round(np.geomspace(1, longest, SAMPLES))).tolist()


def _late_energy(potential: np.ndarray, times: list[float], n: int) -> float:
    """Energy per particle after a tenth of the run, (configuration, replica, time) -> number."""
    return float(potential[:, :, np.array(times) > times[-1] / 10].mean() / n)


def _relaxed(liquids: Result, system: gg.System, longest: float, checkpoint: Path, **given: Any) -> dict[str, Any]:
    observe, times = dynamics.Observe(wavenumber=WAVENUMBER), _sweeps(longest)
    trajectory = gg.simulate.mc(system, list(liquids["snapshots"]), times=times, observe=observe, checkpoint=checkpoint, **given)
    return {
        "observables": trajectory.observables,
        "acceptance": np.asarray(trajectory.acceptance).mean(),
        "energy": _late_energy(trajectory.potential, times, system.n),
    }


def _ensemble(
    liquids: Result, system: gg.System, longest: float, replicas: int, seed: int, checkpoint: Path, **given: Any
) -> dict[str, Any]:
    """Two independent halves of the runs, so that p of one may be compared with q of the other: the noise of p and q of
    the same runs is the same, for a particle that goes far breaks its bonds."""
    import xarray

    snapshots, times = list(liquids["snapshots"]), _sweeps(longest)
    halves = [
        gg.isoconfigurational(
            system, snapshots, dynamics="mc", times=times, replicas=replicas // 2, seed=seed + half, labels=("bond_breaking",),
            observe=dynamics.Observe(wavenumber=WAVENUMBER), checkpoint=checkpoint.with_suffix(f".{half}.npz"), **given,
        ) for half in (0, 1)
    ]  # fmt: skip
    # The share of accepted moves is not a label: a short run of one liquid tells it.
    short = gg.simulate.mc(system, snapshots[0], temperature=given["temperature"], duration=200, seed=seed + 2, backend=given["backend"])
    watched = [h.observables[[n for n, v in h.observables.items() if "replica" in v.dims]] for h in halves if h.observables is not None]
    energies = np.stack([h.energy.values for h in halves if h.energy is not None], axis=1) * system.n
    names = ("propensity", "standard_error", "bond_breaking", "bond_breaking_error")
    return {
        "observables": xarray.concat(watched, "replica"),
        "acceptance": np.asarray(short.acceptance).mean(),
        "energy": _late_energy(energies, times, system.n),
        **{name: xarray.concat([getattr(h, name) for h in halves], "half") for name in names},
    }


def _at_relaxation(observables: Any) -> int:
    """The sample nearest to tau_alpha, in the logarithm of time."""
    tau = relaxation_time(observables)[0]
    tau = observables.time.values[-1] if np.isnan(tau) else tau
    return int(np.abs(np.log(observables.time.values / tau)).argmin())


def _fields(liquids: Result, ensemble: Result, system: gg.System) -> dict[str, Any]:
    """p and q at tau_alpha, and Theta of the liquids as they stand, coarse-grained: (configuration, particle)."""
    at = _at_relaxation(ensemble["observables"])
    snapshots = list(liquids["snapshots"])
    reach = float(min(20.0, snapshots[0].box.min() / 2))
    theta = [coarse_grain(structure.steric_order(system, s)[:, None], s, [COARSE], reach)[1][:, 0, 0, 0] for s in snapshots]
    p, p_error, q, q_error = (
        ensemble[name].isel(time=at).values for name in ("propensity", "standard_error", "bond_breaking", "bond_breaking_error")
    )  # (half, configuration, particle)
    everyone = np.zeros(system.n, np.int32)
    ceilings = [dynamics.noise_ceiling(x, error**2, everyone)[..., 0] for x, error in ((p, p_error), (q, q_error))]
    across = [[pearson(p[h, c], q[1 - h, c]) for c in range(len(snapshots))] for h in (0, 1)]
    return {
        "time": float(ensemble["propensity"].time[at]),
        "p": p.mean(axis=0),
        "q": q.mean(axis=0),
        "theta": np.stack(theta),
        "pearson_p_q": np.mean(across, axis=0),
        "ceilings": np.array([c.mean(axis=0) for c in ceilings]),
    }


def _compared(
    liquids: Result, system: gg.System, temperature: float, tau_mc: float, tau_md: float, configurations: int, replicas: int, seed: int,
    backend: str, checkpoint: Path,
) -> dict[str, Any]:  # fmt: skip
    """Propensities of the same liquids under both dynamics, each at its own tau_alpha."""
    snapshots = list(liquids["snapshots"])[:configurations]
    dt = 0.005
    times = {
        "mc": _sweeps(1.7 * tau_mc),
        "md": (dt * np.unique(np.round(np.geomspace(4, 1.7 * tau_md / dt, SAMPLES)))).tolist(),
    }
    found: dict[str, Any] = {}
    for name in ("mc", "md"):
        runs = gg.isoconfigurational(
            system, snapshots, temperature=temperature, dynamics=name, times=times[name], replicas=replicas, seed=seed, backend=backend,
            observe=dynamics.Observe(wavenumber=WAVENUMBER), checkpoint=checkpoint.with_suffix(f".{name}.npz"),
        )  # fmt: skip
        at = _at_relaxation(runs.observables)
        p, error = runs.propensity.values[:, at], runs.standard_error.values[:, at]
        found |= {
            f"p_{name}": p,
            f"observables_{name}": runs.observables,
            f"tau_{name}": np.array(relaxation_time(runs.observables)),
            f"ceiling_{name}": np.array(
                [dynamics.noise_ceiling(v, e**2, np.zeros(system.n, np.int32))[0] for v, e in zip(p, error, strict=True)]
            ),
        }
    found["pearson"] = np.array([pearson(a, b) for a, b in zip(found["p_mc"], found["p_md"], strict=True)])
    return found
