"""What ``memory`` simulates: softness along relaxing liquids, and along cycles of temperature with their two steps alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from glassgpu.experiments import softness_stages
from glassgpu.experiments.watched_liquids import STORE

import glassgpu as gg
from glassgpu import dynamics, landscape, structure
from glassgpu.descriptors import Softness
from glassgpu.dynamics import Hops, Observe
from glassgpu.models import Hyperplane
from glassgpu.protocols import Segment, duration_of
from glassgpu.study import Result

A = 0
QUENCHED_TO = 1e-2  # forces at which an inherent structure is told from its neighbours, as in ``structure.inherent_frames``
AT_ONCE = 64  # states quenched together


def watched(
    liquids: Result, system: gg.System, hops: Hops, duration: float, checkpoint: Path, folder: Path, **given: Any
) -> dict[str, Any]:
    """Frames of every liquid, in which a hyperplane finds its examples, and the states at their end."""
    run = gg.simulate.md(
        system, list(liquids["snapshots"]), duration=duration, hops=hops, frames=folder / STORE, checkpoint=checkpoint, **given
    )
    return {"snapshots": [gg.Snapshot(s.positions, s.types, s.box) for s in run.final]}


def learned(
    frames: Result, describe: Softness, hops: Hops, lead: int, spell: float, most: int, wavenumber: float, seed: int
) -> dict[str, Any]:
    """The hyperplane of softness of radial columns, and how well it tells particles of liquids that it has not seen."""
    limits = dynamics.events.QUIET_GRID.tolist()
    found = softness_stages.thermal_examples(frames, hops, lead, spell, limits, wavenumber, most, seed)
    table = found["sets"]["thermal"]
    rows = {part: table[part] for part in ("run", "frame", "particle")}
    columns = softness_stages.opened(frames).columns(describe, **rows)
    accuracy, _, _ = softness_stages.left_out(columns, table["label"], table["run"])
    plane = softness_stages.classifier(columns, table["label"])
    return {**softness_stages.kept_plane(plane), "accuracy": accuracy, "examples": len(table["label"]), "tau_alpha": found["tau_alpha"]}


def grouped(liquids: Result, plane: Result, describe: Softness, groups: int, replicas: int) -> dict[str, Any]:
    """States to start from, each liquid as often as it is run, and the group of every particle: by softness now, of equal size."""
    snapshots = list(liquids["snapshots"])
    group = landscape.groups_by_score(softness_stages.plane_of(plane), describe, snapshots, groups=groups, species=A)
    return {"snapshots": [s for s in snapshots for _ in range(replicas)], "group": np.repeat(group, replicas, axis=0)}


def followed(
    states: Result,
    plane: Result,
    describe: Softness,
    system: gg.System,
    segments: Sequence[Segment],
    every: float,
    few: int,
    liquids: int,
    checkpoint: Path,
    **given: Any,
) -> dict[str, Any]:
    """Every state, or the first ``few`` of each liquid, goes on with fresh velocities while the bath follows a protocol: mean softness
    of the groups, (state, time, group), and the states at the end."""
    starts, group = list(states["snapshots"]), states["group"]
    chosen = _few(len(starts), few, liquids)
    times = every * np.arange(1, round(duration_of(segments) / every) + 1)
    score = landscape.scores_along(softness_stages.plane_of(plane), describe, group[chosen])
    run = gg.simulate.md(
        system, [starts[k] for k in chosen], temperature=list(segments), times=times.tolist(), score=score, checkpoint=checkpoint, **given
    )
    assert run.scores is not None
    ends = [gg.Snapshot(s.positions, s.types, s.box) for s in run.final]
    return {"times": times, "softness": run.scores["mean"].values[:, 0], "snapshots": ends, "group": group[chosen]}


def _few(states: int, few: int, liquids: int) -> np.ndarray:
    """The first ``few`` runs of each liquid."""
    return np.arange(states).reshape(liquids, -1)[:, :few].ravel()


def relaxed(
    liquids: Result,
    plane: Result,
    describe: Softness,
    system: gg.System,
    temperature: float,
    times: np.ndarray,
    groups: int,
    replicas: int,
    wavenumber: float,
    checkpoint: Path,
    **given: Any,
) -> dict[str, Any]:
    """How groups by their softness at the beginning become like all others: thermal positions, and F_s beside it."""
    snapshots = list(liquids["snapshots"])
    of_plane = softness_stages.plane_of(plane)
    group = landscape.groups_by_score(of_plane, describe, snapshots, groups=groups, species=A)
    run = gg.simulate.md(
        system, snapshots, temperature=temperature, times=times.tolist(), replicas=replicas, score=landscape.scores_along(of_plane, describe, group),
        observe=Observe(wavenumber=wavenumber), checkpoint=checkpoint, **given,
    )  # fmt: skip
    assert run.scores is not None and run.observables is not None
    scattering = run.observables.self_intermediate_scattering.isel(species=A).values
    first = of_plane.score(describe(snapshots).values)
    start = np.stack([[f[g == k].mean() for k in range(groups)] for f, g in zip(first, group, strict=True)])
    return {"times": times, "start": start, "softness": run.scores["mean"].values, "scattering": scattering}


def relaxed_at_rest(
    liquids: Result,
    plane: Result,
    describe: Softness,
    system: gg.System,
    temperature: float,
    times: np.ndarray,
    groups: int,
    backend: str,
    checkpoint: Path,
    seed: int,
) -> dict[str, Any]:
    """The same of inherent positions: groups by softness of the inherent structures at the beginning, one run of each liquid."""
    snapshots = list(liquids["snapshots"])
    run = gg.simulate.md(
        system,
        snapshots,
        temperature=temperature,
        times=times.tolist(),
        keep_positions=True,
        seed=seed,
        backend=backend,
        checkpoint=checkpoint,
    )
    assert run.positions is not None
    frames = [s for c, s in enumerate(snapshots) for s in (s, *(gg.Snapshot(x, s.types, s.box) for x in run.positions[c, 0]))]
    score = at_rest(system, frames, softness_stages.plane_of(plane), describe, backend, checkpoint)
    score = score.reshape(len(snapshots), 1 + len(times), -1)
    mine = np.stack([s.types for s in snapshots]) == A
    edges = np.quantile(score[:, 0][mine], np.arange(1, groups) / groups)
    group = np.where(mine, np.searchsorted(edges, score[:, 0]), -1)
    mean = np.array([[[s[g == k].mean() for k in range(groups)] for s in of_one] for of_one, g in zip(score, group, strict=True)])
    return {"times": times, "start": mean[:, 0], "softness": mean[:, None, 1:]}


def at_rest(
    system: gg.System, snapshots: Sequence[gg.Snapshot], plane: Hyperplane, describe: Softness, backend: str, checkpoint: Path
) -> np.ndarray:
    """Softness of the inherent structures, (snapshot, particle); the quenches have checkpoints of their own beside that of the stage."""
    out = []
    for first in range(0, len(snapshots), AT_ONCE):
        part = structure.inherent_structure(
            system, list(snapshots[first : first + AT_ONCE]), force_tolerance=QUENCHED_TO, precision="single", backend=backend,
            checkpoint=checkpoint.with_name(f"at-rest-{first}.npz"),
        )  # fmt: skip
        out.append(plane.score(describe(part).values))
    return np.concatenate(out)


def ends_at_rest(
    ends: Result, plane: Result, describe: Softness, system: gg.System, few: int, liquids: int, backend: str, checkpoint: Path
) -> dict[str, Any]:
    """Mean softness of the groups at the end of a stretch, of inherent positions: (state, group) of the first ``few`` of each liquid."""
    chosen = _few(len(ends["snapshots"]), few, liquids)
    score = at_rest(system, [ends["snapshots"][k] for k in chosen], softness_stages.plane_of(plane), describe, backend, checkpoint)
    group = ends["group"][chosen]
    return {"softness": np.array([[s[g == k].mean() for k in range(group.max() + 1)] for s, g in zip(score, group, strict=True)])}


def rearranging(
    liquids: Result,
    system: gg.System,
    times: Sequence[float],
    snapshots: int,
    replicas: int,
    parts: int,
    seed: int,
    checkpoint: Path,
    **given: Any,
) -> dict[str, Any]:
    """Mean p_r of A for each snapshot by each part of its runs, (snapshot, part, time): parts scatter as the runs do."""
    chosen = list(liquids["snapshots"])[:snapshots]
    shares = []
    for part in range(parts):
        kept = checkpoint.with_name(f"part-{part}.npz")
        runs = gg.isoconfigurational(
            system,
            chosen,
            times=list(times),
            replicas=replicas // parts,
            labels=("rearrangement",),
            seed=seed + part,
            checkpoint=kept,
            **given,
        )
        assert runs.rearrangements is not None
        count = runs.rearrangements.sel(label="p_hop")
        shares.append([count.values[c][:, s.types == A].mean(axis=1) / (replicas // parts) for c, s in enumerate(chosen)])
    return {"times": count.hop_time.values, "share": np.array(shares).transpose(1, 0, 2)}
