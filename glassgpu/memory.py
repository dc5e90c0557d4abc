"""How much memory work may take, and smaller pieces of it where that was too much.

The budget is ``GLASSGPU_MEMORY`` (``"8 GiB"``, ``"500MB"``, bytes), else half of what the machine, the control group and the limits of
the process leave, and on a GPU four fifths of what is free there. It decides how work is cut, never what comes out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from glassgpu.errors import InvalidInput, OutOfMemory, SmallerBatch, warn_user

HOST_SHARE, DEVICE_SHARE = 0.5, 0.8
UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4, "ki": 1024, "mi": 1024**2, "gi": 1024**3, "ti": 1024**4}
CGROUPS = {
    "": ("", "memory.max", "memory.current"),
    "memory": ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
}  # versions 2, 1
CACHED = re.compile(r"^(?:in)?active_file (\d+)$", re.MULTILINE)  # of memory.stat: files, which the system gives back
IN_WORDS = ("RESOURCE_EXHAUSTED", "CUDA_ERROR_OUT_OF_MEMORY", "cudaErrorMemoryAllocation")
LEAST = 1 << 20
WORKERS = "GLASSGPU_WORKERS"  # in the environment of a worker: how many share this machine's memory
UNKNOWN = 8 << 30  # of a machine that does not say what it has


def budget(place: Any = None) -> int:
    """Bytes that work on a target (``launch.Cpu``, ``launch.Cuda``), by default this machine's memory, may take.

    Raises:
        InvalidInput: ``GLASSGPU_MEMORY`` is no size.
    """
    named = size_of(text) if (text := os.environ.get("GLASSGPU_MEMORY")) else None
    if getattr(place, "name", "") == "cuda":
        kept = place.xp.get_default_memory_pool().free_bytes()  # which is not counted as free
        free = int((place.xp.cuda.runtime.memGetInfo()[0] + kept) * DEVICE_SHARE)
        return free if named is None else min(named, free)
    whole = int(HOST_SHARE * _available()) if named is None else named
    return max(LEAST, whole // int(os.environ.get(WORKERS, "1")))


def size_of(text: str) -> int:
    """Bytes that a text such as ``"4 GiB"``, ``"500MB"`` or ``"1e9"`` names.

    Raises:
        InvalidInput
    """
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+(?:e[0-9]{1,2})?)\s*(|[kmgt]i?)b?\s*", text.lower())
    size = int(float(found[1]) * UNITS[found[2]]) if found else 0
    if size < LEAST:
        raise InvalidInput(f"GLASSGPU_MEMORY={text!r}: give a size of at least 1 MiB, such as '4 GiB'")
    return size


def _available(held: int = 0) -> int:
    """Bytes that this process could still get: the least of what the system, its control group and its own limits leave; of addresses so
    many are held already, whose pages are not used yet."""
    import resource

    left = [UNKNOWN]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        left = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")] or left
    except (OSError, ValueError):
        if "SC_PHYS_PAGES" in os.sysconf_names:  # macOS
            left = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for group, most, used in _control_groups():
        try:
            cached = sum(map(int, CACHED.findall((group / "memory.stat").read_text())))
            left.append(int((group / most).read_text()) - int((group / used).read_text()) + cached)
        except (OSError, ValueError):  # no such group, or "max"
            continue
    for kind, column in ((resource.RLIMIT_AS, 0), (resource.RLIMIT_DATA, 5)):
        limit = resource.getrlimit(kind)[0]
        if limit != resource.RLIM_INFINITY:
            left.append(limit - _addresses(column) + held)
    return max(min(left), 64 << 20)


def _control_groups() -> Iterator[tuple[Path, str, str]]:
    """The group of this process and all above it, which limit it too, with the names of their limit and of what is used."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, kinds, path = line.split(":", 2)
        for kind in kinds.split(","):
            if kind in CGROUPS:
                folder, most, used = CGROUPS[kind]
                here = PurePosixPath(path)
                for group in (here, *here.parents):
                    yield Path("/sys/fs/cgroup", folder, *group.parts[1:]), most, used


def _addresses(column: int) -> int:
    """Bytes of address space in use: all (0), or of data and stack (5)."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[column]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def is_exhausted(error: BaseException) -> bool:
    """Whether an error says that memory did not suffice: NumPy's and CuPy's are ``MemoryError``, JAX's and the driver's tell it in words."""
    return isinstance(error, MemoryError) or any(word in str(error) for word in IN_WORDS)


def smaller(size: int, what: str, error: BaseException) -> int:
    """Half of ``size`` pieces at a time, with a note, after memory did not suffice for ``size``.

    Raises:
        OutOfMemory: it was one already.
        The error itself, if it is of another kind.
    """
    if not is_exhausted(error):
        raise error
    if size <= 1:
        raise OutOfMemory(f"memory does not suffice for a single one of {what}: {error}; free some, or take a larger machine") from error
    warn_user(f"memory did not suffice for {size} {what} at a time; going on with {size // 2}", SmallerBatch)
    return size // 2


def pieces(work: Callable[[slice], None], total: int, some: int, what: str) -> None:
    """Call ``work`` for consecutive slices of ``total``, ``some`` at a time, and fewer once memory does not suffice.

    Raises:
        OutOfMemory: not even for one.
    """
    first = 0
    while first < total:
        try:
            work(slice(first, min(first + some, total)))
        except (MemoryError, RuntimeError) as error:
            some = smaller(min(some, total - first), what, error)
            continue
        first += some


@contextmanager
def explained(advice: str) -> Iterator[None]:
    """Inside the block, exhausted memory is ``OutOfMemory`` with advice.

    Raises:
        OutOfMemory
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, OutOfMemory) or not is_exhausted(error):
            raise
        raise OutOfMemory(f"{advice} ({str(error).splitlines()[0] if str(error) else 'out of memory'})") from error


def require_room(size: int, what: str, advice: str) -> None:
    """Raise unless so many bytes of this machine's memory could be had, whose addresses are.

    Raises:
        OutOfMemory
    """
    if size > (there := _available(held=size)):
        raise OutOfMemory(f"{what} take {size / 2**30:.3g} GiB, and {there / 2**30:.3g} GiB are free: {advice}")
