"""Files that appear whole, and that one process at a time writes; what killed processes leave behind is removed.

Locks are those of the system (``flock``), which gives them back however a process ends. No clock and no process number decides
anything. Where a file system has no locks, two writers at once are in the user's hands.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import glob
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from glassgpu.errors import OutputBusy, OutputNotWritable

PART, PROBE, LOCK, FOLDER = "part", "probe", "lock", ".glassgpu-"  # how names of what is being written end, or begin
CHUNK = "*.partial"  # of zarr


@contextlib.contextmanager
def published(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the name ``path`` when the block ends without an error: a reader sees the old file or the new
    one, never half of one, even after a power cut.

    Raises:
        OutputNotWritable: no permission, no space; what was there before is unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{PART}")
    try:
        handle = _open_held(temporary, os.O_WRONLY | os.O_TRUNC)  # so that nobody takes it for a leftover
        if handle is None:
            raise OutputBusy(f"another thread is writing {path}; wait for it, or choose another name")
        with open(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # a full disk or quota may be told of no earlier
            os.replace(temporary, path)
    except OutputBusy:
        raise
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise unwritable(path, error) from error
        raise


@contextlib.contextmanager
def alone(*paths: Path | None) -> Iterator[None]:
    """Inside the block nobody else writes to these files or stores; leftovers of killed processes beside them are removed.

    Raises:
        OutputBusy: another process, or a call around this one, is at it.
        OutputNotWritable: their folder cannot be written.
    """
    with contextlib.ExitStack() as stack:
        for path in paths:
            if path is not None:
                busy = OutputBusy(f"another process, or a call around this one, is writing to {path}; wait for it, or choose another name")
                stack.enter_context(locked(path.with_name(f".{path.name}.{LOCK}"), busy))
                for kind in (PART, PROBE):
                    _remove_stale(path.parent.glob(f".{glob.escape(path.name)}.*.{kind}"))
        yield


def by_one_process(method: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A method that runs ``alone`` with the paths that ``self.written()`` names."""

    @functools.wraps(method)
    def guarded(self: Any) -> Any:
        with alone(*self.written()):
            return method(self)

    return guarded


@contextlib.contextmanager
def locked(path: Path, busy: OutputBusy) -> Iterator[None]:
    """Hold a lock file, which is there only meanwhile; ``busy`` is raised if another holds it.

    Raises:
        OutputNotWritable: it cannot be made.
    """
    try:
        handle = _open_held(path, os.O_RDWR)
    except OSError as error:
        raise unwritable(path.parent, error) from error
    if handle is None:
        raise busy
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        os.close(handle)


def remove_leftovers(folder: Path, ours: bool = False) -> None:
    """Remove files that killed processes left half-written; what is being written stays.

    Args:
        folder: they lie in.
        ours: nobody else writes to this folder and below, so that folders and chunks of stores are removed as well.

    Raises:
        OSError
    """
    _remove_stale(path for kind in (PART, PROBE) for path in folder.glob(f".*.{kind}"))
    if ours:
        _remove_stale(folder.rglob(f".*.{LOCK}"))
        for stale in folder.rglob(f"{FOLDER}*"):
            shutil.rmtree(stale)
        for chunk in folder.rglob(CHUNK):
            chunk.unlink()


def unwritable(path: Path, error: OSError) -> OutputNotWritable:
    """The error for a place that the system does not let us write."""
    return OutputNotWritable(
        f"{path} could not be written ({error.strerror or error}); free space, or choose another folder or change its permissions. "
        "What is complete there is kept"
    )


def _remove_stale(paths: Iterator[Path]) -> None:
    """Those that nobody holds."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            if _hold(file.fileno()):
                path.unlink()


def _open_held(path: Path, flags: int) -> int | None:
    """A handle of a file, made if it is not there, that we hold; None if another does."""
    while True:
        handle = os.open(path, flags | os.O_CREAT, 0o666)
        held = _hold(handle)
        if held and _is_there(path, handle):
            return handle
        os.close(handle)
        if not held:
            return None
        # who held it has removed it in between: again, with a new one


def _hold(handle: int) -> bool:
    """Whether nobody else holds the file; from now on we do."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True


def _is_there(path: Path, handle: int) -> bool:
    """Whether the open file still stands under its name."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False
