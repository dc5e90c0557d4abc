"""Random configurations of hard spheres: small ones at random places, which collide and grow (Lubachevsky and
Stillinger, J. Stat. Phys. 60, 561 (1990))."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from glassgpu.engines.edmd import EdmdPlan, EdmdRun, usual_skin
from glassgpu.launch import Cpu
from glassgpu.systems.system import System
from glassgpu.types import Snapshot

FIRST = 0.5  # of their diameters: so small they find room by themselves
RATE = 0.02  # of the diameters in a unit of time: at packing 0.58 they rearrange while they grow
APART = 1e-9  # they grow so much further, and are left without any overlap
DT = 0.05


def grown(system: System, seed: int) -> Snapshot:
    """A configuration without overlap; the velocities of its growth are not kept.

    Raises:
        SimulationFailed: the packing is too dense to be reached, the spheres are jammed.
    """
    start = scattered(system, seed)
    steps = round((1 + APART - FIRST) / RATE / DT)
    plan = EdmdPlan(
        temperature=1.0, steps=steps, samples=(), replicas=1, seed=seed, precision="double", skin=usual_skin(system, [start]), labels=False, keep_final=True,
        dt=DT, scale=FIRST, growth=(1 + APART - FIRST) / (steps * DT),
    )  # fmt: skip
    run = EdmdRun(system, [start], plan, Cpu(1), progress=start.n > 5000).run()
    return Snapshot(run.final["places"][0], start.types, start.box)


def scattered(system: System, seed: int) -> Snapshot:
    """Species in random order at random places, no two spheres of ``FIRST`` of their diameters on each other."""
    random = np.random.default_rng(np.random.SeedSequence([seed, 0]))
    box, n = system.box, system.n
    types = random.permutation(np.repeat(np.arange(len(system.counts)), system.counts)).astype(np.int32)
    x = random.random((n, system.dimension)) * box
    while True:
        pairs = cKDTree(x % box % box, boxsize=box).query_pairs(FIRST * system.sigma.max(), output_type="ndarray")
        apart = x[pairs[:, 0]] - x[pairs[:, 1]]
        apart -= box * np.rint(apart / box)
        near = np.linalg.norm(apart, axis=1) <= FIRST * system.sigma[types[pairs[:, 0]], types[pairs[:, 1]]]
        if not near.any():
            return Snapshot(x, types, box)
        again = np.unique(pairs[near, 1])  # the later of two looks for another place
        x[again] = random.random((len(again), system.dimension)) * box
