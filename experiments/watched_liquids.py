"""Trajectories of Kob-Andersen liquids in which every particle is watched, from deep supercooling to above the onset.

Simulated once, each temperature a stored stage, in a folder that experiments share. Cold liquids start from warmer ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from glassgpu.experiments.liquids import equilibrated

import glassgpu as gg
from glassgpu import structure, validate
from glassgpu.dynamics import Hops
from glassgpu.study import Result, Study


@dataclass(frozen=True)
class State:
    """One temperature.

    Attributes:
        temperature: of the bath.
        equilibration: least length of the run before frames are taken [time].
        frames: taken, one per unit of time, beside the window of p_hop at either end.
    """

    temperature: float
    equilibration: float
    frames: int


@dataclass(frozen=True)
class Liquids:
    """What is simulated.

    Attributes:
        n, configurations: independent liquids of so many particles.
        states: from the warmest to the coldest, whose frames are quenched too.
    """

    n: int
    configurations: int
    states: tuple[State, ...]


LAPTOP = (
    State(2.0, 20, 310), State(1.2, 20, 100), State(0.80, 20, 30), State(0.70, 30, 30), State(0.65, 40, 40), State(0.60, 60, 100),
    State(0.55, 120, 120), State(0.50, 300, 600),
)  # fmt: skip
PAPER_HOT = tuple(State(t, 50, 1000) for t in (2.0, 1.8, 1.4, 1.2, 1.0))
PAPER_COLD = tuple(State(t, 1000, 2000) for t in (0.86, 0.80, 0.70, 0.65, 0.60, 0.56, 0.53, 0.50, 0.47)) + (State(0.45, 5000, 4000),)
SCALES = {
    "smoke": Liquids(2048, 2, (State(2.0, 1, 8), State(1.2, 1, 8), State(0.9, 1, 8), State(0.6, 2, 12))),
    "laptop": Liquids(2048, 4, LAPTOP),
    "paper": Liquids(4096, 10, PAPER_HOT + PAPER_COLD),
}
SMOKE_HOPS = Hops(interval=0.2, half_window=2, threshold=0.05, squared_displacement=0.05)


@dataclass(frozen=True)
class Options:
    """What an experiment on these trajectories asks its user."""

    out: Path = Path("out")
    """folder for the report"""
    scale: str = "laptop"
    """smoke, laptop (2 cores, T down to 0.50) or paper (one GPU, T down to 0.45)"""
    liquids: Path = Path("out/watched")
    """folder of the simulated liquids, which experiments share"""
    seed: int = 1
    """equal seeds give equal numbers"""
    backend: str = "auto"
    """auto, cuda or cpu"""


@dataclass(frozen=True)
class Watched:
    """Trajectories of one study.

    Attributes:
        system: what was simulated.
        hops: interval, windows and thresholds.
        temperatures: from cold to warm.
        liquids: start of the frames by temperature, a stage with ``snapshots``.
        frames: thermal frames by temperature, a stage whose folder holds a store.
        inherent: frames of the coldest temperature, quenched; a stage likewise, if asked for.
        facts: for the foot of a report.
    """

    system: gg.System
    hops: Hops
    temperatures: tuple[float, ...]
    liquids: dict[float, Result]
    frames: dict[float, Result]
    inherent: Result | None
    facts: dict[str, Any]


def opened(stage: Result) -> gg.io.Frames:
    """The frames that a stage has left."""
    return gg.io.open_frames(stage.folder / STORE)


STORE = "frames.zarr"


def watched(options: Options, inherent: bool = False, between: tuple[float, float] = (0.0, np.inf)) -> Watched:
    """Simulate, or load what was simulated before in the folder ``options.liquids``.

    Args:
        inherent: also quench the frames of the coldest state.
        between: temperatures from and up to which frames are taken; liquids that are colder are not simulated.

    Raises:
        InvalidInput: no such scale.
    """
    scale, seed, backend = options.scale, options.seed, options.backend
    wanted = SCALES[validate.choice("scale", scale, tuple(SCALES))]
    hops = SMOKE_HOPS if scale == "smoke" else Hops()
    states = [state for state in wanted.states if state.temperature >= between[0]]
    framed = [state.temperature for state in states if state.temperature <= between[1]]
    names = [f"{kind}-{s.temperature:g}" for s in states for kind in ("liquid", "frames") if kind == "liquid" or s.temperature in framed]
    study = Study(options.liquids, {"scale": scale, "seed": seed}, stages=[*names, *(["inherent"] if inherent else [])])
    system = gg.systems.kob_andersen(n=wanted.n)
    liquids: dict[float, Result] = {}
    frames: dict[float, Result] = {}
    before: Result | None = None
    accept = None if scale == "smoke" else "test"
    for state in states:
        how: dict[str, Any] = {"system": system, "temperature": state.temperature, "backend": backend, "seed": seed}
        before = study.stage(
            f"liquid-{state.temperature:g}", equilibrated, before=before, duration=state.equilibration, configurations=wanted.configurations,
            accept=accept, **how,
        )  # fmt: skip
        liquids[state.temperature] = before
        if state.temperature not in framed:
            continue
        length = (state.frames + 2 * hops.half_window) * hops.interval
        frames[state.temperature] = study.stage(
            f"frames-{state.temperature:g}", _watched, liquids=before, duration=length, hops=hops, **how
        )
    settled = study.stage("inherent", _settled, frames=frames[min(frames)], system=system, backend=backend) if inherent else None
    return Watched(
        system,
        hops,
        tuple(sorted(frames)),
        liquids,
        frames,
        settled,
        {"n": wanted.n, "configurations": wanted.configurations, **study.provenance()},
    )


def _watched(liquids: Result, hops: Hops, checkpoint: Path, folder: Path, **given: Any) -> dict[str, Any]:
    """Frames of every liquid; what is returned says how much is in them."""
    gg.simulate.md(snapshot=list(liquids["snapshots"]), hops=hops, frames=folder / STORE, checkpoint=checkpoint, **given)
    frames = gg.io.open_frames(folder / STORE)
    p_hop = np.concatenate([frames.p_hop(run)[:, frames.types[run] == 0] for run in range(frames.runs)], axis=1)
    known = p_hop[np.isfinite(p_hop)]
    return {"share_hopping": float((known > hops.threshold).mean()), "median_p_hop": float(np.median(known))}


def _settled(frames: Result, system: gg.System, backend: str, folder: Path) -> dict[str, Any]:
    structure.inherent_frames(system, opened(frames), folder / STORE, backend=backend)
    return {}
