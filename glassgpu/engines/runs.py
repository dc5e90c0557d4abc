"""Drives a kernel of the dynamics: batches of replicas, chunks of steps, commits.

A chunk works on a copy of the state, which replaces the state only when no replica set a status
bit. After a list overflow the lists are made longer and the chunk is repeated. Nothing here
changes a bit of the result: batch size, chunk length, threads and interruptions are free.
"""

from __future__ import annotations

import json
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from glassgpu import __version__, memory, validate
from glassgpu.compile import source_key
from glassgpu.engines import checkpoint as checkpoints
from glassgpu.engines.hop_records import HopRecords
from glassgpu.engines.parts import Elsewhere, in_parts, remove_parts, resumed, run_parts
from glassgpu.engines.plan import replica_keys
from glassgpu.engines.problem import TOO_CLOSE, Problem
from glassgpu.engines.records import Records
from glassgpu.errors import InvalidInput, SimulationFailed
from glassgpu.launch import LIST_OVERFLOW, Cpu, Cuda
from glassgpu.locks import by_one_process
from glassgpu.progress import Progress, bar, uninterrupted
from glassgpu.systems.system import System
from glassgpu.types import Snapshot

SECONDS_PER_CHUNK = 0.3
SECONDS_PER_CHECKPOINT = 30.0
LESS = "ask for fewer times or replicas, or positions as frames= on disk instead of keep_positions="
# Shares of the memory budget: the state of one batch and its copy; labels and positions of one chunk, and at most so many bytes.
BATCH_SHARE, CHUNK_SHARE, CHUNK_BYTES = 1 / 4, 1 / 16, 256 << 20


class Run(ABC):
    """One run of all replicas of all configurations; a subclass says which kernel, state and arguments.

    Args:
        system, snapshots, plan: what to compute.
        target: where.
        batch: replicas at once; by default as many as suit the target and the memory budget holds.
        chunk: steps per chunk; by default what takes ``SECONDS_PER_CHUNK``.
        capacity: entries per neighbour list to begin with.
        checkpoint: file to save to and to continue from.
        progress: see ``glassgpu.progress``.
        elsewhere: who runs it in parts; None: this process.
        part: only rows first ... last - 1 of a larger run, whose configurations from the first of these rows on are given.

    Attributes:
        records, hops: see ``Records``, ``HopRecords``.
        final: arrays at the end by name, (row, N, ...) in the order of the snapshots; see the subclass.
        counts: int64 sums over chunks by name, (row, ...); see the subclass.
        rebuilds: list builds of all replicas.
    """

    KERNEL: ClassVar[str]
    STRUCT: ClassVar[str]
    ADVICE: ClassVar[dict[int, str]]
    WHAT: ClassVar[str]  # for the progress bar
    BYTES: ClassVar[tuple[int, int]]  # of the state of one coordinate, single and double
    STEPS_PER_SECOND: ClassVar[float]  # a first guess for one particle and multiprocessor
    HARD: ClassVar[bool] = False  # whether it moves hard spheres
    SCORES: ClassVar[bool] = False  # whether it can follow scores
    CUT_FREELY: ClassVar[bool] = True  # whether chunks may end anywhere
    SIDE_BY_SIDE: ClassVar[int]  # replicas that keep a multiprocessor busy

    def __init__(
        self,
        system: System,
        snapshots: Sequence[Snapshot],
        plan: Any,
        target: Cpu | Cuda,
        *,
        batch: int | None = None,
        chunk: int | None = None,
        capacity: int | None = None,
        checkpoint: Path | None = None,
        progress: Progress = True,
        elsewhere: Elsewhere | None = None,
        part: tuple[int, int] | None = None,
    ):
        for name, value in (("batch", batch), ("chunk", chunk)):
            if value is not None:
                validate.whole(name, value, least=1)
        self.elsewhere, self.rows_of_a_part = elsewhere, batch
        self.plan, self.target, self.snapshots = plan, target, snapshots
        self.problem = Problem(
            system, snapshots, target, plan.precision, plan.skin, capacity, least=self.least_distance(), lists=self.lists(), hard=self.HARD
        )
        self.rows = len(snapshots) * plan.replicas
        self.part = part
        self.before = part[0] // plan.replicas * plan.replicas if part else 0  # rows of the larger run
        self.mine = slice(part[0] - self.before, part[1] - self.before) if part else slice(0, self.rows)
        self.ran_on = SimpleNamespace(**target.kind())  # for provenance
        self.check()
        counts = [np.bincount(s.types, minlength=len(system.species)) for s in snapshots]
        if plan.observe and any((c != counts[0]).any() for c in counts):
            raise InvalidInput("observables are averages over species, so all snapshots must have the same composition")
        self.hops = HopRecords(self.problem, plan.hops, plan.hop_every, plan.hop_samples, plan.steps)
        budget = memory.budget(target)
        row = 2 * (self.problem.n * self.problem.d * self.BYTES[self.problem.double] + self.hops.bytes_per_row())
        in_memory = max(1, int(BATCH_SHARE * budget) // row)
        self.batch = min(self.rows, batch or min(in_memory, target.rows_at_once(self.problem.n)))
        self.chunk, self.chunk_bytes = chunk, min(CHUNK_BYTES, int(CHUNK_SHARE * budget))
        self.checkpoint = checkpoints.writable(checkpoint) if checkpoint else None
        self.progress = progress
        self.key = checkpoints.fingerprint(
            plan=plan,
            code=(__version__, source_key()),
            **system.physics(),
            snapshots=np.concatenate([np.concatenate([s.positions.ravel(), s.types, s.box]) for s in snapshots]),
            **({"part": part} if part else {}),
            **self.more_inputs(),
        )
        with memory.explained(LESS):
            self.records = Records(
                self.problem, snapshots, plan.samples, plan.replicas, labels=plan.labels, mean_displacements=plan.mean_displacements,
                bond_breaking=plan.bond_breaking, cage_relative=plan.cage_relative, observe=plan.observe, keep_positions=plan.keep_positions,
                keep_species=self.problem.lists == "blind", watched=plan.hops is not None, score=plan.score,
            )  # fmt: skip
            self.final = self.empty_final() if plan.keep_final else {}
            self.counts = self.empty_counts()
        memory.require_room(sum(values.nbytes for values in self.results().values()), f"the results of {self.rows} runs", LESS)
        self.rebuilds = 0
        self.first_row = self.mine.start
        self.step = 0
        self.state: dict[str, Any] = {}

    # ------------------------------------------------------------ what a subclass says

    @abstractmethod
    def check(self) -> None:
        """Raise if these dynamics cannot be run from these snapshots."""

    def lists(self) -> str | None:
        """Which neighbour lists the kernel reads (``Problem``)."""
        return None

    def least_distance(self) -> float:
        """Of two particles of the start, in units of their sigma."""
        return TOO_CLOSE

    def more_inputs(self) -> dict[str, Any]:
        """What fixes the run beside plan, system, places and types, for its fingerprint."""
        return {}

    @abstractmethod
    def empty_final(self) -> dict[str, np.ndarray]:
        """Zeros for ``final``."""

    def empty_counts(self) -> dict[str, np.ndarray]:
        """Zeros for ``counts``."""
        return {}

    @abstractmethod
    def first_state(self, configuration: np.ndarray) -> dict[str, np.ndarray]:
        """The state of a batch that starts, by the names of the kernel's arguments."""

    @abstractmethod
    def final_of(self, state: dict[str, np.ndarray], configuration: np.ndarray) -> dict[str, np.ndarray]:
        """``final`` of a batch from its state, (row, ..., particle) in the order of the run."""

    @abstractmethod
    def arguments(self, steps: int, slots: int) -> dict[str, Any]:
        """The kernel's arguments that are not the same for every kernel."""

    def bath(self) -> dict[str, Any]:
        """The ``protocol`` part of an argument struct."""
        xp, plan = self.target.xp, self.plan
        end, start, stop = zip(*(plan.protocol or [(1, plan.temperature, plan.temperature)]), strict=True)
        arrays = {"end": np.array(end, np.int64), "from": np.array(start, float), "to": np.array(stop, float)}
        return {"segments": len(end), **{name: xp.asarray(values) for name, values in arrays.items()}}

    # ------------------------------------------------------------ checkpoint

    def results(self) -> dict[str, np.ndarray]:
        """Everything that the run leaves behind, by name: records, ``final`` and ``counts``, of its rows or summed over them."""
        of_rows = {**self.records.of_rows(), **self.final, **self.counts}
        return {**{name: values[self.mine] for name, values in of_rows.items()}, **self.records.summed(), **self.hops.arrays()}

    def _save(self) -> None:
        if self.hops.writer:
            self.hops.writer.flush()
        if self.checkpoint:
            state = {f"state_{name}": self.target.to_numpy(value) for name, value in self.state.items()}
            counters = {"at": np.array([self.first_row, self.step, self.rebuilds])}
            where = {"ran_on": np.array(json.dumps(vars(self.ran_on)))}
            checkpoints.save(self.checkpoint, self.key, {**counters, **where, **state, **self.results()})

    def _restore(self) -> None:
        found = checkpoints.load(self.checkpoint, self.key) if self.checkpoint else None
        if found is None:
            return
        self.first_row, self.step, self.rebuilds = (int(v) for v in found["at"])
        resumed(self, json.loads(str(found["ran_on"])), done=self.first_row >= self.mine.stop)
        for name, values in self.results().items():
            values[...] = found[name]
        self.state = {name[6:]: self.target.xp.asarray(value) for name, value in found.items() if name.startswith("state_")}
        if self.state:
            self.batch = len(next(iter(self.state.values())))
            self._keys = self._keys_of(self._batch_rows())

    # ------------------------------------------------------------ batches

    def _batch_rows(self) -> np.ndarray:
        return np.arange(self.first_row, min(self.first_row + self.batch, self.mine.stop))

    def _keys_of(self, rows: np.ndarray) -> np.ndarray:
        return replica_keys(self.plan.seed, self.before + rows, self.plan.replicas)

    def _configuration(self) -> np.ndarray:
        return (self._batch_rows() // self.plan.replicas).astype(np.int32)

    def _start_batch(self) -> None:
        configuration = self._configuration()
        fresh = {**self.first_state(configuration), **self.hops.first_state(len(configuration))}
        self.state = {name: self.target.xp.asarray(values) for name, values in fresh.items()}
        self._keys = self._keys_of(self._batch_rows())
        self.step = 0

    def _spare_memory(self, error: Exception, steps: int) -> None:
        """After memory did not suffice for a chunk of ``steps``: fewer replicas in work, and fewer samples and frames; where a batch
        begins, a smaller one.

        Raises:
            OutOfMemory: it is one already.
            The error itself, if it is of another kind.
        """
        if not memory.is_exhausted(error):
            raise error
        rows = len(self._batch_rows())
        slots = self.problem.slots(rows, self.KERNEL)
        kept = {
            "samples": (len(self.records.inside(self.step, steps)), self.records.bytes_per_sample(rows)),
            "frames": (len(self.hops.inside(self.step, steps)), self.hops.bytes_per_frame(rows)),
        }
        several = {what: of for what, of in kept.items() if min(of) > 0 and of[0] > 1 and self.state and self.CUT_FREELY}
        if several:
            what, (number, size) = max(several.items(), key=lambda item: item[1][0] * item[1][1])
            self.chunk_bytes = number // 2 * size
        if self.state and slots > 1:
            self.problem.limit_slots(memory.smaller(slots, "replicas in work", error))
        elif several:
            memory.smaller(number, f"{what} in a chunk", error)  # tells of it
        elif self.state and self.step:
            memory.smaller(1, "replicas in work", error)
        else:
            self.batch, self.state = memory.smaller(rows, "replicas in a batch", error), {}

    def _finish_batch(self) -> None:
        rows, configuration = self._batch_rows(), self._configuration()
        ends: dict[str, np.ndarray] = {}
        if self.plan.keep_final:
            ends = self.final_of({name: self.target.to_numpy(value) for name, value in self.state.items()}, configuration)
            ends = {name: self.problem.original_order(values, configuration) for name, values in ends.items()}
        with uninterrupted():
            for name, values in ends.items():
                self.final[name][rows] = np.moveaxis(values, -1, 1)
            self.first_row += len(rows)
            self.state = {}
            self.step = 0

    # ------------------------------------------------------------ chunks

    def _chunk_steps(self, rate: float | None) -> int:
        """Steps of the next chunk: long enough to be worth a launch, short enough to be stopped."""
        rows = len(self._batch_rows())
        rate = rate or self.STEPS_PER_SECOND * self.target.multiprocessors() / (rows * self.problem.n)
        steps = self.chunk or max(1, round(rate * SECONDS_PER_CHUNK))
        size = self.records.bytes_per_sample(rows)
        most = max(1, self.chunk_bytes // size) if size else len(self.records.steps)
        ahead = self.records.steps[self.records.steps > self.step]
        if len(ahead) > most:
            steps = min(steps, int(ahead[most]) - 1 - self.step)
        if frame := self.hops.bytes_per_frame(rows):
            steps = min(steps, max(1, self.chunk_bytes // frame) * self.plan.hop_every)
        return max(1, min(steps, self.plan.steps - self.step, 2**31 - 1))  # the kernel counts a chunk in 32 bits

    def _run_chunk(self, steps: int) -> None:
        """Advance a copy of the state, and keep it and what it recorded."""
        plan, problem, xp, rows = self.plan, self.problem, self.target.xp, self._batch_rows()
        configuration = self._configuration()
        count = len(rows)
        inside, frames = self.records.inside(self.step, steps), self.hops.inside(self.step, steps)
        common = {"configuration": xp.asarray(configuration), "key": xp.asarray(self._keys)}
        while True:
            slots = problem.slots(count, self.KERNEL)
            state = {name: value.copy() for name, value in self.state.items()}
            status, rebuilds = xp.zeros(count, np.int32), xp.zeros(count, np.int32)
            counts = {name: xp.zeros((count, *values.shape[1:]), np.int64) for name, values in self.counts.items()}
            chunk, watched = self.records.chunk(count, inside), self.hops.chunk(count, frames)
            moving = {name: values for name, values in state.items() if name not in HopRecords.STATE}
            problem.run(
                self.KERNEL, self.STRUCT, slots, record=self.records.argument(chunk, inside),
                hops=self.hops.argument(watched, frames, state), replicas=count, fresh=int(self.step == 0),
                **({"scores": self.records.score_argument(chunk)} if self.SCORES else {}),
                skin=plan.skin, status=status, rebuilds=rebuilds, **common, **counts, **moving, **self.arguments(steps, slots),
            )  # fmt: skip
            bits = self.target.to_numpy(status)
            self._raise_failure(bits, steps)
            if not (bits & LIST_OVERFLOW).any():
                break
            problem.grow_lists()
        # Everything is brought here first; then it is kept as a whole, which no signal may split.
        recorded, hopped = self.records.fetched(chunk, configuration), self.hops.fetched(watched, configuration)
        self.hops.write(hopped, rows, frames)
        counted = {name: self.target.to_numpy(values) for name, values in counts.items()}
        built = int(rebuilds.sum())
        with uninterrupted():
            self.records.keep(recorded, rows, inside)
            self.hops.keep(hopped)
            for name, values in counted.items():
                self.counts[name][rows[0] : rows[-1] + 1] += values
            self.state = state
            self.step += steps
            self.rebuilds += built

    def _raise_failure(self, bits: np.ndarray, steps: int) -> None:
        for bit, advice in self.ADVICE.items():
            if (bits & bit).any():
                raise self.failure(int(self._batch_rows()[np.flatnonzero(bits & bit)[0]]), steps, advice)

    def failure(self, row: int, steps: int, advice: str) -> SimulationFailed:
        """The error for a row that failed in the ``steps`` that were tried last."""
        c, r = divmod(self.before + row, self.plan.replicas)
        return SimulationFailed(
            f"configuration {c}, replica {r}, between {self.plan.time_of(self.step)} and {self.plan.time_of(self.step + steps)} "
            f"(T = {float(self.plan.temperature_at(np.array(self.step))):g}): {advice}. "
            + (
                f"{self.checkpoint} holds the state before it, to look at with numpy.load: the same call fails at the same place, and "
                "a call with other parameters needs another checkpoint="
                if self.checkpoint
                else "Nothing was kept"
            )
        )

    def written(self) -> tuple[Path | None, ...]:
        """The files and stores that no other process may write to while this runs. For its parts a run holds them."""
        if self.part:
            return ()
        return self.checkpoint, self.hops.writer.path if self.hops.writer else None

    @by_one_process
    def run(self) -> Run:
        """Run to the end, or continue from the checkpoint; returns itself. What was begun in parts is continued in parts, and what
        was begun in this process in this process.

        Raises:
            SimulationFailed: a replica's numbers ceased to make sense.
            CheckpointMismatch: what was begun was begun elsewhere.
            OutputBusy: another process writes to the checkpoint or the store of frames.
            Interrupted: the user stopped it; the checkpoint, if any, holds what was done.
        """
        self._restore()
        begun, done = self.first_row > self.mine.start or bool(self.state), self.first_row >= self.mine.stop
        if elsewhere := in_parts(self, begun, done):
            run_parts(self, elsewhere, self.rows_of_a_part)
            self.first_row = self.rows
            self._save()
            if self.checkpoint:
                remove_parts(self.checkpoint)
            return self
        self.hops.check_continued(self.mine.start, self.first_row, len(self._batch_rows()) if self.state else 0, self.step)
        total = float(self.mine.stop - self.mine.start) * self.plan.steps * self.problem.n
        advanced = (float(self.first_row - self.mine.start) * self.plan.steps + float(len(self._batch_rows())) * self.step) * self.problem.n
        rate, saved = None, time.monotonic()
        if advanced and self.progress is True:
            how = (
                f"continuing {self.checkpoint} at {100 * advanced / total:.3g} %"
                if advanced < total
                else f"{self.checkpoint} holds the finished run"
            )
            print(how, file=sys.stderr)
        kept = checkpoints.saved_if_stopped(self._save, self.checkpoint, lambda: f"at {self.plan.time_of(self.step)}")
        with kept, bar(total, self.WHAT, self.progress, advanced) as advance:
            while self.first_row < self.mine.stop:
                steps = 0
                try:
                    if not self.state:
                        self._start_batch()
                    while self.step < self.plan.steps:
                        steps, started = self._chunk_steps(rate), time.monotonic()
                        self._run_chunk(steps)
                        rate = steps / max(time.monotonic() - started, 1e-6)
                        advance(float(len(self._batch_rows())) * steps * self.problem.n)
                        if time.monotonic() - saved > SECONDS_PER_CHECKPOINT:
                            self._save()
                            saved = time.monotonic()
                except (MemoryError, RuntimeError) as error:
                    self._spare_memory(error, steps)
                    continue
                with memory.explained("memory does not suffice for the states that a batch ends with; free some, or give a smaller batch="):
                    self._finish_batch()
            self._save()  # finished: the same call returns at once, until the caller deletes the file
        return self
