"""Inherent structures of every frame of trajectories, and who hops between them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgpu import __version__, validate
from glassgpu.compile import source_key
from glassgpu.dynamics.hops import cumulative_squared_displacement, p_hop
from glassgpu.engines.checkpoint import fingerprint
from glassgpu.engines.quench import quench
from glassgpu.errors import Interrupted, InvalidInput
from glassgpu.locks import alone
from glassgpu.progress import Progress, bar
from glassgpu.systems.system import System, as_system
from glassgpu.types import as_snapshots

if TYPE_CHECKING:
    from glassgpu.io.frames import Frames, FrameWriter

BLOCK = 32  # frames quenched side by side
# Of the forces. 64 frames of N = 2048 at T = 0.50 against quenches to 1e-6 in double precision: of p_hop > 0.2 three in a
# hundred differ, with 1e-1 fourteen; of p_hop < 0.0085 nine in a thousand, with 1e-1 thirty-three.
TOLERANCE = 1e-2


def inherent_frames(
    system: System,
    frames: Frames,
    path: str | os.PathLike,
    *,
    force_tolerance: float = TOLERANCE,
    precision: str = "single",
    progress: Progress = True,
    backend: str = "auto",
    threads: int | None = None,
) -> Frames:
    """Quench every frame of a store, and write the minima, with their p_hop, to another.

    A store that is there is continued. Minima do not sway with the long waves of two dimensions: their hops are of plain
    displacements, also where those of the thermal frames are cage-relative.

    Args:
        system: that the frames are of.
        frames: complete, from ``io.open_frames``.
        path: of the new store.
        force_tolerance, precision: as for ``simulate.quench``.
        progress: a bar (True), nothing (False), or a function told the fraction done.
        backend, threads: as for ``simulate.md``.

    Returns:
        Frames.

    Raises:
        InvalidInput: incomplete frames; a tolerance below 1e-3 without ``precision="double"``.
        CheckpointMismatch, OutputNotWritable: something else at the path.
        OutputBusy: another process writes to it.
        NotConverged, Interrupted: with what is done kept.
        As ``simulate.quench``.

    Source: project notes, section 4 (quiet spells of inherent frames).
    """
    from glassgpu.io.frames import FrameWriter, open_frames

    system = as_system(system)
    validate.number("force_tolerance", force_tolerance, above=0)
    if (frames.done < frames.frames).any():
        raise InvalidInput(f"{frames.path} is not complete: {frames.done.tolist()} of {frames.frames} frames; finish the run first")
    starts = [frames.snapshot(run, 0) for run in range(frames.runs)]
    identity = fingerprint(
        what="inherent_frames",
        frames=frames.identity,
        force_tolerance=force_tolerance,
        precision=precision,
        code=(__version__, source_key()),
        **system.physics(),
    )
    about = {**frames.attrs, "state": "inherent", "cage_relative": 0, "force_tolerance": force_tolerance, "precision": precision}
    how: dict[str, Any] = {"precision": precision, "backend": backend, "threads": threads}
    writer = FrameWriter(Path(path), identity, starts, frames.frames, frames.interval, frames.window, about)
    try:
        with alone(writer.path):
            done = np.where(writer.done > 1, writer.done, 0)  # a new store begins with the first frame as it was given
            with bar(frames.runs * frames.frames, "frames", progress, int(done.sum())) as advance:
                for run in range(frames.runs):
                    for first in range(int(done[run]), frames.frames, BLOCK):
                        last = min(first + BLOCK, frames.frames)
                        _settle(system, frames, writer, run, first, last, force_tolerance=force_tolerance, **how)
                        advance(last - first)
    except KeyboardInterrupt:
        raise Interrupted(f"stopped; the same call continues {path}") from None
    return open_frames(path)


def _settle(
    system: System,
    frames: Frames,
    writer: FrameWriter,
    run: int,
    first: int,
    last: int,
    **how: Any,
) -> None:
    """Quench frames first ... last - 1 of a run and write them, with the hops that can then be told."""
    window, box = frames.window, frames.box[run]
    found = quench(system, frames.snapshots(run, np.arange(first, last)), progress=False, **how)
    minima = np.stack([s.positions for s in as_snapshots(found.final)[0]])
    before = max(0, first - window)
    past = np.stack([s.positions for s in writer.snapshots(run, np.arange(before, first))]) if first else minima[:0]
    whole, new = np.concatenate([past, minima]), slice(first - before, last - before)
    hops, moved = np.full((2, last - first, frames.n), np.nan)
    if len(whole) > window:
        labels = p_hop(whole, window, box=box)
        judged = np.arange(first, last) - window // 2 - before  # where frames half a window earlier stand
        hops = np.where(judged[:, None] >= 0, labels[judged], np.nan)
        moved = cumulative_squared_displacement(whole, window, box=box)[new]
    writer.write(run, first, minima, hops, moved)
    writer.flush()
