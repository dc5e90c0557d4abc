"""Where tasks run: in this process, in spawned ones, on a Dask cluster, by Slurm.

An executor is anything with ``submit(function, *arguments)`` that returns a ``concurrent.futures.Future``. Results never depend
on which one is given, on the number of workers, or on workers that are lost.
"""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Any, Protocol

from glassgpu import validate
from glassgpu.errors import DeviceMissing, InvalidInput, PackageMissing, WorkerLost
from glassgpu.names import explain_missing

__all__ = ["Executor", "Processes", "dask_executor", "slurm_executor", "spread", "using"]
explain_missing(globals())

PARTS = 32  # of a piece of work, about: decided by the work alone, so that any other number of workers finds them again
IN_FLIGHT = 256  # tasks given to an executor at a time, so that what they are given does not pile up
TRIES = 3  # of a task whose worker dies
SECONDS_TO_END = 5.0  # that a worker is given
GUARD = "workers import the script that started them, so put what it does under 'if __name__ == \"__main__\":'"
SECONDS_BETWEEN_LOOKS = 2.0  # at jobs of a batch system


class Executor(Protocol):
    """What can run tasks elsewhere: of ``concurrent.futures``, ``Processes``, ``dask_executor``, ``slurm_executor``, mpi4py."""

    def submit(self, task: Callable, /, *arguments: Any) -> Any:
        """A future of ``task(*arguments)``."""


_default: contextvars.ContextVar[Executor | None] = contextvars.ContextVar("executor", default=None)


@contextlib.contextmanager
def using(executor: Executor | None) -> Iterator[None]:
    """Inside the block, calls that take ``executor=`` and are given none use this one.

    ::

        with gg.executors.Processes(4) as workers, gg.executors.using(workers):
            gg.isoconfigurational(...)

    Args:
        executor: or None, for this process.

    Raises:
        InvalidInput: it cannot submit tasks.
    """
    token = _default.set(chosen(executor))
    try:
        yield
    finally:
        _default.reset(token)


def chosen(executor: Any) -> Executor | None:
    """What a call uses: what it was given, else that of ``using``, else None: this process.

    Raises:
        InvalidInput: something without ``submit``.
    """
    if executor is None:
        return _default.get()
    if not callable(getattr(executor, "submit", None)):
        raise InvalidInput(
            f"executor={executor!r} has no submit(); give glassgpu.executors.Processes(4), one of concurrent.futures, or a dask "
            "Client's get_executor()"
        )
    return executor


def spread(function: Callable[..., Any], tasks: Iterable[tuple], executor: Executor | None = None) -> Iterator[tuple[int, Any]]:
    """Run ``function(*task)`` for every task; yields each one's number and result as they come.

    ::

        fits = dict(gg.executors.spread(fit_one, [(x, y, seed) for seed in range(8)], executor))

    Args:
        function: known by name where the workers import it: no lambda, no function inside another.
        tasks: arguments of each call; taken as workers become free.
        executor: None: that of ``using``, else this process, one after another.

    Raises:
        InvalidInput: futures that are not those of ``concurrent.futures``.
        WorkerLost: the processes of an executor died, and it cannot replace them.
        Whatever ``function`` raises; tasks that have not begun are then cancelled.
    """
    executor = chosen(executor)
    if executor is None:
        for k, task in enumerate(tasks):
            with using(None):
                result = function(*task)
            yield k, result
        return
    pending: dict[Future, int] = {}
    try:
        for k, task in enumerate(tasks):
            future = executor.submit(_alone, function, *task)
            if not isinstance(future, Future):
                raise InvalidInput(
                    f"executor.submit() returned {type(future).__name__}, not a concurrent.futures.Future; of a dask Client give get_executor()"
                )
            pending[future] = k
            if len(pending) >= IN_FLIGHT:
                yield from _finished(pending)
        while pending:
            yield from _finished(pending)
    except Exception as error:
        if not isinstance(error, BrokenExecutor) and type(error).__name__ != "KilledWorker":  # Dask's
            raise
        raise WorkerLost(
            f"a process of {type(executor).__name__} died ({error}), and it cannot replace it, or not again: glassgpu.executors.Processes does. What "
            "was kept in files is not lost: the same call continues"
        ) from error
    finally:
        for future in pending:
            future.cancel()


def _finished(pending: dict[Future, int]) -> list[tuple[int, Any]]:
    """What has finished by now, at least one; waits in short pieces, in which Ctrl-C is heard on every system."""
    done: set[Future] = set()
    while not done:
        done, _ = wait(pending, timeout=1.0, return_when=FIRST_COMPLETED)
    return [(pending.pop(future), future.result()) for future in done]


def _alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """A task inside a worker: what it calls is not spread again."""
    with using(None):
        return function(*arguments)


def blocks(count: int, size: int | None) -> list[tuple[int, int]]:
    """First and last + 1 of consecutive blocks of nearly one size, at most ``size`` each; by default ``PARTS`` blocks."""
    number = -(-count // (size or -(-count // PARTS)))
    ends = [count * k // number for k in range(number + 1)]
    return list(pairwise(ends))


def workers_of(executor: Executor) -> int | None:
    """How many processes or threads of this machine share its cores, where that is known."""
    return getattr(executor, "workers", None) or getattr(executor, "_max_workers", None)


def threads_of_a_task() -> int | None:
    """CPU threads that one task may take inside the present worker, where the worker says so: a Dask worker runs as many tasks as
    it has threads."""
    if "distributed" in sys.modules:
        from distributed import get_worker

        with contextlib.suppress(ValueError):
            get_worker()
            return 1
    return None


class Processes:
    """Worker processes of this machine, started afresh (``spawn``), each replaced when it dies.

    A worker that is killed loses the task it was at, which is run again, from its checkpoint where it keeps one; the others do not
    notice. The cores and the memory budget of this process are divided among the workers. A script that uses them needs
    ``if __name__ == "__main__":`` around what it does, because workers import it.

    Args:
        workers: how many.

    Attributes:
        workers: how many.
        lost: how often a worker has died at a task.

    Raises:
        InvalidInput
        WorkerLost: of a future: its worker died three times at this task.
    """

    # Not a pool of ``concurrent.futures``: one whose process is killed while it sends a result waits for the rest of it forever.

    def __init__(self, workers: int):
        self.workers = validate.whole("workers", workers, least=1, most=10_000)
        if getattr(multiprocessing.current_process(), "_inheriting", False):  # as multiprocessing itself finds out
            raise InvalidInput(GUARD)
        if multiprocessing.current_process().daemon:
            raise InvalidInput("a worker process starts no others: give what it should share out as tasks of their own")
        self.lost = 0
        self._owner = os.getpid()
        self._tasks: deque[tuple[Future, Callable, tuple]] = deque()
        self._changed = threading.Condition()
        self._open = True
        self._processes: dict[int, tuple[Any, Connection]] = {}
        self._hands = [threading.Thread(target=self._work, args=(k,), daemon=True) for k in range(self.workers)]
        for hand in self._hands:
            hand.start()
        atexit.register(self._close)  # before multiprocessing ends the workers, which would be replaced

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        self._close()
        if kind is not None:
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT)  # which saves what is under way
        self.shutdown()

    def submit(self, task: Callable, /, *arguments: Any) -> Future:
        """A future of ``task(*arguments)``.

        Raises:
            InvalidInput: they have been shut down, or belong to the process that this one was forked from.
        """
        future: Future = Future()
        with self._changed:
            if not self._open or os.getpid() != self._owner:
                raise InvalidInput("these Processes have been shut down, or belong to another process; make others")
            self._tasks.append((future, task, arguments))
            self._changed.notify()
        return future

    def shutdown(self) -> None:
        """Cancel what has not begun, wait for what has, and end the workers."""
        self._close()
        for hand in self._hands:
            hand.join()

    def _close(self) -> None:
        """Nothing more is begun."""
        with self._changed:
            self._open = False
            while self._tasks:
                self._tasks.popleft()[0].cancel()
            self._changed.notify_all()

    def pids(self) -> list[int]:
        """Process numbers of the workers that are running; they are started with their first tasks."""
        return [process.pid for process, _ in list(self._processes.values())]

    def _work(self, k: int) -> None:
        """One thread for each worker process: hands it one task after another."""
        while True:
            with self._changed:
                while self._open and not self._tasks:
                    self._changed.wait()
                if not self._tasks:
                    break
                future, task, arguments = self._tasks.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._asked(k, pickle.dumps((task, arguments), pickle.HIGHEST_PROTOCOL)))
            except BaseException as error:  # whatever it is, somebody waits for it
                future.set_exception(error)
        if k in self._processes:
            with contextlib.suppress(OSError):
                self._processes[k][1].send_bytes(b"")  # the end
            self._drop(k)

    def _asked(self, k: int, message: bytes) -> Any:
        """What a worker makes of a task; one that dies at it is replaced."""
        for _ in range(TRIES):
            if not self._open:
                raise WorkerLost("these Processes were shut down before the task was done; what it kept in files is not lost")
            process, pipe = self._processes.get(k) or self._start(k)
            try:
                pipe.send_bytes(message)
                answer = pipe.recv_bytes()
            except (EOFError, OSError):  # the pipe ends with the worker
                self._drop(k)
                with self._changed:
                    self.lost += 1
                continue
            except BaseException:  # half an answer may be left in the pipe
                process.kill()
                self._drop(k)
                raise
            done, result = pickle.loads(answer)
            if not done:
                raise result
            return result
        raise WorkerLost(
            f"a worker process died {TRIES} times at one task: killed by hand, or by the system for its memory? Take fewer workers, or "
            f"smaller batches. What was kept in files is not lost: the same call continues. Or at its start: {GUARD}"
        )

    def _drop(self, k: int) -> None:
        """Let a worker go that has been told to, or is dead."""
        process, pipe = self._processes.pop(k)
        process.join(SECONDS_TO_END)
        if process.is_alive():
            process.kill()
            process.join()
        pipe.close()

    def _start(self, k: int) -> tuple[Any, Connection]:
        from glassgpu.launch import threads_available
        from glassgpu.memory import budget

        share = {"GLASSGPU_MEMORY": max(1 << 20, budget() // self.workers), "GLASSGPU_THREADS": max(1, threads_available() // self.workers)}
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, share), daemon=True)
        process.start()
        theirs.close()
        self._processes[k] = process, ours
        return process, ours


def _serve(pipe: Connection, share: dict[str, int]) -> None:
    """A worker: does what comes through its pipe, with its share of memory and cores, and ends with its parent, however that ends."""
    os.environ.update({name: str(value) for name, value in share.items()})
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # between tasks
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            message = pipe.recv_bytes()
        except EOFError:
            return
        if not message:
            return
        try:
            signal.signal(signal.SIGINT, _stop_once)
            task, arguments = pickle.loads(message)
            answer = pickle.dumps((True, task(*arguments)), pickle.HIGHEST_PROTOCOL)
        except BaseException as error:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            answer = _told(error)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        pipe.send_bytes(answer)


def _stop_once(*_: Any) -> None:
    """Ctrl-C in a terminal reaches a worker twice, from the terminal and from its parent: the second must not disturb what is saved."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _told(error: BaseException) -> bytes:
    """An error as it travels, or what it says where it cannot."""
    try:
        error.add_note(f"In a worker process:\n{''.join(traceback.format_exception(error))}")
        answer = pickle.dumps((False, error))
        pickle.loads(answer)
    except Exception:
        return pickle.dumps((False, RuntimeError(f"{type(error).__name__} in a worker: {_words(error)}")))
    return answer


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "it cannot say why"


def _end_with_parent() -> None:
    """A parent that was killed cannot say so, and its workers should not go on."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def dask_executor(address: str) -> Executor:
    """The workers of a Dask cluster.

    Args:
        address: of its scheduler, such as ``"tcp://node1:8786"``; or ``"local"``: a cluster of this machine, one worker to a core.

    Raises:
        InvalidInput: no address.
        PackageMissing: Dask is not installed.
        DeviceMissing: nobody answers.
    """
    if not isinstance(address, str) or not address:
        raise InvalidInput(f"address={address!r}: give that of a Dask scheduler, such as 'tcp://node1:8786', or 'local'")
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise PackageMissing(f"Dask is not installed ({error}): pip install 'glassgpu[cluster]'") from error
    from glassgpu.launch import threads_available

    try:
        if address == "local":
            client = Client(LocalCluster(n_workers=threads_available(), threads_per_worker=1, dashboard_address=None))
        else:
            client = Client(address, timeout="20s")
    except (OSError, ValueError, TimeoutError) as error:
        raise DeviceMissing(f"no Dask scheduler at {address!r} ({error}); start one by 'dask scheduler', or give 'local'") from error
    return client.get_executor()  # which gives tasks of workers that die to others


def slurm_executor(folder: str | os.PathLike, **parameters: Any) -> Executor:
    """Jobs of Slurm, one for each task, by submitit; where there is no Slurm, processes of this machine.

    Args:
        folder: for scripts, logs and results of the jobs, seen by all nodes.
        parameters: of submitit's ``update_parameters``, such as ``timeout_min=60, slurm_partition="gpu", gpus_per_node=1``.

    Raises:
        PackageMissing: submitit is not installed.
    """
    try:
        import submitit
    except ImportError as error:
        raise PackageMissing(f"submitit is not installed ({error}): pip install 'glassgpu[cluster]'") from error
    jobs = submitit.AutoExecutor(folder=os.fspath(folder))
    jobs.update_parameters(**parameters)
    return _Jobs(jobs)


class _Jobs:
    """Jobs of a batch system as futures; one thread looks at all of them."""

    def __init__(self, jobs: Any):
        self._jobs = jobs
        self._waiting: list[tuple[Any, Future]] = []
        self._lock = threading.Lock()

    def submit(self, task: Callable, /, *arguments: Any) -> Future:
        """A future of ``task(*arguments)``."""
        future: Future = Future()
        future.set_running_or_notify_cancel()  # a job in a queue is not taken back
        with self._lock:
            self._waiting.append((self._jobs.submit(task, *arguments), future))
            if len(self._waiting) == 1:
                threading.Thread(target=self._watch, daemon=True).start()
        return future

    def _watch(self) -> None:
        while True:
            with self._lock:
                waiting = list(self._waiting)
            for entry in waiting:
                job, future = entry
                if not _is_done(job):
                    continue
                try:
                    future.set_result(job.result())
                except Exception as error:
                    future.set_exception(WorkerLost(f"job {job.job_id} failed: {error}"))
                with self._lock:
                    self._waiting.remove(entry)
                    if not self._waiting:
                        return
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _is_done(job: Any) -> bool:
    """Whether a job has ended; a batch system that does not answer is asked again later."""
    try:
        return bool(job.done())
    except Exception:
        return False
