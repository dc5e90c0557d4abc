"""Frames of trajectories at equal intervals, with who hops in them, in a Zarr store that is written while a run goes.

Positions are whole numbers of L / 2^32 in a wrapped box: what single precision computes with, and in double precision
a rounding by 1e-10 of a side. So a frame is as small as in single precision, and as good everywhere in the box.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgpu import validate
from glassgpu.engines.checkpoint import differences, writable
from glassgpu.errors import CheckpointMismatch, FileFormatError, GlassGPUError, InvalidInput, OutOfMemory, OutputNotWritable
from glassgpu.io.datasets import MARK
from glassgpu.io.zarr_stores import open_store
from glassgpu.memory import require_room
from glassgpu.types import Snapshot

if TYPE_CHECKING:
    from glassgpu.descriptors.descriptor import Descriptor

IDENTITY = "glassgpu_frames"  # attribute: what fixes the numbers of a store
FRAMES_PER_CHUNK = 16
MOST_FRAMES = 10_000_000  # of one run
TURN = 2.0**32
VARIABLES = ("position", "p_hop", "csd", "bonds", "box", "types", "done")
UNKNOWN = -1  # bonds of frames that are not written, or are inherent


class Frames:
    """Trajectories of one System that ``simulate.md(..., frames=path)`` or ``structure.inherent_frames`` wrote.

    A run is one replica of one configuration. Only what is asked for is read.

    Args:
        path: of the store.

    Attributes:
        path: of the store.
        runs, frames: how many; frame 0 is the start.
        times: (frame,) float64 [time, or sweeps].
        window: frames of both windows of p_hop, 2 h.
        box: (run, d) sides [length].
        types: (run, N) int32.
        attrs: provenance, as of an ``Ensemble``, and ``state``: "thermal" or "inherent".
        identity: what fixes every number in it, as text.

    Raises:
        FileFormatError: no such store, or damaged.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        try:
            group = open_store(path, whole=("box", "types", "done"))  # the others are read piece by piece, and are hardly there at first
            about = json.loads(group.attrs[IDENTITY])
            self.runs, self.frames, self.n, self.dimension = (int(k) for k in group["position"].shape)
            self._check(group, about)
        except GlassGPUError as error:
            raise FileFormatError(f"{path} holds no frames of trajectories, or is damaged: {error}") from error
        except Exception as error:  # a damaged store can raise nearly anything
            raise FileFormatError(f"{path} holds no frames of trajectories, or is damaged ({type(error).__name__}: {error})") from error
        self._group = group
        self.interval, self.window, self.attrs, self.identity = about["interval"], about["window"], about["attrs"], about["identity"]
        self.times = self.interval * np.arange(self.frames)

    def _check(self, group: Any, about: Any) -> None:
        """That its parts are what ``_make_store`` makes."""
        validate.number("interval", about["interval"], above=0, most=1e100)
        validate.whole("window", about["window"], least=0)
        if not isinstance(about["attrs"], dict) or not isinstance(about["identity"], str):
            raise FileFormatError("it does not tell of which run it is")
        each = (self.runs, self.frames, self.n)
        wanted = {
            "position": ("i4", (*each, self.dimension)), "p_hop": ("f4", each), "csd": ("f4", each), "bonds": ("i2", each),
            "box": ("f8", (self.runs, self.dimension)), "types": ("i4", (self.runs, self.n)), "done": ("i8", (self.runs,)),
        }  # fmt: skip
        if self.frames > MOST_FRAMES:
            raise FileFormatError(f"it claims {self.frames} frames; the most that are written are {MOST_FRAMES}")
        for name, (kind, shape) in wanted.items():
            found = group[name]
            if found.shape != shape or found.dtype != np.dtype(kind):
                raise FileFormatError(f"{name} is {found.shape} of {found.dtype}; expected {shape} of {np.dtype(kind)}")
            if len(shape) > 2 and found.chunks != (1, min(FRAMES_PER_CHUNK, self.frames), *shape[2:]):
                raise FileFormatError(f"{name} has chunks {found.chunks}; expected {FRAMES_PER_CHUNK} frames of one run")
        self.box, self.types = group["box"][:], group["types"][:]
        for run in range(self.runs):
            Snapshot(np.zeros((self.n, self.dimension)), self.types[run], self.box[run])
        if self.types.max() >= self.n:
            raise FileFormatError(f"type {self.types.max()} among {self.n} particles")

    def __repr__(self) -> str:
        return f"Frames({self.attrs.get('system')}, {self.attrs.get('state')}, runs={self.runs}, frames={self.frames}, N={self.n}, interval={self.interval:g})"

    @property
    def done(self) -> np.ndarray:
        """(run,) int64 frames written so far."""
        return self._read("done", slice(None))

    def snapshot(self, run: int, frame: int) -> Snapshot:
        """One frame, without velocities.

        Raises:
            As ``snapshots``.
        """
        return self.snapshots(run, [frame])[0]

    def snapshots(self, run: int, frames: Sequence[int] | np.ndarray) -> list[Snapshot]:
        """Some frames of one run.

        Args:
            run: which.
            frames: (frame,) int, which of its frames.

        Raises:
            InvalidInput: no such run or frame, or one that is not written yet.
            FileFormatError: a damaged chunk.
        """
        chosen = validate.array("frames", frames, np.int64, (None,))
        done = int(self.done[self._run(run)])
        if len(chosen) and (chosen.min() < 0 or chosen.max() >= done):
            raise InvalidInput(
                f"run {run} of {self.path} holds frames 0 to {done - 1}; frames {chosen.min()} to {chosen.max()} were asked for"
            )
        turns = self._read("position", (run, chosen)) if len(chosen) else np.zeros((0, self.n, self.dimension))
        return [Snapshot(turn * (self.box[run] / TURN), self.types[run], self.box[run]) for turn in turns]

    def columns(self, descriptor: Descriptor, run: np.ndarray, frame: np.ndarray, particle: np.ndarray) -> np.ndarray:
        """What stands around particles at moments, such as those of ``dynamics.Examples``; no frame is read twice.

        Args:
            descriptor: such as ``descriptors.Softness()``.
            run, frame, particle: (examples,) int.

        Returns:
            (examples, features) float64, in the units of the columns.

        Raises:
            InvalidInput: no such run, frame or particle, or lists of unequal lengths.
            BoxTooSmall, FileFormatError
        """
        run = validate.array("run", run, np.int64, (None,))
        frame = validate.array("frame", frame, np.int64, run.shape)
        particle = validate.array("particle", particle, np.int64, run.shape)
        if len(particle) and not 0 <= particle.min() <= particle.max() < self.n:
            raise InvalidInput(f"particles {particle.min()} to {particle.max()} were asked for; there are {self.n}, from 0 on")
        out = np.zeros((len(run), len(descriptor.columns)))
        for k in np.unique(run):
            of_run = np.flatnonzero(run == k)
            needed = np.unique(frame[of_run])
            for first in range(0, len(needed), FRAMES_PER_CHUNK):
                some = needed[first : first + FRAMES_PER_CHUNK]
                here = of_run[np.isin(frame[of_run], some)]
                out[here] = descriptor.rows(self.snapshots(int(k), some), np.searchsorted(some, frame[here]), particle[here])
        return out

    def p_hop(self, run: int) -> np.ndarray:
        """(frame, N) float32 [length^2]; NaN where a window does not fit or nothing is written yet.

        Raises:
            InvalidInput: no such run.
            FileFormatError: a damaged chunk.

        Source: as ``dynamics.p_hop``.
        """
        return self._read("p_hop", self._run(run))

    def cumulative_squared_displacement(self, run: int) -> np.ndarray:
        """(frame, N) float32 [length^2]; NaN likewise.

        Raises:
            As ``p_hop``.

        Source: as ``dynamics.cumulative_squared_displacement``.
        """
        return self._read("csd", self._run(run))

    def unbroken_bonds(self, run: int) -> np.ndarray:
        """(frame, N) int16: how many neighbours of time 0 are still near, n_i(t) of ``dynamics.bond_breaking``; -1 where it is
        not known: nothing is written yet, or minima, of which bonds are not counted."""
        return self._read("bonds", self._run(run))

    def unwrapped(self, run: int, first: int = 0, last: int | None = None) -> np.ndarray:
        """Positions of frames first ... last - 1, (frame, N, d) float64, continuous from frame to frame: minimum images,
        for motion below half a box per frame [length]."""
        turns = self._read("position", (self._run(run), slice(first, last))).astype(np.int64)
        steps = np.diff(turns, axis=0).astype(np.int32)  # wraps around: the minimum image
        turns[1:] = turns[0] + np.cumsum(steps, axis=0, dtype=np.int64)
        return turns * (self.box[run] / TURN)

    def _run(self, run: int) -> int:
        return validate.whole("run", run, least=0, most=self.runs - 1)

    def _read(self, name: str, where: Any) -> np.ndarray:
        try:
            values = self._group[name]
            if name not in ("box", "types", "done"):  # which may claim what is not on disk
                frames = where[1] if isinstance(where, tuple) else slice(None)
                count = len(range(self.frames)[frames]) if isinstance(frames, slice) else len(frames)
                require_room(count * math.prod(values.shape[2:]) * 8, f"{name} of {count} frames", "ask for fewer")
            return values.oindex[where] if isinstance(where, tuple) else values[where]
        except OutOfMemory:
            raise
        except Exception as error:  # a damaged chunk can raise nearly anything
            raise FileFormatError(f"{self.path}: {name} is damaged ({type(error).__name__}: {error})") from error


class FrameWriter(Frames):
    """A store that is being written; made if it is not there, continued if it is.

    Args:
        path: of the store, a folder.
        identity: fixes every number in it.
        starts: the snapshot of each run at time 0.
        frames: in all.
        interval: between them.
        window: of p_hop, in frames.
        attrs: kept with it.
        bonds: how many neighbours each particle has at time 0, of each run, where bonds are counted.

    Raises:
        CheckpointMismatch: the store holds something else.
        OutputNotWritable: something else stands at the path, or it cannot be written.
    """

    def __init__(
        self, path: str | os.PathLike, identity: str, starts: Sequence[Snapshot], frames: int, interval: float, window: int, attrs: dict,
        bonds: Sequence[np.ndarray] | None = None,
    ):  # fmt: skip
        import zarr

        validate.whole("frames", frames, least=1, most=MOST_FRAMES)
        target = Path(path).resolve()
        self.before = 0  # runs of the store that are not this process's, before its own
        about = {"identity": identity, "interval": interval, "window": window, "attrs": attrs}
        self.description = {"path": target, "frames": frames, **about}
        if not target.exists():
            _make_store(target, json.dumps(about), starts, frames, bonds)
        try:
            super().__init__(target)
        except FileFormatError:
            raise OutputNotWritable(f"{target} exists and holds something else; choose another name, or remove it first") from None
        if self.identity != identity or self.frames != frames:
            raise CheckpointMismatch(
                f"{target} holds other frames than asked for ({differences(self.identity, identity)}); choose another name, or remove it first"
            )
        self._group = zarr.open_group(target, mode="r+")
        self._waiting: dict[int, list[tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray]]] = {}

    @classmethod
    def of_part(cls, description: dict[str, Any], before: int) -> FrameWriter:
        """The store that another process has made, for a part of its runs, from number ``before`` on.

        Raises:
            OutputNotWritable: it is not seen from here.
        """
        if not description["path"].exists():
            raise OutputNotWritable(f"{description['path']} is not seen by a worker; give frames= a folder that all of them see")
        writer = cls(starts=[], **description)
        writer.before = before
        return writer

    @property
    def done(self) -> np.ndarray:
        return super().done[self.before :]

    def write(
        self, row: int, first: int, positions: np.ndarray, p_hop: np.ndarray, csd: np.ndarray, bonds: np.ndarray | None = None
    ) -> None:
        """Frames ``first`` ... of a run: positions (frame, N, d) unwrapped or not, csd and unbroken bonds (frame, N), and p_hop
        (frame, N) of the frames half a window earlier. They reach the disk with the last frame of a chunk, or by ``flush``."""
        row += self.before
        turns = np.rint(positions * (TURN / self.box[row])).astype(np.int64).astype(np.int32)  # drops whole boxes
        counted = np.full(csd.shape, UNKNOWN, np.int16) if bonds is None else bonds.astype(np.int16)
        # After a chunk that was not kept its frames come again.
        self._waiting[row] = [part for part in self._waiting.get(row, []) if part[0] < first]
        self._waiting[row].append((first, turns, p_hop.astype(np.float32), csd.astype(np.float32), counted))
        last = first + len(positions)
        if last == self.frames or last // FRAMES_PER_CHUNK > first // FRAMES_PER_CHUNK:
            self._flush(row)

    def flush(self) -> None:
        """Write what waits."""
        for row in list(self._waiting):
            self._flush(row)

    def _flush(self, row: int) -> None:
        parts = self._waiting.pop(row, [])
        if not parts:
            return
        first = parts[0][0]
        turns, p_hop, csd, bonds = (np.concatenate([part[k] for part in parts]) for k in range(1, 5))
        half, last = self.window // 2, first + len(turns)
        early = max(0, half - first)  # frames judged before there were any
        try:
            for name, values in (("position", turns), ("csd", csd), ("bonds", bonds)):
                self._group[name][row, first:last] = values
            if len(p_hop) > early:
                self._group["p_hop"][row, first + early - half : last - half] = p_hop[early:]
            self._group["done"][row] = max(last, int(self._group["done"][row]))  # a part may be written again
        except OSError as error:
            raise OutputNotWritable(f"{self.path} could not be written ({error.strerror or error}); what is there is kept") from error


def _make_store(path: Path, about: str, starts: Sequence[Snapshot], frames: int, bonds: Sequence[np.ndarray] | None) -> None:
    """A store with the first frame of every run, which appears whole or not at all."""
    import zarr
    from zarr.codecs import ZstdCodec

    runs, (n, d) = len(starts), starts[0].positions.shape
    how: dict[str, Any] = {"compressors": (ZstdCodec(level=1, checksum=True),), "config": {"write_empty_chunks": True}}
    each = min(FRAMES_PER_CHUNK, frames)
    writable(path)
    try:
        with TemporaryDirectory(dir=path.parent, prefix=".glassgpu-") as folder:
            fresh = Path(folder, "new")
            group: Any = zarr.open_group(fresh, mode="w-", zarr_format=3, attributes={MARK: list(VARIABLES), IDENTITY: about})
            group.create_array(
                "position", shape=(runs, frames, n, d), chunks=(1, each, n, d), dtype="i4",
                dimension_names=("run", "frame", "particle", "dim"), **how,
            )  # fmt: skip
            for name in ("p_hop", "csd"):
                group.create_array(
                    name, shape=(runs, frames, n), chunks=(1, each, n), dtype="f4", fill_value=np.nan,
                    dimension_names=("run", "frame", "particle"), **how,
                )  # fmt: skip
            group.create_array(
                "bonds",
                shape=(runs, frames, n),
                chunks=(1, each, n),
                dtype="i2",
                fill_value=UNKNOWN,
                dimension_names=("run", "frame", "particle"),
                **how,
            )
            group.create_array("box", data=np.stack([s.box for s in starts]), dimension_names=("run", "dim"))
            group.create_array("types", data=np.stack([s.types for s in starts]), dimension_names=("run", "particle"))
            group.create_array("done", data=np.ones(runs, np.int64), chunks=(1,), dimension_names=("run",))
            for k, start in enumerate(starts):
                group["position"][k, 0] = np.rint(start.positions * (TURN / start.box)).astype(np.int64).astype(np.int32)
                group["bonds"][k, 0] = UNKNOWN if bonds is None else bonds[k]
            os.rename(fresh, path)
    except OSError as error:
        raise OutputNotWritable(f"{path} could not be written ({error.strerror or error})") from error


def open_frames(path: str | os.PathLike) -> Frames:
    """Frames of trajectories that a run has written, or is writing.

    Raises:
        FileFormatError: no such store, or damaged.
    """
    return Frames(path)
