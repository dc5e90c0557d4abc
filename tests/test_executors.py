"""Work over many workers: the same bits, whatever the workers and whatever becomes of them (glassgpu/engines/parts.py)."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading

import numpy as np
import pytest
from in_this_process import InThisProcess

import glassgpu as gg
from glassgpu import executors
from glassgpu.engines import parts
from glassgpu.engines.quench_run import QuenchRun
from glassgpu.engines.runs import Run
from glassgpu.executors import Processes, using
from glassgpu.launch import Cpu
from glassgpu.simulate import quench

OPTIONS = {"temperature": 1.2, "times": [0.1, 0.5], "replicas": 32, "seed": 2, "progress": False, "labels": ("bond_breaking",)}


@pytest.fixture(scope="module")
def liquids():
    system = gg.systems.kob_andersen(n=300)
    return system, gg.equilibrate(system, temperature=1.2, duration=3, seed=1, configurations=2, accept=None, progress=False)


@pytest.fixture(scope="module")
def ensemble(liquids):
    """64 replicas in this process."""
    return gg.isoconfigurational(*liquids, **OPTIONS)


@pytest.fixture(scope="module")
def two():
    with Processes(2) as workers:
        yield workers


def same(a, b):
    """Two ensembles, bit for bit, with their provenance."""
    for name in ("propensity", "standard_error", "noise_ceiling", "bond_breaking", "bond_breaking_error", "energy"):
        assert np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True), name
    assert repr(sorted(a.attrs.items())) == repr(sorted(b.attrs.items()))


def stop(fraction):
    if fraction > 0.3:
        raise KeyboardInterrupt


# ---------------------------------------------------------------- the same bits


def test_two_processes_and_one_that_is_killed(liquids, ensemble, two):
    """Issue's first line; the killed worker had begun a part, and that part alone is run again."""
    same(gg.isoconfigurational(*liquids, **OPTIONS, executor=two), ensemble)
    assert two.lost == 0
    killed = []

    def kill(fraction):
        if fraction > 0.2 and not killed:
            killed.append(two.pids()[0])
            os.kill(killed[0], signal.SIGKILL)

    same(gg.isoconfigurational(*liquids, **{**OPTIONS, "progress": kill}, executor=two), ensemble)
    assert killed and killed[0] not in two.pids()
    assert two.lost <= 1  # it may have died between two tasks


def test_three_processes(liquids, ensemble):
    with Processes(3) as workers, using(workers):  # as the command line gives it
        same(gg.isoconfigurational(*liquids, **OPTIONS), ensemble)


def test_dask(liquids, ensemble):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        same(gg.isoconfigurational(*liquids, **OPTIONS, executor=client.get_executor()), ensemble)
        killed = []

        def kill(fraction):
            if fraction > 0.2 and not killed:
                killed.append(next(iter(client.run(os.getpid).values())))
                os.kill(killed[0], signal.SIGKILL)

        with executors.dask_executor(cluster.scheduler_address) as workers:
            same(gg.isoconfigurational(*liquids, **{**OPTIONS, "progress": kill}, executor=workers), ensemble)
        assert killed and killed[0] not in client.run(os.getpid).values()


@pytest.mark.parametrize("batch", [None, 1, 5, 50])
def test_any_parts(liquids, ensemble, batch):
    counting = InThisProcess()
    same(gg.isoconfigurational(*liquids, **OPTIONS, executor=counting, batch=batch), ensemble)
    assert len(counting.given) == {None: 32, 1: 64, 5: 14, 50: 2}[batch]


def test_rows_of_parts():
    for configurations, replicas, size in itertools.product((1, 3, 40), (1, 2, 7, 64), (None, 1, 3, 200)):
        found = parts.rows_of_parts(configurations, replicas, size)
        assert [row for a, b in found for row in range(a, b)] == list(range(configurations * replicas))
        for a, b in found:
            inside = a // replicas == (b - 1) // replicas
            assert inside or a % replicas == b % replicas == 0  # of one configuration, or whole ones
            assert size is None or b - a <= max(size, 1)


def test_workers_of_two_kinds(liquids, monkeypatch, tmp_path):
    """Their roundings differ: a GPU's are refused beside a CPU's, another processor's are told of."""
    kinds = [{"name": "cpu", "about": {}, "processor": "a"}, {"name": "cpu", "about": {}, "processor": "b"}]
    seen = itertools.cycle(kinds)
    monkeypatch.setattr(Cpu, "kind", lambda self: next(seen))
    with pytest.warns(UserWarning, match="another kind of processor"):
        gg.isoconfigurational(*liquids, **OPTIONS, executor=InThisProcess(), batch=32)
    with pytest.warns(UserWarning, match="another kind of processor"):
        quench(*liquids, force_tolerance=1e-3, progress=False, executor=InThisProcess(), batch=1)
    kinds[1]["name"] = "cuda"
    with pytest.raises(gg.errors.CheckpointMismatch, match=r"part \d to \d was run by 'c.*' and the rest by 'c.*whose numbers differ"):
        quench(*liquids, force_tolerance=1e-3, progress=False, executor=InThisProcess(), batch=1)
    with pytest.raises(gg.errors.CheckpointMismatch, match=r"part \d+ to \d+ was run by 'c.*' and the rest by 'c.*whose numbers differ"):
        gg.isoconfigurational(*liquids, **OPTIONS, executor=InThisProcess(), batch=32)


def test_a_checkpoint_knows_where_it_was_run(liquids, monkeypatch, tmp_path):
    path = tmp_path / "run.npz"

    with pytest.raises(gg.errors.Interrupted):
        gg.isoconfigurational(*liquids, **{**OPTIONS, "progress": stop}, checkpoint=path, batch=4)
    with pytest.raises(gg.errors.CheckpointMismatch, match="begun in this process, by 'cpu'"):
        gg.isoconfigurational(*liquids, **OPTIONS, checkpoint=path, batch=4, executor=InThisProcess(), backend="cuda")
    with monkeypatch.context() as patch:
        patch.setattr(Cpu, "name", "other")
        with pytest.raises(gg.errors.CheckpointMismatch, match="was run by 'cpu' and the rest by 'other'"):
            gg.isoconfigurational(*liquids, **OPTIONS, checkpoint=path, batch=4)
        with pytest.raises(gg.errors.CheckpointMismatch, match="begun in this process, by 'cpu': leave executor= out"):
            gg.isoconfigurational(*liquids, **OPTIONS, checkpoint=path, batch=4, executor=InThisProcess())
    gg.isoconfigurational(*liquids, **OPTIONS, checkpoint=path, batch=4)
    with monkeypatch.context() as patch:
        patch.setattr(Cpu, "name", "other")
        assert gg.isoconfigurational(*liquids, **OPTIONS, checkpoint=path, batch=4).attrs["backend"] == "cpu"  # as it was


# ---------------------------------------------------------------- interruption


@pytest.mark.parametrize("later", ["workers", "here"])
def test_continues_from_its_parts(liquids, ensemble, tmp_path, monkeypatch, later):
    """What was done before an interruption is not run again, also by workers of another kind and number, or by none."""
    path = tmp_path / "run.npz"

    with pytest.raises(gg.errors.Interrupted, match=r"the same call continues from .*run\.npz\.parts"):
        gg.isoconfigurational(*liquids, **OPTIONS, executor=InThisProcess(stop_after=5), checkpoint=path)
    assert len(list((tmp_path / "run.npz.parts").glob("*.npz"))) == 5
    steps = []
    whole = Run._run_chunk
    monkeypatch.setattr(Run, "_run_chunk", lambda self, n: (steps.append(self.before + self.first_row), whole(self, n))[1])
    same(gg.isoconfigurational(*liquids, **OPTIONS, executor=InThisProcess() if later == "workers" else None, checkpoint=path), ensemble)
    assert min(steps) == 10  # five parts of two replicas were there
    assert not (tmp_path / "run.npz.parts").exists()
    steps.clear()
    same(gg.isoconfigurational(*liquids, **OPTIONS, checkpoint=path), ensemble)  # of the finished run, also without workers
    assert not steps


def test_a_stage_whose_parts_are_of_other_kernels_begins_anew(liquids, ensemble, tmp_path, monkeypatch):
    def released(checkpoint):
        return {"propensity": gg.isoconfigurational(*liquids, **OPTIONS, checkpoint=checkpoint).propensity}

    study = gg.Study(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("glassgpu.engines.runs.source_key", lambda: "of before")
        with pytest.raises(gg.errors.Interrupted), using(InThisProcess(stop_after=3)):
            study.stage("released", released)
    assert list(tmp_path.rglob("*.parts/*.npz"))
    with using(InThisProcess()):
        assert np.array_equal(study.stage("released", released)["propensity"], ensemble.propensity)
    assert not list(tmp_path.rglob("*.parts"))


def test_a_run_begun_here_goes_on_here(liquids, ensemble, tmp_path):
    path = tmp_path / "run.npz"

    with pytest.raises(gg.errors.Interrupted):
        gg.isoconfigurational(*liquids, **{**OPTIONS, "progress": stop}, checkpoint=path, batch=4)
    counting = InThisProcess()
    same(gg.isoconfigurational(*liquids, **OPTIONS, executor=counting, checkpoint=path, batch=4), ensemble)
    assert not counting.given


def test_a_quench_continues_from_its_parts(liquids, tmp_path, monkeypatch):
    system, starts = liquids
    path, chunks, whole = tmp_path / "q.npz", [], QuenchRun._run_chunk
    how = {"force_tolerance": 1e-3, "progress": False, "batch": 1}
    plain = quench(system, starts, **how)
    with pytest.raises(gg.errors.Interrupted, match=r"stopped after 0 of 2 quenches; the same call continues from .*q\.npz\.parts"):
        quench(system, starts, **how, executor=InThisProcess(stop_after=1), checkpoint=path)
    monkeypatch.setattr(QuenchRun, "_run_chunk", lambda self, most: (chunks.append(self.before), whole(self, most))[1])
    again = quench(system, starts, **how, executor=InThisProcess(), checkpoint=path)
    assert set(chunks) == {1} and np.array_equal(plain.potential, again.potential)
    assert not (tmp_path / "q.npz.parts").exists()


def test_workers_that_stand_elsewhere(liquids, tmp_path, monkeypatch):
    """A relative checkpoint is where the caller stands."""
    for name in ("before", "now"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "before")
    with Processes(1) as worker:
        assert worker.submit(os.getcwd).result() == os.getcwd()
        monkeypatch.chdir(tmp_path / "now")
        with pytest.raises(gg.errors.Interrupted):
            gg.isoconfigurational(*liquids, **{**OPTIONS, "progress": stop}, executor=worker, checkpoint="run.npz", batch=4)
    assert list(tmp_path.glob("now/run.npz.parts/*.npz")) and not list(tmp_path.glob("before/*"))


def test_errors_of_workers_are_ours(liquids, two, tmp_path):
    system, starts = liquids
    with pytest.raises(gg.errors.NotConverged, match="configuration 1"):
        quench(system, [quench(system, starts[0], progress=False).final, starts[1]], most_steps=1, progress=False, executor=two, batch=1)
    hot = [starts[0], gg.Snapshot(starts[1].positions, starts[1].types, starts[1].box, 1e4 + 0 * starts[1].velocities)]
    with pytest.raises(gg.errors.SimulationFailed, match="configuration 1, replica 0, between t = 0"):
        gg.simulate.md(system, hot, thermostat=None, duration=1.0, progress=False, executor=two, batch=1)


# ---------------------------------------------------------------- calls


def test_bad_executors(liquids):
    with pytest.raises(gg.errors.InvalidInput, match=r"has no submit\(\); give glassgpu.executors.Processes\(4\)"):
        gg.isoconfigurational(*liquids, **OPTIONS, executor=4)

    class Strange:
        def submit(self, *_):
            return 4

    with pytest.raises(gg.errors.InvalidInput, match=r"returned int, not a concurrent\.futures\.Future"):
        gg.isoconfigurational(*liquids, **OPTIONS, executor=Strange())
    with pytest.raises(gg.errors.InvalidInput, match="workers"):
        Processes(0)
    with pytest.raises(gg.errors.InvalidInput, match="address"):
        executors.dask_executor(None)
    closed = Processes(1)
    closed.shutdown()
    with pytest.raises(gg.errors.InvalidInput, match="shut down"):
        closed.submit(abs, 1)


def test_ctrl_c_while_processes_work(liquids, tmp_path):
    """The parts under way are saved by their workers, and the same call continues."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which a program in the background has not
    path, begun = tmp_path / "run.npz", threading.Event()
    longer = {**OPTIONS, "times": [0.1, 4.0]}

    def press(fraction):
        if fraction > 0.1 and not begun.is_set():
            begun.set()
            signal.raise_signal(signal.SIGINT)

    try:
        with pytest.raises(gg.errors.Interrupted), Processes(2) as workers:
            gg.isoconfigurational(*liquids, **{**longer, "progress": press}, executor=workers, checkpoint=path)
    finally:
        signal.signal(signal.SIGINT, before)
    kept = list((tmp_path / "run.npz.parts").glob("*.npz"))
    assert 1 < len(kept) < 32
    with Processes(2) as workers:
        found = gg.isoconfigurational(*liquids, **longer, executor=workers, checkpoint=path)
    same(found, gg.isoconfigurational(*liquids, **longer))


def test_experiments_on_workers(tmp_path, monkeypatch):
    """``--workers`` reaches the runs of a study and none of its numbers."""
    import json

    from glassgpu.cli import main

    given = []
    monkeypatch.setattr(executors, "Processes", lambda n: _Within(n, given))
    numbers = {}
    for name, words in (("here", []), ("there", ["--workers", "2"])):
        command = ["experiment", "hard_sphere_relaxation", "--scale", "smoke", "--backend", "cpu", "--out", str(tmp_path / name), *words]
        monkeypatch.setattr(sys, "argv", ["glassgpu", *command])
        main.main()
        numbers[name] = json.loads((tmp_path / name / "numbers.json").read_text())
        numbers[name].pop("provenance")
    assert numbers["here"] == numbers["there"] and len(given) > 10
    monkeypatch.setattr(sys, "argv", ["glassgpu", "demo", "--workers", "2", "--dask", "local"])
    with pytest.raises(SystemExit, match="--workers and --dask: give one of them"):
        main.main()


class _Within(InThisProcess):
    """In the place of ``Processes``."""

    def __init__(self, workers, given):
        super().__init__()
        self.given, self.workers = given, workers

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass
