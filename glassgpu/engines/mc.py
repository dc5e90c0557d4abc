"""Monte Carlo of batches of replicas, with or without exchanges of species (kernels/run_mc.cu)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from glassgpu.engines.plan import Plan
from glassgpu.engines.runs import Run
from glassgpu.errors import InvalidInput
from glassgpu.launch import LABEL_RANGE, OVERLAP, element_dtype
from glassgpu.systems.system import require_box

BATCH = 256  # kernels/trials.cuh
LEAST_STEP = 1e3 / 2**32  # of a side: places are whole numbers of L / 2^32 in single precision


@dataclass(frozen=True)
class McPlan(Plan):
    """Everything that fixes the numbers of a run, apart from system and snapshots. Steps are sweeps."""

    step_size: float = 0.12  # side of the square or cube that moves are drawn from
    exchange: float | None = None  # share of the trials that exchange species; None: a kernel without

    def time_of(self, step: int) -> str:
        """A step in words."""
        return f"sweep {step}"


class McRun(Run):
    """One run of all replicas of all configurations.

    ``final``: ``places``, (row, N, d) float64 unwrapped, and ``types``, (row, N) int32.
    ``counts``: ``displacements``, (row, 2) tried and accepted; ``exchanges``, (row, species, species, 2)
    likewise, the lesser species first.
    """

    KERNEL, STRUCT, WHAT = "run_mc", "McArguments", "trials"
    BYTES = (14, 18)
    STEPS_PER_SECOND = 1e6
    SIDE_BY_SIDE = 16  # a replica is one warp
    ADVICE: ClassVar = {
        OVERLAP: "a particle's energy was above 1e12 or not a number: two particles stand on one place; take another start",
        LABEL_RANGE: "a particle moved further than 2000; displacements so large cannot be summed",
    }

    def check(self) -> None:
        # A trial chooses the image of a neighbour before the move.
        for snapshot in self.snapshots:
            reach = float(self.problem.system.cutoff.max()) + self.plan.step_size / 2
            if not self.problem.double and self.plan.step_size < LEAST_STEP * snapshot.box.max():
                raise InvalidInput(
                    f"step={self.plan.step_size:g} is below the grid of single precision in a box of {snapshot.box.max():.4g}; give "
                    f"step={LEAST_STEP * snapshot.box.max():.1g} or more, or precision='double'"
                )
            require_box(snapshot.box, reach, snapshot.density, f"Monte Carlo of {self.problem.system.name} (its cut-off and half a step)")

    def lists(self) -> str:
        return "mixed" if self.plan.exchange is None else "blind"

    def empty_final(self) -> dict[str, np.ndarray]:
        n = self.problem.n
        return {"places": np.zeros((self.rows, n, self.problem.d)), "types": np.zeros((self.rows, n), np.int32)}

    def empty_counts(self) -> dict[str, np.ndarray]:
        s = len(self.problem.system.species)
        return {"displacements": np.zeros((self.rows, 2), np.int64), "exchanges": np.zeros((self.rows, s, s, 2), np.int64)}

    def first_state(self, configuration: np.ndarray) -> dict[str, np.ndarray]:
        problem = self.problem
        places = problem.places[configuration]
        types = np.stack([self.snapshots[c].types[problem.order[c]] for c in configuration])
        return {
            "place": places,
            "reference": np.zeros(places.shape, np.float64 if problem.double else np.int32),
            "species": types.astype(np.int32),
        }

    def final_of(self, state: dict[str, np.ndarray], configuration: np.ndarray) -> dict[str, np.ndarray]:
        return {"places": self.problem.lengths(state["place"], configuration), "types": state["species"]}

    def arguments(self, steps: int, slots: int) -> dict[str, Any]:
        xp, constants = self.target.xp, self.problem.constants
        shapes = {
            "particle": (slots, BATCH),
            "partner": (slots, BATCH),
            "move": (slots, self.problem.d, BATCH),
            "threshold": (slots, BATCH),
        }
        return {
            "sweeps": steps,
            "first_sweep": self.step,
            "step_size": self.plan.step_size,
            "exchange": self.plan.exchange or 0.0,
            "protocol": self.bath(),
            "trials": {name: xp.zeros(shape, element_dtype("Trials", name, constants)) for name, shape in shapes.items()},
        }
