"""Who hops while a run goes: frames, labels of replicas, and where frames are written (kernels/hops.cuh)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from glassgpu.dynamics.hops import Hops
from glassgpu.engines.problem import Problem
from glassgpu.errors import CheckpointMismatch

LABELS = ("p_hop", "any", "csd")  # HOP_LABELS of kernels/hops.cuh


class FrameWriter(Protocol):
    """Where frames go as they come. After an interruption some come again, with the same values."""

    path: Path
    description: dict[str, Any]  # by which another process finds it

    @property
    def done(self) -> np.ndarray:
        """(row,) frames written so far."""

    def write(self, row: int, first: int, positions: np.ndarray, p_hop: np.ndarray, csd: np.ndarray, bonds: np.ndarray) -> None:
        """Frames ``first`` ... of one row: positions (frame, N, d) unwrapped, csd and how many bonds of time 0 are unbroken
        (frame, N), and p_hop (frame, N) of those ``half_window`` frames earlier; NaN where a window does not fit."""

    def flush(self) -> None:
        """Write what waits: a checkpoint must not be ahead of the frames."""


class HopRecords:
    """What a run of ``rows`` = configurations x replicas keeps of hops; of a run that watches nobody, nothing.

    Attributes:
        count: (configuration, sample, 3, N) int64 replicas with p_hop above its threshold at the sample, at any
            judged frame up to it, and with the cumulative squared displacement above its own; or None.
    """

    STATE = ("ring", "hopped")

    def __init__(self, problem: Problem, hops: Hops | None, every: int, samples: Sequence[int], steps: int):
        self.problem, self.hops, self.every = problem, hops, every
        self.writer: FrameWriter | None = None
        self.samples = list(samples)  # frames
        self.frames = steps // every + 1 if hops else 0  # of the whole run
        self.count = np.zeros((problem.configurations, len(samples), len(LABELS), problem.n), np.int64) if hops and samples else None

    def arrays(self) -> dict[str, np.ndarray]:
        """What there is, by name, for a checkpoint."""
        return {} if self.count is None else {"rearranged": self.count}

    def bytes_per_row(self) -> int:
        """Of the state of one replica."""
        n, d = self.problem.n, self.problem.d
        return n * (4 + 8 * d * (2 * self.hops.half_window + 1)) if self.hops else 0

    def bytes_per_frame(self, rows: int) -> int:
        """Of one chunk, on the target."""
        return rows * self.problem.n * (3 + self.problem.d) * 8 if self.writer else 0

    def first_state(self, rows: int) -> dict[str, np.ndarray]:
        """The state of a batch that starts: nobody has moved yet."""
        if not self.hops:
            return {}
        n, d = self.problem.n, self.problem.d
        return {"ring": np.zeros((rows, 2 * self.hops.half_window + 1, d, n)), "hopped": np.zeros((rows, n), np.int32)}

    def inside(self, step: int, steps: int) -> np.ndarray:
        """Frames kept in the ``steps`` after ``step``."""
        if not self.hops:
            return np.zeros(0, np.int64)
        return np.arange(step // self.every + 1, (step + steps) // self.every + 1)

    def chunk(self, rows: int, frames: np.ndarray) -> dict[str, Any]:
        """Fresh arrays on the target."""
        xp, n = self.problem.target.xp, self.problem.n
        return {
            "count": None if self.count is None else xp.zeros(self.count.shape, np.int64),
            "seen": xp.zeros((rows, len(frames), 3 + self.problem.d, n)) if self.writer else None,
        }

    def argument(self, chunk: dict[str, Any], frames: np.ndarray, state: dict[str, Any]) -> dict[str, Any]:
        """The ``hops`` part of an argument struct."""
        hops = self.hops or Hops()
        sample = np.full((max(1, len(frames)), 2), -1, np.int32)
        for k, f in enumerate(frames):
            for which, frame in enumerate((f - hops.half_window, f)):
                if frame in self.samples:
                    sample[k, which] = self.samples.index(frame)
        since = hops.half_window if hops.since is None else round(hops.since / hops.interval)
        return {
            "every": self.every if self.hops else 0,
            "half": hops.half_window,
            "frames": len(frames),
            "samples": len(self.samples),
            "first": since,
            "threshold": hops.threshold,
            "moved": hops.squared_displacement,
            "sample": self.problem.target.xp.asarray(sample),
            **{name: state.get(name) for name in self.STATE},
            **chunk,
        }

    def fetched(self, chunk: dict[str, Any], configuration: np.ndarray) -> dict[str, np.ndarray]:
        """A chunk's arrays on the host, particles in the order of the snapshots."""
        out = {name: self.problem.target.to_numpy(values) for name, values in chunk.items() if values is not None}
        for name, rows in (("count", np.arange(self.problem.configurations)), ("seen", configuration)):
            if name in out:
                out[name] = self.problem.original_order(out[name], rows)
        return out

    def write(self, fetched: dict[str, np.ndarray], rows: np.ndarray, frames: np.ndarray) -> None:
        """Hand a chunk's frames on, before the chunk is kept: they come again if it is not."""
        if self.writer is None or not len(frames):
            return
        assert self.hops is not None
        known = frames < 2 * self.hops.half_window  # no window fits yet
        for row, seen in zip(rows.tolist(), fetched["seen"], strict=True):
            labels = np.where(known[:, None, None], np.nan, seen[:, :2])
            self.writer.write(row, int(frames[0]), seen[:, 3:].transpose(0, 2, 1), labels[:, 0], labels[:, 1], seen[:, 2])

    def check_continued(self, start: int, first_row: int, rows: int, step: int) -> None:
        """A checkpoint must not be ahead of the frames: those of rows from ``start`` to before ``first_row`` are complete, those of
        ``rows`` rows from there on reach to ``step``.

        Raises:
            CheckpointMismatch: frames are missing, which the run would never write again.
        """
        if self.writer is None:
            return
        done = self.writer.done
        behind = done[start:first_row] < self.frames, done[first_row : first_row + rows] < step // self.every + 1
        if behind[0].any() or behind[1].any():
            raise CheckpointMismatch(
                f"{self.writer.path} lacks frames that the checkpoint counts as written; was the store removed? Restore it, or remove "
                "the checkpoint and run again"
            )

    def keep(self, fetched: dict[str, np.ndarray]) -> None:
        """Add what a chunk has counted."""
        if self.count is not None:
            self.count += fetched["count"]
