"""Molecular dynamics of batches of replicas (kernels/run_md.cu)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from glassgpu.engines.plan import Plan
from glassgpu.engines.runs import Run
from glassgpu.errors import InvalidInput
from glassgpu.launch import LABEL_RANGE, OVERLAP, RUNAWAY

CHAIN_STATE = 8  # kernels/thermostat.cuh
THERMOSTATS = (None, "nose_hoover", "langevin")  # Thermostat of kernels/run_md.cu
LARGEST_STEP = 0.5  # a run in which a coordinate changes by more in one step, or by a quarter box, has failed
UNITS = "and check that temperature and dt are in reduced units (epsilon / k_B and sqrt(m sigma^2 / epsilon))"


@dataclass(frozen=True)
class MdPlan(Plan):
    """Everything that fixes the numbers of a run, apart from system and snapshots."""

    dt: float = 0.005
    thermostat: str | None = "nose_hoover"
    thermostat_time: float = 0.5
    draw_velocities: bool = True

    def time_of(self, step: int) -> str:
        """A step as time."""
        return f"t = {step * self.dt:g}"


def require_velocities(run: Run) -> None:
    """Raise if a run is to go on with velocities that the snapshots do not have."""
    if not run.plan.draw_velocities and any(s.velocities is None for s in run.snapshots):
        raise InvalidInput("temperature=None continues with the snapshot's velocities, but it has none; give temperature=")


def given_velocities(run: Run) -> dict[str, Any]:
    """The velocities that a run goes on with, for its fingerprint."""
    given = [None if s.velocities is None else s.velocities.tobytes() for s in run.snapshots]
    return {"velocities": "" if run.plan.draw_velocities else repr(given)}


class MdRun(Run):
    """One run of all replicas of all configurations.

    ``final``: ``places`` and ``velocities``, (row, N, d) float64, places unwrapped.
    """

    KERNEL, STRUCT, WHAT = "run_md", "MdArguments", "particle-steps"
    BYTES = (16, 24)
    STEPS_PER_SECOND = 1e6
    SIDE_BY_SIDE = 1
    SCORES = True
    ADVICE: ClassVar = {
        RUNAWAY: "a particle moved more than 0.5 in one step; take a smaller dt or a better equilibrated start, " + UNITS,
        OVERLAP: "the force on a particle was above 1e7 or not a number; take a smaller dt or a better equilibrated start, " + UNITS,
        LABEL_RANGE: "a particle moved further than 2000; displacements so large cannot be summed",
    }

    def check(self) -> None:
        require_velocities(self)
        # What a run does not need is not compiled in (kernels/run_md.cu).
        switches = {"NOISE": self.plan.thermostat == "langevin", "SCORES": self.plan.score is not None}
        self.problem.constants |= {name: 1 for name, on in switches.items() if on}
        if self.plan.score:
            self.plan.score.check(self.problem.system, self.snapshots)

    def more_inputs(self) -> dict[str, Any]:
        return given_velocities(self)

    def empty_final(self) -> dict[str, np.ndarray]:
        return {name: np.zeros((self.rows, self.problem.n, self.problem.d)) for name in ("places", "velocities")}

    def first_state(self, configuration: np.ndarray) -> dict[str, np.ndarray]:
        problem = self.problem
        shape = (len(configuration), problem.d, problem.n)
        velocity = np.zeros(shape, np.float64 if problem.double else np.float32)
        if not self.plan.draw_velocities:
            for row, c in enumerate(configuration):
                given = self.snapshots[c].velocities
                assert given is not None
                velocity[row] = given[problem.order[c]].T
        return {
            "place": problem.places[configuration],
            "velocity": velocity,
            "reference": np.zeros(shape, np.float64 if problem.double else np.int32),
            "chain": np.zeros((shape[0], CHAIN_STATE)),
        }

    def final_of(self, state: dict[str, np.ndarray], configuration: np.ndarray) -> dict[str, np.ndarray]:
        scale = state["chain"][:, 6, None, None]  # kernels/thermostat.cuh: Chain.scale
        return {
            "places": self.problem.lengths(state["place"], configuration),
            "velocities": state["velocity"].astype(np.float64) * scale,
        }

    def arguments(self, steps: int, slots: int) -> dict[str, Any]:
        plan = self.plan
        return {
            "steps": steps,
            "first_step": self.step,
            "draw_velocities": int(self.step == 0 and plan.draw_velocities),
            "thermostat": THERMOSTATS.index(plan.thermostat),
            "protocol": self.bath(),
            "dt": plan.dt,
            "largest_step": min(LARGEST_STEP, 0.25 * float(self.problem.boxes.min())),
            "thermostat_time": plan.thermostat_time,
        }
