"""Plain single-thread Metropolis Monte Carlo of the ternary mixture in C++ (plain_mc.cpp), as a peer and witness.

Published figures it is held against (performance notes, section 2): 4.5e6 trials/s in single and 3.0e6
in double precision without list builds, at density 1.2 on one core of a Zen 5 server.
"""

from __future__ import annotations

import functools
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glassgpu import compile as compiling
from glassgpu.engines.problem import morton_order
from glassgpu.systems import System
from glassgpu.types import Snapshot

STEP = 0.12
FLAGS = ("-std=c++17", "-Ofast", "-march=native")
PRECISIONS = {"single": "float", "double": "double"}
_HEAD = 5  # numbers before the energies


@dataclass(frozen=True, eq=False)
class PlainRun:
    """What ``run`` returns.

    Attributes:
        trials: tried moves.
        seconds, building: wall time of the moves with their list builds, and of these builds alone.
        processor_seconds: processor time of the moves with their list builds.
        builds: list builds per sweep.
        acceptance: share of accepted moves.
        energies: (sample,) potential energy per particle every ``every`` sweeps, all pairs in double precision [energy].
        positions: (N, d) unwrapped, in the order of the snapshot [length].
    """

    trials: int
    seconds: float
    building: float
    processor_seconds: float
    builds: float
    acceptance: float
    energies: np.ndarray
    positions: np.ndarray

    @property
    def rate(self) -> float:
        """Trials per second of wall time, list builds included."""
        return self.trials / self.seconds

    @property
    def rate_without_lists(self) -> float:
        """Trials per second of wall time between list builds."""
        return self.trials / (self.seconds - self.building)

    @property
    def processor_rate(self) -> float:
        """Trials per second of processor time, list builds included: what a machine without other jobs would reach."""
        return self.trials / self.processor_seconds


@functools.cache
def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory()


@functools.cache
def program(precision: str) -> Path:
    """The compiled peer, kept until the end of the process."""
    source, built = Path(__file__).with_suffix(".cpp"), Path(_folder().name) / precision
    subprocess.run([*compiling.compiler(), *FLAGS, f"-DPRECISION={PRECISIONS[precision]}", str(source), "-o", str(built)], check=True)
    return built


def run(
    system: System,
    snapshot: Snapshot,
    temperature: float,
    sweeps: int,
    *,
    skin: float = 0.7,
    seed: int = 0,
    precision: str = "single",
    step: float = STEP,
    every: int | None = None,
) -> PlainRun:
    """Metropolis moves of single particles, each component uniform in [-step/2, step/2).

    Args:
        system: at most three species in two dimensions, cut-offs 2.5 sigma_ab, quartic from 2 sigma_ab on.
        snapshot: start; the sides of its box exceed twice the longest cut-off by the step at least.
        temperature: of the Boltzmann distribution [energy].
        sweeps: trials per particle.
        skin: of the neighbour lists [length].
        seed: of xoshiro256+.
        precision: ``"single"`` or ``"double"``.
        step: width of a move [length].
        every: sweeps between two recorded energies; only the last by default.

    Raises:
        ValueError: another system than this peer can run.
    """
    whole = np.array_equal(system.cutoff, 2.5 * system.sigma) and np.array_equal(system.inner, 2.0 * system.sigma)
    if system.dimension != 2 or len(system.species) > 3 or system.law != "smooth" or not whole:
        raise ValueError("the peer knows up to three species in two dimensions with the smooth law from 2 to 2.5 sigma_ab")
    if snapshot.box.min() < 2 * system.cutoff.max() + step:
        raise ValueError(f"the peer needs a box of at least {2 * system.cutoff.max() + step:g}, got {snapshot.box.min():g}")
    every = sweeps if every is None else every
    order = morton_order(snapshot.positions, snapshot.box)
    head = [snapshot.n, len(system.species), *snapshot.box, temperature, step, skin, seed, sweeps, every]
    tables = (np.array(head, float), system.sigma, system.epsilon, snapshot.positions[order], snapshot.types[order].astype(float))
    sent = b"".join(np.ascontiguousarray(t).tobytes() for t in tables)
    received = np.frombuffer(subprocess.run([program(precision)], input=sent, capture_output=True, check=True).stdout)
    positions = np.empty((snapshot.n, 2))
    positions[order] = received[-2 * snapshot.n :].reshape(-1, 2)
    seconds, building, processor, builds, accepted = received[:_HEAD]
    return PlainRun(
        trials=sweeps * snapshot.n,
        seconds=seconds,
        building=building,
        processor_seconds=processor,
        builds=builds / sweeps,
        acceptance=accepted / (sweeps * snapshot.n),
        energies=received[_HEAD : -2 * snapshot.n],
        positions=positions,
    )
