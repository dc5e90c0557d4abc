"""What the calls of ``simulate`` and ``isoconfigurational`` share: when to record, where frames go, and the run itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glassgpu import validate
from glassgpu.dynamics.cage import initial_neighbors
from glassgpu.dynamics.hops import Hops
from glassgpu.dynamics.observables import Observe
from glassgpu.dynamics.scores import Scores
from glassgpu.engines.checkpoint import checkpoint_path
from glassgpu.engines.options import choose_engine, hops_of, provenance, steps_of, sweeps_of
from glassgpu.engines.parts import Elsewhere
from glassgpu.engines.runs import Run
from glassgpu.engines.trajectory import Trajectory, trajectory_of
from glassgpu.errors import InvalidInput
from glassgpu.executors import Executor
from glassgpu.progress import Progress
from glassgpu.systems.system import System
from glassgpu.types import Snapshot


@dataclass(frozen=True)
class Cut:
    """How a run is cut, where it goes on and what it tells: none of it reaches a result. Fields as for ``simulate.md``."""

    batch: int | None
    chunk: int | None
    checkpoint: str | Path | None
    progress: Progress
    backend: str
    threads: int | None
    executor: Executor | None

    def run_of(self, engine: type[Run], system: System, snapshots: Sequence[Snapshot], plan: Any) -> Run:
        """A run that has not begun."""
        elsewhere = Elsewhere.of(self.executor, self.backend, self.threads)
        engine, place = choose_engine(engine, self.backend, plan.replicas * len(snapshots), self.threads, elsewhere)
        run = engine(
            system, snapshots, plan, place, batch=self.batch, chunk=self.chunk, checkpoint=checkpoint_path(self.checkpoint),
            progress=self.progress, elsewhere=elsewhere,
        )  # fmt: skip
        system.warn_if_unlike(snapshots)
        return run


def run_to_end(
    engine: type[Run],
    system: System,
    snapshots: Sequence[Snapshot],
    plan: Any,
    cut: Cut,
    frames: str | Path | None,
    many: bool,
    times: np.ndarray,
) -> Trajectory:
    """A planned run from its beginning to its end."""
    run = cut.run_of(engine, system, snapshots, plan)
    _write_to(frames, run)
    return trajectory_of(run.run(), many, times)


def watched(frames: str | Path | None, hops: Hops | None, dt: float) -> dict[str, Any]:
    """What a plan is told of frames."""
    if frames is None:
        if hops is not None:
            raise InvalidInput("hops= says what is written to frames=, so give the path of a store, or leave it out")
        return {}
    wanted, every = hops_of(hops, dt)
    return {"hops": wanted, "hop_every": every}


def _write_to(frames: str | Path | None, run: Run) -> None:
    """Let a run write its frames to a store."""
    hops, plan = run.plan.hops, run.plan
    if frames is None:
        return
    if run.hops.frames <= 2 * hops.half_window:
        raise InvalidInput(
            f"the run ends before {2 * hops.half_window + 1} frames are there, one window of p_hop; give a duration of at least "
            f"{2 * hops.half_window * hops.interval:g}, or other hops="
        )
    from glassgpu.io.frames import FrameWriter

    starts = [run.snapshots[row // plan.replicas] for row in range(run.rows)]
    about = {**provenance(run.problem.system, run.snapshots, plan, run.ran_on), "state": "thermal"}
    first = [initial_neighbors(run.problem.system, s).count for s in run.snapshots]
    run.hops.writer = FrameWriter(
        frames, run.key, starts, run.hops.frames, hops.interval, 2 * hops.half_window, about,
        bonds=[first[row // plan.replicas] for row in range(run.rows)],
    )  # fmt: skip


def schedule(
    duration: float | None,
    times: Sequence[float] | None,
    dt: float | None,
    observe: Observe | None,
    frames: str | Path | None,
    cage_relative: bool | None,
    keep_positions: bool,
    score: Scores | None = None,
) -> tuple[int, np.ndarray, np.ndarray]:
    """Steps in all, the steps to record at, and the times as asked for; without ``dt`` in sweeps."""
    if duration is None and times is None:
        raise InvalidInput("give duration= or times=")
    samples = np.zeros(0, np.int64) if times is None else sweeps_of(times) if dt is None else steps_of(times, dt)
    steps = int(samples[-1]) if duration is None else max(1, round(validate.number("duration", duration, above=0) / (dt or 1)))
    for name, given in (("observe", observe is not None), ("score", score is not None), ("keep_positions", keep_positions)):
        if given and not len(samples):
            raise InvalidInput(f"{name}= records at times=, so give times")
    if isinstance(cage_relative, bool) and observe is None and frames is None:
        raise InvalidInput("cage_relative= says which displacements observe= and frames= look at, so give one of these")
    if len(samples) and samples[-1] > steps:
        raise InvalidInput(f"the last of times is beyond duration={duration}")
    return steps, samples, np.zeros(0) if times is None else np.atleast_1d(np.asarray(times, float))
