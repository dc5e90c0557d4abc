"""Where tasks run: in this process, in spawned ones, on a Dask cluster, by Slurm.

An executor is anything with ``submit(function, *arguments)`` that returns a ``concurrent.futures.Future``. Results never depend
on which one is given, on the number of workers, or on workers that are lost.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from itertools import pairwise
from typing import Any, Protocol

from glassgpu.errors import DeviceMissing, InvalidInput, PackageMissing, WorkerLost
from glassgpu.names import explain_missing
from glassgpu.processes import Processes, answered, opened

__all__ = ["DaskWorkers", "Executor", "Processes", "dask_executor", "slurm_executor", "spread", "using"]
explain_missing(globals())

PARTS = 32  # of a piece of work, about: decided by the work alone, so that any other number of workers finds them again
IN_FLIGHT = 256  # tasks given to an executor at a time, so that what they are given does not pile up
SECONDS_BETWEEN_LOOKS = 2.0  # at jobs of a batch system


class Executor(Protocol):
    """What can run tasks elsewhere: of ``concurrent.futures``, ``Processes``, ``dask_executor``, ``slurm_executor``, mpi4py."""

    def submit(self, task: Callable, /, *arguments: Any) -> Any:
        """A future of ``task(*arguments)``."""


_default: contextvars.ContextVar[Executor | None] = contextvars.ContextVar("executor", default=None)


@contextlib.contextmanager
def using(executor: Executor | None) -> Iterator[None]:
    """Inside the block, calls of this thread that take ``executor=`` and are given none use this one.

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
    except CancelledError as error:
        raise WorkerLost(
            f"{type(executor).__name__} was shut down before all tasks were done; what was kept in files is not lost"
        ) from error
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


def _finished(pending: dict[Future, int]) -> Iterator[tuple[int, Any]]:
    """What has finished by now, at least one, failures last; waits in short pieces, in which Ctrl-C is heard on every system."""
    done: set[Future] = set()
    while not done:
        done, _ = wait(pending, timeout=1.0, return_when=FIRST_COMPLETED)
    for future in sorted(done, key=_has_failed):
        yield pending.pop(future), future.result()


def _has_failed(future: Future) -> bool:
    return future.cancelled() or future.exception() is not None


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


def dask_executor(address: str) -> DaskWorkers:
    """The workers of a Dask cluster.

    ::

        with gg.executors.dask_executor("tcp://node1:8786") as workers:
            gg.isoconfigurational(..., executor=workers)

    Dask's own collections elsewhere in the program, such as xarray's, are computed where they were before.

    Args:
        address: of its scheduler, such as ``"tcp://node1:8786"``; or ``"local"``: a cluster of this machine, one worker to a core,
            closed by ``shutdown()`` or at the end of a ``with`` block.

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

    cluster = None
    try:
        if address == "local":
            cluster = LocalCluster(n_workers=threads_available(), threads_per_worker=1, dashboard_address=None)
        client = Client(address if cluster is None else cluster, timeout="20s", set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        if cluster is not None:
            cluster.close()
        raise DeviceMissing(f"no Dask scheduler at {address!r} ({error}); start one by 'dask scheduler', or give 'local'") from error
    return DaskWorkers(client, cluster)


class DaskWorkers:
    """What ``dask_executor`` gives; Dask gives tasks of workers that die to others."""

    def __init__(self, client: Any, cluster: Any | None):
        self._client, self._cluster = client, cluster
        self._tasks = client.get_executor(pure=False)  # equal tasks are not found out by hashing what they are given

    def __enter__(self) -> DaskWorkers:
        return self

    def __exit__(self, *_: Any) -> None:
        self.shutdown()

    def submit(self, task: Callable, /, *arguments: Any) -> Future:
        """A future of ``task(*arguments)``.

        Raises:
            InvalidInput: the cluster has been left.
        """
        if self._client.status == "closed":
            raise InvalidInput("this connection to Dask has been closed; call dask_executor again")
        return self._tasks.submit(task, *arguments)

    def shutdown(self) -> None:
        """Leave the cluster, and end one that was made here."""
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


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
            self._waiting.append((self._jobs.submit(answered, pickle.dumps((task, arguments))), future))
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
                    future.set_result(opened(_answer(job)))
                except BaseException as error:
                    future.set_exception(error)
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


def _answer(job: Any) -> bytes:
    try:
        return job.result()
    except Exception as error:
        raise WorkerLost(f"job {job.job_id} failed: {error}") from error
