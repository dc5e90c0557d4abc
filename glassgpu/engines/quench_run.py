"""Drives the kernels of quenches: batches of configurations, chunks of steps, commits."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from glassgpu import __version__, memory
from glassgpu.compile import source_key
from glassgpu.engines import checkpoint as checkpoints
from glassgpu.engines.parts import Elsewhere, in_parts, quench_parts, remove_parts, resumed
from glassgpu.engines.problem import Problem
from glassgpu.engines.runs import SECONDS_PER_CHECKPOINT
from glassgpu.errors import FileFormatError, NotConverged, SimulationFailed
from glassgpu.launch import LIST_OVERFLOW, OVERLAP, Cpu, Cuda, element_dtype
from glassgpu.locks import by_one_process
from glassgpu.progress import Progress, bar, uninterrupted
from glassgpu.systems.system import System
from glassgpu.types import Snapshot

PAIRS, QUENCH_STATE, WALK_STATE = 6, 13, 6  # kernels/run_quench.cu, descent.cuh
WALK_TO = 0.1  # force below which all minimisers end in the same minimum
WALK_COSTS = 16  # a step of a walk in steps of a quench
ENERGY, STEPS, DONE, WALK_STEPS = 0, 1, 2, 5  # of a row of the state
SKIN = 0.3  # particles hardly leave their cages
STEPS_PER_CHUNK = 200  # each begins with new lists
BATCH_PER_PROCESSOR = 32  # of the last ones of a batch only few processors are busy
BATCH_SHARE = 1 / 4  # of the memory budget


def _hash(snapshot: Snapshot) -> np.ndarray:
    digest = hashlib.sha256()
    for part in (snapshot.positions, snapshot.types, snapshot.box):
        digest.update(part.tobytes())
    return np.frombuffer(digest.digest(), np.uint8)


class QuenchRun:
    """One quench of all configurations, batch after batch, in chunks that are kept or repeated whole; or a part of a larger one,
    ``before`` others."""

    RESULTS = ("places", "potential", "largest_force", "steps", "energies")  # of each configuration

    def __init__(
        self,
        system: System,
        snapshots: Sequence[Snapshot],
        target: Cpu | Cuda,
        force_tolerance: float,
        most_steps: int,
        keep_energies: bool = False,
        method: str = "lbfgs",
        precision: str = "double",
        *,
        batch: int | None = None,
        chunk: int | None = None,
        capacity: int | None = None,
        checkpoint: Path | None = None,
        progress: Progress = True,
        elsewhere: Elsewhere | None = None,
        before: int | None = None,
    ):
        self.elsewhere, self.configurations_of_a_part = elsewhere, batch
        self.part, self.before = before is not None, before or 0
        self.system, self.snapshots, self.target = system, snapshots, target
        self.ran_on = SimpleNamespace(**target.kind())
        self.tolerance, self.most_steps, self.keep_energies, self.method = force_tolerance, most_steps, keep_energies, method
        self.precision = precision
        n, d = snapshots[0].positions.shape
        bytes_each = n * d * 2 * (8 * PAIRS + 48)  # the state and its copy
        self.batch = batch or max(
            1, min(BATCH_PER_PROCESSOR * target.multiprocessors(), int(BATCH_SHARE * memory.budget(target)) // bytes_each)
        )
        self.chunk = chunk or STEPS_PER_CHUNK
        self.capacity = capacity
        self.progress = progress
        self.checkpoint = checkpoints.writable(checkpoint) if checkpoint else None
        self.key = checkpoints.fingerprint(
            what=("quench", force_tolerance, keep_energies, method, precision),
            code=(__version__, source_key()),
            **system.physics(),
            snapshots=np.array([_hash(s) for s in snapshots]),
            **self.more_inputs(),
        )
        c = len(snapshots)
        self.places: list[np.ndarray] = []  # (n, d) of each that is done
        self.potential, self.largest_force, self.steps = np.zeros(c), np.zeros(c), np.zeros(c, np.int64)
        self.energies: list[np.ndarray] = [np.zeros(0)] * c
        self.first, self.tried = 0, 0  # configurations that are done; steps that those of the batch were given
        self.state: dict[str, Any] = {}
        # Every batch is checked before anything is run.
        self.problem = self._problem_of(snapshots[: self.batch])
        for k in range(self.batch, c, self.batch):
            self._problem_of(snapshots[k : k + self.batch])

    def more_inputs(self) -> dict[str, Any]:
        """What fixes the quench beside its arguments, for its fingerprint."""
        return {}

    # ------------------------------------------------------------ checkpoint

    def _save(self) -> None:
        if self.checkpoint:
            state = {f"state_{name}": self.target.to_numpy(value) for name, value in self.state.items()}
            arrays = {name: np.array(getattr(self, name)) for name in ("first", "tried", "places", "potential", "largest_force", "steps")}
            energies = {"lengths": np.array([len(e) for e in self.energies]), "energies": np.concatenate(self.energies)}
            where = {"ran_on": np.array(json.dumps(vars(self.ran_on)))}
            checkpoints.save(self.checkpoint, self.key, {**arrays, **energies, **where, **state})

    def _restore(self) -> None:
        found = checkpoints.load(self.checkpoint, self.key) if self.checkpoint else None
        if found is None:
            return
        self.first, self.tried = int(found["first"]), int(found["tried"])
        resumed(self, json.loads(str(found["ran_on"])), done=self.first >= len(self.snapshots))
        self.places = list(found["places"])
        if len(self.places) != self.first:
            raise FileFormatError(f"{self.checkpoint} holds {len(self.places)} minima of {self.first}; delete it to start anew")
        for name in ("potential", "largest_force", "steps"):
            setattr(self, name, found[name])
        self.energies = np.split(found["energies"], np.cumsum(found["lengths"])[:-1])
        self.state = {name[6:]: self.target.xp.asarray(value) for name, value in found.items() if name.startswith("state_")}
        if self.state:
            self.batch = len(self.state["place"])
            self._make_problem()

    # ------------------------------------------------------------ state

    def _rows(self) -> np.ndarray:
        return np.arange(self.first, min(self.first + self.batch, len(self.snapshots)))

    def _problem_of(self, snapshots: Sequence[Snapshot]) -> Problem:
        return Problem(self.system, snapshots, self.target, self.precision, SKIN, self.capacity)

    def _make_problem(self) -> None:
        rows = self._rows()
        self.problem = self._problem_of(self.snapshots[rows[0] : rows[-1] + 1])

    def _start_batch(self) -> None:
        self._make_problem()
        self.tried = 0
        for row in self._rows():
            self.energies[row] = np.zeros(0)
        xp, count = self.target.xp, len(self._rows())
        shape = (count, self.problem.d, self.problem.n)
        self.state = {
            "place": xp.asarray(self.problem.places),
            "reference": xp.zeros(shape, element_dtype("QuenchArguments", "reference", self.problem.constants)),
            "step": xp.zeros((count, PAIRS, *shape[1:]), np.float32),
            "change": xp.zeros((count, PAIRS, *shape[1:]), np.float32),
            "descent": xp.zeros((count, QUENCH_STATE)),
        }
        if self.method == "steepest":
            self.state["walk"] = xp.zeros((count, WALK_STATE))
            self.state["stiffest"] = xp.zeros(shape)

    def _run_chunk(self, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Advance a copy of the state by at most so many tries of a step and keep it; which configurations are done, and their steps."""
        xp, problem, rows = self.target.xp, self.problem, self._rows()
        count, n, d = len(rows), problem.n, problem.d
        # A kernel, its argument struct, its steps in this chunk, and what it needs of scratch and state; one after another.
        shared = ("place", "reference")
        kernels: list[tuple[str, str, int, tuple[str, ...], tuple[str, ...]]] = [
            ("run_quench", "QuenchArguments", most, ("before", "force_before", "direction"), (*shared, "step", "change", "descent"))
        ]
        if self.method == "steepest":
            steps = max(1, most // WALK_COSTS)
            kernels.insert(0, ("run_walk", "WalkArguments", steps, ("start", "first_force", "previous"), (*shared, "stiffest", "walk")))
        real = element_dtype("QuenchArguments", "force", problem.constants)
        while True:
            state, slots = {name: value.copy() for name, value in self.state.items()}, problem.slots(count, "run_quench")
            force, status, traces = xp.zeros((count, d, n), real), xp.zeros(count, np.int32), []
            for kernel, struct, steps, scratch, kept in kernels:
                accepted, trace = xp.zeros(count, np.int32), xp.zeros((count, steps)) if self.keep_energies else None
                more = (
                    {"walk": state.get("walk"), "force_tolerance": self.tolerance} if kernel == "run_quench" else {"force_limit": WALK_TO}
                )
                problem.run(
                    kernel, struct, slots, replicas=count, steps=steps, skin=SKIN, force=force, trace=trace, accepted=accepted, status=status,
                    **{name: xp.zeros((count, d, n), element_dtype(struct, name, problem.constants)) for name in scratch}, **{name: state[name] for name in kept}, **more,
                )  # fmt: skip
                traces.append((accepted, trace))
                if self.target.to_numpy(status).any():
                    break
            bits = self.target.to_numpy(status)
            if (bits & OVERLAP).any():
                row = int(rows[np.flatnonzero(bits & OVERLAP)[0]])
                raise SimulationFailed(
                    f"configuration {self.before + row}: a force above 1e7 or not a number; are these positions in units of sigma?"
                )
            if not (bits & LIST_OVERFLOW).any():
                break
            problem.grow_lists()
        energies = [(self.target.to_numpy(taken), self.target.to_numpy(trace)) for taken, trace in traces if trace is not None]
        force_host = self.target.to_numpy(force)
        longer = {
            row: np.concatenate([self.energies[row], *(trace[k, : taken[k]] for taken, trace in energies)])
            for k, row in enumerate(rows.tolist())
        }
        moving = np.flatnonzero(force_host.any(axis=(1, 2)))  # one that was done before this chunk wrote no force
        largest = np.sqrt((force_host[moving].astype(float) ** 2).sum(axis=1).max(axis=1))
        with uninterrupted():
            self.state = state
            self.tried += most
            self.largest_force[rows[moving]] = largest
            for row, of_row in longer.items():
                self.energies[row] = of_row
        return self.target.to_numpy(state["descent"])[:, DONE] == 1, self._steps()

    def _spare_memory(self, error: Exception) -> None:
        """After memory did not suffice: fewer replicas in work; of a batch that has hardly begun, fewer configurations.

        Raises:
            OutOfMemory: it is one already.
            The error itself, if it is of another kind.
        """
        if not memory.is_exhausted(error):
            raise error
        if self.tried:
            slots = self.problem.slots(len(self._rows()), "run_quench")
            self.problem.limit_slots(memory.smaller(slots, "quenches in work", error))
        else:
            self.batch, self.state = memory.smaller(len(self._rows()), "quenches in a batch", error), {}
            self.target.free()

    def _steps(self) -> np.ndarray:
        """Accepted so far by each configuration of the batch."""
        steps = self.target.to_numpy(self.state["descent"])[:, STEPS]
        if self.method == "steepest":
            steps = steps + self.target.to_numpy(self.state["walk"])[:, WALK_STEPS]
        return steps.astype(np.int64)

    def _finish_batch(self) -> None:
        rows = self._rows()
        inside = np.arange(len(rows))
        lengths = self.problem.lengths(self.target.to_numpy(self.state["place"]), inside)
        places = self.problem.original_order(lengths, inside).transpose(0, 2, 1)
        kept, steps, energy = [x.copy() for x in places], self._steps(), self.target.to_numpy(self.state["descent"])[:, ENERGY]
        with uninterrupted():  # nor by memory that ends: nothing here needs any
            self.potential[rows], self.steps[rows] = energy, steps
            self.places.extend(kept)
            self.first += len(rows)
            self.state, self.tried = {}, 0

    def written(self) -> tuple[Path | None, ...]:
        """The file that no other process may write to while this runs. For its parts a quench holds it."""
        return () if self.part else (self.checkpoint,)

    @by_one_process
    def run(self) -> None:
        """Run to the end, or continue from the checkpoint."""
        self._restore()
        if elsewhere := in_parts(self, bool(self.first or self.state), self.first >= len(self.snapshots)):
            quench_parts(self, elsewhere, self.configurations_of_a_part)
            for name in ("potential", "largest_force", "steps"):
                setattr(self, name, np.array(getattr(self, name)))
            self.first = len(self.snapshots)
            self._save()
            if self.checkpoint:
                remove_parts(self.checkpoint)
            return
        saved = time.monotonic()
        kept = checkpoints.saved_if_stopped(
            self._save, self.checkpoint, lambda: f"with {self.first} of {len(self.snapshots)} configurations done"
        )
        with kept, bar(len(self.snapshots), "quenches", self.progress, self.first) as advance:
            while self.first < len(self.snapshots):
                done_before = 0
                while True:
                    most = min(self.chunk, max(1, self.most_steps - self.tried))
                    try:
                        if not self.state:
                            self._start_batch()
                        done, steps = self._run_chunk(most)
                    except (MemoryError, RuntimeError) as error:
                        self._spare_memory(error)
                        continue
                    advance(int(done.sum()) - done_before)
                    done_before = int(done.sum())
                    if done.all():
                        break
                    if self.tried >= self.most_steps:
                        self._save()
                        row = int(self._rows()[np.flatnonzero(~done)[0]])
                        raise NotConverged(
                            f"configuration {self.before + row}: largest force {self.largest_force[row]:.3g} after {int(steps[~done][0])} accepted steps, "
                            f"asked for {self.tolerance:g}; raise most_steps={self.most_steps} or force_tolerance"
                        )
                    if time.monotonic() - saved > SECONDS_PER_CHECKPOINT:
                        self._save()
                        saved = time.monotonic()
                with memory.explained(
                    "memory does not suffice for the positions that a batch ends with; free some, or give a smaller batch="
                ):
                    self._finish_batch()
            self._save()  # finished: the same call returns at once, until the caller deletes the file
