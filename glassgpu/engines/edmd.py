"""Event-driven molecular dynamics of hard spheres in batches of replicas (kernels/run_edmd.cu)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from glassgpu.engines.md import given_velocities, require_velocities
from glassgpu.engines.plan import Plan
from glassgpu.engines.problem import TOUCHING
from glassgpu.engines.runs import Run
from glassgpu.launch import LABEL_RANGE, OVERLAP, RUNAWAY
from glassgpu.systems.system import System, require_box
from glassgpu.types import Snapshot

CHILDREN = 32  # kernels/queue.cuh
LISTED = 24  # near the fastest at packing fractions from 0.2 to 0.58, N = 2000, on a CPU
LEAST_SKIN, MOST_SKIN = 0.05, 5.0


@dataclass(frozen=True)
class EdmdPlan(Plan):
    """Everything that fixes the numbers of a run, apart from system and snapshots. A step is what times are counted in."""

    dt: float = 0.01
    draw_velocities: bool = True
    scale: float = 1.0  # of all diameters at time 0
    growth: float = 0.0  # of that scale in a unit of time
    seen: int = 0  # collisions of every chunk that are written down

    def time_of(self, step: int) -> str:
        """A step as time."""
        return f"t = {step * self.dt:g}"


def usual_skin(system: System, snapshots: Sequence[Snapshot]) -> float:
    """The skin with which a list holds about ``LISTED`` spheres, as far as the boxes allow."""
    skins = []
    for snapshot in snapshots:
        mean = float(np.diag(system.sigma)[snapshot.types].mean())
        reach = (LISTED / (4 / 3 * np.pi * snapshot.density)) ** (1 / 3)
        skins.append(min(max(reach - mean, LEAST_SKIN), MOST_SKIN, (float(snapshot.box.min()) / 2 - float(system.sigma.max())) / 2))
    return max(min(skins), LEAST_SKIN)


def padded(n: int) -> int:
    """Whole nodes of the queue."""
    return -(-n // CHILDREN) * CHILDREN


def nodes(n: int) -> int:
    """Of the queue above n particles, whole nodes in every level."""
    count = 0
    while n > CHILDREN:
        n = padded(n) // CHILDREN
        count += padded(n)
    return max(1, count)


class EdmdRun(Run):
    """One run of all replicas of all configurations.

    ``final``: ``places`` and ``velocities``, (row, N, d) float64, places unwrapped.
    ``counts``: ``meetings``, (row, species, species) collisions, the lesser species first; ``missed``, (row,) events whose
    partner had gone another way.
    ``history``: by the step that a chunk begins with, (row, seen, 3) time and partners of its first collisions, when the plan
    asks for them.
    """

    KERNEL, STRUCT, WHAT = "run_edmd", "EdmdArguments", "particle-steps"
    BYTES = (40, 40)
    STEPS_PER_SECOND = 1e6
    HARD = True
    SIDE_BY_SIDE = 16  # a replica is one warp
    ADVICE: ClassVar = {
        RUNAWAY: "the spheres are jammed: more than 1e4 collisions of each in one step; take a lower packing fraction",
        OVERLAP: "a velocity was above 1e6 or not a number; check the snapshot's velocities and the temperature",
        LABEL_RANGE: "a particle moved further than 2000; displacements so large cannot be summed",
    }

    def check(self) -> None:
        require_velocities(self)
        for snapshot in self.snapshots:
            # A listed pair may be a diameter and two skins apart before lists are made anew: its nearest image must still be the one that was listed.
            reach = float(self.problem.system.sigma.max()) + 2 * self.plan.skin
            require_box(
                snapshot.box, reach, snapshot.density, f"event-driven dynamics of {self.problem.system.name} (a diameter and two skins)"
            )
        self.history: dict[int, Any] = {}

    def least_distance(self) -> float:
        return 0.0 if self.plan.growth > 0 else TOUCHING

    def lists(self) -> str:
        return "mixed"

    def more_inputs(self) -> dict[str, Any]:
        return given_velocities(self)

    def empty_final(self) -> dict[str, np.ndarray]:
        return {name: np.zeros((self.rows, self.problem.n, self.problem.d)) for name in ("places", "velocities")}

    def empty_counts(self) -> dict[str, np.ndarray]:
        s = len(self.problem.system.species)
        return {"meetings": np.zeros((self.rows, s, s), np.int64), "missed": np.zeros(self.rows, np.int64)}

    def first_state(self, configuration: np.ndarray) -> dict[str, np.ndarray]:
        problem, d = self.problem, self.problem.d
        rows, n = len(configuration), problem.n
        where, heading = np.zeros((rows, n, 4)), np.zeros((rows, n, 4))
        where[:, :, :d] = problem.places[configuration].transpose(0, 2, 1)
        radius = np.diag(problem.system.sigma) / 2
        for row, c in enumerate(configuration):
            snapshot, order = self.snapshots[c], problem.order[c]
            heading[row, :, 3] = radius[snapshot.types[order]]
            if not self.plan.draw_velocities and snapshot.velocities is not None:
                heading[row, :, :d] = snapshot.velocities[order]
        whole = {name: np.zeros((rows, n), np.int32) for name in ("partner", "known", "collisions")}
        return {
            "where": where, "heading": heading, "event": np.full((rows, padded(n)), np.inf), **whole, "reference": np.zeros((rows, d, n)),
            "impulse": np.zeros(rows),
        }  # fmt: skip

    def final_of(self, state: dict[str, np.ndarray], configuration: np.ndarray) -> dict[str, np.ndarray]:
        d, end = self.problem.d, self.plan.steps * self.plan.dt
        where, heading = state["where"], state["heading"]
        places = where[:, :, :d] + heading[:, :, :d] * (end - where[:, :, 3:])
        return {"places": places.transpose(0, 2, 1), "velocities": heading[:, :, :d].transpose(0, 2, 1)}

    def arguments(self, steps: int, slots: int) -> dict[str, Any]:
        plan, xp, n = self.plan, self.target.xp, self.problem.n
        rows = len(self._batch_rows())
        history = xp.zeros((rows, plan.seen, 3)) if plan.seen else None
        if history is not None:
            self.history[self.step] = history  # a chunk that is repeated with longer lists writes it anew
        return {
            "steps": steps,
            "first_step": self.step,
            "draw_velocities": int(self.step == 0 and plan.draw_velocities),
            "temperature": xp.full(rows, plan.temperature),
            "seen": plan.seen,
            "nodes": nodes(n),
            "dt": plan.dt,
            "scale": plan.scale,
            "growth": plan.growth,
            "history": history,
            "node": xp.zeros((slots, nodes(n))),
            "winner": xp.zeros((slots, nodes(n)), np.int32),
            "now": xp.zeros((slots, self.problem.d, n)),
        }
