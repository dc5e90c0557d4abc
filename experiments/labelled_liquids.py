"""Liquids, who moves in them, and where they settle: the data that several experiments learn from.

Simulated once and kept in a folder of its own, or read from public files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from glassgpu.experiments.liquids import equilibrated, settled

import glassgpu as gg
from glassgpu import validate
from glassgpu.errors import InvalidInput
from glassgpu.study import Result, Study

SYSTEMS = ("ternary_2d", "kob_andersen", "public")
BETA = 80  # tau_alpha over the time of the rattling in the cage: 4e6 and 5e4 sweeps in II section III.D


@dataclass(frozen=True)
class Liquids:
    """What is simulated.

    Attributes:
        n, configurations, temperature: independent liquids.
        tau: expected relaxation time, at which the propensity is taken [sweeps, or time].
        equilibration: how long, at the least [sweeps of swap Monte Carlo, or time].
        runs: of each liquid.
    """

    n: int
    configurations: int
    temperature: float
    tau: float
    equilibration: float
    runs: int


SCALES = {
    ("ternary_2d", "smoke"): Liquids(300, 3, 1.0, 500, 2e3, 8),
    ("ternary_2d", "laptop"): Liquids(2000, 6, 0.40, 25_000, 6e4, 16),
    ("ternary_2d", "paper"): Liquids(4000, 10, 0.30, 4_000_000, 2.4e6, 30),
    ("kob_andersen", "smoke"): Liquids(300, 3, 1.2, 1.0, 5.0, 8),
    ("kob_andersen", "laptop"): Liquids(2000, 6, 0.55, 35.0, 200.0, 16),
    ("kob_andersen", "paper"): Liquids(4096, 10, 0.45, 2000.0, 2e4, 100),
}


@dataclass(frozen=True)
class Options:
    """What an experiment that learns from these liquids asks its user."""

    out: Path = Path("out")
    """folder for the report"""
    scale: str = "laptop"
    """smoke, laptop (2 cores, T = 0.40) or paper (one GPU, T = 0.30)"""
    system: str = "ternary_2d"
    """ternary_2d, kob_andersen, or public (configurations from elsewhere, in --data)"""
    liquids: Path = Path("out/liquids")
    """folder of the simulated liquids, which experiments share"""
    data: Path | None = None
    """folder with botan/, for --system public"""
    seed: int = 1
    """equal seeds give equal numbers"""
    backend: str = "auto"
    """auto, cuda or cpu"""


@dataclass(frozen=True)
class Labelled:
    """Data of several liquids of one system, each a stored stage.

    Attributes:
        system: what was simulated.
        thermal, inherent: with ``snapshots``, one for each configuration.
        labels: ``propensity`` and ``standard_error``, (time, configuration, N) [length]; ``bond_breaking``, the
            same shape, where known; ``times`` (time,), the last of them tau_alpha.
        facts: for the foot of a report.
    """

    system: gg.System
    thermal: Result
    inherent: Result
    labels: Result
    facts: dict[str, Any]


def labelled(options: Options) -> Labelled:
    """Simulate, or load what was simulated before in the folder ``options.liquids``.

    Raises:
        InvalidInput: no such system or scale; no public files.
    """
    system, scale, seed, backend = options.system, options.scale, options.seed, options.backend
    validate.choice("system", system, SYSTEMS)
    validate.choice("scale", scale, ("smoke", "laptop", "paper"))
    study = Study(options.liquids, {"system": system, "scale": scale, "seed": seed}, stages=["liquids", "labels", "inherent"])
    if system == "public":
        return _public(study, scale, backend, options.data)
    wanted = SCALES[system, scale]
    model = getattr(gg.systems, system)(n=wanted.n)
    engine: dict[str, Any] = {"system": model, "temperature": wanted.temperature, "backend": backend}
    thermal = study.stage("liquids", equilibrated, duration=wanted.equilibration, configurations=wanted.configurations, seed=seed, **engine)
    times = [max(wanted.tau / BETA, 0.05 if model.dynamics == "md" else 1.0), wanted.tau]
    times = [float(np.round(t)) for t in times] if model.dynamics == "mc" else [float(np.round(t, 2)) for t in times]
    labels = study.stage("labels", _released, liquids=thermal, times=times, replicas=wanted.runs, seed=seed + 1, **engine)
    inherent = study.stage("inherent", settled, liquids=thermal, system=model, backend=backend)
    return Labelled(model, thermal, inherent, labels, {**vars(wanted), **study.provenance()})


def _public(study: Study, scale: str, backend: str, data: Path | None) -> Labelled:
    files = sorted((data / "botan").glob("isoconfig_N4096T0.44_*_tc07.npz")) if data else []
    files = files[:3] if scale == "smoke" else files
    if len(files) < 3:
        raise InvalidInput(
            f"{data}/botan holds {len(files)} files isoconfig_N4096T0.44_*_tc07.npz (github.com/h3-Open-BDEC/pyg_botan); "
            "at least 3 are needed: give their folder by --data DIR"
        )
    system = gg.systems.kob_andersen(n=4096, cutoff="per_pair")
    read = study.stage("public", _read, files=files)
    inherent = study.stage("inherent", settled, liquids=read, system=system, backend=backend)
    return Labelled(system, read, inherent, read, {"configurations": len(files), **study.provenance()})


def _released(liquids: Result, times: list[float], checkpoint: Path, **given: Any) -> dict[str, Any]:
    runs = gg.isoconfigurational(
        snapshot=list(liquids["snapshots"]), times=times, labels=("bond_breaking",), checkpoint=checkpoint, **given
    )
    fields = {name: np.moveaxis(getattr(runs, name).values, 1, 0) for name in ("propensity", "standard_error", "bond_breaking")}
    return {**fields, "times": np.array(times)}


def _read(files: list[Path]) -> dict[str, Any]:
    runs = gg.io.read_botan(files)
    fields = {name: np.moveaxis(getattr(runs, name).values, 1, 0) for name in ("propensity", "standard_error")}
    return {"snapshots": runs.snapshot, **fields, "times": np.asarray(runs.propensity.time)}
