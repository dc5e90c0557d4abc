"""Memory is bounded, and where it does not suffice work goes on in smaller pieces (glassgpu/memory.py)."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import glassgpu as gg
from glassgpu import memory
from glassgpu.engines import quench
from glassgpu.engines.problem import Problem
from glassgpu.engines.quench_run import QuenchRun
from glassgpu.engines.runs import Run
from glassgpu.errors import InvalidInput, OutOfMemory, SmallerBatch
from glassgpu.io.frames import FrameWriter
from glassgpu.launch import Cpu

OPTIONS = {"temperature": 1.2, "times": [0.05, 0.1, 0.2], "replicas": 4, "seed": 2, "progress": False}


@pytest.fixture(scope="module")
def liquids():
    system = gg.systems.kob_andersen(n=300)
    return system, gg.equilibrate(system, temperature=1.2, duration=1, seed=1, configurations=2, accept=None, progress=False)


class Scarce:
    """NumPy that has only so many bytes for one array of zeros."""

    def __init__(self, most):
        self.most, self.refused = most, 0

    def __getattr__(self, name):
        return getattr(np, name)

    def asarray(self, values):
        return values.copy() if values.dtype.names is None else values

    def zeros(self, shape, dtype=float):
        if np.prod(shape, dtype=float) * np.dtype(dtype).itemsize > self.most:
            self.refused += 1
            raise MemoryError("no more of it")
        return np.zeros(shape, dtype)


def scarce(monkeypatch, module, name, most, threads=4):
    """Let every call run where memory is scarce."""
    place = Cpu(threads)
    place.xp = Scarce(most)
    given = (lambda engine, *_: (engine, place)) if name == "choose_engine" else (lambda *_: place)
    monkeypatch.setattr(module, name, given)
    return place.xp


@pytest.mark.parametrize(
    ("text", "size"),
    [("8 GiB", 8 << 30), ("500MB", 500_000_000), ("1e9", 10**9), (" 2g ", 2 * 10**9), ("1.5 TiB", 3 << 39), ("1048576", 1 << 20)],
)
def test_sizes(text, size, monkeypatch):
    monkeypatch.setenv("GLASSGPU_MEMORY", text)
    assert memory.budget() == size


@pytest.mark.parametrize("text", ["much", "8 XB", "-1 GB", "1000", "1e", "1e999"])
def test_sizes_that_are_none(text, monkeypatch, liquids):
    monkeypatch.setenv("GLASSGPU_MEMORY", text)
    with pytest.raises(InvalidInput, match=r"GLASSGPU_MEMORY=.*such as '4 GiB'"):
        gg.isoconfigurational(*liquids, **OPTIONS)


def test_the_system_the_group_and_the_process_have_a_say(monkeypatch):
    monkeypatch.delenv("GLASSGPU_MEMORY", raising=False)
    whole = memory.budget()
    assert 32 << 20 <= whole < 1 << 46
    texts = {"/proc/meminfo": "MemTotal: 9 kB\nMemAvailable:    4194304 kB\n"}
    monkeypatch.setattr(memory.Path, "read_text", lambda self: texts[str(self)] if str(self) in texts else _missing())
    assert memory.budget() == 2 << 30
    texts["/proc/self/cgroup"] = "1:cpu:/\n0::/slurm/job_7/step_0\n"  # the job is what limits
    texts |= {
        "/sys/fs/cgroup/slurm/job_7/memory.max": str(3 << 30),
        "/sys/fs/cgroup/slurm/job_7/memory.current": str(2 << 30),
        "/sys/fs/cgroup/slurm/job_7/memory.stat": f"anon 5\ninactive_file {512 << 20}\nactive_file {256 << 20}\n",  # which the system gives back
    }
    assert memory.budget() == ((1 << 30) + (768 << 20)) // 2
    texts["/sys/fs/cgroup/slurm/job_7/memory.max"] = "max\n"
    assert memory.budget() == 2 << 30
    import resource

    limits = {resource.RLIMIT_AS: 1 << 30, resource.RLIMIT_DATA: resource.RLIM_INFINITY}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limits[kind], limits[kind]))
    page = resource.getpagesize()
    texts["/proc/self/statm"] = f"{(512 << 20) // page} 1 1 1 0 {(128 << 20) // page} 0"
    assert memory.budget() == 256 << 20
    limits[resource.RLIMIT_DATA] = 512 << 20
    assert memory.budget() == 192 << 20


def _missing():
    raise OSError("no such file")


def test_batches_follow_the_budget(liquids, monkeypatch):
    """The less memory, the fewer replicas side by side; the same bits."""
    batches = []
    begin = Run._start_batch
    monkeypatch.setattr(
        Run, "_start_batch", lambda self: (begin(self), batches.append((len(self._batch_rows()), self.problem.most_slots)))[0]
    )
    found = {}
    for size in ("1 MiB", "64 MiB", "8 GiB"):
        monkeypatch.setenv("GLASSGPU_MEMORY", size)
        found[size] = gg.isoconfigurational(*liquids, **OPTIONS, threads=2)
        batches.append(None)
    small, middle, large = (group for group in np.split(np.array(batches, object), [k + 1 for k, b in enumerate(batches) if b is None])[:3])
    assert {rows for rows, _ in small[:-1]} == {8} or len(small) > len(large)
    assert small[0][1] < middle[0][1] < large[0][1]
    assert all(np.array_equal(e.propensity, found["8 GiB"].propensity) for e in found.values())


@pytest.mark.filterwarnings("ignore::glassgpu.errors.SmallerBatch")
def test_fewer_replicas_in_work(liquids, monkeypatch):
    plain = gg.isoconfigurational(*liquids, **OPTIONS)
    one_list = 300 * 250 * 4
    space = scarce(monkeypatch, gg.engines.calls, "choose_engine", 1.5 * one_list)
    with pytest.warns(SmallerBatch, match="did not suffice for 4 replicas in work at a time; going on with 2"):
        found = gg.isoconfigurational(*liquids, **OPTIONS)
    assert space.refused and np.array_equal(plain.propensity, found.propensity)


@pytest.mark.filterwarnings("ignore::glassgpu.errors.SmallerBatch")
def test_not_even_one(liquids, monkeypatch, tmp_path):
    path = tmp_path / "run.npz"
    scarce(monkeypatch, gg.engines.calls, "choose_engine", 1000)
    with pytest.raises(OutOfMemory, match="does not suffice for a single one of replicas in a batch"):
        gg.isoconfigurational(*liquids, **OPTIONS, checkpoint=path)
    assert path.exists()
    monkeypatch.undo()
    assert np.array_equal(
        gg.isoconfigurational(*liquids, **OPTIONS, checkpoint=path).propensity, gg.isoconfigurational(*liquids, **OPTIONS).propensity
    )


@pytest.mark.filterwarnings("ignore::glassgpu.errors.SmallerBatch")
def test_memory_that_ends_in_the_middle(liquids, monkeypatch, tmp_path):
    """Another program may take it: what has been done is kept, and the run goes on with less or says so."""
    plain = gg.isoconfigurational(*liquids, **OPTIONS)
    space = scarce(monkeypatch, gg.engines.calls, "choose_engine", np.inf)
    step = Run._run_chunk

    def shrinking(self, steps):
        space.most = 1.5 * 300 * 250 * 4 if self.step == 10 and self.problem.most_slots > 2 else np.inf
        if np.isfinite(space.most):
            self.problem._scratch = {}
        step(self, steps)

    monkeypatch.setattr(Run, "_run_chunk", shrinking)
    with pytest.warns(SmallerBatch, match="replicas in work"):
        found = gg.isoconfigurational(*liquids, **OPTIONS, chunk=10)
    assert np.array_equal(plain.propensity, found.propensity)

    def ends(self, steps):
        if self.step == 20:
            raise MemoryError
        step(self, steps)

    monkeypatch.setattr(Run, "_run_chunk", ends)
    with pytest.raises(OutOfMemory, match="does not suffice for a single one of replicas in work"):
        gg.isoconfigurational(*liquids, **OPTIONS, chunk=10, checkpoint=tmp_path / "run.npz")
    monkeypatch.undo()
    with np.load(tmp_path / "run.npz") as kept:
        assert kept["at"][1] == 20
    assert np.array_equal(gg.isoconfigurational(*liquids, **OPTIONS, checkpoint=tmp_path / "run.npz").propensity, plain.propensity)


@pytest.mark.filterwarnings("ignore::glassgpu.errors.SmallerBatch")
def test_fewer_samples_in_a_chunk(liquids, monkeypatch):
    """Positions of a chunk that are too many at once, beside lists that are not."""
    how = {"temperature": 1.2, "times": 0.005 * np.arange(1, 101), "replicas": 4, "seed": 2, "keep_positions": True, "progress": False}
    plain = gg.simulate.md(*liquids, **how)
    space = scarce(monkeypatch, gg.engines.calls, "choose_engine", 1e6, threads=1)  # of 5.8e6
    with pytest.warns(SmallerBatch, match="100 samples in a chunk at a time; going on with 50"):
        found = gg.simulate.md(*liquids, **how, chunk=100)
    assert space.refused and np.array_equal(plain.positions, found.positions)


@pytest.mark.filterwarnings("ignore::glassgpu.errors.SmallerBatch")
@pytest.mark.parametrize("says", [RuntimeError("CUDA_ERROR_OUT_OF_MEMORY: out of memory"), MemoryError()])
def test_a_driver_tells_it_in_words(says, liquids, monkeypatch):
    plain = gg.isoconfigurational(*liquids, **OPTIONS)
    quenched = gg.simulate.quench(*liquids, progress=False)
    for run in (Run, QuenchRun):
        step, first = run._run_chunk, [says]
        monkeypatch.setattr(run, "_run_chunk", lambda self, steps, step=step, first=first: _raise_of(first) if first else step(self, steps))
    with pytest.warns(SmallerBatch):
        assert np.array_equal(gg.isoconfigurational(*liquids, **OPTIONS).propensity, plain.propensity)
    with pytest.warns(SmallerBatch):
        assert np.array_equal(gg.simulate.quench(*liquids, progress=False).potential, quenched.potential)
    for run, call in ((Run, gg.isoconfigurational), (QuenchRun, gg.simulate.quench)):
        monkeypatch.setattr(run, "_run_chunk", lambda self, steps: _raise_of([RuntimeError("of another kind")]))
        with pytest.raises(RuntimeError, match="of another kind"):
            call(*liquids, **(OPTIONS if run is Run else {"progress": False}))


def _raise_of(errors):
    raise errors.pop()


def test_memory_that_ends_with_a_batch(liquids, monkeypatch, tmp_path):
    """The same call finishes it later."""
    plain = gg.isoconfigurational(*liquids, **OPTIONS)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "_finish_batch", lambda self: _raise_of([MemoryError()]))
        with pytest.raises(OutOfMemory, match="states that a batch ends with; free some, or give a smaller batch="):
            gg.isoconfigurational(*liquids, **OPTIONS, checkpoint=tmp_path / "run.npz")
    found = gg.isoconfigurational(*liquids, **OPTIONS, checkpoint=tmp_path / "run.npz")
    assert np.array_equal(found.propensity, plain.propensity)


def test_lists_that_grow_leave_room_for_fewer(liquids, monkeypatch):
    """Which the budget decides again."""
    system, starts = liquids
    monkeypatch.setenv("GLASSGPU_MEMORY", "8 MiB")
    problem = Problem(system, starts, Cpu(1), "single", 0.3, capacity=16)
    before = problem.most_slots
    problem.grow_lists()
    problem.grow_lists()
    assert 0 < problem.most_slots < before and problem.most_slots * problem.bytes_per_slot() <= 4 << 20


@pytest.mark.filterwarnings("ignore::glassgpu.errors.SmallerBatch")
@pytest.mark.parametrize("what", ["times", "positions", "frames", "handed over"])
def test_memory_that_never_suffices(what, liquids, monkeypatch, tmp_path):
    """Ends, and soon."""
    tries = []

    def never(self, steps):
        tries.append(steps)
        assert len(tries) < 50
        raise MemoryError

    monkeypatch.setattr(Run, "_run_chunk", never)
    if what == "handed over":  # as of HOOMD-blue: where a chunk ends is part of the numbers
        monkeypatch.setattr(Run, "CUT_FREELY", False)
        monkeypatch.setattr(Run, "_chunk_steps", lambda self, rate: self.plan.steps - self.step)
    how = {"temperature": 1.2, "replicas": 2, "seed": 2, "progress": False, "threads": 1}
    if what == "frames":
        how |= {"frames": tmp_path / "x", "duration": 2.0, "hops": gg.dynamics.Hops(interval=0.1, half_window=2)}
    else:
        how |= {"times": [0.05, 0.1, 0.2], "keep_positions": what != "times"}
    with pytest.raises(OutOfMemory, match="does not suffice for a single one of replicas in a batch"):
        gg.simulate.md(*liquids, **how)


@pytest.mark.filterwarnings("ignore::glassgpu.errors.SmallerBatch")
@pytest.mark.parametrize("replicas", [1, 2])
def test_fewer_frames_in_a_chunk(replicas, liquids, monkeypatch, tmp_path):
    hops = gg.dynamics.Hops(interval=0.1, half_window=2)
    how = {
        "temperature": 1.2,
        "duration": 2.0,
        "replicas": replicas,
        "seed": 3,
        "hops": hops,
        "progress": False,
        "threads": 1,
        "chunk": 400,
    }
    gg.simulate.md(*liquids, **how, frames=tmp_path / "here")
    step, most, tried = Run._run_chunk, 4, []

    def scarce(self, steps):
        tried.append(len(self.hops.inside(self.step, steps)))
        if tried[-1] > most:
            raise MemoryError
        step(self, steps)

    monkeypatch.setattr(Run, "_run_chunk", scarce)
    with pytest.warns(SmallerBatch, match=r"20 frames in a chunk at a time; going on with 10"):
        gg.simulate.md(*liquids, **how, frames=tmp_path / "there")
    here, there = (gg.io.open_frames(tmp_path / name) for name in ("here", "there"))
    assert tried[:2] == [20, 10] and 2 <= tried[-1] <= 4
    for run in range(2 * replicas):
        assert np.array_equal(here.unwrapped(run), there.unwrapped(run))


def test_frames_that_come_again(liquids, monkeypatch, tmp_path):
    """After a chunk for which memory ended while its frames were written."""
    hops = gg.dynamics.Hops(interval=0.1, half_window=2)
    how = {"temperature": 1.2, "duration": 3.0, "replicas": 2, "seed": 3, "hops": hops, "progress": False, "chunk": 20}
    gg.simulate.md(*liquids, **how, frames=tmp_path / "plain")
    write, calls = FrameWriter.write, []

    def fails(self, row, *given):
        calls.append(row)
        if len(calls) == 11:
            raise MemoryError
        write(self, row, *given)

    monkeypatch.setattr(FrameWriter, "write", fails)
    with pytest.warns(SmallerBatch):
        gg.simulate.md(*liquids, **how, frames=tmp_path / "again", threads=4, batch=4)
    plain, again = (gg.io.open_frames(tmp_path / name) for name in ("plain", "again"))
    assert (again.done == again.frames).all()
    for run in range(4):
        assert np.array_equal(plain.unwrapped(run), again.unwrapped(run)) and np.array_equal(
            plain.p_hop(run), again.p_hop(run), equal_nan=True
        )


def test_quenches(liquids, monkeypatch):
    system, starts = liquids
    how = {"force_tolerance": 1e-3, "progress": False}
    plain = gg.simulate.quench(system, starts, **how)
    space = scarce(monkeypatch, quench, "place_of", 1.5 * 300 * 180 * 4)
    with pytest.warns(SmallerBatch, match="2 quenches in a batch at a time; going on with 1"):
        found = gg.simulate.quench(system, starts, **how)
    assert space.refused and np.array_equal(plain.potential, found.potential)


def test_descriptors(liquids, monkeypatch):
    _, starts = liquids
    describe = gg.descriptors.ShellExpansion(radial=[(0.9, 1.8, 8, 0.1)], angular=(0.9, 1.8, 4, 0.1))
    plain, asked = describe(starts), []
    compute = type(describe).compute_on

    def limited(self, place, snapshots):
        asked.append(len(snapshots))
        if len(snapshots) > 1:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory")  # in the words of JAX
        return compute(self, place, snapshots)

    monkeypatch.setattr(type(describe), "compute_on", limited)
    with pytest.warns(SmallerBatch, match="2 configurations at a time"):
        assert describe(starts).identical(plain)
    assert asked == [2, 1, 1]

    def fails(self, place, snapshots):
        raise RuntimeError("something else")

    monkeypatch.setattr(type(describe), "compute_on", fails)
    with pytest.raises(RuntimeError, match="something else"):
        describe(starts)


def test_results_that_are_too_large(liquids, monkeypatch):
    """Whether the system refuses the array or would hand it out page by page."""
    how = {"temperature": 1.2, "seed": 1, "keep_positions": True, "progress": False}
    with pytest.raises(OutOfMemory, match="frames= on disk"):
        gg.simulate.md(*liquids, times=0.005 * np.arange(1, 2**18), replicas=2**18, **how)
    monkeypatch.setattr(memory, "_available", lambda held=0: 1 << 18)
    with pytest.raises(OutOfMemory, match=r"the results of 16 runs take 0\.\d* GiB, and 0.000244 GiB are free: ask for fewer times"):
        gg.simulate.md(*liquids, times=[0.05, 0.1, 0.2], replicas=8, **how)


def test_networks_say_what_to_take_less_of(monkeypatch):
    from glassgpu.models import MLPRegressor, training

    compiled = training._compiled

    def exhausted(*given):
        begin, _, judge, keep = compiled(*given)

        def epoch(*_):
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes")

        return begin, epoch, judge, keep

    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    monkeypatch.setattr(training, "_compiled", exhausted)
    monkeypatch.setattr("glassgpu.models.together.kernel_serves", lambda *_: False)
    with pytest.raises(OutOfMemory, match=r"to train 1 networks side by side: take fewer.*RESOURCE_EXHAUSTED"):
        MLPRegressor(hidden=(20,), epochs=2, progress=False).fit(x, x[:, 0])


LIMITED = """
import resource, numpy as np, xarray, glassgpu as gg
from glassgpu.memory import budget
system = gg.systems.kob_andersen(n=4000)
start = system.random_snapshot(seed=1)
gg.energy(system, start)
liquid = gg.equilibrate(system, 2.0, 0.05, 1, accept=None, progress=False)
gg.isoconfigurational(system, liquid, temperature=2.0, times=[0.05], replicas=2, seed=1, progress=False)  # all that is imported
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (400 << 20),) * 2)
assert budget() < 250 << 20, budget()
try:
    gg.simulate.md(system, liquid, temperature=2.0, times=np.arange(1, 101) * 0.005, replicas=64, keep_positions=True, progress=False)
except gg.errors.OutOfMemory as error:
    print("refused:", error)
print(gg.isoconfigurational(system, liquid, temperature=2.0, times=[0.05], replicas=64, seed=1, progress=False).propensity.shape)
"""


def test_under_a_real_limit():
    """Of 400 MiB more than the interpreter itself: results that do not fit are refused, others are computed."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", LIMITED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    refused, shape = done.stdout.strip().splitlines()
    assert refused.startswith("refused: the results of 64 runs take") or refused.startswith("refused: ask for fewer times")
    assert shape == "(1, 4000)"
