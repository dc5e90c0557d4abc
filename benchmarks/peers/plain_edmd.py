"""Plain single-thread event-driven dynamics of hard spheres in C++ (plain_edmd.cpp), as a peer and witness.

Published figure it is held against (performance notes, section 3): 1.42e6 collisions/s, N = 4000 equal spheres at a
packing fraction of 0.49, one event per particle in the queue, one core (Smallenburg, Eur. Phys. J. E 45, 22 (2022), his code).
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

FLAGS = ("-std=c++17", "-Ofast", "-march=native")


@dataclass(frozen=True)
class PlainRun:
    """What ``run`` returns.

    Attributes:
        seconds, processor_seconds: wall and processor time of the run, list builds included.
        collisions: in all.
        builds: of lists.
        impulse: sum of r . dp over all collisions.
    """

    seconds: float
    processor_seconds: float
    collisions: int
    builds: int
    impulse: float


@functools.cache
def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory()


@functools.cache
def program() -> Path:
    """The compiled peer, kept until the end of the process."""
    source, built = Path(__file__).with_suffix(".cpp"), Path(_folder().name) / "plain_edmd"
    subprocess.run([*compiling.compiler(), *FLAGS, str(source), "-o", str(built)], check=True)
    return built


def run(system: System, snapshot: Snapshot, duration: float, *, skin: float = 0.5) -> PlainRun:
    """Free flight and collisions of spheres of mass 1, from the snapshot's own velocities.

    Args:
        system: of hard spheres.
        snapshot: start, with velocities, in a cube.
        duration: [time].
        skin: of the neighbour lists [length].

    Raises:
        ValueError: another system or box than this peer can run.
    """
    if system.law != "hard" or (system.mass != 1).any() or np.ptp(snapshot.box) > 0 or snapshot.velocities is None:
        raise ValueError("the peer knows hard spheres of mass 1 with velocities in a cube")
    order = morton_order(snapshot.positions, snapshot.box)
    radius = np.diag(system.sigma)[snapshot.types] / 2
    rows = np.column_stack([snapshot.positions, snapshot.velocities, radius])[order]
    sent = np.array([snapshot.n, snapshot.box[0], skin, duration]).tobytes() + np.ascontiguousarray(rows).tobytes()
    seconds, processor, collisions, builds, impulse = np.frombuffer(
        subprocess.run([program()], input=sent, capture_output=True, check=True).stdout
    )
    return PlainRun(seconds, processor, int(collisions), int(builds), impulse)
