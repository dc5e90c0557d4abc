"""Every kind of run cut into parts: the same bits as in one piece (glassgpu/engines/parts.py)."""

from __future__ import annotations

import itertools
from concurrent.futures import Future

import numpy as np
import pytest
from in_this_process import InThisProcess

import glassgpu as gg
from glassgpu import dynamics
from glassgpu.engines import runs
from glassgpu.engines.runs import Run
from glassgpu.executors import Processes
from glassgpu.simulate import quench


@pytest.fixture(scope="module")
def liquids():
    system = gg.systems.kob_andersen(n=300)
    return system, gg.equilibrate(system, temperature=1.2, duration=3, seed=1, configurations=2, accept=None, progress=False)


@pytest.fixture(scope="module")
def two():
    with Processes(2) as workers:
        yield workers


RUNS = {
    "md": (gg.simulate.md, {"observe": dynamics.Observe(wavenumber=7.0, bins=20), "keep_positions": True}),
    "langevin": (gg.simulate.md, {"thermostat": "langevin"}),
    "mc": (gg.simulate.mc, {"keep_positions": True}),
    "swap_mc": (gg.simulate.swap_mc, {"keep_positions": True}),
}


@pytest.mark.parametrize("name", RUNS)
def test_every_dynamics(liquids, name):
    run, more = RUNS[name]
    times = [1.0, 2.0]
    how = {"temperature": 1.2, "times": times, "replicas": 3, "seed": 5, "progress": False, **more}
    here = run(*liquids, **how)
    there = run(*liquids, **how, executor=InThisProcess(), batch=2)
    for field in ("positions", "potential", "pressure", "conserved", "acceptance", "exchanges", "types"):
        a, b = getattr(here, field), getattr(there, field)
        assert (a is None) == (b is None) and (a is None or np.array_equal(a, b)), field
    assert all(np.array_equal(s.positions, t.positions) for s, t in zip(np.ravel(here.final), np.ravel(there.final), strict=True))
    if here.observables is not None:
        assert here.observables.identical(there.observables)


def test_labels_of_rearranging_and_drift(liquids):
    """Counts of parts add up; so do sums of displacements."""
    hops = dynamics.Hops(interval=0.1, half_window=2, threshold=0.02, squared_displacement=0.02)
    how = {"temperature": 1.2, "times": [0.2, 0.6], "replicas": 6, "seed": 2, "progress": False}
    how |= {"labels": ("rearrangement", "mean_displacement"), "hops": hops}
    here, there = (gg.isoconfigurational(*liquids, **how, **more) for more in ({}, {"executor": InThisProcess(), "batch": 2}))
    assert here.rearrangements.identical(there.rearrangements) and 0 < here.rearrangements.values.mean() < 6
    assert here.mean_displacement.identical(there.mean_displacement)


def test_hard_spheres():
    system = gg.systems.hard_spheres(n=200, packing_fraction=0.4)
    starts = [system.random_snapshot(seed=k) for k in (1, 2)]
    how = {"temperature": 1.0, "times": [0.1, 1.0], "replicas": 3, "seed": 5, "progress": False}
    here, there = (gg.simulate.edmd(system, starts, **how, **more) for more in ({}, {"executor": InThisProcess()}))
    for field in ("pressure", "collisions", "contact_values", "kinetic"):
        assert np.array_equal(getattr(here, field), getattr(there, field)), field


def test_scores_of_each_configuration(liquids):
    """Groups belong to configurations, and parts to some of these."""
    system, starts = liquids
    table = np.zeros((2, 66))
    table[:, 1:64] = np.random.default_rng(0).normal(size=(2, 63))
    group = np.stack([np.arange(300) % 3, np.where(np.arange(300) < 150, 0, -1)])  # of the second, two groups are empty
    score = dynamics.Scores(("A", "B"), 2.0, table, 0.5, group)
    how = {"temperature": 1.2, "times": [0.5, 1.0], "replicas": 2, "seed": 3, "score": score, "progress": False}
    here, there = (gg.simulate.md(system, starts, **how, **more) for more in ({}, {"executor": InThisProcess(), "batch": 1}))
    assert here.scores.identical(there.scores)


def test_frames_are_written_by_workers(liquids, two, tmp_path):
    hops = dynamics.Hops(interval=0.2, half_window=2, threshold=0.05, squared_displacement=0.05)
    how = {"temperature": 1.2, "duration": 4.0, "replicas": 2, "seed": 3, "hops": hops, "progress": False}
    gg.simulate.md(*liquids, **how, frames=tmp_path / "here")
    gg.simulate.md(*liquids, **how, frames=tmp_path / "there", executor=two, batch=1)
    here, there = (gg.io.open_frames(tmp_path / name) for name in ("here", "there"))
    assert (there.done == there.frames).all() and here.identity == there.identity
    for run in range(4):
        assert np.array_equal(here.unwrapped(run), there.unwrapped(run))
        assert np.array_equal(here.p_hop(run), there.p_hop(run), equal_nan=True)


class LastFirst:
    """Runs tasks once there are so many, the last one first."""

    def __init__(self, tasks):
        self.tasks, self.given = tasks, []

    def submit(self, task, *arguments):
        self.given.append((Future(), task, arguments))
        if len(self.given) == self.tasks:
            for future, run, of in reversed(self.given):
                try:
                    future.set_result(run(*of))
                except BaseException as error:
                    future.set_exception(error)
        return self.given[-1][0]


def test_frames_of_parts_that_were_stopped(liquids, tmp_path, monkeypatch):
    """Some parts are done, one is in its middle, others have not begun; also when workers are given whole configurations."""
    monkeypatch.setattr(runs, "SECONDS_PER_CHECKPOINT", 0.0)
    hops = dynamics.Hops(interval=0.2, half_window=2, threshold=0.05, squared_displacement=0.05)
    how = {"temperature": 1.2, "duration": 4.0, "replicas": 2, "seed": 3, "hops": hops, "progress": False, "chunk": 100}
    gg.simulate.md(*liquids, **how, frames=tmp_path / "here")
    here = gg.io.open_frames(tmp_path / "here")
    for batch in (1, 2):
        chunks, whole = itertools.count(1), Run._run_chunk

        def stops(self, steps, chunks=chunks, whole=whole):
            whole(self, steps)
            if next(chunks) == 11:  # of 8 in a batch
                raise KeyboardInterrupt

        path, frames = tmp_path / f"{batch}.npz", tmp_path / f"frames {batch}"
        monkeypatch.setattr(Run, "_run_chunk", stops)
        with pytest.raises(gg.errors.Interrupted):
            gg.simulate.md(*liquids, **how, frames=frames, checkpoint=path, executor=LastFirst(4 // batch), batch=batch)
        monkeypatch.setattr(Run, "_run_chunk", whole)
        assert 0 < gg.io.open_frames(frames).done.sum() < 4 * here.frames
        gg.simulate.md(*liquids, **how, frames=frames, checkpoint=path, executor=LastFirst(4 // batch), batch=batch)
        there = gg.io.open_frames(frames)
        assert (there.done == there.frames).all()
        for run in range(4):
            assert np.array_equal(here.unwrapped(run), there.unwrapped(run))
            assert np.array_equal(here.p_hop(run), there.p_hop(run), equal_nan=True)


def test_quenches_equilibration_columns_and_selection(liquids, two):
    system, starts = liquids
    here, there = (quench(system, starts, force_tolerance=1e-3, progress=False, **more) for more in ({}, {"executor": two, "batch": 1}))
    for field in ("potential", "largest_force", "steps"):
        assert np.array_equal(getattr(here, field), getattr(there, field))
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(here.final, there.final, strict=True))

    how = {"temperature": 1.2, "duration": 1.0, "seed": 4, "configurations": 2, "accept": None, "progress": False}
    for a, b in zip(gg.equilibrate(system, **how), gg.equilibrate(system, **how, executor=two), strict=True):
        assert np.array_equal(a.positions, b.positions) and np.array_equal(a.velocities, b.velocities)

    describe = gg.descriptors.ShellExpansion(radial=[(0.9, 1.8, 8, 0.1)], angular=(0.9, 1.8, 4, 0.1))
    x = describe(starts)
    assert x.identical(describe(starts, executor=two))
    y = np.random.default_rng(0).normal(size=(2, 300))
    one, other = (gg.selection.greedy_selection(x[..., 5:15], y, 3, progress=False, executor=e) for e in (None, two))
    assert [s.features for s in one] == [s.features for s in other]
    assert all(np.array_equal(s.imbalance, t.imbalance) for s, t in zip(one, other, strict=True))
    one, other = (gg.selection.greedy_selection(x[..., 5:10], None, 2, progress=False, executor=e) for e in (None, two))
    assert all(s.features == t.features and np.array_equal(s.imbalance, t.imbalance) for s, t in zip(one, other, strict=True))
