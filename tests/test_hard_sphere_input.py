"""What hard spheres refuse, and what they say then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import glassgpu as gg
from glassgpu.errors import BoxTooSmall, InvalidInput, ParticlesOverlap, SimulationFailed

QUIET = {"backend": "cpu", "progress": False}


def test_bad_input_is_named():
    system = gg.systems.hard_spheres(n=500, packing_fraction=0.52)
    start = gg.simulate.edmd(system, system.random_snapshot(1), temperature=1.0, duration=0.1, **QUIET).final
    lj = gg.systems.kob_andersen(n=300)
    with pytest.raises(InvalidInput, match=r"packing_fraction=0\.74"):
        gg.systems.hard_spheres(packing_fraction=0.74)
    with pytest.raises(InvalidInput, match="size_ratio=0"):
        gg.systems.hard_spheres(size_ratio=0.0)
    with pytest.raises(InvalidInput, match="symmetric and positive"):
        replace(system, sigma=np.array([[1.0, 0.5], [0.5, 0.0]]))
    with pytest.raises(InvalidInput, match="three dimensions"):
        replace(system, dimension=2)
    with pytest.raises(InvalidInput, match="additive"):
        replace(system, sigma=np.array([[1.0, 0.5], [0.5, 0.85]]))
    pushed = start.positions.copy()
    pushed[1] = pushed[0] + [0.5, 0, 0]
    with pytest.raises(ParticlesOverlap, match="cannot overlap"):
        gg.simulate.edmd(system, gg.Snapshot(pushed, start.types, start.box), temperature=1, duration=1, **QUIET)
    with pytest.raises(InvalidInput, match=r"simulate\.edmd"):
        gg.simulate.md(system, start, temperature=1, duration=1, **QUIET)
    with pytest.raises(InvalidInput, match=r"simulate\.edmd"):
        gg.simulate.mc(system, start, temperature=1, duration=1, **QUIET)
    with pytest.raises(InvalidInput, match=r"simulate\.edmd"):
        gg.simulate.quench(system, start, **QUIET)
    with pytest.raises(InvalidInput, match="no energies"):
        gg.energy(system, start, backend="cpu")
    with pytest.raises(InvalidInput, match="hard spheres"):
        gg.simulate.edmd(lj, lj.random_snapshot(1), temperature=1, duration=1, **QUIET)
    with pytest.raises(InvalidInput, match="temperature=None continues"):
        gg.simulate.edmd(system, replace(start, velocities=None), duration=1, **QUIET)
    with pytest.raises(InvalidInput, match="double precision only"):
        gg.isoconfigurational(system, start, temperature=1, times=[1], replicas=2, seed=1, precision="single", **QUIET)
    with pytest.raises(InvalidInput, match="step= does not belong"):
        gg.isoconfigurational(system, start, temperature=1, times=[1], replicas=2, seed=1, step=0.1, **QUIET)
    with pytest.raises(InvalidInput, match="whole number of steps"):
        gg.simulate.edmd(system, start, temperature=1, times=[0.013], **QUIET)
    with pytest.raises(InvalidInput, match="no whole number of steps"):
        gg.simulate.edmd(system, start, temperature=1, duration=0.016, **QUIET)
    with pytest.raises(InvalidInput, match="no energies and forces"):
        gg.equilibrate(system, 1.0, 10, 1, dynamics="swap_mc", progress=False)
    with pytest.raises(InvalidInput, match="event-driven dynamics is for hard spheres"):
        gg.equilibrate(lj, 1.0, 10, 1, dynamics="edmd", progress=False)
    assert np.array_equal(replace(system, sigma=2 * system.sigma).cutoff, 2 * system.sigma)
    with pytest.raises(BoxTooSmall, match="N >="):
        gg.systems.hard_spheres(n=8).random_snapshot(1)
    with pytest.raises(BoxTooSmall, match="N >="):
        gg.simulate.edmd(system, start, temperature=1, duration=1, skin=3.0, **QUIET)


def test_a_packing_that_cannot_be_reached_is_named():
    with pytest.raises(SimulationFailed, match="jammed"):
        gg.systems.hard_spheres(n=200, packing_fraction=0.67).random_snapshot(1)
