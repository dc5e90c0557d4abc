"""Columns of many configurations in a store: continued, shared out, compared with those computed at once."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor

import numpy as np
import pytest
import xarray

import glassgpu as gg
from glassgpu import executors
from glassgpu.descriptors import JBB, SLO, BehlerParrinello
from glassgpu.errors import FileFormatError, Interrupted, OutOfMemory
from glassgpu.io import columns as io_columns
from glassgpu.io import open_dataset, write_columns


@pytest.fixture(scope="module")
def films(film):
    _, snapshot = film
    return [gg.Snapshot(s * snapshot.positions, snapshot.types, s * snapshot.box) for s in 1 + 0.01 * np.arange(7)]


@pytest.fixture
def two_at_a_time(monkeypatch):
    monkeypatch.setattr(io_columns, "BLOCK_BYTES", 2 * 300 * 60 * 8)


def test_a_store_holds_what_is_computed(film, films, tmp_path, two_at_a_time):
    system, _ = film
    describe = SLO(system, r_max=8.0)
    told = []
    path = write_columns(tmp_path / "slo", describe, films, progress=told.append)
    expected = describe(films)
    stored = open_dataset(path)
    xarray.testing.assert_equal(stored.SLO, expected)
    assert stored.SLO.attrs == expected.attrs and stored.snapshot.dims == ("configuration",)
    assert len(set(stored.snapshot.values.tolist())) == 7
    assert told == pytest.approx([2 / 7, 4 / 7, 6 / 7, 1])
    single = open_dataset(write_columns(tmp_path / "single", describe, films, precision="single", progress=False)).SLO
    assert single.dtype == np.float32
    assert np.array_equal(single, expected.values.astype(np.float32))


def test_a_stopped_call_continues(film, films, tmp_path, two_at_a_time, monkeypatch):
    system, _ = film
    path, computed = tmp_path / "slo", []
    whole = SLO.compute_all

    def counted(self, snapshots):
        if len(computed) == 4:
            raise KeyboardInterrupt
        computed.extend(s.box[0] for s in snapshots)
        return whole(self, snapshots)

    monkeypatch.setattr(SLO, "compute_all", counted)
    describe = SLO(system, r_max=8.0)
    with pytest.raises(gg.errors.Interrupted, match=r"stopped after 4 of 7 configurations; the same call continues .*slo"):
        write_columns(path, describe, films, progress=False)
    with pytest.raises(gg.errors.FileFormatError, match="lost, or not yet written"):
        open_dataset(path)
    partly = xarray.open_zarr(path, consolidated=False)
    assert np.isfinite(partly.SLO[:4]).all() and np.isnan(partly.SLO[4:]).all() and (partly.snapshot[4:] == 0).all()
    computed.append(None)
    write_columns(path, describe, films, progress=False)
    assert computed == [*(s.box[0] for s in films[:4]), None, *(s.box[0] for s in films[4:])]
    write_columns(path, describe, films, progress=False)  # nothing left
    moved = [*films[:6], gg.Snapshot(films[6].positions + 0.3, films[6].types, films[6].box)]
    write_columns(path, describe, moved, progress=False)  # one has changed
    assert computed[8:] == [films[6].box[0]]
    monkeypatch.undo()
    assert np.array_equal(open_dataset(path).SLO, describe(moved))


def test_workers_write_the_same(film, films, tmp_path, two_at_a_time):
    system, _ = film
    describe = JBB(system, r_max=8.0, threads=1)
    alone = write_columns(tmp_path / "alone", describe, films, progress=False)
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        shared = write_columns(tmp_path / "shared", describe, films, executor=pool, progress=False)
    xarray.testing.assert_identical(open_dataset(shared), open_dataset(alone))


def test_a_failing_worker_is_heard_and_few_tasks_wait(film, films, tmp_path, monkeypatch):
    system, _ = film
    monkeypatch.setattr(io_columns, "BLOCK_BYTES", 1)
    monkeypatch.setattr(executors, "IN_FLIGHT", 2)
    given = []

    class Fails:
        def submit(self, task, *arguments):
            given.append(arguments[4].tolist())  # after the function itself
            future: Future = Future()
            future.set_exception(MemoryError("worker")) if len(given) == 3 else future.set_result(task(*arguments))
            return future

    with pytest.raises(MemoryError, match="worker"):
        write_columns(tmp_path / "slo", SLO(system, r_max=8.0), films, executor=Fails(), progress=False)
    assert len(given) <= 4
    write_columns(tmp_path / "slo", SLO(system, r_max=8.0), films, progress=False)
    assert np.array_equal(open_dataset(tmp_path / "slo").SLO, SLO(system, r_max=8.0)(films))


def test_a_bad_configuration_takes_no_good_one_with_it(film, films, tmp_path, monkeypatch):
    system, _ = film
    whole = SLO.compute_all

    def fails(self, snapshots):
        if any(s.box[0] == films[2].box[0] for s in snapshots):
            raise gg.errors.InvalidInput("no such angle")
        return whole(self, snapshots)

    monkeypatch.setattr(SLO, "compute_all", fails)
    with pytest.raises(gg.errors.InvalidInput, match="configuration 2: no such angle"):
        write_columns(tmp_path / "slo", SLO(system, r_max=8.0), films, progress=False)
    done = xarray.open_zarr(tmp_path / "slo", consolidated=False).snapshot.values != 0
    assert done.tolist() == [True, True, False, True, True, True, True]


def test_what_is_lost_is_made_again(film, films, tmp_path):
    system, _ = film
    path = write_columns(tmp_path / "slo", SLO(system, r_max=8.0), films, progress=False)
    (path / "SLO" / "c" / "3" / "0" / "0").unlink()
    (path / "snapshot" / "c" / "5").write_bytes(b"damaged")
    write_columns(path, SLO(system, r_max=8.0), films, progress=False)
    assert np.array_equal(open_dataset(path).SLO, SLO(system, r_max=8.0)(films))


def test_a_hash_never_outlives_its_columns(film, films, tmp_path):
    """Stopped between the columns of a changed configuration and its hash: the old one is not found there."""
    system, _ = film
    describe = SLO(system, r_max=8.0)
    path = write_columns(tmp_path / "slo", describe, films[:1], progress=False)
    moved = gg.Snapshot(films[0].positions + np.random.default_rng(0).uniform(0, 0.1, (300, 2)), films[0].types, films[0].box)
    with pytest.raises((TypeError, ValueError)):
        io_columns._write_block(path, describe, [moved], np.arange(1), ["a hash that cannot be written"])
    write_columns(path, describe, films[:1], progress=False)
    assert np.array_equal(open_dataset(path).SLO, describe(films[:1]))


def test_the_slower_of_two_leaves_the_others_store(film, films, tmp_path, monkeypatch):
    system, _ = film
    describe, path = SLO(system, r_max=8.0), tmp_path / "slo"
    rename = os.rename

    def late(fresh, target):
        monkeypatch.undo()
        write_columns(path, describe, films, progress=False)
        rename(fresh, target)

    monkeypatch.setattr(io_columns.os, "rename", late)
    told = []
    write_columns(path, describe, films, progress=told.append)
    assert told == [] and np.array_equal(open_dataset(path).SLO, describe(films))


def test_a_store_larger_than_it_begins(tmp_path, monkeypatch):
    """An empty store of 700 MB is not one that lies about its size."""
    monkeypatch.setattr(io_columns, "BLOCK_BYTES", 1)
    system = gg.systems.kob_andersen(n=4096)
    describe, snapshots = gg.descriptors.ShellExpansion(generations=2), [system.random_snapshot(seed=1)] * 60

    def stop(_):
        raise KeyboardInterrupt

    for done in (0, 1):
        with pytest.raises(Interrupted, match=f"stopped after {done} of 60 configurations"):
            write_columns(tmp_path / "x", describe, snapshots, progress=stop)
    with pytest.raises(FileFormatError, match=r"5\d configurations are not done"):
        gg.models.moments_of_columns(tmp_path / "x", np.zeros((60, 4096)))


def test_blocks_that_memory_does_not_hold(film, films, tmp_path, two_at_a_time, monkeypatch):
    """Each configuration of such a block is computed alone."""
    describe = SLO(film[0], r_max=8.0)
    whole = SLO.compute_all

    def scarce(self, snapshots):
        if len(snapshots) > 1:
            raise OutOfMemory("for two")
        return whole(self, snapshots)

    monkeypatch.setattr(SLO, "compute_all", scarce)
    path = write_columns(tmp_path / "slo", describe, films, progress=False)
    monkeypatch.undo()
    assert np.array_equal(open_dataset(path).SLO, describe(films))


def test_other_columns_are_refused(film, films, tmp_path):
    system, _ = film
    path = write_columns(tmp_path / "slo", SLO(system, r_max=8.0), films[:2], progress=False)
    for other in (SLO(system, r_max=7.0), JBB(system, r_max=8.0)):
        with pytest.raises(gg.errors.CheckpointMismatch, match=r"other columns than asked for .*descriptor"):
            write_columns(path, other, films[:2], progress=False)
    with pytest.raises(gg.errors.CheckpointMismatch, match="configurations"):
        write_columns(path, SLO(system, r_max=8.0), films, progress=False)
    (tmp_path / "mine").mkdir()
    with pytest.raises(gg.errors.OutputNotWritable, match="holds something else"):
        write_columns(tmp_path / "mine", SLO(system, r_max=8.0), films[:2], progress=False)
    with pytest.raises(gg.errors.InvalidInput, match=r"has no submit\(\); give .* one of concurrent.futures"):
        write_columns(tmp_path / "no", SLO(system, r_max=8.0), films[:2], executor="dask", progress=False)
    with pytest.raises(gg.errors.InvalidInput, match="path=None"):
        write_columns(None, SLO(system, r_max=8.0), films[:2], progress=False)
    assert write_columns(tmp_path / "one", SLO(system, r_max=8.0), films[0], progress=False).exists()
    with pytest.raises(gg.errors.InvalidInput, match="give a descriptor"):
        write_columns(tmp_path / "no", SLO, films[:2], progress=False)
    with pytest.raises(gg.errors.BoxTooSmall):
        write_columns(tmp_path / "no", SLO(system), films[:2], progress=False)
    assert not (tmp_path / "no").exists()


THOUSAND = """
import json, resource, sys
import numpy as np
import glassgpu as gg
system = gg.systems.ternary_2d()
first = system.random_snapshot(1)
turns = np.random.default_rng(0).uniform(-0.05, 0.05, (1000, *first.positions.shape))
liquids = [gg.Snapshot(first.positions + t, first.types, first.box) for t in turns]
del turns
describe = gg.descriptors.BehlerParrinello(coarse_graining=1.5)
gg.io.write_columns(sys.argv[1], describe, liquids, precision="single", progress=lambda done: print(done, flush=True))
print(json.dumps({"megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True)
"""


@pytest.mark.validate
def test_a_thousand_configurations(tmp_path, figures):
    """276 coarse-grained columns of 1000 x 4000 particles: killed once, continued, within 2 GiB of memory."""
    command = [sys.executable, "-c", THOUSAND, str(tmp_path / "columns")]
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        for line in first.stdout:
            if float(line) > 0.4:
                os.kill(first.pid, signal.SIGKILL)
                break
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = second.stdout.split("\n")
    seconds, megabytes = time.monotonic() - began, json.loads(lines[-2])["megabytes"]
    figures(seconds=seconds, killed_at=float(line), continued_at=float(lines[0]), megabytes=megabytes)
    assert float(lines[0]) > 0.4 and megabytes < 2048
    stored = xarray.open_zarr(tmp_path / "columns", consolidated=False)
    assert stored.BehlerParrinello.shape == (1000, 4000, 276) and (stored.snapshot != 0).all()
    system = gg.systems.ternary_2d()
    start = system.random_snapshot(1)
    turns = np.random.default_rng(0).uniform(-0.05, 0.05, (1000, *start.positions.shape))
    describe = BehlerParrinello(coarse_graining=1.5)
    for c in (0, 399, 400, 999):
        expected = describe.compute(gg.Snapshot(start.positions + turns[c], start.types, start.box))
        assert np.array_equal(stored.BehlerParrinello[c].values, expected.astype(np.float32))
