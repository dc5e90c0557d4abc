"""Worker processes of this machine, each with a pipe of its own, replaced when they die."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing.connection import Connection
from typing import Any

from glassgpu import validate
from glassgpu.errors import InvalidInput, WorkerLost
from glassgpu.memory import WORKERS

TRIES = 3  # of a task whose worker dies
SECONDS_TO_END = 5.0  # that a worker is given
SECONDS_BETWEEN_SIGNALS = 0.5
GUARD = "workers import the script that started them, so put what it does under 'if __name__ == \"__main__\":'"


class Processes:
    """Worker processes of this machine, started afresh (``spawn``), each replaced when it dies.

    A worker that is killed loses the task it was at, which is run again, from its checkpoint where it keeps one; the others do not
    notice. The cores that kernels use and this machine's memory budget are divided among the workers. A script that uses them needs
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
        while kind is not None and any(hand.is_alive() for hand in self._hands):
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT)  # which saves what is under way; again to one that was not listening yet
            for hand in self._hands:
                hand.join(SECONDS_BETWEEN_SIGNALS / self.workers)
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
                future = self._tasks.popleft()[0]
                if future.cancel():
                    future.set_running_or_notify_cancel()  # those who wait for it are not told before
            self._changed.notify_all()

    def pids(self) -> list[int]:
        """Process numbers of the workers that are running; they are started with their first tasks."""
        return [process.pid for process, _ in list(self._processes.values()) if process.is_alive()]

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
        for tried in range(TRIES):
            if tried and not self._open:
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
            return opened(answer)
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

        share = {WORKERS: self.workers, "GLASSGPU_THREADS": max(1, threads_available() // self.workers)}
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
        signal.signal(signal.SIGINT, _stop_once)
        answer = answered(message)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        pipe.send_bytes(answer)


def _stop_once(*_: Any) -> None:
    """Ctrl-C in a terminal reaches a worker twice, from the terminal and from its parent: the second must not disturb what is saved."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def answered(message: bytes) -> bytes:
    """What a pickled task and its arguments come to: (True, result) or (False, error), pickled."""
    try:
        task, arguments = pickle.loads(message)
        return pickle.dumps((True, task(*arguments)), pickle.HIGHEST_PROTOCOL)
    except BaseException as error:
        return _told(error)


def opened(answer: bytes) -> Any:
    """The result in an answer; its error is raised."""
    done, result = pickle.loads(answer)
    if not done:
        raise result
    return result


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
