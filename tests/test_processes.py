"""What runs tasks, and what becomes of these (glassgpu/executors.py, processes.py)."""

from __future__ import annotations

import multiprocessing
import operator
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from in_this_process import InThisProcess

import glassgpu as gg
from glassgpu import executors
from glassgpu.engines.parts import Elsewhere
from glassgpu.executors import Processes, spread, using
from glassgpu.progress import uninterrupted


@pytest.fixture(scope="module")
def two():
    with Processes(2) as workers:
        yield workers


def squared(x):
    return x * x


def die(x):
    os.kill(os.getpid(), signal.SIGKILL)


def wait_and_tell(path):
    path.write_text(str(os.getpid()))
    time.sleep(60)


def much(flag):
    """A large result; the first worker that sends it dies on the way."""
    if not flag.exists():
        flag.touch()
        threading.Thread(target=_die_sending, args=(threading.main_thread().ident,), daemon=True).start()
    return bytes(50_000_000)


def _die_sending(main):
    while True:
        frame = sys._current_frames()[main]
        while frame:
            if frame.f_code.co_name == "_send":
                os.kill(os.getpid(), signal.SIGKILL)
            frame = frame.f_back


def deaf(path):
    """As a worker is for a moment, when it takes a task."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    path.touch()
    time.sleep(0.7)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    time.sleep(60)


def begin_and_sleep(path):
    path.touch()
    time.sleep(0.3)
    return 1


def own_share(_):
    from glassgpu.launch import threads_available

    return gg.memory.budget(), threads_available()


def test_spread(two):
    tasks = [(k,) for k in range(600)]  # more than are in flight
    for executor in (None, two, InThisProcess()):
        assert dict(spread(squared, iter(tasks), executor)) == {k: k * k for k in range(600)}
    with ThreadPoolExecutor(2) as threads:
        assert dict(spread(squared, tasks, threads)) == {k: k * k for k in range(600)}


def test_work_inside_a_task_is_not_spread_again(two):
    with using(two):
        assert executors.chosen(None) is two
        assert dict(spread(executors.chosen, [(None,)])) == {0: None}  # in the worker
        with using(None):
            assert dict(spread(executors.chosen, [(None,)])) == {0: None}
    assert executors.chosen(None) is None


def test_workers_divide_cores_and_memory(two):
    from glassgpu.launch import threads_available

    (memory, threads), *_ = [result for _, result in spread(own_share, [(0,)], two)]
    assert threads == max(1, threads_available() // 2)
    with ThreadPoolExecutor(4) as pool:
        assert Elsewhere.of(pool, "cpu", None).threads == max(1, threads_available() // 4)
    assert 0 < memory <= gg.memory.budget() * 0.75


def test_a_task_that_kills_its_worker_again_and_again(two):
    with pytest.raises(gg.errors.WorkerLost, match="died 3 times at one task"):
        list(spread(die, [(0,)], two))
    assert dict(spread(squared, [(3,)], two)) == {0: 9}  # the others, and its successor, live


def test_a_worker_killed_while_it_sends(two, tmp_path):
    """Half a result came through; a pool of ``concurrent.futures`` waits for the other half forever."""
    before = two.lost
    assert len(two.submit(much, tmp_path / "killed").result(timeout=100)) == 50_000_000
    assert two.lost == before + 1


def test_a_worker_that_does_not_hear_at_once(tmp_path):
    began = time.monotonic()

    def interrupted():
        with Processes(1) as workers:
            workers.submit(deaf, tmp_path / "began")
            while not (tmp_path / "began").exists() and time.monotonic() < began + 20:
                time.sleep(0.02)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (tmp_path / "began").exists() and time.monotonic() < began + 40


def test_a_pool_that_cannot_replace_its_processes():
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.raises(gg.errors.WorkerLost, match=r"executors\.Processes does"),
    ):
        list(spread(die, [(0,)], pool))


def test_workers_end_with_their_parent(tmp_path):
    """A parent that is killed cannot tell them."""
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "from test_processes import wait_and_tell\nfrom glassgpu.executors import Processes\n"
        "if __name__ == '__main__':\n    Processes(1).submit(wait_and_tell, Path(sys.argv[1])).result()\n"
    )
    script, told = tmp_path / "script.py", tmp_path / "pid"
    script.write_text(program)
    parent = subprocess.Popen([sys.executable, script, told, os.path.dirname(__file__)])
    deadline = time.monotonic() + 60
    while not (told.exists() and told.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    worker = int(told.read_text())
    while time.monotonic() < deadline and _alive(worker):
        time.sleep(0.05)
    assert not _alive(worker)


class Unpicklable(Exception):
    def __init__(self, a, b):
        super().__init__(a)


def odd(what):
    """What a task may do to its worker's answer."""
    if what == "error":
        raise Unpicklable(1, 2)
    if what == "exit":
        raise SystemExit(3)
    if what == "nested":
        Processes(1)
    return {"lambda": lambda: 0, "generator": (k for k in range(3))}[what]


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("error", (RuntimeError, "Unpicklable in a worker: 1")),
        ("exit", (SystemExit, "3")),
        ("nested", (gg.errors.InvalidInput, "a worker process starts no others")),
        ("lambda", (Exception, "pickle")),
        ("generator", (Exception, "pickle")),
    ],
)
def test_what_cannot_travel(two, what, error):
    """Whatever it is, somebody waits for it, and the worker lives."""
    with pytest.raises(error[0], match=error[1]):
        two.submit(odd, what).result(timeout=60)
    with pytest.raises(Exception, match=r"pickle|lambda"):
        two.submit(squared, lambda: 0).result(timeout=60)
    assert two.submit(squared, 3).result(timeout=60) == 9


def test_what_has_not_begun_is_cancelled(tmp_path):
    with Processes(1) as workers:
        under_way, waiting = workers.submit(begin_and_sleep, tmp_path / "began"), workers.submit(squared, 3)
        while not (tmp_path / "began").exists():
            time.sleep(0.02)
    assert under_way.result() == 1 and waiting.cancelled()


def test_what_waits_for_workers_that_are_gone():
    """Does not wait forever."""
    with Processes(1) as workers:
        results = spread(time.sleep, [(0.2,), (0.2,), (0.2,)], workers)
        next(results)
    with pytest.raises(gg.errors.WorkerLost, match="Processes was shut down before all tasks were done"):
        list(results)


def test_an_idle_worker_that_is_killed():
    with Processes(1) as workers:
        assert workers.submit(squared, 3).result() == 9
        (pid,) = workers.pids()
        os.kill(pid, signal.SIGKILL)
        began = time.monotonic()
        while workers.pids() and time.monotonic() < began + 20:
            time.sleep(0.02)
        assert not workers.pids() and workers.submit(squared, 4).result() == 16


@pytest.mark.parametrize(("handler", "expected"), [(signal.SIG_IGN, 0), (signal.SIG_DFL, 0), (None, 1)])
def test_ctrl_c_in_a_commit_reaches_who_listened(handler, expected):
    """A worker's own handler, which hears the next no more; a program in the background, which ignores it."""
    heard = []
    before = signal.signal(signal.SIGINT, handler if handler is not None else lambda *_: heard.append(1))
    try:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            assert not heard
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(heard) == expected


def test_a_worker_that_cannot_be_started(monkeypatch):
    monkeypatch.setenv("GLASSGPU_THREADS", "nonsense")
    with Processes(1) as workers, pytest.raises(gg.errors.InvalidInput, match="GLASSGPU_THREADS"):
        workers.submit(squared, 3).result(timeout=60)


def test_a_script_without_its_guard(tmp_path):
    """Its workers run it again, instead of what they are given."""
    (tmp_path / "script.py").write_text(
        "from glassgpu.executors import Processes\nimport math\nprint(Processes(1).submit(math.sqrt, 4).result())\n"
    )
    done = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1 and "WorkerLost" in done.stderr and "if __name__ ==" in done.stderr


def _alive(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_slurm_jobs(tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "SECONDS_BETWEEN_LOOKS", 0.1)
    submitit = pytest.importorskip("submitit")
    monkeypatch.setattr("submitit.core.core.Job._results_timeout_s", 1)  # for which it looks for the result of a job that died
    jobs = executors._Jobs(submitit.LocalExecutor(tmp_path))
    good, bad = jobs.submit(operator.mul, 3, 3), jobs.submit(os._exit, 1)  # not of this file, which a job does not find
    assert good.result(timeout=100) == 9
    with pytest.raises(gg.errors.WorkerLost, match=r"job .* failed"):
        bad.result(timeout=100)
    with pytest.raises(ZeroDivisionError):  # a task's own error
        jobs.submit(operator.truediv, 1, 0).result(timeout=100)


def test_dask_of_this_machine():
    """Its processes end with it, and what else uses Dask, such as xarray, does not notice."""
    pytest.importorskip("distributed")
    import dask

    before = set(multiprocessing.active_children())
    with executors.dask_executor("local") as workers:
        assert dask.config.get("scheduler", None) is None
        assert dict(spread(operator.mul, [(k, k) for k in range(5)], workers)) == {k: k * k for k in range(5)}
    assert set(multiprocessing.active_children()) <= before
    with pytest.raises(gg.errors.InvalidInput, match="has been closed"):
        workers.submit(operator.mul, 2, 2)
