"""What a run leaves behind: arrays that chunks are written into, chunk by chunk (kernels/record.cuh)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glassgpu.dynamics.cage import BROKEN, initial_neighbors
from glassgpu.dynamics.observables import Observe
from glassgpu.dynamics.scores import Scores
from glassgpu.engines.problem import Problem
from glassgpu.systems.system import require_box
from glassgpu.types import Snapshot

LOG_COLUMNS, OBSERVABLES = 4, 4  # kernels/record.cuh
LENGTH_UNIT, LARGEST_DISPLACEMENT = 2.0**30, 2000.0  # kernels/status.cuh


def square_unit(replicas: int) -> float:
    """What |dr|^2 is multiplied by before it is rounded and summed: the largest power of two with
    which ``replicas`` of the largest square cannot overflow (2^20 for 2^20 replicas)."""
    return 2.0 ** int(np.floor(62 - np.log2(replicas * LARGEST_DISPLACEMENT**2)))


class Records:
    """The results of a run of ``rows`` = configurations x replicas, configuration-major.

    Attributes:
        log: (row, sample, 4) potential, kinetic, virial and bath energy of the whole system.
        sums: (configuration, sample, 2, N) int64 sums over replicas of |dr| and |dr|^2, of
            cage-relative displacements if asked for.
        drift: (configuration, sample, d, N) int64 sums over replicas of dr, or None.
        bonds: (configuration, sample, 2, N) int64 sums over replicas of the unbroken bonds and of
            their square, or None.
        observable: (row, sample, 1 or 2, species, 4) sums over particles of |dr|^2, |dr|^4, F_s and
            overlap, of dr and then of cage-relative dr, or None.
        histogram: (configuration, sample, species, bins) int64 counts of |dr|, or None.
        scores: (row, sample, group, 2) sums of S and S^2, or None.
        positions: (row, sample, N, d) float64 unwrapped, or None.
        species: (row, sample, N) int32 beside the positions where species change, or None.
    """

    SUMS = ("sums", "drift", "bonds", "histogram")  # over replicas
    ROWS = ("log", "observable", "scores", "positions", "species")
    ORDERED = ("sums", "drift", "bonds", "positions", "species")  # with particles in the order of the run

    def __init__(
        self,
        problem: Problem,
        snapshots: Sequence[Snapshot],
        samples: Sequence[int],
        replicas: int,
        *,
        labels: bool,
        mean_displacements: bool,
        bond_breaking: bool,
        cage_relative: bool,
        observe: Observe | None,
        keep_positions: bool,
        keep_species: bool,
        watched: bool = False,
        score: Scores | None = None,
    ):
        self.problem, self.replicas, self.observe = problem, replicas, observe
        self.steps = np.array(samples, np.int64)
        self.cage_relative = cage_relative
        c, n, d, t, s = len(snapshots), problem.n, problem.d, len(self.steps), len(problem.system.species)
        rows = c * replicas
        bins = observe.bins if observe else 0
        self.log = np.zeros((rows, t, LOG_COLUMNS))
        self.sums = np.zeros((c, t, 2, n), np.int64) if labels else None
        self.drift = np.zeros((c, t, d, n), np.int64) if mean_displacements else None
        self.bonds = np.zeros((c, t, 2, n), np.int64) if bond_breaking else None
        self.observable = np.zeros((rows, t, 1 + cage_relative, s, OBSERVABLES)) if observe else None
        self.histogram = np.zeros((c, t, s, bins), np.int64) if bins else None
        self.scores = np.zeros((rows, t, score.groups, 2)) if score else None
        self.positions = np.zeros((rows, t, n, d)) if keep_positions else None
        self.species = np.zeros((rows, t, n), np.int32) if keep_positions and keep_species else None
        xp = problem.target.xp
        self._given: dict[str, Any] = {"origin": xp.asarray(problem.places), "cage_begin": None, "cage": None, "broken2": None}
        self._scored = self._score_constants(score) if score else None
        if bond_breaking or watched:
            for snapshot in snapshots:
                require_box(snapshot.box, BROKEN * float(problem.system.sigma.max()), snapshot.density, "the label bond_breaking")
        if ((labels or observe) and cage_relative) or bond_breaking or watched:
            begin, cage = self._first_neighbours(snapshots)
            broken2 = (BROKEN * problem.system.sigma) ** 2
            self._given |= {"cage_begin": xp.asarray(begin), "cage": xp.asarray(cage), "broken2": xp.asarray(broken2)}

    def _score_constants(self, score: Scores) -> dict[str, Any]:
        """What the kernel is given of a linear model, groups in the order of the run."""
        problem, xp = self.problem, self.problem.target.xp
        group = np.broadcast_to(score.group, (problem.configurations, problem.n))
        return {
            "groups": score.groups,
            "entries": score.table.shape[1] - 2,
            "reach": score.reach,
            "constant": score.constant,
            "table": xp.asarray(score.table.astype(np.float64 if problem.double else np.float32)),
            "group": xp.asarray(np.take_along_axis(group, problem.order, axis=1)),
        }

    def _first_neighbours(self, snapshots: Sequence[Snapshot]) -> tuple[np.ndarray, np.ndarray]:
        """Neighbours at time 0 in the order of the run: begin (configuration, N + 1) and one list of all."""
        begins, lists, done = [], [], 0
        for c, snapshot in enumerate(snapshots):
            near = initial_neighbors(self.problem.system, snapshot)
            order, rank = self.problem.order[c], self.problem.rank[c]
            lists += [rank[near.index[near.begin[i] : near.begin[i + 1]]] for i in order]
            begin = done + np.concatenate([[0], np.cumsum(np.diff(near.begin)[order])])
            begins.append(begin)
            done = begin[-1]
        return np.array(begins, np.int32), np.concatenate([*lists, np.zeros(1, np.int64)]).astype(np.int32)

    def of_rows(self) -> dict[str, np.ndarray]:
        """What there is of each row, by name."""
        return {name: getattr(self, name) for name in self.ROWS if getattr(self, name) is not None}

    def summed(self) -> dict[str, np.ndarray]:
        """What there is of sums over rows, by name."""
        return {name: getattr(self, name) for name in self.SUMS if getattr(self, name) is not None}

    def bytes_per_sample(self, rows: int) -> int:
        """Of one chunk, on the target."""
        sums = sum(getattr(self, name).nbytes for name in self.SUMS if getattr(self, name) is not None)
        kept = sum(x.nbytes / len(self.log) for x in (self.positions, self.species) if x is not None)
        return int((sums + rows * kept) / max(1, len(self.steps)))

    def inside(self, step: int, steps: int) -> np.ndarray:
        """Which samples fall into the ``steps`` after ``step``."""
        return np.flatnonzero((self.steps > step) & (self.steps <= step + steps))

    def chunk(self, rows: int, inside: np.ndarray) -> dict[str, Any]:
        """Fresh arrays on the target for the samples of a chunk of so many rows."""
        xp, out = self.problem.target.xp, {}
        for name in (*self.ROWS, *self.SUMS):
            whole = getattr(self, name)
            first = rows if name in self.ROWS else self.problem.configurations
            out[name] = None if whole is None else xp.zeros((first, len(inside), *whole.shape[2:]), whole.dtype)
        return out

    def argument(self, chunk: dict[str, Any], inside: np.ndarray) -> dict[str, Any]:
        """The ``record`` part of an argument struct."""
        watch = self.observe
        return {
            "samples": len(inside),
            "bins": watch.bins if watch else 0,
            "square_unit": square_unit(self.replicas),
            "wavenumber": watch.wavenumber if watch else 0.0,
            "overlap": watch.overlap_distance if watch else 0.0,
            "bin_width": watch.bin_width if watch else 0.0,
            "cage_relative": int(self.cage_relative and self._given["cage"] is not None),
            "step": self.problem.target.xp.asarray(self.steps[inside]),
            "log": chunk["log"],
            "label": chunk["sums"],
            "drift": chunk["drift"],
            "bonds": chunk["bonds"],
            "observable": chunk["observable"],
            "histogram": chunk["histogram"],
            "position": chunk["positions"],
            "species": chunk["species"],
            **self._given,
        }

    def score_argument(self, chunk: dict[str, Any]) -> dict[str, Any]:
        """The ``scores`` part of an argument struct."""
        nobody = {"groups": 0, "entries": 0, "reach": 0.0, "constant": 0.0, "table": None, "group": None}
        return {**(self._scored or nobody), "sum": chunk["scores"]}

    def fetched(self, chunk: dict[str, Any], configuration: np.ndarray) -> dict[str, np.ndarray]:
        """A chunk's arrays on the host, particles in the order of the snapshots."""
        out = {name: self.problem.target.to_numpy(value) for name, value in chunk.items() if value is not None}
        each = np.arange(self.problem.configurations)
        for name in self.ORDERED:
            if name in out:
                last = out[name].ndim - 1 if name != "positions" else 2
                moved = np.moveaxis(out[name], last, -1)
                out[name] = np.moveaxis(self.problem.original_order(moved, each if name in self.SUMS else configuration), -1, last)
        return out

    def keep(self, fetched: dict[str, np.ndarray], rows: np.ndarray, inside: np.ndarray) -> None:
        """Add what a chunk has recorded."""
        for name, values in fetched.items():
            whole = getattr(self, name)
            for k, sample in enumerate(inside.tolist()):  # in place: what needs no memory cannot fail halfway
                if name in self.ROWS:
                    whole[rows[0] : rows[-1] + 1, sample] = values[:, k]
                else:
                    whole[:, sample] += values[:, k]
