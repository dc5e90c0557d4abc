"""Inherent structures of every frame of a store; stages that leave files."""

from __future__ import annotations

import importlib
import json

import numpy as np
import pytest

import glassgpu as gg
from glassgpu import dynamics, structure
from glassgpu.dynamics import Hops
from glassgpu.errors import CheckpointMismatch, InvalidInput
from glassgpu.study import Study

module = importlib.import_module("glassgpu.structure.inherent_frames")  # whose name the function has taken


@pytest.fixture(scope="module")
def thermal(tmp_path_factory):
    system = gg.systems.kob_andersen(n=150)
    start = gg.equilibrate(system, temperature=1.0, duration=2, seed=1, accept=None, backend="cpu", progress=False)
    path = tmp_path_factory.mktemp("frames") / "run.zarr"
    gg.simulate.md(
        system,
        [start, start],
        temperature=1.0,
        duration=3.0,
        seed=3,
        frames=path,
        hops=Hops(interval=0.2, half_window=2),
        backend="cpu",
        progress=False,
    )
    return system, gg.io.open_frames(path)


def test_every_frame_is_quenched_and_hops_are_those_of_the_minima(thermal, tmp_path):
    system, frames = thermal
    told = []
    minima = structure.inherent_frames(system, frames, tmp_path / "minima.zarr", backend="cpu", progress=told.append)
    assert told[-1] == 1 and (minima.done == 16).all() and minima.attrs["state"] == "inherent" and minima.attrs["temperature"] == 1.0
    for run in range(2):
        one_by_one = structure.inherent_structure(
            system, frames.snapshots(run, range(16)), force_tolerance=module.TOLERANCE, precision="single", backend="cpu", progress=False
        )
        seen = minima.snapshots(run, range(16))
        for a, b in zip(seen, one_by_one, strict=True):
            apart = a.positions - b.positions
            assert np.abs(apart - a.box * np.rint(apart / a.box)).max() < 1e-8
        whole = np.stack([s.positions for s in seen])
        np.testing.assert_allclose(minima.p_hop(run), dynamics.p_hop(whole, 4, box=frames.box[run]), rtol=1e-4, atol=1e-9)
        np.testing.assert_allclose(
            minima.cumulative_squared_displacement(run),
            dynamics.cumulative_squared_displacement(whole, 4, box=frames.box[run]),
            rtol=1e-4,
            atol=1e-9,
        )
        assert (minima.unbroken_bonds(run) == -1).all()
        jumps = np.diff(minima.unwrapped(run), axis=0) - np.diff(frames.unwrapped(run), axis=0)
        assert np.abs(jumps).max() < 2.0  # a particle's minimum stays with the particle across the boundary


def test_continued(thermal, tmp_path, monkeypatch):
    system, frames = thermal
    plain = structure.inherent_frames(system, frames, tmp_path / "plain.zarr", backend="cpu", progress=False)
    monkeypatch.setattr(module, "BLOCK", 8)

    original, calls = module._settle, []

    def stopping(*given, **how):
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(given[3:6])
        original(*given, **how)

    monkeypatch.setattr(module, "_settle", stopping)
    with pytest.raises(gg.errors.Interrupted, match="continues"):
        structure.inherent_frames(system, frames, tmp_path / "other.zarr", backend="cpu", progress=False)
    monkeypatch.setattr(module, "_settle", lambda *given, **how: (calls.append(given[3:6]), original(*given, **how)))
    again = structure.inherent_frames(system, frames, tmp_path / "other.zarr", backend="cpu", progress=False)
    assert calls == [(0, 0, 8), (0, 8, 16), (1, 0, 8), (1, 8, 16)]
    for run in range(2):
        assert np.array_equal(plain.unwrapped(run), again.unwrapped(run))
        np.testing.assert_allclose(plain.p_hop(run), again.p_hop(run), rtol=1e-5, atol=1e-8)  # of stored places, rounded by 3e-9, or not
    with pytest.raises(CheckpointMismatch, match="force_tolerance"):
        structure.inherent_frames(system, frames, tmp_path / "other.zarr", force_tolerance=1e-3, backend="cpu", progress=False)


def test_incomplete_frames_are_refused(thermal, tmp_path, monkeypatch):
    system, frames = thermal
    from glassgpu.engines.runs import Run

    original, done = Run._run_chunk, []

    def stopping(self, steps):
        if done:
            raise KeyboardInterrupt
        done.append(1)
        original(self, steps)

    monkeypatch.setattr(Run, "_run_chunk", stopping)
    with pytest.raises(gg.errors.Interrupted):
        gg.simulate.md(
            system, frames.snapshot(0, 0), temperature=1.0, duration=8.0, seed=3, frames=tmp_path / "run.zarr", chunk=100,
            hops=Hops(interval=0.2, half_window=2), backend="cpu", progress=False,
        )  # fmt: skip
    with pytest.raises(InvalidInput, match="not complete"):
        structure.inherent_frames(system, gg.io.open_frames(tmp_path / "run.zarr"), tmp_path / "minima.zarr")


def test_a_stage_keeps_its_folder(tmp_path):
    """What a stage writes itself is there when it goes on, and appears with its result."""
    seen = []

    def writing(folder, number):
        seen.append(sorted(p.name for p in folder.iterdir()))
        (folder / f"{len(seen)}.json").write_text(json.dumps(number))
        if len(seen) == 1:
            raise RuntimeError("stopped")
        return {"number": number}

    study = Study(tmp_path)
    with pytest.raises(RuntimeError):
        study.stage("writes", writing, number=7)
    assert not list(tmp_path.glob("stages/*/files"))
    for _ in range(2):
        result = Study(tmp_path).stage("writes", writing, number=7)
        assert sorted(p.name for p in result.folder.iterdir()) == ["1.json", "2.json"] and result["number"] == 7
    assert seen == [[], ["1.json"]]
    with pytest.raises(InvalidInput, match="folder is not an input"):
        study.stage("writes", writing, number=7, folder="here")
