"""What users ask of a run, checked: times as whole steps, a place to run, and what has to be known to repeat it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from glassgpu import __version__, validate
from glassgpu.dynamics.hops import Hops
from glassgpu.dynamics.observables import Observe
from glassgpu.dynamics.scores import Scores
from glassgpu.engines.checkpoint import fingerprint
from glassgpu.engines.edmd import EdmdPlan, usual_skin
from glassgpu.engines.hoomd import hoomd_place, place_of
from glassgpu.engines.hoomd_runs import HoomdRun
from glassgpu.engines.mc import McPlan
from glassgpu.engines.md import THERMOSTATS, MdPlan, MdRun
from glassgpu.engines.parts import Elsewhere
from glassgpu.engines.runs import Run
from glassgpu.errors import InvalidInput, warn_user
from glassgpu.launch import Cpu, Cuda, target
from glassgpu.protocols import Temperature, in_steps
from glassgpu.systems.system import System
from glassgpu.types import Snapshot

TIME_UNIT = "sqrt(m sigma^2 / epsilon)"
EDMD_TIME_UNIT = "sqrt(m sigma^2 / k_B T)"  # at temperature 1
DT = 0.005
SKIN = 0.5  # the fastest of 0.3 to 0.7 for N = 800 at T = 0.6 and N = 4096 at T = 0.44 on a CPU
STEP = 0.12  # papers II and LIN
MC_SKIN = 0.75  # the fastest of 0.4 to 0.9 for the ternary mixture, N = 4000 at T = 0.3 on a CPU
SWAP_FRACTION = 0.2
EDMD_DT = 0.01  # nothing depends on it but which times can be asked for
MOVED = 0.01  # a time may be moved by so much of itself to fall on a whole step
MOST_STEPS = 2**53


def steps_of(times: Sequence[float] | np.ndarray, dt: float) -> np.ndarray:
    """The whole steps nearest to the times, (time,) int64, ascending and all different.

    Raises:
        InvalidInput: not ascending, shorter than one step, more than 1 % off a whole step, two times
            on one step, or more steps than can be counted.
    """
    asked = validate.array("times", [times] if isinstance(times, (int, float)) else times, np.float64, (None,))
    if not len(asked) or asked.min() <= 0:
        raise InvalidInput(f"times={asked.tolist()}: give at least one time, each above 0")
    validate.number("the last of times, in steps", asked.max() / dt, most=MOST_STEPS)
    steps = np.rint(asked / dt).astype(np.int64)
    moved = np.flatnonzero((np.abs(steps * dt - asked) > MOVED * asked) | (asked < (1 - MOVED) * dt))
    if len(moved):
        k = int(moved[0])
        raise InvalidInput(
            f"time {asked[k]:g} is no whole number of steps dt={dt:g}: the nearest, step {max(1, steps[k])}, is at "
            f"{max(1, steps[k]) * dt:g}; {_fitting_step(asked, dt)}"
        )
    clash = np.flatnonzero(np.diff(steps) <= 0)
    if len(clash):
        k = int(clash[0])
        raise InvalidInput(
            f"times {asked[k]:g} and {asked[k + 1]:g} fall on steps {steps[k]} and {steps[k + 1]} (dt={dt:g}); "
            "give ascending times that are at least one step apart"
        )
    return steps


def sweeps_of(times: Sequence[float] | np.ndarray) -> np.ndarray:
    """Times of Monte Carlo, (time,) int64: whole sweeps, ascending and all different.

    Raises:
        InvalidInput
    """
    asked = validate.array("times", np.atleast_1d(np.asarray(times)) if isinstance(times, (int, float)) else times, np.float64, (None,))
    if not len(asked) or asked.min() < 1 or (asked != np.rint(asked)).any() or (np.diff(asked) <= 0).any():
        raise InvalidInput(f"times={asked.tolist()[:8]}: Monte Carlo counts in sweeps; give ascending whole numbers of them, from 1 on")
    validate.number("the last of times", asked.max(), most=MOST_STEPS)
    return asked.astype(np.int64)


def _fitting_step(times: np.ndarray, dt: float) -> str:
    """Advice: the largest step, not above ``dt``, on whose multiples all the times fall."""
    first = times.min()
    for k in range(int(np.ceil(first / dt * (1 - 1e-9))), int(np.ceil(first / dt)) + 1000):
        steps = np.rint(times * k / first)
        if (np.abs(steps * first / k - times) <= MOVED * times).all() and (np.diff(steps) > 0).all():
            return f"take dt={first / k:.6g}, or multiples of dt"
    return "take multiples of dt"


def hops_of(hops: Hops | None, dt: float) -> tuple[Hops, int]:
    """What to watch for, the default for None, and the steps of length ``dt`` between two frames.

    Raises:
        InvalidInput: not ``Hops``, or an interval that is no whole number of steps.
    """
    hops = Hops() if hops is None else hops
    if not isinstance(hops, Hops):
        raise InvalidInput(f"hops={hops!r}: give a glassgpu.dynamics.Hops(...), or None")
    every = round(hops.interval / dt)
    if every < 1 or abs(every * dt - hops.interval) > 1e-9 * hops.interval:
        raise InvalidInput(f"interval={hops.interval:g} between frames is no whole number of steps of {dt:g}; give a multiple")
    if hops.since is not None and abs(round(hops.since / hops.interval) * hops.interval - hops.since) > 1e-9 * hops.interval:
        raise InvalidInput(f"since={hops.since:g} is no whole multiple of interval={hops.interval:g}: give the time of a frame")
    if every > 2**31 - 1:
        raise InvalidInput(f"interval={hops.interval:g} between frames is more steps of {dt:g} than can be counted")
    return hops, every


def choose_engine(
    engine: type[Run], backend: str, rows: int, threads: int | None, elsewhere: Elsewhere | None = None
) -> tuple[type[Run], Cpu | Cuda]:
    """What runs these dynamics by that backend, and where; with a warning when a GPU, on whose every multiprocessor so many
    replicas run ``SIDE_BY_SIDE``, is given too few to be busy. Of what workers run, this process only puts results together."""
    if backend == "hoomd" and engine is MdRun:
        return HoomdRun, place_of(backend, threads)
    if elsewhere:
        validate.choice("backend", backend, ("auto", "cuda", "cpu"))
        return engine, target("cpu", threads)
    place = target(backend, threads)
    if isinstance(place, Cuda) and rows < (busy := engine.SIDE_BY_SIDE * place.multiprocessors()):
        warn_user(
            f"{rows} replicas leave most of this GPU idle, which {busy} would keep busy: ask for all configurations and replicas "
            "in one call, or run a single large system with backend='hoomd'"
        )
    return engine, place


def common_of(
    system: System,
    *,
    temperature: Temperature | None,
    protocol_step: float | None = None,
    needs_temperature: bool = True,
    precision: str,
    skin: float,
    replicas: int,
    seed: int,
    steps: int,
    samples: np.ndarray,
    cage_relative: bool | None,
    observe: Observe | None,
    score: Scores | None = None,
    hops: Hops | None = None,
    hop_every: int = 0,
    hop_samples: Sequence[int] = (),
    least_replicas: int = 1,
    **switches: bool,
) -> dict[str, Any]:
    """The fields of ``Plan``, checked; ``switches`` are those of it that are on.

    Raises:
        InvalidInput
    """
    if not needs_temperature and temperature is None:
        protocol: tuple[tuple[int, float, float], ...] = ()
    elif protocol_step is None:
        validate.number("temperature", temperature, above=0)  # of hard spheres, whose time it only scales
        protocol = ()
    else:
        protocol = in_steps(temperature, protocol_step)  # type: ignore[arg-type]
    validate.choice("precision", precision, ("single", "double"))
    validate.choice("cage_relative", cage_relative, (None, True, False))
    if observe is not None and not isinstance(observe, Observe):
        raise InvalidInput(f"observe={observe!r}: give a glassgpu.dynamics.Observe(wavenumber=...), or None")
    if score is not None and not isinstance(score, Scores):
        raise InvalidInput(f"score={score!r}: give a glassgpu.dynamics.Scores(...), or None")
    return {
        "temperature": protocol[0][1] if protocol else 1.0 if temperature is None else float(temperature),  # type: ignore[arg-type]
        "protocol": protocol,
        "steps": steps,
        "samples": tuple(samples.tolist()),
        "replicas": validate.whole("replicas", replicas, least=least_replicas, most=2**20),
        "seed": validate.whole("seed", seed, least=0),
        "precision": precision,
        "skin": validate.number("skin", skin, above=0, most=5),
        "cage_relative": system.dimension == 2 if cage_relative is None else bool(cage_relative),
        "observe": observe,
        "score": score,
        "hops": hops,
        "hop_every": hop_every,
        "hop_samples": tuple(hop_samples),
        **switches,
    }


def md_plan(
    system: System, *, dt: float, thermostat: str | None, thermostat_time: float, draw_velocities: bool = True, **common: Any
) -> MdPlan:
    """A checked plan of molecular dynamics; ``common`` as for ``common_of``."""
    validate.choice("thermostat", thermostat, THERMOSTATS)
    validate.number("thermostat_time", thermostat_time, above=0)
    if thermostat == "langevin" and thermostat_time < dt:
        raise InvalidInput(
            f"thermostat_time={thermostat_time:g} is below dt={dt:g}: velocities would be forgotten within a step; give at least dt"
        )
    plan = MdPlan(
        **common_of(system, **common, protocol_step=dt, needs_temperature=draw_velocities), dt=dt, thermostat=thermostat,
        thermostat_time=thermostat_time, draw_velocities=draw_velocities,
    )  # fmt: skip
    if plan.protocol and thermostat is None:
        raise InvalidInput("thermostat=None has no bath whose temperature could change: give thermostat='nose_hoover' or 'langevin'")
    return plan


def mc_plan(system: System, *, step: float, exchange: float | None = None, **common: Any) -> McPlan:
    """A checked plan of Monte Carlo; ``common`` as for ``common_of``."""
    plan = McPlan(
        **common_of(system, **common, protocol_step=1.0), step_size=validate.number("step", step, above=0),
        exchange=None if exchange is None else validate.number("swap_fraction", exchange, above=0, most=1),
    )  # fmt: skip
    longest = 0.5 * plan.step_size * system.dimension**0.5
    if longest >= 0.9 * plan.skin:
        raise InvalidInput(
            f"step={step:g}: a move may be {longest:.3g} long, for which skin={plan.skin:g} is too thin; give skin={2 * longest:.2g}"
        )
    return plan


def edmd_plan(
    system: System, snapshots: Sequence[Snapshot], *, dt: float, skin: float | None, draw_velocities: bool = True, **common: Any
) -> EdmdPlan:
    """A checked plan of event-driven molecular dynamics; ``common`` as for ``common_of``."""
    for snapshot in snapshots:
        system.check_species(snapshot)
    common = common_of(system, **common, needs_temperature=draw_velocities, skin=usual_skin(system, snapshots) if skin is None else skin)
    return EdmdPlan(**common, dt=dt, draw_velocities=draw_velocities)


def precision_of(dynamics: str, asked: str | None, backend: str = "auto") -> str:
    """Single, unless asked otherwise, but for event-driven dynamics; HOOMD-blue's is that of its build.

    Raises:
        InvalidInput: collisions in single precision; what HOOMD-blue does not run, or a build of it cannot.
        DeviceMissing: no HOOMD-blue.
    """
    if backend == "hoomd":
        if dynamics != "md":
            target(backend)  # which says what HOOMD-blue runs
        return hoomd_place().require_precision(asked)
    if dynamics != "edmd":
        return "single" if asked is None else asked
    if asked not in (None, "double"):
        raise InvalidInput(f"precision={asked!r}: collisions are foreseen in double precision only; leave it out")
    return "double"


def provenance(system: System, snapshots: Sequence[Snapshot], plan: MdPlan | McPlan | EdmdPlan, place: Any) -> dict[str, Any]:
    """What has to be known of a run to repeat it: numbers and texts, which every file format holds; ``place`` has ``name`` and ``about``.

    ``temperature`` is NaN where the run went on with given velocities, and the first one of a ``protocol``; ``density`` is the mean of
    the snapshots'; ``physics`` is a hash of everything that fixes forces and motion; ``hop_...`` are the fields
    of ``dynamics.Hops`` where the run watched for them.
    """
    if isinstance(plan, MdPlan):
        how: dict[str, Any] = {
            "dynamics": "md",
            "thermostat": str(plan.thermostat),
            "thermostat_time": plan.thermostat_time,
            "dt": plan.dt,
            "time_unit": TIME_UNIT,
        }
    elif isinstance(plan, EdmdPlan):
        how = {"dynamics": "edmd", "dt": plan.dt, "time_unit": EDMD_TIME_UNIT}
    else:
        how = {"dynamics": "mc" if plan.exchange is None else "swap_mc", "step": plan.step_size, "time_unit": "sweeps"}
        if plan.exchange is not None:
            how["swap_fraction"] = plan.exchange
    return {
        "system": system.name,
        "law": system.law,
        "physics": hashlib.sha256(fingerprint(**system.physics()).encode()).hexdigest()[:12],
        "density": float(np.mean([s.density for s in snapshots])),
        "temperature": float("nan") if not getattr(plan, "draw_velocities", True) else plan.temperature,
        "cage_relative": int(plan.cage_relative),
        "skin": plan.skin,
        "replicas": plan.replicas,
        "seed": plan.seed,
        "precision": plan.precision,
        "backend": place.name,
        **place.about,
        "version": __version__,
        "length_unit": system.length_unit,
        "energy_unit": system.energy_unit,
        **how,
        **_path_of(plan),
        **hop_definition(plan.hops),
    }


def _path_of(plan: MdPlan | McPlan | EdmdPlan) -> dict[str, str]:
    """The protocol of the bath, if it has one, in words: ``temperature`` is only where it begins."""
    unit = getattr(plan, "dt", 1.0)
    parts = [f"{end * unit:g}: {start:g}" + (f" to {stop:g}" if stop != start else "") for end, start, stop in plan.protocol]
    return {"protocol": "until " + ", until ".join(parts)} if parts else {}


def hop_definition(hops: Hops | None) -> dict[str, Any]:
    """By what a particle counts as rearranging, named as attributes: without it, counts and p_hop have no meaning."""
    return {} if hops is None else {f"hop_{name}": value for name, value in asdict(hops).items() if value is not None}
