"""Drives the molecular-dynamics kernel: batches of replicas, chunks of steps, commits.

A chunk works on a copy of the state, which replaces the state only when no replica set a status
bit. After a list overflow the lists are made longer and the chunk is repeated. Nothing here
changes a bit of the result: batch size, chunk length, threads and interruptions are free.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glassgpu import __version__, validate
from glassgpu.compile import source_key
from glassgpu.dynamics.observables import Observe
from glassgpu.engines import checkpoint as checkpoints
from glassgpu.engines.problem import Problem
from glassgpu.errors import Interrupted, SimulationFailed
from glassgpu.launch import LABEL_RANGE, LIST_OVERFLOW, OVERLAP, RUNAWAY, Cpu, Cuda
from glassgpu.progress import Progress, bar, uninterrupted
from glassgpu.systems.system import System
from glassgpu.types import Snapshot

LOG_COLUMNS, OBSERVABLES, CHAIN_STATE = 4, 4, 8  # kernels/record.cuh, kernels/thermostat.cuh
LENGTH_UNIT, LARGEST_DISPLACEMENT = 2.0**30, 2000.0  # kernels/status.cuh
LARGEST_STEP = 0.5  # a run in which a coordinate changes by more in one step, or by a quarter box, has failed
SECONDS_PER_CHUNK = 0.3
SECONDS_PER_CHECKPOINT = 30.0
CHUNK_BYTES = 256 << 20  # of labels and positions that one chunk may hold
BATCH_BYTES = 512 << 20  # of state that one batch of replicas may hold

UNITS = "and check that temperature and dt are in reduced units (epsilon / k_B and sqrt(m sigma^2 / epsilon))"
ADVICE = {
    RUNAWAY: "a particle moved more than 0.5 in one step; take a smaller dt or a better equilibrated start, " + UNITS,
    OVERLAP: "the force on a particle was above 1e7 or not a number; take a smaller dt or a better equilibrated start, " + UNITS,
    LABEL_RANGE: "a particle moved further than 2000; displacements so large cannot be summed",
}


@dataclass(frozen=True)
class Plan:
    """Everything that fixes the numbers of a run, apart from system and snapshots."""

    temperature: float
    steps: int
    samples: tuple[int, ...]  # ascending steps, each at least 1
    replicas: int
    seed: int
    dt: float
    thermostat: bool = True
    thermostat_time: float = 0.5
    precision: str = "single"
    skin: float = 0.5
    draw_velocities: bool = True
    labels: bool = True
    mean_displacements: bool = False
    observe: Observe | None = None
    keep_positions: bool = False
    keep_final: bool = False


@dataclass(eq=False)
class MdResult:
    """Rows are (configuration, replica), configuration-major.

    Attributes:
        log: (row, sample, 4) potential, kinetic, virial and bath energy of the whole system.
        sums: (configuration, sample, 2, N) int64 sums over replicas of |dr| and |dr|^2.
        drift: (configuration, sample, d, N) int64 sums over replicas of dr, or None.
        observable: (row, sample, species, 4) sums over particles of |dr|^2, |dr|^4, F_s, overlap, or None.
        histogram: (configuration, sample, species, bins) int64 counts of |dr|, or None.
        positions: (row, sample, N, d) float64 unwrapped, or None.
        places, velocities: (row, N, d) float64 at the end, unwrapped, or None.
        rebuilds: list builds per replica and step.
    """

    log: np.ndarray
    sums: np.ndarray
    drift: np.ndarray | None
    observable: np.ndarray | None
    histogram: np.ndarray | None
    positions: np.ndarray | None
    places: np.ndarray | None
    velocities: np.ndarray | None
    rebuilds: float


def square_unit(replicas: int) -> float:
    """What |dr|^2 is multiplied by before it is rounded and summed: the largest power of two with
    which ``replicas`` of the largest square cannot overflow (2^20 for 2^20 replicas)."""
    return 2.0 ** int(np.floor(62 - np.log2(replicas * LARGEST_DISPLACEMENT**2)))


def replica_keys(seed: int, rows: np.ndarray, replicas: int) -> np.ndarray:
    """Philox keys, (row,) uint64: a function of seed, configuration and replica, so that ``md`` and
    ``isoconfigurational`` run the same trajectories from one seed."""
    parts = [np.random.SeedSequence([seed, row // replicas, row % replicas]) for row in rows.tolist()]
    return np.array([part.generate_state(1, np.uint64)[0] for part in parts], np.uint64)


class MdRun:
    """One run of all replicas of all configurations.

    Args:
        system, snapshots, plan: what to compute.
        target: where.
        batch: replicas at once; by default as many as suit the target and ``BATCH_BYTES`` hold.
        chunk: steps per chunk; by default what takes ``SECONDS_PER_CHUNK``.
        capacity: entries per neighbour list to begin with.
        checkpoint: file to save to and to continue from.
        progress: see ``glassgpu.progress``.
    """

    def __init__(
        self,
        system: System,
        snapshots: Sequence[Snapshot],
        plan: Plan,
        target: Cpu | Cuda,
        *,
        batch: int | None = None,
        chunk: int | None = None,
        capacity: int | None = None,
        checkpoint: Path | None = None,
        progress: Progress = True,
    ):
        for name, value in (("batch", batch), ("chunk", chunk)):
            if value is not None:
                validate.whole(name, value, least=1)
        self.plan, self.target, self.snapshots = plan, target, snapshots
        self.problem = Problem(system, snapshots, target, plan.precision, plan.skin, capacity)
        self.rows = len(snapshots) * plan.replicas
        n, d = self.problem.n, self.problem.d
        in_memory = max(1, BATCH_BYTES // (2 * n * d * (24 if self.problem.double else 16)))
        self.batch = min(self.rows, batch or min(in_memory, target.rows_at_once(n)))
        self.chunk = chunk
        self.checkpoint = checkpoints.writable(checkpoint) if checkpoint else None
        self.progress = progress
        self.key = ""
        if checkpoint:
            self.key = checkpoints.fingerprint(
                plan=plan,
                code=(__version__, source_key()),
                **system.physics(),
                snapshots=np.concatenate([np.concatenate([s.positions.ravel(), s.types, s.box]) for s in snapshots]),
                velocities=repr([None if s.velocities is None else s.velocities.tobytes() for s in snapshots])
                if not plan.draw_velocities
                else "",
            )
        samples = len(plan.samples)
        self.sample_steps = np.array(plan.samples, np.int64)
        self.log = np.zeros((self.rows, samples, LOG_COLUMNS))
        c, s = len(snapshots), len(system.species)
        self.sums = np.zeros((c, samples if plan.labels else 0, 2, n), np.int64)
        self.drift = np.zeros((c, samples, d, n), np.int64) if plan.mean_displacements else None
        self.observable = np.zeros((self.rows, samples, s, OBSERVABLES)) if plan.observe else None
        self.histogram = np.zeros((c, samples, s, plan.observe.bins), np.int64) if plan.observe and plan.observe.bins else None
        self.positions = np.zeros((self.rows, samples, n, d)) if plan.keep_positions else None
        self.places = np.zeros((self.rows, n, d)) if plan.keep_final else None
        self.velocities = np.zeros((self.rows, n, d)) if plan.keep_final else None
        self.rebuilds = 0
        self.first_row = 0
        self.step = 0
        self.state: dict[str, Any] = {}

    # ------------------------------------------------------------ checkpoint

    def _results(self) -> dict[str, np.ndarray]:
        names = ("log", "sums", "drift", "observable", "histogram", "positions", "places", "velocities")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def _save(self) -> None:
        if self.checkpoint:
            state = {f"state_{name}": self.target.to_numpy(value) for name, value in self.state.items()}
            counters = {"at": np.array([self.first_row, self.step, self.rebuilds])}
            checkpoints.save(self.checkpoint, self.key, {**counters, **state, **self._results()})

    def _restore(self) -> None:
        found = checkpoints.load(self.checkpoint, self.key) if self.checkpoint else None
        if found is None:
            return
        self.first_row, self.step, self.rebuilds = (int(v) for v in found["at"])
        for name in self._results():
            setattr(self, name, found[name])
        self.state = {name[6:]: self.target.xp.asarray(value) for name, value in found.items() if name.startswith("state_")}
        if self.state:
            self.batch = len(self.state["place"])

    # ------------------------------------------------------------ state

    def _batch_rows(self) -> np.ndarray:
        return np.arange(self.first_row, min(self.first_row + self.batch, self.rows))

    def _configuration(self) -> np.ndarray:
        return (self._batch_rows() // self.plan.replicas).astype(np.int32)

    def _start_batch(self) -> None:
        xp, problem, configuration = self.target.xp, self.problem, self._configuration()
        shape = (len(configuration), problem.d, problem.n)
        real = np.float64 if problem.double else np.float32
        velocity = np.zeros(shape, real)
        if not self.plan.draw_velocities:
            for row, c in enumerate(configuration):
                given = self.snapshots[c].velocities
                assert given is not None  # simulate.md has checked it
                velocity[row] = given[problem.order[c]].T
        self.state = {
            "place": xp.asarray(problem.places[configuration]),
            "velocity": xp.asarray(velocity),
            "reference": xp.zeros(shape, np.float64 if problem.double else np.int32),
            "chain": xp.zeros((shape[0], CHAIN_STATE)),
        }
        self.step = 0

    def _finish_batch(self) -> None:
        rows, configuration = self._batch_rows(), self._configuration()
        ends: tuple[np.ndarray, np.ndarray] | None = None
        if self.plan.keep_final:
            places = self.problem.lengths(self.target.to_numpy(self.state["place"]), configuration)
            scale = self.target.to_numpy(self.state["chain"])[:, 6, None, None]  # kernels/thermostat.cuh: Chain.scale
            velocities = self.target.to_numpy(self.state["velocity"]).astype(np.float64) * scale
            ends = self.problem.original_order(places, configuration), self.problem.original_order(velocities, configuration)
        with uninterrupted():
            if ends is not None and self.places is not None and self.velocities is not None:
                self.places[rows], self.velocities[rows] = (end.transpose(0, 2, 1) for end in ends)
            self.first_row += len(rows)
            self.state = {}
            self.step = 0

    # ------------------------------------------------------------ chunks

    def _chunk_steps(self, rate: float | None) -> int:
        """Steps of the next chunk: long enough to be worth a launch, short enough to be stopped."""
        rows = len(self._batch_rows())
        rate = rate or 1e6 * self.target.multiprocessors() / (rows * self.problem.n)
        steps = self.chunk or max(1, round(rate * SECONDS_PER_CHUNK))
        size = 8 * self.problem.n * self.problem.configurations * (2 * self.plan.labels + self.problem.d * self.plan.mean_displacements)
        size += 8 * rows * self.problem.n * self.problem.d * self.plan.keep_positions
        most = max(1, CHUNK_BYTES // size) if size else len(self.sample_steps)
        ahead = self.sample_steps[self.sample_steps > self.step]
        if len(ahead) > most:
            steps = min(steps, int(ahead[most]) - 1 - self.step)
        return max(1, min(steps, self.plan.steps - self.step))

    def _run_chunk(self, steps: int) -> None:
        """Advance a copy of the state, and keep it and what it recorded."""
        plan, problem, xp, rows = self.plan, self.problem, self.target.xp, self._batch_rows()
        configuration = self._configuration()
        count, n, d = len(rows), problem.n, problem.d
        inside = np.flatnonzero((self.sample_steps > self.step) & (self.sample_steps <= self.step + steps))
        slots = self.target.slots(count, "run_md", problem.constants, n)
        fresh = self.step == 0
        given = {
            "configuration": xp.asarray(configuration),
            "temperature": xp.full(count, plan.temperature),
            "key": xp.asarray(replica_keys(plan.seed, rows, plan.replicas) if fresh else np.zeros(count, np.uint64)),
            "origin": xp.asarray(problem.places),
            "step": xp.asarray(self.sample_steps[inside]),
        }
        while True:
            state = {name: value.copy() for name, value in self.state.items()}
            status, rebuilds = xp.zeros(count, np.int32), xp.zeros(count, np.int32)
            log = xp.zeros((count, len(inside), LOG_COLUMNS))
            c, s, watch = problem.configurations, len(inside), plan.observe
            label = xp.zeros((c, s, 2, n), np.int64) if plan.labels else None
            drift = xp.zeros((c, s, d, n), np.int64) if plan.mean_displacements else None
            observable = None if self.observable is None else xp.zeros((count, s, *self.observable.shape[2:]))
            histogram = None if self.histogram is None else xp.zeros((c, s, *self.histogram.shape[2:]), np.int64)
            position = xp.zeros((count, len(inside), n, d)) if plan.keep_positions else None
            problem.run(
                "run_md",
                "MdArguments",
                slots,
                record={
                    "samples": len(inside),
                    "bins": watch.bins if watch else 0,
                    "square_unit": square_unit(plan.replicas),
                    "wavenumber": watch.wavenumber if watch else 0.0,
                    "overlap": watch.overlap_distance if watch else 0.0,
                    "bin_width": watch.bin_width if watch else 0.0,
                    "step": given["step"],
                    "origin": given["origin"],
                    "log": log,
                    "label": label,
                    "drift": drift,
                    "observable": observable,
                    "histogram": histogram,
                    "position": position,
                },
                replicas=count,
                steps=steps,
                first_step=self.step,
                fresh=int(fresh),
                draw_velocities=int(fresh and plan.draw_velocities),
                thermostat=int(plan.thermostat),
                dt=plan.dt,
                skin=plan.skin,
                largest_step=min(LARGEST_STEP, 0.25 * float(problem.boxes.min())),
                thermostat_time=plan.thermostat_time,
                configuration=given["configuration"],
                temperature=given["temperature"],
                key=given["key"],
                status=status,
                rebuilds=rebuilds,
                **state,
            )
            bits = self.target.to_numpy(status)
            self._raise_failure(bits, steps)
            if not (bits & LIST_OVERFLOW).any():
                break
            problem.grow_lists()
        # Everything is brought here first; then it is kept as a whole, which no signal may split.
        host_log = self.target.to_numpy(log)
        each = np.arange(problem.configurations)
        host_label, host_drift = (None if x is None else problem.original_order(self.target.to_numpy(x), each) for x in (label, drift))
        host_observable, host_histogram = (None if x is None else self.target.to_numpy(x) for x in (observable, histogram))
        host_position = None
        if position is not None:
            moved = self.target.to_numpy(position).transpose(0, 1, 3, 2)
            host_position = problem.original_order(moved, configuration).transpose(0, 1, 3, 2)
        built = int(rebuilds.sum())
        with uninterrupted():
            self.state = state
            self.step += steps
            self.rebuilds += built
            self.log[rows[:, None], inside] = host_log
            for kept, more in ((self.sums, host_label), (self.drift, host_drift), (self.histogram, host_histogram)):
                if kept is not None and more is not None:
                    kept[:, inside] += more
            if self.observable is not None:
                self.observable[rows[:, None], inside] = host_observable
            if host_position is not None and self.positions is not None:
                self.positions[rows[:, None], inside] = host_position

    def _raise_failure(self, bits: np.ndarray, steps: int) -> None:
        for bit, advice in ADVICE.items():
            if (bits & bit).any():
                row = int(self._batch_rows()[np.flatnonzero(bits & bit)[0]])
                c, r = divmod(row, self.plan.replicas)
                raise SimulationFailed(
                    f"configuration {c}, replica {r}, between t = {self.step * self.plan.dt:g} and {(self.step + steps) * self.plan.dt:g} "
                    f"(T = {self.plan.temperature:g}, dt = {self.plan.dt:g}): {advice}. "
                    + (
                        f"{self.checkpoint} holds the state before it, to look at with numpy.load: the same call fails at the same place, and "
                        "a call with other parameters needs another checkpoint="
                        if self.checkpoint
                        else "Nothing was kept"
                    )
                )

    def run(self) -> MdResult:
        """Run to the end, or continue from the checkpoint.

        Raises:
            SimulationFailed: a replica's numbers ceased to make sense.
            Interrupted: the user stopped it; the checkpoint, if any, holds what was done.
        """
        self._restore()
        total = float(self.rows) * self.plan.steps * self.problem.n
        done = (float(self.first_row) * self.plan.steps + float(len(self._batch_rows())) * self.step) * self.problem.n
        rate, saved = None, time.monotonic()
        if done and self.progress is True:
            how = (
                f"continuing {self.checkpoint} at {100 * done / total:.3g} %"
                if done < total
                else f"{self.checkpoint} holds the finished run"
            )
            print(how, file=sys.stderr)
        try:
            with bar(total, "particle-steps", self.progress, done) as advance:
                while self.first_row < self.rows:
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
                    self._finish_batch()
                self._save()  # finished: the same call returns at once, until the caller deletes the file
        except KeyboardInterrupt:
            self._save()
            kept = f"the same call continues from {self.checkpoint}" if self.checkpoint else "pass checkpoint=PATH to be able to continue"
            raise Interrupted(f"stopped at t = {self.step * self.plan.dt:g}; {kept}") from None
        except SimulationFailed:
            self._save()
            raise
        steps_done = max(1.0, float(self.rows) * self.plan.steps)
        return MdResult(
            self.log, self.sums, self.drift, self.observable, self.histogram,
            self.positions, self.places, self.velocities, self.rebuilds / steps_done,
        )  # fmt: skip
