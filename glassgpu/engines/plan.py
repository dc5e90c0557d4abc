"""What fixes the numbers of a run: its plan, and the keys of its random numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from glassgpu.dynamics.hops import Hops
from glassgpu.dynamics.observables import Observe
from glassgpu.dynamics.scores import Scores
from glassgpu.protocols import Segment, hold, temperature_at


@dataclass(frozen=True)
class Plan(ABC):
    """Everything that fixes the numbers of a run, apart from system and snapshots.

    A step is the unit that a kernel counts in: a time step, or a sweep of trials.
    """

    temperature: float  # of the bath, at the beginning
    steps: int
    samples: tuple[int, ...]  # ascending steps, each at least 1
    replicas: int
    seed: int
    precision: str = "single"
    skin: float = 0.5
    labels: bool = True
    mean_displacements: bool = False
    bond_breaking: bool = False
    cage_relative: bool = False
    observe: Observe | None = None
    score: Scores | None = None
    keep_positions: bool = False
    keep_final: bool = False
    hops: Hops | None = None
    hop_every: int = 0  # steps between frames
    hop_samples: tuple[int, ...] = ()  # frames at which rearranged replicas are counted
    protocol: tuple[tuple[int, float, float], ...] = ()  # segments of a changing temperature (protocols.in_steps)

    @abstractmethod
    def time_of(self, step: int) -> str:
        """A step in words."""

    def temperature_at(self, step: np.ndarray) -> np.ndarray:
        """Of the bath at some steps (kernels/protocol.cuh)."""
        begins = [0, *(end for end, _, _ in self.protocol)]
        segments = [Segment(a, b, end - begin) for begin, (end, a, b) in zip(begins, self.protocol, strict=False)]
        return temperature_at(segments or hold(self.temperature, 1), step)


def replica_keys(seed: int, rows: np.ndarray, replicas: int) -> np.ndarray:
    """Philox keys, (row,) uint64: a function of seed, configuration and replica, so that
    ``simulate`` and ``isoconfigurational`` run the same trajectories from one seed."""
    parts = [np.random.SeedSequence([seed, row // replicas, row % replicas]) for row in rows.tolist()]
    return np.array([part.generate_state(1, np.uint64)[0] for part in parts], np.uint64)
